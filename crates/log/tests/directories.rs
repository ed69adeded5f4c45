//! Whole directories: whatever becomes of one of the small files, every record is read again, or what cannot be served is
//! told and left as it is.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test asserts by panicking"
)]

use std::sync::Arc;

use files::{Files, disk_of, files_of};
use log::batch::{Encoder, Input, ProducerMark, Shape, Times};
use log::sim::{SimClock, SimDisk};
use log::{
    Clock, Codec, Committer, Config, Cursor, Disk, Error, ErrorKind, ReadInto, Report, Step, Store,
    TopicOptions, Writer,
};
use support::{BEGIN_MS, append, append_as, read_from, small, value_of, written};

#[path = "support/files.rs"]
mod files;
#[expect(dead_code, reason = "the tests of the store need the rest")]
#[path = "store/support.rs"]
mod support;

const FORMAT: &str = "kaska.format";
const META: &str = "topics/00000001/topic.meta";
const PRODUCER: u64 = 1 << 62;
/// Records in each partition of each topic.
const RECORDS: u64 = 120;

fn open(disk: &Arc<SimDisk>) -> Result<(Arc<Store>, Report), Error> {
    let clock: Arc<dyn Clock> = Arc::new(SimClock::new(BEGIN_MS));
    let config = Config {
        ids: || [7; 16],
        ..Config::default()
    };
    Store::open(Arc::clone(disk) as Arc<dyn Disk>, clock, &config)
}

/// A directory with two topics, of one and of two partitions, each of some segments, that was closed.
fn made() -> Files {
    let disk = Arc::new(SimDisk::new());
    let (store, _) = open(&disk).unwrap();
    let mut committer = Committer::new();
    for (name, partitions) in [("one", 1), ("gone", 1), ("two", 2)] {
        let name = log::TopicName::parse(name.as_bytes()).unwrap();
        let options = TopicOptions {
            partitions,
            ..small()
        };
        let number = store.create_topic(&name, &options).unwrap();
        if name.as_str() == "gone" {
            store.delete_topic(number).unwrap();
            continue;
        }
        for partition in 0..partitions {
            let partition = store.partition(number, partition).unwrap();
            for offset in 0..RECORDS {
                if offset == RECORDS / 2 {
                    partition.begin_segment();
                }
                // Long enough for some entries in the indexes.
                let value = [value_of(offset), vec![b' '; 200]].concat();
                let sequence = u32::try_from(offset).unwrap();
                let (id, epoch) = (PRODUCER, 0);
                let mark = ProducerMark {
                    id,
                    epoch,
                    sequence,
                };
                let writer = Writer {
                    mark: Some(mark),
                    ..Writer::default()
                };
                let _ = append_as(&partition, &[&value], &writer, true).unwrap();
                while committer.step(&store) == Step::Worked {}
            }
        }
    }
    while store.housekeep() {}
    store.close(None).unwrap();
    let mut files = files_of(&*disk);
    files.remove("lock");
    files
}

fn with(files: &Files, name: &str, bytes: &[u8]) -> Files {
    let mut files = files.clone();
    files.insert(name.to_owned(), bytes.to_vec());
    files
}

/// Whether each record of a topic is read, from its beginning and from its middle, and found by its time.
fn assert_served(store: &Store, topic: &str, what: &str) {
    let name = log::TopicName::parse(topic.as_bytes()).unwrap();
    let topic = store.topic(&name).unwrap();
    for partition in 0..topic.options.partitions {
        let partition = store.partition(topic.number, partition).unwrap();
        let ends = partition.ends();
        assert_eq!((ends.start, ends.visible), (0, RECORDS), "{what}");
        for from in [0, RECORDS / 3, RECORDS - 2] {
            let read = read_from(store, &partition, from, 64 << 10).unwrap();
            // Whole batches are read, of one record each.
            assert_eq!(read.len() as u64, RECORDS - from, "{what}");
            for (offset, value) in read {
                assert!(value.starts_with(&value_of(offset)), "{what}: {offset}");
            }
        }
        // Who numbers his records is known, too.
        let last = partition.last_sequence(PRODUCER);
        assert_eq!(last.map(u64::from), Some(RECORDS - 1), "{what}");
        let first = partition.offset_at_or_after(BEGIN_MS).unwrap();
        assert_eq!(first, Some(0), "{what}");
    }
}

