use crate::batch::{Encoded, Encoder, Input, ProducerMark};
use crate::disk::put_at;
use crate::{Codec, Error, ErrorKind, Segment, SegmentState};

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
        codec: Codec,
        mark: Option<ProducerMark>,
    ) -> Result<Encoded, Error> {
        self.encoder.encode(input, codec, mark)
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
        full.indexer.seal();
        Ok(full)
    }

    /// Reserves room ahead if less than half of the last step is left; a disk that cannot, or is full, is no error here.
    pub fn allocate_ahead(&mut self) {
        let end = u64::from(self.segment.size);
        let step = match end {
            0 => FIRST_AHEAD,
            _ => end.clamp(LEAST_AHEAD, MOST_AHEAD),
        };
        let to = (end + step).min(u64::from(self.segment_bytes));
        if self.allocated < end + step / 2 && to > self.allocated.max(end) {
            // The answer changes nothing: without room reserved the file grows as it is written.
            let _ = self.segment.file.allocate(self.allocated.max(end), to);
            self.allocated = to;
        }
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
