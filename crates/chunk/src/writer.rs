//! The one who fills a slab.

use std::fmt;
use std::ptr::NonNull;
use std::slice;

use crate::header::Owner;
use crate::slice::Slice;

/// Unique owner of the part of a slab that is not frozen yet.
///
/// The slab is, from the front: frozen bytes (they belong to [`Slice`]s and never change again),
/// filled bytes, spare bytes. Bytes only move forward through these states, except when
/// [`reset_if_sole`](Self::reset_if_sole) begins anew. A writer never reallocates: when the spare
/// part is used up, take the next writer from the pool. Dropping a writer gives the slab back once
/// no slice is left.
pub struct Writer {
    owner: Owner,
    address: NonNull<u8>,
    capacity: usize,
    // Invariant: frozen <= filled <= capacity. Bytes before `frozen` are the slices'.
    frozen: usize,
    filled: usize,
}

impl Writer {
    /// # Safety
    ///
    /// `owner` is the sole owner of `capacity` initialized bytes at `address`.
    pub(crate) unsafe fn new(owner: Owner, address: NonNull<u8>, capacity: usize) -> Self {
        Self {
            owner,
            address,
            capacity,
            frozen: 0,
            filled: 0,
        }
    }

    /// The writable tail after the filled part. Its contents are initialized but arbitrary.
    #[inline]
    pub fn spare_mut(&mut self) -> &mut [u8] {
        // SAFETY: `filled..capacity` lies in the slab, is initialized, and no slice covers it
        // (slices end at `frozen <= filled`); `&mut self` makes this the only access of the writer.
        unsafe { slice::from_raw_parts_mut(self.at(self.filled), self.capacity - self.filled) }
    }

    /// Says that the first `n` spare bytes are filled now.
    ///
    /// # Panics
    ///
    /// When `n` is more than [`remaining`](Self::remaining).
    #[inline]
    pub fn commit(&mut self, n: usize) {
        assert!(
            n <= self.remaining(),
            "commit of {n} bytes, {} are spare",
            self.remaining()
        );
        self.filled += n;
    }

    /// The filled bytes that can be changed still.
    #[inline]
    pub fn filled_mut(&mut self) -> &mut [u8] {
        // SAFETY: as in `spare_mut`: `frozen..filled` is not covered by any slice.
        unsafe { slice::from_raw_parts_mut(self.at(self.frozen), self.filled - self.frozen) }
    }

    /// Appends `bytes`; false, with nothing written, when they do not fit.
    #[inline]
    pub fn put(&mut self, bytes: &[u8]) -> bool {
        let Some(room) = self.spare_mut().get_mut(..bytes.len()) else {
            return false;
        };
        room.copy_from_slice(bytes);
        self.filled += bytes.len();
        true
    }

    /// Splits the first `n` filled bytes off as a slice; [`filled`](Self::filled) then starts after
    /// them. Nothing is copied. A slice of no bytes keeps nothing alive.
    ///
    /// # Panics
    ///
    /// When fewer than `n` bytes are filled.
    #[inline]
    pub fn freeze(&mut self, n: usize) -> Slice {
        let filled = self.filled - self.frozen;
        assert!(n <= filled, "freeze of {n} bytes, {filled} are filled");
        if n == 0 {
            return Slice::empty();
        }
        // SAFETY: the bytes lie in the slab, are initialized, and after the next line no writer
        // method reaches them again while a slice is alive. `address` is not null, so neither is a
        // place in its allocation.
        let frozen = unsafe {
            Slice::new(
                NonNull::new_unchecked(self.at(self.frozen)),
                n,
                self.owner.clone(),
            )
        };
        self.frozen += n;
        frozen
    }

    /// Begins anew at the start of the slab, with nothing filled, if no slice of it is alive; else
    /// does nothing. Returns whether it did.
    #[inline]
    pub fn reset_if_sole(&mut self) -> bool {
        let sole = self.owner.is_sole();
        if sole {
            self.owner.note_claim();
            self.frozen = 0;
            self.filled = 0;
        }
        sole
    }

    /// The filled bytes that are not frozen yet.
    #[inline]
    #[must_use]
    pub fn filled(&self) -> &[u8] {
        // SAFETY: as in `filled_mut`, and `&self` allows no change meanwhile.
        unsafe { slice::from_raw_parts(self.at(self.frozen), self.filled - self.frozen) }
    }

    /// How many bytes are spare.
    #[inline]
    #[must_use]
    pub fn remaining(&self) -> usize {
        self.capacity - self.filled
    }

    /// Size of the slab.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.capacity
    }

    /// Whether no slice of this slab is alive. Once true it stays true until the next
    /// [`freeze`](Self::freeze).
    #[inline]
    #[must_use]
    pub fn is_sole_owner(&self) -> bool {
        self.owner.is_sole()
    }

    #[inline]
    fn at(&self, offset: usize) -> *mut u8 {
        // SAFETY: all offsets of a writer are at most `capacity`, so the place is in the allocation
        // or just after it.
        unsafe { self.address.as_ptr().add(offset) }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            capacity,
            frozen,
            filled,
            ..
        } = self;
        write!(
            f,
            "Writer {{ frozen: {frozen}, filled: {}, spare: {} }}",
            filled - frozen,
            capacity - filled
        )
    }
}

// SAFETY: a writer is the only one to touch the bytes from `frozen` on, wherever it goes; the count
// of owners is atomic.
unsafe impl Send for Writer {}
// SAFETY: `&Writer` only reads.
unsafe impl Sync for Writer {}
