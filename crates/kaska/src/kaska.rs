use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};

use log::{
    Clock, Cursor, Error, ErrorKind, Partition, ReadInto, ReadOutcome, Report, Store, Threads,
    Topic, TopicName, TopicOptions,
};

use crate::Answer;
use crate::event::Verified;
use crate::ledger::{Ledger, Pending};
use crate::recovery::Recovery;
use crate::signal::Signal;
use crate::state_record::{Position, StateKey, WriterMark};

/// A directory that is open: what all sessions of a process that have it open share.
pub struct Kaska {
    store: Arc<Store>,
    clock: Arc<dyn Clock>,
    recovery: Recovery,
    ledger: Mutex<Ledger>,
    /// Where the next writer begins, modulo its partitions.
    turn: AtomicU32,
}

/// Bytes of a read that checks everything.
const STEP: usize = 1 << 20;

impl Kaska {
    /// On a store that is open. Reads what positions there are. Writers spread records without a key from partition
    /// `first_turn` on, each from the next one.
    pub fn new(
        store: Arc<Store>,
        clock: Arc<dyn Clock>,
        report: Report,
        first_turn: u32,
    ) -> Arc<Self> {
        let (ledger, notes) = Ledger::load(&store, &report);
        Arc::new(Self {
            store,
            clock,
            recovery: Recovery::new(report, notes),
            ledger: Mutex::new(ledger),
            turn: AtomicU32::new(first_turn),
        })
    }

    /// The directory.
    #[must_use]
    pub const fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// What opening it found and did.
    #[must_use]
    pub const fn recovery(&self) -> &Recovery {
        &self.recovery
    }

    /// Where the next writer begins with records that have no key.
    pub(crate) fn next_turn(&self) -> u32 {
        // Relaxed: a number that decides nothing but a place to begin.
        self.turn.fetch_add(1, Ordering::Relaxed)
    }

    pub(crate) fn observe(&self, signal: &Arc<Signal>) -> u64 {
        self.store.observe(Arc::<Signal>::clone(signal))
    }

    pub(crate) fn unobserve(&self, number: u64) {
        self.store.unobserve(number);
    }

    /// Makes a topic; the answer is its number. Every session hears of it.
    pub(crate) fn create_topic(
        self: &Arc<Self>,
        request: u32,
        signal: &Arc<Signal>,
        name: TopicName,
        options: TopicOptions,
    ) {
        self.ask(request, signal, move |kaska| {
            let number = kaska.store.create_topic(&name, &options)?;
            Ok(Answer::Number(Some(u64::from(number))))
        });
    }

    /// Deletes a topic. Every session hears of it.
    pub(crate) fn delete_topic(self: &Arc<Self>, request: u32, signal: &Arc<Signal>, topic: u32) {
        self.ask(request, signal, move |kaska| {
            kaska.store.delete_topic(topic)?;
            Ok(Answer::Done)
        });
    }

    /// The first offset whose record has that time or a later one.
    pub(crate) fn offset_at(
        self: &Arc<Self>,
        request: u32,
        signal: &Arc<Signal>,
        (topic, partition): (u32, u32),
        ms: i64,
    ) {
        self.ask(request, signal, move |kaska| {
            let partition = kaska.partition(topic, partition)?;
            Ok(Answer::Number(partition.offset_at_or_after(ms)?))
        });
    }

    /// The length of the value at an offset of partition 0; 0 if there is no record or it has none.
    pub(crate) fn message_length(
        self: &Arc<Self>,
        request: u32,
        signal: &Arc<Signal>,
        topic: u32,
        offset: u64,
    ) {
        self.ask(request, signal, move |kaska| {
            let partition = kaska.partition(topic, 0)?;
            let ends = partition.ends();
            if offset < ends.start || offset >= ends.visible {
                return Ok(Answer::Number(Some(0)));
            }
            let mut length = 0;
            let mut cursor = Cursor::new(offset);
            read_one(&partition, &mut cursor, &mut Vec::new(), |records| {
                for record in records.map_while(Result::ok) {
                    if record.offset == offset {
                        length = record.value.map_or(0, <[u8]>::len) as u64;
                    }
                }
            })?;
            Ok(Answer::Number(Some(length)))
        });
    }

