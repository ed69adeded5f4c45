//! What a directory must be to be opened, and what is told of one that is not as it was left.

use std::sync::Arc;

use log::sim::{Choices, SimClock, SimDisk};
use log::*;

use crate::support::*;
use crate::wrapped::Wrapped;

/// All files with their bytes.
fn content(disk: &dyn Disk, folder: &str) -> Vec<(String, Vec<u8>)> {
    let mut all = Vec::new();
    for entry in disk.list(folder).unwrap() {
        let name = match folder {
            "" => entry.name.clone(),
            _ => format!("{folder}/{}", entry.name),
        };
        if entry.is_folder {
            all.push((name.clone(), Vec::new()));
            all.extend(content(disk, &name));
        } else {
            let file = disk.open(&name, Mode::Read).unwrap();
            let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
            fill_at(&*file, &mut bytes, 0).unwrap();
            all.push((name, bytes));
        }
    }
    all
}

fn refused(disk: &Arc<SimDisk>, config: &Config) -> ErrorKind {
    let before = content(&**disk, "");
    let clock = Arc::new(SimClock::new(BEGIN_MS));
    let kind = match Driven::open_at(disk, clock, config) {
        Ok(_) => panic!("it was opened"),
        Err(error) => error.kind,
    };
    assert_eq!(content(&**disk, ""), before, "nothing was changed");
    kind
}

#[test]
fn a_folder_that_is_no_log_is_refused_and_not_changed() {
    let disk = Arc::new(SimDisk::new());
    let never = Config {
        create: false,
        ..config()
    };
    assert_eq!(refused(&disk, &never), ErrorKind::NotFound);
    disk.open("letter.txt", Mode::CreateNew).unwrap();
    assert_eq!(refused(&disk, &config()), ErrorKind::Invalid);
    assert_eq!(refused(&disk, &never), ErrorKind::Invalid);
    disk.remove_file("letter.txt").unwrap();
    drop(Driven::open(&disk).unwrap());
    drop(Driven::open_at(&disk, Arc::new(SimClock::new(0)), &never).unwrap());
    // Torn, it is damaged and neither newer nor missing.
    let format = disk.open("kaska.format", Mode::Write).unwrap();
    format.set_size(20).unwrap();
    assert_eq!(refused(&disk, &config()), ErrorKind::Corrupt);
}

#[test]
fn what_is_not_ours_is_told_and_left_alone() {
    let disk = Arc::new(SimDisk::new());
    Driven::open(&disk).unwrap().store.close(None).unwrap();
    disk.open("letter.txt", Mode::CreateNew).unwrap();
    disk.create_folder("topics/letters").unwrap();
    disk.open("topics/00000007", Mode::CreateNew).unwrap();
    let driven = Driven::open(&disk).unwrap();
    assert_eq!(
        driven.report.foreign,
        ["letter.txt", "topics/00000007", "topics/letters"]
    );
    driven.topic("t", &small());
    driven.keep_house();
    driven.store.close(None).unwrap();
    assert!(disk.open("letter.txt", Mode::Read).is_ok());
    assert!(disk.list("topics/letters").is_ok());
}

#[test]
fn a_partition_that_cannot_be_read_keeps_no_other_from_being_used() {
    let disk = Wrapped::new(None);
    let mut driven = Driven::open(&disk).unwrap();
    for name in ["a", "b"] {
        let topic = driven.topic(name, &small());
        written(append(&topic, &[&value_of(0)]));
        driven.commit();
    }
    driven.store.close(None).unwrap();
    drop(driven);
    for clean in [true, false] {
        *disk.moods.forbidden.lock().unwrap() = Some("topics/00000001/0/");
        let mut driven = Driven::open(&disk).unwrap();
        let [(1, 0, ref why)] = driven.report.unavailable[..] else {
            panic!("{:?}", driven.report)
        };
        assert_eq!(why.system, Some(("EACCES", "open")));
        let (a, b) = (driven.topic("a", &small()), driven.topic("b", &small()));
        assert_eq!(a.unavailable(), Some(why));
        assert_eq!(append(&a, &[b"x"]).unwrap_err().system, why.system);
        let unread = read_from(&driven.store, &a, 0, 100).unwrap_err();
        assert_eq!(unread.system, why.system);
        let next = b.ends().written;
        written(append(&b, &[&value_of(next)]));
        driven.commit();
        driven.keep_house();
        if clean {
            driven.store.close(None).unwrap();
        }
        drop((driven, a, b));
        // What was known of it is known still.
        *disk.moods.forbidden.lock().unwrap() = None;
        let driven = Driven::open(&disk).unwrap();
        assert_eq!(driven.report.notes, []);
        let (a, b) = (driven.topic("a", &small()), driven.topic("b", &small()));
        assert_eq!(read_all(&driven.store, &a), records(0, 1));
        assert_eq!(read_all(&driven.store, &b), records(0, next + 1));
    }
}

