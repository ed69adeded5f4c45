use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use log::batch::{Input, Records, Shape, Times};
use log::{
    Acks, Appended, Cursor, Error, ErrorKind, Note, Partition, PartitionNote, ReadInto,
    ReadOutcome, Report, Store, Ticket, Topic, Writer,
};

use crate::recovery::StateNote;
use crate::state_record::{MOST_METADATA_BYTES, Position, StateKey, WriterMark, is_name};

/// Committed positions and named writers: the log of topic 0, and what it says so far. Nobody is told what is not durable.
pub(crate) struct Ledger {
    log: Arc<Partition>,
    live: HashMap<StateKey, Value>,
    /// Bytes of what is live, and of what was appended since the log was written anew.
    live_bytes: usize,
    log_bytes: usize,
    /// Appended and not durable yet, in the order of the log.
    coming: VecDeque<Coming>,
    next_producer: u64,
    rewriting: Option<Rewriting>,
    /// Why nobody knows what it says, if so. Topics can be used all the same.
    unread: Option<Error>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Value {
    Position(Position),
    Writer(WriterMark),
}

struct Coming {
    key: StateKey,
    value: Value,
    place: Pending,
}

/// Where an append is on its way to be durable.
#[derive(Debug)]
pub(crate) enum Pending {
    /// It waits to be written.
    Queued(Ticket),
    /// It is written and ends there.
    Until(u64),
}

/// All that is live stands in the log again, behind `base`; when the last of it is durable, what is before can go.
struct Rewriting {
    base: u64,
    last: Pending,
}

/// First producer id that named writers get; those of Kafka's brokers count from 0.
const FIRST_PRODUCER: u64 = 1 << 62;
/// The last one: Kafka's are signed.
const LAST_PRODUCER: u64 = (1 << 63) - 1;
/// The log is written anew beyond so many bytes, and so many times what is live.
const REWRITE_BYTES: usize = 1 << 20;
const REWRITE_TIMES: usize = 4;
/// Bytes of a read at open.
const STEP: usize = 1 << 20;
/// Bytes of a batch that is written anew: with a last record of any size, and what records take beside their own, it is far
/// below the longest batch of this log.
const REWRITE_STEP: usize = 256 << 10;
/// So many names are told of those that may be older than they were.
const MOST_NAMED: usize = 20;

impl Pending {
    pub(crate) fn of(appended: Appended) -> Self {
        match appended {
            Appended::Written(written) | Appended::Duplicate(written) => Self::Until(written.end),
            Appended::Queued(ticket) => Self::Queued(ticket),
        }
    }

    /// Whether it is durable; an error if it never will be.
    pub(crate) fn is_durable(&mut self, durable: u64) -> Result<bool, Error> {
        if let Self::Queued(ticket) = self {
            match ticket.outcome() {
                None => return Ok(false),
                Some(outcome) => *self = Self::Until(outcome?.end),
            }
        }
        Ok(matches!(self, Self::Until(end) if *end <= durable))
    }
}

impl Ledger {
    /// What the log of a directory says. Where records may have been lost, positions beyond the end of their partition are set
    /// back to it. Elsewhere they stay: a client may commit any offset. Damaged records are left out. Both are told.
    pub(crate) fn load(store: &Store, report: &Report) -> (Self, Vec<StateNote>) {
        let log = store.positions();
        // The id of a writer whose mark is lost may stand in some partition still: whoever got it, too, would count as him.
        let after = store
            .highest_producer()
            .map_or(0, |id| id.saturating_add(1));
        let mut ledger = Self {
            live: HashMap::new(),
            live_bytes: 0,
            log_bytes: 0,
            coming: VecDeque::new(),
            next_producer: FIRST_PRODUCER.max(after),
            rewriting: None,
            unread: None,
            log,
        };
        let mut replayed = Replayed::default();
        let read = ledger.replay(&mut replayed);
        let topics = topics_by_id(store);
        let mut notes = replayed.notes(&topics);
        if let Err(error) = read {
            notes.push(StateNote::Unreadable(error.clone()));
            ledger.unread = Some(error);
        }
        notes.extend(ledger.settle_positions(&topics, store, report));
        (ledger, notes)
    }

