use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::Instant;

use wire::{Error, PeerId, Token};

use crate::credential::Credential;
use crate::outbox::{Outbox, Phase};
use crate::sender::Sender;

const NOT_WATCHED: u64 = u64::MAX;

/// What was acknowledged (or dropped): the highest sequence number, and how many messages and bytes in all.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Done {
    /// Everything up to this number is acknowledged.
    pub seq: u64,
    /// Messages acknowledged or dropped.
    pub messages: u64,
    /// Their payload bytes.
    pub bytes: u64,
}

/// What of a session outlives its connection.
pub(crate) struct Conversation {
    /// Disconnected.
    pub(crate) sender: Sender,
    /// Number of the last message that came whole.
    pub(crate) received: u64,
    /// The owner has heard that the peer will send no more.
    pub(crate) fin_told: bool,
    /// The peer has sent something in this session, so it knows of it.
    pub(crate) heard: bool,
}

/// A session without a connection.
pub(crate) struct Parked {
    pub(crate) conversation: Conversation,
    /// Why it lost its connection.
    pub(crate) why: Error,
    /// When it is given up, if its communicator has to see to that (server).
    pub(crate) until: Option<Instant>,
}

#[derive(Default)]
struct Parking {
    parked: Option<Box<Parked>>,
    /// A newer connection that waits for the older one to leave the session to it.
    waiting: Option<Token>,
}

/// One other communicator, as its two sides share it: the owner (who puts and takes messages) and the session (who
/// drives the connection). Counters are monotonic and written by one side each; flags say who has to be nudged.
pub(crate) struct Peer {
    pub(crate) index: u32,
    /// That of its connection, or of the last one.
    token: AtomicUsize,
    id: Mutex<Option<PeerId>>,
    credential: OnceLock<Credential>,
    /// Which run of it has the session; 0: none that keeps one. Written by the session.
    incarnation: AtomicU64,
    outbox: Mutex<Outbox>,
    parking: Mutex<Parking>,
    alive: AtomicBool,
    /// Its connection is to make room: for those of others if it has not introduced itself, else for a newer one of its own.
    dismissed: AtomicBool,
    /// The owner has given its session up, and the peer is to hear of that.
    abandoned: AtomicBool,
    /// What the peer acknowledged: the highest sequence number, and how many messages and bytes that were. Written by
    /// the session.
    acked_seq: AtomicU64,
    acked_messages: AtomicU64,
    acked_bytes: AtomicU64,
    /// Number of the last message of which a byte may have reached the socket. Written by the session.
    written_seq: AtomicU64,
    /// What was dropped before it was sent. Written by the owner.
    dropped_messages: AtomicU64,
    dropped_bytes: AtomicU64,
    /// Lowest sequence number whose acknowledgement the owner waits for.
    watch: AtomicU64,
    /// What is held for the owner: added to by the session, taken from by the owner.
    held_bytes: AtomicU64,
    held_messages: AtomicU64,
    /// The session stopped reading and wants to be nudged.
    paused: AtomicBool,
    /// Highest sequence number that the owner is done with (`AckPoint::Processed`).
    processed: AtomicU64,
}

impl Peer {
    pub(crate) fn new(index: u32, token: Token, outbox: Outbox) -> Self {
        Self {
            index,
            token: AtomicUsize::new(token),
            id: Mutex::new(None),
            credential: OnceLock::new(),
            incarnation: AtomicU64::new(0),
            outbox: Mutex::new(outbox),
            parking: Mutex::new(Parking::default()),
            alive: AtomicBool::new(true),
            dismissed: AtomicBool::new(false),
            abandoned: AtomicBool::new(false),
            acked_seq: AtomicU64::new(0),
            acked_messages: AtomicU64::new(0),
            acked_bytes: AtomicU64::new(0),
            written_seq: AtomicU64::new(0),
            dropped_messages: AtomicU64::new(0),
            dropped_bytes: AtomicU64::new(0),
            watch: AtomicU64::new(NOT_WATCHED),
            held_bytes: AtomicU64::new(0),
            held_messages: AtomicU64::new(0),
            paused: AtomicBool::new(false),
            processed: AtomicU64::new(0),
        }
    }

