//! What the fuzzers begin with, and what they have found, given to the functions that they call.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test asserts by panicking"
)]

// The functions that the fuzzers call.
#[path = "../../../../fuzz/src/appends.rs"]
mod appends;
#[path = "../../../../fuzz/src/batches.rs"]
mod batches;
#[path = "../../../../fuzz/src/replay.rs"]
mod replay;
#[path = "../../../../fuzz/src/segments.rs"]
mod segments;
#[path = "../../../../fuzz/src/sidecars.rs"]
mod sidecars;

use replay::replay;

/// So many bytes of each are changed.
const STEPS: usize = 1000;

#[test]
fn batches_survive_what_was_found() {
    replay("batches", STEPS, batches::run);
}

#[test]
fn segments_survive_what_was_found() {
    replay("segments", STEPS, segments::run);
}

#[test]
fn the_small_files_survive_what_was_found() {
    replay("sidecars", STEPS, sidecars::run);
}

#[test]
fn appends_survive_what_was_found() {
    replay("appends", STEPS, appends::run);
}
