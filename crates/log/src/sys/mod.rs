//! Where systems differ. Everything here is a safe call; a system that lacks one gets along without it.

#[cfg(target_os = "linux")]
mod linux;
#[cfg(not(target_os = "linux"))]
mod other;
#[cfg(not(unix))]
mod positioned;
#[cfg(unix)]
mod unix;

#[cfg(target_os = "linux")]
pub(crate) use linux::{allocate, boot_id, read_cached_at};
#[cfg(not(target_os = "linux"))]
pub(crate) use other::{allocate, boot_id, read_cached_at};
#[cfg(not(unix))]
pub(crate) use positioned::{
    FolderSync, Identity, free_bytes, identity, open_plain, read_at, write_at,
};
#[cfg(unix)]
pub(crate) use unix::{FolderSync, Identity, free_bytes, identity, open_plain, read_at, write_at};
