use super::Fault;
use crate::Codec;

/// Length of the header of a batch.
pub const HEADER_BYTES: usize = 61;
/// Bytes of a batch that its length does not count: base offset and length.
const BEFORE_LENGTH: u32 = 12;
/// Where the bytes begin that the checksum covers.
pub(crate) const CRC_FROM: usize = 21;
/// The version that this is.
pub(crate) const MAGIC: u8 = 2;
/// A record is at least this long: length, attributes, timestamp delta, offset delta, lengths of key and value, count of
/// headers, in one byte each.
pub(super) const LEAST_RECORD_BYTES: u32 = 7;

const CODEC_BITS: u16 = 0b111;
const APPEND_TIME: u16 = 0b1000;

/// What the 16 attribute bits of a batch say.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct Attributes {
    /// How the records are compressed.
    pub codec: Codec,
    /// Whether all records have the time of the append ([`Header::max_ms`]) instead of their own.
    pub append_time: bool,
}

impl Attributes {
    /// As they are stored.
    #[must_use]
    pub const fn bits(self) -> u16 {
        self.codec as u16 | if self.append_time { APPEND_TIME } else { 0 }
    }

    /// `None` for an unknown codec and for bits that are not understood.
    #[must_use]
    pub const fn from_bits(bits: u16) -> Option<Self> {
        if bits & !(CODEC_BITS | APPEND_TIME) != 0 {
            return None;
        }
        match Codec::from_number(bits & CODEC_BITS) {
            Some(codec) => Some(Self {
                codec,
                append_time: bits & APPEND_TIME != 0,
            }),
            None => None,
        }
    }
}

/// Who wrote a batch, and where it stands among all that this producer wrote: what a batch that comes twice is known by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProducerMark {
    /// Number of the producer, below 2^63.
    pub id: u64,
    /// How often it was given out anew, below 2^15.
    pub epoch: u16,
    /// Number of the first record, below 2^31; goes round.
    pub sequence: u32,
}

/// The 61 bytes before the records of every batch, with all bounds checked but the checksum ([`super::check`]).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Header {
    /// Offset of the first record.
    pub base_offset: u64,
    /// Length of header and records in bytes.
    pub size: u32,
    /// Compression and kind of time.
    pub attributes: Attributes,
    /// Offset of the last record less that of the first.
    pub last_delta: u32,
    /// Time that those of the records are told from: ms since 1970.
    pub base_ms: i64,
    /// Latest time of a record.
    pub max_ms: i64,
    /// Who wrote it, if he has a name.
    pub producer: Option<ProducerMark>,
    /// Number of records, at least 1.
    pub count: u32,
    /// CRC32C of all from the attributes on.
    pub crc: u32,
}

impl Header {
    /// The header in these bytes, of a batch of at most `most` bytes, header included: the limit, or what is left of the
    /// file if that is less.
    ///
    /// # Errors
    ///
    /// The first bound that does not hold.
    pub fn parse(bytes: &[u8; HEADER_BYTES], most: u32) -> Result<Self, Fault> {
        let fields = Fields::of(bytes);
        let size = u32::try_from(fields.length)
            .ok()
            .and_then(|length| length.checked_add(BEFORE_LENGTH))
            .filter(|size| *size >= HEADER_BYTES as u32 && *size <= most)
            .ok_or(Fault::Length)?;
        if fields.magic != MAGIC {
            return Err(Fault::Magic);
        }
        let attributes = Attributes::from_bits(fields.attributes).ok_or(Fault::Attributes)?;
        let last_delta = u32::try_from(fields.last_delta).map_err(|_| Fault::Count)?;
        let count = u32::try_from(fields.count).map_err(|_| Fault::Count)?;
        let room = (size - HEADER_BYTES as u32) / LEAST_RECORD_BYTES;
        if last_delta.checked_add(1) != Some(count)
            || (attributes.codec == Codec::None && count > room)
        {
            return Err(Fault::Count);
        }
        let base_offset = u64::try_from(fields.base_offset).map_err(|_| Fault::Offset)?;
        // The offset behind the last one must exist as well.
        if base_offset + u64::from(count) > i64::MAX as u64 {
            return Err(Fault::Offset);
        }
        let producer = match (fields.producer, fields.epoch, fields.sequence) {
            (-1, _, _) => None,
            (id, epoch, sequence) => Some(ProducerMark {
                id: u64::try_from(id).map_err(|_| Fault::Producer)?,
                epoch: u16::try_from(epoch).map_err(|_| Fault::Producer)?,
                sequence: u32::try_from(sequence).map_err(|_| Fault::Producer)?,
            }),
        };
        Ok(Self {
            base_offset,
            size,
            attributes,
            last_delta,
            base_ms: fields.base_ms,
            max_ms: fields.max_ms,
            producer,
            count,
            crc: fields.crc,
        })
    }

