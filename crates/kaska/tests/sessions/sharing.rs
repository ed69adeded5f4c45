use kaska::{Event, From};
use log::{Acks, Error, ErrorKind};
use wire::Code;

use crate::support::{Folder, Owner, stored};

#[test]
fn sessions_of_a_process_share_a_directory_by_any_path() {
    let folder = Folder::new("sharing_paths");
    let mut one = Owner::open(folder.location());
    let around = folder.0.join("..").join("sharing_paths");
    let mut other = Owner::open(kaska::Location::Folder(around));
    let topic = one.create("t", 1);
    while !matches!(other.event(), Event::Topics) {}
    assert_eq!(other.session.topic("t").unwrap(), topic);

    let reader = other.session.reader(topic, 0, From::Start).unwrap();
    assert_eq!(other.values(reader), []);
    let writer = one.writer(topic, Some(0), Acks::All);
    one.store(writer, &["from one"]);
    while other.ready.is_empty() {
        other.look();
    }
    assert_eq!(other.values(reader), stored(&["from one"]));
    // The first to leave leaves it open for the other.
    one.close();
    let writer = other.writer(topic, Some(0), Acks::All);
    other.store(writer, &["from the other"]);
    other.close();
    let mut again = Owner::open(folder.location());
    assert_eq!(again.read_all(topic, 0).len(), 2);
    again.close();
}

#[test]
fn a_session_that_is_dropped_leaves_the_directory_to_others() {
    let folder = Folder::new("sharing_drop");
    let mut one = Owner::open(folder.location());
    let mut other = Owner::open(folder.location());
    let topic = one.create("t", 1);
    let writer = one.writer(topic, Some(0), Acks::All);
    for _ in 0..100 {
        one.append(writer, &["x"]);
    }
    drop(one);
    let writer = other.writer(topic, Some(0), Acks::All);
    other.store(writer, &["y"]);
    assert_eq!(other.read_all(topic, 0).len(), 101);
    drop(other);
    // Dropped as well, so it is closed, and closed cleanly.
    let mut again = Owner::begin(folder.location());
    match again.event() {
        Event::Open(told) => assert!(told.report.notes.is_empty()),
        other => panic!("{other:?}"),
    }
    again.close();
}

#[test]
fn one_that_goes_before_it_is_open_is_missed_by_nobody() {
    let folder = Folder::new("sharing_early");
    for _ in 0..5 {
        drop(Owner::begin(folder.location()));
    }
    let mut closing = Owner::begin(folder.location());
    closing.session.close(None);
    assert!(matches!(closing.event(), Event::Closed(_) | Event::Open(_)));
    drop(closing);
    Owner::open(folder.location()).close();
}

#[test]
fn a_directory_that_is_broken_off_takes_nothing_more_and_is_read_on() {
    let folder = Folder::new("sharing_broken");
    let mut one = Owner::open(folder.location());
    let mut other = Owner::open(folder.location());
    let topic = one.create("t", 1);
    let writer = one.writer(topic, Some(0), Acks::All);
    one.store(writer, &["kept"]);
    other.session.break_off();
    for owner in [&mut one, &mut other] {
        loop {
            match owner.event() {
                Event::Poisoned(error) => break assert_eq!(error.code, Code::Internal),
                Event::Topics => {}
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(owner.read_all(topic, 0), stored(&["kept"]));
    }
    let refused: Result<_, Error> = one.append_from(writer, None, &["lost"]);
    assert!(matches!(
        refused.unwrap_err().kind,
        ErrorKind::Storage | ErrorKind::Internal
    ));
    let refused = one.session.commit("c", (topic, 0), 1, b"").unwrap_err();
    assert!(matches!(
        refused.kind,
        ErrorKind::Storage | ErrorKind::Internal
    ));
    // A new session of this process finds it broken until all have let go.
    let mut third = Owner::begin(folder.location());
    assert!(matches!(third.event(), Event::Failed(_)));
    drop((one, other, third));
    let mut again = Owner::open(folder.location());
    assert_eq!(again.read_all(topic, 0), stored(&["kept"]));
    again.close();
}

#[cfg(unix)]
#[test]
fn another_folder_at_the_path_of_one_that_is_open_is_another_directory() {
    let folder = Folder::new("sharing_replaced");
    let moved = Folder::new("sharing_replaced_moved");
    let mut one = Owner::open(folder.location());
    let topic = one.create("t", 1);
    let writer = one.writer(topic, Some(0), Acks::All);
    one.store(writer, &["in the old one"]);
    std::fs::rename(&folder.0, &moved.0).unwrap();

    let mut other = Owner::open(folder.location());
    assert!(other.session.topic("t").is_err());
    let own = other.create("t", 1);
    let writer_there = other.writer(own, Some(0), Acks::All);
    other.store(writer_there, &["in the new one"]);
    // The new one is shared from now on, and the old one goes on for those who have it.
    let mut third = Owner::open(folder.location());
    assert_eq!(third.read_all(own, 0), stored(&["in the new one"]));
    one.store(writer, &["and more"]);
    let old = stored(&["in the old one", "and more"]);
    assert_eq!(one.read_all(topic, 0), old);
    // Somebody has it open, wherever it is now.
    assert!(matches!(
        Owner::begin(moved.location()).event(),
        Event::Failed(error) if error.kind == ErrorKind::Locked
    ));
    drop(one);

    other.store(writer_there, &["still"]);
    other.close();
    third.close();
    let mut again = Owner::open(folder.location());
    let new = stored(&["in the new one", "still"]);
    assert_eq!(again.read_all(own, 0), new);
    again.close();
    let mut found = Owner::open(moved.location());
    assert_eq!(found.read_all(topic, 0), old);
    found.close();
}

#[cfg(unix)]
#[test]
fn a_folder_that_was_removed_while_it_was_open_is_made_anew() {
    let folder = Folder::new("sharing_removed");
    let mut one = Owner::open(folder.location());
    one.create("t", 1);
    std::fs::remove_dir_all(&folder.0).unwrap();
    let mut other = Owner::open(folder.location());
    assert!(other.session.topic("t").is_err());
    drop(one);
    let topic = other.create("t", 1);
    let writer = other.writer(topic, Some(0), Acks::All);
    other.store(writer, &["kept"]);
    other.close();
    let mut again = Owner::open(folder.location());
    assert_eq!(again.read_all(topic, 0), stored(&["kept"]));
    again.close();
}
