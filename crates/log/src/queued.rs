use crate::batch::{Encoded, Input, ProducerMark, Shape, Times};
use crate::{Acks, Appender, Codec, Compression, Error, ErrorKind, Ticket, Writer};

/// A batch that waits to be written.
pub(crate) struct Queued {
    pub(crate) body: Body,
    pub(crate) bytes: u64,
    pub(crate) ticket: Ticket,
    pub(crate) acks: Acks,
}

/// A batch that is not written yet.
#[derive(Clone)]
pub(crate) struct Coming {
    /// Who wrote it, if he has a name, and how many records it has.
    pub(crate) of: Option<(ProducerMark, u32)>,
    pub(crate) ticket: Ticket,
}

impl Coming {
    /// The number of its last record, if it is of that writer.
    pub(crate) fn last_sequence(&self, producer: u64) -> Option<u32> {
        let (mark, count) = self.of.filter(|(mark, _)| mark.id == producer)?;
        Some(mark.sequence.wrapping_add(count.saturating_sub(1)) & MOST_SEQUENCE)
    }
}

/// What waits: a batch, or the records that it will be made of.
pub(crate) enum Body {
    Batch(Encoded),
    /// Much to compress: that is done by who writes it.
    Records(Box<Records>),
}

/// Records as the caller packed them, copied.
pub(crate) struct Records {
    data: Vec<u8>,
    numbers: Vec<u32>,
    /// The numbers are three a record, not one.
    is_full: bool,
    times: Moments,
    compression: Compression,
    mark: Option<ProducerMark>,
}

enum Moments {
    One(i64),
    Each(Vec<f64>),
}

/// Numbers of records go round behind it.
const MOST_SEQUENCE: u32 = i32::MAX as u32;
/// What is compressed on the thread that appends.
const INLINE_COMPRESS_BYTES: usize = 64 << 10;

impl Body {
    /// Whether these records are better compressed by who writes them.
    pub(crate) fn is_work(input: &Input<'_>, writer: &Writer) -> bool {
        writer.compression.codec() != Codec::None && input.data.len() > INLINE_COMPRESS_BYTES
    }

    /// Copies the records.
    pub(crate) fn records(input: &Input<'_>, writer: &Writer) -> Result<Self, Error> {
        let (numbers, is_full) = match input.shape {
            Shape::Values(numbers) => (numbers, false),
            Shape::Full(numbers) => (numbers, true),
        };
        let times = match input.times {
            Times::One(ms) => Moments::One(ms),
            Times::Each(times) => Moments::Each(copied(times)?),
        };
        Ok(Self::Records(Box::new(Records {
            data: copied(input.data)?,
            numbers: copied(numbers)?,
            is_full,
            times,
            compression: writer.compression,
            mark: writer.mark,
        })))
    }

    /// Bytes that it takes while it waits.
    pub(crate) fn bytes(&self) -> u64 {
        match self {
            Self::Batch(batch) => u64::from(batch.header().size),
            Self::Records(records) => records.data.len() as u64,
        }
    }

    /// The batch.
    pub(crate) fn into_batch(self, appender: &mut Appender) -> Result<Encoded, Error> {
        let records = match self {
            Self::Batch(batch) => return Ok(batch),
            Self::Records(records) => records,
        };
        let numbers = &records.numbers;
        let input = Input {
            data: &records.data,
            shape: if records.is_full {
                Shape::Full(numbers)
            } else {
                Shape::Values(numbers)
            },
            times: match &records.times {
                Moments::One(ms) => Times::One(*ms),
                Moments::Each(times) => Times::Each(times),
            },
        };
        appender.encode(&input, records.compression, records.mark)
    }

    /// Who wrote it, if he has a name, and how many records it has.
    fn mark(&self) -> Option<(ProducerMark, u32)> {
        match self {
            Self::Batch(batch) => Some((batch.header().producer?, batch.header().count)),
            Self::Records(records) => {
                let each = if records.is_full { 3 } else { 1 };
                let count = u32::try_from(records.numbers.len() / each).ok()?;
                Some((records.mark?, count))
            }
        }
    }
}

impl Queued {
    /// What can be known of it while it waits.
    pub(crate) fn coming(&self) -> Coming {
        Coming {
            of: self.body.mark(),
            ticket: self.ticket.clone(),
        }
    }

    /// Tells who waits that it will not be written.
    pub(crate) fn fail(self, error: &Error) {
        self.ticket.settle(Err(error.clone()));
    }
}

fn copied<T: Copy>(from: &[T]) -> Result<Vec<T>, Error> {
    let mut copy = Vec::new();
    copy.try_reserve_exact(from.len()).map_err(|_| {
        let message = format!("no memory for {} bytes that wait", size_of_val(from));
        Error::new(ErrorKind::Storage, message)
    })?;
    copy.extend_from_slice(from);
    Ok(copy)
}
