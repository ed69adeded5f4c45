//! Retention, checkpoints, descriptors, clocks: what the housekeeper does.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use log::sim::{SimClock, SimDisk};
use log::*;

use crate::support::*;
use crate::wrapped::Wrapped;

/// The base offsets of a topic's segments.
fn bases(disk: &dyn Disk, topic: u32) -> Vec<u64> {
    let entries = disk.list(&format!("topics/{topic:08}/0")).unwrap();
    entries
        .iter()
        .filter_map(|entry| base_of(&entry.name))
        .collect()
}

/// One batch for each segment.
fn segments(driven: &mut Driven, topic: &Arc<Partition>, many: u64, bytes: usize) {
    for _ in 0..many {
        topic.begin_segment();
        let filler = vec![b'.'; bytes];
        let acks = writer(Acks::All);
        append_as(topic, &[&filler], &acks, false).unwrap();
        driven.commit();
    }
}

#[test]
fn the_oldest_segments_go_when_there_is_too_much() {
    let disk = Arc::new(SimDisk::new());
    let mut driven = Driven::open(&disk).unwrap();
    let options = TopicOptions {
        retention_bytes: Some(35_000),
        ..small()
    };
    let topic = driven.topic("t", &options);
    segments(&mut driven, &topic, 8, 10_000);
    driven.keep_house();
    // 35,000 bytes are there still, and not one segment more.
    assert_eq!(bases(&*disk, 1), [4, 5, 6, 7]);
    assert_eq!(topic.ends().start, 4);
    let below = read_from(&driven.store, &topic, 3, 100).unwrap_err();
    assert_eq!(below.kind, ErrorKind::OutOfRange);
    assert_eq!(read_from(&driven.store, &topic, 4, 100).unwrap().len(), 4);
    let files = disk.list("topics/00000001/0").unwrap();
    let of_deleted = |entry: &&Entry| {
        let name = &entry.name;
        !name.ends_with(".snapshot") && name.as_str() < "00000000000000000004"
    };
    assert_eq!(files.iter().filter(of_deleted).count(), 0, "{files:?}");
    driven.store.close(None).unwrap();
    let again = Driven::open(&disk).unwrap();
    assert_eq!(again.topic("t", &options).ends().start, 4);
}

#[test]
fn segments_go_by_the_time_of_their_last_append_whatever_their_records_say() {
    let disk = Arc::new(SimDisk::new());
    let mut driven = Driven::open(&disk).unwrap();
    let options = TopicOptions {
        retention_ms: Some(100_000),
        ..small()
    };
    let topic = driven.topic("t", &options);
    // Records of 1970 and 2106 are as old as their append.
    for ms in [0, 4_300_000_000_000, BEGIN_MS] {
        topic.begin_segment();
        let input = batch::Input {
            data: b"x",
            shape: batch::Shape::Values(&[1]),
            times: batch::Times::One(ms),
        };
        topic.append(&input, &writer(Acks::All), false).unwrap();
        driven.commit();
        driven.clock.pass(40_000);
        driven.keep_house();
    }
    assert_eq!(bases(&*disk, 1), [0, 1, 2]);
    driven.clock.pass(30_000);
    driven.keep_house();
    assert_eq!(bases(&*disk, 1), [1, 2]);
    // Closed and opened again, it counts on from the append.
    driven.store.close(None).unwrap();
    let clock = Arc::clone(&driven.clock);
    drop(driven);
    clock.pass(35_000);
    let driven = Driven::open_at(&disk, clock, &config()).unwrap();
    driven.clock.pass(31_000);
    driven.keep_house();
    // The active segment stays, however old.
    assert_eq!(bases(&*disk, 1), [2]);
    driven.clock.pass(10_000_000);
    driven.keep_house();
    assert_eq!(bases(&*disk, 1), [2]);
}

/// Remembers warnings.
#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Observer for Warnings {
    fn progressed(&self, _: &[Arc<Partition>]) {}
    fn happened(&self, event: &Event) {
        if let Event::Warning(text) = event {
            self.0.lock().unwrap().push(text.clone());
        }
    }
}

