//! Groups of bad input that can be tried exhaustively, in both protocols: whatever one peer says, it ends with a code or waits,
//! memory stays bounded, and another peer is served. docs/design/bad-input.md lists all groups.

use queue::{Compat, Event};
use wire::python::{identity, prefix};
use wire::{AckPoint, Code, FrameType, Header, Hello, Keeping, Standing, VERSION};

use crate::support::{World, config, word};
use crate::victim::{assert_bounded, end, victim};

/// A server of both protocols and an honest client, with a connection of a stranger.
struct Siege {
    world: World,
    /// The stranger's end, and the server's.
    near: usize,
    far: usize,
}

const SERVER: usize = 0;
const HONEST: usize = 1;
/// As in [`victim`].
const MAX_MESSAGE: u32 = 150_000;

impl Siege {
    fn new() -> Self {
        let mut world = World::new();
        let server = world.server(victim(Compat::Auto, AckPoint::Received, None));
        let client = world.client(config(2));
        world.connect(client, server);
        world.settle();
        assert_eq!((server, client), (SERVER, HONEST));
        let mut siege = Self {
            world,
            near: 0,
            far: 0,
        };
        siege.connect();
        siege
    }

    /// One more connection of a stranger, in the place of the one before.
    fn connect(&mut self) {
        (self.near, self.far) = self.world.connect_to_server(SERVER);
        self.world.incoming(self.far).capacity = 1 << 30;
    }

    fn send(&mut self, bytes: &[u8]) {
        self.world.send(self.near, bytes);
        self.world.settle();
        assert_bounded(&self.world, SERVER, 2);
    }

    fn hang_up(&mut self) {
        self.world.shut_down(self.near);
        self.world.settle();
        assert!(self.world.outcome(self.far).is_some());
    }

    /// The codes of what went wrong so far.
    fn codes(&self) -> Vec<Code> {
        let code = |event: &&Event| match event {
            Event::Lost(_, Some(error)) | Event::Warning(error) | Event::Failed(error) => {
                error.code
            }
            other => panic!("not an error: {other:?}"),
        };
        self.world.nodes[SERVER].errors().iter().map(code).collect()
    }

    /// Messages of strangers that were taken.
    fn arrived(&self) -> usize {
        self.world.nodes[SERVER].messages.len()
    }

    /// The honest client is served, and the server closes in time with no memory left.
    fn end(mut self) {
        self.world.nodes[SERVER].takes = true;
        self.world.nodes[SERVER].take_all();
        self.world.nodes[HONEST].put(0, &[b"still served"]).unwrap();
        self.world.settle();
        let last = self.world.nodes[SERVER].messages.last().unwrap();
        assert_eq!(last.payload, b"still served");
        assert_eq!(self.world.nodes[HONEST].errors(), Vec::<&Event>::new());
        end(&mut self.world, SERVER);
    }
}

fn hello() -> Hello {
    Hello {
        versions: (VERSION, VERSION),
        id: [9; 16],
        cluster: String::new(),
        features: 0,
        ack: AckPoint::Received,
        keep_alive_ms: 10_000,
        max_message: 1 << 20,
        keeping: Some(Keeping {
            for_ms: 1000,
            incarnation: 1,
            secret: [3; 16],
        }),
        standing: None,
    }
}

fn header(body_len: u32, count: u16, seq: u64) -> Vec<u8> {
    let header = Header {
        kind: FrameType::Data,
        redelivered: 0,
        body_len,
        count,
        seq,
    };
    header.encode().to_vec()
}

fn data(seq: u64, lengths: &[usize]) -> Vec<u8> {
    let total: usize = lengths.iter().sum();
    let body_len = u32::try_from(4 * lengths.len() + total).unwrap();
    let mut bytes = header(body_len, u16::try_from(lengths.len()).unwrap(), seq);
    let words = lengths.iter().map(|&length| word(length).to_le_bytes());
    bytes.extend(words.flatten());
    bytes.resize(bytes.len() + total, 0x5a);
    bytes
}

