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

/// Sequence numbers have 31 bits and go round.
const MASK: u32 = 0x7fff_ffff;
/// What is farther back than this is ahead, and the other way round.
const HALF: u32 = 1 << 30;

/// Compares the sequence number of the first record with that of the last that is stored.
pub(crate) fn overlap(last: Option<u32>, first: u32) -> Overlap {
    let Some(last) = last else {
        return Overlap::None;
    };
    let next = last.wrapping_add(1) & MASK;
    match next.wrapping_sub(first) & MASK {
        0 => Overlap::None,
        stored @ 1..=HALF => Overlap::Stored(stored),
        _ => Overlap::Gap,
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
    fn numbers_go_round_at_31_bits() {
        assert_eq!(overlap(Some(MASK), 0), Overlap::None);
        assert_eq!(overlap(Some(MASK), 1), Overlap::Gap);
        assert_eq!(overlap(Some(1), MASK), Overlap::Stored(3));
        assert_eq!(overlap(Some(HALF), 1), Overlap::Stored(HALF));
        assert_eq!(overlap(Some(HALF), 0), Overlap::Gap);
    }
}
