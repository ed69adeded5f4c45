use std::sync::Arc;

use crate::batch::{HEADER_BYTES, Header, check};
use crate::chores::Chore;
use crate::cursor::{Cursor, Place, ReadBatch, ReadInto, ReadOutcome};
use crate::disk::fill_at;
use crate::fetch::{Fetch, Fetched, Want, Window};
use crate::segment::MAX_SEGMENT_BYTES;
use crate::view::{Damage, SegmentView, Unreadable};
use crate::{Codec, Error, ErrorKind, Partition};

/// Batches larger than this are not inflated on a thread that may not wait.
const INLINE_INFLATE_BYTES: usize = 64 << 10;
/// What a window has at least.
const WINDOW_BYTES: usize = 64 << 10;

impl Partition {
    /// Reads batches from the cursor on, whole ones alone, and moves it behind them. Never waits for a disk unless it may:
    /// then it answers `Later`, and observers hear when to call again. After `AtEnd` they hear when there is more.
    ///
    /// # Errors
    ///
    /// `OutOfRange` if the cursor is before the start or behind the visible end; `Corrupt` if the records there are
    /// damaged, and `TooLarge` if their batch becomes larger than may be ([`Partition::damage_at`] tells which,
    /// [`Cursor::seek`] goes on behind them); `Storage`; `NotFound` when its topic was deleted.
    pub fn read(
        self: &Arc<Self>,
        cursor: &mut Cursor,
        into: &mut ReadInto<'_>,
    ) -> Result<ReadOutcome, Error> {
        self.is_there()?;
        let mut reading = Reading {
            partition: self,
            cursor,
            into,
            used: 0,
            batches: 0,
        };
        loop {
            match reading.step() {
                Ok(Stepped::Again) => {}
                // What was read before counts; the rest comes with the next call.
                Ok(Stepped::Ends(_)) | Err(_) if reading.batches > 0 => {
                    return Ok(ReadOutcome::Batches(reading.batches));
                }
                Ok(Stepped::Ends(outcome)) => return Ok(outcome),
                // Segments that are gone fail because the topic is.
                Err(error) => return Err(self.is_there().err().unwrap_or(error)),
            }
        }
    }

    /// The records around `offset` that cannot be read: the first of them, and the first behind that can be.
    #[must_use]
    pub fn damage_at(&self, offset: u64) -> Option<(u64, u64)> {
        match self.view_of(offset) {
            Ok(view) => view
                .damage(offset, None)
                .map(|damage| (damage.first, damage.next)),
            Err(Missing::Gap(first, next)) => Some((first, next)),
            Err(Missing::OutOfRange) => None,
        }
    }

    /// The segment that has `offset`.
    fn view_of(&self, offset: u64) -> Result<Arc<SegmentView>, Missing> {
        let segments = crate::locks::read(&self.segments);
        let behind = segments.partition_point(|view| view.base() <= offset);
        let before = behind
            .checked_sub(1)
            .and_then(|place| segments.get(place))
            .ok_or(Missing::OutOfRange)?;
        match before.end() {
            Some(end) if offset >= end => match segments.get(behind) {
                Some(next) => Err(Missing::Gap(end, next.base())),
                None => Err(Missing::OutOfRange),
            },
            _ => Ok(Arc::clone(before)),
        }
    }

    pub(crate) fn out_of_range(&self, offset: u64) -> Error {
        let ends = self.ends();
        let message = format!(
            "offset {offset} is not there; partition {} of topic {} has {} to {}",
            self.number(),
            self.topic(),
            ends.start,
            ends.visible
        );
        Error::new(ErrorKind::OutOfRange, message)
    }

    /// Takes note that the records of a batch that was read are none, though its checksum is right: who wrote it did not
    /// keep to the format. What follows it can be read.
    pub fn is_malformed(&self, batch: &ReadBatch) -> Error {
        let header = &batch.header;
        let damage = Damage::of_batch(header, batch.position, Unreadable::Damaged);
        if let Ok(view) = self.view_of(header.base_offset) {
            self.is_damaged(&view, damage);
        }
        self.unreadable(&damage)
    }

