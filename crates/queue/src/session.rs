use std::io::IoSlice;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use chunk::Slice;
use wire::{AckPoint, Code, Error, FrameType, Header, Status, Word, error_frame};

use crate::clock::{Clock, Due, Stage};
use crate::handshake::{Handshake, Progress};
use crate::hub::{Event, Hub, Incoming, Introduction, WakeBits};
use crate::outbox::Phase;
use crate::peer::Peer;
use crate::receiver::{Received, Receiver};
use crate::sender::Sender;

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
///     └─────refusal────────────────────────────────────────────────────────────────▲
/// ```
///
/// An error in any state ends it; the driver then reports `on_closed`.
pub(crate) struct Session {
    side: Side,
    hub: Arc<Hub>,
    peer: Arc<Peer>,
    state: State,
    receiver: Receiver,
    sender: Sender,
    /// The peer gave the session up: it needs no reason.
    told: bool,
    /// Number of the peer's last message, once it said FIN.
    peer_fin: Option<u64>,
    /// What has been acknowledged to the peer, and how much came since.
    ack_sent: u64,
    bytes_since_ack: u64,
    messages_since_ack: u64,
    clock: Clock,
}

enum State {
    Handshake(Handshake),
    Open,
    Finished,
    /// A refusal is on its way, that is why; whatever the peer still sends is thrown away.
    Refused(Error, Handshake),
}

impl State {
    fn stage(&self) -> Stage {
        match self {
            Self::Handshake(_) | Self::Refused(..) => Stage::Introduction,
            Self::Open => Stage::Open,
            Self::Finished => Stage::Finished,
        }
    }
}

impl Session {
    pub(crate) fn new(side: Side, hub: Arc<Hub>, peer: Arc<Peer>, now: Instant) -> Self {
        let config = &hub.config;
        let receiver = Receiver::new(
            config.slabs.clone(),
            config.large.clone(),
            config.max_message,
        );
        let mut sender = Sender::default();
        if config.holds_back {
            sender.limit(config.high_water_messages / 2, config.high_water_bytes / 2);
        }
        if side == Side::Client {
            sender.hello(config.hello().encode());
        }
        let mut clock = Clock::new(config, now);
        // A close may have begun while the connection was being made.
        clock.end_by(closing_deadline(&peer));
        Self {
            side,
            peer,
            state: State::Handshake(Handshake::new()),
            receiver,
            sender,
            told: false,
            peer_fin: None,
            ack_sent: 0,
            bytes_since_ack: 0,
            messages_since_ack: 0,
            clock,
            hub,
        }
    }

    fn on_hello(&mut self, n: usize) -> Result<(), Error> {
        let State::Handshake(handshake) = &mut self.state else {
            return Ok(());
        };
        match handshake.on_read(n, &self.hub.config)? {
            Progress::Need => Ok(()),
            Progress::Refuse(refusal) => self.refuse(refusal.0),
            Progress::Done(hello, rest) => {
                if self.side == Side::Client {
                    hello.check_answer()?;
                }
                if let Err(error) = self.hub.introduce(&self.peer, hello.id) {
                    return self.refuse(error);
                }
                if self.side == Side::Server {
                    self.sender.hello(self.hub.config.hello().encode());
                }
                self.state = State::Open;
                self.clock.on_promise(hello.keep_alive_ms);
                let introduction = Introduction {
                    id: hello.id,
                    max_message: hello.max_message,
                    ack: hello.ack,
                    python: false,
                };
                let event = Event::Peer(self.peer.index, introduction);
                self.hub
                    .push(Incoming::Event(event, Some(Arc::clone(&self.peer))));
                self.receiver.preload(&rest);
                self.read_frames()
            }
        }
    }

    /// A server says why before it hangs up; a client just leaves.
    fn refuse(&mut self, error: Error) -> Result<(), Error> {
        if self.side == Side::Client {
            return Err(error);
        }
        self.sender.last(wire::Refusal(error.clone()).encode());
        self.state = State::Refused(error, Handshake::new());
        Ok(())
    }

