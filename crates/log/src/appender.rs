use crate::batch::{Encoded, Encoder, Input, ProducerMark};
use crate::disk::put_at;
use crate::locks::lock;
use crate::segment::MOST_OFFSET;
use crate::{Compression, Error, ErrorKind, Segment, SegmentState};

/// Adds batches to the active segment of one partition. Whoever has it writes alone.
pub struct Appender {
    segment: Segment,
    encoder: Encoder,
    segment_bytes: u32,
    allocated: u64,
    /// Why nothing can be appended any more, if so.
    closed: Option<Error>,
}

/// What became of a batch.
#[derive(Debug)]
#[must_use]
pub enum Outcome {
    /// It is written, and not durable before the next sync.
    Written {
        /// Offset of its first record.
        base_offset: u64,
        /// Offset behind its last record.
        next_offset: u64,
    },
    /// The segment has no room for it: roll, then write it.
    Full(Encoded),
}

/// What is allocated ahead at first, and the least and the most of each further step.
const FIRST_AHEAD: u64 = 256 << 10;
const LEAST_AHEAD: u64 = 1 << 20;
const MOST_AHEAD: u64 = 64 << 20;

impl Appender {
    /// Goes on behind the last batch of `segment`.
    #[must_use]
    pub const fn new(segment: Segment, segment_bytes: u32, max_batch_bytes: u32) -> Self {
        Self {
            allocated: segment.size as u64,
            segment,
            encoder: Encoder::new(max_batch_bytes),
            segment_bytes,
            closed: None,
        }
    }

    /// The active segment.
    #[must_use]
    pub const fn segment(&self) -> &Segment {
        &self.segment
    }

    /// Makes a batch of the records.
    ///
    /// # Errors
    ///
    /// As [`Encoder::encode`].
    pub fn encode(
        &mut self,
        input: &Input<'_>,
        compression: impl Into<Compression>,
        mark: Option<ProducerMark>,
    ) -> Result<Encoded, Error> {
        self.encoder.encode(input, compression, mark)
    }

    /// Writes a batch behind the last one, and gives its records the next offsets. It is stored whole or not at all.
    ///
    /// # Errors
    ///
    /// `NoSpace`: nothing was stored, and it may be tried again. Any other: nothing is taken any more until the partition
    /// is opened again.
    pub fn write(&mut self, mut batch: Encoded) -> Result<Outcome, Error> {
        if let Some(error) = &self.closed {
            return Err(error.clone());
        }
        let (size, count) = (batch.header().size, batch.header().count);
        if self.segment.next_offset.saturating_add(count.into()) > MOST_OFFSET {
            self.encoder.recycle(batch);
            let message = format!(
                "{} is at the end of all offsets ({MOST_OFFSET}); append to another topic",
                self.segment.name
            );
            return Err(Error::new(ErrorKind::TooLarge, message));
        }
        if !self.segment.has_room(size, count, self.segment_bytes) {
            return Ok(Outcome::Full(batch));
        }
        let base_offset = self.segment.next_offset;
        batch.place(base_offset)?;
        if let Err(error) = put_at(
            &*self.segment.file,
            batch.bytes(),
            u64::from(self.segment.size),
        ) {
            self.encoder.recycle(batch);
            return Err(self.failed(&error));
        }
        self.segment.added(batch.header());
        self.encoder.recycle(batch);
        let next_offset = self.segment.next_offset;
        Ok(Outcome::Written {
            base_offset,
            next_offset,
        })
    }

    /// Goes on in `next`, an empty segment that begins where this one ends; returns this one, sealed. The caller has
    /// synced it, unless the topic's flush is left to the system.
    ///
    /// # Errors
    ///
    /// `Internal` if `next` begins elsewhere.
    pub fn roll(&mut self, next: Segment) -> Result<Segment, Error> {
        if next.base_offset != self.segment.next_offset || next.size != 0 {
            let message = format!("{} does not follow {}", next.name, self.segment.name);
            return Err(Error::new(ErrorKind::Internal, message));
        }
        self.allocated = 0;
        let mut full = std::mem::replace(&mut self.segment, next);
        full.state = SegmentState::Sealed;
        lock(&full.indexer).seal();
        Ok(full)
    }

