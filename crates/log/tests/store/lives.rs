//! F6 and F1: a directory through many lives, each of which ends by a power cut, a kill, a failed sync, or a close; some
//! in the middle of opening. Nothing that was promised is lost or altered, no offset is given twice, nothing is damaged.

use std::collections::BTreeMap;
use std::sync::Arc;

use log::sim::{Choices, SimClock, SimDisk};
use log::*;

use crate::support::*;

/// What users know of a topic.
#[derive(Clone, Debug, Default)]
struct Known {
    number: u32,
    /// What was written last at each offset.
    written: Vec<Vec<u8>>,
    /// Offsets below this were acknowledged as durable, or shown after an opening.
    promised: u64,
    /// Offsets below this were deleted.
    start: u64,
    /// Offsets below this may have been deleted.
    maybe_start: u64,
    flush: Flush,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Death {
    Power,
    Kill,
}

struct Life {
    disk: Arc<SimDisk>,
    choices: Choices,
    clock: Arc<SimClock>,
    topics: BTreeMap<String, Known>,
    /// Topics of which nobody knows whether they are there: being made or deleted when the power went.
    doubtful: BTreeMap<String, Option<Known>>,
    most_number: u32,
    values: u64,
}

const NAMES: [&str; 3] = ["a", "b", "../c"];

impl Life {
    fn new(seed: u64) -> Self {
        Self {
            disk: Arc::new(SimDisk::new()),
            choices: Choices::seed(seed),
            clock: Arc::new(SimClock::new(BEGIN_MS)),
            topics: BTreeMap::new(),
            doubtful: BTreeMap::new(),
            most_number: 0,
            values: 0,
        }
    }

    fn value(&mut self) -> Vec<u8> {
        self.values += 1;
        let length = [0, 10, 100, 600, 5000][self.choices.pick(5) as usize];
        let mut value = format!("{} ", self.values).into_bytes();
        value.resize(value.len() + length, b'.');
        value
    }

    /// Opens, perhaps after more deaths on the way, and looks at everything.
    fn open(&mut self, mut death: Death) -> Driven {
        loop {
            let unlucky = self.choices.pick(3) == 0;
            if unlucky {
                self.disk.lose_power_after(self.choices.pick(25));
            }
            let opened = Driven::open_at(&self.disk, Arc::clone(&self.clock), &config());
            if unlucky {
                drop(opened);
                self.disk = Arc::new(self.disk.crash(&mut self.choices));
                death = Death::Power;
                continue;
            }
            let driven = opened.unwrap();
            self.audit(&driven, death);
            drop(driven);
            let again = Driven::open_at(&self.disk, Arc::clone(&self.clock), &config()).unwrap();
            assert_eq!(again.report.notes, [], "the second opening changes nothing");
            self.audit(&again, death);
            return again;
        }
    }

    fn audit(&mut self, driven: &Driven, death: Death) {
        let report = &driven.report;
        let damage =
            |note: &PartitionNote| matches!(note.note, Note::Damaged { .. } | Note::Missing { .. });
        assert!(!report.notes.iter().any(damage), "{report:?}");
        assert!(report.unavailable.is_empty(), "{report:?}");
        assert!(report.damaged_topics.is_empty(), "{report:?}");
        assert!(report.foreign.is_empty(), "{report:?}");
        let mut found: BTreeMap<String, u32> = driven
            .store
            .topics()
            .iter()
            .map(|topic| (topic.name.as_str().to_owned(), topic.number))
            .collect();
        for (name, known) in &mut self.topics {
            assert_eq!(found.remove(name), Some(known.number), "{name}");
            let partition = driven.store.partition(known.number, 0).unwrap();
            look_at(&driven.store, &partition, known, death);
        }
        for (name, before) in std::mem::take(&mut self.doubtful) {
            let Some(number) = found.remove(&name) else {
                continue;
            };
            let mut known = before.unwrap_or_default();
            if known.number == 0 {
                assert!(number > self.most_number, "a number is used once");
            }
            known.number = number;
            let partition = driven.store.partition(number, 0).unwrap();
            look_at(&driven.store, &partition, &mut known, death);
            self.topics.insert(name, known);
        }
        assert!(found.is_empty(), "{found:?}");
        let numbers = self.topics.values().map(|known| known.number);
        self.most_number = numbers.chain([self.most_number]).max().unwrap();
    }