#[test]
fn the_lock_tells_who_has_the_directory() {
    let disk = Arc::new(SimDisk::new());
    let driven = Driven::open(&disk).unwrap();
    let second = Driven::open(&disk).map(|_| ()).unwrap_err();
    assert_eq!(second.kind, ErrorKind::Locked);
    assert!(
        second
            .message
            .contains(&format!("pid {}", std::process::id())),
        "{second}"
    );
    drop(driven);
    drop(Driven::open(&disk).unwrap());
}

#[test]
fn names_are_never_paths_and_topics_are_numbered() {
    let disk = Arc::new(SimDisk::new());
    let driven = Driven::open(&disk).unwrap();
    for name in [
        "../../etc/passwd",
        "a/b",
        ".",
        "\u{1F600}",
        &"x".repeat(65_534),
    ] {
        driven.topic(name, &small());
    }
    let again = TopicName::parse(b".").unwrap();
    let error = driven.store.create_topic(&again, &small()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Exists);
    let folders: Vec<_> = disk
        .list("topics")
        .unwrap()
        .into_iter()
        .map(|one| one.name)
        .collect();
    assert_eq!(
        folders,
        ["00000001", "00000002", "00000003", "00000004", "00000005"]
    );
    driven.store.close(None).unwrap();
    let again = Driven::open(&disk).unwrap();
    let names: Vec<_> = again
        .store
        .topics()
        .iter()
        .map(|one| one.name.as_str().len())
        .collect();
    assert_eq!(names, [16, 3, 1, 4, 65_534]);
}

#[test]
fn what_is_missing_is_told_once() {
    let disk = Arc::new(SimDisk::new());
    let mut driven = Driven::open(&disk).unwrap();
    for name in ["whole", "gone", "deleted"] {
        let topic = driven.topic(name, &small());
        for offset in 0..4 {
            topic.begin_segment();
            append_as(&topic, &[&value_of(offset)], &writer(Acks::All), false).unwrap();
            driven.commit();
        }
    }
    driven.store.delete_topic(3).unwrap();
    let whole = driven.store.partition(1, 0).unwrap();
    driven.store.delete_before(&whole, 1).unwrap();
    driven.keep_house();
    driven.store.close(None).unwrap();
    drop((driven, whole));
    for file in disk.list("topics/00000002/0").unwrap() {
        let name = format!("topics/00000002/0/{}", file.name);
        disk.remove_file(&name).unwrap();
    }
    disk.remove_folder("topics/00000002/0").unwrap();
    disk.remove_file("topics/00000002/topic.meta").unwrap();
    disk.remove_folder("topics/00000002").unwrap();
    disk.remove_file(&log_name("topics/00000001/0", 1)).unwrap();
    disk.remove_file(&log_name("topics/00000001/0", 2)).unwrap();
    let driven = Driven::open(&disk).unwrap();
    assert_eq!(driven.report.missing_topics, [2]);
    // Neither what was deleted nor what is there.
    assert_eq!(
        driven.report.notes,
        [PartitionNote {
            topic: 1,
            partition: 0,
            note: Note::Missing { first: 1, next: 3 }
        }]
    );
    let topic = driven.store.partition(1, 0).unwrap();
    assert_eq!(read_all(&driven.store, &topic), records(3, 4));
    driven.store.close(None).unwrap();
    let again = Driven::open(&disk).unwrap();
    assert!(again.report.notes.is_empty() && again.report.missing_topics.is_empty());
    assert_eq!(again.topic("new", &small()).topic(), 4);
}

