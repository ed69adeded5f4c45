use std::sync::{Arc, Mutex};

use crate::batch::{HEADER_BYTES, Header, check};
use crate::disk::{Disk, File, Mode, fill_at};
use crate::index::MOST_DELTA;
use crate::locks::lock;
use crate::{Durable, Error, ErrorKind, Indexer};

/// What may be done with a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum SegmentState {
    /// The last one: batches are added to it.
    Active,
    /// Never written again.
    Sealed,
    /// Sealed, with ranges that cannot be read.
    Damaged,
}

/// One file of record batches, and what is known of it. Its name is its base offset in 20 digits.
pub struct Segment {
    /// Offset of its first record, or of the first that it will have.
    pub base_offset: u64,
    /// Bytes of batches in it.
    pub size: u32,
    /// Offset behind its last record.
    pub next_offset: u64,
    /// What may be done with it.
    pub state: SegmentState,
    /// Its indexes; readers look into them while batches are added.
    pub indexer: Arc<Mutex<Indexer>>,
    /// The batches.
    pub file: Arc<dyn File>,
    /// What it is called on the disk.
    pub name: String,
}

/// Largest segment: positions are signed 32 bits for Kafka.
pub const MAX_SEGMENT_BYTES: u32 = i32::MAX as u32;

/// Highest offset that a partition ends with: JavaScript's numbers are exact up to there.
pub(crate) const MOST_OFFSET: u64 = (1 << 53) - 1;

impl Segment {
    /// A new and empty one. Its name is not durable until the folder is synced.
    ///
    /// # Errors
    ///
    /// `Storage` or `NoSpace`, as the system says.
    pub fn create(disk: &dyn Disk, folder: &str, base_offset: u64) -> Result<Self, Error> {
        let name = log_name(folder, base_offset);
        let file = disk
            .open(&name, Mode::CreateNew)
            .map_err(|error| Error::system("open", &name, &error))?;
        Ok(Self {
            base_offset,
            size: 0,
            next_offset: base_offset,
            state: SegmentState::Active,
            indexer: Arc::new(Mutex::new(Indexer::new(base_offset))),
            file,
            name,
        })
    }

    /// Where it ends, as a checkpoint tells it.
    #[must_use]
    pub const fn mark(&self) -> Durable {
        Durable {
            segment: self.base_offset,
            position: self.size,
            next_offset: self.next_offset,
        }
    }

    /// Whether a batch of `size` bytes and `count` records may be added: the segment stays within `most` bytes, and its
    /// offsets within what an index can tell. An empty segment takes any batch.
    #[must_use]
    pub fn has_room(&self, size: u32, count: u32, most: u32) -> bool {
        let end = self.size.checked_add(size);
        let last = self.next_offset + u64::from(count) - 1 - self.base_offset;
        let fits = end.is_some_and(|end| end <= most.min(MAX_SEGMENT_BYTES));
        (fits || (self.size == 0 && size <= MAX_SEGMENT_BYTES)) && last <= MOST_DELTA
    }

    /// Takes note of a batch that was written at the end.
    pub fn added(&mut self, header: &Header) {
        lock(&self.indexer).add(header, self.size);
        self.size = self.size.saturating_add(header.size);
        self.next_offset = header.next_offset();
    }

    /// Where the batch with `offset` is; `None` if it is not in this segment.
    ///
    /// # Errors
    ///
    /// `Storage` as the system says; `Corrupt` if there is something else where a batch should be.
    pub fn find(&self, offset: u64) -> Result<Option<(u32, Header)>, Error> {
        if offset < self.base_offset || offset >= self.next_offset {
            return Ok(None);
        }
        let mut position = lock(&self.indexer).offsets.position_before(offset);
        let mut by_index = position > 0;
        loop {
            match self.header_at(position) {
                Ok(Some(header)) if header.base_offset <= offset => {
                    if offset <= header.last_offset() {
                        return Ok(Some((position, header)));
                    }
                    position += header.size;
                    by_index = false;
                }
                Err(error) if error.kind != ErrorKind::Corrupt => return Err(error),
                // An index only says where to begin, and this one was wrong.
                _ if by_index => {
                    position = 0;
                    by_index = false;
                }
                Ok(Some(_)) => return Err(self.corrupt(position, "its offset is too high")),
                other => return other.map(|_| None),
            }
        }
    }

