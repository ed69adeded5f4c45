use super::header::LEAST_RECORD_BYTES;
use super::{Fault, Header, varint, varlong};
use crate::{Codec, inflate};

/// The records of one batch, in order; after a fault nothing more. Reads without a copy: keys and values are slices.
#[derive(Clone, Debug)]
pub struct Records<'a> {
    rest: &'a [u8],
    header: Header,
    next: u32,
}

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record<'a> {
    /// Its offset in the partition.
    pub offset: u64,
    /// Its time in ms since 1970: its own, or that of the append.
    pub ms: i64,
    /// The key; `None` is null, which is not the same as empty.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is null.
    pub value: Option<&'a [u8]>,
    /// Headers, in the order of the producer.
    pub headers: Headers<'a>,
}

/// The headers of one record. Their bounds are checked already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Headers<'a> {
    all: &'a [u8],
    rest: &'a [u8],
    left: u32,
}

/// One header of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HeaderField<'a> {
    /// Its name; meant to be UTF-8, and not checked.
    pub key: &'a [u8],
    /// Its value; `None` is null.
    pub value: Option<&'a [u8]>,
}

impl<'a> Records<'a> {
    /// The records in `bytes`: all that follows the header of an uncompressed batch, or what those inflate to.
    #[must_use]
    pub const fn of(bytes: &'a [u8], header: &Header) -> Self {
        Self {
            rest: bytes,
            header: *header,
            next: 0,
        }
    }

    /// The records of a whole batch that is not compressed.
    ///
    /// # Errors
    ///
    /// `Compressed` if it is; `Length` if `batch` is shorter than a header.
    pub fn of_batch(batch: &'a [u8], header: &Header) -> Result<Self, Fault> {
        if header.attributes.codec != Codec::None {
            return Err(Fault::Compressed);
        }
        let records = batch.get(super::HEADER_BYTES..).ok_or(Fault::Length)?;
        Ok(Self::of(records, header))
    }

    /// The records of a whole batch, compressed or not. What is compressed is inflated into `into`, whose contents it
    /// replaces, to at most `most` bytes.
    ///
    /// # Errors
    ///
    /// As [`inflate_records`]; `Length` if `batch` is shorter than a header.
    pub fn inflated(
        batch: &'a [u8],
        header: &Header,
        most: usize,
        into: &'a mut Vec<u8>,
    ) -> Result<Self, Fault> {
        if header.attributes.codec == Codec::None {
            return Self::of_batch(batch, header);
        }
        let packed = batch.get(super::HEADER_BYTES..).ok_or(Fault::Length)?;
        inflate_records(packed, header, most, into)?;
        Ok(Self::of(into, header))
    }

    /// The record at the front, which must end where its length says.
    fn record(&mut self) -> Result<Record<'a>, Fault> {
        let (length, rest) = varint(self.rest)?;
        let length = usize::try_from(length).map_err(|_| Fault::Record)?;
        let (body, behind) = rest.split_at_checked(length).ok_or(Fault::Record)?;
        let (_attributes, body) = body.split_first().ok_or(Fault::Record)?;
        let (time_delta, body) = varlong(body)?;
        let (offset_delta, body) = varint(body)?;
        // Dense: a record's place is its delta. Kafka's compaction leaves gaps, and there is none here.
        if u32::try_from(offset_delta) != Ok(self.next) {
            return Err(Fault::Offset);
        }
        let (key, body) = field(body)?;
        let (value, body) = field(body)?;
        let headers = Headers::parse(body)?;
        let ms = if self.header.attributes.append_time {
            self.header.max_ms
        } else {
            let own = self.header.base_ms.checked_add(time_delta);
            own.ok_or(Fault::Timestamp)?
        };
        let offset = self.header.base_offset + u64::from(self.next);
        self.rest = behind;
        self.next += 1;
        // What follows the last record belongs to nobody.
        if self.next == self.header.count && !behind.is_empty() {
            return Err(Fault::Record);
        }
        Ok(Record {
            offset,
            ms,
            key,
            value,
            headers,
        })
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, Fault>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.next >= self.header.count {
            return None;
        }
        let record = self.record();
        if record.is_err() {
            self.next = self.header.count;
        }
        Some(record)
    }
}

impl<'a> Headers<'a> {
    /// The headers that fill `bytes`, count first.
    fn parse(bytes: &'a [u8]) -> Result<Self, Fault> {
        let (count, rest) = varint(bytes)?;
        let left = u32::try_from(count).map_err(|_| Fault::Headers)?;
        // A header has at least two bytes.
        if left as usize > rest.len() / 2 {
            return Err(Fault::Headers);
        }
        let mut behind = rest;
        for _ in 0..left {
            (_, behind) = header_field(behind)?;
        }
        if behind.is_empty() {
            Ok(Self {
                all: bytes,
                rest,
                left,
            })
        } else {
            Err(Fault::Record)
        }
    }

    /// All of them as they are stored, their count first: what stands behind the value of the record.
    #[must_use]
    pub const fn encoded(&self) -> &'a [u8] {
        self.all
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.left as usize
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.left == 0
    }
}

impl<'a> Iterator for Headers<'a> {
    type Item = HeaderField<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        self.left = self.left.checked_sub(1)?;
        // Checked when the record was; an error cannot be, and would end the iteration.
        let (header, rest) = header_field(self.rest).ok()?;
        self.rest = rest;
        Some(header)
    }
}

/// Inflates what follows the header of a batch into `into`, whose contents it replaces, to at most `most` bytes.
///
/// # Errors
///
/// As [`inflate`]; `Count` if there are not enough bytes for as many records as the header says: who makes room for each
/// of them need not trust it any further than one that is not compressed.
pub fn inflate_records(
    packed: &[u8],
    header: &Header,
    most: usize,
    into: &mut Vec<u8>,
) -> Result<(), Fault> {
    inflate(header.attributes.codec, packed, most, into)?;
    if header.count as usize > into.len() / LEAST_RECORD_BYTES as usize {
        return Err(Fault::Count);
    }
    Ok(())
}

fn header_field(bytes: &[u8]) -> Result<(HeaderField<'_>, &[u8]), Fault> {
    let (key, rest) = field(bytes)?;
    let key = key.ok_or(Fault::Headers)?;
    let (value, rest) = field(rest)?;
    Ok((HeaderField { key, value }, rest))
}

/// A length, −1 for null, and as many bytes.
fn field(bytes: &[u8]) -> Result<(Option<&[u8]>, &[u8]), Fault> {
    let (length, rest) = varint(bytes)?;
    if length == -1 {
        return Ok((None, rest));
    }
    let length = usize::try_from(length).map_err(|_| Fault::Field)?;
    let (field, rest) = rest.split_at_checked(length).ok_or(Fault::Field)?;
    Ok((Some(field), rest))
}
