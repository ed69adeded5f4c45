use chunk::Slice;
use wire::{FrameType, HEADER_BYTES, Header, MAX_LENGTH, WORD_BYTES};

/// A frame that waits to be sent.
pub(crate) struct OutFrame {
    /// Header, words and payloads; of a large message header and word only.
    pub(crate) head: Slice,
    /// The payload of a large message.
    pub(crate) body: Option<Slice>,
    pub(crate) first_seq: u64,
    pub(crate) count: u16,
    pub(crate) bytes: u64,
    /// Messages that `head` was made for; `count` is how many of them are left.
    column: u16,
    /// Messages at the front of `head` that were removed, and their bytes; the other numbers are without them.
    skipped: u16,
    skipped_bytes: usize,
}

impl OutFrame {
    pub(crate) fn new(
        head: Slice,
        body: Option<Slice>,
        first_seq: u64,
        count: u16,
        bytes: u64,
    ) -> Self {
        Self {
            head,
            body,
            first_seq,
            count,
            bytes,
            column: count,
            skipped: 0,
            skipped_bytes: 0,
        }
    }

    pub(crate) fn last_seq(&self) -> u64 {
        self.first_seq + u64::from(self.count) - 1
    }

    /// Whether nothing of it was removed, so that it can be sent as it is.
    pub(crate) fn is_whole(&self) -> bool {
        self.count == self.column
    }

    /// The words of the messages that are left; nothing for a large message, whose frame is never cut.
    pub(crate) fn words(&self) -> &[u8] {
        let start = HEADER_BYTES + usize::from(self.skipped) * WORD_BYTES;
        let words = self
            .head
            .get(start..start + usize::from(self.count) * WORD_BYTES);
        words.unwrap_or_default()
    }

    /// The payloads of the messages that are left.
    pub(crate) fn payload(&self) -> &[u8] {
        let start = HEADER_BYTES + usize::from(self.column) * WORD_BYTES + self.skipped_bytes;
        self.head.get(start..).unwrap_or_default()
    }

    /// How many messages from the front cover `messages` and `bytes`, at least one, and how many bytes they have.
    pub(crate) fn cut(&self, messages: u64, bytes: u64) -> (u16, u64) {
        if self.body.is_some() {
            return (1, self.bytes);
        }
        let (mut cut, mut cut_bytes) = (0_u16, 0_u64);
        for word in self.words().as_chunks::<WORD_BYTES>().0 {
            if cut > 0 && u64::from(cut) >= messages && cut_bytes >= bytes {
                break;
            }
            cut += 1;
            cut_bytes += u64::from(u32::from_le_bytes(*word) & MAX_LENGTH);
        }
        (cut, cut_bytes)
    }

    /// Leaves messages at the front out.
    pub(crate) fn skip(&mut self, messages: u16, bytes: u64) {
        self.first_seq += u64::from(messages);
        self.count -= messages;
        self.bytes -= bytes;
        self.skipped += messages;
        self.skipped_bytes += usize::try_from(bytes).unwrap_or(usize::MAX);
    }

    /// Removes messages `first` to `last` of those that are left. The frame keeps what stands before them; what stands behind
    /// them is another frame of the same memory. `None` for either where nothing is left.
    pub(crate) fn without(self, first: u64, last: u64) -> (Option<Self>, Option<Self>) {
        let behind = self.behind(last);
        (self.before(first), behind)
    }

    /// The messages before `seq`.
    fn before(mut self, seq: u64) -> Option<Self> {
        let kept = u16::try_from(seq.checked_sub(self.first_seq)?).ok()?;
        let (_, bytes) = (kept > 0).then(|| self.cut(u64::from(kept), 0))?;
        self.count = kept;
        self.bytes = bytes;
        Some(self)
    }

    /// The messages behind `seq`.
    fn behind(&self, seq: u64) -> Option<Self> {
        let gone = u16::try_from((seq + 1).checked_sub(self.first_seq)?).ok()?;
        if gone >= self.count {
            return None;
        }
        let (_, bytes) = self.cut(u64::from(gone), 0);
        let mut frame = Self {
            head: self.head.clone(),
            body: None,
            ..*self
        };
        frame.skip(gone, bytes);
        Some(frame)
    }

    /// The frame again, as far as it concerns the messages from number `from` on, with other numbers: `base` is added to them.
    /// `None` if none is left, or the frame contradicts itself.
    pub(crate) fn again(
        &self,
        from: u64,
        base: u64,
        redelivered: u8,
    ) -> Option<(Slice, Option<Slice>)> {
        let left_out = u16::try_from(from.saturating_sub(self.first_seq)).ok()?;
        let count = self.count.checked_sub(left_out).filter(|left| *left > 0)?;
        if left_out == 0 && base == 0 && redelivered == 0 && self.is_whole() {
            return Some((self.head.clone(), self.body.clone()));
        }
        let (gone, words) = self
            .words()
            .split_at_checked(usize::from(left_out) * WORD_BYTES)?;
        let payload = match &self.body {
            Some(_) => &[],
            None => self
                .payload()
                .get(bytes_of(gone)..)?
                .get(..bytes_of(words))?,
        };
        let body_len = words.len() + payload.len() + self.body.as_ref().map_or(0, Slice::len);
        let header = Header {
            kind: FrameType::Data,
            body_len: u32::try_from(body_len).ok()?,
            redelivered,
            count,
            seq: self.first_seq + u64::from(left_out) + base,
        };
        let head = [&header.encode()[..], words, payload].concat();
        Some((Slice::from_vec(head), self.body.clone()))
    }
}

/// Bytes of the payloads that a column of words describes.
fn bytes_of(words: &[u8]) -> usize {
    let words = words.as_chunks::<WORD_BYTES>().0.iter();
    words
        .map(|word| (u32::from_le_bytes(*word) & MAX_LENGTH) as usize)
        .sum()
}