    pub(crate) fn unreadable(&self, damage: &Damage) -> Error {
        let Damage { first, next, .. } = *damage;
        if damage.why == Unreadable::Damaged {
            return self.corrupt(first, next);
        }
        let message = format!(
            "offsets {first} to {next} of partition {} of topic {} become more than {} bytes; open with a larger maxInflatedBytes, or read on from {next}",
            self.number(),
            self.topic(),
            self.shared.config.inflated_bytes
        );
        Error::new(ErrorKind::TooLarge, message)
    }

    fn corrupt(&self, first: u64, next: u64) -> Error {
        let message = format!(
            "offsets {first} to {next} of partition {} of topic {} are damaged; read on from {next}",
            self.number(),
            self.topic()
        );
        Error::new(ErrorKind::Corrupt, message)
    }
}

enum Missing {
    OutOfRange,
    Gap(u64, u64),
}

/// One call of [`Partition::read`].
struct Reading<'a, 'b> {
    partition: &'a Arc<Partition>,
    cursor: &'a mut Cursor,
    into: &'a mut ReadInto<'b>,
    used: usize,
    batches: usize,
}

enum Stepped {
    Again,
    Ends(ReadOutcome),
}

/// Why a row of batches ends.
enum Stop {
    /// All that may be shown, or as many as were asked for.
    Enough,
    /// The next batch has so many bytes, and not all are here.
    Short(usize),
    /// The next batch is compressed.
    Compressed,
    /// What is there is no batch that may be there.
    Damaged,
}

impl Reading<'_, '_> {
    fn step(&mut self) -> Result<Stepped, Error> {
        if let Some(waits) = &self.cursor.waits {
            let Some(result) = waits.take() else {
                return Ok(Stepped::Ends(ReadOutcome::Later));
            };
            self.cursor.waits = None;
            match result? {
                Fetched::Window(window) => self.cursor.window = Some(window),
                Fetched::Inflated(header, bytes) => self.cursor.inflated = Some((header, bytes)),
                Fetched::Ready => {}
            }
        }
        if self.batches >= self.into.most {
            return Ok(Stepped::Ends(ReadOutcome::Batches(self.batches)));
        }
        let visible = self.partition.ends.visible();
        let offset = self.cursor.offset;
        if offset >= visible {
            return self.at_end(visible);
        }
        if self.must_be_located() && !self.locate()? {
            return Ok(self.later());
        }
        if self.cursor.inflated.is_some() {
            return Ok(self.put_inflated());
        }
        let position = self.cursor.place.as_ref().map_or(0, |place| place.position);
        let has = |window: &Window| window.has(position, offset);
        if !self.cursor.window.as_ref().is_some_and(has) {
            let window = self.cursor.window.take();
            if window.is_some_and(|window| window.ends_before(position, offset)) {
                return self.damaged();
            }
            if !self.cursor.is_compressed {
                return self.read_straight(visible);
            }
            if !self.fill_window(visible)? {
                return Ok(Stepped::Ends(ReadOutcome::Later));
            }
        }
        self.read_window()
    }

    fn at_end(&mut self, visible: u64) -> Result<Stepped, Error> {
        if self.cursor.offset > visible {
            return Err(self.partition.out_of_range(self.cursor.offset));
        }
        self.cursor.window = None;
        if self.batches > 0 || self.partition.ends.watch(visible) {
            return Ok(Stepped::Ends(ReadOutcome::AtEnd));
        }
        Ok(Stepped::Again)
    }

    fn must_be_located(&self) -> bool {
        let offset = self.cursor.offset;
        let over = |place: &Place| place.view.end().is_some_and(|end| offset >= end);
        self.cursor.place.as_ref().is_none_or(over)
    }

