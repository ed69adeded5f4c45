//! net-queue as sans-io state machines: what a communicator, a peer and a session are, when a message counts as
//! acknowledged, when a queue is full, and how a conversation ends. Time, entropy, sockets and threads are arguments: the
//! driver (crate `io`) moves bytes, the owner (crate `addon`) moves messages, and each side of a [`Peer`] may be on a
//! thread of its own. It may not open a socket, read a clock or know N-API.

mod client;
mod clock;
mod communicator;
mod config;
mod credential;
mod flight;
mod handshake;
mod hub;
mod inbox;
mod out_frame;
mod outbox;
mod payload;
mod peer;
mod pieces;
mod python;
mod receiver;
mod sender;
mod server;
mod session;

pub use client::Client;
pub use communicator::{Communicator, PeerStatus, Stats};
pub use config::{Compat, Config, Memory};
pub use hub::{Event, Introduction, WakeBits};
pub use inbox::Drained;
pub use payload::Payload;
pub use peer::Done;
pub use server::Server;
