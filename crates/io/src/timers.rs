use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::time::Instant;

use wire::Token;

/// Deadlines by time. Entries are not removed when a deadline moves: whoever is called too early says so and is entered again.
#[derive(Default)]
pub(crate) struct Timers {
    heap: BinaryHeap<Reverse<(Instant, Token)>>,
}

impl Timers {
    pub(crate) fn add(&mut self, at: Instant, token: Token) {
        self.heap.push(Reverse((at, token)));
    }

    pub(crate) fn next(&self) -> Option<Instant> {
        self.heap.peek().map(|Reverse((at, _))| *at)
    }

    /// The next entry that is due, and the time it was entered with.
    pub(crate) fn pop_due(&mut self, now: Instant) -> Option<(Instant, Token)> {
        if self.next()? > now {
            return None;
        }
        self.heap.pop().map(|Reverse(entry)| entry)
    }
}
