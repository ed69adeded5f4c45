//! The topic log on disk: how records become Kafka v2 batches in segment files, how an index finds them again, and what
//! is kept of them after a crash. It knows files and nothing of topics' users: all I/O goes through [`Disk`] and all
//! time through [`Clock`], so that a test can cut the power between any two calls. Nothing that a file says is trusted:
//! a length is held against what is there before memory is taken, and damage is an answer, not a panic.

mod appender;
pub mod batch;
mod checkpoint;
mod chores;
mod clock;
mod codec;
mod committer;
mod cursor;
mod disk;
mod ends;
mod error;
mod fetch;
mod format_file;
mod frame;
mod gate;
// Public for its model test alone.
#[doc(hidden)]
pub mod handshake;
mod housekeeper;
mod index;
mod indexer;
mod lacking;
mod locks;
mod lookup;
mod marks;
mod memory_disk;
mod name;
mod numbers;
mod observer;
mod open_files;
mod opening;
mod options;
mod os_disk;
mod partition;
mod producers;
mod queued;
mod reader;
mod recovery;
mod report;
mod retention;
mod scan;
mod seal;
mod segment;
mod shared;
mod sidecars;
#[cfg(feature = "sim")]
pub mod sim;
mod slow;
mod small_file;
mod snapshot;
mod store;
mod syncing;
mod sys;
mod threads;
mod time_index;
mod topic_file;
mod view;
mod window;
mod writing;

pub use appender::{Appender, Outcome};
pub use checkpoint::{Checkpoint, PartitionMark};
pub use clock::{Clock, SystemClock};
pub use codec::{Codec, Compression, compress, inflate};
pub use committer::{Committer, Step};
pub use cursor::{Cursor, ReadBatch, ReadInto, ReadOutcome};
pub use disk::{Disk, Entry, File, Lock, LockError, Mode, fill_at, put_at};
pub use ends::Ends;
pub use error::{Error, ErrorKind};
pub use frame::{FrameFault, FrameKind, decode_frame, encode_frame};
pub use index::OffsetIndex;
pub use indexer::Indexer;
pub use memory_disk::MemoryDisk;
pub use name::TopicName;
pub use observer::{Event, Observer, PartitionNote, Report};
pub use options::{Acks, Config, Flush, TopicOptions, Writer};
pub use os_disk::OsDisk;
pub use partition::{Appended, Partition, Ticket, Written};
pub use producers::{ProducerEntry, Producers, Verdict};
pub use recovery::{Boot, Durable, Opening, Recovered, recover, recover_clean};
pub use report::Note;
pub use scan::{Run, Scan, Survey, scan, survey};
pub use seal::Seal;
pub use segment::{MAX_SEGMENT_BYTES, Segment, SegmentState, base_of, log_name};
pub use shared::Stats;
pub use sidecars::{
    load_producers, load_seal, load_sidecars, remove_sidecars, save_producers, save_sidecars,
};
pub use store::{Store, Topic, TopicNumber};
pub use threads::Threads;
pub use time_index::TimeIndex;
