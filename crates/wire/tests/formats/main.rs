//! Bytes of peers, honest and not: they parse to what was meant, fail with a code, or ask for more.
#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

mod frames;
mod golden;
mod hellos;
