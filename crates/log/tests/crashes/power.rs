//! F6 and F7: power that goes at any moment, also while what it left is being mended, and a sync that fails.

use std::io;

use log::sim::{Choices, SimDisk};
use log::{Appender, Boot, Disk, Durable, Error, Note, Outcome, Recovered, Segment};

use crate::support::*;

/// Small enough that there are several.
const SMALL: u32 = 16 << 10;

/// A disk with the folder of an empty partition, durably.
fn sim() -> SimDisk {
    let disk = SimDisk::new();
    disk.create_folder(FOLDER).unwrap();
    disk.sync_folder("").unwrap();
    disk
}

/// A partition through several lives, and what its users know.
struct Life {
    disk: SimDisk,
    choices: Choices,
    /// What was written last at each offset.
    written: Vec<Vec<u8>>,
    /// Offsets below this were acknowledged, or shown after an opening.
    promised: u64,
    /// The last checkpoint, which may be late.
    checkpoint: Durable,
    /// What the next one would say.
    durable: Durable,
    /// Makes every value different from all before.
    values: u64,
}

impl Life {
    fn new(seed: u64) -> Self {
        Self {
            disk: sim(),
            choices: Choices::seed(seed),
            written: Vec::new(),
            promised: 0,
            checkpoint: NOTHING,
            durable: NOTHING,
            values: 0,
        }
    }

    fn value(&mut self) -> Vec<u8> {
        self.values += 1;
        let length = [0, 10, 100, 600, 3000][self.choices.pick(5) as usize];
        let mut value = format!("{} ", self.values).into_bytes();
        value.resize(value.len() + length, b'.');
        value
    }

    /// Appends, syncs, rolls and makes checkpoints, until the steps are done or the power is gone.
    fn work(&mut self, appender: &mut Appender) -> Result<(), Error> {
        let mut new_name = false;
        for _ in 0..self.choices.pick(20) {
            match self.choices.pick(8) {
                0..=4 => self.append(appender, &mut new_name)?,
                5 | 6 => self.sync(appender, &mut new_name)?,
                _ => self.checkpoint = self.durable,
            }
        }
        Ok(())
    }

    fn append(&mut self, appender: &mut Appender, new_name: &mut bool) -> Result<(), Error> {
        let many = self.choices.pick(2) + 1;
        let values: Vec<_> = (0..many).map(|_| self.value()).collect();
        let slices: Vec<_> = values.iter().map(Vec::as_slice).collect();
        let mut batch = encoded(appender, &slices);
        loop {
            match appender.write(batch)? {
                Outcome::Written { base_offset, .. } => {
                    assert_eq!(base_offset, self.written.len() as u64);
                    self.written.extend(values);
                    return Ok(());
                }
                Outcome::Full(back) => {
                    batch = back;
                    self.sync(appender, new_name)?;
                    let next = appender.segment().next_offset;
                    appender.roll(Segment::create(&self.disk, FOLDER, next)?)?;
                    *new_name = true;
                }
            }
        }
    }

    fn sync(&mut self, appender: &Appender, new_name: &mut bool) -> Result<(), Error> {
        let segment = appender.segment();
        let failed = |error: io::Error| Error::system("fsync", &segment.name, &error);
        segment.file.sync_data().map_err(failed)?;
        if *new_name {
            self.disk.sync_folder(FOLDER).map_err(failed)?;
            *new_name = false;
        }
        self.promised = segment.next_offset;
        self.durable = Durable {
            segment: segment.base_offset,
            position: segment.size,
            next_offset: segment.next_offset,
        };
        Ok(())
    }

    /// Opens, perhaps after more power cuts on the way.
    fn open(&mut self, mut boot: Boot) -> Recovered {
        loop {
            let unlucky = self.choices.pick(3) == 0;
            if unlucky {
                self.disk.lose_power_after(self.choices.pick(12));
            }
            let opened = try_open(&self.disk, self.checkpoint, boot);
            if unlucky {
                self.disk = self.disk.crash(&mut self.choices);
                boot = Boot::Other;
                continue;
            }
            let opened = opened.unwrap();
            self.audit(&opened, boot);
            return opened;
        }
    }

    fn audit(&mut self, opened: &Recovered, boot: Boot) {
        let read = readable(opened);
        assert!(read.len() as u64 >= self.promised, "{:?}", opened.notes);
        for (place, (offset, value)) in read.iter().enumerate() {
            assert_eq!(*offset, place as u64, "offsets are dense");
            assert_eq!(*value, self.written[place], "offset {offset}");
        }
        assert_eq!(opened.active.next_offset, read.len() as u64);
        // Nobody's disk was damaged here.
        let damage = |note: &Note| matches!(note, Note::Damaged { .. } | Note::Missing { .. });
        assert!(!opened.notes.iter().any(damage), "{:?}", opened.notes);
        let again = open(&self.disk, opened.durable, boot);
        assert_eq!(again.notes, []);
        assert_eq!(again.durable, opened.durable);
        // All that is shown now must stay.
        self.written.truncate(read.len());
        self.promised = read.len() as u64;
        self.durable = opened.durable;
    }

