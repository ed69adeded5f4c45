use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use crate::gate::Dirty;
use crate::shared::Shared;
use crate::syncing::Need;
use crate::{Error, Partition, Store};

/// Makes durable what is written, in groups: what comes while one sync runs is the next group. It has no thread of its
/// own; each [`Committer::step`] is one group.
#[derive(Default)]
pub struct Committer {
    /// What this group looks at.
    list: Vec<Arc<Partition>>,
    /// What must be durable by a certain time.
    timed: HashMap<Place, (Duration, Arc<Partition>)>,
    told: Vec<Arc<Partition>>,
}

/// What a step did.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// There was nothing to do.
    Idle,
    /// Something was written or made durable.
    Worked,
    /// Somebody writes still, and says so when he is ready.
    Waiting,
    /// Nothing is taken any more.
    Poisoned,
}

impl Committer {
    /// One that has seen nothing yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Writes what is queued, makes durable what must be, tells who waits for it.
    pub fn step(&mut self, store: &Store) -> Step {
        let shared = store.shared();
        self.collect(shared);
        if let Some(error) = shared.poisoned_error() {
            return self.refuse(shared, &error);
        }
        let busy = self.write(shared);
        if let Some(error) = shared.poisoned_error() {
            return self.refuse(shared, &error);
        }
        let worked = self.sync(shared, store.syncs_all());
        if let Some(error) = shared.poisoned_error() {
            return self.refuse(shared, &error);
        }
        for partition in &self.list {
            partition.allocate_ahead();
        }
        let any = !self.list.is_empty();
        self.list.clear();
        match (worked, busy) {
            (true, _) => Step::Worked,
            (false, true) => Step::Waiting,
            (false, false) if any && !shared.work.is_empty() => Step::Worked,
            (false, false) => Step::Idle,
        }
    }

    /// When the next step must be at the latest, by the monotonic clock.
    #[must_use]
    pub fn due(&self) -> Option<Duration> {
        self.timed.values().map(|timed| timed.0).min()
    }

    /// What is to be looked at: what says so, and what has its time.
    fn collect(&mut self, shared: &Shared) {
        shared.work.take(&mut self.list);
        for partition in &self.list {
            partition.is_looked_at();
        }
        if !self.timed.is_empty() {
            let now = shared.now();
            let listed: HashSet<Place> = self.list.iter().map(|one| place(one)).collect();
            let due = self.timed.extract_if(|_, timed| timed.0 <= now);
            let due = due.filter(|(place, _)| !listed.contains(place));
            self.list.extend(due.map(|(_, (_, partition))| partition));
        }
    }

    /// Writes what is queued; whether somebody else writes at this moment. He is not waited for, and what he has written
    /// before is synced nevertheless: who spins beside a disk takes from it the processor that completes its work.
    fn write(&mut self, shared: &Shared) -> bool {
        let mut busy = false;
        self.told.clear();
        for partition in &self.list {
            let emptied = partition.write_queued();
            busy |= emptied.is_busy;
            if emptied.is_awaited {
                self.told.push(Arc::clone(partition));
            }
        }
        shared.observers.progressed(&self.told);
        busy
    }

    /// Makes durable what must be; whether there was anything.
    fn sync(&mut self, shared: &Shared, all: bool) -> bool {
        let now = shared.now();
        let mut group: Vec<(Arc<Partition>, Dirty)> = Vec::new();
        for partition in &self.list {
            match partition.need(now, all) {
                Need::Nothing => {}
                Need::At(due) => {
                    let timed = self.timed.entry(place(partition));
                    timed.or_insert_with(|| (due, Arc::clone(partition)));
                }
                Need::Now(dirty) => group.push((Arc::clone(partition), dirty)),
            }
        }
        self.told.clear();
        for (partition, dirty) in &group {
            if partition.sync(dirty).is_ok() {
                partition.is_synced(dirty);
                self.told.push(Arc::clone(partition));
            } else if shared.poisoned().is_some() {
                break;
            } else {
                // Its topic was deleted meanwhile, and who waits for it looks at that.
                partition.forget_unsynced(dirty);
                self.told.push(Arc::clone(partition));
            }
        }
        if !self.told.is_empty() {
            shared.counts.synced();
        }
        shared.observers.progressed(&self.told);
        !group.is_empty()
    }

    /// Fails what waits, since nothing is written any more.
    fn refuse(&mut self, shared: &Shared, error: &Error) -> Step {
        self.told.clear();
        for partition in self.list.drain(..) {
            if partition.fail_queued(error) {
                self.told.push(partition);
            }
        }
        self.timed.clear();
        shared.observers.progressed(&self.told);
        Step::Poisoned
    }
}

/// A topic's number and a partition's.
type Place = (u32, u32);

fn place(partition: &Partition) -> Place {
    (partition.topic(), partition.number())
}
