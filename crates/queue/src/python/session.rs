use std::io::IoSlice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chunk::Slice;
use wire::python::prefix;
use wire::{AckPoint, Code, Error, MAX_LENGTH, PeerId, Redial, Session, Status, Word};

use super::receiver::{Received, Receiver};
use super::sender::Sender;
use crate::client::not_connected;
use crate::clock::earliest;
use crate::credential::Credential;
use crate::hub::{Event, Hub, Incoming, Introduction, WakeBits};
use crate::outbox::Phase;
use crate::peer::Peer;
use crate::session::Side;

/// How long a session that is over waits for the peer to hang up too.
const LINGER: Duration = Duration::from_secs(1);
/// So long after a large message its memory is offered back to the system.
const TRIM_AFTER: Duration = Duration::from_secs(10);

/// A conversation with a peer of the Python package over one connection:
///
/// ```text
/// Introduction ──INI──▶ Open ──FIN sent and received──▶ Finished
///     └────────refusal────────────────────────────────────▲
/// ```
///
/// It ends with its connection: the package has nothing to go on with. A client says INI first and FIN only after the
/// server's INI; a server answers both, so it says FIN only when its client has. (A Python server that meets FIN before it
/// said INI keeps the connection for ever, and a Python client that meets the end of the stream without FIN waits for it in
/// vain.) A message counts as acknowledged when the socket has taken its last byte.
pub(crate) struct PythonSession {
    side: Side,
    hub: Arc<Hub>,
    peer: Arc<Peer>,
    state: State,
    receiver: Receiver,
    sender: Sender,
    /// The peer said FIN.
    peer_left: bool,
    /// The time of the last call.
    now: Instant,
    introduce_by: Instant,
    end: Option<Instant>,
    trim_at: Option<Instant>,
}

enum State {
    Introduction,
    /// With the peer of that id.
    Open(PeerId),
    Finished,
    /// A leave is on its way, that is why; whatever the peer still sends is thrown away.
    Refused(Error),
}

impl PythonSession {
    /// A client's, which is connected to its server.
    pub(crate) fn connected(hub: Arc<Hub>, peer: Arc<Peer>, now: Instant) -> Self {
        let mut session = Self::new(Side::Client, hub, peer, now);
        session.sender.introduce(&session.hub.config.id);
        session
    }

    /// A server's.
    pub(crate) fn accepted(hub: Arc<Hub>, peer: Arc<Peer>, now: Instant) -> Self {
        Self::new(Side::Server, hub, peer, now)
    }

    fn new(side: Side, hub: Arc<Hub>, peer: Arc<Peer>, now: Instant) -> Self {
        let config = &hub.config;
        let receiver = Receiver::new(
            config.memory.slabs.clone(),
            config.memory.large.clone(),
            config.max_message,
            config.python_kind,
        );
        peer.outbox().forbid(config.id);
        let mut sender = Sender::new(config.memory.slabs.clone());
        if config.holds_back {
            sender.limit(config.high_water_messages / 2, config.high_water_bytes / 2);
        }
        Self {
            side,
            state: State::Introduction,
            receiver,
            sender,
            peer_left: false,
            now,
            introduce_by: now + config.handshake_timeout,
            // A close may have begun while the connection was being made.
            end: peer.closing_deadline(),
            trim_at: None,
            hub,
            peer,
        }
    }

    fn on_introduction(&mut self) -> Result<(), Error> {
        let Some(id) = self.receiver.introduction()? else {
            return Ok(());
        };
        if let Err(error) = self.admit(id) {
            return self.refuse(id, error);
        }
        if self.side == Side::Server {
            self.sender.introduce(&self.hub.config.id);
        }
        self.state = State::Open(id);
        let introduction = Introduction {
            id,
            // It does not tell, and splits what is over its own limit.
            max_message: MAX_LENGTH,
            ack: AckPoint::Received,
            python: true,
            first: 1,
        };
        let event = Event::Peer(self.peer.index, introduction);
        self.hub
            .push(Incoming::Event(event, Some(Arc::clone(&self.peer))));
        self.read_messages(id)
    }

    fn admit(&self, id: PeerId) -> Result<(), Error> {
        if id == self.hub.config.id {
            return Err(Error::new(
                Code::Auth,
                "both sides have the same id; every communicator needs one of its own",
            ));
        }
        // It has nothing to show, so it cannot be known.
        let nobody = Credential::default();
        self.hub.introduce(&self.peer, id, nobody).map(|_new| ())
    }

    /// A server introduces itself and takes leave, which is the only way to make a Python client's `close()` end. A client just
    /// leaves. Who came with this side's own id is told another one, since it takes nobody of its own id for a peer.
    fn refuse(&mut self, peer: PeerId, error: Error) -> Result<(), Error> {
        if self.side == Side::Client {
            return Err(error);
        }
        let own = self.hub.config.id;
        let id = if own == peer {
            own.map(|byte| !byte)
        } else {
            own
        };
        self.sender.introduce(&id);
        self.sender.leave(&id);
        self.receiver.discard();
        self.state = State::Refused(error);
        self.end = earliest(self.end, Some(self.now + LINGER));
        Ok(())
    }

