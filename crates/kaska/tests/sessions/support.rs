use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use kaska::{
    Answer, Event, From, Group, Location, ReadDone, ReadState, ReadTo, Recovery, Session, Settled,
    Wake, WakeBits, WriterOptions,
};
use log::batch::{Input, Shape, Times};
use log::{Acks, Config, TopicOptions};

/// So long a test waits for what must come.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A folder of its own for each test, gone with it.
pub(crate) struct Folder(pub(crate) PathBuf);

impl Folder {
    pub(crate) fn new(test: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = std::fs::remove_dir_all(&path);
        Self(path)
    }

    pub(crate) fn location(&self) -> Location {
        Location::Folder(self.0.clone())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

struct Bell(Sender<()>);

impl Wake for Bell {
    fn wake(&self) {
        let _ = self.0.send(());
    }
}

/// Plays JavaScript's thread: looks when it is woken, and never before.
pub(crate) struct Owner {
    pub(crate) session: Session,
    rung: Receiver<()>,
    pub(crate) events: Vec<Event>,
    pub(crate) settled: Vec<Settled>,
    pub(crate) ready: Vec<u32>,
    requests: u32,
}

impl Owner {
    pub(crate) fn begin(location: Location) -> Self {
        Self::begin_with(location, Config::default())
    }

    fn begin_with(location: Location, config: Config) -> Self {
        let (bell, rung) = channel();
        let session = Session::open(location, config, Box::new(Bell(bell))).unwrap();
        Self {
            session,
            rung,
            events: Vec::new(),
            settled: Vec::new(),
            ready: Vec::new(),
            requests: 0,
        }
    }

    pub(crate) fn open(location: Location) -> Self {
        Self::open_told(location).0
    }

    /// With what opening has told.
    pub(crate) fn open_told(location: Location) -> (Self, Recovery) {
        Self::open_with(location, Config::default())
    }

    pub(crate) fn open_with(location: Location, config: Config) -> (Self, Recovery) {
        let mut owner = Self::begin_with(location, config);
        match owner.event() {
            Event::Open(recovery) => (owner, *recovery),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn memory() -> Self {
        Self::open(Location::memory())
    }

    /// Waits to be woken, and takes what there is.
    pub(crate) fn look(&mut self) {
        self.session.commit_turn();
        self.rung.recv_timeout(PATIENCE).unwrap();
        let bits = self.session.take_wake();
        if bits & WakeBits::EVENTS != 0 {
            let events = self.session.events();
            self.events.extend(events);
        }
        if bits & WakeBits::SETTLED != 0 {
            while let Some(settled) = self.session.settled() {
                self.settled.push(settled);
            }
        }
        if bits & WakeBits::READY != 0 {
            let mut out = [0; 16];
            let count = self.session.ready(&mut out);
            self.ready.extend(&out[..count]);
        }
    }

    /// The next event.
    pub(crate) fn event(&mut self) -> Event {
        while self.events.is_empty() {
            self.look();
        }
        self.events.remove(0)
    }

    /// What is answered to a request that `ask` makes. Other events are passed by.
    pub(crate) fn ask(
        &mut self,
        ask: impl FnOnce(&mut Session, u32) -> Result<(), log::Error>,
    ) -> Result<Answer, wire::Error> {
        self.requests += 1;
        let number = self.requests;
        ask(&mut self.session, number).unwrap();
        loop {
            if let Event::Answer { request, answer } = self.event()
                && request == number
            {
                return answer.map_err(|error| kaska::wire_error(&error));
            }
        }
    }

    pub(crate) fn create(&mut self, name: &str, partitions: u32) -> u32 {
        let options = TopicOptions {
            partitions,
            ..TopicOptions::default()
        };
        self.create_with(name, options)
    }

    pub(crate) fn create_with(&mut self, name: &str, options: TopicOptions) -> u32 {
        let made = self.ask(|session, request| session.create_topic(request, name, options));
        match made.unwrap() {
            Answer::Number(Some(number)) => u32::try_from(number).unwrap(),
            other => panic!("{other:?}"),
        }
    }

    pub(crate) fn writer(&mut self, topic: u32, partition: Option<u32>, acks: Acks) -> u32 {
        let options = WriterOptions {
            topic,
            partition,
            acks,
            codec: None,
            level: None,
        };
        self.session.writer(&options, None).unwrap()
    }

    pub(crate) fn named(&mut self, topic: u32, name: &str) -> u32 {
        let named = self.ask(|session, request| session.name_writer(request, name));
        named.unwrap();
        let options = WriterOptions {
            topic,
            partition: Some(0),
            acks: Acks::All,
            codec: None,
            level: None,
        };
        self.session.writer(&options, Some(name)).unwrap()
    }

    /// Appends values, one batch.
    pub(crate) fn append(&mut self, writer: u32, values: &[&str]) -> Group {
        self.append_from(writer, None, values).unwrap()
    }

    pub(crate) fn append_from(
        &mut self,
        writer: u32,
        sequence: Option<u64>,
        values: &[&str],
    ) -> Result<Group, log::Error> {
        let data = values.concat();
        let lengths: Vec<u32> = values.iter().map(|value| value.len() as u32).collect();
        let input = Input {
            data: data.as_bytes(),
            shape: Shape::Values(&lengths),
            times: Times::One(1_000),
        };
        let mut group = None;
        let appended = self
            .session
            .append(writer, &input, sequence, &mut [], |_, told| {
                group = Some(told);
            })?;
        assert_eq!(appended, 1);
        Ok(group.unwrap())
    }

    /// Waits until that ticket of a writer is settled.
    pub(crate) fn settle(&mut self, writer: u32, ticket: u64) -> Settled {
        loop {
            let found = self.settled.iter().find(|settled| {
                settled.writer == writer && (settled.first..=settled.last).contains(&ticket)
            });
            if let Some(settled) = found {
                return *settled;
            }
            self.look();
        }
    }

    /// Appends, and waits until it is durable.
    pub(crate) fn store(&mut self, writer: u32, values: &[&str]) {
        let group = self.append(writer, values);
        assert_eq!(group.failed, None);
        if group.ticket != 0 {
            assert_eq!(self.settle(writer, group.ticket).failed, None);
        }
    }

    /// Reads values until the end: offset, value.
    pub(crate) fn values(&mut self, reader: u32) -> Vec<(u64, String)> {
        let mut values = Vec::new();
        loop {
            let mut arena = Arena::new();
            let done = arena.read(&mut self.session, reader).unwrap();
            match done.state {
                ReadState::End => return values,
                ReadState::Later => {
                    while !self.ready.contains(&reader) {
                        self.look();
                    }
                    self.ready.clear();
                }
                ReadState::NeedsRoom => panic!("{done:?}"),
                ReadState::Batches => values.extend(
                    arena
                        .records(&done)
                        .into_iter()
                        .map(|record| (record.offset, record.value.unwrap_or_default())),
                ),
            }
        }
    }

    pub(crate) fn read_all(&mut self, topic: u32, partition: u32) -> Vec<(u64, String)> {
        let reader = self.session.reader(topic, partition, From::Start).unwrap();
        let values = self.values(reader);
        self.session.close_reader(reader);
        values
    }

    /// Closes, and hears of it.
    pub(crate) fn close(mut self) {
        self.session.close(Some(PATIENCE));
        loop {
            if let Event::Closed(why) = self.event() {
                assert_eq!(why, None);
                return;
            }
        }
    }
}

/// What JavaScript has a read fill.
pub(crate) struct Arena {
    pub(crate) data: Vec<u8>,
    pub(crate) table: Vec<f64>,
    pub(crate) index: Vec<u32>,
    pub(crate) times: Vec<f64>,
}

#[derive(Debug, PartialEq)]
pub(crate) struct Read {
    pub(crate) offset: u64,
    pub(crate) ms: f64,
    pub(crate) key: Option<String>,
    pub(crate) value: Option<String>,
    /// Where the headers begin.
    pub(crate) headers: usize,
}

impl Arena {
    pub(crate) fn new() -> Self {
        Self::of(64 * 1024, 1024)
    }

    pub(crate) fn of(bytes: usize, records: usize) -> Self {
        Self {
            data: vec![0; bytes],
            table: vec![0.0; 8 * 64],
            index: vec![0; 4 * records],
            times: vec![0.0; records],
        }
    }

    pub(crate) fn read(
        &mut self,
        session: &mut Session,
        reader: u32,
    ) -> Result<ReadDone, log::Error> {
        let to = &mut ReadTo {
            data: &mut self.data,
            at: 0,
            table: &mut self.table,
            index: &mut self.index,
            times: &mut self.times,
        };
        session.read(reader, to)
    }

    /// The records of a read, as JavaScript would see them.
    pub(crate) fn records(&self, done: &ReadDone) -> Vec<Read> {
        let text = |start: u32, length: u32| {
            let bytes = || &self.data[start as usize..][..length as usize];
            (length != u32::MAX).then(|| String::from_utf8(bytes().to_vec()).unwrap())
        };
        let mut records = Vec::new();
        for row in self.table.chunks_exact(8).take(done.batches) {
            let [_, _, count, first, _, wanted, base, _] = row else {
                unreachable!()
            };
            for place in *wanted as usize..*count as usize {
                let number = *first as usize + place;
                let [key, key_length, value, value_length] = self.index[number * 4..][..4] else {
                    unreachable!()
                };
                let behind = if value_length == u32::MAX {
                    0
                } else {
                    value_length
                };
                records.push(Read {
                    offset: *base as u64 + place as u64,
                    ms: self.times[number],
                    key: text(key, key_length),
                    value: text(value, value_length),
                    headers: (value + behind) as usize,
                });
            }
        }
        records
    }
}

pub(crate) fn stored(values: &[&str]) -> Vec<(u64, String)> {
    let values = values.iter().map(|value| (*value).to_owned());
    (0..).zip(values).collect()
}