fn bare(kind: FrameType, seq: u64) -> Vec<u8> {
    Header::bare(kind, seq).encode().to_vec()
}

fn error(reason: &[u8]) -> Vec<u8> {
    let header = Header {
        body_len: u32::try_from(reason.len()).unwrap(),
        ..Header::bare(FrameType::Error, 1)
    };
    [&header.encode()[..], reason].concat()
}

fn message(payload: &[u8]) -> Vec<u8> {
    [&prefix(payload.len())[..], payload].concat()
}

/// One frame of each type, and the number of messages in it: native ones, each behind a hello, then those of Python.
fn conversations() -> Vec<(Vec<u8>, Vec<u8>, usize)> {
    let (native, python) = (hello().encode(), identity(&[9; 16]).to_vec());
    let natives = [
        (data(1, &[3]), 1),
        (data(1, &[3, 0, 40]), 3),
        (data(1, &[65_600]), 1),
        (bare(FrameType::Ack, 0), 0),
        (bare(FrameType::Beat, 0), 0),
        (bare(FrameType::Fin, 0), 0),
        (error(b"out of paper"), 0),
    ];
    let pythons = [
        (message(b"ping"), 1),
        (message(b""), 1),
        (message(&[1; 65_600]), 1),
        (python.clone(), 0),
    ];
    let with = |introduction: &Vec<u8>, frames: Vec<(Vec<u8>, usize)>| {
        let introduction = introduction.clone();
        frames
            .into_iter()
            .map(move |(frame, count)| (introduction.clone(), frame, count))
            .collect::<Vec<_>>()
    };
    [
        with(&native, natives.to_vec()),
        with(&python, pythons.to_vec()),
    ]
    .concat()
}

/// Every byte of what is short; of what is long the first and the last ones, and some between.
fn places(length: usize) -> impl Iterator<Item = usize> {
    let is_edge =
        move |place: usize| place < 200 || place + 40 > length || place.is_multiple_of(4099);
    (0..length).filter(move |&place| is_edge(place))
}

#[test]
fn a_frame_of_any_type_that_is_cut_at_any_byte_is_not_delivered() {
    for (introduction, frame, _) in conversations() {
        let mut siege = Siege::new();
        for place in places(frame.len()) {
            let before = siege.codes().len();
            siege.send(&introduction);
            siege.send(&frame[..place]);
            siege.hang_up();
            let codes = siege.codes();
            assert_eq!(
                codes[before..],
                [Code::Closed],
                "{introduction:?} {frame:?} {place}"
            );
            siege.connect();
        }
        assert_eq!(siege.arrived(), 0);
        siege.hang_up();
        siege.end();
    }
}

#[test]
fn an_introduction_that_is_cut_at_any_byte_is_nobody() {
    for introduction in [hello().encode(), identity(&[9; 16]).to_vec()] {
        let mut siege = Siege::new();
        for place in 0..introduction.len() {
            siege.send(&introduction[..place]);
            siege.hang_up();
            siege.connect();
        }
        let codes = siege.codes();
        assert_eq!(codes, vec![Code::Closed; introduction.len()]);
        let peers = siege.world.nodes[SERVER].count(|event| matches!(event, Event::Peer(..)));
        assert_eq!(peers, 1, "the honest one");
        siege.hang_up();
        siege.end();
    }
}

