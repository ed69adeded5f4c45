use std::sync::Arc;

use log::batch::{Encoded, Header, Input, Records, Shape, Times};
use log::sim::open_partition;
pub(crate) use log::sim::{FOLDER, REMOVED};
use log::{
    Appender, Boot, Codec, Disk, Durable, Error, MemoryDisk, Mode, Outcome, Recovered, Segment,
    SegmentState, fill_at, put_at,
};

/// Longest batch.
pub(crate) const MOST: u32 = 8 << 10;
/// Bytes of a segment, where a test does not say otherwise.
pub(crate) const SEGMENT: u32 = 1 << 20;
/// Nothing is known to be durable.
pub(crate) const NOTHING: Durable = Durable {
    segment: 0,
    position: 0,
    next_offset: 0,
};

/// A disk with the folder of an empty partition.
pub(crate) fn memory() -> Arc<MemoryDisk> {
    let disk = Arc::new(MemoryDisk::new());
    disk.create_folder(FOLDER).unwrap();
    disk
}

pub(crate) fn open(disk: &dyn Disk, durable: Durable, boot: Boot) -> Recovered {
    try_open(disk, durable, boot).unwrap()
}

pub(crate) fn try_open(disk: &dyn Disk, durable: Durable, boot: Boot) -> Result<Recovered, Error> {
    open_partition(disk, durable, boot, MOST)
}

/// One batch of these values.
pub(crate) fn encoded(appender: &mut Appender, values: &[&[u8]]) -> Encoded {
    let data = values.concat();
    let lengths: Vec<u32> = values.iter().map(|value| value.len() as u32).collect();
    let input = Input {
        data: &data,
        shape: Shape::Values(&lengths),
        times: Times::One(1_700_000_000_000),
    };
    appender.encode(&input, Codec::None, None).unwrap()
}

/// Appends one batch; rolls where that is needed.
pub(crate) fn append(disk: &dyn Disk, appender: &mut Appender, values: &[&[u8]]) -> (u64, u64) {
    let mut batch = encoded(appender, values);
    loop {
        match appender.write(batch).unwrap() {
            Outcome::Written {
                base_offset,
                next_offset,
            } => return (base_offset, next_offset),
            Outcome::Full(back) => {
                batch = back;
                let next = Segment::create(disk, FOLDER, appender.segment().next_offset).unwrap();
                let full = appender.roll(next).unwrap();
                full.file.sync_data().unwrap();
                disk.sync_folder(FOLDER).unwrap();
            }
        }
    }
}

/// A partition with these batches, each of two records, all in one segment unless `segment_bytes` is small.
pub(crate) fn filled(batches: u32, segment_bytes: u32) -> Arc<MemoryDisk> {
    let disk = memory();
    let opened = open(&*disk, NOTHING, Boot::Other);
    let mut appender = Appender::new(opened.active, segment_bytes, MOST);
    for batch in 0..batches {
        let first = value_of(u64::from(batch) * 2);
        let second = value_of(u64::from(batch) * 2 + 1);
        append(&*disk, &mut appender, &[&first, &second]);
    }
    disk
}

/// The value that the record with that offset has.
pub(crate) fn value_of(offset: u64) -> Vec<u8> {
    let length = usize::try_from(offset % 7).unwrap();
    [format!("record {offset} ").into_bytes(), vec![b'.'; length]].concat()
}

/// The bytes of a file.
pub(crate) fn bytes_of(disk: &dyn Disk, name: &str) -> Vec<u8> {
    let file = disk.open(name, Mode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    fill_at(&*file, &mut bytes, 0).unwrap();
    bytes
}

/// The first segment's file.
pub(crate) fn first_log(disk: &dyn Disk) -> Vec<u8> {
    bytes_of(disk, &log::log_name(FOLDER, 0))
}

/// A disk whose partition has one segment with these bytes.
pub(crate) fn with_log(bytes: &[u8]) -> Arc<MemoryDisk> {
    let disk = memory();
    let file = disk
        .open(&log::log_name(FOLDER, 0), Mode::CreateNew)
        .unwrap();
    put_at(&*file, bytes, 0).unwrap();
    disk
}

/// Where each batch of a valid segment begins, and where the last ends.
pub(crate) fn borders(bytes: &[u8]) -> Vec<usize> {
    let mut borders = vec![0];
    let mut at = 0;
    while at < bytes.len() {
        at += Header::parse_prefix(&bytes[at..], MOST).unwrap().size as usize;
        borders.push(at);
    }
    borders
}

/// All that can be read, by offset: of damaged segments what lies before the damage.
pub(crate) fn readable(opened: &Recovered) -> Vec<(u64, Vec<u8>)> {
    let mut all = Vec::new();
    for segment in opened.sealed.iter().chain([&opened.active]) {
        let (mut position, mut batch) = (0, Vec::new());
        let mut expected = segment.base_offset;
        loop {
            match segment.read_batch(position, &mut batch) {
                Ok(None) => break,
                Ok(Some(header)) if header.base_offset != expected => {
                    assert_eq!(segment.state, SegmentState::Damaged);
                    break;
                }
                Ok(Some(header)) => {
                    expected = header.next_offset();
                    position += header.size;
                    for record in Records::of_batch(&batch, &header).unwrap() {
                        let record = record.unwrap();
                        all.push((record.offset, record.value.unwrap().to_vec()));
                    }
                }
                Err(error) => {
                    assert_eq!(segment.state, SegmentState::Damaged, "{error}");
                    break;
                }
            }
        }
    }
    all
}

/// The records from `from` to `to`, as [`filled`] stores them.
pub(crate) fn records(from: u64, to: u64) -> Vec<(u64, Vec<u8>)> {
    (from..to)
        .map(|offset| (offset, value_of(offset)))
        .collect()
}

/// What every opening must keep to: done again with the old checkpoint it changes nothing more unless the damage stayed,
/// done again with the new one it says nothing at all, and it can be appended to behind all that was there.
pub(crate) fn settled(disk: &dyn Disk, opened: Recovered, boot: Boot) {
    let before = readable(&opened);
    let next = opened.active.next_offset;
    let again = open(disk, opened.durable, boot);
    assert_eq!(again.notes, []);
    assert_eq!(again.active.next_offset, next);
    assert_eq!(again.durable, opened.durable);
    // The sealed ones are not scanned any more, so they are read by the first opening.
    let mut appender = Appender::new(again.active, SEGMENT, MOST);
    assert_eq!(
        append(disk, &mut appender, &[b"one more"]),
        (next, next + 1)
    );
    let last = open(disk, opened.durable, boot);
    assert_eq!(last.notes, []);
    let mut now = readable(&Recovered {
        sealed: opened.sealed,
        ..last
    });
    assert_eq!(now.pop(), Some((next, b"one more".to_vec())));
    assert_eq!(now, before);
}
