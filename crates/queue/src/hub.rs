use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use chunk::ring::Producer;
use chunk::{LargeBuffer, Slice};
use wire::{AckPoint, Code, Driver, Endpoint, Error, PeerId, Token};

use crate::config::Config;
use crate::outbox::Outbox;
use crate::peer::Peer;

/// Ring entries that messages leave free, so that events find room.
const RESERVED_FOR_EVENTS: usize = 64;
/// An owner that does not look has so many events waiting beside a full ring, and no connection is taken until it does.
const MOST_LATE_EVENTS: usize = 1024;
/// So many connections may be shaking hands, or as many as there may be peers if that is more.
const LEAST_STRANGERS: usize = 64;

/// What the owner has to look at after a wake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WakeBits;

impl WakeBits {
    /// Messages or events are in the ring.
    pub const READABLE: u32 = 1;
    /// A watched acknowledgement came.
    pub const ACKED: u32 = 2;
    /// Events are there (found by the inbox when it empties the ring).
    pub const EVENTS: u32 = 4;
}

/// What happened to a communicator, in order with the messages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Event {
    /// The server listens, or the client is connected.
    Open(Endpoint),
    /// A peer finished its handshake.
    Peer(u32, Introduction),
    /// A peer will send no more. It waits for the same of this side: see [`Communicator::finish`](crate::Communicator::finish).
    Fin(u32),
    /// A peer is gone; without an error it left in order.
    Lost(u32, Option<Error>),
    /// A peer is gone and everything it sent has been taken: its number means nothing any more.
    Gone(u32),
    /// Messages to a peer, by their numbers, were dropped before they were sent.
    Dropped(u32, u64, u64),
    /// A connection was refused, or broken off before its handshake.
    Warning(Error),
    /// The communicator could not listen or connect.
    Failed(Error),
    /// Nothing will happen any more.
    Closed,
}

/// What a peer told of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Introduction {
    /// Who it is.
    pub id: PeerId,
    /// The longest message that it takes.
    pub max_message: u32,
    /// When it acknowledges.
    pub ack: AckPoint,
    /// It speaks the protocol of the Python package.
    pub python: bool,
}

/// What travels from the sessions to the owner.
pub(crate) enum Incoming {
    /// A whole DATA frame.
    Frame {
        peer: Arc<Peer>,
        frame: Slice,
        count: u16,
        seq: u64,
    },
    /// One long message.
    Large {
        peer: Arc<Peer>,
        word: u32,
        seq: u64,
        payload: LargeBuffer,
    },
    /// Something happened.
    Event(Event, Option<Arc<Peer>>),
}

/// What all sessions of one communicator share.
pub(crate) struct Hub {
    pub(crate) config: Config,
    driver: Arc<dyn Driver>,
    bits: AtomicU32,
    ring: Mutex<RingEnd>,
    members: Mutex<Members>,
    /// Sessions that wait for room in the ring.
    stalled: Mutex<BTreeSet<Token>>,
    has_stalled: AtomicBool,
    pub(crate) counters: Counters,
}

/// Sums over the life of a communicator.
#[derive(Default)]
pub(crate) struct Counters {
    pub(crate) received_messages: AtomicU64,
    pub(crate) received_bytes: AtomicU64,
    pub(crate) sent_messages: AtomicU64,
    pub(crate) sent_bytes: AtomicU64,
}

struct RingEnd {
    producer: Producer<Incoming>,
    /// What found the ring full; bounded, because sessions stop reading while it is not empty.
    late: VecDeque<Incoming>,
    late_events: usize,
}

struct Members {
    peers: HashMap<u32, Arc<Peer>>,
    ids: HashMap<PeerId, u32>,
    /// Those that have not introduced themselves, the oldest first.
    strangers: BTreeMap<u32, Arc<Peer>>,
    next_index: u32,
    /// The listener or the dial is still there.
    root: Option<Token>,
    closing: bool,
    closed: bool,
}

impl Members {
    /// True once, when nothing is left that could make an event.
    fn is_last(&mut self) -> bool {
        let last = self.closing && !self.closed && self.root.is_none() && self.peers.is_empty();
        self.closed |= last;
        last
    }
}

impl Hub {
    pub(crate) fn new(
        config: Config,
        driver: Arc<dyn Driver>,
        producer: Producer<Incoming>,
    ) -> Self {
        Self {
            config,
            driver,
            bits: AtomicU32::new(0),
            ring: Mutex::new(RingEnd {
                producer,
                late: VecDeque::new(),
                late_events: 0,
            }),
            members: Mutex::new(Members {
                peers: HashMap::new(),
                ids: HashMap::new(),
                strangers: BTreeMap::new(),
                next_index: 0,
                root: None,
                closing: false,
                closed: false,
            }),
            stalled: Mutex::new(BTreeSet::new()),
            has_stalled: AtomicBool::new(false),
            counters: Counters::default(),
        }
    }

    /// Most bytes and messages held for the owner, per peer.
    pub(crate) fn budget(&self) -> (u64, u64) {
        (
            self.config.high_water_bytes,
            self.config.high_water_messages,
        )
    }

    pub(crate) fn driver(&self) -> &dyn Driver {
        &*self.driver
    }

    // --- from the sessions to the owner -------------------------------------------------------------------------

    /// Whether a session may push another frame. If not, it is nudged once there is room.
    pub(crate) fn has_room(&self, token: Token) -> bool {
        if self.ring_has_room() {
            return true;
        }
        lock(&self.stalled).insert(token);
        self.has_stalled.store(true, Ordering::SeqCst);
        // The owner may have emptied the ring between the two lines above.
        self.ring_has_room()
    }

