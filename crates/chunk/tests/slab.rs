//! Behaviour of pools, writers and slices.
#![cfg(not(loom))]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use chunk::{LargePool, Pool, PoolStats, Slice};

#[test]
fn what_is_put_and_frozen_can_be_read_while_the_writer_goes_on() {
    let pool = Pool::new(16, 2);
    let mut writer = pool.writer();
    assert!(writer.put(b"hello"));
    let hello = writer.freeze(5);
    writer.spare_mut()[..5].copy_from_slice(b"world");
    writer.commit(5);
    writer.filled_mut()[0] = b'W';
    assert_eq!(writer.filled(), b"World");
    let world = writer.freeze(5);
    assert_eq!((&*hello, &*world), (&b"hello"[..], &b"World"[..]));
    assert_eq!(writer.remaining(), 6);
    assert!(!writer.put(b"too long"));
    assert!(writer.filled().is_empty());
}

#[test]
fn a_slab_goes_back_to_its_pool_after_the_last_owner() {
    let pool = Pool::new(8, 1);
    let mut writer = pool.writer();
    writer.put(b"abc");
    let slice = writer.freeze(3);
    let copy = slice.clone();
    let address = slice.as_ptr();
    drop((writer, slice));
    assert_eq!(
        pool.stats(),
        PoolStats {
            live: 1,
            free: 0,
            slab_bytes: 8
        }
    );
    drop(copy);
    assert_eq!(
        pool.stats(),
        PoolStats {
            live: 0,
            free: 1,
            slab_bytes: 8
        }
    );
    let mut again = pool.writer();
    assert_eq!(again.spare_mut().as_ptr(), address);
    assert_eq!(again.remaining(), 8);
}

#[test]
fn the_slab_freed_last_is_used_first_and_surplus_is_freed() {
    let pool = Pool::new(8, 2);
    let mut writers: Vec<_> = (0..3).map(|_| pool.writer()).collect();
    let addresses: Vec<_> = writers
        .iter_mut()
        .map(|writer| writer.spare_mut().as_ptr())
        .collect();
    drop(writers.remove(0));
    drop(writers.remove(0));
    drop(writers);
    assert_eq!(
        pool.stats(),
        PoolStats {
            live: 0,
            free: 2,
            slab_bytes: 8
        }
    );
    assert_eq!(pool.writer().spare_mut().as_ptr(), addresses[1]);
}

#[test]
fn a_slice_outlives_writer_and_pool() {
    let pool = Pool::new(8, 8);
    let mut writer = pool.writer();
    writer.put(b"abc");
    let slice = writer.freeze(3);
    drop((writer, pool));
    assert_eq!(&*slice, b"abc");
}

#[test]
fn a_writer_begins_anew_only_without_slices() {
    let mut writer = Pool::new(8, 0).writer();
    writer.put(b"abcd");
    let slice = writer.freeze(2);
    assert!(!writer.is_sole_owner());
    assert!(!writer.reset_if_sole());
    assert_eq!(writer.filled(), b"cd");
    drop(slice);
    assert!(writer.is_sole_owner());
    assert!(writer.reset_if_sole());
    assert_eq!((writer.filled(), writer.remaining()), (&b""[..], 8));
}

#[test]
fn slices_are_cut_without_copies() {
    let whole = Slice::from_vec(b"0123456789".to_vec());
    let base = whole.as_ptr();
    let part = whole.slice(2..=5);
    assert_eq!(
        (&*part, part.as_ptr()),
        (&b"2345"[..], base.wrapping_add(2))
    );
    assert_eq!(whole.try_slice(5..11), None);
    #[expect(clippy::reversed_empty_ranges, reason = "what is tested")]
    let reversed = whole.try_slice(5..4);
    assert_eq!(reversed, None);
    assert_eq!(
        whole.try_slice((
            std::ops::Bound::Excluded(usize::MAX),
            std::ops::Bound::Unbounded
        )),
        None
    );
    assert_eq!(whole.try_slice(10..).unwrap(), Slice::empty());
    let mut rest = whole.clone();
    let first = rest.split_to(4);
    assert_eq!(
        (&*first, &*rest, rest.as_ptr()),
        (&b"0123"[..], &b"456789"[..], base.wrapping_add(4))
    );
    assert_eq!(&*first.try_join(&rest).unwrap(), b"0123456789");
    assert_eq!(rest.try_join(&first), None);
    assert_eq!(first.try_join(&Slice::from_vec(b"456789".to_vec())), None);
    assert_eq!(first.try_join(&Slice::empty()).unwrap().as_ptr(), base);
    rest.advance(6);
    assert!(rest.is_empty());
}

#[test]
#[should_panic(expected = "outside of a slice of 3 bytes")]
fn a_range_outside_of_a_slice_panics() {
    let _ = Slice::from_vec(vec![1, 2, 3]).slice(2..4);
}

#[test]
fn a_vector_comes_back_without_a_copy_from_its_only_slice() {
    let vec = b"abcdef".to_vec();
    let address = vec.as_ptr();
    let slice = Slice::from_vec(vec);
    let clone = slice.clone();
    let copied = slice.into_vec();
    assert_ne!(copied.as_ptr(), address);
    let back = clone.slice(..4);
    drop(clone);
    let back = back.into_vec();
    assert_eq!((&*back, back.as_ptr()), (&b"abcd"[..], address));
    assert_eq!(Slice::from_vec(back).slice(1..).into_vec(), b"bcd");
}

