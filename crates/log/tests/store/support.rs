use std::sync::Arc;
use std::time::Instant;

use log::batch::{Input, Records, Shape, Times};
use log::sim::SimClock;
use log::{
    Acks, Appended, Clock, Committer, Config, Cursor, Disk, Error, Partition, ReadInto,
    ReadOutcome, Report, Step, Store, TopicName, TopicOptions, Writer, Written,
};

/// When tests begin, in ms since 1970.
pub(crate) const BEGIN_MS: i64 = 1_700_000_000_000;

/// A store that a test drives by hand.
pub(crate) struct Driven {
    pub(crate) store: Arc<Store>,
    pub(crate) committer: Committer,
    pub(crate) report: Report,
    pub(crate) clock: Arc<SimClock>,
}

impl Driven {
    pub(crate) fn open(disk: &Arc<impl Disk>) -> Result<Self, Error> {
        Self::open_at(disk, Arc::new(SimClock::new(BEGIN_MS)), &config())
    }

    pub(crate) fn open_at(
        disk: &Arc<impl Disk>,
        clock: Arc<SimClock>,
        config: &Config,
    ) -> Result<Self, Error> {
        let disk = Arc::clone(disk) as Arc<dyn Disk>;
        let (store, report) = Store::open(disk, Arc::clone(&clock) as Arc<dyn Clock>, config)?;
        Ok(Self {
            store,
            committer: Committer::new(),
            report,
            clock,
        })
    }

    /// The one partition of a topic that is made if it is not there.
    pub(crate) fn topic(&self, name: &str, options: &TopicOptions) -> Arc<Partition> {
        let name = TopicName::parse(name.as_bytes()).unwrap();
        let number = match self.store.topic(&name) {
            Some(topic) => topic.number,
            None => self.store.create_topic(&name, options).unwrap(),
        };
        self.store.partition(number, 0).unwrap()
    }

    /// Commits until there is nothing to do.
    pub(crate) fn commit(&mut self) {
        while self.committer.step(&self.store) == Step::Worked {}
    }

    /// Keeps house until there is nothing to do.
    pub(crate) fn keep_house(&self) {
        while self.store.housekeep() {}
    }
}

/// The same ids each time.
pub(crate) fn config() -> Config {
    Config {
        ids: || [7; 16],
        ..Config::default()
    }
}

/// Small segments, so that there are several.
pub(crate) fn small() -> TopicOptions {
    TopicOptions {
        segment_bytes: 1 << 20,
        max_batch_bytes: 1 << 20,
        ..TopicOptions::default()
    }
}

pub(crate) fn writer(acks: Acks) -> Writer {
    Writer {
        acks,
        ..Writer::default()
    }
}

/// Appends one batch of these values on this thread, or queues it.
pub(crate) fn append(partition: &Arc<Partition>, values: &[&[u8]]) -> Result<Appended, Error> {
    append_as(partition, values, &writer(Acks::All), true)
}

pub(crate) fn append_as(
    partition: &Arc<Partition>,
    values: &[&[u8]],
    writer: &Writer,
    inline: bool,
) -> Result<Appended, Error> {
    let data = values.concat();
    let lengths: Vec<u32> = values.iter().map(|value| value.len() as u32).collect();
    let input = Input {
        data: &data,
        shape: Shape::Values(&lengths),
        times: Times::One(BEGIN_MS),
    };
    partition.append(&input, writer, inline)
}

/// Where it was written at once.
pub(crate) fn written(appended: Result<Appended, Error>) -> (u64, u64) {
    match appended.unwrap() {
        Appended::Written(Written { base, end }) => (base, end),
        other => panic!("{other:?}"),
    }
}

/// All records from `from` to the visible end, read in steps of `room` bytes.
pub(crate) fn read_from(
    store: &Store,
    partition: &Arc<Partition>,
    from: u64,
    room: usize,
) -> Result<Vec<(u64, Vec<u8>)>, Error> {
    let mut cursor = Cursor::new(from);
    let mut all = Vec::new();
    let mut data = vec![0; room];
    let began = Instant::now();
    loop {
        let mut batches = Vec::new();
        let mut into = ReadInto {
            data: &mut data,
            batches: &mut batches,
            most: 1000,
            may_wait: false,
        };
        match partition.read(&mut cursor, &mut into)? {
            ReadOutcome::Batches(many) => {
                assert_eq!(many, batches.len());
                assert!(many > 0);
            }
            ReadOutcome::AtEnd => return Ok(all),
            ReadOutcome::Later => {
                // Where there are threads, another one gets it.
                if !store.housekeep() {
                    assert!(began.elapsed().as_secs() < 30, "nobody gets it");
                    std::thread::yield_now();
                }
            }
            ReadOutcome::Needs(bytes) => {
                assert!(bytes > data.len());
                data.resize(bytes, 0);
            }
        }
        for batch in &batches {
            let records = &data[batch.start..batch.start + batch.bytes];
            for record in Records::of(records, &batch.header) {
                let record = record.unwrap();
                if record.offset >= from {
                    all.push((record.offset, record.value.unwrap().to_vec()));
                }
            }
        }
    }
}

/// All that is shown.
pub(crate) fn read_all(store: &Store, partition: &Arc<Partition>) -> Vec<(u64, Vec<u8>)> {
    read_from(store, partition, partition.ends().start, 8 << 10).unwrap()
}

/// The value that tests give the record with that offset.
pub(crate) fn value_of(offset: u64) -> Vec<u8> {
    let length = usize::try_from(offset % 7).unwrap();
    [format!("record {offset} ").into_bytes(), vec![b'.'; length]].concat()
}

/// The records from `from` to `to`, with the values of [`value_of`].
pub(crate) fn records(from: u64, to: u64) -> Vec<(u64, Vec<u8>)> {
    (from..to)
        .map(|offset| (offset, value_of(offset)))
        .collect()
}
