//! A connection whose other side says anything: `u8 flags | u8 cut | u8 cut | u8 pause | bytes`.

use std::time::Duration;

use queue::Compat;
use wire::{AckPoint, Hello, VERSION};

use crate::support::World;
use crate::victim::{assert_bounded, end, victim};

/// The peer introduces itself before the bytes.
const INTRODUCED: u8 = 1;
/// The victim does not take what arrives until the end.
const BUSY: u8 = 2;
/// The victim speaks Python.
const PYTHON: u8 = 4;
/// The victim takes both protocols.
const AUTO: u8 = 8;
const PROCESSED: u8 = 16;
/// Its sessions outlive connections.
const KEPT: u8 = 32;
/// It puts as well.
const PUTS: u8 = 64;
/// It is a client, and the bytes are a server's.
const CLIENT: u8 = 128;

/// The victim goes on or breaks off with a code, in bounded memory, and closes in time.
pub(crate) fn run(data: &[u8]) {
    let Some((&[flags, first, second, pause], bytes)) = data.split_first_chunk() else {
        return;
    };
    let has = |flag| flags & flag != 0;
    let compat = match (has(PYTHON), has(AUTO)) {
        (true, _) => Compat::Python,
        (false, true) => Compat::Auto,
        (false, false) => Compat::Native,
    };
    let ack = if has(PROCESSED) {
        AckPoint::Processed
    } else {
        AckPoint::Received
    };
    let config = victim(compat, ack, has(KEPT).then_some(Duration::from_secs(30)));
    let mut world = World::new();
    let (node, near, far);
    if has(CLIENT) {
        node = world.client(config);
        (far, near) = world.connect_client(node);
    } else {
        node = world.server(config);
        (near, far) = world.connect_to_server(node);
    }
    world.nodes[node].takes = !has(BUSY);
    // Not more pieces than a few hundred.
    let least = bytes.len() / 256;
    let pipe = world.incoming(far);
    pipe.capacity = 1 << 30;
    pipe.cuts = [first, second]
        .into_iter()
        .filter(|&cut| cut > 0)
        .map(|cut| usize::from(cut).max(least))
        .collect();
    if has(PUTS) && has(CLIENT) {
        put(&mut world, node);
    }
    if has(INTRODUCED) {
        let introduction = match compat {
            Compat::Python => wire::python::identity(&[9; 16]).to_vec(),
            Compat::Auto | Compat::Native => hello(),
        };
        world.send(near, &introduction);
        world.settle();
    }
    if has(PUTS) {
        put(&mut world, node);
    }
    let middle = bytes.len() * usize::from(pause) / 256;
    let (before, after) = bytes.split_at(middle);
    world.send(near, before);
    world.settle();
    assert_bounded(&world, node, 1);
    if pause > 0 {
        world.pass(Duration::from_secs(u64::from(pause % 40)));
    }
    if world.outcome(far).is_none() {
        world.send(near, after);
        world.settle();
        assert_bounded(&world, node, 1);
    }
    world.shut_down(near);
    world.settle();
    assert_bounded(&world, node, 1);
    end(&mut world, node);
    assert!(world.outcome(far).is_some(), "the connection never ended");
}

/// As long as there is somebody to put to.
fn put(world: &mut World, node: usize) {
    let _nobody = world.nodes[node].put(0, &[b"small", &[1; 70_000], b""]);
}

fn hello() -> Vec<u8> {
    let hello = Hello {
        versions: (VERSION, VERSION),
        id: [9; 16],
        cluster: String::new(),
        features: 0,
        ack: AckPoint::Received,
        keep_alive_ms: 10_000,
        max_message: 1 << 20,
        keeping: None,
        standing: None,
    };
    hello.encode()
}
