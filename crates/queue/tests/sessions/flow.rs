//! Budgets: what stops reading, what starts it again, and that nothing is lost in between.

use proptest::prelude::*;
use queue::{Config, Event};
use wire::Code;

use crate::support::{CLIENT, Pair, SERVER, World, config};

/// Capacity of the ring between sessions and owner, of which 64 places are kept for events.
const RING_CAPACITY: usize = 4096;

fn small_mark(id: u8) -> Config {
    Config {
        high_water_bytes: 10_000,
        high_water_messages: 100,
        ..config(id)
    }
}

#[test]
fn reading_stops_at_the_mark_and_goes_on_when_half_of_it_was_taken() {
    let mut pair = Pair::open(small_mark(1), config(2));
    pair.server().takes = false;
    let server_end = pair.server_end;
    pair.world.incoming(server_end).capacity = 5_000;
    pair.world.incoming(server_end).cuts = vec![1000];
    let payload = [7; 500];
    for _ in 0..100 {
        pair.client().put(0, &[&payload]).unwrap();
    }
    pair.settle();
    let held = pair.server().queue.stats().held;
    assert!(held.1 >= 10_000 && held.1 <= 11_500, "{held:?}");
    // Nothing moves although time passes.
    pair.settle();
    assert_eq!(pair.server().queue.stats().held, held);
    // A little is not worth a nudge, half of the mark is.
    pair.server().take(5);
    pair.settle();
    assert_eq!(pair.server().queue.stats().held.0, held.0 - 5);
    pair.server().take(8);
    pair.settle();
    assert!(pair.server().queue.stats().held.1 >= 10_000);
    while pair.server().take(1000) > 0 {
        pair.settle();
    }
    assert_eq!(pair.server().messages.len(), 100);
    pair.server().takes = true;
    pair.end();
}

#[test]
fn the_mark_counts_messages_too() {
    let mut pair = Pair::open(small_mark(1), config(2));
    pair.server().takes = false;
    let server_end = pair.server_end;
    pair.world.incoming(server_end).cuts = vec![200];
    for _ in 0..1000 {
        pair.client().put(0, &[b""]).unwrap();
    }
    pair.settle();
    let held = pair.server().queue.stats().held.0;
    assert!((100..120).contains(&held), "{held}");
    while pair.server().take(7) > 0 {
        pair.settle();
    }
    assert_eq!(pair.server().messages.len(), 1000);
}

#[test]
fn a_message_over_the_mark_passes_alone() {
    let config_of = |id| Config {
        high_water_bytes: 1000,
        ..config(id)
    };
    let mut pair = Pair::open(config_of(1), config_of(2));
    pair.server().takes = false;
    let payload = vec![3; 300_000];
    for _ in 0..3 {
        pair.client().put(0, &[&payload]).unwrap();
    }
    pair.settle();
    assert_eq!(pair.server().queue.stats().held, (1, 300_000));
    for taken in 1..=3 {
        assert_eq!(pair.server().take(1), 1);
        pair.settle();
        assert_eq!(pair.server().queue.stats().held.0, u64::from(taken < 3));
    }
    pair.server().takes = true;
    pair.end();
}

#[test]
fn one_message_is_the_least_mark() {
    let config_of = |id| Config {
        high_water_bytes: 1,
        high_water_messages: 1,
        ..config(id)
    };
    let mut pair = Pair::open(config_of(1), config_of(2));
    for _ in 0..50 {
        pair.client().put(0, &[b"a", b"", b"ccc"]).unwrap();
        pair.server().put(0, &[b"", b"back"]).unwrap();
    }
    pair.settle();
    assert_eq!(
        (pair.server().messages.len(), pair.client().messages.len()),
        (150, 100)
    );
    pair.end();
}

