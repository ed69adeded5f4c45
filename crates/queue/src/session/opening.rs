//! How a connection begins: a session of its own, or the one that another connection has lost.

use std::sync::Arc;
use std::time::Duration;

use wire::{AckPoint, Code, Error, Hello, Refusal, Standing};

use super::{Session, State, receiver};
use crate::credential::Credential;
use crate::handshake::{Handshake, Progress};
use crate::hub::{Event, Incoming, Introduced, Introduction, Unparked};
use crate::peer::{Conversation, Peer};

impl Session {
    /// A client speaks first.
    pub(super) fn introduce(&mut self) {
        let standing = self.peer.while_parked(|parked| {
            let conversation = &parked.conversation;
            Standing {
                with: self.peer.incarnation(),
                received: conversation.received,
                next: conversation.sender.range().0 + 1,
            }
        });
        let hello = self.hub.config.hello(standing);
        self.sender.hello(hello.encode());
    }

    pub(super) fn on_hello(&mut self, n: usize) -> Result<(), Error> {
        let State::Handshake(handshake) = &mut self.state else {
            return Ok(());
        };
        let progress = match handshake.on_read(n, &self.hub.config) {
            Err(error) if error == wire::stranger() => return Err(self.maybe_python(&error)),
            progress => progress?,
        };
        match progress {
            Progress::Need => Ok(()),
            Progress::Refuse(refusal) => self.refuse(refusal.0),
            Progress::Refused(error) => {
                self.told = true;
                Err(error)
            }
            Progress::Done(hello, rest) if self.is_client() => self.on_answer(&hello, &rest),
            Progress::Done(hello, rest) => self.on_offer(hello, rest),
        }
    }

    /// A server says why before it hangs up; a client just leaves.
    pub(super) fn refuse(&mut self, error: Error) -> Result<(), Error> {
        if self.is_client() {
            return Err(error);
        }
        self.sender.last(Refusal(error.clone()).encode());
        self.state = State::Refused(error, Handshake::new());
        Ok(())
    }

    // --- server -----------------------------------------------------------------------------------------------------

    fn on_offer(&mut self, hello: Hello, rest: Vec<u8>) -> Result<(), Error> {
        // Where sessions end with their connections there is none to go on with, whoever comes.
        let keeping = hello
            .keeping
            .filter(|_| self.hub.config.session_timeout.is_some());
        let credential = keeping.map_or_else(Credential::default, |keeping| Credential {
            secret: keeping.secret,
            certificate: self.certificate,
        });
        loop {
            let peer = match self.hub.introduce(&self.peer, hello.id, credential) {
                Ok(Introduced::New) => return self.begin(&hello, &rest),
                Ok(Introduced::Known(peer)) => peer,
                Err(error) => return self.refuse(error),
            };
            if is_older(&peer, &hello) {
                let why = "a newer process, with the same id and secret, has the session now";
                return self.refuse(Error::new(Code::Closed, why));
            }
            // First: the older connection may be leaving at this moment.
            peer.wait(self.peer.token());
            match self.hub.unpark(&peer, &self.peer) {
                Unparked::Taken(conversation) => {
                    self.peer = peer;
                    self.announced = true;
                    return self.go_on(*conversation, &hello, &rest);
                }
                Unparked::Busy => {
                    peer.dismiss();
                    self.hub.driver().nudge(peer.token(), false);
                    self.state = State::Waiting(Box::new(hello), rest);
                    return Ok(());
                }
                // The name is free again, or somebody else's.
                Unparked::Over => {}
            }
        }
    }

    /// The older connection of the session has left it, or ended it.
    pub(super) fn try_again(&mut self) {
        let state = std::mem::replace(&mut self.state, State::Handshake(Handshake::new()));
        if let State::Waiting(hello, rest) = state
            && let Err(error) = self.on_offer(*hello, rest)
        {
            // The driver hears of it by the deadline, which is now.
            self.state = State::Refused(error, Handshake::new());
            self.clock.end_now();
        }
    }

    /// A session that this side knows nothing of. The peer may have had it with an earlier run of this communicator.
    fn begin(&mut self, hello: &Hello, rest: &[u8]) -> Result<(), Error> {
        let config = &self.hub.config;
        let mut standing = Standing {
            with: 0,
            received: 0,
            next: 1,
        };
        if let Some(theirs) = hello.standing.filter(|_| config.session_timeout.is_some()) {
            if theirs.with == config.incarnation {
                return self.refuse(Error::new(
                    Code::Closed,
                    "the session was without a connection for too long and has been given up (sessionTimeoutMs)",
                ));
            }
            standing.received = theirs.next - 1;
            standing.next = theirs.received + 1;
        }
        self.sender.start_after(standing.next - 1);
        self.receiver = receiver(&self.hub, standing.received + 1);
        self.announced = true;
        self.sender.hello(config.hello(Some(standing)).encode());
        self.open(hello, rest, false)
    }

