//! `drop_oldest`: what goes, what stays, and that the books balance.

use proptest::prelude::*;
use queue::{Config, Event};
use wire::Code;

use crate::support::{CLIENT, Pair, config};

/// A pair whose server takes nothing and whose pipe is full, so that whatever the client puts next waits in its outbox.
fn stuck() -> Pair {
    let mut pair = Pair::open(config(1), config(2));
    let server_end = pair.server_end;
    pair.world.incoming(server_end).stalled = true;
    pair.world.incoming(server_end).capacity = 10;
    // As much as the session takes from the outbox.
    for _ in 0..5 {
        pair.client().put(0, &[&[0; 60_000]]).unwrap();
        pair.settle();
    }
    pair
}

fn dropped(pair: &Pair) -> Vec<(u64, u64)> {
    let ranges = pair.world.nodes[CLIENT]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Dropped(0, first, last) => Some((*first, *last)),
            _ => None,
        });
    ranges.collect()
}

fn release(pair: &mut Pair) {
    let server_end = pair.server_end;
    pair.world.incoming(server_end).stalled = false;
    pair.world.incoming(server_end).capacity = 1 << 20;
    pair.settle();
}

#[test]
fn the_oldest_waiting_messages_go_and_the_rest_arrives_in_order() {
    let mut pair = stuck();
    pair.client()
        .put(0, &[b"6", b"77", b"888", b"9999"])
        .unwrap();
    assert_eq!(pair.client().queue.drop_oldest(0, 1, 3).unwrap(), 2);
    assert_eq!(pair.client().queue.drop_oldest(0, 1, 0).unwrap(), 1);
    pair.settle();
    assert_eq!(dropped(&pair), [(6, 7), (8, 8)]);
    release(&mut pair);
    let last = pair.server().messages.last().unwrap();
    assert_eq!((last.seq, &last.payload[..]), (9, &b"9999"[..]));
    assert_eq!(pair.server().messages.len(), 6);
    let done = pair.client().queue.status(0).unwrap().done;
    assert_eq!((done.seq, done.messages, done.bytes), (9, 9, 300_000 + 10));
    pair.end();
}

#[test]
fn what_the_session_has_taken_is_out_of_reach() {
    let mut pair = Pair::open(config(1), config(2));
    let server_end = pair.server_end;
    pair.world.incoming(server_end).stalled = true;
    pair.client().put(0, &[b"on its way"]).unwrap();
    pair.settle();
    assert_eq!(pair.client().queue.status(0).unwrap().written_seq, 1);
    assert_eq!(pair.client().queue.drop_oldest(0, 10, 10).unwrap(), 0);
    assert_eq!(
        pair.client().queue.drop_oldest(5, 10, 10),
        Err(Code::NotConnected)
    );
    release(&mut pair);
    pair.end();
}

#[test]
fn nothing_is_dropped_when_nothing_was_asked_for() {
    let mut pair = stuck();
    pair.client().put(0, &[b"6", b"7"]).unwrap();
    assert_eq!(pair.client().queue.drop_oldest(0, 0, 0).unwrap(), 0);
    pair.settle();
    assert_eq!(dropped(&pair), []);
    release(&mut pair);
    assert_eq!(pair.server().messages.len(), 7);
    pair.end();
}

#[test]
fn everything_that_waits_can_be_dropped_and_the_session_still_ends_in_order() {
    let mut pair = stuck();
    pair.client().put(0, &[b"6", b"7"]).unwrap();
    pair.client().put(0, &[&[8; 100_000]]).unwrap();
    assert_eq!(
        pair.client()
            .queue
            .drop_oldest(0, u64::MAX, u64::MAX)
            .unwrap(),
        3
    );
    pair.settle();
    assert_eq!(dropped(&pair), [(6, 8)]);
    release(&mut pair);
    assert_eq!(pair.server().messages.len(), 5);
    pair.end();
}

#[test]
fn a_drain_stops_at_a_gap_in_the_numbers() {
    let mut pair = stuck();
    pair.server().takes = false;
    pair.client().put(0, &[b"6", b"7", b"8"]).unwrap();
    pair.client().queue.drop_oldest(0, 2, 0).unwrap();
    release(&mut pair);
    let (mut data, mut index) = (vec![0; 1 << 20], vec![0; 100]);
    let first = pair
        .server()
        .queue
        .drain(None, &mut data, 0, &mut index, 50);
    assert_eq!((first.count, first.seq, first.more), (5, 1, true));
    let second = pair
        .server()
        .queue
        .drain(None, &mut data, 0, &mut index, 50);
    assert_eq!((second.count, second.seq, second.more), (1, 8, false));
}

