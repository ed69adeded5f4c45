//! What a power cut leaves of a disk: the model that the tests of recovery stand on.
#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::collections::BTreeSet;

use log::sim::{Choices, SimDisk};
use log::{Disk, Mode, fill_at, put_at};

/// All disks that a power cut may leave.
fn crashes(disk: &SimDisk) -> Vec<SimDisk> {
    let mut choices = Choices::all();
    let mut found = vec![disk.crash(&mut choices)];
    while choices.advance() {
        found.push(disk.crash(&mut choices));
    }
    found
}

fn content(disk: &SimDisk, name: &str) -> Option<Vec<u8>> {
    let file = disk.open(name, Mode::Read).ok()?;
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    fill_at(&*file, &mut bytes, 0).unwrap();
    Some(bytes)
}

fn contents(disk: &SimDisk, name: &str) -> BTreeSet<Option<Vec<u8>>> {
    crashes(disk)
        .iter()
        .map(|found| content(found, name))
        .collect()
}

#[test]
fn what_was_synced_stays_and_what_was_not_may_be_torn() {
    let disk = SimDisk::new();
    let file = disk.open("a", Mode::CreateNew).unwrap();
    disk.sync_folder("").unwrap();
    put_at(&*file, &[1; 100], 0).unwrap();
    file.sync_data().unwrap();
    put_at(&*file, &[2; 1400], 100).unwrap();
    let old = [1; 100];
    let seen = contents(&disk, "a");
    let state = |parts: &[(u8, usize)]| {
        let mut bytes = old.to_vec();
        for (byte, many) in parts {
            bytes.resize(bytes.len() + many, *byte);
        }
        Some(bytes)
    };
    // Lost, grown with zeros, torn at 512 and 1,024 with and without that, whole, and behind a hole.
    let may_be = [
        state(&[]),
        state(&[(0, 1400)]),
        state(&[(2, 412)]),
        state(&[(2, 412), (0, 988)]),
        state(&[(2, 924)]),
        state(&[(2, 924), (0, 476)]),
        state(&[(2, 1400)]),
        state(&[(0, 412), (2, 988)]),
        state(&[(0, 924), (2, 476)]),
    ];
    assert_eq!(seen, BTreeSet::from(may_be));
}

#[test]
fn a_name_is_there_for_sure_when_its_folder_is_synced() {
    let disk = SimDisk::new();
    let file = disk.open("a", Mode::CreateNew).unwrap();
    put_at(&*file, b"x", 0).unwrap();
    file.sync_data().unwrap();
    let either = BTreeSet::from([None, Some(b"x".to_vec())]);
    assert_eq!(contents(&disk, "a"), either);
    disk.sync_folder("").unwrap();
    assert_eq!(contents(&disk, "a"), BTreeSet::from([Some(b"x".to_vec())]));
    disk.remove_file("a").unwrap();
    assert_eq!(contents(&disk, "a"), either);
}

#[test]
fn a_file_that_is_renamed_has_one_of_its_names() {
    let disk = SimDisk::new();
    disk.create_folder("t").unwrap();
    disk.open("a", Mode::CreateNew).unwrap();
    disk.sync_folder("").unwrap();
    disk.rename("a", "t/b").unwrap();
    for found in crashes(&disk) {
        let names = [
            content(&found, "a").is_some(),
            content(&found, "t/b").is_some(),
        ];
        assert!(names == [true, false] || names == [false, true]);
    }
}

#[test]
fn what_a_failed_sync_was_to_write_is_lost_though_the_next_one_succeeds() {
    let disk = SimDisk::new();
    let file = disk.open("a", Mode::CreateNew).unwrap();
    disk.sync_folder("").unwrap();
    put_at(&*file, b"x", 0).unwrap();
    disk.fail_sync(0);
    assert!(file.sync_data().is_err());
    assert!(file.sync_data().is_ok());
    assert_eq!(content(&disk, "a"), Some(b"x".to_vec()));
    assert_eq!(contents(&disk, "a"), BTreeSet::from([Some(Vec::new())]));
}

#[test]
fn without_power_nothing_changes_any_more() {
    let disk = SimDisk::new();
    let file = disk.open("a", Mode::CreateNew).unwrap();
    disk.lose_power_after(1);
    assert!(put_at(&*file, b"x", 0).is_ok());
    assert!(put_at(&*file, b"y", 0).is_err());
    assert!(file.sync_data().is_err() && disk.sync_folder("").is_err());
    assert!(disk.create_folder("t").is_err() && disk.remove_file("a").is_err());
    assert_eq!(content(&disk, "a"), Some(b"x".to_vec()));
    assert_ne!(disk.crash(&mut Choices::all()).boot_id(), disk.boot_id());
}
