use std::sync::atomic::{AtomicU8, Ordering};

use kaska::{From, Group, partition_of};
use log::batch::{Input, Shape, Times};
use log::{Acks, Config, ErrorKind, TopicOptions};
use wire::Code;

use crate::support::{Arena, Folder, Owner, stored};

#[test]
fn what_is_acknowledged_with_all_is_durable_and_read_back() {
    let folder = Folder::new("appends_all");
    let mut owner = Owner::open(folder.location());
    let topic = owner.create("t", 1);
    let writer = owner.writer(topic, Some(0), Acks::All);
    let group = owner.append(writer, &["one", "two"]);
    assert_eq!((group.partition, group.records), (0, 2));
    if group.ticket > 0 {
        let settled = owner.settle(writer, group.ticket);
        assert_eq!(settled.failed, None);
        assert_eq!(group.base.or(settled.base), Some(0));
    }
    assert_eq!(owner.session.ends(topic, 0).unwrap().durable, 2);
    owner.store(writer, &["three"]);
    assert_eq!(owner.read_all(topic, 0), stored(&["one", "two", "three"]));
    let stats = owner.session.stats().unwrap().store;
    assert_eq!((stats.batches, stats.records), (2, 3));
    assert!((1..=2).contains(&stats.syncs) && stats.bytes > 2 * 61);
    assert_eq!(stats.queued_bytes, 0);
    owner.close();

    let mut owner = Owner::open(folder.location());
    assert_eq!(owner.read_all(topic, 0), stored(&["one", "two", "three"]));
    let writer = owner.writer(topic, Some(0), Acks::All);
    owner.store(writer, &["four"]);
    assert_eq!(owner.read_all(topic, 0).last().unwrap().0, 3);
    owner.close();
}

#[test]
fn memory_has_nothing_to_wait_for() {
    let mut owner = Owner::memory();
    let topic = owner.create("t", 1);
    for acks in [Acks::All, Acks::Written, Acks::None] {
        let writer = owner.writer(topic, Some(0), acks);
        let group = owner.append(writer, &["x"]);
        assert_eq!((group.ticket, group.failed), (0, None));
        assert!(group.base.is_some());
    }
    assert_eq!(owner.read_all(topic, 0).len(), 3);
}

#[test]
fn many_appends_in_flight_settle_in_order_and_in_runs() {
    let folder = Folder::new("appends_many");
    let mut owner = Owner::open(folder.location());
    let topic = owner.create("t", 1);
    let writer = owner.writer(topic, Some(0), Acks::All);
    let mut last = 0;
    for _ in 0..500 {
        last = last.max(owner.append(writer, &["x", "y"]).ticket);
    }
    if last > 0 {
        owner.settle(writer, last);
    }
    let mut next = 0;
    for settled in &owner.settled {
        assert_eq!(settled.failed, None);
        assert!(settled.first > next, "{settled:?} after {next}");
        next = settled.last;
    }
    assert_eq!(owner.session.stats().unwrap().waiting, 0);
    assert_eq!(owner.read_all(topic, 0).len(), 1000);
    owner.close();
}

/// Records with keys: shape and bytes.
fn keyed(records: &[(Option<&str>, Option<&str>)]) -> (Vec<u8>, Vec<u32>) {
    let (mut data, mut shape) = (Vec::new(), Vec::new());
    for (key, value) in records {
        for field in [key, value] {
            shape.push(field.map_or(0, |field| field.len() as u32 + 1));
            data.extend_from_slice(field.unwrap_or_default().as_bytes());
        }
        shape.push(0);
    }
    (data, shape)
}

fn append_keyed(
    owner: &mut Owner,
    writer: u32,
    records: &[(Option<&str>, Option<&str>)],
    times: &[f64],
) -> (Vec<u32>, Vec<Group>) {
    let (data, shape) = keyed(records);
    let input = Input {
        data: &data,
        shape: Shape::Full(&shape),
        times: Times::Each(times),
    };
    let mut places = vec![99; records.len()];
    let mut groups = Vec::new();
    let count = owner
        .session
        .append(writer, &input, None, &mut places, |_, group| {
            groups.push(group);
        });
    assert_eq!(count.unwrap(), groups.len());
    (places, groups)
}

