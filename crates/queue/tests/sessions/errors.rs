//! Conversations that break: whatever happens, each side hears of it once and ends.

use std::time::Duration;

use queue::{Config, Event};
use wire::{AckPoint, Code, FrameType, HEADER_BYTES, Header, Hello, Parsed, VERSION, parse};

use crate::support::{CLIENT, Pair, SERVER, World, config, word};

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

/// What a server makes of these bytes after the handshake: the code with which it lost the peer.
fn verdict(bytes: &[u8]) -> Option<Code> {
    let (mut world, near, far) = raw(Config {
        max_message: 100_000,
        ..config(1)
    });
    world.send(near, bytes);
    world.settle();
    let code = world
        .outcome(far)
        .map(|outcome| outcome.clone().unwrap_err().code);
    let lost = world.nodes[0]
        .count(|event| matches!(event, Event::Lost(0, Some(error)) if Some(error.code) == code));
    assert_eq!(lost, usize::from(code.is_some()));
    assert_eq!(world.nodes[0].errors().len(), lost);
    world.nodes[0].queue.close(None);
    world.settle();
    world.nodes[0].assert_ended_well();
    code
}

fn data(seq: u64, words: &[u32], payload: &[u8]) -> Vec<u8> {
    let body_len = u32::try_from(words.len() * 4 + payload.len()).unwrap();
    let count = u16::try_from(words.len()).unwrap();
    let mut bytes = Header {
        kind: FrameType::Data,
        redelivered: 0,
        body_len,
        count,
        seq,
    }
    .encode()
    .to_vec();
    bytes.extend(words.iter().flat_map(|word| word.to_le_bytes()));
    bytes.extend(payload);
    bytes
}

#[test]
fn what_the_protocol_does_not_allow_ends_the_session_with_its_code() {
    let fin = |seq| Header::bare(FrameType::Fin, seq).encode().to_vec();
    let ok = data(1, &[word(1)], b"a");
    for (bytes, code) in [
        (data(1, &[word(2)], b"abc"), Code::Protocol),
        (data(1, &[word(4)], b"abc"), Code::Protocol),
        (data(1, &[6 << 29 | 3], b"abc"), Code::Protocol),
        (data(1, &[word(0), u32::MAX], b""), Code::Protocol),
        (data(0, &[word(3)], b"abc"), Code::Protocol),
        (data(1, &[word(100_001)], &[0; 100_001]), Code::TooLarge),
        // The number of a message may leave some out, but not go back.
        (
            [data(5, &[word(0)], b""), ok.clone()].concat(),
            Code::Protocol,
        ),
        ([ok.clone(), ok.clone()].concat(), Code::Protocol),
        (data(1 << 53, &[word(0)], b""), Code::Protocol),
        ([ok.clone(), fin(0)].concat(), Code::Protocol),
        ([fin(0), ok.clone()].concat(), Code::Protocol),
        ([fin(0), fin(0)].concat(), Code::Protocol),
        (
            Header::bare(FrameType::Ack, 1).encode().to_vec(),
            Code::Protocol,
        ),
        (
            Header {
                kind: FrameType::Beat,
                redelivered: 0,
                body_len: 1,
                count: 0,
                seq: 0,
            }
            .encode()
            .to_vec(),
            Code::Protocol,
        ),
        (
            Header {
                kind: FrameType::Data,
                redelivered: 0,
                body_len: 70_000,
                count: 2,
                seq: 1,
            }
            .encode()
            .to_vec(),
            Code::Protocol,
        ),
        (
            Header {
                kind: FrameType::Data,
                redelivered: 0,
                body_len: 0,
                count: 0,
                seq: 1,
            }
            .encode()
            .to_vec(),
            Code::Protocol,
        ),
        (vec![0; 16], Code::Protocol),
        (vec![0xff; 16], Code::Protocol),
    ] {
        assert_eq!(
            verdict(&bytes),
            Some(code),
            "{:?}",
            &bytes[..bytes.len().min(40)]
        );
    }
    for bytes in [
        data(7, &[word(0)], b""),
        data((1 << 53) - 1, &[word(0)], b""),
        Header::bare(FrameType::Ack, 0).encode().to_vec(),
        [ok.clone(), fin(1)].concat(),
        [ok, fin(9)].concat(),
        vec![1],
        vec![],
    ] {
        // A FIN is answered; then the other side is expected to hang up, which is no error.
        assert_eq!(verdict(&bytes), None, "{bytes:?}");
    }
}

