use chunk::{LargeBuffer, LargePool, Pool, Slice, Writer};
use wire::python::{ID_BYTES, Meaning, PREFIX_BYTES, Parsed, meaning, parse};
use wire::{Code, DATA_LIMIT, Error, FrameType, HEADER_BYTES, Header, Kind, PeerId};
use wire::{WORD_BYTES, Word};

use crate::outbox::is_large;

/// After a large message the next read takes only so much, since it is likely to meet another length and what is read
/// beyond it has to be copied.
const CAUTIOUS_READ: usize = 4096;
/// A slab with less room than this is tidied first.
const LEAST_READ: usize = 16 * 1024;
/// A frame of no more than this has memory of its size: many peers that hold little must not hold a slab each.
const SMALL_FRAME: usize = 8 * 1024;

/// The reading half of a session: small messages become frames as the inbox takes them (words first, then the payloads), a
/// read at a time; a large message gets a buffer of its own that the socket fills.
pub(crate) struct Receiver {
    slabs: Pool,
    large_pool: LargePool,
    max_message: u32,
    /// Of every message, since none tells its own.
    kind: Kind,
    input: Input,
    /// Where frames are made.
    writer: Option<Writer>,
    filling: Option<Filling>,
    cautious: bool,
    next_seq: u64,
}

struct Filling {
    payload: LargeBuffer,
    filled: usize,
    word: u32,
    seq: u64,
}

/// What came.
pub(crate) enum Received {
    Frame {
        frame: Slice,
        count: u16,
        seq: u64,
        bytes: u64,
    },
    Large {
        payload: LargeBuffer,
        word: u32,
        seq: u64,
    },
    /// FIN.
    Leave,
}

/// Messages that lie one after the other in the input and go into one frame.
#[derive(Default)]
struct Batch {
    count: usize,
    /// Bytes of the payloads.
    bytes: usize,
    /// Bytes of the input.
    taken: usize,
}

/// What stands behind a batch.
enum Next {
    /// Nothing that has come whole, or nothing that this batch takes.
    Rest,
    Large(usize),
    Leave,
}

impl Receiver {
    pub(crate) fn new(slabs: Pool, large_pool: LargePool, max_message: u32, kind: Kind) -> Self {
        Self {
            slabs,
            large_pool,
            max_message,
            kind,
            input: Input::default(),
            writer: None,
            filling: None,
            cautious: false,
            next_seq: 1,
        }
    }

    pub(crate) fn read_buffer(&mut self) -> &mut [u8] {
        if let Some(filling) = &mut self.filling {
            return filling
                .payload
                .get_mut(filling.filled..)
                .unwrap_or_default();
        }
        let most = if self.cautious {
            CAUTIOUS_READ
        } else {
            usize::MAX
        };
        let room = self.input.room(&self.slabs);
        let take = room.len().min(most);
        room.get_mut(..take).unwrap_or_default()
    }

    pub(crate) fn on_read(&mut self, n: usize) {
        match &mut self.filling {
            Some(filling) => filling.filled += n,
            None => self.input.commit(n),
        }
    }

    /// Whether bytes wait that have not been looked at.
    pub(crate) fn has_input(&self) -> bool {
        self.filling.is_some() || !self.input.unread().is_empty()
    }

    /// Throws away what was read.
    pub(crate) fn discard(&mut self) {
        self.input = Input::default();
    }

    /// The peer's id, once it has come.
    pub(crate) fn introduction(&mut self) -> Result<Option<PeerId>, Error> {
        let unread = self.input.unread();
        let length = u32::try_from(ID_BYTES).unwrap_or(u32::MAX);
        match parse(unread, length) {
            Ok(Parsed::Need(_) | Parsed::Begun(ID_BYTES)) => Ok(None),
            Ok(Parsed::Whole(payload))
                if let Meaning::Introduction(id) = meaning(payload, None) =>
            {
                self.input.take(PREFIX_BYTES + ID_BYTES);
                Ok(Some(id))
            }
            _ => Err(Error::protocol(
                "the peer did not say who it is: a communicator of the Python package net-queue (1.0.0 or later) sends its id first",
            )),
        }
    }

