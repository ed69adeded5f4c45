use std::sync::Arc;

use crate::batch::Records;
use crate::locks::{lock, read};
use crate::view::SegmentView;
use crate::{Cursor, Error, ErrorKind, Partition, ReadBatch, ReadInto, ReadOutcome};

/// What a lookup reads at once.
const STEP: usize = 256 << 10;

impl Partition {
    /// First offset whose record has this time or a later one, exactly; `None` if there is none. Damaged records are
    /// passed over. Takes as long as the disk does.
    ///
    /// # Errors
    ///
    /// `Storage`; `Corrupt` if a batch that counts cannot be inflated; `NotFound` when its topic was deleted.
    pub fn offset_at_or_after(self: &Arc<Self>, ms: i64) -> Result<Option<u64>, Error> {
        self.is_there()?;
        let views: Vec<_> = read(&self.segments).iter().map(Arc::clone).collect();
        for view in views {
            let found = self.offset_in(&view, ms);
            match found {
                // Deleted while it was looked at.
                Err(error) if error.kind == ErrorKind::OutOfRange => {}
                Ok(None) => {}
                found => return found,
            }
        }
        Ok(None)
    }

    fn offset_in(self: &Arc<Self>, view: &Arc<SegmentView>, ms: i64) -> Result<Option<u64>, Error> {
        let index = self.make_ready(view)?;
        let before = {
            let index = lock(&index);
            // The index of a damaged segment ends with the damage.
            let all = view.end().is_some() && !view.is_damaged();
            if all && index.max_ms().is_none_or(|max| max < ms) {
                return Ok(None);
            }
            index.times.offset_before(ms)
        };
        let mut from = Cursor::new(before.max(view.base()).max(self.ends.start()));
        let mut data = vec![0; STEP];
        let mut batches = Vec::new();
        loop {
            let end = view.end().unwrap_or(u64::MAX);
            if from.offset() >= end {
                return Ok(None);
            }
            batches.clear();
            let mut into = ReadInto {
                data: &mut data,
                batches: &mut batches,
                most: usize::MAX,
                may_wait: true,
            };
            match self.read(&mut from, &mut into) {
                Ok(ReadOutcome::Batches(_)) => {}
                Ok(ReadOutcome::AtEnd | ReadOutcome::Later) => return Ok(None),
                Ok(ReadOutcome::Needs(bytes)) => {
                    data.clear();
                    data.try_reserve_exact(bytes).map_err(|_| {
                        let message = format!("no memory for a batch of {bytes} bytes");
                        Error::new(ErrorKind::Storage, message)
                    })?;
                    data.resize(bytes, 0);
                    continue;
                }
                Err(error) if error.kind == ErrorKind::Corrupt => {
                    let Some((_, next)) = self.damage_at(from.offset()) else {
                        return Err(error);
                    };
                    from.seek(next);
                    continue;
                }
                Err(error) => return Err(error),
            }
            let start = self.ends.start();
            let late = batches.iter().filter(|batch| batch.header.max_ms >= ms);
            for batch in late {
                if let Some(found) = record_at(&data, batch, ms, start) {
                    return Ok(Some(found));
                }
            }
        }
    }
}

/// The first record of a batch from `start` on that has this time or a later one.
fn record_at(data: &[u8], batch: &ReadBatch, ms: i64, start: u64) -> Option<u64> {
    let records = data.get(batch.start..batch.start + batch.bytes)?;
    let mut records = Records::of(records, &batch.header).map_while(Result::ok);
    let found = records.find(|record| record.ms >= ms && record.offset >= start)?;
    Some(found.offset)
}
