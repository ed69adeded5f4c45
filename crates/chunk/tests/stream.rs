//! Chunk streams against plain bytes, and proofs that nothing is copied.
#![cfg(not(loom))]

use std::collections::VecDeque;

use chunk::{ChunkStream, Pool, Slice};
use proptest::prelude::*;

#[derive(Clone, Debug)]
enum Step {
    Write(Vec<u8>),
    Unread(Vec<u8>),
    WriteMany(Vec<Vec<u8>>),
    Append(Vec<u8>, Vec<u8>),
    ReadChunk,
    UnwriteChunk,
    Read(usize),
    ReadAll,
    Read1(usize),
    ReadInto(usize),
    ReadInto1(usize),
    ReadLine,
    Unwrite(usize),
    Skip(usize),
    Truncate(usize),
    SplitOff(usize),
    Merge,
    Clear,
    Clone,
}

fn step() -> impl Strategy<Value = Step> {
    // Few letters, so that newlines are frequent.
    let bytes = || prop::collection::vec(prop_oneof![Just(b'\n'), Just(b'a'), any::<u8>()], 0..12);
    let n = || prop_oneof![0..20_usize, Just(usize::MAX)];
    prop_oneof![
        6 => bytes().prop_map(Step::Write),
        3 => bytes().prop_map(Step::Unread),
        1 => prop::collection::vec(bytes(), 0..4).prop_map(Step::WriteMany),
        1 => (bytes(), bytes()).prop_map(|(a, b)| Step::Append(a, b)),
        1 => Just(Step::ReadChunk),
        1 => Just(Step::UnwriteChunk),
        2 => n().prop_map(Step::Read),
        1 => Just(Step::ReadAll),
        2 => n().prop_map(Step::Read1),
        1 => (0..20_usize).prop_map(Step::ReadInto),
        1 => (0..20_usize).prop_map(Step::ReadInto1),
        2 => Just(Step::ReadLine),
        1 => n().prop_map(Step::Unwrite),
        1 => n().prop_map(Step::Skip),
        1 => n().prop_map(Step::Truncate),
        1 => n().prop_map(Step::SplitOff),
        1 => Just(Step::Merge),
        1 => Just(Step::Clear),
        1 => Just(Step::Clone),
    ]
}

/// The same as plain bytes; `sizes` are the lengths of the chunks.
#[derive(Clone, Default)]
struct Model {
    bytes: Vec<u8>,
    sizes: VecDeque<usize>,
}

impl Model {
    fn insert(&mut self, at_end: bool, bytes: &[u8]) -> usize {
        let at = if at_end { self.bytes.len() } else { 0 };
        self.bytes.splice(at..at, bytes.iter().copied());
        if !bytes.is_empty() {
            if at_end {
                self.sizes.push_back(bytes.len())
            } else {
                self.sizes.push_front(bytes.len())
            }
        }
        bytes.len()
    }

    fn take(&mut self, n: usize) -> Option<Vec<u8>> {
        if self.bytes.is_empty() {
            return None;
        }
        let taken: Vec<u8> = self.bytes.drain(..n.min(self.bytes.len())).collect();
        let mut left = taken.len();
        while let Some(first) = self.sizes.front_mut() {
            if left < *first {
                *first -= left;
                break;
            }
            left -= *first;
            self.sizes.pop_front();
        }
        Some(taken)
    }

    fn take_last(&mut self, n: usize) -> Option<Vec<u8>> {
        if self.bytes.is_empty() {
            return None;
        }
        let kept = self.bytes.len().saturating_sub(n);
        let taken = self.bytes.split_off(kept);
        let mut sum = 0;
        let sizes = std::mem::take(&mut self.sizes).into_iter().map(|size| {
            let size = size.min(kept - sum);
            sum += size;
            size
        });
        self.sizes = sizes.filter(|&size| size > 0).collect();
        Some(taken)
    }

