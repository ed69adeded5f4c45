use std::collections::{HashMap, VecDeque};

use crate::batch::{Header, ProducerMark};

/// What is known of those who number their records: each record is stored once, though it may come several times.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Producers {
    known: HashMap<u64, Producer>,
    /// The lowest number of one that is not known whose batch was refused: where he begins.
    refused: HashMap<u64, u32>,
}

/// One of them. Has at least one batch.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Producer {
    epoch: u16,
    /// When a batch was stored last, by the clock of this machine, in ms since 1970.
    at_ms: i64,
    /// The last ones, oldest first.
    batches: VecDeque<Stored>,
}

/// A batch that is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Stored {
    first_sequence: u32,
    /// Number of records less 1.
    last_delta: u32,
    base_offset: u64,
}

/// What a batch is, by its producer's numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Verdict {
    /// Nothing is known of the producer, or not of this epoch: it may begin anywhere.
    New,
    /// It follows the last one.
    Next,
    /// All of its records lie in one of the last five batches, and the first has this offset.
    Duplicate {
        /// Offset of its first record.
        base_offset: u64,
    },
    /// So many of its first records, perhaps all, were stored before; where is not known any more. The rest follows.
    Overlap {
        /// At least 1, at most all.
        stored: u32,
    },
    /// Records before it are missing.
    Gap {
        /// The number that must come next.
        expected: u32,
    },
    /// The producer's id was given to somebody else since.
    Fenced {
        /// The epoch that counts now.
        epoch: u16,
    },
}

/// The last batch of a producer, as a snapshot has it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ProducerEntry {
    /// Number of the producer, below 2^63.
    pub id: u64,
    /// Its epoch, below 2^15.
    pub epoch: u16,
    /// Number of its last record, below 2^31.
    pub last_sequence: u32,
    /// Offset of that record.
    pub last_offset: u64,
    /// Records of the last batch, less 1.
    pub last_delta: u32,
    /// When it was stored, in ms since 1970.
    pub at_ms: i64,
}

/// Batches that are remembered of each: as many as Kafka's clients may have under way.
const REMEMBERED: usize = 5;
/// Numbers go round after 2^31 − 1.
pub(crate) const SEQUENCE_BITS: u32 = 31;
const MASK: u32 = (1 << SEQUENCE_BITS) - 1;

impl Producers {
    /// What a batch of `count` records is that begins with the number in `mark`.
    #[must_use]
    pub fn check(&self, mark: &ProducerMark, count: u32) -> Verdict {
        let Some(producer) = self.known.get(&mark.id) else {
            return match self.must_come_first(mark) {
                Some(expected) => Verdict::Gap { expected },
                None => Verdict::New,
            };
        };
        if mark.epoch < producer.epoch {
            let epoch = producer.epoch;
            return Verdict::Fenced { epoch };
        }
        let Some(last) = producer.last().filter(|_| mark.epoch == producer.epoch) else {
            return Verdict::New;
        };
        let expected = next(last);
        match distance(expected, mark.sequence) {
            0 => Verdict::Next,
            1.. => Verdict::Gap { expected },
            behind => {
                let inside = |stored: &&Stored| stored.holds(mark.sequence, count);
                if let Some(stored) = producer.batches.iter().find(inside) {
                    let place = distance(stored.first_sequence, mark.sequence);
                    let base_offset = stored.base_offset + u64::from(place.unsigned_abs());
                    return Verdict::Duplicate { base_offset };
                }
                let stored = behind.unsigned_abs().min(count);
                Verdict::Overlap { stored }
            }
        }
    }

    /// Takes note of a batch that was refused: of one who has nothing stored yet, nothing behind it may be stored before it.
    pub fn refuse(&mut self, mark: &ProducerMark) {
        if !self.known.contains_key(&mark.id) {
            let lowest = self.refused.entry(mark.id).or_insert(mark.sequence);
            *lowest = mark.sequence.min(*lowest);
        }
    }

    /// What was refused of him comes again: it is on its way to be stored.
    pub fn take(&mut self, mark: &ProducerMark) {
        self.refused.remove(&mark.id);
    }