    /// Whether [`Appender::allocate_ahead`] would reserve room.
    #[must_use]
    pub fn wants_room(&self) -> bool {
        self.room_to_reserve().is_some()
    }

    /// Reserves room ahead, if little is left: so much at first that a small topic takes no more, then in steps that grow
    /// with the segment. A disk that cannot, or is full, is no error here.
    pub fn allocate_ahead(&mut self) {
        if let Some((from, to)) = self.room_to_reserve() {
            // The answer changes nothing: without room reserved the file grows as it is written.
            let _ = self.segment.file.allocate(from, to);
            self.allocated = to;
        }
    }

    fn room_to_reserve(&self) -> Option<(u64, u64)> {
        let end = u64::from(self.segment.size);
        let (least_left, to) = if end < FIRST_AHEAD / 2 {
            (1, FIRST_AHEAD)
        } else {
            (LEAST_AHEAD / 2, end + end.clamp(LEAST_AHEAD, MOST_AHEAD))
        };
        let to = to.min(u64::from(self.segment_bytes));
        let from = self.allocated.max(end);
        (self.allocated < end + least_left && to > from).then_some((from, to))
    }

    /// What a failed write leaves: the file as it was, or an appender that takes nothing more.
    fn failed(&mut self, error: &std::io::Error) -> Error {
        let error = Error::system("write", &self.segment.name, error);
        if error.kind != ErrorKind::NoSpace {
            self.closed = Some(error.clone());
            return error;
        }
        // What of the batch was written would be a torn tail.
        if let Err(second) = self.segment.file.set_size(u64::from(self.segment.size)) {
            self.closed = Some(Error::system("truncate", &self.segment.name, &second));
        }
        // Cutting freed what was allocated beyond, too.
        self.allocated = u64::from(self.segment.size);
        error
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::batch::{Shape, Times};
    use crate::{Codec, File, Indexer};

    /// Takes what is written and notes what is allocated.
    #[derive(Default)]
    struct Notes {
        allocated: Mutex<Vec<(u64, u64)>>,
    }

    impl File for Notes {
        fn size(&self) -> io::Result<u64> {
            Ok(0)
        }
        fn read_at(&self, _: &mut [u8], _: u64) -> io::Result<usize> {
            Ok(0)
        }
        fn read_cached_at(&self, _: &mut [u8], _: u64) -> io::Result<Option<usize>> {
            Ok(None)
        }
        fn write_at(&self, bytes: &[u8], _: u64) -> io::Result<usize> {
            Ok(bytes.len())
        }
        fn allocate(&self, from: u64, to: u64) -> io::Result<bool> {
            self.allocated.lock().unwrap().push((from, to));
            Ok(true)
        }
        fn set_size(&self, _: u64) -> io::Result<()> {
            Ok(())
        }
        fn sync_data(&self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn room_is_reserved_in_steps_that_grow_and_end_with_the_segment() {
        let file = Arc::new(Notes::default());
        let segment = Segment {
            base_offset: 0,
            size: 0,
            next_offset: 0,
            state: SegmentState::Active,
            indexer: Arc::new(Mutex::new(Indexer::new(0))),
            file: Arc::clone(&file) as Arc<dyn File>,
            name: "0.log".into(),
        };
        let mut appender = Appender::new(segment, 8 << 20, 1 << 20);
        appender.allocate_ahead();
        let first = file.allocated.lock().unwrap().clone();
        assert_eq!(first, [(0, 256 << 10)]);
        let data = [0; 60_000];
        let input = Input {
            data: &data,
            shape: Shape::Values(&[60_000]),
            times: Times::One(0),
        };
        loop {
            let batch = appender.encode(&input, Codec::None, None).unwrap();
            match appender.write(batch).unwrap() {
                Outcome::Written { .. } => appender.allocate_ahead(),
                Outcome::Full(_) => break,
            }
        }
        let allocated = file.allocated.lock().unwrap();
        assert!(allocated.len() < 10, "{allocated:?}");
        assert!(allocated.windows(2).all(|two| two[0].1 == two[1].0));
        assert_eq!(allocated.last().unwrap().1, 8 << 20);
    }
}
