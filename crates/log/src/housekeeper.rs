//! What is done beside appending and reading, one small step at a time.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::chores::Chore;
use crate::locks::{lock, read, write};
use crate::marks::Mark;
use crate::opening::{CHECKPOINTS, delete_segment, topic_folder};
use crate::retention::{Old, Wall, WallWatch, due};
use crate::shared::Shared;
use crate::small_file::{overwrite, remove_tree, sync_folder};
use crate::view::SegmentView;
use crate::{
    Checkpoint, Error, ErrorKind, Event, Partition, PartitionMark, Producers, Segment, Store,
    TopicNumber, load_seal, save_producers, save_sidecars,
};

/// What the housekeeper remembers. It alone takes this lock for longer than a moment.
pub(crate) struct Keeping {
    /// Of the last checkpoint.
    sequence: u64,
    /// Which file is next.
    next_file: usize,
    /// The files have their names durably.
    are_named: bool,
    saved_at: Duration,
    /// The last checkpoint could not be written.
    has_failed: bool,
    retained_at: Duration,
    wall: WallWatch,
    /// What they say is in the next checkpoint.
    marks: Vec<Mark>,
}

/// How often a checkpoint is written, and with many partitions.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
const CHECKPOINT_SELDOM: Duration = Duration::from_secs(10);
const MANY_PARTITIONS: usize = 10_000;
/// How long a segment is written, about.
const SEGMENT_MS: i64 = 7 * 24 * 3_600_000;
/// How often is looked for what is too old.
const RETAIN_EVERY: Duration = Duration::from_secs(30);

impl Keeping {
    pub(crate) fn new(sequence: u64, next_file: usize, marks: Vec<Mark>, shared: &Shared) -> Self {
        let mut wall = WallWatch::default();
        wall.look(shared.clock.wall_ms(), shared.now());
        Self {
            sequence,
            next_file,
            are_named: false,
            saved_at: shared.now(),
            has_failed: false,
            retained_at: shared.now(),
            wall,
            marks,
        }
    }
}

impl Store {
    /// One small step of what is to be done beside appending; `false` if there is nothing to do now.
    pub fn housekeep(&self) -> bool {
        // What has its time comes first: chores may come without end.
        if self.keep_time() {
            return true;
        }
        let Some(chore) = self.shared().chores.take() else {
            return false;
        };
        self.run(chore);
        true
    }

    /// Does what is due by the clock, if something is.
    fn keep_time(&self) -> bool {
        let shared = self.shared();
        if shared.poisoned().is_some() || shared.is_closing() {
            return false;
        }
        let now = shared.now();
        let (saved_at, retained_at) = {
            let keeping = lock(&self.keeping);
            (keeping.saved_at, keeping.retained_at)
        };
        if now.saturating_sub(retained_at) >= RETAIN_EVERY {
            self.retain();
            return true;
        }
        let is_stale = shared.stale.load(Ordering::Acquire);
        if is_stale && now.saturating_sub(saved_at) >= self.checkpoint_every() {
            let saved = self.save_checkpoint(false);
            let failed_before = {
                let mut keeping = lock(&self.keeping);
                std::mem::replace(&mut keeping.has_failed, saved.is_err())
            };
            // A full disk is told once, not every second.
            if !failed_before {
                self.or_warn("checkpoint", saved);
            }
            return true;
        }
        false
    }

    /// How long there is nothing to do, if no chore comes.
    pub(crate) fn next_chore(&self) -> Option<Duration> {
        let shared = self.shared();
        if shared.poisoned().is_some() || shared.is_closing() {
            return None;
        }
        let now = shared.now();
        let keeping = lock(&self.keeping);
        let left = |at: Duration, every: Duration| (at + every).saturating_sub(now);
        let retention = left(keeping.retained_at, RETAIN_EVERY);
        let checkpoint = left(keeping.saved_at, self.checkpoint_every());
        Some(if shared.stale.load(Ordering::Acquire) {
            retention.min(checkpoint)
        } else {
            retention
        })
    }

