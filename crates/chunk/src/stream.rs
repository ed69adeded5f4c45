//! A rope of slices with the manners of a pipe.

use std::collections::{VecDeque, vec_deque};
use std::fmt;

use crate::slice::Slice;

/// Bytes in order, kept as the chunks in which they came: a queue of [`Slice`]s and the count of
/// their bytes.
///
/// Reading consumes, from the front; writing appends. `unread` and `unwrite` are the same at the
/// other end. Chunks are never of no bytes: such a one is dropped when it is written. One rule
/// holds everywhere: what would have to wait for bytes (the stream is empty) is `None`.
///
/// Nothing is copied except where a method says so. A clone shares the memory of all chunks and
/// costs one atomic each.
///
/// ```
/// use chunk::{ChunkStream, Slice};
///
/// let mut stream = ChunkStream::new();
/// stream.write(b"one\ntw".to_vec());
/// stream.write(b"o\n".to_vec());
/// assert_eq!(stream.read_line().as_deref(), Some(&b"one\n"[..]));
/// assert_eq!(stream.read_line().as_deref(), Some(&b"two\n"[..]));
/// assert_eq!(stream.read_line(), None);
/// ```
#[derive(Clone, Default)]
pub struct ChunkStream {
    // Invariant: no chunk is of no bytes; `bytes` is the sum of their lengths.
    chunks: VecDeque<Slice>,
    bytes: usize,
}

/// Whole chunks: never a copy.
impl ChunkStream {
    /// An empty stream. Allocates nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends a chunk and returns its length.
    ///
    /// # Panics
    ///
    /// When the stream would hold more than `usize::MAX` bytes (possible with clones of one chunk
    /// only).
    pub fn write(&mut self, chunk: impl Into<Slice>) -> usize {
        let chunk = chunk.into();
        let len = chunk.len();
        if len > 0 {
            self.count(len);
            self.chunks.push_back(chunk);
        }
        len
    }

    /// Puts a chunk in front, to be read next, and returns its length.
    ///
    /// # Panics
    ///
    /// As [`write`](Self::write).
    pub fn unread(&mut self, chunk: impl Into<Slice>) -> usize {
        let chunk = chunk.into();
        let len = chunk.len();
        if len > 0 {
            self.count(len);
            self.chunks.push_front(chunk);
        }
        len
    }

    /// Appends many chunks and returns the sum of their lengths.
    ///
    /// # Panics
    ///
    /// As [`write`](Self::write).
    pub fn write_chunks(&mut self, chunks: impl IntoIterator<Item = impl Into<Slice>>) -> usize {
        let before = self.bytes;
        for chunk in chunks {
            self.write(chunk);
        }
        self.bytes - before
    }

    /// Moves everything in `other` to the end of this stream and returns how many bytes that were.
    ///
    /// # Panics
    ///
    /// As [`write`](Self::write).
    pub fn append(&mut self, other: &mut Self) -> usize {
        let moved = other.bytes;
        self.count(moved);
        self.chunks.append(&mut other.chunks);
        other.bytes = 0;
        moved
    }

    /// Takes the first chunk.
    pub fn read_chunk(&mut self) -> Option<Slice> {
        let chunk = self.chunks.pop_front()?;
        self.bytes -= chunk.len();
        Some(chunk)
    }

    /// Takes the last chunk.
    pub fn unwrite_chunk(&mut self) -> Option<Slice> {
        let chunk = self.chunks.pop_back()?;
        self.bytes -= chunk.len();
        Some(chunk)
    }

