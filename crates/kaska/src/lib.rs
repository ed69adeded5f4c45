//! The topic log as its users mean it: topics by name, the partition of a key, named writers, positions of consumers, a time
//! as a place to begin, and the calls of the original Kaska. What is stored where, and what survives, is `log`'s business;
//! threads of JavaScript and N-API are the addon's.

mod code;
mod kafka_name;
mod partitioner;

pub use code::{code_of, wire_error};
pub use kafka_name::is_kafka;
pub use partitioner::{Partitioner, murmur2, partition_of};
