//! Writes two partitions into a folder, for Kafka's own tools to read: `cargo run --example segments -- DIR`. One is that
//! of a directory that was opened and closed, the other begins at 2^40. All codecs, keys, headers, nulls, producers, times
//! that go back now and then, and several segments of each.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program of the tests"
)]

use std::path::{Path, PathBuf};
use std::sync::Arc;

use log::batch::{Input, ProducerMark, Shape, Times};
use log::{
    Appender, Codec, Committer, Config, Disk, OsDisk, Outcome, Producers, Segment, Step, Store,
    SystemClock, TopicName, TopicOptions, Writer, save_producers, save_sidecars,
};

const CODECS: [Codec; 5] = [
    Codec::None,
    Codec::Gzip,
    Codec::Snappy,
    Codec::Lz4,
    Codec::Zstd,
];
const SEGMENT_BYTES: u32 = 1 << 20;
const MOST: u32 = 4 << 20;
/// 2026-01-01.
const BEGIN_MS: u32 = 1_767_225_600;

/// Records of one batch as the encoder takes them.
#[derive(Default)]
struct Records {
    data: Vec<u8>,
    shape: Vec<u32>,
    times: Vec<f64>,
}

impl Records {
    fn input(&self) -> Input<'_> {
        Input {
            data: &self.data,
            shape: Shape::Full(&self.shape),
            times: Times::Each(&self.times),
        }
    }

    fn count(&self) -> u32 {
        u32::try_from(self.times.len()).unwrap()
    }

    /// `None` is null.
    fn push(&mut self, ms: f64, key: Option<&[u8]>, value: Option<&[u8]>, headers: &[u8]) {
        for part in [key, value] {
            let length = part.map_or(0, |bytes| bytes.len() + 1);
            self.shape.push(u32::try_from(length).unwrap());
            self.data.extend(part.unwrap_or_default());
        }
        self.shape.push(u32::try_from(headers.len()).unwrap());
        self.data.extend(headers);
        self.times.push(ms);
    }
}

/// The headers of some records: `kind: test` and `nothing: null`.
fn headers() -> Vec<u8> {
    let mut headers = Vec::new();
    for (key, value) in [("kind", Some("test")), ("nothing", None)] {
        headers.extend(u32::try_from(key.len()).unwrap().to_le_bytes());
        let length = value.map_or(0, |value| value.len() + 1);
        headers.extend(u32::try_from(length).unwrap().to_le_bytes());
        headers.extend(key.as_bytes());
        headers.extend(value.unwrap_or_default().as_bytes());
    }
    headers
}

/// Made-up bytes that are the same each time.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % sides
    }
}

/// The batch at `place`: 1 to 100 records, or one large one now and then.
fn records(place: u32, dice: &mut Dice) -> Records {
    let mut records = Records::default();
    let large = place % 17 == 16;
    let many = if large { 1 } else { 1 + dice.roll(100) };
    for n in 0..many {
        let back = dice.roll(4) * 1000;
        let ms = f64::from(BEGIN_MS) * 1000.0 + f64::from(place) * 700.0 - back as f64;
        let length = if large {
            200_000
        } else {
            usize::try_from(dice.roll(200)).unwrap()
        };
        let value: Vec<u8> = match n % 3 {
            0 => (0..length).map(|_| dice.roll(256) as u8).collect(),
            _ => b"text ".iter().copied().cycle().take(length).collect(),
        };
        let value = (n % 11 != 10).then_some(value);
        let key = (n % 4 != 0).then(|| format!("key {}", n % 9));
        let headers = if n % 5 == 0 { headers() } else { Vec::new() };
        records.push(
            ms,
            key.as_ref().map(String::as_bytes),
            value.as_deref(),
            &headers,
        );
    }
    records
}

/// Who writes batch after batch.
struct Marks {
    sequences: [u32; 3],
}

impl Marks {
    const fn new() -> Self {
        // One goes round soon.
        Self {
            sequences: [0, i32::MAX as u32 - 500, 7],
        }
    }