#[test]
fn a_partition_without_its_folder_is_told_and_keeps_no_other_from_being_used() {
    let disk = Arc::new(SimDisk::new());
    let mut driven = Driven::open(&disk).unwrap();
    let two = TopicOptions {
        partitions: 2,
        ..small()
    };
    let topic = driven.topic("t", &two);
    written(append(&topic, &[&value_of(0)]));
    driven.commit();
    driven.store.close(None).unwrap();
    drop((driven, topic));
    for file in disk.list("topics/00000001/1").unwrap() {
        let name = format!("topics/00000001/1/{}", file.name);
        disk.remove_file(&name).unwrap();
    }
    disk.remove_folder("topics/00000001/1").unwrap();
    for _ in 0..2 {
        let driven = Driven::open(&disk).unwrap();
        let [(1, 1, ref why)] = driven.report.unavailable[..] else {
            panic!("{:?}", driven.report)
        };
        assert_eq!(why.system, Some(("ENOENT", "readdir")));
        let topic = driven.topic("t", &two);
        assert_eq!(read_all(&driven.store, &topic), records(0, 1));
    }
}

/// All that a power cut may leave at every step of `change`, on a directory with one topic of two records.
fn at_every_power_cut(
    change: impl Fn(&mut Driven) -> Result<(), Error>,
    look: impl Fn(&Driven, bool),
) {
    let (mut states, mut later) = (0, 0);
    for step in 0.. {
        let disk = Arc::new(SimDisk::new());
        let mut driven = Driven::open(&disk).unwrap();
        let topic = driven.topic("old", &small());
        written(append(&topic, &[&value_of(0), &value_of(1)]));
        driven.commit();
        disk.lose_power_after(step);
        let done = change(&mut driven).is_ok();
        drop((driven, topic));
        let mut choices = Choices::all();
        for _ in 0..300 {
            let found = Arc::new(disk.crash(&mut choices));
            let driven = Driven::open(&found).unwrap();
            assert!(
                driven.report.unavailable.is_empty() && driven.report.damaged_topics.is_empty()
            );
            look(&driven, done);
            driven.keep_house();
            drop(driven);
            let again = Driven::open(&found).unwrap();
            assert_eq!(again.report.notes, []);
            look(&again, done);
            states += 1;
            if !choices.advance() {
                break;
            }
        }
        // It went to its end before the power did; what is left to clean up may not.
        later += u32::from(done);
        if later > 12 {
            break;
        }
    }
    assert!(states > 10, "{states}");
}

fn name(text: &str) -> TopicName {
    TopicName::parse(text.as_bytes()).unwrap()
}

#[test]
fn a_topic_is_made_wholly_or_not_at_all() {
    let options = TopicOptions {
        partitions: 3,
        ..small()
    };
    at_every_power_cut(
        |driven| driven.store.create_topic(&name("new"), &options).map(drop),
        |driven, done| {
            let old = driven.store.topic(&name("old")).unwrap().number;
            let old = driven.store.partition(old, 0).unwrap();
            assert_eq!(read_all(&driven.store, &old), records(0, 2));
            let Some(new) = driven.store.topic(&name("new")) else {
                assert!(!done);
                return;
            };
            assert_eq!(new.options, options);
            for number in 0..3 {
                let partition = driven.store.partition(new.number, number).unwrap();
                assert_eq!(partition.ends(), Ends::default());
            }
        },
    );
}

#[test]
fn a_topic_is_deleted_wholly_or_not_at_all() {
    at_every_power_cut(
        |driven| {
            let deleted = driven.store.delete_topic(1);
            driven.keep_house();
            deleted
        },
        |driven, done| {
            let Some(old) = driven.store.topic(&name("old")) else {
                return;
            };
            assert!(!done);
            let old = driven.store.partition(old.number, 0).unwrap();
            assert_eq!(read_all(&driven.store, &old), records(0, 2));
        },
    );
}

#[test]
fn a_close_is_clean_or_costs_a_scan() {
    at_every_power_cut(
        |driven| driven.store.close(None),
        |driven, _| {
            let old = driven.store.topic(&name("old")).unwrap().number;
            let old = driven.store.partition(old, 0).unwrap();
            assert_eq!(read_all(&driven.store, &old), records(0, 2));
        },
    );
}

