//! Sessions that go on, with peers that are hostile, doubled or unlucky.

use std::time::Duration;

use queue::Config;
use wire::{
    AckPoint, Code, Error, FrameType, Header, Hello, HelloParse, Keeping, Standing, parse_hello,
};

use super::resume::{keeping, lost, processed, restarted, returns};
use super::support::*;

const SECOND: Duration = Duration::from_secs(1);

fn broken() -> Result<(), Error> {
    Err(Error::new(Code::Closed, "broken"))
}

#[test]
fn a_new_process_to_which_nothing_is_owed_closes_without_waiting() {
    // Everything that the old one had got is acknowledged, and it is the new one that closes.
    let client = processed(2);
    let mut pair = Pair::open(keeping(1), client.clone());
    pair.server().put(0, &[b"one", b"two"]).unwrap();
    pair.settle();
    pair.cut();
    pair.world.nodes[CLIENT].root = Root::Gone;
    let second = pair.world.client(restarted(&client));
    pair.world.connect(second, SERVER);
    pair.settle();
    let deadline = pair.world.now + 60 * SECOND;
    pair.world.nodes[second].queue.close(Some(deadline));
    pair.pass(2 * SECOND);
    assert_eq!(lost(&pair.world.nodes[second]), [None]);
    assert_eq!(lost(pair.server()), [None]);
}

#[test]
fn a_new_process_of_the_server_to_which_nothing_is_owed_closes_without_waiting() {
    let server = processed(1);
    let mut pair = Pair::open(server.clone(), keeping(2));
    pair.client().put(0, &[b"one", b"two"]).unwrap();
    pair.settle();
    pair.cut();
    pair.world.nodes[SERVER].root = Root::Gone;
    let second = pair.world.server(restarted(&server));
    pair.world.connect(CLIENT, second);
    pair.settle();
    let deadline = pair.world.now + 60 * SECOND;
    pair.world.nodes[second].queue.close(Some(deadline));
    pair.client().queue.close(Some(deadline));
    pair.pass(2 * SECOND);
    assert_eq!(lost(&pair.world.nodes[second]), [None]);
    assert_eq!(lost(pair.client()), [None]);
}

#[test]
fn of_two_processes_with_one_id_and_secret_the_newer_has_the_session_and_the_older_learns_it() {
    for connected in [true, false] {
        let client = keeping(2);
        let mut pair = Pair::open(keeping(1), client.clone());
        pair.client().put(0, &[b"old"]).unwrap();
        pair.settle();
        if !connected {
            pair.cut();
        }
        let newer = pair.world.client(restarted(&client));
        let ends = pair.world.connect(newer, SERVER);
        pair.pass(SECOND / 10);
        pair.world.nodes[newer].put(0, &[b"new"]).unwrap();
        pair.settle();
        // The older one lost its connection, and comes back as ever.
        pair.client().put(0, &[b"of the older one"]).unwrap();
        let (old_end, _) = pair.world.connect(CLIENT, SERVER);
        pair.pass(SECOND / 10);
        assert!(pair.world.outcome(old_end).is_some());
        assert_eq!(lost(pair.client()), [Some(Code::Closed)]);
        pair.client().assert_ended_well();
        assert_eq!(pair.world.outcome(ends.0), None);
        pair.world.nodes[newer].put(0, &[b"and goes on"]).unwrap();
        pair.settle();
        assert_eq!(
            pair.server().payloads(),
            [&b"old"[..], b"new", b"and goes on"]
        );
        assert_eq!(pair.world.nodes[newer].queue.status(0).unwrap().done.seq, 2);
    }
}