    /// The header at the beginning of `bytes`, of a batch that must end within `most` bytes.
    ///
    /// # Errors
    ///
    /// `Length` if there are fewer than 61 bytes; else as [`Header::parse`].
    pub fn parse_prefix(bytes: &[u8], most: u32) -> Result<Self, Fault> {
        Self::parse(bytes.first_chunk().ok_or(Fault::Length)?, most)
    }

    /// The header as it is stored, by the leader of epoch 0.
    #[must_use]
    pub fn encode(&self) -> [u8; HEADER_BYTES] {
        let mut out = [0; HEADER_BYTES];
        let (id, epoch, sequence) = match self.producer {
            None => (u64::MAX, u16::MAX, u32::MAX),
            Some(mark) => (mark.id, mark.epoch, mark.sequence),
        };
        let mut rest = out.as_mut_slice();
        let mut put = |field: &[u8]| {
            if let Some((place, behind)) =
                std::mem::take(&mut rest).split_at_mut_checked(field.len())
            {
                place.copy_from_slice(field);
                rest = behind;
            }
        };
        put(&self.base_offset.to_be_bytes());
        put(&self.size.saturating_sub(BEFORE_LENGTH).to_be_bytes());
        put(&0_u32.to_be_bytes());
        put(&[MAGIC]);
        put(&self.crc.to_be_bytes());
        put(&self.attributes.bits().to_be_bytes());
        put(&self.last_delta.to_be_bytes());
        put(&self.base_ms.to_be_bytes());
        put(&self.max_ms.to_be_bytes());
        put(&id.to_be_bytes());
        put(&epoch.to_be_bytes());
        put(&sequence.to_be_bytes());
        put(&self.count.to_be_bytes());
        out
    }

    /// Offset of the last record.
    #[must_use]
    pub const fn last_offset(&self) -> u64 {
        self.base_offset + self.last_delta as u64
    }

    /// Offset behind the last record: what the next batch begins at.
    #[must_use]
    pub const fn next_offset(&self) -> u64 {
        self.last_offset() + 1
    }
}

/// The fields as they are stored, before anything is checked.
struct Fields {
    base_offset: i64,
    length: i32,
    magic: u8,
    crc: u32,
    attributes: u16,
    last_delta: i32,
    base_ms: i64,
    max_ms: i64,
    producer: i64,
    epoch: i16,
    sequence: i32,
    count: i32,
}

impl Fields {
    fn of(bytes: &[u8; HEADER_BYTES]) -> Self {
        let mut rest = bytes.as_slice();
        let base_offset = i64::from_be_bytes(take(&mut rest));
        let length = i32::from_be_bytes(take(&mut rest));
        let _leader_epoch: [u8; 4] = take(&mut rest);
        let [magic] = take(&mut rest);
        Self {
            base_offset,
            length,
            magic,
            crc: u32::from_be_bytes(take(&mut rest)),
            attributes: u16::from_be_bytes(take(&mut rest)),
            last_delta: i32::from_be_bytes(take(&mut rest)),
            base_ms: i64::from_be_bytes(take(&mut rest)),
            max_ms: i64::from_be_bytes(take(&mut rest)),
            producer: i64::from_be_bytes(take(&mut rest)),
            epoch: i16::from_be_bytes(take(&mut rest)),
            sequence: i32::from_be_bytes(take(&mut rest)),
            count: i32::from_be_bytes(take(&mut rest)),
        }
    }
}

