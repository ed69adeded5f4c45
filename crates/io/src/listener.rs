use std::io;
use std::time::{Duration, Instant};

use wire::{Acceptor, Error};

use crate::failure::cannot_take;
use crate::guard::guard;
use crate::socket::{Listener, Stream};
use crate::tls::ServerSecurity;

/// Connections accepted before others have their turn.
const ACCEPT_BUDGET: usize = 64;
/// How long a listener rests when the process has no file descriptors left.
const REST: Duration = Duration::from_millis(100);

/// A listening socket and what makes its sessions.
pub(crate) struct Accepting {
    pub(crate) listener: Listener,
    /// Connections are secured by it.
    pub(crate) security: Option<ServerSecurity>,
    pub(crate) acceptor: Box<dyn Acceptor>,
    /// When the acceptor wants to be asked again.
    pub(crate) ask_at: Option<Instant>,
}

/// What one call for connections gave.
pub(crate) struct Accepted {
    pub(crate) streams: Vec<Stream>,
    /// There may be more: try again then.
    pub(crate) again: Option<Instant>,
}

impl Accepting {
    /// See [`Acceptor::on_warning`].
    pub(crate) fn warn(&mut self, error: Error) {
        // Nobody is left to be told of a defect in this.
        let _defect = guard(|| self.acceptor.on_warning(error));
    }

    pub(crate) fn accept(&mut self, now: Instant) -> Accepted {
        let mut streams = Vec::new();
        while streams.len() < ACCEPT_BUDGET {
            match self.listener.accept() {
                Ok(stream) => streams.push(stream),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    return Accepted {
                        streams,
                        again: None,
                    };
                }
                // The peer was gone before it was accepted.
                Err(error)
                    if matches!(
                        error.kind(),
                        io::ErrorKind::ConnectionAborted | io::ErrorKind::Interrupted
                    ) => {}
                Err(error) => {
                    let mut warning = cannot_take("accepted", "accept", &error);
                    let rest = REST.as_millis();
                    warning.message += &format!("; the listener tries again in {rest} ms");
                    self.warn(warning);
                    return Accepted {
                        streams,
                        again: Some(now + REST),
                    };
                }
            }
        }
        Accepted {
            streams,
            again: Some(now),
        }
    }
}