#[test]
fn a_message_that_an_older_server_process_had_is_told_as_delivered_before_whatever_connections_it_takes()
 {
    let server = processed(1);
    let mut pair = Pair::open(server.clone(), keeping(2));
    pair.server().acknowledges = false;
    pair.client().put(0, &[b"one"]).unwrap();
    pair.settle();
    pair.cut();
    pair.world.nodes[SERVER].root = Root::Gone;
    let second = pair.world.server(restarted(&server));
    // The new process takes the session over, and its answer is lost.
    let (client_end, server_end) = pair.world.connect(CLIENT, second);
    pair.world.incoming(client_end).stalled = true;
    pair.settle();
    pair.world.cut((client_end, server_end));
    pair.world.connect(CLIENT, second);
    pair.settle();
    let got: Vec<_> = pair.world.nodes[second]
        .messages
        .iter()
        .map(|message| (&message.payload[..], message.redelivered))
        .collect();
    assert_eq!(got, [(&b"one"[..], 1)]);
}

#[test]
fn a_peer_that_comes_back_again_and_again_does_not_get_beyond_the_mark_of_a_consumer_that_rests() {
    let mark = 100_000;
    let server = Config {
        high_water_bytes: mark,
        ..keeping(1)
    };
    let mut pair = Pair::open(server, keeping(2));
    pair.server().takes = false;
    let messages: Vec<Vec<u8>> = (0..200_u8).map(|i| vec![i; 20_000]).collect();
    for message in &messages {
        pair.client().put(0, &[message]).unwrap();
    }
    pair.settle();
    let mut most = 0;
    for _round in 0..20 {
        // The server finds what is in its socket, and the end behind it.
        let client_end = pair.client_end;
        pair.world.break_off(client_end, broken());
        pair.pass(SECOND / 1000);
        pair.reconnect();
        pair.settle();
        most = most.max(pair.server().queue.stats().held.1);
    }
    // What one connection brings while there is room, and what was in its socket.
    assert!(most < mark + 2 * 256 * 1024, "{most} bytes are held");
    pair.server().takes = true;
    pair.server().take_all();
    pair.pass(SECOND);
    assert_eq!(pair.server().payloads(), messages);
    pair.end_despite_warnings();
}

/// The hello of a client with that id, as [`keeping`] has it.
fn hello(id: u8, standing: Option<Standing>) -> Hello {
    Hello {
        versions: (1, 1),
        id: [id; 16],
        cluster: String::new(),
        features: 0,
        ack: AckPoint::Received,
        keep_alive_ms: 0,
        max_message: 1 << 20,
        keeping: Some(Keeping {
            for_ms: 1000,
            incarnation: u64::from(id),
            secret: [id; 16],
        }),
        standing,
    }
}

/// A frame of `count` empty messages from number `seq` on.
fn empty_messages(count: u16, seq: u64) -> Vec<u8> {
    let header = Header {
        kind: FrameType::Data,
        body_len: u32::from(count) * 4,
        redelivered: 0,
        count,
        seq,
    };
    [&header.encode()[..], &vec![0; usize::from(count) * 4]].concat()
}

#[test]
fn what_comes_with_a_hello_does_not_get_beyond_the_mark_either() {
    let mut world = World::new();
    let server = world.server(Config {
        high_water_messages: 1000,
        ..keeping(1)
    });
    world.nodes[server].takes = false;
    let mut received = 0;
    for _round in 0..50 {
        let (near, far) = world.connect_to_server(server);
        let standing = (received > 0).then_some(Standing {
            with: 1,
            received: 0,
            next: received + 1,
        });
        let bytes = [
            hello(2, standing).encode(),
            empty_messages(500, received + 1),
        ]
        .concat();
        world.send(near, &bytes);
        world.settle();
        let answer = world.receive(near);
        let Ok(HelloParse::Hello(answer, _)) = parse_hello(&answer) else {
            panic!("{answer:?}")
        };
        received = answer.standing.unwrap().received;
        world.cut((near, far));
        world.settle();
        received = received.max(world.nodes[server].queue.stats().held.0);
    }
    let (held, _) = world.nodes[server].queue.stats().held;
    assert!((1000..2000).contains(&held), "{held} messages are held");
    // Once there is room, what came with the hello is read without another word.
    let (near, _far) = world.connect_to_server(server);
    let standing = Some(Standing {
        with: 1,
        received: 0,
        next: held + 1,
    });
    world.send(
        near,
        &[hello(2, standing).encode(), empty_messages(7, held + 1)].concat(),
    );
    world.settle();
    assert_eq!(world.nodes[server].queue.stats().held.0, held);
    world.nodes[server].take_all();
    world.settle();
    assert_eq!(world.nodes[server].queue.stats().received.0, held + 7);
}

