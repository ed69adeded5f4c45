//! The primitives of this crate, from std or, under `cfg(loom)`, from loom.

#[cfg(not(loom))]
pub(crate) use std::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};

#[cfg(loom)]
pub(crate) use loom::sync::{
    Arc, Mutex, MutexGuard,
    atomic::{AtomicUsize, Ordering},
};

/// Locks; a panic of another holder does not matter, because no critical section of this crate
/// leaves its data half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// Stands for the bytes of a block in loom's eyes, which cannot follow raw memory. Costs nothing
/// outside of loom.
///
/// Readers call `read`; whoever claims the whole block for itself calls `claim`. Loom fails a test
/// in which a claim is not ordered after every read.
#[derive(Debug)]
pub(crate) struct Witness {
    #[cfg(loom)]
    cell: loom::cell::UnsafeCell<()>,
}

impl Witness {
    pub(crate) fn new() -> Self {
        Self {
            #[cfg(loom)]
            cell: loom::cell::UnsafeCell::new(()),
        }
    }

    #[inline]
    #[cfg_attr(not(loom), expect(clippy::unused_self, reason = "only loom looks"))]
    pub(crate) fn read(&self) {
        #[cfg(loom)]
        self.cell.with(|_| ());
    }

    #[inline]
    #[cfg_attr(not(loom), expect(clippy::unused_self, reason = "only loom looks"))]
    pub(crate) fn claim(&self) {
        #[cfg(loom)]
        self.cell.with_mut(|_| ());
    }
}
