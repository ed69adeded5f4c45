//! Pools, writers and slices against plain vectors, and under load from several threads.
#![cfg(not(loom))]

use std::sync::mpsc;
use std::thread;

use chunk::{LargePool, Pool, Slice};
use proptest::prelude::*;

const SLAB: usize = 64;

#[derive(Clone, Debug)]
enum Step {
    Put(Vec<u8>),
    Commit(usize, u8),
    Change(usize, u8),
    Freeze(usize),
    Reset,
    Next,
    Clone(usize),
    Cut(usize, usize, usize),
    Split(usize, usize),
    Join(usize, usize),
    Drop(usize),
    IntoVec(usize),
}

fn step() -> impl Strategy<Value = Step> {
    let any_index = 0..16_usize;
    prop_oneof![
        3 => prop::collection::vec(any::<u8>(), 0..24).prop_map(Step::Put),
        2 => (0..SLAB, any::<u8>()).prop_map(|(n, byte)| Step::Commit(n, byte)),
        1 => (0..SLAB, any::<u8>()).prop_map(|(at, byte)| Step::Change(at, byte)),
        4 => (0..SLAB).prop_map(Step::Freeze),
        1 => Just(Step::Reset),
        1 => Just(Step::Next),
        2 => any_index.clone().prop_map(Step::Clone),
        2 => (any_index.clone(), 0..SLAB, 0..SLAB).prop_map(|(i, a, b)| Step::Cut(i, a, b)),
        2 => (any_index.clone(), 0..SLAB).prop_map(|(i, n)| Step::Split(i, n)),
        2 => (any_index.clone(), any_index.clone()).prop_map(|(i, j)| Step::Join(i, j)),
        3 => any_index.clone().prop_map(Step::Drop),
        1 => any_index.prop_map(Step::IntoVec),
    ]
}

proptest! {
    #[test]
    fn slices_keep_their_bytes_whatever_happens_around_them(
        steps in prop::collection::vec(step(), 1..200)
    ) {
        let pool = Pool::new(SLAB, 2);
        let mut writer = pool.writer();
        let (mut filled, mut spare) = (Vec::new(), SLAB);
        let mut slices: Vec<(Slice, Vec<u8>)> = Vec::new();
        for step in steps {
            let count = slices.len().max(1);
            match step {
                Step::Put(bytes) => {
                    let fits = bytes.len() <= spare;
                    prop_assert_eq!(writer.put(&bytes), fits);
                    if fits {
                        spare -= bytes.len();
                        filled.extend(bytes);
                    }
                }
                Step::Commit(n, byte) => {
                    let n = n.min(spare);
                    writer.spare_mut()[..n].fill(byte);
                    writer.commit(n);
                    spare -= n;
                    filled.resize(filled.len() + n, byte);
                }
                Step::Change(at, byte) => {
                    if let Some(place) = filled.get_mut(at) {
                        *place = byte;
                        writer.filled_mut()[at] = byte;
                    }
                }
                Step::Freeze(n) => {
                    let n = n.min(filled.len());
                    let rest = filled.split_off(n);
                    slices.push((writer.freeze(n), std::mem::replace(&mut filled, rest)));
                }
                Step::Reset => {
                    let sole = writer.is_sole_owner();
                    prop_assert_eq!(writer.reset_if_sole(), sole);
                    if sole {
                        (filled, spare) = (Vec::new(), SLAB);
                    }
                }
                Step::Next => {
                    writer = pool.writer();
                    (filled, spare) = (Vec::new(), SLAB);
                }
                Step::Clone(i) => slices.extend(slices.get(i % count).cloned()),
                Step::Cut(i, a, b) => {
                    if let Some((slice, bytes)) = slices.get(i % count) {
                        let range = a.min(b)..a.max(b);
                        let cut = slice.try_slice(range.clone());
                        let expected = bytes.get(range).map(<[u8]>::to_vec);
                        prop_assert_eq!(cut.as_deref(), expected.as_deref());
                        slices.extend(cut.zip(expected));
                    }
                }
                Step::Split(i, n) => {
                    if let Some((slice, bytes)) = slices.get_mut(i % count) {
                        let n = n.min(bytes.len());
                        let rest = bytes.split_off(n);
                        let first = std::mem::replace(bytes, rest);
                        let split = slice.split_to(n);
                        slices.push((split, first));
                    }
                }
                Step::Join(i, j) => {
                    if slices.len() > 1 {
                        let (first, second) = (&slices[i % count], &slices[j % count]);
                        let adjacent = first.0.is_empty() || second.0.is_empty()
                            || first.0.shares_memory_with(&second.0)
                            && first.0.as_ptr_range().end == second.0.as_ptr();
                        let joined = first.0.try_join(&second.0);
                        prop_assert_eq!(joined.is_some(), adjacent);
                        let bytes = [&*first.1, &*second.1].concat();
                        slices.extend(joined.map(|slice| (slice, bytes)));
                    }
                }
                Step::Drop(i) => if !slices.is_empty() { slices.swap_remove(i % count); },
                Step::IntoVec(i) => if !slices.is_empty() {
                    let (slice, bytes) = slices.swap_remove(i % count);
                    let vec = slice.into_vec();
                    prop_assert_eq!(&vec, &bytes);
                    let address = vec.as_ptr();
                    let slice = Slice::from_vec(vec);
                    prop_assert!(slice.is_empty() || slice.as_ptr() == address);
                    slices.push((slice, bytes));
                },
            }
            prop_assert_eq!(writer.filled(), &*filled);
            prop_assert_eq!(writer.remaining(), spare);
            for (slice, bytes) in &slices {
                prop_assert_eq!(&**slice, &**bytes);
            }
        }
        drop((writer, slices));
        prop_assert_eq!(pool.stats().live, 0);
        prop_assert!(pool.stats().free <= 2);
    }

    #[test]
    fn a_pool_of_large_buffers_counts_right_and_stays_within_its_bound(
        steps in prop::collection::vec((any::<bool>(), 0..200_000_usize), 1..100)
    ) {
        let keep = 256 << 10;
        let pool = LargePool::new(keep);
        let mut held = Vec::new();
        for (take, n) in steps {
            if take {
                let mut buffer = pool.take(n).unwrap();
                prop_assert_eq!(buffer.len(), n);
                buffer.fill(1);
                held.push(buffer);
            } else if !held.is_empty() {
                held.swap_remove(n % held.len());
            }
            let stats = pool.stats();
            prop_assert_eq!(stats.live, held.len());
            prop_assert!(stats.free_bytes <= keep);
            prop_assert!(stats.live_bytes >= held.iter().map(|buffer| buffer.len()).sum());
        }
        held.clear();
        prop_assert_eq!((pool.stats().live, pool.stats().live_bytes), (0, 0));
    }
}

