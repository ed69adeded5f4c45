use std::collections::{HashMap, HashSet};
use std::mem;
use std::sync::Arc;

use log::batch::{Header, Records};
use log::{Cursor, Error, ErrorKind, Partition, ReadBatch, ReadInto, ReadOutcome};

use crate::Session;
use crate::signal::Place;
use crate::slots::Slots;

/// The readers of a session.
#[derive(Default)]
pub(crate) struct Reads {
    readers: Slots<Reader>,
    /// Those that wait, by partition.
    waiting: HashMap<Place, Vec<u32>>,
    ready: Vec<u32>,
    batches: Vec<ReadBatch>,
}

struct Reader {
    partition: Arc<Partition>,
    cursor: Cursor,
    waits: bool,
}

/// Where to begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum From {
    /// With that record, or at that end.
    Offset(u64),
    /// With the first record there is.
    Start,
    /// Behind the last record that readers see.
    End,
}

/// What a read fills.
#[derive(Debug)]
pub struct ReadTo<'a> {
    /// Memory for the records, from `at` on.
    pub data: &'a mut [u8],
    /// Where to begin in it.
    pub at: usize,
    /// Eight numbers a batch: see [`BATCH_NUMBERS`].
    pub table: &'a mut [f64],
    /// Four numbers a record; if there is no room for any, it is not made.
    pub index: &'a mut [u32],
    /// The time of each record; as `index`.
    pub times: &'a mut [f64],
}

/// Numbers a batch in a table: where its records begin, their bytes, their count, the number of the first in the index,
/// the codec that it was stored with, the place of the first wanted record, its base offset, its first time.
pub const BATCH_NUMBERS: usize = 8;
/// Numbers a record in an index: where the key begins, its length, where the value begins, its length.
pub const RECORD_NUMBERS: usize = 4;
/// The length of what is null.
pub const NULL: u32 = u32::MAX;

/// How a read went.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ReadState {
    /// There are batches.
    Batches,
    /// There is nothing more for now; [`Session::ready`] tells when there is.
    End,
    /// The disk is waited for; [`Session::ready`] tells when to read again.
    Later,
    /// The next batch needs more room.
    NeedsRoom,
}

/// What a read has read.
#[derive(Clone, Copy, Debug)]
pub struct ReadDone {
    /// How it went.
    pub state: ReadState,
    /// Batches.
    pub batches: usize,
    /// Offset of the first wanted record.
    pub first: u64,
    /// Offset of the next record to read.
    pub next: u64,
    /// Bytes of memory that were used.
    pub used: usize,
    /// Bytes of memory that the next batch needs.
    pub needs: usize,
    /// Records that the index must have room for.
    pub needs_records: usize,
}

impl Session {
    /// A reader of a partition.
    ///
    /// # Errors
    ///
    /// `NotFound` for a topic or partition that is not there.
    pub fn reader(&mut self, topic: u32, partition: u32, from: From) -> Result<u32, Error> {
        let signal = Arc::clone(&self.signal);
        let open = self.opened()?;
        let partition = open.kaska.partition(topic, partition)?;
        let cursor = Cursor::new(from.offset(&partition));
        // A reader may have to wait at any read; so little is gained by telling when that it is not worth telling.
        signal.expect(1);
        Ok(open.reads.readers.add(Reader {
            partition,
            cursor,
            waits: false,
        }))
    }

    /// Lets a reader go on elsewhere.
    ///
    /// # Errors
    ///
    /// `Closed` if there is no such reader.
    pub fn seek(&mut self, reader: u32, from: From) -> Result<(), Error> {
        let reader = self.opened()?.reads.reader(reader)?;
        reader.cursor.seek(from.offset(&reader.partition));
        Ok(())
    }

    /// Lets go of a reader.
    pub fn close_reader(&mut self, reader: u32) {
        let signal = Arc::clone(&self.signal);
        if let Ok(open) = self.opened()
            && open.reads.close(reader)
        {
            signal.forgo(1);
        }
    }

    /// Readers to look at again: fills `out`, and says how many there are.
    pub fn ready(&mut self, out: &mut [u32]) -> usize {
        let Ok(open) = self.opened() else {
            return 0;
        };
        let ready = &mut open.reads.ready;
        let count = ready.len().min(out.len());
        for (slot, reader) in out.iter_mut().zip(ready.drain(..count)) {
            *slot = reader;
        }
        count
    }

    /// Reads whole batches. Never waits for a disk.
    ///
    /// # Errors
    ///
    /// `OutOfRange`, `Corrupt`, `TooLarge` and `Storage` ([`Session::damage`] tells what cannot be read); `Closed` if there
    /// is no such reader.
    pub fn read(&mut self, reader: u32, to: &mut ReadTo<'_>) -> Result<ReadDone, Error> {
        self.opened()?.reads.read(reader, to)
    }

