//! Every message comes out once, in order and unchanged, however the bytes are cut.

use proptest::prelude::*;
use queue::{Config, Payload};
use wire::{Kind, Word};

use crate::support::{CLIENT, Message, Pair, SERVER, config, word};

/// One call of `put`.
#[derive(Clone, Debug)]
enum Put {
    /// Messages of these lengths and kinds.
    Words(Vec<(usize, Kind)>),
    /// So many messages of one length.
    Uniform(usize, usize),
}

fn length() -> impl Strategy<Value = usize> {
    // The longest that fits into a shared frame is 65,516.
    prop_oneof![
        2 => Just(0),
        8 => 1..300_usize,
        2 => 1000..20_000_usize,
        2 => 65_500..65_530_usize,
        1 => 65_530..200_000_usize,
    ]
}

fn kind() -> impl Strategy<Value = Kind> {
    prop_oneof![
        Just(Kind::Bytes),
        Just(Kind::Msgpack),
        Just(Kind::Json),
        Just(Kind::Custom),
        Just(Kind::Pickle)
    ]
}

fn put() -> impl Strategy<Value = Put> {
    prop_oneof![
        3 => prop::collection::vec((length(), kind()), 0..12).prop_map(Put::Words),
        1 => (length(), 0..5_usize).prop_map(|(length, count)| Put::Uniform(length, count)),
        1 => (0..12_usize, 0..20_000_usize).prop_map(|(length, count)| Put::Uniform(length, count)),
    ]
}

fn cuts() -> impl Strategy<Value = Vec<usize>> {
    prop_oneof![
        Just(vec![]),
        prop::collection::vec(1..100_usize, 1..20),
        prop::collection::vec(prop_oneof![1..50_usize, 1000..100_000_usize], 1..20),
    ]
}

/// Puts, and writes down what has to come out. Payloads differ from each other.
fn put_all(pair: &mut Pair, from: usize, puts: &[Put], settle_every: usize) -> Vec<Message> {
    let mut expected: Vec<Message> = Vec::new();
    for (i, put) in puts.iter().enumerate() {
        let words: Vec<u32> = match put {
            Put::Words(messages) => {
                let word = |&(length, kind)| {
                    Word::new(kind, u32::try_from(length).unwrap())
                        .unwrap()
                        .bits()
                };
                messages.iter().map(word).collect()
            }
            Put::Uniform(length, count) => vec![word(*length); *count],
        };
        let mut data = Vec::new();
        for &word in &words {
            let seq = expected.len() as u64 + 1;
            let payload: Vec<u8> = (0..Word::from_bits(word).unwrap().length())
                .map(|at| (seq as usize * 31 + at * 7 + at / 251) as u8)
                .collect();
            data.extend(&payload);
            expected.push(Message {
                redelivered: 0,
                peer: 0,
                seq,
                word,
                payload,
            });
        }
        let payload = match put {
            Put::Words(_) => Payload::Words(&words),
            Put::Uniform(length, count) => Payload::Uniform(word(*length), *count),
        };
        pair.world.nodes[from]
            .queue
            .put(0, &data, payload, 16 * 1024)
            .unwrap();
        if i % settle_every == 0 {
            pair.settle();
        }
    }
    expected
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn messages_come_out_once_in_order_and_unchanged(
        there in prop::collection::vec(put(), 1..12),
        back in prop::collection::vec(put(), 0..6),
        reads in [cuts(), cuts()],
        writes in cuts(),
        capacity in prop_oneof![1..20_usize, 100..1000_usize, Just(256 * 1024)],
        settle_every in 1..4_usize,
    ) {
        // Many bytes in pieces of one take long and show nothing that few do not.
        let bytes: usize = there.iter().chain(&back).map(bytes_of).sum();
        let least = bytes / 300;
        let coarse = |cuts: Vec<usize>| cuts.into_iter().map(|cut| cut.max(least)).collect();
        let mut pair = Pair::silent(config(1), config(2));
        let ends = [pair.client_end, pair.server_end];
        for (end, cuts) in ends.into_iter().zip(reads) {
            pair.world.incoming(end).cuts = coarse(cuts);
            pair.world.incoming(end).capacity = capacity.max(least);
        }
        pair.world.write_cuts = coarse(writes);
        // A server's messages need the handshake first; a client's do not.
        let to_server = put_all(&mut pair, CLIENT, &there, settle_every);
        pair.settle();
        let to_client = put_all(&mut pair, SERVER, &back, settle_every);
        pair.settle();
        prop_assert!(pair.server().messages == to_server);
        prop_assert!(pair.client().messages == to_client);
        for (node, sent) in [(CLIENT, &to_server), (SERVER, &to_client)] {
            let status = pair.world.nodes[node].queue.status(0).unwrap();
            let bytes: usize = sent.iter().map(|message| message.payload.len()).sum();
            let done = (status.done.seq, status.done.messages, status.done.bytes);
            prop_assert_eq!(done, (sent.len() as u64, sent.len() as u64, bytes as u64));
            prop_assert_eq!(status.written_seq, sent.len() as u64);
        }
        pair.end();
    }
}

fn bytes_of(put: &Put) -> usize {
    match put {
        Put::Words(messages) => messages.iter().map(|(length, _)| length + 4).sum(),
        Put::Uniform(length, count) => (length + 4) * count,
    }
}

