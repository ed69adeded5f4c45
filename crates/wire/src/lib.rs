//! Sans-io wire formats: how bytes become frames and frames bytes, what a [`Session`] is, what a [`Link`] is, and the
//! error codes that every tool shares. It may not open a socket, read a clock, draw randomness or know N-API: whoever
//! drives it passes bytes, time and entropy in.

mod error;
mod frame;
mod hello;
mod link;
pub mod python;
mod session;

pub use error::{Code, Error, SystemError};
pub use frame::{
    DATA_LIMIT, FrameType, HEADER_BYTES, Header, Kind, MAX_LENGTH, Parsed, WORD_BYTES, Word,
    error_frame, parse, redelivered, words_sum,
};
pub use hello::{
    AckPoint, Hello, HelloParse, Keeping, MAX_CLUSTER_BYTES, MAX_HELLO_BYTES, PeerId, Refusal,
    Secret, Standing, VERSION, parse_hello, stranger,
};
pub use link::{Link, LinkEvent};
pub use session::{
    Acceptor, Dialer, Driver, Endpoint, Listening, Redial, Session, Status, Token, closed_by_owner,
};