/// Everything is served, and again when it is opened once more.
fn assert_all_served(disk: &Arc<SimDisk>, what: &str) {
    for _ in 0..2 {
        let (store, report) = open(disk).unwrap();
        assert!(report.damaged_topics.is_empty(), "{what}: {report:?}");
        assert!(report.unavailable.is_empty(), "{what}: {report:?}");
        assert!(report.notes.is_empty(), "{what}: {report:?}");
        assert_served(&store, "one", what);
        assert_served(&store, "two", what);
        store.close(None).unwrap();
    }
}

/// Torn at every length, with something behind, and with every bit turned.
fn every_damage(bytes: &[u8], mut tries: impl FnMut(&[u8], &str)) {
    for length in 0..bytes.len() {
        tries(&bytes[..length], &format!("{length} bytes"));
    }
    for bit in 0..bytes.len() * 8 {
        let mut changed = bytes.to_vec();
        changed[bit / 8] ^= 1 << (bit % 8);
        tries(&changed, &format!("bit {bit}"));
    }
    tries(&[bytes, &[0; 5000]].concat(), "zeros behind");
}

#[test]
fn a_directory_that_was_closed_is_served() {
    assert_all_served(&disk_of(&made()), "whole");
}

#[test]
fn whatever_becomes_of_what_lies_beside_a_segment_every_record_is_read() {
    let files = made();
    let beside: Vec<&String> = files
        .keys()
        .filter(|name| name.starts_with("topics/00000001/0/") && !name.ends_with(".log"))
        .collect();
    assert!(beside.len() >= 8, "{beside:?}");
    for name in beside {
        every_damage(&files[name], |bytes, what| {
            let disk = disk_of(&with(&files, name, bytes));
            let (store, report) = open(&disk).unwrap();
            assert!(report.notes.is_empty(), "{name}, {what}: {report:?}");
            assert_served(&store, "one", what);
            store.close(None).unwrap();
        });
        let mut less = files.clone();
        less.remove(name);
        assert_all_served(&disk_of(&less), name);
    }
}

#[test]
fn whatever_becomes_of_the_checkpoints_every_record_is_read() {
    let files = made();
    for name in ["checkpoint.a", "checkpoint.b"] {
        every_damage(&files[name], |bytes, what| {
            let disk = disk_of(&with(&files, name, bytes));
            let (store, report) = open(&disk).unwrap();
            assert!(report.notes.is_empty(), "{name}, {what}: {report:?}");
            assert_served(&store, "two", what);
            // The number of the topic that is gone is not given again.
            let new = log::TopicName::parse(b"new").unwrap();
            assert!(store.create_topic(&new, &small()).unwrap() > 3, "{what}");
            store.close(None).unwrap();
        });
    }
    let mut less = files.clone();
    less.remove("checkpoint.a");
    less.remove("checkpoint.b");
    assert_all_served(&disk_of(&less), "no checkpoint");
}

#[test]
fn one_copy_of_a_topic_s_file_is_enough_and_is_made_two_again() {
    let files = made();
    let whole = files[META].clone();
    let half = whole.len() / 2;
    // Torn, it has one copy from its half on.
    for length in half..whole.len() {
        let disk = disk_of(&with(&files, META, &whole[..length]));
        let what = format!("{length} bytes");
        assert_all_served(&disk, &what);
        assert_eq!(files_of(&*disk)[META], whole, "{what}");
    }
    for bit in 0..whole.len() * 8 {
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        let disk = disk_of(&with(&files, META, &changed));
        let (store, report) = open(&disk).unwrap();
        assert!(report.damaged_topics.is_empty(), "bit {bit}");
        assert_eq!(files_of(&*disk)[META], whole, "bit {bit}");
        store.close(None).unwrap();
    }
}