    /// Where a reader is, and the ends of its partition.
    #[must_use]
    pub fn place_of(&mut self, reader: u32) -> Option<(u64, log::Ends)> {
        let reader = self.opened().ok()?.reads.reader(reader).ok()?;
        Some((reader.cursor.offset(), reader.partition.ends()))
    }

    /// The records where a reader is that cannot be read: the first of them, and the first behind that can be; the largest
    /// number if nothing of the partition can.
    #[must_use]
    pub fn damage(&mut self, reader: u32) -> Option<(u64, u64)> {
        let reader = self.opened().ok()?.reads.reader(reader).ok()?;
        let offset = reader.cursor.offset();
        if reader.partition.unavailable().is_some() {
            return Some((offset, u64::MAX));
        }
        reader.partition.damage_at(offset)
    }
}

impl From {
    fn offset(self, partition: &Partition) -> u64 {
        match self {
            Self::Offset(offset) => offset,
            Self::Start => partition.ends().start,
            Self::End => partition.ends().visible,
        }
    }
}

impl Reads {
    fn reader(&mut self, reader: u32) -> Result<&mut Reader, Error> {
        let there = self.readers.at(reader);
        there.ok_or_else(|| Error::new(ErrorKind::Closed, "there is no such reader"))
    }

    /// Whether there was one.
    fn close(&mut self, reader: u32) -> bool {
        let Some(gone) = self.readers.remove(reader) else {
            return false;
        };
        let place = (gone.partition.topic(), gone.partition.number());
        if gone.waits
            && let Some(waiting) = self.waiting.get_mut(&place)
        {
            waiting.retain(|other| *other != reader);
            if waiting.is_empty() {
                self.waiting.remove(&place);
            }
        }
        true
    }

    /// Takes note of what has changed; whether a reader that waits may go on.
    pub(crate) fn look(&mut self, changed: &HashSet<Place>) -> bool {
        for place in changed {
            let Some(waiting) = self.waiting.remove(place) else {
                continue;
            };
            for reader in waiting {
                if let Some(there) = self.readers.at(reader)
                    && mem::take(&mut there.waits)
                {
                    self.ready.push(reader);
                }
            }
        }
        !self.ready.is_empty()
    }

    fn read(&mut self, number: u32, to: &mut ReadTo<'_>) -> Result<ReadDone, Error> {
        let mut batches = mem::take(&mut self.batches);
        batches.clear();
        let done = self.reader(number)?.read(to, &mut batches);
        self.batches = batches;
        let done = done?;
        if matches!(done.state, ReadState::End | ReadState::Later) {
            let there = self.reader(number)?;
            if !mem::replace(&mut there.waits, true) {
                let place = (there.partition.topic(), there.partition.number());
                self.waiting.entry(place).or_default().push(number);
            }
        }
        Ok(done)
    }
}

impl Reader {
    fn read(
        &mut self,
        to: &mut ReadTo<'_>,
        batches: &mut Vec<ReadBatch>,
    ) -> Result<ReadDone, Error> {
        let wanted = self.cursor.offset();
        let mut done = ReadDone {
            state: ReadState::Batches,
            batches: 0,
            first: wanted,
            next: wanted,
            used: 0,
            needs: 0,
            needs_records: 0,
        };
        let data = to.data.get_mut(to.at..).unwrap_or_default();
        let outcome = self.partition.read(
            &mut self.cursor,
            &mut ReadInto {
                data,
                batches,
                most: to.table.len() / BATCH_NUMBERS,
                may_wait: false,
            },
        )?;
        match outcome {
            ReadOutcome::AtEnd => done.state = ReadState::End,
            ReadOutcome::Later => done.state = ReadState::Later,
            ReadOutcome::Needs(bytes) => {
                done.state = ReadState::NeedsRoom;
                done.needs = bytes;
            }
            ReadOutcome::Batches(_) => self.describe(wanted, to, batches, &mut done)?,
        }
        done.next = self.cursor.offset();
        Ok(done)
    }

