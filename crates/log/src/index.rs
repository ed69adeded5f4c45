/// Where batches are in a segment, for one in every 4 KiB or so: Kafka's `.index`. An entry is the **last** offset of a
/// batch, less the segment's base, and the position of that batch; 8 bytes, big-endian, both strictly growing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OffsetIndex {
    base: u64,
    /// Offset less base, position.
    entries: Vec<(u32, u32)>,
}

const ENTRY_BYTES: usize = 8;
/// Offsets in an index are signed 32 bits for Kafka.
pub(crate) const MOST_DELTA: u64 = i32::MAX as u64;

impl OffsetIndex {
    /// An empty one, of the segment with that base offset.
    #[must_use]
    pub const fn new(base: u64) -> Self {
        let entries = Vec::new();
        Self { base, entries }
    }

    /// Adds the batch that ends with `last_offset`. One that does not grow, or is too far from the base, is left out:
    /// an index only says where to begin.
    pub fn push(&mut self, last_offset: u64, position: u32) {
        let Some(delta) = delta(self.base, last_offset) else {
            return;
        };
        if self
            .entries
            .last()
            .is_none_or(|last| last.0 < delta && last.1 < position)
        {
            self.entries.push((delta, position));
        }
    }

    /// Where to begin to look for the batch with `offset`: that batch, or one before it.
    #[must_use]
    pub fn position_before(&self, offset: u64) -> u32 {
        let behind = self
            .entries
            .partition_point(|entry| self.base + u64::from(entry.0) <= offset);
        let found = behind
            .checked_sub(1)
            .and_then(|last| self.entries.get(last));
        found.map_or(0, |entry| entry.1)
    }

    pub(crate) const fn base(&self) -> u64 {
        self.base
    }

    /// Position in the last entry; 0 if there is none.
    pub(crate) fn last_position(&self) -> u32 {
        self.entries.last().map_or(0, |entry| entry.1)
    }

    /// The file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let entry = |(delta, position): &(u32, u32)| [delta.to_be_bytes(), position.to_be_bytes()];
        self.entries.iter().flat_map(entry).flatten().collect()
    }

    /// The index in a file, of a segment of `log_bytes`; `None` if it cannot be right, and must be made anew.
    #[must_use]
    pub fn decode(bytes: &[u8], base: u64, log_bytes: u32) -> Option<Self> {
        let (entries, []) = bytes.as_chunks::<ENTRY_BYTES>() else {
            return None;
        };
        let mut index = Self::new(base);
        index.entries.try_reserve_exact(entries.len()).ok()?;
        for &[a, b, c, d, e, f, g, h] in entries {
            let delta = u32::from_be_bytes([a, b, c, d]);
            let position = u32::from_be_bytes([e, f, g, h]);
            let before = index.entries.len();
            index.push(base.checked_add(u64::from(delta))?, position);
            if index.entries.len() == before || position >= log_bytes {
                return None;
            }
        }
        Some(index)
    }
}

/// An offset as an index stores it; `None` if it is before the base or too far behind.
pub(crate) fn delta(base: u64, offset: u64) -> Option<u32> {
    let delta = offset
        .checked_sub(base)
        .filter(|delta| *delta <= MOST_DELTA)?;
    u32::try_from(delta).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn an_offset_is_looked_for_at_the_last_entry_that_is_not_behind_it() {
        let mut index = OffsetIndex::new(100);
        assert_eq!(index.position_before(100), 0);
        index.push(109, 5_000);
        index.push(120, 9_000);
        for (offset, position) in [
            (0, 0),
            (108, 0),
            (109, 5_000),
            (119, 5_000),
            (120, 9_000),
            (u64::MAX, 9_000),
        ] {
            assert_eq!(index.position_before(offset), position, "{offset}");
        }
    }

    #[test]
    fn entries_are_stored_as_kafka_stores_them() {
        let mut index = OffsetIndex::new(1 << 40);
        index.push((1 << 40) + 99, 4_100);
        index.push((1 << 40) + 0x0102, 0x0a0b_0c0d);
        let bytes = [
            0, 0, 0, 99, 0, 0, 0x10, 0x04, 0, 0, 1, 2, 0x0a, 0x0b, 0x0c, 0x0d,
        ];
        assert_eq!(index.encode(), bytes);
        assert_eq!(OffsetIndex::decode(&bytes, 1 << 40, u32::MAX), Some(index));
    }

    #[test]
    fn an_index_that_cannot_be_right_is_refused() {
        let mut index = OffsetIndex::new(0);
        index.push(9, 10);
        index.push(19, 20);
        let whole = index.encode();
        assert!(OffsetIndex::decode(&whole, 0, 21).is_some());
        assert_eq!(OffsetIndex::decode(&whole, 0, 20), None);
        for cut in [1, 7, 9, 15] {
            assert_eq!(OffsetIndex::decode(&whole[..cut], 0, 99), None);
        }
        // Zeros behind, as a file that was made longer has them.
        assert_eq!(
            OffsetIndex::decode(&[&whole[..], &[0; 8]].concat(), 0, 99),
            None
        );
        assert_eq!(OffsetIndex::decode(&whole, u64::MAX, 99), None);
        let far = [0x80, 0, 0, 0, 0, 0, 0, 30];
        assert_eq!(OffsetIndex::decode(&far, 0, 99), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_index_that_is_the_same_again_or_none(bytes in prop::collection::vec(0_u8..3, 0..64), base: u64, size: u32) {
            if let Some(index) = OffsetIndex::decode(&bytes, base, size) {
                prop_assert_eq!(index.encode(), bytes);
                prop_assert!(index.position_before(u64::MAX) < size || index.entries.is_empty());
            }
        }
    }
}
