//! The reference count of a piece of shared memory.

use std::fmt;
use std::mem::ManuallyDrop;
use std::process::abort;
use std::ptr::NonNull;

use crate::block::Block;
use crate::large::LargeOwner;
use crate::pool::Pool;
use crate::sync::{AtomicUsize, Ordering, Witness};

/// What stands beside a piece of shared memory: how many owners it has, and where it goes after the
/// last one.
#[derive(Debug)]
pub(crate) struct Header {
    owners: AtomicUsize,
    witness: Witness,
    memory: Memory,
}

/// Where the bytes come from.
#[derive(Debug)]
pub(crate) enum Memory {
    Large(LargeOwner),
    /// `pool` is there while somebody owns the slab and absent while it lies in the free list, so
    /// that a pool does not own itself.
    Slab {
        block: Block,
        pool: Option<Pool>,
    },
    Vec(VecMemory),
    Foreign(#[expect(dead_code, reason = "its drop gives the memory back")] ForeignMemory),
}

impl Header {
    /// A slab in nobody's hands.
    pub(crate) fn free_slab(block: Block) -> Box<Self> {
        Box::new(Self {
            owners: AtomicUsize::new(0),
            witness: Witness::new(),
            memory: Memory::Slab { block, pool: None },
        })
    }
}

/// One owner of shared memory; cloning and dropping it counts. The memory stays valid while one is
/// alive.
#[derive(Debug)]
pub(crate) struct Owner {
    header: NonNull<Header>,
}

impl Owner {
    /// First owner of memory that is not a slab.
    pub(crate) fn new(memory: Memory) -> Self {
        Self::first(Box::new(Header {
            owners: AtomicUsize::new(1),
            witness: Witness::new(),
            memory,
        }))
    }

    /// First owner of a free slab, which goes back to `pool` after the last one, and the slab's
    /// memory.
    pub(crate) fn of_slab(mut header: Box<Header>, pool: Pool) -> (Self, NonNull<u8>, usize) {
        let Memory::Slab { block, pool: home } = &mut header.memory else {
            unreachable!("free lists hold slabs only")
        };
        let (address, bytes) = (block.address(), block.bytes());
        *home = Some(pool);
        header.witness.claim();
        // Relaxed: nobody else knows this header; whoever learns of it learns of the count too.
        header.owners.store(1, Ordering::Relaxed);
        (Self::first(header), address, bytes)
    }

    fn first(header: Box<Header>) -> Self {
        Self {
            header: NonNull::from(Box::leak(header)),
        }
    }

    #[inline]
    fn header(&self) -> &Header {
        // SAFETY: the header lives until its last owner is dropped, and `self` is one.
        unsafe { self.header.as_ref() }
    }

    /// Whether there is no other owner. When true, everything that former owners did with the
    /// memory has happened before.
    #[inline]
    pub(crate) fn is_sole(&self) -> bool {
        // Acquire pairs with the Release in `drop`.
        self.header().owners.load(Ordering::Acquire) == 1
    }

    #[inline]
    pub(crate) fn is_same(&self, other: &Self) -> bool {
        self.header == other.header
    }

    /// Notes a read of the memory (loom only).
    #[inline]
    pub(crate) fn note_read(&self) {
        self.header().witness.read();
    }

    /// Notes that the memory starts a new life (loom only).
    #[inline]
    pub(crate) fn note_claim(&self) {
        self.header().witness.claim();
    }

    /// What is owned. Its parts may be read by every owner, changed by none.
    pub(crate) fn memory(&self) -> &Memory {
        &self.header().memory
    }

    /// Takes the memory out, if there is no other owner and it is not a slab.
    pub(crate) fn try_take(self) -> Result<Memory, Self> {
        if !self.is_sole() || matches!(self.memory(), Memory::Slab { .. }) {
            return Err(self);
        }
        let this = ManuallyDrop::new(self);
        // SAFETY: the header came from a box, `self` is its only owner (and nobody else can become
        // one, since that takes an owner to clone), and `ManuallyDrop` keeps `self` from touching
        // it again.
        let header = unsafe { Box::from_raw(this.header.as_ptr()) };
        header.witness.claim();
        Ok(header.memory)
    }

