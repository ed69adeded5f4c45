//! How threads that must not wait for each other make sure that neither misses what the other did.

#[cfg(not(loom))]
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

#[cfg(loom)]
use loom::sync::atomic::{AtomicBool, AtomicU64, Ordering};

/// An end that grows, and whether somebody waits for that.
#[derive(Debug)]
pub struct Watched {
    end: AtomicU64,
    is_watched: AtomicBool,
}

impl Watched {
    /// Nobody waits.
    #[must_use]
    pub fn new(end: u64) -> Self {
        Self {
            end: AtomicU64::new(end),
            is_watched: AtomicBool::new(false),
        }
    }

    /// The end; what lies before it is seen with it.
    pub fn end(&self) -> u64 {
        // Acquire: pairs with the Release in `show`.
        self.end.load(Ordering::Acquire)
    }

    /// Moves the end; whether somebody is to be told.
    pub fn show(&self, end: u64) -> bool {
        self.end.fetch_max(end, Ordering::AcqRel);
        // AcqRel, as in `watch`: one of the two swaps reads what the other wrote. Either this sees that it is watched, or
        // `watch` sees the end.
        self.is_watched.swap(false, Ordering::AcqRel)
    }

    /// Says that somebody waits at `end`; `false` if there is more by now.
    pub fn watch(&self, end: u64) -> bool {
        self.is_watched.swap(true, Ordering::AcqRel);
        self.end() <= end
    }
}

/// Whether something is in a list already, so that it is there once.
#[derive(Debug)]
pub struct Listed {
    is_listed: AtomicBool,
}

impl Listed {
    /// It is not.
    #[must_use]
    pub fn new() -> Self {
        Self {
            is_listed: AtomicBool::new(false),
        }
    }

    /// Something about it has changed; `true` if the caller has to put it into the list.
    pub fn enter(&self) -> bool {
        // AcqRel: pairs with the swap in `leave`. Who leaves it later sees what was changed before.
        !self.is_listed.swap(true, Ordering::AcqRel)
    }

    /// It was taken out of the list. What changes from here on brings it into the list again.
    pub fn leave(&self) {
        self.is_listed.swap(false, Ordering::AcqRel);
    }
}

impl Default for Listed {
    fn default() -> Self {
        Self::new()
    }
}