    /// The header of the batch at `position`; `None` at the end.
    ///
    /// # Errors
    ///
    /// As [`Segment::find`].
    pub fn header_at(&self, position: u32) -> Result<Option<Header>, Error> {
        let left = self.size.saturating_sub(position);
        if left == 0 {
            return Ok(None);
        }
        let mut bytes = [0; HEADER_BYTES];
        let read = fill_at(&*self.file, &mut bytes, u64::from(position))
            .map_err(|error| Error::system("read", &self.name, &error))?;
        if read < HEADER_BYTES {
            return Err(self.corrupt(position, "the file ends there"));
        }
        match Header::parse(&bytes, left) {
            Ok(header) => Ok(Some(header)),
            Err(fault) => Err(self.corrupt(position, fault)),
        }
    }

    /// Reads the whole batch at `position` into `into`, whose contents it replaces, and checks it.
    ///
    /// # Errors
    ///
    /// As [`Segment::find`]; `Storage` also if there is no memory for the batch.
    pub fn read_batch(&self, position: u32, into: &mut Vec<u8>) -> Result<Option<Header>, Error> {
        let Some(header) = self.header_at(position)? else {
            return Ok(None);
        };
        let size = header.size as usize;
        into.clear();
        into.try_reserve(size).map_err(|_| {
            let message = format!("no memory for a batch of {size} bytes of {}", self.name);
            Error::new(ErrorKind::Storage, message)
        })?;
        into.resize(size, 0);
        fill_at(&*self.file, into, u64::from(position))
            .map_err(|error| Error::system("read", &self.name, &error))?;
        match check(into, &header) {
            Ok(()) => Ok(Some(header)),
            Err(fault) => Err(self.corrupt(position, fault)),
        }
    }

    fn corrupt(&self, position: u32, why: impl std::fmt::Display) -> Error {
        let message = format!("{} is damaged at byte {position}: {why}", self.name);
        Error::new(ErrorKind::Corrupt, message)
    }
}

/// The file of the segment with that base offset.
#[must_use]
pub fn log_name(folder: &str, base_offset: u64) -> String {
    beside(folder, base_offset, "log")
}

/// The base offset in the name of a file; `None` if it is not that of a segment.
#[must_use]
pub fn base_of(name: &str) -> Option<u64> {
    offset_in(name, "log")
}

/// A file of that kind for that offset.
pub(crate) fn beside(folder: &str, offset: u64, kind: &str) -> String {
    format!("{folder}/{offset:020}.{kind}")
}

/// The offset in the name of a file of that kind.
pub(crate) fn offset_in(name: &str, kind: &str) -> Option<u64> {
    let digits = name.strip_suffix(kind)?.strip_suffix('.')?;
    let own = digits.len() == 20 && digits.bytes().all(|digit| digit.is_ascii_digit());
    let offset = own.then(|| digits.parse().ok()).flatten()?;
    (offset <= i64::MAX as u64).then_some(offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_a_base_offset_in_twenty_digits() {
        assert_eq!(log_name("7/0", 1234), "7/0/00000000000000001234.log");
        assert_eq!(base_of("00000000000000001234.log"), Some(1234));
        assert_eq!(base_of("09223372036854775807.log"), Some(i64::MAX as u64));
        for other in [
            "1234.log",
            "0000000000000000123x.log",
            "+0000000000000001234.log",
            "99999999999999999999.log",
            "09223372036854775808.log",
            "00000000000000001234.index",
            "00000000000000001234.log.deleted",
            ".log",
        ] {
            assert_eq!(base_of(other), None, "{other}");
        }
    }
}
