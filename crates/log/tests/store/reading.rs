//! Reading what is not in the page cache, what is damaged, and while others append.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use log::sim::{SimClock, SimDisk};
use log::*;

use crate::support::*;
use crate::wrapped::Wrapped;

/// Counts who is told of damage, and of what may be read now.
#[derive(Default)]
struct Heard {
    damage: Mutex<Vec<(u64, u64)>>,
    progress: Mutex<u32>,
    indexed: Mutex<Vec<u64>>,
}

impl Observer for Heard {
    fn progressed(&self, _: &[Arc<Partition>]) {
        *self.progress.lock().unwrap() += 1;
    }
    fn happened(&self, event: &Event) {
        match event {
            Event::Damaged { first, next, .. } => {
                self.damage.lock().unwrap().push((*first, *next));
            }
            Event::Recovered(PartitionNote {
                note: Note::Indexed { segment },
                ..
            }) => self.indexed.lock().unwrap().push(*segment),
            _ => {}
        }
    }
}

fn log_of(disk: &dyn Disk, base: u64) -> Arc<dyn File> {
    let name = log_name("topics/00000001/0", base);
    disk.open(&name, Mode::Write).unwrap()
}

#[test]
fn what_is_not_in_memory_is_read_by_the_housekeeper() {
    let disk = Wrapped::new(None);
    let mut driven = Driven::open(&disk).unwrap();
    let topic = driven.topic("t", &small());
    let codecs = [Codec::None, Codec::Zstd, Codec::None, Codec::Gzip];
    let mut expected = Vec::new();
    for offset in 0..60_u64 {
        if offset % 20 == 0 {
            topic.begin_segment();
        }
        let mut value = value_of(offset);
        // Not to be compressed well.
        let noise = |at: u64| ((at * at + offset).wrapping_mul(2_654_435_761) >> 13) as u8;
        value.extend((0..(offset % 5) * 40_000).map(noise));
        let how = Writer {
            compression: codecs[offset as usize % 4].into(),
            ..Writer::default()
        };
        append_as(&topic, &[&value], &how, false).unwrap();
        driven.commit();
        expected.push((offset, value));
    }
    let heard = Arc::new(Heard::default());
    driven
        .store
        .observe(Arc::clone(&heard) as Arc<dyn Observer>);
    for cold in [false, true] {
        disk.moods.is_cold.store(cold, Ordering::SeqCst);
        for room in [100, 70_000, 1 << 20] {
            for from in [0, 1, 33, 59] {
                let found = read_from(&driven.store, &topic, from, room).unwrap();
                assert!(found == expected[from as usize..], "{cold} {room} {from}");
            }
        }
    }
    assert!(*heard.progress.lock().unwrap() > 0);
    driven.store.close(None).unwrap();
    drop((driven, topic));
    // After opening nothing is indexed, and it is the same.
    let driven = Driven::open(&disk).unwrap();
    let topic = driven.topic("t", &small());
    for from in [59, 33, 0] {
        let found = read_from(&driven.store, &topic, from, 1000).unwrap();
        assert!(found == expected[from as usize..], "{from}");
    }
}

