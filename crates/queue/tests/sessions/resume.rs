//! Sessions that outlive their connections, and communicators that outlive their processes.

use std::time::Duration;

use proptest::prelude::*;
use queue::{Config, Event};
use wire::{AckPoint, Code, Error};

use super::support::*;

const SECOND: Duration = Duration::from_secs(1);

/// Settings of a communicator that keeps its sessions for 30 s.
pub(super) fn keeping(id: u8) -> Config {
    Config {
        session_timeout: Some(30 * SECOND),
        secret: [id; 16],
        incarnation: u64::from(id),
        ..config(id)
    }
}

pub(super) fn processed(id: u8) -> Config {
    Config {
        ack: AckPoint::Processed,
        ..keeping(id)
    }
}

/// The same communicator in a process of its own.
pub(super) fn restarted(config: &Config) -> Config {
    Config {
        incarnation: config.incarnation + 100,
        ..config.clone()
    }
}

pub(super) fn lost(node: &Node) -> Vec<Option<Code>> {
    let lost = node.events.iter().filter_map(|event| match event {
        Event::Lost(_, error) => Some(error.as_ref().map(|error| error.code)),
        _ => None,
    });
    lost.collect()
}

pub(super) fn returns(node: &Node) -> (usize, usize) {
    (
        node.count(|event| matches!(event, Event::Away(..))),
        node.count(|event| matches!(event, Event::Back(..))),
    )
}

impl Pair {
    pub(super) fn cut(&mut self) {
        self.world.cut((self.client_end, self.server_end));
    }

    pub(super) fn reconnect(&mut self) {
        (self.client_end, self.server_end) = self.world.connect(CLIENT, SERVER);
    }
}

#[test]
fn what_was_on_its_way_when_the_connection_broke_arrives_once_and_in_order() {
    let mut pair = Pair::open(keeping(1), keeping(2));
    pair.client().put(0, &[b"before"]).unwrap();
    pair.settle();
    for end in [pair.client_end, pair.server_end] {
        pair.world.incoming(end).stalled = true;
    }
    let large = vec![7; 200_000];
    pair.client().put(0, &[b"one", b"two"]).unwrap();
    pair.client().put(0, &[&large]).unwrap();
    pair.server().put(0, &[b"eins", b"zwei"]).unwrap();
    pair.settle();
    pair.cut();
    assert_eq!(
        (returns(pair.client()), returns(pair.server())),
        ((1, 0), (1, 0))
    );
    pair.client().put(0, &[b"while away"]).unwrap();
    pair.server().put(0, &[b"auch"]).unwrap();
    pair.reconnect();
    pair.settle();
    assert_eq!(
        (returns(pair.client()), returns(pair.server())),
        ((1, 1), (1, 1))
    );
    let expected: [&[u8]; 5] = [b"before", b"one", b"two", &large, b"while away"];
    assert_eq!(pair.server().payloads(), expected);
    assert_eq!(pair.client().payloads(), [&b"eins"[..], b"zwei", b"auch"]);
    assert!(
        pair.server()
            .messages
            .iter()
            .all(|message| message.redelivered == 0)
    );
    let numbers: Vec<u64> = pair
        .server()
        .messages
        .iter()
        .map(|message| message.seq)
        .collect();
    assert_eq!(numbers, [1, 2, 3, 4, 5]);
    assert_eq!(pair.client().queue.status(0).unwrap().done.seq, 5);
    pair.end();
}

#[test]
fn what_arrived_and_was_not_acknowledged_yet_does_not_come_again() {
    let mut pair = Pair::open(keeping(1), keeping(2));
    // The server reads, and its acknowledgement is lost.
    let client_end = pair.client_end;
    pair.world.incoming(client_end).stalled = true;
    pair.client().put(0, &[b"one"]).unwrap();
    pair.settle();
    assert_eq!(pair.server().payloads(), [b"one"]);
    assert_eq!(pair.client().queue.status(0).unwrap().done.seq, 0);
    pair.cut();
    pair.reconnect();
    pair.settle();
    assert_eq!(pair.server().payloads(), [b"one"]);
    assert_eq!(pair.client().queue.status(0).unwrap().done.seq, 1);
    pair.end();
}

