use log::{Error, PartitionNote};

use crate::Recovery;

/// What a session tells its owner.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// The directory is open.
    Open(Box<Recovery>),
    /// It could not be opened; nothing follows but [`Event::Closed`].
    Failed(Error),
    /// Nothing is taken any more until it is opened again; reading goes on.
    Poisoned(wire::Error),
    /// Something to know, and nothing is lost.
    Warning(String),
    /// A read found records that are damaged.
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
    /// Something was mended while the directory was open.
    Recovered(PartitionNote),
    /// Topics were created or deleted.
    Topics,
    /// What was asked for under a number.
    Answer {
        /// The number.
        request: u32,
        /// What came of it.
        answer: Result<Answer, Error>,
    },
    /// The last event; with what kept the directory from being closed cleanly.
    Closed(Option<wire::Error>),
}

/// What came of a request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// It is done.
    Done,
    /// A number: of a topic, an offset, a length; `None` if there is none.
    Number(Option<u64>),
    /// What a check of everything found.
    Verified(Box<Verified>),
}

/// What a check of everything found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Verified {
    /// Partitions that were read.
    pub partitions: u64,
    /// Batches in them.
    pub batches: u64,
    /// Records in them.
    pub records: u64,
    /// Bytes of those batches, inflated.
    pub bytes: u64,
    /// What cannot be read. At most 1,000 are listed.
    pub damaged: Vec<Unreadable>,
}

/// Records that cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// The topic's number, and the partition's.
    pub place: (u32, u32),
    /// First offset that is lost.
    pub first: u64,
    /// First offset that can be read again.
    pub next: u64,
    /// Why.
    pub message: String,
}

/// So many damaged ranges are listed.
const MOST_LISTED: usize = 1_000;

impl Verified {
    /// Takes note of offsets of a partition that cannot be read.
    pub(crate) fn is_damaged(
        &mut self,
        place: (u32, u32),
        (first, next): (u64, u64),
        why: impl Into<String>,
    ) {
        if self.damaged.len() < MOST_LISTED {
            let message = why.into();
            self.damaged.push(Unreadable {
                place,
                first,
                next,
                message,
            });
        }
    }
}