    /// Every other batch has no producer.
    fn next(&mut self, place: u32, count: u32) -> Option<ProducerMark> {
        if !place.is_multiple_of(2) {
            return None;
        }
        let who = place as usize / 2 % self.sequences.len();
        let next = self.sequences.get_mut(who).unwrap();
        let sequence = *next;
        *next = (sequence + count) & i32::MAX as u32;
        Some(ProducerMark {
            id: (1 << 62) + who as u64,
            epoch: 0,
            sequence,
        })
    }
}

fn codec(place: u32) -> Codec {
    CODECS.get(place as usize % 5).copied().unwrap()
}

/// Appends so many batches to a topic of a new directory, which is closed and opened again in the middle.
fn directory(root: &Path, batches: u32) {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk::new(root));
    let name = TopicName::parse(b"records").unwrap();
    let options = TopicOptions {
        segment_bytes: SEGMENT_BYTES,
        max_batch_bytes: MOST,
        ..TopicOptions::default()
    };
    let (mut dice, mut marks) = (Dice(0x5eed), Marks::new());
    let mut end = 0;
    for half in [0..batches / 2, batches / 2..batches] {
        let clock = Arc::new(SystemClock::new());
        let (store, _) = Store::open(Arc::clone(&disk), clock, &Config::default()).unwrap();
        if store.topic(&name).is_none() {
            store.create_topic(&name, &options).unwrap();
        }
        let partition = store.partition(1, 0).unwrap();
        let mut committer = Committer::new();
        for place in half {
            let records = records(place, &mut dice);
            let writer = Writer {
                compression: codec(place).into(),
                mark: marks.next(place, records.count()),
                ..Writer::default()
            };
            // What does not fit the segment is queued, and written by the next step.
            let _ = partition.append(&records.input(), &writer, true).unwrap();
            while committer.step(&store) == Step::Worked {}
            while store.housekeep() {}
        }
        end = partition.ends().durable;
        store.close(None).unwrap();
    }
    tell(root, &*disk, "topics/00000001/0", [0, end], batches);
}

/// Writes so many batches from `base` on, and closes the partition.
fn partition(root: &Path, base: u64, batches: u32) {
    let disk = OsDisk::new(root);
    let folder = "0";
    for folder in ["", folder] {
        disk.create_folder(folder).unwrap();
    }
    let (mut dice, mut marks) = (Dice(0xd1ce), Marks::new());
    let segment = Segment::create(&disk, folder, base).unwrap();
    let mut appender = Appender::new(segment, SEGMENT_BYTES, MOST);
    let mut producers = Producers::default();
    for place in 0..batches {
        let records = records(place, &mut dice);
        let mark = marks.next(place, records.count());
        let mut batch = appender
            .encode(&records.input(), codec(place), mark)
            .unwrap();
        let mut header = *batch.header();
        loop {
            match appender.write(batch).unwrap() {
                Outcome::Written { base_offset, .. } => {
                    header.base_offset = base_offset;
                    break;
                }
                Outcome::Full(back) => {
                    batch = back;
                    let next = appender.segment().next_offset;
                    let next = Segment::create(&disk, folder, next).unwrap();
                    let full = appender.roll(next).unwrap();
                    save_sidecars(&disk, folder, &full, 0).unwrap();
                    save_producers(&disk, folder, full.next_offset, &producers).unwrap();
                }
            }
        }
        producers.add(&header, i64::from(BEGIN_MS) * 1000);
    }
    let last = appender.segment();
    save_sidecars(&disk, folder, last, 0).unwrap();
    save_producers(&disk, folder, last.next_offset, &producers).unwrap();
    tell(root, &disk, folder, [base, last.next_offset], batches);
}

/// Says what is where: folder, first offset, the one behind the last, batches, segments.
fn tell(root: &Path, disk: &dyn Disk, folder: &str, [base, end]: [u64; 2], batches: u32) {
    let entries = disk.list(folder).unwrap();
    let segments = entries
        .iter()
        .filter(|entry| log::base_of(&entry.name).is_some())
        .count();
    let folder = root.join(folder);
    println!("{} {base} {end} {batches} {segments}", folder.display());
}

fn main() {
    let root = PathBuf::from(std::env::args_os().nth(1).unwrap());
    directory(&root.join("closed"), 400);
    partition(&root.join("far"), 1 << 40, 150);
}
