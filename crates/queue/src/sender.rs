use std::collections::VecDeque;
use std::io::IoSlice;

use chunk::Slice;
use wire::{FrameType, Header};

use crate::out_frame::OutFrame;
use crate::outbox::{Outbox, Window};
use crate::peer::Done;

/// As much is taken from the outbox at a time: enough for one large write, little enough that the rest can still be
/// dropped by `onFull: 'drop-oldest'`.
const READY_BYTES: usize = 256 * 1024;

/// The writing half of a session: frames in the order of the wire, and what is not acknowledged yet. It outlives its
/// connections, if it keeps what it sent.
///
/// Messages have the numbers that the outbox gave them; on the wire `base` is added to those.
#[derive(Default)]
pub(crate) struct Sender {
    ready: VecDeque<Piece>,
    ready_bytes: usize,
    /// Bytes of the front piece that are written.
    front_sent: usize,
    /// The last piece that was written whole was not the end of its frame.
    mid_frame: bool,
    unacked: VecDeque<Unacked>,
    acked: Done,
    /// Messages and bytes taken from the outbox in all.
    taken: (u64, u64),
    /// Most messages and bytes that may be unacknowledged; more stay in the outbox.
    window: Option<(u64, u64)>,
    /// Number of the last message taken from the outbox.
    taken_seq: u64,
    fin_queued: bool,
    /// What is not acknowledged is kept, to be sent again over another connection.
    keeps: bool,
    base: u64,
}