#[test]
fn a_message_that_went_straight_from_its_owners_memory_is_sent_again_whole() {
    let mut pair = Pair::open(keeping(1), keeping(2));
    let payload: Vec<u8> = (0..300_000_u32).map(|i| i.to_le_bytes()[1]).collect();
    let (client_end, server_end) = (pair.client_end, pair.server_end);
    pair.world.incoming(server_end).capacity = 100_000;
    pair.world.incoming(server_end).stalled = true;
    assert!(pair.world.send_direct(client_end, &payload));
    pair.cut();
    pair.reconnect();
    pair.settle();
    assert_eq!(pair.server().payloads(), [&payload[..]]);
    pair.end();
}

#[test]
fn a_session_that_nobody_comes_back_to_ends_on_both_sides() {
    let mut pair = Pair::open(keeping(1), keeping(2));
    pair.client().put(0, &[b"one"]).unwrap();
    pair.settle();
    pair.cut();
    pair.client().put(0, &[b"never"]).unwrap();
    pair.pass(29 * SECOND);
    assert_eq!((lost(pair.client()), lost(pair.server())), (vec![], vec![]));
    pair.pass(2 * SECOND);
    let closed = [Some(Code::Closed)];
    assert_eq!(
        (&lost(pair.client())[..], &lost(pair.server())[..]),
        (&closed[..], &closed[..])
    );
    pair.client().assert_ended_well();
    pair.server().queue.close(None);
    pair.settle();
    pair.server().assert_ended_well();
}

#[test]
fn a_client_that_comes_back_too_late_is_told_so() {
    let mut pair = Pair::open(
        Config {
            session_timeout: Some(SECOND),
            ..keeping(1)
        },
        keeping(2),
    );
    // The client does not notice, so the clocks of the two begin at different times.
    let server_end = pair.server_end;
    pair.world.incoming(server_end).stalled = true;
    pair.client().put(0, &[b"one"]).unwrap();
    pair.settle();
    pair.world
        .break_off(server_end, Err(Error::new(Code::Closed, "broken")));
    pair.world
        .break_off(pair.client_end, Err(Error::new(Code::Closed, "broken")));
    pair.pass(SECOND / 2);
    pair.settle();
    pair.pass(SECOND);
    assert_eq!(lost(pair.server()), [Some(Code::Closed)]);
    assert_eq!(lost(pair.client()), [Some(Code::Closed)]);
}

#[test]
fn a_session_goes_on_only_with_its_secret() {
    let mut pair = Pair::open(keeping(1), keeping(2));
    pair.server().put(0, &[b"for the owner"]).unwrap();
    let client_end = pair.client_end;
    pair.world.incoming(client_end).stalled = true;
    pair.settle();
    for connected in [true, false] {
        if !connected {
            pair.cut();
        }
        let thief = pair.world.client(Config {
            secret: [9; 16],
            incarnation: 7,
            ..keeping(2)
        });
        pair.world.connect(thief, SERVER);
        pair.settle();
        let events = &pair.world.nodes[thief].events;
        let refused =
            |event: &Event| matches!(event, Event::Failed(error) if error.code == Code::Auth);
        assert!(events.iter().any(refused), "{events:?}");
        assert_eq!(pair.world.nodes[thief].payloads(), Vec::<&[u8]>::new());
    }
    pair.reconnect();
    pair.settle();
    assert_eq!(pair.client().payloads(), [b"for the owner"]);
    pair.end_despite_warnings();
}