/// Each slice carries its sum in its last byte, so a reader sees when memory changed under it.
#[test]
fn slabs_survive_many_threads() {
    let pool = Pool::new(1024, 4);
    let mut senders = Vec::new();
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let (sender, receiver) = mpsc::sync_channel::<Slice>(64);
            senders.push(sender);
            thread::spawn(move || {
                let mut held = Vec::new();
                for slice in receiver {
                    held.push(slice.slice(..));
                    drop(slice);
                    if held.len() == 50 {
                        for slice in held.drain(..) {
                            let (last, bytes) = slice.split_last().unwrap();
                            assert_eq!(
                                bytes.iter().fold(0, |sum: u8, &b| sum.wrapping_add(b)),
                                *last
                            );
                        }
                    }
                }
            })
        })
        .collect();
    let writers: Vec<_> = (0..2_usize)
        .map(|which| {
            let (pool, senders) = (pool.clone(), senders.clone());
            thread::spawn(move || {
                let mut writer = pool.writer();
                for n in 0..50_000_usize {
                    let len = 2 + (n * 31 + which) % 60;
                    if writer.remaining() < len && !writer.reset_if_sole() {
                        writer = pool.writer();
                    }
                    let bytes = &mut writer.spare_mut()[..len];
                    bytes.fill(u8::try_from(n % 251).unwrap());
                    let sum = bytes[1..].iter().fold(0, |sum: u8, &b| sum.wrapping_add(b));
                    bytes[len - 1] = sum;
                    writer.commit(len);
                    let slice = writer.freeze(len);
                    let reader = &senders[n % senders.len()];
                    reader.send(slice.clone()).unwrap();
                }
            })
        })
        .collect();
    senders.clear();
    for thread in writers.into_iter().chain(readers) {
        thread.join().unwrap();
    }
    assert_eq!(pool.stats().live, 0);
    assert!(pool.stats().free <= 4);
}
