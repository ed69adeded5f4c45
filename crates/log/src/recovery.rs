use std::io;
use std::sync::{Arc, Mutex};

use crate::disk::{Disk, File, Mode, fill_at, put_at};
use crate::report::Note;
use crate::scan::{Scan, scan, survey};
use crate::segment::{MAX_SEGMENT_BYTES, Segment, SegmentState, base_of, log_name};
use crate::sidecars::load_sidecars;
use crate::small_file::make_folder;
use crate::{Error, ErrorKind};

/// Whether the machine has run on since the last checkpoint. Only then did the page cache survive.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Boot {
    /// The same boot: no power was lost, at most a process was killed.
    Same,
    /// Another one, or it cannot be told.
    Other,
}

/// What the checkpoint tells of a partition: all below is durable. A lower bound; the default promises nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Durable {
    /// Base offset of the segment that the position is in.
    pub segment: u64,
    /// Bytes of that segment that are durable; all segments before are.
    pub position: u32,
    /// Offset at that position.
    pub next_offset: u64,
}

impl Durable {
    /// The same, where all before `start` is durable and is deleted: a segment begins there.
    pub(crate) const fn not_before(self, start: u64) -> Self {
        if self.segment >= start {
            return self;
        }
        Self {
            segment: start,
            position: 0,
            next_offset: start,
        }
    }
}

/// A partition that is to be opened.
#[derive(Clone, Copy)]
pub struct Opening<'a> {
    /// The disk it is on.
    pub disk: &'a dyn Disk,
    /// Its folder.
    pub folder: &'a str,
    /// Folder for what is cut off; made if it is missing.
    pub removed: &'a str,
    /// What the files in there are called by, such as `1-0`.
    pub label: &'a str,
    /// What was durable at the last checkpoint.
    pub durable: Durable,
    /// Whether the machine has run on since.
    pub boot: Boot,
    /// Longest batch in bytes: what one torn write may leave.
    pub max_batch_bytes: u32,
}

/// A partition that is ready: all that is in it is durable.
pub struct Recovered {
    /// Segments before the active one, in order. Those before the checkpoint's were not scanned: their indexes are empty.
    pub sealed: Vec<Segment>,
    /// The last segment. Its folder entry is durable as well.
    pub active: Segment,
    /// What the next checkpoint says. It must be durable before anything is appended if there are notes: a later
    /// opening must not judge again by the old one.
    pub durable: Durable,
    /// What was found and done; empty after a clean close.
    pub notes: Vec<Note>,
    /// Segments from this base offset on have been scanned; those before have no index yet.
    pub first_scanned: u64,
    /// Producers marked some of what was scanned.
    pub is_marked: bool,
}

/// Opens a partition after a clean close: nothing is scanned but what has lost its indexes. `None` if it is not as the
/// checkpoint says.
///
/// # Errors
///
/// `Storage` if something cannot be read.
pub fn recover_clean(opening: &Opening<'_>) -> Result<Option<Recovered>, Error> {
    let Opening {
        disk,
        folder,
        durable,
        ..
    } = *opening;
    let mut found = Recovery::new(opening).segments()?;
    let Some(last) = found.pop() else {
        return Ok(None);
    };
    if (last.base, last.size) != (durable.segment, durable.position) {
        return Ok(None);
    }
    let indexer = if let Some((_, indexer)) = load_sidecars(disk, folder, last.base, last.size) {
        indexer
    } else {
        let most = opening.max_batch_bytes;
        let scanned = scan(&*last.file, &last.name, last.base, last.size, most)?;
        if (scanned.end, scanned.next_offset) != (durable.position, durable.next_offset) {
            return Ok(None);
        }
        scanned.indexer
    };
    let active = Segment {
        state: SegmentState::Active,
        next_offset: durable.next_offset,
        ..last.scanned(indexer)
    };
    Ok(Some(Recovered {
        sealed: found.into_iter().map(Found::unscanned).collect(),
        active,
        durable,
        notes: Vec::new(),
        first_scanned: last.base,
        is_marked: false,
    }))
}

/// Opens a partition after whatever happened to it. Keeps the longest valid prefix of what nobody was promised, and all
/// that somebody was, damaged or not. Cuts nothing of more than one write without keeping a copy. Done twice, the second
/// time changes nothing.
///
/// # Errors
///
/// `Storage` or `NoSpace` if something cannot be read, or not be kept aside: nothing is cut then.
pub fn recover(opening: &Opening<'_>) -> Result<Recovered, Error> {
    Recovery::new(opening).run()
}

