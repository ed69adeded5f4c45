use kaska::{From, ReadState, index_batch};
use log::batch::{Input, Shape, Times};
use log::{Acks, ErrorKind, TopicOptions};

use crate::support::{Arena, Folder, Owner, stored};

#[test]
fn a_reader_at_the_end_is_told_of_more() {
    for folder in [None, Some(Folder::new("reads_more"))] {
        let mut owner = match &folder {
            None => Owner::memory(),
            Some(folder) => Owner::open(folder.location()),
        };
        let topic = owner.create("t", 1);
        let reader = owner.session.reader(topic, 0, From::End).unwrap();
        assert_eq!(owner.values(reader), []);
        let writer = owner.writer(topic, Some(0), Acks::None);
        owner.append(writer, &["a"]);
        while owner.ready.is_empty() {
            owner.look();
        }
        assert_eq!(owner.ready, [reader]);
        assert_eq!(owner.values(reader), stored(&["a"]));
    }
}

#[test]
fn a_read_begins_with_the_whole_batch_and_tells_the_place() {
    let mut owner = Owner::memory();
    let topic = owner.create("t", 1);
    let writer = owner.writer(topic, Some(0), Acks::All);
    owner.append(writer, &["a", "b", "c"]);
    owner.append(writer, &["d"]);
    let reader = owner.session.reader(topic, 0, From::Offset(1)).unwrap();
    let mut arena = Arena::new();
    let done = arena.read(&mut owner.session, reader).unwrap();
    assert_eq!((done.batches, done.first, done.next), (2, 1, 4));
    let values: Vec<_> = arena.records(&done).into_iter().map(|r| r.value).collect();
    assert_eq!(values, ["b", "c", "d"].map(|v| Some(v.to_owned())));

    owner.session.seek(reader, From::Offset(3)).unwrap();
    assert_eq!(owner.values(reader), [(3, "d".into())]);
    owner.session.seek(reader, From::Start).unwrap();
    assert_eq!(owner.values(reader).len(), 4);
    owner.session.seek(reader, From::Offset(5)).unwrap();
    let beyond = arena.read(&mut owner.session, reader).unwrap_err();
    assert_eq!(beyond.kind, ErrorKind::OutOfRange);
    owner.session.close_reader(reader);
    let gone = arena.read(&mut owner.session, reader).unwrap_err();
    assert_eq!(gone.kind, ErrorKind::Closed);
    let nowhere = owner.session.reader(topic, 1, From::Start).unwrap_err();
    assert_eq!(nowhere.kind, ErrorKind::NotFound);
}

#[test]
fn a_batch_that_finds_no_room_says_what_it_needs() {
    let mut owner = Owner::memory();
    let topic = owner.create("t", 1);
    let writer = owner.writer(topic, Some(0), Acks::All);
    let large = "x".repeat(5000);
    owner.append(writer, &["a", &large]);
    let reader = owner.session.reader(topic, 0, From::Start).unwrap();

    let mut small = Arena::of(100, 100);
    let done = small.read(&mut owner.session, reader).unwrap();
    assert_eq!(done.state, ReadState::NeedsRoom);
    assert!(done.needs > 5000);
    // Bytes enough, but the index has room for one.
    let mut narrow = Arena::of(done.needs, 1);
    let told = narrow.read(&mut owner.session, reader).unwrap();
    assert_eq!((told.state, told.needs_records), (ReadState::NeedsRoom, 2));
    let mut enough = Arena::of(done.needs, 2);
    let done = enough.read(&mut owner.session, reader).unwrap();
    assert_eq!(enough.records(&done)[1].value.as_deref(), Some(&*large));
}

#[test]
fn batches_that_the_index_has_no_room_for_come_with_the_next_read() {
    let mut owner = Owner::memory();
    let topic = owner.create("t", 1);
    let writer = owner.writer(topic, Some(0), Acks::All);
    for _ in 0..5 {
        owner.append(writer, &["a", "b", "c"]);
    }
    let reader = owner.session.reader(topic, 0, From::Offset(1)).unwrap();
    let mut offsets = Vec::new();
    for batches in [2, 2, 1] {
        let mut arena = Arena::of(4096, 7);
        let done = arena.read(&mut owner.session, reader).unwrap();
        assert_eq!(done.batches, batches);
        offsets.extend(arena.records(&done).iter().map(|record| record.offset));
    }
    assert_eq!(offsets, (1..15).collect::<Vec<_>>());
}