#[test]
fn hellos_with_standings_of_any_numbers_do_no_harm_to_anybody_else() {
    const LIMIT: u64 = 1 << 53;
    let numbers = [0, 1, 2, 3, 4, 1000, LIMIT - 1, LIMIT];
    for with in [0, 1, 2, 7, u64::MAX] {
        for received in numbers {
            for next in numbers {
                for known in [true, false] {
                    let mut pair = Pair::open(keeping(1), keeping(3));
                    let server = SERVER;
                    if known {
                        let (near, far) = pair.world.connect_to_server(server);
                        pair.world.send(
                            near,
                            &[hello(2, None).encode(), empty_messages(2, 1)].concat(),
                        );
                        pair.settle();
                        pair.server().put(1, &[b"a", b"b", b"c"]).unwrap();
                        pair.settle();
                        pair.world.cut((near, far));
                    }
                    let (near, far) = pair.world.connect_to_server(server);
                    let standing = Standing {
                        with,
                        received,
                        next,
                    };
                    let mut bytes = hello(2, Some(standing)).encode();
                    if received < LIMIT && (1..=LIMIT).contains(&next) {
                        bytes.extend(empty_messages(1, next));
                    }
                    pair.world.send(near, &bytes);
                    pair.settle();
                    let number = 1;
                    let _gone = pair.server().put(number, &[b"more"]);
                    pair.settle();
                    pair.world
                        .send(near, &Header::bare(FrameType::Ack, received).encode());
                    pair.pass(SECOND);
                    pair.world.cut((near, far));
                    pair.pass(31 * SECOND);
                    pair.client().put(0, &[b"well"]).unwrap();
                    pair.settle();
                    assert_eq!(pair.server().payloads().last(), Some(&&b"well"[..]));
                    assert_eq!(lost(pair.client()), []);
                    assert_eq!(returns(pair.client()), (0, 0));
                }
            }
        }
    }
}

#[test]
fn a_thousand_connections_of_a_session_leave_nothing_behind() {
    let mut pair = Pair::open(keeping(1), keeping(2));
    let large = vec![7; 100_000];
    for _round in 0..1000 {
        pair.client().put(0, &[b"small", &large]).unwrap();
        pair.server().put(0, &[b"small"]).unwrap();
        pair.cut();
        pair.world.forget_connections();
        pair.reconnect();
        pair.settle();
        assert_eq!(pair.server().messages.len(), 2);
        pair.server().messages.clear();
        pair.client().messages.clear();
        for node in [SERVER, CLIENT] {
            let stats = pair.world.nodes[node].queue.stats();
            // A slab that what came last was read into.
            assert!(stats.memory.0 <= 1, "{} slabs", stats.memory.0);
            assert_eq!((stats.memory.2, stats.held), (0, (0, 0)));
        }
    }
    pair.end();
}

#[test]
fn peers_that_leave_messages_and_come_under_other_names_are_bounded_too() {
    let mut world = World::new();
    let server = world.server(Config {
        max_peers: 4,
        ..keeping(1)
    });
    world.nodes[server].takes = false;
    let flood = |world: &mut World| {
        for id in 2..100 {
            let (near, far) = world.connect_to_server(server);
            world.send(
                near,
                &[hello(id, None).encode(), empty_messages(10, 1)].concat(),
            );
            world.settle();
            world.cut((near, far));
        }
        world.nodes[server].queue.stats().received.0
    };
    // As many as there may be are there, or away; and as many have left.
    assert_eq!(flood(&mut world), 80);
    // Once their messages are taken, others may come.
    world.nodes[server].take_all();
    world.settle();
    world.nodes[server].events.clear();
    let _events = world.nodes[server].queue.events();
    let _events = world.nodes[server].queue.events();
    assert!(flood(&mut world) > 80);
}
