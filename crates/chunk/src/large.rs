//! One buffer for one large message.

use std::collections::VecDeque;
use std::fmt;
use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;
use std::slice;
use std::time::{Duration, Instant};

use crate::block::{AllocError, Block};
use crate::sync::{Arc, Mutex, lock};

/// Pool of buffers for large messages; clones share it.
///
/// Buffers come in size classes (four per power of two, so at most a quarter is unused), and at
/// most `keep_bytes` bytes of free buffers are kept; what was freed longest ago makes room first. A
/// buffer that is new is zeroed by the system as its pages are touched, so the unused part of it
/// costs address space only. A buffer that was used before holds arbitrary bytes.
#[derive(Clone, Debug)]
pub struct LargePool {
    shared: Arc<Shared>,
}

/// A moment's view of a pool of large buffers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LargeStats {
    /// Buffers in use.
    pub live: usize,
    /// What they take.
    pub live_bytes: usize,
    /// Buffers that wait for their next use.
    pub free: usize,
    /// What they take.
    pub free_bytes: usize,
}

impl LargePool {
    /// A pool that keeps at most `keep_bytes` bytes of free buffers. Allocates nothing yet.
    #[must_use]
    pub fn new(keep_bytes: usize) -> Self {
        Self {
            shared: Arc::new(Shared {
                keep_bytes,
                state: Mutex::new(State::default()),
            }),
        }
    }

    /// A buffer of exactly `len` bytes, whose contents are arbitrary (but initialized).
    ///
    /// # Errors
    ///
    /// [`AllocError`] when the system has no memory for it. Never aborts.
    pub fn take(&self, len: usize) -> Result<LargeBuffer, AllocError> {
        // What is too large to be kept is not rounded up either.
        let class = SizeClass::of(len).filter(|class| class.bytes <= self.shared.keep_bytes);
        let size = class.as_ref().map_or(len, |class| class.bytes);
        let reused = class.and_then(|class| lock(&self.shared.state).reuse(&class));
        let block = match reused {
            Some(block) => block,
            None => Block::zeroed(size)?,
        };
        {
            let mut state = lock(&self.shared.state);
            state.stats.live += 1;
            state.stats.live_bytes += size;
        }
        Ok(LargeBuffer {
            owner: LargeOwner {
                block: Some(block),
                len,
                pool: self.clone(),
            },
        })
    }

    /// Frees what nobody has needed since this was last called, at least [`TRIM_EVERY`] ago; sooner it does nothing.
    pub fn trim(&self, now: Instant) {
        let surplus = lock(&self.shared.state).trim(now);
        // Freed outside of the lock.
        drop(surplus);
    }

    /// What is in use and what is free now.
    #[must_use]
    pub fn stats(&self) -> LargeStats {
        lock(&self.shared.state).stats
    }

    fn give_back(&self, block: Block) {
        let size = block.bytes();
        let class = SizeClass::of(size)
            .filter(|class| class.bytes == size && size <= self.shared.keep_bytes);
        let mut surplus = Vec::new();
        {
            let mut state = lock(&self.shared.state);
            state.stats.live -= 1;
            state.stats.live_bytes -= size;
            match class {
                Some(class) => {
                    state.keep(&class, block);
                    while state.stats.free_bytes > self.shared.keep_bytes {
                        surplus.extend(state.evict());
                    }
                }
                None => surplus.push(block),
            }
        }
        // Freed outside of the lock.
        drop(surplus);
    }
}

/// Buffer of its own for one large message: exactly as many bytes as were asked for. Goes back to
/// its pool when dropped.
pub struct LargeBuffer {
    owner: LargeOwner,
}

impl LargeBuffer {
    /// The buffer in its parts: address, length, and the owner that keeps the memory alive.
    /// Dropping the owner gives the memory back to the pool. This is how foreign code (a JavaScript
    /// `ArrayBuffer`) takes the memory over: it gets the address and the length, and drops the
    /// owner when it is done.
    #[must_use]
    pub fn into_raw_parts(self) -> (NonNull<u8>, usize, Box<LargeOwner>) {
        (self.owner.address(), self.owner.len(), Box::new(self.owner))
    }

    /// The buffer again from its parts.
    ///
    /// # Safety
    ///
    /// The parts come from one call of [`into_raw_parts`](Self::into_raw_parts), and nobody uses
    /// the address any more.
    #[must_use]
    #[expect(clippy::boxed_local, reason = "the parts as they were given")]
    pub unsafe fn from_raw_parts(address: NonNull<u8>, len: usize, owner: Box<LargeOwner>) -> Self {
        debug_assert!(
            owner.address() == address && owner.len() == len,
            "parts of different buffers"
        );
        Self { owner: *owner }
    }

    pub(crate) fn from_owner(owner: LargeOwner) -> Self {
        Self { owner }
    }

    pub(crate) fn into_parts(self) -> (NonNull<u8>, usize, LargeOwner) {
        (self.owner.address(), self.owner.len(), self.owner)
    }
}

impl Deref for LargeBuffer {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        // SAFETY: the block has at least `len` bytes, initialized since it was zeroed, and `self`
        // is its only user.
        unsafe { slice::from_raw_parts(self.owner.address().as_ptr(), self.owner.len()) }
    }
}

impl DerefMut for LargeBuffer {
    #[inline]
    fn deref_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `deref`, and `&mut self` makes this the only access.
        unsafe { slice::from_raw_parts_mut(self.owner.address().as_ptr(), self.owner.len()) }
    }
}

impl fmt::Debug for LargeBuffer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "LargeBuffer({} bytes)", self.owner.len())
    }
}

