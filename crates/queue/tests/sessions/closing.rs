//! How conversations end.

use std::time::Duration;

use proptest::prelude::*;
use queue::{Config, Event};
use wire::{AckPoint, Code, FrameType, Header, Hello, VERSION};

use crate::support::{CLIENT, Pair, ROOT, SERVER, World, config, endpoint, peer_event};

const SECOND: Duration = Duration::from_secs(1);

fn open() -> Pair {
    Pair::open(config(1), config(2))
}

fn close(pair: &mut Pair, node: usize, within: Duration) {
    let deadline = pair.world.now + within;
    pair.world.nodes[node].queue.close(Some(deadline));
}

/// A connection to a server over which the test itself speaks, after the handshake.
fn raw(server: Config) -> (World, usize, usize) {
    let mut world = World::new();
    let server = world.server(server);
    let (near, far) = world.connect_to_server(server);
    let hello = Hello {
        versions: (VERSION, VERSION),
        id: [9; 16],
        cluster: String::new(),
        features: 0,
        ack: AckPoint::Received,
        keep_alive_ms: 0,
        max_message: 1 << 20,
        keeping: None,
        standing: None,
    };
    world.send(near, &hello.encode());
    world.settle();
    world.receive(near);
    (world, near, far)
}

#[test]
fn a_client_that_closes_takes_leave_and_the_server_goes_on() {
    let mut pair = open();
    close(&mut pair, CLIENT, SECOND);
    pair.settle();
    let farewell = [Event::Fin(0), Event::Lost(0, None), Event::Gone(0)];
    let opened = |other| vec![Event::Open(endpoint()), peer_event(0, other)];
    assert_eq!(pair.server().events, [&opened(2)[..], &farewell].concat());
    assert_eq!(
        pair.client().events,
        [
            &opened(1)[..],
            &farewell[..2],
            &[Event::Gone(0), Event::Closed]
        ]
        .concat()
    );
    assert!(!pair.server().is_closed());
    pair.client().assert_ended_well();
}

#[test]
fn a_server_that_closes_takes_leave_of_all_its_clients() {
    let mut world = World::new();
    let server = world.server(config(1));
    for id in 2..6 {
        let client = world.client(config(id));
        world.connect(client, server);
        world.settle();
        world.nodes[client].put(0, &[b"last words"]).unwrap();
    }
    let deadline = world.now + SECOND;
    world.nodes[server].queue.close(Some(deadline));
    world.settle();
    for node in &mut world.nodes {
        assert_eq!(node.errors().len(), 0);
        node.assert_ended_well();
    }
    assert_eq!(world.nodes[server].messages.len(), 4);
}

#[test]
fn both_may_close_at_the_same_time() {
    let mut pair = open();
    for end in [pair.client_end, pair.server_end] {
        pair.world.incoming(end).delay = Duration::from_millis(50);
    }
    pair.client().put(0, &[b"from client"]).unwrap();
    pair.server().put(0, &[b"from server"]).unwrap();
    close(&mut pair, CLIENT, SECOND);
    close(&mut pair, SERVER, SECOND);
    pair.pass(SECOND / 2);
    for node in &mut pair.world.nodes {
        assert_eq!(node.errors().len(), 0);
        assert_eq!(node.messages.len(), 1);
        node.assert_ended_well();
    }
}

#[test]
fn what_was_put_before_the_close_arrives() {
    let mut pair = open();
    let server_end = pair.server_end;
    pair.world.incoming(server_end).capacity = 3000;
    pair.world.incoming(server_end).delay = Duration::from_millis(1);
    for size in [0, 10, 60_000, 70_000, 300_000] {
        pair.client().put(0, &[&vec![1; size]]).unwrap();
    }
    close(&mut pair, CLIENT, Duration::from_secs(20));
    assert_eq!(pair.client().put(0, &[b"late"]), Err(Code::Closed));
    pair.pass(Duration::from_secs(19));
    let sizes: Vec<usize> = pair
        .server()
        .payloads()
        .iter()
        .map(|payload| payload.len())
        .collect();
    assert_eq!(sizes, [0, 10, 60_000, 70_000, 300_000]);
    assert_eq!(pair.client().errors().len(), 0);
    pair.client().assert_ended_well();
}

