use std::sync::Arc;

use log::batch::{Input, ProducerMark, Shape, Times};
use log::{Acks, Appended, Codec, Error, ErrorKind, Partition};

use crate::Session;
use crate::ledger::Pending;
use crate::partitioner::Partitioner;
use crate::session::Open;
use crate::settling::{Settling, Waiting};
use crate::signal::Signal;
use crate::state_record::WriterMark;
use crate::writers::{MOST_SEQUENCE, Overlap, overlap};

/// The writers of a session.
#[derive(Default)]
pub(crate) struct Appends {
    /// Numbers are not used again: what a writer that is gone has appended settles under its own.
    writers: Vec<Option<Box<Writer>>>,
    /// An append found no room, so its owner wants to hear of progress.
    wants_room: bool,
    split: Split,
}

/// How to write.
#[derive(Clone, Copy, Debug)]
pub struct WriterOptions {
    /// Number of the topic.
    pub topic: u32,
    /// The partition; `None`: that of the key.
    pub partition: Option<u32>,
    /// What an append waits for.
    pub acks: Acks,
    /// How records are compressed; `None`: as the topic says.
    pub codec: Option<Codec>,
    /// How hard.
    pub level: Option<i32>,
}

struct Writer {
    partitions: Vec<Arc<Partition>>,
    partitioner: Partitioner,
    how: log::Writer,
    mark: Option<WriterMark>,
    tickets: u64,
}

/// What became of the records that went to one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Group {
    /// The partition.
    pub partition: u32,
    /// What [`Session::settled`] will tell of; 0: nothing, it is done.
    pub ticket: u64,
    /// Offset of the first record that was stored, if it is known.
    pub base: Option<u64>,
    /// Records that were stored; fewer than were given if a named writer had stored some before.
    pub records: u32,
    /// Why not, if so.
    pub failed: Option<wire::Code>,
}

/// Records of one call, split by partition.
#[derive(Default)]
struct Split {
    groups: Vec<Part>,
    /// The group of a partition plus one, by partition.
    of: Vec<u32>,
}

#[derive(Default)]
struct Part {
    partition: u32,
    data: Vec<u8>,
    shape: Vec<u32>,
    times: Vec<f64>,
}

/// Records of one call at most.
pub const MOST_RECORDS: usize = 1 << 20;

impl Session {
    /// A writer.
    ///
    /// # Errors
    ///
    /// `NotFound` for a topic or partition that is not there, and for a name that [`Session::name_writer`] has not made
    /// known; `Invalid` for a named one that has no single partition.
    pub fn writer(&mut self, options: &WriterOptions, name: Option<&str>) -> Result<u32, Error> {
        let open = self.opened()?;
        let topic = open.kaska.topic(options.topic)?;
        let count = topic.options.partitions;
        let (from, to) = match options.partition {
            None => (0, count),
            Some(partition) => (partition, partition.saturating_add(1)),
        };
        let partitions = (from..to)
            .map(|partition| open.kaska.partition(options.topic, partition))
            .collect::<Result<Vec<_>, _>>()?;
        let mark = match name {
            None => None,
            Some(_) if partitions.len() > 1 => {
                let why = "a writer with a name writes to one partition: say which";
                return Err(Error::new(ErrorKind::Invalid, why));
            }
            Some(name) => {
                let mark = open.kaska.mark(name);
                Some(mark.ok_or_else(|| {
                    let message = format!("no writer is called {name:?} yet");
                    Error::new(ErrorKind::NotFound, message)
                })?)
            }
        };
        let codec = options.codec.unwrap_or(topic.options.codec);
        let compression = log::Compression::new(codec, options.level)?;
        let number = open.appends.writers.len() as u32 + 1;
        open.appends.writers.push(Some(Box::new(Writer {
            partitioner: Partitioner::new(to - from, open.kaska.next_turn()),
            partitions,
            how: log::Writer {
                acks: options.acks,
                compression,
                mark: None,
            },
            mark,
            tickets: 0,
        })));
        Ok(number)
    }

    /// Lets go of a writer. What is not settled yet still will be.
    pub fn close_writer(&mut self, writer: u32) {
        if let Ok(open) = self.opened()
            && let Some(place) = open.appends.place(writer)
        {
            *place = None;
        }
    }