/// Keeps the memory of a [`LargeBuffer`] alive for somebody who knows only its address. Gives it
/// back to the pool when dropped, on any thread.
#[derive(Debug)]
pub struct LargeOwner {
    // `None` only while being dropped.
    block: Option<Block>,
    len: usize,
    pool: LargePool,
}

impl LargeOwner {
    #[inline]
    pub(crate) fn address(&self) -> NonNull<u8> {
        self.block
            .as_ref()
            .map_or(NonNull::dangling(), Block::address)
    }

    #[inline]
    pub(crate) fn len(&self) -> usize {
        self.len
    }
}

impl Drop for LargeOwner {
    fn drop(&mut self) {
        if let Some(block) = self.block.take() {
            self.pool.give_back(block);
        }
    }
}

#[derive(Debug)]
struct Shared {
    keep_bytes: usize,
    state: Mutex<State>,
}

/// Free buffers by class, in each the one freed last at the back.
#[derive(Debug, Default)]
struct State {
    classes: Vec<VecDeque<Free>>,
    stats: LargeStats,
    clock: u64,
    /// When `trim` did something, and the clock at that time.
    trimmed: Option<(Instant, u64)>,
}

#[derive(Debug)]
struct Free {
    block: Block,
    since: u64,
}

impl State {
    fn reuse(&mut self, class: &SizeClass) -> Option<Block> {
        let free = self.classes.get_mut(class.number)?.pop_back()?;
        self.stats.free -= 1;
        self.stats.free_bytes -= class.bytes;
        Some(free.block)
    }

    fn keep(&mut self, class: &SizeClass, block: Block) {
        if self.classes.len() <= class.number {
            self.classes.resize_with(class.number + 1, VecDeque::new);
        }
        if let Some(list) = self.classes.get_mut(class.number) {
            self.clock += 1;
            self.stats.free += 1;
            self.stats.free_bytes += class.bytes;
            list.push_back(Free {
                block,
                since: self.clock,
            });
        }
    }

    fn trim(&mut self, now: Instant) -> Vec<Block> {
        if self.trimmed.is_some_and(|(at, _)| now < at + TRIM_EVERY) {
            return Vec::new();
        }
        let before = self.trimmed.replace((now, self.clock));
        let Some((_, unused_since)) = before else {
            return Vec::new();
        };
        let mut surplus = Vec::new();
        for list in &mut self.classes {
            while let Some(free) = list.pop_front_if(|free| free.since <= unused_since) {
                surplus.push(free.block);
            }
        }
        self.stats.free -= surplus.len();
        self.stats.free_bytes -= surplus.iter().map(Block::bytes).sum::<usize>();
        surplus
    }

    /// Takes out the buffer that has been free longest.
    fn evict(&mut self) -> Option<Block> {
        let oldest = self.classes.iter_mut().filter(|list| !list.is_empty());
        let free = oldest
            .min_by_key(|list| list.front().map(|free| free.since))?
            .pop_front()?;
        self.stats.free -= 1;
        self.stats.free_bytes -= free.block.bytes();
        Some(free.block)
    }
}

/// Sizes that buffers are rounded up to: from 4 KiB on, four per power of two.
struct SizeClass {
    number: usize,
    bytes: usize,
}

impl SizeClass {
    /// The class of `len`, or `None` for lengths without one (0, and those that no allocation can
    /// have).
    fn of(len: usize) -> Option<Self> {
        if len == 0 || len > MAX_LEN {
            return None;
        }
        let len = len.max(SMALLEST);
        // `len` lies in `power..2 * power`, which has four steps.
        let power = 1_usize << len.ilog2();
        let step = power / 4;
        let steps = (len - power).div_ceil(step);
        let doublings = (power.ilog2() - SMALLEST.ilog2()) as usize;
        Some(Self {
            number: doublings * 4 + steps,
            bytes: power + steps * step,
        })
    }
}

/// A burst that comes again within this time finds its memory still there.
pub const TRIM_EVERY: Duration = Duration::from_secs(5);

const SMALLEST: usize = 4096;
const MAX_LEN: usize = isize::MAX as usize / 2;

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn trimming_frees_what_was_not_needed_since_the_last_time() {
        let pool = LargePool::new(1 << 20);
        let start = Instant::now();
        let (used, unused) = (pool.take(100_000).unwrap(), pool.take(200_000).unwrap());
        drop((used, unused));
        pool.trim(start);
        assert_eq!(pool.stats().free, 2, "nothing is known of them yet");
        drop(pool.take(100_000).unwrap());
        pool.trim(start + TRIM_EVERY / 2);
        assert_eq!(pool.stats().free, 2, "too soon");
        pool.trim(start + TRIM_EVERY);
        assert_eq!((pool.stats().free, pool.stats().free_bytes), (1, 114_688));
        pool.trim(start + TRIM_EVERY * 2);
        assert_eq!((pool.stats().free, pool.stats().free_bytes), (0, 0));
    }

    #[test]
    fn size_classes_waste_at_most_a_quarter_and_are_numbered_in_order() {
        let mut last = (0, 0);
        for len in (1..300_000).chain([1 << 40, (1 << 40) + 1]) {
            let class = SizeClass::of(len).unwrap();
            assert!(class.bytes >= len);
            assert!(len <= SMALLEST || class.bytes < len + len / 4 + 1);
            assert!((class.number, class.bytes) >= last, "{len}");
            assert_eq!(class.number == last.0, class.bytes == last.1 || last.1 == 0);
            last = (class.number, class.bytes);
            assert_eq!(SizeClass::of(class.bytes).unwrap().number, class.number);
        }
        assert!(SizeClass::of(0).is_none());
        assert!(SizeClass::of(usize::MAX).is_none());
    }
}
