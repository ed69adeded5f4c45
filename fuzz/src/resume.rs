//! Three connections that claim to belong to one session, with whatever standing, and bytes behind each hello.

use std::time::Duration;

use queue::Compat;
use wire::{AckPoint, Hello, Keeping, Standing, VERSION};

use crate::support::World;
use crate::victim::{assert_bounded, end, victim};

const CONNECTIONS: u64 = 3;

/// The server goes on, refuses or breaks off, in bounded memory, and closes in time.
pub(crate) fn run(data: &[u8]) {
    let mut rest = Choices(data);
    let first = rest.byte();
    let ack = if first & 1 == 0 {
        AckPoint::Received
    } else {
        AckPoint::Processed
    };
    let mut world = World::new();
    let node = world.server(victim(Compat::Native, ack, Some(Duration::from_secs(30))));
    world.nodes[node].takes = first & 2 == 0;
    world.nodes[node].acknowledges = first & 4 == 0;
    let mut ends = Vec::new();
    for _ in 0..CONNECTIONS {
        let (near, far) = world.connect_to_server(node);
        ends.push(far);
        world.incoming(far).capacity = 1 << 30;
        let hello = rest.hello().encode();
        world.send(near, &hello);
        world.settle();
        for peer in 0..u32::from(rest.byte() % 4) {
            let _nobody = world.nodes[node].put(peer, &[b"one", b"", &[2; 3000]]);
        }
        let bytes = rest.bytes();
        world.send(near, bytes);
        world.settle();
        assert_bounded(&world, node, CONNECTIONS);
        match rest.byte() % 6 {
            0 => world.cut((near, far)),
            1 => world.shut_down(near),
            2 => world.pass(Duration::from_secs(20)),
            3 => world.pass(Duration::from_secs(40)),
            4 => world.nodes[node].take_all(),
            // The next one comes while this one is open.
            _ => {}
        }
        world.settle();
    }
    assert_bounded(&world, node, CONNECTIONS);
    end(&mut world, node);
    assert!(ends.iter().all(|&end| world.outcome(end).is_some()));
}

/// What is decided by the next bytes; zeros when there are none.
struct Choices<'a>(&'a [u8]);

impl<'a> Choices<'a> {
    fn byte(&mut self) -> u8 {
        let Some((&byte, rest)) = self.0.split_first() else {
            return 0;
        };
        self.0 = rest;
        byte
    }

    /// A small number, or one at a limit.
    fn number(&mut self) -> u64 {
        match self.byte() {
            255 => u64::MAX,
            254 => 1 << 53,
            253 => (1 << 53) - 1,
            252 => 1 << 32,
            small => u64::from(small),
        }
    }

    /// So many bytes as the next one says.
    fn bytes(&mut self) -> &'a [u8] {
        let length = usize::from(self.byte()).min(self.0.len());
        let (bytes, rest) = self.0.split_at(length);
        self.0 = rest;
        bytes
    }

    fn hello(&mut self) -> Hello {
        let flags = self.byte();
        let has = |flag| flags & flag != 0;
        let keeping = Keeping {
            for_ms: 60_000,
            incarnation: 1 + u64::from(has(1)),
            secret: [u8::from(has(2)); 16],
        };
        let standing = has(4).then(|| Standing {
            with: self.number(),
            received: self.number(),
            next: self.number(),
        });
        Hello {
            versions: (VERSION, VERSION),
            id: [if has(8) { 8 } else { 9 }; 16],
            cluster: String::new(),
            features: 0,
            ack: if has(16) {
                AckPoint::Processed
            } else {
                AckPoint::Received
            },
            keep_alive_ms: 10_000,
            max_message: 1 << 20,
            keeping: (!has(32)).then_some(keeping),
            standing,
        }
    }
}
