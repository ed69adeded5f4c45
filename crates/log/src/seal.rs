use crate::frame::{FrameKind, decode_frame, encode_frame};

/// What is known of a segment that is not written any more, so that nobody need scan it: Kafka has no such file. It says
/// which bytes its indexes had, so it tells whether they are whole.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Seal {
    /// Length of `.log`. A file of another length is not what was sealed.
    pub log_bytes: u32,
    /// Length of `.index`.
    pub index_bytes: u32,
    /// CRC32C of `.index`.
    pub index_crc: u32,
    /// Length of `.timeindex`.
    pub time_index_bytes: u32,
    /// CRC32C of `.timeindex`.
    pub time_index_crc: u32,
    /// Offset behind its last record.
    pub next_offset: u64,
    /// Latest time of a record; −1 if there is no record.
    pub max_ms: i64,
    /// When something was appended last, in ms since 1970: what retention goes by.
    pub appended_ms: i64,
    /// How many records there are.
    pub records: u64,
    /// How many batches.
    pub batches: u32,
    /// It has a range that cannot be read.
    pub damaged: bool,
}

const BODY_BYTES: usize = 60;
const DAMAGED: u32 = 1;

impl Seal {
    /// The file.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut body = Vec::with_capacity(BODY_BYTES);
        body.extend(self.log_bytes.to_be_bytes());
        body.extend(self.index_bytes.to_be_bytes());
        body.extend(self.index_crc.to_be_bytes());
        body.extend(self.time_index_bytes.to_be_bytes());
        body.extend(self.time_index_crc.to_be_bytes());
        body.extend(self.next_offset.to_be_bytes());
        body.extend(self.max_ms.to_be_bytes());
        body.extend(self.appended_ms.to_be_bytes());
        body.extend(self.records.to_be_bytes());
        body.extend(self.batches.to_be_bytes());
        let flags = if self.damaged { DAMAGED } else { 0 };
        body.extend(flags.to_be_bytes());
        encode_frame(FrameKind::Seal, &body).unwrap_or_default()
    }

    /// The seal in a file; `None` if it is torn, damaged or of a newer version: the segment is scanned then.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, []) = decode_frame(FrameKind::Seal, bytes).ok()? else {
            return None;
        };
        let mut rest = body;
        let seal = Self {
            log_bytes: u32::from_be_bytes(take(&mut rest)?),
            index_bytes: u32::from_be_bytes(take(&mut rest)?),
            index_crc: u32::from_be_bytes(take(&mut rest)?),
            time_index_bytes: u32::from_be_bytes(take(&mut rest)?),
            time_index_crc: u32::from_be_bytes(take(&mut rest)?),
            next_offset: u64::from_be_bytes(take(&mut rest)?),
            max_ms: i64::from_be_bytes(take(&mut rest)?),
            appended_ms: i64::from_be_bytes(take(&mut rest)?),
            records: u64::from_be_bytes(take(&mut rest)?),
            batches: u32::from_be_bytes(take(&mut rest)?),
            damaged: match u32::from_be_bytes(take(&mut rest)?) {
                0 => false,
                DAMAGED => true,
                _ => return None,
            },
        };
        (rest.is_empty() && seal.next_offset <= i64::MAX as u64).then_some(seal)
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (field, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> Seal {
        Seal {
            log_bytes: 0x0102_0304,
            index_bytes: 8,
            index_crc: 0x1111_2222,
            time_index_bytes: 12,
            time_index_crc: 0x3333_4444,
            next_offset: 1 << 40,
            max_ms: -1,
            appended_ms: 1_700_000_000_000,
            records: 7,
            batches: 3,
            damaged: true,
        }
    }

    #[test]
    fn a_seal_is_read_as_it_was_written() {
        let bytes = sample().encode();
        assert_eq!(bytes.len(), 16 + BODY_BYTES);
        assert_eq!(Seal::decode(&bytes), Some(sample()));
        let whole = Seal {
            damaged: false,
            ..sample()
        };
        assert_eq!(Seal::decode(&whole.encode()), Some(whole));
    }

    #[test]
    fn one_torn_at_any_byte_or_changed_in_any_bit_is_none() {
        let bytes = sample().encode();
        for length in 0..bytes.len() {
            assert_eq!(Seal::decode(&bytes[..length]), None, "{length}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Seal::decode(&changed), None, "bit {bit}");
        }
        assert_eq!(Seal::decode(&[&bytes[..], &[0]].concat()), None);
    }

    #[test]
    fn flags_that_are_not_known_are_not_passed_over() {
        let mut body = sample().encode().split_off(16);
        body[59] = 3;
        let file = encode_frame(FrameKind::Seal, &body).unwrap();
        assert_eq!(Seal::decode(&file), None);
        let longer = encode_frame(FrameKind::Seal, &[&body[..], &[0]].concat()).unwrap();
        assert_eq!(Seal::decode(&longer), None);
    }
}
