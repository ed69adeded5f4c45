use std::collections::{BTreeMap, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, RwLock};
use std::time::{Duration, Instant};

use crate::chores::Chore;
use crate::committer::{Committer, Step};
use crate::housekeeper::Keeping;
use crate::locks::{lock, read, write};
use crate::marks::Mark;
use crate::numbers::Numbers;
use crate::opening::{self, CREATING, Found, META, TOPICS, topic_folder};
use crate::partition::Opened;
use crate::shared::{Shared, Stats};
use crate::small_file::{make_folder, overwrite, remove_tree, sync_folder};
use crate::topic_file::TopicFile;
use crate::view::SegmentView;
use crate::{
    Appender, Clock, Config, Disk, Error, ErrorKind, Event, Lock, Observer, Partition, Report,
    Segment, TopicName, TopicOptions,
};

/// Number of a topic: from 1 on, and never used again. 0 is that of positions.
pub type TopicNumber = u32;

/// What is known of a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topic {
    /// Its number.
    pub number: TopicNumber,
    /// Its id: a topic that is made again under an old name has another.
    pub id: [u8; 16],
    /// Its name.
    pub name: TopicName,
    /// When it was created, in ms since 1970.
    pub created_ms: i64,
    /// What was decided then.
    pub options: TopicOptions,
}

/// A directory of topics that is open. Shared by all threads; knows how to do everything, and has no thread of its own:
/// [`crate::Threads`] drives it, or a test.
pub struct Store {
    shared: Arc<Shared>,
    topics: RwLock<Topics>,
    positions: Arc<Partition>,
    lock: Mutex<Option<Box<dyn Lock>>>,
    pub(crate) keeping: Mutex<Keeping>,
    has_threads: AtomicBool,
    /// All is to be made durable, whatever a topic's flush is.
    syncs_all: AtomicBool,
    life: Mutex<Life>,
    changed: Condvar,
}

/// A topic that is open.
pub(crate) struct Serving {
    pub(crate) topic: Arc<Topic>,
    pub(crate) partitions: Vec<Arc<Partition>>,
}

/// All topics.
pub(crate) struct Topics {
    pub(crate) by_number: BTreeMap<TopicNumber, Arc<Serving>>,
    pub(crate) by_name: HashMap<TopicName, TopicNumber>,
    /// Names of topics that are being made.
    pub(crate) reserved: HashMap<TopicName, TopicNumber>,
    pub(crate) numbers: Numbers,
}

/// How far closing has come.
#[derive(Debug)]
enum Life {
    Open,
    /// Nothing is written any more.
    Synced,
    Closed(Option<Error>),
}

impl Store {
    /// Opens a directory, or makes one. Takes as long as the disk does.
    ///
    /// # Errors
    ///
    /// `Locked` if another process has it (with what it left in the lock); `Format` if a newer version made it;
    /// `Invalid` if it is no log directory; `NotFound` if there is none and none is to be made; `Storage` and `NoSpace`
    /// as the system says.
    pub fn open(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        config: &Config,
    ) -> Result<(Arc<Self>, Report), Error> {
        let shared = Arc::new(Shared::new(disk, clock, config));
        let Found {
            topics,
            positions,
            lock,
            checkpoint,
            next_file,
            left,
            deleted,
            marks,
            report,
        } = opening::open(&shared)?;
        let keeping = Keeping::new(checkpoint.sequence, next_file, marks, &shared);
        let store = Self {
            keeping: Mutex::new(keeping),
            shared,
            topics: RwLock::new(topics),
            positions,
            lock: Mutex::new(Some(lock)),
            has_threads: AtomicBool::new(false),
            syncs_all: AtomicBool::new(false),
            life: Mutex::new(Life::Open),
            changed: Condvar::new(),
        };
        // Before the first append: what was judged now is not judged again.
        match store.save_checkpoint(false) {
            // The old one is a lower bound still, and what is there can be read.
            Err(error) if error.kind == ErrorKind::NoSpace && !report.is_judged => {}
            saved => saved?,
        }
        for folder in left {
            store.shared.chores.add(Chore::Remove(folder));
        }
        for number in deleted {
            store.shared.chores.add(Chore::Bury(number));
        }
        Ok((Arc::new(store), report))
    }

    pub(crate) const fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// Tells `observer` of all that happens from now on; the number is for [`Store::unobserve`].
    pub fn observe(&self, observer: Arc<dyn Observer>) -> u64 {
        self.shared.observers.add(observer)
    }

