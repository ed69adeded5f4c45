//! What the fuzzers begin with, and what they have found, for the tests of the crates: they give it to the functions that the
//! fuzzers call. No target of its own, so the fuzzers do not build it.

/// Gives a target its seeds and all that was ever found, each as it is, without its end, and with each of its bytes in turn
/// changed: so many of them.
pub(crate) fn replay(name: &str, steps: usize, target: fn(&[u8])) {
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
        for end in 0..bytes.len().min(steps) {
            target(&bytes[..end]);
            for bit in [1, 0x80] {
                let mut changed = bytes.clone();
                changed[end] ^= bit;
                target(&changed);
            }
        }
    }
}