    /// Reads everything and checks it. Changes nothing.
    /// On a thread of its own, since it takes long: the housekeeper has others to serve.
    ///
    /// # Errors
    ///
    /// `Storage` if the system gives no thread.
    pub(crate) fn verify(
        self: &Arc<Self>,
        request: u32,
        signal: &Arc<Signal>,
    ) -> Result<(), Error> {
        let kaska = Arc::downgrade(self);
        let signal = Arc::clone(signal);
        let run = move || {
            let mut verified = Verified::default();
            let answer = verify_all(&kaska, &mut verified);
            signal.answer(
                request,
                answer.map(|()| Answer::Verified(Box::new(verified))),
            );
        };
        Threads::start("kaska-verify", run)
    }

    /// Does what takes disk on the housekeeper, and answers.
    fn ask(
        self: &Arc<Self>,
        request: u32,
        signal: &Arc<Signal>,
        act: impl FnOnce(&Self) -> Result<Answer, Error> + Send + 'static,
    ) {
        // Weak: the store must not keep itself alive by a job that it has not done yet.
        let kaska = Arc::downgrade(self);
        let signal = Arc::clone(signal);
        self.store.later(Box::new(move |_| {
            let answer = kaska
                .upgrade()
                .map_or_else(|| Err(closed()), |kaska| act(&kaska));
            signal.answer(request, answer);
        }));
    }

    pub(crate) fn partition(&self, topic: u32, partition: u32) -> Result<Arc<Partition>, Error> {
        let found = self.store.partition(topic, partition).filter(|_| topic > 0);
        found.ok_or_else(|| {
            let message = format!("there is no partition {partition} of a topic {topic}");
            Error::new(ErrorKind::NotFound, message)
        })
    }

    pub(crate) fn topic(&self, number: u32) -> Result<Arc<Topic>, Error> {
        self.store.topic_numbered(number).ok_or_else(|| {
            Error::new(
                ErrorKind::NotFound,
                format!("there is no topic {number}; it may have been deleted"),
            )
        })
    }

    fn position_key(&self, client: &str, topic: u32, partition: u32) -> Result<StateKey, Error> {
        let topic = self.topic(topic)?;
        if partition >= topic.options.partitions {
            let message = format!("{} has no partition {partition}", topic.name.as_str());
            return Err(Error::new(ErrorKind::NotFound, message));
        }
        Ok(StateKey::Position {
            topic: topic.id,
            partition,
            client: client.into(),
        })
    }

    /// Stores the position of a client.
    pub(crate) fn commit(
        &self,
        client: &str,
        (topic, partition): (u32, u32),
        offset: u64,
        metadata: &[u8],
    ) -> Result<Pending, Error> {
        let key = self.position_key(client, topic, partition)?;
        let ms = self.clock.wall_ms();
        let position = Position {
            offset,
            committed_ms: ms,
            metadata: metadata.into(),
        };
        locked(&self.ledger).commit(key, position, &self.store, ms)
    }

    /// The durable position of a client.
    pub(crate) fn committed(
        &self,
        client: &str,
        topic: u32,
        partition: u32,
    ) -> Result<Option<Position>, Error> {
        let key = self.position_key(client, topic, partition)?;
        let mut ledger = locked(&self.ledger);
        Ok(ledger.position(&key, &self.store)?.cloned())
    }

    /// Has a writer of that name marked.
    pub(crate) fn name(&self, name: &str) -> Result<(), Error> {
        let ms = self.clock.wall_ms();
        locked(&self.ledger).name(name, &self.store, ms)
    }

    /// Whether the name of a writer is on its way to be durable.
    pub(crate) fn is_coming(&self, name: &str) -> bool {
        locked(&self.ledger).is_coming(name)
    }

