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
            let topic = &topic;
            scope.spawn(move || {
                let filler = vec![b'.'; 3000];
                for number in 0..500_u64 {
                    let value = [format!("{thread} {number} ").as_bytes(), &filler].concat();
                    while let Err(error) = append(topic, &[&value]) {
                        assert_eq!(error.kind, ErrorKind::Full);
                        std::thread::yield_now();
                    }
                }
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