#[test]
fn null_is_not_empty_and_headers_stand_behind_the_value() {
    let mut owner = Owner::memory();
    let topic = owner.create("t", 1);
    let writer = owner.writer(topic, Some(0), Acks::All);
    let header = [1_u32.to_le_bytes().as_slice(), &2_u32.to_le_bytes(), b"hv"].concat();
    let own = header.len() as u32;
    let shape = [0, 0, own, 1, 1, own, 3, 0, own, 0, 3, own];
    let data = [&header, &header, b"kk".as_slice(), &header, b"vv", &header].concat();
    let input = Input {
        data: &data,
        shape: Shape::Full(&shape),
        times: Times::Each(&[5.0, 3.0, 4.0, -1.0]),
    };
    owner
        .session
        .append(writer, &input, None, &mut [], |_, _| {})
        .unwrap();
    let reader = owner.session.reader(topic, 0, From::Start).unwrap();
    let mut arena = Arena::new();
    let done = arena.read(&mut owner.session, reader).unwrap();
    let records = arena.records(&done);
    let text = |text: &str| Some(text.to_owned());
    let fields: Vec<_> = records
        .iter()
        .map(|record| (record.key.clone(), record.value.clone(), record.ms))
        .collect();
    assert_eq!(
        fields,
        [
            (None, None, 5.0),
            (text(""), text(""), 3.0),
            (text("kk"), None, 4.0),
            (None, text("vv"), -1.0),
        ]
    );
    for record in &records {
        // Count 1, key of 1 byte, value of 1 byte, as varints.
        assert_eq!(arena.data[record.headers..][..5], [2, 2, b'h', 2, b'v']);
    }

    // The same index is made later, from the table alone.
    let mut bare = Arena::of(4096, 0);
    owner.session.seek(reader, From::Start).unwrap();
    bare.read(&mut owner.session, reader).unwrap();
    let [start, bytes, count, .., base_ms] = bare.table[..8] else {
        unreachable!()
    };
    let (mut index, mut times) = (vec![0; 16], vec![0.0; 4]);
    index_batch(
        &bare.data,
        (start as usize, bytes as usize),
        (count as u32, base_ms as i64),
        &mut index,
        &mut times,
    )
    .unwrap();
    assert_eq!(index, arena.index[..16]);
    assert_eq!(times, arena.times[..4]);
    for (start, bytes, count) in [(4000, 200, 4), (0, 0, 4), (0, 10, u32::MAX), (1, 20, 2)] {
        let made = index_batch(
            &bare.data,
            (start, bytes),
            (count, 0),
            &mut index,
            &mut times,
        );
        assert!(made.is_err());
    }
}

#[test]
fn a_time_is_looked_up_exactly() {
    let folder = Folder::new("reads_time");
    let mut owner = Owner::open(folder.location());
    let topic = owner.create("t", 1);
    let writer = owner.writer(topic, Some(0), Acks::All);
    for chunk in [[10.0, 30.0], [20.0, 40.0]] {
        let input = Input {
            data: b"ab",
            shape: Shape::Full(&[0, 2, 0, 0, 2, 0]),
            times: Times::Each(&chunk),
        };
        let mut ticket = 0;
        owner
            .session
            .append(writer, &input, None, &mut [], |_, group| {
                ticket = group.ticket
            })
            .unwrap();
        if ticket > 0 {
            owner.settle(writer, ticket);
        }
    }
    for (ms, offset) in [(0, Some(0)), (11, Some(1)), (31, Some(3)), (41, None)] {
        let found = owner.ask(|session, request| session.offset_at(request, topic, 0, ms));
        assert_eq!(found, Ok(kaska::Answer::Number(offset)), "{ms}");
    }
    let verified = owner.ask(|session, request| session.verify(request));
    match verified.unwrap() {
        kaska::Answer::Verified(found) => {
            assert_eq!((found.batches, found.records), (2, 4));
            assert_eq!(found.damaged, []);
        }
        other => panic!("{other:?}"),
    }
    owner.close();
}

