use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Instant;

use chunk::ring::Producer;
use chunk::{LargeBuffer, Slice};
use wire::{AckPoint, Code, Driver, Endpoint, Error, PeerId, Token};

use crate::config::Config;
use crate::credential::Credential;
use crate::outbox::Outbox;
use crate::peer::{Conversation, Parked, Peer};

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
    /// The connection to a peer is lost, for that reason; the session waits for another one.
    Away(u32, Error),
    /// The session with a peer goes on over a new connection.
    Back(u32, Introduction),
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
    /// Number of the first message that it will send, or send again.
    pub first: u64,
}

/// How a name was given to a connection.
pub(crate) enum Introduced {
    /// It has begun a session.
    New,
    /// There is a session of that name already, and it has shown that it may go on with it.
    Known(Arc<Peer>),
}

/// What became of a connection's wish to go on with a session.
pub(crate) enum Unparked {
    /// It has the session now.
    Taken(Box<Conversation>),
    /// The session has another connection, which can be asked to leave.
    Busy,
    /// The session has ended meanwhile.
    Over,
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
        redelivered: u8,
        payload: LargeBuffer,
    },
    /// Something happened.
    Event(Event, Option<Arc<Peer>>),
}

/// What all sessions of one communicator share. They may run on several threads. Whoever holds the lock of the members may take
/// those of a peer and of the ring, never the other way round.
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

impl Counters {
    pub(crate) fn count_received(&self, messages: u64, bytes: u64) {
        self.received_messages
            .fetch_add(messages, Ordering::Relaxed);
        self.received_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    pub(crate) fn count_sent(&self, messages: u64, bytes: u64) {
        self.sent_messages.fetch_add(messages, Ordering::Relaxed);
        self.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
    }
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
    /// Sessions without a connection, by the time at which they are given up (server).
    parked: BTreeMap<(Instant, u32), Arc<Peer>>,
    /// Those that have ended and left messages which the owner had not taken.
    bequeathing: Vec<Weak<Peer>>,
    next_index: u32,
    /// The listener or the dial is still there.
    root: Option<Token>,
    closing: bool,
    /// Of a server that closes: whose sessions may still go on over another connection, because they have not got everything.
    owed: HashSet<u32>,
    /// Connections from this number on came after the close began: they may only go on with a session.
    late_from: u32,
    closed: bool,
}

impl Members {
    fn remove(&mut self, peer: &Peer) {
        let member = self.peers.remove(&peer.index);
        self.owed.remove(&peer.index);
        if let Some(member) = member.filter(|member| member.held().1 > 0) {
            self.bequeathing.push(Arc::downgrade(&member));
        }
        self.strangers.remove(&peer.index);
        if let Some(id) = peer.id()
            && self.ids.get(&id) == Some(&peer.index)
        {
            self.ids.remove(&id);
        }
        if let Some(Some(until)) = peer.while_parked(|parked| parked.until) {
            self.parked.remove(&(until, peer.index));
        }
    }

    /// Whether so many of those that have ended left messages which the owner has not taken. It has forgotten the others.
    fn is_overwhelmed(&mut self, most: usize) -> bool {
        if self.bequeathing.len() >= most {
            self.bequeathing.retain(|peer| peer.strong_count() > 0);
        }
        self.bequeathing.len() >= most
    }

    /// Nobody who may come back is owed anything by a communicator that closes.
    fn owes_nothing(&self) -> bool {
        self.closing && self.owed.is_empty()
    }

    /// The listener, if nothing needs it any more.
    fn idle_root(&self) -> Option<Token> {
        self.root.filter(|_| self.owes_nothing())
    }

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
                parked: BTreeMap::new(),
                bequeathing: Vec::new(),
                next_index: 0,
                root: None,
                closing: false,
                owed: HashSet::new(),
                late_from: u32::MAX,
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

    /// Whether the owner holds less of that peer than it may.
    pub(crate) fn has_budget(&self, peer: &Peer) -> bool {
        let (held_bytes, held_messages) = peer.held();
        let (most_bytes, most_messages) = self.budget();
        held_bytes < most_bytes && held_messages < most_messages
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
            // Until all is delivered, those may come back who have not got it.
            if members.owes_nothing() {
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
                self.config.memory.slabs.clone(),
                self.config.memory.large.clone(),
                self.config.max_message,
            );
            let peer = Arc::new(Peer::new(index, token, outbox));
            members.peers.insert(index, Arc::clone(&peer));
            members.strangers.insert(index, Arc::clone(&peer));
            (peer, dismissed)
        };
        if let Some((_, stranger)) = dismissed {
            stranger.dismiss();
            self.driver.nudge(stranger.token(), false);
        }
        Some(peer)
    }

