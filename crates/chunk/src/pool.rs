//! Equally large slabs that are used again.

use crate::block::{AllocError, Block};
use crate::header::{Header, Owner};
use crate::sync::{Arc, Mutex, lock};
use crate::writer::Writer;

/// Pool of equally large slabs; clones share it.
///
/// The slab that came back last is given out first, since its memory is still in the cache. At most
/// `keep` free slabs are kept, the others are freed. A slab outlives the last `Pool` value as long
/// as somebody owns it. Slabs are zeroed when they are allocated, not when they are used again: a
/// writer may see bytes of an earlier life.
#[derive(Clone, Debug)]
pub struct Pool {
    shared: Arc<Shared>,
}

/// A moment's view of a pool.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Slabs that a writer or a slice owns.
    pub live: usize,
    /// Slabs that wait for their next use.
    pub free: usize,
    /// Size of one slab.
    pub slab_bytes: usize,
}

impl Pool {
    /// A pool whose slabs hold `slab_bytes` bytes (at least 1) and which keeps up to `keep` free
    /// ones. Allocates no slab yet.
    #[must_use]
    pub fn new(slab_bytes: usize, keep: usize) -> Self {
        let state = State {
            free: Vec::new(),
            live: 0,
        };
        Self {
            shared: Arc::new(Shared {
                slab_bytes: slab_bytes.max(1),
                keep,
                state: Mutex::new(state),
            }),
        }
    }

    /// A writer at the start of a slab.
    ///
    /// # Panics
    ///
    /// When the system has no memory; see [`try_writer`](Self::try_writer).
    #[must_use]
    pub fn writer(&self) -> Writer {
        match self.try_writer() {
            Ok(writer) => writer,
            Err(error) => panic!("{error}"),
        }
    }

    /// A writer at the start of a slab.
    ///
    /// # Errors
    ///
    /// [`AllocError`] when no free slab is there and the system has no memory for a new one.
    pub fn try_writer(&self) -> Result<Writer, AllocError> {
        let free = {
            let mut state = lock(&self.shared.state);
            state.live += 1;
            state.free.pop()
        };
        let header = match free {
            Some(header) => header,
            None => match Block::zeroed(self.shared.slab_bytes) {
                Ok(block) => Header::free_slab(block),
                Err(error) => {
                    lock(&self.shared.state).live -= 1;
                    return Err(error);
                }
            },
        };
        let (owner, address, bytes) = Owner::of_slab(header, self.clone());
        // SAFETY: `owner` is the only owner, the slab is zeroed or was written by earlier owners,
        // and has `bytes` bytes.
        Ok(unsafe { Writer::new(owner, address, bytes) })
    }

    /// How many slabs are in use and free now.
    #[must_use]
    pub fn stats(&self) -> PoolStats {
        let state = lock(&self.shared.state);
        PoolStats {
            live: state.live,
            free: state.free.len(),
            slab_bytes: self.shared.slab_bytes,
        }
    }

    /// Size of one slab.
    #[must_use]
    pub fn slab_bytes(&self) -> usize {
        self.shared.slab_bytes
    }

    /// Takes back a slab that nobody owns any more.
    pub(crate) fn give_back(&self, header: Box<Header>) {
        let surplus = {
            let mut state = lock(&self.shared.state);
            state.live -= 1;
            if state.free.len() < self.shared.keep {
                state.free.push(header);
                None
            } else {
                Some(header)
            }
        };
        // Freed outside of the lock.
        drop(surplus);
    }
}

#[derive(Debug)]
struct Shared {
    slab_bytes: usize,
    keep: usize,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    #[expect(
        clippy::vec_box,
        reason = "the address of a header is known to its slices, so it must not move"
    )]
    free: Vec<Box<Header>>,
    live: usize,
}
