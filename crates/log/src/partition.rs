use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, RwLock};
use std::time::Duration;

use crate::batch::{Encoder, Input};
use crate::ends::EndsCell;
use crate::gate::Gate;
use crate::handshake::Listed;
use crate::locks::{lock, write};
use crate::queued::{Body, Queued};
use crate::shared::{Shared, closed};
use crate::view::SegmentView;
use crate::writing::Wrote;
use crate::{
    Acks, Appender, Durable, Ends, Error, ErrorKind, Flush, Producers, TopicOptions, Writer,
};

/// One partition of a topic that is open: any thread may append to it and read it.
pub struct Partition {
    topic: u32,
    number: u32,
    pub(crate) folder: String,
    pub(crate) options: TopicOptions,
    pub(crate) shared: Arc<Shared>,
    pub(crate) ends: EndsCell,
    pub(crate) gate: Mutex<Gate>,
    /// By base offset; the last one is written.
    pub(crate) segments: RwLock<Vec<Arc<SegmentView>>>,
    /// What the next checkpoint says.
    pub(crate) durable: Mutex<Durable>,
    /// It is in the committer's list.
    listed: Listed,
    is_deleted: AtomicBool,
    unavailable: Option<Error>,
    /// What is known of those who number their records. Changed by who has the appender.
    pub(crate) producers: Mutex<Producers>,
}

/// What became of an append.
#[derive(Debug)]
pub enum Appended {
    /// It is written. It is durable when [`Ends::durable`] has reached its end.
    Written(Written),
    /// It waits to be written; or writing it failed, and it may be stored nevertheless.
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
    outcome: Arc<OnceLock<Result<Written, Error>>>,
}

impl Ticket {
    /// Where it is written, or why not; `None` if it waits still. Observers hear when that changes.
    #[must_use]
    pub fn outcome(&self) -> Option<Result<Written, Error>> {
        self.outcome.get().cloned()
    }

    pub(crate) fn settle(&self, outcome: Result<Written, Error>) {
        // Who took it from the queue settles it, so this is set once.
        let _ = self.outcome.set(outcome);
    }
}

/// What the committer found when it came to write what is queued.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Emptied {
    /// Somebody writes, and says so when he is ready.
    pub(crate) is_busy: bool,
    /// Somebody waits for what was done.
    pub(crate) is_awaited: bool,
}

/// What the one who had the appender leaves to the committer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Leaves {
    Nothing,
    /// Something that is to be made durable, now or in time.
    Unsynced,
    /// Batches that came while he wrote.
    Queued,
}

/// Longest batch that is written by the thread that appends it, if that may not wait.
const INLINE_WRITE_BYTES: usize = 64 << 10;

/// What a partition is made of when it is opened.
pub(crate) struct Opened {
    pub(crate) topic: u32,
    pub(crate) number: u32,
    pub(crate) folder: String,
    pub(crate) options: TopicOptions,
    pub(crate) start: u64,
    pub(crate) segments: Vec<Arc<SegmentView>>,
    /// `None` if it cannot be used.
    pub(crate) appender: Result<Box<Appender>, Error>,
    pub(crate) durable: Durable,
    pub(crate) producers: Producers,
    /// How many names were made and are not durable.
    pub(crate) names: u64,
}

impl Partition {
    pub(crate) fn new(shared: &Arc<Shared>, opened: Opened) -> Arc<Self> {
        let (appender, unavailable) = match opened.appender {
            Ok(appender) => (Some(appender), None),
            Err(error) => (None, Some(error)),
        };
        let active = opened.segments.last().map(Arc::clone);
        Arc::new(Self {
            topic: opened.topic,
            number: opened.number,
            folder: opened.folder,
            options: opened.options,
            shared: Arc::clone(shared),
            ends: EndsCell::new(opened.start, opened.durable.next_offset),
            gate: Mutex::new(Gate::new(appender, active, opened.names)),
            segments: RwLock::new(opened.segments),
            durable: Mutex::new(opened.durable),
            listed: Listed::new(),
            is_deleted: AtomicBool::new(false),
            unavailable,
            producers: Mutex::new(opened.producers),
        })
    }

    /// Number of its topic, 0 for positions.
    #[must_use]
    pub const fn topic(&self) -> u32 {
        self.topic
    }

