use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use crate::batch::Header;
use crate::locks::lock;
use crate::{File, Indexer, Segment, SegmentState};

/// A segment as readers see it. Who holds it can read on when its file has no name any more.
pub(crate) struct SegmentView {
    base: u64,
    name: String,
    /// `None` while its descriptor is closed.
    file: Mutex<Option<Arc<dyn File>>>,
    /// Offset behind its last record; the largest number while it is written.
    end: AtomicU64,
    /// Bytes of batches, once it is not written any more.
    size: AtomicU32,
    /// Bytes below this were written, scanned or read by this process, and are not checked again.
    checked: AtomicU32,
    /// `None` if it must be made first.
    index: Mutex<Option<Arc<Mutex<Indexer>>>>,
    damage: Mutex<Vec<Damage>>,
    /// Wall clock of the last append, in ms since 1970.
    last_append_ms: AtomicI64,
    is_deleted: AtomicBool,
    is_indexed_anew: AtomicBool,
}

/// Bytes of a segment that cannot be read, and the offsets that are lost with them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Damage {
    pub(crate) from: u32,
    pub(crate) to: u32,
    pub(crate) first: u64,
    pub(crate) next: u64,
    pub(crate) why: Unreadable,
}

/// Why bytes of a segment cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unreadable {
    /// They are not as they were written.
    Damaged,
    /// A batch that becomes larger than this directory is opened to read.
    TooLarge,
}

impl Damage {
    /// That of one batch alone.
    pub(crate) const fn of_batch(header: &Header, position: u32, why: Unreadable) -> Self {
        Self {
            from: position,
            to: position.saturating_add(header.size),
            first: header.base_offset,
            next: header.next_offset(),
            why,
        }
    }
}

/// The end of a segment that is still written.
const OPEN: u64 = u64::MAX;

impl SegmentView {
    /// Of the segment that is written.
    pub(crate) fn active(segment: &Segment) -> Self {
        let view = Self::new(segment);
        view.checked.store(segment.size, Ordering::Relaxed);
        *lock(&view.index) = Some(Arc::clone(&segment.indexer));
        view
    }

    /// Of one that is not written any more, and ends before `end`. Its index counts only if it was scanned.
    pub(crate) fn sealed(segment: &Segment, end: u64, scanned: bool, wall_ms: i64) -> Self {
        let view = if scanned {
            Self::active(segment)
        } else {
            Self::new(segment)
        };
        if segment.state == SegmentState::Damaged {
            view.checked.store(0, Ordering::Relaxed);
        }
        view.seal(end, segment.size, wall_ms);
        view
    }

    fn new(segment: &Segment) -> Self {
        Self {
            base: segment.base_offset,
            name: segment.name.clone(),
            file: Mutex::new(Some(Arc::clone(&segment.file))),
            end: AtomicU64::new(OPEN),
            size: AtomicU32::new(segment.size),
            checked: AtomicU32::new(0),
            index: Mutex::new(None),
            damage: Mutex::new(Vec::new()),
            last_append_ms: AtomicI64::new(0),
            is_deleted: AtomicBool::new(false),
            is_indexed_anew: AtomicBool::new(false),
        }
    }

    /// Says that nothing is added any more.
    pub(crate) fn seal(&self, end: u64, size: u32, wall_ms: i64) {
        self.last_append_ms.store(wall_ms, Ordering::Relaxed);
        self.size.store(size, Ordering::Relaxed);
        // Release: pairs with the Acquire in `end`; who sees the end sees the size.
        self.end.store(end, Ordering::Release);
    }

