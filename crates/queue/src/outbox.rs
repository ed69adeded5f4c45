use std::collections::VecDeque;
use std::time::Instant;

use chunk::{LargeBuffer, LargePool, Pool, Slice, Writer};
use wire::{Code, DATA_LIMIT, FrameType, HEADER_BYTES, Header, PeerId, WORD_BYTES, Word};

use crate::clock::earliest;
use crate::out_frame::OutFrame;
use crate::payload::Payload;

/// Bytes of a large message's frame before its payload.
pub(crate) const LARGE_HEAD: usize = HEADER_BYTES + WORD_BYTES;

/// Whether a message is too long for a slab and has a frame and a buffer of its own.
pub(crate) fn is_large(length: usize) -> bool {
    length + WORD_BYTES > DATA_LIMIT
}

/// How far the owner is with closing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    Open,
    /// Everything queued is to be sent, then FIN; over at that time in any case.
    Closing(Option<Instant>),
    /// Nothing is taken any more.
    Closed,
}

/// So many bytes that wait have memory of their size; what comes behind them is packed into slabs.
const SMALL_BACKLOG: usize = 4096;

/// Messages that were put and that the session has not taken yet, as frames ready to be written.
pub(crate) struct Outbox {
    slabs: Pool,
    large: LargePool,
    max_message: u32,
    writer: Option<Writer>,
    /// Bytes of frames that were made without a slab and may not have been written yet.
    loose: usize,
    frames: VecDeque<OutFrame>,
    next_seq: u64,
    phase: Phase,
    /// No message may equal it.
    forbidden: Option<PeerId>,
    window: Option<Window>,
}

/// What may be unacknowledged of what the session has taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Window {
    Unbounded,
    /// Messages and bytes; at least one message always goes.
    Bounded(u64, u64),
}

/// Messages in a row that `drop_oldest` removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Dropped {
    pub(crate) first: u64,
    pub(crate) last: u64,
    pub(crate) bytes: u64,
}

impl Dropped {
    pub(crate) fn count(&self) -> u64 {
        self.last - self.first + 1
    }
}

impl Outbox {
    pub(crate) fn new(slabs: Pool, large: LargePool, max_message: u32) -> Self {
        Self {
            slabs,
            large,
            max_message,
            writer: None,
            loose: 0,
            frames: VecDeque::new(),
            next_seq: 1,
            phase: Phase::Open,
            forbidden: None,
            window: None,
        }
    }

    /// Refuses messages that equal this id from now on: to a Python peer one would be the end of the session.
    pub(crate) fn forbid(&mut self, id: PeerId) {
        self.forbidden = Some(id);
    }

    fn check_ids(&self, data: &[u8], payload: Payload<'_>) -> Result<(), Code> {
        match self.forbidden {
            Some(id) if payload.any(data, |message| message == id) => Err(Code::InvalidArgument),
            _ => Ok(()),
        }
    }

    /// Queues all messages, whose payloads are at the front of `data`, or none; returns their bytes. Copies; `data` can be changed afterwards.
    pub(crate) fn put(&mut self, data: &[u8], payload: Payload<'_>) -> Result<usize, Code> {
        let bytes = self.admit(payload)?;
        let data = data.get(..bytes).ok_or(Code::InvalidArgument)?;
        self.check_ids(data, payload)?;
        let (frames, next_seq) = (self.frames.len(), self.next_seq);
        self.put_checked(data, payload).inspect_err(|_| {
            self.frames.truncate(frames);
            self.next_seq = next_seq;
        })?;
        Ok(bytes)
    }

    /// Queues `data`, all of it, as one message; returns its bytes. A large one is not copied, and let go of when it is
    /// written or will never be.
    pub(crate) fn put_owned(&mut self, data: Slice, word: u32) -> Result<usize, Code> {
        let payload = Payload::Uniform(word, 1);
        let bytes = self.admit(payload)?;
        if bytes != data.len() {
            return Err(Code::InvalidArgument);
        }
        self.check_ids(&data, payload)?;
        if is_large(bytes) {
            self.queue_large(data, word)?;
        } else {
            self.put_checked(&data, payload)?;
        }
        Ok(bytes)
    }

