//! What appending without a sync and reading from the page cache cost: batches of 100 records of 100 bytes.
//! `throughput DIR [BATCHES]`.
#![expect(
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a program for the one who measures"
)]

use std::path::PathBuf;
use std::sync::{Arc, mpsc};
use std::time::Instant;

use log::batch::{Input, Shape, Times};
use log::*;

const RECORDS: usize = 100;
const BYTES: usize = 100;

fn main() {
    let mut arguments = std::env::args().skip(1);
    let root = PathBuf::from(arguments.next().unwrap()).join("throughput");
    let batches: u32 = arguments
        .next()
        .map_or(50_000, |text| text.parse().unwrap());
    let (opened, wait) = mpsc::channel();
    let disk = Arc::new(OsDisk::new(&root));
    let clock = Arc::new(SystemClock::new());
    Threads::open(disk, clock, Config::default(), move |result| {
        opened.send(result).unwrap();
    })
    .unwrap();
    let (store, _) = wait.recv().unwrap().unwrap();
    let name = TopicName::parse(b"bench").unwrap();
    let options = TopicOptions {
        flush: Flush::Os,
        ..TopicOptions::default()
    };
    let number = store.create_topic(&name, &options).unwrap();
    let topic = store.partition(number, 0).unwrap();
    let data = vec![7; RECORDS * BYTES];
    let lengths = vec![BYTES as u32; RECORDS];
    let input = Input {
        data: &data,
        shape: Shape::Values(&lengths),
        times: Times::One(1_700_000_000_000),
    };
    let writer = Writer {
        acks: Acks::Written,
        ..Writer::default()
    };
    let began = Instant::now();
    let (mut queued, mut full) = (0, 0);
    for _ in 0..batches {
        loop {
            match topic.append(&input, &writer, true) {
                Ok(Appended::Queued(_)) => queued += 1,
                Ok(_) => {}
                Err(error) if error.kind == ErrorKind::Full => {
                    store.commit();
                    full += 1;
                    std::thread::yield_now();
                    continue;
                }
                Err(error) => panic!("{error}"),
            }
            break;
        }
    }
    let rate = f64::from(batches) * RECORDS as f64 / began.elapsed().as_secs_f64();
    println!("append: {rate:.0} records/s, {queued} batches queued, {full} times full");
    store.commit();
    while topic.ends().written < u64::from(batches) * RECORDS as u64 {
        std::thread::yield_now();
    }
    let mut arena = vec![0; 64 << 10];
    let mut found = Vec::new();
    for _ in 0..3 {
        let mut cursor = Cursor::new(0);
        let (mut records, mut calls, mut later) = (0_u64, 0, 0);
        let began = Instant::now();
        loop {
            found.clear();
            let mut into = ReadInto {
                data: &mut arena,
                batches: &mut found,
                most: usize::MAX,
                may_wait: false,
            };
            match topic.read(&mut cursor, &mut into).unwrap() {
                ReadOutcome::Batches(_) => {}
                ReadOutcome::AtEnd => break,
                ReadOutcome::Later => {
                    later += 1;
                    std::thread::yield_now();
                }
                ReadOutcome::Needs(bytes) => panic!("{bytes}"),
            }
            calls += 1;
            records += found
                .iter()
                .map(|batch| u64::from(batch.header.count))
                .sum::<u64>();
        }
        let rate = records as f64 / began.elapsed().as_secs_f64();
        println!("read: {rate:.0} records/s in {calls} calls, {later} times later");
    }
    store.close(None).unwrap();
    std::fs::remove_dir_all(&root).unwrap();
}
