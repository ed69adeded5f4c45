use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};

use crate::disk::{Disk, Entry, File, Lock, LockError, Mode, copy_at};
use crate::locks::{lock, read, write};

/// A disk in memory, for `':memory:'` and for tests. Nothing outlives it.
#[derive(Debug, Default)]
pub struct MemoryDisk {
    tree: Mutex<Tree>,
}

#[derive(Debug, Default)]
struct Tree {
    folders: BTreeSet<String>,
    files: BTreeMap<String, Arc<MemoryFile>>,
    locks: BTreeMap<String, (String, std::sync::Weak<()>)>,
}

impl MemoryDisk {
    /// An empty folder.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    fn tree(&self) -> MutexGuard<'_, Tree> {
        // No step below leaves the tree half changed, so what a panic of another thread left is whole.
        lock(&self.tree)
    }
}

impl Tree {
    fn has_folder(&self, name: &str) -> bool {
        name.is_empty() || self.folders.contains(name)
    }

    fn parent_exists(&self, name: &str) -> io::Result<()> {
        let parent = name.rsplit_once('/').map_or("", |(parent, _)| parent);
        if self.has_folder(parent) {
            Ok(())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn is_empty(&self, folder: &str) -> bool {
        let inside = format!("{folder}/");
        let below = |name: Option<&String>| name.is_some_and(|name| name.starts_with(&inside));
        !below(self.folders.range(inside.clone()..).next())
            && !below(self.files.range(inside.clone()..).next().map(|file| file.0))
    }
}

/// The names that begin with `inside`, in order.
fn below<'a>(names: impl Iterator<Item = &'a String>, inside: &str) -> Vec<String> {
    let below = names.take_while(|name| name.starts_with(inside));
    below.cloned().collect()
}

impl Disk for MemoryDisk {
    fn open(&self, name: &str, mode: Mode) -> io::Result<Arc<dyn File>> {
        let mut tree = self.tree();
        if let Some(file) = tree.files.get(name) {
            if mode == Mode::CreateNew {
                return Err(io::ErrorKind::AlreadyExists.into());
            }
            return Ok(Arc::clone(file) as Arc<dyn File>);
        }
        if tree.has_folder(name) {
            return Err(io::ErrorKind::IsADirectory.into());
        }
        if mode != Mode::CreateNew {
            return Err(io::ErrorKind::NotFound.into());
        }
        tree.parent_exists(name)?;
        let file = Arc::new(MemoryFile::default());
        tree.files.insert(name.to_owned(), Arc::clone(&file));
        Ok(file)
    }

    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        let tree = self.tree();
        if !tree.has_folder(folder) {
            return Err(io::ErrorKind::NotFound.into());
        }
        let inside = if folder.is_empty() {
            String::new()
        } else {
            format!("{folder}/")
        };
        let here = |name: &String, is_folder| {
            let name = name.strip_prefix(&inside)?;
            (!name.contains('/')).then(|| Entry {
                name: name.to_owned(),
                is_folder,
            })
        };
        let begins = |name: &&String| name.starts_with(&inside);
        let folders = tree.folders.range(inside.clone()..).take_while(begins);
        let folders = folders.filter_map(|name| here(name, true));
        let files = tree.files.range(inside.clone()..).map(|file| file.0);
        let files = files
            .take_while(begins)
            .filter_map(|name| here(name, false));
        let mut entries: Vec<_> = folders.chain(files).collect();
        entries.sort();
        Ok(entries)
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        let mut tree = self.tree();
        if tree.has_folder(name) || tree.files.contains_key(name) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        tree.parent_exists(name)?;
        tree.folders.insert(name.to_owned());
        Ok(())
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut tree = self.tree();
        tree.parent_exists(to)?;
        if let Some(file) = tree.files.get(from).map(Arc::clone) {
            if tree.has_folder(to) {
                return Err(io::ErrorKind::IsADirectory.into());
            }
            tree.files.remove(from);
            tree.files.insert(to.to_owned(), file);
            return Ok(());
        }
        if from.is_empty() || !tree.has_folder(from) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if tree.has_folder(to) || tree.files.contains_key(to) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let inside = format!("{from}/");
        let moved = |name: &str| format!("{to}{}", name.strip_prefix(from).unwrap_or_default());
        let mut folders = below(tree.folders.range(inside.clone()..), &inside);
        folders.push(from.to_owned());
        for name in folders {
            tree.folders.remove(&name);
            tree.folders.insert(moved(&name));
        }
        let files = tree.files.range(inside.clone()..).map(|file| file.0);
        for name in below(files, &inside) {
            if let Some(file) = tree.files.remove(&name) {
                tree.files.insert(moved(&name), file);
            }
        }
        Ok(())
    }

    fn remove_file(&self, name: &str) -> io::Result<()> {
        let removed = self.tree().files.remove(name);
        removed
            .map(drop)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        let mut tree = self.tree();
        if name.is_empty() || !tree.has_folder(name) {
            return Err(io::ErrorKind::NotFound.into());
        }
        if !tree.is_empty(name) {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        tree.folders.remove(name);
        Ok(())
    }

    fn sync_folder(&self, name: &str) -> io::Result<()> {
        if self.tree().has_folder(name) {
            Ok(())
        } else {
            Err(io::ErrorKind::NotFound.into())
        }
    }

    fn lock(&self, name: &str, owner: &str) -> Result<Box<dyn Lock>, LockError> {
        let mut tree = self.tree();
        if let Some((owner, held)) = tree.locks.get(name)
            && held.strong_count() > 0
        {
            return Err(LockError::Held(owner.clone()));
        }
        let held = Arc::new(());
        let seen = Arc::downgrade(&held);
        tree.locks.insert(name.to_owned(), (owner.to_owned(), seen));
        Ok(Box::new(MemoryLock { _held: held }))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        None
    }

    fn keeps(&self) -> bool {
        false
    }
}

#[derive(Debug)]
struct MemoryLock {
    _held: Arc<()>,
}

impl Lock for MemoryLock {}

#[derive(Debug, Default)]
struct MemoryFile {
    bytes: RwLock<Vec<u8>>,
}

impl File for MemoryFile {
    fn size(&self) -> io::Result<u64> {
        let bytes = read(&self.bytes);
        Ok(bytes.len() as u64)
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let bytes = read(&self.bytes);
        Ok(copy_at(&bytes, into, at))
    }

    fn read_cached_at(&self, into: &mut [u8], at: u64) -> io::Result<Option<usize>> {
        self.read_at(into, at).map(Some)
    }

    fn write_at(&self, new: &[u8], at: u64) -> io::Result<usize> {
        let at = usize::try_from(at).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let end = at
            .checked_add(new.len())
            .ok_or(io::ErrorKind::FileTooLarge)?;
        let mut bytes = write(&self.bytes);
        if end > bytes.len() {
            resize(&mut bytes, end)?;
        }
        if let Some(place) = bytes.get_mut(at..end) {
            place.copy_from_slice(new);
        }
        Ok(new.len())
    }

    fn allocate(&self, _: u64, _: u64) -> io::Result<bool> {
        Ok(false)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let size = usize::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut bytes = write(&self.bytes);
        resize(&mut bytes, size)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }
}

/// Memory is asked for, not demanded: a log that outgrows it fails as one that outgrows a disk does.
fn resize(bytes: &mut Vec<u8>, size: usize) -> io::Result<()> {
    if let Some(more) = size.checked_sub(bytes.len()) {
        bytes
            .try_reserve(more)
            .map_err(|_| io::ErrorKind::StorageFull)?;
    }
    bytes.resize(size, 0);
    Ok(())
}
