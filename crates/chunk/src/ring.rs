//! Bounded hand-over ring between one producer and one consumer.
//!
//! Both sides are wait-free: [`Producer::push`] and [`Consumer::pop`] finish in a bounded number of
//! steps whatever the other side does, and use no read-modify-write instruction. Order is kept;
//! every value is handed over exactly once; what is in the ring when both halves are gone is
//! dropped. What was done before a push is visible after its pop. The ring wakes nobody: whoever
//! sleeps on it needs a signal of its own.

use std::cell::Cell;
use std::fmt;
use std::mem::MaybeUninit;

use crate::sync::{Arc, AtomicUsize, Ordering};

/// A ring for at least `capacity` values: the next power of two, at least 1.
///
/// # Panics
///
/// When that many values do not fit into the address space.
#[must_use]
pub fn spsc<T>(capacity: usize) -> (Producer<T>, Consumer<T>) {
    let capacity = capacity
        .max(1)
        .checked_next_power_of_two()
        .expect("capacity of a ring");
    let ring = Arc::new(Ring {
        head: Padded(AtomicUsize::new(0)),
        tail: Padded(AtomicUsize::new(0)),
        slots: (0..capacity).map(|_| Slot::new()).collect(),
    });
    let producer = Producer {
        ring: Arc::clone(&ring),
        tail: 0,
        seen_head: Cell::new(0),
    };
    (
        producer,
        Consumer {
            ring,
            head: 0,
            seen_tail: Cell::new(0),
        },
    )
}

/// The half that puts values in. One thread at a time, any thread.
pub struct Producer<T> {
    ring: Arc<Ring<T>>,
    tail: usize,
    // The head as it was when last looked at: at most as far as the true one, so the ring is at
    // most as full as it seems.
    seen_head: Cell<usize>,
}

impl<T> Producer<T> {
    /// Puts `value` in at the end.
    ///
    /// # Errors
    ///
    /// `value` again, when the ring is full.
    #[inline]
    pub fn push(&mut self, value: T) -> Result<(), T> {
        if self.is_full() {
            return Err(value);
        }
        // SAFETY: the ring is not full, so the consumer is done with this slot (Acquire in
        // `is_full`) and does not look at it before the store below; nobody else is a producer.
        unsafe { self.ring.slot(self.tail).write(value) };
        self.tail = self.tail.wrapping_add(1);
        // Release pairs with the consumer's Acquire in `Consumer::is_empty`: it sees the value.
        self.ring.tail.0.store(self.tail, Ordering::Release);
        Ok(())
    }

    /// Whether a push would fail now. False stays false until the next push.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        let full = |head: usize| self.tail.wrapping_sub(head) == self.ring.capacity();
        full(self.seen_head.get()) && full(self.head())
    }

    /// Whether the consumer has taken everything.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// How many values are in the ring; at any later time at most that many, without a push.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.tail.wrapping_sub(self.head())
    }

    /// How many values the ring holds at most.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    #[inline]
    fn head(&self) -> usize {
        // Acquire pairs with the Release in `Consumer::pop`: the slot has been read before it is
        // written again.
        let head = self.ring.head.0.load(Ordering::Acquire);
        self.seen_head.set(head);
        head
    }
}

/// The half that takes values out. One thread at a time, any thread.
pub struct Consumer<T> {
    ring: Arc<Ring<T>>,
    head: usize,
    // The tail as it was when last looked at: at most as far as the true one, so everything before
    // it is there.
    seen_tail: Cell<usize>,
}

impl<T> Consumer<T> {
    /// Takes the first value out; `None` when the ring is empty.
    #[inline]
    pub fn pop(&mut self) -> Option<T> {
        if self.is_empty() {
            return None;
        }
        // SAFETY: the ring is not empty, so the producer has written this slot (Acquire in
        // `is_empty`) and does not touch it before the store below; nobody else is a consumer, and
        // the head moves on, so the value is read out once.
        let value = unsafe { self.ring.slot(self.head).read() };
        self.head = self.head.wrapping_add(1);
        // Release pairs with the producer's Acquire in `Producer::head`: the slot is free only
        // after it has been read.
        self.ring.head.0.store(self.head, Ordering::Release);
        Some(value)
    }

    /// The first value, which stays in the ring; `None` when the ring is empty.
    #[inline]
    #[must_use]
    pub fn peek(&self) -> Option<&T> {
        // SAFETY: as in `pop`; the slot stays the consumer's until a pop, which needs `&mut self`.
        (!self.is_empty()).then(|| unsafe { self.ring.slot(self.head).get() })
    }

    /// The first value, which stays in the ring, to change it in place; `None` when the ring is
    /// empty.
    #[inline]
    pub fn peek_mut(&mut self) -> Option<&mut T> {
        // SAFETY: as in `pop`; `&mut self` makes this the only access.
        (!self.is_empty()).then(|| unsafe { self.ring.slot(self.head).get_mut() })
    }

