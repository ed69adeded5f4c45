use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::Thread;
use std::time::Duration;

use crate::chores::Chores;
use crate::locks::lock;
use crate::open_files::OpenFiles;
use crate::slow::Slow;
use crate::{Clock, Config, Disk, Error, ErrorKind, Event, Observer, Partition};

/// What all partitions of a directory share.
pub(crate) struct Shared {
    pub(crate) disk: Arc<dyn Disk>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) config: Config,
    /// Whether anything outlives the process; else durable is what is written.
    pub(crate) keeps: bool,
    pub(crate) work: Work,
    pub(crate) chores: Chores,
    pub(crate) observers: Observers,
    pub(crate) slow: Slow,
    pub(crate) files: OpenFiles,
    /// Bytes of batches that wait to be written.
    pub(crate) queued: AtomicU64,
    /// Bytes that are written and not durable, of partitions whose every record becomes durable at once.
    pub(crate) unsynced: AtomicU64,
    pub(crate) counts: Counts,
    /// Something became durable that the last checkpoint does not tell.
    pub(crate) stale: AtomicBool,
    poisoned: OnceLock<Error>,
    closing: AtomicBool,
}

impl Shared {
    pub(crate) fn new(disk: Arc<dyn Disk>, clock: Arc<dyn Clock>, config: &Config) -> Self {
        Self {
            keeps: disk.keeps(),
            disk,
            clock,
            config: *config,
            work: Work::default(),
            chores: Chores::default(),
            observers: Observers::default(),
            slow: Slow::default(),
            files: OpenFiles::default(),
            queued: AtomicU64::new(0),
            unsynced: AtomicU64::new(0),
            counts: Counts::default(),
            stale: AtomicBool::new(false),
            poisoned: OnceLock::new(),
            closing: AtomicBool::new(false),
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.clock.monotonic()
    }

    /// The first failure after which nothing may be written any more.
    pub(crate) fn poisoned(&self) -> Option<&Error> {
        self.poisoned.get()
    }

    /// Takes nothing more. Only the first error counts.
    pub(crate) fn poison(&self, error: Error) {
        if self.poisoned.set(error.clone()).is_ok() {
            self.observers.happened(&Event::Poisoned(error));
            self.work.nudge();
        }
    }

    /// What a caller hears when the directory is poisoned.
    pub(crate) fn poisoned_error(&self) -> Option<Error> {
        let error = self.poisoned()?;
        let message = format!(
            "nothing is stored any more until the directory is opened again: {}",
            error.message
        );
        Some(Error {
            message,
            ..error.clone()
        })
    }

    pub(crate) fn is_closing(&self) -> bool {
        // Acquire: pairs with the Release in `begin_close`.
        self.closing.load(Ordering::Acquire)
    }

    /// `true` if it was not closing before.
    pub(crate) fn begin_close(&self) -> bool {
        let first = !self.closing.swap(true, Ordering::AcqRel);
        self.work.nudge();
        self.chores.nudge();
        first
    }

    /// Whether anything may be written.
    pub(crate) fn takes(&self) -> Result<(), Error> {
        match self.poisoned_error() {
            Some(error) => Err(error),
            None if self.is_closing() => Err(closed()),
            None => Ok(()),
        }
    }
}

pub(crate) fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the directory is closed")
}

/// What was done since the directory was opened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Batches that were written.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of them.
    pub bytes: u64,
    /// Groups that were made durable.
    pub syncs: u64,
    /// Bytes of batches that wait to be written.
    pub queued_bytes: u64,
}

// Relaxed in all: they are told and decide nothing.
#[derive(Default)]
pub(crate) struct Counts {
    batches: AtomicU64,
    records: AtomicU64,
    bytes: AtomicU64,
    syncs: AtomicU64,
}

impl Counts {
    pub(crate) fn wrote(&self, records: u32, bytes: u32) {
        self.batches.fetch_add(1, Ordering::Relaxed);
        self.records
            .fetch_add(u64::from(records), Ordering::Relaxed);
        self.bytes.fetch_add(u64::from(bytes), Ordering::Relaxed);
    }

    pub(crate) fn synced(&self) {
        self.syncs.fetch_add(1, Ordering::Relaxed);
    }

    pub(crate) fn stats(&self, queued_bytes: u64) -> Stats {
        Stats {
            batches: self.batches.load(Ordering::Relaxed),
            records: self.records.load(Ordering::Relaxed),
            bytes: self.bytes.load(Ordering::Relaxed),
            syncs: self.syncs.load(Ordering::Relaxed),
            queued_bytes,
        }
    }
}

/// The partitions that the committer must look at.
#[derive(Default)]
pub(crate) struct Work {
    list: Mutex<Vec<Arc<Partition>>>,
    /// Seen without the lock.
    is_some: AtomicBool,
    committer: OnceLock<Thread>,
}

impl Work {
    pub(crate) fn add(&self, partition: Arc<Partition>) {
        let mut list = lock(&self.list);
        list.push(partition);
        // Release: pairs with the Acquire in `is_empty`. Changed under the lock alone, so it agrees with the list.
        self.is_some.store(true, Ordering::Release);
    }

    /// Costs a system call only if the committer sleeps.
    pub(crate) fn nudge(&self) {
        if let Some(thread) = self.committer.get() {
            thread.unpark();
        }
    }

    /// Moves all into `list`.
    pub(crate) fn take(&self, list: &mut Vec<Arc<Partition>>) {
        let mut all = lock(&self.list);
        self.is_some.store(false, Ordering::Release);
        list.append(&mut all);
    }

    pub(crate) fn is_empty(&self) -> bool {
        !self.is_some.load(Ordering::Acquire)
    }

    /// Says which thread is to be nudged.
    pub(crate) fn is_done_by(&self, thread: Thread) {
        // There is one committer, so this is set once.
        let _ = self.committer.set(thread);
    }
}

/// Who wants to hear of what happens.
#[derive(Default)]
pub(crate) struct Observers {
    list: Mutex<(u64, Arc<[Numbered]>)>,
}

type Numbered = (u64, Arc<dyn Observer>);

impl Observers {
    pub(crate) fn add(&self, observer: Arc<dyn Observer>) -> u64 {
        let mut list = lock(&self.list);
        list.0 += 1;
        let number = list.0;
        let all = list.1.iter().cloned();
        list.1 = all.chain([(number, observer)]).collect();
        number
    }

    pub(crate) fn remove(&self, number: u64) {
        let mut list = lock(&self.list);
        let left = list.1.iter().filter(|one| one.0 != number).cloned();
        list.1 = left.collect();
    }

    /// Those of this moment: they are called without the lock.
    fn all(&self) -> Arc<[Numbered]> {
        Arc::clone(&lock(&self.list).1)
    }

    pub(crate) fn progressed(&self, partitions: &[Arc<Partition>]) {
        if partitions.is_empty() {
            return;
        }
        for (_, observer) in self.all().iter() {
            observer.progressed(partitions);
        }
    }

    pub(crate) fn happened(&self, event: &Event) {
        for (_, observer) in self.all().iter() {
            observer.happened(event);
        }
    }
}
