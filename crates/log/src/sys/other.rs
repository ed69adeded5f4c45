use std::{fs::File, io};

/// There is no call that does not wait, so this one may.
pub(crate) fn read_cached_at(file: &File, into: &mut [u8], at: u64) -> io::Result<Option<usize>> {
    super::read_at(file, into, at).map(Some)
}

/// The file just grows.
pub(crate) fn allocate(_: &File, _: u64, _: u64) -> io::Result<bool> {
    Ok(false)
}

/// A power cut cannot be told from a kill.
pub(crate) fn boot_id() -> Option<[u8; 16]> {
    None
}
