//! Directories of each version of the format, made once and kept: what is written today from the same inputs is the same
//! byte for byte, and what was written then is read today. A change that breaks these needs a new version of the format;
//! `cargo test --test golden -- --ignored` makes what is missing.
#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use log::batch::{Header, Input, ProducerMark, Records, Shape, Times};
use log::{
    Appender, Boot, Checkpoint, Codec, Disk, Durable, MemoryDisk, Mode, Opening, Outcome,
    PartitionMark, Producers, Segment, TimeIndex, fill_at, load_producers, load_sidecars, put_at,
    recover, save_producers, save_sidecars,
};

/// Files by name, folders in front.
type Files = BTreeMap<String, Vec<u8>>;

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

/// All files of a disk.
fn files_of(disk: &dyn Disk) -> Files {
    let mut files = Files::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in disk.list(&folder).unwrap() {
            let name = [folder.as_str(), &entry.name].join("/");
            let name = name.trim_start_matches('/').to_owned();
            if entry.is_folder {
                folders.push(name);
            } else {
                let bytes = read(disk, &name);
                files.insert(name, bytes);
            }
        }
    }
    files
}

fn read(disk: &dyn Disk, name: &str) -> Vec<u8> {
    let file = disk.open(name, Mode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    fill_at(&*file, &mut bytes, 0).unwrap();
    bytes
}

/// A disk with those files.
fn disk_of(files: &Files) -> MemoryDisk {
    let disk = MemoryDisk::new();
    for (name, bytes) in files {
        let mut made = String::new();
        let (folders, _) = name.rsplit_once('/').unwrap_or_default();
        for part in folders.split('/').filter(|part| !part.is_empty()) {
            made = [made.as_str(), part]
                .join("/")
                .trim_start_matches('/')
                .to_owned();
            // It may be there from another file.
            let _ = disk.create_folder(&made);
        }
        let file = disk.open(name, Mode::CreateNew).unwrap();
        put_at(&*file, bytes, 0).unwrap();
    }
    disk
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

/// The records of the batch at `place`.
fn meant(place: u32) -> Vec<Meant> {
    let many = 1 + place % 7;
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
    (0..many).map(record).collect()
}

fn mark(place: u32) -> Option<ProducerMark> {
    place.is_multiple_of(3).then_some(ProducerMark {
        id: PRODUCER,
        epoch: 0,
        // There are seven records at most in each.
        sequence: (i32::MAX as u32 - 40 + place * 7) & i32::MAX as u32,
    })
}

fn append(
    appender: &mut Appender,
    place: u32,
    codec: Codec,
    mut roll: impl FnMut(&mut Appender),
) -> Header {
    let (mut data, mut shape, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for record in meant(place) {
        let headers: &[u8] = match record.headers {
            0 => &[],
            _ => b"\x01\0\0\0\x03\0\0\0hvv",
        };
        let length = |field: &Option<Vec<u8>>| field.as_ref().map_or(0, |field| field.len() + 1);
        shape.extend([length(&record.key), length(&record.value), headers.len()]);
        data.extend(record.key.unwrap_or_default());
        data.extend(record.value.unwrap_or_default());
        data.extend(headers);
        times.push(record.ms as f64);
    }
    let shape: Vec<u32> = shape.iter().map(|n| u32::try_from(*n).unwrap()).collect();
    let input = Input {
        data: &data,
        shape: Shape::Full(&shape),
        times: Times::Each(&times),
    };
    let mut batch = appender.encode(&input, codec, mark(place)).unwrap();
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
                let read = Meant {
                    ms: record.ms,
                    key: record.key.map(<[u8]>::to_vec),
                    value: record.value.map(<[u8]>::to_vec),
                    headers: record.headers.len(),
                };
                assert_eq!(read, expected.pop().unwrap());
                offset += 1;
            }
            rest = behind;
        }
    }
    assert!(expected.is_empty());
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
    assert_all_read(&disk);
    let checkpoint = Checkpoint::decode(&files["checkpoint.a"]).unwrap();
    assert!(checkpoint.clean);
    let durable = checkpoint.partitions[0].durable;
    for (boot, durable) in [
        (Boot::Same, durable),
        (Boot::Other, durable),
        (Boot::Other, Durable::default()),
    ] {
        let opened = recover(&Opening {
            disk: &disk,
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
        assert_eq!(differing(&files_of(&disk), &files), Vec::<String>::new());
        // What lies beside a segment is what a scan finds, and the producers are those of the records.
        for segment in opened.sealed.iter().chain([&opened.active]) {
            let base = segment.base_offset;
            let (seal, indexer) = load_sidecars(&disk, FOLDER, base, segment.size).unwrap();
            if durable == Durable::default() {
                let mut scanned = segment.indexer.lock().unwrap().clone();
                scanned.seal();
                assert_eq!(indexer, scanned);
            }
            assert!(seal.max_ms >= BEGIN_MS && indexer.times != TimeIndex::new(base));
        }
    }
    let end = checkpoint.partitions[0].durable.next_offset;
    let (at, producers) = load_producers(&disk, FOLDER, end).unwrap().unwrap();
    assert_eq!(at, end);
    let last = mark(BATCHES - 3).unwrap();
    let many = u32::try_from(meant(BATCHES - 3).len()).unwrap();
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
    let mut cases = vec![("partition", files_of(&partition()))];
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
