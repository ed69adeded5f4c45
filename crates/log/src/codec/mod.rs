//! How the records of a batch are compressed: the four codecs of Kafka. What is inflated came from a file or a peer, so
//! it stops at a bound, and all of the input must be used.

mod compression;
mod gzip;
mod lz4;
mod room;
mod snappy;
mod zstd;

pub use compression::Compression;

use crate::batch::Fault;
use crate::{Error, ErrorKind};
use room::Room;

/// How the records of a batch are compressed, by Kafka's numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum Codec {
    /// Not at all.
    #[default]
    None = 0,
    /// gzip (RFC 1952).
    Gzip = 1,
    /// Snappy, in the frames of its Java library.
    Snappy = 2,
    /// LZ4 frames.
    Lz4 = 3,
    /// Zstandard.
    Zstd = 4,
}

impl Codec {
    /// The codec with that number; `None` if Kafka has none.
    #[must_use]
    pub const fn from_number(number: u16) -> Option<Self> {
        match number {
            0 => Some(Self::None),
            1 => Some(Self::Gzip),
            2 => Some(Self::Snappy),
            3 => Some(Self::Lz4),
            4 => Some(Self::Zstd),
            _ => None,
        }
    }
}

/// Appends `records` to `into`, compressed as Kafka's clients do it.
///
/// # Errors
///
/// `Storage` if there is no memory for it.
pub fn compress(compression: Compression, records: &[u8], into: &mut Vec<u8>) -> Result<(), Error> {
    match compression.codec() {
        Codec::None => {
            reserve(into, records.len())?;
            into.extend_from_slice(records);
            Ok(())
        }
        Codec::Gzip => gzip::compress(compression.level(), records, into),
        Codec::Snappy => snappy::compress(records, into),
        Codec::Lz4 => lz4::compress(records, into),
        Codec::Zstd => zstd::compress(compression.level(), records, into),
    }
}

/// Puts what `bytes` inflate to into `into`, whose contents it replaces; at most `most` bytes. Takes at most twice that
/// memory, and some more for the codec: 8 MiB for Zstandard, less for the others.
///
/// # Errors
///
/// `Inflated` as soon as there are more; `Deflated` if the bytes are torn or damaged, or something follows them; `Memory`
/// if there is none.
pub fn inflate(codec: Codec, bytes: &[u8], most: usize, into: &mut Vec<u8>) -> Result<(), Fault> {
    let mut room = Room::new(into, most);
    match codec {
        Codec::None => room.put(bytes)?,
        Codec::Gzip => gzip::inflate(bytes, &mut room)?,
        Codec::Snappy => snappy::inflate(bytes, &mut room)?,
        Codec::Lz4 => lz4::inflate(bytes, &mut room)?,
        Codec::Zstd => zstd::inflate(bytes, &mut room)?,
    }
    room.finish()
}

/// Room for so many bytes more.
fn reserve(into: &mut Vec<u8>, more: usize) -> Result<(), Error> {
    into.try_reserve(more).map_err(|_| {
        let message = format!("no memory to compress into {more} bytes");
        Error::new(ErrorKind::Storage, message)
    })
}

/// A codec that fails though it has all that it needs.
fn failed(codec: &str, error: impl std::fmt::Display) -> Error {
    Error::new(ErrorKind::Internal, format!("{codec} failed: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_codecs_map_one_to_one() {
        for number in 0..5 {
            assert_eq!(Codec::from_number(number).unwrap() as u16, number);
        }
        assert_eq!(Codec::from_number(5), None);
        assert_eq!(Codec::from_number(256), None);
    }
}