#[test]
fn a_clock_that_jumps_deletes_nothing_until_it_has_held() {
    let disk = Arc::new(SimDisk::new());
    let mut driven = Driven::open(&disk).unwrap();
    let warnings = Arc::new(Warnings::default());
    driven
        .store
        .observe(Arc::clone(&warnings) as Arc<dyn Observer>);
    let options = TopicOptions {
        retention_ms: Some(100_000),
        ..small()
    };
    let topic = driven.topic("t", &options);
    segments(&mut driven, &topic, 3, 10);
    let clock = Arc::clone(&driven.clock);
    clock.set_wall(BEGIN_MS - 90_000_000);
    clock.pass(40_000);
    driven.keep_house();
    assert_eq!(bases(&*disk, 1), [0, 1, 2]);
    clock.set_wall(BEGIN_MS + 90_000_000);
    for _ in 0..10 {
        clock.pass(40_000);
        driven.keep_house();
        assert_eq!(bases(&*disk, 1), [0, 1, 2]);
    }
    assert_eq!(warnings.0.lock().unwrap().len(), 1);
    clock.pass(300_000);
    driven.keep_house();
    assert_eq!(bases(&*disk, 1), [2]);
}

#[test]
fn few_files_are_open_however_many_segments_are_read() {
    let disk = Wrapped::new(None);
    let mut driven = Driven::open(&disk).unwrap();
    let topic = driven.topic("t", &small());
    segments(&mut driven, &topic, 150, 10);
    driven.keep_house();
    let open = || disk.moods.open_files.load(Ordering::SeqCst);
    // 64, those that are written, and the one that the reader has.
    assert!(open() <= 70, "{}", open());
    for _ in 0..2 {
        assert_eq!(read_all(&driven.store, &topic).len(), 150);
        assert!(open() <= 70, "{}", open());
    }
    let found = read_from(&driven.store, &topic, 77, 1000).unwrap();
    assert_eq!(found.len(), 73);
    driven.store.close(None).unwrap();
    drop((driven, topic));
    assert_eq!(open(), 0);
    let driven = Driven::open(&disk).unwrap();
    assert!(open() <= 10, "{}", open());
    let topic = driven.topic("t", &small());
    assert_eq!(read_all(&driven.store, &topic).len(), 150);
}

#[test]
fn an_offset_is_found_by_its_time_exactly() {
    let disk = Arc::new(SimDisk::new());
    let mut driven = Driven::open(&disk).unwrap();
    let topic = driven.topic("t", &small());
    let mut times = Vec::new();
    for round in 0..300_u32 {
        if round % 50 == 0 {
            topic.begin_segment();
        }
        // Not in order, and several in a batch.
        let own: Vec<f64> = (0..3)
            .map(|at| f64::from((round * 7 + at * 31) % 500))
            .collect();
        times.extend(own.iter().map(|ms| *ms as i64));
        let input = batch::Input {
            data: &[b'x'; 900],
            shape: batch::Shape::Values(&[300, 300, 300]),
            times: batch::Times::Each(&own),
        };
        topic.append(&input, &writer(Acks::All), false).unwrap();
        driven.commit();
    }
    let check = |topic: &Arc<Partition>| {
        for ms in -3..520 {
            let expected = times.iter().position(|time| *time >= ms);
            let found = topic.offset_at_or_after(ms).unwrap();
            assert_eq!(found, expected.map(|at| at as u64), "{ms}");
        }
    };
    check(&topic);
    driven.store.close(None).unwrap();
    let again = Driven::open(&disk).unwrap();
    check(&again.topic("t", &small()));
}

#[test]
fn a_topic_that_is_deleted_is_gone_for_who_has_it() {
    let disk = Arc::new(SimDisk::new());
    let mut driven = Driven::open(&disk).unwrap();
    let topic = driven.topic("t", &small());
    written(append(&topic, &[b"x"]));
    let Appended::Queued(ticket) = append_as(&topic, &[b"y"], &writer(Acks::All), false).unwrap()
    else {
        panic!("it was not to be written here")
    };
    driven.store.delete_topic(1).unwrap();
    driven.commit();
    assert_eq!(
        ticket.outcome().unwrap().unwrap_err().kind,
        ErrorKind::NotFound
    );
    assert_eq!(
        append(&topic, &[b"z"]).unwrap_err().kind,
        ErrorKind::NotFound
    );
    assert_eq!(driven.store.poisoned(), None);
    driven.keep_house();
    assert_eq!(disk.list("topics").unwrap(), []);
    assert_eq!(
        driven.store.delete_topic(1).unwrap_err().kind,
        ErrorKind::NotFound
    );
    // Another one of that name is another one.
    let topic = driven.topic("t", &small());
    assert_eq!((topic.topic(), topic.ends().written), (2, 0));
}

