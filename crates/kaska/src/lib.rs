//! The topic log as its users mean it: topics by name, the partition of a key, named writers, positions of consumers, a time
//! as a place to begin, and the calls of the original Kaska. What is stored where, and what survives, is `log`'s business;
//! threads of JavaScript and N-API are the addon's.

pub mod client;
mod code;
mod directory;
mod event;
mod kafka_name;
mod kaska;
mod ledger;
mod partitioner;
mod signal;
mod state_record;

pub use code::{code_of, wire_error};
pub use directory::{Location, Share, open};
pub use event::{Answer, Event, Verified};
pub use kafka_name::is_kafka;
pub use kaska::Kaska;
pub use partitioner::{Partitioner, murmur2, partition_of};
pub use signal::Wake;
pub use state_record::{
    MOST_METADATA_BYTES, MOST_NAME_BYTES, Position, StateKey, WriterMark, is_name,
};