    fn replay(&mut self, replayed: &mut Replayed) -> Result<(), Error> {
        let log = Arc::clone(&self.log);
        let mut cursor = Cursor::new(log.ends().start);
        let mut data = vec![0; STEP];
        let mut batches = Vec::new();
        loop {
            batches.clear();
            let into = &mut ReadInto {
                data: &mut data,
                batches: &mut batches,
                most: usize::MAX,
                may_wait: true,
            };
            match log.read(&mut cursor, into) {
                Ok(ReadOutcome::Batches(_)) => {}
                Ok(ReadOutcome::Needs(bytes)) => {
                    data.resize(bytes, 0);
                    continue;
                }
                // With `may_wait` it is never later.
                Ok(ReadOutcome::AtEnd | ReadOutcome::Later) => return Ok(()),
                Err(error) if error.kind == ErrorKind::Corrupt => {
                    let Some((first, next)) = log.damage_at(cursor.offset()) else {
                        return Err(error);
                    };
                    replayed.damaged.push((first, next));
                    if next <= cursor.offset() || next >= log.ends().visible {
                        return Ok(());
                    }
                    cursor.seek(next);
                    continue;
                }
                Err(error) => return Err(error),
            }
            for batch in &batches {
                let records = data
                    .get(batch.start..batch.start.saturating_add(batch.bytes))
                    .unwrap_or_default();
                let mut read = batch.header.base_offset;
                for record in Records::of(records, &batch.header).map_while(Result::ok) {
                    read = record.offset.saturating_add(1);
                    self.log_bytes += size_of_record(record.key, record.value);
                    let value = record.value.map(Value::decode);
                    // What a newer version may have written says nothing to this one.
                    if let (Some(key), None | Some(Some(_))) =
                        (record.key.and_then(StateKey::decode), &value)
                    {
                        replayed.newest.insert(key.clone(), record.offset);
                        self.apply(key, value.flatten());
                    }
                }
                if read < batch.header.next_offset() {
                    let lost = (read, batch.header.next_offset());
                    replayed.damaged.push(lost);
                }
            }
        }
    }

    fn apply(&mut self, key: StateKey, value: Option<Value>) {
        let bytes = |key: &StateKey, value: &Value| {
            size_of_record(Some(&key.encode()), Some(&value.encode()))
        };
        if let Some(Value::Writer(mark)) = &value {
            self.next_producer = self.next_producer.max(mark.producer.saturating_add(1));
        }
        let before = match value {
            Some(value) if value.fits(&key) => {
                self.live_bytes += bytes(&key, &value);
                let before = self.live.insert(key.clone(), value);
                before.map(|before| bytes(&key, &before))
            }
            Some(_) => None,
            None => self.live.remove(&key).map(|before| bytes(&key, &before)),
        };
        self.live_bytes = self.live_bytes.saturating_sub(before.unwrap_or(0));
    }

    /// Forgets positions of topics that are gone, and sets back those beyond what recovery has cut.
    fn settle_positions(
        &mut self,
        topics: &HashMap<[u8; 16], Arc<Topic>>,
        store: &Store,
        report: &Report,
    ) -> Vec<StateNote> {
        let mut notes = Vec::new();
        self.live.retain(|key, value| {
            let (
                StateKey::Position {
                    topic,
                    partition,
                    client,
                },
                Value::Position(position),
            ) = (key, value)
            else {
                return true;
            };
            let Some(topic) = topics.get(topic) else {
                return false;
            };
            let was_cut = report.may_lack
                || report
                    .notes
                    .iter()
                    .any(|note| cuts(note, topic.number, *partition));
            let end = store
                .partition(topic.number, *partition)
                .map(|partition| partition.ends().visible);
            if let Some(end) = end.filter(|end| was_cut && position.offset > *end) {
                notes.push(StateNote::SetBack {
                    client: client.clone(),
                    topic: Arc::clone(topic),
                    partition: *partition,
                    from: position.offset,
                    to: end,
                });
                position.offset = end;
            }
            true
        });
        let sizes = self.live.iter();
        let sizes =
            sizes.map(|(key, value)| size_of_record(Some(&key.encode()), Some(&value.encode())));
        self.live_bytes = sizes.sum();
        notes
    }

    /// The position of a client, if it has one.
    ///
    /// # Errors
    ///
    /// Why nobody knows, if so.
    pub(crate) fn position(
        &mut self,
        key: &StateKey,
        store: &Store,
    ) -> Result<Option<&Position>, Error> {
        self.is_read()?;
        self.advance(store);
        Ok(match self.live.get(key) {
            Some(Value::Position(position)) => Some(position),
            _ => None,
        })
    }

    fn is_read(&self) -> Result<(), Error> {
        self.unread.clone().map_or(Ok(()), Err)
    }

