use std::collections::VecDeque;
use std::io::IoSlice;

use chunk::Slice;
use wire::{FrameType, Header};

use crate::flight::Flight;
use crate::out_frame::OutFrame;
use crate::outbox::Outbox;
use crate::peer::Done;
use crate::pieces::Pieces;

/// The writing half of a session: frames in the order of the wire, and what is not acknowledged yet. It outlives its
/// connections, if it keeps what it sent.
///
/// Messages have the numbers that the outbox gave them; on the wire `base` is added to those.
#[derive(Default)]
pub(crate) struct Sender {
    pieces: Pieces<Unit>,
    flight: Flight,
    unacked: VecDeque<Unacked>,
    fin_queued: bool,
    /// What is not acknowledged is kept, to be sent again over another connection.
    keeps: bool,
    base: u64,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Unit {
    Ack,
    Other,
}

/// A frame, or what is left of it, that the peer has not acknowledged.
struct Unacked {
    first_seq: u64,
    last_seq: u64,
    bytes: u64,
    /// How often it was handed to a receiver that has lost it since.
    redelivered: u8,
    /// The frame as a whole, if it may have to be sent again.
    frame: Option<OutFrame>,
}

impl Unacked {
    fn of(frame: OutFrame, keep: bool) -> Self {
        Self {
            first_seq: frame.first_seq,
            last_seq: frame.last_seq(),
            bytes: frame.bytes,
            redelivered: 0,
            frame: keep.then_some(frame),
        }
    }
}

impl Sender {
    /// Bounds what is unacknowledged; at least one message always goes.
    pub(crate) fn limit(&mut self, messages: u64, bytes: u64) {
        self.flight.limit(messages, bytes);
    }

    /// Takes frames from the outbox until enough is ready or on its way; returns messages and bytes taken.
    pub(crate) fn refill(&mut self, outbox: &mut Outbox) -> (u64, u64) {
        self.flight.adopt(outbox.window());
        let before = self.flight.taken;
        while self.pieces.has_room() {
            let Some(frame) = outbox.take(self.flight.room()) else {
                break;
            };
            self.flight.take(&frame);
            self.send(frame.again(frame.first_seq, self.base, 0));
            self.unacked.push_back(Unacked::of(frame, self.keeps));
        }
        self.flight.since(before)
    }

    fn send(&mut self, frame: Option<(Slice, Option<Slice>)>) {
        let Some((head, body)) = frame else {
            return;
        };
        self.append(head, body.is_none());
        if let Some(body) = body {
            self.append(body, true);
        }
    }

    // --- from one connection to the next -----------------------------------------------------------------------------

    /// From now on, whether what is not acknowledged is kept.
    pub(crate) fn keep(&mut self, keeps: bool) {
        self.keeps = keeps;
        if !keeps {
            for unacked in &mut self.unacked {
                unacked.frame = None;
            }
        }
    }

    pub(crate) fn keeps(&self) -> bool {
        self.keeps
    }

    /// The first message has the number after that on the wire. Nothing may have been sent.
    pub(crate) fn start_after(&mut self, seq: u64) {
        self.base = seq;
    }

    /// The number of a message on the wire.
    fn on_wire(&self, seq: u64) -> u64 {
        self.base + seq
    }

    /// Highest number that is acknowledged, and highest that was sent, as on the wire.
    pub(crate) fn range(&self) -> (u64, u64) {
        (
            self.on_wire(self.flight.done.seq),
            self.on_wire(self.flight.taken.seq),
        )
    }

    /// The connection is gone, with what it was about to be given.
    pub(crate) fn disconnect(&mut self) {
        self.pieces.clear();
        self.fin_queued = false;
    }

    /// Sends again what comes behind message `received` of the wire, over a new connection. `lost`: the receiver lost what it had been
    /// given before.
    pub(crate) fn rewind(&mut self, received: u64, lost: bool) {
        let from = received.saturating_sub(self.base) + 1;
        let mut unacked = std::mem::take(&mut self.unacked);
        for sent in unacked.iter_mut().filter(|sent| sent.last_seq >= from) {
            if lost {
                sent.redelivered = sent.redelivered.saturating_add(1);
            }
            let first = from.max(sent.first_seq);
            let frame = sent.frame.as_ref();
            self.send(frame.and_then(|frame| frame.again(first, self.base, sent.redelivered)));
        }
        self.unacked = unacked;
    }