#[test]
fn a_directory_is_made_wholly_or_may_be_made_again() {
    for step in 0..40 {
        let disk = SimDisk::new();
        disk.lose_power_after(step);
        let disk = Arc::new(disk);
        let _ = Driven::open(&disk);
        let mut choices = Choices::all();
        for _ in 0..200 {
            let found = Arc::new(disk.crash(&mut choices));
            let driven = Driven::open(&found).unwrap();
            assert_eq!(driven.report.notes, []);
            assert!(driven.report.foreign.is_empty(), "{:?}", driven.report);
            if !choices.advance() {
                break;
            }
        }
    }
}

#[test]
fn offsets_stay_below_what_javascript_can_tell_apart() {
    const MOST: u64 = (1 << 53) - 1;
    for base in [MOST - 1, MOST, MOST + 1, i64::MAX as u64] {
        let disk = Arc::new(SimDisk::new());
        let mut driven = Driven::open(&disk).unwrap();
        let topic = driven.topic("t", &small());
        written(append(&topic, &[&value_of(0)]));
        driven.commit();
        driven.store.close(None).unwrap();
        disk.open(&log_name("topics/00000001/0", base), Mode::CreateNew)
            .unwrap();
        if base > MOST {
            // Though a mark says that all before is deleted.
            let mark = format!("topics/00000001/0/{base:020}.start");
            disk.open(&mark, Mode::CreateNew).unwrap();
        }
        let mut driven = Driven::open(&disk).unwrap();
        let topic = driven.topic("t", &small());
        if base > MOST {
            let [(1, 0, ref why)] = driven.report.unavailable[..] else {
                panic!("{:?}", driven.report)
            };
            assert_eq!(why.kind, ErrorKind::Storage);
            assert!(why.message.contains(&log_name("topics/00000001/0", base)));
            assert!(append(&topic, &[b"x"]).is_err());
            driven.store.close(None).unwrap();
            disk.remove_file(&log_name("topics/00000001/0", base))
                .unwrap();
            let driven = Driven::open(&disk).unwrap();
            let topic = driven.topic("t", &small());
            assert_eq!(read_all(&driven.store, &topic), records(0, 1));
            continue;
        }
        for _ in base..MOST {
            written(append(&topic, &[b"x"]));
        }
        for inline in [true, false] {
            let refused = append_as(&topic, &[b"x"], &writer(Acks::All), inline);
            driven.commit();
            let error = match refused {
                Ok(Appended::Queued(ticket)) => ticket.outcome().unwrap().unwrap_err(),
                other => other.unwrap_err(),
            };
            assert_eq!(error.kind, ErrorKind::TooLarge);
        }
        assert_eq!(topic.ends().written, MOST);
        assert_eq!(driven.store.poisoned(), None);
        driven.store.close(None).unwrap();
    }
}

#[test]
fn a_segment_in_the_middle_that_is_gone_or_short_is_told() {
    let name = log_name("topics/00000001/0", 1);
    for clean in [true, false] {
        for kept in [None, Some(0), Some(40)] {
            let disk = Arc::new(SimDisk::new());
            let mut driven = Driven::open(&disk).unwrap();
            let topic = driven.topic("t", &small());
            for offset in 0..4 {
                topic.begin_segment();
                append_as(&topic, &[&value_of(offset)], &writer(Acks::All), false).unwrap();
                driven.commit();
                driven.keep_house();
            }
            driven.store.close(None).unwrap();
            drop((driven, topic));
            if !clean {
                let mut driven = Driven::open(&disk).unwrap();
                let topic = driven.topic("t", &small());
                written(append(&topic, &[&value_of(4)]));
                driven.commit();
            }
            match kept {
                None => disk.remove_file(&name).unwrap(),
                Some(size) => disk
                    .open(&name, Mode::Write)
                    .unwrap()
                    .set_size(size)
                    .unwrap(),
            }
            for _ in 0..2 {
                let driven = Driven::open(&disk).unwrap();
                let note = match kept {
                    None | Some(0) => Note::Missing { first: 1, next: 2 },
                    Some(size) => Note::Damaged {
                        segment: 1,
                        from: 0,
                        to: size as u32,
                        first: 1,
                        next: 2,
                    },
                };
                let told = PartitionNote {
                    topic: 1,
                    partition: 0,
                    note,
                };
                assert_eq!(driven.report.notes, [told], "{clean} {kept:?}");
            }
        }
    }
}
