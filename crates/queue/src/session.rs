use std::io::IoSlice;
use std::sync::Arc;
use std::time::{Duration, Instant};

use chunk::Slice;
use wire::{AckPoint, Code, Error, FrameType, Header, Hello, Redial, Status, Word, error_frame};

use crate::client::{Client, not_connected};
use crate::clock::{Clock, Due, Stage, earliest};
use crate::handshake::Handshake;
use crate::hub::{Event, Hub, Incoming, WakeBits, made_room};
use crate::out_frame::OutFrame;
use crate::outbox::Phase;
use crate::peer::{Conversation, Parked, Peer};
use crate::receiver::{Received, Receiver};
use crate::sender::Sender;

mod opening;

/// A sender keeps what is not acknowledged, so it should hear soon: what it can reuse is what its caches still hold.
const ACK_EVERY: u64 = 256 * 1024;

/// Which end of the connection this is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    Client,
    Server,
}

/// A conversation with one peer over one connection:
///
/// ```text
/// Handshake ──hello──▶ Open ──FIN sent and received, all acknowledged both ways──▶ Finished
///     │  └──hello──▶ Waiting ──the older connection has left──▶ Open
///     └─────refusal────────────────────────────────────────────────────────────────▲
/// ```
///
/// An error in any state ends it; the driver then reports `on_closed`. What of it outlives a connection that was lost is left with
/// its peer, as a [`Conversation`], for the next one.
pub(crate) struct Session {
    side: Side,
    /// A client's way to its server, which it can go again.
    dialer: Option<Client>,
    hub: Arc<Hub>,
    peer: Arc<Peer>,
    state: State,
    receiver: Receiver,
    sender: Sender,
    /// SHA-256 of the certificate that the peer showed.
    certificate: Option<[u8; 32]>,
    /// How long the session is kept when its connection is lost.
    patience: Duration,
    /// The owner has been told of this peer, and is to be told of its end.
    announced: bool,
    /// The peer gave the session up: it needs no reason.
    told: bool,
    /// The time to end in order is over.
    overdue: bool,
    /// The connection ends by its deadline, which is now, because of that.
    ending: Option<Error>,
    /// Bytes that came with the hello have not been looked at.
    preloaded: bool,
    /// There was room for messages since this connection began.
    had_room: bool,
    /// When the handshake was done.
    opened: Instant,
    /// Number of the peer's last message, once it said FIN.
    peer_fin: Option<u64>,
    /// The owner has been told that the peer said FIN.
    fin_told: bool,
    /// The owner closes, and the peer has acknowledged everything.
    settled: bool,
    /// The peer has sent something in this session, so it knows of it.
    heard: bool,
    /// What has been acknowledged to the peer, and how much came since.
    ack_sent: u64,
    bytes_since_ack: u64,
    messages_since_ack: u64,
    clock: Clock,
}

enum State {
    Handshake(Handshake),
    /// The session of this hello has another connection, which has been asked to leave. What came behind the hello.
    Waiting(Box<Hello>, Vec<u8>),
    Open,
    Finished,
    /// A refusal is on its way, that is why; whatever the peer still sends is thrown away.
    Refused(Error, Handshake),
}

impl State {
    fn stage(&self) -> Stage {
        match self {
            Self::Handshake(_) | Self::Waiting(..) | Self::Refused(..) => Stage::Introduction,
            Self::Open => Stage::Open,
            Self::Finished => Stage::Finished,
        }
    }
}

impl Session {
    /// A connection that came in.
    pub(crate) fn accepted(hub: Arc<Hub>, peer: Arc<Peer>, now: Instant) -> Self {
        Self::new(Side::Server, hub, peer, now)
    }

    /// A connection that `dialer` made.
    pub(crate) fn connected(dialer: Client, hub: Arc<Hub>, peer: Arc<Peer>, now: Instant) -> Self {
        let mut session = Self::new(Side::Client, hub, peer, now);
        // A session that waits to go on ends with its patience, whatever its server is doing.
        if let Some(at) = wire::Dialer::deadline(&dialer).filter(|_| session.announced) {
            session.clock.introduce_by(at);
        }
        session.dialer = Some(dialer);
        session
    }

