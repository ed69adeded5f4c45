//! A disk that does not write while a test holds it.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use kaska::Location;
use log::sim::SimDisk;
use log::{Disk, Entry, File, Lock, LockError, Mode};

/// As a simulated disk, until it is held.
#[derive(Clone)]
pub(crate) struct HeldDisk {
    pub(crate) disk: Arc<SimDisk>,
    held: Arc<Mutex<()>>,
}

struct HeldFile {
    file: Arc<dyn File>,
    held: Arc<Mutex<()>>,
}

impl HeldDisk {
    pub(crate) fn new() -> Self {
        Self {
            disk: Arc::new(SimDisk::new()),
            held: Arc::default(),
        }
    }

    pub(crate) fn location(&self) -> Location {
        Location::Disk(Arc::new(self.clone()))
    }

    /// Whoever writes waits, until this is dropped.
    pub(crate) fn hold(&self) -> MutexGuard<'_, ()> {
        self.held.lock().unwrap()
    }
}

impl Disk for HeldDisk {
    fn open(&self, name: &str, mode: Mode) -> io::Result<Arc<dyn File>> {
        let file = self.disk.open(name, mode)?;
        let held = Arc::clone(&self.held);
        Ok(Arc::new(HeldFile { file, held }))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        self.disk.list(folder)
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        self.disk.create_folder(name)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        self.disk.rename(from, to)
    }

    fn remove_file(&self, name: &str) -> io::Result<()> {
        self.disk.remove_file(name)
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.disk.remove_folder(name)
    }

    fn sync_folder(&self, name: &str) -> io::Result<()> {
        self.disk.sync_folder(name)
    }

    fn lock(&self, name: &str, owner: &str) -> Result<Box<dyn Lock>, LockError> {
        self.disk.lock(name, owner)
    }

    fn free_bytes(&self) -> io::Result<u64> {
        self.disk.free_bytes()
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        self.disk.boot_id()
    }

    fn keeps(&self) -> bool {
        self.disk.keeps()
    }
}

impl File for HeldFile {
    fn size(&self) -> io::Result<u64> {
        self.file.size()
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        self.file.read_at(into, at)
    }

    fn read_cached_at(&self, into: &mut [u8], at: u64) -> io::Result<Option<usize>> {
        self.file.read_cached_at(into, at)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        let _until_it_is_let_go = self.held.lock().unwrap();
        self.file.write_at(bytes, at)
    }

    fn allocate(&self, from: u64, to: u64) -> io::Result<bool> {
        self.file.allocate(from, to)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        self.file.set_size(size)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }
}
