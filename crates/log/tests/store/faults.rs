//! F7 to F10: syncs that fail, disks that are full or slow, and what waits meanwhile.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};

use log::sim::{Choices, SimClock, SimDisk};
use log::*;

use crate::support::*;
use crate::wrapped::Wrapped;

/// Remembers what happened.
#[derive(Default)]
struct Heard(Mutex<Vec<Event>>);

impl Observer for Heard {
    fn progressed(&self, _: &[Arc<Partition>]) {}
    fn happened(&self, event: &Event) {
        self.0.lock().unwrap().push(event.clone());
    }
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_any_more_and_opening_again_settles_it() {
    let disk = Arc::new(SimDisk::new());
    let mut driven = Driven::open(&disk).unwrap();
    let topic = driven.topic("t", &small());
    let other = driven.topic("u", &small());
    written(append(&topic, &[&value_of(0)]));
    driven.commit();
    let heard = Arc::new(Heard::default());
    driven
        .store
        .observe(Arc::clone(&heard) as Arc<dyn Observer>);
    written(append(&topic, &[&value_of(1)]));
    let Appended::Queued(ticket) =
        append_as(&topic, &[&value_of(2)], &writer(Acks::All), false).unwrap()
    else {
        panic!("it was not to be written here")
    };
    disk.fail_sync(0);
    driven.commit();
    // It was written before the sync failed, and is not durable.
    assert_eq!(ticket.outcome().unwrap().unwrap().base, 2);
    assert_eq!((topic.ends().durable, topic.ends().visible), (1, 1));
    let poisoned = driven.store.poisoned().unwrap();
    assert_eq!(poisoned.system, Some(("EIO", "fdatasync")));
    {
        let events = heard.0.lock().unwrap();
        assert!(matches!(events[..], [Event::Poisoned(_)]), "{events:?}");
    }
    // No sync is tried again, also where nothing has failed, and nothing is written.
    for partition in [&topic, &other] {
        let refused = append(partition, &[b"more"]).unwrap_err();
        assert_eq!(
            (refused.kind, refused.system),
            (ErrorKind::Storage, poisoned.system)
        );
        partition.flush();
        partition.begin_segment();
    }
    driven.commit();
    driven.clock.pass(60_000);
    driven.keep_house();
    assert_eq!(topic.ends().durable, 1);
    let name = TopicName::parse(b"v").unwrap();
    assert!(driven.store.create_topic(&name, &small()).is_err());
    assert!(driven.store.delete_before(&topic, 1).is_err());
    // What is durable is read still.
    assert_eq!(read_all(&driven.store, &topic), records(0, 1));
    assert!(driven.store.close(None).is_err());
    drop(driven);
    let mut again = Driven::open(&disk).unwrap();
    let topic = again.topic("t", &small());
    assert_eq!(read_all(&again.store, &topic), records(0, 3));
    assert_eq!(topic.ends().durable, 3);
    written(append(&topic, &[&value_of(3)]));
    again.commit();
    assert_eq!(topic.ends().durable, 4);
    // Now it is durable indeed.
    let mut choices = Choices::seed(1);
    let crashed = Arc::new(disk.crash(&mut choices));
    let found = Driven::open(&crashed).unwrap();
    assert_eq!(
        read_all(&found.store, &found.topic("t", &small())),
        records(0, 4)
    );
}

#[test]
fn what_waits_when_the_directory_is_poisoned_fails() {
    let disk = Arc::new(SimDisk::new());
    let mut driven = Driven::open(&disk).unwrap();
    let topic = driven.topic("t", &small());
    written(append(&topic, &[&value_of(0)]));
    disk.fail_sync(0);
    driven.commit();
    driven
        .store
        .poison(Error::new(ErrorKind::Internal, "only the first counts"));
    assert_eq!(driven.store.poisoned().unwrap().kind, ErrorKind::Storage);
    // One that passed the gate before.
    let driven = Driven::open(&Arc::new(SimDisk::new())).unwrap();
    let topic = driven.topic("t", &small());
    let Appended::Queued(ticket) = append_as(&topic, &[b"x"], &writer(Acks::All), false).unwrap()
    else {
        panic!("it was not to be written here")
    };
    driven
        .store
        .poison(Error::new(ErrorKind::Internal, "a defect"));
    let mut driven = driven;
    driven.commit();
    assert_eq!(
        ticket.outcome().unwrap().unwrap_err().kind,
        ErrorKind::Internal
    );
}

#[test]
fn what_a_failed_write_may_have_stored_is_not_refused_but_unknown() {
    // Half of the batch is written, or all of it: the disk says nothing of that.
    for kept in [false, true] {
        let disk = Arc::new(SimDisk::new());
        let mut driven = Driven::open(&disk).unwrap();
        let topic = driven.topic("t", &small());
        written(append(&topic, &[&value_of(0)]));
        driven.commit();
        let size = |name: &str| disk.open(name, Mode::Read).unwrap().size().unwrap();
        let log = log_name("topics/00000001/0", 0);
        let before = size(&log);
        disk.fail_write(0, std::io::ErrorKind::Other);
        let Appended::Queued(ticket) = append(&topic, &[&value_of(1)]).unwrap() else {
            panic!("nobody knows where it is")
        };
        let failed = ticket.outcome().unwrap().unwrap_err();
        assert_eq!(failed.system, Some(("EIO", "write")));
        assert_eq!(driven.store.poisoned().unwrap().system, failed.system);
        assert!(size(&log) > before);
        // What comes behind it is refused before anything is written.
        let refused = append(&topic, &[b"x"]).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::Storage);
        driven.commit();
        assert_eq!(topic.ends().visible, 1);
        drop((driven, topic));
        if kept {
            let file = disk.open(&log, Mode::Write).unwrap();
            let mut whole = vec![0; usize::try_from(before).unwrap()];
            fill_at(&*file, &mut whole, 0).unwrap();
            // The same batch again, at the next offset: that is outside of its checksum.
            whole[..8].copy_from_slice(&1_u64.to_be_bytes());
            put_at(&*file, &whole, before).unwrap();
        }
        let again = Driven::open(&disk).unwrap();
        assert_eq!(
            again.topic("t", &small()).ends().visible,
            1 + u64::from(kept)
        );
    }
}