#[test]
fn a_newer_connection_takes_the_place_of_one_that_only_its_client_knows_to_be_dead() {
    let mut pair = Pair::open(keeping(1), keeping(2));
    pair.server().put(0, &[b"one"]).unwrap();
    pair.settle();
    let (client_end, server_end) = (pair.client_end, pair.server_end);
    // The server hears nothing of it.
    pair.world.incoming(client_end).stalled = true;
    pair.world.incoming(server_end).stalled = true;
    pair.server().put(0, &[b"two"]).unwrap();
    pair.settle();
    pair.world
        .break_off(client_end, Err(Error::new(Code::Closed, "broken")));
    pair.settle();
    assert_eq!(returns(pair.server()), (0, 0));
    pair.reconnect();
    pair.pass(SECOND / 10);
    assert!(pair.world.outcome(server_end).is_some());
    assert_eq!(returns(pair.server()), (1, 1));
    assert_eq!(pair.client().payloads(), [b"one", b"two"]);
    pair.end();
}

#[test]
fn a_new_process_of_the_client_gets_what_the_old_one_had_not_done_and_its_puts_go_on() {
    let (server, client) = (keeping(1), processed(2));
    let mut pair = Pair::open(server, client.clone());
    pair.client().acknowledges = false;
    pair.client().put(0, &[b"a", b"b"]).unwrap();
    pair.server().put(0, &[b"one", b"two", b"three"]).unwrap();
    pair.settle();
    assert_eq!(pair.client().messages.len(), 3);
    pair.client().queue.acknowledge(0, 1).unwrap();
    pair.settle();
    assert_eq!(pair.server().queue.status(0).unwrap().done.seq, 1);
    // SIGKILL.
    let (client_end, server_end) = (pair.client_end, pair.server_end);
    pair.world.cut((client_end, server_end));
    pair.world.nodes[CLIENT].root = Root::Gone;
    let second = pair.world.client(restarted(&client));
    pair.world.nodes[second].put(0, &[b"c", b"d"]).unwrap();
    pair.world.connect(second, SERVER);
    pair.settle();
    pair.world.nodes[second].put(0, &[b"e"]).unwrap();
    pair.settle();
    let got: Vec<_> = pair.world.nodes[second]
        .messages
        .iter()
        .map(|message| (&message.payload[..], message.seq, message.redelivered))
        .collect();
    assert_eq!(got, [(&b"two"[..], 2, 1), (b"three", 3, 1)]);
    assert_eq!(pair.server().payloads(), [b"a", b"b", b"c", b"d", b"e"]);
    assert_eq!(
        pair.world.nodes[second].queue.status(0).unwrap().done.seq,
        3
    );
    assert_eq!(pair.server().queue.status(0).unwrap().done.seq, 3);
    let first = pair.world.nodes[second]
        .events
        .iter()
        .find_map(|event| match event {
            Event::Peer(_, introduction) => Some(introduction.first),
            _ => None,
        });
    assert_eq!(first, Some(2));
}

#[test]
fn a_new_process_of_the_server_gets_what_the_old_one_had_not_acknowledged() {
    let server = processed(1);
    let mut pair = Pair::open(server.clone(), keeping(2));
    pair.server().acknowledges = false;
    pair.client().put(0, &[b"one", b"two", b"three"]).unwrap();
    pair.settle();
    pair.server().queue.acknowledge(0, 2).unwrap();
    pair.settle();
    pair.world.cut((pair.client_end, pair.server_end));
    pair.world.nodes[SERVER].root = Root::Gone;
    let second = pair.world.server(restarted(&server));
    pair.client().put(0, &[b"four"]).unwrap();
    pair.world.connect(CLIENT, second);
    pair.settle();
    let got: Vec<_> = pair.world.nodes[second]
        .messages
        .iter()
        .map(|message| (&message.payload[..], message.seq, message.redelivered))
        .collect();
    assert_eq!(got, [(&b"three"[..], 3, 1), (b"four", 4, 0)]);
    assert_eq!(pair.client().queue.status(0).unwrap().done.seq, 4);
    // And the other way: the new server's numbers go on where the client is.
    pair.world.nodes[second].put(0, &[b"hello"]).unwrap();
    pair.settle();
    assert_eq!(pair.client().payloads(), [b"hello"]);
    assert_eq!(
        pair.world.nodes[second].queue.status(0).unwrap().done.seq,
        1
    );
}