    /// Whether there is nothing to pop now. False stays false until the next pop.
    #[inline]
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.seen_tail.get() == self.head && self.tail() == self.head
    }

    /// Whether the producer has no room now.
    #[inline]
    #[must_use]
    pub fn is_full(&self) -> bool {
        self.len() == self.capacity()
    }

    /// How many values are in the ring; at any later time at least that many, without a pop.
    #[inline]
    #[must_use]
    pub fn len(&self) -> usize {
        self.tail().wrapping_sub(self.head)
    }

    /// How many values the ring holds at most.
    #[inline]
    #[must_use]
    pub fn capacity(&self) -> usize {
        self.ring.capacity()
    }

    #[inline]
    fn tail(&self) -> usize {
        // Acquire pairs with the Release in `Producer::push`: the value is there.
        let tail = self.ring.tail.0.load(Ordering::Acquire);
        self.seen_tail.set(tail);
        tail
    }
}

impl<T> fmt::Debug for Producer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Producer({} of {})", self.len(), self.capacity())
    }
}

impl<T> fmt::Debug for Consumer<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Consumer({} of {})", self.len(), self.capacity())
    }
}

/// Slots `head..tail` (counted without end, taken modulo the capacity) hold values.
struct Ring<T> {
    head: Padded<AtomicUsize>,
    tail: Padded<AtomicUsize>,
    slots: Box<[Slot<T>]>,
}

impl<T> Ring<T> {
    #[inline]
    fn capacity(&self) -> usize {
        self.slots.len()
    }

    #[inline]
    fn slot(&self, index: usize) -> &Slot<T> {
        // SAFETY: the number of slots is a power of two, so the masked index is less than it.
        unsafe { self.slots.get_unchecked(index & (self.slots.len() - 1)) }
    }
}

impl<T> Drop for Ring<T> {
    fn drop(&mut self) {
        // Relaxed: both halves are gone, and the count of their `Arc` orders what they did before
        // this.
        let (mut head, tail) = (
            self.head.0.load(Ordering::Relaxed),
            self.tail.0.load(Ordering::Relaxed),
        );
        while head != tail {
            // SAFETY: slots `head..tail` hold values, and nobody else is left to read them.
            drop(unsafe { self.slot(head).read() });
            head = head.wrapping_add(1);
        }
    }
}

// SAFETY: values move from the producer's thread to the consumer's, never shared; the indices are
// atomic and say whose a slot is.
unsafe impl<T: Send> Send for Ring<T> {}
// SAFETY: as above.
unsafe impl<T: Send> Sync for Ring<T> {}

/// Keeps what it holds away from other data: two lines of 64 bytes, since processors fetch lines in
/// pairs.
#[repr(align(128))]
struct Padded<T>(T);

#[cfg(not(loom))]
type UnsafeCell<T> = std::cell::UnsafeCell<T>;
#[cfg(loom)]
type UnsafeCell<T> = loom::cell::UnsafeCell<T>;

/// Place for one value. The methods' callers own the slot at that moment and know whether it holds
/// a value.
struct Slot<T>(UnsafeCell<MaybeUninit<T>>);

impl<T> Slot<T> {
    fn new() -> Self {
        Self(UnsafeCell::new(MaybeUninit::uninit()))
    }

    /// # Safety
    ///
    /// The caller owns the slot, which holds no value.
    #[inline]
    unsafe fn write(&self, value: T) {
        // SAFETY: nobody else touches the slot, says the caller.
        self.with_mut(|place| unsafe { (*place).write(value) });
    }

    /// # Safety
    ///
    /// The caller owns the slot, which holds a value, and holds none afterwards.
    #[inline]
    unsafe fn read(&self) -> T {
        // SAFETY: the slot is initialized and nobody else touches it, says the caller.
        self.with(|place| unsafe { (*place).assume_init_read() })
    }

    /// # Safety
    ///
    /// The caller owns the slot, which holds a value, as long as the reference lives.
    #[inline]
    unsafe fn get(&self) -> &T {
        // SAFETY: the slot is initialized and nobody else touches it, says the caller.
        self.with(|place| unsafe { (*place).assume_init_ref() })
    }

    /// # Safety
    ///
    /// The caller owns the slot, which holds a value, as long as the reference lives, and makes no
    /// other reference to it.
    #[inline]
    #[expect(clippy::mut_from_ref, reason = "the caller owns the slot")]
    unsafe fn get_mut(&self) -> &mut T {
        // SAFETY: the slot is initialized and nobody else touches it, says the caller.
        self.with_mut(|place| unsafe { (*place).assume_init_mut() })
    }

    #[inline]
    fn with<R>(&self, f: impl FnOnce(*const MaybeUninit<T>) -> R) -> R {
        #[cfg(loom)]
        return self.0.with(f);
        #[cfg(not(loom))]
        f(self.0.get())
    }

    #[inline]
    fn with_mut<R>(&self, f: impl FnOnce(*mut MaybeUninit<T>) -> R) -> R {
        #[cfg(loom)]
        return self.0.with_mut(f);
        #[cfg(not(loom))]
        f(self.0.get())
    }
}