    /// The next thing that came whole from `peer`.
    pub(crate) fn next(&mut self, peer: PeerId) -> Result<Option<Received>, Error> {
        if let Some(large) = self.filled() {
            return Ok(Some(large));
        }
        if self.filling.is_some() {
            return Ok(None);
        }
        let (batch, next) = self.scan(peer)?;
        if batch.count > 0 {
            self.cautious = false;
            return self.frame(&batch).map(Some);
        }
        match next {
            Next::Rest => Ok(None),
            Next::Leave => {
                self.input.take(PREFIX_BYTES + ID_BYTES);
                Ok(Some(Received::Leave))
            }
            Next::Large(length) => {
                self.start_large(length)?;
                Ok(self.filled())
            }
        }
    }

    /// The large message, if the last of it has come.
    fn filled(&mut self) -> Option<Received> {
        let filling = self
            .filling
            .take_if(|filling| filling.filled == filling.payload.len())?;
        self.cautious = true;
        Some(Received::Large {
            payload: filling.payload,
            word: filling.word,
            seq: filling.seq,
        })
    }

    /// The messages at the front of the input, as many as one frame takes. What cannot be is told once they have been taken.
    fn scan(&self, peer: PeerId) -> Result<(Batch, Next), Error> {
        let mut batch = Batch::default();
        let mut rest = self.input.unread();
        loop {
            let parsed = match parse(rest, self.max_message) {
                Err(_) if batch.count > 0 => return Ok((batch, Next::Rest)),
                parsed => parsed?,
            };
            let payload = match parsed {
                Parsed::Need(_) => return Ok((batch, Next::Rest)),
                Parsed::Begun(length) if is_large(length) => {
                    return Ok((batch, Next::Large(length)));
                }
                Parsed::Begun(_) => return Ok((batch, Next::Rest)),
                Parsed::Whole(payload) if is_large(payload.len()) => {
                    return Ok((batch, Next::Large(payload.len())));
                }
                Parsed::Whole(payload) => payload,
            };
            if meaning(payload, Some(peer)) == Meaning::Leave {
                return Ok((batch, Next::Leave));
            }
            let body = (batch.count + 1) * WORD_BYTES + batch.bytes + payload.len();
            if body > DATA_LIMIT || batch.count == usize::from(u16::MAX) {
                return Ok((batch, Next::Rest));
            }
            let taken = PREFIX_BYTES + payload.len();
            batch.count += 1;
            batch.bytes += payload.len();
            batch.taken += taken;
            rest = rest.get(taken..).unwrap_or_default();
        }
    }

    /// Makes a frame of a batch.
    fn frame(&mut self, batch: &Batch) -> Result<Received, Error> {
        let body_len = batch.count * WORD_BYTES + batch.bytes;
        let seq = self.next_seq;
        let too_much = || Error::new(Code::Internal, "a frame with more than it can hold");
        let count = u16::try_from(batch.count).map_err(|_| too_much())?;
        let header = Header {
            kind: FrameType::Data,
            redelivered: 0,
            body_len: u32::try_from(body_len).map_err(|_| too_much())?,
            count,
            seq,
        };
        let length = HEADER_BYTES + body_len;
        let (kind, unread) = (self.kind, self.input.unread());
        let frame = if length <= SMALL_FRAME {
            let mut frame = vec![0; length];
            fill(&mut frame, header, unread, kind).ok_or_else(too_much)?;
            Slice::from_vec(frame)
        } else {
            let writer = writer_with(&mut self.writer, &self.slabs, length);
            let room = writer.spare_mut().get_mut(..length);
            room.and_then(|room| fill(room, header, unread, kind))
                .ok_or_else(too_much)?;
            writer.commit(length);
            writer.freeze(length)
        };
        self.input.take(batch.taken);
        self.next_seq += u64::from(count);
        Ok(Received::Frame {
            frame,
            count,
            seq,
            bytes: batch.bytes as u64,
        })
    }

    /// Takes a buffer for a large message and moves what has come of it.
    fn start_large(&mut self, length: usize) -> Result<(), Error> {
        let word = u32::try_from(length)
            .ok()
            .and_then(|length| Word::new(self.kind, length))
            .ok_or_else(|| Error::new(Code::TooLarge, format!("a message of {length} bytes")))?;
        let mut payload = self.large_pool.take(length).map_err(|error| {
            Error::new(
                Code::TooLarge,
                format!("no memory for a message of {length} bytes: {error}"),
            )
        })?;
        let here = self.input.unread().get(PREFIX_BYTES..).unwrap_or_default();
        let filled = here.len().min(length);
        if let (Some(to), Some(from)) = (payload.get_mut(..filled), here.get(..filled)) {
            to.copy_from_slice(from);
        }
        self.input.take(PREFIX_BYTES + filled);
        self.filling = Some(Filling {
            payload,
            filled,
            word: word.bits(),
            seq: self.next_seq,
        });
        self.next_seq += 1;
        Ok(())
    }