    /// Finds the segment and where to begin in it; `false` if something was wanted first.
    fn locate(&mut self) -> Result<bool, Error> {
        let partition = self.partition;
        let offset = self.cursor.offset;
        self.cursor.window = None;
        self.cursor.place = None;
        if offset < partition.ends.start() {
            return Err(partition.out_of_range(offset));
        }
        let view = match partition.view_of(offset) {
            Ok(view) => view,
            Err(Missing::OutOfRange) => return Err(partition.out_of_range(offset)),
            Err(Missing::Gap(first, next)) => return Err(partition.corrupt(first, next)),
        };
        if let Some(damage) = view.damage(offset, None) {
            return Err(partition.unreadable(&damage));
        }
        // Who reads on from segment to segment needs no index.
        let is_first = offset == view.base();
        let ready = view
            .file()
            .zip(Some(view.index()).filter(|index| is_first || index.is_some()));
        let Some((file, index)) = ready else {
            self.want(Want::Ready(view))?;
            return Ok(false);
        };
        if view.end().is_some() {
            partition.shared.files.used(&view);
        }
        let by_index = match index {
            Some(index) if !is_first => crate::locks::lock(&index).offsets.position_before(offset),
            _ => 0,
        };
        let position = by_index.max(view.behind_damage(offset));
        self.cursor.place = Some(Place {
            view,
            file,
            position,
            by_index: position > 0,
            checks_again: self.cursor.checks_again,
        });
        Ok(true)
    }

    /// Gets it here if this thread may wait, else has the housekeeper do it.
    fn want(&mut self, want: Want) -> Result<(), Error> {
        let fetch = Arc::new(Fetch::new(Arc::clone(self.partition), want));
        if self.into.may_wait {
            fetch.run();
        } else {
            let chores = &self.partition.shared.chores;
            chores.add(Chore::Fetch(Arc::clone(&fetch)));
        }
        self.cursor.waits = Some(fetch);
        Ok(())
    }

    /// Reads into the caller's memory at once.
    fn read_straight(&mut self, limit: u64) -> Result<Stepped, Error> {
        let Some(place) = &self.cursor.place else {
            return Ok(Stepped::Again);
        };
        let room = self.into.data.get_mut(self.used..).unwrap_or_default();
        if room.len() < HEADER_BYTES {
            return Ok(Stepped::Ends(ReadOutcome::Needs(WINDOW_BYTES)));
        }
        let at = u64::from(place.position);
        let read = if self.into.may_wait {
            fill_at(&*place.file, room, at).map(Some)
        } else {
            place.file.read_cached_at(room, at)
        };
        let read = read.map_err(|error| Error::system("read", place.view.name(), &error))?;
        let Some(read) = read else {
            return self.fetch_window(HEADER_BYTES, limit);
        };
        let (took, stop) = self.take_row(read, limit);
        if self.batches > 0 {
            return Ok(Stepped::Ends(ReadOutcome::Batches(self.batches)));
        }
        match stop {
            Stop::Enough => Ok(Stepped::Again),
            Stop::Damaged => self.damaged(),
            Stop::Short(_) if took > 0 => Ok(Stepped::Again),
            Stop::Short(need) if self.into.data.len() - self.used < need => {
                Ok(Stepped::Ends(ReadOutcome::Needs(need)))
            }
            Stop::Short(_) if self.into.may_wait => self.damaged(),
            Stop::Short(need) => self.fetch_window(need, limit),
            Stop::Compressed => {
                self.cursor.is_compressed = true;
                Ok(Stepped::Again)
            }
        }
    }

