use std::sync::atomic::{AtomicU64, Ordering};

/// Where a partition begins and ends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Ends {
    /// First offset that is there.
    pub start: u64,
    /// Offset behind the last record that readers see.
    pub visible: u64,
    /// Offset behind the last record that survives a power cut.
    pub durable: u64,
    /// Offset behind the last record that survives the death of the process.
    pub written: u64,
}

/// The four ends, to be read by any thread. Each only grows.
#[derive(Debug, Default)]
pub(crate) struct EndsCell {
    start: AtomicU64,
    visible: AtomicU64,
    durable: AtomicU64,
    written: AtomicU64,
}

impl EndsCell {
    pub(crate) fn new(start: u64, end: u64) -> Self {
        Self {
            start: AtomicU64::new(start),
            visible: AtomicU64::new(end),
            durable: AtomicU64::new(end),
            written: AtomicU64::new(end),
        }
    }

    /// All four, the later ones read first, so that start ≤ visible and durable ≤ written as they were at some time.
    pub(crate) fn all(&self) -> Ends {
        // Acquire: pairs with the Release of the stores below; what lies before an end is seen with it.
        let start = self.start.load(Ordering::Acquire);
        let durable = self.durable.load(Ordering::Acquire);
        let visible = self.visible.load(Ordering::Acquire);
        let written = self.written.load(Ordering::Acquire);
        Ends {
            start,
            visible: visible.max(start),
            durable,
            written,
        }
    }

    pub(crate) fn start(&self) -> u64 {
        self.start.load(Ordering::Acquire)
    }

    pub(crate) fn visible(&self) -> u64 {
        self.visible.load(Ordering::Acquire)
    }

    /// SeqCst: pairs with `set_visible`, for who has said before that he waits.
    pub(crate) fn visible_now(&self) -> u64 {
        self.visible.load(Ordering::SeqCst)
    }

    pub(crate) fn durable(&self) -> u64 {
        self.durable.load(Ordering::Acquire)
    }

    // Release in all: pairs with the Acquire above.

    pub(crate) fn set_start(&self, offset: u64) {
        self.start.fetch_max(offset, Ordering::AcqRel);
    }

    pub(crate) fn set_written(&self, offset: u64) {
        self.written.fetch_max(offset, Ordering::AcqRel);
    }

    pub(crate) fn set_durable(&self, offset: u64) {
        self.durable.fetch_max(offset, Ordering::AcqRel);
    }

    /// SeqCst: pairs with the look that a reader takes again after it has said that it waits.
    pub(crate) fn set_visible(&self, offset: u64) {
        self.visible.fetch_max(offset, Ordering::SeqCst);
    }
}