    fn new(side: Side, hub: Arc<Hub>, peer: Arc<Peer>, now: Instant) -> Self {
        let config = &hub.config;
        let mut sender = Sender::default();
        if config.holds_back {
            sender.limit(config.high_water_messages / 2, config.high_water_bytes / 2);
        }
        let mut clock = Clock::new(config, now);
        // A close may have begun while the connection was being made.
        clock.end_by(peer.closing_deadline());
        let mut session = Self {
            receiver: receiver(&hub, 1),
            announced: peer.is_parked(),
            side,
            dialer: None,
            peer,
            state: State::Handshake(Handshake::new()),
            sender,
            certificate: None,
            patience: Duration::ZERO,
            told: false,
            overdue: false,
            ending: None,
            preloaded: false,
            had_room: false,
            opened: now,
            peer_fin: None,
            fin_told: false,
            settled: false,
            heard: false,
            ack_sent: 0,
            bytes_since_ack: 0,
            messages_since_ack: 0,
            clock,
            hub,
        };
        if side == Side::Client {
            session.introduce();
        }
        session
    }

    fn is_client(&self) -> bool {
        self.side == Side::Client
    }

    fn read_frames(&mut self) -> Result<(), Error> {
        while let Some(received) = self.receiver.next()? {
            self.heard = true;
            match received {
                Received::Frame {
                    frame,
                    count,
                    seq,
                    bytes,
                } => {
                    self.count_message(bytes, u64::from(count))?;
                    self.hub.push(Incoming::Frame {
                        peer: Arc::clone(&self.peer),
                        frame,
                        count,
                        seq,
                    });
                }
                Received::Large {
                    payload,
                    word,
                    seq,
                    redelivered,
                } => {
                    self.count_message(payload.len() as u64, 1)?;
                    self.hub.push(Incoming::Large {
                        peer: Arc::clone(&self.peer),
                        word,
                        seq,
                        redelivered,
                        payload,
                    });
                }
                Received::Control(header, body) => self.on_control(header, &body)?,
            }
        }
        self.advance();
        Ok(())
    }

    fn count_message(&mut self, bytes: u64, messages: u64) -> Result<(), Error> {
        if self.peer_fin.is_some() {
            return Err(Error::protocol("a message after FIN"));
        }
        self.peer.hold(bytes, messages);
        self.hub.counters.count_received(messages, bytes);
        self.bytes_since_ack += bytes;
        self.messages_since_ack += messages;
        // A sender that never lets the socket run dry still hears of its progress.
        let (most_bytes, most_messages) = self.hub.budget();
        if self.bytes_since_ack >= (most_bytes / 4).min(ACK_EVERY)
            || self.messages_since_ack >= most_messages / 4
        {
            self.acknowledge();
        }
        Ok(())
    }

    fn on_control(&mut self, header: Header, body: &[u8]) -> Result<(), Error> {
        match header.kind {
            FrameType::Ack => {
                self.on_ack(header.seq)?;
            }
            FrameType::Beat | FrameType::Data => {}
            FrameType::Fin => {
                if self.peer_fin.replace(header.seq).is_some()
                    || header.seq < self.receiver.last_seq()
                {
                    return Err(Error::protocol(
                        "FIN came twice, or before the last message",
                    ));
                }
                if !std::mem::replace(&mut self.fin_told, true) {
                    self.hub.event(Event::Fin(self.peer.index));
                }
            }
            FrameType::Error => {
                self.told = true;
                let code = Code::from_number(u8::try_from(header.seq).unwrap_or(0));
                let reason = String::from_utf8_lossy(body);
                // Later ones are refused when they are put.
                let advice = if code == Code::TooLarge {
                    "; it was put before the peer's limit was known, so put long messages after ready()"
                } else {
                    ""
                };
                return Err(Error::new(
                    code,
                    format!("the peer gave up: {reason}{advice}"),
                ));
            }
        }
        Ok(())
    }