    /// Gives a member its name, or finds the session that it wants to go on with. `credential`: what it shows.
    ///
    /// # Errors
    /// [`Code::Auth`] if another one has the name, [`Code::QueueFull`] if there are as many peers as there may be,
    /// [`Code::NotConnected`] if the communicator closes.
    pub(crate) fn introduce(
        &self,
        peer: &Peer,
        id: PeerId,
        credential: Credential,
    ) -> Result<Introduced, Error> {
        {
            let mut members = lock(&self.members);
            let known = members.ids.get(&id).copied();
            if let Some(known) = known.and_then(|index| members.peers.get(&index)) {
                let shown = known.credential();
                if shown.is_some_and(|shown| shown.matches(&credential)) {
                    return Ok(Introduced::Known(Arc::clone(known)));
                }
                return Err(Error::new(
                    Code::Auth,
                    "another peer has this id, or had it and may come back; every communicator needs one of its own, and whoever \
                     goes on with a session needs its secret or its certificate",
                ));
            }
            if peer.index >= members.late_from {
                // Its successor may take it, so it is not sent away for good.
                return Err(Error::new(Code::NotConnected, "this side is closing"));
            }
            if !members.strangers.contains_key(&peer.index) {
                return Err(made_room());
            }
            let most = self.config.max_peers;
            if members.is_overwhelmed(most) {
                return Err(Error::new(
                    Code::QueueFull,
                    format!(
                        "the messages of {most} peers that have left were not taken yet (maxPeers)"
                    ),
                ));
            }
            if members.ids.len() >= most {
                // Who is there has more right to a place than who may never come back.
                let first = members.parked.first_key_value();
                let Some(evicted) = first.map(|(_, peer)| Arc::clone(peer)) else {
                    return Err(Error::new(
                        Code::QueueFull,
                        format!("{most} peers are connected already (maxPeers)"),
                    ));
                };
                let why = "it was without a connection, and its place was needed for another peer (maxPeers)";
                self.give_up(&mut members, &evicted, |_| Error::new(Code::QueueFull, why));
            }
            members.ids.insert(id, peer.index);
            members.strangers.remove(&peer.index);
            peer.introduce(id);
            peer.set_credential(credential);
        }
        Ok(Introduced::New)
    }

    /// A client's server goes by that name, now.
    pub(crate) fn meet_server(&self, peer: &Peer, id: PeerId) {
        let mut members = lock(&self.members);
        members.strangers.remove(&peer.index);
        if let Some(old) = peer.id() {
            members.ids.remove(&old);
        }
        members.ids.insert(id, peer.index);
        peer.introduce(id);
    }

    // --- sessions without a connection (server) -------------------------------------------------------------------

    /// A session has lost its connection. With `until` (server) it is given up then, unless another one has come. False, and nothing has
    /// happened: none can come any more.
    pub(crate) fn park(&self, peer: &Arc<Peer>, parked: Parked) -> bool {
        let why = parked.why.clone();
        let root = {
            let mut members = lock(&self.members);
            if let Some(until) = parked.until {
                let is_over = members.closing && !members.owed.contains(&peer.index);
                if members.root.is_none() || is_over {
                    return false;
                }
                members.parked.insert((until, peer.index), Arc::clone(peer));
            }
            let root = members.root.filter(|_| parked.until.is_some());
            // First: another connection, on another thread, may go on with the session and say so as soon as this is done.
            self.event(Event::Away(peer.index, why));
            peer.park(parked);
            root
        };
        if let Some(waiting) = peer.take_waiting() {
            self.driver.nudge(waiting, false);
        }
        if let Some(root) = root {
            self.driver.nudge(root, false);
        }
        true
    }

    /// The session of `peer` is to go on over the connection of the stranger.
    pub(crate) fn unpark(&self, peer: &Peer, stranger: &Peer) -> Unparked {
        let parked = {
            let mut members = lock(&self.members);
            if !members.peers.contains_key(&peer.index) {
                return Unparked::Over;
            }
            let Some(parked) = peer.unpark(Some(stranger.token())) else {
                return Unparked::Busy;
            };
            if let Some(until) = parked.until {
                members.parked.remove(&(until, peer.index));
            }
            members.peers.remove(&stranger.index);
            members.strangers.remove(&stranger.index);
            parked
        };
        Unparked::Taken(Box::new(parked.conversation))
    }

