//! Bytes that no honest peer sends: they end the session with a code or wait for more, and memory stays bounded.

use std::time::Duration;

use proptest::prelude::*;
use queue::Config;
use wire::{AckPoint, FrameType, HEADER_BYTES, Header, Hello, VERSION};

use crate::support::{World, config, word};

const MARK: u64 = 200_000;
const MAX_MESSAGE: u32 = 300_000;
const SLAB_BYTES: u64 = 128 * 1024;

fn victim() -> Config {
    Config {
        high_water_bytes: MARK,
        high_water_messages: 500,
        max_message: MAX_MESSAGE,
        ..config(1)
    }
}

fn hello() -> Vec<u8> {
    let hello = Hello {
        versions: (VERSION, VERSION),
        id: [9; 16],
        cluster: String::new(),
        features: 0,
        ack: AckPoint::Received,
        keep_alive_ms: 10_000,
        max_message: 1 << 20,
        keeping: None,
        standing: None,
    };
    hello.encode()
}

/// A frame of a valid stream.
#[derive(Clone, Debug)]
enum Frame {
    Data(Vec<usize>),
    Large(usize),
    Gap(u64),
    Ack,
    Beat,
    Fin,
    Error(String),
}

fn frame() -> impl Strategy<Value = Frame> {
    prop_oneof![
        6 => prop::collection::vec(0..400_usize, 1..20).prop_map(Frame::Data),
        1 => (65_517..250_000_usize).prop_map(Frame::Large),
        1 => (1..1000_u64).prop_map(Frame::Gap),
        2 => Just(Frame::Ack),
        2 => Just(Frame::Beat),
        1 => Just(Frame::Fin),
        1 => "[a-z]{0,20}".prop_map(Frame::Error),
    ]
}

fn stream(frames: &[Frame]) -> Vec<u8> {
    let mut bytes = hello();
    let mut seq = 1;
    let data = |seq: u64, lengths: &[usize]| {
        let total: usize = lengths.iter().sum();
        let body_len = u32::try_from(lengths.len() * 4 + total).unwrap();
        let count = u16::try_from(lengths.len()).unwrap();
        let mut bytes = Header {
            kind: FrameType::Data,
            redelivered: 0,
            body_len,
            count,
            seq,
        }
        .encode()
        .to_vec();
        bytes.extend(
            lengths
                .iter()
                .flat_map(|&length| word(length).to_le_bytes()),
        );
        bytes.resize(bytes.len() + total, 0x5a);
        bytes
    };
    for frame in frames {
        match frame {
            Frame::Data(lengths) => {
                bytes.extend(data(seq, lengths));
                seq += lengths.len() as u64;
            }
            Frame::Large(length) => {
                bytes.extend(data(seq, &[*length]));
                seq += 1;
            }
            Frame::Gap(gap) => seq += gap,
            Frame::Ack => bytes.extend(Header::bare(FrameType::Ack, 0).encode()),
            Frame::Beat => bytes.extend(Header::bare(FrameType::Beat, 0).encode()),
            Frame::Fin => bytes.extend(Header::bare(FrameType::Fin, seq - 1).encode()),
            Frame::Error(reason) => {
                let body_len = u32::try_from(reason.len()).unwrap();
                bytes.extend(
                    Header {
                        kind: FrameType::Error,
                        redelivered: 0,
                        body_len,
                        count: 0,
                        seq: 9,
                    }
                    .encode(),
                );
                bytes.extend(reason.as_bytes());
            }
        }
    }
    bytes
}

/// What is done to a stream.
#[derive(Clone, Debug)]
enum Damage {
    Set(usize, u8),
    Flip(usize, u8),
    Remove(usize, usize),
    Insert(usize, Vec<u8>),
    Repeat(usize, usize),
    Truncate(usize),
}

