use std::fs::{self, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::disk::{Disk, Entry, File, Lock, LockError, Mode};
use crate::locks::lock;
use crate::{Error, ErrorKind, sys};

/// A folder of the file system.
#[derive(Debug)]
pub struct OsDisk {
    root: PathBuf,
    /// What was locked: its name, and which file that was.
    locked: Mutex<Option<(String, sys::Identity)>>,
    folders: sys::FolderSync,
}

impl OsDisk {
    /// What is below `root`, which must exist when it is used.
    #[must_use]
    pub fn new(root: impl Into<PathBuf>) -> Self {
        Self {
            root: root.into(),
            locked: Mutex::new(None),
            folders: sys::FolderSync::default(),
        }
    }

    /// The folder `path` as every program would name it: absolute, without links. With `create` it is made if it is not there.
    ///
    /// # Errors
    ///
    /// `NotFound` if it is not there; `Storage` and `NoSpace` as the system says.
    pub fn locate(path: &Path, create: bool) -> Result<PathBuf, Error> {
        let name = path.display().to_string();
        if create {
            fs::create_dir_all(path).map_err(|error| Error::system("mkdir", &name, &error))?;
        }
        fs::canonicalize(path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => Error::new(
                ErrorKind::NotFound,
                format!("there is no directory {name}; pass create: true, or another dir"),
            ),
            _ => Error::system("open", &name, &error),
        })
    }

    /// Whether its folder still is where it was when it was locked: not moved, removed, or replaced by another one.
    #[must_use]
    pub fn is_in_place(&self) -> bool {
        let locked = lock(&self.locked);
        locked.as_ref().is_none_or(|(name, identity)| {
            let found = self.path(name).and_then(fs::symlink_metadata);
            found.is_ok_and(|found| sys::identity(&found) == *identity)
        })
    }

    /// Where `name` is. Names are ours, so this refuses only what a defect of ours would make: a way out of the folder.
    fn path(&self, name: &str) -> io::Result<PathBuf> {
        let mut path = self.root.clone();
        for part in name.split('/').filter(|_| !name.is_empty()) {
            if part.is_empty() || part == "." || part == ".." || part.contains(['\\', ':', '\0']) {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!("{name:?} is no name of a file of the log"),
                ));
            }
            path.push(part);
        }
        Ok(path)
    }
}

impl OsDisk {
    /// Where `name` is, for something that changes the folder: not in another one that somebody has put in its place, whose owner
    /// is somebody else.
    fn own_path(&self, name: &str) -> io::Result<PathBuf> {
        if !self.is_in_place() {
            return Err(io::Error::other(
                "the folder was moved, removed or replaced while it was open",
            ));
        }
        self.path(name)
    }

    /// Where the folder `name` is. A link below the root may lead anywhere, so it is none.
    fn folder(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.path(name)?;
        if name.is_empty() || fs::symlink_metadata(&path)?.is_dir() {
            return Ok(path);
        }
        let why = format!("{} is a link or a file, and no folder", path.display());
        Err(io::Error::new(io::ErrorKind::NotADirectory, why))
    }
}

impl Disk for OsDisk {
    fn open(&self, name: &str, mode: Mode) -> io::Result<Arc<dyn File>> {
        let path = match mode {
            Mode::Read => self.path(name)?,
            Mode::Write | Mode::CreateNew => self.own_path(name)?,
        };
        let mut options = OpenOptions::new();
        options
            .read(true)
            .write(mode != Mode::Read)
            .create_new(mode == Mode::CreateNew);
        Ok(Arc::new(OsFile {
            file: sys::open_plain(&mut options, &path)?,
        }))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        let mut entries = Vec::new();
        for entry in fs::read_dir(self.folder(folder)?)? {
            let entry = entry?;
            // A name that is not UTF-8 is not ours.
            if let Ok(name) = entry.file_name().into_string() {
                let is_folder = entry.file_type()?.is_dir();
                entries.push(Entry { name, is_folder });
            }
        }
        entries.sort();
        Ok(entries)
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        fs::create_dir(self.own_path(name)?)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        fs::rename(self.own_path(from)?, self.path(to)?)
    }

    fn remove_file(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.own_path(name)?)
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        fs::remove_dir(self.own_path(name)?)
    }

    fn sync_folder(&self, name: &str) -> io::Result<()> {
        self.folders.sync(&self.folder(name)?)
    }

    fn lock(&self, name: &str, owner: &str) -> Result<Box<dyn Lock>, LockError> {
        let path = self.path(name).map_err(LockError::Io)?;
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = sys::open_plain(&mut options, &path).map_err(LockError::Io)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(fs::TryLockError::WouldBlock) => return Err(LockError::Held(owner_of(&file))),
            Err(fs::TryLockError::Error(error)) => return Err(LockError::Io(error)),
        }
        file.set_len(0)
            .and_then(|()| file.write_all(owner.as_bytes()))
            .map_err(LockError::Io)?;
        let found = file.metadata().map_err(LockError::Io)?;
        *lock(&self.locked) = Some((name.to_owned(), sys::identity(&found)));
        self.folders.keep_back(&self.root);
        Ok(Box::new(OsLock { _file: file }))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        sys::free_bytes(&self.root)
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        sys::boot_id()
    }

    fn keeps(&self) -> bool {
        true
    }
}

/// The text in a lock file that somebody else has; nothing where the system does not let others read it.
fn owner_of(file: &fs::File) -> String {
    let mut text = String::new();
    match file.take(MAX_OWNER_BYTES).read_to_string(&mut text) {
        Ok(_) => text,
        Err(_) => String::new(),
    }
}

/// No owner's text is longer; another program may have written anything there.
const MAX_OWNER_BYTES: u64 = 1024;

/// The system lets go of the lock when the file is closed.
#[derive(Debug)]
struct OsLock {
    _file: fs::File,
}

impl Lock for OsLock {}

struct OsFile {
    file: fs::File,
}

impl File for OsFile {
    fn size(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        uninterrupted(|| sys::read_at(&self.file, into, at))
    }

    fn read_cached_at(&self, into: &mut [u8], at: u64) -> io::Result<Option<usize>> {
        uninterrupted(|| sys::read_cached_at(&self.file, into, at))
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        uninterrupted(|| sys::write_at(&self.file, bytes, at))
    }

    fn allocate(&self, from: u64, to: u64) -> io::Result<bool> {
        sys::allocate(&self.file, from, to)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        uninterrupted(|| self.file.set_len(size))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}

/// Repeats what a signal has interrupted before it did anything.
fn uninterrupted<T>(mut call: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match call() {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => return result,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        let disk = OsDisk::new("/somewhere");
        for name in ["..", "a/../b", "/etc", "a//b", "a\\b", "c:x", ".", "a/"] {
            assert!(disk.path(name).is_err(), "{name}");
        }
        assert_eq!(disk.path("").unwrap(), Path::new("/somewhere"));
        assert_eq!(
            disk.path("a/b.log").unwrap(),
            Path::new("/somewhere/a/b.log")
        );
    }
}
