/// One thing that opening a partition found and did. Nothing is done that is not told.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Note {
    /// What nobody was promised was cut off the end of a segment.
    Cut {
        /// The segment's base offset.
        segment: u64,
        /// Where it ends now.
        at: u32,
        /// How many bytes there were behind.
        bytes: u32,
        /// Valid batches among them: unsynced writes that a power cut left in another order.
        batches: u32,
        /// Where the bytes are kept, if they are more than one torn write.
        kept_as: Option<String>,
    },
    /// A whole segment was taken out: it does not follow the one before, and nobody was promised what is in it.
    Removed {
        /// The segment's base offset.
        segment: u64,
        /// Where it is kept; `None` if it was empty.
        kept_as: Option<String>,
    },
    /// Bytes in the middle that cannot be read. They stay as they are.
    Damaged {
        /// The segment's base offset.
        segment: u64,
        /// Where the damage begins.
        from: u32,
        /// Where the next valid batch begins, or the segment ends.
        to: u32,
        /// First offset that is lost.
        first: u64,
        /// First offset that can be read again; the same as `first` if nothing shows that a record was there.
        next: u64,
    },
    /// Its index was wrong, and was made anew from its batches.
    Indexed {
        /// The segment's base offset.
        segment: u64,
    },
    /// Offsets that no segment has.
    Missing {
        /// First offset that is missing.
        first: u64,
        /// First offset that is there again.
        next: u64,
    },
}
