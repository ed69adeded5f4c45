//! A disk on which nothing can be written any more gives back what is deleted: at once, and for good.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use log::sim::Choices;
use log::*;

use crate::support::*;
use crate::wrapped::Wrapped;

/// Remembers warnings.
#[derive(Default)]
struct Warnings(Mutex<Vec<String>>);

impl Observer for Warnings {
    fn progressed(&self, _: &[Arc<Partition>]) {}
    fn happened(&self, event: &Event) {
        if let Event::Warning(text) = event {
            self.0.lock().unwrap().push(text.clone());
        }
    }
}

/// The names in a folder.
fn names(disk: &dyn Disk, folder: &str) -> Vec<String> {
    let entries = disk.list(folder).unwrap();
    entries.into_iter().map(|entry| entry.name).collect()
}

/// The base offsets of the first topic's segments.
fn bases(disk: &dyn Disk) -> Vec<u64> {
    let names = names(disk, "topics/00000001/0");
    names.iter().filter_map(|name| base_of(name)).collect()
}

/// A directory with a topic of so many segments of one record each, on a disk that is full then.
fn filled(disk: &Arc<Wrapped>, segments: u64, options: &TopicOptions) -> (Driven, Arc<Partition>) {
    let mut driven = Driven::open(disk).unwrap();
    let topic = driven.topic("t", options);
    for offset in 0..segments {
        topic.begin_segment();
        let acks = writer(Acks::All);
        append_as(&topic, &[&value_of(offset)], &acks, false).unwrap();
        driven.commit();
    }
    disk.moods.is_full.store(true, Ordering::SeqCst);
    (driven, topic)
}

#[test]
fn a_topic_is_deleted_where_nothing_can_be_written() {
    let disk = Wrapped::new(None);
    let (driven, topic) = filled(&disk, 3, &small());
    let warnings = Arc::new(Warnings::default());
    let observer = Arc::clone(&warnings) as Arc<dyn Observer>;
    driven.store.observe(observer);
    driven.keep_house();
    driven.store.delete_before(&topic, 1).unwrap();
    driven.store.delete_topic(1).unwrap();
    driven.keep_house();
    // All that is left is the mark.
    assert_eq!(names(&*disk, "topics"), ["00000001.deleted"]);
    assert_eq!(driven.store.poisoned(), None);
    for _ in 0..5 {
        driven.clock.pass(2000);
        driven.keep_house();
    }
    // That there is no checkpoint is told once.
    let told = warnings.0.lock().unwrap().clone();
    let of_checkpoint = told.iter().filter(|text| text.starts_with("checkpoint"));
    assert_eq!(of_checkpoint.count(), 1, "{told:?}");
    assert!(!told.iter().any(|text| text.starts_with("deleting")));
    drop((driven, topic));
    // It died so, and is full still.
    let driven = Driven::open(&disk).unwrap();
    assert_eq!(driven.store.topics(), []);
    driven.keep_house();
    assert_eq!(names(&*disk, "topics"), ["00000001.deleted"]);
    disk.moods.is_full.store(false, Ordering::SeqCst);
    driven.clock.pass(2000);
    driven.keep_house();
    assert_eq!(names(&*disk, "topics"), [""; 0]);
    let topic = driven.topic("t", &small());
    assert_eq!(topic.topic(), 2, "a number is used once");
    driven.store.close(None).unwrap();
    let again = Driven::open(&disk).unwrap();
    assert_eq!(again.report.notes, []);
    assert_eq!(again.topic("t", &small()).topic(), 2);
}

#[test]
fn what_marked_segments_of_a_topic_goes_with_it() {
    let disk = Wrapped::new(None);
    let (driven, topic) = filled(&disk, 3, &small());
    let warnings = Arc::new(Warnings::default());
    driven.keep_house();
    driven.store.delete_before(&topic, 1).unwrap();
    driven.store.delete_topic(1).unwrap();
    let observer = Arc::clone(&warnings) as Arc<dyn Observer>;
    driven.store.observe(observer);
    disk.moods.is_full.store(false, Ordering::SeqCst);
    driven.keep_house();
    assert_eq!(names(&*disk, "topics"), [""; 0]);
    assert_eq!(*warnings.0.lock().unwrap(), [""; 0]);
}

