//! Power cuts in memory: a disk that knows what is durable and what is not yet, and can lose any of the latter.

mod choices;
mod clock;
mod disk;

pub use choices::Choices;
pub use clock::SimClock;
pub use disk::SimDisk;
