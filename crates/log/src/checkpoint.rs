use crate::Durable;
use crate::frame::{FrameKind, decode_frame, encode_frame};

/// What is surely durable of a directory, and whether it was closed cleanly. A lower bound: it may be late or missing,
/// and then more is scanned.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Checkpoint {
    /// Grows with each; of two the higher one counts.
    pub sequence: u64,
    /// Nothing was written after it.
    pub clean: bool,
    /// Number of the next topic.
    pub next_topic: u32,
    /// Which start of the machine it was written in; `None` if that cannot be told.
    pub boot: Option<[u8; 16]>,
    /// When, in ms since 1970.
    pub wall_ms: i64,
    /// One for each partition that has anything durable.
    pub partitions: Vec<PartitionMark>,
}

/// What is durable of one partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionMark {
    /// Number of the topic.
    pub topic: u32,
    /// Which of its partitions.
    pub partition: u32,
    /// All below this is durable.
    pub durable: Durable,
    /// Offsets below this are gone by retention.
    pub start_offset: u64,
}

const HEAD_BYTES: usize = 44;
const MARK_BYTES: usize = 36;

impl Checkpoint {
    /// The file; `None` with more partitions than 64 MiB hold (1.8 million).
    #[must_use]
    pub fn encode(&self) -> Option<Vec<u8>> {
        let mut body = Vec::with_capacity(HEAD_BYTES + self.partitions.len() * MARK_BYTES);
        body.extend(self.sequence.to_be_bytes());
        body.extend([u8::from(self.clean), 0, 0, 0]);
        body.extend(self.next_topic.to_be_bytes());
        body.extend(self.boot.unwrap_or_default());
        body.extend(self.wall_ms.to_be_bytes());
        body.extend(u32::try_from(self.partitions.len()).ok()?.to_be_bytes());
        for mark in &self.partitions {
            body.extend(mark.topic.to_be_bytes());
            body.extend(mark.partition.to_be_bytes());
            body.extend(mark.durable.segment.to_be_bytes());
            body.extend(mark.durable.position.to_be_bytes());
            body.extend(mark.durable.next_offset.to_be_bytes());
            body.extend(mark.start_offset.to_be_bytes());
        }
        encode_frame(FrameKind::Checkpoint, &body)
    }

    /// The checkpoint in a file; `None` if it is torn, damaged or of a newer version: there is the other one.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, []) = decode_frame(FrameKind::Checkpoint, bytes).ok()? else {
            return None;
        };
        let mut rest = body;
        let sequence = u64::from_be_bytes(take(&mut rest)?);
        let [clean, _, _, _] = take(&mut rest)?;
        let next_topic = u32::from_be_bytes(take(&mut rest)?);
        let boot: [u8; 16] = take(&mut rest)?;
        let wall_ms = i64::from_be_bytes(take(&mut rest)?);
        let count = u32::from_be_bytes(take(&mut rest)?);
        let (marks, []) = rest.as_chunks::<MARK_BYTES>() else {
            return None;
        };
        if u32::try_from(marks.len()) != Ok(count) || clean > 1 {
            return None;
        }
        let mut partitions = Vec::new();
        partitions.try_reserve_exact(marks.len()).ok()?;
        for mark in marks {
            partitions.push(PartitionMark::decode(mark)?);
        }
        Some(Self {
            sequence,
            clean: clean == 1,
            next_topic,
            boot: Some(boot).filter(|boot| *boot != [0; 16]),
            wall_ms,
            partitions,
        })
    }

    /// The one of two files that counts.
    #[must_use]
    pub fn newest(a: &[u8], b: &[u8]) -> Option<Self> {
        let (a, b) = (Self::decode(a), Self::decode(b));
        a.into_iter().chain(b).max_by_key(|one| one.sequence)
    }
}

impl PartitionMark {
    fn decode(bytes: &[u8; MARK_BYTES]) -> Option<Self> {
        let mut rest = bytes.as_slice();
        Some(Self {
            topic: u32::from_be_bytes(take(&mut rest)?),
            partition: u32::from_be_bytes(take(&mut rest)?),
            durable: Durable {
                segment: u64::from_be_bytes(take(&mut rest)?),
                position: u32::from_be_bytes(take(&mut rest)?),
                next_offset: u64::from_be_bytes(take(&mut rest)?),
            },
            start_offset: u64::from_be_bytes(take(&mut rest)?),
        })
    }
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (field, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*field)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample(sequence: u64) -> Checkpoint {
        let mark = |partition| PartitionMark {
            topic: 7,
            partition,
            durable: Durable {
                segment: 1 << 40,
                position: 0x0102_0304,
                next_offset: (1 << 40) + 9,
            },
            start_offset: 5,
        };
        Checkpoint {
            sequence,
            clean: true,
            next_topic: 8,
            boot: Some([3; 16]),
            wall_ms: -1,
            partitions: vec![mark(0), mark(1)],
        }
    }

    #[test]
    fn a_checkpoint_is_read_as_it_was_written() {
        let bytes = sample(3).encode().unwrap();
        assert_eq!(bytes.len(), 16 + HEAD_BYTES + 2 * MARK_BYTES);
        assert_eq!(Checkpoint::decode(&bytes), Some(sample(3)));
        let unknown = Checkpoint {
            boot: None,
            clean: false,
            partitions: Vec::new(),
            ..sample(1)
        };
        let bytes = unknown.encode().unwrap();
        assert_eq!(Checkpoint::decode(&bytes), Some(unknown));
    }

    #[test]
    fn one_torn_at_any_byte_or_changed_in_any_bit_leaves_the_other() {
        let (old, new) = (sample(3), sample(4).encode().unwrap());
        let other = old.encode().unwrap();
        assert_eq!(Checkpoint::newest(&other, &new), Some(sample(4)));
        assert_eq!(Checkpoint::newest(&new, &other), Some(sample(4)));
        for length in 0..new.len() {
            assert_eq!(
                Checkpoint::newest(&new[..length], &other).as_ref(),
                Some(&old)
            );
        }
        for bit in 0..new.len() * 8 {
            let mut bytes = new.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                Checkpoint::newest(&other, &bytes).as_ref(),
                Some(&old),
                "bit {bit}"
            );
        }
        assert_eq!(Checkpoint::newest(&[], &[]), None);
        assert_eq!(Checkpoint::newest(&[&new[..], &[0]].concat(), &[]), None);
    }

    #[test]
    fn counts_that_do_not_fit_the_body_are_refused() {
        let bytes = sample(3).encode().unwrap();
        let mut body = bytes[16..].to_vec();
        for count in [0_u32, 1, 3, u32::MAX] {
            body[40..44].copy_from_slice(&count.to_be_bytes());
            let file = encode_frame(FrameKind::Checkpoint, &body).unwrap();
            assert_eq!(Checkpoint::decode(&file), None, "{count}");
        }
    }
}