#[test]
fn a_topic_that_cannot_be_marked_as_deleted_stays_as_it_was() {
    let disk = Wrapped::new(None);
    let mut driven = Driven::open(&disk).unwrap();
    let topic = driven.topic("t", &small());
    written(append(&topic, &[&value_of(0)]));
    driven.commit();
    disk.rename("topics/00000001/topic.meta", "elsewhere")
        .unwrap();
    let refused = driven.store.delete_topic(1).unwrap_err();
    assert_eq!(refused.system, Some(("ENOENT", "rename")));
    disk.rename("elsewhere", "topics/00000001/topic.meta")
        .unwrap();
    written(append(&topic, &[&value_of(1)]));
    driven.commit();
    assert_eq!(read_all(&driven.store, &topic), records(0, 2));
    driven.store.delete_topic(1).unwrap();
}

#[test]
fn segments_are_deleted_where_nothing_can_be_written() {
    let by_size = TopicOptions {
        retention_bytes: Some(200),
        ..small()
    };
    for options in [small(), by_size] {
        let disk = Wrapped::new(None);
        let (driven, topic) = filled(&disk, 8, &options);
        if options.retention_bytes.is_some() {
            driven.clock.pass(40_000);
            driven.keep_house();
        } else {
            driven.store.delete_before(&topic, 6).unwrap();
        }
        let start = topic.ends().start;
        assert!(start > 3, "{start}");
        assert_eq!(bases(&*disk), Vec::from_iter(start..8));
        assert_eq!(driven.store.poisoned(), None);
        drop((driven, topic));
        disk.moods.is_full.store(false, Ordering::SeqCst);
        for room in [0, -1] {
            // No checkpoint tells of it. What is there can be written over, and nothing more.
            disk.moods.room.store(room, Ordering::SeqCst);
            let driven = Driven::open(&disk).unwrap();
            assert_eq!(driven.report.notes, []);
            let topic = driven.topic("t", &options);
            assert_eq!(topic.ends().start, start);
            assert_eq!(read_all(&driven.store, &topic), records(start, 8));
        }
        let left = names(&*disk, "topics/00000001/0");
        let marks = left.iter().filter(|name| name.ends_with(".start"));
        assert_eq!(marks.count(), 0, "{left:?}");
    }
}

#[test]
fn what_was_said_to_be_gone_stays_so_and_the_rest_is_there_wherever_the_power_fails() {
    for step in 0..40 {
        let disk = Wrapped::new(None);
        let (driven, topic) = filled(&disk, 5, &small());
        disk.inner.lose_power_after(step);
        let first = driven.store.delete_before(&topic, 2).is_ok();
        let second = driven.store.delete_before(&topic, 4).is_ok();
        let least = if second { 4 } else { u64::from(first) * 2 };
        drop((driven, topic));
        let mut choices = Choices::all();
        for _ in 0..300 {
            let found = Arc::new(disk.inner.crash(&mut choices));
            for _ in 0..2 {
                let driven = Driven::open(&found).unwrap();
                assert_eq!(driven.report.notes, [], "step {step}");
                let topic = driven.topic("t", &small());
                let start = topic.ends().start;
                assert!(least <= start && start <= 4, "{least} {start} {step}");
                assert_eq!(read_all(&driven.store, &topic), records(start, 5));
            }
            if !choices.advance() {
                break;
            }
        }
    }
}

#[test]
fn a_full_disk_with_a_torn_tail_is_opened_and_takes_deletions() {
    let disk = Wrapped::new(None);
    let (driven, topic) = filled(&disk, 3, &small());
    drop((driven, topic));
    let name = log_name("topics/00000001/0", 2);
    let log = disk.inner.open(&name, Mode::Write).unwrap();
    put_at(&*log, b"torn", log.size().unwrap()).unwrap();
    disk.moods.is_full.store(false, Ordering::SeqCst);
    disk.moods.room.store(0, Ordering::SeqCst);
    let driven = Driven::open(&disk).unwrap();
    assert!(matches!(driven.report.notes[..], [ref one] if matches!(one.note, Note::Cut { .. })));
    let topic = driven.topic("t", &small());
    assert_eq!(read_all(&driven.store, &topic), records(0, 3));
    driven.store.delete_topic(1).unwrap();
    driven.keep_house();
    assert_eq!(names(&*disk, "topics"), ["00000001.deleted"]);
}

