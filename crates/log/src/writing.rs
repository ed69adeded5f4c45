//! How batches get into the segments of a partition. Whoever is here has the appender, and is alone.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::batch::{Encoded, Header};
use crate::chores::Chore;
use crate::gate::Synced;
use crate::locks::{lock, write};
use crate::queued::Queued;
use crate::view::SegmentView;
use crate::{
    Acks, Appended, Appender, Error, ErrorKind, Flush, Outcome, Partition, Segment, Ticket,
    Verdict, Written,
};

/// What became of a batch.
pub(crate) enum Wrote {
    /// It is written.
    Now(Written),
    /// Its producer has written it before.
    Before(Written),
    /// The segment has no room for it.
    Full(Encoded),
}

/// What came of writing a queue.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Drained {
    /// Somebody waits until it is durable.
    pub(crate) wants_sync: bool,
    /// Somebody waits for what was done.
    pub(crate) is_awaited: bool,
}

/// Full segments that may wait to become durable.
const MOST_FULL: usize = 2;
/// Producers are forgotten so long after their last batch.
const FORGOTTEN_MS: i64 = 7 * 24 * 3_600_000;

impl Partition {
    /// Writes on the calling thread, and takes note of how long that took.
    pub(crate) fn write_here(
        self: &Arc<Self>,
        appender: &mut Appender,
        batch: Encoded,
    ) -> Result<Wrote, Error> {
        let shared = &self.shared;
        if !shared.keeps {
            return self.write_or_roll(appender, batch);
        }
        let before = shared.now();
        let wrote = self.write(appender, batch);
        let after = shared.now();
        shared.slow.wrote(after, after.saturating_sub(before));
        wrote
    }

    /// Writes what is queued at this moment, in order.
    pub(crate) fn drain(self: &Arc<Self>, appender: &mut Appender) -> Drained {
        let mut drained = Drained::default();
        let many = lock(&self.gate).queue.len();
        for _ in 0..many {
            let queued = {
                let mut gate = lock(&self.gate);
                let queued = gate.queue.pop_front();
                gate.in_hand = queued.as_ref().map(Queued::coming);
                queued
            };
            let Some(queued) = queued else {
                break;
            };
            let of = queued.coming().of;
            let result = match self.takes_queued() {
                Ok(()) => {
                    let batch = queued.body.into_batch(appender);
                    batch.and_then(|batch| self.write_or_roll(appender, batch))
                }
                Err(error) => Err(error),
            };
            let waiting = &self.shared.queued;
            waiting.fetch_sub(queued.bytes, Ordering::Relaxed);
            let outcome = match result {
                Ok(Wrote::Now(written) | Wrote::Before(written)) => Ok(written),
                Ok(Wrote::Full(_)) => {
                    let message = "a batch has no room in an empty segment";
                    Err(Error::new(ErrorKind::TooLarge, message))
                }
                // Files that are gone fail because the topic is.
                Err(error) => Err(self.is_there().err().unwrap_or(error)),
            };
            if let (Err(_), Some((mark, _))) = (&outcome, of) {
                lock(&self.producers).refuse(&mark);
            }
            drained.wants_sync |= queued.acks == Acks::All && outcome.is_ok();
            // Who waits for the sync hears after it.
            drained.is_awaited |= queued.acks != Acks::All || outcome.is_err();
            queued.ticket.settle(outcome);
        }
        drained
    }

    /// What is queued when closing begins is written still.
    fn takes_queued(&self) -> Result<(), Error> {
        self.shared.poisoned_error().map_or(Ok(()), Err)?;
        self.is_there()
    }

    fn write_or_roll(
        self: &Arc<Self>,
        appender: &mut Appender,
        batch: Encoded,
    ) -> Result<Wrote, Error> {
        let begins = std::mem::take(&mut lock(&self.gate).begins_segment);
        if begins && appender.segment().size > 0 {
            self.roll(appender)?;
        }
        match self.write(appender, batch)? {
            Wrote::Full(batch) => {
                self.roll(appender)?;
                self.write(appender, batch)
            }
            wrote => Ok(wrote),
        }
    }

    fn write(&self, appender: &mut Appender, batch: Encoded) -> Result<Wrote, Error> {
        let mut header = *batch.header();
        if let Some(written) = self.judge(&header)? {
            return Ok(Wrote::Before(written));
        }
        match appender.write(batch) {
            Ok(Outcome::Written {
                base_offset: base,
                next_offset: end,
            }) => {
                self.shared.counts.wrote(header.count, header.size);
                if header.producer.is_some() {
                    header.base_offset = base;
                    lock(&self.producers).add(&header, self.shared.clock.wall_ms());
                }
                Ok(Wrote::Now(Written { base, end }))
            }
            Ok(Outcome::Full(batch)) => Ok(Wrote::Full(batch)),
            Err(error) => {
                // A write that failed for another reason than room may have torn what is before it.
                if error.kind == ErrorKind::Storage && error.system.is_some() {
                    self.poison(&error);
                }
                Err(error)
            }
        }
    }

