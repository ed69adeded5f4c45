//! Disks as files by name, to compare and to change.

use std::collections::BTreeMap;
use std::sync::Arc;

use log::sim::SimDisk;
use log::{Disk, Mode, fill_at, put_at};

/// The bytes of files by their names, folders in front.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// All files of a disk.
pub(crate) fn files_of(disk: &dyn Disk) -> Files {
    let mut files = Files::new();
    let mut folders = vec![String::new()];
    while let Some(folder) = folders.pop() {
        for entry in disk.list(&folder).unwrap() {
            let name = [folder.as_str(), &entry.name].join("/");
            let name = name.trim_start_matches('/').to_owned();
            if entry.is_folder {
                folders.push(name);
            } else {
                let bytes = read(disk, &name);
                files.insert(name, bytes);
            }
        }
    }
    files
}

/// All of a file.
pub(crate) fn read(disk: &dyn Disk, name: &str) -> Vec<u8> {
    let file = disk.open(name, Mode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    fill_at(&*file, &mut bytes, 0).unwrap();
    bytes
}

/// A disk with those files.
pub(crate) fn disk_of(files: &Files) -> Arc<SimDisk> {
    let disk = Arc::new(SimDisk::new());
    for (name, bytes) in files {
        for (end, _) in name.match_indices('/') {
            // It may be there from another file.
            let _ = disk.create_folder(name.get(..end).unwrap());
        }
        let file = disk.open(name, Mode::CreateNew).unwrap();
        put_at(&*file, bytes, 0).unwrap();
    }
    disk
}
