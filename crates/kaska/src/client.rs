//! The client of the original Kaska: what it is subscribed to, where it is in each topic, and whose turn it is. All of it is
//! the client's own state; only committed positions are stored. Where records come from is an argument.

/// A partition that a client is subscribed to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slot {
    /// Number of the topic.
    pub topic: u32,
    /// The partition.
    pub partition: u32,
    /// The next offset to look at. Whatever was sought, so it may be negative or past the end: there is nothing then.
    pub offset: i64,
}

/// Why a call is refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refused {
    /// It is subscribed to something already; subscriptions do not add up.
    Subscribed,
    /// It is not subscribed, or not to that topic.
    NotSubscribed,
}

/// What is at a slot's offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Found {
    /// A message, which was copied out.
    Message {
        /// Its offset.
        offset: u64,
        /// Its length.
        bytes: usize,
    },
    /// Records without a value, or with an empty one: this is the first offset behind them.
    Skipped(u64),
    /// Nothing yet.
    Nothing,
    /// It is being read from the disk.
    Later,
    /// A message that needs so many bytes of room.
    Needs(usize),
    /// The offset is below this one, where the records begin now.
    Below(u64),
    /// The topic is not there any more.
    Gone,
}

/// What a poll gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// A message, which was copied out.
    Message {
        /// Number of its topic.
        topic: u32,
        /// Its partition.
        partition: u32,
        /// Its offset.
        offset: u64,
        /// Its length.
        bytes: usize,
    },
    /// There is nothing now.
    Nothing,
    /// Something is being read from the disk, or much was skipped: ask again.
    Again,
    /// The message needs so many bytes of room: ask again with it.
    Needs(usize),
}

/// Why a poll failed. The next one begins behind this partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PollError<E> {
    /// Not subscribed.
    Refused(Refused),
    /// The records at the client's offset are gone.
    OutOfRange {
        /// Number of the topic.
        topic: u32,
        /// The partition.
        partition: u32,
        /// Where its records begin.
        start: u64,
    },
    /// The topic was deleted. It is not subscribed to any more; one that is made again under its name is another.
    Gone {
        /// Number of the topic.
        topic: u32,
    },
    /// The read failed.
    Read(E),
}

/// Where to go on when records are gone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Reset {
    /// Nowhere: tell.
    #[default]
    Fail,
    /// At the first record there is.
    Start,
    /// At the end.
    End,
}

/// One client.
#[derive(Debug, Default)]
pub struct Client {
    slots: Vec<Slot>,
    /// Whose turn it is: the one behind the one that delivered last.
    turn: usize,
    reset: Reset,
}

/// So many runs of records without a value are skipped in one poll; it must not keep JavaScript for long.
const MOST_SKIPS: usize = 64;
/// So many partitions are waited for at once: each holds what was read for it.
const MOST_WAITS: usize = 16;

impl Client {
    /// One that is subscribed to nothing.
    #[must_use]
    pub const fn new(reset: Reset) -> Self {
        Self {
            slots: Vec::new(),
            turn: 0,
            reset,
        }
    }

    /// Subscribes to topics, given by number with the end of each partition; every one is read from there on. What was
    /// named twice counts once. How many topics it is subscribed to now; with none it stays unsubscribed.
    ///
    /// # Errors
    ///
    /// `Subscribed` if it is subscribed to something.
    pub fn subscribe(
        &mut self,
        topics: impl IntoIterator<Item = (u32, Vec<u64>)>,
    ) -> Result<u32, Refused> {
        if !self.slots.is_empty() {
            return Err(Refused::Subscribed);
        }
        self.turn = 0;
        let mut seen = std::collections::HashSet::new();
        for (topic, ends) in topics {
            if !seen.insert(topic) {
                continue;
            }
            for (partition, end) in (0..).zip(ends) {
                self.slots.push(Slot {
                    topic,
                    partition,
                    offset: signed(end),
                });
            }
        }
        Ok(u32::try_from(seen.len()).unwrap_or(u32::MAX))
    }

    /// Ends the subscription.
    ///
    /// # Errors
    ///
    /// `NotSubscribed` if there is none.
    pub fn unsubscribe(&mut self) -> Result<(), Refused> {
        if self.slots.is_empty() {
            return Err(Refused::NotSubscribed);
        }
        self.slots.clear();
        Ok(())
    }

    /// Everything that it is subscribed to.
    #[must_use]
    pub fn slots(&self) -> &[Slot] {
        &self.slots
    }

