use std::time::{Duration, Instant};

use wire::{Code, Dialer, Endpoint, Error, Redial};

use crate::failure::cannot_connect;
use crate::socket::{Place, Stream};
use crate::tls::ClientSecurity;

/// An address that does not answer at all is given up after so long.
const ATTEMPT_TIMEOUT: Duration = Duration::from_secs(5);

/// An outgoing connection that is not there yet.
pub(crate) struct Dial {
    pub(crate) endpoint: Endpoint,
    /// The connection is secured by it.
    pub(crate) security: Option<ClientSecurity>,
    pub(crate) dialer: Box<dyn Dialer>,
    pub(crate) stage: Stage,
    /// When the dialer or its closing owner loses patience.
    pub(crate) give_up: Option<Instant>,
    /// What the last attempt met.
    pub(crate) last_error: Option<Error>,
}

/// Where a connection was dialed, and can be again.
pub(crate) struct Way {
    pub(crate) endpoint: Endpoint,
    pub(crate) security: Option<ClientSecurity>,
}

pub(crate) enum Stage {
    /// The name is being looked up, or a failed attempt rests, until then at the latest.
    Waiting(Instant),
    Resolving,
    /// The socket is on its way to the first of the places; the others come next.
    Connecting {
        stream: Stream,
        rest: Vec<Place>,
        until: Instant,
    },
}

impl Dial {
    pub(crate) fn new(
        endpoint: Endpoint,
        security: Option<ClientSecurity>,
        dialer: Box<dyn Dialer>,
    ) -> Self {
        let give_up = dialer.deadline();
        Self {
            endpoint,
            security,
            dialer,
            stage: Stage::Resolving,
            give_up,
            last_error: None,
        }
    }

    /// For a session that lost its connection; the first attempt is due at that time.
    pub(crate) fn again(way: Way, Redial { dialer, at }: Redial) -> Self {
        Self {
            stage: Stage::Waiting(at),
            ..Self::new(way.endpoint, way.security, dialer)
        }
    }

    pub(crate) fn deadline(&self) -> Option<Instant> {
        let own = match &self.stage {
            Stage::Waiting(until) | Stage::Connecting { until, .. } => Some(*until),
            Stage::Resolving => None,
        };
        match (own, self.give_up) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (one, other) => one.or(other),
        }
    }

    /// Tries the places in turn. The error of the last one counts.
    pub(crate) fn attempt(&mut self, mut places: Vec<Place>, now: Instant) -> Result<(), Error> {
        let mut last = Error::new(Code::Address, format!("{} has no address", self.endpoint));
        while !places.is_empty() {
            let place = places.remove(0);
            match Stream::connect(&place) {
                Ok(stream) => {
                    self.stage = Stage::Connecting {
                        stream,
                        rest: places,
                        until: now + ATTEMPT_TIMEOUT,
                    };
                    return Ok(());
                }
                Err(error) => last = cannot_connect(&self.endpoint, &error),
            }
        }
        Err(last)
    }
}
