use std::collections::{HashMap, VecDeque};
use std::sync::Arc;

use chunk::ring::Consumer;
use chunk::{LargeBuffer, Slice};
use wire::{HEADER_BYTES, MAX_LENGTH, WORD_BYTES, redelivered};

use crate::hub::{Event, Hub, Incoming, WakeBits};
use crate::peer::Peer;

/// What one drain delivered, or why it did not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Drained {
    /// Messages delivered.
    pub count: usize,
    /// Whose they are.
    pub peer: u32,
    /// Sequence number of the first; the others follow without a gap.
    pub seq: u64,
    /// Payload bytes copied.
    pub bytes: usize,
    /// Length of a message that has to be fetched by `take_large`; then `count` is 1 and nothing was copied.
    pub large: usize,
    /// Whether this peer, or with "any" another one, has more.
    pub more: bool,
    /// Length of the next message if it did not fit.
    pub wanted: usize,
    /// How often they had been handed to a receiver before that has lost them since.
    pub redelivered: u8,
}

/// The owner's end: messages per peer, in order, taken in turn. Lives on one thread.
pub(crate) struct Inbox {
    ring: Consumer<Incoming>,
    queues: HashMap<u32, Waiting>,
    /// Peers that have messages, each once, in the order of their turn.
    turn: VecDeque<u32>,
    events: VecDeque<Event>,
    pub(crate) joined: Vec<Arc<Peer>>,
}

struct Waiting {
    peer: Arc<Peer>,
    items: VecDeque<Item>,
    /// The peer is gone: forget it when the last item is taken.
    lost: bool,
}

enum Item {
    Frame {
        frame: Slice,
        count: usize,
        seq: u64,
        next: usize,
        offset: usize,
    },
    Large {
        payload: LargeBuffer,
        word: u32,
        seq: u64,
        redelivered: u8,
    },
}

impl Inbox {
    pub(crate) fn new(ring: Consumer<Incoming>) -> Self {
        Self {
            ring,
            queues: HashMap::new(),
            turn: VecDeque::new(),
            events: VecDeque::new(),
            joined: Vec::new(),
        }
    }

    /// Empties the ring into the queues.
    pub(crate) fn collect(&mut self, hub: &Hub) {
        while let Some(incoming) = self.ring.pop() {
            self.sort(incoming);
        }
        for incoming in hub.take_late() {
            self.sort(incoming);
        }
        hub.restart_stalled();
    }

    fn sort(&mut self, incoming: Incoming) {
        let (peer, item) = match incoming {
            Incoming::Event(event, peer) => return self.sort_event(event, peer),
            Incoming::Frame {
                peer,
                frame,
                count,
                seq,
            } => {
                let offset = HEADER_BYTES + usize::from(count) * WORD_BYTES;
                (
                    peer,
                    Item::Frame {
                        frame,
                        count: usize::from(count),
                        seq,
                        next: 0,
                        offset,
                    },
                )
            }
            Incoming::Large {
                peer,
                word,
                seq,
                redelivered,
                payload,
            } => (
                peer,
                Item::Large {
                    payload,
                    word,
                    seq,
                    redelivered,
                },
            ),
        };
        let index = peer.index;
        let waiting = self.queues.entry(index).or_insert_with(|| Waiting {
            peer,
            items: VecDeque::new(),
            lost: false,
        });
        if waiting.items.is_empty() {
            self.turn.push_back(index);
        }
        waiting.items.push_back(item);
    }

    fn sort_event(&mut self, event: Event, peer: Option<Arc<Peer>>) {
        if let Some(peer) = peer {
            self.joined.push(peer);
        }
        let lost = if let Event::Lost(index, _) = event {
            Some(index)
        } else {
            None
        };
        self.events.push_back(event);
        if let Some(index) = lost {
            match self.queues.get_mut(&index) {
                Some(waiting) if !waiting.items.is_empty() => waiting.lost = true,
                _ => self.forget(index),
            }
        }
    }

    fn forget(&mut self, index: u32) {
        self.queues.remove(&index);
        self.events.push_back(Event::Gone(index));
    }

    pub(crate) fn take_events(&mut self) -> Vec<Event> {
        self.events.drain(..).collect()
    }

    pub(crate) fn has_events(&self) -> bool {
        !self.events.is_empty()
    }

    pub(crate) fn has_messages(&self) -> bool {
        !self.turn.is_empty()
    }

