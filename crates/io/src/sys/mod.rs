//! What differs from system to system, one small file each.

#[cfg(unix)]
mod keep_alive;
#[cfg(unix)]
mod listen;
#[cfg(unix)]
mod option;
#[cfg(target_os = "linux")]
mod reuse_port;
#[cfg(target_os = "linux")]
mod send_buffer;
#[cfg(unix)]
mod unix;

#[cfg(unix)]
pub(crate) use keep_alive::keep_alive;
#[cfg(unix)]
pub(crate) use listen::listen;
#[cfg(target_os = "linux")]
pub(crate) use reuse_port::listen_reusing_port;
#[cfg(target_os = "linux")]
pub(crate) use send_buffer::bound_send_buffer;
#[cfg(unix)]
pub(crate) use unix::{Alarm, is_readable, wait_readable};