    /// The sequence number of the last record that a named writer has stored in its partition.
    ///
    /// # Errors
    ///
    /// `Closed` if there is no such writer.
    pub fn last_sequence(&mut self, writer: u32) -> Result<Option<u32>, Error> {
        let writer = self.opened()?.appends.writer(writer)?;
        let (Some(mark), Some(partition)) = (writer.mark, writer.partitions.first()) else {
            return Ok(None);
        };
        partition.is_there()?;
        Ok(partition.last_sequence(mark.producer))
    }

    /// Appends the records of one call: one batch for each partition that they go to. `places` gets the group of each record,
    /// if the writer has several partitions; `each` is told of each group. How many groups there are.
    ///
    /// # Errors
    ///
    /// If nothing was appended: `Invalid` for numbers that do not add up; `Closed`; and with a single partition all that
    /// [`Partition::append`] says.
    pub fn append(
        &mut self,
        writer: u32,
        input: &Input<'_>,
        sequence: Option<u64>,
        places: &mut [u32],
        mut each: impl FnMut(usize, Group),
    ) -> Result<usize, Error> {
        let signal = Arc::clone(&self.signal);
        let Open {
            appends, settling, ..
        } = self.opened()?;
        let Appends {
            writers,
            wants_room,
            split,
        } = appends;
        let slot = writers.get_mut((writer as usize).wrapping_sub(1));
        let own = slot.and_then(Option::as_deref_mut).ok_or_else(no_writer)?;
        let count = check(input)?;
        let mut to = Target {
            signal: &signal,
            settling,
            number: writer,
            wants_room,
        };
        let single = match own.partitions.len() {
            1 => Some(0),
            _ => split.choose(own, input, count, places)?,
        };
        if let Some(place) = single {
            let group = own.append(place, input, sequence, &mut to)?;
            each(0, group);
            own.partitioner.next_turn();
            return Ok(1);
        }
        let groups = std::mem::take(&mut split.groups);
        let mut failure = None;
        for (place, part) in groups.iter().enumerate() {
            let input = part.input(input);
            let appended = own.append(part.partition as usize, &input, None, &mut to);
            let group = appended.unwrap_or_else(|error| {
                let failed = Some(crate::code_of(error.kind));
                failure = Some(error);
                Group {
                    partition: part.partition,
                    ticket: 0,
                    base: None,
                    records: 0,
                    failed,
                }
            });
            each(place, group);
        }
        own.partitioner.next_turn();
        self.note(failure);
        Ok(groups.len())
    }
}

/// The number of the first of `count` records of a named writer, if all of them have one.
fn number_in(first: u64, count: u32) -> Result<u32, Error> {
    let last = first.saturating_add(u64::from(count.saturating_sub(1)));
    match u32::try_from(first) {
        Ok(first) if last <= u64::from(MOST_SEQUENCE) => Ok(first),
        _ => {
            let message = format!(
                "a writer has numbers up to {MOST_SEQUENCE}, and these go up to {last}: go on under another name"
            );
            Err(Error::new(ErrorKind::Invalid, message))
        }
    }
}

fn no_writer() -> Error {
    Error::new(ErrorKind::Closed, "there is no such writer")
}

/// Where groups go.
struct Target<'a> {
    signal: &'a Signal,
    settling: &'a mut Settling,
    number: u32,
    wants_room: &'a mut bool,
}

impl Appends {
    fn place(&mut self, writer: u32) -> Option<&mut Option<Box<Writer>>> {
        self.writers.get_mut((writer as usize).wrapping_sub(1))
    }

    fn writer(&mut self, writer: u32) -> Result<&mut Writer, Error> {
        let place = self.place(writer).and_then(Option::as_deref_mut);
        place.ok_or_else(no_writer)
    }

    /// Whether somebody who found no room may try again.
    pub(crate) fn look(&mut self, signal: &Signal) -> bool {
        let had = std::mem::take(&mut self.wants_room);
        if had {
            signal.forgo(1);
        }
        had
    }
}

