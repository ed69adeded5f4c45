//! What a session tells and does, on memory and on the disk of the system, with the threads of the store.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test asserts by panicking"
)]

mod appends;
mod clients;
mod failures;
mod held;
mod positions;
mod reads;
mod sharing;
mod support;
mod topics;
mod writers;