struct Recovery<'a> {
    opening: &'a Opening<'a>,
    notes: Vec<Note>,
    /// What stood before is lost, though it was promised: a gap behind it says nothing against what follows.
    gap_is_damage: bool,
    is_marked: bool,
}

/// A segment that was found, before it is looked at.
struct Found {
    base: u64,
    size: u32,
    name: String,
    file: Arc<dyn File>,
}

impl<'a> Recovery<'a> {
    const fn new(opening: &'a Opening<'a>) -> Self {
        Self {
            opening,
            notes: Vec::new(),
            gap_is_damage: false,
            is_marked: false,
        }
    }

    fn run(&mut self) -> Result<Recovered, Error> {
        let mut found = self.segments()?.into_iter().peekable();
        let durable = self.opening.durable;
        let mut sealed: Vec<Segment> = Vec::new();
        let mut expected = None;
        while let Some(one) = found.next_if(|one| one.base < durable.segment) {
            sealed.push(one.unscanned());
        }
        let mut left = Vec::from_iter(found);
        left.reverse();
        let own = left.last().map(|first| first.base);
        if own != Some(durable.segment) && durable != Durable::default() {
            self.gap_is_damage = true;
            let (first, next) = (durable.segment, durable.next_offset.max(durable.segment));
            if first < next {
                self.notes.push(Note::Missing { first, next });
            }
            expected = Some(next);
        }
        while let Some(one) = left.pop() {
            if let Some(next) = expected
                && one.base != next
                && !self.takes_gap(&one, next)?
            {
                continue;
            }
            let behind = left.iter().rev().find(|later| self.tells(later));
            let segment = self.segment(&one, behind.map(|later| later.base))?;
            self.gap_is_damage = segment.state == SegmentState::Damaged;
            expected = Some(segment.next_offset);
            sealed.push(segment);
        }
        let active = self.active(&mut sealed, expected)?;
        // Also when nothing here has changed it: the one who died may have made a segment and not come to this.
        self.sync_folder(self.opening.folder)?;
        let durable = Durable {
            segment: active.base_offset,
            position: active.size,
            next_offset: active.next_offset,
        };
        let notes = std::mem::take(&mut self.notes);
        Ok(Recovered {
            sealed,
            active,
            durable,
            notes,
            first_scanned: self.opening.durable.segment,
            is_marked: self.is_marked,
        })
    }

    /// All segments of the folder, by base offset. What is called otherwise is left alone.
    fn segments(&self) -> Result<Vec<Found>, Error> {
        let Opening { disk, folder, .. } = *self.opening;
        let entries = disk
            .list(folder)
            .map_err(|error| Error::system("readdir", folder, &error))?;
        let mut found = Vec::new();
        for entry in entries.iter().filter(|entry| !entry.is_folder) {
            let Some(base) = base_of(&entry.name) else {
                continue;
            };
            let name = log_name(folder, base);
            let file = disk
                .open(&name, Mode::Write)
                .map_err(|error| Error::system("open", &name, &error))?;
            let size = file
                .size()
                .map_err(|error| Error::system("stat", &name, &error))?;
            let fits = u32::try_from(size)
                .ok()
                .filter(|size| *size <= MAX_SEGMENT_BYTES);
            let Some(size) = fits else {
                let message = format!(
                    "the file {name} has {size} bytes, and a segment at most {MAX_SEGMENT_BYTES}; put the right file in its place, or move it away, and open again. Nothing was changed"
                );
                return Err(Error::new(ErrorKind::Storage, message));
            };
            found.push(Found {
                base,
                size,
                name,
                file,
            });
        }
        found.sort_by_key(|one| one.base);
        Ok(found)
    }

    /// A segment that does not begin where the one before ends: whether it stays nevertheless.
    fn takes_gap(&mut self, one: &Found, next: u64) -> Result<bool, Error> {
        let explained = self.gap_is_damage || self.opening.boot == Boot::Same;
        if one.base > next && explained && self.tells(one) {
            let (first, next) = (next, one.base);
            self.notes.push(Note::Missing { first, next });
            return Ok(true);
        }
        self.take_out(one)?;
        Ok(false)
    }

    /// Whether a segment shows that all before its base was written. An empty one does while the power is on; later its
    /// name may have arrived and what was written before it not.
    fn tells(&self, one: &Found) -> bool {
        one.size > 0 || self.opening.boot == Boot::Same
    }

