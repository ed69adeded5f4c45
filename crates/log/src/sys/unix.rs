use std::fs::{File, Metadata, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::sync::Mutex;

use rustix::fs::OFlags;
use rustix::io::Errno;

use crate::locks::lock;

/// Which file it is, whatever its name.
pub(crate) type Identity = (u64, u64);

pub(crate) fn identity(of: &Metadata) -> Identity {
    (of.dev(), of.ino())
}

/// Opens a file that is one: neither through a link, which may lead anywhere, nor a pipe, at which opening would wait.
pub(crate) fn open_plain(options: &mut OpenOptions, path: &Path) -> io::Result<File> {
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let file = options
        .custom_flags(flags.bits().cast_signed())
        .open(path)?;
    if file.metadata()?.is_file() {
        return Ok(file);
    }
    let why = format!("{} is no file", path.display());
    Err(io::Error::new(io::ErrorKind::InvalidInput, why))
}

pub(crate) fn read_at(file: &File, into: &mut [u8], at: u64) -> io::Result<usize> {
    file.read_at(into, at)
}

pub(crate) fn write_at(file: &File, bytes: &[u8], at: u64) -> io::Result<usize> {
    file.write_at(bytes, at)
}

pub(crate) fn free_bytes(folder: &Path) -> io::Result<u64> {
    let space = rustix::fs::statvfs(folder)?;
    Ok(space.f_bavail.saturating_mul(space.f_frsize))
}

/// Syncs folders. A sync that fails ends the log, and it takes a descriptor: so one is kept back for it, lest a process that
/// has none left loses its log.
#[derive(Debug, Default)]
pub(crate) struct FolderSync {
    spare: Mutex<Option<File>>,
}

impl FolderSync {
    /// Keeps a descriptor back, that of `folder`.
    pub(crate) fn keep_back(&self, folder: &Path) {
        // Without one, syncing takes what there is then.
        *lock(&self.spare) = File::open(folder).ok();
    }

    /// Makes the names in a folder durable.
    pub(crate) fn sync(&self, folder: &Path) -> io::Result<()> {
        match File::open(folder) {
            Err(error) if has_none_left(&error) => {
                let mut spare = lock(&self.spare);
                // Its place is the one that the folder is opened in, which is kept back from then on.
                drop(spare.take());
                let opened = File::open(folder)?;
                let done = opened.sync_all();
                *spare = Some(opened);
                done
            }
            opened => opened?.sync_all(),
        }
    }
}

fn has_none_left(error: &io::Error) -> bool {
    let number = error.raw_os_error();
    [Errno::MFILE, Errno::NFILE]
        .iter()
        .any(|errno| number == Some(errno.raw_os_error()))
}