    /// Whether such messages are taken now; how many bytes they have.
    fn admit(&self, payload: Payload<'_>) -> Result<usize, Code> {
        if self.phase != Phase::Open {
            return Err(Code::Closed);
        }
        let bytes =
            usize::try_from(payload.check(self.max_message)?).map_err(|_| Code::InvalidArgument)?;
        if self.is_exhausted(payload.count() as u64) {
            return Err(Code::QueueFull);
        }
        Ok(bytes)
    }

    fn put_checked(&mut self, mut data: &[u8], payload: Payload<'_>) -> Result<(), Code> {
        let count = payload.count();
        let mut first = 0;
        while first < count {
            let (messages, bytes) = payload.fitting(first);
            let (now, later) = data.split_at_checked(bytes).ok_or(Code::Internal)?;
            if is_large(bytes) {
                self.put_large(now, payload.word(first))?;
            } else {
                self.put_frame(now, payload, first, messages)?;
            }
            data = later;
            first += messages;
        }
        Ok(())
    }

    /// The start of the frame of one large message that is to be sent at once, and memory for what is left of it: nothing
    /// may be queued before it. [`commit_direct`](Self::commit_direct) makes it so; until then nothing has changed.
    pub(crate) fn direct(&self, word: Word) -> Option<([u8; LARGE_HEAD], LargeBuffer)> {
        let length = word.length();
        let fits = is_large(length) && length <= self.max_message as usize;
        if self.phase != Phase::Open || !self.frames.is_empty() || !fits || self.is_exhausted(1) {
            return None;
        }
        let header = self.header(WORD_BYTES + length, 1).ok()?;
        let mut head = [0; LARGE_HEAD];
        let (start, column) = head.split_at_mut(HEADER_BYTES);
        start.copy_from_slice(&header);
        column.copy_from_slice(&word.bits().to_le_bytes());
        Some((head, self.large.take(length).ok()?))
    }

    /// The message of [`direct`](Self::direct) is on its way; returns its number.
    pub(crate) fn commit_direct(&mut self) -> u64 {
        self.next_seq += 1;
        self.next_seq - 1
    }

    /// Whether the sequence numbers do not reach for so many messages.
    fn is_exhausted(&self, messages: u64) -> bool {
        self.next_seq.saturating_add(messages) >= 1 << 53
    }

    fn put_frame(
        &mut self,
        data: &[u8],
        payload: Payload<'_>,
        first: usize,
        messages: usize,
    ) -> Result<(), Code> {
        let body_len = messages * WORD_BYTES + data.len();
        let count = u16::try_from(messages).map_err(|_| Code::Internal)?;
        let header = self.header(body_len, count)?;
        let frame_len = HEADER_BYTES + body_len;
        let fill = |room: &mut [u8]| fill_frame(room, &header, payload, first, messages, data);
        let head = if let Some(mut frame) = self.small_frame(frame_len) {
            fill(&mut frame).ok_or(Code::Internal)?;
            Slice::from_vec(frame)
        } else {
            let writer = self.writer_with(frame_len)?;
            let room = writer.spare_mut().get_mut(..frame_len);
            room.and_then(fill).ok_or(Code::Internal)?;
            writer.commit(frame_len);
            writer.freeze(frame_len)
        };
        self.queue(head, None, count, data.len() as u64);
        Ok(())
    }

    fn put_large(&mut self, data: &[u8], word: u32) -> Result<(), Code> {
        let mut buffer = self.large.take(data.len()).map_err(|_| Code::QueueFull)?;
        buffer.copy_from_slice(data);
        self.queue_large(Slice::from_large(buffer), word)
    }

    fn queue_large(&mut self, body: Slice, word: u32) -> Result<(), Code> {
        let header = self.header(WORD_BYTES + body.len(), 1)?;
        let head = Slice::from_vec([&header[..], &word.to_le_bytes()].concat());
        let bytes = body.len() as u64;
        self.queue(head, Some(body), 1, bytes);
        Ok(())
    }

    fn header(&self, body_len: usize, count: u16) -> Result<[u8; HEADER_BYTES], Code> {
        let body_len = u32::try_from(body_len).map_err(|_| Code::TooLarge)?;
        Ok(Header {
            kind: FrameType::Data,
            body_len,
            redelivered: 0,
            count,
            seq: self.next_seq,
        }
        .encode())
    }

