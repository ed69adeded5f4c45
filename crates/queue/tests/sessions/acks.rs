//! When a message counts as acknowledged, and who hears of it.

use queue::Config;
use wire::{AckPoint, Code, FrameType, HEADER_BYTES, Header, Hello, Parsed, VERSION, parse};

use crate::support::{Pair, World, config, word};

fn processed(id: u8) -> Config {
    Config {
        ack: AckPoint::Processed,
        ..config(id)
    }
}

/// A server and a connection to it over which the test itself speaks. Returns the world and the test's end.
fn raw(server: Config) -> (World, usize) {
    let mut world = World::new();
    let server = world.server(server);
    let (near, _) = world.connect_to_server(server);
    let hello = Hello {
        versions: (VERSION, VERSION),
        id: [9; 16],
        ..config_hello()
    };
    world.send(near, &hello.encode());
    world.settle();
    world.receive(near);
    (world, near)
}

fn config_hello() -> Hello {
    Hello {
        versions: (VERSION, VERSION),
        id: [9; 16],
        cluster: String::new(),
        features: 0,
        ack: AckPoint::Received,
        keep_alive_ms: 0,
        max_message: 1 << 20,
        keeping: None,
        standing: None,
    }
}

fn acks(bytes: &[u8]) -> Vec<u64> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Ok(Parsed::Frame(header)) = parse(&bytes[at..], u32::MAX) {
        if header.kind == FrameType::Ack {
            found.push(header.seq);
        }
        at += header.frame_len();
    }
    found
}

/// One DATA frame of empty messages.
fn data(seq: u64, count: u16) -> Vec<u8> {
    let header = Header {
        kind: FrameType::Data,
        redelivered: 0,
        body_len: u32::from(count) * 4,
        count,
        seq,
    };
    let mut bytes = header.encode().to_vec();
    bytes.resize(HEADER_BYTES + usize::from(count) * 4, 0);
    bytes
}

#[test]
fn what_arrived_is_acknowledged_although_nobody_took_it() {
    let mut pair = Pair::open(config(1), config(2));
    pair.server().takes = false;
    pair.client().put(0, &[b"abc", b"de"]).unwrap();
    pair.settle();
    let done = pair.client().queue.status(0).unwrap().done;
    assert_eq!((done.seq, done.messages, done.bytes), (2, 2, 5));
    assert!(pair.server().messages.is_empty());
}

#[test]
fn what_must_be_processed_is_acknowledged_when_the_owner_says_so() {
    let mut pair = Pair::open(processed(1), config(2));
    pair.server().acknowledges = false;
    pair.client().put(0, &[b"a", b"bb", b"ccc"]).unwrap();
    pair.settle();
    assert_eq!(pair.server().messages.len(), 3);
    assert_eq!(pair.client().queue.status(0).unwrap().done.seq, 0);
    pair.server().queue.acknowledge(0, 2).unwrap();
    pair.settle();
    let done = pair.client().queue.status(0).unwrap().done;
    // Bytes count when their whole frame is acknowledged.
    assert_eq!((done.seq, done.messages, done.bytes), (2, 2, 0));
    pair.server().queue.acknowledge(0, 1).unwrap();
    pair.settle();
    assert_eq!(pair.client().queue.status(0).unwrap().done.seq, 2);
    pair.server().queue.acknowledge(0, 3).unwrap();
    pair.settle();
    let done = pair.client().queue.status(0).unwrap().done;
    assert_eq!((done.seq, done.messages, done.bytes), (3, 3, 6));
    pair.end();
}

#[test]
fn an_owner_cannot_acknowledge_what_has_not_come() {
    let mut pair = Pair::open(processed(1), config(2));
    pair.server().acknowledges = false;
    pair.server().queue.acknowledge(0, 1 << 40).unwrap();
    pair.settle();
    assert_eq!(pair.client().errors().len(), 0);
    pair.client().put(0, &[b"a"]).unwrap();
    pair.settle();
    assert_eq!(pair.client().queue.status(0).unwrap().done.seq, 1);
    assert_eq!(
        pair.server().queue.acknowledge(7, 1),
        Err(Code::NotConnected)
    );
    pair.end();
}

#[test]
fn acknowledgements_of_parts_of_frames_add_up() {
    let (mut world, near) = raw(config(1));
    world.nodes[0].put(0, &[b"a", b"bb", b"ccc"]).unwrap();
    world.nodes[0].put(0, &[b"dddd", b"eeeee"]).unwrap();
    world.settle();
    let mut seen = Vec::new();
    for seq in [0, 1, 1, 3, 2, 4, 5] {
        world.send(near, &Header::bare(FrameType::Ack, seq).encode());
        world.settle();
        let done = world.nodes[0].queue.status(0).unwrap().done;
        seen.push((done.seq, done.messages, done.bytes));
    }
    let expected = [
        (0, 0, 0),
        (1, 1, 0),
        (1, 1, 0),
        (3, 3, 6),
        (3, 3, 6),
        (4, 4, 6),
        (5, 5, 15),
    ];
    assert_eq!(seen, expected);
}

#[test]
fn an_acknowledgement_of_what_was_never_sent_ends_the_session() {
    let (mut world, near) = raw(config(1));
    world.nodes[0].put(0, &[b"a"]).unwrap();
    world.settle();
    world.send(near, &Header::bare(FrameType::Ack, 2).encode());
    world.settle();
    assert_eq!(world.nodes[0].errors().len(), 1);
    assert!(
        !world.nodes[0]
            .queue
            .status(0)
            .is_ok_and(|status| status.alive)
    );
}

