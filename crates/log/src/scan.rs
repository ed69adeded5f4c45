use std::collections::BTreeMap;

use crate::batch::{Fault, HEADER_BYTES, Header, MAGIC, check};
use crate::disk::File;
use crate::index::MOST_DELTA;
use crate::window::Window;
use crate::{Error, Indexer, Producers, Segment};

/// What a segment holds up to the first byte that is not as it should be.
#[derive(Debug)]
pub struct Scan {
    /// Where the valid batches end.
    pub end: u32,
    /// Offset behind the last of them.
    pub next_offset: u64,
    /// How many there are.
    pub batches: u32,
    /// Indexes made on the way.
    pub indexer: Indexer,
    /// Whether a producer marked any of them.
    pub is_marked: bool,
    /// What is wrong at `end`; `None` if nothing is there any more.
    pub fault: Option<Fault>,
}

/// Reads a segment from its beginning: each batch must hold all bounds, begin with the offset that is expected, and have
/// the right checksum. `size` is that of the file, `most` the limit of a batch.
///
/// # Errors
///
/// `Storage` if the file cannot be read, or there is no memory for a batch.
pub fn scan(file: &dyn File, name: &str, base: u64, size: u32, most: u32) -> Result<Scan, Error> {
    let mut window = Window::new(file, name, size);
    let mut scan = Scan {
        end: 0,
        next_offset: base,
        batches: 0,
        indexer: Indexer::new(base),
        is_marked: false,
        fault: None,
    };
    while scan.end < size {
        match batch_at(&mut window, scan.end, most)? {
            Ok(header) if header.base_offset != scan.next_offset => {
                scan.fault = Some(Fault::Offset);
            }
            Ok(header) => {
                scan.indexer.add(&header, scan.end);
                scan.end += header.size;
                scan.next_offset = header.next_offset();
                scan.batches += 1;
                scan.is_marked |= header.producer.is_some();
                continue;
            }
            Err(fault) => scan.fault = Some(fault),
        }
        break;
    }
    Ok(scan)
}

/// Adds the batches of a segment with offsets from `from` on to what is known of producers, as far as they can be read.
///
/// # Errors
///
/// `Storage` if the file cannot be read.
pub(crate) fn replay(
    segment: &Segment,
    from: u64,
    at_ms: i64,
    producers: &mut Producers,
) -> Result<(), Error> {
    let mut window = Window::new(&*segment.file, &segment.name, segment.size);
    let mut at = 0;
    while at < segment.size {
        let left = segment.size - at;
        let bytes = window.bytes(at, HEADER_BYTES as u32)?;
        let Ok(header) = Header::parse_prefix(bytes, left) else {
            break;
        };
        if header.base_offset >= from {
            producers.add(&header, at_ms);
        }
        at += header.size;
    }
    Ok(())
}

/// Valid batches one behind the other, with something else before them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Run {
    /// Where the first begins.
    pub from: u32,
    /// Where the last ends.
    pub to: u32,
    /// Offset of the first record.
    pub first_offset: u64,
    /// Offset behind the last record.
    pub next_offset: u64,
    /// How many batches there are.
    pub batches: u32,
}

/// What lies behind the first bad byte of a segment.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Survey {
    /// Valid batches, by position and by offset.
    pub runs: Vec<Run>,
    /// There was so much that looks like a batch and is none that not all of it was looked at: there may be more.
    pub gave_up: bool,
}

/// Bytes of which checksums are computed, for each byte of the segment: forged headers may claim the same bytes often.
const CHECKS_PER_BYTE: u64 = 16;
/// Runs that are kept; more cannot come of damage.
const MOST_RUNS: usize = 4096;

