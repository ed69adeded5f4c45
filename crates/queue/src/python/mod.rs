//! Peers of the Python package net-queue. The package has no acknowledgements, no signs of life and no error frames: what
//! follows from that for a session is said in [`session`], the order of INI and FIN in docs/design/core.md.

mod greeting;
mod receiver;
mod sender;
mod session;

pub(crate) use greeting::Greeting;
pub(crate) use session::PythonSession;
