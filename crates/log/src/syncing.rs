//! How what is written to a partition becomes durable.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::gate::{Dirty, Synced};
use crate::locks::lock;
use crate::queued::Queued;
use crate::shared::closed;
use crate::{Appender, Durable, Error, Flush, Partition};

/// Whether there is something to make durable.
pub(crate) enum Need {
    /// No.
    Nothing,
    /// Not before that time.
    At(Duration),
    /// Now, this.
    Now(Dirty),
}

impl Partition {
    /// What is to be made durable; all that is written with `all`. For the committer alone.
    pub(crate) fn need(&self, now: Duration, all: bool) -> Need {
        let durable = self.ends.durable();
        let mut gate = lock(&self.gate);
        if gate.written.next_offset <= durable {
            return Need::Nothing;
        }
        let at_once = all || gate.wanted > durable || self.options.flush == Flush::Always;
        match gate.due {
            _ if at_once => Need::Now(gate.dirty()),
            Some(due) if due <= now => Need::Now(gate.dirty()),
            Some(due) => Need::At(due),
            None => Need::Nothing,
        }
    }

    /// Makes it durable. Whoever fails has poisoned the directory.
    pub(crate) fn sync(&self, dirty: &Dirty) -> Result<(), Error> {
        for segment in &dirty.segments {
            self.sync_file(segment)?;
        }
        if dirty.names.is_some() {
            self.sync_names()?;
        }
        Ok(())
    }

    /// Tells that it is durable.
    pub(crate) fn is_synced(&self, dirty: &Dirty) {
        lock(&self.gate).synced(dirty);
        self.forget_unsynced(dirty);
        self.is_durable(dirty.mark);
    }

    /// These bytes do not wait to be made durable any more.
    pub(crate) fn forget_unsynced(&self, dirty: &Dirty) {
        let unsynced = &self.shared.unsynced;
        unsynced.fetch_sub(dirty.unsynced, Ordering::Relaxed);
    }

    fn is_durable(&self, mark: Durable) {
        {
            let mut durable = lock(&self.durable);
            if (mark.next_offset, mark.segment) < (durable.next_offset, durable.segment) {
                return;
            }
            *durable = mark;
        }
        if !self.shared.stale.swap(true, Ordering::AcqRel) {
            self.shared.chores.nudge();
        }
        self.ends.set_durable(mark.next_offset);
        if self.options.flush == Flush::Always {
            self.show(mark.next_offset);
        }
    }

    /// The segment that is about to be full becomes durable before the next one has a name.
    pub(crate) fn sync_active(&self, appender: &Appender) -> Result<(), Error> {
        let Some(active) = lock(&self.gate).active.clone() else {
            return Ok(());
        };
        self.ends.set_written(appender.segment().next_offset);
        self.sync_file(&active)?;
        self.sync_new_names()?;
        self.is_durable(appender.segment().mark());
        Ok(())
    }

    /// Makes the oldest full segment durable that is not yet. There must be nobody else who does.
    pub(crate) fn sync_full(&self) -> Result<(), Error> {
        let (oldest, names) = {
            let gate = lock(&self.gate);
            let names = (gate.names > gate.synced_names).then_some(gate.names);
            (gate.full.first().cloned(), names)
        };
        let Some(oldest) = oldest else {
            return Ok(());
        };
        self.sync_file(&oldest)?;
        if names.is_some() {
            self.sync_names()?;
        }
        let done = Dirty {
            mark: Durable {
                segment: oldest.view.base(),
                position: oldest.view.size(),
                next_offset: oldest.view.end().unwrap_or_default(),
            },
            segments: vec![oldest],
            names,
            unsynced: 0,
        };
        self.is_synced(&done);
        Ok(())
    }

    fn sync_file(&self, segment: &Synced) -> Result<(), Error> {
        let failed = |error| Error::system("fdatasync", segment.view.name(), &error);
        self.or_poisoned(segment.file.sync_data().map_err(failed))
    }

    /// Makes the names of segments durable that are not yet.
    pub(crate) fn sync_new_names(&self) -> Result<(), Error> {
        let names = {
            let gate = lock(&self.gate);
            (gate.names > gate.synced_names).then_some(gate.names)
        };
        if let Some(names) = names {
            self.sync_names()?;
            let mut gate = lock(&self.gate);
            gate.synced_names = gate.synced_names.max(names);
        }
        Ok(())
    }

    fn sync_names(&self) -> Result<(), Error> {
        let failed = |error| Error::system("fsync", &self.folder, &error);
        let done = self.shared.disk.sync_folder(&self.folder);
        self.or_poisoned(done.map_err(failed))
    }

    /// After a failed sync nobody knows what is durable; and asking again would be answered wrongly.
    fn or_poisoned(&self, result: Result<(), Error>) -> Result<(), Error> {
        if let Err(error) = &result {
            self.poison(error);
        }
        result
    }

    /// Fails all that waits to be written. For a directory that takes nothing more.
    pub(crate) fn fail_queued(&self, error: &Error) -> bool {
        let queue = std::mem::take(&mut lock(&self.gate).queue);
        self.fail_all(queue, error)
    }

    /// Takes nothing more, and fails what came too late to be written.
    pub(crate) fn close(&self) {
        let queue = {
            let mut gate = lock(&self.gate);
            gate.is_closed = true;
            std::mem::take(&mut gate.queue)
        };
        self.fail_all(queue, &closed());
    }

    fn fail_all(&self, queue: VecDeque<Queued>, error: &Error) -> bool {
        let any = !queue.is_empty();
        for queued in queue {
            let queued_bytes = &self.shared.queued;
            queued_bytes.fetch_sub(queued.bytes, Ordering::Relaxed);
            queued.fail(error);
        }
        any
    }

    /// Reserves room ahead of what is written, if little is left. For the committer alone.
    pub(crate) fn allocate_ahead(self: &Arc<Self>) {
        let appender = {
            let mut gate = lock(&self.gate);
            let wants = gate.appender.as_ref().is_some_and(|one| one.wants_room());
            wants.then(|| gate.appender.take()).flatten()
        };
        if let Some(mut appender) = appender {
            appender.allocate_ahead();
            self.put_back(appender, None, false);
        }
    }
}
