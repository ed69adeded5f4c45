use std::collections::VecDeque;
use std::sync::{Arc, Mutex, OnceLock};
use std::thread::Thread;

use crate::fetch::Fetch;
use crate::locks::lock;
use crate::view::SegmentView;
use crate::{Partition, Producers, Store, TopicNumber};

/// What the housekeeper is to do, in order; but what readers wait for comes first.
#[derive(Default)]
pub(crate) struct Chores {
    lists: Mutex<Lists>,
    housekeeper: OnceLock<Thread>,
}

#[derive(Default)]
struct Lists {
    reads: VecDeque<Chore>,
    others: VecDeque<Chore>,
}

/// One thing to do.
pub(crate) enum Chore {
    /// Get what a reader waits for.
    Fetch(Arc<Fetch>),
    /// Write the indexes of a full segment, and what was known of producers at its end.
    Seal(Arc<Partition>, Arc<SegmentView>, Producers),
    /// Make full segments durable that nobody waits for.
    SyncFull(Arc<Partition>),
    /// What a user of the store asked for.
    Job(Box<dyn FnOnce(&Store) + Send>),
    /// Remove a folder that nothing knows.
    Remove(String),
    /// Remove a topic that is marked as deleted.
    Bury(TopicNumber),
}

impl Chores {
    pub(crate) fn add(&self, chore: Chore) {
        {
            let mut lists = lock(&self.lists);
            match chore {
                Chore::Fetch(_) => lists.reads.push_back(chore),
                _ => lists.others.push_back(chore),
            }
        }
        self.nudge();
    }

    pub(crate) fn take(&self) -> Option<Chore> {
        let mut lists = lock(&self.lists);
        let read = lists.reads.pop_front();
        read.or_else(|| lists.others.pop_front())
    }

    pub(crate) fn nudge(&self) {
        if let Some(thread) = self.housekeeper.get() {
            thread.unpark();
        }
    }

    /// Says which thread is to be nudged.
    pub(crate) fn are_done_by(&self, thread: Thread) {
        // There is one housekeeper, so this is set once.
        let _ = self.housekeeper.set(thread);
    }
}