    /// Tells that observer nothing more. A call that is under way ends later.
    pub fn unobserve(&self, number: u64) {
        self.shared.observers.remove(number);
    }

    /// Makes a topic, durably. Takes as long as the disk does.
    ///
    /// # Errors
    ///
    /// `Exists` if there is one of that name; `Invalid` for options that cannot be; `Storage` and `NoSpace`; `Closed`.
    pub fn create_topic(
        &self,
        name: &TopicName,
        options: &TopicOptions,
    ) -> Result<TopicNumber, Error> {
        self.shared.takes()?;
        options.check()?;
        let most = self.shared.config.inflated_bytes;
        if options.max_batch_bytes > most {
            let message = format!(
                "maxBatchBytes is {}, and batches of more than {most} bytes (maxInflatedBytes) are not read",
                options.max_batch_bytes
            );
            return Err(Error::new(ErrorKind::Invalid, message));
        }
        let number = self.reserve(name)?;
        let topic = Topic {
            number,
            id: (self.shared.config.ids)(),
            name: name.clone(),
            created_ms: self.shared.clock.wall_ms(),
            options: *options,
        };
        let made = self.make_topic(topic);
        {
            let mut topics = write(&self.topics);
            topics.reserved.remove(name);
            if let Ok(serving) = &made {
                topics.by_name.insert(name.clone(), number);
                topics.by_number.insert(number, Arc::clone(serving));
            }
        }
        made?;
        self.shared.observers.happened(&Event::Topics);
        Ok(number)
    }

    fn reserve(&self, name: &TopicName) -> Result<TopicNumber, Error> {
        let mut topics = write(&self.topics);
        if topics.by_name.contains_key(name) || topics.reserved.contains_key(name) {
            let message = format!("there is a topic {:?} already", name.as_str());
            return Err(Error::new(ErrorKind::Exists, message));
        }
        let number = topics
            .numbers
            .give()
            .ok_or_else(|| Error::new(ErrorKind::Full, "there are no numbers for topics left"))?;
        topics.reserved.insert(name.clone(), number);
        Ok(number)
    }

    /// Makes the folders and files of a topic: it is there as soon as its folder has its name.
    fn make_topic(&self, topic: Topic) -> Result<Arc<Serving>, Error> {
        let disk = &*self.shared.disk;
        let folder = topic_folder(topic.number);
        let half = format!("{folder}{CREATING}");
        // What is there already is not ours, and may lead out of the directory.
        disk.create_folder(&half)
            .map_err(|error| Error::system("mkdir", &half, &error))?;
        let made = fill(disk, &half, &topic).and_then(|()| {
            disk.rename(&half, &folder)
                .map_err(|error| Error::system("rename", &half, &error))
        });
        if let Err(error) = made {
            // What is left is removed when the directory is opened.
            let _ = remove_tree(disk, &half);
            return Err(error);
        }
        if let Err(error) = sync_folder(disk, TOPICS) {
            // Nobody knows whether it is there.
            self.shared.poison(error.clone());
            return Err(error);
        }
        let topic = Arc::new(topic);
        let partitions = (0..topic.options.partitions)
            .map(|number| self.empty_partition(&topic, number))
            .collect();
        Ok(Arc::new(Serving { topic, partitions }))
    }

    /// A partition of a topic that was made just now. If its file cannot be made, it is when the directory is opened again.
    fn empty_partition(&self, topic: &Topic, number: u32) -> Arc<Partition> {
        let options = topic.options;
        let folder = format!("{}/{number}", topic_folder(topic.number));
        let made = Segment::create(&*self.shared.disk, &folder, 0);
        let (appender, segments) = match made {
            Ok(segment) => {
                let view = Arc::new(SegmentView::active(&segment));
                let (most, batch) = (options.segment_bytes, options.max_batch_bytes);
                (
                    Ok(Box::new(Appender::new(segment, most, batch))),
                    vec![view],
                )
            }
            Err(error) => (Err(error), Vec::new()),
        };
        let opened = Opened {
            topic: topic.number,
            number,
            folder,
            options,
            start: 0,
            segments,
            appender,
            durable: crate::Durable::default(),
            producers: crate::Producers::default(),
            names: 1,
        };
        Partition::new(&self.shared, opened)
    }

