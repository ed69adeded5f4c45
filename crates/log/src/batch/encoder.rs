use super::header::CRC_FROM;
use super::varint::write_varlong;
use super::{
    Attributes, Fault, HEADER_BYTES, Header, ProducerMark, Records, check, crc32c, varint_size,
    varlong_size,
};
use crate::codec::compress;
use crate::{Codec, Compression, Error, ErrorKind};

/// Records as the caller packs them: bytes one behind the other, and numbers that say where one ends.
#[derive(Clone, Copy, Debug)]
pub struct Input<'a> {
    /// The bytes of all records; the numbers of `shape` add up to exactly these.
    pub data: &'a [u8],
    /// Where each record is.
    pub shape: Shape<'a>,
    /// When each record happened.
    pub times: Times<'a>,
}

/// Where records are in the bytes of an [`Input`].
#[derive(Clone, Copy, Debug)]
pub enum Shape<'a> {
    /// Values alone: the length of each.
    Values(&'a [u32]),
    /// Three numbers a record: length of the key + 1 (0: null), length of the value + 1 (0: null), bytes of its headers.
    /// The bytes come in that order. A header is u32 length of its key, u32 length of its value + 1 (0: null), both
    /// little-endian, key, value.
    Full(&'a [u32]),
}

/// Times of records, in ms since 1970.
#[derive(Clone, Copy, Debug)]
pub enum Times<'a> {
    /// One for all.
    One(i64),
    /// One each, whole numbers within ± 2^53.
    Each(&'a [f64]),
}

/// A batch that is ready to be written but for its place.
#[derive(Debug)]
pub struct Encoded {
    bytes: Vec<u8>,
    header: Header,
}

impl Encoded {
    /// Gives the first record its offset. Those 8 bytes are outside of the checksum.
    ///
    /// # Errors
    ///
    /// `OutOfRange` if the offsets would end over 2^63 − 1.
    pub fn place(&mut self, base_offset: u64) -> Result<(), Error> {
        let end = base_offset.checked_add(u64::from(self.header.count));
        if end.is_none_or(|end| end > i64::MAX as u64) {
            let message = format!(
                "no {} records fit behind offset {base_offset}",
                self.header.count
            );
            return Err(Error::new(ErrorKind::OutOfRange, message));
        }
        if let Some(place) = self.bytes.first_chunk_mut() {
            *place = base_offset.to_be_bytes();
        }
        self.header.base_offset = base_offset;
        Ok(())
    }

    /// The whole batch.
    #[must_use]
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Its header.
    #[must_use]
    pub const fn header(&self) -> &Header {
        &self.header
    }
}

/// Makes batches of records. Keeps two buffers of at most 1 MiB to use again.
#[derive(Debug)]
pub struct Encoder {
    spare: Vec<u8>,
    /// For records before they are compressed.
    plain: Vec<u8>,
    most: u32,
}

/// Largest buffer that is kept for the next batch.
const KEPT_BYTES: usize = 1 << 20;
/// Most that numbers take beside the bytes of a record: length, attributes, time and offset deltas, lengths of key and
/// value, count of headers.
const MOST_BESIDE: usize = 5 + 1 + 10 + 5 + 5 + 5 + 5;
/// Where the epoch of the leader stands.
const LEADER_EPOCH: std::ops::Range<usize> = 12..16;
/// Largest number that a double tells exactly.
const MOST_MS: f64 = 9_007_199_254_740_992.0;

impl Encoder {
    /// Its batches have at most `most` bytes, header included, and no more before they are compressed.
    #[must_use]
    pub const fn new(most: u32) -> Self {
        // Lengths are signed 32 bits, and 12 less than the batch.
        let most = if most > i32::MAX as u32 {
            i32::MAX as u32
        } else {
            most
        };
        Self {
            spare: Vec::new(),
            plain: Vec::new(),
            most,
        }
    }

    /// One batch of all records of `input`, at base offset 0 until it is placed.
    ///
    /// # Errors
    ///
    /// `Invalid` if there is no record, if the numbers do not add up to the bytes, or for a time that is no whole number
    /// within ± 2^53; `TooLarge` over the limit; `Storage` if there is no memory for it.
    pub fn encode(
        &mut self,
        input: &Input<'_>,
        compression: impl Into<Compression>,
        mark: Option<ProducerMark>,
    ) -> Result<Encoded, Error> {
        let compression = compression.into();
        let count = input.count()?;
        let mut bytes = std::mem::take(&mut self.spare);
        let made = if compression.codec() == Codec::None {
            self.put_plain(input, count, &mut bytes)
        } else {
            let mut plain = std::mem::take(&mut self.plain);
            let made = self
                .put_plain(input, count, &mut plain)
                .and_then(|span| self.pack(compression, &plain, &mut bytes).map(|()| span));
            self.plain = kept(plain);
            made
        };
        let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let span = match made {
            Ok(span) => span,
            Err(error) => {
                self.spare = kept(bytes);
                return Err(error);
            }
        };
        let mut header = Header {
            base_offset: 0,
            size,
            attributes: Attributes {
                codec: compression.codec(),
                append_time: false,
            },
            last_delta: count - 1,
            base_ms: span.base,
            max_ms: span.max,
            producer: mark,
            count,
            crc: 0,
        };
        put_header(&mut bytes, &header);
        header.crc = bytes.get(CRC_FROM..).map_or(0, crc32c);
        put_header(&mut bytes, &header);
        Ok(Encoded { bytes, header })
    }

    /// A copy of the batch at the beginning of `bytes`, as a client made it, and what follows it. All is checked: the
    /// header, the checksum, and records that are not compressed. It keeps everything but its offset and its leader's
    /// epoch, which are outside of the checksum.
    ///
    /// # Errors
    ///
    /// `TooLarge` over the limit; `Corrupt` if it is no batch; `Storage` if there is no memory for it.
    pub fn adopt<'a>(&mut self, bytes: &'a [u8]) -> Result<(Encoded, &'a [u8]), Error> {
        let header = Header::parse_prefix(bytes, i32::MAX as u32).map_err(corrupt)?;
        let size = header.size as usize;
        self.within_limit(size)?;
        let (batch, behind) = bytes
            .split_at_checked(size)
            .ok_or(Fault::Length)
            .map_err(corrupt)?;
        check(batch, &header).map_err(corrupt)?;
        if header.attributes.codec == Codec::None {
            let records = Records::of_batch(batch, &header).map_err(corrupt)?;
            for record in records {
                record.map_err(corrupt)?;
            }
        }
        let mut copy = std::mem::take(&mut self.spare);
        copy.clear();
        copy.try_reserve(size).map_err(|_| no_memory(size))?;
        copy.extend_from_slice(batch);
        // The rest stays as it came: there is more than one way to say that there is no producer.
        if let Some(epoch) = copy.get_mut(LEADER_EPOCH) {
            epoch.fill(0);
        }
        let mut adopted = Encoded {
            bytes: copy,
            header,
        };
        adopted.place(0)?;
        Ok((adopted, behind))
    }

    /// Takes the buffer of a batch back that is written.
    pub fn recycle(&mut self, batch: Encoded) {
        self.spare = kept(batch.bytes);
    }

    /// Puts room for a header and the records, not compressed, into a buffer. What that asks for is in proportion to what
    /// the caller holds in memory already.
    fn put_plain(&self, input: &Input<'_>, count: u32, into: &mut Vec<u8>) -> Result<Span, Error> {
        let headers = match input.shape {
            Shape::Values(_) => 0,
            // One has 8 bytes of lengths in `data` and at most 10 in the batch: a quarter more.
            Shape::Full(_) => input.data.len() / 4,
        };
        let need = (count as usize)
            .saturating_mul(MOST_BESIDE)
            .saturating_add(input.data.len())
            .saturating_add(headers + HEADER_BYTES);
        if input.data.len() > self.most as usize {
            return Err(self.too_large(input.data.len()));
        }
        into.try_reserve(need.saturating_sub(into.len()))
            .map_err(|_| no_memory(need))?;
        // All of it is written over, so only what the last batch did not have is cleared.
        into.resize(need, 0);
        let free = into.get_mut(HEADER_BYTES..).unwrap_or_default();
        let mut out = Out {
            free,
            is_over: false,
        };
        let span = put_records(input, &mut out)?;
        let size = need - out.free.len();
        into.truncate(size);
        self.within_limit(size)?;
        Ok(span)
    }

    /// Puts room for a header and the compressed records of `plain` into a buffer.
    fn pack(
        &self,
        compression: Compression,
        plain: &[u8],
        into: &mut Vec<u8>,
    ) -> Result<(), Error> {
        into.clear();
        into.extend_from_slice(&[0; HEADER_BYTES]);
        let records = plain.get(HEADER_BYTES..).unwrap_or_default();
        compress(compression, records, into)?;
        // What does not get smaller gets a little longer.
        self.within_limit(into.len())
    }

    fn within_limit(&self, size: usize) -> Result<(), Error> {
        if size > self.most as usize {
            return Err(self.too_large(size));
        }
        Ok(())
    }

    fn too_large(&self, size: usize) -> Error {
        let message = format!(
            "a batch of {size} bytes is over the limit of {}; append fewer records at once, or raise maxBatchBytes",
            self.most
        );
        Error::new(ErrorKind::TooLarge, message)
    }
}

