//! Who talks to whom: introductions, refusals, dials.

use std::time::{Duration, Instant};

use queue::{Config, Event};
use wire::{AckPoint, Code, Hello, HelloParse, VERSION, parse_hello};

use crate::support::{CLIENT, Pair, SERVER, World, config, endpoint, peer_event};

fn hello(id: u8) -> Hello {
    Hello {
        versions: (VERSION, VERSION),
        id: [id; 16],
        cluster: String::new(),
        features: 0,
        ack: AckPoint::Received,
        keep_alive_ms: 0,
        max_message: 1000,
        keeping: None,
        standing: None,
    }
}

/// The codes of a node's errors: L(ost), W(arning) or F(ailed).
fn errors(world: &World, node: usize) -> Vec<(char, Code)> {
    let short = |event: &&Event| match event {
        Event::Lost(_, Some(error)) => ('L', error.code),
        Event::Warning(error) => ('W', error.code),
        Event::Failed(error) => ('F', error.code),
        other => panic!("not an error: {other:?}"),
    };
    world.nodes[node].errors().iter().map(short).collect()
}

#[test]
fn both_sides_hear_who_the_other_is() {
    let mut pair = Pair::open(config(1), config(2));
    assert_eq!(
        pair.server().events,
        [Event::Open(endpoint()), peer_event(0, 2)]
    );
    assert_eq!(
        pair.client().events,
        [Event::Open(endpoint()), peer_event(0, 1)]
    );
    assert!(pair.client().queue.status(0).unwrap().alive);
    assert_eq!(
        (
            pair.server().queue.stats().peers,
            pair.client().queue.stats().peers
        ),
        (1, 1)
    );
    pair.end();
}

#[test]
fn a_handshake_may_come_byte_by_byte_and_messages_right_behind_it() {
    let mut pair = Pair::silent(config(1), config(2));
    for end in [pair.client_end, pair.server_end] {
        pair.world.incoming(end).cuts = vec![1];
    }
    // Before anybody said anything.
    pair.client().put(0, &[b"first", b"", b"third"]).unwrap();
    pair.settle();
    assert_eq!(pair.server().payloads(), [&b"first"[..], b"", b"third"]);
    pair.end();
}

#[test]
fn messages_may_come_in_the_same_read_as_the_hello() {
    let mut world = World::new();
    let server = world.server(config(1));
    let (near, _) = world.connect_to_server(server);
    let mut bytes = hello(2).encode();
    let header = wire::Header {
        kind: wire::FrameType::Data,
        redelivered: 0,
        body_len: 7,
        count: 1,
        seq: 1,
    };
    bytes.extend(header.encode());
    bytes.extend(crate::support::word(3).to_le_bytes());
    bytes.extend(b"abc");
    world.send(near, &bytes);
    world.settle();
    assert_eq!(world.nodes[server].payloads(), [b"abc"]);
    // Nothing overtakes the answer, not even the acknowledgement.
    let answer = world.receive(near);
    let Ok(HelloParse::Hello(_, taken)) = parse_hello(&answer) else {
        panic!("{answer:?}")
    };
    let ack = wire::Header::bare(wire::FrameType::Ack, 1);
    assert_eq!(answer[taken..], ack.encode());
}

#[test]
fn another_cluster_is_refused_and_both_sides_say_so_once() {
    let server = Config {
        cluster: "blue".into(),
        ..config(1)
    };
    let client = Config {
        cluster: "green".into(),
        ..config(2)
    };
    let mut pair = Pair::open(server, client);
    pair.pass(Duration::from_secs(10));
    assert_eq!(errors(&pair.world, SERVER), [('W', Code::Auth)]);
    assert_eq!(errors(&pair.world, CLIENT), [('F', Code::Auth)]);
    pair.client().assert_ended_well();
    assert_eq!(pair.server().queue.stats().peers, 0);
    pair.server().queue.close(None);
    pair.settle();
    pair.server().assert_ended_well();
}

#[test]
fn the_same_id_on_both_sides_is_refused() {
    let mut pair = Pair::open(config(1), config(1));
    pair.settle();
    assert_eq!(errors(&pair.world, SERVER), [('W', Code::Auth)]);
    assert_eq!(errors(&pair.world, CLIENT), [('F', Code::Auth)]);
    pair.client().assert_ended_well();
}