/// Looks for valid batches behind the bad byte that [`scan`] ended at, with higher offsets that end below `ceiling`: the
/// base of the segment behind this one.
///
/// A value may itself hold whole batches, by chance or by malice. So a batch that lies inside of what a readable header
/// at the bad byte claims only counts if it has the very offset that must follow, and where runs contradict each other,
/// the longest counts.
///
/// # Errors
///
/// As [`scan`].
pub fn survey(
    file: &dyn File,
    name: &str,
    base: u64,
    size: u32,
    most: u32,
    scan: &Scan,
    ceiling: u64,
) -> Result<Survey, Error> {
    let mut window = Window::new(file, name, size);
    let torn = torn_at(&mut window, scan, most)?;
    let ceiling = ceiling.min(base.saturating_add(MOST_DELTA + 1));
    let mut budget = u64::from(size) * CHECKS_PER_BYTE;
    let mut runs: Vec<Run> = Vec::new();
    let mut gave_up = false;
    let mut at = scan.end.saturating_add(1);
    while let Some((place, claimed)) = next_candidate(&mut window, at, most)? {
        gave_up = runs.len() >= MOST_RUNS || budget < u64::from(claimed.size);
        if gave_up {
            break;
        }
        budget -= u64::from(claimed.size);
        let Ok(header) = batch_at(&mut window, place, most)? else {
            at = place + 1;
            continue;
        };
        // Whether it counts or not: what lies inside of a valid batch is its own.
        at = place + header.size;
        if header.base_offset <= scan.next_offset || header.next_offset() > ceiling {
            continue;
        }
        match runs.last_mut() {
            Some(last) if last.to == place && last.next_offset == header.base_offset => {
                last.to = at;
                last.next_offset = header.next_offset();
                last.batches += 1;
            }
            _ if torn.is_none_or(|torn| torn.admits(place, header.base_offset)) => {
                runs.push(Run {
                    from: place,
                    to: at,
                    first_offset: header.base_offset,
                    next_offset: header.next_offset(),
                    batches: 1,
                });
            }
            _ => {}
        }
    }
    Ok(Survey {
        runs: consistent(runs),
        gave_up,
    })
}

/// A header at the bad byte that can be read and has the offset that was expected: a torn batch, or a damaged one.
#[derive(Clone, Copy)]
struct Torn {
    /// Where it says that it ends, perhaps behind the end of the file.
    end: u64,
    next_offset: u64,
}

impl Torn {
    /// Whether a batch at `place` that begins with `first_offset` may be one of the log.
    fn admits(self, place: u32, first_offset: u64) -> bool {
        first_offset == self.next_offset
            || (u64::from(place) >= self.end && first_offset > self.next_offset)
    }
}

fn torn_at(window: &mut Window<'_>, scan: &Scan, most: u32) -> Result<Option<Torn>, Error> {
    let bytes = window.bytes(scan.end, HEADER_BYTES as u32)?;
    let header = Header::parse_prefix(bytes, most).ok();
    let header = header.filter(|header| header.base_offset == scan.next_offset);
    Ok(header.map(|header| Torn {
        end: u64::from(scan.end) + u64::from(header.size),
        next_offset: header.next_offset(),
    }))
}

/// The next place from `at` on where a header stands whose batch ends within the segment, and that header.
fn next_candidate(
    window: &mut Window<'_>,
    mut at: u32,
    most: u32,
) -> Result<Option<(u32, Header)>, Error> {
    const MAGIC_AT: usize = 16;
    let size = window.size();
    loop {
        let bytes = window.bytes(at, HEADER_BYTES as u32)?;
        if bytes.len() < HEADER_BYTES {
            return Ok(None);
        }
        let mut place = at;
        for head in bytes.windows(HEADER_BYTES) {
            let left = size.saturating_sub(place).min(most);
            if head.get(MAGIC_AT) == Some(&MAGIC)
                && let Ok(header) = Header::parse_prefix(head, left)
            {
                return Ok(Some((place, header)));
            }
            place += 1;
        }
        at = place;
    }
}

/// The longest runs that do not contradict each other, by position.
fn consistent(mut found: Vec<Run>) -> Vec<Run> {
    found.sort_by_key(|run| std::cmp::Reverse(run.to - run.from));
    let mut kept: BTreeMap<u32, Run> = BTreeMap::new();
    for run in found {
        let before = kept.range(..run.from).next_back();
        let behind = kept.range(run.from..).next();
        if before.is_none_or(|(_, before)| before.next_offset <= run.first_offset)
            && behind.is_none_or(|(_, behind)| run.next_offset <= behind.first_offset)
        {
            kept.insert(run.from, run);
        }
    }
    kept.into_values().collect()
}

/// The batch at `at`, if it is one.
fn batch_at(window: &mut Window<'_>, at: u32, most: u32) -> Result<Result<Header, Fault>, Error> {
    let left = window.size().saturating_sub(at).min(most);
    let bytes = window.bytes(at, HEADER_BYTES as u32)?;
    let header = match Header::parse_prefix(bytes, left) {
        Ok(header) => header,
        Err(fault) => return Ok(Err(fault)),
    };
    let bytes = window.bytes(at, header.size)?;
    let batch = bytes.get(..header.size as usize).unwrap_or(bytes);
    Ok(check(batch, &header).map(|()| header))
}
