//! TLS between a socket and a session, neither of which knows of it. Only rustls touches what is secret.

mod date;
mod engine;
mod failure;
mod record;
mod security;
mod stream;
mod verify;

pub use security::{ClientSecurity, Pem, ServerSecurity};
pub(crate) use stream::{Secured, TlsStream};