#[test]
fn an_id_that_is_in_use_is_refused_and_free_again_when_its_peer_has_left() {
    let mut world = World::new();
    let server = world.server(config(1));
    let clients = [
        world.client(config(2)),
        world.client(config(2)),
        world.client(config(2)),
    ];
    let (first_end, _) = world.connect(clients[0], server);
    world.settle();
    world.connect(clients[1], server);
    world.settle();
    assert_eq!(errors(&world, server), [('W', Code::Auth)]);
    assert_eq!(errors(&world, clients[1]), [('F', Code::Auth)]);
    world.nodes[clients[1]].assert_ended_well();
    // The first is not disturbed.
    world.nodes[clients[0]].put(0, &[b"still here"]).unwrap();
    world.settle();
    assert_eq!(world.nodes[server].payloads(), [b"still here"]);
    world.break_off(first_end, Err(wire::closed_by_owner()));
    world.settle();
    world.connect(clients[2], server);
    world.settle();
    assert!(world.nodes[server].events.contains(&peer_event(2, 2)));
}

#[test]
fn a_peer_of_a_later_version_only_is_told_so() {
    let mut world = World::new();
    let server = world.server(config(1));
    let (near, far) = world.connect_to_server(server);
    world.send(
        near,
        &Hello {
            versions: (VERSION + 1, VERSION + 3),
            ..hello(2)
        }
        .encode(),
    );
    world.settle();
    let answer = world.receive(near);
    let Ok(HelloParse::Refused(refusal)) = parse_hello(&answer) else {
        panic!("{answer:?}")
    };
    assert_eq!(refusal.0.code, Code::Unsupported);
    world.shut_down(near);
    world.settle();
    assert_eq!(errors(&world, server), [('W', Code::Unsupported)]);
    assert!(world.outcome(far).is_some());
}

#[test]
fn an_answer_that_leaves_the_version_open_ends_the_client() {
    for versions in [(0, 255), (0, VERSION), (VERSION, VERSION + 1)] {
        let mut world = World::new();
        let client = world.client(config(2));
        let (_, far) = world.connect_client(client);
        let answer = Hello {
            versions,
            ..hello(1)
        };
        world.send(far, &answer.encode());
        world.settle();
        assert_eq!(errors(&world, client), [('F', Code::Protocol)]);
        world.nodes[client].assert_ended_well();
    }
}

#[test]
fn a_client_that_speaks_several_versions_is_answered_with_the_one_chosen() {
    let mut world = World::new();
    let server = world.server(config(1));
    let (near, _) = world.connect_to_server(server);
    world.send(
        near,
        &Hello {
            versions: (0, VERSION + 3),
            ..hello(2)
        }
        .encode(),
    );
    world.settle();
    let Ok(HelloParse::Hello(answer, _)) = parse_hello(&world.receive(near)) else {
        panic!()
    };
    assert_eq!((answer.versions, answer.id), ((VERSION, VERSION), [1; 16]));
}

#[test]
fn a_stranger_gets_no_answer() {
    let mut world = World::new();
    let server = world.server(config(1));
    let (near, far) = world.connect_to_server(server);
    world.send(near, b"GET / HTTP/1.1\r\n\r\n");
    world.settle();
    assert_eq!(world.receive(near), b"");
    assert_eq!(errors(&world, server), [('W', Code::Protocol)]);
    assert!(matches!(world.outcome(far), Some(Err(_))));
}

#[test]
fn a_server_that_answers_nonsense_fails_the_client() {
    let mut world = World::new();
    let client = world.client(config(2));
    let (_, far) = world.connect_client(client);
    world.send(far, b"SSH-2.0-OpenSSH");
    world.settle();
    assert_eq!(errors(&world, client), [('F', Code::Protocol)]);
    world.nodes[client].assert_ended_well();
}

#[test]
fn who_says_nothing_is_given_up_after_the_handshake_timeout() {
    let timeout = Duration::from_millis(300);
    let mut world = World::new();
    let server = world.server(Config {
        handshake_timeout: timeout,
        ..config(1)
    });
    let client = world.client(Config {
        handshake_timeout: timeout,
        ..config(2)
    });
    let (_, far) = world.connect_to_server(server);
    let (near, _) = world.connect_client(client);
    world.pass(timeout - Duration::from_millis(1));
    assert_eq!((world.outcome(far), world.outcome(near)), (None, None));
    world.pass(Duration::from_millis(1));
    assert_eq!(errors(&world, server), [('W', Code::Timeout)]);
    assert_eq!(errors(&world, client), [('F', Code::Timeout)]);
    world.nodes[client].assert_ended_well();
}