    /// Fills table and index for the batches that were read. Those that do not fit are read again.
    fn describe(
        &mut self,
        wanted: u64,
        to: &mut ReadTo<'_>,
        batches: &[ReadBatch],
        done: &mut ReadDone,
    ) -> Result<(), Error> {
        let has_index = to.index.len() >= RECORD_NUMBERS;
        let mut record = 0;
        for (batch, row) in batches.iter().zip(to.table.chunks_exact_mut(BATCH_NUMBERS)) {
            let header = &batch.header;
            let count = header.count as usize;
            let start = to.at.saturating_add(batch.start);
            if has_index {
                let index = to.index.get_mut(record * RECORD_NUMBERS..);
                let index = index.and_then(|rest| rest.get_mut(..count * RECORD_NUMBERS));
                let Some(index) = index else {
                    self.back_to(header.base_offset, wanted);
                    if done.batches == 0 {
                        done.state = ReadState::NeedsRoom;
                        done.needs_records = count;
                        done.needs = batch.bytes;
                    }
                    return Ok(());
                };
                let times = to.times.get_mut(record..record + count);
                let times = times.unwrap_or_default();
                let end = start.saturating_add(batch.bytes);
                let bytes = to.data.get(start..end).unwrap_or_default();
                if fill_index(bytes, start, header, index, times).is_err() {
                    self.back_to(header.base_offset, wanted);
                    if done.batches > 0 {
                        return Ok(());
                    }
                    return Err(self.partition.is_malformed(batch));
                }
            }
            let skipped = wanted.saturating_sub(header.base_offset);
            let numbers = [
                start as u64,
                batch.bytes as u64,
                u64::from(header.count),
                record as u64,
                header.attributes.codec as u64,
                if done.batches == 0 { skipped } else { 0 },
                header.base_offset,
            ];
            for (slot, number) in row.iter_mut().zip(numbers) {
                *slot = float(number);
            }
            if let Some(slot) = row.last_mut() {
                *slot = header.base_ms as f64;
            }
            if done.batches == 0 {
                done.first = wanted.max(header.base_offset);
            }
            done.batches += 1;
            done.used = batch.start + batch.bytes;
            record += count;
        }
        Ok(())
    }

    fn back_to(&mut self, base: u64, wanted: u64) {
        self.cursor.seek(base.max(wanted));
    }
}

/// Says where key and value of each record are; `bytes` begin at `start` of the memory that numbers count from.
fn fill_index(
    bytes: &[u8],
    start: usize,
    header: &Header,
    index: &mut [u32],
    times: &mut [f64],
) -> Result<(), log::batch::Fault> {
    let from = bytes.as_ptr().addr();
    // A field is a part of `bytes`, so its address tells its place.
    let place = |part: &[u8]| number(part.as_ptr().addr().saturating_sub(from) + start);
    let mut times = times.iter_mut();
    let records = Records::of(bytes, header);
    for (record, row) in records.zip(index.chunks_exact_mut(RECORD_NUMBERS)) {
        let record = record?;
        let (key, key_length) = record
            .key
            .map_or((0, NULL), |key| (place(key), number(key.len())));
        // Where there is no value, the place is that of the headers, which stand behind it.
        let (value, value_length) = record.value.map_or_else(
            || (place(record.headers.encoded()), NULL),
            |value| (place(value), number(value.len())),
        );
        row.copy_from_slice(&[key, key_length, value, value_length]);
        if let Some(slot) = times.next() {
            *slot = record.ms as f64;
        }
    }
    Ok(())
}

/// The index of one batch whose records lie in `data` from `start` on: made later, when somebody looks.
///
/// # Errors
///
/// `Invalid` if the numbers cannot be; `Corrupt` if those are no records.
pub fn index_batch(
    data: &[u8],
    (start, bytes): (usize, usize),
    (count, base_ms): (u32, i64),
    index: &mut [u32],
    times: &mut [f64],
) -> Result<(), Error> {
    let records = start
        .checked_add(bytes)
        .and_then(|end| data.get(start..end));
    let rows = (count as usize)
        .checked_mul(RECORD_NUMBERS)
        .and_then(|length| index.get_mut(..length));
    let (Some(records), Some(index)) = (records, rows) else {
        let why = "the batch is not in that memory, or its index has no room";
        return Err(Error::new(ErrorKind::Invalid, why));
    };
    let header = Header {
        base_offset: 0,
        size: 0,
        attributes: log::batch::Attributes::default(),
        last_delta: count.saturating_sub(1),
        base_ms,
        max_ms: base_ms,
        producer: None,
        count,
        crc: 0,
    };
    fill_index(records, start, &header, index, times).map_err(|fault| {
        let message = format!("these are no {count} records: {fault}");
        Error::new(ErrorKind::Corrupt, message)
    })
}

/// Arenas are shorter than 4 GiB.
fn number(size: usize) -> u32 {
    u32::try_from(size).unwrap_or(NULL)
}

#[expect(clippy::cast_precision_loss, reason = "offsets stay below 2^53")]
fn float(number: u64) -> f64 {
    number as f64
}