#[test]
fn a_peer_that_hangs_up_behind_the_mark_is_lost_at_once_and_all_it_sent_can_be_taken() {
    let mut pair = Pair::open(small_mark(1), config(2));
    pair.server().takes = false;
    let (client_end, server_end) = (pair.client_end, pair.server_end);
    pair.world.incoming(server_end).cuts = vec![1000];
    for number in 0..500_u32 {
        pair.client().put(0, &[&number.to_le_bytes()]).unwrap();
    }
    pair.settle();
    assert!(pair.server().queue.stats().held.0 < 200);
    pair.server().put(0, &[b"never acknowledged"]).unwrap();
    let closed = wire::closed_by_owner();
    pair.world.break_off(client_end, Err(closed));
    pair.settle();
    assert!(matches!(
        pair.server().events.last(),
        Some(Event::Lost(0, Some(_)))
    ));
    assert!(!pair.server().queue.status(0).unwrap().alive);
    assert_eq!(pair.server().put(0, &[b"more"]), Err(Code::Closed));
    pair.server().take_all();
    let numbers = pair.server().messages.iter();
    let numbers: Vec<u32> = numbers
        .map(|message| u32::from_le_bytes(message.payload[..].try_into().unwrap()))
        .collect();
    assert!(numbers.into_iter().eq(0..500));
    pair.settle();
    assert_eq!(pair.server().events.last(), Some(&Event::Gone(0)));
}

#[test]
fn a_hang_up_behind_a_full_ring_waits_for_an_owner_that_looks() {
    let mut pair = Pair::open(config(1), config(2));
    let (client_end, server_end) = (pair.client_end, pair.server_end);
    pair.world.incoming(server_end).cuts = vec![100];
    pair.world.asleep = Some(SERVER);
    for number in 0..10_000_u32 {
        pair.client().put(0, &[&number.to_le_bytes()]).unwrap();
        if number % 100 == 0 {
            pair.settle();
        }
    }
    pair.settle();
    let closed = wire::closed_by_owner();
    pair.world.break_off(client_end, Err(closed));
    pair.settle();
    assert!(pair.server().queue.stats().received.0 < 10_000);
    pair.world.asleep = None;
    pair.settle();
    assert_eq!(pair.server().messages.len(), 10_000);
    assert_eq!(pair.server().events.last(), Some(&Event::Gone(0)));
}

#[test]
fn a_full_ring_stops_every_session_and_an_owner_that_looks_starts_them_again() {
    let mut world = World::new();
    let server = world.server(config(1));
    let clients: Vec<usize> = (2..6).map(|id| world.client(config(id))).collect();
    let mut ends = Vec::new();
    for &client in &clients {
        ends.push(world.connect(client, server));
        world.settle();
    }
    world.asleep = Some(server);
    for (&client, &(_, server_end)) in clients.iter().zip(&ends) {
        world.incoming(server_end).cuts = vec![300];
        for number in 0..3000_u32 {
            world.nodes[client]
                .put(0, &[&number.to_le_bytes()])
                .unwrap();
        }
        world.settle();
    }
    let received: u64 = world.nodes[server].queue.stats().received.0;
    let full = RING_CAPACITY as u64 - 64;
    assert!(
        (full..full + 100).contains(&received),
        "{received} frames are in the ring"
    );
    world.asleep = None;
    world.settle();
    for peer in 0..4 {
        let of_peer = world.nodes[server]
            .messages
            .iter()
            .filter(|message| message.peer == peer);
        let numbers: Vec<u32> = of_peer
            .map(|message| u32::from_le_bytes(message.payload[..].try_into().unwrap()))
            .collect();
        assert!(numbers.into_iter().eq(0..3000), "of peer {peer}");
    }
}

#[test]
fn events_find_room_in_a_full_ring_and_stay_in_order() {
    let mut world = World::new();
    let server = world.server(Config {
        high_water_messages: 1 << 20,
        ..config(1)
    });
    let client = world.client(config(2));
    world.connect(client, server);
    world.settle();
    world.asleep = Some(server);
    for number in 0..6000_u32 {
        world.nodes[client]
            .put(0, &[&number.to_le_bytes()])
            .unwrap();
    }
    world.settle();
    // More events than are kept free, while messages wait in the socket.
    for id in 0..100 {
        let other = world.client(config(100 + id));
        let (near, _) = world.connect(other, server);
        world.settle();
        world.break_off(near, Err(wire::closed_by_owner()));
        world.settle();
    }
    world.asleep = None;
    world.settle();
    assert_eq!(world.nodes[server].messages.len(), 6000);
    for number in 1..=100 {
        let of_peer = world.nodes[server].events.iter().filter_map(short);
        let of_peer: String = of_peer
            .filter(|(_, peer)| *peer == number)
            .map(|(kind, _)| kind)
            .collect();
        assert_eq!(of_peer, "PLG", "of peer {number}");
    }
}