    fn read_frames(&mut self) -> Result<(), Error> {
        while let Some(received) = self.receiver.next()? {
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
                Received::Large { payload, word, seq } => {
                    self.count_message(payload.len() as u64, 1)?;
                    self.hub.push(Incoming::Large {
                        peer: Arc::clone(&self.peer),
                        word,
                        seq,
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
        self.hub
            .counters
            .received_messages
            .fetch_add(messages, Ordering::Relaxed);
        self.hub
            .counters
            .received_bytes
            .fetch_add(bytes, Ordering::Relaxed);
        self.bytes_since_ack += bytes;
        self.messages_since_ack += messages;
        // A sender that never lets the socket run dry still hears of its progress.
        let (most_bytes, most_messages) = self.hub.budget();
        if self.bytes_since_ack >= most_bytes / 4 || self.messages_since_ack >= most_messages / 4 {
            self.acknowledge();
        }
        Ok(())
    }

    fn on_control(&mut self, header: Header, body: &[u8]) -> Result<(), Error> {
        match header.kind {
            FrameType::Ack => {
                let done = self.sender.on_ack(header.seq).ok_or_else(|| {
                    Error::protocol(format!(
                        "message {} is acknowledged but was never sent",
                        header.seq
                    ))
                })?;
                if self.peer.publish_acked(done) {
                    self.hub.wake(WakeBits::ACKED);
                }
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
                self.hub.event(Event::Fin(self.peer.index));
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
        if let Phase::Closing(deadline) = outbox.phase() {
            self.clock.end_by(deadline);
            if outbox.is_empty() {
                self.sender.finish(outbox.last_seq());
            }
        }
        drop(outbox);
        let sent_all = self.sender.fin_queued() && self.sender.is_idle() && self.sender.all_acked();
        if sent_all && self.peer_fin.is_some() && self.ack_sent == self.receiver.last_seq() {
            self.state = State::Finished;
            self.clock.linger();
        }
    }

    fn count_sent(&self, messages: u64, bytes: u64) {
        self.peer.set_written(self.sender.taken_seq());
        let counters = &self.hub.counters;
        counters
            .sent_messages
            .fetch_add(messages, Ordering::Relaxed);
        counters.sent_bytes.fetch_add(bytes, Ordering::Relaxed);
    }

    /// Whether the budget allows another read; if not, the owner nudges when it has taken some. Of a peer that hung up all
    /// is read: it cannot send more, and what waits behind its last bytes is that it is gone.
    fn may_read(&mut self, hung_up: bool) -> bool {
        if (hung_up || self.has_budget()) && self.hub.has_room(self.peer.token) {
            self.clock.resume();
            return true;
        }
        self.peer.pause();
        // The owner may have taken everything between the question and the pause: then nobody would nudge.
        let may_now = (hung_up || self.has_budget()) && self.hub.has_room(self.peer.token);
        if may_now && self.peer.resume() {
            return true;
        }
        self.clock.pause();
        false
    }

    /// There is no more time to end in order.
    fn on_end(&self) -> Result<(), Error> {
        match self.state {
            State::Finished => Ok(()),
            State::Handshake(_) if self.peer.is_dismissed() => Err(Error::new(
                Code::QueueFull,
                "a connection that had not introduced itself made room for newer ones (maxPeers)",
            )),
            _ => Err(Error::new(
                Code::Timeout,
                "close() took too long: the peer did not take or acknowledge everything",
            )),
        }
    }

    fn not_introduced(&self) -> Error {
        if let State::Refused(error, _) = &self.state {
            return error.clone();
        }
        Error::new(
            Code::Timeout,
            "the peer did not introduce itself in time (handshakeTimeoutMs)",
        )
    }

    fn beat(&mut self, now: Instant) {
        self.clock.on_sent();
        self.hub.config.large.trim(now);
        // Bytes that wait to be written are sign enough, and a peer that does not read must not pile up more.
        if self.sender.is_idle() {
            self.sender.urgent(Header::bare(FrameType::Beat, 0));
        }
    }

    fn has_budget(&self) -> bool {
        let (held_bytes, held_messages) = self.peer.held();
        let (most_bytes, most_messages) = self.hub.budget();
        held_bytes < most_bytes && held_messages < most_messages
    }
}

impl wire::Session for Session {
    fn read_buffer(&mut self, hung_up: bool) -> Option<&mut [u8]> {
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
                self.read_frames()
            }
            State::Finished => Err(Error::protocol("bytes after the end of the session")),
            State::Refused(..) => Ok(()),
        }
    }

    fn on_drained(&mut self, now: Instant) {
        self.clock.set(now);
        if matches!(self.state, State::Open) {
            self.acknowledge();
            self.receiver.on_drained();
            self.advance();
        }
    }

    fn on_eof(&mut self, _now: Instant) -> Result<(), Error> {
        match &self.state {
            State::Finished => Ok(()),
            State::Refused(error, _) => Err(error.clone()),
            State::Handshake(_) => Err(Error::new(
                Code::Closed,
                "the peer hung up before it introduced itself",
            )),
            State::Open => Err(Error::new(
                Code::Closed,
                "the peer hung up in the middle of the session",
            )),
        }
    }

    fn on_nudge(&mut self, now: Instant) {
        self.clock.set(now);
        match self.state {
            State::Open => {
                if self.hub.config.ack == AckPoint::Processed {
                    self.acknowledge();
                }
                self.advance();
            }
            State::Handshake(_) | State::Finished | State::Refused(..) => {
                self.clock.end_by(closing_deadline(&self.peer));
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
        let tells = matches!(self.state, State::Open) && !self.told;
        if tells && self.sender.abandon(error_frame(error)) {
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

    fn on_closed(&mut self, result: Result<(), Error>) {
        self.peer.end();
        self.peer.outbox().end();
        let introduced = matches!(self.state, State::Open | State::Finished);
        let event = match (&self.state, result.err()) {
            _ if introduced && matches!(self.state, State::Finished) => {
                Some(Event::Lost(self.peer.index, None))
            }
            (_, error) if introduced => Some(Event::Lost(self.peer.index, error)),
            (State::Refused(error, _), _) => Some(Event::Warning(error.clone())),
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
    }
}

/// To a client that its server has not answered, a connection that ended is one that never was.
fn not_connected(error: Error) -> Error {
    if error.code != Code::Closed || error == wire::closed_by_owner() {
        return error;
    }
    let code = Code::NotConnected;
    Error { code, ..error }
}

/// Until when the owner waits for the end, if it closes.
fn closing_deadline(peer: &Peer) -> Option<Instant> {
    let phase = peer.outbox().phase();
    match phase {
        Phase::Closing(deadline) => deadline,
        Phase::Open | Phase::Closed => None,
    }
}
