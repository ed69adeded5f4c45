use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use log::batch::Records;
use log::{Cursor, Error, ErrorKind, Partition, ReadInto, ReadOutcome};

use crate::client::{Client, Found, PollError, Polled, Refused, Reset, Slot};
use crate::signal::Place;
use crate::slots::Slots;
use crate::{Kaska, Session};

/// The clients of a session.
#[derive(Default)]
pub(crate) struct Clients {
    clients: Slots<Own>,
}

struct Own {
    client: Client,
    ahead: HashMap<Place, Ahead>,
}

/// Messages of a partition that were read and not polled yet.
#[derive(Default)]
struct Ahead {
    data: Vec<u8>,
    messages: VecDeque<Message>,
    /// Offset behind the last of them.
    end: u64,
    /// What it is being read by, while the disk or a codec is waited for.
    waits: Option<Cursor>,
}

struct Message {
    offset: u64,
    start: usize,
    length: usize,
}

/// Bytes that are read ahead of a partition, or one batch.
const AHEAD_BYTES: usize = 16 * 1024;
/// Bytes that are read ahead of all partitions of a client, beside those of the one that is polled.
const MOST_AHEAD_BYTES: usize = 4 << 20;

/// Whose poll it was that failed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollTrouble {
    /// Records at the client's offset are gone.
    OutOfRange {
        /// Number of the topic.
        topic: u32,
        /// The partition.
        partition: u32,
        /// Where its records begin.
        start: u64,
    },
    /// The topic was deleted.
    Deleted {
        /// Its number.
        topic: u32,
    },
}

impl Session {
    /// A client that is subscribed to nothing.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub fn client(&mut self, reset: Reset) -> Result<u32, Error> {
        Ok(self.opened()?.clients.clients.add(Own {
            client: Client::new(reset),
            ahead: HashMap::new(),
        }))
    }

    /// Lets go of a client.
    pub fn close_client(&mut self, client: u32) {
        if let Ok(open) = self.opened() {
            open.clients.clients.remove(client);
        }
    }

    fn own_client(&mut self, client: u32) -> Result<(&mut Own, &Arc<Kaska>), Error> {
        let open = self.opened()?;
        let own = open.clients.clients.at(client);
        let own = own.ok_or_else(|| Error::new(ErrorKind::Closed, "there is no such client"))?;
        Ok((own, &open.kaska))
    }

    /// Subscribes to topics from their ends on; how many there are. Those that are not there are skipped.
    ///
    /// # Errors
    ///
    /// `Exists` if it is subscribed to something.
    pub fn subscribe(&mut self, client: u32, topics: &[u32]) -> Result<u32, Error> {
        let (own, kaska) = self.own_client(client)?;
        let with_ends = topics.iter().filter_map(|number| {
            let topic = kaska.topic(*number).ok()?;
            let ends = (0..topic.options.partitions).map(|partition| {
                let partition = kaska.partition(*number, partition);
                partition.map_or(0, |partition| partition.ends().visible)
            });
            Some((*number, ends.collect()))
        });
        let subscribed = own.client.subscribe(with_ends);
        own.ahead.clear();
        subscribed.map_err(refused)
    }

    /// Ends a subscription.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none.
    pub fn unsubscribe(&mut self, client: u32) -> Result<(), Error> {
        let (own, _) = self.own_client(client)?;
        own.ahead.clear();
        own.client.unsubscribe().map_err(refused)
    }

    /// Where a client is in a topic.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not subscribed to that.
    pub fn client_position(&mut self, client: u32, topic: u32) -> Result<i64, Error> {
        let (own, _) = self.own_client(client)?;
        own.client.position(topic).map_err(refused)
    }

    /// Has a client go on elsewhere in a topic.
    ///
    /// # Errors
    ///
    /// As [`Session::client_position`].
    pub fn client_seek(&mut self, client: u32, topic: u32, offset: i64) -> Result<(), Error> {
        let (own, _) = self.own_client(client)?;
        own.client.seek(topic, offset).map_err(refused)
    }

    /// The next message of a client, copied to `data`. `trouble` gets what the failure is about, where it is about a topic
    /// alone.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not subscribed, and once for a topic that was deleted, which it is not subscribed to from then on;
    /// `OutOfRange`; `Corrupt` and `Storage`. The next poll begins behind that topic.
    pub fn poll(
        &mut self,
        client: u32,
        data: &mut [u8],
        trouble: &mut Option<PollTrouble>,
    ) -> Result<Polled, Error> {
        let (own, kaska) = self.own_client(client)?;
        let Own { client, ahead } = own;
        let look = |slot: Slot| -> Result<Found, Error> {
            let place = (slot.topic, slot.partition);
            let Ok(partition) = kaska.partition(slot.topic, slot.partition) else {
                ahead.retain(|(topic, _), _| *topic != slot.topic);
                return Ok(Found::Gone);
            };
            let there = ahead.entry(place).or_default();
            let before = there.data.len();
            let found = there.look(&partition, slot.offset.unsigned_abs(), data);
            let grown = there.data.len() > before;
            if there.messages.is_empty() && there.waits.is_none() {
                ahead.remove(&place);
            } else if grown {
                keep_within(ahead, place);
            }
            match found {
                // It was deleted in this moment.
                Err(error) if error.kind == ErrorKind::NotFound => Ok(Found::Gone),
                found => found,
            }
        };
        let end = |slot: Slot| {
            let partition = kaska.partition(slot.topic, slot.partition);
            partition.map_or(0, |partition| partition.ends().visible)
        };
        client.poll(look, end).map_err(|error| match error {
            PollError::Refused(why) => refused(why),
            PollError::Read(error) => error,
            PollError::Gone { topic } => {
                *trouble = Some(PollTrouble::Deleted { topic });
                let message = format!(
                    "topic {topic} was deleted, and is not subscribed to any more; subscribe anew if there is another"
                );
                Error::new(ErrorKind::NotFound, message)
            }
            PollError::OutOfRange {
                topic,
                partition,
                start,
            } => {
                *trouble = Some(PollTrouble::OutOfRange {
                    topic,
                    partition,
                    start,
                });
                let message =
                    format!("records before offset {start} are gone: seek, or say onOutOfRange");
                Error::new(ErrorKind::OutOfRange, message)
            }
        })
    }
}