#[test]
fn who_may_drop_keeps_half_of_the_mark_back_until_it_is_acknowledged() {
    let holding = Config {
        holds_back: true,
        high_water_messages: 20,
        ..config(2)
    };
    let mut pair = Pair::open(config(1), holding);
    let client_end = pair.client_end;
    pair.world.incoming(client_end).stalled = true;
    for number in 0..7_u8 {
        pair.client()
            .put(0, &[&[number], &[number], &[number]])
            .unwrap();
    }
    pair.settle();
    // Ten of them are on their way, so that three of the last eleven can go.
    assert_eq!(pair.server().messages.len(), 10);
    assert_eq!(pair.client().queue.status(0).unwrap().written_seq, 10);
    assert_eq!(pair.client().queue.drop_oldest(0, 3, 0).unwrap(), 3);
    pair.world.incoming(client_end).stalled = false;
    pair.settle();
    let seqs: Vec<u64> = pair
        .server()
        .messages
        .iter()
        .map(|message| message.seq)
        .collect();
    assert!(seqs.into_iter().eq((1..=10).chain(14..=21)));
    pair.end();
}

#[test]
fn a_message_over_half_of_the_mark_passes_alone() {
    let holding = Config {
        holds_back: true,
        high_water_bytes: 1000,
        high_water_messages: 1,
        ..config(2)
    };
    let mut pair = Pair::open(config(1), holding);
    for size in [0, 100_000, 700, 1, 50_000] {
        pair.client().put(0, &[&vec![1; size], b"tail"]).unwrap();
    }
    pair.settle();
    assert_eq!(pair.server().messages.len(), 10);
    pair.end();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn each_message_is_either_delivered_or_reported_dropped(
        steps in prop::collection::vec(
            (prop::collection::vec(prop_oneof![0..50_usize, 65_000..70_000_usize], 1..10), 0..8_u64, 0..2000_u64),
            1..25,
        ),
        flow in prop::collection::vec(any::<bool>(), 25),
        window in prop::option::of((1..100_u64, 1..100_000_u64)),
    ) {
        let client = match window {
            Some((messages, bytes)) => Config {
                holds_back: true,
                high_water_messages: messages,
                high_water_bytes: bytes,
                ..config(2)
            },
            None => config(2),
        };
        let mut pair = Pair::open(Config { high_water_messages: 1 << 20, ..config(1) }, client);
        let server_end = pair.server_end;
        let mut put = 0_u64;
        let mut bytes = 0;
        for ((sizes, messages, drop_bytes), flows) in steps.iter().zip(&flow) {
            pair.world.incoming(server_end).stalled = !flows;
            pair.world.incoming(server_end).capacity = 1 << 15;
            let payloads: Vec<Vec<u8>> = sizes.iter().map(|&size| vec![size as u8; size]).collect();
            let slices: Vec<&[u8]> = payloads.iter().map(|payload| &**payload).collect();
            pair.client().put(0, &slices).unwrap();
            put += sizes.len() as u64;
            bytes += sizes.iter().sum::<usize>() as u64;
            if *messages % 2 == 0 {
                pair.settle();
            }
            let count = pair.client().queue.drop_oldest(0, *messages, *drop_bytes).unwrap();
            let left = pair.client().queue.drop_oldest(0, 1, 0).unwrap();
            prop_assert!(count >= *messages || left == 0, "fewer went than could");
            let written = pair.client().queue.status(0).unwrap().written_seq;
            prop_assert!(written <= put);
        }
        release(&mut pair);
        let mut seqs: Vec<u64> = pair.server().messages.iter().map(|message| message.seq).collect();
        prop_assert!(seqs.is_sorted());
        for (first, last) in dropped(&pair) {
            seqs.extend(first..=last);
        }
        seqs.sort_unstable();
        prop_assert!(seqs.into_iter().eq(1..=put));
        let done = pair.client().queue.status(0).unwrap().done;
        prop_assert_eq!((done.messages, done.bytes), (put, bytes));
        pair.end();
    }
}
