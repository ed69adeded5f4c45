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
mod recovery;
mod session;
mod session_appends;
mod session_clients;
mod session_reads;
mod settling;
mod signal;
mod slots;
mod state_record;
mod writers;

pub use code::{code_of, is_retryable, wire_error};
pub use directory::{Location, Share, open};
pub use event::{Answer, Event, Unreadable, Verified};
pub use kafka_name::is_kafka;
pub use kaska::Kaska;
pub use partitioner::{Partitioner, murmur2, partition_of};
pub use recovery::{Recovery, StateNote};
pub use session::{Session, Stats, WakeBits};
pub use session_appends::{Group, MOST_RECORDS, WriterOptions};
pub use session_clients::PollTrouble;
pub use session_reads::{
    BATCH_NUMBERS, From, NULL, RECORD_NUMBERS, ReadDone, ReadState, ReadTo, index_batch,
};
pub use settling::Settled;
pub use signal::Wake;
pub use state_record::{
    MOST_METADATA_BYTES, MOST_NAME_BYTES, Position, StateKey, WriterMark, is_name,
};
