use std::io;
use std::sync::Arc;

use kaska::{Event, Location, StateNote};
use log::sim::{Choices, SimDisk};
use log::{Acks, Disk, ErrorKind};
use wire::Code;

use crate::support::{Owner, stored};

fn on(disk: &Arc<SimDisk>) -> Location {
    Location::Disk(Arc::clone(disk) as Arc<dyn Disk>)
}

fn poisoned(owner: &mut Owner) -> wire::Error {
    loop {
        match owner.event() {
            Event::Poisoned(error) => return error,
            Event::Topics => {}
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn after_a_failed_sync_nothing_is_acknowledged_and_reading_goes_on() {
    let disk = Arc::new(SimDisk::new());
    let mut owner = Owner::open(on(&disk));
    let topic = owner.create("t", 1);
    let writer = owner.writer(topic, Some(0), Acks::All);
    owner.store(writer, &["durable"]);
    disk.fail_sync(0);
    let group = owner.append(writer, &["not durable"]);
    let settled = owner.settle(writer, group.ticket);
    assert_eq!(settled.failed, Some(Code::Storage));
    let error = poisoned(&mut owner);
    assert_eq!(error.code, Code::Storage);
    assert_eq!(error.system.unwrap().call, "fdatasync");

    let refused = owner.append_from(writer, None, &["more"]).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Storage);
    let refused = owner.session.commit("c", (topic, 0), 1, b"").unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Storage);
    let refused = owner.session.flush(topic, 0).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Storage);
    let refused = owner.session.name_writer(9, "w").unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Storage);
    assert_eq!(owner.read_all(topic, 0), stored(&["durable"]));
    let waiting = owner.session.stats().unwrap().waiting;
    assert_eq!(waiting, 0, "nothing waits for what will never be");
    owner.session.close(None);
    loop {
        if let Event::Closed(why) = owner.event() {
            assert_eq!(why.unwrap().code, Code::Storage);
            break;
        }
    }
    drop(owner);

    // Opened again it is as good as new, and what was acknowledged is there.
    let mut owner = Owner::open(on(&disk));
    let values = owner.read_all(topic, 0);
    assert_eq!(values[0].1, "durable");
    let writer = owner.writer(topic, Some(0), Acks::All);
    owner.store(writer, &["again"]);
    owner.close();
}

#[test]
fn a_commit_that_is_never_durable_is_never_told() {
    let disk = Arc::new(SimDisk::new());
    let mut owner = Owner::open(on(&disk));
    let topic = owner.create("t", 1);
    let ticket = owner.session.commit("c", (topic, 0), 1, b"").unwrap();
    assert_eq!(owner.settle(0, ticket).failed, None);
    disk.fail_sync(0);
    let ticket = owner.session.commit("c", (topic, 0), 2, b"").unwrap();
    assert_eq!(owner.settle(0, ticket).failed, Some(Code::Storage));
    assert_eq!(owner.session.committed("c", topic, 0).unwrap().offset, 1);
    let named = owner.session.name_writer(1, "w");
    assert_eq!(named.unwrap_err().kind, ErrorKind::Storage);
}

#[test]
fn a_full_disk_fails_one_append_that_may_be_tried_again() {
    let disk = Arc::new(SimDisk::new());
    let mut owner = Owner::open(on(&disk));
    let topic = owner.create("t", 1);
    let writer = owner.writer(topic, Some(0), Acks::All);
    owner.store(writer, &["a"]);
    disk.fail_write(0, io::ErrorKind::StorageFull);
    match owner.append_from(writer, None, &["no room"]) {
        Err(error) => assert_eq!(error.kind, ErrorKind::NoSpace),
        Ok(group) => {
            let settled = owner.settle(writer, group.ticket);
            assert_eq!(settled.failed, Some(Code::Storage));
            let (failure, retryable) = owner.session.failure(Code::Storage).unwrap();
            assert!(retryable, "{failure:?}");
            assert_eq!(failure.system.unwrap().name, "ENOSPC");
        }
    }
    owner.store(writer, &["b"]);
    assert_eq!(owner.read_all(topic, 0), stored(&["a", "b"]));
    owner.close();
}

#[test]
fn what_was_acknowledged_survives_a_power_cut() {
    for seed in 0..40 {
        let disk = Arc::new(SimDisk::new());
        let mut owner = Owner::open(on(&disk));
        let topic = owner.create("t", 1);
        let writer = owner.named(topic, "w");
        let (mut acknowledged, mut last) = (0, 0);
        for number in 0..30 {
            let value = number.to_string();
            let group = owner.append_from(writer, Some(number), &[&value]).unwrap();
            last = last.max(group.ticket);
            if number % 7 == seed % 7 {
                // 0: all was durable when it returned.
                if last > 0 {
                    owner.settle(writer, last);
                }
                acknowledged = number + 1;
            }
        }
        // What is committed has been read, and so is durable.
        let offset = seed % 20;
        let ticket = owner.session.commit("c", (topic, 0), offset, b"").unwrap();
        let is_committed = seed % 2 == 0;
        if is_committed {
            assert_eq!(owner.settle(0, ticket).failed, None);
        }
        let after = Arc::new(disk.crash(&mut Choices::seed(seed)));
        drop(owner);

        let mut owner = Owner::open(on(&after));
        let there = owner.read_all(topic, 0);
        assert!(there.len() as u64 >= acknowledged, "seed {seed}");
        for (place, (offset, value)) in there.iter().enumerate() {
            assert_eq!((*offset, value), (place as u64, &place.to_string()));
        }
        if is_committed {
            let position = owner.session.committed("c", topic, 0).unwrap();
            assert_eq!(position.offset, offset);
        }
        // The writer sends all once more, and nothing is doubled.
        let writer = owner.named(topic, "w");
        let all: Vec<String> = (0..30).map(|number| number.to_string()).collect();
        let all: Vec<&str> = all.iter().map(String::as_str).collect();
        let group = owner.append_from(writer, Some(0), &all).unwrap();
        assert_eq!(group.records as usize, 30 - there.len());
        if group.ticket > 0 {
            owner.settle(writer, group.ticket);
        }
        assert_eq!(owner.read_all(topic, 0), stored(&all));
        owner.close();
    }
}

#[test]
fn a_position_beyond_what_a_power_cut_left_is_set_back_and_told() {
    let disk = Arc::new(SimDisk::new());
    let mut owner = Owner::open(on(&disk));
    let options = log::TopicOptions {
        flush: log::Flush::Os,
        ..log::TopicOptions::default()
    };
    let topic = owner.create_with("t", options);
    let writer = owner.writer(topic, Some(0), Acks::Written);
    owner.store(writer, &["a"]);
    let flushed = owner.session.flush(topic, 0).unwrap();
    owner.settle(0, flushed);
    owner.store(writer, &["b", "c"]);
    // Read and committed, as one does; and the power goes before the system writes.
    let ticket = owner.session.commit("c", (topic, 0), 3, b"").unwrap();
    owner.settle(0, ticket);
    let seed = (0..64).find(|seed| {
        let after = Arc::new(disk.crash(&mut Choices::seed(*seed)));
        let (mut owner, recovery) = Owner::open_told(on(&after));
        if owner.session.ends(topic, 0).unwrap().durable > 1 {
            return false;
        }
        assert_eq!(owner.session.committed("c", topic, 0).unwrap().offset, 1);
        let [StateNote::SetBack { from: 3, to: 1, .. }] = *recovery.state else {
            panic!("{recovery:?}");
        };
        true
    });
    assert!(
        seed.is_some(),
        "no power cut of 64 loses what was not synced"
    );
}