    /// Deletes a topic, durably, also on a full disk. Who reads it hears that it is gone. Takes as long as the disk does.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none; `Storage`: unless the directory is poisoned, it is there still; `Closed`.
    pub fn delete_topic(&self, number: TopicNumber) -> Result<(), Error> {
        self.shared.takes()?;
        let found = read(&self.topics).by_number.get(&number).map(Arc::clone);
        let Some(serving) = found else {
            return Err(Error::new(
                ErrorKind::NotFound,
                format!("there is no topic {number}"),
            ));
        };
        let disk = &*self.shared.disk;
        let mark = Mark::topic(number);
        mark.make_of_topic(disk, number)?;
        {
            let mut topics = write(&self.topics);
            topics.by_number.remove(&number);
            topics.by_name.remove(&serving.topic.name);
        }
        for partition in &serving.partitions {
            partition.delete();
        }
        self.shared.observers.progressed(&serving.partitions);
        self.shared.observers.happened(&Event::Topics);
        if let Err(error) = mark.settle(disk) {
            self.shared.poison(error.clone());
            return Err(error);
        }
        for partition in &serving.partitions {
            partition.let_go();
        }
        self.shared.chores.add(Chore::Bury(number));
        Ok(())
    }

    /// All topics, by number.
    #[must_use]
    pub fn topics(&self) -> Vec<Arc<Topic>> {
        let topics = read(&self.topics);
        let all = topics.by_number.values();
        all.map(|serving| Arc::clone(&serving.topic)).collect()
    }

    /// A topic by its name.
    #[must_use]
    pub fn topic(&self, name: &TopicName) -> Option<Arc<Topic>> {
        let topics = read(&self.topics);
        let number = topics.by_name.get(name)?;
        let serving = topics.by_number.get(number)?;
        Some(Arc::clone(&serving.topic))
    }

    /// A topic by its number.
    #[must_use]
    pub fn topic_numbered(&self, number: TopicNumber) -> Option<Arc<Topic>> {
        let topics = read(&self.topics);
        let serving = topics.by_number.get(&number)?;
        Some(Arc::clone(&serving.topic))
    }

    /// A partition of a topic; 0 is the topic of positions.
    #[must_use]
    pub fn partition(&self, number: TopicNumber, partition: u32) -> Option<Arc<Partition>> {
        if number == 0 {
            return (partition == 0).then(|| self.positions());
        }
        let topics = read(&self.topics);
        let serving = topics.by_number.get(&number)?;
        let place = usize::try_from(partition).ok()?;
        serving.partitions.get(place).map(Arc::clone)
    }

    /// The partition of committed positions and named writers: topic 0.
    #[must_use]
    pub fn positions(&self) -> Arc<Partition> {
        Arc::clone(&self.positions)
    }

    /// The highest id of a producer that any partition knows.
    #[must_use]
    pub fn highest_producer(&self) -> Option<u64> {
        let partitions = self.partitions().into_iter();
        partitions.filter_map(|one| one.highest_producer()).max()
    }

    /// All partitions, positions first.
    pub(crate) fn partitions(&self) -> Vec<Arc<Partition>> {
        let topics = read(&self.topics);
        let of_topics = topics.by_number.values();
        let of_topics = of_topics.flat_map(|serving| serving.partitions.iter().map(Arc::clone));
        [self.positions()].into_iter().chain(of_topics).collect()
    }

    pub(crate) fn count_of_partitions(&self) -> usize {
        let topics = read(&self.topics);
        let counts = topics.by_number.values().map(|one| one.partitions.len());
        counts.sum::<usize>() + 1
    }

    /// The number that the next topic gets.
    pub(crate) fn next_topic(&self) -> TopicNumber {
        read(&self.topics).numbers.next()
    }

    /// Why nothing is taken any more, if so.
    #[must_use]
    pub fn poisoned(&self) -> Option<Error> {
        self.shared.poisoned_error()
    }

    /// Takes nothing more, as if a sync had failed: for a caller that has found a defect of its own.
    pub fn poison(&self, error: Error) {
        self.shared.poison(error);
    }