    /// How batches of a named writer are marked, if that is durable.
    pub(crate) fn mark(&mut self, name: &str, store: &Store) -> Option<WriterMark> {
        self.advance(store);
        let key = StateKey::Writer { name: name.into() };
        match self.live.get(&key)? {
            Value::Writer(mark) => Some(*mark),
            Value::Position(_) => None,
        }
    }

    /// Whether the name of a writer is on its way to be durable.
    pub(crate) fn is_coming(&self, name: &str) -> bool {
        let is_it =
            |key: &StateKey| matches!(key, StateKey::Writer { name: own } if &**own == name);
        self.coming.iter().any(|coming| is_it(&coming.key))
    }

    /// Stores a position. It counts when it is durable.
    ///
    /// # Errors
    ///
    /// `Invalid` for a name that cannot be or too much metadata; else as [`Partition::append`].
    pub(crate) fn commit(
        &mut self,
        key: StateKey,
        position: Position,
        store: &Store,
        ms: i64,
    ) -> Result<Pending, Error> {
        let StateKey::Position { client, .. } = &key else {
            return Err(invalid("no key of a position"));
        };
        if !is_name(client) {
            return Err(invalid(
                "the name of a client must have 1 to 65,534 bytes and no NUL",
            ));
        }
        if position.metadata.len() > MOST_METADATA_BYTES {
            return Err(invalid("metadata of a position has at most 4,096 bytes"));
        }
        self.put(key, Value::Position(position), store, ms)
    }

    /// Has a writer of that name marked, if it is not; [`Ledger::mark`] tells when that is durable.
    ///
    /// # Errors
    ///
    /// As [`Ledger::commit`].
    pub(crate) fn name(&mut self, name: &str, store: &Store, ms: i64) -> Result<(), Error> {
        if !is_name(name) {
            return Err(invalid(
                "the name of a writer must have 1 to 65,534 bytes and no NUL",
            ));
        }
        let key = StateKey::Writer { name: name.into() };
        self.advance(store);
        if self.is_coming(name) || self.live.contains_key(&key) {
            return Ok(());
        }
        if self.next_producer > LAST_PRODUCER {
            return Err(invalid(
                "there are no numbers for writers left: open another directory",
            ));
        }
        let mark = WriterMark {
            producer: self.next_producer,
            epoch: 0,
        };
        self.put(key, Value::Writer(mark), store, ms)?;
        self.next_producer += 1;
        Ok(())
    }

    fn put(
        &mut self,
        key: StateKey,
        value: Value,
        store: &Store,
        ms: i64,
    ) -> Result<Pending, Error> {
        self.is_read()?;
        self.advance(store);
        let mut batch = Packed::default();
        batch.push(&key, &value)?;
        let place = batch.append(&self.log, ms)?;
        self.log_bytes += batch.data.len();
        let told = match &place {
            Pending::Queued(ticket) => Pending::Queued(ticket.clone()),
            Pending::Until(end) => Pending::Until(*end),
        };
        self.coming.push_back(Coming { key, value, place });
        self.advance(store);
        self.rewrite_if_due(ms);
        Ok(told)
    }

    /// Takes what has become durable.
    fn advance(&mut self, store: &Store) {
        let durable = self.log.ends().durable;
        while let Some(coming) = self.coming.front_mut() {
            match coming.place.is_durable(durable) {
                Ok(false) => break,
                Ok(true) => {
                    if let Some(Coming { key, value, .. }) = self.coming.pop_front() {
                        self.apply(key, Some(value));
                    }
                }
                Err(_) => {
                    self.coming.pop_front();
                }
            }
        }
        let Some(rewriting) = &mut self.rewriting else {
            return;
        };
        match rewriting.last.is_durable(durable) {
            Ok(false) => {}
            Ok(true) => {
                let base = rewriting.base;
                self.rewriting = None;
                // What cannot be deleted now is deleted after the next time.
                store.later(Box::new(move |store| {
                    let _kept = store.delete_before(&store.positions(), base);
                }));
            }
            Err(_) => self.rewriting = None,
        }
    }

