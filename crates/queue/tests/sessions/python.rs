//! Conversations in the protocol of the Python package net-queue.

use std::time::Duration;

use proptest::prelude::*;
use queue::{Compat, Config, Event, Introduction, Payload};
use wire::python::{identity, prefix};
use wire::{AckPoint, Code, Kind, MAX_LENGTH};

use crate::support::{CLIENT, Node, Pair, SERVER, World, config, endpoint, peer_event, word};

const MARK: u64 = 200_000;
const MAX_MESSAGE: u32 = 300_000;
const SLAB_BYTES: u64 = 128 * 1024;

fn python(id: u8) -> Config {
    Config {
        compat: Compat::Python,
        ..config(id)
    }
}

/// Settings under which a peer's bytes are to be survived.
fn victim() -> Config {
    Config {
        high_water_bytes: MARK,
        high_water_messages: 500,
        max_message: MAX_MESSAGE,
        ..config(1)
    }
}

fn id(byte: u8) -> Vec<u8> {
    identity(&[byte; 16]).to_vec()
}

fn message(payload: &[u8]) -> Vec<u8> {
    [&prefix(payload.len())[..], payload].concat()
}

/// The event that says that a Python peer introduced itself.
fn introduced(number: u32, id: u8) -> Event {
    let introduction = Introduction {
        id: [id; 16],
        max_message: MAX_LENGTH,
        ack: AckPoint::Received,
        python: true,
        first: 1,
    };
    Event::Peer(number, introduction)
}

/// A server that takes peers of both kinds, and a Python client whose bytes the test writes. The ends are the client's and
/// the server's.
fn with_client(server: Config) -> (World, usize, usize) {
    let mut world = World::new();
    let server = world.server(server);
    let (near, far) = world.connect_to_server(server);
    world.incoming(far).capacity = 1 << 30;
    world.incoming(near).capacity = 1 << 30;
    (world, near, far)
}

/// A client of a Python server whose bytes the test writes, after both have introduced themselves (as 2 and 1).
fn with_server(client: Config) -> (World, usize, usize) {
    let mut world = World::new();
    let client = world.client(client);
    let (near, far) = world.connect_client(client);
    world.incoming(far).capacity = 1 << 30;
    world.settle();
    assert_eq!(world.receive(far), id(2));
    world.send(far, &id(1));
    world.settle();
    (world, near, far)
}

fn codes(node: &Node) -> Vec<Code> {
    let code = |event: &&Event| match event {
        Event::Lost(_, Some(error)) | Event::Warning(error) | Event::Failed(error) => error.code,
        other => panic!("not an error: {other:?}"),
    };
    node.errors().iter().map(code).collect()
}

fn close(world: &mut World, node: usize) {
    let deadline = world.now + Duration::from_secs(5);
    world.nodes[node].queue.close(Some(deadline));
    world.settle();
}

#[test]
fn a_server_speaks_only_when_spoken_to_and_leaves_only_after_its_client() {
    let (mut world, near, far) = with_client(config(2));
    world.settle();
    assert_eq!(world.receive(near), b"");
    world.send(near, &id(1));
    world.settle();
    assert_eq!(world.receive(near), id(2));
    assert_eq!(world.nodes[0].events[1..], [introduced(0, 1)]);

    world.send(near, &message(b"ping"));
    world.settle();
    assert_eq!(world.nodes[0].payloads(), [b"ping"]);
    assert_eq!(world.nodes[0].messages[0].seq, 1);
    world.nodes[0].put(0, &[b"pong", b""]).unwrap();
    world.settle();
    assert_eq!(
        world.receive(near),
        [message(b"pong"), message(b"")].concat()
    );

    close(&mut world, 0);
    assert_eq!(world.receive(near), b"", "its client has not left");
    world.send(near, &[message(b"last"), id(1)].concat());
    world.settle();
    assert_eq!(world.receive(near), id(2));
    world.shut_down(near);
    world.settle();
    assert_eq!(world.outcome(far), Some(&Ok(())));
    assert_eq!(world.nodes[0].payloads(), [b"ping", b"last"]);
    world.nodes[0].assert_ended_well();
    assert_eq!(world.nodes[0].errors(), Vec::<&Event>::new());
}