    /// One segment from the checkpoint's on: scanned, judged, and settled. `behind` is the base of the next one that
    /// tells anything.
    fn segment(&mut self, one: &Found, behind: Option<u64>) -> Result<Segment, Error> {
        let most = self.opening.max_batch_bytes;
        let scanned = scan(&*one.file, &one.name, one.base, one.size, most)?;
        self.is_marked |= scanned.is_marked;
        let mut segment = one.scanned(scanned.indexer.clone());
        segment.next_offset = scanned.next_offset;
        if scanned.end < one.size || self.promised_more(one, &scanned) {
            self.judge(one, &scanned, behind, &mut segment)?;
        }
        self.settle(&segment)?;
        Ok(segment)
    }

    /// Whether the segment ends before what the checkpoint says.
    fn promised_more(&self, one: &Found, scanned: &Scan) -> bool {
        let durable = self.opening.durable;
        one.base == durable.segment && scanned.end < durable.position
    }

    /// What becomes of a segment that is not valid to its end.
    fn judge(
        &mut self,
        one: &Found,
        scanned: &Scan,
        behind: Option<u64>,
        segment: &mut Segment,
    ) -> Result<(), Error> {
        let most = self.opening.max_batch_bytes;
        let ceiling = behind.unwrap_or(u64::MAX);
        let survey = survey(
            &*one.file, &one.name, one.base, one.size, most, scanned, ceiling,
        )?;
        let promised = self.promised_more(one, scanned);
        let followed = behind.is_some() || survey.gave_up || !survey.runs.is_empty();
        if promised || (followed && self.opening.boot == Boot::Same) {
            self.keep_damaged(one, scanned, &survey.runs, segment);
            return Ok(());
        }
        let batches = survey.runs.iter().map(|run| run.batches).sum();
        let bytes = one.size - scanned.end;
        let kept_as = if followed || bytes > most {
            Some(self.copy_tail(one, scanned.end)?)
        } else {
            None
        };
        one.file
            .set_size(u64::from(scanned.end))
            .map_err(|error| Error::system("truncate", &one.name, &error))?;
        segment.size = scanned.end;
        self.notes.push(Note::Cut {
            segment: one.base,
            at: scanned.end,
            bytes,
            batches,
            kept_as,
        });
        Ok(())
    }

    /// Leaves all bytes as they are, and tells which offsets cannot be read.
    fn keep_damaged(
        &mut self,
        one: &Found,
        scanned: &Scan,
        runs: &[crate::Run],
        segment: &mut Segment,
    ) {
        let durable = self.opening.durable;
        segment.state = SegmentState::Damaged;
        let (mut from, mut first) = (scanned.end, scanned.next_offset);
        for run in runs {
            self.notes.push(Note::Damaged {
                segment: one.base,
                from,
                to: run.from,
                first,
                next: run.first_offset,
            });
            (from, first) = (run.to, run.next_offset);
        }
        // A new segment follows, and two of them cannot have one name.
        segment.next_offset = first.max(one.base + 1);
        if one.base == durable.segment {
            segment.next_offset = segment.next_offset.max(durable.next_offset);
        }
        if from < one.size || segment.next_offset > first || runs.is_empty() {
            self.notes.push(Note::Damaged {
                segment: one.base,
                from,
                to: one.size,
                first,
                next: segment.next_offset,
            });
        }
    }

    /// Writes what is beyond the checkpoint once more, as it is, and syncs it: pages that a failed fsync has marked clean
    /// become dirty again.
    fn settle(&self, segment: &Segment) -> Result<(), Error> {
        const STEP: usize = 1 << 20;
        let durable = self.opening.durable;
        let own = segment.base_offset == durable.segment;
        let mut at = u64::from(if own { durable.position } else { 0 });
        let end = u64::from(segment.size);
        let failed = |call, error: io::Error| Error::system(call, &segment.name, &error);
        let mut buffer = Vec::new();
        while at < end {
            let many = usize::try_from(end - at).unwrap_or(STEP).min(STEP);
            buffer.resize(many, 0);
            let read = fill_at(&*segment.file, &mut buffer, at).map_err(|e| failed("read", e))?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            put_at(&*segment.file, bytes, at).map_err(|e| failed("write", e))?;
            at += read as u64;
        }
        segment.file.sync_data().map_err(|e| failed("fdatasync", e))
    }