    fn checkpoint_every(&self) -> Duration {
        if self.count_of_partitions() > MANY_PARTITIONS {
            CHECKPOINT_SELDOM
        } else {
            CHECKPOINT_EVERY
        }
    }

    fn run(&self, chore: Chore) {
        let shared = self.shared();
        match chore {
            Chore::Fetch(fetch) => fetch.run_and_tell(),
            Chore::Job(job) => {
                if !shared.is_closing() {
                    job(self);
                }
            }
            _ if shared.poisoned().is_some() => {}
            Chore::Remove(folder) => {
                self.or_warn("deleting", remove_tree(&*shared.disk, &folder));
            }
            Chore::Bury(number) => self.or_warn("deleting", self.bury(number)),
            Chore::Seal(partition, view, producers) => {
                if shared.keeps {
                    self.or_warn("sealing", partition.seal(&view, &producers));
                }
                self.retain_all(&[partition]);
            }
            Chore::SyncFull(partition) => {
                // A failure has poisoned the directory, and says so itself.
                if partition.sync_full().is_ok() {
                    shared.observers.progressed(&[partition]);
                }
            }
        }
    }

    /// What fails here costs time later and loses nothing.
    fn or_warn(&self, what: &str, result: Result<(), Error>) {
        if let Err(error) = result {
            let warning = Event::Warning(format!("{what}: {}", error.message));
            self.shared().observers.happened(&warning);
        }
    }

    /// Writes what is surely durable. Marks that say no more than that go.
    pub(crate) fn save_checkpoint(&self, clean: bool) -> Result<(), Error> {
        let shared = self.shared();
        if let Some(error) = shared.poisoned_error() {
            return Err(error);
        }
        let marks = std::mem::take(&mut lock(&self.keeping).marks);
        if shared.keeps
            && let Err(error) = self.write_checkpoint(clean)
        {
            lock(&self.keeping).marks.extend(marks);
            return Err(error);
        }
        for mark in marks {
            // One that stays is removed when the directory is opened again.
            self.or_warn("deleting", mark.remove(&*shared.disk));
        }
        Ok(())
    }

    /// The same, at once if there is room. Else it is tried again and told as the others are, and nothing waits for it.
    fn save_if_room(&self) -> Result<(), Error> {
        match self.save_checkpoint(false) {
            Err(error) if error.kind == ErrorKind::NoSpace => Ok(()),
            saved => saved,
        }
    }

    fn write_checkpoint(&self, clean: bool) -> Result<(), Error> {
        let shared = self.shared();
        // Before the marks are read: what comes behind makes it stale again.
        shared.stale.store(false, Ordering::Release);
        let partitions = self.partitions();
        let marks = partitions.iter().map(|partition| partition.mark());
        let mut keeping = lock(&self.keeping);
        let checkpoint = Checkpoint {
            sequence: keeping.sequence + 1,
            clean,
            next_topic: self.next_topic(),
            boot: shared.disk.boot_id(),
            wall_ms: shared.clock.wall_ms(),
            partitions: marks.collect(),
        };
        let bytes = checkpoint.encode().ok_or_else(|| {
            Error::new(
                ErrorKind::Internal,
                "there are too many partitions for a checkpoint",
            )
        })?;
        let disk = &*shared.disk;
        let name = CHECKPOINTS
            .get(keeping.next_file)
            .copied()
            .unwrap_or_default();
        keeping.saved_at = shared.now();
        let saved = overwrite(disk, name, &bytes).and_then(|()| {
            if keeping.are_named {
                Ok(())
            } else {
                sync_folder(disk, "")
            }
        });
        if let Err(error) = saved {
            shared.stale.store(true, Ordering::Release);
            // A sync that failed is believed nowhere.
            if matches!(error.system, Some((_, "fdatasync" | "fsync"))) {
                shared.poison(error.clone());
            }
            return Err(error);
        }
        // Both files have been made once two were written.
        keeping.are_named = keeping.next_file == 1 && keeping.sequence > 0;
        keeping.sequence += 1;
        keeping.next_file = 1 - keeping.next_file;
        Ok(())
    }

    /// Deletes what is too old or too much, of all partitions.
    fn retain(&self) {
        lock(&self.keeping).retained_at = self.shared().now();
        self.retain_all(&self.partitions());
    }