    fn first(&self) -> usize {
        self.sizes.front().copied().unwrap_or(0)
    }

    fn line(&self) -> usize {
        self.bytes
            .iter()
            .position(|&b| b == b'\n')
            .map_or(usize::MAX, |at| at + 1)
    }
}

proptest! {
    #[test]
    fn a_stream_behaves_like_plain_bytes(steps in prop::collection::vec(step(), 1..120)) {
        let (mut stream, mut model) = (ChunkStream::new(), Model::default());
        let mut kept: Vec<(ChunkStream, Model)> = Vec::new();
        for step in steps {
            let peeked = stream.peek(7);
            let expected: Vec<u8> = model.bytes.iter().copied().take(7).collect();
            prop_assert_eq!(peeked.as_deref(), (!stream.is_empty()).then_some(&*expected));
            let read = |slice: Option<Slice>| slice.map(Slice::into_vec);
            match step {
                Step::Write(bytes) => {
                    prop_assert_eq!(stream.write(bytes.clone()), model.insert(true, &bytes));
                }
                Step::Unread(bytes) => {
                    prop_assert_eq!(stream.unread(bytes.clone()), model.insert(false, &bytes));
                }
                Step::WriteMany(many) => {
                    let sum: usize = many.iter().map(|bytes| model.insert(true, bytes)).sum();
                    prop_assert_eq!(stream.write_chunks(many), sum);
                }
                Step::Append(first, second) => {
                    let mut other: ChunkStream =
                        [first.clone(), second.clone()].map(Slice::from_vec).into_iter().collect();
                    let moved = model.insert(true, &first) + model.insert(true, &second);
                    prop_assert_eq!(stream.append(&mut other), moved);
                    prop_assert!(other.is_empty() && other.chunk_count() == 0);
                }
                Step::ReadChunk => {
                    prop_assert_eq!(read(stream.read_chunk()), model.take(model.first()));
                }
                Step::UnwriteChunk => {
                    let last = model.sizes.back().copied().unwrap_or(0);
                    prop_assert_eq!(read(stream.unwrite_chunk()), model.take_last(last));
                }
                Step::Read(n) => prop_assert_eq!(read(stream.read(n)), model.take(n)),
                Step::ReadAll => prop_assert_eq!(read(stream.read_all()), model.take(usize::MAX)),
                Step::Read1(n) => {
                    prop_assert_eq!(read(stream.read1(n)), model.take(n.min(model.first())));
                }
                Step::ReadInto(n) | Step::ReadInto1(n) => {
                    let mut out = vec![0; n];
                    let (count, expected) = if matches!(step, Step::ReadInto(_)) {
                        (stream.read_into(&mut out), model.take(n))
                    } else {
                        (stream.read_into1(&mut out), model.take(n.min(model.first())))
                    };
                    out.truncate(count.unwrap_or(0));
                    prop_assert_eq!(count.map(|_| out), expected);
                }
                Step::ReadLine => {
                    let newline = stream.find(b'\n').map_or(usize::MAX, |at| at + 1);
                    prop_assert_eq!(newline, model.line());
                    prop_assert_eq!(read(stream.read_line()), model.take(model.line()));
                }
                Step::Unwrite(n) => prop_assert_eq!(read(stream.unwrite(n)), model.take_last(n)),
                Step::Skip(n) => {
                    prop_assert_eq!(stream.skip(n), model.take(n).map_or(0, |taken| taken.len()));
                }
                Step::Truncate(n) => {
                    stream.truncate(n);
                    model.take_last(model.bytes.len().saturating_sub(n));
                }
                Step::SplitOff(n) => {
                    let tail = stream.split_off(n).read_all();
                    let expected = model.take_last(model.bytes.len().saturating_sub(n));
                    prop_assert_eq!(read(tail), expected.filter(|bytes| !bytes.is_empty()));
                }
                Step::Merge => {
                    stream.merge();
                    let len = model.bytes.len();
                    model.sizes = (len > 0).then_some(len).into_iter().collect();
                }
                Step::Clear => {
                    stream.clear();
                    model = Model::default();
                }
                Step::Clone => kept.push((stream.clone(), model.clone())),
            }
            prop_assert_eq!(stream.len(), model.bytes.len());
            prop_assert_eq!(stream.is_empty(), model.bytes.is_empty());
            prop_assert_eq!(stream.chunk_count(), model.sizes.len());
            prop_assert!(stream.chunks().map(Slice::len).eq(model.sizes.iter().copied()));
            prop_assert_eq!(stream.peek_chunk(), stream.chunk(0));
        }
        kept.push((stream, model));
        for (stream, model) in kept {
            let bytes: Vec<u8> = stream.into_iter().flat_map(Slice::into_vec).collect();
            prop_assert_eq!(bytes, model.bytes);
        }
    }
}

