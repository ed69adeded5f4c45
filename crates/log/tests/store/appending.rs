use std::sync::{Arc, Mutex};

use log::sim::SimDisk;
use log::*;

use crate::support::*;

/// Counts what it hears.
#[derive(Default)]
struct Heard {
    progress: Mutex<Vec<Vec<(u32, u32)>>>,
    events: Mutex<Vec<String>>,
}

impl Observer for Heard {
    fn progressed(&self, partitions: &[Arc<Partition>]) {
        let numbers = partitions.iter().map(|one| (one.topic(), one.number()));
        self.progress.lock().unwrap().push(numbers.collect());
    }
    fn happened(&self, event: &Event) {
        self.events.lock().unwrap().push(format!("{event:?}"));
    }
}

#[test]
fn in_memory_what_is_appended_is_durable_and_read_at_once() {
    let driven = Driven::open(&Arc::new(MemoryDisk::new())).unwrap();
    assert!(driven.report.created);
    let topic = driven.topic("t", &small());
    for offset in 0..10 {
        let found = written(append(&topic, &[&value_of(offset)]));
        assert_eq!(found, (offset, offset + 1));
    }
    let ends = Ends {
        start: 0,
        visible: 10,
        durable: 10,
        written: 10,
    };
    assert_eq!(topic.ends(), ends);
    assert_eq!(read_all(&driven.store, &topic), records(0, 10));
    driven.store.close(None).unwrap();
    assert_eq!(append(&topic, &[b"x"]).unwrap_err().kind, ErrorKind::Closed);
}

#[test]
fn readers_see_what_is_durable_and_hear_of_it() {
    let mut driven = Driven::open(&Arc::new(SimDisk::new())).unwrap();
    let topic = driven.topic("t", &small());
    let heard = Arc::new(Heard::default());
    driven
        .store
        .observe(Arc::clone(&heard) as Arc<dyn Observer>);
    assert_eq!(written(append(&topic, &[&value_of(0)])), (0, 1));
    assert_eq!((topic.ends().visible, topic.ends().written), (0, 1));
    assert_eq!(read_all(&driven.store, &topic), []);
    assert_eq!(*heard.progress.lock().unwrap(), [] as [Vec<_>; 0]);
    driven.commit();
    assert_eq!((topic.ends().visible, topic.ends().durable), (1, 1));
    assert_eq!(read_all(&driven.store, &topic), records(0, 1));
    assert_eq!(*heard.progress.lock().unwrap(), [[(1, 0)]]);
}

#[test]
fn batches_of_several_partitions_are_one_group() {
    let mut driven = Driven::open(&Arc::new(SimDisk::new())).unwrap();
    let name = TopicName::parse(b"many").unwrap();
    let options = TopicOptions {
        partitions: 16,
        ..small()
    };
    let number = driven.store.create_topic(&name, &options).unwrap();
    let heard = Arc::new(Heard::default());
    driven
        .store
        .observe(Arc::clone(&heard) as Arc<dyn Observer>);
    for partition in 0..16 {
        let partition = driven.store.partition(number, partition).unwrap();
        for offset in 0..3 {
            assert_eq!(written(append(&partition, &[&value_of(offset)])).0, offset);
        }
    }
    driven.commit();
    let progress = heard.progress.lock().unwrap();
    let [group] = &progress[..] else {
        panic!("{progress:?}")
    };
    assert_eq!(group.len(), 16);
}

#[test]
fn what_may_not_be_written_here_is_written_by_the_committer_in_order() {
    let mut driven = Driven::open(&Arc::new(SimDisk::new())).unwrap();
    let topic = driven.topic("t", &small());
    let heard = Arc::new(Heard::default());
    driven
        .store
        .observe(Arc::clone(&heard) as Arc<dyn Observer>);
    let mut tickets = Vec::new();
    for offset in 0..5 {
        let acks = writer(Acks::Written);
        // Once one waits, those behind it do as well.
        match append_as(&topic, &[&value_of(offset)], &acks, offset != 0).unwrap() {
            Appended::Queued(ticket) => tickets.push(ticket),
            other => panic!("{other:?}"),
        }
    }
    assert!(tickets.iter().all(|ticket| ticket.outcome().is_none()));
    driven.commit();
    for (base, ticket) in (0..).zip(&tickets) {
        let end = base + 1;
        assert_eq!(ticket.outcome(), Some(Ok(Written { base, end })));
    }
    // Once after the writes, and once after the sync.
    assert_eq!(*heard.progress.lock().unwrap(), [[(1, 0)], [(1, 0)]]);
    assert_eq!(read_all(&driven.store, &topic), records(0, 5));
}