#[test]
fn a_client_says_who_it_is_at_once_and_all_else_when_its_server_has_answered() {
    let mut world = World::new();
    let client = world.client(python(2));
    world.nodes[client].put(0, &[b"early"]).unwrap();
    let (near, far) = world.connect_client(client);
    world.settle();
    close(&mut world, client);
    assert_eq!(
        world.receive(far),
        id(2),
        "no message, and above all no leave"
    );
    world.send(far, &id(1));
    world.settle();
    assert_eq!(world.receive(far), [message(b"early"), id(2)].concat());
    assert_eq!(world.outcome(near), None);
    world.send(far, &[message(b"late"), id(1)].concat());
    world.shut_down(far);
    world.settle();
    assert_eq!(world.outcome(near), Some(&Ok(())));
    assert_eq!(world.nodes[client].payloads(), [b"late"]);
    assert_eq!(world.nodes[client].errors(), Vec::<&Event>::new());
    world.nodes[client].assert_ended_well();
}

#[test]
fn two_communicators_can_speak_it_with_each_other() {
    for server in [config(1), python(1)] {
        let mut pair = Pair::open(server, python(2));
        assert_eq!(
            pair.server().events,
            [Event::Open(endpoint()), introduced(0, 2)]
        );
        assert_eq!(
            pair.client().events,
            [Event::Open(endpoint()), introduced(0, 1)]
        );
        pair.client().put(0, &[b"a", b"", b"bc"]).unwrap();
        pair.server().put(0, &[&[9; 70_000], b"d"]).unwrap();
        pair.settle();
        assert_eq!(pair.server().payloads(), [&b"a"[..], b"", b"bc"]);
        assert_eq!(pair.client().payloads(), [&[9; 70_000][..], b"d"]);
        assert_eq!(pair.client().queue.stats().sent, (3, 3));
        assert_eq!(pair.server().queue.stats().received, (3, 3));
        pair.end();
    }
}

#[test]
fn peers_of_both_kinds_share_a_server() {
    let mut world = World::new();
    let server = world.server(config(1));
    let native = world.client(config(2));
    let old = world.client(python(3));
    world.connect(native, server);
    world.connect(old, server);
    world.settle();
    assert_eq!(
        world.nodes[server].events[1..],
        [peer_event(0, 2), introduced(1, 3)]
    );
    for peer in [0, 1] {
        world.nodes[server].put(peer, &[b"both"]).unwrap();
    }
    world.settle();
    assert_eq!(world.nodes[native].payloads(), [b"both"]);
    assert_eq!(world.nodes[old].payloads(), [b"both"]);
}

#[test]
fn who_speaks_the_wrong_protocol_is_told_apart_by_the_first_byte() {
    for (server, client, code) in [
        (python(1), config(2), Code::Protocol),
        (
            Config {
                compat: Compat::Native,
                ..config(1)
            },
            python(2),
            Code::Protocol,
        ),
    ] {
        let mut world = World::new();
        let server = world.server(server);
        let client = world.client(client);
        world.connect(client, server);
        world.settle();
        assert_eq!(codes(&world.nodes[server]), [code]);
        // A server that hangs up without a word may be one that is only starting.
        world.pass(Duration::from_secs(11));
        assert!(world.nodes[client].is_closed());
    }
}

#[test]
fn a_message_is_acknowledged_when_the_socket_has_taken_it() {
    let mut pair = Pair::open(config(1), python(2));
    let server_end = pair.server_end;
    pair.world.incoming(server_end).stalled = true;
    pair.world.incoming(server_end).capacity = 10_000;
    pair.client().put(0, &[b"small"]).unwrap();
    pair.client().put(0, &[&[1; 20_000]]).unwrap();
    assert_eq!(pair.client().queue.watch(0, 2), Ok(false));
    pair.settle();
    let status = pair.client().queue.status(0).unwrap();
    assert_eq!(
        (status.done.seq, status.done.messages, status.done.bytes),
        (1, 1, 5)
    );
    assert_eq!(status.written_seq, 2);
    assert_eq!(pair.client().acked, 0);
    pair.world.incoming(server_end).capacity = 100_000;
    pair.settle();
    assert_eq!(pair.client().queue.status(0).unwrap().done.seq, 2);
    assert_eq!(pair.client().acked, 1);
    pair.world.incoming(server_end).stalled = false;
    pair.settle();
    pair.end();
}

