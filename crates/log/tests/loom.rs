//! Every order in which those can meet who append, who commits, and who reads:
//! `RUSTFLAGS="--cfg loom" cargo test --release --test loom`, in this crate.
#![cfg(loom)]
#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use log::handshake::{Listed, Watched};
use loom::sync::atomic::{AtomicU64, Ordering};
use loom::sync::{Arc, Mutex};
use loom::thread;

#[test]
fn a_reader_at_the_end_sees_more_or_is_told() {
    loom::model(|| {
        let end = Arc::new(Watched::new(0));
        let shown = Arc::clone(&end);
        let writer = thread::spawn(move || shown.show(1));
        let waits = end.watch(0);
        let told = writer.join().unwrap();
        // Who waits is told; who is not told has seen it.
        assert!(!waits || told);
        if !waits {
            assert_eq!(end.end(), 1);
        }
    });
}

#[test]
fn of_two_who_show_one_tells_a_reader() {
    loom::model(|| {
        let end = Arc::new(Watched::new(0));
        let show = |to| {
            let end = Arc::clone(&end);
            thread::spawn(move || end.show(to))
        };
        let (first, second) = (show(1), show(2));
        let waits = end.watch(0);
        let told = [first, second].map(|one| one.join().unwrap());
        assert!(!waits || told.contains(&true));
        assert_eq!(end.end(), 2);
    });
}

#[test]
fn what_lies_before_an_end_is_seen_with_it() {
    loom::model(|| {
        let end = Arc::new(Watched::new(0));
        let data = Arc::new(AtomicU64::new(0));
        let (shown, written) = (Arc::clone(&end), Arc::clone(&data));
        let writer = thread::spawn(move || {
            // Relaxed: the end is what it is seen by.
            written.store(7, Ordering::Relaxed);
            shown.show(1);
        });
        if end.end() == 1 {
            assert_eq!(data.load(Ordering::Relaxed), 7);
        }
        writer.join().unwrap();
    });
}

#[test]
fn the_committer_misses_nothing_that_was_appended() {
    loom::model(|| {
        let listed = Arc::new(Listed::new());
        let list = Arc::new(Mutex::new(0_u32));
        let appended = Arc::new([AtomicU64::new(0), AtomicU64::new(0)]);
        let append = |which: usize| {
            let (listed, list) = (Arc::clone(&listed), Arc::clone(&list));
            let appended = Arc::clone(&appended);
            thread::spawn(move || {
                appended
                    .iter()
                    .nth(which)
                    .unwrap()
                    .store(1, Ordering::Relaxed);
                if listed.enter() {
                    *list.lock().unwrap() += 1;
                }
            })
        };
        let look = || {
            let many = std::mem::take(&mut *list.lock().unwrap());
            assert!(many <= 1, "it is in the list once");
            if many == 0 {
                return None;
            }
            listed.leave();
            Some(
                appended
                    .iter()
                    .map(|one| one.load(Ordering::Relaxed))
                    .sum::<u64>(),
            )
        };
        let (first, second) = (append(0), append(1));
        let early = look();
        first.join().unwrap();
        second.join().unwrap();
        // Looked at once more when it is listed again: the last look has seen all.
        let seen = look().or(early);
        assert_eq!(seen, Some(2));
    });
}
