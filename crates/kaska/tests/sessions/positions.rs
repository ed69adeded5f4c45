use kaska::StateNote;
use log::{Acks, ErrorKind, Note, PartitionNote};

use crate::support::{Folder, Owner};

fn commit(owner: &mut Owner, client: &str, topic: u32, offset: u64, metadata: &[u8]) {
    let ticket = owner.session.commit(client, (topic, 0), offset, metadata);
    let ticket = ticket.unwrap();
    assert!(ticket > 0);
    assert_eq!(owner.settle(0, ticket).failed, None);
}

fn committed(owner: &mut Owner, client: &str, topic: u32) -> Option<u64> {
    match owner.session.committed(client, topic, 0) {
        Ok(position) => Some(position.offset),
        Err(error) => {
            assert_eq!(error.kind, ErrorKind::NotFound);
            None
        }
    }
}

#[test]
fn a_position_is_there_when_its_ticket_is_settled_and_after_a_close() {
    let folder = Folder::new("positions_kept");
    let mut owner = Owner::open(folder.location());
    let topic = owner.create("t", 1);
    assert_eq!(committed(&mut owner, "c", topic), None);
    commit(&mut owner, "c", topic, 7, b"note");
    commit(&mut owner, "d", topic, 1 << 40, b"");
    commit(&mut owner, "c", topic, 8, b"more");
    assert_eq!(committed(&mut owner, "c", topic), Some(8));
    owner.close();

    let mut owner = Owner::open(folder.location());
    // Offsets are not checked, as in the original.
    assert_eq!(committed(&mut owner, "d", topic), Some(1 << 40));
    let position = owner.session.committed("c", topic, 0).unwrap();
    assert_eq!(
        (position.offset, &*position.metadata),
        (8, b"more".as_slice())
    );
    owner.close();
}

#[test]
fn a_topic_that_is_made_again_has_no_positions() {
    let mut owner = Owner::memory();
    let topic = owner.create("t", 1);
    commit(&mut owner, "c", topic, 7, b"");
    owner
        .ask(|session, request| session.delete_topic(request, topic))
        .unwrap();
    let gone = owner.session.committed("c", topic, 0).unwrap_err();
    assert_eq!(gone.kind, ErrorKind::NotFound);
    let again = owner.create("t", 1);
    assert_eq!(committed(&mut owner, "c", again), None);
}

#[test]
fn names_and_metadata_have_bounds() {
    let mut owner = Owner::memory();
    let topic = owner.create("t", 1);
    let mut kind = |client: &str, partition: u32, metadata: &[u8]| {
        let committed = owner
            .session
            .commit(client, (topic, partition), 0, metadata);
        committed.unwrap_err().kind
    };
    assert_eq!(kind("", 0, b""), ErrorKind::Invalid);
    assert_eq!(kind("a\0", 0, b""), ErrorKind::Invalid);
    assert_eq!(kind(&"x".repeat(65_535), 0, b""), ErrorKind::Invalid);
    assert_eq!(kind("c", 0, &[0; 4097]), ErrorKind::Invalid);
    assert_eq!(kind("c", 1, b""), ErrorKind::NotFound);
    commit(&mut owner, &"x".repeat(65_534), topic, 1, &[0; 4096]);
    commit(&mut owner, "../../escape", topic, 1, b"");
}

#[test]
fn the_log_of_positions_is_written_anew_when_it_is_mostly_old() {
    let folder = Folder::new("positions_anew");
    let mut owner = Owner::open(folder.location());
    let topic = owner.create("t", 1);
    commit(&mut owner, "once", topic, 3, b"");
    let metadata = [7; 4096];
    // About 4 MiB of commits, of which 4 KiB are live.
    for offset in 0..1_000 {
        let ticket = owner.session.commit("often", (topic, 0), offset, &metadata);
        let ticket = ticket.unwrap();
        if offset % 50 == 49 {
            owner.settle(0, ticket);
        }
    }
    commit(&mut owner, "often", topic, 1_000, &metadata);
    owner.close();
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder.0.join("positions/0")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().ends_with(".log") {
            bytes += entry.metadata().unwrap().len();
        }
    }
    assert!(bytes < 3 << 20, "{bytes} bytes are left");

    let mut owner = Owner::open(folder.location());
    assert_eq!(committed(&mut owner, "once", topic), Some(3));
    assert_eq!(committed(&mut owner, "often", topic), Some(1_000));
    owner.close();
}

#[test]
fn a_flush_waits_for_what_is_written() {
    let folder = Folder::new("positions_flush");
    let mut owner = Owner::open(folder.location());
    let options = log::TopicOptions {
        flush: log::Flush::Os,
        ..log::TopicOptions::default()
    };
    let topic = owner.create_with("t", options);
    let writer = owner.writer(topic, Some(0), Acks::Written);
    owner.store(writer, &["a"]);
    let ticket = owner.session.flush(topic, 0).unwrap();
    assert_eq!(owner.settle(0, ticket).failed, None);
    assert_eq!(owner.session.ends(topic, 0).unwrap().durable, 1);
    owner.close();
}