    /// Gives up the sessions whose time has come. When the next one's will; and whether the listener is needed no more.
    pub(crate) fn expire(&self, now: Instant) -> (Option<Instant>, bool) {
        let mut members = lock(&self.members);
        loop {
            let first = members.parked.first_key_value();
            let first = first.map(|(&(until, _), peer)| (until, Arc::clone(peer)));
            let due = match first {
                Some((until, peer)) if until <= now => peer,
                first => {
                    return (first.map(|(until, _)| until), members.owes_nothing());
                }
            };
            self.give_up(&mut members, &due, |why| Error {
                message: format!(
                    "{}; it did not come back in time (sessionTimeoutMs, or the patience of close())",
                    why.message
                ),
                ..why
            });
        }
    }

    /// A session without a connection ends. While the members are locked: nobody can go on with it, and a new one of the same name
    /// is heard of after its end.
    fn give_up(&self, members: &mut Members, peer: &Peer, error: impl FnOnce(Error) -> Error) {
        members.remove(peer);
        let Some(parked) = peer.unpark(None) else {
            return;
        };
        peer.end();
        peer.outbox().end();
        self.event(Event::Lost(peer.index, Some(error(parked.why))));
    }

    /// A peer has got everything from a communicator that closes, and need not come back if it loses its connection.
    pub(crate) fn settle(&self, peer: &Peer) {
        let idle_root = {
            let mut members = lock(&self.members);
            let was_owed = members.owed.remove(&peer.index);
            members.idle_root().filter(|_| was_owed)
        };
        if let Some(root) = idle_root {
            self.driver.nudge(root, false);
        }
    }

    /// A member's connection is gone. A client's communicator ends with it.
    pub(crate) fn leave(&self, peer: &Peer, ends_all: bool) {
        self.settle(peer);
        let last = {
            let mut members = lock(&self.members);
            members.remove(peer);
            members.closing |= ends_all;
            members.is_last()
        };
        if let Some(waiting) = peer.take_waiting() {
            self.driver.nudge(waiting, false);
        }
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
            for peer in std::mem::take(&mut members.parked).values() {
                self.give_up(&mut members, peer, |why| why);
            }
            members.is_last()
        };
        if last {
            self.event(Event::Closed);
        }
    }

    /// The peers are to hear that their sessions have been given up.
    pub(crate) fn abandon_all(&self) {
        for peer in lock(&self.members).peers.values() {
            peer.abandon();
        }
    }

    /// No new members from now on. Sessions that have lost their connection, or lose it before they have delivered everything, are
    /// kept until `deadline` if there is something left for their peers, and else no longer. Returns the listener or dial, whether it
    /// is a listener that is needed for them, and the members there are.
    pub(crate) fn start_closing(
        &self,
        deadline: Option<Instant>,
    ) -> (Option<Token>, bool, Vec<Arc<Peer>>) {
        let (root, waits, peers, last) = {
            let mut members = lock(&self.members);
            members.closing = true;
            members.late_from = members.late_from.min(members.next_index);
            let parked = std::mem::take(&mut members.parked);
            for ((until, index), peer) in parked {
                match deadline.filter(|_| peer.is_owed()) {
                    Some(deadline) => {
                        let until = until.min(deadline);
                        peer.while_parked(|parked| parked.until = Some(until));
                        members.parked.insert((until, index), peer);
                    }
                    None => self.give_up(&mut members, &peer, |why| why),
                }
            }
            members.owed = self.owed_sessions(&members, deadline);
            let last = members.is_last();
            if deadline.is_some() {
                // Before the root is looked at: a client that has just lost its connection dials until then.
                for peer in members.peers.values() {
                    peer.outbox().start_closing(deadline);
                }
            }
            (
                members.root,
                !members.owed.is_empty(),
                members.peers.values().cloned().collect(),
                last,
            )
        };
        if last {
            self.event(Event::Closed);
        }
        (root, waits, peers)
    }

    /// Whose sessions a listener has to be kept for: those that outlive their connections and have not got everything.
    fn owed_sessions(&self, members: &Members, deadline: Option<Instant>) -> HashSet<u32> {
        let has_root = |peer: &Arc<Peer>| members.root.is_none_or(|root| peer.token() == root);
        // A client has its dial, or no way to be found.
        if deadline.is_none() || members.peers.values().any(has_root) {
            return HashSet::new();
        }
        let owed = members
            .peers
            .values()
            .filter(|peer| peer.may_return() && peer.is_owed());
        owed.map(|peer| peer.index).collect()
    }
}

/// Why a connection that has not introduced itself has to go.
pub(crate) fn made_room() -> Error {
    Error::new(
        Code::QueueFull,
        "a connection that had not introduced itself made room for newer ones (maxPeers)",
    )
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