    /// Which partition of its topic.
    #[must_use]
    pub const fn number(&self) -> u32 {
        self.number
    }

    /// Where it begins and ends.
    #[must_use]
    pub fn ends(&self) -> Ends {
        self.ends.all()
    }

    /// Why it cannot be used, if so; other partitions can.
    #[must_use]
    pub const fn unavailable(&self) -> Option<&Error> {
        self.unavailable.as_ref()
    }

    /// Appends one batch: all of its records or none. Copies before it returns, and never syncs. With `inline` it may
    /// write on the calling thread, if that will be quick; else the batch waits for the committer. Who appends inline
    /// calls [`Store::commit`](crate::Store::commit) when he has appended what is there: before that, nobody makes it
    /// durable for him.
    ///
    /// # Errors
    ///
    /// Nothing of it is stored then. `Full` if too much waits already: again when observers have heard of progress; `TooLarge` and `Invalid` as
    /// [`Encoder::encode`]; `NoSpace`: nothing was stored, it may be tried again; `OutOfOrder` for a writer with a name
    /// that left out a number; `Storage` when poisoned or unavailable; `NotFound` when its topic was deleted; `Closed`.
    /// A ticket may have any of them as well.
    pub fn append(
        self: &Arc<Self>,
        input: &Input<'_>,
        writer: &Writer,
        inline: bool,
    ) -> Result<Appended, Error> {
        self.takes()?;
        let Some(mark) = &writer.mark else {
            return self.append_anyhow(input, writer, inline);
        };
        {
            let mut producers = lock(&self.producers);
            if let Some(expected) = producers.must_come_first(mark) {
                let message = format!(
                    "record {} of writer {}: record {expected} was refused, and must come first",
                    mark.sequence, mark.id
                );
                return Err(Error::new(ErrorKind::OutOfOrder, message));
            }
            // Before it is queued: whoever writes it may refuse it.
            producers.take(mark);
        }
        let appended = self.append_anyhow(input, writer, inline);
        if appended.is_err() {
            lock(&self.producers).refuse(mark);
        }
        appended
    }

    fn append_anyhow(
        self: &Arc<Self>,
        input: &Input<'_>,
        writer: &Writer,
        inline: bool,
    ) -> Result<Appended, Error> {
        if self.may_write(input.data.len(), inline) {
            let borrowed = lock(&self.gate).borrow();
            if let Some(appender) = borrowed {
                let appended = self.append_with(appender, input, writer);
                return self.or_unknown(appended);
            }
        }
        self.enqueue(input, writer)
    }

    /// A write that failed for another reason than room may have left the whole batch in the file, and the next opening may
    /// keep it. So it is not refused: its ticket tells, as of all whose end nobody knows.
    fn or_unknown(&self, appended: Result<Appended, Error>) -> Result<Appended, Error> {
        match appended {
            Err(error) if error.system.is_some() && self.shared.poisoned().is_some() => {
                let ticket = Ticket::default();
                ticket.settle(Err(error));
                Ok(Appended::Queued(ticket))
            }
            appended => appended,
        }
    }

    /// Asks for a sync of all that was appended so far, whatever the topic's flush is.
    pub fn flush(self: &Arc<Self>) {
        {
            lock(&self.gate).want_all();
        }
        self.is_to_be_looked_at();
    }

    /// The next batch begins a segment, so that what is there now can be deleted alone.
    pub fn begin_segment(&self) {
        let mut gate = lock(&self.gate);
        gate.begins_segment = gate.written.position > 0;
    }

    /// Its topic was deleted.
    pub(crate) fn delete(self: &Arc<Self>) {
        // Release: pairs with the Acquire in `is_there`.
        self.is_deleted.store(true, Ordering::Release);
        self.is_to_be_looked_at();
    }

    /// Closes its files, whose names are gone, so that their bytes do not stay on the disk.
    pub(crate) fn let_go(&self) {
        let (appender, active) = {
            let mut gate = lock(&self.gate);
            (gate.appender.take(), gate.active.take())
        };
        let views = std::mem::take(&mut *write(&self.segments));
        for view in views {
            view.delete();
            view.let_go();
        }
        drop((appender, active));
    }

    fn takes(&self) -> Result<(), Error> {
        self.shared.takes()?;
        self.is_there()
    }

