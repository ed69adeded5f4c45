use std::sync::Arc;
use std::time::{Duration, Instant};

use wire::{Dialer, Endpoint, Error, Token};

use crate::config::Compat;
use crate::hub::{Event, Hub};
use crate::peer::Peer;
use crate::python::PythonSession;
use crate::session::{Session, Side};

const FIRST_PAUSE: Duration = Duration::from_millis(10);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// A client's way to its server: tries until it is there or `connectTimeoutMs` is over, with pauses that double and
/// differ from client to client, so that many clients of a server that comes back do not come at once.
pub struct Client {
    hub: Arc<Hub>,
    peer: Arc<Peer>,
    target: Endpoint,
    started: Instant,
    pause: Duration,
    entropy: u64,
}

impl Client {
    pub(crate) fn new(hub: Arc<Hub>, peer: Arc<Peer>, target: Endpoint, now: Instant) -> Self {
        let entropy = hub.config.entropy | 1;
        Self {
            hub,
            peer,
            target,
            started: now,
            pause: FIRST_PAUSE,
            entropy,
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
        self.hub.event(Event::Open(self.target.clone()));
        self.hub.leave_root(false);
        let (hub, peer) = (Arc::clone(&self.hub), Arc::clone(&self.peer));
        if hub.config.compat == Compat::Python {
            return Box::new(PythonSession::connected(hub, peer, now));
        }
        Box::new(Session::new(Side::Client, hub, peer, now))
    }

    fn on_failed(&mut self, _error: Error, now: Instant) -> Option<Instant> {
        Some(now + self.jittered())
    }

    fn deadline(&self) -> Option<Instant> {
        self.hub
            .config
            .connect_timeout
            .map(|timeout| self.started + timeout)
    }

    fn on_closed(&mut self, error: Error) {
        self.peer.end();
        self.peer.outbox().end();
        self.hub.event(Event::Failed(error));
        self.hub.leave_root(true);
        self.hub.leave(&self.peer, true);
    }
}