#[test]
fn a_client_that_was_with_another_server_meanwhile_does_not_go_on_where_it_left_the_first() {
    let mut pair = Pair::open(keeping(1), keeping(2));
    pair.client().put(0, &[b"one"]).unwrap();
    pair.settle();
    pair.cut();
    // As behind an address that leads to several servers.
    let other = pair.world.server(restarted(&keeping(1)));
    let ends = pair.world.connect(CLIENT, other);
    pair.settle();
    pair.client().put(0, &[b"two"]).unwrap();
    pair.settle();
    assert_eq!(pair.world.nodes[other].payloads(), [b"two"]);
    pair.world.cut(ends);
    pair.reconnect();
    pair.settle();
    assert_eq!(lost(pair.client()), [Some(Code::Protocol)]);
    assert_eq!(lost(pair.server()), [Some(Code::Protocol)]);
    assert_eq!(pair.server().payloads(), [b"one"]);
}

#[test]
fn a_client_without_a_session_timeout_loses_its_session_with_its_connection() {
    for (server, client) in [(keeping(1), config(2)), (config(1), keeping(2))] {
        let mut pair = Pair::open(server, client);
        pair.client().put(0, &[b"one"]).unwrap();
        pair.settle();
        pair.cut();
        assert_eq!(lost(pair.client()), [Some(Code::Closed)]);
        assert_eq!(lost(pair.server()), [Some(Code::Closed)]);
        assert_eq!(
            (returns(pair.client()), returns(pair.server())),
            ((0, 0), (0, 0))
        );
        pair.client().assert_ended_well();
    }
}

#[test]
fn a_close_waits_for_a_peer_that_is_away_as_long_as_it_is_owed_something() {
    for closer in [SERVER, CLIENT] {
        for comes in [true, false] {
            let mut pair = Pair::open(keeping(1), keeping(2));
            pair.cut();
            pair.world.nodes[closer].put(0, &[b"last"]).unwrap();
            let deadline = pair.world.now + 5 * SECOND;
            pair.world.nodes[closer].queue.close(Some(deadline));
            pair.pass(SECOND);
            assert!(!pair.world.nodes[closer].is_closed());
            let other = 1 - closer;
            if comes {
                pair.reconnect();
                pair.settle();
                assert_eq!(pair.world.nodes[other].payloads(), [b"last"]);
                let deadline = pair.world.now + 5 * SECOND;
                pair.world.nodes[other].queue.close(Some(deadline));
                pair.pass(2 * SECOND);
                for node in &mut pair.world.nodes {
                    assert_eq!(lost(node), [None]);
                    node.assert_ended_well();
                }
            } else {
                pair.pass(5 * SECOND);
                assert_eq!(lost(&pair.world.nodes[closer]), [Some(Code::Closed)]);
                pair.world.nodes[closer].assert_ended_well();
            }
        }
    }
}

#[test]
fn a_close_does_not_wait_for_a_peer_that_is_away_and_has_everything() {
    for closer in [SERVER, CLIENT] {
        let mut pair = Pair::open(keeping(1), keeping(2));
        pair.world.nodes[closer].put(0, &[b"delivered"]).unwrap();
        pair.settle();
        pair.cut();
        let deadline = pair.world.now + 5 * SECOND;
        pair.world.nodes[closer].queue.close(Some(deadline));
        pair.settle();
        pair.world.nodes[closer].assert_ended_well();
    }
}

#[test]
fn a_server_that_closes_waits_for_who_loses_its_connection_meanwhile() {
    for cut_first in [true, false] {
        let mut pair = Pair::open(keeping(1), keeping(2));
        let client_end = pair.client_end;
        pair.world.incoming(client_end).stalled = true;
        pair.server().put(0, &[b"last"]).unwrap();
        pair.settle();
        if cut_first {
            pair.cut();
        }
        let deadline = pair.world.now + 10 * SECOND;
        pair.server().queue.close(Some(deadline));
        pair.settle();
        if !cut_first {
            pair.cut();
        }
        pair.pass(SECOND);
        pair.reconnect();
        pair.pass(SECOND);
        assert_eq!(pair.client().payloads(), [b"last"]);
        pair.client().assert_ended_well();
        pair.server().assert_ended_well();
        assert_eq!(lost(pair.server()), [None]);
        assert_eq!(lost(pair.client()), [None]);
    }
}

