use crate::Producers;
use crate::batch::crc32c;
use crate::producers::ProducerEntry;

/// Version of the format, and what stands before the entries.
const VERSION: u16 = 1;
const CRC_FROM: usize = 6;
const HEAD_BYTES: usize = 10;
const ENTRY_BYTES: usize = 46;
/// No coordinator has written an entry, and no transaction is open.
const NO_COORDINATOR: i32 = -1;
const NO_TRANSACTION: i64 = -1;

impl Producers {
    /// Kafka's `.snapshot`, version 1: the last batch of each.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let entries = self.entries();
        let mut bytes = Vec::with_capacity(HEAD_BYTES + entries.len() * ENTRY_BYTES);
        bytes.extend(VERSION.to_be_bytes());
        bytes.extend([0; 4]);
        // Memory ends before the number does.
        let count = i32::try_from(entries.len()).unwrap_or(i32::MAX);
        bytes.extend(count.to_be_bytes());
        for entry in &entries {
            bytes.extend(entry.id.to_be_bytes());
            bytes.extend(entry.epoch.to_be_bytes());
            bytes.extend(entry.last_sequence.to_be_bytes());
            bytes.extend(entry.last_offset.to_be_bytes());
            bytes.extend(entry.last_delta.to_be_bytes());
            bytes.extend(entry.at_ms.to_be_bytes());
            bytes.extend(NO_COORDINATOR.to_be_bytes());
            bytes.extend(NO_TRANSACTION.to_be_bytes());
        }
        let crc = bytes.get(CRC_FROM..).map_or(0, crc32c);
        if let Some(place) = bytes.get_mut(2..CRC_FROM) {
            place.copy_from_slice(&crc.to_be_bytes());
        }
        bytes
    }

    /// The producers in a file whose records all have offsets below `next_offset`; `None` if it is torn, damaged or of
    /// another version: there is an older one, or they are found by a scan.
    #[must_use]
    pub fn decode(bytes: &[u8], next_offset: u64) -> Option<Self> {
        let (head, rest) = bytes.split_first_chunk::<HEAD_BYTES>()?;
        let &[v, w, a, b, c, d, e, f, g, h] = head;
        if u16::from_be_bytes([v, w]) != VERSION
            || crc32c(bytes.get(CRC_FROM..)?) != u32::from_be_bytes([a, b, c, d])
        {
            return None;
        }
        let (entries, []) = rest.as_chunks::<ENTRY_BYTES>() else {
            return None;
        };
        if u32::try_from(entries.len()) != Ok(u32::from_be_bytes([e, f, g, h])) {
            return None;
        }
        let mut producers = Self::default();
        for bytes in entries {
            let entry = entry(bytes).filter(|entry| entry.last_offset < next_offset)?;
            // Each once.
            if producers.last_sequence(entry.id).is_some() {
                return None;
            }
            producers.restore(&entry);
        }
        Some(producers)
    }
}

fn entry(bytes: &[u8; ENTRY_BYTES]) -> Option<ProducerEntry> {
    let mut rest = bytes.as_slice();
    let id = u64::try_from(i64::from_be_bytes(take(&mut rest)?)).ok()?;
    let epoch = u16::try_from(i16::from_be_bytes(take(&mut rest)?)).ok()?;
    let last_sequence = u32::try_from(i32::from_be_bytes(take(&mut rest)?)).ok()?;
    let last_offset = u64::try_from(i64::from_be_bytes(take(&mut rest)?)).ok()?;
    let last_delta = u32::try_from(i32::from_be_bytes(take(&mut rest)?)).ok()?;
    let at_ms = i64::from_be_bytes(take(&mut rest)?);
    (u64::from(last_delta) <= last_offset).then_some(ProducerEntry {
        id,
        epoch,
        last_sequence,
        last_offset,
        last_delta,
        at_ms,
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (field, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::ProducerMark;
    use crate::producers::Verdict;

    fn sample() -> Producers {
        let mut producers = Producers::default();
        for (id, last_sequence) in [(1 << 62, 4), ((1 << 62) + 1, 0)] {
            producers.restore(&ProducerEntry {
                id,
                epoch: 2,
                last_sequence,
                last_offset: 1234,
                last_delta: 4,
                at_ms: 1_700_000_000_000,
            });
        }
        producers
    }

    #[test]
    fn a_snapshot_is_stored_as_kafka_stores_it() {
        let mut known = vec![0, 1];
        let mut covered = 2_i32.to_be_bytes().to_vec();
        for (id, sequence) in [(1_i64 << 62, 4_i32), ((1 << 62) + 1, 0)] {
            covered.extend(id.to_be_bytes());
            covered.extend(2_i16.to_be_bytes());
            covered.extend(sequence.to_be_bytes());
            covered.extend(1234_i64.to_be_bytes());
            covered.extend(4_i32.to_be_bytes());
            covered.extend(1_700_000_000_000_i64.to_be_bytes());
            covered.extend((-1_i32).to_be_bytes());
            covered.extend((-1_i64).to_be_bytes());
        }
        known.extend(crc32c(&covered).to_be_bytes());
        known.extend(covered);
        assert_eq!(sample().encode(), known);
        assert_eq!(Producers::decode(&known, 1235), Some(sample()));
        // Of records that the log does not have.
        assert_eq!(Producers::decode(&known, 1234), None);
    }

    #[test]
    fn what_was_known_before_is_known_after() {
        let back = Producers::decode(&sample().encode(), 2000).unwrap();
        let mark = |sequence| ProducerMark {
            id: (1 << 62) + 1,
            epoch: 2,
            sequence,
        };
        assert_eq!(back.check(&mark(1), 1), Verdict::Next);
        // Five records that ended with number 0, gone round.
        let base_offset = 1230;
        let last = i32::MAX as u32;
        let again = back.check(&mark(last - 3), 5);
        assert_eq!(again, Verdict::Duplicate { base_offset });
        let none = Producers::default();
        assert_eq!(Producers::decode(&none.encode(), 0), Some(none));
    }

    #[test]
    fn one_torn_at_any_byte_or_changed_in_any_bit_is_none() {
        let bytes = sample().encode();
        for length in 0..bytes.len() {
            assert_eq!(Producers::decode(&bytes[..length], 2000), None, "{length}");
        }
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Producers::decode(&changed, 2000), None, "bit {bit}");
        }
        assert_eq!(Producers::decode(&[&bytes[..], &[0]].concat(), 2000), None);
    }

    #[test]
    fn entries_that_cannot_be_are_refused_though_the_checksum_is_right() {
        let whole = sample().encode();
        let refused = |at: usize, bytes: &[u8]| {
            let mut changed = whole.clone();
            changed[at..at + bytes.len()].copy_from_slice(bytes);
            let crc = crc32c(&changed[CRC_FROM..]);
            changed[2..6].copy_from_slice(&crc.to_be_bytes());
            assert_eq!(Producers::decode(&changed, 2000), None, "{at}");
        };
        refused(6, &3_u32.to_be_bytes());
        refused(6, &u32::MAX.to_be_bytes());
        for negative in [10, 18, 20, 24, 32] {
            refused(negative, &[0x80]);
        }
        // More records than there are offsets, and one producer twice.
        refused(32, &1235_u32.to_be_bytes());
        refused(56, &whole[10..18]);
    }
}