fn damage() -> impl Strategy<Value = Damage> {
    let place = || prop_oneof![2 => 0..200_usize, 1 => any::<usize>()];
    prop_oneof![
        3 => (place(), prop_oneof![Just(0), Just(0xff), any::<u8>()]).prop_map(|(at, byte)| Damage::Set(at, byte)),
        3 => (place(), 0..8_u8).prop_map(|(at, bit)| Damage::Flip(at, bit)),
        2 => (place(), 1..40_usize).prop_map(|(at, n)| Damage::Remove(at, n)),
        2 => (place(), prop::collection::vec(any::<u8>(), 1..40)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        1 => (place(), 1..2000_usize).prop_map(|(at, n)| Damage::Repeat(at, n)),
        1 => place().prop_map(Damage::Truncate),
    ]
}

fn apply(bytes: &mut Vec<u8>, damage: &Damage) {
    let len = bytes.len().max(1);
    let range = |at: usize, n: usize| at % len..(at % len + n).min(bytes.len());
    match damage {
        Damage::Set(at, byte) => {
            if let Some(place) = bytes.get_mut(at % len) {
                *place = *byte;
            }
        }
        Damage::Flip(at, bit) => {
            if let Some(place) = bytes.get_mut(at % len) {
                *place ^= 1 << bit;
            }
        }
        Damage::Remove(at, n) if !bytes.is_empty() => drop(bytes.drain(range(*at, *n))),
        Damage::Insert(at, more) if !bytes.is_empty() => {
            drop(bytes.splice(range(*at, 0), more.iter().copied()))
        }
        Damage::Repeat(at, n) if !bytes.is_empty() => {
            let part = bytes[range(*at, *n)].to_vec();
            bytes.splice(range(*at, 0), part);
        }
        Damage::Truncate(at) => bytes.truncate(at % len),
        Damage::Remove(..) | Damage::Insert(..) | Damage::Repeat(..) => {}
    }
}

/// No more memory is in use than the mark allows: what is held pins slabs, at worst in a ratio of four, and each session
/// has one to read into and one to send from; large buffers are rounded up by at most a quarter.
fn assert_bounded(world: &World, node: usize) {
    let stats = world.nodes[node].queue.stats();
    let (messages, bytes) = stats.held;
    let slabs = (bytes + messages * 20) * 4 / SLAB_BYTES + 4;
    assert!(stats.memory.0 <= slabs, "{stats:?}");
    let large = (MARK + u64::from(MAX_MESSAGE)) * 5 / 4;
    assert!(stats.memory.2 <= large, "{stats:?}");
}

/// Feeds a victim and sees to it that it survives.
fn feed(bytes: &[u8], cuts: &[usize], takes: bool) {
    let mut world = World::new();
    let server = world.server(victim());
    world.nodes[server].takes = takes;
    let (near, far) = world.connect_to_server(server);
    world.incoming(far).cuts = cuts.to_vec();
    for piece in bytes.chunks(200_000) {
        if world.outcome(far).is_some() {
            break;
        }
        world.incoming(far).capacity = 1 << 30;
        world.send(near, piece);
        world.settle();
        assert_bounded(&world, server);
    }
    world.nodes[server].takes = true;
    world.nodes[server].take_all();
    world.settle();
    world.shut_down(near);
    world.settle();
    assert_bounded(&world, server);
    let deadline = world.now + Duration::from_secs(1);
    world.nodes[server].queue.close(Some(deadline));
    world.pass(Duration::from_secs(1));
    assert!(world.outcome(far).is_some());
    assert!(world.nodes[server].errors().len() <= 1);
    world.nodes[server].assert_ended_well();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2500))]

    #[test]
    fn a_damaged_stream_ends_with_a_code_or_waits(
        frames in prop::collection::vec(frame(), 0..12),
        damages in prop::collection::vec(damage(), 1..5),
        cuts in prop::collection::vec(prop_oneof![1..100_usize, 1000..50_000_usize], 0..6),
        takes in any::<bool>(),
    ) {
        let mut bytes = stream(&frames);
        for damage in &damages {
            apply(&mut bytes, damage);
        }
        let least = bytes.len() / 500;
        let cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.max(least)).collect();
        feed(&bytes, &cuts, takes);
    }

    #[test]
    fn a_damaged_answer_fails_the_client_or_makes_it_wait(
        frames in prop::collection::vec(frame(), 0..8),
        damages in prop::collection::vec(damage(), 1..4),
        cuts in prop::collection::vec(1..5000_usize, 0..6),
    ) {
        let mut bytes = stream(&frames);
        for damage in &damages {
            apply(&mut bytes, damage);
        }
        let least = bytes.len() / 500;
        let mut world = World::new();
        let client = world.client(victim());
        world.nodes[client].put(0, &[b"early", &[1; 70_000]]).unwrap();
        let (near, far) = world.connect_client(client);
        world.incoming(near).cuts = cuts.into_iter().map(|cut| cut.max(least)).collect();
        world.incoming(near).capacity = 1 << 30;
        world.send(far, &bytes);
        world.settle();
        world.shut_down(far);
        world.settle();
        prop_assert!(world.outcome(near).is_some());
        prop_assert!(world.nodes[client].errors().len() <= 1);
        world.nodes[client].queue.close(None);
        world.settle();
        world.nodes[client].assert_ended_well();
    }

    #[test]
    fn any_bytes_behind_a_valid_hello_are_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..500),
        takes in any::<bool>(),
    ) {
        feed(&[hello(), bytes].concat(), &[], takes);
    }

    #[test]
    fn any_headers_are_survived(
        headers in prop::collection::vec((any::<u32>(), 0..7_u8, 0..4_u16, 0..6_u64, 0..24_usize), 1..20),
    ) {
        let mut bytes = hello();
        for (body_len, kind, count, seq, tail) in headers {
            let body_len = if body_len % 3 == 0 { body_len } else { body_len % 64 };
            bytes.extend(body_len.to_le_bytes());
            bytes.extend([kind, 0]);
            bytes.extend(count.to_le_bytes());
            bytes.extend(seq.to_le_bytes());
            bytes.resize(bytes.len() + tail.min(body_len as usize), 0);
        }
        feed(&bytes, &[], true);
    }
}