struct Piece {
    bytes: Slice,
    ends_frame: bool,
    is_ack: bool,
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
        self.window = Some((messages.max(1), bytes.max(1)));
    }

    /// Takes frames from the outbox until enough is ready or on its way; returns messages and bytes taken.
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
            self.taken_seq = frame.last_seq();
            self.taken.0 += u64::from(frame.count);
            self.taken.1 += frame.bytes;
            self.send(frame.again(frame.first_seq, self.base, 0));
            self.unacked.push_back(Unacked::of(frame, self.keeps));
        }
        (self.taken.0 - before.0, self.taken.1 - before.1)
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
        (self.on_wire(self.acked.seq), self.on_wire(self.taken_seq))
    }

    /// The connection is gone, with what it was about to be given.
    pub(crate) fn disconnect(&mut self) {
        self.ready.clear();
        self.ready_bytes = 0;
        self.front_sent = 0;
        self.mid_frame = false;
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
        self.is_idle() && !self.fin_queued && self.base == 0 && self.room() > 0
    }

    /// A message was sent without having been queued, but for what is left: parts of one frame.
    pub(crate) fn sent_direct(&mut self, frame: OutFrame, left: impl Iterator<Item = Slice>) {
        self.taken_seq = frame.last_seq();
        self.taken.0 += 1;
        self.taken.1 += frame.bytes;
        self.unacked.push_back(Unacked::of(frame, self.keeps));
        for bytes in left {
            self.append(bytes, false);
        }
        if let Some(last) = self.ready.back_mut() {
            last.ends_frame = true;
            self.mid_frame = true;
        }
    }

    /// How many more messages may be on their way.
    fn room(&self) -> u64 {
        let Some((messages, bytes)) = self.window else {
            return u64::MAX;
        };
        if self.taken.1 - self.acked.bytes >= bytes {
            return 0;
        }
        messages.saturating_sub(self.taken.0 - self.acked.messages)
    }

    /// Frames that lie side by side in a slab are written as one piece.
    fn append(&mut self, bytes: Slice, ends_frame: bool) {
        self.ready_bytes += bytes.len();
        if let Some(last) = self.ready.back_mut()
            && last.ends_frame
            && ends_frame
            && let Some(joined) = last.bytes.try_join(&bytes)
        {
            last.bytes = joined;
            return;
        }
        self.ready.push_back(Piece {
            bytes,
            ends_frame,
            is_ack: false,
        });
    }

    /// Puts a frame without messages in front of everything that has not been started.
    pub(crate) fn urgent(&mut self, header: Header) {
        let place = self.begun();
        let bytes = Slice::from_vec(header.encode().to_vec());
        let is_ack = header.kind == FrameType::Ack;
        // A later acknowledgement says all that an earlier one would: a peer that does not read keeps one waiting, not many.
        if let Some(piece) = self
            .ready
            .get_mut(place)
            .filter(|piece| is_ack && piece.is_ack)
        {
            piece.bytes = bytes;
            return;
        }
        self.ready_bytes += bytes.len();
        self.ready.insert(
            place,
            Piece {
                bytes,
                ends_frame: true,
                is_ack,
            },
        );
    }

    /// Puts bytes behind everything else.
    pub(crate) fn last(&mut self, bytes: Vec<u8>) {
        self.ready_bytes += bytes.len();
        self.ready.push_back(Piece {
            bytes: Slice::from_vec(bytes),
            ends_frame: true,
            is_ack: false,
        });
    }

    /// Puts bytes behind the frame that has been begun, in the place of all others; false if that frame is too long to wait for.
    pub(crate) fn abandon(&mut self, bytes: Vec<u8>) -> bool {
        self.ready.truncate(self.begun());
        let left: usize = self.ready.iter().map(|piece| piece.bytes.len()).sum();
        let short = left - self.front_sent <= READY_BYTES;
        self.last(bytes);
        short
    }

    /// Pieces at the front that belong to a frame that has been begun.
    fn begun(&self) -> usize {
        if self.front_sent == 0 && !self.mid_frame {
            return 0;
        }
        let end = self.ready.iter().position(|piece| piece.ends_frame);
        end.map_or(self.ready.len(), |last| last + 1)
    }

    /// Puts the hello, the first bytes of all: it counts as begun, so that nothing urgent overtakes it.
    pub(crate) fn hello(&mut self, bytes: Vec<u8>) {
        self.last(bytes);
        self.mid_frame = true;
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
        self.taken_seq
    }

    pub(crate) fn fin_queued(&self) -> bool {
        self.fin_queued
    }

    pub(crate) fn is_idle(&self) -> bool {
        self.ready.is_empty()
    }

    pub(crate) fn all_acked(&self) -> bool {
        self.unacked.is_empty()
    }

    pub(crate) fn transmit<'a>(&'a mut self, out: &mut [IoSlice<'a>]) -> usize {
        let mut used = 0;
        let mut skip = self.front_sent;
        for (slot, piece) in out.iter_mut().zip(&self.ready) {
            *slot = IoSlice::new(piece.bytes.get(skip..).unwrap_or_default());
            skip = 0;
            used += 1;
        }
        used
    }

    pub(crate) fn on_sent(&mut self, mut n: usize) {
        self.ready_bytes = self.ready_bytes.saturating_sub(n);
        while let Some(front) = self.ready.front() {
            let left = front.bytes.len() - self.front_sent;
            if n < left {
                self.front_sent += n;
                return;
            }
            n -= left;
            self.front_sent = 0;
            self.mid_frame = !front.ends_frame;
            self.ready.pop_front();
        }
    }

    /// The peer acknowledged everything up to `seq` of the wire. `None` if it acknowledged what was never sent. Bytes of a frame
    /// count when the whole frame is acknowledged.
    pub(crate) fn on_ack(&mut self, seq: u64) -> Option<Done> {
        // What an earlier run of this communicator had sent is not ours to count.
        let seq = seq.saturating_sub(self.base);
        if seq > self.taken_seq {
            return None;
        }
        self.acked.seq = self.acked.seq.max(seq);
        while let Some(front) = self.unacked.front_mut()
            && front.first_seq <= seq
        {
            self.acked.messages += seq.min(front.last_seq) + 1 - front.first_seq;
            if seq < front.last_seq {
                front.first_seq = seq + 1;
                break;
            }
            self.acked.bytes += front.bytes;
            self.unacked.pop_front();
        }
        Some(self.acked)
    }
}
