//! A partition of several segments: rolling, and what becomes of one that is missing or does not follow.

use log::{Appender, Boot, Disk, Durable, Mode, Note, Segment, log_name, put_at};

use crate::support::*;

const SMALL: u32 = 300;

fn bases(disk: &dyn Disk) -> Vec<u64> {
    let entries = disk.list(FOLDER).unwrap();
    entries
        .iter()
        .filter_map(|entry| log::base_of(&entry.name))
        .collect()
}

#[test]
fn a_segment_that_is_full_is_followed_by_the_next() {
    let disk = filled(9, SMALL);
    let bases = bases(&*disk);
    assert!(bases.len() > 2, "{bases:?}");
    for boot in [Boot::Same, Boot::Other] {
        let opened = open(&*disk, NOTHING, boot);
        assert_eq!(opened.notes, []);
        assert_eq!(readable(&opened), records(0, 18));
        for segment in opened.sealed {
            assert!(segment.size <= SMALL);
        }
    }
}

#[test]
fn each_record_is_found_by_its_offset() {
    let disk = filled(300, SEGMENT);
    let opened = open(&*disk, NOTHING, Boot::Same);
    for offset in 0..600 {
        let (position, header) = opened.active.find(offset).unwrap().unwrap();
        assert_eq!(header.base_offset, offset - offset % 2);
        assert_eq!(opened.active.header_at(position).unwrap(), Some(header));
    }
    assert_eq!(opened.active.find(600).unwrap(), None);
}

#[test]
fn a_wrong_index_costs_time_and_nothing_else() {
    let disk = filled(300, SEGMENT);
    let segment = open(&*disk, NOTHING, Boot::Same).active;
    // In the middle of a batch, behind the batch that is asked for, and behind the end.
    for position in [
        7,
        segment.size - 90,
        segment.size - 1,
        segment.size,
        u32::MAX,
    ] {
        segment.indexer.lock().unwrap().offsets = log::OffsetIndex::new(0);
        segment.indexer.lock().unwrap().offsets.push(3, position);
        for offset in [3, 4, 100, 300] {
            let (_, header) = segment.find(offset).unwrap().unwrap();
            assert_eq!(header.base_offset, offset - offset % 2, "{position}");
        }
    }
}

#[test]
fn batches_larger_than_what_is_read_at_once_are_scanned() {
    const LARGE: u32 = 1 << 25;
    let disk = memory();
    let opened = open(&*disk, NOTHING, Boot::Same);
    let mut appender = Appender::new(opened.active, LARGE, LARGE);
    for length in [700_000, 2_500_000, 10, 1 << 20, 3] {
        append(&*disk, &mut appender, &[&vec![5; length]]);
    }
    let segment = appender.segment();
    let (file, size) = (&*segment.file, segment.size);
    let whole = log::scan(file, "large", 0, size, LARGE).unwrap();
    assert_eq!((whole.end, whole.batches, whole.fault), (size, 5, None));
    assert!(whole.indexer == *segment.indexer.lock().unwrap());
    put_at(file, &[9], 100).unwrap();
    let damaged = log::scan(file, "large", 0, size, LARGE).unwrap();
    assert_eq!((damaged.end, damaged.batches), (0, 0));
    let survey = log::survey(file, "large", 0, size, LARGE, &damaged, u64::MAX).unwrap();
    let [run] = survey.runs[..] else {
        panic!("{survey:?}");
    };
    assert_eq!((run.first_offset, run.next_offset, run.batches), (1, 5, 4));
    assert_eq!((run.to, survey.gave_up), (size, false));
}

#[test]
fn a_scan_makes_the_indexes_that_appending_made() {
    let disk = memory();
    let opened = open(&*disk, NOTHING, Boot::Same);
    let mut appender = Appender::new(opened.active, SEGMENT, MOST);
    for many in 0..500 {
        append(&*disk, &mut appender, &[&vec![7; many % 90]]);
    }
    let opened = open(&*disk, NOTHING, Boot::Same);
    let index = opened.active.indexer.lock().unwrap().clone();
    assert!(index == *appender.segment().indexer.lock().unwrap());
    assert!(!index.offsets.encode().is_empty());
}

#[test]
fn a_batch_larger_than_a_segment_gets_one_of_its_own() {
    let disk = memory();
    let opened = open(&*disk, NOTHING, Boot::Same);
    let mut appender = Appender::new(opened.active, SMALL, MOST);
    for length in [10, 5_000, 10] {
        append(&*disk, &mut appender, &[&vec![1; length]]);
    }
    assert_eq!(bases(&*disk), [0, 1, 2]);
}

