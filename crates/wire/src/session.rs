use std::io::IoSlice;
use std::time::Instant;

use crate::{Code, Error, Word};

/// Names one listener, dial or connection of a driver.
pub type Token = usize;

/// Where to listen or to connect.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// A host name or an address, and a port.
    Tcp(String, u16),
    /// A UNIX socket's path.
    Unix(String),
}

impl std::fmt::Display for Endpoint {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tcp(host, port) if host.contains(':') => write!(f, "[{host}]:{port}"),
            Self::Tcp(host, port) => write!(f, "{host}:{port}"),
            Self::Unix(path) => f.write_str(path),
        }
    }
}

/// Makes the sessions of a listener.
pub trait Acceptor: Send {
    /// The listener is bound to `at` (with the real port).
    fn on_listening(&mut self, at: Endpoint);

    /// A connection came in, under that token. `None` turns it away.
    fn accept(&mut self, token: Token, now: Instant) -> Option<Box<dyn Session>>;

    /// A single connection could not be accepted; the listener goes on.
    fn on_warning(&mut self, error: Error);

    /// The owner nudged the listener, or the time passed that this said last: what has to be done with it.
    fn on_nudge(&mut self, _now: Instant) -> Listening {
        Listening::Until(None)
    }

    /// The listener is gone; the last call. `Ok` if its owner closed it.
    fn on_closed(&mut self, result: Result<(), Error>);
}

/// What an acceptor wants of its listener.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Listening {
    /// It listens, and is to be asked again at that time, if there is one.
    Until(Option<Instant>),
    /// It is needed no more and can be closed.
    Over,
}

/// A session that lost its connection wants another one, to the same endpoint and under the same token.
pub struct Redial {
    /// Who tries.
    pub dialer: Box<dyn Dialer>,
    /// When the first attempt is due.
    pub at: Instant,
}

/// Makes the session of an outgoing connection, and decides how often to try.
pub trait Dialer: Send {
    /// The connection is there; `token` stays the same for the session.
    fn on_connected(&mut self, token: Token, now: Instant) -> Box<dyn Session>;

    /// An attempt failed. `Some`: try again at that time.
    fn on_failed(&mut self, error: Error, now: Instant) -> Option<Instant>;

    /// When to give up, whatever is under way. Asked once.
    fn deadline(&self) -> Option<Instant>;

    /// Given up, after `on_failed` said `None` or by the owner; the last call.
    fn on_closed(&mut self, error: Error);
}

/// What an owner asks of the driver that runs its sessions.
pub trait Driver: Send + Sync {
    /// There is something new for [`Session::on_nudge`], or [`Acceptor::on_nudge`]. `inline`: if no other thread is at work, do it on this one (the
    /// shortest way to the socket); otherwise leave it to the driver's own thread.
    fn nudge(&self, token: Token, inline: bool);

    /// Sends one message of a session straight from the memory of the caller, which is read in this call only; see [`Session::send_direct`].
    /// False: nothing has happened, and the message is to be queued.
    fn send_direct(&self, _token: Token, _word: Word, _payload: &[u8]) -> bool {
        false
    }

    /// Closes a listener, stops a dial or breaks a connection off, behind its session's [`last_words`](Session::last_words), now or at that
    /// time.
    fn close(&self, token: Token, at: Option<Instant>);

    /// The consumer should look: called at most once until it does.
    fn wake(&self);
}

/// The error of a conversation that its owner broke off.
#[must_use]
pub fn closed_by_owner() -> Error {
    Error::new(Code::Closed, "closed on this side")
}

/// How a session stands with its connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It wants to go on.
    Open,
    /// Everything it had to send is in `transmit`; once that is written, the write side may be shut down, and the
    /// connection closed when the peer does the same.
    Finished,
}

/// A conversation over one byte stream, free of sockets and clocks. A driver (crate `io`) reads into
/// [`read_buffer`](Self::read_buffer), writes what [`transmit`](Self::transmit) shows, and calls back when
/// [`deadline`](Self::deadline) passes. After every call that takes `&mut self`, `transmit`, `deadline` and `status` may
/// have changed. After the first error the driver calls nothing but [`last_words`](Self::last_words) and
/// [`on_closed`](Self::on_closed).
pub trait Session: Send {
    /// Where the next bytes of the peer belong; never empty. `None`: the session takes no bytes now (its budget is used
    /// up) and the driver must leave them in the socket until it is nudged. `hung_up`: the peer sends nothing beyond what
    /// the socket holds, which is bounded. A session should take that whatever its budget, to hear of the end behind it.
    fn read_buffer(&mut self, hung_up: bool) -> Option<&mut [u8]>;

    /// The connection is secured (TLS): `peer` is the SHA-256 of the peer's certificate, if it showed one. Called once, before the
    /// first [`on_read`](Self::on_read); never, where the connection is in plain.
    fn on_secured(&mut self, _peer: Option<[u8; 32]>) {}

    /// `n` bytes were written at the front of the last `read_buffer`.
    ///
    /// # Errors
    /// Whatever makes the conversation impossible to go on with.
    fn on_read(&mut self, n: usize, now: Instant) -> Result<(), Error>;

    /// The socket has been read empty: the moment for acknowledgements.
    fn on_drained(&mut self, now: Instant);

    /// The peer closed its write side.
    ///
    /// # Errors
    /// If the conversation was not over.
    fn on_eof(&mut self, now: Instant) -> Result<(), Error>;

    /// The owner has something new (messages to send, budget freed, a close).
    fn on_nudge(&mut self, now: Instant);

    /// Fills `out` with what is to be written, in order, and says how many entries it used; 0: nothing.
    fn transmit<'a>(&'a mut self, out: &mut [IoSlice<'a>]) -> usize;

    /// The first `n` bytes that `transmit` showed are written.
    fn on_sent(&mut self, n: usize);

    /// Sends one message from the memory of the caller, which is read in this call only: what `write` takes at once goes out of it, the rest is
    /// copied. `write` is a gathering write that says how many bytes it took, 0 for none; it is called at most once.
    /// False, and nothing has happened: the message cannot be sent now, or something else has to go before it.
    fn send_direct(
        &mut self,
        _word: Word,
        _payload: &[u8],
        _write: &mut dyn FnMut(&[IoSlice<'_>]) -> usize,
        _now: Instant,
    ) -> bool {
        false
    }

    /// After an error of this session's own finding, or because its owner breaks it off ([`closed_by_owner`]): fills `out` with what tells
    /// the peer of it, as `transmit` does. Whoever drives the session writes it in one attempt that does not wait, and hangs up.
    fn last_words<'a>(&'a mut self, _error: &Error, _out: &mut [IoSlice<'a>]) -> usize {
        0
    }

    /// When [`on_deadline`](Self::on_deadline) wants to be called.
    fn deadline(&self) -> Option<Instant>;

    /// The deadline passed.
    ///
    /// # Errors
    /// If what was awaited makes the conversation impossible to go on with.
    fn on_deadline(&mut self, now: Instant) -> Result<(), Error>;

    /// Whether the session is over.
    fn status(&self) -> Status;

    /// The connection is gone; the last call. `Ok` after [`Status::Finished`]. Only what dialed can have another connection.
    fn on_closed(&mut self, result: Result<(), Error>, now: Instant) -> Option<Redial>;
}