    pub(crate) const fn base(&self) -> u64 {
        self.base
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Offset behind its last record; `None` while it is written.
    pub(crate) fn end(&self) -> Option<u64> {
        Some(self.end.load(Ordering::Acquire)).filter(|end| *end != OPEN)
    }

    /// Bytes of batches; of the one that is written, those there were when it was opened.
    pub(crate) fn size(&self) -> u32 {
        self.size.load(Ordering::Relaxed)
    }

    pub(crate) fn last_append_ms(&self) -> i64 {
        self.last_append_ms.load(Ordering::Relaxed)
    }

    pub(crate) fn file(&self) -> Option<Arc<dyn File>> {
        lock(&self.file).clone()
    }

    pub(crate) fn keep(&self, file: Arc<dyn File>) {
        *lock(&self.file) = Some(file);
    }

    /// Closes the descriptor and forgets the index, unless it is written still.
    pub(crate) fn close(&self) {
        if self.end().is_some() {
            self.let_go();
        }
    }

    /// Closes the descriptor and forgets the index. Who reads it still has his own.
    pub(crate) fn let_go(&self) {
        let file = lock(&self.file).take();
        *lock(&self.index) = None;
        // Closing is a system call, and happens behind the lock.
        drop(file);
    }

    pub(crate) fn index(&self) -> Option<Arc<Mutex<Indexer>>> {
        lock(&self.index).clone()
    }

    pub(crate) fn put_index(&self, index: Indexer) -> Arc<Mutex<Indexer>> {
        let index = Arc::new(Mutex::new(index));
        *lock(&self.index) = Some(Arc::clone(&index));
        index
    }

    /// Its index was wrong: it is made from the batches, and no file is asked.
    pub(crate) fn index_anew(&self) {
        *lock(&self.index) = None;
        self.is_indexed_anew.store(true, Ordering::Release);
    }

    pub(crate) fn is_indexed_anew(&self) -> bool {
        self.is_indexed_anew.load(Ordering::Acquire)
    }

    /// Whether the bytes before `to` need no check.
    pub(crate) fn is_checked(&self, to: u32) -> bool {
        // Relaxed, as the next: a number that only saves work.
        to <= self.checked.load(Ordering::Relaxed)
    }

    /// All bytes so far need a check.
    pub(crate) fn is_unchecked(&self) {
        self.checked.store(0, Ordering::Relaxed);
    }

    /// The bytes from `from` to `to` are good. That counts if they follow on what is known.
    pub(crate) fn has_checked(&self, from: u32, to: u32) {
        if from <= self.checked.load(Ordering::Relaxed) {
            self.checked.fetch_max(to, Ordering::Relaxed);
        }
    }

    /// Adds a range that cannot be read; `false` if it was known.
    pub(crate) fn add_damage(&self, new: Damage) -> bool {
        let mut damage = lock(&self.damage);
        if damage.iter().any(|one| one.from == new.from) {
            return false;
        }
        damage.push(new);
        damage.sort_by_key(|one| one.from);
        true
    }

    /// The range that `offset` is lost in, or whose bytes hold `position`.
    pub(crate) fn damage(&self, offset: u64, position: Option<u32>) -> Option<Damage> {
        let damage = lock(&self.damage);
        let holds = |one: &&Damage| {
            (one.first <= offset && offset < one.next)
                || position.is_some_and(|at| one.from <= at && at < one.to)
        };
        damage.iter().find(holds).copied()
    }

    /// Where to begin behind all damage that is before `offset`.
    pub(crate) fn behind_damage(&self, offset: u64) -> u32 {
        let damage = lock(&self.damage);
        let before = damage.iter().filter(|one| one.next <= offset);
        before.map(|one| one.to).max().unwrap_or(0)
    }

    /// It as what its files are written from.
    pub(crate) fn segment(
        &self,
        end: u64,
        indexer: Arc<Mutex<Indexer>>,
        file: Arc<dyn File>,
    ) -> Segment {
        Segment {
            base_offset: self.base,
            size: self.size(),
            next_offset: end,
            state: if self.is_damaged() {
                SegmentState::Damaged
            } else {
                SegmentState::Sealed
            },
            indexer,
            file,
            name: self.name.clone(),
        }
    }

    pub(crate) fn is_damaged(&self) -> bool {
        let damage = lock(&self.damage);
        damage.iter().any(|one| one.why == Unreadable::Damaged)
    }

    pub(crate) fn delete(&self) {
        self.is_deleted.store(true, Ordering::Release);
    }

    pub(crate) fn is_deleted(&self) -> bool {
        self.is_deleted.load(Ordering::Acquire)
    }
}