#[test]
fn a_full_disk_refuses_and_takes_again_when_there_is_room() {
    for inline in [true, false] {
        let disk = Wrapped::new(None);
        let mut driven = Driven::open(&disk).unwrap();
        let topic = driven.topic("t", &small());
        let mut stored = Vec::new();
        for round in 0..40_u64 {
            // Room for a part of a batch, none, or enough.
            let room = [-1, 0, 20, 70, -1][(round % 5) as usize];
            disk.moods.room.store(room, Ordering::SeqCst);
            let value = value_of(round);
            let result = match append_as(&topic, &[&value], &writer(Acks::All), inline) {
                Ok(Appended::Queued(ticket)) => {
                    driven.commit();
                    ticket.outcome().unwrap()
                }
                Ok(Appended::Written(written)) => Ok(written),
                Ok(other @ Appended::Duplicate(_)) => panic!("{other:?}"),
                Err(error) => Err(error),
            };
            match result {
                Ok(written) => {
                    assert_eq!(written.base, stored.len() as u64);
                    stored.push((written.base, value));
                }
                Err(error) => assert_eq!(error.kind, ErrorKind::NoSpace),
            }
            assert_eq!(driven.store.poisoned(), None);
            driven.commit();
            assert_eq!(read_all(&driven.store, &topic), stored);
        }
        assert!(stored.len() >= 16, "{}", stored.len());
        // A full disk keeps neither topics from being deleted nor the directory from closing, if not cleanly.
        disk.moods.room.store(0, Ordering::SeqCst);
        let name = TopicName::parse(b"v").unwrap();
        let refused = driven.store.create_topic(&name, &small()).unwrap_err();
        assert_eq!(refused.kind, ErrorKind::NoSpace);
        assert_eq!(driven.store.poisoned(), None);
        disk.moods.room.store(-1, Ordering::SeqCst);
        driven.store.create_topic(&name, &small()).unwrap();
        driven.store.close(None).unwrap();
        let again = Driven::open(&disk).unwrap();
        assert_eq!(again.report.notes, []);
        assert_eq!(read_all(&again.store, &again.topic("t", &small())), stored);
    }
}

