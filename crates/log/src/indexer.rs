use crate::batch::Header;
use crate::{OffsetIndex, TimeIndex};

/// Both indexes of a segment, and the rule by which they grow: an entry of each before a batch when more than 4,096 bytes
/// came since the last one, as Kafka has it. Appending and scanning use this alone, so they always agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indexer {
    /// Where batches are.
    pub offsets: OffsetIndex,
    /// Since when records have which offsets.
    pub times: TimeIndex,
    since_entry: u32,
    latest: Option<Latest>,
}

/// The latest time so far, and the last offset of the first batch that has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Latest {
    ms: i64,
    last_offset: u64,
}

/// Bytes after which there is another entry.
const INTERVAL_BYTES: u32 = 4096;

impl Indexer {
    /// Of an empty segment with that base offset.
    #[must_use]
    pub const fn new(base: u64) -> Self {
        Self {
            offsets: OffsetIndex::new(base),
            times: TimeIndex::new(base),
            since_entry: 0,
            latest: None,
        }
    }

    /// Takes note of the batch at `position`.
    pub fn add(&mut self, header: &Header, position: u32) {
        let last_offset = header.last_offset();
        if self.latest.is_none_or(|latest| header.max_ms > latest.ms) {
            let ms = header.max_ms;
            self.latest = Some(Latest { ms, last_offset });
        }
        if self.since_entry > INTERVAL_BYTES {
            self.offsets.push(last_offset, position);
            self.seal();
            self.since_entry = 0;
        }
        self.since_entry = self.since_entry.saturating_add(header.size);
    }

    /// Gives the time index its last entry, if the latest time has none yet.
    pub fn seal(&mut self) {
        if let Some(Latest { ms, last_offset }) = self.latest {
            self.times.push(ms, last_offset);
        }
    }

    /// Latest time of a record; `None` if there is no batch.
    #[must_use]
    pub fn max_ms(&self) -> Option<i64> {
        self.latest.map(|latest| latest.ms)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Attributes;

    fn batch(base_offset: u64, size: u32, max_ms: i64) -> Header {
        Header {
            base_offset,
            size,
            attributes: Attributes::default(),
            last_delta: 1,
            base_ms: 0,
            max_ms,
            producer: None,
            count: 2,
            crc: 0,
        }
    }

    #[test]
    fn an_entry_comes_before_a_batch_when_more_than_4096_bytes_came_since_the_last() {
        let mut indexer = Indexer::new(10);
        // 4,096 bytes are not more than 4,096: the third batch has the first entry.
        indexer.add(&batch(10, 4_096, 500), 0);
        indexer.add(&batch(12, 100, 400), 4_096);
        indexer.add(&batch(14, 5_000, 300), 4_196);
        indexer.add(&batch(16, 100, 600), 9_196);
        indexer.add(&batch(18, 100, 700), 9_296);
        let mut offsets = OffsetIndex::new(10);
        offsets.push(15, 4_196);
        offsets.push(17, 9_196);
        assert_eq!(indexer.offsets, offsets);
        let mut times = TimeIndex::new(10);
        times.push(500, 11);
        times.push(600, 17);
        assert_eq!(indexer.times, times);
        indexer.seal();
        indexer.seal();
        times.push(700, 19);
        assert_eq!(indexer.times, times);
    }
}
