//! The small files of a log: `u8 kind | bytes`. Their checksums are made right, so that what lies behind them is reached.

use std::sync::Arc;

use log::batch::crc32c;
use log::{
    Checkpoint, Config, Disk, FrameKind, MemoryDisk, Mode, OffsetIndex, Producers, Seal, Store,
    SystemClock, TimeIndex, decode_frame, encode_frame, load_sidecars, log_name, put_at,
};

const BASE: u64 = 1 << 40;

/// What is taken is the same again when it is written, and leads nowhere but into its file.
pub(crate) fn run(data: &[u8]) {
    let Some((&kind, bytes)) = data.split_first() else {
        return;
    };
    match kind {
        0 => index(bytes),
        1 => time_index(bytes),
        2 => seal(bytes),
        3 => snapshot(bytes),
        4 => checkpoint(bytes),
        5 => frames(bytes),
        6 => beside(bytes),
        _ => topic(bytes),
    }
}

fn index(bytes: &[u8]) {
    const LOG_BYTES: u32 = 1 << 20;
    let _ = OffsetIndex::decode(bytes, u64::MAX, LOG_BYTES);
    if let Some(index) = OffsetIndex::decode(bytes, BASE, LOG_BYTES) {
        assert_eq!(index.encode(), bytes);
        for offset in [0, BASE, BASE + 1000, u64::MAX] {
            assert!(index.position_before(offset) < LOG_BYTES);
        }
    }
}

fn time_index(bytes: &[u8]) {
    const NEXT: u64 = BASE + 5000;
    let _ = TimeIndex::decode(bytes, u64::MAX, u64::MAX);
    if let Some(index) = TimeIndex::decode(bytes, BASE, NEXT) {
        assert_eq!(index.encode(), bytes);
        for ms in [i64::MIN, -1, 0, 1 << 40, i64::MAX] {
            assert!((BASE..=NEXT).contains(&index.offset_before(ms)));
        }
    }
}

fn seal(body: &[u8]) {
    let Some(file) = encode_frame(FrameKind::Seal, body) else {
        return;
    };
    if let Some(seal) = Seal::decode(&file) {
        assert_eq!(seal.encode(), file);
    }
}

/// Version, count and entries; the checksum between them is put in.
fn snapshot(bytes: &[u8]) {
    let _ = Producers::decode(bytes, u64::MAX);
    let Some((version, rest)) = bytes.split_first_chunk::<2>() else {
        return;
    };
    let file = [&version[..], &crc32c(rest).to_be_bytes(), rest].concat();
    if let Some(producers) = Producers::decode(&file, u64::MAX) {
        let again = producers.encode();
        assert_eq!(Producers::decode(&again, u64::MAX), Some(producers));
        assert_eq!(again.len(), file.len());
    }
}

fn checkpoint(body: &[u8]) {
    let Some(file) = encode_frame(FrameKind::Checkpoint, body) else {
        return;
    };
    if let Some(checkpoint) = Checkpoint::decode(&file) {
        let again = checkpoint.encode().unwrap();
        assert_eq!(Checkpoint::decode(&again), Some(checkpoint));
    }
}

fn frames(bytes: &[u8]) {
    for kind in [FrameKind::Format, FrameKind::Topic] {
        if let Ok((body, behind)) = decode_frame(kind, bytes) {
            assert!(body.len() + behind.len() < bytes.len());
        }
    }
}

/// What stands in a `topic.meta`: its directory is opened, with the topic or with one that is damaged.
fn topic(body: &[u8]) {
    const PARTITIONS: usize = 16;
    let mut body = body.to_vec();
    // More of them would only take longer.
    if let Some(high) = body.get_mut(PARTITIONS..PARTITIONS + 3) {
        high.fill(0);
    }
    let Some(frame) = encode_frame(FrameKind::Topic, &body) else {
        return;
    };
    let disk = Arc::new(MemoryDisk::new());
    let open = || {
        let clock = Arc::new(SystemClock::new());
        let disk = Arc::clone(&disk) as Arc<dyn Disk>;
        Store::open(disk, clock, &Config::default()).unwrap()
    };
    open().0.close(None).unwrap();
    disk.create_folder("topics/00000007").unwrap();
    let name = "topics/00000007/topic.meta";
    let file = disk.open(name, Mode::CreateNew).unwrap();
    put_at(&*file, &frame.repeat(2), 0).unwrap();
    let (store, report) = open();
    match &store.topics()[..] {
        [] => assert_eq!(report.damaged_topics, [7]),
        [topic] => {
            assert!(topic.number == 7 && (1..256).contains(&topic.options.partitions));
            assert!(topic.options.check().is_ok());
            assert_eq!(store.topic(&topic.name).as_ref(), Some(topic));
            assert!(store.partition(7, topic.options.partitions).is_none());
        }
        other => panic!("{other:?}"),
    }
    store.close(None).unwrap();
}

/// `u8 length of .index | .index | .timeindex`, under a seal that vouches for them.
fn beside(bytes: &[u8]) {
    const LOG_BYTES: u32 = 1 << 16;
    let Some((&length, rest)) = bytes.split_first() else {
        return;
    };
    let (index, times) = rest.split_at(usize::from(length).min(rest.len()));
    let seal = Seal {
        log_bytes: LOG_BYTES,
        index_bytes: u32::try_from(index.len()).unwrap(),
        index_crc: crc32c(index),
        time_index_bytes: u32::try_from(times.len()).unwrap(),
        time_index_crc: crc32c(times),
        next_offset: BASE + 700,
        max_ms: 500,
        batches: 7,
        ..Seal::default()
    };
    let disk = MemoryDisk::new();
    disk.create_folder("p").unwrap();
    for (kind, bytes) in [
        ("index", index),
        ("timeindex", times),
        ("seal", &seal.encode()),
    ] {
        let name = log_name("p", BASE).replace("log", kind);
        put_at(&*disk.open(&name, Mode::CreateNew).unwrap(), bytes, 0).unwrap();
    }
    if let Some((read, indexer)) = load_sidecars(&disk, "p", BASE, LOG_BYTES) {
        assert_eq!(read, seal);
        assert_eq!(indexer.offsets.encode(), index);
        assert_eq!(indexer.times.encode(), times);
        assert_eq!(indexer.max_ms(), Some(500));
    }
}