#[test]
fn a_word_that_contradicts_the_frame_of_a_large_message_is_refused_before_memory_is_taken() {
    let (mut world, near, _) = raw(config(1));
    let header = Header {
        kind: FrameType::Data,
        redelivered: 0,
        body_len: 90_004,
        count: 1,
        seq: 1,
    };
    world.send(near, &header.encode());
    world.send(near, &word(80_000).to_le_bytes());
    world.settle();
    assert_eq!(world.nodes[0].errors().len(), 1);
    assert_eq!(world.nodes[0].queue.stats().memory.2, 0);
}

#[test]
fn the_reason_of_a_peer_that_gives_up_is_reported() {
    for (number, code) in [
        (9, Code::Timeout),
        (250, Code::Protocol),
        (1 << 40, Code::Protocol),
    ] {
        let (mut world, near, _) = raw(config(1));
        let mut bytes = Header {
            kind: FrameType::Error,
            redelivered: 0,
            body_len: 4,
            count: 0,
            seq: number,
        }
        .encode()
        .to_vec();
        bytes.extend(b"\xffwhy");
        world.send(near, &bytes);
        world.settle();
        let [Event::Lost(0, Some(error))] = world.nodes[0].errors()[..] else {
            panic!()
        };
        assert_eq!(error.code, code);
        assert!(error.message.contains("why"));
    }
}

/// The code and the reason of an ERROR frame that ends these bytes.
fn reason(bytes: &[u8]) -> (u64, String) {
    let mut rest = bytes;
    loop {
        let Ok(Parsed::Frame(header)) = parse(rest, 1 << 20) else {
            panic!("no ERROR frame at the end of {bytes:?}")
        };
        let (frame, more) = rest.split_at(header.frame_len());
        if header.kind == FrameType::Error {
            assert_eq!(more, []);
            let text = String::from_utf8(frame[HEADER_BYTES..].to_vec()).unwrap();
            return (header.seq, text);
        }
        rest = more;
    }
}

#[test]
fn who_breaks_the_protocol_is_told_why() {
    let (mut world, near, _) = raw(config(1));
    world.send(near, &[0xff; 16]);
    world.settle();
    let (code, text) = reason(&world.receive(near));
    assert_eq!(code, Code::Protocol as u64);
    assert!(text.contains("unknown frame type"), "{text}");
}

#[test]
fn the_reason_comes_behind_the_frame_that_was_begun_and_before_all_others() {
    for (part, code) in [(100, Some(Code::Protocol)), (0, None)] {
        let (mut world, near, _) = raw(config(1));
        // A part of the first frame is written; then the socket takes bytes again, or does not.
        world.incoming(near).capacity = 50;
        for payload in [&[1; 1000][..], &[2; 1000], &[3; 70_000]] {
            world.nodes[0].put(0, &[payload]).unwrap();
        }
        world.settle();
        world.incoming(near).capacity = 50 + part * 1000;
        world.send(near, &[0xff; 16]);
        world.settle();
        let received = world.receive(near);
        match code {
            Some(code) => assert_eq!(reason(&received).0, code as u64),
            None => assert_eq!(received.len(), 50),
        }
        assert_eq!(world.nodes[0].errors().len(), 1);
    }
}

#[test]
fn a_peer_learns_why_it_was_given_up() {
    // Longer than what the other side takes, put before its limit was known.
    let mut pair = Pair::silent(
        Config {
            max_message: 1000,
            ..config(1)
        },
        config(2),
    );
    pair.client().put(0, &[&[1; 2000]]).unwrap();
    pair.settle();
    for (node, words) in [
        (SERVER, "2000 bytes is over maxMessageBytes (1000)"),
        (
            CLIENT,
            "the peer gave up: a message of 2000 bytes is over maxMessageBytes (1000); it was put before",
        ),
    ] {
        let [Event::Lost(0, Some(error))] = pair.world.nodes[node].errors()[..] else {
            panic!("{:?}", pair.world.nodes[node].events)
        };
        assert_eq!(error.code, Code::TooLarge);
        assert!(error.message.contains(words), "{error}");
    }
    // Silent for too long; what it sends arrives, what it is told does too.
    let mut pair = Pair::open(config(1), config(2));
    let server_end = pair.server_end;
    pair.world.incoming(server_end).stalled = true;
    pair.pass(Duration::from_secs(31));
    for node in [SERVER, CLIENT] {
        let [Event::Lost(0, Some(error))] = pair.world.nodes[node].errors()[..] else {
            panic!("{:?}", pair.world.nodes[node].events)
        };
        assert_eq!(error.code, Code::Timeout);
        assert!(error.message.contains("idleTimeoutMs"), "{error}");
    }
}

