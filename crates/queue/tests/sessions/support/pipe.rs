use std::collections::VecDeque;
use std::time::{Duration, Instant};

/// The bytes on their way to one end of a connection.
pub(crate) struct Pipe {
    under_way: VecDeque<(Instant, VecDeque<u8>)>,
    held: usize,
    eof: Option<Instant>,
    /// How much may be under way: the socket buffers of both sides.
    pub(crate) capacity: usize,
    /// How long a byte travels.
    pub(crate) delay: Duration,
    /// Nothing arrives while this is set.
    pub(crate) stalled: bool,
    /// Sizes of the pieces in which bytes arrive, in turn; empty: as they come.
    pub(crate) cuts: Vec<usize>,
    next_cut: usize,
    /// After so many bytes the connection breaks.
    pub(crate) truncate_at: Option<usize>,
    /// Bytes that were written.
    pub(crate) total: usize,
    /// Those of them that did not fall off the end at `truncate_at`.
    kept: usize,
}

impl Default for Pipe {
    fn default() -> Self {
        Self {
            under_way: VecDeque::new(),
            held: 0,
            eof: None,
            capacity: 256 * 1024,
            delay: Duration::ZERO,
            stalled: false,
            cuts: Vec::new(),
            next_cut: 0,
            truncate_at: None,
            total: 0,
            kept: 0,
        }
    }
}

impl Pipe {
    /// Takes as much as there is room for.
    pub(crate) fn write(&mut self, bytes: &[u8], now: Instant) -> usize {
        let room = self.capacity - self.held;
        let taken = &bytes[..bytes.len().min(room)];
        let left = self
            .truncate_at
            .map_or(usize::MAX, |at| at.saturating_sub(self.total));
        let kept = &taken[..taken.len().min(left)];
        if !kept.is_empty() {
            self.under_way
                .push_back((now + self.delay, kept.iter().copied().collect()));
            self.held += kept.len();
            self.kept += kept.len();
        }
        self.total += taken.len();
        if self.truncate_at.is_some_and(|at| self.total >= at) {
            self.close(now);
        }
        taken.len()
    }

    /// Nothing more will go in.
    pub(crate) fn close(&mut self, now: Instant) {
        self.eof.get_or_insert(now + self.delay);
    }

    /// What arrived, at most as much as fits into `room` bytes.
    pub(crate) fn read(&mut self, room: usize, now: Instant) -> Arrived {
        let Some((_, bytes)) = self
            .under_way
            .front_mut()
            .filter(|(at, _)| *at <= now && !self.stalled)
        else {
            let at_end =
                self.under_way.is_empty() && !self.stalled && self.eof.is_some_and(|at| at <= now);
            return if at_end {
                Arrived::Eof
            } else {
                Arrived::Nothing
            };
        };
        let cut = if self.cuts.is_empty() {
            usize::MAX
        } else {
            self.cuts[self.next_cut % self.cuts.len()].max(1)
        };
        self.next_cut += 1;
        let piece: Vec<u8> = bytes.drain(..bytes.len().min(room).min(cut)).collect();
        if bytes.is_empty() {
            self.under_way.pop_front();
        }
        self.held -= piece.len();
        Arrived::Bytes(piece)
    }

    /// How many bytes have arrived so far, read or not, and whether the end has.
    pub(crate) fn arrived(&self, now: Instant) -> (usize, bool) {
        let travelling: usize = self
            .under_way
            .iter()
            .filter(|(at, _)| *at > now)
            .map(|(_, bytes)| bytes.len())
            .sum();
        (self.kept - travelling, self.eof.is_some_and(|at| at <= now))
    }

    /// When something arrives next.
    pub(crate) fn next(&self) -> Option<Instant> {
        if self.stalled {
            return None;
        }
        self.under_way.front().map(|(at, _)| *at).or(self.eof)
    }
}

/// What a read gave.
pub(crate) enum Arrived {
    Nothing,
    Bytes(Vec<u8>),
    Eof,
}