    #[cold]
    fn release(&mut self) {
        // Acquire pairs with the Release of every former owner's decrement: what they did with the
        // memory comes before its next life.
        self.header().owners.load(Ordering::Acquire);
        // SAFETY: the header came from a box, and the count says that `self`, which is being
        // dropped, was the last to know it.
        let mut header = unsafe { Box::from_raw(self.header.as_ptr()) };
        header.witness.claim();
        if let Memory::Slab { pool, .. } = &mut header.memory
            && let Some(pool) = pool.take()
        {
            pool.give_back(header);
        }
    }
}

impl Clone for Owner {
    #[inline]
    fn clone(&self) -> Self {
        // Relaxed: the new owner is made from one that already sees everything.
        let before = self.header().owners.fetch_add(1, Ordering::Relaxed);
        if before > MAX_OWNERS {
            // Only leaked slices can get here; going on would let the count wrap and the memory be
            // freed under its users.
            abort();
        }
        Self {
            header: self.header,
        }
    }
}

impl Drop for Owner {
    #[inline]
    fn drop(&mut self) {
        // Release pairs with the Acquire in `release`, `is_sole`.
        if self.header().owners.fetch_sub(1, Ordering::Release) == 1 {
            self.release();
        }
    }
}

// SAFETY: the count is atomic, the last owner alone takes the header apart, and all parts of
// `Memory` are Send.
unsafe impl Send for Owner {}
// SAFETY: as above; through `&Owner` the header is only read.
unsafe impl Sync for Owner {}

/// A vector in its parts. Kept apart so that no `Vec` claims its bytes for itself while slices read
/// them.
#[derive(Debug)]
pub(crate) struct VecMemory {
    address: NonNull<u8>,
    capacity: usize,
}

impl VecMemory {
    pub(crate) fn new(vec: Vec<u8>) -> Self {
        let mut vec = ManuallyDrop::new(vec);
        let address = NonNull::new(vec.as_mut_ptr()).unwrap_or(NonNull::dangling());
        Self {
            address,
            capacity: vec.capacity(),
        }
    }

    pub(crate) fn address(&self) -> NonNull<u8> {
        self.address
    }

    /// The vector again.
    ///
    /// # Safety
    ///
    /// The first `len` bytes must be initialized, `len` at most the capacity.
    pub(crate) unsafe fn into_vec(self, len: usize) -> Vec<u8> {
        let this = ManuallyDrop::new(self);
        // SAFETY: address and capacity are those of a `Vec<u8>` that was given up; the caller
        // vouches for `len`.
        unsafe { Vec::from_raw_parts(this.address.as_ptr(), len, this.capacity) }
    }
}

impl Drop for VecMemory {
    fn drop(&mut self) {
        // SAFETY: address and capacity are those of a `Vec<u8>` that was given up; length 0 needs
        // no initialized byte.
        drop(unsafe { Vec::from_raw_parts(self.address.as_ptr(), 0, self.capacity) });
    }
}

// SAFETY: sole owner of plain bytes.
unsafe impl Send for VecMemory {}
// SAFETY: nothing behind `&VecMemory` touches the bytes.
unsafe impl Sync for VecMemory {}

/// Memory that a value of another crate keeps alive. Held by its address, because moving a box would claim for it alone
/// what slices read.
pub(crate) struct ForeignMemory {
    keeper: NonNull<dyn Keeper>,
}

/// Any value that keeps bytes alive: they go when it is dropped.
trait Keeper: Send + Sync {}

impl<T: Send + Sync> Keeper for T {}

impl ForeignMemory {
    /// Takes `keeper` over; gives the address and the number of its bytes, which stay where they are, initialized and
    /// unchanged, until `self` is dropped.
    pub(crate) fn new<T: AsRef<[u8]> + Send + Sync + 'static>(
        keeper: T,
    ) -> (Self, NonNull<u8>, usize) {
        let keeper = NonNull::from(Box::leak(Box::new(keeper)));
        // Made first, so that the keeper is dropped also if it panics below.
        let this = Self { keeper };
        // SAFETY: the box was leaked above and is taken back by `drop` alone, so the reference is valid as long as `this`
        // (also when `this` moves, since the keeper does not); nobody makes a `&mut` of it before. So its bytes may be read
        // until then.
        let bytes = unsafe { keeper.as_ref() }.as_ref();
        let address = NonNull::from(bytes).cast();
        (this, address, bytes.len())
    }
}

impl Drop for ForeignMemory {
    fn drop(&mut self) {
        // SAFETY: the box that `new` leaked, taken back once; whoever drops the memory is its last user.
        drop(unsafe { Box::from_raw(self.keeper.as_ptr()) });
    }
}

impl fmt::Debug for ForeignMemory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ForeignMemory")
    }
}

// SAFETY: the keeper is Send and Sync, and `self` is its sole owner.
unsafe impl Send for ForeignMemory {}
// SAFETY: nothing behind `&ForeignMemory` touches the keeper.
unsafe impl Sync for ForeignMemory {}

const MAX_OWNERS: usize = isize::MAX as usize;