    fn read_messages(&mut self, id: PeerId) -> Result<(), Error> {
        loop {
            if self.peer_left && self.receiver.has_input() {
                return Err(Error::protocol("bytes after FIN"));
            }
            match self.receiver.next(id)? {
                None => break,
                Some(Received::Leave) => {
                    self.peer_left = true;
                    self.hub.event(Event::Fin(self.peer.index));
                }
                Some(Received::Frame {
                    frame,
                    count,
                    seq,
                    bytes,
                }) => {
                    self.count_received(bytes, u64::from(count));
                    self.hub.push(Incoming::Frame {
                        peer: Arc::clone(&self.peer),
                        frame,
                        count,
                        seq,
                    });
                }
                Some(Received::Large { payload, word, seq }) => {
                    self.count_received(payload.len() as u64, 1);
                    self.trim_at = Some(self.now + TRIM_AFTER);
                    self.hub.push(Incoming::Large {
                        peer: Arc::clone(&self.peer),
                        word,
                        seq,
                        redelivered: 0,
                        payload,
                    });
                }
            }
        }
        self.advance();
        Ok(())
    }

    fn count_received(&self, bytes: u64, messages: u64) {
        self.peer.hold(bytes, messages);
        self.hub.counters.count_received(messages, bytes);
    }

    /// Moves towards the end if the owner wants it: FIN follows once all that is queued has gone. A peer's FIN alone does
    /// not end anything: the owner hears of it, hands over what it has gathered, and closes or calls `finish`.
    fn advance(&mut self) {
        if !matches!(self.state, State::Open(_)) {
            return;
        }
        let mut outbox = self.peer.outbox();
        let (messages, bytes) = self.sender.refill(&mut outbox);
        if messages > 0 {
            self.count_sent(messages, bytes);
        }
        if outbox.is_empty() && self.sender.is_idle() {
            outbox.on_idle();
        }
        if let Phase::Closing(deadline) = outbox.phase() {
            self.end = earliest(self.end, deadline);
            let its_turn = self.side == Side::Client || self.peer_left;
            if outbox.is_empty() && its_turn {
                self.sender.leave(&self.hub.config.id);
            }
        }
        drop(outbox);
        if self.sender.has_left() && self.sender.is_idle() && self.peer_left {
            self.state = State::Finished;
            self.end = earliest(self.end, Some(self.now + LINGER));
        }
    }

    fn count_sent(&self, messages: u64, bytes: u64) {
        self.peer.set_written(self.sender.taken_seq());
        self.hub.counters.count_sent(messages, bytes);
    }

    fn publish_sent(&self) {
        if self.peer.publish_acked(self.sender.sent()) {
            self.hub.wake(WakeBits::ACKED);
        }
    }

    /// Whether the budget allows another read; if not, the owner nudges when it has taken some. Of a peer that hung up all
    /// is read: it cannot send more, and what waits behind its last bytes is that it is gone.
    fn may_read(&mut self, hung_up: bool) -> bool {
        if (hung_up || self.hub.has_budget(&self.peer)) && self.hub.has_room(self.peer.token()) {
            return true;
        }
        self.peer.pause();
        // The owner may have taken everything between the question and the pause: then nobody would nudge.
        let may_now =
            (hung_up || self.hub.has_budget(&self.peer)) && self.hub.has_room(self.peer.token());
        may_now && self.peer.resume()
    }

    /// The peer left in order and everything that was put to it has gone: it may hang up.
    fn is_over(&self) -> bool {
        matches!(self.state, State::Finished)
            || (self.peer_left && self.sender.has_sent_all() && self.peer.outbox().is_empty())
    }

    /// There is no more time to end in order.
    fn on_end(&self) -> Result<(), Error> {
        match &self.state {
            State::Finished => Ok(()),
            State::Refused(error) => Err(error.clone()),
            State::Introduction if self.peer.is_dismissed() => Err(Error::new(
                Code::QueueFull,
                "a connection that had not introduced itself made room for newer ones (maxPeers)",
            )),
            _ => Err(Error::new(
                Code::Timeout,
                "close() took too long: the Python peer did not take everything, or did not close (a server waits for its clients)",
            )),
        }
    }
}

impl Session for PythonSession {
    fn read_buffer(&mut self, hung_up: bool) -> Option<&mut [u8]> {
        if matches!(self.state, State::Open(_)) && !self.may_read(hung_up) {
            return None;
        }
        Some(self.receiver.read_buffer())
    }

    fn on_read(&mut self, n: usize, now: Instant) -> Result<(), Error> {
        self.now = now;
        self.receiver.on_read(n);
        match self.state {
            State::Introduction => self.on_introduction(),
            State::Open(id) => self.read_messages(id),
            State::Finished => Err(Error::protocol("bytes after the end of the session")),
            State::Refused(_) => {
                self.receiver.discard();
                Ok(())
            }
        }
    }

    fn on_drained(&mut self, now: Instant) {
        self.now = now;
        self.receiver.on_drained();
        self.advance();
    }