#[test]
fn who_may_wait_needs_no_housekeeper() {
    let disk = Wrapped::new(None);
    let mut driven = Driven::open(&disk).unwrap();
    let topic = driven.topic("t", &small());
    for offset in 0..100 {
        written(append(&topic, &[&value_of(offset)]));
    }
    driven.commit();
    disk.moods.is_cold.store(true, Ordering::SeqCst);
    let mut cursor = Cursor::new(40);
    let mut data = vec![0; 1000];
    let mut many = 0;
    loop {
        let mut batches = Vec::new();
        let mut into = ReadInto {
            data: &mut data,
            batches: &mut batches,
            most: 3,
            may_wait: true,
        };
        match topic.read(&mut cursor, &mut into).unwrap() {
            ReadOutcome::Batches(read) => {
                assert!(read <= 3);
                many += read;
            }
            ReadOutcome::AtEnd => break,
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(many, 60);
}

#[test]
fn damage_that_a_read_finds_is_told_once_and_passed_over() {
    let disk = Arc::new(SimDisk::new());
    let mut driven = Driven::open(&disk).unwrap();
    let topic = driven.topic("t", &small());
    let mut ends = Vec::new();
    for offset in 0..200 {
        written(append(&topic, &[&value_of(offset)]));
        ends.push(log_of(&*disk, 0).size().unwrap());
    }
    topic.begin_segment();
    append_as(&topic, &[&value_of(200)], &writer(Acks::All), false).unwrap();
    driven.commit();
    driven.keep_house();
    driven.store.close(None).unwrap();
    drop((driven, topic));
    // One bit of the records of batch 50, and the header of 120 and 121.
    let log = log_of(&*disk, 0);
    put_at(&*log, &[0xff], ends[50] - 2).unwrap();
    put_at(&*log, &[0xff; 90], ends[119] + 4).unwrap();
    let driven = Driven::open(&disk).unwrap();
    assert_eq!(driven.report.notes, []);
    let heard = Arc::new(Heard::default());
    driven
        .store
        .observe(Arc::clone(&heard) as Arc<dyn Observer>);
    let topic = driven.topic("t", &small());
    for round in 0..2 {
        let mut found = Vec::new();
        let mut from = 0;
        loop {
            match read_to_damage(&driven.store, &topic, from, &mut found) {
                None => break,
                Some(next) => from = next,
            }
        }
        let expected: Vec<u64> = (0..50).chain(51..120).chain(122..201).collect();
        assert_eq!(found, expected, "round {round}");
    }
    assert_eq!(*heard.damage.lock().unwrap(), [(50, 51), (120, 122)]);
    // In the middle of damage, and behind it.
    assert_eq!(topic.damage_at(121), Some((120, 122)));
    assert_eq!(
        read_from(&driven.store, &topic, 122, 500).unwrap(),
        records(122, 201)
    );
    let inside = read_from(&driven.store, &topic, 121, 500).unwrap_err();
    assert_eq!(inside.kind, ErrorKind::Corrupt);
}

/// Reads on from `from`; where to go on behind the first damage, if there is any.
fn read_to_damage(
    store: &Store,
    topic: &Arc<Partition>,
    from: u64,
    found: &mut Vec<u64>,
) -> Option<u64> {
    let mut cursor = Cursor::new(from);
    let mut data = vec![0; 700];
    loop {
        let mut batches = Vec::new();
        let mut into = ReadInto {
            data: &mut data,
            batches: &mut batches,
            most: 10,
            may_wait: false,
        };
        match topic.read(&mut cursor, &mut into) {
            Ok(ReadOutcome::Batches(_)) => {}
            Ok(ReadOutcome::AtEnd) => return None,
            Ok(ReadOutcome::Later) => assert!(store.housekeep()),
            Ok(ReadOutcome::Needs(bytes)) => data.resize(bytes, 0),
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::Corrupt);
                let (first, next) = topic.damage_at(cursor.offset()).unwrap();
                assert_eq!(first, cursor.offset());
                return Some(next);
            }
        }
        found.extend(batches.iter().map(|batch| batch.header.base_offset));
    }
}

/// Some batches are read, or why not.
fn read_some(
    store: &Store,
    topic: &Arc<Partition>,
    from: u64,
) -> Result<Vec<(u64, ReadBatch)>, Error> {
    let mut cursor = Cursor::new(from);
    let mut data = vec![0; 4 << 20];
    loop {
        let mut batches = Vec::new();
        let mut into = ReadInto {
            data: &mut data,
            batches: &mut batches,
            most: 10,
            may_wait: false,
        };
        match topic.read(&mut cursor, &mut into)? {
            ReadOutcome::Later => assert!(store.housekeep()),
            _ => {
                let based = |batch: ReadBatch| (batch.header.base_offset, batch);
                return Ok(batches.into_iter().map(based).collect());
            }
        }
    }
}

