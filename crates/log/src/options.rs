use crate::batch::ProducerMark;
use crate::{Codec, Compression, Error, ErrorKind, MAX_SEGMENT_BYTES};

/// What holds for a directory while it is open.
#[derive(Clone, Copy, Debug)]
pub struct Config {
    /// Whether an empty folder becomes a log directory.
    pub create: bool,
    /// Most bytes of batches that wait to be written, of all partitions together.
    pub queued_bytes: u64,
    /// Most bytes that are written and not durable, of all partitions with [`Flush::Always`]; beyond, batches wait.
    pub unsynced_bytes: u64,
    /// Most bytes that the records of one batch may inflate to.
    pub inflated_bytes: u32,
    /// Makes the ids of directories and topics, 16 bytes each.
    pub ids: fn() -> [u8; 16],
}

impl Default for Config {
    fn default() -> Self {
        Self {
            create: true,
            queued_bytes: 16 << 20,
            unsynced_bytes: 64 << 20,
            inflated_bytes: 64 << 20,
            ids: random_id,
        }
    }
}

/// When what was appended becomes durable, if nobody asks for it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flush {
    /// At once, in the next group; readers see durable records alone.
    #[default]
    Always,
    /// After so many ms at the latest; readers see what is written.
    Every(u32),
    /// When the system does it; readers see what is written.
    Os,
}

/// What is decided when a topic is created.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TopicOptions {
    /// How many partitions it has, 1 to 65,536.
    pub partitions: u32,
    /// Bytes of a segment, 1 MiB to 2^31 − 1.
    pub segment_bytes: u32,
    /// Segments whose last append is longer ago are deleted; `None`: never.
    pub retention_ms: Option<u64>,
    /// The oldest segments beyond so many bytes of a partition are deleted; `None`: never.
    pub retention_bytes: Option<u64>,
    /// When records become durable.
    pub flush: Flush,
    /// Longest batch in bytes, header included.
    pub max_batch_bytes: u32,
    /// How records are compressed, where a writer does not say.
    pub codec: Codec,
}

impl Default for TopicOptions {
    fn default() -> Self {
        Self {
            partitions: 1,
            segment_bytes: 256 << 20,
            retention_ms: None,
            retention_bytes: None,
            flush: Flush::Always,
            max_batch_bytes: 32 << 20,
            codec: Codec::None,
        }
    }
}

/// Most partitions of a topic.
const MOST_PARTITIONS: u32 = 65_536;
/// Smallest segment and smallest limit of a batch.
const LEAST_SEGMENT_BYTES: u32 = 1 << 20;
const LEAST_BATCH_BYTES: u32 = 1 << 10;

impl TopicOptions {
    /// Whether they can be.
    ///
    /// # Errors
    ///
    /// `Invalid` says which cannot.
    pub fn check(&self) -> Result<(), Error> {
        let within = |what: &str, value: u32, least: u32, most: u32| {
            if (least..=most).contains(&value) {
                return Ok(());
            }
            let message = format!("{what} is {value}; it must be from {least} to {most}");
            Err(Error::new(ErrorKind::Invalid, message))
        };
        within("partitions", self.partitions, 1, MOST_PARTITIONS)?;
        let least = LEAST_SEGMENT_BYTES;
        within("segmentBytes", self.segment_bytes, least, MAX_SEGMENT_BYTES)?;
        let least = LEAST_BATCH_BYTES;
        within(
            "maxBatchBytes",
            self.max_batch_bytes,
            least,
            MAX_SEGMENT_BYTES,
        )
    }
}

/// What an append waits for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Acks {
    /// Nothing.
    None,
    /// That it is written: it survives the death of the process.
    Written,
    /// That it is durable: it survives a power cut.
    #[default]
    All,
}

/// How a batch is to be appended.
#[derive(Clone, Copy, Debug, Default)]
pub struct Writer {
    /// What the append waits for.
    pub acks: Acks,
    /// How its records are compressed.
    pub compression: Compression,
    /// Who writes it, if he has a name; checked against what he wrote before.
    pub mark: Option<ProducerMark>,
}

/// A random UUID, version 4. It tells directories and topics apart and keeps no secret.
fn random_id() -> [u8; 16] {
    use std::hash::{BuildHasher as _, Hasher as _, RandomState};
    // Each state is keyed anew, from the randomness of the system.
    let half = || RandomState::new().build_hasher().finish();
    let random = (u128::from(half()) << 64) | u128::from(half());
    let version = random & !(0xf << 76) | (4 << 76);
    (version & !(0b11 << 62) | (0b10 << 62)).to_be_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_uuids_of_version_4_and_differ() {
        let (one, other) = (random_id(), random_id());
        assert_ne!(one, other);
        for id in [one, other] {
            assert_eq!((id[6] >> 4, id[8] >> 6), (4, 0b10));
        }
    }

    #[test]
    fn options_that_cannot_be_are_refused() {
        let good = TopicOptions::default();
        assert!(good.check().is_ok());
        for bad in [
            TopicOptions {
                partitions: 0,
                ..good
            },
            TopicOptions {
                partitions: 65_537,
                ..good
            },
            TopicOptions {
                segment_bytes: 0,
                ..good
            },
            TopicOptions {
                segment_bytes: 1 << 31,
                ..good
            },
            TopicOptions {
                max_batch_bytes: 10,
                ..good
            },
        ] {
            assert_eq!(bad.check().unwrap_err().kind, ErrorKind::Invalid);
        }
    }
}
