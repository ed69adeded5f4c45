//! Signs of life: who sends them, who misses them, and who must not be given up.

use std::time::Duration;

use queue::{Config, Event};
use wire::{Code, FrameType, HEADER_BYTES, Parsed, parse};

use crate::support::{CLIENT, Pair, SERVER, config};

const SECOND: Duration = Duration::from_secs(1);

fn with_life(id: u8, keep_alive: Option<u32>, idle_timeout: Option<u32>) -> Config {
    let seconds = |n: Option<u32>| n.map(|n| n * SECOND);
    Config {
        keep_alive: seconds(keep_alive),
        idle_timeout: seconds(idle_timeout),
        ..config(id)
    }
}

fn lost_by_timeout(event: &Event) -> bool {
    matches!(event, Event::Lost(0, Some(error)) if error.code == Code::Timeout)
}

#[test]
fn two_silent_peers_live_for_ever() {
    let mut pair = Pair::open(
        with_life(1, Some(10), Some(30)),
        with_life(2, Some(10), Some(30)),
    );
    let before = pair.world.incoming(1).total;
    pair.pass(3600 * SECOND);
    assert_eq!(
        (pair.server().errors().len(), pair.client().errors().len()),
        (0, 0)
    );
    // One beat in ten seconds, not more.
    let server_end = pair.server_end;
    let sent = pair.world.incoming(server_end).total - before;
    assert!((358..=361).contains(&(sent / HEADER_BYTES)), "{sent} bytes");
    pair.end();
}

#[test]
fn nobody_beats_who_has_sent_something() {
    let mut pair = Pair::open(
        with_life(1, Some(10), Some(30)),
        with_life(2, Some(10), Some(30)),
    );
    for _ in 0..50 {
        pair.client().put(0, &[b"x"]).unwrap();
        pair.pass(SECOND);
    }
    // From the client only messages, from the server only acknowledgements.
    let (client_end, server_end) = (pair.client_end, pair.server_end);
    let hello = 12 + 3 * 6 + 16 + 8 + 1 + 4 + 4;
    assert_eq!(
        pair.world.incoming(server_end).total,
        hello + 50 * (HEADER_BYTES + 5)
    );
    assert_eq!(
        pair.world.incoming(client_end).total,
        hello + 50 * HEADER_BYTES
    );
    pair.end();
}

#[test]
fn a_peer_that_falls_silent_is_lost_after_the_idle_timeout() {
    let mut pair = Pair::open(
        with_life(1, Some(10), Some(30)),
        with_life(2, Some(10), Some(30)),
    );
    pair.pass(25 * SECOND);
    let (client_end, server_end) = (pair.client_end, pair.server_end);
    pair.world.incoming(client_end).stalled = true;
    pair.world.incoming(server_end).stalled = true;
    // The last beat came 5 seconds ago.
    pair.pass(25 * SECOND - Duration::from_millis(1));
    assert_eq!(pair.server().errors().len(), 0);
    pair.pass(Duration::from_millis(1));
    for node in [SERVER, CLIENT] {
        assert_eq!(pair.world.nodes[node].count(lost_by_timeout), 1);
    }
    pair.client().assert_ended_well();
}

#[test]
fn a_peer_gets_at_least_two_of_its_own_intervals() {
    let mut pair = Pair::open(
        with_life(1, Some(10), Some(30)),
        with_life(2, Some(100), Some(3000)),
    );
    pair.pass(999 * SECOND);
    assert_eq!(pair.server().errors().len(), 0);
    let server_end = pair.server_end;
    pair.world.incoming(server_end).stalled = true;
    pair.pass(100 * SECOND);
    assert_eq!(pair.server().errors().len(), 0);
    pair.pass(101 * SECOND);
    assert_eq!(pair.server().count(lost_by_timeout), 1);
}

#[test]
fn a_peer_that_promised_no_signs_of_life_is_never_missed() {
    let mut pair = Pair::open(
        with_life(1, Some(10), Some(30)),
        with_life(2, None, Some(30)),
    );
    let server_end = pair.server_end;
    let before = pair.world.incoming(server_end).total;
    pair.pass(3600 * SECOND);
    assert_eq!(
        (pair.server().errors().len(), pair.client().errors().len()),
        (0, 0)
    );
    assert_eq!(pair.world.incoming(server_end).total, before);
    pair.end();
}

