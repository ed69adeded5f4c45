//! Writers with a name: what they append is stored once, whatever happens in between.

use std::sync::Arc;

use log::batch::ProducerMark;
use log::sim::{Choices, SimDisk};
use log::*;

use crate::support::*;

fn named(id: u64, sequence: u32) -> Writer {
    let mark = ProducerMark {
        id,
        epoch: 0,
        sequence,
    };
    Writer {
        mark: Some(mark),
        ..Writer::default()
    }
}

fn at(found: Result<Appended, Error>) -> (bool, u64) {
    match found.unwrap() {
        Appended::Written(written) => (true, written.base),
        Appended::Duplicate(written) => (false, written.base),
        other @ Appended::Queued(_) => panic!("{other:?}"),
    }
}

#[test]
fn what_comes_twice_is_stored_once_and_what_leaves_out_a_number_is_refused() {
    let mut driven = Driven::open(&Arc::new(SimDisk::new())).unwrap();
    let topic = driven.topic("t", &small());
    assert_eq!(topic.last_sequence(5), None);
    assert_eq!(
        at(append_as(&topic, &[b"a", b"b"], &named(5, 10), true)),
        (true, 0)
    );
    assert_eq!(
        at(append_as(&topic, &[b"c"], &named(5, 12), true)),
        (true, 2)
    );
    assert_eq!(
        at(append_as(&topic, &[b"c"], &named(5, 12), true)),
        (false, 2)
    );
    assert_eq!(
        at(append_as(&topic, &[b"b"], &named(5, 11), true)),
        (false, 1)
    );
    for sequence in [14, 11] {
        let refused = append_as(&topic, &[b"x", b"y", b"z"], &named(5, sequence), true);
        assert_eq!(refused.unwrap_err().kind, ErrorKind::OutOfOrder);
    }
    assert_eq!(topic.last_sequence(5), Some(12));
    // What waits counts as well, and is judged when its turn comes.
    let queued = |sequence| match append_as(&topic, &[b"q"], &named(5, sequence), false).unwrap() {
        Appended::Queued(ticket) => ticket,
        other => panic!("{other:?}"),
    };
    let tickets = [queued(13), queued(13), queued(15)];
    assert_eq!(topic.last_sequence(5), Some(15));
    driven.commit();
    assert_eq!(topic.last_sequence(5), Some(13));
    let [first, again, gap] = tickets.map(|ticket| ticket.outcome().unwrap());
    assert_eq!(first, again);
    assert_eq!(gap.unwrap_err().kind, ErrorKind::OutOfOrder);
    assert_eq!(read_all(&driven.store, &topic).len(), 4);
}

#[test]
fn what_a_writer_stored_is_known_after_closing_and_after_power_cuts() {
    for seed in 0..40 {
        let mut choices = Choices::seed(seed);
        let mut disk = Arc::new(SimDisk::new());
        let mut durable = 0;
        for life in 0..4 {
            let mut driven = Driven::open(&disk).unwrap();
            let topic = driven.topic("t", &small());
            let end = topic.ends().visible;
            assert!(end >= durable);
            let known = (end > 0).then(|| end as u32 - 1);
            assert_eq!(topic.last_sequence(9), known, "seed {seed}, life {life}");
            let filler = vec![b'.'; 300_000];
            for _ in 0..choices.pick(9) {
                let sequence = topic.ends().written as u32;
                match append_as(&topic, &[&filler], &named(9, sequence), false).unwrap() {
                    Appended::Queued(ticket) => {
                        driven.commit();
                        ticket.outcome().unwrap().unwrap();
                    }
                    other => panic!("{other:?}"),
                }
            }
            durable = topic.ends().durable;
            if choices.coin() {
                driven.keep_house();
            }
            if choices.coin() {
                driven.store.close(None).unwrap();
                if choices.coin() {
                    continue;
                }
            }
            drop(driven);
            drop(topic);
            disk = Arc::new(disk.crash(&mut choices));
        }
    }
}