    fn on_ack(&mut self, seq: u64) -> Result<(), Error> {
        let done = self.sender.on_ack(seq).ok_or_else(|| {
            Error::protocol(format!("message {seq} is acknowledged but was never sent"))
        })?;
        if self.peer.publish_acked(done) {
            self.hub.wake(WakeBits::ACKED);
        }
        Ok(())
    }

    /// Acknowledges what may be acknowledged, if that is news.
    fn acknowledge(&mut self) {
        let seq = match self.hub.config.ack {
            AckPoint::Received => self.receiver.last_seq(),
            AckPoint::Processed => self.peer.processed().min(self.receiver.last_seq()),
        };
        if seq > self.ack_sent {
            self.ack_sent = seq;
            self.sender.urgent(Header::bare(FrameType::Ack, seq));
        }
        self.bytes_since_ack = 0;
        self.messages_since_ack = 0;
    }

    /// Moves towards the end if the owner wants it: FIN follows once all that is queued has gone. A peer's FIN alone does
    /// not end anything: the owner hears of it, hands over what it has gathered, and closes or calls `finish`.
    fn advance(&mut self) {
        if !matches!(self.state, State::Open) {
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
        let mut settles = false;
        if let Phase::Closing(deadline) = outbox.phase() {
            self.clock.end_by(deadline);
            if outbox.is_empty() {
                self.sender.finish(outbox.last_seq());
                settles = self.sender.all_acked() && !std::mem::replace(&mut self.settled, true);
            }
        }
        drop(outbox);
        if settles {
            self.hub.settle(&self.peer);
        }
        let sent_all = self.sender.fin_queued() && self.sender.is_idle() && self.sender.all_acked();
        if sent_all && self.peer_fin.is_some() && self.ack_sent == self.receiver.last_seq() {
            self.state = State::Finished;
            self.clock.linger();
        }
    }

    fn count_sent(&self, messages: u64, bytes: u64) {
        self.peer.set_written(self.sender.taken_seq());
        self.hub.counters.count_sent(messages, bytes);
    }

    /// Whether the budget allows another read; if not, the owner nudges when it has taken some. Of a peer that hung up all
    /// is read: it cannot send more, and what waits behind its last bytes is that it is gone.
    fn may_read(&mut self, hung_up: bool) -> bool {
        if self.has_place(hung_up) && self.hub.has_room(self.peer.token()) {
            self.clock.resume();
            return true;
        }
        self.peer.pause();
        // The owner may have taken everything between the question and the pause: then nobody would nudge.
        let has_place = self.has_place(hung_up);
        if has_place && self.hub.has_room(self.peer.token()) && self.peer.resume() {
            return true;
        }
        self.clock.pause();
        if hung_up && !has_place {
            self.end_now(hung_up_in_the_middle());
        }
        false
    }

    /// Whether what comes may be kept. The session of a peer that hung up at the mark can go on, and what was not read comes again:
    /// it is read beyond the mark only by a connection that was under it once. Else a peer that hangs up again and again would leave
    /// what its socket holds each time.
    fn has_place(&mut self, hung_up: bool) -> bool {
        let has_budget = self.hub.has_budget(&self.peer);
        self.had_room |= has_budget;
        has_budget || (hung_up && (self.had_room || !self.sender.keeps()))
    }

    /// Looks at what came with the hello, when there is room for it.
    fn read_preloaded(&mut self) -> Result<(), Error> {
        if !self.preloaded || !self.may_read(false) {
            return Ok(());
        }
        self.preloaded = false;
        self.receiver.preload(&[]);
        self.read_frames()
    }

    /// The driver hears of it by the deadline, which is now.
    fn end_now(&mut self, error: Error) {
        self.ending.get_or_insert(error);
        self.clock.end_now();
    }

    /// There is no more time to end in order.
    fn on_end(&mut self) -> Result<(), Error> {
        match self.state {
            State::Finished => Ok(()),
            State::Refused(ref error, _) => Err(error.clone()),
            State::Open if self.ending.is_some() => self.ending.take().map_or(Ok(()), Err),
            State::Open if self.peer.is_dismissed() => Err(Error::new(
                Code::Closed,
                "a newer connection of this peer takes the place of this one",
            )),
            State::Handshake(_) if self.peer.is_dismissed() => Err(made_room()),
            _ => {
                self.overdue = true;
                Err(Error::new(
                    Code::Timeout,
                    "close() took too long: the peer did not take or acknowledge everything",
                ))
            }
        }
    }

    fn not_introduced(&self) -> Error {
        if let State::Refused(error, _) = &self.state {
            return error.clone();
        }
        let why = "the peer did not introduce itself in time (handshakeTimeoutMs)";
        self.maybe_python(&Error::new(Code::Timeout, why))
    }

    /// What a server of the Python package looks like from here.
    fn maybe_python(&self, error: &Error) -> Error {
        if !self.is_client() {
            return error.clone();
        }
        let advice = "a server of the Python package net-queue needs compat: 'python'";
        Error::new(error.code, format!("{} ({advice})", error.message))
    }

    fn beat(&mut self, now: Instant) {
        self.clock.on_sent();
        self.hub.config.memory.large.trim(now);
        // Bytes that wait to be written are sign enough, and a peer that does not read must not pile up more.
        if self.sender.is_idle() {
            self.sender.urgent(Header::bare(FrameType::Beat, 0));
        }
    }
}

impl wire::Session for Session {
    fn on_secured(&mut self, certificate: Option<[u8; 32]>) {
        self.certificate = certificate;
    }

