use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use log::*;

use crate::support::*;

/// Passes on that something is new.
struct Bell(Mutex<Sender<()>>);

impl Observer for Bell {
    fn progressed(&self, _: &[Arc<Partition>]) {
        // Nobody may listen any more.
        let _ = self.0.lock().unwrap().send(());
    }
    fn happened(&self, _: &Event) {
        let _ = self.0.lock().unwrap().send(());
    }
}

const PATIENCE: Duration = Duration::from_secs(30);

fn open(root: &std::path::Path) -> (Arc<Store>, Report, Receiver<()>) {
    let (opened, wait) = channel();
    let disk = Arc::new(OsDisk::new(root));
    let clock = Arc::new(SystemClock::new());
    Threads::open(disk, clock, Config::default(), move |result| {
        opened.send(result).unwrap();
    })
    .unwrap();
    let (store, report) = wait.recv_timeout(PATIENCE).unwrap().unwrap();
    let (bell, bells) = channel();
    store.observe(Arc::new(Bell(Mutex::new(bell))));
    (store, report, bells)
}

fn create(store: &Arc<Store>, name: &str, options: TopicOptions) -> Arc<Partition> {
    let name = TopicName::parse(name.as_bytes()).unwrap();
    let (made, wait) = channel();
    store.later(Box::new(move |store| {
        let number = store.create_topic(&name, &options).unwrap();
        made.send(number).unwrap();
    }));
    let number = wait.recv_timeout(PATIENCE).unwrap();
    store.partition(number, 0).unwrap()
}

fn scratch(name: &str) -> std::path::PathBuf {
    let root = std::env::temp_dir().join(format!("chaski-log-{}-{name}", std::process::id()));
    // A run before may have left it.
    let _ = std::fs::remove_dir_all(&root);
    root
}

#[test]
fn on_a_real_disk_what_is_acknowledged_is_there_again() {
    let root = scratch("again");
    let (store, report, bells) = open(&root);
    assert!(report.created);
    let topic = create(&store, "t", small());
    let mut expected = Vec::new();
    for offset in 0..200 {
        append(&topic, &[&value_of(offset)]).unwrap();
        store.commit();
        expected.push((offset, value_of(offset)));
        while topic.ends().durable <= offset {
            bells.recv_timeout(PATIENCE).unwrap();
        }
    }
    assert_eq!(read_all(&store, &topic), expected);
    store.close(Some(PATIENCE)).unwrap();
    let (store, report, _) = open(&root);
    assert!(!report.created && report.notes.is_empty(), "{report:?}");
    let topic = store.partition(1, 0).unwrap();
    assert_eq!(read_all(&store, &topic), expected);
    assert_eq!(written(append(&topic, &[b"more"])), (200, 201));
    store.close(Some(PATIENCE)).unwrap();
    std::fs::remove_dir_all(&root).unwrap();
}

#[test]
fn many_threads_append_and_each_keeps_its_order() {
    let root = scratch("many");
    let (store, _, bells) = open(&root);
    let topic = create(&store, "t", small());
    std::thread::scope(|scope| {
        for thread in 0..4_u64 {
            let (store, topic) = (&store, &topic);
            scope.spawn(move || {
                let filler = vec![b'.'; 3000];
                for number in 0..500_u64 {
                    let value = [format!("{thread} {number} ").as_bytes(), &filler].concat();
                    while let Err(error) = append(topic, &[&value]) {
                        assert_eq!(error.kind, ErrorKind::Full);
                        std::thread::yield_now();
                    }
                }
                store.commit();
            });
        }
    });
    while topic.ends().durable < 2000 {
        bells.recv_timeout(PATIENCE).unwrap();
    }
    let mut next = [0; 4];
    let all = read_from(&store, &topic, 0, 64 << 10).unwrap();
    assert_eq!(all.len(), 2000);
    for (_, value) in all {
        let text = String::from_utf8_lossy(&value);
        let mut parts = text.split(' ');
        let thread: usize = parts.next().unwrap().parse().unwrap();
        let number: usize = parts.next().unwrap().parse().unwrap();
        assert_eq!(number, next[thread]);
        next[thread] += 1;
    }
    store.close(Some(PATIENCE)).unwrap();
    std::fs::remove_dir_all(&root).unwrap();
}

#[test]
fn a_directory_that_is_open_is_locked_and_free_once_it_is_closed() {
    let root = scratch("locked");
    let (store, _, _) = open(&root);
    let disk = || Arc::new(OsDisk::new(&root));
    let clock = || Arc::new(SystemClock::new());
    let second = Store::open(disk(), clock(), &Config::default());
    let error = second.map(|_| ()).unwrap_err();
    assert_eq!(error.kind, ErrorKind::Locked);
    assert!(
        error
            .message
            .contains(&format!("pid {}", std::process::id()))
    );
    store.close(Some(PATIENCE)).unwrap();
    let (store, _, _) = open(&root);
    store.close(Some(PATIENCE)).unwrap();
    std::fs::remove_dir_all(&root).unwrap();
}