    fn queue(&mut self, head: Slice, body: Option<Slice>, count: u16, bytes: u64) {
        let frame = OutFrame::new(head, body, self.next_seq, count, bytes);
        self.frames.push_back(frame);
        self.next_seq += u64::from(count);
    }

    /// Memory for a frame while little waits: many peers that are slow with little must not keep a slab each.
    fn small_frame(&mut self, frame_len: usize) -> Option<Vec<u8>> {
        let small = self.writer.is_none() && self.loose + frame_len <= SMALL_BACKLOG;
        small.then(|| {
            self.loose += frame_len;
            vec![0; frame_len]
        })
    }

    /// Everything has been written.
    pub(crate) fn on_idle(&mut self) {
        self.writer = None;
        self.loose = 0;
    }

    fn writer_with(&mut self, room: usize) -> Result<&mut Writer, Code> {
        if let Some(writer) = &mut self.writer {
            // A slab that was sent is written again from its start: the same cache-warm memory for every message.
            if writer.filled().is_empty() {
                writer.reset_if_sole();
            }
            if writer.remaining() < room {
                self.writer = None;
            }
        }
        let writer = self.writer.get_or_insert_with(|| self.slabs.writer());
        if writer.remaining() < room {
            Err(Code::Internal)
        } else {
            Ok(writer)
        }
    }

    /// The next frame to send, or the front of it if it has more than `most` messages.
    pub(crate) fn take(&mut self, most: u64) -> Option<OutFrame> {
        let mut frame = self.frames.pop_front_if(|_| most > 0)?;
        if frame.is_whole() && u64::from(frame.count) <= most {
            return Some(frame);
        }
        let (messages, bytes) = frame.cut(most.min(u64::from(frame.count)), 0);
        let front = self.part(&frame, messages, bytes)?;
        frame.skip(messages, bytes);
        if frame.count > 0 {
            self.frames.push_front(frame);
        }
        Some(front)
    }

    /// Removes messages from the front until that many messages and that many bytes have gone, or a number is missing behind
    /// them, or nothing is left. Frames that the session has taken are out of reach.
    pub(crate) fn drop_oldest(&mut self, messages: u64, bytes: u64) -> Option<Dropped> {
        let mut gone = Dropped {
            first: self.frames.front()?.first_seq,
            last: 0,
            bytes: 0,
        };
        let mut gone_messages = 0;
        while gone_messages < messages || gone.bytes < bytes {
            let Some(frame) = self.frames.front_mut() else {
                break;
            };
            if gone_messages > 0 && frame.first_seq != gone.last + 1 {
                break;
            }
            let (cut, cut_bytes) = frame.cut(
                messages.saturating_sub(gone_messages),
                bytes.saturating_sub(gone.bytes),
            );
            gone_messages += u64::from(cut);
            gone.bytes += cut_bytes;
            gone.last = frame.first_seq + u64::from(cut) - 1;
            frame.skip(cut, cut_bytes);
            if frame.count == 0 {
                self.frames.pop_front();
            }
        }
        (gone_messages > 0).then_some(gone)
    }

    /// Removes those of the messages `first` to `last` that the session has not taken; returns how many they were, and their
    /// bytes. Their numbers are missing from then on. Copies nothing.
    pub(crate) fn cancel(&mut self, first: u64, last: u64) -> (u64, u64) {
        let start = self
            .frames
            .partition_point(|frame| frame.last_seq() < first);
        let end = self.frames.partition_point(|frame| frame.first_seq <= last);
        let (mut messages, mut bytes) = (0, 0);
        let mut kept = Vec::new();
        for frame in self.frames.drain(start..end.max(start)) {
            messages += u64::from(frame.count);
            bytes += frame.bytes;
            let (before, behind) = frame.without(first, last);
            kept.extend(before.into_iter().chain(behind));
        }
        for frame in kept.into_iter().rev() {
            messages -= u64::from(frame.count);
            bytes -= frame.bytes;
            self.frames.insert(start, frame);
        }
        (messages, bytes)
    }

    /// Leaves `messages` numbers out, for messages that will never be put.
    pub(crate) fn skip(&mut self, messages: u64) -> Result<(), Code> {
        if self.phase != Phase::Open {
            return Err(Code::Closed);
        }
        if self.is_exhausted(messages) {
            return Err(Code::QueueFull);
        }
        self.next_seq += messages;
        Ok(())
    }

