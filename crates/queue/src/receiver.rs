use chunk::{LargeBuffer, LargePool, Pool, Slice, Writer};
use wire::{
    Code, Error, FrameType, HEADER_BYTES, Header, Parsed, WORD_BYTES, Word, parse, words_sum,
};

/// After a large message the next read takes only so much, since it is likely to meet another header and what is read
/// beyond it has to be copied.
const CAUTIOUS_READ: usize = 4096;
/// A slab with less room than this is left for a new one.
const LEAST_READ: usize = 16 * 1024;
/// What came is copied out of the slab if it is no more than this: many peers that hold little must not hold a slab each.
const SMALL_READ: usize = 8 * 1024;
/// Frames without messages may take so much of the slabs beyond what messages pay for; see [`Receiver::unpaid`].
const FREE_CONTROL: usize = 4096;
/// A byte of messages pays for so many of frames without.
const PAID_BY_DATA: usize = 3;

/// The reading half of a session: bytes become frames, small ones as slices of the slab that they were read into, large
/// messages in a buffer of their own that the socket fills.
pub(crate) struct Receiver {
    slabs: Pool,
    large_pool: LargePool,
    max_message: u32,
    writer: Option<Writer>,
    /// A small read that was copied out of the slab, from its first message on.
    block: Slice,
    /// The start of a frame, while there is no slab.
    start: Vec<u8>,
    filling: Option<Filling>,
    cautious: bool,
    /// Bytes of frames without messages that no message has paid for. A message that waits for the owner keeps its slab, so a
    /// peer that sends little else than signs of life could hold many slabs with few messages: those are copied instead.
    unpaid: usize,
    next_seq: u64,
}

struct Filling {
    payload: LargeBuffer,
    filled: usize,
    word: u32,
    seq: u64,
    redelivered: u8,
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
        redelivered: u8,
    },
    Control(Header, Slice),
}

impl Receiver {
    /// `next_seq`: number of the first message that is not a repetition.
    pub(crate) fn new(slabs: Pool, large_pool: LargePool, max_message: u32, next_seq: u64) -> Self {
        Self {
            slabs,
            large_pool,
            max_message,
            writer: None,
            block: Slice::empty(),
            start: Vec::new(),
            filling: None,
            cautious: false,
            unpaid: 0,
            next_seq,
        }
    }

    /// Number of the last message that came whole.
    pub(crate) fn last_seq(&self) -> u64 {
        let next = self
            .filling
            .as_ref()
            .map_or(self.next_seq, |filling| filling.seq);
        next - 1
    }

    pub(crate) fn read_buffer(&mut self) -> &mut [u8] {
        if self.filling.is_some() {
            let filling = self.filling.as_mut();
            return filling
                .and_then(|filling| filling.payload.get_mut(filling.filled..))
                .unwrap_or_default();
        }
        let cautious = self.cautious;
        let spare = self.writer().spare_mut();
        let take = if cautious {
            spare.len().min(CAUTIOUS_READ)
        } else {
            spare.len()
        };
        spare.get_mut(..take).unwrap_or_default()
    }

    /// A writer with room. The start of a frame that has not come whole moves along: a frame never spans slabs.
    fn writer(&mut self) -> &mut Writer {
        let old = self
            .writer
            .take()
            .filter(|writer| !writer.filled().is_empty() || writer.remaining() >= LEAST_READ);
        let kept = match old {
            Some(mut writer) => {
                if writer.filled().is_empty() {
                    writer.reset_if_sole();
                }
                let enough = writer.remaining() >= LEAST_READ
                    && writer.remaining() >= missing(writer.filled());
                if enough {
                    writer
                } else {
                    let mut fresh = self.slabs.writer();
                    fresh.put(writer.filled());
                    fresh
                }
            }
            None => {
                let mut fresh = self.slabs.writer();
                fresh.put(&std::mem::take(&mut self.start));
                fresh
            }
        };
        self.writer.insert(kept)
    }

    /// Bytes that came with the hello.
    pub(crate) fn preload(&mut self, bytes: &[u8]) {
        self.writer().put(bytes);
    }

    pub(crate) fn on_read(&mut self, n: usize) {
        if let Some(filling) = &mut self.filling {
            filling.filled += n;
        } else if let Some(writer) = &mut self.writer {
            writer.commit(n);
        }
    }