    fn read_buffer(&mut self, hung_up: bool) -> Option<&mut [u8]> {
        if matches!(self.state, State::Waiting(..)) {
            return None;
        }
        if matches!(self.state, State::Open) && !self.may_read(hung_up) {
            return None;
        }
        match &mut self.state {
            State::Handshake(handshake) | State::Refused(_, handshake) => {
                Some(handshake.read_buffer())
            }
            _ => Some(self.receiver.read_buffer()),
        }
    }

    fn on_read(&mut self, n: usize, now: Instant) -> Result<(), Error> {
        self.clock.set(now);
        self.clock.on_read();
        match self.state {
            State::Handshake(_) => self.on_hello(n),
            State::Open => {
                self.receiver.on_read(n);
                self.preloaded = false;
                self.read_frames()
            }
            State::Finished => Err(Error::protocol("bytes after the end of the session")),
            State::Waiting(..) | State::Refused(..) => Ok(()),
        }
    }

    fn on_drained(&mut self, now: Instant) {
        self.clock.set(now);
        if matches!(self.state, State::Open) {
            if let Err(error) = self.read_preloaded() {
                self.end_now(error);
            }
            self.acknowledge();
            self.receiver.on_drained();
            self.advance();
        }
    }

    fn on_eof(&mut self, _now: Instant) -> Result<(), Error> {
        match &self.state {
            State::Finished => Ok(()),
            State::Refused(error, _) => Err(error.clone()),
            State::Handshake(_) | State::Waiting(..) => Err(Error::new(
                Code::Closed,
                "the peer hung up before it introduced itself",
            )),
            State::Open => Err(hung_up_in_the_middle()),
        }
    }

    fn on_nudge(&mut self, now: Instant) {
        self.clock.set(now);
        if matches!(self.state, State::Waiting(..)) {
            self.try_again();
        }
        match self.state {
            State::Open if self.peer.is_dismissed() => self.clock.end_now(),
            State::Open => {
                if let Err(error) = self.read_preloaded() {
                    self.end_now(error);
                }
                if self.hub.config.ack == AckPoint::Processed {
                    self.acknowledge();
                }
                self.advance();
            }
            State::Handshake(_) | State::Waiting(..) | State::Finished | State::Refused(..) => {
                self.clock.end_by(self.peer.closing_deadline());
                if self.peer.is_dismissed() {
                    self.clock.end_now();
                }
            }
        }
    }

