use std::time::Instant;

use kaska::client::{Polled, Reset};
use kaska::{Answer, PollTrouble, Session};
use log::{Acks, Codec, ErrorKind, TopicOptions};

use crate::support::{Folder, Owner, PATIENCE};

/// A message that can be polled: topic, offset, text. Asks again as it is told to.
fn poll(session: &mut Session, client: u32) -> Option<(u32, u64, String)> {
    let mut data = vec![0; 16];
    loop {
        match session.poll(client, &mut data, &mut None).unwrap() {
            Polled::Nothing => return None,
            Polled::Again => std::thread::yield_now(),
            Polled::Needs(bytes) => data.resize(bytes, 0),
            Polled::Message {
                topic,
                offset,
                bytes,
                ..
            } => {
                let text = String::from_utf8(data[..bytes].to_vec()).unwrap();
                return Some((topic, offset, text));
            }
        }
    }
}

#[test]
fn a_client_sees_later_messages_in_turn() {
    for folder in [None, Some(Folder::new("clients_turn"))] {
        let mut owner = match &folder {
            None => Owner::memory(),
            Some(folder) => Owner::open(folder.location()),
        };
        let (a, b) = (owner.create("a", 1), owner.create("b", 2));
        let to_a = owner.writer(a, Some(0), Acks::All);
        let to_b = owner.writer(b, Some(1), Acks::All);
        owner.store(to_a, &["early"]);
        let client = owner.session.client(Reset::Fail).unwrap();
        assert_eq!(owner.session.subscribe(client, &[a, 77, b, a]).unwrap(), 2);
        assert_eq!(poll(&mut owner.session, client), None);
        let long = "a message that is longer than the memory at first";
        owner.store(to_a, &["", "a1", long, "a3"]);
        owner.store(to_b, &["b0"]);
        owner.store(to_b, &["b1"]);
        let mut polled = Vec::new();
        while let Some((topic, offset, text)) = poll(&mut owner.session, client) {
            polled.push((topic, offset, text));
        }
        let told = |topic, offset, text: &str| (topic, offset, text.to_owned());
        assert_eq!(
            polled,
            [
                told(a, 2, "a1"),
                told(b, 0, "b0"),
                told(a, 3, long),
                told(b, 1, "b1"),
                told(a, 4, "a3"),
            ]
        );
        assert_eq!(owner.session.client_position(client, a).unwrap(), 5);
        owner.session.client_seek(client, a, 0).unwrap();
        let first = poll(&mut owner.session, client);
        assert_eq!(first, Some(told(a, 0, "early")));
        owner.session.client_seek(client, a, -5).unwrap();
        assert_eq!(poll(&mut owner.session, client), None);
        assert_eq!(owner.session.client_position(client, a).unwrap(), -5);
    }
}

#[test]
fn refusals_have_their_kinds() {
    let mut owner = Owner::memory();
    let topic = owner.create("t", 1);
    let client = owner.session.client(Reset::Fail).unwrap();
    let session = &mut owner.session;
    let kind = |result: Result<(), log::Error>| result.unwrap_err().kind;
    assert_eq!(kind(session.unsubscribe(client)), ErrorKind::NotFound);
    assert_eq!(
        kind(session.client_seek(client, topic, 0)),
        ErrorKind::NotFound
    );
    let polled = session.poll(client, &mut [], &mut None);
    assert_eq!(polled.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(session.subscribe(client, &[99]).unwrap(), 0);
    assert_eq!(session.subscribe(client, &[topic]).unwrap(), 1);
    let again = session.subscribe(client, &[topic]);
    assert_eq!(again.unwrap_err().kind, ErrorKind::Exists);
    session.unsubscribe(client).unwrap();
    session.close_client(client);
    assert_eq!(kind(session.unsubscribe(client)), ErrorKind::Closed);
}

#[test]
fn a_topic_that_is_deleted_is_told_once_and_left() {
    let mut owner = Owner::memory();
    let (a, b) = (owner.create("a", 3), owner.create("b", 1));
    let to_a = owner.writer(a, Some(1), Acks::All);
    let to_b = owner.writer(b, Some(0), Acks::All);
    let client = owner.session.client(Reset::Fail).unwrap();
    owner.session.subscribe(client, &[a, b]).unwrap();
    owner.store(to_a, &["1", "2"]);
    assert_eq!(poll(&mut owner.session, client), Some((a, 0, "1".into())));
    owner
        .ask(|session, request| session.delete_topic(request, a))
        .unwrap();
    owner.store(to_b, &["x"]);
    let mut trouble = None;
    // What was read ahead of it is not told either.
    let gone = owner.session.poll(client, &mut [0; 9], &mut trouble);
    assert_eq!(gone.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(trouble, Some(PollTrouble::Deleted { topic: a }));
    assert_eq!(poll(&mut owner.session, client), Some((b, 0, "x".into())));
    // One of the same name is another.
    let again = owner.create("a", 1);
    let to_again = owner.writer(again, Some(0), Acks::All);
    owner.store(to_again, &["new"]);
    assert_eq!(poll(&mut owner.session, client), None);
    owner
        .ask(|session, request| session.delete_topic(request, b))
        .unwrap();
    let gone = owner.session.poll(client, &mut [0; 9], &mut trouble);
    assert_eq!(gone.unwrap_err().kind, ErrorKind::NotFound);
    let none = owner.session.poll(client, &mut [0; 9], &mut None);
    assert_eq!(none.unwrap_err().kind, ErrorKind::NotFound);
    assert_eq!(owner.session.subscribe(client, &[again]), Ok(1));
}

#[test]
fn a_large_compressed_batch_is_polled_too() {
    let folder = Folder::new("clients_compressed");
    let mut owner = Owner::open(folder.location());
    let options = TopicOptions {
        codec: Codec::Gzip,
        ..TopicOptions::default()
    };
    let topic = owner.create_with("t", options);
    let writer = owner.writer(topic, Some(0), Acks::All);
    let client = owner.session.client(Reset::Fail).unwrap();
    owner.session.subscribe(client, &[topic]).unwrap();
    // Too much to be inflated by this thread, and hard to compress.
    let numbers = (0..40_000_u32).map(|n| (n.wrapping_mul(2_654_435_761) % 9_973).to_string());
    let large = numbers.collect::<String>();
    owner.store(writer, &[&large, &large]);
    let until = Instant::now() + PATIENCE;
    let mut data = vec![0; large.len()];
    for offset in 0..2 {
        let polled = loop {
            match owner.session.poll(client, &mut data, &mut None).unwrap() {
                Polled::Again if Instant::now() < until => std::thread::yield_now(),
                polled => break polled,
            }
        };
        let message = Polled::Message {
            topic,
            partition: 0,
            offset,
            bytes: large.len(),
        };
        assert_eq!(polled, message);
    }
    owner.close();
}

#[test]
fn a_message_has_a_length_and_what_is_none_has_none() {
    let folder = Folder::new("clients_length");
    let mut owner = Owner::open(folder.location());
    let topic = owner.create("t", 1);
    let writer = owner.writer(topic, Some(0), Acks::All);
    owner.store(writer, &["abc", "", "defgh"]);
    for (offset, length) in [(0, 3), (1, 0), (2, 5), (3, 0), (u64::MAX, 0)] {
        let told = owner.ask(|session, request| session.message_length(request, topic, offset));
        assert_eq!(told, Ok(Answer::Number(Some(length))), "{offset}");
    }
    let nowhere = owner.ask(|session, request| session.message_length(request, 99, 0));
    assert_eq!(nowhere.unwrap_err().code, wire::Code::NotFound);
    owner.close();
}