#[test]
fn every_bit_of_a_handshake_and_of_a_frame_of_each_type_may_flip() {
    let standing = Hello {
        standing: Some(Standing {
            with: 1,
            received: 0,
            next: 1,
        }),
        ..hello()
    };
    let mut streams: Vec<(Vec<u8>, Vec<u8>)> = conversations()
        .into_iter()
        .map(|(introduction, frame, _)| (introduction, frame))
        .collect();
    streams.push((vec![], hello().encode()));
    streams.push((vec![], standing.encode()));
    streams.push((vec![], identity(&[9; 16]).to_vec()));
    for (introduction, whole) in streams {
        let mut siege = Siege::new();
        for place in places(whole.len()).filter(|&place| place < 4000) {
            for bit in 0..8 {
                let mut flipped = whole.clone();
                flipped[place] ^= 1 << bit;
                siege.send(&introduction);
                siege.send(&flipped);
                let before = siege.codes().len();
                siege.hang_up();
                assert!(siege.codes().len() <= before + 1);
                siege.connect();
            }
        }
        siege.hang_up();
        siege.end();
    }
}

#[test]
fn a_length_at_any_limit_is_taken_or_refused_before_memory_is() {
    let longest = u64::from(MAX_MESSAGE);
    let limits = [
        0,
        1,
        longest,
        longest + 1,
        (1 << 31) - 1,
        1 << 31,
        (1 << 32) - 1,
        1 << 32,
        1 << 63,
        u64::MAX,
    ];
    let mut siege = Siege::new();
    for length in limits {
        siege.send(&identity(&[9; 16]));
        siege.send(&length.to_be_bytes());
        let expected = if length > longest {
            Code::TooLarge
        } else if length == 0 {
            // A whole message.
            assert_eq!(siege.arrived(), 1);
            Code::Closed
        } else {
            assert_eq!(siege.world.outcome(siege.far), None);
            Code::Closed
        };
        siege.hang_up();
        assert_eq!(
            siege.codes().last(),
            Some(&expected),
            "a Python length of {length}"
        );
        siege.connect();
        let Ok(body_len) = u32::try_from(length) else {
            continue;
        };
        siege.send(&hello().encode());
        siege.send(&header(body_len, 1, 1));
        let expected = match length {
            0 | 1 => Code::Protocol,
            _ if length > longest + 4 => Code::TooLarge,
            // Behind it comes the word.
            _ => Code::Closed,
        };
        siege.hang_up();
        assert_eq!(siege.codes().last(), Some(&expected), "a body of {length}");
        siege.connect();
    }
    siege.hang_up();
    siege.end();
}

#[test]
fn a_million_reads_of_one_byte_are_a_stream_like_any_other() {
    let small = |seq| data(seq, &[100]);
    let native: Vec<u8> = std::iter::once(hello().encode())
        .chain((1..=3700).map(small))
        .chain([data(3701, &[70_000])])
        .collect::<Vec<_>>()
        .concat();
    let python: Vec<u8> = std::iter::once(identity(&[9; 16]).to_vec())
        .chain((1..=4000).map(|_| message(&[1; 100])))
        .chain([message(&[2; 70_000])])
        .collect::<Vec<_>>()
        .concat();
    assert!(native.len() + python.len() > 1_000_000);
    for (stream, count) in [(native, 3701), (python, 4001)] {
        let mut siege = Siege::new();
        siege.world.incoming(siege.far).cuts = vec![1];
        siege.send(&stream);
        siege.hang_up();
        assert_eq!(siege.arrived(), count);
        siege.end();
    }
}

#[test]
fn fragments_of_the_messages_of_two_peers_do_not_mix() {
    let native = [hello().encode(), data(1, &[3, 500, 0])].concat();
    let python = [&identity(&[8; 16])[..], &message(&[7; 500]), &message(b"x")].concat();
    let mut siege = Siege::new();
    let (one, far_one) = (siege.near, siege.far);
    siege.connect();
    let (two, far_two) = (siege.near, siege.far);
    for place in 0..native.len().max(python.len()) {
        for (end, bytes) in [(one, &native), (two, &python)] {
            if let Some(byte) = bytes.get(place) {
                siege.world.send(end, &[*byte]);
                siege.world.settle();
            }
        }
    }
    assert_eq!(siege.world.outcome(far_one), None);
    assert_eq!(siege.world.outcome(far_two), None);
    let mut lengths: Vec<(u8, usize)> = siege.world.nodes[SERVER]
        .messages
        .iter()
        .map(|message| {
            let first = message.payload.first().copied().unwrap_or(0);
            assert!(message.payload.iter().all(|&byte| byte == first));
            (first, message.payload.len())
        })
        .collect();
    lengths.sort_unstable();
    assert_eq!(
        lengths,
        [(0, 0), (7, 500), (0x5a, 3), (0x5a, 500), (b'x', 1)]
    );
    siege.world.shut_down(one);
    siege.world.shut_down(two);
    siege.world.settle();
    siege.end();
}