/// Appends in its own order until the store closes; the values whose durability it was told of, by offset.
fn load(store: &Store, topic: &Arc<Partition>, thread: u64, acks: Acks) -> Vec<(u64, Vec<u8>)> {
    let mut waiting: Vec<(Ticket, Vec<u8>)> = Vec::new();
    let mut written = Vec::new();
    for number in 0.. {
        let filler = vec![b'.'; usize::try_from(number % 17 * 300).unwrap()];
        let value = [format!("{thread} {number} ").as_bytes(), &filler].concat();
        match append_as(topic, &[&value], &writer(acks), number % 5 != 0) {
            Ok(Appended::Written(found)) => written.push((found.base, value)),
            Ok(Appended::Queued(ticket)) => waiting.push((ticket, value)),
            Ok(other @ Appended::Duplicate(_)) => panic!("{other:?}"),
            Err(error) if error.kind == ErrorKind::Full => std::thread::yield_now(),
            Err(error) => {
                assert_eq!(error.kind, ErrorKind::Closed, "{error}");
                break;
            }
        }
        if number % 100 == 0 {
            topic.begin_segment();
        }
    }
    store.close(Some(PATIENCE)).unwrap();
    for (ticket, value) in waiting {
        // Whoever waits hears how it went, also when it came too late.
        match ticket.outcome().unwrap() {
            Ok(found) => written.push((found.base, value)),
            Err(error) => assert_eq!(error.kind, ErrorKind::Closed),
        }
    }
    let durable = topic.ends().durable;
    written.retain(|found| found.0 < durable);
    written
}

/// Reads on and on; each offset once, in order, unless retention was quicker.
fn follow(store: &Store, topic: &Arc<Partition>) {
    let mut next = 0;
    while store.stats().records < 1_000_000 && !store.is_closing() {
        let found = read_shared(topic, next);
        for offset in found {
            assert!(offset >= next);
            next = offset + 1;
        }
        next = next.max(topic.ends().start);
        std::thread::yield_now();
    }
}

/// The offsets of batches from `from` on; nothing if they were deleted meanwhile, or the housekeeper is not ready.
fn read_shared(topic: &Arc<Partition>, from: u64) -> Vec<u64> {
    let mut cursor = Cursor::new(from);
    let mut data = vec![0; 64 << 10];
    let mut batches = Vec::new();
    let mut into = ReadInto {
        data: &mut data,
        batches: &mut batches,
        most: 100,
        may_wait: true,
    };
    match topic.read(&mut cursor, &mut into) {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind, ErrorKind::OutOfRange, "{error}"),
    }
    for (one, next) in batches.iter().zip(batches.iter().skip(1)) {
        assert_eq!(one.header.next_offset(), next.header.base_offset);
    }
    batches
        .iter()
        .map(|batch| batch.header.base_offset)
        .collect()
}

#[test]
fn what_was_told_to_be_durable_is_there_after_a_close_under_load() {
    let root = scratch("load");
    let (store, _, _) = open(&root);
    let flushes = [Flush::Always, Flush::Every(5), Flush::Os];
    let mut topics = Vec::new();
    for (number, flush) in flushes.into_iter().enumerate() {
        let options = TopicOptions {
            flush,
            retention_bytes: (number == 2).then_some(200_000),
            ..small()
        };
        topics.push(create(&store, &format!("t{number}"), options));
    }
    let durable = std::thread::scope(|scope| {
        let mut loads = Vec::new();
        for topic in &topics {
            for (thread, acks) in [(0, Acks::All), (1, Acks::Written)] {
                let store = &store;
                loads.push((
                    topic.topic(),
                    scope.spawn(move || load(store, topic, thread, acks)),
                ));
            }
            let store = &store;
            scope.spawn(move || follow(store, topic));
        }
        // Enough of all of it has happened.
        while topics.iter().any(|topic| topic.ends().durable < 300) {
            std::thread::yield_now();
        }
        store.begin_close();
        let done = loads.into_iter();
        let done = done.map(|(topic, load)| (topic, load.join().unwrap()));
        done.collect::<Vec<_>>()
    });
    let (store, report, _) = open(&root);
    assert!(
        report.notes.is_empty() && report.unavailable.is_empty(),
        "{report:?}"
    );
    for (topic, written) in durable {
        assert!(!written.is_empty());
        let topic = store.partition(topic, 0).unwrap();
        let start = topic.ends().start;
        let found = read_from(&store, &topic, start, 64 << 10).unwrap();
        assert_eq!(found.len() as u64, topic.ends().visible - start);
        for (offset, value) in written.into_iter().filter(|written| written.0 >= start) {
            let place = usize::try_from(offset - start).unwrap();
            assert!(found[place] == (offset, value), "{offset}");
        }
    }
    store.close(Some(PATIENCE)).unwrap();
    std::fs::remove_dir_all(&root).unwrap();
}
