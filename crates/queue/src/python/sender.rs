use std::io::IoSlice;

use chunk::{Pool, Slice, Writer};
use wire::python::{PREFIX_BYTES, identity, prefix};
use wire::{MAX_LENGTH, PeerId, WORD_BYTES};

use super::receiver::writer_with;
use crate::flight::Flight;
use crate::out_frame::OutFrame;
use crate::outbox::Outbox;
use crate::peer::Done;
use crate::pieces::Pieces;

/// So many bytes that wait have memory of their size; what comes behind them is packed into slabs.
const SMALL_BACKLOG: usize = 4096;

/// The writing half of a session: messages as the Python package reads them. One counts as acknowledged when the socket has
/// taken its last byte, because nothing else ever tells.
pub(crate) struct Sender {
    slabs: Pool,
    writer: Option<Writer>,
    /// Bytes that wait without a slab.
    loose: usize,
    /// With what is written with each.
    pieces: Pieces<Option<Done>>,
    flight: Flight,
    left: bool,
}

impl Sender {
    pub(crate) fn new(slabs: Pool) -> Self {
        Self {
            slabs,
            writer: None,
            loose: 0,
            pieces: Pieces::default(),
            flight: Flight::default(),
            left: false,
        }
    }

    /// Bounds what is taken and not written; at least one message always goes.
    pub(crate) fn limit(&mut self, messages: u64, bytes: u64) {
        self.flight.limit(messages, bytes);
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
        let short = self.pieces.abandon();
        self.leave(id);
        short
    }

    /// Takes messages from the outbox until enough is ready; returns messages and bytes taken.
    pub(crate) fn refill(&mut self, outbox: &mut Outbox) -> (u64, u64) {
        self.flight.adopt(outbox.window());
        let before = self.flight.taken;
        while self.pieces.has_room() {
            let Some(frame) = outbox.take(self.flight.room()) else {
                break;
            };
            self.flight.take(&frame);
            self.take(frame);
        }
        self.flight.since(before)
    }

    fn take(&mut self, frame: OutFrame) {
        let done = Some(self.flight.taken);
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

    /// Whether a message could be sent at once: nothing waits before it, and the window takes it.
    pub(crate) fn is_free(&self) -> bool {
        self.is_idle() && !self.left && self.flight.room() > 0
    }

    /// Message `seq` was sent without having been queued, but for what is left of it.
    pub(crate) fn sent_direct(
        &mut self,
        seq: u64,
        bytes: u64,
        left: impl IntoIterator<Item = Slice>,
    ) {
        self.flight.take_one(seq, bytes);
        for bytes in left {
            self.append(bytes, false, None);
        }
        let taken = self.flight.taken;
        if !self.pieces.end_begun(|done| *done = Some(taken)) {
            self.flight.done = taken;
        }
    }

    fn append(&mut self, bytes: Slice, ends: bool, done: Option<Done>) {
        self.pieces.push(bytes, ends, done);
    }

    /// Number of the last message that may have reached the socket.
    pub(crate) fn taken_seq(&self) -> u64 {
        self.flight.taken.seq
    }

    /// What the socket has taken whole.
    pub(crate) fn sent(&self) -> Done {
        self.flight.done
    }

    /// Every message that was taken has been written.
    pub(crate) fn has_sent_all(&self) -> bool {
        self.flight.done == self.flight.taken
    }

    /// FIN is queued or sent.
    pub(crate) fn has_left(&self) -> bool {
        self.left
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(crate) fn transmit<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        self.pieces.transmit(out)
    }

    /// True if a message has been written whole.
    pub(crate) fn on_sent(&mut self, n: usize) -> bool {
        let flight = &mut self.flight;
        let before = flight.done.seq;
        self.pieces
            .on_sent(n, |done| flight.done = done.unwrap_or(flight.done));
        if self.pieces.is_empty() {
            self.writer = None;
            self.loose = 0;
        }
        flight.done.seq > before
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
