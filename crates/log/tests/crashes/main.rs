//! What is kept of a partition after a crash: nothing that was promised is lost, nothing that was not is in the way, and
//! everything that was done is told.

mod flips;
mod segments;
mod support;
mod tail;
mod torn;