    fn ring_has_room(&self) -> bool {
        let ring = lock(&self.ring);
        ring.late.is_empty() && ring.producer.capacity() - ring.producer.len() > RESERVED_FOR_EVENTS
    }

    pub(crate) fn push(&self, incoming: Incoming) {
        {
            let mut ring = lock(&self.ring);
            let late = if ring.late.is_empty() {
                ring.producer.push(incoming).err()
            } else {
                Some(incoming)
            };
            if let Some(incoming) = late {
                ring.late_events += usize::from(matches!(incoming, Incoming::Event(..)));
                ring.late.push_back(incoming);
            }
        }
        self.wake(WakeBits::READABLE);
    }

    pub(crate) fn event(&self, event: Event) {
        // Strangers make warnings; those that nobody reads must not pile up.
        if !(matches!(event, Event::Warning(_)) && self.is_swamped()) {
            self.push(Incoming::Event(event, None));
        }
    }

    fn is_swamped(&self) -> bool {
        lock(&self.ring).late_events >= MOST_LATE_EVENTS
    }

    /// Raises bits; the first one after `take_bits` wakes the owner.
    pub(crate) fn wake(&self, bits: u32) {
        if self.bits.fetch_or(bits, Ordering::SeqCst) == 0 {
            self.driver.wake();
        }
    }

    // --- from the owner to the sessions -------------------------------------------------------------------------

    pub(crate) fn take_bits(&self) -> u32 {
        self.bits.swap(0, Ordering::SeqCst)
    }

    /// What did not fit into the ring; nothing while the ring holds what came before it.
    pub(crate) fn take_late(&self) -> VecDeque<Incoming> {
        let mut ring = lock(&self.ring);
        if ring.producer.is_empty() {
            ring.late_events = 0;
            std::mem::take(&mut ring.late)
        } else {
            VecDeque::new()
        }
    }

    /// Nudges the sessions that wait for room in the ring.
    pub(crate) fn restart_stalled(&self) {
        if self.has_stalled.load(Ordering::SeqCst) && self.has_stalled.swap(false, Ordering::SeqCst)
        {
            // Taken before the loop, whose head would hold the lock: a nudge may run the session, which may stall again.
            let stalled = std::mem::take(&mut *lock(&self.stalled));
            for token in stalled {
                self.driver.nudge(token, false);
            }
        }
    }

    // --- members ------------------------------------------------------------------------------------------------

    pub(crate) fn set_root(&self, token: Token) {
        lock(&self.members).root = Some(token);
    }

    /// A member for a new connection; `None` if the communicator is closing, or its owner does not look. The oldest of too
    /// many connections that have not introduced themselves makes room: they may say nothing for long.
    pub(crate) fn join(&self, token: Token) -> Option<Arc<Peer>> {
        if self.is_swamped() {
            return None;
        }
        let (peer, dismissed) = {
            let mut members = lock(&self.members);
            if members.closing {
                return None;
            }
            let is_full = members.strangers.len() >= self.config.max_peers.max(LEAST_STRANGERS);
            let dismissed = if is_full {
                members.strangers.pop_first()
            } else {
                None
            };
            let index = members.next_index;
            members.next_index += 1;
            let outbox = Outbox::new(
                self.config.slabs.clone(),
                self.config.large.clone(),
                self.config.max_message,
            );
            let peer = Arc::new(Peer::new(index, token, outbox));
            members.peers.insert(index, Arc::clone(&peer));
            members.strangers.insert(index, Arc::clone(&peer));
            (peer, dismissed)
        };
        if let Some((_, stranger)) = dismissed {
            stranger.dismiss();
            self.driver.nudge(stranger.token, false);
        }
        Some(peer)
    }

    /// Gives a member its name.
    ///
    /// # Errors
    /// [`Code::Auth`] if another one has it, [`Code::QueueFull`] if there are as many peers as there may be.
    pub(crate) fn introduce(&self, peer: &Peer, id: PeerId) -> Result<(), Error> {
        let mut members = lock(&self.members);
        if members.ids.contains_key(&id) {
            return Err(Error::new(
                Code::Auth,
                "another connection uses this id; every communicator needs one of its own",
            ));
        }
        let most = self.config.max_peers;
        if members.ids.len() >= most {
            return Err(Error::new(
                Code::QueueFull,
                format!("{most} peers are connected already (maxPeers)"),
            ));
        }
        members.ids.insert(id, peer.index);
        members.strangers.remove(&peer.index);
        peer.introduce(id);
        Ok(())
    }

    /// A member's connection is gone. A client's communicator ends with it.
    pub(crate) fn leave(&self, peer: &Peer, ends_all: bool) {
        let last = {
            let mut members = lock(&self.members);
            members.peers.remove(&peer.index);
            members.strangers.remove(&peer.index);
            if let Some(id) = peer.id()
                && members.ids.get(&id) == Some(&peer.index)
            {
                members.ids.remove(&id);
            }
            members.closing |= ends_all;
            members.is_last()
        };
        if last {
            self.event(Event::Closed);
        }
    }

    /// The listener or the dial is gone. Without one, the communicator ends with its last member.
    pub(crate) fn leave_root(&self, ends_all: bool) {
        let last = {
            let mut members = lock(&self.members);
            members.root = None;
            members.closing |= ends_all;
            members.is_last()
        };
        if last {
            self.event(Event::Closed);
        }
    }

    /// No new members from now on. Returns the listener or dial, and the members there are.
    pub(crate) fn start_closing(&self) -> (Option<Token>, Vec<Arc<Peer>>) {
        let (root, peers, last) = {
            let mut members = lock(&self.members);
            members.closing = true;
            (
                members.root,
                members.peers.values().cloned().collect(),
                members.is_last(),
            )
        };
        if last {
            self.event(Event::Closed);
        }
        (root, peers)
    }
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