    /// A session that has lost its connection goes on.
    fn go_on(
        &mut self,
        conversation: Conversation,
        hello: &Hello,
        rest: &[u8],
    ) -> Result<(), Error> {
        let received = self.inherit(conversation);
        let (acked, sent) = self.sender.range();
        // A new run of the client's program knows nothing, and neither does one that has not heard of its session.
        let lost = incarnation_of(hello) != self.peer.incarnation();
        let theirs = hello.standing.map_or(acked, |theirs| theirs.received);
        let is_gap = hello
            .standing
            .is_some_and(|theirs| theirs.next > received + 1);
        // Numbers may fit by chance where it went on with another server meanwhile. What it has not heard of yet it may call otherwise.
        let was_elsewhere = self.heard
            && hello
                .standing
                .is_some_and(|theirs| theirs.with != self.hub.config.incarnation);
        if !(acked..=sent).contains(&theirs) || is_gap || was_elsewhere {
            return self.refuse(different_histories());
        }
        let standing = Standing {
            with: incarnation_of(hello),
            received,
            next: theirs + 1,
        };
        self.sender
            .hello(self.hub.config.hello(Some(standing)).encode());
        self.resend(hello, theirs, lost)?;
        self.open(hello, rest, true)
    }

    // --- client -----------------------------------------------------------------------------------------------------

    fn on_answer(&mut self, hello: &Hello, rest: &[u8]) -> Result<(), Error> {
        hello.check_answer()?;
        let keeps = hello.keeping.is_some() && self.hub.config.session_timeout.is_some();
        let Some(parked) = self.peer.unpark(Some(self.peer.token())) else {
            self.hub.meet_server(&self.peer, hello.id);
            let standing = hello.standing.filter(|_| keeps);
            if let Some(standing) = standing {
                self.sender.start_after(standing.received);
                self.receiver = receiver(&self.hub, standing.next);
            }
            self.announced = true;
            return self.open(hello, rest, false);
        };
        let Some(standing) = hello.standing.filter(|_| keeps) else {
            return Err(Error::new(
                Code::Unsupported,
                "the server does not keep sessions any more (sessionTimeoutMs), so this one is lost",
            ));
        };
        let received = self.inherit(parked.conversation);
        let (acked, sent) = self.sender.range();
        if !(acked..=sent).contains(&standing.received) || standing.next != received + 1 {
            return Err(different_histories());
        }
        self.hub.meet_server(&self.peer, hello.id);
        let lost = incarnation_of(hello) != self.peer.incarnation();
        self.resend(hello, standing.received, lost)?;
        self.open(hello, rest, true)
    }

    // --- both -------------------------------------------------------------------------------------------------------

    /// Takes over what the last connection has left; returns the number of the last message that came.
    fn inherit(&mut self, conversation: Conversation) -> u64 {
        self.sender = conversation.sender;
        self.fin_told = conversation.fin_told;
        self.heard = conversation.heard;
        self.receiver = receiver(&self.hub, conversation.received + 1);
        conversation.received
    }

    /// Sends again what the peer has not received.
    fn resend(&mut self, hello: &Hello, received: u64, lost: bool) -> Result<(), Error> {
        self.sender.rewind(received, lost);
        if hello.ack == AckPoint::Received {
            self.on_ack(received)?;
        }
        Ok(())
    }

    fn open(&mut self, hello: &Hello, rest: &[u8], goes_on: bool) -> Result<(), Error> {
        let own = self.hub.config.session_timeout;
        self.sender.keep(own.is_some() && hello.keeping.is_some());
        if let (Some(own), Some(theirs)) = (own, hello.keeping) {
            self.peer.set_incarnation(theirs.incarnation);
            let theirs = Duration::from_millis(u64::from(theirs.for_ms));
            // A client that came back later than its server waits would come in vain.
            self.patience = if self.is_client() {
                own.min(theirs)
            } else {
                own
            };
        }
        self.state = State::Open;
        self.opened = self.clock.now();
        self.clock.on_promise(hello.keep_alive_ms);
        let introduction = Introduction {
            id: hello.id,
            max_message: hello.max_message,
            ack: hello.ack,
            python: false,
            first: self.receiver.last_seq() + 1,
        };
        let event = if goes_on {
            Event::Back(self.peer.index, introduction)
        } else {
            Event::Peer(self.peer.index, introduction)
        };
        self.hub
            .push(Incoming::Event(event, Some(Arc::clone(&self.peer))));
        if !goes_on {
            // What came before is no concern of this process, and was acknowledged by the one whose it was.
            self.peer.set_processed(self.receiver.last_seq());
        }
        self.receiver.preload(rest);
        self.preloaded = !rest.is_empty();
        self.read_preloaded()?;
        self.advance();
        Ok(())
    }
}

fn incarnation_of(hello: &Hello) -> u64 {
    hello.keeping.map_or(0, |keeping| keeping.incarnation)
}

/// Whether the client is a process whose session another one has taken over since. Of one that is just being begun nobody knows.
fn is_older(peer: &Peer, hello: &Hello) -> bool {
    let has_it = peer.incarnation();
    hello.standing.is_some() && has_it != 0 && has_it != incarnation_of(hello)
}

fn different_histories() -> Error {
    Error::protocol(
        "the two sides remember different histories of their session, so it cannot go on",
    )
}