    /// How batches of a named writer are marked, if that is durable.
    pub(crate) fn mark(&self, name: &str) -> Option<WriterMark> {
        locked(&self.ledger).mark(name, &self.store)
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends early, with `Closed`, when nobody has the directory open any more.
fn verify_all(kaska: &Weak<Kaska>, verified: &mut Verified) -> Result<(), Error> {
    let open = || kaska.upgrade().ok_or_else(closed);
    for topic in open()?.store.topics() {
        for partition in 0..topic.options.partitions {
            let partition = open()?.store.partition(topic.number, partition);
            if let Some(partition) = partition {
                verify_partition(&partition, verified, || open().map(drop))?;
            }
        }
    }
    Ok(())
}

fn closed() -> Error {
    Error::new(ErrorKind::Closed, "the directory was closed")
}

fn verify_partition(
    partition: &Arc<Partition>,
    verified: &mut Verified,
    is_open: impl Fn() -> Result<(), Error>,
) -> Result<(), Error> {
    verified.partitions += 1;
    let place = (partition.topic(), partition.number());
    let ends = partition.ends();
    if let Some(error) = partition.unavailable() {
        verified.is_damaged(place, (ends.start, ends.visible), &error.message);
        return Ok(());
    }
    let mut cursor = Cursor::checking_again(ends.start);
    let mut data = Vec::new();
    while cursor.offset() < ends.visible {
        is_open()?;
        let (mut batches, mut count, mut bytes, mut whole) = (0, 0, 0, true);
        let from = cursor.offset();
        let read = read_one(partition, &mut cursor, &mut data, |records| {
            batches += 1;
            for record in records {
                match record {
                    Ok(record) => {
                        count += 1;
                        let beside = record.key.map_or(0, <[u8]>::len);
                        bytes += (beside + record.value.map_or(0, <[u8]>::len)) as u64;
                    }
                    Err(_) => whole = false,
                }
            }
        });
        verified.batches += batches;
        verified.records += count;
        verified.bytes += bytes;
        let damage = match read {
            Ok(true) if whole => None,
            Ok(true) => {
                let why = "the checksum of a batch is right, and its records are none";
                Some(((from, cursor.offset()), why.to_owned()))
            }
            Ok(false) => break,
            // Retention may have moved on meanwhile.
            Err(error) if error.kind == ErrorKind::OutOfRange => {
                let start = partition.ends().start;
                if start <= from {
                    return Err(error);
                }
                cursor.seek(start);
                continue;
            }
            // Its topic was deleted meanwhile.
            Err(error) if error.kind == ErrorKind::NotFound => break,
            // Where nobody knows how far it goes, the rest of the partition cannot be read.
            Err(error) => {
                let damage = partition.damage_at(cursor.offset());
                Some((damage.unwrap_or((from, ends.visible)), error.message))
            }
        };
        if let Some(((first, next), why)) = damage {
            verified.is_damaged(place, (first, next), why);
            if next <= from {
                break;
            }
            cursor.seek(next);
        }
    }
    Ok(())
}

/// Reads some batches, waiting for the disk, and shows each; `false` at the end.
fn read_one(
    partition: &Arc<Partition>,
    cursor: &mut Cursor,
    data: &mut Vec<u8>,
    mut show: impl FnMut(log::batch::Records<'_>),
) -> Result<bool, Error> {
    if data.is_empty() {
        resize(data, STEP)?;
    }
    let mut batches = Vec::new();
    loop {
        let into = &mut ReadInto {
            data,
            batches: &mut batches,
            most: 1,
            may_wait: true,
        };
        match partition.read(cursor, into)? {
            ReadOutcome::Batches(_) => break,
            ReadOutcome::Needs(bytes) => resize(data, bytes)?,
            ReadOutcome::AtEnd | ReadOutcome::Later => return Ok(false),
        }
    }
    for batch in &batches {
        let end = batch.start.saturating_add(batch.bytes);
        let records = data.get(batch.start..end).unwrap_or_default();
        show(log::batch::Records::of(records, &batch.header));
    }
    Ok(true)
}

fn resize(data: &mut Vec<u8>, bytes: usize) -> Result<(), Error> {
    let more = bytes.saturating_sub(data.len());
    data.try_reserve(more).map_err(|_| {
        let message = format!("no memory for a batch of {bytes} bytes");
        Error::new(ErrorKind::Storage, message)
    })?;
    data.resize(bytes.max(data.len()), 0);
    Ok(())
}
