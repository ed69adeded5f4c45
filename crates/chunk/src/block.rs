//! One zeroed allocation, and the error for one that failed.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::fmt;
use std::ptr::NonNull;

/// Owner of one allocation that was zeroed when it was made. It hands out its address only; who may
/// touch which byte is the business of its owners.
#[derive(Debug)]
pub(crate) struct Block {
    address: NonNull<u8>,
    bytes: usize,
}

impl Block {
    /// Allocates `bytes` bytes, all zero. For large sizes the system maps pages only when they are
    /// touched.
    pub(crate) fn zeroed(bytes: usize) -> Result<Self, AllocError> {
        if bytes == 0 {
            return Ok(Self {
                address: NonNull::dangling(),
                bytes,
            });
        }
        let layout = Self::layout(bytes).ok_or(AllocError { bytes })?;
        // SAFETY: the layout is not of size zero.
        let memory = unsafe { alloc_zeroed(layout) };
        NonNull::new(memory)
            .map(|address| Self { address, bytes })
            .ok_or(AllocError { bytes })
    }

    #[inline]
    pub(crate) fn address(&self) -> NonNull<u8> {
        self.address
    }

    #[inline]
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// The alignment stays at what `calloc` gives: a higher one would make the allocator touch, and
    /// so map, every page.
    fn layout(bytes: usize) -> Option<Layout> {
        Layout::from_size_align(bytes, ALIGN).ok()
    }
}

impl Drop for Block {
    fn drop(&mut self) {
        if let (true, Some(layout)) = (self.bytes > 0, Self::layout(self.bytes)) {
            // SAFETY: `zeroed` allocated this address with this layout, and a block is dropped
            // once.
            unsafe { dealloc(self.address.as_ptr(), layout) }
        }
    }
}

// SAFETY: a block is the sole owner of its memory and its methods only read its own two fields.
unsafe impl Send for Block {}
// SAFETY: as above: nothing behind `&Block` touches the memory.
unsafe impl Sync for Block {}

/// The system has no memory of that size.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AllocError {
    /// The size that was asked for.
    pub bytes: usize,
}

impl fmt::Display for AllocError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "cannot allocate {} bytes", self.bytes)
    }
}

impl std::error::Error for AllocError {}

const ALIGN: usize = 16;