#[test]
fn a_large_buffer_has_exactly_its_length_and_is_used_again() {
    let pool = LargePool::new(1 << 20);
    let mut buffer = pool.take(100_001).unwrap();
    assert_eq!(buffer.len(), 100_001);
    assert!(buffer.iter().all(|&byte| byte == 0));
    buffer.fill(7);
    let address = buffer.as_ptr();
    let slice = Slice::from_large(buffer);
    let part = slice.slice(10..20);
    let slice = slice.try_into_large().unwrap_err();
    drop(part);
    let part = slice.slice(..10).try_into_large().unwrap_err();
    drop(part);
    let buffer = slice.try_into_large().unwrap();
    assert_eq!((buffer.as_ptr(), buffer.len()), (address, 100_001));
    let (address, len, owner) = buffer.into_raw_parts();
    assert_eq!((pool.stats().live, pool.stats().free), (1, 0));
    // SAFETY: the parts of one buffer, unused meanwhile.
    let buffer = unsafe { chunk::LargeBuffer::from_raw_parts(address, len, owner) };
    drop(buffer);
    assert_eq!(
        (
            pool.stats().live,
            pool.stats().live_bytes,
            pool.stats().free
        ),
        (0, 0, 1)
    );
    assert_eq!(pool.take(100_500).unwrap().as_ptr(), address.as_ptr());
}

#[test]
fn large_buffers_make_room_for_those_freed_later() {
    let pool = LargePool::new(64 << 10);
    for len in [16 << 10, 32 << 10, 8 << 10, 40 << 10, 64 << 10, 65 << 10] {
        drop(pool.take(len).unwrap());
        assert!(pool.stats().free_bytes <= 64 << 10);
    }
    assert_eq!((pool.stats().free, pool.stats().free_bytes), (1, 64 << 10));
    assert!(pool.take(0).unwrap().is_empty());
}

#[test]
fn memory_that_cannot_be_had_is_an_error() {
    let pool = LargePool::new(1 << 20);
    assert_eq!(pool.take(usize::MAX).unwrap_err().bytes, usize::MAX);
    assert_eq!(
        pool.take(isize::MAX as usize - 64).unwrap_err().to_string(),
        "cannot allocate 9223372036854775743 bytes"
    );
    assert_eq!(pool.stats().live, 0);
    assert!(Pool::new(usize::MAX, 1).try_writer().is_err());
}

/// Bytes of somebody else, which counts how often they are given back.
struct Lent {
    bytes: Vec<u8>,
    given_back: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.given_back.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_keeper_is_dropped_once_after_the_last_slice_wherever_that_is() {
    let given_back = Arc::<AtomicUsize>::default();
    let lent = Lent {
        bytes: (0..100).collect(),
        given_back: Arc::clone(&given_back),
    };
    let address = lent.bytes.as_ptr();
    let count = || given_back.load(Ordering::SeqCst);
    let whole = Slice::from_keeper(lent);
    assert_eq!((whole.as_ptr(), whole.len()), (address, 100));
    let (mut head, tail) = (whole.slice(..10), whole.slice(90..));
    drop(whole);
    let moved = Box::new(head.split_to(5));
    let last = std::thread::spawn(move || {
        assert_eq!(&**moved, [0, 1, 2, 3, 4]);
        assert_eq!(tail.try_into_large().unwrap_err()[0], 90);
        drop(moved);
    });
    last.join().unwrap();
    assert_eq!((&*head, count()), (&[5, 6, 7, 8, 9][..], 0));
    assert_eq!(head.clone().into_vec(), [5, 6, 7, 8, 9]);
    std::thread::spawn(move || drop(head)).join().unwrap();
    assert_eq!(count(), 1);
}

#[test]
fn a_keeper_that_lies_with_its_bytes_can_be_read_wherever_the_slice_moves() {
    let slice = Slice::from_keeper([7_u8; 8]);
    let boxed = Box::new(slice);
    assert_eq!(&**boxed, [7; 8]);
    let moved = *boxed;
    assert_eq!(moved.slice(6..), [7; 2][..]);
}

#[test]
fn a_keeper_of_no_bytes_and_one_that_panics_are_dropped_at_once() {
    struct Panicking(#[expect(dead_code, reason = "its drop counts")] Lent);
    impl AsRef<[u8]> for Panicking {
        fn as_ref(&self) -> &[u8] {
            panic!("no bytes")
        }
    }
    let given_back = Arc::<AtomicUsize>::default();
    let lent = || Lent {
        bytes: Vec::new(),
        given_back: Arc::clone(&given_back),
    };
    let empty = Slice::from_keeper(lent());
    assert!(empty.is_empty());
    assert_eq!(given_back.load(Ordering::SeqCst), 1);
    let panicking = Panicking(lent());
    let panicked = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        Slice::from_keeper(panicking)
    }));
    assert!(panicked.is_err());
    assert_eq!(given_back.load(Ordering::SeqCst), 2);
}