    /// The next thing that came whole.
    pub(crate) fn next(&mut self) -> Result<Option<Received>, Error> {
        if let Some(filling) = self
            .filling
            .take_if(|filling| filling.filled == filling.payload.len())
        {
            self.cautious = true;
            return Ok(Some(Received::Large {
                payload: filling.payload,
                word: filling.word,
                seq: filling.seq,
                redelivered: filling.redelivered,
            }));
        }
        if self.filling.is_some() {
            return Ok(None);
        }
        let Parsed::Frame(header) = parse(self.front(), self.max_message)? else {
            self.return_block();
            return Ok(None);
        };
        if header.kind == FrameType::Data && header.seq < self.next_seq {
            return Err(Error::protocol(format!(
                "message {} came again after {}",
                header.seq,
                self.next_seq - 1
            )));
        }
        if header.is_large() {
            self.start_large(header)?;
            return self.next_if_complete();
        }
        if self.front().len() < header.frame_len() {
            self.return_block();
            return Ok(None);
        }
        if header.kind == FrameType::Data {
            self.copy_small_read();
        }
        let frame = self.cut(header.frame_len());
        if header.kind != FrameType::Data {
            self.unpaid = self.unpaid.saturating_add(frame.len());
            return Ok(Some(Received::Control(header, frame.slice(HEADER_BYTES..))));
        }
        let bytes = check_words(&frame, header, self.max_message)?;
        self.cautious = false;
        self.unpaid = self.unpaid.saturating_sub(frame.len() * PAID_BY_DATA);
        let frame = if self.unpaid > FREE_CONTROL {
            Slice::copy_from(&frame)
        } else {
            frame
        };
        self.next_seq = header.seq + u64::from(header.count);
        Ok(Some(Received::Frame {
            frame,
            count: header.count,
            seq: header.seq,
            bytes,
        }))
    }

    /// What came and has not been looked at.
    fn front(&self) -> &[u8] {
        match &self.writer {
            Some(writer) if self.block.is_empty() => writer.filled(),
            _ => &self.block,
        }
    }

    /// Takes the first `n` bytes of [`front`](Self::front), which has them.
    fn cut(&mut self, n: usize) -> Slice {
        match &mut self.writer {
            Some(writer) if self.block.is_empty() => writer.freeze(n),
            _ => self.block.split_to(n),
        }
    }

    /// Messages of a small read get memory of their size, unless earlier ones keep the slab anyway.
    fn copy_small_read(&mut self) {
        if let Some(writer) = &mut self.writer
            && self.block.is_empty()
            && writer.filled().len() <= SMALL_READ
            && writer.is_sole_owner()
        {
            self.block = Slice::copy_from(writer.filled());
            writer.reset_if_sole();
        }
    }

    /// What is left of a block is the start of a frame, to be completed in the slab.
    fn return_block(&mut self) {
        if !self.block.is_empty() {
            let start = std::mem::take(&mut self.block);
            self.writer().put(&start);
        }
    }

    fn next_if_complete(&mut self) -> Result<Option<Received>, Error> {
        let complete = self
            .filling
            .as_ref()
            .is_some_and(|filling| filling.filled == filling.payload.len());
        if complete { self.next() } else { Ok(None) }
    }

    /// Takes a buffer for the payload and moves what has come of it.
    fn start_large(&mut self, header: Header) -> Result<(), Error> {
        let head = HEADER_BYTES + WORD_BYTES;
        let Some(&[a, b, c, d]) = self.front().get(HEADER_BYTES..head) else {
            self.return_block();
            return Ok(());
        };
        let word = u32::from_le_bytes([a, b, c, d]);
        let length = header.body_len as usize - WORD_BYTES;
        if Word::from_bits(word).is_none_or(|word| word.length() != length) {
            return Err(Error::protocol(
                "the word of a large message contradicts its frame",
            ));
        }
        let mut payload = self.large_pool.take(length).map_err(|error| {
            Error::new(
                Code::TooLarge,
                format!("no memory for a message of {length} bytes: {error}"),
            )
        })?;
        let here = self.front().get(head..).unwrap_or_default();
        let filled = here.len().min(length);
        if let (Some(to), Some(from)) = (payload.get_mut(..filled), here.get(..filled)) {
            to.copy_from_slice(from);
        }
        drop(self.cut(head + filled));
        self.next_seq = header.seq + 1;
        self.filling = Some(Filling {
            payload,
            filled,
            word,
            seq: header.seq,
            redelivered: header.redelivered,
        });
        Ok(())
    }

    /// The socket is empty: a connection that waits needs no slab, unless messages or much of a frame are in it.
    pub(crate) fn on_drained(&mut self) {
        let unused = self
            .writer
            .take_if(|writer| writer.filled().len() <= SMALL_READ && writer.is_sole_owner());
        if let Some(writer) = unused {
            self.start = writer.filled().to_vec();
        }
    }
}

/// How many more bytes the frame at the front needs.
fn missing(filled: &[u8]) -> usize {
    match parse(filled, u32::MAX) {
        Ok(Parsed::Frame(header)) if !header.is_large() => {
            header.frame_len().saturating_sub(filled.len())
        }
        _ => HEADER_BYTES + WORD_BYTES,
    }
}

fn check_words(frame: &Slice, header: Header, max_message: u32) -> Result<u64, Error> {
    let column = usize::from(header.count) * WORD_BYTES;
    let words = frame
        .get(HEADER_BYTES..HEADER_BYTES + column)
        .unwrap_or_default();
    let (sum, longest) =
        words_sum(words).ok_or_else(|| Error::protocol("a message of an unknown kind"))?;
    if sum != u64::from(header.body_len) - column as u64 {
        return Err(Error::protocol(format!(
            "the lengths of a frame add up to {sum}, its body says otherwise"
        )));
    }
    if longest > max_message {
        return Err(Error::new(
            Code::TooLarge,
            format!("a message of {longest} bytes is over maxMessageBytes ({max_message})"),
        ));
    }
    Ok(sum)
}