/// The next bytes of a header, which is as long as its fields together.
fn take<const N: usize>(rest: &mut &[u8]) -> [u8; N] {
    let (field, behind) = rest.split_first_chunk().unwrap_or((&[0; N], &[]));
    *rest = behind;
    *field
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMIT: u32 = 1 << 25;

    fn sample() -> Header {
        Header {
            base_offset: 7,
            size: 61 + 3 * 7,
            attributes: Attributes::default(),
            last_delta: 2,
            base_ms: 1_000,
            max_ms: 1_002,
            producer: None,
            count: 3,
            crc: 0xdead_beef,
        }
    }

    #[test]
    fn a_header_is_read_as_it_was_written() {
        let with = Header {
            producer: Some(ProducerMark {
                id: 1 << 62,
                epoch: 3,
                sequence: 0x7fff_ffff,
            }),
            attributes: Attributes {
                codec: Codec::Zstd,
                append_time: true,
            },
            ..sample()
        };
        for header in [sample(), with] {
            assert_eq!(Header::parse(&header.encode(), LIMIT), Ok(header));
        }
    }

    #[test]
    fn each_bound_has_its_fault() {
        let refused = |at: usize, bytes: &[u8]| {
            let mut header = sample().encode();
            header[at..at + bytes.len()].copy_from_slice(bytes);
            Header::parse(&header, LIMIT).unwrap_err()
        };
        assert_eq!(refused(0, &[0x80]), Fault::Offset);
        assert_eq!(refused(0, &(i64::MAX - 2).to_be_bytes()), Fault::Offset);
        assert_eq!(refused(8, &48_u32.to_be_bytes()), Fault::Length);
        assert_eq!(refused(8, &(LIMIT - 11).to_be_bytes()), Fault::Length);
        assert_eq!(refused(8, &u32::MAX.to_be_bytes()), Fault::Length);
        assert_eq!(refused(8, &i32::MAX.to_be_bytes()), Fault::Length);
        for magic in [0, 1, 3, 255] {
            assert_eq!(refused(16, &[magic]), Fault::Magic);
        }
        for bits in [5, 6, 7, 0x10, 0x20, 0x40, 0x8000_u16] {
            assert_eq!(refused(21, &bits.to_be_bytes()), Fault::Attributes);
        }
        assert_eq!(refused(23, &1_u32.to_be_bytes()), Fault::Count);
        assert_eq!(refused(23, &u32::MAX.to_be_bytes()), Fault::Count);
        assert_eq!(refused(57, &0_u32.to_be_bytes()), Fault::Count);
        assert_eq!(refused(43, &(-2_i64).to_be_bytes()), Fault::Producer);
        assert_eq!(
            refused(43, &[0, 0, 0, 0, 0, 0, 0, 9, 0xff]),
            Fault::Producer
        );
    }

    #[test]
    fn more_records_than_the_bytes_can_hold_are_refused() {
        let four = Header {
            count: 4,
            last_delta: 3,
            ..sample()
        };
        assert_eq!(Header::parse(&four.encode(), LIMIT), Err(Fault::Count));
        let packed = Header {
            attributes: Attributes::from_bits(1).unwrap(),
            ..four
        };
        assert_eq!(Header::parse(&packed.encode(), LIMIT), Ok(packed));
    }

    #[test]
    fn a_batch_may_end_where_the_file_does_and_not_behind() {
        let header = sample();
        assert!(Header::parse(&header.encode(), header.size).is_ok());
        let short = Header::parse(&header.encode(), header.size - 1);
        assert_eq!(short, Err(Fault::Length));
        assert_eq!(Header::parse_prefix(&[0; 60], LIMIT), Err(Fault::Length));
    }

    proptest! {
        #[test]
        fn what_is_taken_is_within_its_bounds(mut bytes in prop::array::uniform32(any::<u8>()), tail in prop::array::uniform29(any::<u8>()), most: u32) {
            // Half of the time what would be refused at once is made right.
            if tail[0] & 1 == 0 {
                bytes[0] = 0;
                bytes[8] = 0;
                bytes[16] = 2;
                bytes[21..27].fill(0);
            }
            let mut whole = [0; HEADER_BYTES];
            whole[..32].copy_from_slice(&bytes);
            whole[32..].copy_from_slice(&tail);
            if let Ok(header) = Header::parse(&whole, most) {
                prop_assert!(header.size <= most && header.size >= 61);
                prop_assert_eq!(header.count, header.last_delta + 1);
                prop_assert!(header.next_offset() <= i64::MAX as u64);
                // All but the leader epoch, and what stands beside a producer id of −1, is the same again.
                prop_assert_eq!(&header.encode()[..12], &whole[..12]);
                prop_assert_eq!(&header.encode()[16..43], &whole[16..43]);
            }
        }
    }
}