#[test]
fn who_reads_a_topic_while_it_is_deleted_hears_that_it_is_gone() {
    let disk = Arc::new(SimDisk::new());
    let mut driven = Driven::open(&disk).unwrap();
    for number in 1..=500 {
        let topic = driven.topic("t", &small());
        segments(&mut driven, &topic, 5, 10);
        driven.keep_house();
        let store = &driven.store;
        let reads = std::sync::Barrier::new(2);
        std::thread::scope(|scope| {
            let reader = scope.spawn(|| {
                assert_eq!(read_all(store, &topic).len(), 5);
                reads.wait();
                loop {
                    let read = read_from(store, &topic, 0, 100);
                    let looked_up = topic.offset_at_or_after(0);
                    if let Some(error) = read.err().or(looked_up.err()) {
                        return error;
                    }
                }
            });
            reads.wait();
            store.delete_topic(number).unwrap();
            assert_eq!(reader.join().unwrap().kind, ErrorKind::NotFound);
        });
    }
}

#[test]
fn what_is_deleted_is_closed_as_well() {
    let disk = Wrapped::new(None);
    let mut driven = Driven::open(&disk).unwrap();
    let before = disk.moods.open_files.load(Ordering::SeqCst);
    let topic = driven.topic("t", &small());
    segments(&mut driven, &topic, 10, 10);
    driven.keep_house();
    let open = || disk.moods.open_files.load(Ordering::SeqCst) - before;
    assert_eq!(open(), 10);
    driven.store.delete_before(&topic, 7).unwrap();
    assert_eq!(open(), 3);
    append_as(&topic, &[b"too late"], &writer(Acks::All), false).unwrap();
    driven.store.delete_topic(1).unwrap();
    assert_eq!(open(), 0);
    driven.commit();
    driven.keep_house();
    assert_eq!((open(), driven.store.stats().queued_bytes), (0, 0));
    let refused = read_from(&driven.store, &topic, 9, 100).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::NotFound);
    assert_eq!(driven.store.poisoned(), None);
}

#[test]
fn a_segment_ends_after_a_week() {
    let disk = Arc::new(SimDisk::new());
    let mut driven = Driven::open(&disk).unwrap();
    let topic = driven.topic("t", &small());
    for day in 0..20 {
        append_as(&topic, &[b"x"], &writer(Acks::All), false).unwrap();
        driven.commit();
        for _ in 0..24 {
            driven.clock.pass(3_500_000);
            driven.keep_house();
        }
        assert_eq!(topic.ends().durable, day + 1);
    }
    let bases = bases(&*disk, 1);
    assert!(matches!(bases[..], [0, 8 | 9, 16..=18]), "{bases:?}");
}

#[test]
fn ten_thousand_topics_are_made_and_opened() {
    let disk = Arc::new(MemoryDisk::new());
    let clock = Arc::new(SimClock::new(BEGIN_MS));
    let driven = Driven::open_at(&disk, clock, &config()).unwrap();
    for number in 0..10_000 {
        let name = TopicName::parse(format!("topic {number}").as_bytes()).unwrap();
        driven.store.create_topic(&name, &small()).unwrap();
    }
    driven.store.close(None).unwrap();
    drop(driven);
    let again = Driven::open(&disk).unwrap();
    assert_eq!(again.store.topics().len(), 10_000);
}

#[test]
fn closing_what_nothing_was_appended_to_does_not_make_it_younger() {
    let disk = Arc::new(SimDisk::new());
    let clock = Arc::new(SimClock::new(BEGIN_MS));
    let mut appended = Vec::new();
    for appends in [true, false, true] {
        let mut driven = Driven::open_at(&disk, Arc::clone(&clock), &config()).unwrap();
        let topic = driven.topic("t", &small());
        if appends {
            written(append(&topic, &[b"x"]));
            driven.commit();
        }
        driven.store.close(None).unwrap();
        let log = disk.open(&log_name("topics/00000001/0", 0), Mode::Read);
        let size = log.unwrap().size().unwrap() as u32;
        let seal = load_seal(&*disk, "topics/00000001/0", 0, size).unwrap();
        appended.push(seal.appended_ms - BEGIN_MS);
        clock.pass(5000);
    }
    assert_eq!(appended, [0, 0, 10_000]);
}