    fn on_eof(&mut self, _now: Instant) -> Result<(), Error> {
        match &self.state {
            State::Refused(error) => Err(error.clone()),
            State::Introduction => Err(Error::new(
                Code::Closed,
                "the peer hung up before it introduced itself",
            )),
            _ if self.is_over() => Ok(()),
            _ if self.peer_left => Err(Error::new(
                Code::Closed,
                "the Python peer left before it took everything",
            )),
            _ => Err(Error::new(
                Code::Closed,
                "the Python peer hung up in the middle of the session",
            )),
        }
    }

    fn on_nudge(&mut self, now: Instant) {
        self.now = now;
        if matches!(self.state, State::Open(_)) {
            self.advance();
        } else {
            self.end = earliest(self.end, self.peer.closing_deadline());
            if self.peer.is_dismissed() {
                self.end = Some(now);
            }
        }
    }

    fn transmit<'a>(&'a mut self, out: &mut [IoSlice<'a>]) -> usize {
        self.advance();
        self.sender.transmit(out)
    }

    fn on_sent(&mut self, n: usize) {
        if self.sender.on_sent(n) {
            self.publish_sent();
        }
        self.advance();
    }

    /// FIN: without it a Python client's `close()` would never end, and a Python server would keep the connection for ever.
    fn last_words<'a>(&'a mut self, error: &Error, out: &mut [IoSlice<'a>]) -> usize {
        let tells = matches!(self.state, State::Open(_))
            && !self.sender.has_left()
            && self.peer.is_to_hear_of(error);
        if tells && self.sender.abandon(&self.hub.config.id) {
            self.sender.transmit(out)
        } else {
            0
        }
    }

    fn send_direct(
        &mut self,
        word: Word,
        payload: &[u8],
        write: &mut dyn FnMut(&[IoSlice<'_>]) -> usize,
        now: Instant,
    ) -> bool {
        let mut outbox = self.peer.outbox();
        if !matches!(self.state, State::Open(_)) || !self.sender.is_free() {
            return false;
        }
        let Some((_, mut rest)) = outbox.direct(word) else {
            return false;
        };
        let head = prefix(payload.len());
        let sent = write(&[IoSlice::new(&head), IoSlice::new(payload)]);
        if sent == 0 {
            return false;
        }
        let seq = outbox.commit_direct();
        drop(outbox);
        self.now = now;
        let left_head = head.get(sent..).unwrap_or_default();
        let left = payload
            .get(sent.saturating_sub(head.len())..)
            .unwrap_or_default();
        if let Some(room) = rest.get_mut(..left.len()) {
            room.copy_from_slice(left);
        }
        let left = Slice::from_large(rest).slice(..left.len());
        let left = [Slice::copy_from(left_head), left];
        let bytes = payload.len() as u64;
        let left = left.into_iter().filter(|part| !part.is_empty());
        self.sender.sent_direct(seq, bytes, left);
        self.count_sent(1, bytes);
        self.publish_sent();
        self.trim_at = Some(now + TRIM_AFTER);
        true
    }

    fn deadline(&self) -> Option<Instant> {
        match self.state {
            State::Introduction => earliest(Some(self.introduce_by), self.end),
            State::Open(_) => earliest(self.trim_at, self.end),
            State::Finished | State::Refused(_) => self.end,
        }
    }

    fn on_deadline(&mut self, now: Instant) -> Result<(), Error> {
        self.now = now;
        let is_past = |at: Option<Instant>| at.is_some_and(|at| at <= now);
        if is_past(self.end) {
            return self.on_end();
        }
        if self.trim_at.take_if(|at| *at <= now).is_some() {
            self.hub.config.memory.large.trim(now);
        }
        match &self.state {
            State::Introduction if self.introduce_by <= now => Err(Error::new(
                Code::Timeout,
                "the Python peer did not introduce itself in time (handshakeTimeoutMs)",
            )),
            _ => Ok(()),
        }
    }

    fn status(&self) -> Status {
        let over =
            matches!(self.state, State::Finished | State::Refused(_)) && self.sender.is_idle();
        if over { Status::Finished } else { Status::Open }
    }

    fn on_closed(&mut self, result: Result<(), Error>, _now: Instant) -> Option<Redial> {
        // A connection that ends behind the last that was said ends in order, however it does.
        let over = self.is_over();
        let result = result.or_else(|error| match error.code {
            Code::Closed if over => Ok(()),
            _ => Err(error),
        });
        self.peer.end();
        self.peer.outbox().end();
        let event = match (&self.state, result.err()) {
            (State::Open(_) | State::Finished, error) => Some(Event::Lost(self.peer.index, error)),
            (State::Refused(error), _) => Some(Event::Warning(error.clone())),
            (_, Some(error)) if self.side == Side::Client => {
                Some(Event::Failed(not_connected(error)))
            }
            (_, Some(error)) if error != wire::closed_by_owner() => Some(Event::Warning(error)),
            _ => None,
        };
        if let Some(event) = event {
            self.hub.event(event);
        }
        self.hub.leave(&self.peer, self.side == Side::Client);
        None
    }
}