    fn retain_all(&self, partitions: &[Arc<Partition>]) {
        let shared = self.shared();
        let wall_ms = shared.clock.wall_ms();
        let wall = lock(&self.keeping).wall.look(wall_ms, shared.now());
        if wall == Wall::Jumped {
            let warning = "the clock jumped forward by more than an hour; nothing is deleted by age until it has held for 10 minutes";
            shared.observers.happened(&Event::Warning(warning.into()));
        }
        let mut due = Vec::new();
        for partition in partitions {
            if wall == Wall::Good {
                partition.end_old_segment(wall_ms);
            }
            let old = partition.too_old(wall_ms, wall == Wall::Good);
            if !old.is_empty() {
                due.push((Arc::clone(partition), old));
            }
        }
        if !due.is_empty() {
            self.or_warn("retention", self.delete(&due));
        }
    }

    /// Deletes segments: first a mark says so, then nobody may begin to read them, then they go.
    fn delete(&self, due: &[(Arc<Partition>, Vec<Arc<SegmentView>>)]) -> Result<(), Error> {
        let shared = self.shared();
        let disk = &*shared.disk;
        for (partition, old) in due {
            let Some(start) = partition.start_without(old) else {
                continue;
            };
            if shared.keeps {
                let mark = Mark::start(&partition.folder, start);
                mark.make(disk)?;
                if let Err(error) = mark.settle(disk) {
                    partition.poison(&error);
                    return Err(error);
                }
                lock(&self.keeping).marks.push(mark);
            }
            partition.move_start(start);
            for view in old {
                view.delete();
                // Else its bytes would stay on the disk.
                view.let_go();
                delete_segment(disk, &partition.folder, view.base())?;
            }
        }
        self.save_if_room()
    }

    /// Removes what is left of a topic that is deleted. Its mark stays until a checkpoint is saved: till then nothing else
    /// keeps its number from being given out again, and what was durable of it from being told of another one.
    fn bury(&self, number: TopicNumber) -> Result<(), Error> {
        let folder = topic_folder(number);
        remove_tree(&*self.shared().disk, &folder)?;
        {
            let marks = &mut lock(&self.keeping).marks;
            // Those of its partitions have gone with it.
            marks.retain(|mark| !mark.is_below(&folder));
            marks.push(Mark::topic(number));
        }
        self.save_if_room()
    }

    /// Deletes whole segments of a partition whose records are all below `offset`; the active one stays. Takes as long as
    /// the disk does.
    ///
    /// # Errors
    ///
    /// `Storage`; nothing is deleted that the next opening would miss.
    pub fn delete_before(&self, partition: &Arc<Partition>, offset: u64) -> Result<(), Error> {
        self.shared().takes()?;
        let old = partition.wholly_below(offset);
        if old.is_empty() {
            return Ok(());
        }
        self.delete(&[(Arc::clone(partition), old)])
    }

    /// Writes indexes and the checkpoint that says that nothing needs a scan.
    pub(crate) fn leave_clean(&self) -> Result<(), Error> {
        let shared = self.shared();
        if !shared.keeps {
            return Ok(());
        }
        while let Some(chore) = shared.chores.take() {
            if let Chore::Seal(..) | Chore::Remove(_) | Chore::Bury(_) = &chore {
                self.run(chore);
            }
        }
        for partition in self.partitions() {
            // Without its indexes it is scanned when it is opened.
            self.or_warn("closing", partition.seal_active());
        }
        self.save_checkpoint(true)
    }
}

impl Partition {
    /// What a checkpoint says of it.
    fn mark(&self) -> PartitionMark {
        let durable = *lock(&self.durable);
        PartitionMark {
            topic: self.topic(),
            partition: self.number(),
            durable,
            start_offset: self.ends.start(),
        }
    }