impl Input<'_> {
    /// How many records there are, if that is at least one and fits a batch.
    fn count(&self) -> Result<u32, Error> {
        let many = match self.shape {
            Shape::Values(lengths) => lengths.len(),
            Shape::Full(numbers) if numbers.len().is_multiple_of(3) => numbers.len() / 3,
            Shape::Full(_) => return Err(invalid("a record has three numbers")),
        };
        if let Times::Each(times) = self.times
            && times.len() != many
        {
            return Err(invalid("there is not one time for each record"));
        }
        u32::try_from(many)
            .ok()
            .filter(|many| *many > 0 && *many <= i32::MAX as u32)
            .ok_or_else(|| invalid("a batch has at least one record and less than 2^31"))
    }

    /// Time of the record at `place`.
    fn ms(&self, place: usize) -> Result<i64, Misfit> {
        match self.times {
            Times::One(ms) => Ok(ms),
            Times::Each(times) => {
                let ms = times.get(place).copied().unwrap_or(f64::NAN);
                if ms.fract() == 0.0 && ms.abs() <= MOST_MS {
                    // Nothing is lost: a whole number within ± 2^53.
                    Ok(ms as i64)
                } else {
                    Err(Misfit::Time)
                }
            }
        }
    }
}

/// A buffer to use again, unless it is too large to keep. What is in it stays until it is written over.
fn kept(bytes: Vec<u8>) -> Vec<u8> {
    if bytes.capacity() > KEPT_BYTES {
        return Vec::new();
    }
    bytes
}