    /// Works until the steps are done or nothing works any more.
    fn work(&mut self, driven: &mut Driven) -> Result<(), Error> {
        for _ in 0..self.choices.pick(40) {
            if let Some(error) = driven.store.poisoned() {
                return Err(error);
            }
            let name = NAMES[self.choices.pick(3) as usize].to_owned();
            match self.choices.pick(16) {
                0 => self.create_or_delete(driven, name)?,
                1..=7 => self.append(driven, &name)?,
                8..=11 => driven.commit(),
                12 => {
                    self.clock.pass(1500);
                    driven.keep_house();
                }
                13 => {
                    driven.store.housekeep();
                }
                14 => {
                    if let Some(partition) = self.partition(driven, &name) {
                        partition.begin_segment();
                    }
                }
                _ => self.delete_before(driven, &name)?,
            }
            self.note_promises(driven);
        }
        Ok(())
    }

    fn partition(&self, driven: &Driven, name: &str) -> Option<Arc<Partition>> {
        driven.store.partition(self.topics.get(name)?.number, 0)
    }

    fn create_or_delete(&mut self, driven: &Driven, name: String) -> Result<(), Error> {
        if let Some(known) = self.topics.remove(&name) {
            let result = driven.store.delete_topic(known.number);
            if result.is_err() {
                self.doubtful.insert(name, Some(known));
            }
            return result;
        }
        let flush = [Flush::Always, Flush::Os][self.choices.pick(2) as usize];
        let topic = TopicName::parse(name.as_bytes()).unwrap();
        match driven
            .store
            .create_topic(&topic, &TopicOptions { flush, ..small() })
        {
            Ok(number) => {
                assert!(number > self.most_number, "a number is used once");
                self.most_number = number;
                let known = Known {
                    number,
                    flush,
                    ..Known::default()
                };
                self.topics.insert(name, known);
                Ok(())
            }
            Err(error) => {
                let known = Known {
                    flush,
                    ..Known::default()
                };
                self.doubtful.insert(name, Some(known));
                Err(error)
            }
        }
    }

    fn append(&mut self, driven: &mut Driven, name: &str) -> Result<(), Error> {
        let Some(partition) = self.partition(driven, name) else {
            return Ok(());
        };
        let many = self.choices.pick(3) + 1;
        let values: Vec<_> = (0..many).map(|_| self.value()).collect();
        let slices: Vec<_> = values.iter().map(Vec::as_slice).collect();
        let acks = [Acks::All, Acks::Written][self.choices.pick(2) as usize];
        let inline = self.choices.coin();
        let written = match append_as(&partition, &slices, &writer(acks), inline)? {
            Appended::Written(written) => written,
            Appended::Queued(ticket) => {
                driven.commit();
                ticket.outcome().unwrap()?
            }
            other @ Appended::Duplicate(_) => panic!("{other:?}"),
        };
        let known = self.topics.get_mut(name).unwrap();
        assert_eq!(
            written.base,
            known.written.len() as u64,
            "offsets are dense"
        );
        known.written.extend(values);
        assert_eq!(written.end, known.written.len() as u64);
        Ok(())
    }

    fn delete_before(&mut self, driven: &Driven, name: &str) -> Result<(), Error> {
        let Some(partition) = self.partition(driven, name) else {
            return Ok(());
        };
        let offset = self.choices.pick(partition.ends().written + 1);
        let known = self.topics.get_mut(name).unwrap();
        known.maybe_start = known.maybe_start.max(offset);
        driven.store.delete_before(&partition, offset)?;
        known.start = known.start.max(partition.ends().start);
        assert!(known.start <= known.maybe_start);
        Ok(())
    }