    /// A frame of the first `count` messages (`bytes` bytes) of another one. Always there for messages that the frame has: a
    /// part is shorter than the whole, which fitted a slab.
    fn part(&mut self, frame: &OutFrame, count: u16, bytes: u64) -> Option<OutFrame> {
        let words = frame.words().get(..usize::from(count) * WORD_BYTES)?;
        let payload = frame.payload().get(..usize::try_from(bytes).ok()?)?;
        let body_len = words.len() + payload.len();
        let header = Header {
            kind: FrameType::Data,
            body_len: u32::try_from(body_len).ok()?,
            redelivered: 0,
            count,
            seq: frame.first_seq,
        };
        let writer = self.writer_with(HEADER_BYTES + body_len).ok()?;
        let stored = writer.put(&header.encode()) && writer.put(words) && writer.put(payload);
        let head = stored.then(|| writer.freeze(HEADER_BYTES + body_len))?;
        Some(OutFrame::new(head, None, frame.first_seq, count, bytes))
    }

    /// Has the session hold back what is beyond `window` from now on.
    pub(crate) fn set_window(&mut self, window: Window) {
        self.window = Some(window);
    }

    /// The window that the owner has chosen for this peer.
    pub(crate) fn window(&self) -> Option<Window> {
        self.window
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.frames.is_empty()
    }

    pub(crate) fn phase(&self) -> Phase {
        self.phase
    }

    /// Number of the last message put.
    pub(crate) fn last_seq(&self) -> u64 {
        self.next_seq - 1
    }

    /// No more puts; what is queued is still sent, until `deadline` or an earlier one that was given before.
    pub(crate) fn start_closing(&mut self, deadline: Option<Instant>) {
        let sooner = match self.phase {
            Phase::Open => deadline,
            Phase::Closing(before) => earliest(before, deadline),
            Phase::Closed => return,
        };
        self.phase = Phase::Closing(sooner);
    }

    /// The connection is gone: nothing is taken or sent any more.
    pub(crate) fn end(&mut self) {
        self.phase = Phase::Closed;
        self.frames.clear();
        self.writer = None;
    }
}

