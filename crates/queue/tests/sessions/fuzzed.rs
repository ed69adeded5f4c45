//! What the fuzzers begin with, and what they have found, given to the functions that they call.

use crate::{fuzz_resume, fuzz_session};

/// So many bytes of each are changed.
const STEPS: usize = 150;

#[test]
fn sessions_survive_what_was_found() {
    replay("session", fuzz_session::run);
}

#[test]
fn resumed_sessions_survive_what_was_found() {
    replay("resume", fuzz_resume::run);
}

/// Gives a target its seeds and all that was ever found, each as it is, without its end, and with each of its bytes in turn
/// changed.
fn replay(name: &str, target: fn(&[u8])) {
    let root = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz");
    let saved: Vec<Vec<u8>> = ["seeds", "found"]
        .iter()
        .filter_map(|folder| std::fs::read_dir(format!("{root}/{folder}/{name}")).ok())
        .flatten()
        .map(|entry| std::fs::read(entry.unwrap().path()).unwrap())
        .collect();
    assert!(!saved.is_empty(), "no seeds of {name}");
    for bytes in saved {
        target(&bytes);
        for end in 0..bytes.len().min(STEPS) {
            target(&bytes[..end]);
            for bit in [1, 0x80] {
                let mut changed = bytes.clone();
                changed[end] ^= bit;
                target(&changed);
            }
        }
    }
}