#[test]
fn a_topic_without_a_good_copy_is_told_and_left_and_others_are_served() {
    let files = made();
    let whole = files[META].clone();
    let both = |at: usize| {
        let mut changed = whole.clone();
        changed[at] ^= 1;
        changed[whole.len() / 2 + at] ^= 1;
        changed
    };
    let mut bad: Vec<Vec<u8>> = (0..whole.len() / 2).map(both).collect();
    bad.extend((0..whole.len() / 2).map(|length| whole[..length].to_vec()));
    for bytes in bad {
        let disk = disk_of(&with(&files, META, &bytes));
        let (store, report) = open(&disk).unwrap();
        assert_eq!(report.damaged_topics, [1]);
        assert_served(&store, "two", "the other");
        // Its name may be used again, and its number is not.
        let name = log::TopicName::parse(b"one").unwrap();
        assert!(store.create_topic(&name, &small()).unwrap() > 3);
        store.close(None).unwrap();
        let after = files_of(&*disk);
        let of_topic = |(name, _): &(&String, &Vec<u8>)| name.starts_with("topics/00000001/");
        let before: Files = with(&files, META, &bytes);
        let before: Vec<_> = before.iter().filter(of_topic).collect();
        let after: Vec<_> = after.iter().filter(of_topic).collect();
        assert!(before == after, "its folder was changed");
    }
}

#[test]
fn without_a_good_format_file_nothing_is_opened_and_nothing_changed() {
    let files = made();
    every_damage(&files[FORMAT], |bytes, what| {
        let changed = with(&files, FORMAT, bytes);
        let disk = disk_of(&changed);
        let error = open(&disk).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Corrupt, "{what}");
        let mut after = files_of(&*disk);
        after.remove("lock");
        assert!(after == changed, "{what}: something was changed");
    });
}

#[test]
fn what_a_newer_version_made_is_refused_and_not_changed() {
    let files = made();
    let body = &files[FORMAT][16..];
    let mut oldest = body.to_vec();
    oldest[2..4].copy_from_slice(&2_u16.to_be_bytes());
    let frame = |body: &[u8]| log::encode_frame(log::FrameKind::Format, body).unwrap();
    // A newer frame is one whose version, and with it the checksum, is another.
    let mut version = frame(body);
    version[5] = 2;
    let crc = log::batch::crc32c(&[&version[..12], body].concat());
    version[12..16].copy_from_slice(&crc.to_be_bytes());
    for format in [frame(&oldest), version] {
        let changed = with(&files, FORMAT, &format);
        let disk = disk_of(&changed);
        let error = open(&disk).err().unwrap();
        assert_eq!(error.kind, ErrorKind::Format);
        assert!(error.message.contains("newer version"), "{error}");
        let mut after = files_of(&*disk);
        after.remove("lock");
        assert!(after == changed, "something was changed");
    }
    // A newer format that says that we may write is opened.
    let mut newer = body.to_vec();
    newer[..2].copy_from_slice(&2_u16.to_be_bytes());
    let disk = disk_of(&with(&files, FORMAT, &frame(&newer)));
    assert_all_served(&disk, "a newer format");
}

#[test]
fn appending_goes_on_behind_what_was_there() {
    let disk = disk_of(&made());
    let (store, _) = open(&disk).unwrap();
    let partition = store.partition(1, 0).unwrap();
    let next = written(append(&partition, &[b"more"]));
    assert_eq!(next, (RECORDS, RECORDS + 1));
    store.close(None).unwrap();
}