    fn transmit<'a>(&'a mut self, out: &mut [IoSlice<'a>]) -> usize {
        self.advance();
        self.sender.transmit(out)
    }

    fn on_sent(&mut self, n: usize) {
        self.sender.on_sent(n);
        self.clock.on_sent();
        self.advance();
    }

    fn last_words<'a>(&'a mut self, error: &Error, out: &mut [IoSlice<'a>]) -> usize {
        let tells = matches!(self.state, State::Open)
            && !self.told
            && !self.may_return(error)
            && self.peer.is_to_hear_of(error);
        let forced = Error::new(Code::Closed, "it was closed by force");
        let why = if *error == wire::closed_by_owner() {
            &forced
        } else {
            error
        };
        if tells && self.sender.abandon(error_frame(why)) {
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
        if !matches!(self.state, State::Open) || !self.sender.is_free() {
            return false;
        }
        let Some((head, mut rest)) = outbox.direct(word) else {
            return false;
        };
        let sent = write(&[IoSlice::new(&head), IoSlice::new(payload)]);
        if sent == 0 {
            return false;
        }
        let seq = outbox.commit_direct();
        drop(outbox);
        self.clock.set(now);
        self.clock.on_sent();
        let bytes = payload.len() as u64;
        let left_head = Slice::copy_from(head.get(sent..).unwrap_or_default());
        let sent = sent.saturating_sub(head.len());
        // What is not acknowledged may have to be sent again, and the caller's memory is the caller's.
        let (kept, left) = if self.sender.keeps() {
            (payload, sent)
        } else {
            (payload.get(sent..).unwrap_or_default(), 0)
        };
        if let Some(room) = rest.get_mut(..kept.len()) {
            room.copy_from_slice(kept);
        }
        let body = Slice::from_large(rest).slice(..kept.len());
        let left = [left_head, body.slice(left..)];
        let frame = OutFrame::new(Slice::copy_from(&head), Some(body), seq, 1, bytes);
        let left = left.into_iter().filter(|part| !part.is_empty());
        self.sender.sent_direct(frame, left);
        self.count_sent(1, bytes);
        true
    }

    fn deadline(&self) -> Option<Instant> {
        self.clock.deadline(self.state.stage())
    }

    fn on_deadline(&mut self, now: Instant) -> Result<(), Error> {
        self.clock.set(now);
        match self.clock.due(self.state.stage()) {
            Some(Due::End) => self.on_end(),
            Some(Due::Introduction) => Err(self.not_introduced()),
            Some(Due::Silence) => Err(Error::new(
                Code::Timeout,
                "nothing was heard of the peer for too long (idleTimeoutMs)",
            )),
            Some(Due::Beat) => {
                self.beat(now);
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn status(&self) -> Status {
        let over =
            matches!(self.state, State::Finished | State::Refused(..)) && self.sender.is_idle();
        if over { Status::Finished } else { Status::Open }
    }

    fn on_closed(&mut self, result: Result<(), Error>, now: Instant) -> Option<Redial> {
        let result = result.or_else(|error| {
            let only_leave_was_left = self.has_lost_connection(&error) && self.is_settled();
            if only_leave_was_left {
                Ok(())
            } else {
                Err(error)
            }
        });
        if let Err(error) = &result {
            if self.may_return(error) && self.is_worth_it() && self.park(error.clone(), now) {
                let dialer = self.dialer.take();
                return dialer.map(|dialer| dialer.resume(self.opened, self.patience, now));
            }
            if self.may_try_again(error)
                && let Some(client) = self.dialer.take()
            {
                return Some(client.again(error.clone(), now));
            }
        }
        self.peer.end();
        self.peer.outbox().end();
        // A session that could not go on ends with this connection.
        self.peer.unpark(None);
        let event = match (&self.state, result.err()) {
            (State::Finished, _) => Some(Event::Lost(self.peer.index, None)),
            (State::Refused(error, _), _) if !self.announced => Some(Event::Warning(error.clone())),
            (State::Refused(error, _), _) => {
                Some(Event::Lost(self.peer.index, Some(error.clone())))
            }
            (_, error) if self.announced => Some(Event::Lost(self.peer.index, error)),
            (_, Some(error)) if self.is_client() => Some(Event::Failed(not_connected(error))),
            (_, Some(error)) if error != wire::closed_by_owner() => Some(Event::Warning(error)),
            _ => None,
        };
        if let Some(event) = event {
            self.hub.event(event);
        }
        self.hub.leave(&self.peer, self.is_client());
        None
    }
}

impl Session {
    /// Whether the session can go on over another connection after this error.
    fn may_return(&self, error: &Error) -> bool {
        self.sender.keeps() && self.has_lost_connection(error)
    }

    /// Whether the session has lost its connection, and neither side has given it up.
    fn has_lost_connection(&self, error: &Error) -> bool {
        let connection_lost = matches!(
            error.code,
            Code::Closed | Code::NotConnected | Code::Timeout | Code::Tls
        );
        matches!(self.state, State::Open)
            && !self.told
            && !self.overdue
            && connection_lost
            && *error != wire::closed_by_owner()
    }

    /// Whether somebody waits for the session to go on: not when its owner closes and the peer has all that was put.
    fn is_worth_it(&self) -> bool {
        let outbox = self.peer.outbox();
        outbox.phase() == Phase::Open || !outbox.is_empty() || !self.sender.all_acked()
    }

    /// Whether the owner closes, and each side has acknowledged what it got: all that is left is that both take leave.
    fn is_settled(&self) -> bool {
        let acknowledged = self.sender.all_acked() && self.ack_sent == self.receiver.last_seq();
        let outbox = self.peer.outbox();
        acknowledged
            && !self.sender.owes_ack()
            && matches!(outbox.phase(), Phase::Closing(_))
            && outbox.is_empty()
    }

    /// Leaves what outlives the connection with the peer. False if none can come any more.
    fn park(&mut self, why: Error, now: Instant) -> bool {
        let mut sender = std::mem::take(&mut self.sender);
        sender.disconnect();
        self.peer.resume();
        let until = earliest(Some(now + self.patience), self.peer.closing_deadline());
        let parked = Parked {
            conversation: Conversation {
                sender,
                received: self.receiver.last_seq(),
                fin_told: self.fin_told,
                heard: self.heard,
            },
            why,
            // A client has its dial, which sees to that.
            until: until.filter(|_| !self.is_client()),
        };
        self.hub.park(&self.peer, parked)
    }

    /// Whether the server may answer another connection: this one was lost before it did.
    fn may_try_again(&self, error: &Error) -> bool {
        let resumes = self.peer.is_parked();
        let connection_lost = match error.code {
            Code::Closed | Code::NotConnected => true,
            Code::Timeout | Code::QueueFull | Code::Tls => resumes,
            _ => false,
        };
        matches!(self.state, State::Handshake(_))
            && self.is_client()
            && connection_lost
            && (!self.told || matches!(error.code, Code::QueueFull | Code::NotConnected))
            && !self.overdue
            && *error != wire::closed_by_owner()
            && (!resumes || self.peer.outbox().phase() == Phase::Open || self.peer.is_owed())
    }
}

fn hung_up_in_the_middle() -> Error {
    Error::new(
        Code::Closed,
        "the peer hung up in the middle of the session",
    )
}

/// The reading half of a new connection, which begins with that message.
fn receiver(hub: &Hub, next_seq: u64) -> Receiver {
    let config = &hub.config;
    Receiver::new(
        config.memory.slabs.clone(),
        config.memory.large.clone(),
        config.max_message,
        next_seq,
    )
}