fn numbers() -> (ChunkStream, Vec<*const u8>) {
    let chunks = [&b"0123"[..], b"45", b"6789"].map(Slice::copy_from);
    let addresses = chunks.iter().map(|chunk| chunk.as_ptr()).collect();
    (chunks.into_iter().collect(), addresses)
}

#[test]
fn within_one_chunk_nothing_is_copied() {
    let (mut stream, at) = numbers();
    assert_eq!(stream.peek(3).unwrap().as_ptr(), at[0]);
    assert_eq!(stream.read(1).unwrap().as_ptr(), at[0]);
    assert_eq!(stream.read1(2).unwrap().as_ptr(), at[0].wrapping_add(1));
    assert_eq!(stream.read_line().unwrap().len(), 7);
    let (mut stream, at) = numbers();
    let copy = stream.clone();
    assert!(
        copy.chunks()
            .map(|chunk| chunk.as_ptr())
            .eq(at.iter().copied())
    );
    assert_eq!(stream.unwrite(3).unwrap().as_ptr(), at[2].wrapping_add(1));
    assert_eq!(stream.unwrite_chunk().unwrap().as_ptr(), at[2]);
    stream.truncate(3);
    assert_eq!(stream.skip(1), 1);
    assert_eq!(stream.read_all().unwrap().as_ptr(), at[0].wrapping_add(1));
    let back = copy.peek_chunk().unwrap().clone();
    stream.unread(back);
    assert_eq!(
        stream
            .read_chunks()
            .map(|chunk| chunk.as_ptr())
            .collect::<Vec<_>>(),
        [at[0]]
    );
    assert_eq!(stream.read(0), None);
}

#[test]
fn chunks_that_are_adjacent_in_memory_are_read_without_a_copy() {
    let mut writer = Pool::new(64, 0).writer();
    writer.put(b"one\ntwo\nthree");
    let chunks = [2, 3, 4, 4].map(|n| writer.freeze(n));
    let start = chunks[0].as_ptr();
    let mut stream: ChunkStream = chunks.into_iter().collect();
    assert_eq!(stream.read_line().unwrap().as_ptr(), start);
    stream.merge();
    assert_eq!((stream.chunk_count(), stream.len()), (1, 9));
    assert_eq!(stream.read_all().unwrap().as_ptr(), start.wrapping_add(4));
}

#[test]
fn no_bytes_of_a_stream_that_has_some_are_an_empty_slice() {
    let (mut stream, _) = numbers();
    assert_eq!(stream.read(0).as_deref(), Some(&[][..]));
    assert_eq!(stream.read1(0).as_deref(), Some(&[][..]));
    assert_eq!(stream.unwrite(0).as_deref(), Some(&[][..]));
    assert_eq!(stream.read_into(&mut []), Some(0));
    assert_eq!(stream.len(), 10);
    assert_eq!(format!("{stream:?}"), "ChunkStream(10 bytes in 3 chunks)");
}