#[test]
fn a_hello_that_trickles_does_not_extend_the_handshake_timeout() {
    let mut world = World::new();
    let server = world.server(Config {
        handshake_timeout: Duration::from_secs(1),
        ..config(1)
    });
    let (near, far) = world.connect_to_server(server);
    let bytes = hello(2).encode();
    for byte in &bytes[..20] {
        world.send(near, &[*byte]);
        world.pass(Duration::from_millis(100));
    }
    assert!(matches!(world.outcome(far), Some(Err(error)) if error.code == Code::Timeout));
}

#[test]
fn a_refused_peer_that_talks_on_and_does_not_hang_up_is_broken_off() {
    let mut world = World::new();
    let server = world.server(Config {
        cluster: "blue".into(),
        ..config(1)
    });
    let (near, far) = world.connect_to_server(server);
    world.send(near, &hello(2).encode());
    world.settle();
    for _ in 0..20 {
        world.send(near, &[7; 10_000]);
        world.pass(Duration::from_millis(100));
    }
    assert_eq!(world.outcome(far), None);
    world.pass(Duration::from_secs(5));
    assert!(matches!(world.outcome(far), Some(Err(error)) if error.code == Code::Auth));
    assert_eq!(errors(&world, server), [('W', Code::Auth)]);
    assert_eq!(world.nodes[server].queue.stats().memory.0, 0);
}

#[test]
fn a_peer_that_hangs_up_before_its_hello_is_a_warning() {
    let mut world = World::new();
    let server = world.server(config(1));
    let (near, _) = world.connect_to_server(server);
    world.send(near, &hello(2).encode()[..30]);
    world.shut_down(near);
    world.settle();
    assert_eq!(errors(&world, server), [('W', Code::Closed)]);
}

#[test]
fn a_client_whose_server_hangs_up_before_its_hello_tries_again() {
    for broken in [false, true] {
        for comes in [false, true] {
            let mut world = World::new();
            let client = world.client(config(2));
            world.nodes[client].put(0, &[b"early"]).unwrap();
            let (near, far) = world.connect_client(client);
            world.send(far, &hello(1).encode()[..30]);
            world.settle();
            if broken {
                let error = wire::Error::new(Code::Closed, "the connection broke");
                world.break_off(near, Err(error));
            } else {
                world.shut_down(far);
            }
            world.settle();
            assert_eq!(errors(&world, client), []);
            if comes {
                let server = world.server(config(1));
                world.connect(client, server);
                world.settle();
                assert_eq!(world.nodes[server].payloads(), [b"early"]);
                continue;
            }
            world.pass(Duration::from_secs(11));
            assert_eq!(errors(&world, client), [('F', Code::NotConnected)]);
            world.nodes[client].assert_ended_well();
        }
    }
}

#[test]
fn one_connection_too_many_is_turned_away() {
    let mut world = World::new();
    let server = world.server(Config {
        max_peers: 2,
        ..config(1)
    });
    for id in 2..5 {
        let client = world.client(config(id));
        world.connect(client, server);
    }
    world.settle();
    assert_eq!(errors(&world, server), [('W', Code::QueueFull)]);
    assert_eq!(world.nodes[server].queue.stats().peers, 2);
    // It is told why, and may come back when another has left.
    assert_eq!(errors(&world, 3), [('F', Code::QueueFull)]);
    world.nodes[1].queue.close(None);
    world.settle();
    let client = world.client(config(9));
    world.connect(client, server);
    world.settle();
    assert_eq!(errors(&world, client), []);
}

#[test]
fn connections_that_say_nothing_take_no_place_of_a_peer() {
    let mut world = World::new();
    let server = world.server(Config {
        max_peers: 2,
        ..config(1)
    });
    for number in 0..50 {
        let (near, _) = world.connect_to_server(server);
        // Some say half of what they should.
        world.send(near, &hello(200).encode()[..number % 30]);
    }
    world.settle();
    for id in 2..4 {
        let client = world.client(config(id));
        world.connect(client, server);
        world.settle();
        assert_eq!(errors(&world, client), []);
    }
    assert_eq!(world.nodes[server].queue.stats().peers, 2);
    assert_eq!(errors(&world, server), []);
}

