//! The N-API binding: convert the arguments, look the handle up, call a core crate, convert the result. It decides nothing
//! about protocols; what it knows is how JavaScript's thread is woken and who keeps its process alive. Functions are free
//! functions on integer handles, because that is the cheapest crossing there is; hot ones answer with codes, not exceptions.

mod callbacks;
mod environment;
mod guard;
/// The functions of kaska.
pub mod kaska_exports;
mod kaska_handle;
/// What they take and give.
pub mod kaska_types;
mod large;
mod lent;
mod mailbox;
/// The functions of net-queue.
pub mod queue_exports;
mod queue_handle;
mod queue_security;
/// What they take and give.
pub mod queue_types;
mod threadsafe;
#[cfg(unix)]
mod uv;
