//! Whole conversations of communicators, in memory and under a clock that the test turns.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test asserts by panicking"
)]

mod acks;
mod bad_input;
mod closing;
mod direct;
mod dropping;
mod errors;
mod flow;
mod fuzzed;
mod handshake;
mod hostile;

mod life;
mod memory;
mod order;
mod python;
mod resume;
mod resume_hostile;
mod support;

// The functions that the fuzzers call.
#[path = "../../../../fuzz/src/resume.rs"]
mod fuzz_resume;
#[path = "../../../../fuzz/src/session.rs"]
mod fuzz_session;
#[path = "../../../../fuzz/src/replay.rs"]
mod replay;
#[path = "../../../../fuzz/src/victim.rs"]
mod victim;
