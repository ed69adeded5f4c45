use std::sync::{Arc, Mutex};

use crate::batch::{Fault, Header, inflate_records};
use crate::disk::fill_at;
use crate::locks::lock;
use crate::scan::{Scan, scan, survey};
use crate::view::{Damage, SegmentView, Unreadable};
use crate::{
    Error, ErrorKind, Event, File, Indexer, Note, Partition, PartitionNote, load_sidecars,
    save_sidecars,
};

/// What a reader cannot get without waiting for the disk, or for long work: the housekeeper gets it.
pub(crate) struct Fetch {
    partition: Arc<Partition>,
    state: Mutex<State>,
}

enum State {
    Wanted(Want),
    Running,
    Done(Result<Fetched, Error>),
}

/// What is wanted.
pub(crate) enum Want {
    /// The file open and the index there.
    Ready(Arc<SegmentView>),
    /// At least so many bytes.
    Bytes {
        view: Arc<SegmentView>,
        file: Arc<dyn File>,
        position: u32,
        least: usize,
        limit: u64,
    },
    /// The records of a batch that is compressed.
    Inflated {
        view: Arc<SegmentView>,
        position: u32,
        header: Header,
        packed: Vec<u8>,
    },
    /// How far the damage goes that is at `position`, where `offset` was expected.
    Damage {
        view: Arc<SegmentView>,
        position: u32,
        offset: u64,
    },
}

/// What came of it.
pub(crate) enum Fetched {
    Ready,
    Window(Window),
    Inflated(Header, Vec<u8>),
}

/// Bytes of a segment that were read ahead.
pub(crate) struct Window {
    at: u32,
    bytes: Vec<u8>,
    /// What has this offset or a higher one may have been torn when the bytes were read.
    limit: u64,
}

/// What is read at once from a disk.
const STEP: usize = 1 << 20;

impl Window {
    pub(crate) const fn new(at: u32, bytes: Vec<u8>, limit: u64) -> Self {
        Self { at, bytes, limit }
    }

    /// Whether the batch with `offset`, or one before it, may be taken from it at `position`.
    pub(crate) fn has(&self, position: u32, offset: u64) -> bool {
        offset < self.limit && !self.from(position).is_empty()
    }

    /// Whether the file ended at `position`, though the batch with `offset` had to be there.
    pub(crate) const fn ends_before(&self, position: u32, offset: u64) -> bool {
        self.at == position && self.bytes.is_empty() && offset < self.limit
    }

    /// What stands from `position` on.
    pub(crate) fn from(&self, position: u32) -> &[u8] {
        let from = position.checked_sub(self.at).map(|from| from as usize);
        from.and_then(|from| self.bytes.get(from..))
            .unwrap_or_default()
    }
}

impl Fetch {
    pub(crate) const fn new(partition: Arc<Partition>, want: Want) -> Self {
        let state = Mutex::new(State::Wanted(want));
        Self { partition, state }
    }

    /// Gets it. Takes as long as the disk does.
    pub(crate) fn run(&self) {
        let wanted = std::mem::replace(&mut *lock(&self.state), State::Running);
        let State::Wanted(want) = wanted else {
            return;
        };
        let result = self.partition.fetch(want);
        *lock(&self.state) = State::Done(result);
    }

    /// The same, and tells who waits for it.
    pub(crate) fn run_and_tell(&self) {
        self.run();
        let partition = Arc::clone(&self.partition);
        self.partition.shared.observers.progressed(&[partition]);
    }

    /// The result, once it is there.
    pub(crate) fn take(&self) -> Option<Result<Fetched, Error>> {
        let mut state = lock(&self.state);
        match std::mem::replace(&mut *state, State::Running) {
            State::Done(result) => Some(result),
            other => {
                *state = other;
                None
            }
        }
    }
}

impl Partition {
    fn fetch(self: &Arc<Self>, want: Want) -> Result<Fetched, Error> {
        match want {
            Want::Ready(view) => {
                self.make_ready(&view)?;
                Ok(Fetched::Ready)
            }
            Want::Bytes {
                view,
                file,
                position,
                least,
                limit,
            } => {
                let bytes = read_some(&*file, view.name(), position, least)?;
                Ok(Fetched::Window(Window::new(position, bytes, limit)))
            }
            Want::Inflated {
                view,
                position,
                header,
                packed,
            } => {
                let bytes = self.inflated(&view, position, &header, &packed)?;
                Ok(Fetched::Inflated(header, bytes))
            }
            Want::Damage {
                view,
                position,
                offset,
            } => {
                self.find_damage(&view, position, offset)?;
                Ok(Fetched::Ready)
            }
        }
    }