#[test]
fn a_socket_that_never_runs_dry_is_acknowledged_at_quarters_of_the_mark() {
    let (mut world, near) = raw(Config {
        high_water_messages: 100,
        ..config(1)
    });
    // One read brings everything.
    let stream: Vec<u8> = (0..9).flat_map(|i| data(1 + i * 10, 10)).collect();
    world.send(near, &stream);
    world.settle();
    // 30 is the first end of a frame at or after 25, and so on; the last when the socket is dry. An acknowledgement that
    // has not been written gives way to the next.
    let acks = acks(&world.receive(near));
    assert_eq!(acks.last(), Some(&90));
    assert!(acks.is_sorted() && acks.len() <= 4, "{acks:?}");
}

#[test]
fn one_acknowledgement_waits_at_a_time_for_a_peer_that_does_not_read() {
    let (mut world, near) = raw(config(1));
    world.incoming(near).capacity = 16 + 5;
    for seq in 1..=1000 {
        world.send(near, &data(seq, 1));
        world.settle();
    }
    world.incoming(near).capacity = 1 << 20;
    world.settle();
    let mut bytes = world.receive(near);
    world.settle();
    bytes.extend(world.receive(near));
    let acks = acks(&bytes);
    assert_eq!(acks.last(), Some(&1000));
    assert!(acks.len() <= 4, "{} acknowledgements were kept", acks.len());
}

#[test]
fn a_large_message_is_acknowledged_when_it_has_come_whole() {
    let (mut world, end) = raw(config(1));
    let header = Header {
        kind: FrameType::Data,
        redelivered: 0,
        body_len: 200_004,
        count: 1,
        seq: 2,
    };
    let mut large = header.encode().to_vec();
    large.extend(word(200_000).to_le_bytes());
    large.extend([7; 200_000]);
    let mut told = Vec::new();
    world.send(end, &data(1, 1));
    for piece in large.chunks(30_000) {
        world.send(end, piece);
        world.settle();
        told.extend(acks(&world.receive(end)));
        if told.len() < 2 {
            assert_eq!(told, [1]);
        }
    }
    assert_eq!(told, [1, 2]);
}

#[test]
fn an_acknowledgement_does_not_break_into_a_large_message() {
    // Every place at which the socket may be full: in the head of the frame, between head and payload, in the payload.
    for taken in (1..40).chain([1000, 70_000, 70_020]) {
        let mut pair = Pair::open(config(1), config(2));
        let server_end = pair.server_end;
        pair.world.incoming(server_end).stalled = true;
        pair.world.incoming(server_end).capacity = taken;
        pair.client().put(0, &[&[7; 70_000], b"tail"]).unwrap();
        pair.settle();
        pair.server().put(0, &[b"to be acknowledged"]).unwrap();
        pair.settle();
        assert_eq!(pair.client().messages.len(), 1);
        pair.world.incoming(server_end).stalled = false;
        pair.world.incoming(server_end).capacity = 1 << 20;
        pair.settle();
        assert_eq!(
            pair.server().payloads(),
            [&[7; 70_000][..], b"tail"],
            "{taken}"
        );
        assert_eq!(pair.server().queue.status(0).unwrap().done.seq, 1);
        pair.end();
    }
}

#[test]
fn a_watch_wakes_once_and_one_that_is_reached_already_does_not() {
    let mut pair = Pair::open(processed(1), config(2));
    pair.server().acknowledges = false;
    pair.client().put(0, &[b"1", b"2", b"3", b"4"]).unwrap();
    pair.settle();
    assert!(!pair.client().queue.watch(0, 2).unwrap());
    pair.server().queue.acknowledge(0, 1).unwrap();
    pair.settle();
    assert_eq!(pair.client().acked, 0);
    pair.server().queue.acknowledge(0, 3).unwrap();
    pair.settle();
    assert_eq!(pair.client().acked, 1);
    assert!(pair.client().queue.watch(0, 3).unwrap());
    pair.server().queue.acknowledge(0, 4).unwrap();
    pair.settle();
    assert_eq!(pair.client().acked, 1, "nobody watched");
    assert_eq!(pair.client().queue.watch(5, 1), Err(Code::NotConnected));
}

#[test]
fn a_watch_for_what_is_acknowledged_does_not_end_one_for_what_is_not() {
    let mut pair = Pair::open(processed(1), config(2));
    pair.server().acknowledges = false;
    pair.client().put(0, &[b"1", b"2", b"3", b"4"]).unwrap();
    pair.settle();
    pair.server().queue.acknowledge(0, 2).unwrap();
    pair.settle();
    assert!(!pair.client().queue.watch(0, 4).unwrap());
    assert!(pair.client().queue.watch(0, 1).unwrap());
    pair.server().queue.acknowledge(0, 4).unwrap();
    pair.settle();
    assert_eq!(pair.client().acked, 1);
}

#[test]
fn the_lowest_watch_counts() {
    let mut pair = Pair::open(processed(1), config(2));
    pair.server().acknowledges = false;
    pair.client().put(0, &[b"1", b"2", b"3", b"4"]).unwrap();
    pair.settle();
    for seq in [4, 2, 3] {
        assert!(!pair.client().queue.watch(0, seq).unwrap());
    }
    pair.server().queue.acknowledge(0, 2).unwrap();
    pair.settle();
    assert_eq!(pair.client().acked, 1);
}
