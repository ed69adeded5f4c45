use std::fmt;

/// What is wrong with bytes that should be a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Fault {
    /// The length is under 49, over the limit, or over what is left.
    Length,
    /// The format is not version 2.
    Magic,
    /// A codec that does not exist, or a bit that is not understood: transactions, control batches, delete horizons.
    Attributes,
    /// The number of records is none, is not the last offset delta + 1, or is more than the bytes can hold.
    Count,
    /// The base offset is negative, or the last offset over the end.
    Offset,
    /// The producer id is below −1, or its epoch or sequence is negative.
    Producer,
    /// The checksum differs.
    Checksum,
    /// A varint is too long, or ends too early.
    Varint,
    /// A record does not end where its length says, or the records not where the batch does.
    Record,
    /// A length of a key or a value is below −1 or over what is left.
    Field,
    /// Record headers: a count or a length that cannot be.
    Headers,
    /// A timestamp over the range of 64 bits.
    Timestamp,
    /// The records are compressed; they must be inflated first.
    Compressed,
    /// Compressed records are torn or damaged, or something follows them.
    Deflated,
    /// Compressed records inflate to more than the limit.
    Inflated,
    /// There is no memory for them.
    Memory,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Length => "the length of the batch cannot be",
            Self::Magic => "the batch is not of version 2",
            Self::Attributes => "the batch has attributes that are not understood",
            Self::Count => "the number of records in the batch cannot be",
            Self::Offset => "the offsets of the batch cannot be",
            Self::Producer => "the producer of the batch cannot be",
            Self::Checksum => "the checksum of the batch differs",
            Self::Varint => "a number in a record cannot be",
            Self::Record => "the length of a record cannot be",
            Self::Field => "the length of a key or a value cannot be",
            Self::Headers => "the headers of a record cannot be",
            Self::Timestamp => "the timestamp of a record cannot be",
            Self::Compressed => "the records of the batch are compressed",
            Self::Deflated => "the compressed records of the batch are damaged",
            Self::Inflated => "the compressed records of the batch inflate to more than the limit",
            Self::Memory => "there is no memory for the records of the batch",
        })
    }
}

impl std::error::Error for Fault {}
