use std::sync::atomic::{AtomicU64, Ordering};

use crate::handshake::Watched;

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
#[derive(Debug)]
pub(crate) struct EndsCell {
    start: AtomicU64,
    visible: Watched,
    durable: AtomicU64,
    written: AtomicU64,
}

impl EndsCell {
    pub(crate) fn new(start: u64, end: u64) -> Self {
        Self {
            start: AtomicU64::new(start),
            visible: Watched::new(end),
            durable: AtomicU64::new(end),
            written: AtomicU64::new(end),
        }
    }

    /// All four, the later ones read last, so that none is behind one that it is never behind.
    pub(crate) fn all(&self) -> Ends {
        // Acquire: pairs with the Release of the stores below; what lies before an end is seen with it.
        let start = self.start.load(Ordering::Acquire);
        let durable = self.durable.load(Ordering::Acquire);
        let visible = self.visible.end();
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
        self.visible.end()
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

    /// Moves the visible end; whether a reader waits for that.
    pub(crate) fn show(&self, offset: u64) -> bool {
        self.visible.show(offset)
    }

    /// Says that a reader waits at `end`; `false` if more is visible by now.
    pub(crate) fn watch(&self, end: u64) -> bool {
        self.visible.watch(end)
    }
}
