use std::collections::VecDeque;
use std::io::IoSlice;

use chunk::Slice;

/// As much is taken from the outbox at a time: enough for one large write, little enough that the rest can still be
/// dropped by `onFull: 'drop-oldest'`.
const READY_BYTES: usize = 256 * 1024;

/// Bytes that wait to be written to a connection, in the order of the wire. They make up units (frames, messages), none of which may be
/// left in its middle for another one. `T`: what a piece is known by.
pub(crate) struct Pieces<T> {
    ready: VecDeque<Piece<T>>,
    bytes: usize,
    /// Bytes of the front piece that are written.
    front_sent: usize,
    /// The last piece that was written whole was not the end of its unit.
    mid_unit: bool,
}

struct Piece<T> {
    bytes: Slice,
    /// A unit, or the last of several, ends here.
    ends: bool,
    tag: T,
}

impl<T> Default for Pieces<T> {
    fn default() -> Self {
        Self {
            ready: VecDeque::new(),
            bytes: 0,
            front_sent: 0,
            mid_unit: false,
        }
    }
}

impl<T> Pieces<T> {
    /// Less waits than one large write takes.
    pub(crate) fn has_room(&self) -> bool {
        self.bytes < READY_BYTES
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.ready.is_empty()
    }

    /// Whether a piece of that kind waits, or part of it.
    pub(crate) fn has(&self, kind: impl Fn(&T) -> bool) -> bool {
        self.ready.iter().any(|piece| kind(&piece.tag))
    }

    /// Puts a piece behind all others.
    pub(crate) fn push(&mut self, bytes: Slice, ends: bool, tag: T) {
        self.bytes += bytes.len();
        self.ready.push_back(Piece { bytes, ends, tag });
    }

    /// As [`push`](Self::push); whole units that lie side by side in a slab become one piece.
    pub(crate) fn push_joined(&mut self, bytes: Slice, ends: bool, tag: T) {
        if let Some(last) = self.ready.back_mut()
            && last.ends
            && ends
            && let Some(joined) = last.bytes.try_join(&bytes)
        {
            self.bytes += bytes.len();
            last.bytes = joined;
            return;
        }
        self.push(bytes, ends, tag);
    }

    /// Puts a whole unit in front of all that have not been begun, or in the place of the first of those, if `replaces` says so of it.
    pub(crate) fn push_urgent(&mut self, bytes: Slice, tag: T, replaces: impl FnOnce(&T) -> bool) {
        let place = self.begun();
        let ends = true;
        if let Some(piece) = self.ready.get_mut(place)
            && replaces(&piece.tag)
        {
            piece.bytes = bytes;
            return;
        }
        self.bytes += bytes.len();
        self.ready.insert(place, Piece { bytes, ends, tag });
    }

    /// The first bytes of a unit have been written already, and the last piece is its end; false if there is none.
    pub(crate) fn end_begun(&mut self, tag: impl FnOnce(&mut T)) -> bool {
        let Some(last) = self.ready.back_mut() else {
            return false;
        };
        last.ends = true;
        tag(&mut last.tag);
        self.mid_unit = true;
        true
    }

    /// Counts the first unit as begun, so that nothing urgent overtakes it.
    pub(crate) fn begin(&mut self) {
        self.mid_unit = true;
    }

    /// Drops all but the unit that has been begun; false if that is too long to wait for.
    pub(crate) fn abandon(&mut self) -> bool {
        self.ready.truncate(self.begun());
        let left: usize = self.ready.iter().map(|piece| piece.bytes.len()).sum();
        self.bytes = left - self.front_sent;
        self.bytes <= READY_BYTES
    }

    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Pieces at the front that belong to a unit that has been begun.
    fn begun(&self) -> usize {
        if self.front_sent == 0 && !self.mid_unit {
            return 0;
        }
        let end = self.ready.iter().position(|piece| piece.ends);
        end.map_or(self.ready.len(), |last| last + 1)
    }

    /// See [`wire::Session::transmit`].
    pub(crate) fn transmit<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        let mut used = 0;
        let mut skip = self.front_sent;
        for (slot, piece) in out.iter_mut().zip(&self.ready) {
            *slot = IoSlice::new(piece.bytes.get(skip..).unwrap_or_default());
            skip = 0;
            used += 1;
        }
        used
    }

    /// The first `n` bytes are written; `whole` hears of each piece that is written whole.
    pub(crate) fn on_sent(&mut self, mut n: usize, mut whole: impl FnMut(&T)) {
        self.bytes = self.bytes.saturating_sub(n);
        while let Some(front) = self.ready.front() {
            let left = front.bytes.len() - self.front_sent;
            if n < left {
                self.front_sent += n;
                return;
            }
            n -= left;
            self.front_sent = 0;
            self.mid_unit = !front.ends;
            whole(&front.tag);
            self.ready.pop_front();
        }
    }
}