#[test]
fn messages_have_the_kind_that_the_owner_says() {
    let (mut world, near, _) = with_client(Config {
        python_kind: Kind::Pickle,
        ..config(2)
    });
    let large = vec![5; 70_000];
    world.send(near, &[id(1), message(b"abc"), message(&large)].concat());
    world.settle();
    let words: Vec<u32> = world.nodes[0].messages.iter().map(|m| m.word).collect();
    assert_eq!(words, [4 << 29 | 3, 4 << 29 | 70_000]);
}

#[test]
fn the_own_id_is_refused_as_a_message_and_other_ids_are_not() {
    let mut pair = Pair::open(config(1), python(2));
    let (own, other) = ([2; 16], [3; 16]);
    let client = pair.client();
    assert_eq!(client.put(0, &[b"a", &own]), Err(Code::InvalidArgument));
    let uniform = Payload::Uniform(word(16), 2);
    let both = [other, own].concat();
    assert_eq!(
        client.queue.put(0, &both, uniform, 0),
        Err(Code::InvalidArgument)
    );
    let lent = chunk::Slice::copy_from(&own);
    assert_eq!(
        client.queue.put_owned(0, lent, word(16), 0),
        Err(Code::InvalidArgument)
    );
    client.put(0, &[&other, &own[1..], &[2; 17]]).unwrap();
    pair.settle();
    assert_eq!(
        pair.server().payloads(),
        [&other[..], &own[1..], &[2; 17][..]]
    );
    // To a peer that speaks chaski it is a message like any other.
    pair.server().put(0, &[&[3; 16]]).unwrap();
    pair.settle();
    assert_eq!(pair.client().payloads(), [[3; 16]]);
    pair.end();

    let mut world = World::new();
    let early = world.client(python(2));
    assert_eq!(
        world.nodes[early].put(0, &[&own]),
        Err(Code::InvalidArgument)
    );
}

#[test]
fn a_client_that_leaves_without_waiting_has_left_in_order() {
    let (mut world, near, far) = with_client(config(2));
    world.send(near, &[id(1), message(b"hello"), id(1)].concat());
    world.shut_down(near);
    world.settle();
    assert!(world.outcome(far).is_some());
    assert_eq!(world.nodes[0].payloads(), [b"hello"]);
    assert_eq!(
        world.nodes[0].events[1..],
        [
            introduced(0, 1),
            Event::Fin(0),
            Event::Lost(0, None),
            Event::Gone(0)
        ]
    );
}

#[test]
fn a_peer_that_is_cut_off_is_lost_with_a_reason() {
    for tail in [&b""[..], &prefix(10), &message(b"half a mess")[..12]] {
        let (mut world, near, far) = with_client(config(2));
        world.send(near, &[&id(1), tail].concat());
        world.settle();
        assert_eq!(world.outcome(far), None);
        world.shut_down(near);
        world.settle();
        assert_eq!(codes(&world.nodes[0]), [Code::Closed]);
    }
    let (mut world, _, far) = with_server(python(2));
    world.shut_down(far);
    world.settle();
    assert_eq!(codes(&world.nodes[0]), [Code::Closed]);
    assert!(world.nodes[0].is_closed());
}

#[test]
fn what_the_protocol_does_not_allow_ends_the_session_with_its_code() {
    for (bytes, code) in [
        (message(b"ping"), Code::Protocol),
        (prefix(0).to_vec(), Code::Protocol),
        (vec![0, 0xff], Code::Closed),
        ((1_u64 << 40).to_be_bytes().to_vec(), Code::Protocol),
        ([id(1), id(1), message(b"x")].concat(), Code::Protocol),
        ([id(1), id(1), vec![0]].concat(), Code::Protocol),
        (
            [id(1), (1_u64 << 63).to_be_bytes().to_vec()].concat(),
            Code::TooLarge,
        ),
        (
            [id(1), (1_u64 << 40).to_be_bytes().to_vec()].concat(),
            Code::TooLarge,
        ),
        ([id(1), prefix(300_001).to_vec()].concat(), Code::TooLarge),
        (id(9), Code::Auth),
    ] {
        let victim = Config {
            id: [9; 16],
            ..victim()
        };
        let (mut world, near, _) = with_client(victim);
        world.send(near, &bytes);
        world.settle();
        world.shut_down(near);
        world.settle();
        let shown = &bytes[..bytes.len().min(40)];
        assert_eq!(codes(&world.nodes[0]), [code], "{shown:?}");
    }
}

