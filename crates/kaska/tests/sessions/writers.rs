use kaska::WriterOptions;
use log::{Acks, Config, ErrorKind, Flush, TopicOptions};
use wire::Code;

use crate::held::HeldDisk;
use crate::support::{Folder, Owner, stored};

#[test]
fn what_a_named_writer_has_stored_is_not_stored_again() {
    let folder = Folder::new("writers_once");
    let mut owner = Owner::open(folder.location());
    let topic = owner.create("t", 1);
    let writer = owner.named(topic, "w");
    assert_eq!(owner.session.last_sequence(writer).unwrap(), None);
    let store = |owner: &mut Owner, writer: u32, sequence: u64, values: &[&str]| {
        let group = owner.append_from(writer, Some(sequence), values).unwrap();
        if group.ticket > 0 {
            assert_eq!(owner.settle(writer, group.ticket).failed, None);
        }
        group.records
    };
    // A new one may begin anywhere.
    assert_eq!(store(&mut owner, writer, 5, &["5", "6"]), 2);
    assert_eq!(owner.session.last_sequence(writer).unwrap(), Some(6));
    // The same again, and one that overlaps.
    assert_eq!(store(&mut owner, writer, 5, &["5", "6"]), 0);
    assert_eq!(store(&mut owner, writer, 6, &["6", "7", "8"]), 2);
    let gap = owner.append_from(writer, Some(10), &["10"]).unwrap_err();
    assert_eq!(gap.kind, ErrorKind::OutOfOrder);
    owner.close();

    // It is known after a restart, whatever the batches are now.
    let mut owner = Owner::open(folder.location());
    let writer = owner.named(topic, "w");
    assert_eq!(owner.session.last_sequence(writer).unwrap(), Some(8));
    assert_eq!(store(&mut owner, writer, 7, &["7", "8", "9"]), 1);
    let without = owner.append(writer, &["10"]);
    assert_eq!(without.records, 1);
    if without.ticket > 0 {
        owner.settle(writer, without.ticket);
    }
    assert_eq!(owner.session.last_sequence(writer).unwrap(), Some(10));
    let values: Vec<_> = owner.read_all(topic, 0);
    assert_eq!(values, stored(&["5", "6", "7", "8", "9", "10"]));
    owner.close();
}

#[test]
fn many_in_flight_are_checked_against_those_before() {
    let folder = Folder::new("writers_flight");
    let mut owner = Owner::open(folder.location());
    let topic = owner.create("t", 1);
    let writer = owner.named(topic, "w");
    let mut last = 0;
    for sequence in 0..200 {
        let group = owner.append_from(writer, Some(sequence), &["x"]).unwrap();
        assert_eq!(group.records, 1);
        last = last.max(group.ticket);
        let again = owner.append_from(writer, Some(sequence), &["x"]).unwrap();
        assert_eq!(again.records, 0);
        last = last.max(again.ticket);
    }
    if last > 0 {
        owner.settle(writer, last);
    }
    assert_eq!(owner.read_all(topic, 0).len(), 200);
    owner.close();
}

#[test]
fn two_names_are_two_writers_and_one_name_is_one() {
    let mut owner = Owner::memory();
    let topic = owner.create("t", 2);
    let one = owner.named(topic, "one");
    let other = owner.named(topic, "other");
    let same = owner.named(topic, "one");
    owner.append_from(one, Some(0), &["a"]).unwrap();
    owner.append_from(other, Some(0), &["b"]).unwrap();
    assert_eq!(owner.append_from(same, Some(0), &["a"]).unwrap().records, 0);
    assert_eq!(owner.read_all(topic, 0), stored(&["a", "b"]));

    let everywhere = WriterOptions {
        topic,
        partition: None,
        acks: Acks::All,
        codec: None,
        level: None,
    };
    let refused = owner.session.writer(&everywhere, Some("one")).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Invalid);
    let here = WriterOptions {
        partition: Some(0),
        ..everywhere
    };
    let unknown = owner.session.writer(&here, Some("nobody")).unwrap_err();
    assert_eq!(unknown.kind, ErrorKind::NotFound);
    let plain = owner.writer(topic, Some(0), Acks::All);
    let refused = owner.append_from(plain, Some(3), &["x"]).unwrap_err();
    assert_eq!(refused.kind, ErrorKind::Invalid);
    for name in ["", "a\0"] {
        let named = owner.session.name_writer(9, name).unwrap_err();
        assert_eq!(named.kind, ErrorKind::Invalid);
    }
}