#[test]
fn a_peer_that_hangs_up_in_the_middle_is_lost_and_what_it_sent_whole_stays() {
    let (mut world, near, far) = raw(config(1));
    let mut bytes = [data(1, &[word(3)], b"abc"), data(2, &[word(3)], b"def")].concat();
    bytes.pop();
    world.send(near, &bytes);
    world.shut_down(near);
    world.settle();
    assert!(matches!(world.outcome(far), Some(Err(error)) if error.code == Code::Closed));
    assert!(matches!(
        world.nodes[0].errors()[..],
        [Event::Lost(0, Some(_))]
    ));
    assert_eq!(world.nodes[0].payloads(), [b"abc"]);
    assert_eq!(world.nodes[0].events.last(), Some(&Event::Gone(0)));
}

#[test]
fn what_was_not_sent_when_the_connection_broke_takes_no_memory() {
    let mut pair = Pair::open(config(1), config(2));
    let server_end = pair.server_end;
    pair.world.incoming(server_end).stalled = true;
    for _ in 0..20 {
        pair.client().put(0, &[&[1; 60_000], &[2; 80_000]]).unwrap();
    }
    pair.settle();
    let client_end = pair.client_end;
    pair.world
        .break_off(client_end, Err(wire::closed_by_owner()));
    pair.settle();
    pair.client().assert_ended_well();
}

/// Messages of all kinds in both directions, and an orderly end.
fn conversation(world: &mut World) {
    let puts: [&[&[u8]]; 4] = [
        &[b"a", b"", b"bcd"],
        &[&[1; 300]],
        &[&[2; 66_000]],
        &[b"last"],
    ];
    for payloads in puts {
        for node in [CLIENT, SERVER] {
            // The other side may be gone already.
            let _closed = world.nodes[node].put(0, payloads);
        }
        world.settle();
    }
    let deadline = world.now + Duration::from_secs(2);
    world.nodes[CLIENT].queue.close(Some(deadline));
    world.settle();
}

#[test]
fn a_stream_that_breaks_at_any_byte_ends_both_sides_in_the_same_way() {
    // Every byte of the handshake and of the first frames; then where frames begin and end, and some places between.
    let total = {
        let mut pair = Pair::silent(config(1), config(2));
        pair.settle();
        conversation(&mut pair.world);
        let server_end = pair.server_end;
        pair.world.incoming(server_end).total
    };
    assert!(total > 66_000);
    let places = (0..700)
        .chain((700..total).step_by(991))
        .chain(total - 60..=total);
    for (place, to_server) in places.flat_map(|place| [(place, true), (place, false)]) {
        let mut pair = Pair::silent(config(1), config(2));
        let end = if to_server {
            pair.server_end
        } else {
            pair.client_end
        };
        pair.world.incoming(end).truncate_at = Some(place);
        pair.settle();
        conversation(&mut pair.world);
        pair.pass(Duration::from_secs(40));
        let deadline = pair.world.now + Duration::from_secs(1);
        pair.server().queue.close(Some(deadline));
        pair.pass(Duration::from_secs(1));
        for node in &mut pair.world.nodes {
            let errors = node.errors().len();
            assert!(errors <= 1, "cut at {place}: {:?}", node.events);
            // Who was introduced is lost with an error, or left in order.
            let introduced = node.count(|event| matches!(event, Event::Peer(..)));
            let lost = node.count(|event| matches!(event, Event::Lost(..)));
            assert_eq!(introduced, lost, "cut at {place}: {:?}", node.events);
            assert!(
                introduced + errors >= 1,
                "cut at {place}: {:?}",
                node.events
            );
            node.assert_ended_well();
            // What arrived is a beginning of what was sent.
            let all: [&[u8]; 6] = [b"a", b"", b"bcd", &[1; 300], &[2; 66_000], b"last"];
            let arrived = node.payloads();
            assert_eq!(arrived, all[..arrived.len()], "cut at {place}");
        }
    }
}