    /// The socket is empty: a connection that waits needs no slab, unless messages or much of one are in it.
    pub(crate) fn on_drained(&mut self) {
        self.input.rest();
        self.writer.take_if(|writer| writer.is_sole_owner());
    }
}

/// Writes a frame of the messages at the front of `input`: header, words, payloads. `None` if they do not fill `room` exactly.
fn fill(room: &mut [u8], header: Header, input: &[u8], kind: Kind) -> Option<()> {
    let (head, body) = room.split_at_mut_checked(HEADER_BYTES)?;
    let (column, mut payloads) =
        body.split_at_mut_checked(usize::from(header.count) * WORD_BYTES)?;
    head.copy_from_slice(&header.encode());
    let mut rest = input;
    for slot in column.as_chunks_mut::<WORD_BYTES>().0 {
        let (prefix, behind) = rest.split_first_chunk::<PREFIX_BYTES>()?;
        let length = u32::try_from(u64::from_be_bytes(*prefix)).ok()?;
        let (payload, behind) = behind.split_at_checked(length as usize)?;
        let (to, left) = payloads.split_at_mut_checked(payload.len())?;
        *slot = Word::new(kind, length)?.bits().to_le_bytes();
        to.copy_from_slice(payload);
        (rest, payloads) = (behind, left);
    }
    payloads.is_empty().then_some(())
}

/// A writer with that much room, which a slab has.
pub(crate) fn writer_with<'a>(
    writer: &'a mut Option<Writer>,
    slabs: &Pool,
    room: usize,
) -> &'a mut Writer {
    if let Some(old) = writer {
        // A slab whose frames are gone is written again from its start: the same cache-warm memory for every batch.
        old.reset_if_sole();
        if old.remaining() < room {
            *writer = None;
        }
    }
    writer.get_or_insert_with(|| slabs.writer())
}

/// What was read and has not been looked at. It is copied on from here, so the slab is never shared.
#[derive(Default)]
struct Input {
    slab: Option<Writer>,
    /// Where the unread bytes begin, in the slab.
    start: usize,
    /// The start of a message, while there is no slab.
    kept: Vec<u8>,
}

impl Input {
    fn unread(&self) -> &[u8] {
        match &self.slab {
            Some(slab) => slab.filled().get(self.start..).unwrap_or_default(),
            None => &self.kept,
        }
    }

    /// Room for more: at least [`LEAST_READ`], and more than the message at the front needs if it is a small one.
    fn room(&mut self, slabs: &Pool) -> &mut [u8] {
        let start = &mut self.start;
        let kept = &mut self.kept;
        let slab = self.slab.get_or_insert_with(|| {
            let mut slab = slabs.writer();
            slab.put(&std::mem::take(kept));
            *start = 0;
            slab
        });
        // Half of a slab takes any small message.
        if slab.remaining() < (slab.capacity() / 2).max(LEAST_READ) {
            let left = slab.filled().len().saturating_sub(*start);
            slab.filled_mut().copy_within(*start.., 0);
            slab.reset_if_sole();
            slab.commit(left);
            *start = 0;
        }
        slab.spare_mut()
    }

    fn commit(&mut self, n: usize) {
        if let Some(slab) = &mut self.slab {
            slab.commit(n);
        }
    }

    /// The first `n` unread bytes have been looked at.
    fn take(&mut self, n: usize) {
        match &mut self.slab {
            Some(slab) => {
                self.start += n;
                if self.start >= slab.filled().len() {
                    slab.reset_if_sole();
                    self.start = 0;
                }
            }
            None => {
                self.kept.drain(..n.min(self.kept.len()));
            }
        }
    }

    /// Nothing comes for a while: little is kept without a slab.
    fn rest(&mut self) {
        if self.unread().len() <= SMALL_FRAME && self.slab.is_some() {
            self.kept = self.unread().to_vec();
            self.slab = None;
            self.start = 0;
        }
    }
}
