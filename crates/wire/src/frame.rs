//! Frames of the native protocol: a 16-byte header, then for DATA a column of words and the payloads.

use crate::Error;

/// Length of every frame's header.
pub const HEADER_BYTES: usize = 16;
/// Length of one word.
pub const WORD_BYTES: usize = 4;
/// Longest body of a frame that carries more than one message, or that is read through a shared slab: header and body
/// together are 64 KiB.
pub const DATA_LIMIT: usize = 64 * 1024 - HEADER_BYTES;
/// Longest message that a word can describe.
pub const MAX_LENGTH: u32 = (1 << 29) - 1;

const KIND_SHIFT: u32 = 29;

/// How the payload of a message is to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// Bytes, as they are.
    Bytes = 0,
    /// A msgpack value.
    Msgpack = 1,
    /// JSON text in UTF-8.
    Json = 2,
    /// What the users' own serializers agree on.
    Custom = 3,
    /// A Python pickle.
    Pickle = 4,
    /// Reserved: a message that comes in parts.
    Stream = 5,
}

/// Kind and length of one message in 32 bits: `kind << 29 | length`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Word(u32);

impl Word {
    /// A word from its parts; `None` if the length is over [`MAX_LENGTH`].
    #[must_use]
    pub const fn new(kind: Kind, length: u32) -> Option<Self> {
        if length > MAX_LENGTH {
            None
        } else {
            Some(Self((kind as u32) << KIND_SHIFT | length))
        }
    }

    /// A word as it travelled; `None` if its kind is unknown.
    #[must_use]
    pub const fn from_bits(bits: u32) -> Option<Self> {
        if bits >> KIND_SHIFT > Kind::Stream as u32 {
            None
        } else {
            Some(Self(bits))
        }
    }

    /// The 32 bits.
    #[must_use]
    pub const fn bits(self) -> u32 {
        self.0
    }

    /// Payload length in bytes.
    #[must_use]
    pub const fn length(self) -> usize {
        (self.0 & MAX_LENGTH) as usize
    }
}

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum FrameType {
    /// Messages.
    Data = 1,
    /// Everything up to and including `seq` is acknowledged.
    Ack = 2,
    /// "I am here": sent when nothing else has been for a while.
    Beat = 3,
    /// No message will follow; `seq` is the number of the last one.
    Fin = 4,
    /// The sender gives the session up; `seq` is an error code, the body its reason in UTF-8.
    Error = 5,
}

/// Longest reason in an ERROR frame.
const MAX_REASON_BYTES: usize = 1024;

/// The ERROR frame that tells the peer why; a reason that is too long is cut.
#[must_use]
pub fn error_frame(error: &Error) -> Vec<u8> {
    let mut end = error.message.len().min(MAX_REASON_BYTES);
    while !error.message.is_char_boundary(end) {
        end -= 1;
    }
    let reason = error.message.get(..end).unwrap_or_default();
    let header = Header {
        body_len: u32::try_from(reason.len()).unwrap_or(0),
        ..Header::bare(FrameType::Error, error.code as u64)
    };
    [&header.encode()[..], reason.as_bytes()].concat()
}

/// The 16 bytes before every body.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// What the frame is.
    pub kind: FrameType,
    /// Bytes that follow the header.
    pub body_len: u32,
    /// How often the messages were handed to the receiver before, at most 255 (DATA), otherwise 0. Travels as the flags.
    pub redelivered: u8,
    /// Number of messages (DATA), otherwise 0.
    pub count: u16,
    /// See [`FrameType`]; for DATA the sequence number of the first message.
    pub seq: u64,
}

impl Header {
    /// A header without a body.
    #[must_use]
    pub const fn bare(kind: FrameType, seq: u64) -> Self {
        Self {
            kind,
            body_len: 0,
            redelivered: 0,
            count: 0,
            seq,
        }
    }

    /// The header as it travels.
    #[must_use]
    pub fn encode(self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        let [a, b, c, d] = self.body_len.to_le_bytes();
        let [e, f] = self.count.to_le_bytes();
        let [g, h, i, j, k, l, m, n] = self.seq.to_le_bytes();
        out.copy_from_slice(&[
            a,
            b,
            c,
            d,
            self.kind as u8,
            self.redelivered,
            e,
            f,
            g,
            h,
            i,
            j,
            k,
            l,
            m,
            n,
        ]);
        out
    }

