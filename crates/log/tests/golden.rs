//! Directories of each version of the format, made once and kept: what is written today from the same inputs is the same
//! byte for byte, and what was written then is read today. A change that breaks these needs a new version of the format;
//! `cargo test --test golden -- --ignored` makes what is missing.
#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::batch::{Header, Input, ProducerMark, Record, Records, Shape, Times};
use log::sim::{SimClock, SimDisk};
use log::{
    Appender, Boot, Checkpoint, Clock, Codec, Committer, Config, Cursor, Disk, Durable, Flush,
    MemoryDisk, Mode, Opening, Outcome, PartitionMark, Producers, ReadInto, ReadOutcome, Segment,
    Step, Store, TimeIndex, TopicName, TopicOptions, Writer, load_producers, load_sidecars, put_at,
    recover, save_producers, save_sidecars,
};

use files::{Files, disk_of, files_of, read};

#[path = "support/files.rs"]
mod files;

const FOLDER: &str = "0";
const SEGMENT_BYTES: u32 = 12 << 10;
const MOST: u32 = 4 << 10;
const BEGIN_MS: i64 = 1_767_225_600_000;
const BATCHES: u32 = 72;
const PRODUCER: u64 = 1 << 62;

fn path(case: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden/v1")
        .join(case)
}

/// All files below a folder of the repository.
fn kept(case: &str) -> Files {
    let mut files = Files::new();
    let mut folders = vec![path(case)];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap() {
            let entry = entry.unwrap().path();
            if entry.is_dir() {
                folders.push(entry);
                continue;
            }
            let name = entry.strip_prefix(path(case)).unwrap();
            let parts: Vec<&str> = name.iter().map(|part| part.to_str().unwrap()).collect();
            files.insert(parts.join("/"), std::fs::read(&entry).unwrap());
        }
    }
    files
}

/// What differs, by name: whole files are too long to read.
fn differing(left: &Files, right: &Files) -> Vec<String> {
    let names = left.keys().chain(right.keys());
    let mut differ: Vec<String> = names
        .filter(|name| left.get(*name) != right.get(*name))
        .cloned()
        .collect();
    differ.sort();
    differ.dedup();
    differ
}

/// A record as a test means it.
#[derive(Debug, PartialEq)]
struct Meant {
    ms: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: usize,
}

impl Meant {
    fn of(record: &Record<'_>) -> Self {
        Self {
            ms: record.ms,
            key: record.key.map(<[u8]>::to_vec),
            value: record.value.map(<[u8]>::to_vec),
            headers: record.headers.len(),
        }
    }
}

/// How many records the batch at `place` has.
const fn count(place: u32) -> u32 {
    1 + place % 7
}

/// These records.
fn meant(place: u32) -> Vec<Meant> {
    let record = |n: u32| {
        let key = (n % 2 == 1).then(|| format!("key {}", place % 5).into_bytes());
        let value = format!("record {n} of batch {place} ").repeat(1 + (place % 9) as usize);
        Meant {
            ms: BEGIN_MS + i64::from(place) * 100 - i64::from(n % 3),
            key,
            value: (n % 4 != 3).then(|| value.into_bytes()),
            headers: usize::from(n % 3 == 2),
        }
    };
    (0..count(place)).map(record).collect()
}

/// Every third batch has a producer, whose numbers go round on the way.
fn mark(place: u32) -> Option<ProducerMark> {
    let before = (0..place).step_by(3).map(count).sum::<u32>();
    place.is_multiple_of(3).then_some(ProducerMark {
        id: PRODUCER,
        epoch: 0,
        sequence: (i32::MAX as u32 - 40 + before) & i32::MAX as u32,
    })
}

/// Records as a caller packs them.
struct Packed {
    data: Vec<u8>,
    shape: Vec<u32>,
    times: Vec<f64>,
}

impl Packed {
    /// Those of the batch at `place`.
    fn of(place: u32) -> Self {
        let (mut data, mut shape, mut times) = (Vec::new(), Vec::new(), Vec::new());
        for record in meant(place) {
            let headers: &[u8] = match record.headers {
                0 => &[],
                _ => b"\x01\0\0\0\x03\0\0\0hvv",
            };
            let length =
                |field: &Option<Vec<u8>>| field.as_ref().map_or(0, |field| field.len() + 1);
            let numbers = [length(&record.key), length(&record.value), headers.len()];
            shape.extend(numbers.map(|number| u32::try_from(number).unwrap()));
            data.extend(record.key.unwrap_or_default());
            data.extend(record.value.unwrap_or_default());
            data.extend(headers);
            times.push(record.ms as f64);
        }
        Self { data, shape, times }
    }