#[test]
fn a_close_waits_for_a_consumer_that_must_process_what_it_got() {
    let mut pair = Pair::open(
        Config {
            ack: AckPoint::Processed,
            ..config(1)
        },
        config(2),
    );
    pair.server().acknowledges = false;
    pair.client().put(0, &[b"work"]).unwrap();
    close(&mut pair, CLIENT, Duration::from_secs(3));
    pair.pass(SECOND);
    assert!(!pair.client().is_closed());
    pair.server().queue.acknowledge(0, 1).unwrap();
    pair.settle();
    assert_eq!(pair.client().errors().len(), 0);
    pair.client().assert_ended_well();
}

#[test]
fn after_the_answer_to_the_peers_fin_nothing_can_be_put() {
    let mut pair = Pair::open(
        config(1),
        Config {
            ack: AckPoint::Processed,
            ..config(2)
        },
    );
    pair.client().acknowledges = false;
    // The client has not processed this, so its own close takes a while.
    pair.server().put(0, &[b"work"]).unwrap();
    pair.settle();
    close(&mut pair, CLIENT, SECOND);
    pair.settle();
    assert_eq!(pair.server().events.last(), Some(&Event::Fin(0)));
    assert_eq!(pair.server().put(0, &[b"more"]), Err(Code::Closed));
    pair.client().queue.acknowledge(0, 1).unwrap();
    pair.settle();
    assert_eq!(pair.server().errors().len(), 0);
    pair.client().assert_ended_well();
}

#[test]
fn until_the_owner_answers_the_peers_fin_it_can_put_and_all_of_it_arrives() {
    let mut pair = open();
    pair.server().finishes = false;
    close(&mut pair, CLIENT, SECOND);
    pair.settle();
    assert_eq!(pair.server().events.last(), Some(&Event::Fin(0)));
    // What the owner had gathered when it heard of it.
    pair.server().put(0, &[b"one", b"two"]).unwrap();
    pair.settle();
    pair.server().put(0, &[&[3; 100_000]]).unwrap();
    pair.server().queue.finish(0).unwrap();
    assert_eq!(pair.server().put(0, &[b"more"]), Err(Code::Closed));
    pair.settle();
    assert_eq!(pair.client().messages.len(), 3);
    assert_eq!(pair.server().errors().len(), 0);
    assert_eq!(pair.client().errors().len(), 0);
    pair.client().assert_ended_well();
}

#[test]
fn a_close_needs_no_other_answer_to_the_peers_fin() {
    let mut pair = open();
    pair.server().finishes = false;
    close(&mut pair, CLIENT, SECOND);
    pair.settle();
    close(&mut pair, SERVER, SECOND);
    pair.settle();
    for node in &mut pair.world.nodes {
        assert_eq!(node.errors().len(), 0);
        node.assert_ended_well();
    }
}

#[test]
fn an_owner_that_never_answers_is_given_up_by_the_peer_that_closes() {
    let mut pair = open();
    pair.server().finishes = false;
    close(&mut pair, CLIENT, SECOND);
    pair.pass(SECOND - Duration::from_millis(1));
    assert!(!pair.client().is_closed());
    pair.pass(Duration::from_millis(1));
    pair.client().assert_ended_well();
    assert_eq!(pair.server().queue.finish(7), Err(Code::NotConnected));
}

#[test]
fn an_owner_may_take_leave_of_one_peer_and_keep_the_others() {
    let mut world = World::new();
    let server = world.server(config(1));
    let clients = [2, 3].map(|id| {
        let client = world.client(config(id));
        world.connect(client, server);
        world.settle();
        client
    });
    world.nodes[server].put(0, &[b"last"]).unwrap();
    world.nodes[server].queue.finish(0).unwrap();
    world.settle();
    assert_eq!(world.nodes[clients[0]].payloads(), [b"last"]);
    world.nodes[clients[0]].assert_ended_well();
    world.nodes[server].put(1, &[b"more"]).unwrap();
    world.settle();
    assert_eq!(world.nodes[clients[1]].payloads(), [b"more"]);
    assert_eq!(world.nodes[server].errors().len(), 0);
}