#[test]
fn messages_of_nothing_for_ever_are_not_held_beyond_the_mark() {
    let empties = |seq: u64| data(seq, &[0; 100]);
    let native: Vec<u8> = std::iter::once(hello().encode())
        .chain((0..1000).map(|frame| empties(1 + 100 * frame)))
        .collect::<Vec<_>>()
        .concat();
    let python = [identity(&[9; 16]).to_vec(), message(b"").repeat(100_000)].concat();
    for stream in [native, python] {
        let mut siege = Siege::new();
        siege.world.nodes[SERVER].takes = false;
        siege.send(&stream);
        let (messages, bytes) = siege.world.nodes[SERVER].queue.stats().held;
        assert_eq!(bytes, 0);
        // The mark, and what one read brings beyond it.
        assert!(
            (500..500 + 128 * 1024 / 4).contains(&messages),
            "{messages}"
        );
        siege.world.nodes[SERVER].takes = true;
        siege.world.nodes[SERVER].take_all();
        siege.world.settle();
        assert_eq!(siege.arrived(), 100_000);
        siege.hang_up();
        siege.end();
    }
}

#[test]
fn frames_of_nothing_for_ever_cost_nothing() {
    let mut siege = Siege::new();
    siege.send(&hello().encode());
    for _ in 0..20 {
        siege.send(&bare(FrameType::Beat, 0).repeat(10_000));
        siege.send(&bare(FrameType::Ack, 0).repeat(10_000));
    }
    assert_eq!(siege.world.outcome(siege.far), None);
    siege.hang_up();
    siege.end();
}

#[test]
fn an_acknowledgement_that_comes_again_or_late_changes_nothing() {
    let mut siege = Siege::new();
    siege.send(&hello().encode());
    let stranger = siege.world.nodes[SERVER]
        .events
        .iter()
        .rev()
        .find_map(|event| match event {
            Event::Peer(number, _) => Some(*number),
            _ => None,
        })
        .unwrap();
    let server = &mut siege.world.nodes[SERVER];
    server.put(stranger, &[b"a", b"b", b"c"]).unwrap();
    siege.world.settle();
    let mut done = 0;
    // Each twice, then one that goes back.
    for (seq, expected) in [(1, 1), (1, 1), (3, 3), (3, 3), (2, 3), (0, 3)] {
        siege.send(&bare(FrameType::Ack, seq));
        assert_eq!(siege.world.outcome(siege.far), None, "{seq}");
        done = siege.world.nodes[SERVER]
            .queue
            .status(stranger)
            .unwrap()
            .done
            .seq;
        assert_eq!(done, expected);
    }
    assert_eq!(done, 3);
    // And behind the own last word.
    siege.send(&bare(FrameType::Fin, 0));
    siege.send(&bare(FrameType::Ack, 3));
    siege.hang_up();
    assert_eq!(siege.codes(), []);
    siege.end();
}

#[test]
fn every_version_but_this_one_is_told_so() {
    for versions in [(0, 0), (2, 2), (255, 255), (2, 255), (255, 0), (1, 0)] {
        let mut siege = Siege::new();
        let hello = Hello {
            versions,
            ..hello()
        };
        siege.send(&hello.encode());
        siege.hang_up();
        assert_eq!(siege.codes(), [Code::Unsupported], "{versions:?}");
        siege.end();
    }
}