    fn input(&self) -> Input<'_> {
        Input {
            data: &self.data,
            shape: Shape::Full(&self.shape),
            times: Times::Each(&self.times),
        }
    }
}

fn append(
    appender: &mut Appender,
    place: u32,
    codec: Codec,
    mut roll: impl FnMut(&mut Appender),
) -> Header {
    let packed = Packed::of(place);
    let mut batch = appender
        .encode(&packed.input(), codec, mark(place))
        .unwrap();
    loop {
        let header = *batch.header();
        match appender.write(batch).unwrap() {
            Outcome::Written { base_offset, .. } => {
                return Header {
                    base_offset,
                    ..header
                };
            }
            Outcome::Full(back) => {
                batch = back;
                roll(appender);
            }
        }
    }
}

/// A partition with some segments, as it is when it was closed, and its checkpoint.
fn partition() -> MemoryDisk {
    let disk = MemoryDisk::new();
    disk.create_folder(FOLDER).unwrap();
    let segment = Segment::create(&disk, FOLDER, 0).unwrap();
    let mut appender = Appender::new(segment, SEGMENT_BYTES, MOST);
    let mut producers = Producers::default();
    for place in 0..BATCHES {
        let header = append(&mut appender, place, Codec::None, |appender| {
            let next = Segment::create(&disk, FOLDER, appender.segment().next_offset).unwrap();
            let full = appender.roll(next).unwrap();
            save_sidecars(&disk, FOLDER, &full, BEGIN_MS).unwrap();
            save_producers(&disk, FOLDER, full.next_offset, &producers).unwrap();
        });
        producers.add(&header, BEGIN_MS);
    }
    let last = appender.segment();
    save_sidecars(&disk, FOLDER, last, BEGIN_MS + 5).unwrap();
    save_producers(&disk, FOLDER, last.next_offset, &producers).unwrap();
    let checkpoint = Checkpoint {
        sequence: 3,
        clean: true,
        next_topic: 2,
        boot: Some(*b"sixteen bytes it"),
        wall_ms: BEGIN_MS,
        partitions: vec![PartitionMark {
            topic: 1,
            partition: 0,
            durable: Durable {
                segment: last.base_offset,
                position: last.size,
                next_offset: last.next_offset,
            },
            start_offset: 0,
        }],
    };
    let file = disk.open("checkpoint.a", Mode::CreateNew).unwrap();
    put_at(&*file, &checkpoint.encode().unwrap(), 0).unwrap();
    disk
}

/// Every record of a partition, offset by offset, read by the headers alone.
fn assert_all_read(disk: &dyn Disk) {
    let mut expected: Vec<Meant> = (0..BATCHES).flat_map(meant).collect();
    expected.reverse();
    let mut offset = 0;
    let mut logs: Vec<String> = files_of(disk).into_keys().collect();
    logs.retain(|name| name.ends_with(".log"));
    assert!(logs.len() > 2, "{logs:?}");
    for name in logs {
        let bytes = read(disk, &name);
        let mut rest = &bytes[..];
        while !rest.is_empty() {
            let header = Header::parse_prefix(rest, MOST).unwrap();
            let (batch, behind) = rest.split_at(header.size as usize);
            log::batch::check(batch, &header).unwrap();
            for record in Records::of_batch(batch, &header).unwrap() {
                let record = record.unwrap();
                assert_eq!(record.offset, offset);
                assert_eq!(Meant::of(&record), expected.pop().unwrap());
                offset += 1;
            }
            rest = behind;
        }
    }
    assert!(expected.is_empty());
}

