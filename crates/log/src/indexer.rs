use crate::batch::Header;
use crate::time_index::NONE_MS;
use crate::{OffsetIndex, TimeIndex};

/// Both indexes of a segment, and the rule by which they grow: an entry of each before a batch when more than 4,096 bytes
/// came since the last one, as Kafka has it. Appending and scanning use this alone, so they always agree.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Indexer {
    /// Where batches are.
    pub offsets: OffsetIndex,
    /// Since when records have which offsets.
    pub times: TimeIndex,
    /// How many batches there are.
    pub batches: u32,
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
            batches: 0,
            since_entry: 0,
            latest: None,
        }
    }

    /// As it was when these were stored, of a segment of `log_bytes` and so many batches; `None` if they do not fit.
    pub(crate) fn restored(
        offsets: OffsetIndex,
        times: TimeIndex,
        log_bytes: u32,
        batches: u32,
        max_ms: Option<i64>,
    ) -> Option<Self> {
        let latest = match (max_ms, times.last()) {
            (Some(ms), Some(last)) if last.0 == ms => Some(Latest {
                ms,
                last_offset: last.1,
            }),
            // Times that Kafka takes for none have no entry.
            (Some(ms), None) if ms <= NONE_MS => Some(Latest {
                ms,
                last_offset: offsets.base(),
            }),
            (None, None) => None,
            _ => return None,
        };
        Some(Self {
            // The batch that has the last entry, and all behind it.
            since_entry: log_bytes.checked_sub(offsets.last_position())?,
            offsets,
            times,
            batches,
            latest,
        })
    }

    /// Takes note of the batch at `position`.
    pub fn add(&mut self, header: &Header, position: u32) {
        self.batches = self.batches.saturating_add(1);
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
    fn one_that_was_stored_goes_on_as_if_it_had_not_been() {
        for many in 0..40_u64 {
            let mut indexer = Indexer::new(10);
            let mut position = 0;
            let mut add = |indexer: &mut Indexer, place: u64| {
                let header = batch(
                    10 + place * 2,
                    700 + (place % 5) as u32 * 300,
                    500 + place as i64,
                );
                indexer.add(&header, position);
                position += header.size;
                position
            };
            let mut size = 0;
            for place in 0..many {
                size = add(&mut indexer, place);
            }
            indexer.seal();
            let mut back = Indexer::restored(
                indexer.offsets.clone(),
                indexer.times.clone(),
                size,
                indexer.batches,
                indexer.max_ms(),
            )
            .unwrap();
            assert_eq!(back, indexer);
            add(&mut back, many);
            assert_eq!(u64::from(back.batches), many + 1);
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
