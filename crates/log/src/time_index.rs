use crate::index::delta;

/// From when on records have which offsets: Kafka's `.timeindex`. An entry is the latest time so far, and the last offset
/// of the first batch that has it, less the segment's base; 12 bytes, big-endian, times strictly growing.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimeIndex {
    base: u64,
    /// Time in ms since 1970, offset less base.
    entries: Vec<(i64, u32)>,
}

const ENTRY_BYTES: usize = 12;
/// Kafka's "no timestamp": only what is later gets an entry.
pub(crate) const NONE_MS: i64 = -1;

impl TimeIndex {
    /// An empty one, of the segment with that base offset.
    #[must_use]
    pub const fn new(base: u64) -> Self {
        let entries = Vec::new();
        Self { base, entries }
    }

    /// Adds an entry, if it is later than the last one.
    pub fn push(&mut self, ms: i64, last_offset: u64) {
        let Some(delta) = delta(self.base, last_offset) else {
            return;
        };
        let (newest, before) = self.entries.last().copied().unwrap_or((NONE_MS, 0));
        if ms > newest && delta >= before {
            self.entries.push((ms, delta));
        }
    }

    /// Where to begin to look for the first record of `ms` or later: no record of the segment before this offset is.
    #[must_use]
    pub fn offset_before(&self, ms: i64) -> u64 {
        // All up to the offset of an entry are at most as late as it.
        let behind = self.entries.partition_point(|entry| entry.0 < ms);
        let found = behind
            .checked_sub(1)
            .and_then(|last| self.entries.get(last));
        found.map_or(self.base, |entry| self.base + u64::from(entry.1) + 1)
    }

    /// Time and offset of the last entry.
    pub(crate) fn last(&self) -> Option<(i64, u64)> {
        let (ms, delta) = *self.entries.last()?;
        Some((ms, self.base + u64::from(delta)))
    }

    /// The file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.entries.len() * ENTRY_BYTES);
        for (ms, delta) in &self.entries {
            bytes.extend(ms.to_be_bytes());
            bytes.extend(delta.to_be_bytes());
        }
        bytes
    }

    /// The index in a file, of a segment that ends before `next_offset`; `None` if it cannot be right, and must be made
    /// anew.
    #[must_use]
    pub fn decode(bytes: &[u8], base: u64, next_offset: u64) -> Option<Self> {
        let (entries, []) = bytes.as_chunks::<ENTRY_BYTES>() else {
            return None;
        };
        let mut index = Self::new(base);
        index.entries.try_reserve_exact(entries.len()).ok()?;
        for entry in entries {
            let (ms, delta) = entry.split_first_chunk()?;
            let delta = u32::from_be_bytes(*delta.first_chunk()?);
            let offset = base.checked_add(u64::from(delta))?;
            let before = index.entries.len();
            index.push(i64::from_be_bytes(*ms), offset);
            if index.entries.len() == before || offset >= next_offset {
                return None;
            }
        }
        Some(index)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_time_is_looked_for_behind_all_that_is_earlier() {
        let mut index = TimeIndex::new(100);
        assert_eq!(index.offset_before(5), 100);
        index.push(1_000, 109);
        index.push(1_000, 115);
        index.push(900, 117);
        index.push(2_000, 119);
        for (ms, offset) in [
            (i64::MIN, 100),
            (1_000, 100),
            (1_001, 110),
            (2_000, 110),
            (2_001, 120),
            (i64::MAX, 120),
        ] {
            assert_eq!(index.offset_before(ms), offset, "{ms}");
        }
    }

    #[test]
    fn entries_are_stored_as_kafka_stores_them() {
        let mut index = TimeIndex::new(50);
        index.push(-1, 50);
        index.push(0x0102_0304_0506_0708, 59);
        let bytes = [1, 2, 3, 4, 5, 6, 7, 8, 0, 0, 0, 9];
        assert_eq!(index.encode(), bytes);
        assert_eq!(TimeIndex::decode(&bytes, 50, 60), Some(index));
        assert_eq!(TimeIndex::decode(&bytes, 50, 59), None);
        assert_eq!(TimeIndex::decode(&bytes[..11], 50, 60), None);
        assert_eq!(TimeIndex::decode(&[bytes, bytes].concat(), 50, 60), None);
    }

    proptest! {
        #[test]
        fn any_bytes_are_an_index_that_is_the_same_again_or_none(bytes in prop::collection::vec(0_u8..3, 0..64), base: u64, next: u64) {
            if let Some(index) = TimeIndex::decode(&bytes, base, next) {
                prop_assert_eq!(index.encode(), bytes);
                let _ = index.offset_before(i64::MAX);
            }
        }
    }
}