    /// Writes all that is live once more, into a segment of its own, where the log has become much larger than that. Under
    /// the lock that commits are made under, so that nothing newer comes before it.
    fn rewrite_if_due(&mut self, ms: i64) {
        let due = self.log_bytes > REWRITE_BYTES
            && self.log_bytes / REWRITE_TIMES > self.live_bytes
            && self.rewriting.is_none();
        if !due {
            return;
        }
        let base = self.log.ends().written;
        self.log.begin_segment();
        self.log_bytes = 0;
        let mut newest: HashMap<&StateKey, &Value> = self.live.iter().collect();
        newest.extend(
            self.coming
                .iter()
                .map(|coming| (&coming.key, &coming.value)),
        );
        let mut rewriting = None;
        let mut batch = Packed::default();
        let mut values = newest.into_iter().peekable();
        while let Some((key, value)) = values.next() {
            if batch.push(key, value).is_err() {
                return;
            }
            if batch.data.len() < REWRITE_STEP && values.peek().is_some() {
                continue;
            }
            let Ok(place) = batch.append(&self.log, ms) else {
                // What was before stays; the next commit tries again.
                return;
            };
            self.log_bytes += batch.data.len();
            rewriting = Some(Rewriting { base, last: place });
            batch = Packed::default();
        }
        self.rewriting = rewriting;
    }
}

/// What reading the log of a directory has shown beside what it says.
#[derive(Default)]
struct Replayed {
    /// Where the newest record of each key is.
    newest: HashMap<StateKey, u64>,
    /// First offset that is lost, first one behind.
    damaged: Vec<(u64, u64)>,
}

impl Replayed {
    /// What was told last before a damage may have been told anew in it.
    fn notes(&self, topics: &HashMap<[u8; 16], Arc<Topic>>) -> Vec<StateNote> {
        let note = |&(first, next): &(u64, u64)| {
            let older = self.newest.iter().filter(|(_, offset)| **offset < first);
            let mut older: Vec<String> = older
                .filter_map(|(key, _)| match key {
                    StateKey::Position {
                        topic,
                        partition,
                        client,
                    } => {
                        let topic = topics.get(topic)?.name.as_str();
                        Some(format!("{client} in partition {partition} of {topic}"))
                    }
                    // The mark of a writer never changes.
                    StateKey::Writer { .. } => None,
                })
                .collect();
            let more = older.len().saturating_sub(MOST_NAMED);
            older.sort_unstable();
            older.truncate(MOST_NAMED);
            StateNote::Damaged {
                first,
                next,
                older,
                more,
            }
        };
        self.damaged.iter().map(note).collect()
    }
}

fn topics_by_id(store: &Store) -> HashMap<[u8; 16], Arc<Topic>> {
    let topics = store.topics().into_iter();
    topics.map(|topic| (topic.id, topic)).collect()
}

fn cuts(note: &PartitionNote, topic: u32, partition: u32) -> bool {
    (note.topic, note.partition) == (topic, partition)
        && matches!(note.note, Note::Cut { .. } | Note::Removed { .. })
}

fn invalid(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, why)
}

fn size_of_record(key: Option<&[u8]>, value: Option<&[u8]>) -> usize {
    key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len)
}

impl Value {
    fn encode(&self) -> Vec<u8> {
        match self {
            Self::Position(position) => position.encode(),
            Self::Writer(mark) => mark.encode(),
        }
    }

    /// What a value of that length can be: those of writers have 11 bytes, those of positions at least 17.
    fn decode(bytes: &[u8]) -> Option<Self> {
        WriterMark::decode(bytes)
            .map(Self::Writer)
            .or_else(|| Position::decode(bytes).map(Self::Position))
    }

    fn fits(&self, key: &StateKey) -> bool {
        matches!(
            (self, key),
            (Self::Position(_), StateKey::Position { .. })
                | (Self::Writer(_), StateKey::Writer { .. })
        )
    }
}

/// Records of the ledger as an append takes them.
#[derive(Default)]
struct Packed {
    data: Vec<u8>,
    shape: Vec<u32>,
}

impl Packed {
    fn push(&mut self, key: &StateKey, value: &Value) -> Result<(), Error> {
        for bytes in [key.encode(), value.encode()] {
            let length = u32::try_from(bytes.len()).map_err(|_| invalid("too long"))?;
            self.shape.push(length.saturating_add(1));
            self.data.extend_from_slice(&bytes);
        }
        self.shape.push(0);
        Ok(())
    }

    fn append(&self, log: &Arc<Partition>, ms: i64) -> Result<Pending, Error> {
        let input = Input {
            data: &self.data,
            shape: Shape::Full(&self.shape),
            times: Times::One(ms),
        };
        let writer = Writer {
            acks: Acks::All,
            ..Writer::default()
        };
        // Not on this thread: others must not wait for its system call, for the ledger is locked.
        log.append(&input, &writer, false).map(Pending::of)
    }
}
