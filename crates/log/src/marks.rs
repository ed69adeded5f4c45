//! What is deleted is said by the name of a file, before anything of it goes: making or renaming a file takes no room, so
//! a full disk gives back what is on it. A mark goes when a checkpoint says the same.

use std::io;

use crate::Error;
use crate::disk::{Disk, Entry, Mode};
use crate::opening::{META, TOPICS, topic_folder};
use crate::segment::{MOST_OFFSET, base_of, beside, offset_in};
use crate::small_file::sync_folder;
use crate::store::TopicNumber;

/// A file that says that something is deleted.
#[derive(Clone, Debug)]
pub(crate) struct Mark {
    folder: String,
    name: String,
}

/// Behind the number of a topic that is deleted.
pub(crate) const DELETED: &str = ".deleted";
/// The kind of the file that is called by the offset that a partition begins with.
const START: &str = "start";

impl Mark {
    /// That of a topic that is deleted.
    pub(crate) fn topic(number: TopicNumber) -> Self {
        Self {
            folder: TOPICS.into(),
            name: format!("{}{DELETED}", topic_folder(number)),
        }
    }

    /// That of a partition that begins with `start`, where one of its segments begins.
    pub(crate) fn start(folder: &str, start: u64) -> Self {
        Self {
            folder: folder.into(),
            name: beside(folder, start, START),
        }
    }

    /// Marks a topic: what says what it was becomes the mark. Nothing that may be open is renamed.
    pub(crate) fn make_of_topic(&self, disk: &dyn Disk, number: TopicNumber) -> Result<(), Error> {
        let meta = format!("{}/{META}", topic_folder(number));
        disk.rename(&meta, &self.name)
            .map_err(|error| Error::system("rename", &meta, &error))
    }

    /// Marks a partition.
    pub(crate) fn make(&self, disk: &dyn Disk) -> Result<(), Error> {
        match disk.open(&self.name, Mode::CreateNew) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                Err(Error::system("open", &self.name, &error))
            }
            _ => Ok(()),
        }
    }

    /// Makes durable that it is there, and what has changed beside it.
    pub(crate) fn settle(&self, disk: &dyn Disk) -> Result<(), Error> {
        sync_folder(disk, &self.folder)
    }

    /// Whether it stands below `folder`.
    pub(crate) fn is_below(&self, folder: &str) -> bool {
        let rest = self.folder.strip_prefix(folder);
        rest.is_some_and(|rest| rest.starts_with('/'))
    }

    /// Removes it. What it says is told by a checkpoint; what it marked must be gone for good, or be dropped by that.
    pub(crate) fn remove(&self, disk: &dyn Disk) -> Result<(), Error> {
        self.settle(disk)?;
        match disk.remove_file(&self.name) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => {
                Err(Error::system("unlink", &self.name, &error))
            }
            _ => Ok(()),
        }
    }
}

/// Where a partition begins by its marks, and those. Only one that names a segment counts: no name in the folder makes all
/// of it vanish.
pub(crate) fn starts(folder: &str, entries: &[Entry]) -> (u64, Vec<Mark>) {
    let all = entries.iter().filter(|entry| !entry.is_folder);
    let offsets: Vec<u64> = all
        .filter_map(|entry| offset_in(&entry.name, START))
        .filter(|start| *start <= MOST_OFFSET)
        .collect();
    let is_base = |start: &&u64| {
        let mut bases = entries.iter().filter_map(|entry| base_of(&entry.name));
        bases.any(|base| base == **start)
    };
    let start = offsets.iter().filter(is_base).max().copied();
    let marks = offsets.iter().map(|start| Mark::start(folder, *start));
    (start.unwrap_or(0), marks.collect())
}