    /// Goes through the batches in the `read` bytes of the caller's memory; how many bytes those were that are done with.
    fn take_row(&mut self, read: usize, limit: u64) -> (usize, Stop) {
        let Some(place) = &mut self.cursor.place else {
            return (0, Stop::Damaged);
        };
        let end = self.used.saturating_add(read);
        let bytes = self.into.data.get(self.used..end).unwrap_or_default();
        let mut at = 0;
        let stop = loop {
            if self.cursor.offset >= limit || self.batches >= self.into.most {
                break Stop::Enough;
            }
            let rest = bytes.get(at..).unwrap_or_default();
            let header = match next_header(rest, self.cursor.offset) {
                Ok(header) => header,
                Err(stop) => break stop,
            };
            let size = header.size as usize;
            if header.next_offset() > self.cursor.offset {
                if header.attributes.codec != Codec::None {
                    break Stop::Compressed;
                }
                let Some(batch) = rest.get(..size) else {
                    break Stop::Short(size);
                };
                if !is_good(place, batch, &header) {
                    break Stop::Damaged;
                }
                self.into.batches.push(ReadBatch {
                    header,
                    position: place.position,
                    start: self.used + at + HEADER_BYTES,
                    bytes: size - HEADER_BYTES,
                });
                self.batches += 1;
                self.cursor.offset = header.next_offset();
            } else if rest.len() < size {
                // It is passed over, unread.
                place.passed(header.size);
                at = bytes.len();
                break Stop::Short(0);
            }
            place.passed(header.size);
            at += size;
        };
        if self.batches > 0 {
            self.used += at;
        }
        (at, stop)
    }

    /// Takes the next batch out of the window.
    fn read_window(&mut self) -> Result<Stepped, Error> {
        let (Some(place), Some(window)) = (&mut self.cursor.place, &self.cursor.window) else {
            return Ok(Stepped::Again);
        };
        let rest = window.from(place.position);
        let header = match next_header(rest, self.cursor.offset) {
            Ok(header) => header,
            Err(Stop::Short(need)) => return self.window_was_short(need),
            Err(_) => return self.damaged(),
        };
        let size = header.size as usize;
        if header.next_offset() <= self.cursor.offset {
            place.passed(header.size);
            return Ok(Stepped::Again);
        }
        let Some(batch) = rest.get(..size) else {
            return self.window_was_short(size);
        };
        self.cursor.wants = 0;
        let is_plain = header.attributes.codec == Codec::None;
        let need = if is_plain { size } else { 0 };
        let room = self.into.data.get_mut(self.used..).unwrap_or_default();
        if need > room.len() {
            return Ok(Stepped::Ends(ReadOutcome::Needs(need)));
        }
        if !is_good(place, batch, &header) {
            return self.damaged();
        }
        self.cursor.is_compressed = !is_plain;
        if is_plain {
            if let Some(room) = room.get_mut(..size) {
                room.copy_from_slice(batch);
            }
            self.into.batches.push(ReadBatch {
                header,
                position: place.position,
                start: self.used + HEADER_BYTES,
                bytes: size - HEADER_BYTES,
            });
            place.passed(header.size);
            self.cursor.offset = header.next_offset();
            self.used += size;
            self.batches += 1;
            return Ok(Stepped::Again);
        }
        let packed = batch.get(HEADER_BYTES..).unwrap_or_default();
        let (view, position) = (&place.view, place.position);
        if size > INLINE_INFLATE_BYTES && !self.into.may_wait {
            let want = Want::Inflated {
                view: Arc::clone(view),
                position,
                header,
                packed: packed.to_vec(),
            };
            self.want(want)?;
            return Ok(Stepped::Ends(ReadOutcome::Later));
        }
        let bytes = self.partition.inflated(view, position, &header, packed)?;
        self.cursor.inflated = Some((header, bytes));
        Ok(Stepped::Again)
    }

    fn put_inflated(&mut self) -> Stepped {
        let Some((header, bytes)) = &self.cursor.inflated else {
            return Stepped::Again;
        };
        let room = self.into.data.get_mut(self.used..).unwrap_or_default();
        let Some(room) = room.get_mut(..bytes.len()) else {
            return Stepped::Ends(ReadOutcome::Needs(bytes.len()));
        };
        room.copy_from_slice(bytes);
        let position = self.cursor.place.as_ref().map_or(0, |place| place.position);
        self.into.batches.push(ReadBatch {
            header: *header,
            position,
            start: self.used,
            bytes: bytes.len(),
        });
        self.used += bytes.len();
        self.batches += 1;
        self.cursor.offset = header.next_offset();
        if let Some(place) = &mut self.cursor.place {
            place.passed(header.size);
        }
        self.cursor.inflated = None;
        Stepped::Again
    }

