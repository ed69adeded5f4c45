use std::io;
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use log::sim::{SimClock, SimDisk};
use log::{Disk, Entry, File, Lock, LockError, Mode};

/// A disk whose page cache may be cold, that may be slow or full, and whose open files are counted.
pub(crate) struct Wrapped {
    pub(crate) inner: SimDisk,
    pub(crate) moods: Arc<Moods>,
}

#[derive(Default)]
pub(crate) struct Moods {
    /// Nothing is in the page cache.
    pub(crate) is_cold: AtomicBool,
    /// How long a write takes, by this clock.
    pub(crate) write_ms: AtomicU32,
    pub(crate) clock: Option<Arc<SimClock>>,
    /// Bytes that may still be written; negative: as many as one wants.
    pub(crate) room: AtomicI64,
    /// Every write fails for want of room, also over what is there.
    pub(crate) is_full: AtomicBool,
    pub(crate) open_files: AtomicU32,
    /// Files in this folder cannot be opened.
    pub(crate) forbidden: Mutex<Option<&'static str>>,
}

impl Wrapped {
    pub(crate) fn new(clock: Option<Arc<SimClock>>) -> Arc<Self> {
        let moods = Moods {
            clock,
            room: AtomicI64::new(-1),
            ..Moods::default()
        };
        Arc::new(Self {
            inner: SimDisk::new(),
            moods: Arc::new(moods),
        })
    }
}

struct Open {
    inner: Arc<dyn File>,
    moods: Arc<Moods>,
}

impl Drop for Open {
    fn drop(&mut self) {
        self.moods.open_files.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Disk for Wrapped {
    fn open(&self, name: &str, mode: Mode) -> io::Result<Arc<dyn File>> {
        let forbidden = *self.moods.forbidden.lock().unwrap();
        if forbidden.is_some_and(|folder| name.starts_with(folder)) {
            return Err(io::ErrorKind::PermissionDenied.into());
        }
        let inner = self.inner.open(name, mode)?;
        self.moods.open_files.fetch_add(1, Ordering::SeqCst);
        let moods = Arc::clone(&self.moods);
        Ok(Arc::new(Open { inner, moods }))
    }
    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        self.inner.list(folder)
    }
    fn create_folder(&self, name: &str) -> io::Result<()> {
        self.inner.create_folder(name)
    }
    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.inner.rename(from, to)
    }
    fn remove_file(&self, name: &str) -> io::Result<()> {
        self.inner.remove_file(name)
    }
    fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.inner.remove_folder(name)
    }
    fn sync_folder(&self, name: &str) -> io::Result<()> {
        self.inner.sync_folder(name)
    }
    fn lock(&self, name: &str, owner: &str) -> Result<Box<dyn Lock>, LockError> {
        self.inner.lock(name, owner)
    }
    fn free_bytes(&self) -> io::Result<u64> {
        self.inner.free_bytes()
    }
    fn boot_id(&self) -> Option<[u8; 16]> {
        self.inner.boot_id()
    }
    fn keeps(&self) -> bool {
        true
    }
}

impl File for Open {
    fn size(&self) -> io::Result<u64> {
        self.inner.size()
    }
    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        self.inner.read_at(into, at)
    }
    fn read_cached_at(&self, into: &mut [u8], at: u64) -> io::Result<Option<usize>> {
        if self.moods.is_cold.load(Ordering::SeqCst) {
            return Ok(None);
        }
        self.inner.read_cached_at(into, at)
    }
    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        if let Some(clock) = &self.moods.clock {
            clock.pass(self.moods.write_ms.load(Ordering::SeqCst));
        }
        if self.moods.is_full.load(Ordering::SeqCst) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let room = self.moods.room.load(Ordering::SeqCst);
        let Ok(room) = usize::try_from(room) else {
            return self.inner.write_at(bytes, at);
        };
        // What is there already needs no room.
        if at + bytes.len() as u64 <= self.inner.size()? {
            return self.inner.write_at(bytes, at);
        }
        if room == 0 {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let many = bytes.len().min(room);
        let written = self.inner.write_at(&bytes[..many], at)?;
        self.moods.room.fetch_sub(written as i64, Ordering::SeqCst);
        Ok(written)
    }
    fn allocate(&self, from: u64, to: u64) -> io::Result<bool> {
        self.inner.allocate(from, to)
    }
    fn set_size(&self, size: u64) -> io::Result<()> {
        self.inner.set_size(size)
    }
    fn sync_data(&self) -> io::Result<()> {
        self.inner.sync_data()
    }
}
