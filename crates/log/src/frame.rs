use crate::batch::{crc32c, crc32c_append};

/// Which of our small files a frame is, by the first four bytes of the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u32)]
pub enum FrameKind {
    /// `kaska.format`.
    Format = u32::from_be_bytes(*b"KSKF"),
    /// `topic.meta`.
    Topic = u32::from_be_bytes(*b"KSKT"),
    /// A checkpoint.
    Checkpoint = u32::from_be_bytes(*b"KSKC"),
    /// The seal of a segment.
    Seal = u32::from_be_bytes(*b"KSKS"),
}

/// Why bytes are not the frame that they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameFault {
    /// They are torn, changed, or something else.
    Damaged,
    /// A newer program wrote them, in this version of the kind.
    Newer(u16),
}

/// Bytes before the body: magic, version, two zeros, length of the body, checksum.
const HEAD_BYTES: usize = 16;
/// What the checksum covers of them.
const COVERED_BYTES: usize = 12;
/// The version of every kind that this program writes.
const VERSION: u16 = 1;
/// Longest body.
const MOST_BYTES: usize = 64 << 20;

/// A frame with that body; `None` if the body is over 64 MiB.
#[must_use]
pub fn encode_frame(kind: FrameKind, body: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(body.len())
        .ok()
        .filter(|length| *length as usize <= MOST_BYTES)?;
    let mut bytes = Vec::with_capacity(HEAD_BYTES + body.len());
    bytes.extend((kind as u32).to_be_bytes());
    bytes.extend(VERSION.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(length.to_be_bytes());
    let crc = checksum(&bytes, body);
    bytes.extend(crc.to_be_bytes());
    bytes.extend(body);
    Some(bytes)
}

/// The body of the frame at the beginning of `bytes`, and what follows it.
///
/// # Errors
///
/// `Newer` only if all but the version is right; `Damaged` for everything else.
pub fn decode_frame(kind: FrameKind, bytes: &[u8]) -> Result<(&[u8], &[u8]), FrameFault> {
    let (covered, rest) = bytes
        .split_first_chunk::<COVERED_BYTES>()
        .ok_or(FrameFault::Damaged)?;
    let (crc, rest) = rest.split_first_chunk().ok_or(FrameFault::Damaged)?;
    let &[a, b, c, d, v, w, _, _, e, f, g, h] = covered;
    let length = u32::from_be_bytes([e, f, g, h]) as usize;
    if u32::from_be_bytes([a, b, c, d]) != kind as u32 || length > MOST_BYTES {
        return Err(FrameFault::Damaged);
    }
    let (body, behind) = rest.split_at_checked(length).ok_or(FrameFault::Damaged)?;
    if checksum(covered, body) != u32::from_be_bytes(*crc) {
        return Err(FrameFault::Damaged);
    }
    match u16::from_be_bytes([v, w]) {
        VERSION => Ok((body, behind)),
        newer => Err(FrameFault::Newer(newer)),
    }
}

fn checksum(head: &[u8], body: &[u8]) -> u32 {
    crc32c_append(crc32c(head), body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Vec<u8> {
        encode_frame(FrameKind::Topic, b"the body").unwrap()
    }

    #[test]
    fn a_frame_is_stored_byte_for_byte_as_the_format_says() {
        let mut known = b"KSKT\0\x01\0\0\0\0\0\x08".to_vec();
        let crc = crc32c(&[&known[..], b"the body"].concat());
        known.extend(crc.to_be_bytes());
        known.extend(b"the body");
        assert_eq!(sample(), known);
    }

    #[test]
    fn what_follows_a_frame_is_given_back() {
        let two = [sample(), sample(), vec![9]].concat();
        let (body, rest) = decode_frame(FrameKind::Topic, &two).unwrap();
        assert_eq!(body, b"the body");
        let (body, rest) = decode_frame(FrameKind::Topic, rest).unwrap();
        assert_eq!((body, rest), (&b"the body"[..], &[9][..]));
    }

    #[test]
    fn a_frame_torn_at_any_byte_or_changed_in_any_bit_is_damaged() {
        let whole = sample();
        let damaged = Err(FrameFault::Damaged);
        for length in 0..whole.len() {
            assert_eq!(decode_frame(FrameKind::Topic, &whole[..length]), damaged);
        }
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(decode_frame(FrameKind::Topic, &bytes), damaged, "bit {bit}");
        }
        assert_eq!(decode_frame(FrameKind::Seal, &whole), damaged);
    }

    #[test]
    fn a_newer_frame_is_told_from_a_damaged_one() {
        let mut bytes = sample();
        bytes[5] = 2;
        let crc = checksum(&bytes[..12], b"the body");
        bytes[12..16].copy_from_slice(&crc.to_be_bytes());
        let newer = Err(FrameFault::Newer(2));
        assert_eq!(decode_frame(FrameKind::Topic, &bytes), newer);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_frame_or_damaged(mut bytes: Vec<u8>, head in any::<bool>()) {
            if head {
                drop(bytes.splice(0..0, *b"KSKS\0\x01\0\0\0\0\0"));
            }
            let _ = decode_frame(FrameKind::Seal, &bytes);
        }
    }
}
