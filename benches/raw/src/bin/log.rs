//! Writing and reading a log without a log: the limit that Kaska is held against. Batches of the same bytes are written one behind
//! the other, with room reserved ahead, and as many of them share a sync as shared one in Kaska; reading takes pieces of a megabyte
//! and checks the sum of each batch.
//!
//! `log MODE SIZE BATCH GROUP DURABLE BYTES WARMUP SECONDS FOLDER` speaks the endpoint protocol of the benches.

use std::env;
use std::fs::File;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use raw::{Clock, Result, latencies, say, wait_for_end, wait_for_line};
use rustix::fs::{FallocateFlags, fallocate};

/// As Kaska's segments.
const FILE_BYTES: u64 = 256 << 20;
const PIECE_BYTES: usize = 1 << 20;

struct Spec {
    mode: String,
    batch: u64,
    /// Bytes of one batch.
    bytes: usize,
    /// Batches a sync; not whole, if syncs differed.
    group: f64,
    durable: bool,
    /// Bytes that are there to be read.
    stored: u64,
    folder: PathBuf,
}

fn main() -> Result<()> {
    let args: Vec<String> = env::args().skip(1).collect();
    let [
        mode,
        size,
        batch,
        group,
        durable,
        stored,
        warmup,
        seconds,
        folder,
    ] = args.as_slice()
    else {
        return Err("usage: log MODE SIZE BATCH GROUP DURABLE BYTES WARMUP SECONDS FOLDER".into());
    };
    let (size, batch): (usize, u64) = (size.parse()?, batch.parse()?);
    let spec = Spec {
        mode: mode.clone(),
        batch,
        bytes: batch_bytes(size, batch as usize),
        group: group.parse::<f64>()?.max(1.0),
        durable: durable == "true",
        stored: stored.parse()?,
        folder: folder.into(),
    };
    let (warmup, seconds) = (
        Duration::from_secs_f64(warmup.parse()?),
        Duration::from_secs_f64(seconds.parse()?),
    );
    let mut files = Files::new(&spec);
    if spec.mode == "log-read" {
        while files.written < spec.stored {
            files.write()?;
        }
    }
    say(r#"{"type":"ready"}"#);
    wait_for_line()?;
    let mut clock = Clock::new(warmup, seconds);
    let times = match spec.mode.as_str() {
        "log-read" => read(&spec, &files, &mut clock)?,
        _ => append(&spec, &mut files, &mut clock)?,
    };
    say(&format!(r#"{{"type":"result",{}{times}}}"#, clock.result()));
    wait_for_end()
}

/// A Kafka batch of so many values: 61 bytes, and of each record 9 to 10 beside the value.
fn batch_bytes(size: usize, count: usize) -> usize {
    let zigzag = |value: usize| {
        if value < 64 {
            1
        } else if value < 8192 {
            2
        } else {
            3
        }
    };
    let record = |place: usize| {
        let body = 1 + 1 + zigzag(place) + 1 + zigzag(size) + size + 1;
        zigzag(body) + body
    };
    61 + (0..count).map(record).sum::<usize>()
}

fn append(spec: &Spec, files: &mut Files, clock: &mut Clock) -> Result<String> {
    let mut nanos = Vec::with_capacity(1 << 20);
    let (mut records, mut due) = (0, 0.0);
    while !clock.over() {
        let from = Instant::now();
        due += spec.group;
        while due >= 1.0 {
            files.write()?;
            records += spec.batch;
            due -= 1.0;
        }
        if spec.durable {
            files.sync()?;
        }
        if clock.timed() {
            nanos.push(from.elapsed().as_nanos());
        }
        clock.tick(records);
    }
    Ok(if spec.mode == "log-single" {
        latencies(&mut nanos)
    } else {
        String::new()
    })
}

fn read(spec: &Spec, files: &Files, clock: &mut Clock) -> Result<String> {
    let mut piece = vec![0; PIECE_BYTES / spec.bytes * spec.bytes];
    let mut records = 0;
    while !clock.over() {
        for (file, size) in files.all() {
            let mut at = 0;
            while at < size {
                let length = file.read_at(&mut piece, at)?;
                for batch in piece.get(..length).unwrap_or_default().chunks(spec.bytes) {
                    if crc32c::crc32c(batch) != files.sum {
                        return Err("it is not what was written".into());
                    }
                    records += spec.batch;
                }
                at += length as u64;
                clock.tick(records);
            }
        }
    }
    Ok(String::new())
}

struct Files {
    folder: PathBuf,
    full: Vec<File>,
    last: Option<File>,
    /// Bytes in the last one.
    at: u64,
    /// Bytes in all.
    written: u64,
    batch: Vec<u8>,
    sum: u32,
}

impl Files {
    fn new(spec: &Spec) -> Self {
        let batch: Vec<u8> = (0..spec.bytes).map(|i| (i * 31 & 0x7f) as u8).collect();
        Self {
            folder: spec.folder.clone(),
            full: Vec::new(),
            last: None,
            at: 0,
            written: 0,
            sum: crc32c::crc32c(&batch),
            batch,
        }
    }

    fn write(&mut self) -> Result<()> {
        let length = self.batch.len() as u64;
        if self.at + length > FILE_BYTES {
            self.full.extend(self.last.take());
        }
        let file = match &self.last {
            Some(file) => file,
            None => {
                let name = self.folder.join(format!("{}.raw", self.full.len()));
                let file = File::options()
                    .create_new(true)
                    .read(true)
                    .write(true)
                    .open(name)?;
                // A file system without it just grows the file.
                let _ = fallocate(&file, FallocateFlags::KEEP_SIZE, 0, FILE_BYTES);
                self.at = 0;
                self.last.insert(file)
            }
        };
        file.write_all_at(&self.batch, self.at)?;
        self.at += length;
        self.written += length;
        Ok(())
    }

    fn sync(&self) -> Result<()> {
        if let Some(file) = &self.last {
            file.sync_data()?;
        }
        Ok(())
    }

    /// Each file, and how much is in it.
    fn all(&self) -> impl Iterator<Item = (&File, u64)> {
        let length = self.batch.len() as u64;
        let full = FILE_BYTES / length * length;
        let all = self.full.iter().map(move |file| (file, full));
        all.chain(self.last.iter().map(|file| (file, self.at)))
    }
}
