//! Immutable views that share memory.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::ops::{Bound, Deref, RangeBounds};
use std::ptr::NonNull;
use std::slice;

use crate::header::{ForeignMemory, Memory, Owner, VecMemory};
use crate::large::LargeBuffer;

/// Immutable, reference-counted view into a slab, a vector, a large buffer or memory of somebody else.
///
/// Cloning and cutting share the memory and never copy. The memory stays as it is, and is not used
/// again, while any slice of it is alive: a small slice keeps its whole slab (copy it out where it
/// is held for long). Slices of no bytes keep nothing.
#[derive(Clone)]
pub struct Slice {
    // Invariant: `len` initialized, immutable bytes at `address`, alive as long as `owner`; no
    // owner when `len` is 0.
    address: NonNull<u8>,
    len: usize,
    owner: Option<Owner>,
}

impl Slice {
    /// # Safety
    ///
    /// The `len` bytes at `address` are initialized, do not change, and stay alive as long as
    /// `owner`.
    #[inline]
    pub(crate) unsafe fn new(address: NonNull<u8>, len: usize, owner: Owner) -> Self {
        Self {
            address,
            len,
            owner: Some(owner),
        }
    }

    /// The slice of no bytes.
    #[inline]
    #[must_use]
    pub fn empty() -> Self {
        Self {
            address: NonNull::dangling(),
            len: 0,
            owner: None,
        }
    }

    /// Takes a vector over without copying its bytes.
    #[must_use]
    pub fn from_vec(vec: Vec<u8>) -> Self {
        let len = vec.len();
        if len == 0 {
            return Self::empty();
        }
        let memory = VecMemory::new(vec);
        let address = memory.address();
        // SAFETY: the vector's `len` bytes are initialized, and its memory now belongs to the
        // owner.
        unsafe { Self::new(address, len, Owner::new(Memory::Vec(memory))) }
    }

    /// Takes a large buffer over without copying its bytes. It goes back to its pool after the last
    /// slice.
    #[must_use]
    pub fn from_large(buffer: LargeBuffer) -> Self {
        if buffer.is_empty() {
            return Self::empty();
        }
        let (address, len, owner) = buffer.into_parts();
        // SAFETY: a large buffer's bytes are initialized, and its memory now belongs to the owner.
        unsafe { Self::new(address, len, Owner::new(Memory::Large(owner))) }
    }

    /// Takes over whatever keeps bytes alive, without copying them. It is dropped once, after the last slice, by the thread
    /// that lets go last.
    #[must_use]
    pub fn from_keeper(keeper: impl AsRef<[u8]> + Send + Sync + 'static) -> Self {
        let (memory, address, len) = ForeignMemory::new(keeper);
        if len == 0 {
            return Self::empty();
        }
        // SAFETY: what `ForeignMemory::new` says of the bytes holds as long as the memory, which now belongs to the owner.
        unsafe { Self::new(address, len, Owner::new(Memory::Foreign(memory))) }
    }

    /// A slice with memory of its own that holds a copy of `bytes`.
    #[must_use]
    pub fn copy_from(bytes: &[u8]) -> Self {
        Self::from_vec(bytes.to_vec())
    }

    /// Splits the first `n` bytes off; `self` keeps the rest. Nothing is copied.
    ///
    /// # Panics
    ///
    /// When there are fewer than `n` bytes.
    #[inline]
    pub fn split_to(&mut self, n: usize) -> Self {
        assert!(n <= self.len, "split at {n} of {} bytes", self.len);
        if n == self.len {
            return std::mem::take(self);
        }
        let first = self.cut(0, n);
        self.advance(n);
        first
    }

    /// Drops the first `n` bytes.
    ///
    /// # Panics
    ///
    /// When there are fewer than `n` bytes.
    #[inline]
    pub fn advance(&mut self, n: usize) {
        assert!(n <= self.len, "advance by {n} of {} bytes", self.len);
        if n == self.len {
            *self = Self::empty();
            return;
        }
        // SAFETY: `n < len`, so the place lies in the same allocation.
        self.address = unsafe { self.address.add(n) };
        self.len -= n;
    }

    /// Keeps the first `n` bytes; does nothing when there are no more.
    #[inline]
    pub fn truncate(&mut self, n: usize) {
        if n == 0 {
            *self = Self::empty();
        }
        self.len = self.len.min(n);
    }

    /// A part of this slice that shares its memory.
    ///
    /// # Panics
    ///
    /// When the range does not lie within the slice; see [`try_slice`](Self::try_slice).
    #[inline]
    #[must_use]
    pub fn slice(&self, range: impl RangeBounds<usize>) -> Self {
        match self.try_slice(range) {
            Some(part) => part,
            None => panic!("range outside of a slice of {} bytes", self.len),
        }
    }

