use std::sync::{Arc, OnceLock};

use crate::batch::Input;
use crate::reader::{Cursor, ReadInto, ReadOutcome};
use crate::{Ends, Error, ErrorKind, Writer};

/// One partition of a topic that is open: any thread may append to it and read it.
pub struct Partition {}

/// What became of an append.
#[derive(Debug)]
pub enum Appended {
    /// It is written. It is durable when [`Ends::durable`] has reached its end.
    Written(Written),
    /// It waits to be written.
    Queued(Ticket),
    /// A named writer has stored it before, at this offset: nothing was stored again. It is durable as the first was.
    Duplicate(Written),
}

/// Offsets of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// Offset of its first record.
    pub base: u64,
    /// Offset behind its last record.
    pub end: u64,
}

/// Tells what became of a batch that had to wait.
#[derive(Clone, Debug, Default)]
pub struct Ticket {
    pub(crate) outcome: Arc<OnceLock<Result<Written, Error>>>,
}

impl Ticket {
    /// Where it is written, or why not; `None` if it waits still. Observers hear when that changes.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<Written, Error>> {
        self.outcome.get().cloned()
    }
}

impl Partition {
    /// Number of its topic, 0 for positions.
    #[must_use]
    pub const fn topic(&self) -> u32 {
        0
    }

    /// Which partition of its topic.
    #[must_use]
    pub const fn number(&self) -> u32 {
        0
    }

    /// Appends one batch: all of its records or none. Copies before it returns, and never syncs. With `inline` it may
    /// write on the calling thread, if that will be quick; else the batch waits for the committer.
    ///
    /// # Errors
    ///
    /// `Full` if too much waits already: again when observers have heard of progress; `TooLarge` and `Invalid` as
    /// [`crate::batch::Encoder::encode`]; `OutOfOrder` for a named writer that left out a number; `NoSpace`: nothing was
    /// stored, it may be tried again; `Storage` when poisoned or unavailable; `Closed`.
    pub fn append(
        self: &Arc<Self>,
        input: &Input<'_>,
        writer: &Writer,
        inline: bool,
    ) -> Result<Appended, Error> {
        let _ = (input, writer, inline);
        Err(not_yet())
    }

    /// Asks for a sync of all that is written so far, whatever the topic's flush is.
    pub fn flush(self: &Arc<Self>) {}

    /// Reads batches from the cursor on, whole ones alone, and moves it behind them. Never waits for a disk: then it
    /// answers `Later`, and observers hear when to call again. After `AtEnd` they hear when there is more.
    ///
    /// # Errors
    ///
    /// `OutOfRange` if the cursor is before the start or behind the visible end; `Corrupt` if the records there are
    /// damaged ([`Partition::damage_at`] tells which, [`Cursor::seek`] goes on behind them); `Storage`.
    pub fn read(
        self: &Arc<Self>,
        cursor: &mut Cursor,
        into: &mut ReadInto<'_>,
    ) -> Result<ReadOutcome, Error> {
        let _ = (cursor, into);
        Err(not_yet())
    }

    /// The damaged records around `offset`: the first of them, and the first behind that can be read.
    #[must_use]
    pub fn damage_at(&self, offset: u64) -> Option<(u64, u64)> {
        let _ = offset;
        None
    }

    /// First offset whose record has this time or a later one, exactly; `None` if there is none. Takes as long as the disk
    /// does.
    ///
    /// # Errors
    ///
    /// `Storage` and `Corrupt`.
    pub fn offset_at_or_after(&self, ms: i64) -> Result<Option<u64>, Error> {
        let _ = ms;
        Err(not_yet())
    }

    /// Where it begins and ends.
    #[must_use]
    pub const fn ends(&self) -> Ends {
        Ends {
            start: 0,
            visible: 0,
            durable: 0,
            written: 0,
        }
    }

    /// Why it cannot be used, if so; other partitions can.
    #[must_use]
    pub const fn unavailable(&self) -> Option<&Error> {
        None
    }

    /// The next batch begins a segment, so that what is there now can be deleted alone.
    pub fn begin_segment(self: &Arc<Self>) {}

    /// Deletes whole segments whose records are all below `offset`; the active one stays. Takes as long as the disk does.
    ///
    /// # Errors
    ///
    /// `Storage`.
    pub fn delete_before(self: &Arc<Self>, offset: u64) -> Result<(), Error> {
        let _ = offset;
        Err(not_yet())
    }
}

fn not_yet() -> Error {
    Error::new(ErrorKind::Internal, "not there yet")
}