#[test]
fn what_came_before_a_mistake_can_be_taken() {
    let (mut world, near, _) = with_client(victim());
    world.send(
        near,
        &[id(7), message(b"sound"), prefix(1 << 40).to_vec()].concat(),
    );
    world.settle();
    assert_eq!(world.nodes[0].payloads(), [b"sound"]);
    assert_eq!(codes(&world.nodes[0]), [Code::TooLarge]);
}

#[test]
fn who_is_turned_away_is_taken_leave_of() {
    // A Python client that is not could never close.
    let mut world = World::new();
    let server = world.server(config(1));
    let (first, _) = world.connect_to_server(server);
    world.send(first, &id(5));
    world.settle();
    assert_eq!(world.receive(first), id(1));
    for (taken, told) in [(5, 1), (1, !1)] {
        let (second, far) = world.connect_to_server(server);
        world.send(second, &[id(taken), message(b"stolen")].concat());
        world.settle();
        assert_eq!(world.receive(second), [id(told), id(told)].concat());
        world.send(second, &id(taken));
        world.shut_down(second);
        world.settle();
        assert_eq!(
            world.outcome(far).unwrap().as_ref().unwrap_err().code,
            Code::Auth
        );
    }
    world.send(first, &message(b"here still"));
    world.settle();
    assert_eq!(world.nodes[server].payloads(), [b"here still"]);
}

#[test]
fn a_client_does_not_stay_with_a_server_of_its_own_id() {
    let mut world = World::new();
    let client = world.client(python(2));
    let (_, far) = world.connect_client(client);
    world.settle();
    world.send(far, &id(2));
    world.settle();
    assert_eq!(codes(&world.nodes[client]), [Code::Auth]);
    assert!(world.nodes[client].is_closed());
}

#[test]
fn a_server_that_waited_in_vain_takes_leave_before_it_hangs_up() {
    let (mut world, near, far) = with_client(config(2));
    world.send(near, &id(1));
    world.settle();
    close(&mut world, 0);
    world.pass(Duration::from_secs(4));
    assert_eq!(world.receive(near), id(2));
    world.pass(Duration::from_secs(2));
    assert_eq!(world.receive(near), id(2));
    assert_eq!(
        world.outcome(far).unwrap().as_ref().unwrap_err().code,
        Code::Timeout
    );
    world.nodes[0].assert_ended_well();
}

#[test]
fn a_stranger_that_says_too_little_is_hung_up_on() {
    for bytes in [&b""[..], &[0], &id(1)[..20]] {
        let (mut world, near, far) = with_client(config(2));
        world.send(near, bytes);
        world.settle();
        assert_eq!(world.nodes[0].queue.stats().memory.0, 0);
        world.pass(Duration::from_secs(6));
        assert_eq!(
            world.outcome(far).unwrap().as_ref().unwrap_err().code,
            Code::Timeout
        );
        assert_eq!(codes(&world.nodes[0]), [Code::Timeout]);
    }
}

#[test]
fn silence_is_no_reason_to_lose_a_peer() {
    let mut pair = Pair::open(config(1), python(2));
    pair.pass(Duration::from_secs(3600));
    pair.client().put(0, &[b"still here"]).unwrap();
    pair.settle();
    assert_eq!(pair.server().payloads(), [b"still here"]);
    assert_eq!(pair.server().queue.stats().memory.0, 0);
    pair.end();
}