impl Writer {
    fn append(
        &mut self,
        place: usize,
        input: &Input<'_>,
        sequence: Option<u64>,
        to: &mut Target<'_>,
    ) -> Result<Group, Error> {
        let partition = self.partitions.get(place).ok_or_else(no_writer)?;
        let count = count_of(&input.shape);
        let mut how = self.how;
        let mut given = *input;
        if let Some(mark) = self.mark {
            let (last, place_of_last) = partition.last_of(mark.producer).unzip();
            let next = last.map_or(0, |last| u64::from(last) + 1);
            let first = number_in(sequence.unwrap_or(next), count)?;
            let skip = match overlap(last, first) {
                Overlap::None => 0,
                Overlap::Gap => {
                    let message = format!(
                        "the writer goes on with {first}, but the last that it stored is {}: append what is between first",
                        last.unwrap_or_default()
                    );
                    return Err(Error::new(ErrorKind::OutOfOrder, message));
                }
                Overlap::Stored(stored) => stored.min(count),
            };
            if skip == count
                && let Some(last) = place_of_last
            {
                partition.is_there()?;
                let partition = Arc::clone(partition);
                return Ok(self.stored_before(&partition, last, to));
            }
            given = trimmed(input, skip as usize)?;
            how.mark = Some(ProducerMark {
                id: mark.producer,
                epoch: mark.epoch,
                sequence: first.saturating_add(skip),
            });
        } else if sequence.is_some() {
            let why = "only a writer with a name takes sequence numbers";
            return Err(Error::new(ErrorKind::Invalid, why));
        }
        let records = count_of(&given.shape);
        // Before, so that no progress is missed.
        to.signal.expect(1);
        let appended = match partition.append(&given, &how, true) {
            Ok(appended) => appended,
            Err(error) => {
                let full = error.kind == ErrorKind::Full;
                if full && !std::mem::replace(to.wants_room, true) {
                    // What was expected is room now.
                } else {
                    to.signal.forgo(1);
                }
                return Err(error);
            }
        };
        let (base, queued) = match &appended {
            Appended::Written(written) | Appended::Duplicate(written) => {
                (Some(written.base), false)
            }
            Appended::Queued(_) => (None, true),
        };
        let place = Pending::of(appended);
        let number = partition.number();
        let partition = Arc::clone(partition);
        let ticket = self.wait(&partition, place, queued, records, to);
        Ok(Group {
            partition: number,
            ticket,
            base,
            records,
            failed: None,
        })
    }

    /// All of it was appended before: done when the last that this writer has appended is, for it is behind.
    fn stored_before(
        &mut self,
        partition: &Arc<Partition>,
        last: Appended,
        to: &mut Target<'_>,
    ) -> Group {
        to.signal.expect(1);
        let ticket = self.wait(partition, Pending::of(last), false, 0, to);
        if ticket > 0 && self.how.acks == Acks::All {
            // Whoever appended it need not have asked for that.
            partition.flush();
        }
        Group {
            partition: partition.number(),
            ticket,
            base: None,
            records: 0,
            failed: None,
        }
    }

    /// The ticket of what waits; 0 if it need not. Something was expected before.
    fn wait(
        &mut self,
        partition: &Arc<Partition>,
        place: Pending,
        queued: bool,
        records: u32,
        to: &mut Target<'_>,
    ) -> u64 {
        let all = self.how.acks == Acks::All;
        let done = match (&place, self.how.acks) {
            (_, Acks::None) => true,
            (Pending::Queued(_), _) => false,
            (Pending::Until(end), Acks::All) => *end <= partition.ends().durable,
            (Pending::Until(_), Acks::Written) => true,
        };
        if done {
            to.signal.forgo(1);
            return 0;
        }
        self.tickets += 1;
        let is_done = matches!(&place, Pending::Queued(ticket) if ticket.outcome().is_some());
        to.settling.push(
            partition,
            all,
            Waiting {
                writer: to.number,
                ticket: self.tickets,
                place,
                queued,
                count: u64::from(records),
            },
        );
        // It was done before it stood in line, so nobody else tells.
        if is_done {
            to.signal.changed(partition);
        }
        self.tickets
    }
}