    /// The segment that batches are added to: the last one, or a new one if that is damaged or there is none.
    fn active(
        &mut self,
        sealed: &mut Vec<Segment>,
        expected: Option<u64>,
    ) -> Result<Segment, Error> {
        let scanned = expected.is_some();
        match sealed.pop() {
            Some(last)
                if scanned
                    && last.state == SegmentState::Sealed
                    && last.base_offset >= self.opening.durable.segment =>
            {
                Ok(Segment {
                    state: SegmentState::Active,
                    ..last
                })
            }
            last => {
                let durable = self.opening.durable;
                let next = expected
                    .unwrap_or(durable.next_offset)
                    .max(durable.next_offset);
                let before = last.as_ref().map_or(0, |last| last.next_offset);
                sealed.extend(last);
                Segment::create(self.opening.disk, self.opening.folder, next.max(before))
            }
        }
    }

    /// Copies the bytes from `at` on into the folder for what is cut, durably.
    fn copy_tail(&mut self, one: &Found, at: u32) -> Result<String, Error> {
        let disk = self.opening.disk;
        let name = self.free_name(&format!("{}-{:020}-{at}", self.opening.label, one.base))?;
        let failed = |call, error: io::Error| Error::system(call, &name, &error);
        let copy = disk
            .open(&name, Mode::CreateNew)
            .map_err(|e| failed("open", e))?;
        let mut buffer = vec![0; 1 << 20];
        let (mut from, mut to) = (u64::from(at), 0);
        loop {
            let read = fill_at(&*one.file, &mut buffer, from)
                .map_err(|error| Error::system("read", &one.name, &error))?;
            let Some(bytes) = buffer.get(..read).filter(|bytes| !bytes.is_empty()) else {
                break;
            };
            put_at(&*copy, bytes, to).map_err(|e| failed("write", e))?;
            from += read as u64;
            to += read as u64;
        }
        copy.sync_data().map_err(|e| failed("fdatasync", e))?;
        self.sync_folder(self.opening.removed)?;
        Ok(name)
    }

    /// Moves a whole segment into the folder for what is cut; an empty one just goes.
    fn take_out(&mut self, one: &Found) -> Result<(), Error> {
        let disk = self.opening.disk;
        let kept_as = if one.size == 0 {
            disk.remove_file(&one.name)
                .map_err(|error| Error::system("unlink", &one.name, &error))?;
            None
        } else {
            let name = self.free_name(&format!("{}-{:020}-0", self.opening.label, one.base))?;
            disk.rename(&one.name, &name)
                .map_err(|error| Error::system("rename", &one.name, &error))?;
            self.sync_folder(self.opening.removed)?;
            Some(name)
        };
        let segment = one.base;
        self.notes.push(Note::Removed { segment, kept_as });
        Ok(())
    }

    /// A name in the folder for what is cut that nothing has yet: what an earlier opening kept stays.
    fn free_name(&self, stem: &str) -> Result<String, Error> {
        let Opening { disk, removed, .. } = *self.opening;
        let failed = |call, error: io::Error| Error::system(call, removed, &error);
        let entries = match disk.list(removed) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                // Another partition that is opened at the same time may have made it.
                make_folder(disk, removed)?;
                let above = removed.rsplit_once('/').map_or("", |(above, _)| above);
                self.sync_folder(above)?;
                Vec::new()
            }
            entries => entries.map_err(|e| failed("readdir", e))?,
        };
        let taken = |name: &str| entries.iter().any(|entry| entry.name == name);
        let free = (0..=entries.len())
            .map(|again| match again {
                0 => format!("{stem}.log"),
                _ => format!("{stem}.{again}.log"),
            })
            .find(|name| !taken(name));
        Ok(format!("{removed}/{}", free.unwrap_or_default()))
    }

    fn sync_folder(&self, folder: &str) -> Result<(), Error> {
        let done = self.opening.disk.sync_folder(folder);
        done.map_err(|error| Error::system("fsync", folder, &error))
    }
}

impl Found {
    fn scanned(&self, indexer: crate::Indexer) -> Segment {
        Segment {
            base_offset: self.base,
            size: self.size,
            next_offset: self.base,
            state: SegmentState::Sealed,
            indexer: Arc::new(Mutex::new(indexer)),
            file: Arc::clone(&self.file),
            name: self.name.clone(),
        }
    }

    fn unscanned(self) -> Segment {
        self.scanned(crate::Indexer::new(self.base))
    }
}
