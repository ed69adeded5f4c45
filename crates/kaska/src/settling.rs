use std::collections::{HashMap, HashSet, VecDeque};
use std::mem;
use std::sync::Arc;

use log::{Error, Partition};
use wire::Code;

use crate::code::code_of;
use crate::ledger::Pending;
use crate::signal::Place;

/// Appends that were not done when they returned: one line for each partition and each of the two things that they wait for.
#[derive(Default)]
pub(crate) struct Settling {
    lines: HashMap<(Place, bool), Line>,
    /// Lines whose front may be done.
    due: Vec<(Place, bool)>,
    waiting: u64,
}

struct Line {
    partition: Arc<Partition>,
    waiting: VecDeque<Waiting>,
    /// It stands among those that are due.
    is_due: bool,
}

/// One that waits.
pub(crate) struct Waiting {
    pub(crate) writer: u32,
    pub(crate) ticket: u64,
    pub(crate) place: Pending,
    /// It had to wait to be written, so its owner does not know its offset.
    pub(crate) queued: bool,
    /// Records of its batch.
    pub(crate) count: u64,
}

/// What has come of one or several of a writer, one behind the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Settled {
    /// The writer; 0: commits and flushes.
    pub writer: u32,
    /// First ticket.
    pub first: u64,
    /// Last ticket.
    pub last: u64,
    /// Why not, if so.
    pub failed: Option<Code>,
    /// Offset of the first record of one whose place was not known before.
    pub base: Option<u64>,
}

impl Settling {
    /// How many wait.
    pub(crate) const fn waiting(&self) -> u64 {
        self.waiting
    }

    /// Has one wait; with `all` until it is durable, else until it is written.
    pub(crate) fn push(&mut self, partition: &Arc<Partition>, all: bool, one: Waiting) {
        let place = (partition.topic(), partition.number());
        let line = self.lines.entry((place, all)).or_insert_with(|| Line {
            partition: Arc::clone(partition),
            waiting: VecDeque::new(),
            is_due: false,
        });
        line.waiting.push_back(one);
        self.waiting += 1;
    }

    /// Takes note of what has changed; whether something is done.
    pub(crate) fn look(&mut self, changed: &HashSet<Place>, poisoned: bool) -> bool {
        if poisoned {
            for (key, line) in &mut self.lines {
                if !line.waiting.is_empty() && !mem::replace(&mut line.is_due, true) {
                    self.due.push(*key);
                }
            }
            return !self.due.is_empty();
        }
        for place in changed {
            for all in [true, false] {
                let key = (*place, all);
                if let Some(line) = self.lines.get_mut(&key)
                    && line.front(all, false).is_some()
                    && !mem::replace(&mut line.is_due, true)
                {
                    self.due.push(key);
                }
            }
        }
        !self.due.is_empty()
    }

    /// The next that is done; runs of them in one. Failures are told to `note`.
    pub(crate) fn next(
        &mut self,
        poisoned: Option<&Error>,
        mut note: impl FnMut(&Error),
    ) -> Option<Settled> {
        loop {
            let key = *self.due.last()?;
            let Some(line) = self.lines.get_mut(&key) else {
                self.due.pop();
                continue;
            };
            let mut settled: Option<Settled> = None;
            while let Some(done) = line.front(key.1, poisoned.is_some()) {
                let Some(front) = line.waiting.front() else {
                    break;
                };
                let failed = match (&done, poisoned) {
                    (Done::At(_), _) => None,
                    (Done::Never(Some(error)), _) | (Done::Never(None), Some(error)) => {
                        note(error);
                        Some(code_of(error.kind))
                    }
                    (Done::Never(None), None) => Some(Code::Internal),
                };
                let one = Settled {
                    writer: front.writer,
                    first: front.ticket,
                    last: front.ticket,
                    failed,
                    base: match done {
                        Done::At(end) if front.queued => Some(end.saturating_sub(front.count)),
                        _ => None,
                    },
                };
                match &mut settled {
                    None => settled = Some(one),
                    Some(run) if run.goes_on_with(&one) => run.last = one.last,
                    Some(_) => break,
                }
                line.waiting.pop_front();
                self.waiting -= 1;
            }
            if settled.is_some() {
                return settled;
            }
            self.due.pop();
            line.is_due = false;
            if line.waiting.is_empty() && self.lines.len() > KEPT_LINES {
                self.lines.remove(&key);
            }
        }
    }
}

/// So many lines are kept for the next append although nothing waits in them.
const KEPT_LINES: usize = 1_024;

impl Settled {
    fn goes_on_with(&self, next: &Self) -> bool {
        let plain = |one: &Self| one.failed.is_none() && one.base.is_none();
        plain(self)
            && plain(next)
            && self.writer == next.writer
            && self.last.checked_add(1) == Some(next.first)
    }
}

enum Done {
    /// It ends at this offset.
    At(u64),
    Never(Option<Error>),
}

impl Line {
    /// What has come of the first in line; `None` if it waits still.
    fn front(&mut self, all: bool, poisoned: bool) -> Option<Done> {
        let durable = self.partition.ends().durable;
        let front = self.waiting.front_mut()?;
        if let Pending::Queued(ticket) = &front.place {
            match ticket.outcome() {
                None if poisoned => return Some(Done::Never(None)),
                None => return None,
                Some(Err(error)) => return Some(Done::Never(Some(error))),
                Some(Ok(written)) => {
                    front.place = Pending::Until(written.end);
                    if all && written.end > durable {
                        // Whoever appended it need not have asked for that.
                        self.partition.flush();
                    }
                }
            }
        }
        match front.place {
            Pending::Until(end) if !all || end <= durable => Some(Done::At(end)),
            _ if poisoned => Some(Done::Never(None)),
            // Of a topic that was deleted nothing becomes durable any more.
            _ => self
                .partition
                .is_there()
                .err()
                .map(|error| Done::Never(Some(error))),
        }
    }
}