#[test]
fn a_server_that_closes_takes_no_strangers_while_it_waits_for_who_may_come_back() {
    let mut pair = Pair::open(keeping(1), keeping(2));
    let client_end = pair.client_end;
    pair.world.incoming(client_end).stalled = true;
    pair.server().put(0, &[b"last"]).unwrap();
    pair.settle();
    let deadline = pair.world.now + 10 * SECOND;
    pair.server().queue.close(Some(deadline));
    pair.settle();
    let stranger = pair.world.client(keeping(3));
    pair.world.connect(stranger, SERVER);
    pair.settle();
    // It goes on dialing: another server may listen there soon.
    assert!(matches!(pair.world.nodes[stranger].root, Root::Dialing(_)));
    assert_eq!(
        pair.server()
            .count(|event| matches!(event, Event::Peer(..))),
        1
    );
    // Nobody is left to wait for once the client has got everything.
    pair.world.incoming(client_end).stalled = false;
    pair.client().finishes = false;
    pair.settle();
    assert!(matches!(pair.server().root, Root::Gone));
    pair.pass(10 * SECOND);
    pair.server().assert_ended_well();
}

#[test]
fn a_server_that_closes_listens_no_longer_than_somebody_is_owed_something() {
    for is_owed in [true, false] {
        let mut pair = Pair::open(keeping(1), keeping(2));
        let client_end = pair.client_end;
        pair.world.incoming(client_end).stalled = is_owed;
        pair.server().put(0, &[b"last"]).unwrap();
        pair.client().finishes = false;
        pair.settle();
        let deadline = pair.world.now + 10 * SECOND;
        pair.server().queue.close(Some(deadline));
        pair.settle();
        assert_eq!(matches!(pair.server().root, Root::Listening(_)), is_owed);
        pair.pass(9 * SECOND);
        assert!(!pair.server().is_closed());
        pair.pass(SECOND);
        assert_eq!(lost(pair.server()), [Some(Code::Timeout)]);
        pair.server().assert_ended_well();
    }
}

#[test]
fn a_server_that_closes_listens_no_more_when_who_was_owed_something_is_given_up() {
    for force in [true, false] {
        let mut pair = Pair::open(keeping(1), keeping(2));
        let client_end = pair.client_end;
        pair.world.incoming(client_end).stalled = true;
        pair.server().put(0, &[b"last"]).unwrap();
        pair.settle();
        let deadline = pair.world.now + 10 * SECOND;
        pair.server().queue.close(Some(deadline));
        pair.settle();
        pair.cut();
        assert!(!pair.server().is_closed());
        if force {
            pair.server().queue.close(None);
            pair.settle();
        } else {
            pair.pass(10 * SECOND);
        }
        assert_eq!(lost(pair.server()), [Some(Code::Closed)]);
        pair.server().assert_ended_well();
    }
}

#[test]
fn who_closes_by_force_gives_the_session_up_and_the_peer_does_not_wait() {
    for closer in [SERVER, CLIENT] {
        let mut pair = Pair::open(keeping(1), keeping(2));
        pair.cut();
        pair.world.nodes[closer].put(0, &[b"never"]).unwrap();
        pair.world.nodes[closer].queue.close(None);
        pair.settle();
        pair.world.nodes[closer].assert_ended_well();
    }
}

