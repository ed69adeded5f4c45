use crate::batch::Header;

/// Where somebody reads a partition.
#[derive(Debug, Default)]
pub struct Cursor {
    offset: u64,
}

impl Cursor {
    /// Begins with the batch that has `offset`.
    #[must_use]
    pub const fn new(offset: u64) -> Self {
        Self { offset }
    }

    /// Offset of the next record: the one that was asked for, or the first of the next batch.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on elsewhere.
    pub fn seek(&mut self, offset: u64) {
        *self = Self::new(offset);
    }
}

/// What batches are read into.
#[derive(Debug)]
pub struct ReadInto<'a> {
    /// The memory; batches are put one behind the other from its beginning.
    pub data: &'a mut [u8],
    /// One for each batch is added.
    pub batches: &'a mut Vec<ReadBatch>,
    /// Most batches.
    pub most: usize,
    /// Whether this thread may wait for the disk: then the outcome is never `Later`.
    pub may_wait: bool,
}

/// A batch that was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ReadBatch {
    /// Its header as it is stored. The first one's base offset may be before the cursor's offset.
    pub header: Header,
    /// Where its records begin in the memory: as [`crate::batch::Records::of`] takes them, inflated if they were
    /// compressed.
    pub start: usize,
    /// Bytes of the records there.
    pub bytes: usize,
}

/// How a read went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadOutcome {
    /// So many batches were read, at least one.
    Batches(usize),
    /// There is nothing more for now.
    AtEnd,
    /// The disk must be waited for, elsewhere.
    Later,
    /// The next batch needs memory of so many bytes.
    Needs(usize),
}