    /// Lives and dies once.
    fn live(&mut self, boot: Boot) -> Boot {
        let opened = self.open(boot);
        // Opening ends with a checkpoint, unless it dies just before.
        if self.choices.pick(4) == 0 {
            self.disk = self.disk.crash(&mut self.choices);
            return Boot::Other;
        }
        self.checkpoint = opened.durable;
        let mut appender = Appender::new(opened.active, SMALL, MOST);
        let end = self.choices.pick(4);
        match end {
            0 => self.disk.lose_power_after(self.choices.pick(40)),
            1 => self
                .disk
                .fail_write(self.choices.pick(10), io::ErrorKind::Other),
            _ => {}
        }
        let result = self.work(&mut appender);
        assert!(result.is_ok() || end < 2, "{result:?}");
        if end == 1 {
            // Killed in the middle of a write, or between two: the page cache stays.
            self.disk.fail_write(u64::MAX, io::ErrorKind::Other);
            return Boot::Same;
        }
        self.disk = self.disk.crash(&mut self.choices);
        Boot::Other
    }
}

#[test]
fn what_was_promised_survives_any_power_cut() {
    for seed in 0..300 {
        let lived = std::panic::catch_unwind(|| {
            let mut life = Life::new(seed);
            let mut boot = Boot::Other;
            for _ in 0..8 {
                boot = life.live(boot);
            }
            life.open(boot);
        });
        assert!(lived.is_ok(), "with seed {seed}");
    }
}

/// Two batches that are durable, three that are not, the last in a segment of its own: all that can become of them.
#[test]
fn every_state_that_a_power_cut_can_leave_is_opened() {
    let disk = sim();
    let opened = open(&disk, NOTHING, Boot::Other);
    let mut appender = Appender::new(opened.active, SEGMENT, MOST);
    let values: Vec<_> = (0..4).map(value_of).collect();
    append(&disk, &mut appender, &[&values[0]]);
    append(&disk, &mut appender, &[&values[1]]);
    appender.segment().file.sync_data().unwrap();
    append(&disk, &mut appender, &[&values[2]]);
    append(&disk, &mut appender, &[&values[3]]);
    let next = Segment::create(&disk, FOLDER, 4).unwrap();
    drop(appender.roll(next).unwrap());
    append(&disk, &mut appender, &[&value_of(4)]);
    let mut choices = Choices::all();
    let (mut states, mut shortest, mut longest) = (0, u64::MAX, 0);
    loop {
        let found = disk.crash(&mut choices);
        let opened = open(&found, NOTHING, Boot::Other);
        let next = opened.active.next_offset;
        assert_eq!(readable(&opened), records(0, next));
        assert!(next >= 2);
        settled(&found, opened, Boot::Other);
        (shortest, longest) = (shortest.min(next), longest.max(next));
        states += 1;
        if !choices.advance() {
            break;
        }
    }
    assert_eq!((shortest, longest), (2, 5));
    assert!(states > 1000, "{states}");
}

#[test]
fn what_a_failed_sync_left_in_the_page_cache_is_made_durable_by_opening_again() {
    for seed in 0..100 {
        let disk = sim();
        let opened = open(&disk, NOTHING, Boot::Other);
        let mut appender = Appender::new(opened.active, SEGMENT, MOST);
        append(&disk, &mut appender, &[&value_of(0), &value_of(1)]);
        appender.segment().file.sync_data().unwrap();
        let durable = Durable {
            segment: 0,
            position: appender.segment().size,
            next_offset: 2,
        };
        append(&disk, &mut appender, &[&value_of(2)]);
        disk.fail_sync(0);
        assert!(appender.segment().file.sync_data().is_err());
        // A second sync says that all is well, and nothing is: it must not be believed.
        assert!(appender.segment().file.sync_data().is_ok());
        let lost = disk.crash(&mut Choices::seed(seed));
        assert_eq!(readable(&open(&lost, durable, Boot::Other)), records(0, 2));
        let opened = open(&disk, durable, Boot::Same);
        assert_eq!(readable(&opened), records(0, 3));
        let after = disk.crash(&mut Choices::seed(seed));
        assert_eq!(readable(&open(&after, durable, Boot::Other)), records(0, 3));
    }
}