#[test]
fn who_closes_by_force_says_so_and_the_peer_gives_the_session_up_too() {
    for closer in [SERVER, CLIENT] {
        let mut pair = Pair::open(keeping(1), keeping(2));
        let other = 1 - closer;
        pair.world.nodes[closer].put(0, &[b"last"]).unwrap();
        pair.world.nodes[closer].queue.close(None);
        pair.settle();
        pair.world.nodes[closer].assert_ended_well();
        assert_eq!(returns(&pair.world.nodes[other]), (0, 0));
        let told = pair.world.nodes[other]
            .events
            .iter()
            .find_map(|event| match event {
                Event::Lost(_, error) => error.clone(),
                _ => None,
            });
        let told = told.unwrap();
        assert_eq!(told.code, Code::Closed);
        assert!(told.message.contains("closed by force"), "{told}");
        assert_eq!(pair.world.nodes[other].is_closed(), other == CLIENT);
    }
}

#[test]
fn who_is_broken_off_says_nothing_and_its_session_can_go_on() {
    for crashed in [SERVER, CLIENT] {
        let mut pair = Pair::open(keeping(1), keeping(2));
        pair.world.nodes[crashed].queue.break_off();
        pair.settle();
        pair.world.nodes[crashed].assert_ended_well();
        let other = 1 - crashed;
        assert_eq!(returns(&pair.world.nodes[other]), (1, 0));
        assert_eq!(lost(&pair.world.nodes[other]), []);
    }
}

#[test]
fn a_close_that_loses_its_connection_when_all_is_acknowledged_is_a_good_one() {
    for sessions in [keeping as fn(u8) -> Config, config] {
        for closer in [SERVER, CLIENT] {
            // Whether its leave is written, and whether its peer answers that.
            for (written, answers) in [(true, true), (true, false), (false, false)] {
                let mut pair = Pair::open(sessions(1), sessions(2));
                pair.server().put(0, &[b"to the client"]).unwrap();
                pair.client().put(0, &[b"to the server"]).unwrap();
                pair.settle();
                let ends = [pair.server_end, pair.client_end];
                if !written {
                    let pipe = pair.world.incoming(ends[1 - closer]);
                    (pipe.stalled, pipe.capacity) = (true, 1);
                }
                // Its peer's leave does not arrive.
                pair.world.nodes[1 - closer].finishes = answers;
                pair.world.incoming(ends[closer]).stalled = true;
                let deadline = pair.world.now + 5 * SECOND;
                pair.world.nodes[closer].queue.close(Some(deadline));
                pair.settle();
                assert!(!pair.world.nodes[closer].is_closed());
                pair.cut();
                assert_eq!(lost(&pair.world.nodes[closer]), [None]);
                pair.world.nodes[closer].assert_ended_well();
            }
        }
    }
}

#[test]
fn a_close_that_loses_its_connection_before_it_has_acknowledged_all_is_no_good_one() {
    let mut pair = Pair::open(keeping(1), processed(2));
    pair.client().acknowledges = false;
    pair.server().put(0, &[b"work"]).unwrap();
    pair.settle();
    let deadline = pair.world.now + 5 * SECOND;
    pair.client().queue.close(Some(deadline));
    pair.settle();
    pair.cut();
    assert_eq!(lost(pair.client()), [Some(Code::Closed)]);
    pair.client().assert_ended_well();
}

#[test]
fn the_place_of_who_is_away_longest_goes_to_a_newcomer() {
    let mut world = World::new();
    let server = world.server(Config {
        max_peers: 2,
        ..keeping(1)
    });
    let clients = [2, 3].map(|id| world.client(keeping(id)));
    let ends = clients.map(|client| world.connect(client, server));
    world.settle();
    let third = world.client(keeping(4));
    world.connect(third, server);
    world.settle();
    assert_eq!(
        world.nodes[third].count(|event| matches!(event, Event::Failed(_))),
        1
    );
    for ends in ends {
        world.cut(ends);
        world.pass(SECOND);
    }
    let fourth = world.client(keeping(5));
    world.connect(fourth, server);
    world.settle();
    let gone: Vec<_> = world.nodes[server]
        .events
        .iter()
        .filter_map(|event| match event {
            Event::Lost(number, Some(error)) => Some((*number, error.code)),
            _ => None,
        })
        .collect();
    assert_eq!(gone, [(0, Code::QueueFull)]);
    assert_eq!(
        world.nodes[fourth].count(|event| matches!(event, Event::Peer(..))),
        1
    );
}

