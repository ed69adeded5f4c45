//! For tests: power cuts in memory, by a disk that knows what is durable and what is not yet, and can lose any of the latter;
//! and a partition that stands alone.

mod choices;
mod clock;
mod disk;
mod partition;

pub use choices::Choices;
pub use clock::SimClock;
pub use disk::SimDisk;
pub use partition::{FOLDER, REMOVED, open_partition};