fn count_of(shape: &Shape<'_>) -> u32 {
    let count = match shape {
        Shape::Values(lengths) => lengths.len(),
        Shape::Full(words) => words.len() / 3,
    };
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// How many records there are; what the encoder checks later, but splitting and trimming rely on it.
fn check(input: &Input<'_>) -> Result<usize, Error> {
    let refuse = |why: &str| Err(Error::new(ErrorKind::Invalid, why));
    let (count, sum) = match input.shape {
        Shape::Values(lengths) => (
            lengths.len(),
            lengths.iter().map(|length| u64::from(*length)).sum::<u64>(),
        ),
        Shape::Full(words) => {
            let (records, rest) = words.as_chunks::<3>();
            if !rest.is_empty() {
                return refuse("a record has three numbers");
            }
            let size = |record: &[u32; 3]| {
                let [key, value, headers] = *record;
                u64::from(key.saturating_sub(1))
                    + u64::from(value.saturating_sub(1))
                    + u64::from(headers)
            };
            (records.len(), records.iter().map(size).sum())
        }
    };
    if count == 0 || count > MOST_RECORDS {
        return refuse("an append has 1 to 2^20 records");
    }
    if sum != input.data.len() as u64 {
        return refuse("the lengths of the records do not add up to their bytes");
    }
    match input.times {
        Times::Each(times) if times.len() != count => refuse("each record has one time"),
        _ => Ok(count),
    }
}

/// The same without its first records.
fn trimmed<'a>(input: &Input<'a>, skip: usize) -> Result<Input<'a>, Error> {
    let off = || Error::new(ErrorKind::Internal, "more is skipped than there is");
    let (bytes, shape) = match input.shape {
        Shape::Values(lengths) => {
            let (gone, rest) = lengths.split_at_checked(skip).ok_or_else(off)?;
            let bytes: usize = gone.iter().map(|length| *length as usize).sum();
            (bytes, Shape::Values(rest))
        }
        Shape::Full(words) => {
            let (gone, rest) = words.split_at_checked(skip * 3).ok_or_else(off)?;
            let (records, _) = gone.as_chunks::<3>();
            let bytes = records.iter().map(size_of).sum();
            (bytes, Shape::Full(rest))
        }
    };
    let times = match input.times {
        Times::One(ms) => Times::One(ms),
        Times::Each(times) => Times::Each(times.get(skip..).ok_or_else(off)?),
    };
    Ok(Input {
        data: input.data.get(bytes..).ok_or_else(off)?,
        shape,
        times,
    })
}

fn size_of(record: &[u32; 3]) -> usize {
    let [key, value, headers] = *record;
    key.saturating_sub(1) as usize + value.saturating_sub(1) as usize + headers as usize
}

impl Split {
    /// Splits the records of a call by their keys. The one partition that all go to, if they do.
    fn choose(
        &mut self,
        writer: &Writer,
        input: &Input<'_>,
        count: usize,
        places: &mut [u32],
    ) -> Result<Option<usize>, Error> {
        let turn = writer.partitioner.of(None);
        let Shape::Full(words) = input.shape else {
            places.iter_mut().take(count).for_each(|place| *place = 0);
            return Ok(Some(turn as usize));
        };
        if places.len() < count {
            let why = "there is no room to tell the partition of each record";
            return Err(Error::new(ErrorKind::Invalid, why));
        }
        self.groups.clear();
        self.of.clear();
        self.of.resize(writer.partitions.len(), 0);
        let (records, _) = words.as_chunks::<3>();
        let mut rest = input.data;
        for ((number, record), place) in records.iter().enumerate().zip(places) {
            let key_length = record.first().map_or(0, |key| key.saturating_sub(1)) as usize;
            let whole = size_of(record);
            let off = || Error::new(ErrorKind::Invalid, "a record is longer than its bytes");
            let (bytes, behind) = rest.split_at_checked(whole).ok_or_else(off)?;
            rest = behind;
            let has_key = record.first().is_some_and(|key| *key > 0);
            let key = bytes.get(..key_length).filter(|_| has_key);
            let partition = writer.partitioner.of(key);
            let group = self.group_of(partition);
            *place = group;
            let Some(part) = self.groups.get_mut(group as usize) else {
                continue;
            };
            part.shape.extend_from_slice(record);
            part.data.extend_from_slice(bytes);
            if let Times::Each(times) = input.times {
                part.times.push(times.get(number).copied().unwrap_or(0.0));
            }
        }
        Ok(match self.groups.as_slice() {
            [only] => Some(only.partition as usize),
            _ => None,
        })
    }

    fn group_of(&mut self, partition: u32) -> u32 {
        let Some(slot) = self.of.get_mut(partition as usize) else {
            return 0;
        };
        if *slot == 0 {
            self.groups.push(Part {
                partition,
                ..Part::default()
            });
            *slot = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
        }
        *slot - 1
    }
}

impl Part {
    fn input<'a>(&'a self, of: &Input<'a>) -> Input<'a> {
        Input {
            data: &self.data,
            shape: Shape::Full(&self.shape),
            times: match of.times {
                Times::One(ms) => Times::One(ms),
                Times::Each(_) => Times::Each(&self.times),
            },
        }
    }
}