#[test]
fn what_does_not_follow_after_a_power_cut_is_taken_out_and_kept() {
    let disk = filled(9, SMALL);
    let bases = bases(&*disk);
    let third = bytes_of(&*disk, &log_name(FOLDER, bases[2]));
    disk.remove_file(&log_name(FOLDER, bases[1])).unwrap();
    let opened = open(&*disk, NOTHING, Boot::Other);
    assert_eq!(readable(&opened), records(0, bases[1]));
    assert_eq!(opened.notes.len(), bases.len() - 2);
    let Note::Removed {
        segment,
        kept_as: Some(name),
    } = &opened.notes[0]
    else {
        panic!("{:?}", opened.notes);
    };
    assert_eq!(*segment, bases[2]);
    assert_eq!(bytes_of(&*disk, name), third);
    settled(&*disk, opened, Boot::Other);
}

#[test]
fn a_missing_segment_is_told_if_no_power_was_lost() {
    let disk = filled(9, SMALL);
    let bases = bases(&*disk);
    disk.remove_file(&log_name(FOLDER, bases[1])).unwrap();
    let opened = open(&*disk, NOTHING, Boot::Same);
    let missing = Note::Missing {
        first: bases[1],
        next: bases[2],
    };
    assert_eq!(opened.notes, [missing]);
    let kept = [records(0, bases[1]), records(bases[2], 18)].concat();
    assert_eq!(readable(&opened), kept);
    settled(&*disk, opened, Boot::Same);
}

#[test]
fn an_empty_segment_that_was_made_too_early_just_goes() {
    let disk = filled(2, SEGMENT);
    Segment::create(&*disk, FOLDER, 99).unwrap();
    let opened = open(&*disk, NOTHING, Boot::Other);
    let removed = Note::Removed {
        segment: 99,
        kept_as: None,
    };
    assert_eq!(opened.notes, [removed]);
    assert_eq!(bases(&*disk), [0]);
    settled(&*disk, opened, Boot::Other);
}

#[test]
fn what_follows_a_promised_segment_that_is_gone_stays() {
    let disk = filled(9, SMALL);
    let bases = bases(&*disk);
    let durable = Durable {
        segment: bases[1],
        position: 100,
        next_offset: bases[1] + 2,
    };
    disk.remove_file(&log_name(FOLDER, bases[1])).unwrap();
    for boot in [Boot::Other, Boot::Same] {
        let opened = open(&*disk, durable, boot);
        let kept = [records(0, bases[1]), records(bases[2], 18)].concat();
        assert_eq!(readable(&opened), kept);
        let missing = |first, next| Note::Missing { first, next };
        let mut notes = vec![missing(bases[1], bases[1] + 2)];
        if bases[2] > bases[1] + 2 {
            notes.push(missing(bases[1] + 2, bases[2]));
        }
        assert_eq!(opened.notes, notes);
    }
}

#[test]
fn an_empty_segment_shows_that_there_was_more_before_it_while_the_power_is_on() {
    let whole = first_log(&*filled(3, SEGMENT));
    let disk = with_log(&whole[..whole.len() - 5]);
    Segment::create(&*disk, FOLDER, 6).unwrap();
    let opened = open(&*disk, NOTHING, Boot::Same);
    assert!(matches!(opened.notes[0], Note::Damaged { first: 4, .. }));
    assert_eq!(opened.active.base_offset, 6);
    assert_eq!(first_log(&*disk).len(), whole.len() - 5);
    settled(&*disk, opened, Boot::Same);
}

#[test]
fn all_that_was_promised_is_gone_and_its_offsets_stay_taken() {
    let durable = Durable {
        segment: 40,
        position: 500,
        next_offset: 44,
    };
    let disk = memory();
    let opened = open(&*disk, durable, Boot::Other);
    assert_eq!(
        opened.notes,
        [Note::Missing {
            first: 40,
            next: 44
        }]
    );
    assert_eq!(opened.active.base_offset, 44);
    settled(&*disk, opened, Boot::Other);
}

#[test]
fn what_was_kept_once_is_not_written_over() {
    let whole = first_log(&*filled(1, SEGMENT));
    let disk = with_log(&[&whole[..], &[1; 9000]].concat());
    for round in 0..3 {
        let opened = open(&*disk, NOTHING, Boot::Other);
        assert_eq!(opened.notes.len(), 1);
        assert_eq!(disk.list(REMOVED).unwrap().len(), round + 1);
        let file = disk.open(&log_name(FOLDER, 0), Mode::Write).unwrap();
        put_at(&*file, &[1; 9000], whole.len() as u64).unwrap();
    }
}

#[test]
fn other_files_in_the_folder_are_left_alone() {
    let disk = filled(1, SEGMENT);
    for name in ["notes.txt", "1.log", "00000000000000000007.log.deleted"] {
        disk.open(&format!("{FOLDER}/{name}"), Mode::CreateNew)
            .unwrap();
    }
    let opened = open(&*disk, NOTHING, Boot::Other);
    assert_eq!(opened.notes, []);
    assert_eq!(disk.list(FOLDER).unwrap().len(), 4);
}