#[test]
fn a_mark_of_a_segment_that_is_not_there_deletes_nothing() {
    let disk = Wrapped::new(None);
    let (driven, topic) = filled(&disk, 3, &small());
    drop((driven, topic));
    disk.moods.is_full.store(false, Ordering::SeqCst);
    for start in ["00000000000000000009", "09223372036854775807", "x"] {
        let name = format!("topics/00000001/0/{start}.start");
        disk.open(&name, Mode::CreateNew).unwrap();
    }
    let driven = Driven::open(&disk).unwrap();
    let topic = driven.topic("t", &small());
    assert_eq!(read_all(&driven.store, &topic), records(0, 3));
}

#[test]
fn what_stands_under_a_number_that_was_never_given_takes_that_one_and_no_other() {
    for (name, is_folder) in [
        ("topics/99999999.deleted", false),
        ("topics/99999999.creating", true),
        ("topics/99999999", true),
        ("topics/00000003.deleted", false),
        ("topics/00000003.creating", true),
        ("topics/00000002.creating", false),
        ("topics/00000002", false),
    ] {
        let disk = Wrapped::new(None);
        let driven = Driven::open(&disk).unwrap();
        driven.topic("one", &small());
        driven.store.close(None).unwrap();
        drop(driven);
        if is_folder {
            disk.create_folder(name).unwrap();
        } else {
            disk.open(name, Mode::CreateNew).unwrap();
        }
        let takes = |number: &u32| name.contains(&number.to_string());
        let free = Vec::from_iter((2..=5).filter(|number| !takes(number)));
        for number in free {
            let driven = Driven::open(&disk).unwrap();
            let report = &driven.report;
            // What lies below a number that was given since may be a leftover of ours.
            if number == 2 || takes(&2) {
                let told = report.foreign.len() + report.damaged_topics.len();
                assert_eq!(told, 1, "{name}: {report:?}");
            }
            driven.keep_house();
            let topic = driven.topic(&format!("t{number}"), &small());
            assert_eq!(topic.topic(), number, "{name}");
            // It died.
        }
    }
}

#[test]
fn a_mark_beside_a_whole_topic_deletes_nothing() {
    let disk = Wrapped::new(None);
    let (driven, topic) = filled(&disk, 3, &small());
    drop((driven, topic));
    disk.moods.is_full.store(false, Ordering::SeqCst);
    disk.open("topics/00000001.deleted", Mode::CreateNew)
        .unwrap();
    for _ in 0..2 {
        let driven = Driven::open(&disk).unwrap();
        assert_eq!(driven.report.foreign, ["topics/00000001.deleted"]);
        driven.keep_house();
        let topic = driven.topic("t", &small());
        assert_eq!(read_all(&driven.store, &topic), records(0, 3));
        driven.store.close(None).unwrap();
    }
    let driven = Driven::open(&disk).unwrap();
    driven.store.delete_topic(1).unwrap();
    driven.keep_house();
    assert_eq!(names(&*disk, "topics"), [""; 0]);
}

#[test]
fn numbers_are_used_once_wherever_the_process_dies() {
    // Two are made and deleted before any checkpoint tells of them.
    for deleted in [&[1][..], &[2], &[1, 2]] {
        let disk = Wrapped::new(None);
        let driven = Driven::open(&disk).unwrap();
        driven.topic("a", &small());
        driven.topic("b", &small());
        for number in deleted {
            driven.store.delete_topic(*number).unwrap();
        }
        drop(driven);
        let driven = Driven::open(&disk).unwrap();
        assert_eq!(driven.report.foreign, [""; 0]);
        assert_eq!(driven.report.damaged_topics, []);
        driven.keep_house();
        assert_eq!(names(&*disk, "topics").len(), 2 - deleted.len());
        drop(driven);
        let driven = Driven::open(&disk).unwrap();
        assert_eq!(driven.topic("c", &small()).topic(), 3);
    }
}
