use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use mio::Registry;
use wire::{Acceptor, Endpoint, Error, Listening, Token};

use crate::connection::Connection;
use crate::crew::{Crew, Load};
use crate::failure::{broken, cannot_take};
use crate::guard::guard;
use crate::socket::{Listener, Stream};
use crate::tls::ServerSecurity;

/// Connections accepted before others have their turn.
const ACCEPT_BUDGET: usize = 64;
/// How long a listener rests when the process has no file descriptors left.
const REST: Duration = Duration::from_millis(100);

/// How a server listens.
#[derive(Clone, Default)]
pub struct Serving {
    /// Connections are secured by it, and never in plain then.
    pub security: Option<ServerSecurity>,
    /// Others may listen at the same TCP address, if they say so too (Linux).
    pub reuse_port: bool,
}

/// A server, and who runs its connections.
pub(crate) struct Server {
    pub(crate) endpoint: Endpoint,
    pub(crate) serving: Serving,
    pub(crate) acceptor: SharedAcceptor,
    pub(crate) crew: Crew,
}

/// A listening socket and what makes its sessions.
pub(crate) struct Accepting {
    pub(crate) listener: Listener,
    pub(crate) server: Server,
    /// The earliest entry among the timers at which the acceptor is asked again.
    pub(crate) scheduled: Option<Instant>,
}

/// An acceptor as the hosts of a crew share it. Held by one for as long as it makes a session.
#[derive(Clone)]
pub(crate) struct SharedAcceptor(Arc<Mutex<Option<Box<dyn Acceptor>>>>);

impl SharedAcceptor {
    pub(crate) fn new(acceptor: Box<dyn Acceptor>) -> Self {
        Self(Arc::new(Mutex::new(Some(acceptor))))
    }

    /// Calls the acceptor; `None` if it has had its last call.
    ///
    /// # Errors
    /// [`Code::Internal`](wire::Code::Internal) if it panics.
    fn call<T>(&self, act: impl FnOnce(&mut dyn Acceptor) -> T) -> Result<Option<T>, Error> {
        let mut acceptor = self.lock();
        guard(|| acceptor.as_mut().map(|acceptor| act(&mut **acceptor)))
    }

    pub(crate) fn on_listening(&self, at: Endpoint) -> Result<(), Error> {
        self.call(|acceptor| acceptor.on_listening(at)).map(drop)
    }

    /// What has to be done with the listener.
    pub(crate) fn ask(&self, now: Instant) -> Result<Listening, Error> {
        let wanted = self.call(|acceptor| acceptor.on_nudge(now))?;
        Ok(wanted.unwrap_or(Listening::Over))
    }

    /// See [`Acceptor::on_warning`].
    pub(crate) fn warn(&self, error: Error) {
        // Nobody is left to be told of a defect in this.
        let _defect = self.call(|acceptor| acceptor.on_warning(error));
    }

    /// Its last call.
    pub(crate) fn end(&self, result: Result<(), Error>) {
        let acceptor = self.lock().take();
        if let Some(mut acceptor) = acceptor {
            // Nobody is left to be told of a defect in this.
            let _defect = guard(move || acceptor.on_closed(result));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Option<Box<dyn Acceptor>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that was accepted, on its way to the host that will run it.
pub(crate) struct Arrival {
    stream: Stream,
    security: Option<ServerSecurity>,
    acceptor: SharedAcceptor,
    load: Load,
}

impl Arrival {
    /// Makes a connection of it; `None` if that cannot be, or is not wanted.
    pub(crate) fn connect(
        self,
        registry: &Registry,
        token: Token,
        now: Instant,
    ) -> Option<Connection> {
        let acceptor = self.acceptor;
        let mut stream = self.stream;
        if let Err(error) = stream.register(registry, token) {
            acceptor.warn(cannot_take("watched", "epoll_ctl", &error));
            return None;
        }
        let stream = match &self.security {
            Some(security) => stream.secured_by_server(security),
            None => Ok(stream),
        };
        let stream = stream
            .inspect_err(|error| acceptor.warn(broken("accept", error)))
            .ok()?;
        let session = acceptor.call(|acceptor| acceptor.accept(token, now));
        let session = session.inspect_err(|defect| acceptor.warn(defect.clone()));
        let session = session.ok()???;
        Some(Connection::accepted(stream, session, self.load))
    }
}

/// What one call for connections gave.
pub(crate) struct Accepted {
    pub(crate) streams: Vec<Stream>,
    /// There may be more: try again then.
    pub(crate) again: Option<Instant>,
}

impl Accepting {
    /// What is to become of a stream, and the number of the host that is to run it.
    pub(crate) fn arrival(&self, stream: Stream) -> (usize, Arrival) {
        let (number, load) = self.server.crew.next();
        let arrival = Arrival {
            stream,
            security: self.server.serving.security.clone(),
            acceptor: self.server.acceptor.clone(),
            load,
        };
        (number, arrival)
    }

    pub(crate) fn accept(&self, now: Instant) -> Accepted {
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
                    self.server.acceptor.warn(warning);
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
