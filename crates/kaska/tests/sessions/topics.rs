use kaska::{Answer, Event};
use log::{ErrorKind, TopicOptions};
use wire::Code;

use crate::support::{Folder, Owner};

#[test]
fn a_topic_is_made_once_found_by_name_and_deleted() {
    let mut owner = Owner::memory();
    let number = owner.create("a", 3);
    assert_eq!(owner.session.topic("a").unwrap(), number);
    let again =
        owner.ask(|session, request| session.create_topic(request, "a", TopicOptions::default()));
    assert_eq!(again.unwrap_err().code, Code::Exists);
    let topics = owner.session.topics().unwrap();
    assert_eq!(topics.len(), 1);
    assert_eq!(topics[0].options.partitions, 3);
    assert_eq!(owner.session.stats().unwrap().partitions, 3);

    let deleted = owner.ask(|session, request| session.delete_topic(request, number));
    assert_eq!(deleted, Ok(Answer::Done));
    let gone = owner.session.topic("a").unwrap_err();
    assert_eq!(gone.kind, ErrorKind::NotFound);
    let twice = owner.ask(|session, request| session.delete_topic(request, number));
    assert_eq!(twice.unwrap_err().code, Code::NotFound);
    assert_ne!(owner.create("a", 1), number, "numbers are never used again");
}

#[test]
fn names_and_options_that_cannot_be_are_refused_at_once() {
    let mut owner = Owner::memory();
    let refused = |owner: &mut Owner, name: &str, options: TopicOptions| {
        let made = owner.session.create_topic(1, name, options);
        made.unwrap_err().kind
    };
    let good = TopicOptions::default();
    for name in ["", "a\0b", &"x".repeat(65_535)] {
        assert_eq!(refused(&mut owner, name, good), ErrorKind::Invalid);
    }
    let none = TopicOptions {
        partitions: 0,
        ..good
    };
    assert_eq!(refused(&mut owner, "a", none), ErrorKind::Invalid);
    owner.create(&"x".repeat(65_534), 1);
    owner.create("../../etc/passwd", 1);
}

#[test]
fn topics_are_there_again_after_a_close() {
    let folder = Folder::new("topics_again");
    let mut owner = Owner::begin(folder.location());
    match owner.event() {
        Event::Open(told) => assert!(told.report.created && told.report.notes.is_empty()),
        other => panic!("{other:?}"),
    }
    let number = owner.create("kept", 2);
    owner.close();
    let mut owner = Owner::begin(folder.location());
    match owner.event() {
        Event::Open(told) => assert!(!told.report.created && told.report.notes.is_empty()),
        other => panic!("{other:?}"),
    }
    assert_eq!(owner.session.topic("kept").unwrap(), number);
    owner.close();
}

#[test]
fn a_folder_that_is_something_else_is_not_touched() {
    let folder = Folder::new("topics_else");
    std::fs::create_dir_all(&folder.0).unwrap();
    std::fs::write(folder.0.join("letter.txt"), "dear").unwrap();
    let mut owner = Owner::begin(folder.location());
    match owner.event() {
        Event::Failed(error) => assert_eq!(kaska::wire_error(&error).code, Code::InvalidArgument),
        other => panic!("{other:?}"),
    }
    assert!(matches!(owner.event(), Event::Closed(None)));
    assert!(owner.session.topics().is_err());
    let there: Vec<_> = std::fs::read_dir(&folder.0)
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .filter(|name| name != "lock")
        .collect();
    assert_eq!(there, ["letter.txt"]);
}

#[test]
fn what_is_new_and_what_is_gone_is_told_once() {
    let mut owner = Owner::memory();
    let numbers: Vec<u32> = ["a", "b", "c", "d"]
        .map(|name| owner.create(name, 1))
        .into();
    let changed = |owner: &mut Owner| {
        let (new, gone) = owner.session.topics_changed().unwrap();
        let new: Vec<u32> = new.iter().map(|topic| topic.number).collect();
        (new, gone)
    };
    assert_eq!(changed(&mut owner), (numbers.clone(), vec![]));
    assert_eq!(changed(&mut owner), (vec![], vec![]));
    let gone = vec![numbers[0], numbers[2], numbers[3]];
    for number in gone.clone() {
        owner
            .ask(|session, request| session.delete_topic(request, number))
            .unwrap();
    }
    let again = owner.create("a", 1);
    assert_eq!(changed(&mut owner), (vec![again], gone));
}