/// Writes a frame of small messages: header, words, payloads. `None` if they do not fill `room` exactly.
fn fill_frame(
    room: &mut [u8],
    header: &[u8; HEADER_BYTES],
    payload: Payload<'_>,
    first: usize,
    messages: usize,
    data: &[u8],
) -> Option<()> {
    let (head, body) = room.split_at_mut_checked(HEADER_BYTES)?;
    let (column, payloads) = body.split_at_mut_checked(messages * WORD_BYTES)?;
    if payloads.len() != data.len() {
        return None;
    }
    head.copy_from_slice(header);
    payload.write_words(first, column)?;
    payloads.copy_from_slice(data);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::{Kind, Parsed, parse};

    fn outbox() -> Outbox {
        Outbox::new(Pool::new(128 * 1024, 4), LargePool::new(1 << 20), 1 << 24)
    }

    fn word(length: u32) -> u32 {
        Word::new(Kind::Bytes, length).unwrap().bits()
    }

    #[test]
    fn a_batch_becomes_one_frame_with_a_column_of_words() {
        let mut out = outbox();
        out.put(b"abcdef", Payload::Words(&[word(2), word(0), word(4)]))
            .unwrap();
        let frame = out.take(u64::MAX).unwrap();
        let Ok(Parsed::Frame(header)) = parse(&frame.head, 1000) else {
            panic!()
        };
        assert_eq!((header.count, header.seq, header.body_len), (3, 1, 18));
        assert_eq!(&frame.head[HEADER_BYTES + 12..], b"abcdef");
        assert_eq!((frame.last_seq(), frame.bytes), (3, 6));
        assert!(out.take(u64::MAX).is_none());
    }

    #[test]
    fn frames_are_split_at_64_kib_and_large_messages_stand_alone() {
        let mut out = outbox();
        let sizes = [10, 65_516, 65_517, 70_000, 0, 40_000, 40_000];
        let data = vec![7; sizes.iter().sum::<u32>() as usize];
        out.put(&data, Payload::Words(&sizes.map(word))).unwrap();
        let mut seq = 1;
        let mut total = 0;
        while let Some(frame) = out.take(u64::MAX) {
            let Ok(Parsed::Frame(header)) = parse(&frame.head, 1 << 24) else {
                panic!()
            };
            assert_eq!(header.seq, seq);
            assert_eq!(header.is_large(), frame.body.is_some());
            assert_eq!(
                header.frame_len(),
                frame.head.len() + frame.body.as_ref().map_or(0, |b| b.len())
            );
            seq += u64::from(header.count);
            total += frame.bytes;
        }
        assert_eq!((seq, total), (8, data.len() as u64));
    }

    #[test]
    fn what_does_not_fit_its_words_is_refused_whole() {
        let mut out = outbox();
        assert_eq!(
            out.put(b"abc", Payload::Words(&[word(4)])),
            Err(Code::InvalidArgument)
        );
        assert_eq!(
            out.put(b"abc", Payload::Words(&[7 << 29 | 3])),
            Err(Code::InvalidArgument)
        );
        assert_eq!(
            out.put(&[0; 5], Payload::Uniform(word(3), 2)),
            Err(Code::InvalidArgument)
        );
        assert_eq!(
            out.put(
                &vec![0; (1 << 24) + 1],
                Payload::Uniform(word((1 << 24) + 1), 1)
            ),
            Err(Code::TooLarge)
        );
        assert!(out.is_empty());
        assert_eq!(out.last_seq(), 0);
    }

    #[test]
    fn a_large_message_that_was_handed_over_is_sent_from_where_it_lies() {
        let mut out = outbox();
        let data = Slice::from_vec(vec![7; 70_000]);
        assert_eq!(out.put_owned(data.clone(), word(70_000)), Ok(70_000));
        let small = Slice::copy_from(b"abc");
        assert_eq!(out.put_owned(small.clone(), word(3)), Ok(3));
        let frame = out.take(u64::MAX).unwrap();
        let Ok(Parsed::Frame(header)) = parse(&frame.head, 1 << 24) else {
            panic!()
        };
        assert_eq!((header.body_len, header.count, header.seq), (70_004, 1, 1));
        assert!(frame.body.unwrap().shares_memory_with(&data));
        let frame = out.take(u64::MAX).unwrap();
        assert_eq!(&frame.head[HEADER_BYTES + WORD_BYTES..], b"abc");
        assert!(frame.body.is_none());

        // Refused like those that are copied, and also if it is longer than its word says.
        assert_eq!(
            out.put_owned(data.slice(1..), word(70_000)),
            Err(Code::InvalidArgument)
        );
        assert_eq!(
            out.put_owned(data.clone(), word(69_999)),
            Err(Code::InvalidArgument)
        );
        let long = Slice::from_vec(vec![0; (1 << 24) + 1]);
        assert_eq!(
            out.put_owned(long, word((1 << 24) + 1)),
            Err(Code::TooLarge)
        );
        out.end();
        assert_eq!(out.put_owned(data, word(70_000)), Err(Code::Closed));
        assert_eq!(out.last_seq(), 2);
    }

    #[test]
    fn the_oldest_messages_are_dropped_one_by_one_within_a_frame() {
        let mut out = outbox();
        out.put(
            &[1, 2, 2, 3, 3, 3],
            Payload::Words(&[word(1), word(2), word(3)]),
        )
        .unwrap();
        assert_eq!(
            out.drop_oldest(1, 2),
            Some(Dropped {
                first: 1,
                last: 2,
                bytes: 3
            })
        );
        let frame = out.take(u64::MAX).unwrap();
        assert_eq!((frame.first_seq, frame.count, frame.bytes), (3, 1, 3));
        assert_eq!(&frame.head[HEADER_BYTES + 4..], [3, 3, 3]);
        assert_eq!(out.drop_oldest(1, 0), None);
    }

    /// What a session would take, by number and first byte.
    fn taken(out: &mut Outbox) -> Vec<(u64, Vec<u8>)> {
        let mut all = Vec::new();
        while let Some(frame) = out.take(u64::MAX) {
            let Ok(Parsed::Frame(header)) = parse(&frame.head, 1 << 24) else {
                panic!()
            };
            assert_eq!((header.seq, header.count), (frame.first_seq, frame.count));
            let body = frame.body.as_ref();
            let length = frame.head.len() + body.map_or(0, |body| body.len());
            assert_eq!(header.frame_len(), length);
            let column = usize::from(frame.count) * WORD_BYTES;
            let mut payload = &frame.head[HEADER_BYTES + column..];
            let mut sum = 0;
            for (seq, word) in (frame.first_seq..).zip(frame.words().as_chunks().0) {
                let length = Word::from_bits(u32::from_le_bytes(*word)).unwrap().length();
                sum += length as u64;
                let message = match body {
                    Some(body) => body.to_vec(),
                    None => payload[..length].to_vec(),
                };
                payload = payload.get(length..).unwrap_or_default();
                all.push((seq, message));
            }
            assert_eq!(frame.bytes, sum);
            assert!(payload.is_empty());
        }
        all
    }

    #[test]
    fn messages_are_cancelled_wherever_they_are_and_the_others_keep_their_numbers() {
        // Every range of a queue of several frames, one of them large; and then once more, of what is left.
        let sizes = [1, 0, 3, 70_000, 2, 5, 1];
        let messages: Vec<Vec<u8>> = (0_u8..).zip(sizes).map(|(i, n)| vec![i; n]).collect();
        for first in 1..=7_u64 {
            for last in first..=8_u64 {
                let mut out = outbox();
                for part in [&messages[..3], &messages[3..4], &messages[4..]] {
                    let words: Vec<_> = part.iter().map(|m| word(m.len() as u32)).collect();
                    out.put(&part.concat(), Payload::Words(&words)).unwrap();
                }
                let bytes = |from: u64, to: u64| {
                    let range = from as usize - 1..(to as usize).min(7);
                    messages[range].iter().map(|m| m.len() as u64).sum::<u64>()
                };
                assert_eq!(
                    out.cancel(first, last),
                    (last.min(7) - first + 1, bytes(first, last))
                );
                assert_eq!(out.cancel(first, last), (0, 0));
                let wider = u64::from(first > 1);
                assert_eq!(
                    out.cancel(first - wider, last),
                    (
                        wider,
                        if wider == 1 {
                            bytes(first - 1, first - 1)
                        } else {
                            0
                        }
                    )
                );
                out.put(b"new", Payload::Words(&[word(3)])).unwrap();
                let mut left: Vec<_> = (1..).zip(messages.clone()).collect();
                left.retain(|(seq, _)| !(first - wider..=last).contains(seq));
                left.push((8, b"new".to_vec()));
                assert_eq!(taken(&mut out), left, "{first} to {last}");
            }
        }
    }

    #[test]
    fn what_was_taken_cannot_be_cancelled_and_what_was_cancelled_cannot_be_dropped() {
        let mut out = outbox();
        out.put(b"abcdef", Payload::Uniform(word(1), 6)).unwrap();
        assert_eq!(out.take(2).unwrap().last_seq(), 2);
        assert_eq!(out.cancel(1, 2), (0, 0));
        assert_eq!(out.cancel(1, 3), (1, 1));
        assert_eq!(out.cancel(5, 5), (1, 1));
        let dropped = |seq| {
            Some(Dropped {
                first: seq,
                last: seq,
                bytes: 1,
            })
        };
        assert_eq!(out.drop_oldest(2, 0), dropped(4));
        assert_eq!(out.drop_oldest(2, 0), dropped(6));
        assert_eq!(out.drop_oldest(1, 0), None);
        assert_eq!(out.last_seq(), 6);
    }

    #[test]
    fn numbers_can_be_left_out() {
        let mut out = outbox();
        out.put(b"a", Payload::Words(&[word(1)])).unwrap();
        assert_eq!(out.skip(3), Ok(()));
        out.put(b"b", Payload::Words(&[word(1)])).unwrap();
        assert_eq!(taken(&mut out), [(1, b"a".to_vec()), (5, b"b".to_vec())]);
        assert_eq!(out.skip(1 << 53), Err(Code::QueueFull));
        out.end();
        assert_eq!(out.skip(1), Err(Code::Closed));
        assert_eq!(out.cancel(1, 5), (0, 0));
    }
}
