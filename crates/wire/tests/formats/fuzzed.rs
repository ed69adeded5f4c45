//! What the fuzzers begin with, and what they have found, given to the functions that they call.

use crate::replay::replay;
use crate::{fuzz_frames, fuzz_hellos, fuzz_python};

/// So many bytes of each are changed.
const STEPS: usize = 1000;

#[test]
fn frames_survive_what_was_found() {
    replay("frames", STEPS, fuzz_frames::run);
}

#[test]
fn hellos_survive_what_was_found() {
    replay("hellos", STEPS, fuzz_hellos::run);
}

#[test]
fn streams_of_python_survive_what_was_found() {
    replay("python", STEPS, fuzz_python::run);
}