#[test]
fn a_topic_that_is_not_flushed_shows_what_is_written_and_syncs_for_who_asks() {
    let mut driven = Driven::open(&Arc::new(SimDisk::new())).unwrap();
    let topic = driven.topic(
        "t",
        &TopicOptions {
            flush: Flush::Os,
            ..small()
        },
    );
    let acks = writer(Acks::Written);
    assert_eq!(
        written(append_as(&topic, &[&value_of(0)], &acks, true)),
        (0, 1)
    );
    driven.commit();
    let ends = topic.ends();
    assert_eq!((ends.visible, ends.durable), (1, 0));
    assert_eq!(read_all(&driven.store, &topic), records(0, 1));
    written(append(&topic, &[&value_of(1)]));
    driven.commit();
    assert_eq!(topic.ends().durable, 2);
    written(append_as(&topic, &[&value_of(2)], &acks, true));
    topic.flush();
    driven.commit();
    assert_eq!(topic.ends().durable, 3);
}

#[test]
fn a_topic_that_is_flushed_by_time_is_durable_by_then() {
    let mut driven = Driven::open(&Arc::new(SimDisk::new())).unwrap();
    let flush = Flush::Every(500);
    let topic = driven.topic("t", &TopicOptions { flush, ..small() });
    let acks = writer(Acks::Written);
    written(append_as(&topic, &[&value_of(0)], &acks, true));
    driven.commit();
    driven.clock.pass(300);
    written(append_as(&topic, &[&value_of(1)], &acks, true));
    driven.commit();
    assert_eq!((topic.ends().visible, topic.ends().durable), (2, 0));
    assert!(driven.committer.due().is_some());
    driven.clock.pass(200);
    driven.commit();
    assert_eq!(topic.ends().durable, 2);
    assert_eq!(driven.committer.due(), None);
}

#[test]
fn a_reader_at_the_end_hears_of_more_and_only_he() {
    let driven = Driven::open(&Arc::new(SimDisk::new())).unwrap();
    let topic = driven.topic(
        "t",
        &TopicOptions {
            flush: Flush::Os,
            ..small()
        },
    );
    let heard = Arc::new(Heard::default());
    driven
        .store
        .observe(Arc::clone(&heard) as Arc<dyn Observer>);
    let acks = writer(Acks::Written);
    written(append_as(&topic, &[&value_of(0)], &acks, true));
    assert_eq!(heard.progress.lock().unwrap().len(), 0);
    read_all(&driven.store, &topic);
    written(append_as(&topic, &[&value_of(1)], &acks, true));
    written(append_as(&topic, &[&value_of(2)], &acks, true));
    assert_eq!(heard.progress.lock().unwrap().len(), 1);
}

#[test]
fn segments_are_rolled_and_read_across() {
    for flush in [Flush::Always, Flush::Every(10), Flush::Os] {
        let disk = Arc::new(SimDisk::new());
        let mut driven = Driven::open(&disk).unwrap();
        let topic = driven.topic("t", &TopicOptions { flush, ..small() });
        let filler = vec![b'-'; 100_000];
        let mut expected = Vec::new();
        for round in 0..60_u64 {
            let value = [format!("{round} ").as_bytes(), &filler].concat();
            match append(&topic, &[&value, b"small"]).unwrap() {
                Appended::Written(_) => {}
                Appended::Queued(ticket) => {
                    driven.commit();
                    ticket.outcome().unwrap().unwrap();
                }
                other @ Appended::Duplicate(_) => panic!("{other:?}"),
            }
            expected.push((round * 2, value));
            expected.push((round * 2 + 1, b"small".to_vec()));
        }
        driven.commit();
        driven.keep_house();
        let logs = disk.list("topics/00000001/0").unwrap();
        let logs = logs.iter().filter(|one| one.name.ends_with(".log")).count();
        assert_eq!(logs, 6);
        assert_eq!(read_all(&driven.store, &topic), expected);
        let middle = read_from(&driven.store, &topic, 61, 200_000).unwrap();
        assert_eq!(middle, expected[61..]);
        driven.store.close(None).unwrap();
        let again = Driven::open(&disk).unwrap();
        assert!(again.report.notes.is_empty(), "{:?}", again.report);
        let topic = again.topic("t", &small());
        assert_eq!(topic.ends().visible, 120);
        let middle = read_from(&again.store, &topic, 61, 200_000).unwrap();
        assert_eq!(middle, expected[61..]);
        assert_eq!(read_all(&again.store, &topic), expected);
    }
}

