//! F8 and F9: writes that find no room, that are short, and that fail.

use std::io;

use log::sim::SimDisk;
use log::{Appender, Boot, Disk, ErrorKind, Note, Outcome};

use crate::support::*;

/// A partition with one batch, and its appender.
fn started() -> (SimDisk, Appender) {
    let disk = SimDisk::new();
    disk.create_folder(FOLDER).unwrap();
    let opened = open(&disk, NOTHING, Boot::Same);
    let mut appender = Appender::new(opened.active, SEGMENT, MOST);
    append(&disk, &mut appender, &[b"first"]);
    (disk, appender)
}

fn write(appender: &mut Appender, value: &[u8]) -> Result<u64, log::Error> {
    let batch = encoded(appender, &[value]);
    match appender.write(batch)? {
        Outcome::Written { base_offset, .. } => Ok(base_offset),
        Outcome::Full(_) => panic!("the segment has room"),
    }
}

#[test]
fn without_room_nothing_is_stored_and_it_may_be_tried_again() {
    for full in [
        io::ErrorKind::StorageFull,
        io::ErrorKind::QuotaExceeded,
        io::ErrorKind::FileTooLarge,
    ] {
        let (disk, mut appender) = started();
        let before = first_log(&disk);
        disk.fail_write(0, full);
        let error = write(&mut appender, &[1; 3000]).unwrap_err();
        assert_eq!(error.kind, ErrorKind::NoSpace);
        assert_eq!(first_log(&disk), before);
        assert_eq!(write(&mut appender, b"second").unwrap(), 1);
        let opened = open(&disk, NOTHING, Boot::Same);
        assert_eq!(opened.notes, []);
        let stored = [(0, b"first".to_vec()), (1, b"second".to_vec())];
        assert_eq!(readable(&opened), stored);
    }
}

#[test]
fn a_write_that_fails_otherwise_is_the_last_one() {
    let (disk, mut appender) = started();
    disk.fail_write(0, io::ErrorKind::Other);
    let error = write(&mut appender, &[1; 3000]).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Storage);
    let after = first_log(&disk);
    assert_eq!(write(&mut appender, b"second").unwrap_err(), error);
    assert_eq!(first_log(&disk), after);
    // Opening it again finds a torn tail, and goes on.
    let opened = open(&disk, NOTHING, Boot::Same);
    assert!(matches!(
        opened.notes[..],
        [Note::Cut { kept_as: None, .. }]
    ));
    assert_eq!(opened.active.next_offset, 1);
    settled(&disk, opened, Boot::Same);
}

#[test]
fn a_partition_that_cannot_be_set_back_takes_nothing_more() {
    let (disk, mut appender) = started();
    disk.fail_write(0, io::ErrorKind::StorageFull);
    // The half write, the failed one, and no more for the cut.
    disk.lose_power_after(2);
    assert!(write(&mut appender, &[1; 3000]).is_err());
    let closed = write(&mut appender, b"second").unwrap_err();
    assert_eq!(closed.kind, ErrorKind::Storage);
    assert_eq!(closed.system.map(|system| system.1), Some("truncate"));
    assert_eq!(appender.segment().next_offset, 1);
}

#[test]
fn short_writes_are_written_on() {
    let (disk, mut appender) = started();
    for most in [1, 7, 512] {
        disk.write_at_most(most);
        write(&mut appender, &[9; 700]).unwrap();
    }
    let opened = open(&disk, NOTHING, Boot::Same);
    assert_eq!(opened.notes, []);
    assert_eq!(opened.active.next_offset, 4);
}

#[test]
fn what_cannot_be_kept_aside_is_not_cut() {
    let whole = [first_log(&*filled(1, SEGMENT)), vec![7; 9000]].concat();
    // Making the folder, every step of the copy, and the cut itself.
    for steps in 0..=6 {
        let disk = SimDisk::new();
        disk.create_folder(FOLDER).unwrap();
        let file = disk.open(&log::log_name(FOLDER, 0), log::Mode::CreateNew);
        log::put_at(&*file.unwrap(), &whole, 0).unwrap();
        disk.lose_power_after(steps);
        assert!(try_open(&disk, NOTHING, Boot::Other).is_err(), "{steps}");
        assert_eq!(first_log(&disk), whole, "{steps}");
    }
}
