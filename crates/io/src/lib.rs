//! The only crate that opens a socket. A [`Host`] runs a reactor that moves bytes between sockets and the sessions of
//! crate `wire` and calls them when their deadlines pass; it knows no session by name. The reactor is a plain struct behind
//! one lock: its host is a thread of its own or the event loop of the process, and either side may run it for a moment.
//! It may not know N-API, and never calls into the owner while the lock is held other than to raise a flag.

mod connection;
mod crew;
mod dial;
mod failure;
mod guard;
mod host;
mod listener;
mod reactor;
mod resolve;
mod slots;
mod socket;
#[cfg(unix)]
mod socket_file;
mod timers;
mod tls;
#[cfg(unix)]
mod watch;

pub mod sys;

pub use crew::Crew;
pub use guard::guard;
pub use host::{Host, HostStats, Kind};
pub use listener::Serving;
pub use slots::MOST_HOSTS;
pub use tls::{ClientSecurity, Pem, ServerSecurity};
