//! The communicator that all of this is done to, and what has to hold for it.

use std::time::Duration;

use queue::{Compat, Config};
use wire::AckPoint;

use crate::support::{World, config};

const MARK: u64 = 100_000;
const MAX_MESSAGE: u32 = 150_000;
const SLAB_BYTES: u64 = 128 * 1024;

pub(crate) fn victim(compat: Compat, ack: AckPoint, session_timeout: Option<Duration>) -> Config {
    Config {
        compat,
        ack,
        session_timeout,
        high_water_bytes: MARK,
        high_water_messages: 500,
        max_message: MAX_MESSAGE,
        ..config(1)
    }
}

/// No more memory is in use than the mark allows: what is held pins slabs, at worst in a ratio of four, and each of the
/// sessions has one to read into and one to send from, with one more while it changes; large buffers are rounded up by at most a quarter.
pub(crate) fn assert_bounded(world: &World, node: usize, sessions: u64) {
    let stats = world.nodes[node].queue.stats();
    let (messages, bytes) = stats.held;
    let slabs = (bytes + messages * 20) * 4 / SLAB_BYTES + 4 * sessions;
    assert!(stats.memory.0 <= slabs, "{stats:?}");
    let large = sessions * (MARK + u64::from(MAX_MESSAGE)) * 5 / 4;
    assert!(stats.memory.2 <= large, "{stats:?}");
}

/// Closes it and sees to it that it ends, and holds nothing any more.
pub(crate) fn end(world: &mut World, node: usize) {
    world.nodes[node].takes = true;
    world.nodes[node].take_all();
    world.settle();
    let deadline = world.now + Duration::from_secs(1);
    world.nodes[node].queue.close(Some(deadline));
    world.pass(Duration::from_secs(2));
    world.nodes[node].queue.close(None);
    world.settle();
    world.nodes[node].assert_ended_well();
}