#[test]
fn reading_stops_at_the_mark_and_goes_on_when_there_is_room() {
    let (mut world, near, _) = with_client(victim());
    world.nodes[0].takes = false;
    let one = vec![7; 1000];
    let stream: Vec<u8> = (0..2000).flat_map(|_| message(&one)).collect();
    world.send(near, &id(7));
    world.send(near, &stream);
    world.settle();
    let (messages, bytes) = world.nodes[0].queue.stats().held;
    // A read may reach beyond it.
    assert!((MARK..MARK + 2 * SLAB_BYTES).contains(&bytes), "{bytes}");
    assert!(messages < 2000);
    world.nodes[0].takes = true;
    world.nodes[0].take_all();
    world.settle();
    assert_eq!(world.nodes[0].messages.len(), 2000);
    assert!(world.nodes[0].messages.iter().all(|m| m.payload == one));
    let seqs: Vec<u64> = world.nodes[0].messages.iter().map(|m| m.seq).collect();
    assert_eq!(seqs, (1..=2000).collect::<Vec<_>>());
}

#[test]
fn the_oldest_that_have_not_left_can_be_dropped_or_cancelled() {
    let held = Config {
        holds_back: true,
        high_water_messages: 4,
        ..python(2)
    };
    let mut pair = Pair::open(config(1), held);
    let server_end = pair.server_end;
    pair.world.incoming(server_end).capacity = 0;
    for number in 0..8_u8 {
        pair.client().put(0, &[&[number]]).unwrap();
    }
    pair.settle();
    assert_eq!(pair.client().queue.drop_oldest(0, 2, 0), Ok(2));
    assert_eq!(pair.client().queue.cancel(0, 6, 6), Ok(1));
    pair.world.incoming(server_end).capacity = 1000;
    pair.settle();
    assert_eq!(pair.server().payloads(), [[0], [1], [4], [6], [7]]);
    let done = pair.client().queue.status(0).unwrap().done;
    assert_eq!((done.seq, done.messages, done.bytes), (8, 8, 8));
    pair.end();
}

#[test]
fn what_the_socket_does_not_take_at_once_follows_in_order() {
    for taken in (1..12).chain([1000, 70_000, 70_007, 70_008, 200_000]) {
        let mut pair = Pair::open(config(1), python(2));
        let (client_end, server_end) = (pair.client_end, pair.server_end);
        pair.world.incoming(server_end).stalled = true;
        pair.world.incoming(server_end).capacity = taken;
        let mut message = vec![7; 70_000];
        assert!(pair.world.send_direct(client_end, &message), "{taken}");
        message.fill(0);
        pair.client().put(0, &[b"tail"]).unwrap();
        pair.world.incoming(server_end).stalled = false;
        pair.world.incoming(server_end).capacity = 1 << 20;
        pair.settle();
        assert_eq!(
            pair.server().payloads(),
            [&[7; 70_000][..], b"tail"],
            "{taken}"
        );
        let status = pair.client().queue.status(0).unwrap();
        assert_eq!(
            (status.done.seq, status.done.bytes, status.written_seq),
            (2, 70_004, 2)
        );
        pair.end();
    }
}

#[test]
fn peers_that_hold_little_keep_no_slab() {
    let mut world = World::new();
    let server = world.server(config(1));
    world.nodes[server].takes = false;
    for number in 10..110 {
        let (near, _) = world.connect_to_server(server);
        world.send(
            near,
            &[id(number), message(b"waits"), vec![0, 0, 0]].concat(),
        );
        world.settle();
        let peer = u32::from(number) - 10;
        world.settle();
        world.incoming(near).stalled = true;
        world.nodes[server].put(peer, &[b"not read"]).unwrap();
        world.settle();
    }
    let stats = world.nodes[server].queue.stats();
    assert_eq!((stats.memory.0, stats.held.0), (0, 100));
}

/// No more memory is in use than the mark allows.
fn assert_bounded(world: &World, node: usize) {
    let stats = world.nodes[node].queue.stats();
    let (messages, bytes) = stats.held;
    let slabs = (bytes + messages * 20) * 4 / SLAB_BYTES + 4;
    assert!(stats.memory.0 <= slabs, "{stats:?}");
    let large = (MARK + u64::from(MAX_MESSAGE)) * 5 / 4;
    assert!(stats.memory.2 <= large, "{stats:?}");
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    let length = prop_oneof![
        8 => 0..400_usize,
        2 => 15..18_usize,
        2 => 60_000..70_000_usize,
        1 => 65_515..65_519_usize,
        1 => 130_000..300_000_usize,
    ];
    prop::collection::vec(length, 0..20)
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop::collection::vec(prop_oneof![1..100_usize, 1000..50_000_usize], 0..6)
}

