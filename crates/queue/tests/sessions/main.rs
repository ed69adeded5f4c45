//! Whole conversations of communicators, in memory and under a clock that the test turns.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test asserts by panicking"
)]

mod acks;
mod closing;
mod direct;
mod dropping;
mod errors;
mod flow;
mod handshake;
mod hostile;

mod life;
mod memory;
mod order;
mod python;
mod resume;
mod support;