    /// Header and body together.
    #[must_use]
    pub const fn frame_len(self) -> usize {
        HEADER_BYTES + self.body_len as usize
    }

    /// True if the body is one message that gets a buffer of its own.
    #[must_use]
    pub const fn is_large(self) -> bool {
        self.body_len as usize > DATA_LIMIT
    }
}

/// What [`parse`] found at the front of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed {
    /// Not even a header; that many bytes are needed in all.
    Need(usize),
    /// A header that obeys every rule that can be checked without the body.
    Frame(Header),
}

/// Reads the header at the front of `bytes`. `max_message` bounds the payload of a large message.
///
/// # Errors
/// [`Code::Protocol`](crate::Code::Protocol) for an unknown type, flags, or a length that its type does not allow;
/// [`Code::TooLarge`](crate::Code::TooLarge) for a message over `max_message`. Nothing is allocated before this check.
pub fn parse(bytes: &[u8], max_message: u32) -> Result<Parsed, Error> {
    let Some((head, _)) = bytes.split_first_chunk::<HEADER_BYTES>() else {
        return Ok(Parsed::Need(HEADER_BYTES));
    };
    let [a, b, c, d, kind, flags, e, f, seq @ ..] = *head;
    let body_len = u32::from_le_bytes([a, b, c, d]);
    let count = u16::from_le_bytes([e, f]);
    let seq = u64::from_le_bytes(seq);
    let kind = match kind {
        1 => FrameType::Data,
        2 => FrameType::Ack,
        3 => FrameType::Beat,
        4 => FrameType::Fin,
        5 => FrameType::Error,
        other => return Err(Error::protocol(format!("unknown frame type {other}"))),
    };
    if flags != 0 && kind != FrameType::Data {
        return Err(Error::protocol(format!("unknown frame flags {flags:#04x}")));
    }
    let header = Header {
        kind,
        body_len,
        redelivered: flags,
        count,
        seq,
    };
    match kind {
        FrameType::Data => check_data(header, max_message)?,
        FrameType::Error if body_len as usize <= MAX_REASON_BYTES && count == 0 => {}
        FrameType::Ack | FrameType::Beat | FrameType::Fin if body_len == 0 && count == 0 => {}
        _ => {
            return Err(Error::protocol(format!(
                "frame of type {kind:?} with a body of {body_len} bytes"
            )));
        }
    }
    Ok(Parsed::Frame(header))
}

fn check_data(header: Header, max_message: u32) -> Result<(), Error> {
    let words = u32::from(header.count) * WORD_BYTES as u32;
    if header.count == 0 || header.body_len < words || header.seq == 0 {
        return Err(Error::protocol(format!(
            "DATA frame with {} messages in {} bytes, first number {}",
            header.count, header.body_len, header.seq
        )));
    }
    if header
        .seq
        .checked_add(u64::from(header.count))
        .is_none_or(|end| end > 1 << 53)
    {
        return Err(Error::protocol(format!(
            "sequence number {} is past 2^53",
            header.seq
        )));
    }
    if header.is_large() {
        if header.count != 1 {
            return Err(Error::protocol(format!(
                "DATA frame of {} bytes with {} messages",
                header.body_len, header.count
            )));
        }
        let length = header.body_len - WORD_BYTES as u32;
        if length > max_message.min(MAX_LENGTH) {
            return Err(Error::new(
                crate::Code::TooLarge,
                format!("a message of {length} bytes is over maxMessageBytes ({max_message})"),
            ));
        }
    }
    Ok(())
}

/// How often the messages of a whole DATA frame were handed to the receiver before; see [`Header::redelivered`].
#[must_use]
pub fn redelivered(frame: &[u8]) -> u8 {
    frame.get(5).copied().unwrap_or(0)
}

