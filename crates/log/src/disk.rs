use std::{fmt, io, sync::Arc};

/// How a file is opened. All can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mode {
    /// An existing file, only to read.
    Read,
    /// An existing file, to write as well.
    Write,
    /// A file that must not exist yet, to write as well.
    CreateNew,
}

/// What a folder holds.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Entry {
    /// The name, without the folder's.
    pub name: String,
    /// Whether it is a folder itself.
    pub is_folder: bool,
}

/// Why a lock was not given.
#[derive(Debug)]
pub enum LockError {
    /// Somebody else has it: the text that he left, or nothing where it cannot be read.
    Held(String),
    /// The system refused.
    Io(io::Error),
}

/// A lock that is let go of when it is dropped or its process dies.
pub trait Lock: Send + Sync + fmt::Debug + 'static {}

/// A folder and what is below it. Names are relative, made of our own parts, with '/'; the folder itself is "". A new
/// name is durable after [`Disk::sync_folder`] of the folder that it stands in, bytes after [`File::sync_data`].
pub trait Disk: Send + Sync + 'static {
    /// Opens a file.
    fn open(&self, name: &str, mode: Mode) -> io::Result<Arc<dyn File>>;
    /// What is in a folder, in the order of names.
    fn list(&self, folder: &str) -> io::Result<Vec<Entry>>;
    /// Makes one folder; the one above exists.
    fn create_folder(&self, name: &str) -> io::Result<()>;
    /// Gives a file or a folder another name; a file that has that name already is replaced.
    fn rename(&self, from: &str, to: &str) -> io::Result<()>;
    /// Removes a file; who has it open reads on.
    fn remove_file(&self, name: &str) -> io::Result<()>;
    /// Removes an empty folder.
    fn remove_folder(&self, name: &str) -> io::Result<()>;
    /// Makes the names in a folder durable. There is nothing to do on Windows.
    fn sync_folder(&self, name: &str) -> io::Result<()>;
    /// Takes the lock file `name` and leaves `owner` in it, for the message of those who come too late.
    ///
    /// # Errors
    ///
    /// `Held` if another process, or another call of this one, has it.
    fn lock(&self, name: &str, owner: &str) -> Result<Box<dyn Lock>, LockError>;
    /// Bytes that may still be written.
    fn free_bytes(&self) -> io::Result<u64>;
    /// Which start of the machine this is; `None` where a power cut cannot be told from a kill.
    fn boot_id(&self) -> Option<[u8; 16]>;
    /// Whether anything outlives the process; `false` for memory.
    fn keeps(&self) -> bool;
}

/// An open file. Calls may come from several threads at once.
pub trait File: Send + Sync + 'static {
    /// Length in bytes.
    fn size(&self) -> io::Result<u64>;
    /// Reads at most `into.len()` bytes; 0 only at the end (or for an empty `into`).
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize>;
    /// The same if it need not wait for a disk, else `None`. A system that cannot tell just reads.
    fn read_cached_at(&self, into: &mut [u8], at: u64) -> io::Result<Option<usize>>;
    /// Writes some of `bytes`, at least one if there are any. An interrupted call is repeated inside.
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize>;
    /// Reserves room for the bytes from `from` to `to` and keeps the size; `false` where that cannot be.
    fn allocate(&self, from: u64, to: u64) -> io::Result<bool>;
    /// Cuts the file, or makes it longer with zeros. What was allocated beyond is freed.
    fn set_size(&self, size: u64) -> io::Result<()>;
    /// Waits until all that was written is durable. After an error it never is: nothing may be tried again.
    fn sync_data(&self) -> io::Result<()>;
}

/// What a file in memory gives to who reads at `at`; how many bytes that were.
pub(crate) fn copy_at(bytes: &[u8], into: &mut [u8], at: u64) -> usize {
    let from = usize::try_from(at).ok().and_then(|at| bytes.get(at..));
    let from = from.unwrap_or_default();
    let many = from.len().min(into.len());
    if let (Some(into), Some(from)) = (into.get_mut(..many), from.get(..many)) {
        into.copy_from_slice(from);
    }
    many
}

/// Reads until `into` is full or the file ends; how many bytes that were.
///
/// # Errors
///
/// What the system says.
pub fn fill_at(file: &dyn File, into: &mut [u8], at: u64) -> io::Result<usize> {
    let mut done = 0;
    while let Some(rest) = into.get_mut(done..).filter(|rest| !rest.is_empty()) {
        match file.read_at(rest, at.saturating_add(done as u64))? {
            0 => break,
            read => done += read,
        }
    }
    Ok(done)
}

/// Writes all of `bytes`, in as many calls as it takes.
///
/// # Errors
///
/// What the system says; some of the bytes may have been written.
pub fn put_at(file: &dyn File, bytes: &[u8], at: u64) -> io::Result<()> {
    let mut done = 0;
    while let Some(rest) = bytes.get(done..).filter(|rest| !rest.is_empty()) {
        match file.write_at(rest, at.saturating_add(done as u64))? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => done += written,
        }
    }
    Ok(())
}
