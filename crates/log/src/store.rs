use std::sync::Arc;
use std::time::Duration;

use crate::{
    Clock, Config, Disk, Error, ErrorKind, Event, Observer, Partition, Report, TopicName,
    TopicOptions,
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
pub struct Store {}

impl Store {
    /// Opens a directory, or makes one. Takes as long as the disk does.
    ///
    /// # Errors
    ///
    /// `Locked` if another process has it (with what it left in the lock); `Format` if a newer version made it;
    /// `Invalid` if it is no log directory; `Storage` and `NoSpace` as the system says.
    pub fn open(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        config: &Config,
    ) -> Result<(Arc<Self>, Report), Error> {
        let _ = (disk, clock, config);
        Err(not_yet())
    }

    /// Tells `observer` of all that happens from now on; the number is for [`Store::unobserve`].
    pub fn observe(&self, observer: Arc<dyn Observer>) -> u64 {
        let _ = observer;
        0
    }

    /// Tells that observer nothing more. A call that is under way ends later.
    pub fn unobserve(&self, number: u64) {
        let _ = number;
    }

    /// Makes a topic, durably. Takes as long as the disk does.
    ///
    /// # Errors
    ///
    /// `Exists` if there is one of that name; `Invalid` for options that cannot be; `Storage` and `NoSpace`.
    pub fn create_topic(
        &self,
        name: &TopicName,
        options: &TopicOptions,
    ) -> Result<TopicNumber, Error> {
        let _ = (name, options);
        Err(not_yet())
    }

    /// Deletes a topic, durably. Who reads it reads on what he has open. Takes as long as the disk does.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none; `Storage`.
    pub fn delete_topic(&self, number: TopicNumber) -> Result<(), Error> {
        let _ = number;
        Err(not_yet())
    }

    /// All topics, by number.
    #[must_use]
    pub fn topics(&self) -> Vec<Arc<Topic>> {
        Vec::new()
    }

    /// A topic by its name.
    #[must_use]
    pub fn topic(&self, name: &TopicName) -> Option<Arc<Topic>> {
        let _ = name;
        None
    }

    /// A partition of a topic.
    #[must_use]
    pub fn partition(&self, number: TopicNumber, partition: u32) -> Option<Arc<Partition>> {
        let _ = (number, partition);
        None
    }

    /// The partition of committed positions and named writers: topic 0.
    #[must_use]
    pub fn positions(&self) -> Arc<Partition> {
        unreachable!("not yet")
    }

    /// Why nothing is taken any more, if so.
    #[must_use]
    pub fn poisoned(&self) -> Option<Error> {
        None
    }

    /// Takes nothing more, as if a sync had failed: for a caller that has found a defect of its own.
    pub fn poison(&self, error: Error) {
        let _ = Event::Poisoned(error);
    }

    /// Has the housekeeper do something that takes disk: creating, deleting, looking up by time. In order with others.
    /// Not called if the store closes before.
    pub fn later(&self, job: Box<dyn FnOnce(&Self) + Send>) {
        drop(job);
    }

    /// One small step of what is to be done beside appending; `false` if there is nothing to do.
    pub fn housekeep(&self) -> bool {
        false
    }

    /// Begins to close: nothing more is taken, what is written is made durable, and the directory is left clean. Observers
    /// hear [`Event::Closed`] when it is done. May be called twice.
    pub fn begin_close(&self) {}

    /// The same, and waits for it, at most so long.
    ///
    /// # Errors
    ///
    /// What kept it from being closed cleanly; `Storage` if the time was over.
    pub fn close(&self, until: Option<Duration>) -> Result<(), Error> {
        let _ = until;
        Ok(())
    }
}

fn not_yet() -> Error {
    Error::new(ErrorKind::Internal, "not there yet")
}