#[test]
fn without_an_idle_timeout_nobody_is_missed() {
    let mut pair = Pair::open(with_life(1, Some(10), None), with_life(2, Some(10), None));
    let (client_end, server_end) = (pair.client_end, pair.server_end);
    pair.world.incoming(client_end).stalled = true;
    pair.world.incoming(server_end).stalled = true;
    pair.pass(3600 * SECOND);
    assert_eq!(
        (pair.server().errors().len(), pair.client().errors().len()),
        (0, 0)
    );
    pair.world.incoming(client_end).stalled = false;
    pair.world.incoming(server_end).stalled = false;
    pair.end();
}

#[test]
fn a_reader_that_is_paused_neither_expires_its_peer_nor_is_expired() {
    let server = Config {
        high_water_messages: 10,
        ..with_life(1, Some(10), Some(30))
    };
    let mut pair = Pair::open(server, with_life(2, Some(10), Some(30)));
    pair.server().takes = false;
    let server_end = pair.server_end;
    pair.world.incoming(server_end).capacity = 5000;
    pair.world.incoming(server_end).cuts = vec![100];
    for _ in 0..1000 {
        pair.client().put(0, &[b"more than fits"]).unwrap();
    }
    pair.pass(3600 * SECOND);
    assert_eq!(
        (pair.server().errors().len(), pair.client().errors().len()),
        (0, 0)
    );
    // When it reads again, its patience begins anew.
    pair.server().takes = true;
    pair.server().take_all();
    pair.pass(29 * SECOND);
    assert_eq!(pair.server().messages.len(), 1000);
    assert_eq!(
        (pair.server().errors().len(), pair.client().errors().len()),
        (0, 0)
    );
    pair.end();
}

#[test]
fn patience_begins_anew_after_a_pause_even_if_nothing_is_there_to_read() {
    let server = Config {
        high_water_messages: 1,
        ..with_life(1, Some(10), Some(30))
    };
    let mut pair = Pair::open(server, with_life(2, Some(10), Some(30)));
    pair.server().takes = false;
    pair.client().put(0, &[b"one"]).unwrap();
    pair.settle();
    let server_end = pair.server_end;
    pair.world.incoming(server_end).stalled = true;
    pair.pass(100 * SECOND);
    pair.server().take_all();
    pair.pass(30 * SECOND - Duration::from_millis(1));
    assert_eq!(pair.server().errors().len(), 0);
    pair.pass(Duration::from_millis(1));
    assert_eq!(pair.server().count(lost_by_timeout), 1);
}

#[test]
fn beats_do_not_pile_up_before_a_peer_that_does_not_read() {
    let mut pair = Pair::open(with_life(1, Some(10), None), with_life(2, Some(10), None));
    let server_end = pair.server_end;
    pair.world.incoming(server_end).stalled = true;
    pair.world.incoming(server_end).capacity = HEADER_BYTES + 4;
    pair.pass(3600 * SECOND);
    let before = pair.world.incoming(server_end).total;
    pair.world.incoming(server_end).stalled = false;
    pair.settle();
    assert!(pair.world.incoming(server_end).total - before <= 2 * HEADER_BYTES);
    pair.end();
}

#[test]
fn a_beat_is_a_frame_of_sixteen_bytes_that_says_nothing() {
    let mut world = crate::support::World::new();
    let client = world.client(with_life(2, Some(1), None));
    let (_, far) = world.connect_client(client);
    let hello = wire::Hello {
        versions: (wire::VERSION, wire::VERSION),
        id: [1; 16],
        cluster: String::new(),
        features: 0,
        ack: wire::AckPoint::Received,
        keep_alive_ms: 0,
        max_message: 1,
        keeping: None,
        standing: None,
    };
    world.send(far, &hello.encode());
    world.settle();
    world.receive(far);
    world.pass(SECOND);
    let bytes = world.receive(far);
    let Ok(Parsed::Frame(header)) = parse(&bytes, 0) else {
        panic!("{bytes:?}")
    };
    assert_eq!(
        (header.kind, header.seq, bytes.len()),
        (FrameType::Beat, 0, HEADER_BYTES)
    );
}