    /// Writes the indexes of a full segment, and frees what was reserved behind it.
    fn seal(&self, view: &Arc<SegmentView>, producers: &Producers) -> Result<(), Error> {
        if view.is_deleted() || self.is_there().is_err() {
            return Ok(());
        }
        let disk = &*self.shared.disk;
        let indexer = self.make_ready(view)?;
        let Some(file) = view.file() else {
            return Ok(());
        };
        let segment = view.segment(view.end().unwrap_or_default(), indexer, file);
        save_sidecars(disk, &self.folder, &segment, view.last_append_ms())?;
        let end = segment.next_offset;
        save_producers(disk, &self.folder, end, producers)?;
        self.free_reserved(&segment)?;
        self.shared.files.used(view);
        Ok(())
    }

    /// The same for the segment that is written, when the store closes.
    fn seal_active(&self) -> Result<(), Error> {
        if self.is_there().is_err() {
            return Ok(());
        }
        let appender = lock(&self.gate).appender.take();
        let Some(appender) = appender else {
            return Ok(());
        };
        let segment = appender.segment();
        let disk = &*self.shared.disk;
        // One that has the same length was not added to since.
        let before = load_seal(disk, &self.folder, segment.base_offset, segment.size);
        let now = || self.shared.clock.wall_ms();
        let appended_ms = before.map_or_else(now, |seal| seal.appended_ms);
        save_sidecars(disk, &self.folder, segment, appended_ms)?;
        let end = segment.next_offset;
        let producers = lock(&self.producers).clone();
        save_producers(disk, &self.folder, end, &producers)?;
        self.free_reserved(segment)
    }

    fn free_reserved(&self, segment: &Segment) -> Result<(), Error> {
        let size = u64::from(segment.size);
        let freed = segment.file.set_size(size);
        freed.map_err(|error| Error::system("truncate", &segment.name, &error))
    }

    /// The oldest segments that are to be deleted by the topic's options.
    fn too_old(&self, wall_ms: i64, by_age: bool) -> Vec<Arc<SegmentView>> {
        let options = &self.options;
        if options.retention_ms.is_none() && options.retention_bytes.is_none() {
            return Vec::new();
        }
        let durable = self.ends.durable();
        let sealed: Vec<_> = {
            let segments = read(&self.segments);
            let sealed = segments.iter().filter(|view| view.end().is_some());
            sealed.map(Arc::clone).collect()
        };
        let old: Vec<Old> = sealed
            .iter()
            .take_while(|view| view.end().is_some_and(|end| end <= durable))
            .map(|view| Old {
                bytes: u64::from(view.size()),
                appended_ms: view.last_append_ms(),
            })
            .collect();
        let active = u64::from(lock(&self.gate).written.position);
        let most_ms = options.retention_ms.filter(|_| by_age);
        let many = due(&old, active, most_ms, options.retention_bytes, wall_ms);
        sealed.into_iter().take(many).collect()
    }

    /// The next batch begins a segment, if the one that is written has been for long: what is in it can be deleted then.
    fn end_old_segment(&self, wall_ms: i64) {
        let mut gate = lock(&self.gate);
        if gate.written.position == 0 {
            gate.began_ms = i64::MAX;
        } else if gate.began_ms == i64::MAX {
            gate.began_ms = wall_ms;
        } else if wall_ms.saturating_sub(gate.began_ms) > SEGMENT_MS {
            gate.begins_segment = true;
        }
    }

    /// Segments whose records are all below `offset`.
    fn wholly_below(&self, offset: u64) -> Vec<Arc<SegmentView>> {
        let limit = offset.min(self.ends.durable());
        let segments = read(&self.segments);
        let below = segments
            .iter()
            .take_while(|view| view.end().is_some_and(|end| end <= limit));
        below.map(Arc::clone).collect()
    }

    /// Where it begins without its oldest segments, `old`.
    fn start_without(&self, old: &[Arc<SegmentView>]) -> Option<u64> {
        let segments = read(&self.segments);
        segments.get(old.len()).map(|first| first.base())
    }

    /// Takes the segments before `start` out of what is read: another one begins there, and all before it is durable.
    fn move_start(&self, start: u64) {
        write(&self.segments).retain(|view| view.base() >= start);
        self.ends.set_start(start);
        let mut durable = lock(&self.durable);
        *durable = durable.not_before(start);
    }
}