    /// Takes chunk after chunk until none is left. What is not asked for stays in the stream.
    pub fn read_chunks(&mut self) -> impl Iterator<Item = Slice> + '_ {
        std::iter::from_fn(|| self.read_chunk())
    }

    /// The first chunk, which stays in the stream.
    #[must_use]
    pub fn peek_chunk(&self) -> Option<&Slice> {
        self.chunks.front()
    }

    /// Chunk `index`, which stays in the stream.
    #[must_use]
    pub fn chunk(&self, index: usize) -> Option<&Slice> {
        self.chunks.get(index)
    }

    /// All chunks, which stay in the stream.
    #[must_use]
    pub fn chunks(&self) -> Chunks<'_> {
        self.chunks.iter()
    }

    /// Lets go of everything. The stream can be used again.
    pub fn clear(&mut self) {
        self.chunks.clear();
        self.bytes = 0;
    }

    /// Number of chunks.
    #[must_use]
    pub fn chunk_count(&self) -> usize {
        self.chunks.len()
    }

    /// Number of bytes.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes
    }

    /// Whether there is no byte.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes == 0
    }

    fn count(&mut self, more: usize) {
        self.bytes = self
            .bytes
            .checked_add(more)
            .expect("bytes of a stream fit into usize");
    }
}

/// Bytes, across the borders of chunks.
impl ChunkStream {
    /// Takes the first `n` bytes, or all when there are fewer, as one slice. Copies only if they
    /// lie in several chunks that are not adjacent in one memory.
    pub fn read(&mut self, n: usize) -> Option<Slice> {
        let read = self.peek(n)?;
        self.skip(read.len());
        Some(read)
    }

    /// Takes everything as one slice. Copies as [`read`](Self::read) does.
    pub fn read_all(&mut self) -> Option<Slice> {
        self.read(usize::MAX)
    }

    /// Takes the first `n` bytes of the first chunk, or all of it when it has fewer. Never copies.
    pub fn read1(&mut self, n: usize) -> Option<Slice> {
        let first = self.chunks.front_mut()?;
        if n >= first.len() {
            return self.read_chunk();
        }
        self.bytes -= n;
        Some(first.split_to(n))
    }

    /// Copies bytes out until `out` is full or the stream is empty, and takes them; returns how
    /// many.
    pub fn read_into(&mut self, out: &mut [u8]) -> Option<usize> {
        let n = self.peek_into(out)?;
        self.skip(n);
        Some(n)
    }

    /// Copies bytes of the first chunk out, as many as `out` holds, and takes them; returns how
    /// many.
    pub fn read_into1(&mut self, out: &mut [u8]) -> Option<usize> {
        let chunk = self.read1(out.len())?;
        copy(&chunk, out);
        Some(chunk.len())
    }

    /// Takes one line: all up to the next newline, which is part of it, or what is left when there
    /// is no newline. Copies as [`read`](Self::read) does.
    pub fn read_line(&mut self) -> Option<Slice> {
        let end = self.find(b'\n').map_or(usize::MAX, |newline| newline + 1);
        self.read(end)
    }

    /// Takes the last `n` bytes, or all when there are fewer, as one slice. Copies as
    /// [`read`](Self::read) does.
    pub fn unwrite(&mut self, n: usize) -> Option<Slice> {
        if self.is_empty() {
            return None;
        }
        let mut tail = self.split_off(self.bytes.saturating_sub(n));
        Some(tail.read_all().unwrap_or_default())
    }

    /// Drops the first `n` bytes, or all when there are fewer; returns how many.
    pub fn skip(&mut self, n: usize) -> usize {
        let dropped = n.min(self.bytes);
        let mut left = dropped;
        while let Some(first) = self.chunks.front_mut() {
            if left < first.len() {
                first.advance(left);
                break;
            }
            left -= first.len();
            self.chunks.pop_front();
        }
        self.bytes -= dropped;
        dropped
    }

    /// Keeps the first `n` bytes; does nothing when there are no more.
    pub fn truncate(&mut self, n: usize) {
        drop(self.split_off(n));
    }

