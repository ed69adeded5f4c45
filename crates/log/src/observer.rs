use std::sync::Arc;

use crate::report::Note;
use crate::{Error, Partition};

/// Who wants to hear of a directory: one for each environment that has it open. Called on the threads of the store, and
/// on one that appends, with no lock held; it must neither block nor append.
pub trait Observer: Send + Sync + 'static {
    /// Something of these partitions is new: ends have moved, tickets have an outcome, there is room in the queue, or what
    /// a read waited for is there. At most twice per group of appends, after its writes and after its sync.
    fn progressed(&self, partitions: &[Arc<Partition>]);
    /// Something rare.
    fn happened(&self, event: &Event);
}

/// What happens rarely.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// A sync failed, or a write as it must not: nothing is taken any more until the directory is opened again.
    Poisoned(Error),
    /// A read found records that cannot be read any more.
    Damaged {
        /// Number of the topic.
        topic: u32,
        /// Which of its partitions.
        partition: u32,
        /// First offset that is lost.
        first: u64,
        /// First offset that can be read again.
        next: u64,
    },
    /// A topic was made or deleted.
    Topics,
    /// Something was mended while the directory was open.
    Recovered(PartitionNote),
    /// Something to know, and nothing is lost.
    Warning(String),
    /// The directory is closed; with what kept it from being closed cleanly.
    Closed(Option<Error>),
}

/// A note, and whose it is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PartitionNote {
    /// Number of the topic, 0 for positions.
    pub topic: u32,
    /// Which of its partitions.
    pub partition: u32,
    /// What was found and done.
    pub note: Note,
}

/// What opening a directory found and did.
#[derive(Clone, Debug, Default)]
pub struct Report {
    /// It was made just now.
    pub created: bool,
    /// It was not closed cleanly and power may have been lost since: what was not durable may be gone, without a trace.
    pub may_lack: bool,
    /// What was cut, kept aside, damaged or missing; empty after a clean close.
    pub notes: Vec<PartitionNote>,
    /// Partitions that cannot be used: topic, partition, why. Their files were left as they are.
    pub unavailable: Vec<(u32, u32, Error)>,
    /// Numbers of topics whose `topic.meta` cannot be read. Their folders were left as they are.
    pub damaged_topics: Vec<u32>,
    /// Numbers of topics that the last checkpoint knows and that have no folder any more. Told once.
    pub missing_topics: Vec<u32>,
    /// Files and folders that are not ours. They were left alone.
    pub foreign: Vec<String>,
    /// Whether anything was kept that a later opening, by an older checkpoint, would cut. What was cut or taken out now is
    /// just not there then.
    pub(crate) is_judged: bool,
}