#[test]
fn keys_choose_partitions_and_each_record_has_its_row() {
    let mut owner = Owner::memory();
    let topic = owner.create("t", 4);
    let writer = owner.writer(topic, None, Acks::All);
    let keys = ["a", "b", "c", "d", "e", "f", "a", "c"];
    let records: Vec<_> = keys.iter().map(|key| (Some(*key), Some(*key))).collect();
    let times: Vec<f64> = (0..8).map(|n| f64::from(n) * 10.0).collect();
    let (places, groups) = append_keyed(&mut owner, writer, &records, &times);
    let mut seen = vec![0; groups.len()];
    for (number, (key, place)) in keys.iter().zip(&places).enumerate() {
        let group = groups[*place as usize];
        assert_eq!(group.partition, partition_of(key.as_bytes(), 4));
        let offset = group.base.unwrap() + seen[*place as usize];
        seen[*place as usize] += 1;
        let from = From::Offset(offset);
        let reader = owner.session.reader(topic, group.partition, from).unwrap();
        let mut arena = Arena::new();
        let done = arena.read(&mut owner.session, reader).unwrap();
        let record = &arena.records(&done)[0];
        assert_eq!(record.offset, offset);
        assert_eq!(record.key.as_deref(), Some(*key));
        assert_eq!(record.ms, times[number]);
    }
    let sum: u32 = groups.iter().map(|group| group.records).sum();
    assert_eq!(sum, 8);
}

#[test]
fn records_without_a_key_begin_elsewhere_after_each_opening() {
    static OPENINGS: AtomicU8 = AtomicU8::new(0);
    // Each opening has one id for that; the topic and the directory have theirs, too, the first time.
    let ids = || {
        let mut id = [0; 16];
        id[3] = OPENINGS.fetch_add(1, Ordering::Relaxed);
        id
    };
    let folder = Folder::new("appends_turns");
    let config = Config {
        ids,
        ..Config::default()
    };
    let mut first = std::collections::HashSet::new();
    let (mut owner, _) = Owner::open_with(folder.location(), config);
    let topic = owner.create("t", 3);
    owner.close();
    for _ in 0..3 {
        let (mut owner, _) = Owner::open_with(folder.location(), config);
        let writer = owner.writer(topic, None, Acks::All);
        first.insert(owner.append(writer, &["x"]).partition);
        // And who writes beside it begins with another one.
        let beside = owner.writer(topic, None, Acks::All);
        let elsewhere = owner.append(beside, &["x"]).partition;
        assert!(!first.contains(&elsewhere) || first.len() > 1);
        owner.close();
    }
    assert_eq!(first.len(), 3, "{first:?}");
}

#[test]
fn records_without_a_key_stay_together_for_a_call_and_go_round() {
    let mut owner = Owner::memory();
    let topic = owner.create("t", 3);
    let writer = owner.writer(topic, None, Acks::All);
    let mut partitions = Vec::new();
    for _ in 0..3 {
        let records = [(None, Some("x")), (None, None), (None, Some(""))];
        let (places, groups) = append_keyed(&mut owner, writer, &records, &[1.0, 2.0, 3.0]);
        assert_eq!(places, [0, 0, 0]);
        partitions.push(groups[0].partition);
    }
    partitions.push(owner.append(writer, &["values"]).partition);
    assert_eq!(partitions[3], partitions[0]);
    partitions.truncate(3);
    partitions.sort_unstable();
    assert_eq!(partitions, [0, 1, 2]);
}

#[test]
fn numbers_that_do_not_add_up_store_nothing() {
    let mut owner = Owner::memory();
    let topic = owner.create("t", 2);
    for partition in [Some(0), None] {
        let writer = owner.writer(topic, partition, Acks::All);
        let long = [2_u32, 2];
        let wild = [u32::MAX; 6];
        let odd = [1_u32, 1, 0, 1];
        for (shape, data) in [
            (Shape::Values(&long), b"abc".as_slice()),
            (Shape::Values(&long), b"abcde"),
            (Shape::Values(&[]), b""),
            (Shape::Full(&wild), b"abc"),
            (Shape::Full(&odd), b""),
        ] {
            let input = Input {
                data,
                shape,
                times: Times::One(0),
            };
            let appended = owner
                .session
                .append(writer, &input, None, &mut [0; 8], |_, _| {});
            assert_eq!(appended.unwrap_err().kind, ErrorKind::Invalid);
        }
        let input = Input {
            data: b"a",
            shape: Shape::Values(&[1]),
            times: Times::Each(&[1.0, 2.0]),
        };
        let appended = owner
            .session
            .append(writer, &input, None, &mut [0; 8], |_, _| {});
        assert_eq!(appended.unwrap_err().kind, ErrorKind::Invalid);
    }
    let nobody = owner.append_from(99, None, &["x"]);
    assert_eq!(nobody.unwrap_err().kind, ErrorKind::Closed);
    assert_eq!(owner.session.stats().unwrap().records, 0);
}