#[test]
fn every_cut_of_a_stream_gives_the_same_messages() {
    let messages: [&[u8]; 5] = [b"a", b"", b"bcd", &[7; 100], b"end"];
    for cut in 1..200 {
        let mut pair = Pair::open(config(1), config(2));
        let end = pair.server_end;
        pair.world.incoming(end).cuts = vec![cut, usize::MAX];
        pair.client().put(0, &messages).unwrap();
        pair.settle();
        assert_eq!(pair.server().payloads(), messages, "cut at {cut}");
    }
}

#[test]
fn drains_of_any_size_give_the_same_messages() {
    for max in [1, 2, 3, 7, 1000] {
        let mut pair = Pair::open(config(1), config(2));
        pair.server().takes = false;
        let sizes: Vec<usize> = (0..50)
            .map(|i| if i % 10 == 9 { 70_000 } else { i * 13 })
            .collect();
        let payloads: Vec<Vec<u8>> = sizes.iter().map(|&size| vec![size as u8; size]).collect();
        let slices: Vec<&[u8]> = payloads.iter().map(|payload| &**payload).collect();
        pair.client().put(0, &slices).unwrap();
        pair.settle();
        while pair.server().take(max) > 0 {}
        assert_eq!(pair.server().payloads(), slices, "by {max}");
        let seqs: Vec<u64> = pair
            .server()
            .messages
            .iter()
            .map(|message| message.seq)
            .collect();
        assert_eq!(seqs, (1..=50).collect::<Vec<u64>>());
    }
}

#[test]
fn a_message_that_does_not_fit_says_how_much_it_wants_and_stays() {
    let mut pair = Pair::open(config(1), config(2));
    pair.server().takes = false;
    pair.client()
        .put(0, &[&[1; 10], &[2; 300], &[3; 5]])
        .unwrap();
    pair.settle();
    let (mut data, mut index) = ([0; 100], [0; 20]);
    let first = pair
        .server()
        .queue
        .drain(None, &mut data, 500, &mut index, 10);
    assert_eq!(
        (first.count, first.bytes, first.more, first.wanted),
        (1, 10, true, 0)
    );
    assert_eq!(index[..2], [500, word(10)]);
    let second = pair
        .server()
        .queue
        .drain(None, &mut data, 0, &mut index, 10);
    assert_eq!((second.count, second.more, second.wanted), (0, true, 300));
    let mut data = [0; 300];
    let third = pair
        .server()
        .queue
        .drain(Some(0), &mut data, 0, &mut index, 10);
    assert_eq!((third.count, third.seq, third.more), (1, 2, true));
    pair.server().take_all();
    assert_eq!(pair.server().payloads(), [[3; 5]]);
}

#[test]
fn a_drain_without_room_for_an_index_takes_nothing() {
    let mut pair = Pair::open(config(1), config(2));
    pair.server().takes = false;
    pair.client().put(0, &[b"abc"]).unwrap();
    pair.settle();
    for (index, max) in [
        (&mut [0; 10][..], 0),
        (&mut [0; 1][..], 5),
        (&mut [][..], 5),
    ] {
        let drained = pair.server().queue.drain(None, &mut [0; 10], 0, index, max);
        assert_eq!((drained.count, drained.more), (0, true));
    }
    let other = pair
        .server()
        .queue
        .drain(Some(77), &mut [0; 10], 0, &mut [0; 10], 5);
    assert_eq!((other.count, other.more), (0, false));
    pair.server().take_all();
    assert_eq!(pair.server().payloads(), [b"abc"]);
}

#[test]
fn a_large_message_is_announced_until_it_is_taken() {
    let mut pair = Pair::open(config(1), config(2));
    pair.server().takes = false;
    pair.client().put(0, &[&[9; 100_000], b"next"]).unwrap();
    pair.settle();
    let mut index = [0; 4];
    for _ in 0..2 {
        let drained = pair
            .server()
            .queue
            .drain(None, &mut [0; 10], 0, &mut index, 5);
        assert_eq!(
            (drained.count, drained.large, drained.bytes, drained.seq),
            (1, 100_000, 0, 1)
        );
        assert_eq!(index[1], word(100_000));
    }
    assert_eq!(
        pair.server().queue.take_large(0).unwrap().to_vec(),
        [9; 100_000]
    );
    assert!(pair.server().queue.take_large(0).is_none());
    assert!(pair.server().queue.take_large(5).is_none());
    pair.server().take_all();
    assert_eq!(pair.server().payloads(), [b"next"]);
}

#[test]
fn peers_take_turns() {
    let mut world = crate::support::World::new();
    let server = world.server(Config { ..config(1) });
    world.nodes[server].takes = false;
    for id in 2..5 {
        let client = world.client(config(id));
        world.connect(client, server);
        world.settle();
        for _ in 0..3 {
            world.nodes[client].put(0, &[b"one", b"two"]).unwrap();
            world.settle();
        }
    }
    let mut turns = Vec::new();
    loop {
        if world.nodes[server].take(2) == 0 {
            break;
        }
        turns.push(world.nodes[server].messages.last().unwrap().peer);
    }
    assert_eq!(turns, [0, 1, 2, 0, 1, 2, 0, 1, 2]);
}