#[test]
fn a_flush_waits_for_what_waits_to_be_written() {
    let folder = Folder::new("positions_queued");
    let mut owner = Owner::open(folder.location());
    let options = log::TopicOptions {
        flush: log::Flush::Os,
        ..log::TopicOptions::default()
    };
    let topic = owner.create_with("t", options);
    let writer = owner.writer(topic, Some(0), Acks::Written);
    let careless = owner.writer(topic, Some(0), Acks::None);
    // Too large to be written by this thread.
    let large = "x".repeat(200_000);
    for round in 1..=3 {
        for _ in 0..5 {
            owner.append(writer, &[&large]);
        }
        owner.append(careless, &[&large]);
        let ticket = owner.session.flush(topic, 0).unwrap();
        assert_eq!(owner.settle(0, ticket).failed, None);
        assert_eq!(owner.session.ends(topic, 0).unwrap().durable, 6 * round);
    }
    owner.close();
}

/// Flips a bit in the last byte of one of three batches of the log of positions that are alike.
fn damage(folder: &Folder, batch: usize) {
    let log = folder.0.join("positions/0/00000000000000000000.log");
    let mut bytes = std::fs::read(&log).unwrap();
    let place = bytes.len() / 3 * (batch + 1) - 1;
    bytes[place] ^= 0x40;
    std::fs::write(&log, bytes).unwrap();
}

#[test]
fn a_damaged_commit_is_left_out_and_told_and_the_others_are_there() {
    let folder = Folder::new("positions_damaged");
    let mut owner = Owner::open(folder.location());
    let topic = owner.create("t", 1);
    for (client, offset) in [("a", 1), ("b", 2), ("c", 3)] {
        commit(&mut owner, client, topic, offset, b"");
    }
    owner.close();
    damage(&folder, 1);

    let (mut owner, recovery) = Owner::open_told(folder.location());
    assert_eq!(committed(&mut owner, "a", topic), Some(1));
    assert_eq!(committed(&mut owner, "b", topic), None);
    assert_eq!(committed(&mut owner, "c", topic), Some(3));
    let older = "a in partition 0 of t".to_owned();
    let note = StateNote::Damaged {
        first: 1,
        next: 2,
        older: vec![older],
        more: 0,
    };
    assert_eq!(recovery.state, [note]);
    commit(&mut owner, "b", topic, 4, b"");
    owner.close();
    let mut owner = Owner::open(folder.location());
    assert_eq!(committed(&mut owner, "b", topic), Some(4));
    owner.close();
}

#[test]
fn damage_is_told_once_also_where_the_log_was_scanned() {
    let folder = Folder::new("positions_scanned");
    let mut owner = Owner::open(folder.location());
    let topic = owner.create("t", 1);
    for offset in 1..=3 {
        commit(&mut owner, "a", topic, offset, b"");
    }
    owner.close();
    damage(&folder, 1);
    // Something behind the end: it was not closed cleanly.
    let log = folder.0.join("positions/0/00000000000000000000.log");
    let mut bytes = std::fs::read(&log).unwrap();
    bytes.push(0);
    std::fs::write(&log, bytes).unwrap();

    let (mut owner, recovery) = Owner::open_told(folder.location());
    let same = |told: &PartitionNote| matches!(told.note, Note::Damaged { first: 1, .. });
    assert!(!recovery.report.notes.iter().any(same), "{recovery:?}");
    let [
        StateNote::Damaged {
            first: 1,
            next: 2,
            older,
            ..
        },
    ] = recovery.state.as_slice()
    else {
        panic!("{recovery:?}");
    };
    assert!(older.is_empty(), "it was committed behind the damage again");
    assert_eq!(committed(&mut owner, "a", topic), Some(3));
    owner.close();
}

#[test]
fn a_writer_whose_name_is_lost_does_not_take_the_records_of_the_next_one() {
    let folder = Folder::new("positions_names");
    let mut owner = Owner::open(folder.location());
    let topic = owner.create("t", 1);
    let first = owner.named(topic, "one");
    owner.append_from(first, Some(0), &["1", "2", "3"]).unwrap();
    owner.close();
    let log = folder.0.join("positions/0/00000000000000000000.log");
    let mut bytes = std::fs::read(&log).unwrap();
    *bytes.last_mut().unwrap() ^= 0x40;
    std::fs::write(&log, bytes).unwrap();

    let (mut owner, recovery) = Owner::open_told(folder.location());
    assert_eq!(recovery.state.len(), 1);
    let other = owner.named(topic, "other");
    assert_eq!(owner.session.last_sequence(other).unwrap(), None);
    let group = owner.append_from(other, Some(0), &["a", "b"]).unwrap();
    assert_eq!(group.records, 2, "they are not those of the first");
    owner.close();
}

#[test]
fn a_log_of_positions_with_much_that_is_live_is_written_anew_too() {
    let folder = Folder::new("positions_much");
    let mut owner = Owner::open(folder.location());
    let topic = owner.create("t", 1);
    let metadata = [7; 4096];
    let mut last = 0;
    // 1.6 MiB are live, and all of it is committed twenty times.
    for round in 0..20 {
        for client in 0..400 {
            let name = client.to_string();
            let ticket = owner.session.commit(&name, (topic, 0), round, &metadata);
            last = ticket.unwrap();
        }
        owner.settle(0, last);
    }
    owner.close();
    let mut bytes = 0;
    for entry in std::fs::read_dir(folder.0.join("positions/0")).unwrap() {
        let entry = entry.unwrap();
        if entry.file_name().to_string_lossy().ends_with(".log") {
            bytes += entry.metadata().unwrap().len();
        }
    }
    assert!(bytes < 20 << 20, "{bytes} bytes are left");
    let mut owner = Owner::open(folder.location());
    for client in 0..400 {
        assert_eq!(committed(&mut owner, &client.to_string(), topic), Some(19));
    }
    owner.close();
}