/// Times of a batch.
struct Span {
    base: i64,
    max: i64,
}

/// Why records cannot be packed. Small, since it is passed up from every number of every record.
#[derive(Clone, Copy)]
enum Misfit {
    /// The numbers do not add up to the bytes.
    Sum,
    Time,
    /// Over 2^31 − 1 bytes.
    Length,
}

impl From<Misfit> for Error {
    fn from(misfit: Misfit) -> Self {
        match misfit {
            Misfit::Sum => invalid("the lengths of the records do not add up to their bytes"),
            Misfit::Time => invalid("a time is no whole number of ms within ± 2^53"),
            Misfit::Length => Self::new(
                ErrorKind::TooLarge,
                "a record is over the limit of 2^31 − 1 bytes",
            ),
        }
    }
}

/// Writes all records; what is free in `out` is enough for any that add up.
fn put_records(input: &Input<'_>, out: &mut Out<'_>) -> Result<Span, Misfit> {
    let base = input.ms(0)?;
    let mut span = Span { base, max: base };
    let mut rest = input.data;
    let mut put = |place: usize, key: u32, value: u32, headers: u32| {
        let ms = input.ms(place)?;
        span.max = span.max.max(ms);
        // Either all times are the same, or both are within ± 2^53.
        let record = Parts {
            time_delta: ms.wrapping_sub(base),
            offset_delta: i32::try_from(place).map_err(|_| Misfit::Sum)?,
            key: nullable(&mut rest, key)?,
            value: nullable(&mut rest, value)?,
            headers: take(&mut rest, headers)?,
        };
        record.put(out)
    };
    match input.shape {
        Shape::Values(lengths) => {
            for (place, length) in lengths.iter().enumerate() {
                put(place, 0, length.checked_add(1).ok_or(Misfit::Sum)?, 0)?;
            }
        }
        Shape::Full(numbers) => {
            for (place, record) in numbers.chunks_exact(3).enumerate() {
                if let &[key, value, headers] = record {
                    put(place, key, value, headers)?;
                }
            }
        }
    }
    if rest.is_empty() {
        Ok(span)
    } else {
        Err(Misfit::Sum)
    }
}

/// What one record is made of.
struct Parts<'a> {
    time_delta: i64,
    offset_delta: i32,
    key: Option<&'a [u8]>,
    value: Option<&'a [u8]>,
    /// As the caller packs them.
    headers: &'a [u8],
}

