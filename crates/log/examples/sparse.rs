//! Makes a directory that looks as if so many bytes of records had been stored and closed in order, without them: the
//! segments are holes. For the benchmark of opening: `cargo run --release --example sparse -- DIR BYTES`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program of the benchmarks"
)]

use std::path::PathBuf;
use std::sync::Arc;

use log::batch::{Attributes, Header};
use log::{
    Checkpoint, Clock, Config, Disk, Durable, File, Mode, OsDisk, Producers, Segment, Store,
    SystemClock, TopicName, TopicOptions, fill_at, put_at, remove_sidecars, save_producers,
    save_sidecars,
};

const FOLDER: &str = "topics/00000001/0";
const CHECKPOINTS: [&str; 2] = ["checkpoint.a", "checkpoint.b"];
/// A batch of 100 records of 100 bytes.
const BATCH_BYTES: u32 = 10_997;
const BATCH_RECORDS: u32 = 100;

fn main() {
    let mut args = std::env::args_os().skip(1);
    let root = PathBuf::from(args.next().unwrap());
    let bytes: u64 = args.next().unwrap().to_str().unwrap().parse().unwrap();
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::new(root));
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let options = TopicOptions::default();
    let (store, _) = Store::open(Arc::clone(&disk), clock, &Config::default()).unwrap();
    let name = TopicName::parse(b"records").unwrap();
    store.create_topic(&name, &options).unwrap();
    store.close(None).unwrap();

    // The empty segment that it was made with.
    remove_sidecars(&*disk, FOLDER, 0).unwrap();
    disk.remove_file(&log::log_name(FOLDER, 0)).unwrap();
    let (mut left, mut base) = (bytes, 0);
    let last = loop {
        let size = left.min(u64::from(options.segment_bytes));
        let segment = hole(&*disk, base, u32::try_from(size).unwrap());
        base = segment.next_offset;
        left -= size.min(left);
        if left < u64::from(BATCH_BYTES) {
            break segment;
        }
    };
    save_producers(&*disk, FOLDER, last.next_offset, &Producers::default()).unwrap();

    let files = CHECKPOINTS.map(|name| read(&*disk, name));
    let newest = Checkpoint::newest(&files[0], &files[1]).unwrap();
    let mut next = Checkpoint {
        sequence: newest.sequence + 1,
        ..newest
    };
    for mark in next.partitions.iter_mut().filter(|mark| mark.topic == 1) {
        mark.durable = Durable {
            segment: last.base_offset,
            position: last.size,
            next_offset: last.next_offset,
        };
    }
    for name in CHECKPOINTS {
        let file = disk.open(name, Mode::Write).unwrap();
        let bytes = next.encode().unwrap();
        put_at(&*file, &bytes, 0).unwrap();
        file.set_size(bytes.len() as u64).unwrap();
    }
    println!("{}", last.next_offset);
}

/// A segment of at most `size` bytes that says that it is full of batches.
fn hole(disk: &dyn Disk, base: u64, size: u32) -> Segment {
    let mut segment = Segment::create(disk, FOLDER, base).unwrap();
    while segment.size + BATCH_BYTES <= size {
        let header = Header {
            base_offset: segment.next_offset,
            size: BATCH_BYTES,
            attributes: Attributes::default(),
            last_delta: BATCH_RECORDS - 1,
            base_ms: 0,
            max_ms: i64::from(segment.size),
            producer: None,
            count: BATCH_RECORDS,
            crc: 0,
        };
        segment.added(&header);
    }
    segment.file.set_size(u64::from(segment.size)).unwrap();
    save_sidecars(disk, FOLDER, &segment, 0).unwrap();
    segment
}

fn read(disk: &dyn Disk, name: &str) -> Vec<u8> {
    let file: Arc<dyn File> = disk.open(name, Mode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    fill_at(&*file, &mut bytes, 0).unwrap();
    bytes
}