#[test]
fn a_peer_that_does_not_acknowledge_is_given_up_at_the_deadline() {
    let (mut world, near, far) = raw(config(1));
    world.nodes[0].put(0, &[b"work"]).unwrap();
    let deadline = world.now + 2 * SECOND;
    world.nodes[0].queue.close(Some(deadline));
    world.pass(2 * SECOND - Duration::from_millis(1));
    assert_eq!(world.outcome(far), None);
    world.pass(Duration::from_millis(1));
    assert!(matches!(world.outcome(far), Some(Err(error)) if error.code == Code::Timeout));
    assert!(matches!(
        world.nodes[0].errors()[..],
        [Event::Lost(0, Some(_))]
    ));
    world.nodes[0].assert_ended_well();
    world.receive(near);
}

#[test]
fn a_close_may_be_called_again_with_less_patience() {
    let (mut world, _, far) = raw(config(1));
    world.nodes[0].put(0, &[b"work"]).unwrap();
    for (after, patience) in [(0, 60), (1, 30), (1, 40), (1, 4)] {
        world.pass(after * SECOND);
        let deadline = world.now + patience * SECOND;
        world.nodes[0].queue.close(Some(deadline));
        world.settle();
    }
    world.pass(3 * SECOND);
    assert_eq!(world.outcome(far), None);
    world.pass(SECOND);
    assert!(world.outcome(far).is_some());
    world.nodes[0].assert_ended_well();
}

#[test]
fn an_abort_after_a_close_ends_at_once() {
    let (mut world, _, far) = raw(config(1));
    world.nodes[0].put(0, &[b"work"]).unwrap();
    let deadline = world.now + SECOND;
    world.nodes[0].queue.close(Some(deadline));
    world.settle();
    world.nodes[0].queue.close(None);
    world.settle();
    assert!(matches!(world.outcome(far), Some(Err(error)) if error.code == Code::Closed));
    world.nodes[0].assert_ended_well();
    world.nodes[0].queue.close(None);
    world.nodes[0].queue.close(Some(deadline));
    world.settle();
    assert_eq!(world.nodes[0].count(|event| *event == Event::Closed), 1);
}

#[test]
fn an_abort_loses_what_was_not_sent_and_the_peer_hears_of_it() {
    for aborts in [CLIENT, SERVER] {
        let mut pair = open();
        pair.world.nodes[aborts].queue.close(None);
        pair.settle();
        for node in &pair.world.nodes {
            assert!(
                matches!(node.errors()[..], [Event::Lost(0, Some(_))]),
                "{:?}",
                node.events
            );
        }
        pair.world.nodes[aborts].assert_ended_well();
        assert!(
            !pair.world.nodes[aborts]
                .queue
                .status(0)
                .is_ok_and(|status| status.alive)
        );
    }
}

#[test]
fn a_close_while_dialing_delivers_if_the_server_appears_in_time() {
    let mut world = World::new();
    let server = world.server(config(1));
    let client = world.client(config(2));
    world.nodes[client].put(0, &[b"early"]).unwrap();
    let deadline = world.now + SECOND;
    world.nodes[client].queue.close(Some(deadline));
    world.pass(SECOND / 2);
    world.connect(client, server);
    world.settle();
    assert_eq!(world.nodes[server].payloads(), [b"early"]);
    assert_eq!(world.nodes[client].errors().len(), 0);
    world.nodes[client].assert_ended_well();
}

#[test]
fn a_close_while_dialing_gives_up_at_its_deadline_or_at_once() {
    for within in [Some(SECOND), None] {
        let mut world = World::new();
        let client = world.client(config(2));
        let deadline = within.map(|within| world.now + within);
        world.nodes[client].queue.close(deadline);
        world.settle();
        assert_eq!(world.nodes[client].is_closed(), within.is_none());
        world.pass(SECOND);
        assert!(matches!(
            world.nodes[client].errors()[..],
            [Event::Failed(_)]
        ));
        world.nodes[client].assert_ended_well();
    }
}