    /// Where it is in partition 0 of a topic.
    ///
    /// # Errors
    ///
    /// `NotSubscribed` if it is not subscribed to that.
    pub fn position(&self, topic: u32) -> Result<i64, Refused> {
        let slot = self.slots.iter().find(|slot| slot.is(topic));
        slot.map(|slot| slot.offset).ok_or(Refused::NotSubscribed)
    }

    /// Goes to an offset of partition 0 of a topic, whether there is a record or not.
    ///
    /// # Errors
    ///
    /// As [`Client::position`].
    pub fn seek(&mut self, topic: u32, offset: i64) -> Result<(), Refused> {
        let slot = self.slots.iter_mut().find(|slot| slot.is(topic));
        slot.ok_or(Refused::NotSubscribed)?.offset = offset;
        Ok(())
    }

    /// The next message of the first partition that has one, beginning behind the one that delivered last. `look` says what
    /// is at a slot's offset, which is never negative; `end` where a partition ends.
    ///
    /// # Errors
    ///
    /// See [`PollError`].
    pub fn poll<E>(
        &mut self,
        mut look: impl FnMut(Slot) -> Result<Found, E>,
        end: impl Fn(Slot) -> u64,
    ) -> Result<Polled, PollError<E>> {
        let count = self.slots.len();
        if count == 0 {
            return Err(PollError::Refused(Refused::NotSubscribed));
        }
        let mut skips = 0;
        let mut waits = 0;
        for step in 0..count {
            let place = (self.turn + step) % count;
            let after = (place + 1) % count;
            while let Some(slot) = self.slots.get_mut(place).filter(|slot| slot.offset >= 0) {
                let found = look(*slot).map_err(|error| {
                    self.turn = after;
                    PollError::Read(error)
                })?;
                match found {
                    Found::Message { offset, bytes } => {
                        slot.offset = signed(offset).saturating_add(1);
                        self.turn = after;
                        return Ok(Polled::Message {
                            topic: slot.topic,
                            partition: slot.partition,
                            offset,
                            bytes,
                        });
                    }
                    Found::Skipped(next) => {
                        slot.offset = signed(next).max(slot.offset);
                        skips += 1;
                        if skips >= MOST_SKIPS {
                            return Ok(Polled::Again);
                        }
                    }
                    Found::Needs(bytes) => {
                        // It is this one's turn still.
                        self.turn = place;
                        return Ok(Polled::Needs(bytes));
                    }
                    Found::Below(start) => {
                        slot.offset = match self.reset {
                            Reset::Fail => {
                                self.turn = after;
                                return Err(PollError::OutOfRange {
                                    topic: slot.topic,
                                    partition: slot.partition,
                                    start,
                                });
                            }
                            Reset::Start => signed(start),
                            Reset::End => signed(end(*slot)),
                        };
                        skips += 1;
                        if skips >= MOST_SKIPS {
                            return Ok(Polled::Again);
                        }
                    }
                    Found::Later => {
                        waits += 1;
                        if waits >= MOST_WAITS {
                            return Ok(Polled::Again);
                        }
                        break;
                    }
                    Found::Gone => {
                        let topic = slot.topic;
                        self.leave(topic, place);
                        return Err(PollError::Gone { topic });
                    }
                    Found::Nothing => break,
                }
            }
        }
        Ok(if waits > 0 {
            Polled::Again
        } else {
            Polled::Nothing
        })
    }
}

impl Client {
    /// Forgets a topic; whoever stands behind `place` has the next turn.
    fn leave(&mut self, topic: u32, place: usize) {
        let stays = |slot: &&Slot| slot.topic != topic;
        self.turn = self.slots.iter().take(place).filter(stays).count();
        self.slots.retain(|slot| slot.topic != topic);
        if self.turn >= self.slots.len() {
            self.turn = 0;
        }
    }
}

impl Slot {
    /// Whether it is what the calls of the original address by that topic: partition 0.
    const fn is(&self, topic: u32) -> bool {
        self.topic == topic && self.partition == 0
    }
}

