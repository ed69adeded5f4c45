use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::windows::fs::FileExt as _;
use std::path::Path;

/// A folder with an open file is not moved here.
pub(crate) type Identity = ();

pub(crate) fn identity(_: &Metadata) -> Identity {}

pub(crate) fn open_plain(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    options.open(path)
}

pub(crate) fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    file.seek_read(into, at)
}

pub(crate) fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
    file.seek_write(bytes, at)
}

pub(crate) fn free_bytes(_: &Path) -> io::Result<u64> {
    Err(io::ErrorKind::Unsupported.into())
}

/// Names are durable here without being told.
#[derive(Debug, Default)]
pub(crate) struct FolderSync {}

#[expect(clippy::unused_self, reason = "as where folders are synced")]
impl FolderSync {
    pub(crate) fn keep_back(&self, _: &Path) {}

    #[expect(clippy::unnecessary_wraps, reason = "as where folders are synced")]
    pub(crate) fn sync(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }
}
