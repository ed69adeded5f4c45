//! What the fuzzers begin with, and what they have found, given to the functions that they call.

use crate::replay::replay;
use crate::{fuzz_resume, fuzz_session};

/// So many bytes of each are changed.
const STEPS: usize = 150;

#[test]
fn sessions_survive_what_was_found() {
    replay("session", STEPS, fuzz_session::run);
}

#[test]
fn resumed_sessions_survive_what_was_found() {
    replay("resume", STEPS, fuzz_resume::run);
}