/// Message `i` of that length.
fn payload(i: usize, length: usize) -> Vec<u8> {
    (0..length)
        .map(|at| u8::try_from((i + at) % 251).unwrap())
        .collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn messages_of_all_lengths_arrive_however_they_are_cut(
        there in lengths(),
        back in lengths(),
        cuts in cuts(),
        write_cuts in cuts(),
        capacity in 1000..400_000_usize,
    ) {
        let mut pair = Pair::open(config(1), python(2));
        let least = (there.iter().chain(&back).sum::<usize>() / 500).max(1);
        let cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.max(least)).collect();
        pair.world.write_cuts = write_cuts.into_iter().map(|cut| cut.max(least)).collect();
        for end in [pair.client_end, pair.server_end] {
            pair.world.incoming(end).cuts.clone_from(&cuts);
            pair.world.incoming(end).capacity = capacity;
        }
        for (lengths, node) in [(&there, CLIENT), (&back, SERVER)] {
            let payloads: Vec<Vec<u8>> = lengths.iter().enumerate().map(|(i, &length)| payload(i, length)).collect();
            let payloads: Vec<&[u8]> = payloads.iter().map(|payload| &payload[..]).collect();
            pair.world.nodes[node].put(0, &payloads).unwrap();
        }
        pair.settle();
        for (lengths, node) in [(&there, SERVER), (&back, CLIENT)] {
            let expected: Vec<Vec<u8>> = lengths.iter().enumerate().map(|(i, &length)| payload(i, length)).collect();
            prop_assert!(pair.world.nodes[node].payloads() == expected);
        }
        pair.end();
    }

    #[test]
    fn any_stream_is_survived_within_bounds(
        lengths in lengths(),
        set in prop::collection::vec((any::<usize>(), any::<u8>()), 0..4),
        cut_off in any::<Option<usize>>(),
        cuts in cuts(),
        takes in any::<bool>(),
    ) {
        let (mut world, near, far) = with_client(victim());
        world.nodes[0].takes = takes;
        let mut bytes = id(7);
        for (i, length) in lengths.into_iter().enumerate() {
            bytes.extend(message(&payload(i, length)));
        }
        for (at, byte) in set {
            let place = at % bytes.len();
            bytes[place] = byte;
        }
        if let Some(at) = cut_off {
            bytes.truncate(at % bytes.len());
        }
        let least = (bytes.len() / 500).max(1);
        world.incoming(far).cuts = cuts.into_iter().map(|cut| cut.max(least)).collect();
        for piece in bytes.chunks(200_000) {
            if world.outcome(far).is_none() {
                world.send(near, piece);
                world.settle();
                assert_bounded(&world, 0);
            }
        }
        world.nodes[0].takes = true;
        world.nodes[0].take_all();
        world.settle();
        world.shut_down(near);
        world.settle();
        close(&mut world, 0);
        world.pass(Duration::from_secs(6));
        prop_assert!(world.outcome(far).is_some());
        prop_assert!(world.nodes[0].errors().len() <= 1);
        world.nodes[0].assert_ended_well();
    }

    #[test]
    fn any_answer_fails_a_client_or_makes_it_wait(bytes in prop::collection::vec(any::<u8>(), 0..200), sound in any::<bool>()) {
        let mut world = World::new();
        let client = world.client(Config { compat: Compat::Python, ..victim() });
        world.nodes[client].put(0, &[b"early", &[1; 70_000]]).unwrap();
        let (near, far) = world.connect_client(client);
        let start = if sound { id(3) } else { Vec::new() };
        world.send(far, &[start, bytes].concat());
        world.settle();
        world.shut_down(far);
        world.settle();
        prop_assert!(world.outcome(near).is_some());
        prop_assert!(world.nodes[client].errors().len() <= 1);
        world.nodes[client].assert_ended_well();
    }
}