    fn window_was_short(&mut self, need: usize) -> Result<Stepped, Error> {
        let again = self.cursor.wants >= need && self.cursor.wants > 0;
        self.cursor.window = None;
        if again {
            // It was asked for, and the file ends before.
            self.cursor.wants = 0;
            return self.damaged();
        }
        self.cursor.wants = need;
        let limit = self.partition.ends.visible();
        if self.fill_window(limit)? {
            Ok(Stepped::Again)
        } else {
            Ok(Stepped::Ends(ReadOutcome::Later))
        }
    }

    /// Reads a window from the page cache; `false` if the disk must be waited for.
    fn fill_window(&mut self, limit: u64) -> Result<bool, Error> {
        let least = self.cursor.wants.max(HEADER_BYTES);
        let Some(place) = &self.cursor.place else {
            return Ok(true);
        };
        if !self.into.may_wait {
            let mut bytes = Vec::new();
            let many = least.max(WINDOW_BYTES);
            if bytes.try_reserve_exact(many).is_ok() {
                bytes.resize(many, 0);
                let read = place
                    .file
                    .read_cached_at(&mut bytes, u64::from(place.position));
                let read =
                    read.map_err(|error| Error::system("read", place.view.name(), &error))?;
                if let Some(read) = read.filter(|read| *read >= least) {
                    bytes.truncate(read);
                    let window = Window::new(place.position, bytes, limit);
                    self.cursor.window = Some(window);
                    return Ok(true);
                }
            }
        }
        let stepped = self.fetch_window(least, limit)?;
        Ok(matches!(stepped, Stepped::Again))
    }

    fn fetch_window(&mut self, least: usize, limit: u64) -> Result<Stepped, Error> {
        let Some(place) = &self.cursor.place else {
            return Ok(Stepped::Again);
        };
        self.cursor.wants = self.cursor.wants.max(least);
        self.want(Want::Bytes {
            view: Arc::clone(&place.view),
            file: Arc::clone(&place.file),
            position: place.position,
            least,
            limit,
        })?;
        Ok(self.later())
    }

    /// How it goes on when something was wanted: here it is there already.
    const fn later(&self) -> Stepped {
        if self.into.may_wait {
            Stepped::Again
        } else {
            Stepped::Ends(ReadOutcome::Later)
        }
    }

    /// There is no batch where one must be.
    fn damaged(&mut self) -> Result<Stepped, Error> {
        let Some(place) = self.cursor.place.take() else {
            return Ok(Stepped::Again);
        };
        self.cursor.window = None;
        let Place {
            view,
            position,
            by_index,
            ..
        } = place;
        if let Some(damage) = view.damage(self.cursor.offset, Some(position)) {
            return Err(self.partition.unreadable(&damage));
        }
        // An index only says where to begin, and this one was wrong; unless it was made just now.
        let want = if by_index && !view.is_indexed_anew() {
            view.index_anew();
            Want::Ready(view)
        } else {
            Want::Damage {
                view,
                position,
                offset: self.cursor.offset,
            }
        };
        self.want(want)?;
        Ok(self.later())
    }
}

/// The header at the beginning of `bytes`, of a batch that begins at `offset` or before.
fn next_header(bytes: &[u8], offset: u64) -> Result<Header, Stop> {
    let head = bytes
        .first_chunk::<HEADER_BYTES>()
        .ok_or(Stop::Short(HEADER_BYTES))?;
    match Header::parse(head, MAX_SEGMENT_BYTES) {
        Ok(header) if header.base_offset <= offset => Ok(header),
        _ => Err(Stop::Damaged),
    }
}

/// Whether the batch at that place is as it was written.
fn is_good(place: &Place, batch: &[u8], header: &Header) -> bool {
    let end = place.position.saturating_add(header.size);
    if !place.checks_again && place.view.is_checked(end) {
        return true;
    }
    let good = check(batch, header).is_ok();
    if good {
        place.view.has_checked(place.position, end);
    }
    good
}
