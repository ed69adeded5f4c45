/// Chooses partitions as Kafka's default partitioner does for records with a key. Those without one go to one partition a
/// turn, round robin by turns, so that what is appended together is one batch.
#[derive(Debug)]
pub struct Partitioner {
    partitions: u32,
    turn: u32,
}

impl Partitioner {
    /// For a topic with so many partitions, at least one. `first` is where records without a key begin.
    #[must_use]
    pub fn new(partitions: u32, first: u32) -> Self {
        let partitions = partitions.max(1);
        let turn = first % partitions;
        Self { partitions, turn }
    }

    /// The partition of a record with that key; `None` is no key, an empty one is a key.
    #[must_use]
    pub fn of(&self, key: Option<&[u8]>) -> u32 {
        key.map_or(self.turn, |key| partition_of(key, self.partitions))
    }

    /// Records without a key go to the next partition from now on.
    pub fn next_turn(&mut self) {
        self.turn = (self.turn + 1) % self.partitions;
    }
}

/// The partition of a key among so many, as Kafka's clients in Java choose it.
#[must_use]
pub fn partition_of(key: &[u8], partitions: u32) -> u32 {
    (murmur2(key) & 0x7fff_ffff) % partitions.max(1)
}

const SEED: u32 = 0x9747_b28c;
const M: u32 = 0x5bd1_e995;
const R: u32 = 24;

/// MurmurHash2 with Kafka's seed.
#[must_use]
pub fn murmur2(data: &[u8]) -> u32 {
    // Kafka's lengths are signed 32 bits; so are ours, and what is longer cannot be a key.
    let length = u32::try_from(data.len()).unwrap_or(u32::MAX);
    let mut hash = SEED ^ length;
    let (words, rest) = data.as_chunks::<4>();
    for word in words {
        let mut k = u32::from_le_bytes(*word).wrapping_mul(M);
        k ^= k >> R;
        hash = hash.wrapping_mul(M) ^ k.wrapping_mul(M);
    }
    if !rest.is_empty() {
        for (place, byte) in rest.iter().enumerate() {
            hash ^= u32::from(*byte) << (8 * place);
        }
        hash = hash.wrapping_mul(M);
    }
    hash ^= hash >> 13;
    hash = hash.wrapping_mul(M);
    hash ^ (hash >> 15)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hashes_are_those_of_kafkas_own_tests() {
        let known: [(&str, i32); 6] = [
            ("21", -973_932_308),
            ("foobar", -790_332_482),
            ("a-little-bit-long-string", -985_981_536),
            ("a-little-bit-longer-string", -1_486_304_829),
            (
                "lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8",
                -58_897_971,
            ),
            ("abc", 479_470_107),
        ];
        for (key, hash) in known {
            assert_eq!(murmur2(key.as_bytes()).cast_signed(), hash, "{key}");
        }
    }

    #[test]
    fn a_key_has_one_partition_and_those_without_change_by_turns() {
        let mut partitioner = Partitioner::new(3, 7);
        let own = partition_of(b"foobar", 3);
        let mut turns = Vec::new();
        for _ in 0..4 {
            assert_eq!(partitioner.of(Some(b"foobar")), own);
            turns.push(partitioner.of(None));
            assert_eq!(partitioner.of(None), *turns.last().unwrap());
            partitioner.next_turn();
        }
        assert_eq!(turns, [1, 2, 0, 1]);
        assert_eq!(Partitioner::new(0, 5).of(None), 0);
        assert_eq!(partitioner.of(Some(b"")), partition_of(b"", 3));
    }
}
