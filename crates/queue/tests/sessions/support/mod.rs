//! Communicators in one process, connected by pipes in memory, under a clock that the test turns.

mod driver;
mod node;
mod pipe;
mod world;

pub(crate) use node::{Message, Node, ROOT, Root, config, endpoint, peer_event, word};
pub(crate) use world::{CLIENT, Pair, SERVER, World};