    /// What is durable or shown now must stay.
    fn note_promises(&mut self, driven: &Driven) {
        for known in self.topics.values_mut() {
            let partition = driven.store.partition(known.number, 0).unwrap();
            let ends = partition.ends();
            known.promised = known.promised.max(ends.durable);
            assert!(ends.durable <= known.written.len() as u64);
            if known.flush == Flush::Always {
                assert!(ends.visible <= ends.durable, "{ends:?}");
            }
        }
    }

    /// Lives and dies once.
    fn live(&mut self, death: Death) -> Death {
        let mut driven = self.open(death);
        let end = self.choices.pick(6);
        match end {
            0 | 1 => self.disk.lose_power_after(self.choices.pick(60)),
            2 => self.disk.fail_sync(self.choices.pick(10)),
            3 => {
                let kind = std::io::ErrorKind::Other;
                self.disk.fail_write(self.choices.pick(20), kind);
            }
            _ => {}
        }
        let result = self.work(&mut driven);
        assert!(result.is_ok() || end < 4, "{result:?}");
        if self.choices.pick(3) == 0 {
            let closed = driven.store.close(None);
            assert!(closed.is_ok() || end < 4, "{closed:?}");
            if closed.is_ok() {
                self.note_promises(&driven);
            }
        }
        drop(driven);
        if self.choices.pick(3) == 0 && end > 1 {
            // What was to fail and has not does not fail the next one.
            self.disk.fail_sync(u64::MAX);
            self.disk.fail_write(u64::MAX, std::io::ErrorKind::Other);
            return Death::Kill;
        }
        self.disk = Arc::new(self.disk.crash(&mut self.choices));
        Death::Power
    }
}

/// All that is shown is as it was written, and all that was promised is shown.
fn look_at(store: &Store, partition: &Arc<Partition>, known: &mut Known, death: Death) {
    let ends = partition.ends();
    let context = || format!("{ends:?} {} {death:?}", known.promised);
    assert!(ends.visible >= known.promised, "{}", context());
    assert!(ends.start >= known.start, "{}", context());
    assert!(
        ends.start <= known.maybe_start.max(known.start),
        "{}",
        context()
    );
    if death == Death::Kill {
        assert!(ends.visible >= known.written.len() as u64, "{}", context());
    }
    let read = read_from(store, partition, ends.start, 3000).unwrap();
    assert_eq!(read.len() as u64, ends.visible - ends.start);
    for (offset, value) in read {
        let place = usize::try_from(offset).unwrap();
        // What failed may have been written nevertheless, and nobody knows its value any more.
        if let Some(written) = known.written.get(place) {
            assert!(*written == value, "offset {offset}");
        } else {
            known.written.push(value);
        }
    }
    known
        .written
        .truncate(usize::try_from(ends.visible).unwrap());
    known.promised = ends.visible;
    known.start = known.start.max(ends.start);
    // A time before the first record, and one behind the last.
    let first = (ends.start < ends.visible).then_some(ends.start);
    assert_eq!(partition.offset_at_or_after(0), Ok(first));
    assert_eq!(partition.offset_at_or_after(i64::MAX), Ok(None));
}

/// How many of them, from CHASKI_SEED on: more with CHASKI_SEEDS.
fn seeds() -> u64 {
    let more = std::env::var("CHASKI_SEEDS").ok();
    more.and_then(|more| more.parse().ok()).unwrap_or(150)
}

#[test]
fn what_was_promised_survives_power_cuts_kills_and_failed_disks() {
    let first = std::env::var("CHASKI_SEED").ok();
    let first = first.and_then(|seed| seed.parse().ok()).unwrap_or(0);
    let seeds = first..first + seeds();
    for seed in seeds {
        let lived = std::panic::catch_unwind(|| {
            let mut life = Life::new(seed);
            let mut death = Death::Power;
            for _ in 0..8 {
                death = life.live(death);
            }
            life.open(death);
        });
        assert!(lived.is_ok(), "with seed {seed}");
    }
}