#[test]
fn compressed_batches_are_inflated_into_the_caller_s_memory() {
    let mut driven = Driven::open(&Arc::new(SimDisk::new())).unwrap();
    let topic = driven.topic("t", &small());
    let mut expected = Vec::new();
    for offset in 0..40 {
        let codec = Codec::from_number((offset % 5) as u16).unwrap();
        let size = if offset == 33 {
            300_000
        } else {
            500 * (offset as usize % 9)
        };
        let value = [
            value_of(offset),
            (0..size).map(|at| (at * at % 251) as u8).collect(),
        ]
        .concat();
        let compressed = Writer {
            compression: codec.into(),
            ..Writer::default()
        };
        append_as(&topic, &[&value], &compressed, true).unwrap();
        expected.push((offset, value));
    }
    driven.commit();
    for room in [100, 5_000, 400_000] {
        let found = read_from(&driven.store, &topic, 0, room).unwrap();
        assert!(found == expected, "{room}");
    }
    for from in [7, 13, 33, 39] {
        let found = read_from(&driven.store, &topic, from, 1000).unwrap();
        assert!(found == expected[from as usize..], "{from}");
    }
}

#[test]
fn much_is_compressed_by_the_committer() {
    let mut driven = Driven::open(&Arc::new(SimDisk::new())).unwrap();
    let topic = driven.topic("t", &small());
    let compressed = Writer {
        compression: Codec::Zstd.into(),
        ..Writer::default()
    };
    let value: Vec<u8> = (0..200_000_u64).map(|at| (at * at % 251) as u8).collect();
    let times: Vec<f64> = vec![5.0, 3.0];
    let input = batch::Input {
        data: &value,
        shape: batch::Shape::Full(&[0, 100_001, 0, 11, 99_991, 0]),
        times: batch::Times::Each(&times),
    };
    let mut tickets = Vec::new();
    let too_many = batch::Input {
        shape: batch::Shape::Full(&[0, 100_001, 0, 11, 99_992, 0]),
        ..input
    };
    for input in [&input, &too_many, &input] {
        match topic.append(input, &compressed, true).unwrap() {
            Appended::Queued(ticket) => tickets.push(ticket),
            other => panic!("{other:?}"),
        }
    }
    driven.commit();
    let outcomes: Vec<_> = tickets
        .iter()
        .map(|ticket| ticket.outcome().unwrap())
        .collect();
    assert_eq!(outcomes[0], Ok(Written { base: 0, end: 2 }));
    assert_eq!(outcomes[1].as_ref().unwrap_err().kind, ErrorKind::Invalid);
    assert_eq!(outcomes[2], Ok(Written { base: 2, end: 4 }));
    let found = read_all(&driven.store, &topic);
    assert!(found[2].1 == value[..100_000] && found[3].1 == value[100_010..]);
    assert_eq!(topic.offset_at_or_after(4), Ok(Some(0)));
}

#[test]
fn a_flush_covers_what_waits_to_be_written() {
    let mut driven = Driven::open(&Arc::new(SimDisk::new())).unwrap();
    let topic = driven.topic(
        "t",
        &TopicOptions {
            flush: Flush::Os,
            ..small()
        },
    );
    append_as(&topic, &[b"x"], &writer(Acks::Written), false).unwrap();
    topic.flush();
    driven.commit();
    assert_eq!(topic.ends().durable, 1);
    written(append_as(&topic, &[b"y"], &writer(Acks::Written), true));
    driven.commit();
    assert_eq!(topic.ends().durable, 1);
}

#[test]
fn offsets_that_are_not_there_are_out_of_range() {
    let mut driven = Driven::open(&Arc::new(SimDisk::new())).unwrap();
    let topic = driven.topic("t", &small());
    written(append(&topic, &[b"one", b"two"]));
    driven.commit();
    let kind = |from| read_from(&driven.store, &topic, from, 100).map_err(|error| error.kind);
    assert_eq!(kind(1), Ok(vec![(1, b"two".to_vec())]));
    assert_eq!(kind(2), Ok(vec![]));
    assert_eq!(kind(3), Err(ErrorKind::OutOfRange));
}