/// Sum of the payload lengths in a column of words; `None` if a word has an unknown kind. `longest` is compared with
/// each length by the caller through the second result.
#[must_use]
pub fn words_sum(words: &[u8]) -> Option<(u64, u32)> {
    let mut sum = 0_u64;
    let mut longest = 0_u32;
    let mut unknown = 0_u32;
    for chunk in words.as_chunks::<WORD_BYTES>().0 {
        let bits = u32::from_le_bytes(*chunk);
        // Of three bits, the kinds from 6 on are those that begin with two ones.
        unknown |= bits & (bits << 1);
        let length = bits & MAX_LENGTH;
        sum += u64::from(length);
        longest = longest.max(length);
    }
    (unknown >> 31 == 0).then_some((sum, longest))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_header_survives_the_wire() {
        let header = Header {
            kind: FrameType::Data,
            body_len: 68,
            redelivered: 0,
            count: 1,
            seq: 77,
        };
        assert_eq!(parse(&header.encode(), 1000), Ok(Parsed::Frame(header)));
    }

    #[test]
    fn golden_bytes_of_a_data_header() {
        let header = Header {
            kind: FrameType::Data,
            body_len: 0x0102,
            redelivered: 0,
            count: 3,
            seq: 0x0a0b,
        };
        assert_eq!(
            header.encode(),
            [2, 1, 0, 0, 1, 0, 3, 0, 0x0b, 0x0a, 0, 0, 0, 0, 0, 0]
        );
    }

    #[test]
    fn every_prefix_of_a_header_asks_for_more() {
        let bytes = Header::bare(FrameType::Beat, 1).encode();
        for n in 0..HEADER_BYTES {
            assert_eq!(parse(&bytes[..n], 10), Ok(Parsed::Need(HEADER_BYTES)));
        }
    }

    #[test]
    fn hostile_lengths_are_refused_before_any_memory_is_taken() {
        let huge = Header {
            kind: FrameType::Data,
            body_len: u32::MAX,
            redelivered: 0,
            count: 1,
            seq: 1,
        };
        assert_eq!(
            parse(&huge.encode(), 1000).unwrap_err().code,
            crate::Code::TooLarge
        );
        let many = Header {
            kind: FrameType::Data,
            body_len: 100_000,
            redelivered: 0,
            count: 2,
            seq: 1,
        };
        assert_eq!(
            parse(&many.encode(), u32::MAX).unwrap_err().code,
            crate::Code::Protocol
        );
        let short = Header {
            kind: FrameType::Data,
            body_len: 7,
            redelivered: 0,
            count: 2,
            seq: 1,
        };
        assert_eq!(
            parse(&short.encode(), u32::MAX).unwrap_err().code,
            crate::Code::Protocol
        );
        let late = Header {
            kind: FrameType::Data,
            body_len: 4,
            redelivered: 0,
            count: 1,
            seq: u64::MAX,
        };
        assert_eq!(
            parse(&late.encode(), u32::MAX).unwrap_err().code,
            crate::Code::Protocol
        );
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_fail_with_a_code(bytes in proptest::collection::vec(any::<u8>(), 0..64), max in any::<u32>()) {
            if let Ok(Parsed::Frame(header)) = parse(&bytes, max) {
                prop_assert_eq!(&header.encode()[..], &bytes[..HEADER_BYTES]);
                prop_assert!(!header.is_large() || header.body_len - 4 <= max);
            }
        }

        #[test]
        fn the_sum_of_words_is_the_sum_of_lengths(lengths in proptest::collection::vec(0..=MAX_LENGTH, 0..100)) {
            let bytes: Vec<u8> = lengths.iter().flat_map(|&n| Word::new(Kind::Json, n).unwrap().bits().to_le_bytes()).collect();
            let sum = lengths.iter().map(|&n| u64::from(n)).sum();
            let longest = lengths.iter().copied().max().unwrap_or(0);
            prop_assert_eq!(words_sum(&bytes), Some((sum, longest)));
        }
    }

    #[test]
    fn an_unknown_kind_is_seen() {
        for kind in 0..8_u32 {
            let bits = kind << KIND_SHIFT | 1;
            let known = kind <= Kind::Stream as u32;
            assert_eq!(Word::from_bits(bits).is_some(), known, "kind {kind}");
            assert_eq!(
                words_sum(&bits.to_le_bytes()).is_some(),
                known,
                "kind {kind}"
            );
        }
    }

    #[test]
    fn the_kinds_of_two_words_do_not_add_up_to_an_unknown_one() {
        let words = [4_u32 << KIND_SHIFT, 3 << KIND_SHIFT];
        let bytes: Vec<u8> = words.iter().flat_map(|bits| bits.to_le_bytes()).collect();
        assert_eq!(words_sum(&bytes), Some((0, 0)));
    }
}