    /// A part of this slice that shares its memory, or `None` when the range does not lie within
    /// it.
    #[inline]
    #[must_use]
    pub fn try_slice(&self, range: impl RangeBounds<usize>) -> Option<Self> {
        let start = match range.start_bound() {
            Bound::Included(&n) => n,
            Bound::Excluded(&n) => n.checked_add(1)?,
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&n) => n.checked_add(1)?,
            Bound::Excluded(&n) => n,
            Bound::Unbounded => self.len,
        };
        (start <= end && end <= self.len).then(|| self.cut(start, end))
    }

    /// This slice and `next` as one, without a copy, if they lie one after the other in the same
    /// memory (or one is of no bytes).
    #[must_use]
    pub fn try_join(&self, next: &Self) -> Option<Self> {
        let (Some(owner), Some(next_owner)) = (&self.owner, &next.owner) else {
            return Some(if self.is_empty() {
                next.clone()
            } else {
                self.clone()
            });
        };
        let adjacent = owner.is_same(next_owner) && self.as_ptr_range().end == next.as_ptr();
        adjacent.then(|| Self {
            address: self.address,
            len: self.len + next.len,
            owner: Some(owner.clone()),
        })
    }

    /// The bytes as a vector: without a copy when this is the only slice of a whole vector, else
    /// copied.
    #[must_use]
    pub fn into_vec(mut self) -> Vec<u8> {
        let len = self.len;
        let Some(owner) = self.owner.take() else {
            return Vec::new();
        };
        let is_start_of_vec =
            matches!(owner.memory(), Memory::Vec(memory) if memory.address() == self.address);
        if !is_start_of_vec {
            // SAFETY: the invariant of `self`, whose owner is alive in this function.
            return unsafe { slice::from_raw_parts(self.address.as_ptr(), len) }.to_vec();
        }
        match owner.try_take() {
            // SAFETY: `self` began at the vector's start, so its first `len` bytes are initialized
            // and within the capacity.
            Ok(Memory::Vec(memory)) => unsafe { memory.into_vec(len) },
            Ok(_) => unreachable!("looked at above"),
            // SAFETY: the invariant of `self`; `_owner` keeps the memory alive.
            Err(_owner) => unsafe { slice::from_raw_parts(self.address.as_ptr(), len) }.to_vec(),
        }
    }

    /// The large buffer itself, without a copy.
    ///
    /// # Errors
    ///
    /// The slice again, when it is not the only one of the buffer, or not all of it, or of other
    /// memory.
    pub fn try_into_large(mut self) -> Result<LargeBuffer, Self> {
        let Some(owner) = self.owner.take() else {
            return Err(self);
        };
        let (address, len) = (self.address, self.len);
        let is_whole = matches!(
            owner.memory(), Memory::Large(large) if large.address() == address && large.len() == len
        );
        if !is_whole {
            self.owner = Some(owner);
            return Err(self);
        }
        match owner.try_take() {
            Ok(Memory::Large(large)) => Ok(LargeBuffer::from_owner(large)),
            Ok(_) => unreachable!("looked at above"),
            Err(owner) => {
                self.owner = Some(owner);
                Err(self)
            }
        }
    }

    /// Number of bytes.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there is no byte.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Whether `self` and `other` keep the same slab, vector or buffer alive.
    #[must_use]
    pub fn shares_memory_with(&self, other: &Self) -> bool {
        matches!((&self.owner, &other.owner), (Some(a), Some(b)) if a.is_same(b))
    }

    /// Bytes `start..end`, where `start <= end <= len`.
    #[inline]
    fn cut(&self, start: usize, end: usize) -> Self {
        debug_assert!(
            start <= end && end <= self.len,
            "cut {start}..{end} of {}",
            self.len
        );
        if start == end {
            return Self::empty();
        }
        // SAFETY: `start < len`, so the place lies in the same allocation.
        let address = unsafe { self.address.add(start) };
        Self {
            address,
            len: end - start,
            owner: self.owner.clone(),
        }
    }
}

impl Deref for Slice {
    type Target = [u8];

    #[inline]
    fn deref(&self) -> &[u8] {
        if let Some(owner) = &self.owner {
            owner.note_read();
        }
        // SAFETY: the invariant of `self`; with `len` 0 the address is dangling, which is allowed.
        unsafe { slice::from_raw_parts(self.address.as_ptr(), self.len) }
    }
}

impl AsRef<[u8]> for Slice {
    #[inline]
    fn as_ref(&self) -> &[u8] {
        self
    }
}

impl Default for Slice {
    fn default() -> Self {
        Self::empty()
    }
}

impl From<Vec<u8>> for Slice {
    fn from(vec: Vec<u8>) -> Self {
        Self::from_vec(vec)
    }
}

impl From<LargeBuffer> for Slice {
    fn from(buffer: LargeBuffer) -> Self {
        Self::from_large(buffer)
    }
}

impl PartialEq for Slice {
    fn eq(&self, other: &Self) -> bool {
        **self == **other
    }
}

impl Eq for Slice {}

impl PartialEq<[u8]> for Slice {
    fn eq(&self, other: &[u8]) -> bool {
        **self == *other
    }
}

impl Hash for Slice {
    fn hash<H: Hasher>(&self, state: &mut H) {
        (**self).hash(state);
    }
}

impl fmt::Debug for Slice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slice({} bytes)", self.len)
    }
}

// SAFETY: the bytes never change while a slice is alive, and the count of owners is atomic.
unsafe impl Send for Slice {}
// SAFETY: `&Slice` only reads bytes that nobody changes.
unsafe impl Sync for Slice {}