    /// Opens the file of a segment, and gets its index.
    pub(crate) fn make_ready(&self, view: &Arc<SegmentView>) -> Result<Arc<Mutex<Indexer>>, Error> {
        let shared = &self.shared;
        let opened = shared.files.open(&*shared.disk, view);
        let file = opened.map_err(|error| {
            if view.is_deleted() {
                return self.out_of_range(view.base());
            }
            Error::system("open", view.name(), &error)
        })?;
        if let Some(index) = view.index() {
            return Ok(index);
        }
        let (disk, size) = (&*shared.disk, view.size());
        if !view.is_indexed_anew()
            && let Some((_, indexer)) = load_sidecars(disk, &self.folder, view.base(), size)
        {
            return Ok(view.put_index(indexer));
        }
        let most = self.options.max_batch_bytes;
        let scanned = scan(&*file, view.name(), view.base(), size, most)?;
        view.has_checked(0, scanned.end);
        let mut indexer = scanned.indexer;
        indexer.seal();
        let index = view.put_index(indexer);
        // Of one that lacks records the seal stays, which tells so.
        let is_whole = |end: &u64| (scanned.end, scanned.next_offset) == (size, *end);
        if let Some(end) = view.end().filter(|end| is_whole(end) && !view.is_deleted()) {
            let segment = view.segment(end, Arc::clone(&index), file);
            // Without them it is scanned again the next time.
            let _ = save_sidecars(disk, &self.folder, &segment, view.last_append_ms());
            if view.is_indexed_anew() {
                shared.observers.happened(&Event::Recovered(PartitionNote {
                    topic: self.topic(),
                    partition: self.number(),
                    note: Note::Indexed {
                        segment: view.base(),
                    },
                }));
            }
        }
        Ok(index)
    }

    /// Looks for the next valid batch behind damage, and takes note of both.
    fn find_damage(
        &self,
        view: &Arc<SegmentView>,
        position: u32,
        offset: u64,
    ) -> Result<(), Error> {
        let shared = &self.shared;
        let failed = |call, error| Error::system(call, view.name(), &error);
        let file = shared
            .files
            .open(&*shared.disk, view)
            .map_err(|error| failed("open", error))?;
        let (size, end) = match view.end() {
            Some(end) => (view.size(), end),
            None => {
                let size = file.size().map_err(|error| failed("stat", error))?;
                (u32::try_from(size).unwrap_or(u32::MAX), self.ends.visible())
            }
        };
        let scanned = Scan {
            end: position,
            next_offset: offset,
            batches: 0,
            indexer: Indexer::new(view.base()),
            is_marked: false,
            fault: None,
        };
        let most = self.options.max_batch_bytes;
        let found = survey(&*file, view.name(), view.base(), size, most, &scanned, end)?;
        let run = found.runs.first();
        let damage = Damage {
            from: position,
            to: run.map_or(size, |run| run.from),
            first: offset,
            next: run.map_or(end, |run| run.first_offset),
            why: Unreadable::Damaged,
        };
        self.is_damaged(view, damage);
        Ok(())
    }

    /// Takes note of damage, and tells of it if that is new.
    pub(crate) fn is_damaged(&self, view: &SegmentView, damage: Damage) {
        if view.add_damage(damage) {
            self.shared.observers.happened(&Event::Damaged {
                topic: self.topic(),
                partition: self.number(),
                first: damage.first,
                next: damage.next,
            });
        }
    }

    /// The records of the compressed batch at `position`. One with the right checksum that cannot be inflated is damaged by
    /// itself: what follows it can be read.
    pub(crate) fn inflated(
        &self,
        view: &SegmentView,
        position: u32,
        header: &Header,
        packed: &[u8],
    ) -> Result<Vec<u8>, Error> {
        let most = self.shared.config.inflated_bytes as usize;
        let mut bytes = Vec::new();
        let Err(fault) = inflate_records(packed, header, most, &mut bytes) else {
            return Ok(bytes);
        };
        let why = match fault {
            Fault::Memory => {
                let message = format!("no memory for the batch at {}", header.base_offset);
                return Err(Error::new(ErrorKind::Storage, message));
            }
            Fault::Inflated => Unreadable::TooLarge,
            _ => Unreadable::Damaged,
        };
        let damage = Damage::of_batch(header, position, why);
        self.is_damaged(view, damage);
        Err(self.unreadable(&damage))
    }
}

/// Reads at least `least` bytes, if the file has them.
fn read_some(file: &dyn File, name: &str, at: u32, least: usize) -> Result<Vec<u8>, Error> {
    let many = least.max(STEP);
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(many).map_err(|_| {
        let message = format!("no memory for {many} bytes of {name}");
        Error::new(ErrorKind::Storage, message)
    })?;
    bytes.resize(many, 0);
    let read = fill_at(file, &mut bytes, u64::from(at))
        .map_err(|error| Error::system("read", name, &error))?;
    bytes.truncate(read);
    Ok(bytes)
}