    /// Whether a message could be sent at once: nothing waits before it, and the peer's window takes it.
    pub(crate) fn is_free(&self) -> bool {
        self.is_idle() && !self.fin_queued && self.base == 0 && self.flight.room() > 0
    }

    /// A message was sent without having been queued, but for what is left: parts of one frame.
    pub(crate) fn sent_direct(&mut self, frame: OutFrame, left: impl Iterator<Item = Slice>) {
        self.flight.take_one(frame.last_seq(), frame.bytes);
        self.unacked.push_back(Unacked::of(frame, self.keeps));
        for bytes in left {
            self.append(bytes, false);
        }
        self.pieces.end_begun(|_| {});
    }

    /// Frames that lie side by side in a slab are written as one piece.
    fn append(&mut self, bytes: Slice, ends_frame: bool) {
        self.pieces.push_joined(bytes, ends_frame, Unit::Other);
    }

    /// Puts a frame without messages in front of everything that has not been started.
    pub(crate) fn urgent(&mut self, header: Header) {
        let bytes = Slice::from_vec(header.encode().to_vec());
        let unit = if header.kind == FrameType::Ack {
            Unit::Ack
        } else {
            Unit::Other
        };
        // A later acknowledgement says all that an earlier one would: a peer that does not read keeps one waiting, not many.
        let replaces = |before: &Unit| unit == Unit::Ack && *before == Unit::Ack;
        self.pieces.push_urgent(bytes, unit, replaces);
    }

    /// Puts bytes behind everything else.
    pub(crate) fn last(&mut self, bytes: Vec<u8>) {
        self.pieces.push(Slice::from_vec(bytes), true, Unit::Other);
    }

    /// Puts bytes behind the frame that has been begun, in the place of all others; false if that frame is too long to wait for.
    pub(crate) fn abandon(&mut self, bytes: Vec<u8>) -> bool {
        let short = self.pieces.abandon();
        self.last(bytes);
        short
    }

    /// Puts the hello, the first bytes of all: it counts as begun, so that nothing urgent overtakes it.
    pub(crate) fn hello(&mut self, bytes: Vec<u8>) {
        self.last(bytes);
        self.pieces.begin();
    }

    /// Queues FIN once everything put has been taken.
    pub(crate) fn finish(&mut self, last_seq: u64) {
        if !self.fin_queued {
            self.fin_queued = true;
            let fin = Header::bare(FrameType::Fin, self.on_wire(last_seq));
            self.last(fin.encode().to_vec());
        }
    }

    /// Number of the last message that may have reached the socket.
    pub(crate) fn taken_seq(&self) -> u64 {
        self.flight.taken.seq
    }

    pub(crate) fn fin_queued(&self) -> bool {
        self.fin_queued
    }

    /// An acknowledgement waits to be written.
    pub(crate) fn owes_ack(&self) -> bool {
        self.pieces.has(|unit| *unit == Unit::Ack)
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.pieces.is_empty()
    }

    pub(crate) fn all_acked(&self) -> bool {
        self.unacked.is_empty()
    }

    pub(crate) fn transmit<'a>(&'a self, out: &mut [IoSlice<'a>]) -> usize {
        self.pieces.transmit(out)
    }

    pub(crate) fn on_sent(&mut self, n: usize) {
        self.pieces.on_sent(n, |_| {});
    }

    /// The peer acknowledged everything up to `seq` of the wire. `None` if it acknowledged what was never sent. Bytes of a frame
    /// count when the whole frame is acknowledged.
    pub(crate) fn on_ack(&mut self, seq: u64) -> Option<Done> {
        // What an earlier run of this communicator had sent is not ours to count.
        let seq = seq.saturating_sub(self.base);
        if seq > self.flight.taken.seq {
            return None;
        }
        self.flight.done.seq = self.flight.done.seq.max(seq);
        while let Some(front) = self.unacked.front_mut()
            && front.first_seq <= seq
        {
            self.flight.done.messages += seq.min(front.last_seq) + 1 - front.first_seq;
            if seq < front.last_seq {
                front.first_seq = seq + 1;
                break;
            }
            self.flight.done.bytes += front.bytes;
            self.unacked.pop_front();
        }
        Some(self.flight.done)
    }
}