/// One batch of nine records, at that offset.
fn batch(codec: Codec, base: u64) -> Vec<u8> {
    let data = b"a value b".repeat(9);
    let input = Input {
        data: &data,
        shape: Shape::Values(&[9; 9]),
        times: Times::One(BEGIN_MS),
    };
    let mut batch = Encoder::new(1 << 20).encode(&input, codec, None).unwrap();
    batch.place(base).unwrap();
    batch.bytes().to_vec()
}

/// The checksum made right again.
fn forged(mut batch: Vec<u8>, change: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    change(&mut batch);
    let crc = log::batch::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
    batch
}

#[test]
fn a_batch_that_cannot_be_inflated_is_told_and_passed_over() {
    let claims = |batch: &mut Vec<u8>| {
        batch[23..27].copy_from_slice(&999_999_u32.to_be_bytes());
        batch[57..61].copy_from_slice(&1_000_000_u32.to_be_bytes());
    };
    let torn = |batch: &mut Vec<u8>| {
        let last = batch.len() - 1;
        batch[last] ^= 1;
    };
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let bad = [
            (forged(batch(codec, 9), claims), 1_000_009),
            // The last byte of Snappy is a value's, and of Zstandard too.
            (forged(batch(codec, 9), torn), 18),
        ];
        for (bad, next) in bad {
            let bytes = [&batch(codec, 0)[..], &bad, &batch(Codec::None, next)].concat();
            let mut files = made();
            files.retain(|name, _| !name.starts_with("topics/00000001/0/"));
            files.retain(|name, _| !name.starts_with("checkpoint"));
            files.insert("topics/00000001/0/00000000000000000000.log".into(), bytes);
            let (store, report) = open(&disk_of(&files)).unwrap();
            assert_eq!(report.notes, []);
            let partition = store.partition(1, 0).unwrap();
            assert_eq!(partition.ends().visible, next + 9);
            let read = |from| {
                let mut cursor = Cursor::new(from);
                let mut batches = Vec::new();
                let mut data = vec![0; 1 << 20];
                let mut into = ReadInto {
                    data: &mut data,
                    batches: &mut batches,
                    most: 100,
                    may_wait: true,
                };
                let read = partition.read(&mut cursor, &mut into);
                read.map(|_| (batches.len(), cursor.offset()))
            };
            assert_eq!(read(next).unwrap(), (1, next + 9));
            let from_start = read(0).unwrap();
            if from_start == (3, next + 9) {
                // What was changed has no meaning to that codec.
                assert!(matches!(codec, Codec::Snappy | Codec::Zstd), "{codec:?}");
                continue;
            }
            assert_eq!(from_start, (1, 9), "{codec:?}");
            for _ in 0..2 {
                assert_eq!(read(9).unwrap_err().kind, ErrorKind::Corrupt);
                assert_eq!(partition.damage_at(9), Some((9, next)));
            }
            assert_eq!(read(next).unwrap(), (1, next + 9));
        }
    }
}

#[test]
fn a_batch_that_inflates_to_more_than_the_limit_is_not_damaged() {
    let mut files = made();
    files.retain(|name, _| !name.starts_with("topics/00000001/0/"));
    files.retain(|name, _| !name.starts_with("checkpoint"));
    let bytes = batch(Codec::Gzip, 0);
    files.insert("topics/00000001/0/00000000000000000000.log".into(), bytes);
    for (most, expected) in [(100, Err(ErrorKind::TooLarge)), (1000, Ok(9))] {
        let disk = disk_of(&files) as Arc<dyn Disk>;
        let config = Config {
            inflated_bytes: most,
            ..Config::default()
        };
        let clock = Arc::new(SimClock::new(BEGIN_MS));
        let (store, _) = Store::open(disk, clock, &config).unwrap();
        let partition = store.partition(1, 0).unwrap();
        let read = read_from(&store, &partition, 0, 64 << 10);
        let found = read.map(|all| all.len()).map_err(|error| error.kind);
        assert_eq!(found, expected);
        let range = expected.is_err().then_some((0, 9));
        assert_eq!(partition.damage_at(0), range);
    }
}