#[test]
fn of_too_many_connections_that_say_nothing_the_oldest_make_room() {
    let mut world = World::new();
    let server = world.server(Config {
        max_peers: 100,
        ..config(1)
    });
    let ends: Vec<usize> = (0..250)
        .map(|_| {
            let (_, far) = world.connect_to_server(server);
            world.pass(Duration::ZERO);
            far
        })
        .collect();
    let (old, young) = ends.split_at(150);
    assert!(old.iter().all(
        |&end| matches!(world.outcome(end), Some(Err(error)) if error.code == Code::QueueFull)
    ));
    assert!(young.iter().all(|&end| world.outcome(end).is_none()));
    assert_eq!(errors(&world, server), [('W', Code::QueueFull); 150]);
    let client = world.client(config(2));
    world.connect(client, server);
    world.settle();
    assert_eq!(errors(&world, client), []);
    // Who was refused and does not hang up is one of them.
    let (near, _) = world.connect_to_server(server);
    world.send(near, &hello(1).encode());
    world.settle();
    for _ in 0..200 {
        world.connect_to_server(server);
        world.pass(Duration::ZERO);
    }
    let deadline = world.now + Duration::from_secs(20);
    world.nodes[server].queue.close(Some(deadline));
    world.pass(Duration::from_secs(21));
    world.nodes[server].assert_ended_well();
}

#[test]
fn an_idle_connection_costs_no_slab() {
    let mut pair = Pair::silent(config(1), config(2));
    let server_end = pair.server_end;
    pair.world.incoming(server_end).cuts = vec![7];
    pair.settle();
    assert_eq!(pair.server().queue.stats().memory, (0, 1, 0));
    pair.end();
}

#[test]
fn a_dial_is_tried_again_after_pauses_that_grow_until_the_connect_timeout() {
    let mut world = World::new();
    let start = world.now;
    let client = world.client(Config {
        connect_timeout: Some(Duration::from_secs(4)),
        entropy: 99,
        ..config(2)
    });
    let mut attempts: Vec<Instant> = Vec::new();
    while let Some(again) = world.refuse_dial(client) {
        assert!(
            again > world.now && again < start + Duration::from_secs(4),
            "{again:?}"
        );
        attempts.push(again);
        world.now = again;
    }
    assert!((8..20).contains(&attempts.len()), "{}", attempts.len());
    assert!(attempts[0] - start <= Duration::from_millis(10));
    world.settle();
    assert_eq!(errors(&world, client), [('F', Code::NotConnected)]);
    world.nodes[client].assert_ended_well();
}

#[test]
fn clients_do_not_come_back_all_at_once() {
    let mut world = World::new();
    let mut pauses = Vec::new();
    for id in 1..20_u8 {
        let client = world.client(Config {
            entropy: u64::from(id) << 40 | u64::from(id),
            ..config(id)
        });
        for _ in 0..5 {
            world.refuse_dial(client);
        }
        pauses.push(world.refuse_dial(client).unwrap() - world.now);
    }
    pauses.sort();
    pauses.dedup();
    assert!(pauses.len() > 10, "{pauses:?}");
}

#[test]
fn what_was_put_before_the_connection_is_there_is_sent_or_given_up() {
    let mut world = World::new();
    let server = world.server(config(1));
    let client = world.client(config(2));
    world.nodes[client].put(0, &[b"early"]).unwrap();
    world.refuse_dial(client);
    world.settle();
    world.connect(client, server);
    world.settle();
    assert_eq!(world.nodes[server].payloads(), [b"early"]);

    let never = world.client(Config {
        connect_timeout: Some(Duration::ZERO),
        ..config(3)
    });
    world.nodes[never].put(0, &[b"lost"]).unwrap();
    assert_eq!(world.refuse_dial(never), None);
    world.settle();
    assert_eq!(world.nodes[never].put(0, &[b"late"]), Err(Code::Closed));
    assert!(!world.nodes[never].queue.status(0).unwrap().alive);
    world.nodes[never].assert_ended_well();
}
