//! What every disk does alike: the folder of the system, memory, and the one that loses power.
#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::io::ErrorKind;
use std::path::PathBuf;

use log::sim::SimDisk;
use log::{Disk, Entry, LockError, MemoryDisk, Mode, OsDisk, fill_at, put_at};

/// An empty folder of its own for each test, gone with it.
struct Folder(PathBuf);

impl Folder {
    fn new(test: &str) -> Self {
        let path = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(test);
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn on_all(test: &str, check: impl Fn(&dyn Disk)) {
    check(&MemoryDisk::new());
    check(&SimDisk::new());
    let folder = Folder::new(test);
    check(&OsDisk::new(&folder.0));
}

fn names(disk: &dyn Disk, folder: &str) -> Vec<String> {
    let name = |Entry { name, is_folder }| if is_folder { name + "/" } else { name };
    disk.list(folder).unwrap().into_iter().map(name).collect()
}

#[test]
fn bytes_are_read_as_they_were_written() {
    on_all("bytes", |disk| {
        let file = disk.open("a.log", Mode::CreateNew).unwrap();
        put_at(&*file, b"hello", 0).unwrap();
        put_at(&*file, b"J", 0).unwrap();
        put_at(&*file, b"!", 7).unwrap();
        file.sync_data().unwrap();
        let again = disk.open("a.log", Mode::Read).unwrap();
        let mut into = [9; 16];
        assert_eq!(fill_at(&*again, &mut into, 0).unwrap(), 8);
        assert_eq!(&into[..8], b"Jello\0\0!");
        assert_eq!(again.read_at(&mut into, 8).unwrap(), 0);
        assert_eq!(again.read_at(&mut into, 1 << 40).unwrap(), 0);
        // What was just written is in memory, whatever the file system.
        assert!(matches!(
            again.read_cached_at(&mut into, 6),
            Ok(Some(2) | None)
        ));
    });
}

#[test]
fn a_file_is_cut_and_made_longer_with_zeros() {
    on_all("sizes", |disk| {
        let file = disk.open("a", Mode::CreateNew).unwrap();
        put_at(&*file, b"abcdef", 0).unwrap();
        file.set_size(2).unwrap();
        file.set_size(4).unwrap();
        let mut into = [9; 8];
        assert_eq!(fill_at(&*file, &mut into, 0).unwrap(), 4);
        assert_eq!(&into[..4], b"ab\0\0");
    });
}

#[test]
fn what_is_allocated_ahead_does_not_change_the_size() {
    on_all("ahead", |disk| {
        let file = disk.open("a", Mode::CreateNew).unwrap();
        put_at(&*file, b"abc", 0).unwrap();
        file.allocate(3, 1 << 20).unwrap();
        file.allocate(5, 5).unwrap();
        assert_eq!(file.size().unwrap(), 3);
        assert!(disk.free_bytes().is_ok() || cfg!(windows));
    });
}

#[test]
fn folders_hold_files_and_folders() {
    on_all("folders", |disk| {
        disk.create_folder("t").unwrap();
        disk.create_folder("t/0").unwrap();
        disk.open("t/0/x", Mode::CreateNew).unwrap();
        disk.open("t/y", Mode::CreateNew).unwrap();
        disk.sync_folder("t").unwrap();
        assert_eq!(names(disk, ""), ["t/"]);
        assert_eq!(names(disk, "t"), ["0/", "y"]);
        let kind = |result: std::io::Result<()>| result.unwrap_err().kind();
        assert_eq!(kind(disk.create_folder("t")), ErrorKind::AlreadyExists);
        assert_eq!(kind(disk.create_folder("no/0")), ErrorKind::NotFound);
        assert_eq!(kind(disk.remove_folder("t")), ErrorKind::DirectoryNotEmpty);
        assert_eq!(kind(disk.remove_file("z")), ErrorKind::NotFound);
        disk.remove_file("t/0/x").unwrap();
        disk.remove_folder("t/0").unwrap();
        assert_eq!(names(disk, "t"), ["y"]);
    });
}

#[test]
fn a_folder_is_renamed_with_all_that_is_in_it() {
    on_all("renames", |disk| {
        disk.create_folder("7.creating").unwrap();
        let file = disk.open("7.creating/meta", Mode::CreateNew).unwrap();
        put_at(&*file, b"m", 0).unwrap();
        drop(file);
        disk.rename("7.creating", "7").unwrap();
        assert_eq!(names(disk, ""), ["7/"]);
        disk.rename("7/meta", "7/topic.meta").unwrap();
        assert_eq!(names(disk, "7"), ["topic.meta"]);
        let file = disk.open("7/topic.meta", Mode::Read).unwrap();
        assert_eq!(file.size().unwrap(), 1);
        assert!(disk.rename("nothing", "something").is_err());
    });
}

#[test]
fn a_file_is_opened_or_made_and_never_both() {
    on_all("modes", |disk| {
        let kind = |mode| disk.open("a", mode).err().map(|error| error.kind());
        assert_eq!(kind(Mode::Read), Some(ErrorKind::NotFound));
        assert_eq!(kind(Mode::Write), Some(ErrorKind::NotFound));
        assert_eq!(kind(Mode::CreateNew), None);
        assert_eq!(kind(Mode::CreateNew), Some(ErrorKind::AlreadyExists));
        assert_eq!(kind(Mode::Write), None);
    });
}

#[test]
fn a_removed_file_can_be_read_on() {
    on_all("removed", |disk| {
        let file = disk.open("a", Mode::CreateNew).unwrap();
        put_at(&*file, b"abc", 0).unwrap();
        disk.remove_file("a").unwrap();
        let mut into = [0; 3];
        assert_eq!(fill_at(&*file, &mut into, 0).unwrap(), 3);
        assert_eq!(&into, b"abc");
    });
}

#[test]
fn who_comes_second_to_a_lock_is_told_whose_it_is() {
    on_all("locks", |disk| {
        let lock = disk.lock("lock", "pid 123\n").unwrap();
        match disk.lock("lock", "pid 124\n") {
            // Windows lets nobody read what is locked.
            Err(LockError::Held(owner)) => assert!(owner == "pid 123\n" || cfg!(windows)),
            other => panic!("{other:?}"),
        }
        drop(lock);
        let _again = disk.lock("lock", "125").unwrap();
        match disk.lock("lock", "126") {
            Err(LockError::Held(owner)) => assert!(owner == "125" || cfg!(windows)),
            other => panic!("{other:?}"),
        }
    });
}

#[test]
#[cfg(unix)]
fn a_folder_that_was_replaced_is_not_changed() {
    let folder = Folder::new("replaced");
    let (root, moved) = (folder.0.join("log"), folder.0.join("moved"));
    std::fs::create_dir(&root).unwrap();
    let disk = OsDisk::new(&root);
    let _lock = disk.lock("lock", "me").unwrap();
    let file = disk.open("a.log", Mode::CreateNew).unwrap();
    std::fs::rename(&root, &moved).unwrap();
    std::fs::create_dir(&root).unwrap();
    let other = OsDisk::new(&root);
    let _other = other.lock("lock", "other").unwrap();
    put_at(
        &*other.open("a.log", Mode::CreateNew).unwrap(),
        b"theirs",
        0,
    )
    .unwrap();

    assert!(disk.open("a.log", Mode::Write).is_err());
    assert!(disk.open("b.log", Mode::CreateNew).is_err());
    assert!(disk.rename("a.log", "c.log").is_err());
    assert!(disk.remove_file("a.log").is_err());
    assert!(disk.create_folder("topics").is_err());
    assert_eq!(names(&other, ""), ["a.log", "lock"]);
    // What is open is still its own.
    put_at(&*file, b"mine", 0).unwrap();
    assert_eq!(std::fs::read(moved.join("a.log")).unwrap(), b"mine");
}

#[test]
#[cfg(unix)]
fn links_are_not_followed_and_pipes_are_not_waited_for() {
    let folder = Folder::new("links");
    let target = folder.0.join("target");
    std::fs::write(&target, b"somebody's").unwrap();
    for name in ["checkpoint.a", "lock"] {
        std::os::unix::fs::symlink(&target, folder.0.join(name)).unwrap();
    }
    let disk = OsDisk::new(&folder.0);
    for mode in [Mode::Read, Mode::Write] {
        assert!(disk.open("checkpoint.a", mode).is_err());
    }
    assert!(disk.lock("lock", "me").is_err());
    assert_eq!(std::fs::read(&target).unwrap(), b"somebody's");
    std::fs::create_dir(folder.0.join("elsewhere")).unwrap();
    std::os::unix::fs::symlink("elsewhere", folder.0.join("topics")).unwrap();
    assert!(disk.list("topics").is_err());
    assert!(disk.sync_folder("topics").is_err());
    assert!(disk.create_folder("topics").is_err());
    let pipe = std::process::Command::new("mkfifo")
        .arg(folder.0.join("kaska.format"))
        .status();
    assert!(pipe.unwrap().success());
    for mode in [Mode::Read, Mode::Write] {
        assert!(disk.open("kaska.format", mode).is_err());
    }
}
