use std::sync::Arc;
use std::time::{Duration, Instant};

use wire::{Code, Dialer, Endpoint, Error, Redial, Token};

use crate::clock::earliest;
use crate::config::Compat;
use crate::hub::{Event, Hub};
use crate::peer::Peer;
use crate::python::PythonSession;
use crate::session::Session;

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);
/// A connection that lasted for so long was a good one: the next attempt need not wait.
const GOOD_CONNECTION: Duration = Duration::from_millis(100);

/// A client's way to its server: tries until it is there or time is over (`connectTimeoutMs`, and for a session that has lost its
/// connection `sessionTimeoutMs`), with pauses that double and differ from client to client, so that many clients of a server
/// that comes back do not come at once.
#[derive(Clone)]
pub struct Client {
    hub: Arc<Hub>,
    peer: Arc<Peer>,
    target: Endpoint,
    deadline: Option<Instant>,
    pause: Duration,
    entropy: u64,
    /// Why the last connection ended before the server answered.
    last_error: Option<Error>,
}

impl Client {
    pub(crate) fn new(hub: Arc<Hub>, peer: Arc<Peer>, target: Endpoint, now: Instant) -> Self {
        let entropy = hub.config.entropy | 1;
        let deadline = hub.config.connect_timeout.map(|timeout| now + timeout);
        Self {
            hub,
            peer,
            target,
            deadline,
            pause: FIRST_PAUSE,
            entropy,
            last_error: None,
        }
    }

    /// The connection was lost before the server answered: another attempt, if there is time.
    pub(crate) fn again(mut self, why: Error, now: Instant) -> Redial {
        self.last_error = Some(why);
        let at = now + self.jittered();
        self.redial(at)
    }

    /// The session, which is parked, lost its connection, which had lasted since `opened`: it is kept for `patience`.
    pub(crate) fn resume(mut self, opened: Instant, patience: Duration, now: Instant) -> Redial {
        self.deadline = Some(now + patience);
        let at = if now.saturating_duration_since(opened) >= GOOD_CONNECTION {
            self.pause = FIRST_PAUSE;
            now
        } else {
            now + self.jittered()
        };
        self.redial(at)
    }

    fn redial(mut self, at: Instant) -> Redial {
        // First: an owner that closes after that finds the dial, and of one that has begun to close the deadline is known.
        self.hub.set_root(self.peer.token());
        self.deadline = earliest(self.deadline, self.peer.closing_deadline());
        Redial {
            dialer: Box::new(self),
            at,
        }
    }

    /// Between half and the whole of the pause (xorshift64: fair enough to spread retries).
    fn jittered(&mut self) -> Duration {
        self.entropy ^= self.entropy << 13;
        self.entropy ^= self.entropy >> 7;
        self.entropy ^= self.entropy << 17;
        let pause = self.pause;
        self.pause = (pause * 2).min(LONGEST_PAUSE);
        let share = u32::try_from(self.entropy >> 32 & 0xffff).unwrap_or(0);
        pause / 2 + pause / 2 * share / 0xffff
    }
}

impl Dialer for Client {
    fn on_connected(&mut self, _token: Token, now: Instant) -> Box<dyn wire::Session> {
        if !self.peer.is_parked() {
            self.hub.event(Event::Open(self.target.clone()));
        }
        self.hub.leave_root(false);
        let (hub, peer) = (Arc::clone(&self.hub), Arc::clone(&self.peer));
        if hub.config.compat == Compat::Python {
            return Box::new(PythonSession::connected(hub, peer, now));
        }
        Box::new(Session::connected(self.clone(), hub, peer, now))
    }

    fn on_failed(&mut self, error: Error, now: Instant) -> Option<Instant> {
        self.last_error = Some(error);
        Some(now + self.jittered())
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn on_closed(&mut self, error: Error) {
        let is_over = error == wire::closed_by_owner();
        let error = self.last_error.take().filter(|_| !is_over).unwrap_or(error);
        self.peer.end();
        self.peer.outbox().end();
        let event = match self.peer.unpark(None) {
            Some(parked) => Event::Lost(self.peer.index, Some(not_back(parked.why, &error))),
            None => Event::Failed(not_connected(error)),
        };
        self.hub.event(event);
        self.hub.leave_root(true);
        self.hub.leave(&self.peer, true);
    }
}

/// To a client that its server has not answered, a connection that ended is one that never was.
pub(crate) fn not_connected(error: Error) -> Error {
    if error.code != Code::Closed || error == wire::closed_by_owner() {
        return error;
    }
    let code = Code::NotConnected;
    Error { code, ..error }
}

/// The session ends because its connection was lost and no other one could be had.
fn not_back(lost: Error, last: &Error) -> Error {
    if *last == wire::closed_by_owner() {
        return lost;
    }
    let message = format!(
        "{}; the server could not be reached again in time (sessionTimeoutMs): {}",
        lost.message, last.message
    );
    Error { message, ..lost }
}