    /// Whether a producer has written it before; refuses it if it left out a number.
    fn judge(&self, header: &Header) -> Result<Option<Written>, Error> {
        let Some(mark) = &header.producer else {
            return Ok(None);
        };
        let refuse = |why: String| {
            let message = format!("record {} of writer {}: {why}", mark.sequence, mark.id);
            Err(Error::new(ErrorKind::OutOfOrder, message))
        };
        let verdict = lock(&self.producers).check(mark, header.count);
        match verdict {
            Verdict::New | Verdict::Next => Ok(None),
            Verdict::Duplicate { base_offset: base } => {
                let end = base + u64::from(header.count);
                Ok(Some(Written { base, end }))
            }
            Verdict::Overlap { stored } => refuse(format!(
                "{stored} of its {} records were stored before; leave them out",
                header.count
            )),
            Verdict::Gap { expected } => refuse(format!("record {expected} must come next")),
            Verdict::Fenced { epoch } => refuse(format!("a newer one writes, with epoch {epoch}")),
        }
    }

    /// Number of the last record of a producer that is stored or queued; `None` if nothing is known of him.
    #[must_use]
    pub fn last_sequence(&self, producer: u64) -> Option<u32> {
        self.last_of(producer).map(|last| last.0)
    }

    /// The same, and where the batch is that it came with: stored, or what tells when.
    #[must_use]
    pub fn last_of(&self, producer: u64) -> Option<(u32, Appended)> {
        let gate = lock(&self.gate);
        let queued = gate.queue.iter().rev().map(Queued::coming);
        let coming = queued.chain(gate.in_hand.clone());
        let mut own = coming.filter_map(|one| Some((one.last_sequence(producer)?, one.ticket)));
        if let Some((last, ticket)) = own.next() {
            return Some((last, Appended::Queued(ticket)));
        }
        let producers = lock(&self.producers);
        let (base, end) = producers.last_offsets(producer)?;
        let place = Appended::Written(Written { base, end });
        Some((producers.last_sequence(producer)?, place))
    }

    /// The last of those that wait to be written, if there are any.
    #[must_use]
    pub fn last_queued(&self) -> Option<Ticket> {
        let gate = lock(&self.gate);
        let queued = gate.queue.back().map(Queued::coming);
        queued
            .or_else(|| gate.in_hand.clone())
            .map(|one| one.ticket)
    }

    /// The highest id of a producer that has stored something.
    pub(crate) fn highest_producer(&self) -> Option<u64> {
        lock(&self.producers).highest()
    }

    /// Goes on in a new segment.
    fn roll(self: &Arc<Self>, appender: &mut Appender) -> Result<(), Error> {
        let shared = &self.shared;
        if shared.keeps && self.options.flush == Flush::Os {
            while lock(&self.gate).full.len() >= MOST_FULL {
                self.sync_full()?;
            }
            // A segment without the one before it would be the beginning of the log.
            self.sync_new_names()?;
        } else if shared.keeps {
            // What follows must not be durable before this is.
            self.sync_active(appender)?;
        }
        let base = appender.segment().next_offset;
        let next = Segment::create(&*shared.disk, &self.folder, base)?;
        let active = Synced {
            view: Arc::new(SegmentView::active(&next)),
            file: Arc::clone(&next.file),
        };
        let full = appender.roll(next)?;
        write(&self.segments).push(Arc::clone(&active.view));
        let before = {
            let mut gate = lock(&self.gate);
            gate.names += 1;
            gate.began_ms = i64::MAX;
            let before = gate.active.replace(active);
            if self.options.flush == Flush::Os && shared.keeps {
                gate.full.extend(before.clone());
            }
            before
        };
        let Some(Synced { view, .. }) = before else {
            return Ok(());
        };
        let wall_ms = shared.clock.wall_ms();
        view.seal(full.next_offset, full.size, wall_ms);
        if shared.keeps && self.options.flush == Flush::Os {
            shared.chores.add(Chore::SyncFull(Arc::clone(self)));
        }
        let producers = {
            let mut producers = lock(&self.producers);
            producers.forget_before(wall_ms.saturating_sub(FORGOTTEN_MS));
            producers.clone()
        };
        let seal = Chore::Seal(Arc::clone(self), view, producers);
        shared.chores.add(seal);
        Ok(())
    }
}
