//! What differs from system to system, one small file each.

#[cfg(unix)]
mod keep_alive;
#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub(crate) use keep_alive::keep_alive;
#[cfg(unix)]
pub(crate) use unix::{Alarm, is_readable, wait_readable};
