use std::{fs::File, io};

use rustix::fs::{FallocateFlags, fallocate};
use rustix::io::{Errno, ReadWriteFlags, preadv2};

/// `None` if the bytes are not in the page cache. A file system that knows no such flag (tmpfs) just reads.
pub(crate) fn read_cached_at(file: &File, into: &mut [u8], at: u64) -> io::Result<Option<usize>> {
    let mut one = [io::IoSliceMut::new(into)];
    match preadv2(file, &mut one, at, ReadWriteFlags::NOWAIT) {
        Ok(read) => Ok(Some(read)),
        Err(Errno::AGAIN) => Ok(None),
        Err(Errno::OPNOTSUPP | Errno::NOSYS) => super::read_at(file, into, at).map(Some),
        Err(error) => Err(error.into()),
    }
}

/// `false` where the file system cannot, or has no room: the file then grows as it is written.
pub(crate) fn allocate(file: &File, from: u64, to: u64) -> io::Result<bool> {
    if to <= from {
        return Ok(true);
    }
    match fallocate(file, FallocateFlags::KEEP_SIZE, from, to - from) {
        Ok(()) => Ok(true),
        Err(
            Errno::OPNOTSUPP
            | Errno::NOSYS
            | Errno::NOSPC
            | Errno::DQUOT
            | Errno::FBIG
            | Errno::INTR,
        ) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// The kernel's own number of this start.
pub(crate) fn boot_id() -> Option<[u8; 16]> {
    parse_boot_id(&std::fs::read_to_string("/proc/sys/kernel/random/boot_id").ok()?)
}

/// 32 hexadecimal digits, with hyphens among them.
fn parse_boot_id(text: &str) -> Option<[u8; 16]> {
    let digits: String = text.trim().chars().filter(|c| *c != '-').collect();
    (digits.len() == 32)
        .then(|| u128::from_str_radix(&digits, 16).ok())
        .flatten()
        .map(u128::to_be_bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_boot_id_is_sixteen_bytes_or_nothing() {
        let id = parse_boot_id("4fd93f31-0102-0304-0506-0708090a0b0c\n").unwrap();
        assert_eq!(id[..4], [0x4f, 0xd9, 0x3f, 0x31]);
        assert_eq!(id[15], 0x0c);
        for text in ["", "4fd93f31", "xyd93f31-0102-0304-0506-0708090a0b0c"] {
            assert_eq!(parse_boot_id(text), None);
        }
    }
}
