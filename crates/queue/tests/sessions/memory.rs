//! What many peers cost that hold little.

use queue::Config;
use wire::{AckPoint, FrameType, Header, Hello, VERSION};

use crate::support::{Pair, SERVER, World, config, word};

const PEERS: u8 = 100;

fn hello(id: u8) -> Vec<u8> {
    let hello = Hello {
        versions: (VERSION, VERSION),
        id: [id; 16],
        cluster: String::new(),
        features: 0,
        ack: AckPoint::Received,
        keep_alive_ms: 0,
        max_message: 1 << 20,
        keeping: None,
        standing: None,
    };
    hello.encode()
}

/// A DATA frame of one message.
fn data(seq: u64, payload: &[u8]) -> Vec<u8> {
    let header = Header {
        kind: FrameType::Data,
        redelivered: 0,
        body_len: u32::try_from(4 + payload.len()).unwrap(),
        count: 1,
        seq,
    };
    [
        &header.encode()[..],
        &word(payload.len()).to_le_bytes(),
        payload,
    ]
    .concat()
}

/// A server that takes nothing, and the test's ends of connections to it.
fn besieged() -> (World, Vec<usize>) {
    let mut world = World::new();
    let server = world.server(config(1));
    world.nodes[server].takes = false;
    let ends = (0..PEERS)
        .map(|number| {
            let (near, _) = world.connect_to_server(server);
            world.send(near, &hello(number + 10));
            world.settle();
            near
        })
        .collect();
    (world, ends)
}

fn slabs(world: &World) -> u64 {
    world.nodes[SERVER].queue.stats().memory.0
}

#[test]
fn a_small_message_that_waits_for_its_owner_keeps_no_slab() {
    let (mut world, ends) = besieged();
    assert_eq!(slabs(&world), 0);
    for seq in 1..=3 {
        for &end in &ends {
            world.send(end, &data(seq, &[7; 64]));
        }
        world.settle();
        assert_eq!(slabs(&world), 0);
    }
    let server = &mut world.nodes[SERVER];
    assert_eq!(server.queue.stats().held.0, 3 * u64::from(PEERS));
    server.take_all();
    assert!(server.payloads().iter().all(|payload| *payload == [7; 64]));
    assert_eq!(server.messages.len(), 3 * usize::from(PEERS));
}

#[test]
fn the_start_of_a_frame_keeps_no_slab() {
    let (mut world, ends) = besieged();
    let frame = data(1, &[7; 1000]);
    for cut in [3, 16, 18, 500, 1019] {
        for &end in &ends {
            let sent = [0, 3, 16, 18, 500]
                .into_iter()
                .rfind(|sent| *sent < cut)
                .unwrap_or(0);
            world.send(end, &frame[sent..cut]);
        }
        world.settle();
        assert_eq!(slabs(&world), 0);
    }
    for &end in &ends {
        world.send(end, &frame[1019..]);
    }
    world.settle();
    world.nodes[SERVER].take_all();
    let payloads = world.nodes[SERVER].payloads();
    assert_eq!(payloads.len(), usize::from(PEERS));
    assert!(payloads.iter().all(|payload| *payload == [7; 1000]));
}

#[test]
fn small_messages_that_a_peer_does_not_read_keep_no_slab() {
    let mut world = World::new();
    let server = world.server(config(1));
    for number in 0..PEERS {
        let (near, _) = world.connect_to_server(server);
        world.send(near, &hello(number + 10));
        world.settle();
        world.receive(near);
        world.incoming(near).capacity = 0;
    }
    for peer in 0..u32::from(PEERS) {
        for _ in 0..3 {
            world.nodes[server]
                .put(peer, &[&[1; 64], &[2; 100]])
                .unwrap();
            world.settle();
        }
    }
    assert_eq!(slabs(&world), 0);
}

#[test]
fn a_peer_that_has_everything_keeps_no_slab() {
    let mut pair = Pair::open(config(1), config(2));
    for size in [10, 5000, 60_000, 100_000] {
        for _ in 0..10 {
            pair.client().put(0, &[&vec![9; size]]).unwrap();
        }
        pair.settle();
        let stats = pair.client().queue.stats();
        assert_eq!((stats.memory.0, stats.memory.2), (0, 0));
    }
    assert_eq!(pair.server().messages.len(), 40);
    pair.end();
}

#[test]
fn much_that_a_peer_does_not_read_is_packed_into_slabs() {
    let mut world = World::new();
    let server = world.server(Config {
        high_water_bytes: 1 << 20,
        ..config(1)
    });
    let (near, _) = world.connect_to_server(server);
    world.send(near, &hello(10));
    world.settle();
    world.receive(near);
    world.incoming(near).capacity = 0;
    for _ in 0..5000 {
        world.nodes[server].put(0, &[&[1; 64]]).unwrap();
    }
    world.settle();
    assert_eq!(slabs(&world), (5000 * 84_u64).div_ceil(128 * 1024));
}
