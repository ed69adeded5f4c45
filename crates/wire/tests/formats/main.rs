//! Bytes of peers, honest and not: they parse to what was meant, fail with a code, or ask for more.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test asserts by panicking"
)]

mod frames;
mod fuzzed;
mod golden;
mod hellos;

// The functions that the fuzzers call.
#[path = "../../../../fuzz/src/frames.rs"]
mod fuzz_frames;
#[path = "../../../../fuzz/src/hellos.rs"]
mod fuzz_hellos;
#[path = "../../../../fuzz/src/python.rs"]
mod fuzz_python;
#[path = "../../../../fuzz/src/replay.rs"]
mod replay;