#[test]
fn a_directory_on_a_full_disk_is_opened_and_read() {
    let disk = Wrapped::new(None);
    let mut driven = Driven::open(&disk).unwrap();
    let topic = driven.topic("t", &small());
    written(append(&topic, &[&value_of(0)]));
    driven.commit();
    drop((driven, topic));
    disk.moods.room.store(0, Ordering::SeqCst);
    // It was killed before there was a second checkpoint, and there is no room for it.
    let mut driven = Driven::open(&disk).unwrap();
    let topic = driven.topic("t", &small());
    assert_eq!(read_all(&driven.store, &topic), records(0, 1));
    assert_eq!(
        append(&topic, &[b"x"]).unwrap_err().kind,
        ErrorKind::NoSpace
    );
    driven.clock.pass(5000);
    driven.keep_house();
    assert_eq!(driven.store.poisoned(), None);
    disk.moods.room.store(-1, Ordering::SeqCst);
    assert_eq!(written(append(&topic, &[&value_of(1)])), (1, 2));
    driven.commit();
    driven.store.close(None).unwrap();
    let again = Driven::open(&disk).unwrap();
    assert_eq!(again.report.notes, []);
    assert_eq!(
        read_all(&again.store, &again.topic("t", &small())),
        records(0, 2)
    );
}

#[test]
fn short_writes_are_carried_on() {
    let disk = Arc::new(SimDisk::new());
    disk.write_at_most(7);
    let mut driven = Driven::open(&disk).unwrap();
    let topic = driven.topic("t", &small());
    for offset in 0..20 {
        written(append(&topic, &[&value_of(offset)]));
    }
    driven.commit();
    assert_eq!(read_all(&driven.store, &topic), records(0, 20));
    driven.store.close(None).unwrap();
    let again = Driven::open(&disk).unwrap();
    assert_eq!(
        read_all(&again.store, &again.topic("t", &small())),
        records(0, 20)
    );
}

#[test]
fn a_queue_has_its_bound_and_tells_when_there_is_room() {
    let config = Config {
        queued_bytes: 100_000,
        ..config()
    };
    let clock = Arc::new(SimClock::new(BEGIN_MS));
    let mut driven = Driven::open_at(&Arc::new(SimDisk::new()), clock, &config).unwrap();
    let topic = driven.topic("t", &small());
    let value = vec![1; 10_000];
    let mut tickets = Vec::new();
    let refused = loop {
        match append_as(&topic, &[&value], &writer(Acks::All), false) {
            Ok(Appended::Queued(ticket)) => tickets.push(ticket),
            Err(error) => break error,
            other => panic!("{other:?}"),
        }
        assert!(tickets.len() < 12, "no bound");
    };
    assert_eq!(refused.kind, ErrorKind::Full);
    assert!(tickets.len() >= 9);
    assert!(driven.store.stats().queued_bytes <= 110_000);
    driven.commit();
    assert_eq!(driven.store.stats().queued_bytes, 0);
    assert!(
        tickets
            .iter()
            .all(|ticket| ticket.outcome().unwrap().is_ok())
    );
    append_as(&topic, &[&value], &writer(Acks::All), false).unwrap();
}

#[test]
fn what_is_written_and_not_durable_has_its_bound() {
    let config = Config {
        unsynced_bytes: 50_000,
        ..config()
    };
    let clock = Arc::new(SimClock::new(BEGIN_MS));
    let mut driven = Driven::open_at(&Arc::new(SimDisk::new()), clock, &config).unwrap();
    let topic = driven.topic("t", &small());
    let value = vec![1; 10_000];
    let is_inline = || match append(&topic, &[&value]).unwrap() {
        Appended::Written(_) => true,
        Appended::Queued(_) => false,
        other @ Appended::Duplicate(_) => panic!("{other:?}"),
    };
    let inline = (0..20).filter(|_| is_inline()).count();
    assert_eq!(inline, 5);
    driven.commit();
    assert_eq!(topic.ends().durable, 20);
    assert!(is_inline());
}

#[test]
fn one_slow_write_moves_the_next_ones_to_the_committer_for_a_second() {
    let clock = Arc::new(SimClock::new(BEGIN_MS));
    let disk = Wrapped::new(Some(Arc::clone(&clock)));
    let driven = Driven::open_at(&disk, Arc::clone(&clock), &config());
    let mut driven = driven.unwrap();
    let topic = driven.topic("t", &small());
    let is_inline = |driven: &mut Driven| match append(&topic, &[b"x"]).unwrap() {
        Appended::Written(_) => true,
        Appended::Queued(_) => {
            driven.commit();
            false
        }
        other @ Appended::Duplicate(_) => panic!("{other:?}"),
    };
    assert!(is_inline(&mut driven));
    disk.moods.write_ms.store(5, Ordering::SeqCst);
    assert!(is_inline(&mut driven));
    assert!(!is_inline(&mut driven));
    disk.moods.write_ms.store(0, Ordering::SeqCst);
    clock.pass(900);
    assert!(!is_inline(&mut driven));
    clock.pass(200);
    assert!(is_inline(&mut driven));
}