    /// Copies up to `max` messages of one peer (`None`: whose turn it is) into `data`; per message its offset there
    /// (plus `base`) and its word go into `index`.
    pub(crate) fn drain(
        &mut self,
        hub: &Hub,
        peer: Option<u32>,
        data: &mut [u8],
        base: u32,
        index: &mut [u32],
        max: usize,
    ) -> Drained {
        let Some(number) = peer.or_else(|| self.turn.front().copied()) else {
            return Drained::default();
        };
        let Some(waiting) = self.queues.get_mut(&number) else {
            return Drained::default();
        };
        let mut drained = waiting.drain(data, base, index, max);
        if drained.count > 0 {
            drained.wanted = 0;
        }
        if drained.large == 0 && drained.count > 0 {
            let nudge =
                waiting
                    .peer
                    .release(drained.bytes as u64, drained.count as u64, hub.budget());
            let token = waiting.peer.token();
            self.end_turn(hub, number);
            if nudge {
                hub.driver().nudge(token, false);
            }
        }
        drained.more = match peer {
            Some(_) => self
                .queues
                .get(&number)
                .is_some_and(|waiting| !waiting.items.is_empty()),
            None => !self.turn.is_empty(),
        };
        drained
    }

    /// The large message at the front of that peer's queue.
    pub(crate) fn take_large(&mut self, hub: &Hub, number: u32) -> Option<LargeBuffer> {
        let waiting = self.queues.get_mut(&number)?;
        if !matches!(waiting.items.front(), Some(Item::Large { .. })) {
            return None;
        }
        let Some(Item::Large { payload, .. }) = waiting.items.pop_front() else {
            return None;
        };
        let nudge = waiting.peer.release(payload.len() as u64, 1, hub.budget());
        let token = waiting.peer.token();
        self.end_turn(hub, number);
        if nudge {
            hub.driver().nudge(token, false);
        }
        Some(payload)
    }

    /// The next peer's turn; a peer without messages has none.
    fn end_turn(&mut self, hub: &Hub, number: u32) {
        let Some(waiting) = self.queues.get(&number) else {
            return;
        };
        let (empty, lost) = (waiting.items.is_empty(), waiting.lost);
        if self.turn.front() == Some(&number) {
            self.turn.pop_front();
        } else {
            self.turn.retain(|&other| other != number);
        }
        if !empty {
            self.turn.push_back(number);
        } else if lost {
            self.forget(number);
            hub.wake(WakeBits::EVENTS);
        }
    }
}

impl Waiting {
    fn drain(&mut self, data: &mut [u8], base: u32, index: &mut [u32], max: usize) -> Drained {
        let mut drained = Drained {
            peer: self.peer.index,
            ..Drained::default()
        };
        let max = max.min(index.len() / 2);
        while drained.count < max {
            match self.items.front_mut() {
                None => break,
                Some(Item::Large {
                    payload,
                    word,
                    seq,
                    redelivered,
                }) => {
                    if drained.count == 0 {
                        drained.redelivered = *redelivered;
                        drained.large = payload.len();
                        drained.count = 1;
                        drained.seq = *seq;
                        if let [offset, slot, ..] = index {
                            (*offset, *slot) = (0, *word);
                        }
                    }
                    break;
                }
                Some(Item::Frame {
                    frame,
                    count,
                    seq,
                    next,
                    offset,
                }) => {
                    let first = *seq + *next as u64;
                    let redelivered = redelivered(frame);
                    if drained.count == 0 {
                        drained.seq = first;
                        drained.redelivered = redelivered;
                    } else if drained.seq + drained.count as u64 != first
                        || drained.redelivered != redelivered
                    {
                        break;
                    }
                    let limit = (*count).min(*next + (max - drained.count));
                    let start = *offset;
                    let room = data.len() - drained.bytes;
                    let words = frame
                        .get(HEADER_BYTES + *next * WORD_BYTES..HEADER_BYTES + limit * WORD_BYTES);
                    let slots = index
                        .get_mut(drained.count * 2..)
                        .unwrap_or_default()
                        .as_chunks_mut::<2>()
                        .0;
                    let (mut taken, mut bytes) = (0, 0);
                    let mut place =
                        base.wrapping_add(u32::try_from(drained.bytes).unwrap_or(u32::MAX));
                    for (slot, word) in slots
                        .iter_mut()
                        .zip(words.unwrap_or_default().as_chunks::<WORD_BYTES>().0)
                    {
                        let word = u32::from_le_bytes(*word);
                        let length = (word & MAX_LENGTH) as usize;
                        if bytes + length > room {
                            drained.wanted = length;
                            break;
                        }
                        *slot = [place, word];
                        place = place.wrapping_add(word & MAX_LENGTH);
                        bytes += length;
                        taken += 1;
                    }
                    if let (Some(to), Some(from)) = (
                        data.get_mut(drained.bytes..drained.bytes + bytes),
                        frame.get(start..start + bytes),
                    ) {
                        to.copy_from_slice(from);
                    }
                    drained.count += taken;
                    drained.bytes += bytes;
                    *next += taken;
                    *offset += bytes;
                    if *next == *count {
                        self.items.pop_front();
                    } else if taken == 0 || drained.wanted > 0 {
                        break;
                    }
                }
            }
        }
        drained
    }
}