    /// Whether it can be used, at least for reading.
    ///
    /// # Errors
    ///
    /// `NotFound` when its topic was deleted; what makes it unavailable.
    pub fn is_there(&self) -> Result<(), Error> {
        if self.is_deleted.load(Ordering::Acquire) {
            let message = format!("topic {} was deleted", self.topic);
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        self.unavailable.clone().map_or(Ok(()), Err)
    }

    /// Whether the calling thread may write by itself.
    fn may_write(&self, bytes: usize, inline: bool) -> bool {
        let shared = &self.shared;
        // Relaxed: a bound that may be overshot by what is on its way.
        !shared.keeps
            || (inline
                && bytes <= INLINE_WRITE_BYTES
                && shared.unsynced.load(Ordering::Relaxed) < shared.config.unsynced_bytes
                && !shared.slow.is_at(shared.now()))
    }

    fn append_with(
        self: &Arc<Self>,
        mut appender: Box<Appender>,
        input: &Input<'_>,
        writer: &Writer,
    ) -> Result<Appended, Error> {
        let result = match appender.encode(input, writer.compression, writer.mark) {
            Ok(batch) => self.write_here(&mut appender, batch),
            Err(error) => Err(error),
        };
        let (appended, back) = match result {
            Ok(Wrote::Now(written)) => (Ok(Appended::Written(written)), None),
            Ok(Wrote::Before(written)) => (Ok(Appended::Duplicate(written)), None),
            Ok(Wrote::Full(batch)) => {
                let ticket = Ticket::default();
                let queued = self.queued(Body::Batch(batch), &ticket, writer.acks);
                (Ok(Appended::Queued(ticket)), Some(queued))
            }
            Err(error) => (Err(error), None),
        };
        self.put_back(appender, back, writer.acks == Acks::All);
        appended
    }

    /// A failure after which nothing may be written any more; unless the files are gone because the topic is.
    pub(crate) fn poison(&self, error: &Error) {
        if !self.is_deleted.load(Ordering::Acquire) {
            self.shared.poison(error.clone());
        }
    }

    fn queued(&self, body: Body, ticket: &Ticket, acks: Acks) -> Queued {
        let bytes = body.bytes();
        self.shared.queued.fetch_add(bytes, Ordering::Relaxed);
        Queued {
            body,
            bytes,
            ticket: ticket.clone(),
            acks,
        }
    }

    /// Leaves the batch to the committer, and encodes it on this thread unless there is much to compress.
    fn enqueue(self: &Arc<Self>, input: &Input<'_>, writer: &Writer) -> Result<Appended, Error> {
        let waiting = self.shared.queued.load(Ordering::Relaxed);
        let more = input.data.len() as u64;
        let most = self.shared.config.queued_bytes;
        // Who reads and commits where he is does not fail because others append more than the disk takes.
        let most = if self.topic == 0 { 2 * most } else { most };
        // One batch is taken whatever its size is.
        if waiting > 0 && waiting.saturating_add(more) > most {
            let message = format!("{waiting} bytes wait to be written, of at most {most}");
            return Err(Error::new(ErrorKind::Full, message));
        }
        let body = if Body::is_work(input, writer) {
            Body::records(input, writer)?
        } else {
            let mut encoder = Encoder::new(self.options.max_batch_bytes);
            Body::Batch(encoder.encode(input, writer.compression, writer.mark)?)
        };
        let ticket = Ticket::default();
        let queued = self.queued(body, &ticket, writer.acks);
        let here = {
            let mut gate = lock(&self.gate);
            if gate.is_closed {
                let waiting = &self.shared.queued;
                waiting.fetch_sub(queued.bytes, Ordering::Relaxed);
                return Err(closed());
            }
            gate.queue.push_back(queued);
            // Nobody else writes where there is no committer.
            let here = !self.shared.keeps;
            here.then(|| gate.appender.take()).flatten()
        };
        match here {
            Some(appender) => self.put_back(appender, None, false),
            None => self.is_to_be_looked_at(),
        }
        Ok(Appended::Queued(ticket))
    }

    /// Gives the appender back, and tells who must know.
    pub(crate) fn put_back(
        self: &Arc<Self>,
        mut appender: Box<Appender>,
        first: Option<Queued>,
        all: bool,
    ) {
        let keeps = self.shared.keeps;
        let mark = appender.segment().mark();
        if keeps {
            self.ends.set_written(mark.next_offset);
            let leaves = self.return_appender(&mut lock(&self.gate), appender, first, all);
            match leaves {
                Leaves::Nothing => {}
                Leaves::Unsynced => self.is_listed(),
                Leaves::Queued => self.is_to_be_looked_at(),
            }
            if self.options.flush != Flush::Always && self.show(mark.next_offset) {
                self.shared.observers.progressed(&[Arc::clone(self)]);
            }
            return;
        }
        loop {
            let drained = self.drain(&mut appender);
            let mark = appender.segment().mark();
            self.ends.set_written(mark.next_offset);
            self.ends.set_durable(mark.next_offset);
            *lock(&self.durable) = mark;
            if self.show(mark.next_offset) || drained.is_awaited || drained.wants_sync {
                self.shared.observers.progressed(&[Arc::clone(self)]);
            }
            let mut gate = lock(&self.gate);
            // Who came since the look at the queue found no appender, and went.
            if gate.queue.is_empty() {
                self.return_appender(&mut gate, appender, None, false);
                return;
            }
        }
    }

    /// The appender is where others find it.
    fn return_appender(
        &self,
        gate: &mut Gate,
        appender: Box<Appender>,
        first: Option<Queued>,
        all: bool,
    ) -> Leaves {
        let mark = appender.segment().mark();
        let always = self.options.flush == Flush::Always;
        let grown = mark.next_offset > gate.written.next_offset;
        let same = mark.segment == gate.written.segment;
        let before = if same { gate.written.position } else { 0 };
        if grown && always && self.shared.keeps {
            let bytes = u64::from(mark.position.saturating_sub(before));
            gate.unsynced += bytes;
            self.shared.unsynced.fetch_add(bytes, Ordering::Relaxed);
        }
        if let Some(active) = &gate.active {
            active.view.has_checked(before, mark.position);
        }
        gate.written = mark;
        gate.in_hand = None;
        gate.appender = Some(appender);
        if let Some(first) = first {
            gate.queue.push_front(first);
        }
        if all {
            gate.wanted = gate.wanted.max(mark.next_offset);
        }
        let timed = match self.options.flush {
            Flush::Every(ms) if grown && gate.due.is_none() => {
                gate.due = Some(self.shared.now() + Duration::from_millis(u64::from(ms)));
                true
            }
            _ => false,
        };
        if !gate.queue.is_empty() {
            Leaves::Queued
        } else if timed || (grown && (all || always)) {
            Leaves::Unsynced
        } else {
            Leaves::Nothing
        }
    }

    /// What is written so far was not looked at since it was closed cleanly: reads check it.
    pub(crate) fn is_unscanned(&self) {
        if let Some(active) = &lock(&self.gate).active {
            active.view.is_unchecked();
        }
    }

    /// Moves the visible end; whether a reader waits for that.
    pub(crate) fn show(&self, end: u64) -> bool {
        self.ends.show(end)
    }

    /// Puts it in the committer's list, if it is not there. He looks at it when he is nudged.
    fn is_listed(self: &Arc<Self>) {
        if self.listed.enter() {
            self.shared.work.add(Arc::clone(self));
        }
    }

    /// Has the committer look at it. Also where it is in the list: who put it there may nudge later.
    pub(crate) fn is_to_be_looked_at(self: &Arc<Self>) {
        self.is_listed();
        self.shared.work.nudge();
    }

    /// The committer has it now.
    pub(crate) fn is_looked_at(&self) {
        self.listed.leave();
    }

    /// Writes what is queued. For the committer alone.
    pub(crate) fn write_queued(self: &Arc<Self>) -> Emptied {
        if let Err(gone) = self.is_there() {
            return Emptied {
                is_busy: false,
                is_awaited: self.fail_queued(&gone),
            };
        }
        let appender = {
            let mut gate = lock(&self.gate);
            if gate.queue.is_empty() && gate.appender.is_some() {
                return Emptied::default();
            }
            gate.appender.take()
        };
        let Some(mut appender) = appender else {
            return Emptied {
                is_busy: true,
                is_awaited: false,
            };
        };
        let done = self.drain(&mut appender);
        self.put_back(appender, None, done.wants_sync);
        Emptied {
            is_busy: false,
            is_awaited: done.is_awaited,
        }
    }
}
