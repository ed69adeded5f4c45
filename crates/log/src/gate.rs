use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use crate::queued::{Coming, Queued};
use crate::view::SegmentView;
use crate::{Appender, Durable, File, Segment};

/// What the threads that append to a partition share. It is behind a lock that is never held over a system call: who
/// writes takes the appender out, and who comes meanwhile queues.
pub(crate) struct Gate {
    /// Missing while somebody writes, and for ever where a partition cannot be used.
    pub(crate) appender: Option<Box<Appender>>,
    pub(crate) queue: VecDeque<Queued>,
    /// The batch that was taken from the queue last, until the appender is put back.
    pub(crate) in_hand: Option<Coming>,
    /// Where the written batches end, as of when the appender was put back last.
    pub(crate) written: Durable,
    /// The segment that is written, and its file.
    pub(crate) active: Option<Synced>,
    /// Full segments that are not durable yet.
    pub(crate) full: Vec<Synced>,
    /// How many names were made in the folder, and how many of them are durable.
    pub(crate) names: u64,
    pub(crate) synced_names: u64,
    /// The next batch begins a segment.
    pub(crate) begins_segment: bool,
    /// Somebody waits until all below this offset is durable, whatever the topic's flush is.
    pub(crate) wanted: u64,
    /// Wall clock when the segment that is written got its first batch, or was opened, in ms since 1970.
    pub(crate) began_ms: i64,
    /// By when what is written must be durable.
    pub(crate) due: Option<Duration>,
    /// Written bytes that are not durable and are counted for the directory.
    pub(crate) unsynced: u64,
    /// Nobody writes any more what comes now.
    pub(crate) is_closed: bool,
}

/// A segment that is to be synced. Its file stays open until it is.
#[derive(Clone)]
pub(crate) struct Synced {
    pub(crate) view: Arc<SegmentView>,
    pub(crate) file: Arc<dyn File>,
}

/// What of a partition is to be made durable.
pub(crate) struct Dirty {
    /// What is durable then.
    pub(crate) mark: Durable,
    /// What to sync, in order.
    pub(crate) segments: Vec<Synced>,
    /// How many names are durable then, if the folder must be synced.
    pub(crate) names: Option<u64>,
    pub(crate) unsynced: u64,
}

/// Behind every offset.
const ALL: u64 = u64::MAX;

impl Gate {
    pub(crate) fn new(
        appender: Option<Box<Appender>>,
        active: Option<Arc<SegmentView>>,
        names: u64,
    ) -> Self {
        let segment = appender.as_ref().map(|appender| appender.segment());
        let active = active.zip(segment).map(|(view, segment)| Synced {
            view,
            file: Arc::clone(&segment.file),
        });
        Self {
            written: segment.map(Segment::mark).unwrap_or_default(),
            active,
            appender,
            queue: VecDeque::new(),
            in_hand: None,
            full: Vec::new(),
            names,
            synced_names: 0,
            begins_segment: false,
            began_ms: i64::MAX,
            wanted: 0,
            due: None,
            unsynced: 0,
            is_closed: false,
        }
    }

    /// All that was appended so far is to be made durable, also what waits to be written.
    pub(crate) fn want_all(&mut self) {
        let is_all_written = self.queue.is_empty() && self.appender.is_some();
        self.wanted = if is_all_written {
            self.wanted.max(self.written.next_offset)
        } else {
            ALL
        };
    }

    /// Takes the appender out to write on this thread, if nobody is before.
    pub(crate) fn borrow(&mut self) -> Option<Box<Appender>> {
        if self.queue.is_empty() && !self.begins_segment && !self.is_closed {
            self.appender.take()
        } else {
            None
        }
    }

    /// All that is written, as something to sync.
    pub(crate) fn dirty(&mut self) -> Dirty {
        let segments = self.full.iter().chain(&self.active).cloned().collect();
        self.due = None;
        if self.wanted == ALL && self.queue.is_empty() && self.appender.is_some() {
            self.wanted = self.written.next_offset;
        }
        Dirty {
            mark: self.written,
            segments,
            names: (self.names > self.synced_names).then_some(self.names),
            unsynced: std::mem::take(&mut self.unsynced),
        }
    }

    /// Takes note that it was synced.
    pub(crate) fn synced(&mut self, dirty: &Dirty) {
        for done in &dirty.segments {
            self.full.retain(|one| !Arc::ptr_eq(&one.view, &done.view));
        }
        if let Some(names) = dirty.names {
            self.synced_names = self.synced_names.max(names);
        }
    }
}