#[test]
fn an_undamaged_stream_is_understood() {
    // Or the tests above would test nothing.
    let frames = [
        Frame::Data(vec![1, 0, 300]),
        Frame::Large(70_000),
        Frame::Gap(5),
        Frame::Beat,
        Frame::Data(vec![4]),
    ];
    let mut world = World::new();
    let server = world.server(victim());
    let (near, far) = world.connect_to_server(server);
    world.send(near, &stream(&frames));
    world.settle();
    assert_eq!(world.outcome(far), None);
    let seqs: Vec<u64> = world.nodes[server]
        .messages
        .iter()
        .map(|message| message.seq)
        .collect();
    assert_eq!(seqs, [1, 2, 3, 4, 10]);
}

#[test]
fn who_has_not_introduced_itself_takes_no_pooled_memory() {
    let mut world = World::new();
    let server = world.server(victim());
    for _ in 0..100 {
        let (near, _) = world.connect_to_server(server);
        world.send(near, &hello()[..40]);
    }
    world.settle();
    assert_eq!(world.nodes[server].queue.stats().memory, (0, 0, 0));
}

#[test]
fn a_header_alone_may_announce_one_longest_message_and_no_more() {
    let mut world = World::new();
    let server = world.server(victim());
    let (near, far) = world.connect_to_server(server);
    world.send(near, &hello());
    let header = Header {
        kind: FrameType::Data,
        redelivered: 0,
        body_len: MAX_MESSAGE + 4,
        count: 1,
        seq: 1,
    };
    world.send(near, &header.encode());
    world.send(near, &word(MAX_MESSAGE as usize).to_le_bytes());
    world.settle();
    assert_eq!(world.outcome(far), None);
    assert_bounded(&world, server);
    let longer = Header {
        redelivered: 0,
        body_len: MAX_MESSAGE + 5,
        ..header
    };
    let (near, far) = world.connect_to_server(server);
    world.send(
        near,
        &[&hello()[..12 + 3], &[8; 16], &hello()[12 + 3 + 16..]].concat(),
    );
    world.send(near, &longer.encode());
    world.settle();
    assert!(world.outcome(far).is_some());
}

#[test]
fn small_messages_between_many_beats_do_not_pin_a_slab_each() {
    let mut world = World::new();
    let server = world.server(victim());
    world.nodes[server].takes = false;
    let (near, far) = world.connect_to_server(server);
    world.incoming(far).capacity = 1 << 30;
    world.send(near, &hello());
    let beats: Vec<u8> = Header::bare(FrameType::Beat, 0)
        .encode()
        .repeat(128 * 1024 / HEADER_BYTES);
    for seq in 1..=200 {
        let header = Header {
            kind: FrameType::Data,
            redelivered: 0,
            body_len: 5,
            count: 1,
            seq,
        };
        world.send(near, &header.encode());
        world.send(near, &[1, 0, 0, 0, 7]);
        world.send(near, &beats);
        world.settle();
    }
    assert_eq!(world.nodes[server].queue.stats().held.0, 200);
    assert_bounded(&world, server);
}