#[test]
fn a_segment_that_ends_too_early_between_two_batches_is_damaged_from_there_on() {
    for codec in [Codec::None, Codec::Zstd] {
        for (kept, first) in [(0, 0), (1, 1), (3, 3)] {
            let disk = Wrapped::new(None);
            let mut driven = Driven::open(&disk).unwrap();
            let topic = driven.topic("t", &small());
            let how = Writer {
                compression: codec.into(),
                ..Writer::default()
            };
            let mut ends = vec![0];
            for offset in 0..8 {
                if offset == 5 {
                    topic.begin_segment();
                }
                append_as(&topic, &[&value_of(offset)], &how, false).unwrap();
                driven.commit();
                ends.push(log_of(&*disk, 0).size().unwrap());
            }
            driven.store.close(None).unwrap();
            drop((driven, topic));
            log_of(&*disk, 0).set_size(ends[kept]).unwrap();
            for is_cold in [false, true] {
                disk.moods.is_cold.store(is_cold, Ordering::SeqCst);
                let driven = Driven::open(&disk).unwrap();
                let [ref told] = driven.report.notes[..] else {
                    panic!("{:?}", driven.report)
                };
                let lost = match told.note {
                    Note::Damaged { first, next, .. } | Note::Missing { first, next } => {
                        (first, next)
                    }
                    ref other => panic!("{other:?}"),
                };
                assert_eq!(lost, (first, 5));
                let topic = driven.topic("t", &small());
                let mut found = Vec::new();
                assert_eq!(
                    read_to_damage(&driven.store, &topic, 0, &mut found),
                    Some(5)
                );
                assert_eq!(topic.damage_at(4), Some((first, 5)));
                assert_eq!(read_to_damage(&driven.store, &topic, 5, &mut found), None);
                assert_eq!(found, Vec::from_iter((0..first).chain(5..8)));
            }
        }
    }
}

#[test]
fn a_batch_that_becomes_too_large_is_a_range_of_its_own_and_no_damage() {
    let disk = Arc::new(SimDisk::new());
    let mut driven = Driven::open(&disk).unwrap();
    let topic = driven.topic("t", &small());
    let packed = Writer {
        compression: Codec::Zstd.into(),
        ..Writer::default()
    };
    // One that is inflated by who reads, and one that is not.
    let large = [vec![b'.'; 200_000], vec![b'.'; 900_000]];
    for value in [b"a".as_slice(), &large[0], b"b", &large[1], b"c"] {
        append_as(&topic, &[value], &packed, false).unwrap();
        driven.commit();
    }
    driven.store.close(None).unwrap();
    drop((driven, topic));
    let clock = Arc::new(SimClock::new(BEGIN_MS));
    let little = Config {
        inflated_bytes: 150_000,
        ..config()
    };
    let driven = Driven::open_at(&disk, clock, &little).unwrap();
    let heard = Arc::new(Heard::default());
    let observer = Arc::clone(&heard) as Arc<dyn Observer>;
    driven.store.observe(observer);
    let topic = driven.topic("t", &small());
    for _ in 0..2 {
        for (large, next) in [(1, 2), (3, 4)] {
            let refused = read_some(&driven.store, &topic, large).unwrap_err();
            assert_eq!(refused.kind, ErrorKind::TooLarge);
            for word in [
                &format!("{large} to {next}"),
                "150000 bytes",
                "maxInflatedBytes",
            ] {
                assert!(refused.message.contains(word), "{refused}");
            }
            assert_eq!(topic.damage_at(large), Some((large, next)));
            let behind = read_some(&driven.store, &topic, next).unwrap();
            assert_eq!(behind[0].0, next);
        }
    }
    assert_eq!(*heard.damage.lock().unwrap(), [(1, 2), (3, 4)]);
    driven.store.close(None).unwrap();
    drop((driven, topic));
    // It was never damaged.
    let driven = Driven::open(&disk).unwrap();
    assert_eq!(driven.report.notes, []);
    let read = read_all(&driven.store, &driven.topic("t", &small()));
    assert_eq!(read.len(), 5);
    assert!(read[3].1 == large[1]);
}

