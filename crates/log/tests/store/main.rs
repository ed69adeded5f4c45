//! A whole directory: what is appended is read, by whomever, and is there again whatever happens in between.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test asserts by panicking"
)]

mod appending;
mod faults;
mod keeping;
mod links;
mod lives;
mod opening;
mod reading;
mod room;
mod support;
mod threads;
mod wrapped;
mod writers;