#[test]
fn a_check_of_everything_finds_a_bit_that_has_turned_over() {
    use std::io::{Read as _, Seek as _, SeekFrom, Write as _};
    let folder = Folder::new("reads_verify");
    let mut owner = Owner::open(folder.location());
    let topic = owner.create("t", 1);
    let writer = owner.writer(topic, Some(0), Acks::All);
    for _ in 0..3 {
        owner.store(writer, &["a", "b"]);
    }
    // Read and so checked by this process already.
    assert_eq!(owner.read_all(topic, 0).len(), 6);
    let log = folder.0.join("topics/00000001/0/00000000000000000000.log");
    let mut file = std::fs::File::options()
        .read(true)
        .write(true)
        .open(log)
        .unwrap();
    let batch = file.metadata().unwrap().len() / 3;
    file.seek(SeekFrom::Start(2 * batch - 3)).unwrap();
    let mut byte = [0];
    file.read_exact(&mut byte).unwrap();
    file.seek(SeekFrom::Start(2 * batch - 3)).unwrap();
    file.write_all(&[byte[0] ^ 1]).unwrap();
    let found = owner.ask(|session, request| session.verify(request));
    match found.unwrap() {
        kaska::Answer::Verified(found) => {
            let [damage] = found.damaged.as_slice() else {
                panic!("{found:?}");
            };
            assert_eq!(
                (damage.place, damage.first, damage.next),
                ((topic, 0), 2, 4)
            );
            assert!(!damage.message.is_empty());
            assert_eq!((found.batches, found.records), (2, 4));
        }
        other => panic!("{other:?}"),
    }
    // A close and an open do not lose what is behind it.
    owner.close();
    let mut owner = Owner::open(folder.location());
    let reader = owner.session.reader(topic, 0, From::Start).unwrap();
    let mut arena = Arena::new();
    let done = arena.read(&mut owner.session, reader).unwrap();
    assert_eq!(arena.records(&done).len(), 2);
    let damaged = loop {
        match arena.read(&mut owner.session, reader) {
            Ok(done) => assert_eq!(done.state, ReadState::Later),
            Err(error) => break error,
        }
        while !owner.ready.contains(&reader) {
            owner.look();
        }
        owner.ready.clear();
    };
    assert_eq!(damaged.kind, ErrorKind::Corrupt);
    assert_eq!(owner.session.damage(reader), Some((2, 4)));
    owner.session.seek(reader, From::Offset(4)).unwrap();
    assert_eq!(owner.values(reader).len(), 2);
    owner.close();
}

#[test]
fn an_index_of_any_bytes_stays_within_them() {
    use log::sim::Choices;
    let mut choices = Choices::seed(11);
    let mut made = 0;
    for _ in 0..20_000 {
        let mut pick = |ways: u64| usize::try_from(choices.pick(ways)).unwrap();
        let mut data: Vec<u8> = (0..40).map(|_| u8::try_from(pick(256)).unwrap()).collect();
        if pick(2) == 0 {
            // Nearly a record: attributes, time, place, key of 1 byte, null value, no headers.
            data.splice(4..12, [14, 0, 0, 0, 2, b'k', 1, 0]);
        }
        let (start, bytes, count) = if pick(2) == 0 {
            (pick(8), pick(48), u32::try_from(pick(4)).unwrap())
        } else {
            let place = 4 + pick(8);
            data[place] = u8::try_from(pick(16)).unwrap();
            (4, 8, 1)
        };
        let (mut index, mut times) = ([7; 8], [0.0; 2]);
        if index_batch(&data, (start, bytes), (count, 5), &mut index, &mut times).is_err() {
            continue;
        }
        made += u32::from(count > 0);
        for [key, key_length, value, value_length] in
            index.as_chunks::<4>().0.iter().take(count as usize)
        {
            for (at, length) in [(key, key_length), (value, value_length)] {
                let length = if *length == u32::MAX { 0 } else { *length };
                assert!((at + length) as usize <= start + bytes);
            }
        }
    }
    assert!(made > 50, "{made}");
}

#[test]
fn a_full_segment_that_ends_before_its_records_do_is_damaged() {
    for left in [0, 1] {
        let folder = Folder::new(&format!("reads_short_{left}"));
        let mut owner = Owner::open(folder.location());
        let options = TopicOptions {
            segment_bytes: 1 << 20,
            ..TopicOptions::default()
        };
        let topic = owner.create_with("t", options);
        let writer = owner.writer(topic, Some(0), Acks::All);
        let large = "x".repeat(400_000);
        for _ in 0..6 {
            owner.store(writer, &[&large]);
        }
        owner.close();
        let log = folder.0.join("topics/00000001/0/00000000000000000000.log");
        let file = std::fs::File::options().write(true).open(log).unwrap();
        // Two batches are in a segment: none is left of the first one, or one.
        file.set_len(file.metadata().unwrap().len() / 2 * left)
            .unwrap();

        let mut owner = Owner::open(folder.location());
        let from = From::Offset(left);
        let reader = owner.session.reader(topic, 0, from).unwrap();
        let mut arena = Arena::of(1 << 20, 1024);
        let refused = loop {
            match arena.read(&mut owner.session, reader) {
                Ok(done) => assert_eq!(done.state, ReadState::Later),
                Err(error) => break error,
            }
            while !owner.ready.contains(&reader) {
                owner.look();
            }
            owner.ready.clear();
        };
        assert_eq!(refused.kind, ErrorKind::Corrupt);
        assert_eq!(owner.session.damage(reader), Some((left, 2)));
        owner.close();
    }
}