#[test]
fn what_comes_again_while_the_first_waits_is_acknowledged_when_the_first_is() {
    let disk = HeldDisk::new();
    let mut owner = Owner::open(disk.location());
    let topic = owner.create("t", 1);
    let writer = owner.named(topic, "w");
    // Too much for this thread to write it.
    let large = "x".repeat(200_000);
    let held = disk.hold();
    let first = owner.append_from(writer, Some(0), &[&large]).unwrap();
    let again = owner.append_from(writer, Some(0), &[&large]).unwrap();
    assert_eq!((first.records, again.records), (1, 0));
    assert!(again.ticket > 0, "nothing is on the disk yet");
    drop(held);
    assert_eq!(owner.settle(writer, again.ticket).failed, None);
    assert_eq!(owner.session.ends(topic, 0).unwrap().durable, 1);
    owner.close();
}

#[test]
fn what_comes_again_is_as_durable_as_it_asks_for() {
    let folder = Folder::new("writers_durable");
    let mut owner = Owner::open(folder.location());
    let options = TopicOptions {
        flush: Flush::Os,
        ..TopicOptions::default()
    };
    let topic = owner.create_with("t", options);
    let named = |owner: &mut Owner, acks| {
        owner.named(topic, "w");
        let options = WriterOptions {
            topic,
            partition: Some(0),
            acks,
            codec: None,
            level: None,
        };
        owner.session.writer(&options, Some("w")).unwrap()
    };
    let quick = named(&mut owner, Acks::Written);
    let safe = named(&mut owner, Acks::All);
    owner.append_from(quick, Some(0), &["a"]).unwrap();
    let again = owner.append_from(safe, Some(0), &["a"]).unwrap();
    assert_eq!(again.records, 0);
    if again.ticket > 0 {
        assert_eq!(owner.settle(safe, again.ticket).failed, None);
    }
    assert_eq!(owner.session.ends(topic, 0).unwrap().durable, 1);
    owner.close();
}

#[test]
fn what_follows_a_refused_first_batch_is_not_stored_before_it() {
    let disk = HeldDisk::new();
    let config = Config {
        queued_bytes: 300_000,
        ..Config::default()
    };
    let (mut owner, _) = Owner::open_with(disk.location(), config);
    let topic = owner.create("t", 1);
    let plain = owner.writer(topic, Some(0), Acks::All);
    let writer = owner.named(topic, "w");
    let large = "x".repeat(150_000);
    let held = disk.hold();
    // The queue has room for a small one, and none for a large one.
    let first = owner.append(plain, &[&large]);
    let full = owner.append_from(writer, Some(0), &[&large, "b"]);
    assert_eq!(full.unwrap_err().kind, ErrorKind::Full);
    let behind = owner.append_from(writer, Some(2), &["c"]);
    assert_eq!(behind.unwrap_err().kind, ErrorKind::OutOfOrder);
    drop(held);
    owner.settle(plain, first.ticket);
    let again = owner.append_from(writer, Some(0), &[&large, "b"]).unwrap();
    assert_eq!(again.records, 2);
    let behind = owner.append_from(writer, Some(2), &["c"]).unwrap();
    assert_eq!(behind.records, 1);
    if behind.ticket > 0 {
        assert_eq!(owner.settle(writer, behind.ticket).failed, None);
    }
    assert_eq!(owner.session.last_sequence(writer).unwrap(), Some(2));
    owner.close();
}

#[test]
fn what_follows_a_first_batch_that_found_no_room_is_not_stored_before_it() {
    let disk = HeldDisk::new();
    let mut owner = Owner::open(disk.location());
    let topic = owner.create("t", 1);
    let writer = owner.named(topic, "w");
    let large = "x".repeat(150_000);
    let held = disk.hold();
    disk.disk.fail_write(0, std::io::ErrorKind::StorageFull);
    let first = owner.append_from(writer, Some(0), &[&large, "b"]).unwrap();
    let behind = owner.append_from(writer, Some(2), &[&large]).unwrap();
    let again = owner.append_from(writer, Some(0), &[&large, "b"]).unwrap();
    drop(held);
    for (group, code) in [
        (first, Code::Storage),
        (behind, Code::OutOfOrder),
        (again, Code::OutOfOrder),
    ] {
        assert_eq!(owner.settle(writer, group.ticket).failed, Some(code));
    }
    assert_eq!(owner.session.last_sequence(writer).unwrap(), None);
    let group = owner.append_from(writer, Some(0), &["a", "b"]).unwrap();
    assert_eq!(group.records, 2);
    owner.close();
}

#[test]
fn a_deleted_topic_has_nothing_of_a_named_writer() {
    let mut owner = Owner::memory();
    let topic = owner.create("t", 1);
    let writer = owner.named(topic, "w");
    owner.append_from(writer, Some(0), &["a"]).unwrap();
    owner
        .ask(|session, request| session.delete_topic(request, topic))
        .unwrap();
    let again = owner.append_from(writer, Some(0), &["a"]).unwrap_err();
    assert_eq!(again.kind, ErrorKind::NotFound);
    let last = owner.session.last_sequence(writer).unwrap_err();
    assert_eq!(last.kind, ErrorKind::NotFound);
}
