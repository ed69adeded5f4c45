//! Kafka's record batch, version 2, byte for byte: the header of 61 bytes, the checksum, and the records behind it.
//! What is read here came from a file or a peer, so every length is held against what is there, and nothing is allocated.

mod check;
mod encoder;
mod fault;
mod header;
mod records;
mod varint;

pub(crate) use check::crc32c_append;
pub use check::{check, crc32c};
pub use encoder::{Encoded, Encoder, Input, Shape, Times};
pub use fault::Fault;
pub(crate) use header::MAGIC;
pub use header::{Attributes, HEADER_BYTES, Header, ProducerMark};
pub use records::{HeaderField, Headers, Record, Records, inflate_records};
pub use varint::{put_varint, put_varlong, varint, varint_size, varlong, varlong_size};
