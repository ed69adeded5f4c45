//! Every interleaving of the concurrent parts, as far as loom can go:
//! `RUSTFLAGS="--cfg loom" cargo test --release -p chunk --test loom`.
#![cfg(loom)]

use chunk::{LargePool, Pool, Slice, ring::spsc};
use loom::cell::UnsafeCell;
use loom::sync::Arc;
use loom::thread;

#[test]
fn the_last_of_several_owners_gives_the_slab_back_once() {
    loom::model(|| {
        let pool = Pool::new(16, 4);
        let mut writer = pool.writer();
        assert!(writer.put(b"abcdef"));
        let (first, second) = (writer.freeze(3), writer.freeze(3));
        let one = thread::spawn(move || {
            let copy = first.clone();
            drop(first);
            assert_eq!(&*copy, b"abc");
        });
        let two = thread::spawn(move || assert_eq!(&*second, b"def"));
        drop(writer);
        // Takes the slab again as soon as it is back: the pool's claim must come after every read.
        let stats = pool.stats();
        assert_eq!(stats.live + stats.free, 1);
        drop(pool.writer());
        one.join().unwrap();
        two.join().unwrap();
        assert_eq!(pool.stats().live, 0);
        assert!(matches!(pool.stats().free, 1 | 2));
    });
}

#[test]
fn a_writer_begins_anew_only_after_every_read() {
    loom::model(|| {
        let mut writer = Pool::new(16, 1).writer();
        writer.put(b"abc");
        let slice = writer.freeze(3);
        let other = slice.clone();
        let reader = thread::spawn(move || assert_eq!(&*slice, b"abc"));
        let second = thread::spawn(move || assert_eq!(&*other, b"abc"));
        if writer.reset_if_sole() {
            assert!(writer.put(b"xyz"));
        } else {
            assert_eq!(writer.remaining(), 13);
        }
        reader.join().unwrap();
        second.join().unwrap();
        assert!(writer.reset_if_sole());
    });
}

#[test]
fn a_writer_and_its_slices_work_on_different_threads() {
    loom::model(|| {
        let pool = Pool::new(16, 1);
        let mut writer = pool.writer();
        writer.put(b"abc");
        let slice = writer.freeze(3);
        let filler = thread::spawn(move || {
            writer.put(b"def");
            writer.freeze(3)
        });
        let (head, tail) = (slice.slice(..1), slice.slice(1..));
        drop(slice);
        assert_eq!((&*head, &*tail), (&b"a"[..], &b"bc"[..]));
        drop((head, tail));
        assert_eq!(&*filler.join().unwrap(), b"def");
        assert_eq!((pool.stats().live, pool.stats().free), (0, 1));
    });
}

/// Bytes whose last reader must have come to its end before they are given back.
struct Lent {
    bytes: [u8; 4],
    used: Arc<UnsafeCell<()>>,
}

// SAFETY: loom checks every use of the cell, which is there for nothing else.
unsafe impl Send for Lent {}
// SAFETY: as above.
unsafe impl Sync for Lent {}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.used.with_mut(|_| ());
    }
}

struct Reader(Arc<UnsafeCell<()>>);

impl Reader {
    fn look(&self, read: impl FnOnce()) {
        self.0.with(|_| read());
    }
}

// SAFETY: as for `Lent`.
unsafe impl Send for Reader {}

#[test]
fn a_keeper_is_dropped_only_after_every_read() {
    loom::model(|| {
        let used = Arc::new(UnsafeCell::new(()));
        let slice = Slice::from_keeper(Lent {
            bytes: *b"abcd",
            used: Arc::clone(&used),
        });
        let (head, tail) = (slice.slice(..2), slice.slice(2..));
        drop(slice);
        let at_work = Reader(Arc::clone(&used));
        let reader = thread::spawn(move || {
            at_work.look(|| assert_eq!(&*head, b"ab"));
            drop(head);
            drop(at_work);
        });
        Reader(used).look(|| assert_eq!(&*tail, b"cd"));
        drop(tail);
        reader.join().unwrap();
    });
}

#[test]
fn a_large_buffer_is_taken_back_only_by_its_last_slice() {
    loom::model(|| {
        let pool = LargePool::new(1 << 16);
        let mut buffer = pool.take(8).unwrap();
        buffer.fill(7);
        let slice = Slice::from_large(buffer);
        let other = slice.clone();
        let reader = thread::spawn(move || assert_eq!(&*other, &[7; 8]));
        match slice.try_into_large() {
            Ok(mut buffer) => buffer.fill(9),
            Err(slice) => assert_eq!(&*slice, &[7; 8]),
        }
        reader.join().unwrap();
        assert_eq!((pool.stats().live, pool.stats().free), (0, 1));
    });
}

#[test]
fn a_ring_hands_over_every_value_in_order() {
    loom::model(|| {
        let (mut producer, mut consumer) = spsc(2);
        let sender = thread::spawn(move || {
            let mut sent = 0;
            for value in 0..4 {
                // Bounded tries, so that every interleaving ends.
                if producer.push(Box::new(value)).is_err() {
                    break;
                }
                sent += 1;
            }
            sent
        });
        let mut seen = 0;
        for _ in 0..3 {
            if let Some(value) = consumer.peek() {
                assert_eq!(**value, seen);
                assert_eq!(consumer.pop().as_deref(), Some(&seen));
                seen += 1;
            }
        }
        let sent = sender.join().unwrap();
        while let Some(value) = consumer.pop() {
            assert_eq!(*value, seen);
            seen += 1;
        }
        assert_eq!(sent, seen);
        assert!(sent >= 2);
    });
}

#[test]
fn a_ring_drops_what_is_left_once() {
    loom::model(|| {
        let token = Arc::new(());
        let (mut producer, mut consumer) = spsc(2);
        let copy = Arc::clone(&token);
        let sender = thread::spawn(move || {
            let _ = producer.push(Arc::clone(&copy));
            let _ = producer.push(copy);
        });
        drop(consumer.pop());
        drop(consumer);
        sender.join().unwrap();
        assert_eq!(Arc::strong_count(&token), 1);
    });
}