    /// The number that was refused and must come before this, if there is one.
    #[must_use]
    pub fn must_come_first(&self, mark: &ProducerMark) -> Option<u32> {
        let lowest = self.refused.get(&mark.id).copied();
        lowest.filter(|lowest| *lowest < mark.sequence)
    }

    /// Takes note of a batch that is stored, now or long ago: `at_ms` is when, or the time of opening where that is not
    /// known. A batch without a producer changes nothing.
    pub fn add(&mut self, header: &Header, at_ms: i64) {
        let Some(mark) = header.producer else {
            return;
        };
        let stored = Stored {
            first_sequence: mark.sequence & MASK,
            last_delta: header.last_delta,
            base_offset: header.base_offset,
        };
        self.put(mark.id, mark.epoch, stored, at_ms);
    }

    /// Number of the last record of a producer; `None` if it is not known.
    #[must_use]
    pub fn last_sequence(&self, id: u64) -> Option<u32> {
        let last = self.known.get(&id)?.last()?;
        Some(last.first_sequence.wrapping_add(last.last_delta) & MASK)
    }

    /// Offsets of the last batch of a producer: of its first record, and the one behind its last.
    #[must_use]
    pub fn last_offsets(&self, id: u64) -> Option<(u64, u64)> {
        let last = self.known.get(&id)?.last()?;
        let end = last.base_offset + u64::from(last.last_delta) + 1;
        Some((last.base_offset, end))
    }

    /// The highest id that is known.
    #[must_use]
    pub fn highest(&self) -> Option<u64> {
        self.known.keys().max().copied()
    }

    /// Forgets those whose last batch was stored before `ms`.
    pub fn forget_before(&mut self, ms: i64) {
        self.known.retain(|_, producer| producer.at_ms >= ms);
    }

    /// How many are known.
    #[must_use]
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }

    /// The last batch of each, by their numbers.
    #[must_use]
    pub fn entries(&self) -> Vec<ProducerEntry> {
        let entry = |(id, producer): (&u64, &Producer)| {
            let last = producer.last()?;
            Some(ProducerEntry {
                id: *id,
                epoch: producer.epoch,
                last_sequence: next(last).wrapping_sub(1) & MASK,
                last_offset: last.base_offset + u64::from(last.last_delta),
                last_delta: last.last_delta,
                at_ms: producer.at_ms,
            })
        };
        let mut entries: Vec<_> = self.known.iter().filter_map(entry).collect();
        entries.sort_unstable_by_key(|entry| entry.id);
        entries
    }

    /// Knows what a snapshot tells.
    pub(crate) fn restore(&mut self, entry: &ProducerEntry) {
        let stored = Stored {
            first_sequence: entry.last_sequence.wrapping_sub(entry.last_delta) & MASK,
            last_delta: entry.last_delta,
            base_offset: entry
                .last_offset
                .saturating_sub(u64::from(entry.last_delta)),
        };
        self.put(entry.id, entry.epoch, stored, entry.at_ms);
    }

    fn put(&mut self, id: u64, epoch: u16, stored: Stored, at_ms: i64) {
        self.refused.remove(&id);
        let producer = self.known.entry(id).or_insert_with(|| Producer {
            epoch,
            at_ms,
            batches: VecDeque::with_capacity(1),
        });
        if producer.epoch != epoch {
            producer.epoch = epoch;
            producer.batches.clear();
        }
        producer.at_ms = producer.at_ms.max(at_ms);
        if producer.batches.len() == REMEMBERED {
            producer.batches.pop_front();
        }
        producer.batches.push_back(stored);
    }
}

impl Producer {
    fn last(&self) -> Option<&Stored> {
        self.batches.back()
    }
}

impl Stored {
    /// Whether `count` records from `sequence` on are all in it.
    fn holds(&self, sequence: u32, count: u32) -> bool {
        let place = i64::from(distance(self.first_sequence, sequence));
        place >= 0 && place + i64::from(count) <= i64::from(self.last_delta) + 1
    }
}

/// The number behind the last one of a batch.
const fn next(stored: &Stored) -> u32 {
    stored
        .first_sequence
        .wrapping_add(stored.last_delta)
        .wrapping_add(1)
        & MASK
}