/// Offsets are below 2^63.
fn signed(offset: u64) -> i64 {
    i64::try_from(offset).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Topics by number, each with its partitions; a record is the length of its value.
    type World = Vec<Vec<Vec<usize>>>;

    fn look(world: &World, slot: Slot) -> Result<Found, ()> {
        let records = &world[slot.topic as usize][slot.partition as usize];
        let offset = usize::try_from(slot.offset).unwrap();
        Ok(match records.get(offset) {
            None => Found::Nothing,
            Some(0) => Found::Skipped(offset as u64 + 1),
            Some(bytes) => Found::Message {
                offset: offset as u64,
                bytes: *bytes,
            },
        })
    }

    fn ends(world: &World, topic: u32) -> (u32, Vec<u64>) {
        let partitions = &world[topic as usize];
        (topic, partitions.iter().map(|p| p.len() as u64).collect())
    }

    fn poll(client: &mut Client, world: &World) -> Option<(u32, u32, u64)> {
        match client.poll(|slot| look(world, slot), |_| 0).unwrap() {
            Polled::Message {
                topic,
                partition,
                offset,
                ..
            } => Some((topic, partition, offset)),
            other => {
                assert_eq!(other, Polled::Nothing);
                None
            }
        }
    }

    #[test]
    fn a_poll_begins_behind_the_topic_that_delivered_last() {
        let mut world: World = vec![vec![vec![1, 1]], vec![vec![]], vec![vec![1]]];
        let mut client = Client::default();
        let told = client.subscribe([0, 1, 2].map(|topic| ends(&world, topic)));
        assert_eq!(told, Ok(3));
        assert_eq!(poll(&mut client, &world), None, "only later messages");
        for topic in [0, 0, 2, 2, 2] {
            world[topic][0].push(5);
        }
        assert_eq!(poll(&mut client, &world), Some((0, 0, 2)));
        assert_eq!(poll(&mut client, &world), Some((2, 0, 1)));
        assert_eq!(poll(&mut client, &world), Some((0, 0, 3)));
        assert_eq!(poll(&mut client, &world), Some((2, 0, 2)));
        world[1][0].push(5);
        world[0][0].push(5);
        // Topic 2 was last, so it is the turn of 0, then 1, then 2.
        assert_eq!(poll(&mut client, &world), Some((0, 0, 4)));
        assert_eq!(poll(&mut client, &world), Some((1, 0, 0)));
        assert_eq!(poll(&mut client, &world), Some((2, 0, 3)));
        assert_eq!(poll(&mut client, &world), None);
        assert_eq!(client.position(0), Ok(5));
    }

    #[test]
    fn subscriptions_do_not_add_up_and_names_count_once() {
        let world: World = vec![vec![vec![1]], vec![vec![]]];
        let mut client = Client::default();
        assert_eq!(client.unsubscribe(), Err(Refused::NotSubscribed));
        assert_eq!(client.position(0), Err(Refused::NotSubscribed));
        assert_eq!(client.seek(0, 0), Err(Refused::NotSubscribed));
        let polled = client.poll(|slot| look(&world, slot), |_| 0);
        assert_eq!(polled, Err(PollError::Refused(Refused::NotSubscribed)));

        // Nothing that exists: it stays unsubscribed, and may subscribe again.
        assert_eq!(client.subscribe([]), Ok(0));
        let twice = [ends(&world, 0), ends(&world, 0)];
        assert_eq!(client.subscribe(twice), Ok(1));
        let more = client.subscribe([ends(&world, 1)]);
        assert_eq!(more, Err(Refused::Subscribed));
        assert_eq!(client.position(0), Ok(1));
        assert_eq!(client.position(1), Err(Refused::NotSubscribed));
        assert_eq!(client.unsubscribe(), Ok(()));
        assert_eq!(client.unsubscribe(), Err(Refused::NotSubscribed));
    }

    #[test]
    fn a_seek_goes_anywhere_and_empty_messages_are_counted_and_skipped() {
        let world: World = vec![vec![vec![3, 0, 0, 4]]];
        let mut client = Client::default();
        client.subscribe([ends(&world, 0)]).unwrap();
        for nowhere in [99, -1, i64::MAX, i64::MIN] {
            client.seek(0, nowhere).unwrap();
            assert_eq!(poll(&mut client, &world), None);
            assert_eq!(client.position(0), Ok(nowhere));
        }
        client.seek(0, 1).unwrap();
        assert_eq!(poll(&mut client, &world), Some((0, 0, 3)));
        assert_eq!(client.position(0), Ok(4));
    }

    #[test]
    fn many_empty_messages_do_not_keep_a_poll_for_ever() {
        let world: World = vec![vec![vec![0; 1000]]];
        let mut client = Client::default();
        client.subscribe([(0, vec![0])]).unwrap();
        let mut polls = 0;
        while client.poll(|slot| look(&world, slot), |_| 0) == Ok(Polled::Again) {
            polls += 1;
        }
        assert!(polls >= 10, "{polls}");
        assert_eq!(client.position(0), Ok(1000));
    }

    #[test]
    fn records_that_are_gone_are_told_unless_it_shall_go_on() {
        let found = |slot: Slot| -> Result<Found, ()> {
            Ok(match slot.offset {
                0..10 => Found::Below(10),
                offset @ 10..20 => Found::Message {
                    offset: offset.unsigned_abs(),
                    bytes: 1,
                },
                _ => Found::Nothing,
            })
        };
        let polled = |reset| {
            let mut client = Client::new(reset);
            client.subscribe([(3, vec![0])]).unwrap();
            (client.poll(found, |_| 20), client.position(3).unwrap())
        };
        let told = PollError::OutOfRange {
            topic: 3,
            partition: 0,
            start: 10,
        };
        assert_eq!(polled(Reset::Fail), (Err(told), 0));
        let first = Polled::Message {
            topic: 3,
            partition: 0,
            offset: 10,
            bytes: 1,
        };
        assert_eq!(polled(Reset::Start), (Ok(first), 11));
        assert_eq!(polled(Reset::End), (Ok(Polled::Nothing), 20));
    }

    #[test]
    fn one_broken_partition_does_not_keep_the_others() {
        let mut client = Client::default();
        client.subscribe([(0, vec![0]), (1, vec![0])]).unwrap();
        let found = |slot: Slot| match slot.topic {
            0 => Err("damaged"),
            _ => Ok(Found::Message {
                offset: slot.offset.unsigned_abs(),
                bytes: 1,
            }),
        };
        for _ in 0..3 {
            assert_eq!(client.poll(found, |_| 0), Err(PollError::Read("damaged")));
            assert!(matches!(
                client.poll(found, |_| 0),
                Ok(Polled::Message { topic: 1, .. })
            ));
        }
    }

    #[test]
    fn a_topic_that_was_deleted_is_told_once_and_is_no_part_of_the_subscription_any_more() {
        let mut client = Client::default();
        client
            .subscribe([(0, vec![0]), (1, vec![0, 0]), (2, vec![0])])
            .unwrap();
        let found = |slot: Slot| -> Result<Found, ()> {
            Ok(match slot.topic {
                1 => Found::Gone,
                _ => Found::Message {
                    offset: slot.offset.unsigned_abs(),
                    bytes: 1,
                },
            })
        };
        let topic_of = |polled| match polled {
            Ok(Polled::Message { topic, .. }) => topic,
            other => panic!("{other:?}"),
        };
        assert_eq!(topic_of(client.poll(found, |_| 0)), 0);
        let gone = client.poll(found, |_| 0);
        assert_eq!(gone, Err(PollError::Gone { topic: 1 }));
        // It is the turn of who comes behind it.
        assert_eq!(topic_of(client.poll(found, |_| 0)), 2);
        assert_eq!(topic_of(client.poll(found, |_| 0)), 0);
        assert_eq!(client.position(1), Err(Refused::NotSubscribed));
        let none = |_: Slot| Ok::<_, ()>(Found::Gone);
        assert_eq!(client.poll(none, |_| 0), Err(PollError::Gone { topic: 2 }));
        assert_eq!(client.poll(none, |_| 0), Err(PollError::Gone { topic: 0 }));
        let nothing = client.poll(none, |_| 0);
        assert_eq!(nothing, Err(PollError::Refused(Refused::NotSubscribed)));
        assert_eq!(client.subscribe([(0, vec![0])]), Ok(1));
    }

    #[test]
    fn few_partitions_are_waited_for_at_once() {
        let mut client = Client::default();
        client.subscribe([(0, vec![0; 1_000])]).unwrap();
        let mut looks = 0;
        let polled = client.poll(
            |_| {
                looks += 1;
                Ok::<_, ()>(Found::Later)
            },
            |_| 0,
        );
        assert_eq!(polled, Ok(Polled::Again));
        assert!(looks < 100, "{looks}");
    }

    #[test]
    fn a_message_that_finds_no_room_comes_with_the_next_poll() {
        let mut client = Client::default();
        client.subscribe([(0, vec![0]), (1, vec![0])]).unwrap();
        let big = |slot: Slot| -> Result<Found, ()> {
            Ok(if slot.topic == 1 {
                Found::Needs(500)
            } else {
                Found::Later
            })
        };
        assert_eq!(client.poll(big, |_| 0), Ok(Polled::Needs(500)));
        let there = |slot: Slot| -> Result<Found, ()> {
            Ok(Found::Message {
                offset: slot.offset.unsigned_abs(),
                bytes: 1,
            })
        };
        let polled = client.poll(there, |_| 0);
        assert!(matches!(polled, Ok(Polled::Message { topic: 1, .. })));
        assert_eq!(
            client.poll(|_| Ok::<_, ()>(Found::Later), |_| 0),
            Ok(Polled::Again)
        );
    }
}
