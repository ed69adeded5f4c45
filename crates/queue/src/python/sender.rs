use std::collections::VecDeque;
use std::io::IoSlice;

use chunk::{Pool, Slice, Writer};
use wire::python::{PREFIX_BYTES, identity, prefix};
use wire::{MAX_LENGTH, PeerId, WORD_BYTES};

use super::receiver::writer_with;
use crate::out_frame::OutFrame;
use crate::outbox::{Outbox, Window};
use crate::peer::Done;

/// As much is taken from the outbox at a time: enough for one large write, little enough that the rest can still be
/// dropped by `onFull: 'drop-oldest'`.
const READY_BYTES: usize = 256 * 1024;
/// So many bytes that wait have memory of their size; what comes behind them is packed into slabs.
const SMALL_BACKLOG: usize = 4096;

/// The writing half of a session: messages as the Python package reads them. One counts as acknowledged when the socket has
/// taken its last byte, because nothing else ever tells.
pub(crate) struct Sender {
    slabs: Pool,
    writer: Option<Writer>,
    /// Bytes that wait without a slab.
    loose: usize,
    ready: VecDeque<Piece>,
    ready_bytes: usize,
    /// Bytes of the front piece that are written.
    front_sent: usize,
    /// The last piece that was written whole was not the end of its message.
    mid_message: bool,
    /// Messages and bytes taken from the outbox in all, and the number of the last.
    taken: Done,
    /// The same of those that are written.
    sent: Done,
    /// Most messages and bytes that may be taken and not written; more stay in the outbox.
    window: Option<(u64, u64)>,
    left: bool,
}

struct Piece {
    bytes: Slice,
    /// A message, or the last of several, ends here.
    ends: bool,
    /// What is written with it.
    done: Option<Done>,
}

impl Sender {
    pub(crate) fn new(slabs: Pool) -> Self {
        Self {
            slabs,
            writer: None,
            loose: 0,
            ready: VecDeque::new(),
            ready_bytes: 0,
            front_sent: 0,
            mid_message: false,
            taken: Done::default(),
            sent: Done::default(),
            window: None,
            left: false,
        }
    }

    /// Bounds what is taken and not written; at least one message always goes.
    pub(crate) fn limit(&mut self, messages: u64, bytes: u64) {
        self.window = Some((messages.max(1), bytes.max(1)));
    }

    /// INI.
    pub(crate) fn introduce(&mut self, id: &PeerId) {
        self.append(Slice::copy_from(&identity(id)), true, None);
    }

    /// FIN, once.
    pub(crate) fn leave(&mut self, id: &PeerId) {
        if !self.left {
            self.left = true;
            self.introduce(id);
        }
    }

    /// FIN behind the message that has been begun, in the place of all others; false if that message is too long to wait for.
    pub(crate) fn abandon(&mut self, id: &PeerId) -> bool {
        self.ready.truncate(self.begun());
        let waiting: usize = self.ready.iter().map(|piece| piece.bytes.len()).sum();
        let short = waiting - self.front_sent <= READY_BYTES;
        self.leave(id);
        short
    }

    /// Pieces at the front that belong to a message that has been begun.
    fn begun(&self) -> usize {
        if self.front_sent == 0 && !self.mid_message {
            return 0;
        }
        let end = self.ready.iter().position(|piece| piece.ends);
        end.map_or(self.ready.len(), |last| last + 1)
    }

    /// Takes messages from the outbox until enough is ready; returns messages and bytes taken.
    pub(crate) fn refill(&mut self, outbox: &mut Outbox) -> (u64, u64) {
        match outbox.window() {
            Some(Window::Bounded(messages, bytes)) => self.limit(messages, bytes),
            Some(Window::Unbounded) => self.window = None,
            None => {}
        }
        let before = self.taken;
        while self.ready_bytes < READY_BYTES {
            let Some(frame) = outbox.take(self.room()) else {
                break;
            };
            self.taken = Done {
                seq: frame.last_seq(),
                messages: self.taken.messages + u64::from(frame.count),
                bytes: self.taken.bytes + frame.bytes,
            };
            self.take(frame);
        }
        (
            self.taken.messages - before.messages,
            self.taken.bytes - before.bytes,
        )
    }

