//! Large messages that go out of the owner's memory while it waits.

use crate::support::{Pair, config};

#[test]
fn what_the_socket_does_not_take_at_once_follows_in_order() {
    // Every place at which the socket may be full: in the head of the frame, between head and payload, in the payload.
    for taken in (1..40).chain([1000, 70_000, 70_019, 70_020, 200_000]) {
        let mut pair = Pair::open(config(1), config(2));
        let (client_end, server_end) = (pair.client_end, pair.server_end);
        pair.world.incoming(server_end).stalled = true;
        pair.world.incoming(server_end).capacity = taken;
        let mut message = vec![7; 70_000];
        assert!(pair.world.send_direct(client_end, &message), "{taken}");
        message.fill(0);
        pair.client().put(0, &[b"tail"]).unwrap();
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
        let status = pair.client().queue.status(0).unwrap();
        assert_eq!(
            (status.done.seq, status.done.bytes, status.written_seq),
            (2, 70_004, 2)
        );
        assert_eq!(pair.client().queue.stats().sent, (2, 70_004));
        pair.end();
    }
}

#[test]
fn nothing_goes_directly_past_what_waits_or_into_a_full_socket() {
    let mut pair = Pair::open(config(1), config(2));
    let (client_end, server_end) = (pair.client_end, pair.server_end);
    pair.world.incoming(server_end).capacity = 0;
    assert!(!pair.world.send_direct(client_end, &[1; 70_000]));
    pair.world.incoming(server_end).capacity = 1 << 20;
    pair.client().put(0, &[b"first"]).unwrap();
    assert!(!pair.world.send_direct(client_end, &[2; 70_000]));
    pair.settle();
    assert!(pair.world.send_direct(client_end, &[3; 70_000]));
    pair.settle();
    assert_eq!(
        pair.server().payloads(),
        [&b"first"[..], &[3; 70_000]],
        "what was refused has left no trace"
    );
    pair.end();
}

#[test]
fn only_large_messages_of_an_open_session_go_directly() {
    let mut pair = Pair::open(config(1), config(2));
    let client_end = pair.client_end;
    assert!(!pair.world.send_direct(client_end, &[1; 65_516]));
    assert!(pair.world.send_direct(client_end, &[1; 65_517]));
    pair.settle();
    let deadline = pair.world.now + std::time::Duration::from_secs(1);
    pair.client().queue.close(Some(deadline));
    assert!(
        !pair.world.send_direct(client_end, &[1; 70_000]),
        "it is closing"
    );
    pair.settle();
    assert_eq!(pair.server().messages.len(), 1);
}

#[test]
fn a_message_over_the_limit_or_beyond_the_window_does_not_go_directly() {
    let mut small = config(2);
    small.max_message = 80_000;
    let mut pair = Pair::open(config(1), small);
    let client_end = pair.client_end;
    assert!(!pair.world.send_direct(client_end, &[1; 80_001]));
    pair.end();

    let mut dropping = config(2);
    dropping.holds_back = true;
    dropping.high_water_bytes = 200_000;
    let mut pair = Pair::open(config(1), dropping);
    let (client_end, server_end) = (pair.client_end, pair.server_end);
    pair.world.incoming(server_end).stalled = true;
    pair.world.incoming(server_end).capacity = 1 << 20;
    assert!(pair.world.send_direct(client_end, &[1; 100_000]));
    assert!(
        !pair.world.send_direct(client_end, &[2; 70_000]),
        "half of the mark is on its way"
    );
}
