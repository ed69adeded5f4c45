//! Files that are written whole, and rarely.

use std::io;

use crate::disk::{Disk, Mode, fill_at, put_at};
use crate::{Error, ErrorKind};

/// A whole file of at most `most` bytes; `None` if there is none.
pub(crate) fn load(disk: &dyn Disk, name: &str, most: u64) -> Result<Option<Vec<u8>>, Error> {
    let failed = |call, error: io::Error| Error::system(call, name, &error);
    let file = match disk.open(name, Mode::Read) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        opened => opened.map_err(|error| failed("open", error))?,
    };
    let size = file.size().map_err(|error| failed("stat", error))?;
    let Some(size) = usize::try_from(size).ok().filter(|_| size <= most) else {
        let message = format!("{name} has {size} bytes; at most {most} can be right");
        return Err(Error::new(ErrorKind::Corrupt, message));
    };
    let mut bytes = Vec::new();
    bytes.try_reserve_exact(size).map_err(|_| {
        let message = format!("no memory for {size} bytes of {name}");
        Error::new(ErrorKind::Storage, message)
    })?;
    bytes.resize(size, 0);
    let read = fill_at(&*file, &mut bytes, 0).map_err(|error| failed("read", error))?;
    bytes.truncate(read);
    Ok(Some(bytes))
}

/// Writes a file over what is there, durably but for its name. What is torn by a power cut is neither old nor new.
pub(crate) fn overwrite(disk: &dyn Disk, name: &str, bytes: &[u8]) -> Result<(), Error> {
    let failed = |call, error: io::Error| Error::system(call, name, &error);
    let opened = match disk.open(name, Mode::CreateNew) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => disk.open(name, Mode::Write),
        opened => opened,
    };
    let file = opened.map_err(|error| failed("open", error))?;
    put_at(&*file, bytes, 0).map_err(|error| failed("write", error))?;
    file.set_size(bytes.len() as u64)
        .map_err(|error| failed("truncate", error))?;
    file.sync_data().map_err(|error| failed("fdatasync", error))
}

/// Puts a file in the place of another, durably: after a power cut it is the old or the new one.
pub(crate) fn replace(
    disk: &dyn Disk,
    folder: &str,
    name: &str,
    bytes: &[u8],
) -> Result<(), Error> {
    let new = format!("{name}{NEW}");
    overwrite(disk, &new, bytes)?;
    disk.rename(&new, name)
        .map_err(|error| Error::system("rename", &new, &error))?;
    sync_folder(disk, folder)
}

/// How a file is called until it is whole.
pub(crate) const NEW: &str = ".new";

pub(crate) fn sync_folder(disk: &dyn Disk, folder: &str) -> Result<(), Error> {
    disk.sync_folder(folder)
        .map_err(|error| Error::system("fsync", folder, &error))
}

/// Makes a folder, if it is not there.
pub(crate) fn make_folder(disk: &dyn Disk, name: &str) -> Result<(), Error> {
    match disk.create_folder(name) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            Err(Error::system("mkdir", name, &error))
        }
        _ => Ok(()),
    }
}

/// Removes a folder and all that is in it.
pub(crate) fn remove_tree(disk: &dyn Disk, folder: &str) -> Result<(), Error> {
    remove_tree_in(disk, folder, MOST_TRIES)
}

/// So often a folder is looked at again in which something has come meanwhile.
const MOST_TRIES: u32 = 10;

fn remove_tree_in(disk: &dyn Disk, folder: &str, most: u32) -> Result<(), Error> {
    let entries = match disk.list(folder) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        entries => entries.map_err(|error| Error::system("readdir", folder, &error))?,
    };
    for entry in entries {
        let name = format!("{folder}/{}", entry.name);
        if entry.is_folder {
            remove_tree_in(disk, &name, most)?;
        } else {
            let removed = disk.remove_file(&name);
            removed.map_err(|error| Error::system("unlink", &name, &error))?;
        }
    }
    match disk.remove_folder(folder) {
        // Who began to write before its topic was deleted has made a file meanwhile; the next one is refused.
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && most > 0 => {
            remove_tree_in(disk, folder, most - 1)
        }
        removed => removed.map_err(|error| Error::system("rmdir", folder, &error)),
    }
}