/// The topics of the directory: what is decided of each.
fn topics() -> [(&'static str, TopicOptions); 2] {
    let plain = TopicOptions {
        partitions: 2,
        max_batch_bytes: 1 << 20,
        ..TopicOptions::default()
    };
    let other = TopicOptions {
        partitions: 1,
        segment_bytes: 1 << 24,
        retention_ms: Some(1 << 40),
        retention_bytes: Some(1 << 41),
        flush: Flush::Every(50),
        max_batch_bytes: 1 << 21,
        codec: Codec::Zstd,
    };
    [("records", plain), ("día / день / 日", other)]
}

fn open(disk: &Arc<SimDisk>) -> (Arc<Store>, log::Report) {
    let clock: Arc<dyn Clock> = Arc::new(SimClock::new(BEGIN_MS));
    let config = Config {
        ids: || *b"an id of 16 byte",
        ..Config::default()
    };
    Store::open(Arc::clone(disk) as Arc<dyn Disk>, clock, &config).unwrap()
}

/// A directory with topics, of which one was deleted, that was closed; each partition has every batch.
fn directory() -> Files {
    let disk = Arc::new(SimDisk::new());
    let (store, _) = open(&disk);
    let mut committer = Committer::new();
    let [one, other] = topics();
    for (name, options) in [one, ("deleted", TopicOptions::default()), other] {
        let name = TopicName::parse(name.as_bytes()).unwrap();
        let number = store.create_topic(&name, &options).unwrap();
        if name.as_str() == "deleted" {
            store.delete_topic(number).unwrap();
        }
    }
    for partition in partitions(&store) {
        for place in 0..BATCHES {
            if place == BATCHES / 2 {
                partition.begin_segment();
            }
            let writer = Writer {
                mark: mark(place),
                ..Writer::default()
            };
            let packed = Packed::of(place);
            let _ = partition.append(&packed.input(), &writer, true).unwrap();
            while committer.step(&store) == Step::Worked {}
        }
    }
    while store.housekeep() {}
    store.close(None).unwrap();
    let mut files = files_of(&*disk);
    // Who had it open.
    files.remove("lock");
    files
}

/// Those of all topics.
fn partitions(store: &Store) -> Vec<Arc<log::Partition>> {
    let of = |topic: &log::Topic| {
        let number = topic.number;
        let all = 0..topic.options.partitions;
        all.map(move |place| store.partition(number, place).unwrap())
    };
    let topics = store.topics();
    topics.iter().flat_map(|topic| of(topic)).collect()
}

#[test]
fn a_directory_is_written_as_version_1_says() {
    let (mut written, mut known) = (directory(), kept("directory"));
    // How many there were before is not of the format.
    let newest = |files: &mut Files| {
        let [a, b] = ["a", "b"].map(|which| files.remove(&format!("checkpoint.{which}")));
        let newest = Checkpoint::newest(&a.unwrap(), &b.unwrap()).unwrap();
        Checkpoint {
            sequence: 0,
            ..newest
        }
    };
    assert_eq!(newest(&mut written), newest(&mut known));
    assert_eq!(differing(&written, &known), Vec::<String>::new());
}

#[test]
fn a_directory_of_version_1_is_served() {
    let disk = disk_of(&kept("directory"));
    let (store, report) = open(&disk);
    assert!(!report.created && report.notes.is_empty(), "{report:?}");
    assert!(report.damaged_topics.is_empty() && report.foreign.is_empty());
    let told: Vec<_> = store
        .topics()
        .iter()
        .map(|topic| (topic.number, topic.name.as_str().to_owned(), topic.options))
        .collect();
    let [one, other] = topics();
    let meant_topics = [
        (1, one.0.to_owned(), one.1),
        (3, other.0.to_owned(), other.1),
    ];
    assert_eq!(told, meant_topics);
    for partition in partitions(&store) {
        let expected: Vec<Meant> = (0..BATCHES).flat_map(meant).collect();
        let mut cursor = Cursor::new(0);
        let (mut data, mut batches) = (vec![0; 1 << 20], Vec::new());
        let mut found = Vec::new();
        loop {
            batches.clear();
            let mut into = ReadInto {
                data: &mut data,
                batches: &mut batches,
                most: 1000,
                may_wait: true,
            };
            match partition.read(&mut cursor, &mut into).unwrap() {
                ReadOutcome::AtEnd => break,
                ReadOutcome::Batches(_) => {}
                other => panic!("{other:?}"),
            }
            for batch in &batches {
                let records = data.get(batch.start..batch.start + batch.bytes).unwrap();
                let records = Records::of(records, &batch.header);
                found.extend(records.map(|record| Meant::of(&record.unwrap())));
            }
        }
        assert_eq!(found, expected);
        let last = mark(BATCHES - 3).unwrap().sequence;
        let many = count(BATCHES - 3);
        let told = partition.last_sequence(PRODUCER);
        assert_eq!(told, Some((last + many - 1) & i32::MAX as u32));
    }
    store.close(None).unwrap();
}

#[test]
fn a_partition_is_written_as_version_1_says() {
    let differ = differing(&files_of(&partition()), &kept("partition"));
    assert_eq!(differ, Vec::<String>::new());
}

#[test]
fn a_partition_of_version_1_is_opened_and_read_and_not_changed() {
    let files = kept("partition");
    let disk = disk_of(&files);
    assert_all_read(&*disk);
    let checkpoint = Checkpoint::decode(&files["checkpoint.a"]).unwrap();
    assert!(checkpoint.clean);
    let durable = checkpoint.partitions[0].durable;
    for (boot, durable) in [
        (Boot::Same, durable),
        (Boot::Other, durable),
        (Boot::Other, Durable::default()),
    ] {
        let opened = recover(&Opening {
            disk: &*disk,
            folder: FOLDER,
            removed: "removed",
            label: "1-0",
            durable,
            boot,
            max_batch_bytes: MOST,
        })
        .unwrap();
        assert_eq!(opened.notes, []);
        assert_eq!(opened.durable, checkpoint.partitions[0].durable);
        assert_eq!(differing(&files_of(&*disk), &files), Vec::<String>::new());
        // What lies beside a segment is what a scan finds, and the producers are those of the records.
        for segment in opened.sealed.iter().chain([&opened.active]) {
            let base = segment.base_offset;
            let (seal, indexer) = load_sidecars(&*disk, FOLDER, base, segment.size).unwrap();
            if durable == Durable::default() {
                let mut scanned = segment.indexer.lock().unwrap().clone();
                scanned.seal();
                assert_eq!(indexer, scanned);
            }
            assert!(seal.max_ms >= BEGIN_MS && indexer.times != TimeIndex::new(base));
        }
    }
    let end = checkpoint.partitions[0].durable.next_offset;
    let (at, producers) = load_producers(&*disk, FOLDER, end).unwrap().unwrap();
    assert_eq!(at, end);
    let last = mark(BATCHES - 3).unwrap();
    let many = count(BATCHES - 3);
    let told = producers.last_sequence(PRODUCER);
    assert_eq!(told, Some((last.sequence + many - 1) & i32::MAX as u32));
}

/// Compressors may change what they make, so only that it can be read is kept.
#[test]
fn compressed_batches_of_version_1_are_read() {
    let files = kept("compressed");
    assert_eq!(files.len(), 4);
    for bytes in files.values() {
        let header = Header::parse_prefix(bytes, MOST).unwrap();
        log::batch::check(bytes, &header).unwrap();
        let mut into = Vec::new();
        let records = Records::inflated(bytes, &header, 1 << 20, &mut into).unwrap();
        for (record, meant) in records.zip(meant(6)) {
            assert_eq!(record.unwrap().value.map(<[u8]>::to_vec), meant.value);
        }
    }
}

#[test]
#[ignore = "makes what is missing"]
fn make() {
    let mut cases = vec![
        ("partition", files_of(&partition())),
        ("directory", directory()),
    ];
    let mut compressed = Files::new();
    for codec in [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd] {
        let disk = MemoryDisk::new();
        disk.create_folder(FOLDER).unwrap();
        let segment = Segment::create(&disk, FOLDER, 0).unwrap();
        let mut appender = Appender::new(segment, SEGMENT_BYTES, MOST);
        append(&mut appender, 6, codec, |_| panic!("one batch fits"));
        let name = format!("{codec:?}.batch").to_lowercase();
        compressed.insert(name, read(&disk, &log::log_name(FOLDER, 0)));
    }
    cases.push(("compressed", compressed));
    for (case, files) in cases.iter().filter(|(case, _)| !path(case).exists()) {
        for (name, bytes) in files {
            let path = path(case).join(name);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, bytes).unwrap();
        }
    }
}
