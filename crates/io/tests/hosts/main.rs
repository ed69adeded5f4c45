//! Hosts with real sockets: loopback TCP and UNIX, each kind of host.
#![cfg(unix)]
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test asserts by panicking"
)]

mod closing;
mod connections;
mod crews;
mod dials;
mod idle;
mod loans;
mod nudges;
mod panics;
mod queues;
mod stalls;
mod support;
mod tls;
