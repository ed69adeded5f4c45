use crate::batch::Fault;

/// Where inflated bytes go: it grows as they come, and ends at a bound.
pub(super) struct Room<'a> {
    /// Zeros from `end` on. They stay: what is cleared again for each of many small pieces would take time that the
    /// input does not.
    bytes: &'a mut Vec<u8>,
    end: usize,
    most: usize,
}

/// Room that is made at first.
const FIRST_BYTES: usize = 16 << 10;

impl<'a> Room<'a> {
    /// For at most `most` bytes in place of what `bytes` holds.
    pub(super) fn new(bytes: &'a mut Vec<u8>, most: usize) -> Self {
        bytes.clear();
        Self {
            bytes,
            end: 0,
            most,
        }
    }

    /// Free space, at least a byte: `wanted` bytes, unless that is over the bound. One byte more than the bound may be
    /// filled, so that too much is told from just enough.
    pub(super) fn free(&mut self, wanted: usize) -> Result<&mut [u8], Fault> {
        Ok(self.dictionary_and_free(wanted)?.1)
    }

    /// All bytes so far, and free space behind them.
    pub(super) fn dictionary_and_free(
        &mut self,
        wanted: usize,
    ) -> Result<(&[u8], &mut [u8]), Fault> {
        if self.end > self.most {
            return Err(Fault::Inflated);
        }
        let limit = self.most.saturating_add(1);
        let least = self.end.saturating_add(wanted.max(1)).min(limit);
        if self.bytes.len() < least {
            let doubled = self.bytes.len().saturating_mul(2).max(FIRST_BYTES);
            let length = doubled.max(least).min(limit);
            let more = length.saturating_sub(self.bytes.len());
            self.bytes
                .try_reserve_exact(more)
                .map_err(|_| Fault::Memory)?;
            self.bytes.resize(length, 0);
        }
        let (filled, free) = self.bytes.split_at_mut(self.end);
        Ok((filled, free))
    }

    /// So many bytes of the free space are filled now.
    pub(super) fn filled(&mut self, many: usize) {
        self.end = self.end.saturating_add(many).min(self.bytes.len());
    }

    /// Fills it with a copy.
    pub(super) fn put(&mut self, bytes: &[u8]) -> Result<(), Fault> {
        let free = self.free(bytes.len())?;
        let place = free.get_mut(..bytes.len()).ok_or(Fault::Inflated)?;
        place.copy_from_slice(bytes);
        self.filled(bytes.len());
        Ok(())
    }

    /// Nothing more comes.
    pub(super) fn finish(self) -> Result<(), Fault> {
        self.bytes.truncate(self.end);
        if self.end > self.most {
            return Err(Fault::Inflated);
        }
        Ok(())
    }
}
