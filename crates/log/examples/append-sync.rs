//! How near appending with acks all is to what the disk can do: batches of 100 records of 100 bytes, 1 and 8 under way,
//! beside a plain loop that writes the same bytes in the same groups and syncs each. `append-sync DIR [SECONDS]`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a program for the one who measures"
)]

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use log::batch::{Input, Shape, Times};
use log::*;

/// Wakes the one who appends.
struct Wake(Thread);

impl Observer for Wake {
    fn progressed(&self, _: &[Arc<Partition>]) {
        self.0.unpark();
    }
    fn happened(&self, _: &Event) {
        self.0.unpark();
    }
}

/// So many, in turn, since other work on the machine comes and goes.
const ROUNDS: usize = 21;
const RECORDS: usize = 100;
const BYTES: usize = 100;

/// Batches a second, and the bytes that each sync made durable.
fn appends(root: &Path, in_flight: u64, time: Duration) -> (f64, Vec<u64>) {
    let (opened, wait) = mpsc::channel();
    let disk = Arc::new(OsDisk::new(root));
    let clock = Arc::new(SystemClock::new());
    Threads::open(disk, clock, Config::default(), move |result| {
        opened.send(result).unwrap();
    })
    .unwrap();
    let (store, _) = wait.recv().unwrap().unwrap();
    let name = TopicName::parse(b"bench").unwrap();
    let number = store.create_topic(&name, &TopicOptions::default()).unwrap();
    let topic = store.partition(number, 0).unwrap();
    store.observe(Arc::new(Wake(thread::current())));
    let data = vec![7; RECORDS * BYTES];
    let lengths = vec![BYTES as u32; RECORDS];
    let input = Input {
        data: &data,
        shape: Shape::Values(&lengths),
        times: Times::One(1_700_000_000_000),
    };
    let writer = Writer::default();
    let (mut sent, mut last) = (0_u64, 0);
    let mut groups = Vec::new();
    let began = Instant::now();
    while began.elapsed() < time {
        let durable = topic.ends().durable / RECORDS as u64;
        if durable > last {
            groups.push((durable - last) * 10_997);
            last = durable;
        }
        if sent < durable + in_flight {
            topic.append(&input, &writer, true).unwrap();
            sent += 1;
        } else {
            store.commit();
            thread::park();
        }
    }
    let rate = last as f64 / began.elapsed().as_secs_f64();
    store.close(None).unwrap();
    (rate, groups)
}

/// Groups a second of writing and syncing these bytes.
fn plain(root: &Path, groups: &[u64], time: Duration) -> f64 {
    std::fs::create_dir_all(root).unwrap();
    let disk = OsDisk::new(root);
    let file = disk.open("plain", Mode::CreateNew).unwrap();
    let bytes = vec![7; 10_997 * 64];
    let (mut at, mut allocated, mut batches) = (0, 0, 0);
    let began = Instant::now();
    for group in groups.iter().cycle() {
        if began.elapsed() >= time {
            break;
        }
        if at + group > allocated {
            let to = at + (at + group).clamp(1 << 20, 64 << 20);
            file.allocate(allocated, to).unwrap();
            allocated = to;
        }
        let many = usize::try_from(*group).unwrap().min(bytes.len());
        put_at(&*file, &bytes[..many], at).unwrap();
        file.sync_data().unwrap();
        at += many as u64;
        batches += group / 10_997;
    }
    batches as f64 / began.elapsed().as_secs_f64()
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let root = arguments.next().unwrap();
    let seconds: f64 = arguments.next().map_or(0.2, |text| text.parse().unwrap());
    let time = Duration::from_secs_f64(seconds);
    for in_flight in [1, 8] {
        let mut rounds = Vec::new();
        for round in 0..ROUNDS {
            let at = |what: &str| Path::new(&root).join(format!("{what}-{in_flight}-{round}"));
            let (rate, groups) = appends(&at("log"), in_flight, time);
            let raw = plain(&at("plain"), &groups, time);
            let batches = groups.iter().sum::<u64>() as f64 / 10_997.0;
            rounds.push((rate / raw, rate, raw, batches / groups.len() as f64));
            for what in ["log", "plain"] {
                std::fs::remove_dir_all(at(what)).unwrap();
            }
        }
        rounds.sort_by(|one, other| one.0.total_cmp(&other.0));
        let [low, median, high] = [ROUNDS / 4, ROUNDS / 2, ROUNDS * 3 / 4].map(|at| rounds[at]);
        println!(
            "{in_flight} under way: {:.2} of the plain loop (quarter {:.2}, three quarters {:.2}); {:.0} against {:.0} batches/s, {:.1} a group",
            median.0, low.0, high.0, median.1, median.2, median.3
        );
    }
}