#[test]
fn a_fin_that_was_told_is_not_told_again() {
    let mut pair = Pair::open(keeping(1), keeping(2));
    pair.server().finishes = false;
    pair.server().put(0, &[b"one"]).unwrap();
    let client_end = pair.client_end;
    pair.world.incoming(client_end).stalled = true;
    let deadline = pair.world.now + 5 * SECOND;
    pair.client().put(0, &[b"last"]).unwrap();
    pair.client().queue.close(Some(deadline));
    pair.settle();
    let fins = |node: &Node| node.count(|event| matches!(event, Event::Fin(_)));
    assert_eq!(fins(pair.server()), 1);
    pair.cut();
    pair.reconnect();
    pair.settle();
    assert_eq!(fins(pair.server()), 1);
    pair.server().queue.finish(0).unwrap();
    pair.pass(2 * SECOND);
    assert_eq!(
        (lost(pair.client()), lost(pair.server())),
        (vec![None], vec![None])
    );
    assert_eq!(pair.client().payloads(), [b"one"]);
}

#[test]
fn a_silent_connection_is_left_and_the_session_goes_on_over_another() {
    let mut pair = Pair::open(keeping(1), keeping(2));
    for end in [pair.client_end, pair.server_end] {
        pair.world.incoming(end).stalled = true;
    }
    pair.client().put(0, &[b"one"]).unwrap();
    pair.pass(31 * SECOND);
    assert_eq!(
        (returns(pair.client()), returns(pair.server())),
        ((1, 0), (1, 0))
    );
    pair.reconnect();
    pair.settle();
    assert_eq!(pair.server().payloads(), [b"one"]);
    pair.end();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn wherever_connections_break_each_message_arrives_once_and_in_order(
        steps in prop::collection::vec((0..8_u8, 1..400_usize, any::<bool>()), 1..60),
        cuts in prop::collection::vec(1..3000_usize, 0..6),
        done in any::<[bool; 2]>(),
    ) {
        let of = |id, done| if done { processed(id) } else { keeping(id) };
        let mut pair = Pair::open(of(1, done[0]), of(2, done[1]));
        pair.world.write_cuts = cuts.clone();
        let mut put: [Vec<Vec<u8>>; 2] = Default::default();
        let mut connected = true;
        for (what, size, side) in steps {
            let side = usize::from(side);
            match what {
                0..=3 => {
                    let mut payload = vec![what; if size % 37 == 0 { size * 1000 } else { size }];
                    payload[0] = u8::try_from(put[side].len() % 251).unwrap();
                    pair.world.nodes[side].put(0, &[&payload]).unwrap();
                    put[side].push(payload);
                }
                4 => {
                    for end in [pair.client_end, pair.server_end] {
                        let pipe = pair.world.incoming(end);
                        pipe.cuts = cuts.clone();
                        pipe.delay = Duration::from_millis(u64::try_from(size % 7).unwrap());
                    }
                }
                5 => pair.pass(Duration::from_millis(u64::try_from(size % 9).unwrap())),
                6 if connected => {
                    // One side may notice later than the other.
                    let end = if side == 0 { pair.server_end } else { pair.client_end };
                    pair.world.break_off(end, Err(Error::new(Code::Closed, "broken")));
                    if size % 2 == 0 {
                        pair.settle();
                    }
                    pair.cut();
                    connected = false;
                }
                _ if !connected => {
                    pair.reconnect();
                    connected = true;
                }
                _ => {}
            }
        }
        if !connected {
            pair.reconnect();
        }
        pair.pass(SECOND);
        prop_assert_eq!(&pair.server().payloads(), &put[1]);
        prop_assert_eq!(&pair.client().payloads(), &put[0]);
        for side in [SERVER, CLIENT] {
            let other = put[side].len() as u64;
            prop_assert_eq!(pair.world.nodes[side].queue.status(0).unwrap().done.seq, other);
        }
        pair.end_despite_warnings();
    }
}