fn short(event: &Event) -> Option<(char, u32)> {
    match event {
        Event::Peer(number, _) => Some(('P', *number)),
        Event::Lost(number, _) => Some(('L', *number)),
        Event::Gone(number) => Some(('G', *number)),
        Event::Fin(number) => Some(('F', *number)),
        _ => None,
    }
}

#[test]
fn an_owner_that_never_looks_does_not_make_memory_grow() {
    let mut world = World::new();
    let server = world.server(Config {
        max_peers: 20,
        ..config(1)
    });
    world.asleep = Some(server);
    for round in 0..9000 {
        let id = u8::try_from(round % 250 + 2).unwrap();
        let client = world.client(config(id));
        let (near, _) = world.connect(client, server);
        world.settle();
        world.break_off(near, Err(wire::closed_by_owner()));
        world.settle();
        world.forget_connections();
        world.nodes.truncate(1);
    }
    world.asleep = None;
    world.settle();
    // Neither peers nor warnings pile up; `Gone` follows from `Lost` only when somebody looks.
    let events = world.nodes[server].count(|event| !matches!(event, Event::Gone(_)));
    assert!(events < RING_CAPACITY + 1100, "{events} events were kept");
}

#[test]
fn a_paused_session_still_sends_and_hears_acknowledgements_afterwards() {
    let mut pair = Pair::open(small_mark(1), config(2));
    pair.server().takes = false;
    for _ in 0..300 {
        pair.client().put(0, &[b"to server"]).unwrap();
    }
    pair.settle();
    pair.server().put(0, &[b"to client"]).unwrap();
    pair.settle();
    assert_eq!(pair.client().payloads(), [b"to client"]);
    pair.server().takes = true;
    pair.server().take_all();
    pair.settle();
    assert_eq!(pair.server().messages.len(), 300);
    assert_eq!(pair.server().queue.status(0).unwrap().done.seq, 1);
    pair.end();
}

#[derive(Clone, Debug)]
enum Step {
    Put(usize, Vec<usize>),
    Take(usize, usize),
    Settle,
}

fn step() -> impl Strategy<Value = Step> {
    let node = prop_oneof![Just(CLIENT), Just(SERVER)];
    let sizes = prop::collection::vec(
        prop_oneof![Just(0), 1..200_usize, 65_000..70_000_usize],
        1..20,
    );
    prop_oneof![
        3 => (node.clone(), sizes).prop_map(|(node, sizes)| Step::Put(node, sizes)),
        2 => (node, 1..30_usize).prop_map(|(node, max)| Step::Take(node, max)),
        2 => Just(Step::Settle),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn whatever_is_taken_when_no_wake_up_is_lost(
        steps in prop::collection::vec(step(), 1..60),
        mark in (1..5000_u64, 1..50_u64),
        cuts in prop::collection::vec(1..5000_usize, 1..10),
    ) {
        let config_of = |id| Config { high_water_bytes: mark.0, high_water_messages: mark.1, ..config(id) };
        let mut pair = Pair::open(config_of(1), config_of(2));
        for end in [pair.client_end, pair.server_end] {
            pair.world.incoming(end).cuts.clone_from(&cuts);
        }
        let mut sent = [vec![], vec![]];
        for node in &mut pair.world.nodes {
            node.takes = false;
        }
        for step in steps {
            match step {
                Step::Put(node, sizes) => {
                    let payloads: Vec<Vec<u8>> = sizes.iter().map(|&size| vec![(sent[node].len() + size) as u8; size]).collect();
                    let slices: Vec<&[u8]> = payloads.iter().map(|payload| &**payload).collect();
                    pair.world.nodes[node].put(0, &slices).unwrap();
                    sent[node].extend(payloads);
                }
                Step::Take(node, max) => {
                    pair.world.nodes[node].take(max);
                }
                Step::Settle => pair.settle(),
            }
        }
        pair.settle();
        // From now on everything is taken, but only when the owner is woken.
        for node in &mut pair.world.nodes {
            node.takes = true;
            node.take_all();
        }
        pair.settle();
        for (node, sent) in [(SERVER, &sent[CLIENT]), (CLIENT, &sent[SERVER])] {
            prop_assert!(pair.world.nodes[node].payloads().iter().eq(sent.iter()));
        }
        for (node, sent) in sent.iter().enumerate() {
            prop_assert_eq!(pair.world.nodes[node].queue.status(0).unwrap().done.seq, sent.len() as u64);
        }
        pair.end();
    }
}