    /// The queue of what is to be sent. A panic while it was locked cannot leave it half changed in a way that matters
    /// more than losing the process would, so poison is ignored.
    pub(crate) fn outbox(&self) -> MutexGuard<'_, Outbox> {
        self.outbox.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Until when the owner waits for the end, if it closes.
    pub(crate) fn closing_deadline(&self) -> Option<Instant> {
        let phase = self.outbox().phase();
        match phase {
            Phase::Closing(deadline) => deadline,
            Phase::Open | Phase::Closed => None,
        }
    }

    pub(crate) fn token(&self) -> Token {
        self.token.load(Ordering::Acquire)
    }

    pub(crate) fn introduce(&self, id: PeerId) {
        *self.id.lock().unwrap_or_else(PoisonError::into_inner) = Some(id);
    }

    pub(crate) fn id(&self) -> Option<PeerId> {
        *self.id.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What whoever resumes the session has to show. The first one counts.
    pub(crate) fn set_credential(&self, credential: Credential) {
        let _already = self.credential.set(credential);
    }

    pub(crate) fn credential(&self) -> Option<&Credential> {
        self.credential.get()
    }

    pub(crate) fn incarnation(&self) -> u64 {
        self.incarnation.load(Ordering::Acquire)
    }

    pub(crate) fn set_incarnation(&self, incarnation: u64) {
        self.incarnation.store(incarnation, Ordering::Release);
    }

    // --- between two connections ---------------------------------------------------------------------------------

    fn parking(&self) -> MutexGuard<'_, Parking> {
        self.parking.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The connection is gone and the session is not.
    pub(crate) fn park(&self, parked: Parked) {
        self.parking().parked = Some(Box::new(parked));
    }

    /// Takes the session, for the connection of that token or for its end.
    pub(crate) fn unpark(&self, token: Option<Token>) -> Option<Parked> {
        let mut parking = self.parking();
        let parked = parking.parked.take()?;
        if let Some(token) = token {
            self.token.store(token, Ordering::Release);
            self.dismissed.store(false, Ordering::Release);
            // Who waits besides goes on waiting for this one.
            parking.waiting = parking.waiting.filter(|&waiting| waiting != token);
        }
        Some(*parked)
    }

    /// Looks at the session, if it has no connection.
    pub(crate) fn while_parked<T>(&self, look: impl FnOnce(&mut Parked) -> T) -> Option<T> {
        self.parking().parked.as_deref_mut().map(look)
    }

    /// The connection of that token wants the session, and is to be nudged when it can have it.
    pub(crate) fn wait(&self, token: Token) {
        self.parking().waiting = Some(token);
    }

    pub(crate) fn take_waiting(&self) -> Option<Token> {
        self.parking().waiting.take()
    }

    /// Something was put to it that it has not acknowledged.
    pub(crate) fn is_owed(&self) -> bool {
        self.done().messages < self.outbox().last_seq()
    }

    /// Its session outlives a connection.
    pub(crate) fn may_return(&self) -> bool {
        self.incarnation() != 0
    }

    pub(crate) fn is_parked(&self) -> bool {
        self.parking().parked.is_some()
    }

    pub(crate) fn is_alive(&self) -> bool {
        self.alive.load(Ordering::Acquire)
    }

    pub(crate) fn dismiss(&self) {
        self.dismissed.store(true, Ordering::Release);
    }

    pub(crate) fn is_dismissed(&self) -> bool {
        self.dismissed.load(Ordering::Acquire)
    }

    pub(crate) fn abandon(&self) {
        self.abandoned.store(true, Ordering::Release);
    }

    /// Whether the peer is to hear that its session ends by that error: of a crash it hears nothing, since its session may go on in another
    /// process.
    pub(crate) fn is_to_hear_of(&self, error: &Error) -> bool {
        *error != wire::closed_by_owner() || self.abandoned.load(Ordering::Acquire)
    }

    pub(crate) fn end(&self) {
        self.alive.store(false, Ordering::Release);
    }

    /// What needs no more care.
    pub(crate) fn done(&self) -> Done {
        Done {
            seq: self.acked_seq.load(Ordering::Acquire),
            messages: self.acked_messages.load(Ordering::Acquire)
                + self.dropped_messages.load(Ordering::Relaxed),
            bytes: self.acked_bytes.load(Ordering::Acquire)
                + self.dropped_bytes.load(Ordering::Relaxed),
        }
    }

    pub(crate) fn set_written(&self, seq: u64) {
        self.written_seq.store(seq, Ordering::Release);
    }

    pub(crate) fn written(&self) -> u64 {
        self.written_seq.load(Ordering::Acquire)
    }

    pub(crate) fn count_dropped(&self, messages: u64, bytes: u64) {
        self.dropped_messages.fetch_add(messages, Ordering::Relaxed);
        self.dropped_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Publishes an acknowledgement; true if the owner waits for it.
    pub(crate) fn publish_acked(
        &self,
        Done {
            seq,
            messages,
            bytes,
        }: Done,
    ) -> bool {
        self.acked_bytes.store(bytes, Ordering::Release);
        self.acked_messages.store(messages, Ordering::Release);
        // SeqCst, with the store and load in `watch`: either this sees the watch or the watcher sees this number.
        self.acked_seq.store(seq, Ordering::SeqCst);
        // The watcher only lowers the number, so what the swap takes away is reached too.
        let reached = self.watch.load(Ordering::SeqCst) <= seq;
        reached && {
            self.watch.swap(NOT_WATCHED, Ordering::SeqCst);
            true
        }
    }

    /// Asks to be woken when `seq` is acknowledged; true if it is already.
    ///
    /// A watch for a later number that is there already stays.
    pub(crate) fn watch(&self, seq: u64) -> bool {
        if self.acked_seq.load(Ordering::SeqCst) >= seq {
            return true;
        }
        self.watch.fetch_min(seq, Ordering::SeqCst);
        // Reached in between: the watch stays, and the next acknowledgement wakes once for nothing.
        self.acked_seq.load(Ordering::SeqCst) >= seq
    }

    pub(crate) fn hold(&self, bytes: u64, messages: u64) {
        self.held_bytes.fetch_add(bytes, Ordering::AcqRel);
        self.held_messages.fetch_add(messages, Ordering::AcqRel);
    }

    pub(crate) fn held(&self) -> (u64, u64) {
        (
            self.held_bytes.load(Ordering::SeqCst),
            self.held_messages.load(Ordering::SeqCst),
        )
    }

    /// The owner took so much; true if the session waits for that and less than half of the budget is used now.
    pub(crate) fn release(&self, bytes: u64, messages: u64, budget: (u64, u64)) -> bool {
        let held_bytes = self.held_bytes.fetch_sub(bytes, Ordering::SeqCst) - bytes;
        let held_messages = self.held_messages.fetch_sub(messages, Ordering::SeqCst) - messages;
        self.paused.load(Ordering::SeqCst)
            && held_bytes <= budget.0 / 2
            && held_messages <= budget.1 / 2
            && self.resume()
    }

    /// The session stops reading. It has to look at `held` once more afterwards.
    pub(crate) fn pause(&self) {
        self.paused.store(true, Ordering::SeqCst);
    }

    /// Ends a pause; true for the one caller that ended it.
    pub(crate) fn resume(&self) -> bool {
        self.paused.swap(false, Ordering::SeqCst)
    }

    pub(crate) fn processed(&self) -> u64 {
        self.processed.load(Ordering::Acquire)
    }

    pub(crate) fn set_processed(&self, seq: u64) {
        self.processed.fetch_max(seq, Ordering::Release);
    }
}
