//! What is kept of a partition after a crash: nothing that was promised is lost, nothing that was not is in the way, and
//! everything that was done is told.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test asserts by panicking"
)]

mod flips;
mod full;
mod hostile;
mod power;
mod segments;
mod support;
mod tail;
mod torn;
