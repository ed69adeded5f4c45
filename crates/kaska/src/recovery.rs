use std::fmt;
use std::sync::Arc;

use log::{Error, Note, PartitionNote, Report, Topic};

/// What opening a directory found and did: with its records, and with positions and named writers.
#[derive(Clone, Debug)]
pub struct Recovery {
    /// With the records of all topics, and with those that hold positions and writers.
    pub report: Report,
    /// What that means for positions and writers.
    pub state: Vec<StateNote>,
}

/// One thing that opening found and did with positions and named writers.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum StateNote {
    /// Records that hold them cannot be read, and are left out.
    Damaged {
        /// First offset that is lost, of the log of positions.
        first: u64,
        /// First offset that can be read again.
        next: u64,
        /// The positions that were committed before, and not behind: they may be older than they were.
        older: Vec<String>,
        /// How many more there are of these.
        more: usize,
    },
    /// A position was beyond the records that are left, which were not durable.
    SetBack {
        /// Whose it is.
        client: Box<str>,
        /// In which topic.
        topic: Arc<Topic>,
        /// Which of its partitions.
        partition: u32,
        /// What was committed.
        from: u64,
        /// What it is now: the end.
        to: u64,
    },
    /// Nobody knows what they are: whoever asks for one gets this.
    Unreadable(Error),
}

impl Recovery {
    /// What concerns the log of positions is told once, with what it means.
    pub(crate) fn new(mut report: Report, state: Vec<StateNote>) -> Self {
        report.notes.retain(|told| !is_told(told, &state));
        if state
            .iter()
            .any(|note| matches!(note, StateNote::Unreadable(_)))
        {
            report.unavailable.retain(|(topic, ..)| *topic != POSITIONS);
        }
        Self { report, state }
    }
}

/// Number of the topic that is the log of positions.
const POSITIONS: u32 = 0;

fn is_told(told: &PartitionNote, state: &[StateNote]) -> bool {
    let (Note::Damaged { first, .. } | Note::Missing { first, .. }) = told.note else {
        return false;
    };
    let has =
        |note: &StateNote| matches!(note, StateNote::Damaged { first: own, .. } if *own == first);
    told.topic == POSITIONS && state.iter().any(has)
}

/// In words: what happened and what it means.
impl fmt::Display for StateNote {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged {
                first,
                next,
                older,
                more,
            } => {
                write!(
                    f,
                    "The records {first} to {} of the positions are damaged, and left out: positions and names of writers that stood only there are lost.",
                    next.saturating_sub(1)
                )?;
                if older.is_empty() {
                    return Ok(());
                }
                write!(
                    f,
                    " These may be older than they were: {}",
                    older.join(", ")
                )?;
                match more {
                    0 => write!(f, "."),
                    more => write!(f, ", and {more} more."),
                }
            }
            Self::SetBack {
                client,
                topic,
                partition,
                from,
                to,
            } => write!(
                f,
                "The position {from} of {client} in partition {partition} of {} is set back to {to}: the records before it were not durable.",
                topic.name.as_str()
            ),
            Self::Unreadable(error) => {
                write!(
                    f,
                    "Positions and named writers cannot be used: {}.",
                    error.message
                )
            }
        }
    }
}
