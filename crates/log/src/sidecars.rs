use std::io;

use crate::batch::crc32c;
use crate::disk::{Disk, Mode, fill_at, put_at};
use crate::locks::lock;
use crate::segment::{Segment, SegmentState, beside, offset_in};
use crate::{Error, Indexer, OffsetIndex, Producers, Seal, TimeIndex};

/// Writes the files beside a segment that say what a scan would: its indexes, and its seal last. They are not synced: the
/// seal tells whether they are whole. `appended_ms` is when something was appended last.
///
/// # Errors
///
/// `Storage` or `NoSpace`, as the system says; the segment is scanned then when it is needed.
pub fn save_sidecars(
    disk: &dyn Disk,
    folder: &str,
    segment: &Segment,
    appended_ms: i64,
) -> Result<(), Error> {
    // A segment that goes on after a close has no last entry for it, so it is given to a copy.
    let mut indexer = lock(&segment.indexer).clone();
    indexer.seal();
    let index = indexer.offsets.encode();
    let times = indexer.times.encode();
    // Less than the log, whose length is 31 bits: a batch is longer than its entries.
    let length = |bytes: &[u8]| u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let seal = Seal {
        log_bytes: segment.size,
        index_bytes: length(&index),
        index_crc: crc32c(&index),
        time_index_bytes: length(&times),
        time_index_crc: crc32c(&times),
        next_offset: segment.next_offset,
        max_ms: indexer.max_ms().unwrap_or(-1),
        appended_ms,
        records: segment.next_offset.saturating_sub(segment.base_offset),
        batches: indexer.batches,
        damaged: segment.state == SegmentState::Damaged,
    };
    let base = segment.base_offset;
    save(disk, &beside(folder, base, "index"), &index)?;
    save(disk, &beside(folder, base, "timeindex"), &times)?;
    save(disk, &beside(folder, base, "seal"), &seal.encode())
}

/// What the files beside a segment say; `None` if they are missing, damaged, or of another file than one of `log_bytes`:
/// it must be scanned.
#[must_use]
pub fn load_sidecars(
    disk: &dyn Disk,
    folder: &str,
    base: u64,
    log_bytes: u32,
) -> Option<(Seal, Indexer)> {
    let seal = load_seal(disk, folder, base, log_bytes)?;
    let load_part = |kind, length: u32, crc| {
        // Not longer than the batches that it tells of, whatever the seal says.
        let most = u64::from(length.min(log_bytes));
        let bytes = load(disk, &beside(folder, base, kind), most)?;
        let whole = u32::try_from(bytes.len()) == Ok(length) && crc32c(&bytes) == crc;
        whole.then_some(bytes)
    };
    let index = load_part("index", seal.index_bytes, seal.index_crc)?;
    let times = load_part("timeindex", seal.time_index_bytes, seal.time_index_crc)?;
    let offsets = OffsetIndex::decode(&index, base, log_bytes)?;
    let times = TimeIndex::decode(&times, base, seal.next_offset)?;
    let max_ms = (seal.batches > 0).then_some(seal.max_ms);
    let indexer = Indexer::restored(offsets, times, log_bytes, seal.batches, max_ms)?;
    Some((seal, indexer))
}

/// The seal alone, which tells where a segment ends; the indexes can wait until somebody looks for something.
#[must_use]
pub fn load_seal(disk: &dyn Disk, folder: &str, base: u64, log_bytes: u32) -> Option<Seal> {
    stored_seal(disk, folder, base).filter(|seal| seal.log_bytes == log_bytes)
}

/// The seal that stands beside a segment, though its file may have another length now.
pub(crate) fn stored_seal(disk: &dyn Disk, folder: &str, base: u64) -> Option<Seal> {
    const LONGEST: u64 = 1024;
    let bytes = load(disk, &beside(folder, base, "seal"), LONGEST)?;
    Seal::decode(&bytes).filter(|seal| seal.next_offset >= base)
}

/// Removes the files beside a segment, as far as they are there: before it is removed itself, or when it was cut.
///
/// # Errors
///
/// `Storage`, as the system says.
pub fn remove_sidecars(disk: &dyn Disk, folder: &str, base: u64) -> Result<(), Error> {
    for kind in ["seal", "index", "timeindex"] {
        remove(disk, &beside(folder, base, kind))?;
    }
    Ok(())
}

/// Writes what is known of producers of records below `next_offset`, and removes all but the newest two of such files.
///
/// # Errors
///
/// `Storage` or `NoSpace`, as the system says.
pub fn save_producers(
    disk: &dyn Disk,
    folder: &str,
    next_offset: u64,
    producers: &Producers,
) -> Result<(), Error> {
    const KEPT: usize = 2;
    let name = beside(folder, next_offset, "snapshot");
    save(disk, &name, &producers.encode())?;
    let snapshots = snapshots(disk, folder)?;
    for old in snapshots.iter().rev().skip(KEPT) {
        remove(disk, &beside(folder, *old, "snapshot"))?;
    }
    Ok(())
}

/// The newest producers that are stored for an offset of at most `offset`, and that offset: batches from there on are to
/// be added. Those that are stored for higher offsets are of a log that is not there any more, and are removed, so that
/// it is never read for another one with those offsets.
///
/// # Errors
///
/// `Storage`, as the system says, if the folder cannot be read.
pub fn load_producers(
    disk: &dyn Disk,
    folder: &str,
    offset: u64,
) -> Result<Option<(u64, Producers)>, Error> {
    // Five million producers.
    const LONGEST: u64 = 256 << 20;
    let mut found = None;
    for at in snapshots(disk, folder)? {
        let name = beside(folder, at, "snapshot");
        if at > offset {
            remove(disk, &name)?;
        } else if let Some(bytes) = load(disk, &name, LONGEST)
            && let Some(producers) = Producers::decode(&bytes, at)
        {
            found = Some((at, producers));
        }
    }
    Ok(found)
}

/// The offsets that producers are stored for, in order.
fn snapshots(disk: &dyn Disk, folder: &str) -> Result<Vec<u64>, Error> {
    let entries = disk
        .list(folder)
        .map_err(|error| Error::system("readdir", folder, &error))?;
    let mut offsets: Vec<u64> = entries
        .iter()
        .filter(|entry| !entry.is_folder)
        .filter_map(|entry| offset_in(&entry.name, "snapshot"))
        .collect();
    offsets.sort_unstable();
    Ok(offsets)
}

/// Writes a whole file, over what was there.
fn save(disk: &dyn Disk, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let opened = match disk.open(name, Mode::CreateNew) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => disk.open(name, Mode::Write),
        opened => opened,
    };
    let file = opened.map_err(|error| Error::system("open", name, &error))?;
    put_at(&*file, bytes, 0)
        .and_then(|()| file.set_size(bytes.len() as u64))
        .map_err(|error| Error::system("write", name, &error))
}

/// A whole file; `None` if it is not there, cannot be read, or is longer than `most`.
fn load(disk: &dyn Disk, name: &str, most: u64) -> Option<Vec<u8>> {
    let file = disk.open(name, Mode::Read).ok()?;
    let size = file.size().ok().filter(|size| *size <= most)?;
    let size = usize::try_from(size).ok()?;
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).ok()?;
    bytes.resize(size, 0);
    let read = fill_at(&*file, &mut bytes, 0).ok()?;
    (read == size).then_some(bytes)
}

fn remove(disk: &dyn Disk, name: &str) -> Result<(), Error> {
    match disk.remove_file(name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::system("unlink", name, &error))
        }
        _ => Ok(()),
    }
}
