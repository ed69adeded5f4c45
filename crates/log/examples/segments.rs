//! Writes two partitions into a folder, for Kafka's own tools to read: `cargo run --example segments -- DIR`. All
//! codecs, keys, headers, nulls, producers, times that go back now and then, and several segments of each.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program of the tests"
)]

use std::path::PathBuf;

use log::batch::{Encoded, Input, ProducerMark, Shape, Times};
use log::{
    Appender, Codec, Disk, OsDisk, Outcome, Producers, Segment, save_producers, save_sidecars,
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

fn encode(
    appender: &mut Appender,
    records: &Records,
    codec: Codec,
    mark: Option<ProducerMark>,
) -> Encoded {
    let input = Input {
        data: &records.data,
        shape: Shape::Full(&records.shape),
        times: Times::Each(&records.times),
    };
    appender.encode(&input, codec, mark).unwrap()
}

/// Writes so many batches from `base` on, and closes the partition.
fn partition(disk: &dyn Disk, folder: &str, base: u64, batches: u32) {
    let mut dice = Dice(0x5eed);
    let segment = Segment::create(disk, folder, base).unwrap();
    let mut appender = Appender::new(segment, SEGMENT_BYTES, MOST);
    let mut producers = Producers::default();
    let mut sequences = [0, i32::MAX as u32 - 500, 7];
    let mut segments = 1;
    for place in 0..batches {
        let records = records(place, &mut dice);
        let count = u32::try_from(records.times.len()).unwrap();
        // Every other batch has no producer.
        let who = place as usize / 2 % 3;
        let mark = (place % 2 == 0).then(|| ProducerMark {
            id: (1 << 62) + who as u64,
            epoch: 0,
            sequence: sequences.get(who).copied().unwrap(),
        });
        let codec = CODECS.get(place as usize % 5).copied().unwrap();
        let mut batch = encode(&mut appender, &records, codec, mark);
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
                    let next = Segment::create(disk, folder, next).unwrap();
                    let full = appender.roll(next).unwrap();
                    save_sidecars(disk, folder, &full, 0).unwrap();
                    save_producers(disk, folder, full.next_offset, &producers).unwrap();
                    segments += 1;
                }
            }
        }
        producers.add(&header, i64::from(BEGIN_MS) * 1000);
        if let Some(sequence) = sequences.get_mut(who).filter(|_| mark.is_some()) {
            *sequence = (*sequence + count) & i32::MAX as u32;
        }
    }
    let last = appender.segment();
    save_sidecars(disk, folder, last, 0).unwrap();
    save_producers(disk, folder, last.next_offset, &producers).unwrap();
    let end = last.next_offset;
    println!("{folder} {base} {end} {batches} {segments}");
}

fn main() {
    let root = PathBuf::from(std::env::args_os().nth(1).unwrap());
    let disk = OsDisk::new(root);
    for (folder, base, batches) in [("0", 0, 400), ("1", 1 << 40, 150)] {
        disk.create_folder(folder).unwrap();
        partition(&disk, folder, base, batches);
    }
}