impl Parts<'_> {
    fn put(&self, out: &mut Out<'_>) -> Result<(), Misfit> {
        let (count, header_bytes) = self.measured_headers()?;
        let length = 1
            + varlong_size(self.time_delta)
            + varint_size(self.offset_delta)
            + field_size(self.key)?
            + field_size(self.value)?
            + varint_size(count)
            + header_bytes;
        out.number(i64::from(signed(length)?));
        out.bytes(&[0]);
        out.number(self.time_delta);
        out.number(i64::from(self.offset_delta));
        out.field(self.key)?;
        out.field(self.value)?;
        out.number(i64::from(count));
        let mut rest = self.headers;
        while !rest.is_empty() {
            let (key, value) = packed_header(&mut rest)?;
            out.field(Some(key))?;
            out.field(value)?;
        }
        out.fits()
    }

    /// How many headers there are, and how long they will be.
    fn measured_headers(&self) -> Result<(i32, usize), Misfit> {
        let mut rest = self.headers;
        let (mut count, mut bytes) = (0_i32, 0);
        while !rest.is_empty() {
            let (key, value) = packed_header(&mut rest)?;
            count = count.checked_add(1).ok_or(Misfit::Sum)?;
            bytes += field_size(Some(key))? + field_size(value)?;
        }
        Ok((count, bytes))
    }
}

/// Memory that is written from its beginning on.
struct Out<'a> {
    free: &'a mut [u8],
    /// There was not enough of it.
    is_over: bool,
}

impl Out<'_> {
    fn number(&mut self, value: i64) {
        match write_varlong(self.free, value) {
            Some(length) => self.written(length),
            None => self.is_over = true,
        }
    }

    fn bytes(&mut self, bytes: &[u8]) {
        match self.free.get_mut(..bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.written(bytes.len());
            }
            None => self.is_over = true,
        }
    }

    fn field(&mut self, field: Option<&[u8]>) -> Result<(), Misfit> {
        match field {
            None => self.number(-1),
            Some(field) => {
                self.number(i64::from(signed(field.len())?));
                self.bytes(field);
            }
        }
        Ok(())
    }

    fn written(&mut self, many: usize) {
        let free = std::mem::take(&mut self.free);
        self.free = free.get_mut(many..).unwrap_or_default();
    }

    /// Whether all that was written found its place.
    const fn fits(&self) -> Result<(), Misfit> {
        if self.is_over {
            return Err(Misfit::Sum);
        }
        Ok(())
    }
}

fn packed_header<'a>(rest: &mut &'a [u8]) -> Result<(&'a [u8], Option<&'a [u8]>), Misfit> {
    let mut word = || {
        let (word, behind) = rest.split_first_chunk().ok_or(Misfit::Sum)?;
        *rest = behind;
        Ok(u32::from_le_bytes(*word))
    };
    let (key, value) = (word()?, word()?);
    Ok((take(rest, key)?, nullable(rest, value)?))
}

fn nullable<'a>(rest: &mut &'a [u8], length_and_one: u32) -> Result<Option<&'a [u8]>, Misfit> {
    match length_and_one.checked_sub(1) {
        None => Ok(None),
        Some(length) => take(rest, length).map(Some),
    }
}

fn take<'a>(rest: &mut &'a [u8], length: u32) -> Result<&'a [u8], Misfit> {
    let split = rest.split_at_checked(length as usize);
    let (taken, behind) = split.ok_or(Misfit::Sum)?;
    *rest = behind;
    Ok(taken)
}

fn field_size(field: Option<&[u8]>) -> Result<usize, Misfit> {
    let length = field.map_or(Ok(-1), |field| signed(field.len()))?;
    Ok(varint_size(length) + field.map_or(0, <[u8]>::len))
}

fn put_header(bytes: &mut [u8], header: &Header) {
    if let Some(place) = bytes.first_chunk_mut() {
        *place = header.encode();
    }
}

fn signed(length: usize) -> Result<i32, Misfit> {
    i32::try_from(length).map_err(|_| Misfit::Length)
}

fn no_memory(size: usize) -> Error {
    let message = format!("no memory for a batch of {size} bytes");
    Error::new(ErrorKind::Storage, message)
}

fn corrupt(fault: Fault) -> Error {
    let message = format!("a batch was refused: {fault}");
    Error::new(ErrorKind::Corrupt, message)
}

fn invalid(message: &str) -> Error {
    Error::new(ErrorKind::Invalid, message)
}