/// Lets go of what was read ahead of other partitions than `own`, if it is too much; it is read again.
fn keep_within(ahead: &mut HashMap<Place, Ahead>, own: Place) {
    let bytes: usize = ahead.values().map(|one| one.data.len()).sum();
    if bytes > MOST_AHEAD_BYTES {
        ahead.retain(|place, one| *place == own || one.waits.is_some());
    }
}

fn refused(why: Refused) -> Error {
    match why {
        Refused::Subscribed => Error::new(
            ErrorKind::Exists,
            "the client is subscribed already; unsubscribe first",
        ),
        Refused::NotSubscribed => {
            Error::new(ErrorKind::NotFound, "the client is not subscribed to that")
        }
    }
}

impl Ahead {
    fn look(
        &mut self,
        partition: &Arc<Partition>,
        offset: u64,
        into: &mut [u8],
    ) -> Result<Found, Error> {
        let ends = partition.ends();
        if offset < ends.start {
            return Ok(Found::Below(ends.start));
        }
        if offset >= ends.visible {
            return Ok(Found::Nothing);
        }
        while self
            .messages
            .front()
            .is_some_and(|message| message.offset < offset)
        {
            self.messages.pop_front();
        }
        let at_hand = self.messages.front().map(|message| message.offset);
        if at_hand != Some(offset)
            && let Some(found) = self.read(partition, offset)?
        {
            return Ok(found);
        }
        let Some(message) = self.messages.front() else {
            return Ok(Found::Skipped(self.end));
        };
        if message.offset > offset {
            return Ok(Found::Skipped(message.offset));
        }
        let (offset, length) = (message.offset, message.length);
        let end = message.start.saturating_add(length);
        let value = self.data.get(message.start..end).unwrap_or_default();
        let Some(room) = into.get_mut(..value.len()) else {
            return Ok(Found::Needs(length));
        };
        room.copy_from_slice(value);
        self.messages.pop_front();
        Ok(Found::Message {
            offset,
            bytes: length,
        })
    }

    /// Reads what is at `offset`; what there is to tell if that cannot be done now.
    fn read(&mut self, partition: &Arc<Partition>, offset: u64) -> Result<Option<Found>, Error> {
        self.messages.clear();
        let waits = self.waits.take();
        let mut cursor = waits
            .filter(|cursor| cursor.offset() == offset)
            .unwrap_or_else(|| Cursor::new(offset));
        if self.data.len() < AHEAD_BYTES {
            self.data = vec![0; AHEAD_BYTES];
        }
        let mut batches = Vec::new();
        loop {
            let into = &mut ReadInto {
                data: &mut self.data,
                batches: &mut batches,
                most: usize::MAX,
                may_wait: false,
            };
            match partition.read(&mut cursor, into)? {
                ReadOutcome::Batches(_) => break,
                ReadOutcome::AtEnd => return Ok(Some(Found::Nothing)),
                ReadOutcome::Later => {
                    self.data = Vec::new();
                    self.waits = Some(cursor);
                    return Ok(Some(Found::Later));
                }
                ReadOutcome::Needs(bytes) if bytes > self.data.len() => {
                    let more = bytes - self.data.len();
                    self.data.try_reserve_exact(more).map_err(|_| {
                        let message = format!("no memory for a batch of {bytes} bytes");
                        Error::new(ErrorKind::Storage, message)
                    })?;
                    self.data.resize(bytes, 0);
                }
                ReadOutcome::Needs(_) => {
                    return Err(Error::new(ErrorKind::Internal, "a read finds no room"));
                }
            }
        }
        let from = self.data.as_ptr().addr();
        for batch in &batches {
            let end = batch.start.saturating_add(batch.bytes);
            let bytes = self.data.get(batch.start..end).unwrap_or_default();
            for record in Records::of(bytes, &batch.header) {
                let record = record.map_err(|_| partition.is_malformed(batch))?;
                // The original tells an empty message by 0, as if there were none.
                if let Some(value) = record.value.filter(|value| !value.is_empty())
                    && record.offset >= offset
                {
                    self.messages.push_back(Message {
                        offset: record.offset,
                        start: value.as_ptr().addr().saturating_sub(from),
                        length: value.len(),
                    });
                }
            }
        }
        self.end = cursor.offset();
        Ok(None)
    }
}