    /// Splits all after the first `n` bytes off; that is nothing when there are no more. Never
    /// copies.
    #[must_use]
    pub fn split_off(&mut self, n: usize) -> Self {
        let mut tail = Self::new();
        while self.bytes > n {
            let Some(mut last) = self.unwrite_chunk() else {
                break;
            };
            if self.bytes < n {
                self.write(last.split_to(n - self.bytes));
            }
            tail.unread(last);
        }
        tail
    }

    /// Makes the whole stream one chunk (or none). Copies as [`read`](Self::read) does.
    pub fn merge(&mut self) {
        if let Some(whole) = self.read_all() {
            self.write(whole);
        }
    }

    /// The first `n` bytes, or all when there are fewer, as one slice; they stay in the stream.
    /// Copies as [`read`](Self::read) does.
    #[must_use]
    pub fn peek(&self, n: usize) -> Option<Slice> {
        let n = n.min(self.bytes);
        let mut chunks = self.chunks.iter();
        let mut joined = chunks.next()?.clone();
        while joined.len() < n {
            let Some(longer) = chunks.next().and_then(|next| joined.try_join(next)) else {
                return Some(self.copy_of_first(n).into());
            };
            joined = longer;
        }
        joined.truncate(n);
        Some(joined)
    }

    /// Copies bytes out until `out` is full or the end is reached; returns how many. They stay in
    /// the stream.
    #[must_use]
    pub fn peek_into(&self, out: &mut [u8]) -> Option<usize> {
        self.chunks.front()?;
        let mut filled = 0;
        for chunk in &self.chunks {
            let Some(room @ [_, ..]) = out.get_mut(filled..) else {
                break;
            };
            filled += copy(chunk, room);
        }
        Some(filled)
    }

    /// Where the first `byte` is.
    #[must_use]
    pub fn find(&self, byte: u8) -> Option<usize> {
        let mut before = 0;
        for chunk in &self.chunks {
            if let Some(at) = chunk.iter().position(|&b| b == byte) {
                return Some(before + at);
            }
            before += chunk.len();
        }
        None
    }

    fn copy_of_first(&self, n: usize) -> Vec<u8> {
        let mut copy = Vec::with_capacity(n);
        for chunk in &self.chunks {
            let wanted = chunk.len().min(n - copy.len());
            copy.extend_from_slice(chunk.get(..wanted).unwrap_or(chunk));
        }
        copy
    }
}

impl From<Slice> for ChunkStream {
    fn from(chunk: Slice) -> Self {
        Self::from_iter([chunk])
    }
}

impl FromIterator<Slice> for ChunkStream {
    fn from_iter<I: IntoIterator<Item = Slice>>(chunks: I) -> Self {
        let mut stream = Self::new();
        stream.extend(chunks);
        stream
    }
}

impl Extend<Slice> for ChunkStream {
    fn extend<I: IntoIterator<Item = Slice>>(&mut self, chunks: I) {
        self.write_chunks(chunks);
    }
}

impl IntoIterator for ChunkStream {
    type Item = Slice;
    type IntoIter = vec_deque::IntoIter<Slice>;

    fn into_iter(self) -> Self::IntoIter {
        self.chunks.into_iter()
    }
}

impl<'a> IntoIterator for &'a ChunkStream {
    type Item = &'a Slice;
    type IntoIter = Chunks<'a>;

    fn into_iter(self) -> Self::IntoIter {
        self.chunks()
    }
}

impl fmt::Debug for ChunkStream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "ChunkStream({} bytes in {} chunks)",
            self.bytes,
            self.chunks.len()
        )
    }
}

/// Iterator over the chunks of a [`ChunkStream`].
pub type Chunks<'a> = vec_deque::Iter<'a, Slice>;

/// Copies as much of `from` as fits into `to`; returns how many bytes.
fn copy(from: &[u8], to: &mut [u8]) -> usize {
    let n = from.len().min(to.len());
    if let (Some(to), Some(from)) = (to.get_mut(..n), from.get(..n)) {
        to.copy_from_slice(from);
    }
    n
}
