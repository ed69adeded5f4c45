use std::sync::Arc;

use crate::File;
use crate::batch::Header;
use crate::fetch::{Fetch, Window};
use crate::view::SegmentView;

/// Where somebody reads a partition.
#[derive(Default)]
pub struct Cursor {
    pub(crate) offset: u64,
    pub(crate) place: Option<Place>,
    /// Bytes that were read ahead.
    pub(crate) window: Option<Window>,
    /// The records of the next batch, which is compressed.
    pub(crate) inflated: Option<(Header, Vec<u8>)>,
    /// What the housekeeper gets.
    pub(crate) waits: Option<Arc<Fetch>>,
    /// Bytes that a window must have.
    pub(crate) wants: usize,
    /// The last batch was compressed, so the next will be.
    pub(crate) is_compressed: bool,
    /// Checks what this process has checked before, too.
    pub(crate) checks_again: bool,
}

/// Where the next batch is, or one before it.
pub(crate) struct Place {
    pub(crate) view: Arc<SegmentView>,
    pub(crate) file: Arc<dyn File>,
    pub(crate) position: u32,
    /// An index said so, and nothing else yet.
    pub(crate) by_index: bool,
    pub(crate) checks_again: bool,
}

impl Cursor {
    /// Begins with the batch that has `offset`.
    #[must_use]
    pub fn new(offset: u64) -> Self {
        Self {
            offset,
            ..Self::default()
        }
    }

    /// The same, and checks every batch against its checksum, also where this process has done so before.
    #[must_use]
    pub fn checking_again(offset: u64) -> Self {
        Self {
            offset,
            checks_again: true,
            ..Self::default()
        }
    }

    /// Offset of the next record: the one that was asked for, or the first of the next batch.
    #[must_use]
    pub const fn offset(&self) -> u64 {
        self.offset
    }

    /// Goes on elsewhere.
    pub fn seek(&mut self, offset: u64) {
        if offset != self.offset {
            *self = Self {
                offset,
                checks_again: self.checks_again,
                ..Self::default()
            };
        }
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
    /// Where it begins in its segment.
    pub position: u32,
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

impl Place {
    pub(crate) fn passed(&mut self, bytes: u32) {
        self.position = self.position.saturating_add(bytes);
        self.by_index = false;
    }
}