#[test]
fn records_that_are_none_under_a_right_checksum_are_damage_of_their_batch() {
    let disk = Arc::new(SimDisk::new());
    let mut driven = Driven::open(&disk).unwrap();
    let topic = driven.topic("t", &small());
    for offset in 0..3 {
        written(append(&topic, &[&value_of(offset)]));
    }
    driven.commit();
    driven.store.close(None).unwrap();
    let second = read_some(&driven.store, &topic, 1).unwrap()[0].1;
    drop((driven, topic));
    let (at, size) = (u64::from(second.position), second.header.size as usize);
    let log = log_of(&*disk, 0);
    let mut bytes = vec![0; size];
    fill_at(&*log, &mut bytes, at).unwrap();
    bytes[61] ^= 0x7e;
    let crc = batch::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    put_at(&*log, &bytes, at).unwrap();
    let driven = Driven::open(&disk).unwrap();
    let topic = driven.topic("t", &small());
    let heard = Arc::new(Heard::default());
    let observer = Arc::clone(&heard) as Arc<dyn Observer>;
    driven.store.observe(observer);
    // Batches are handed out as they are; who looks into one says what it is.
    let read = read_some(&driven.store, &topic, 0).unwrap();
    for _ in 0..2 {
        let damaged = topic.is_malformed(&read[1].1);
        assert_eq!(damaged.kind, ErrorKind::Corrupt);
    }
    assert_eq!(*heard.damage.lock().unwrap(), [(1, 2)]);
    assert_eq!(topic.damage_at(1), Some((1, 2)));
    let inside = read_some(&driven.store, &topic, 1).unwrap_err();
    assert_eq!(inside.kind, ErrorKind::Corrupt);
    assert_eq!(read_some(&driven.store, &topic, 2).unwrap()[0].0, 2);
}

#[test]
fn an_index_that_is_wrong_is_made_anew() {
    let disk = Arc::new(SimDisk::new());
    let mut driven = Driven::open(&disk).unwrap();
    let topic = driven.topic("t", &small());
    let filler = vec![b'.'; 1000];
    for _ in 0..100 {
        written(append(&topic, &[&filler]));
    }
    topic.begin_segment();
    append_as(&topic, &[b"x"], &writer(Acks::All), false).unwrap();
    driven.commit();
    driven.keep_house();
    driven.store.close(None).unwrap();
    drop((driven, topic));
    // A whole index with right checksums, of another segment.
    let folder = "topics/00000001/0";
    let (seal, indexer) =
        load_sidecars(&*disk, folder, 0, log_of(&*disk, 0).size().unwrap() as u32).unwrap();
    let mut wrong = OffsetIndex::new(0);
    wrong.push(10, 3);
    wrong.push(20, 5000);
    let mut indexer = indexer;
    indexer.offsets = wrong;
    let segment = Segment {
        base_offset: 0,
        size: seal.log_bytes,
        next_offset: seal.next_offset,
        state: SegmentState::Sealed,
        indexer: Arc::new(Mutex::new(indexer)),
        file: log_of(&*disk, 0),
        name: log_name(folder, 0),
    };
    save_sidecars(&*disk, folder, &segment, seal.appended_ms).unwrap();
    let driven = Driven::open(&disk).unwrap();
    let heard = Arc::new(Heard::default());
    driven
        .store
        .observe(Arc::clone(&heard) as Arc<dyn Observer>);
    let topic = driven.topic("t", &small());
    for from in [15, 25, 99, 0] {
        let found = read_from(&driven.store, &topic, from, 5000).unwrap();
        assert_eq!(found.len() as u64, 101 - from);
        assert_eq!(found[0].0, from);
    }
    assert_eq!(*heard.indexed.lock().unwrap(), [0]);
}

#[test]
fn readers_follow_while_others_append_and_roll() {
    let store = Driven::open(&Arc::new(MemoryDisk::new())).unwrap().store;
    let name = TopicName::parse(b"t").unwrap();
    let number = store.create_topic(&name, &small()).unwrap();
    let topic = store.partition(number, 0).unwrap();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let mut next = 0;
                while next < 3000 {
                    let found = read_from(&store, &topic, next, 3000).unwrap();
                    for (offset, value) in found {
                        assert_eq!(offset, next);
                        assert!(value.starts_with(&value_of(offset)), "{offset}");
                        next += 1;
                    }
                    std::thread::yield_now();
                }
            });
        }
        for offset in 0..3000 {
            let value = [value_of(offset), vec![b'.'; 2000]].concat();
            written(append(&topic, &[&value]));
        }
    });
}