    /// What was done since it was opened.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let queued = self.shared.queued.load(Ordering::Relaxed);
        self.shared.counts.stats(queued)
    }

    /// Has the housekeeper do something that takes disk: creating, deleting, looking up by time. In order with others.
    /// Not called if the store closes before.
    pub fn later(&self, job: Box<dyn FnOnce(&Self) + Send>) {
        self.shared.chores.add(Chore::Job(job));
    }

    /// Has what was appended inline made durable, as one group. Who appends inline calls it when he has appended what is
    /// there, or he waits for ever.
    pub fn commit(&self) {
        let work = &self.shared.work;
        if !work.is_empty() {
            work.nudge();
        }
    }

    /// Begins to close: nothing more is taken, what is written is made durable, and the directory is left clean. Observers
    /// hear [`Event::Closed`] when it is done. May be called twice.
    pub fn begin_close(&self) {
        if self.shared.begin_close() {
            for partition in self.partitions() {
                partition.is_to_be_looked_at();
            }
            // Release: pairs with the Acquire in `syncs_all`; who sees it finds all partitions in the list.
            self.syncs_all.store(true, Ordering::Release);
            self.shared.work.nudge();
            // Memory has no committer that would tell the housekeeper.
            self.shared.chores.nudge();
        }
    }

    /// Whether it closes, or is closed.
    #[must_use]
    pub fn is_closing(&self) -> bool {
        self.shared.is_closing()
    }

    /// Closes as [`Store::begin_close`] does, and waits for it, at most so long.
    ///
    /// # Errors
    ///
    /// What kept it from being closed cleanly; `Storage` if the time was over: it goes on closing.
    pub fn close(&self, until: Option<Duration>) -> Result<(), Error> {
        self.begin_close();
        if !self.has_threads.load(Ordering::Acquire) {
            let mut committer = Committer::new();
            while !self.is_all_synced(committer.step(self)) {}
            self.committer_ended();
            while !self.finish_close() {}
        }
        let began = Instant::now();
        let mut life = lock(&self.life);
        loop {
            if let Life::Closed(error) = &*life {
                return error.clone().map_or(Ok(()), Err);
            }
            let left = until.map(|until| until.saturating_sub(began.elapsed()));
            if left.is_some_and(|left| left.is_zero()) {
                let message = "the directory was not closed in time; it goes on closing";
                return Err(Error::new(ErrorKind::Storage, message));
            }
            let waited = self
                .changed
                .wait_timeout(life, left.unwrap_or(Duration::from_secs(60)));
            life = waited.unwrap_or_else(std::sync::PoisonError::into_inner).0;
        }
    }

    /// Whether all that is written is to be made durable, since the store closes.
    pub(crate) fn syncs_all(&self) -> bool {
        self.syncs_all.load(Ordering::Acquire)
    }

    /// Whether the committer may end after that step.
    pub(crate) fn is_all_synced(&self, step: Step) -> bool {
        self.syncs_all()
            && match step {
                Step::Poisoned => true,
                Step::Idle => self.shared.work.is_empty(),
                Step::Worked | Step::Waiting => false,
            }
    }

    pub(crate) fn has_threads(&self) {
        self.has_threads.store(true, Ordering::Release);
    }

    pub(crate) fn committer_ended(&self) {
        if self.shared.keeps || self.syncs_all() {
            *lock(&self.life) = Life::Synced;
            self.shared.chores.nudge();
        }
    }

    /// Leaves the directory clean, once nothing is written any more; `false` before.
    pub(crate) fn finish_close(&self) -> bool {
        let synced = {
            let life = lock(&self.life);
            match &*life {
                Life::Closed(_) => return true,
                Life::Synced => true,
                Life::Open => !self.shared.keeps && self.syncs_all(),
            }
        };
        if !synced {
            return false;
        }
        for partition in self.partitions() {
            partition.close();
        }
        let error = match self.poisoned() {
            Some(error) => Some(error),
            None => self.leave_clean().err(),
        };
        drop(lock(&self.lock).take());
        *lock(&self.life) = Life::Closed(error.clone());
        self.changed.notify_all();
        self.shared.observers.happened(&Event::Closed(error));
        true
    }
}

/// Makes what is in the folder of a topic, durably but for the first segments.
fn fill(disk: &dyn Disk, folder: &str, topic: &Topic) -> Result<(), Error> {
    let bytes = TopicFile::encode(topic)
        .ok_or_else(|| Error::new(ErrorKind::Invalid, "the topic's file would be too long"))?;
    overwrite(disk, &format!("{folder}/{META}"), &bytes)?;
    for number in 0..topic.options.partitions {
        make_folder(disk, &format!("{folder}/{number}"))?;
    }
    sync_folder(disk, folder)
}