#[test]
fn a_failure_is_kept_with_its_words() {
    let mut owner = Owner::memory();
    let options = TopicOptions {
        max_batch_bytes: 2048,
        ..TopicOptions::default()
    };
    let topic = owner.create_with("t", options);
    let writer = owner.writer(topic, Some(0), Acks::All);
    let large = "x".repeat(4096);
    let code = owner.session.run(|session| {
        let input = Input {
            data: large.as_bytes(),
            shape: Shape::Values(&[4096]),
            times: Times::One(0),
        };
        session.append(writer, &input, None, &mut [], |_, _| {})
    });
    assert_eq!(code, Err(Code::TooLarge));
    let (failure, retryable) = owner.session.failure(Code::TooLarge).unwrap();
    assert_eq!((failure.code, retryable), (Code::TooLarge, false));
    // The session is as good as before.
    assert_eq!(owner.append(writer, &["small"]).base, Some(0));
}

#[test]
fn any_numbers_are_stored_whole_or_refused() {
    use log::sim::Choices;
    let mut owner = Owner::memory();
    let topic = owner.create("t", 3);
    let single = owner.writer(topic, Some(0), Acks::All);
    let keyed = owner.writer(topic, None, Acks::All);
    let mut choices = Choices::seed(7);
    let (mut taken, mut refused) = (0, 0);
    for _ in 0..4_000 {
        let mut pick = |ways: u64| u32::try_from(choices.pick(ways)).unwrap();
        let words: Vec<u32> = (0..pick(13))
            .map(|_| match pick(12) {
                0 => u32::MAX - pick(3),
                1 => 1 << pick(32),
                _ => pick(4),
            })
            .collect();
        let is_full = pick(2) == 0;
        let sum: u64 = if is_full {
            let field = |(place, word): (usize, &u32)| match place % 3 {
                2 => u64::from(*word),
                _ => u64::from(word.saturating_sub(1)),
            };
            words.iter().enumerate().map(field).sum()
        } else {
            words.iter().map(|word| u64::from(*word)).sum()
        };
        // Mostly as many bytes as the numbers say, if that can be.
        let bytes = if pick(4) == 0 {
            u64::from(pick(20))
        } else {
            sum.min(64)
        };
        let data = vec![0; usize::try_from(bytes).unwrap()];
        let times: Vec<f64> = (0..pick(6)).map(f64::from).collect();
        let input = Input {
            data: &data,
            shape: if is_full {
                Shape::Full(&words)
            } else {
                Shape::Values(&words)
            },
            times: if pick(2) == 0 {
                Times::One(i64::from(pick(9)))
            } else {
                Times::Each(&times)
            },
        };
        let writer = if pick(2) == 0 { single } else { keyed };
        let before = owner.session.stats().unwrap().records;
        let mut places = [0; 16];
        let mut told = 0;
        let appended = owner
            .session
            .append(writer, &input, None, &mut places, |_, group| {
                if group.failed.is_none() {
                    told += u64::from(group.records);
                }
            });
        let after = owner.session.stats().unwrap().records;
        assert_eq!(after - before, told);
        match appended {
            Ok(_) => taken += 1,
            Err(error) => {
                assert!(told == 0 && error.kind == ErrorKind::Invalid, "{error:?}");
                refused += 1;
            }
        }
    }
    assert!(taken > 100 && refused > 100, "{taken} {refused}");
    let verified = owner.ask(|session, request| session.verify(request));
    match verified.unwrap() {
        kaska::Answer::Verified(found) => assert_eq!(found.damaged, []),
        other => panic!("{other:?}"),
    }
}