    fn take(&mut self, frame: OutFrame) {
        let done = Some(self.taken);
        match frame.body {
            Some(body) => {
                self.append(Slice::copy_from(&prefix(body.len())), false, None);
                self.append(body, true, done);
            }
            None => {
                let messages = self.reframe(&frame);
                self.append(messages, true, done);
            }
        }
    }

    /// Small messages, each behind its length.
    fn reframe(&mut self, frame: &OutFrame) -> Slice {
        let (words, payload) = (frame.words(), frame.payload());
        let length = usize::from(frame.count) * PREFIX_BYTES + payload.len();
        if self.writer.is_none() && self.loose + length <= SMALL_BACKLOG {
            self.loose += length;
        } else {
            let writer = writer_with(&mut self.writer, &self.slabs, length);
            if let Some(room) = writer.spare_mut().get_mut(..length) {
                fill(room, words, payload);
                writer.commit(length);
                return writer.freeze(length);
            }
        }
        let mut messages = vec![0; length];
        fill(&mut messages, words, payload);
        Slice::from_vec(messages)
    }

    /// How many more messages may be on their way.
    fn room(&self) -> u64 {
        let Some((messages, bytes)) = self.window else {
            return u64::MAX;
        };
        if self.taken.bytes - self.sent.bytes >= bytes {
            return 0;
        }
        messages.saturating_sub(self.taken.messages - self.sent.messages)
    }

    /// Whether a message could be sent at once: nothing waits before it, and the window takes it.
    pub(crate) fn is_free(&self) -> bool {
        self.is_idle() && !self.left && self.room() > 0
    }

    /// Message `seq` was sent without having been queued, but for what is left of it.
    pub(crate) fn sent_direct(
        &mut self,
        seq: u64,
        bytes: u64,
        left: impl IntoIterator<Item = Slice>,
    ) {
        self.taken = Done {
            seq,
            messages: self.taken.messages + 1,
            bytes: self.taken.bytes + bytes,
        };
        for bytes in left {
            self.append(bytes, false, None);
        }
        match self.ready.back_mut() {
            Some(last) => {
                (last.ends, last.done) = (true, Some(self.taken));
                self.mid_message = true;
            }
            None => self.sent = self.taken,
        }
    }

    fn append(&mut self, bytes: Slice, ends: bool, done: Option<Done>) {
        self.ready_bytes += bytes.len();
        self.ready.push_back(Piece { bytes, ends, done });
    }

    /// Number of the last message that may have reached the socket.
    pub(crate) fn taken_seq(&self) -> u64 {
        self.taken.seq
    }

    /// What the socket has taken whole.
    pub(crate) fn sent(&self) -> Done {
        self.sent
    }

    /// Every message that was taken has been written.
    pub(crate) fn has_sent_all(&self) -> bool {
        self.sent == self.taken
    }

    /// FIN is queued or sent.
    pub(crate) fn has_left(&self) -> bool {
        self.left
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.ready.is_empty()
    }

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

    /// True if a message has been written whole.
    pub(crate) fn on_sent(&mut self, mut n: usize) -> bool {
        let before = self.sent.seq;
        self.ready_bytes = self.ready_bytes.saturating_sub(n);
        while let Some(front) = self.ready.front() {
            let left = front.bytes.len() - self.front_sent;
            if n < left {
                self.front_sent += n;
                return self.sent.seq > before;
            }
            n -= left;
            self.front_sent = 0;
            self.mid_message = !front.ends;
            self.sent = front.done.unwrap_or(self.sent);
            self.ready.pop_front();
        }
        self.writer = None;
        self.loose = 0;
        self.sent.seq > before
    }
}

/// Fills `room`, which they fill exactly, with messages: the length of each, from its word, and its part of `payload`.
fn fill(mut room: &mut [u8], words: &[u8], mut payload: &[u8]) {
    for word in words.as_chunks::<WORD_BYTES>().0 {
        let length = (u32::from_le_bytes(*word) & MAX_LENGTH) as usize;
        let Some((to, left)) = room.split_at_mut_checked(PREFIX_BYTES + length) else {
            return;
        };
        let Some((message, behind)) = payload.split_at_checked(length) else {
            return;
        };
        let (head, body) = to.split_at_mut(PREFIX_BYTES);
        head.copy_from_slice(&prefix(length));
        body.copy_from_slice(message);
        (room, payload) = (left, behind);
    }
}