#[test]
fn the_deadline_of_a_close_while_dialing_holds_for_the_handshake_that_follows() {
    let mut world = World::new();
    let client = world.client(config(2));
    let deadline = world.now + SECOND;
    world.nodes[client].queue.close(Some(deadline));
    world.settle();
    // Something accepts the connection and says nothing.
    let (near, _) = world.connect_client(client);
    world.pass(SECOND);
    assert!(world.outcome(near).is_some());
    world.nodes[client].assert_ended_well();
}

#[test]
fn the_deadline_of_a_close_holds_for_who_is_still_shaking_hands_or_was_refused() {
    for hello in [None, Some("another cluster")] {
        let mut world = World::new();
        let server = world.server(config(1));
        let (near, far) = world.connect_to_server(server);
        if let Some(cluster) = hello {
            let hello = Hello {
                versions: (VERSION, VERSION),
                id: [9; 16],
                cluster: cluster.into(),
                features: 0,
                ack: AckPoint::Received,
                keep_alive_ms: 0,
                max_message: 1,
                keeping: None,
                standing: None,
            };
            world.send(near, &hello.encode());
        }
        world.settle();
        let deadline = world.now + SECOND;
        world.nodes[server].queue.close(Some(deadline));
        world.pass(SECOND);
        assert!(world.outcome(far).is_some(), "{hello:?}");
        assert_eq!(world.nodes[server].errors().len(), 1);
        world.nodes[server].assert_ended_well();
    }
}

#[test]
fn a_handshake_that_ends_after_the_close_began_is_followed_by_an_orderly_end() {
    let mut pair = Pair::silent(config(1), config(2));
    for end in [pair.client_end, pair.server_end] {
        pair.world.incoming(end).delay = Duration::from_millis(100);
    }
    pair.pass(Duration::from_millis(10));
    close(&mut pair, SERVER, 5 * SECOND);
    pair.client().put(0, &[b"hello and goodbye"]).unwrap();
    pair.pass(5 * SECOND);
    for node in &mut pair.world.nodes {
        assert_eq!(node.errors().len(), 0);
        node.assert_ended_well();
    }
    assert_eq!(pair.server().payloads(), [b"hello and goodbye"]);
}

#[test]
fn a_server_that_closes_takes_no_new_peers() {
    let (mut world, _, _) = raw(config(1));
    world.nodes[0].put(0, &[b"never acknowledged"]).unwrap();
    let deadline = world.now + SECOND;
    let server = world.nodes[0].queue.server();
    world.nodes[0].queue.close(Some(deadline));
    world.settle();
    let mut server = server;
    assert!(wire::Acceptor::accept(&mut server, 777, world.now).is_none());
    assert_eq!(
        world.nodes[0]
            .queue
            .client(ROOT, endpoint(), world.now)
            .err(),
        Some(Code::Closed)
    );
    world.pass(SECOND);
    world.nodes[0].assert_ended_well();
}

#[test]
fn a_finished_session_lingers_a_moment_for_its_peer_to_hang_up() {
    let (mut world, near, far) = raw(config(1));
    let deadline = world.now + 10 * SECOND;
    world.nodes[0].queue.close(Some(deadline));
    world.settle();
    world.send(near, &Header::bare(FrameType::Fin, 0).encode());
    world.settle();
    // It has hung up, but not let go.
    assert_eq!(world.outcome(far), None);
    world.pass(SECOND - Duration::from_millis(1));
    assert_eq!(world.outcome(far), None);
    world.pass(Duration::from_millis(1));
    assert_eq!(world.outcome(far), Some(&Ok(())));
    assert_eq!(world.nodes[0].errors().len(), 0);
    world.nodes[0].assert_ended_well();
}

