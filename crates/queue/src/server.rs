use std::sync::Arc;
use std::time::Instant;

use wire::{Acceptor, Code, Endpoint, Error, Listening, Token};

use crate::config::Compat;
use crate::hub::{Event, Hub};
use crate::python::{Greeting, PythonSession};
use crate::session::Session;

/// A server's listener, as its driver sees it: makes a session for each connection.
pub struct Server {
    hub: Arc<Hub>,
}

impl Server {
    pub(crate) fn new(hub: Arc<Hub>) -> Self {
        Self { hub }
    }
}

impl Acceptor for Server {
    fn on_listening(&mut self, at: Endpoint) {
        self.hub.event(Event::Open(at));
    }

    fn accept(&mut self, token: Token, now: Instant) -> Option<Box<dyn wire::Session>> {
        let Some(peer) = self.hub.join(token) else {
            let why = "a connection was turned away: this side is closing, or does not look at its events";
            self.on_warning(Error::new(Code::QueueFull, why));
            return None;
        };
        let hub = Arc::clone(&self.hub);
        let native = |hub, peer| Box::new(Session::accepted(hub, peer, now));
        Some(match hub.config.compat {
            Compat::Native => native(hub, peer),
            Compat::Python => Box::new(PythonSession::accepted(hub, peer, now)),
            Compat::Auto => {
                let session = native(Arc::clone(&hub), Arc::clone(&peer));
                Box::new(Greeting::new(session, hub, peer, now))
            }
        })
    }

    fn on_nudge(&mut self, now: Instant) -> Listening {
        let (next, is_over) = self.hub.expire(now);
        if is_over {
            Listening::Over
        } else {
            Listening::Until(next)
        }
    }

    fn on_warning(&mut self, error: Error) {
        self.hub.event(Event::Warning(error));
    }

    fn on_closed(&mut self, result: Result<(), Error>) {
        if let Err(error) = result {
            self.hub.event(Event::Failed(error));
        }
        self.hub.leave_root(true);
    }
}