/// How far `to` is ahead of `from`, negative if it is behind: within ± 2^30, since numbers go round.
const fn distance(from: u32, to: u32) -> i32 {
    // Shifted to the upper 31 bits, the sign of the difference is that of the shorter way.
    let unused = u32::BITS - SEQUENCE_BITS;
    (to.wrapping_sub(from) << unused).cast_signed() >> unused
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::Attributes;
    use proptest::prelude::*;

    const LAST: u32 = i32::MAX as u32;

    fn mark(sequence: u32) -> ProducerMark {
        let (id, epoch) = (7, 0);
        ProducerMark {
            id,
            epoch,
            sequence,
        }
    }

    fn batch(base_offset: u64, mark: ProducerMark, count: u32) -> Header {
        Header {
            base_offset,
            size: 61,
            attributes: Attributes::default(),
            last_delta: count - 1,
            base_ms: 0,
            max_ms: 0,
            producer: Some(mark),
            count,
            crc: 0,
        }
    }

    fn with(batches: &[(u64, u32, u32)]) -> Producers {
        let mut producers = Producers::default();
        for &(base, sequence, count) in batches {
            producers.add(&batch(base, mark(sequence), count), 1000);
        }
        producers
    }

    #[test]
    fn a_new_producer_may_begin_anywhere_and_then_goes_on_without_gaps() {
        let mut producers = Producers::default();
        assert_eq!(producers.check(&mark(500), 10), Verdict::New);
        assert_eq!(producers.last_sequence(7), None);
        producers.add(&batch(40, mark(500), 10), 1000);
        assert_eq!(producers.last_sequence(7), Some(509));
        assert_eq!(producers.check(&mark(510), 1), Verdict::Next);
        let expected = 510;
        assert_eq!(producers.check(&mark(511), 1), Verdict::Gap { expected });
        // Another producer is another matter, and batches without one are none.
        let other = ProducerMark { id: 8, ..mark(0) };
        assert_eq!(producers.check(&other, 1), Verdict::New);
        let nobody = Header {
            producer: None,
            ..batch(50, mark(0), 1)
        };
        producers.add(&nobody, 1000);
        assert_eq!(producers.len(), 1);
    }

    #[test]
    fn a_new_producer_begins_with_what_was_refused() {
        let mut producers = Producers::default();
        producers.refuse(&mark(100));
        producers.refuse(&mark(7));
        producers.refuse(&mark(50));
        let expected = 7;
        assert_eq!(producers.check(&mark(100), 1), Verdict::Gap { expected });
        assert_eq!(producers.must_come_first(&mark(8)), Some(7));
        // Whoever begins before it may.
        for first in [0, 7] {
            assert_eq!(producers.check(&mark(first), 3), Verdict::New);
        }
        producers.add(&batch(0, mark(7), 3), 1000);
        assert_eq!(producers.check(&mark(10), 1), Verdict::Next);
        // Of one who is known his numbers tell.
        producers.refuse(&mark(10));
        assert_eq!(producers.must_come_first(&mark(12)), None);
    }

    #[test]
    fn what_comes_again_has_the_offset_that_it_got() {
        // Other producers wrote between these.
        let producers = with(&[(100, 0, 10), (150, 10, 5), (180, 15, 1)]);
        for (sequence, count, base_offset) in
            [(0, 10, 100), (10, 5, 150), (15, 1, 180), (3, 4, 103)]
        {
            let verdict = producers.check(&mark(sequence), count);
            assert_eq!(verdict, Verdict::Duplicate { base_offset });
        }
    }

    #[test]
    fn of_more_than_one_batch_only_the_new_records_remain() {
        let producers = with(&[(100, 0, 10), (150, 10, 5)]);
        for (sequence, count, stored) in [(10, 6, 5), (0, 15, 15), (0, 20, 15), (9, 2, 2)] {
            let verdict = producers.check(&mark(sequence), count);
            assert_eq!(verdict, Verdict::Overlap { stored });
        }
    }

    #[test]
    fn five_batches_are_remembered_and_older_ones_are_known_as_stored() {
        let batches: Vec<_> = (0..7).map(|n| (u64::from(n) * 10, n * 10, 10)).collect();
        let producers = with(&batches);
        for n in 0..7 {
            let verdict = producers.check(&mark(n * 10), 10);
            let base_offset = u64::from(n) * 10;
            let expected = if n < 2 {
                Verdict::Overlap { stored: 10 }
            } else {
                Verdict::Duplicate { base_offset }
            };
            assert_eq!(verdict, expected);
        }
    }

    #[test]
    fn numbers_go_round() {
        let producers = with(&[(100, LAST - 4, 10)]);
        assert_eq!(producers.last_sequence(7), Some(4));
        assert_eq!(producers.check(&mark(5), 1), Verdict::Next);
        let base_offset = 104;
        let again = producers.check(&mark(LAST), 3);
        assert_eq!(again, Verdict::Duplicate { base_offset });
        let more = producers.check(&mark(LAST), 9);
        assert_eq!(more, Verdict::Overlap { stored: 6 });
        // Half of the way round is the border between before and behind.
        let far = |by: u32| producers.check(&mark((5 + by) & MASK), 1);
        assert_eq!(far((1 << 30) - 1), Verdict::Gap { expected: 5 });
        assert_eq!(far(1 << 30), Verdict::Overlap { stored: 1 });
    }

    #[test]
    fn an_id_that_was_given_out_anew_keeps_the_former_owner_out() {
        let mut producers = with(&[(100, 0, 10)]);
        let newer = ProducerMark {
            epoch: 3,
            ..mark(0)
        };
        assert_eq!(producers.check(&newer, 1), Verdict::New);
        producers.add(&batch(110, newer, 1), 1000);
        let fenced = producers.check(&mark(10), 1);
        assert_eq!(fenced, Verdict::Fenced { epoch: 3 });
        let next = ProducerMark {
            sequence: 1,
            ..newer
        };
        assert_eq!(producers.check(&next, 1), Verdict::Next);
    }

    #[test]
    fn who_stored_nothing_for_long_is_forgotten() {
        let mut producers = with(&[(100, 0, 10)]);
        let other = ProducerMark { id: 8, ..mark(0) };
        producers.add(&batch(110, other, 1), 2000);
        // A clock that goes back does not make anybody older.
        producers.add(&batch(111, ProducerMark { id: 8, ..mark(1) }, 1), 5);
        producers.forget_before(1001);
        assert_eq!(producers.check(&mark(10), 1), Verdict::New);
        assert_eq!(producers.last_sequence(8), Some(1));
    }

    proptest! {
        /// Against all records that were ever stored, numbered without going round.
        #[test]
        fn nothing_is_stored_twice_and_nothing_left_out(first: u32, sends in prop::collection::vec((0_u64..40, 1_u32..12), 1..60)) {
            let first = u64::from(first & MASK);
            let mut producers = Producers::default();
            let mut offsets: Vec<u64> = Vec::new();
            let mut next_offset = 9;
            for (back, count) in sends {
                // Most begin a little before the end of what is stored, some behind it.
                let at = (offsets.len() as u64 + 3).saturating_sub(back);
                let sequence = u32::try_from((first + at) & u64::from(MASK)).unwrap();
                let verdict = producers.check(&mark(sequence), count);
                let end = offsets.len() as u64;
                match verdict {
                    Verdict::New => prop_assert!(offsets.is_empty()),
                    Verdict::Next => prop_assert_eq!(at, end),
                    Verdict::Gap { .. } => prop_assert!(at > end),
                    Verdict::Duplicate { base_offset } => {
                        for n in 0..u64::from(count) {
                            let place = usize::try_from(at + n).unwrap();
                            prop_assert_eq!(offsets[place], base_offset + n);
                        }
                    }
                    Verdict::Overlap { stored } => {
                        let known = (end - at).min(u64::from(count));
                        prop_assert_eq!(u64::from(stored), known);
                    }
                    other => prop_assert!(false, "{:?}", other),
                }
                let skip = match verdict {
                    Verdict::Next => 0,
                    Verdict::New if at == 0 => 0,
                    Verdict::Overlap { stored } if stored < count => stored,
                    _ => continue,
                };
                let sequence = (sequence + skip) & MASK;
                let header = batch(next_offset, mark(sequence), count - skip);
                producers.add(&header, 0);
                offsets.extend(next_offset..header.next_offset());
                // Somebody else writes one record between.
                next_offset = header.next_offset() + 1;
            }
        }
    }
}
