use wire::{Code, DATA_LIMIT, MAX_LENGTH, WORD_BYTES, Word};

/// Messages that the owner puts, as they lie in its memory: the payloads one after the other.
#[derive(Clone, Copy)]
pub enum Payload<'a> {
    /// One word per message.
    Words(&'a [u32]),
    /// The same word for all of them, and their number.
    Uniform(u32, usize),
}

impl Payload<'_> {
    /// The word of the message, if it is only one.
    pub(crate) fn only(self) -> Option<Word> {
        match self {
            Self::Words(&[word]) | Self::Uniform(word, 1) => Word::from_bits(word),
            Self::Words(_) | Self::Uniform(..) => None,
        }
    }

    pub(crate) fn count(self) -> usize {
        match self {
            Self::Words(words) => words.len(),
            Self::Uniform(_, count) => count,
        }
    }

    pub(crate) fn word(self, i: usize) -> u32 {
        match self {
            Self::Words(words) => words.get(i).copied().unwrap_or(0),
            Self::Uniform(word, _) => word,
        }
    }

    /// Sum of the lengths, after checking each word.
    pub(crate) fn check(self, max_message: u32) -> Result<u64, Code> {
        match self {
            Self::Uniform(word, count) => {
                check_word(word, max_message)?;
                u64::from(word & MAX_LENGTH)
                    .checked_mul(count as u64)
                    .ok_or(Code::InvalidArgument)
            }
            Self::Words(words) => {
                let mut sum = 0_u64;
                for &word in words {
                    check_word(word, max_message)?;
                    sum += u64::from(word & MAX_LENGTH);
                }
                Ok(sum)
            }
        }
    }

    /// Whether one of the messages in `data`, which they describe, is such.
    pub(crate) fn any(self, mut data: &[u8], is_such: impl Fn(&[u8]) -> bool) -> bool {
        (0..self.count()).any(|i| {
            let length = (self.word(i) & MAX_LENGTH) as usize;
            let (message, rest) = data.split_at_checked(length).unwrap_or((data, &[]));
            data = rest;
            is_such(message)
        })
    }

    /// How many messages from `first` on go into one frame, and their bytes. At least one.
    pub(crate) fn fitting(self, first: usize) -> (usize, usize) {
        let left = (self.count() - first).min(usize::from(u16::MAX));
        if let Self::Uniform(word, _) = self {
            let length = (word & MAX_LENGTH) as usize;
            let messages = (DATA_LIMIT / (length + WORD_BYTES)).clamp(1, left);
            return (messages, messages * length);
        }
        let (mut messages, mut bytes) = (0, 0);
        while messages < left {
            let length = (self.word(first + messages) & MAX_LENGTH) as usize;
            if messages > 0 && bytes + length + (messages + 1) * WORD_BYTES > DATA_LIMIT {
                break;
            }
            messages += 1;
            bytes += length;
        }
        (messages, bytes)
    }

    /// Fills `column` with the words of the messages from `first` on; `None` if there are not so many.
    pub(crate) fn write_words(self, first: usize, column: &mut [u8]) -> Option<()> {
        let (slots, _) = column.as_chunks_mut::<WORD_BYTES>();
        match self {
            Self::Words(words) => {
                let words = words.get(first..first + slots.len())?;
                for (slot, word) in slots.iter_mut().zip(words) {
                    *slot = word.to_le_bytes();
                }
            }
            Self::Uniform(word, _) => slots.fill(word.to_le_bytes()),
        }
        Some(())
    }
}

fn check_word(word: u32, max_message: u32) -> Result<(), Code> {
    let word = Word::from_bits(word).ok_or(Code::InvalidArgument)?;
    if word.length() > max_message as usize {
        Err(Code::TooLarge)
    } else {
        Ok(())
    }
}
