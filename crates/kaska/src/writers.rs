/// How the records of a named writer stand to what he has stored in a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Overlap {
    /// They follow it, or there is nothing yet: a new writer may begin anywhere.
    None,
    /// So many of them, from the first on, are stored already.
    Stored(u32),
    /// Some before them are missing.
    Gap,
}

/// The last number of a writer. Batches store 31 bits; going round would make what is far ahead look as if it were stored.
pub(crate) const MOST_SEQUENCE: u32 = 0x7fff_ffff;

/// Compares the number of the first record with that of the last that is stored.
pub(crate) fn overlap(last: Option<u32>, first: u32) -> Overlap {
    let Some(next) = last.map(|last| last.saturating_add(1)) else {
        return Overlap::None;
    };
    match next.checked_sub(first) {
        Some(0) => Overlap::None,
        Some(stored) => Overlap::Stored(stored),
        None => Overlap::Gap,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_stored_is_trimmed_and_what_is_missing_is_a_gap() {
        assert_eq!(overlap(None, 77), Overlap::None);
        assert_eq!(overlap(Some(9), 10), Overlap::None);
        assert_eq!(overlap(Some(9), 11), Overlap::Gap);
        assert_eq!(overlap(Some(9), 9), Overlap::Stored(1));
        assert_eq!(overlap(Some(9), 0), Overlap::Stored(10));
    }

    #[test]
    fn nothing_that_is_ahead_counts_as_stored() {
        for ahead in [3, 1 << 30, (1 << 30) + 3, MOST_SEQUENCE] {
            assert_eq!(overlap(Some(1), ahead), Overlap::Gap, "{ahead}");
        }
        assert_eq!(overlap(Some(MOST_SEQUENCE), 0), Overlap::Stored(1 << 31));
    }
}