#[test]
fn lingering_does_not_outlast_the_deadline_of_the_close() {
    let (mut world, near, far) = raw(config(1));
    let deadline = world.now + SECOND / 10;
    world.nodes[0].queue.close(Some(deadline));
    world.settle();
    world.send(near, &Header::bare(FrameType::Fin, 0).encode());
    world.pass(SECOND / 10);
    assert_eq!(world.outcome(far), Some(&Ok(())));
    world.nodes[0].assert_ended_well();
}

#[test]
fn a_peer_that_talks_after_the_end_does_not_turn_it_into_a_failure() {
    let (mut world, near, far) = raw(config(1));
    let deadline = world.now + SECOND;
    world.nodes[0].queue.close(Some(deadline));
    world.settle();
    world.send(near, &Header::bare(FrameType::Fin, 0).encode());
    world.settle();
    world.send(near, &Header::bare(FrameType::Beat, 0).encode());
    world.settle();
    assert!(world.outcome(far).is_some());
    assert_eq!(world.nodes[0].errors().len(), 0);
    world.nodes[0].assert_ended_well();
}

#[test]
fn what_a_lost_peer_had_sent_can_still_be_taken_and_then_it_is_gone() {
    let mut pair = open();
    pair.server().takes = false;
    pair.client().put(0, &[b"one", b"two"]).unwrap();
    close(&mut pair, CLIENT, SECOND);
    pair.settle();
    assert_eq!(pair.server().events.last(), Some(&Event::Lost(0, None)));
    assert!(!pair.server().queue.status(0).unwrap().alive);
    assert_eq!(pair.server().put(0, &[b"x"]), Err(Code::Closed));
    pair.server().take(1);
    pair.settle();
    assert_eq!(pair.server().events.last(), Some(&Event::Lost(0, None)));
    pair.server().take(1);
    // The owner is woken for the event.
    pair.settle();
    assert_eq!(pair.server().events.last(), Some(&Event::Gone(0)));
    assert_eq!(pair.server().payloads(), [b"one", b"two"]);
    // It can be asked about until the owner has read of its end.
    assert!(!pair.server().queue.status(0).unwrap().alive);
    pair.server().queue.events();
    assert_eq!(pair.server().put(0, &[b"x"]), Err(Code::NotConnected));
}

#[test]
fn a_large_message_taken_last_lets_the_lost_peer_go() {
    let mut pair = open();
    pair.server().takes = false;
    pair.client().put(0, &[&[1; 100_000]]).unwrap();
    close(&mut pair, CLIENT, SECOND);
    pair.settle();
    pair.server().take(1);
    pair.settle();
    assert_eq!(pair.server().events.last(), Some(&Event::Gone(0)));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn whenever_the_two_close_everything_put_before_arrives_and_both_end_in_order(
        puts in prop::collection::vec((any::<bool>(), 0..3000_usize), 0..20),
        closes in (0..20_usize, 0..20_usize),
        delays in (0..30_u64, 0..30_u64),
        cuts in prop::collection::vec(1..500_usize, 0..5),
    ) {
        let mut pair = open();
        for (end, delay) in [(pair.client_end, delays.0), (pair.server_end, delays.1)] {
            pair.world.incoming(end).delay = Duration::from_millis(delay);
            pair.world.incoming(end).cuts.clone_from(&cuts);
        }
        let mut sent = [0, 0];
        for i in 0..20 {
            if let Some(&(from_client, size)) = puts.get(i) {
                let node = usize::from(from_client);
                match pair.world.nodes[node].put(0, &[&vec![5; size]]) {
                    Ok(()) => sent[node] += 1,
                    Err(code) => prop_assert!(code == Code::Closed || code == Code::NotConnected),
                }
            }
            if i == closes.0 {
                close(&mut pair, CLIENT, 30 * SECOND);
            }
            if i == closes.1 {
                close(&mut pair, SERVER, 30 * SECOND);
            }
            pair.pass(Duration::from_millis(7));
        }
        pair.pass(SECOND);
        for node in &mut pair.world.nodes {
            prop_assert_eq!(node.errors(), Vec::<&Event>::new());
            node.assert_ended_well();
        }
        prop_assert_eq!([pair.client().messages.len(), pair.server().messages.len()], sent);
    }
}
