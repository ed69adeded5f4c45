//! The files beside a segment: what they say is what a scan says, and whatever becomes of them, they say that or nothing.
#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use std::sync::Arc;

use log::batch::{Header, Input, ProducerMark, Shape, Times};
use log::{
    Appender, Codec, Disk, MemoryDisk, Mode, Outcome, Producers, Seal, Segment, fill_at,
    load_producers, load_seal, load_sidecars, log_name, put_at, remove_sidecars, save_producers,
    save_sidecars, scan,
};

const FOLDER: &str = "p";
const BASE: u64 = 1 << 33;
const MOST: u32 = 1 << 20;
const PRODUCER: u64 = 1 << 62;

fn batch_of(appender: &mut Appender, place: u64) {
    let data = vec![b'.'; 500 + usize::try_from(place * 7 % 900).unwrap()];
    let input = Input {
        data: &data,
        shape: Shape::Values(&[100, data.len() as u32 - 100]),
        // Not always later than those before.
        times: Times::One(1_700_000_000_000 + i64::try_from(place * 31 % 50).unwrap()),
    };
    let mark = ProducerMark {
        id: PRODUCER,
        epoch: 0,
        sequence: u32::try_from(place * 2).unwrap(),
    };
    let batch = appender.encode(&input, Codec::None, Some(mark)).unwrap();
    assert!(matches!(
        appender.write(batch).unwrap(),
        Outcome::Written { .. }
    ));
}

/// A disk with a segment of so many batches and the files beside it.
fn filled(batches: u64) -> (Arc<MemoryDisk>, Appender) {
    let disk = Arc::new(MemoryDisk::new());
    disk.create_folder(FOLDER).unwrap();
    let segment = Segment::create(&*disk, FOLDER, BASE).unwrap();
    let mut appender = Appender::new(segment, MOST, MOST);
    for place in 0..batches {
        batch_of(&mut appender, place);
    }
    save_sidecars(&*disk, FOLDER, appender.segment(), 99).unwrap();
    (disk, appender)
}

fn name(kind: &str) -> String {
    log_name(FOLDER, BASE).replace("log", kind)
}

fn read(disk: &dyn Disk, name: &str) -> Vec<u8> {
    let file = disk.open(name, Mode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    fill_at(&*file, &mut bytes, 0).unwrap();
    bytes
}

fn write(disk: &dyn Disk, name: &str, bytes: &[u8]) {
    let file = disk.open(name, Mode::Write).unwrap();
    file.set_size(0).unwrap();
    put_at(&*file, bytes, 0).unwrap();
}

#[test]
fn they_say_what_a_scan_says() {
    for batches in [0, 1, 2, 5, 100] {
        let (disk, appender) = filled(batches);
        let segment = appender.segment();
        let (seal, indexer) = load_sidecars(&*disk, FOLDER, BASE, segment.size).unwrap();
        let file = &*segment.file;
        let mut scanned = scan(file, &segment.name, BASE, segment.size, MOST).unwrap();
        scanned.indexer.seal();
        assert_eq!(indexer, scanned.indexer);
        assert_eq!(seal.next_offset, scanned.next_offset);
        assert_eq!(u64::from(seal.batches), batches);
        assert_eq!(seal.records, batches * 2);
        assert_eq!((seal.appended_ms, seal.damaged), (99, false));
        assert_eq!(seal.max_ms >= 0, batches > 0);
        assert_eq!(load_seal(&*disk, FOLDER, BASE, segment.size), Some(seal));
    }
}

#[test]
fn a_segment_that_goes_on_after_a_close_is_sealed_anew() {
    let (disk, mut appender) = filled(30);
    let before = appender.segment().size;
    for place in 30..90 {
        batch_of(&mut appender, place);
    }
    let size = appender.segment().size;
    // The old ones are of a shorter file.
    assert!(load_sidecars(&*disk, FOLDER, BASE, size).is_none());
    assert!(load_sidecars(&*disk, FOLDER, BASE, before).is_some());
    save_sidecars(&*disk, FOLDER, appender.segment(), 100).unwrap();
    let (seal, _) = load_sidecars(&*disk, FOLDER, BASE, size).unwrap();
    assert_eq!((seal.batches, seal.appended_ms), (90, 100));
    remove_sidecars(&*disk, FOLDER, BASE).unwrap();
    remove_sidecars(&*disk, FOLDER, BASE).unwrap();
    assert!(load_sidecars(&*disk, FOLDER, BASE, size).is_none());
    assert_eq!(disk.list(FOLDER).unwrap().len(), 1);
}

#[test]
fn torn_at_any_byte_or_changed_in_any_bit_they_say_nothing() {
    let (disk, appender) = filled(40);
    let size = appender.segment().size;
    let loads = || load_sidecars(&*disk, FOLDER, BASE, size).is_some();
    for kind in ["index", "timeindex", "seal"] {
        let name = name(kind);
        let whole = read(&*disk, &name);
        assert!(whole.len() >= 24, "{kind}");
        for length in 0..whole.len() {
            write(&*disk, &name, &whole[..length]);
            assert!(!loads(), "{kind} of {length} bytes");
        }
        for bit in 0..whole.len() * 8 {
            let mut changed = whole.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            write(&*disk, &name, &changed);
            assert!(!loads(), "bit {bit} of {kind}");
        }
        write(&*disk, &name, &[&whole[..], &[0; 12]].concat());
        assert!(!loads(), "{kind} with zeros behind");
        disk.remove_file(&name).unwrap();
        assert!(!loads(), "no {kind}");
        let file = disk.open(&name, Mode::CreateNew).unwrap();
        put_at(&*file, &whole, 0).unwrap();
        assert!(loads());
    }
}

/// Right checksums over what cannot be: by a defect, or by somebody.
#[test]
fn forged_ones_are_nothing_or_lead_somewhere_within_the_segment() {
    let (disk, appender) = filled(40);
    let size = appender.segment().size;
    let good = load_seal(&*disk, FOLDER, BASE, size).unwrap();
    let index = read(&*disk, &name("index"));
    let seals = [
        Seal {
            next_offset: BASE - 1,
            ..good
        },
        Seal {
            next_offset: BASE + 3,
            ..good
        },
        Seal { max_ms: 5, ..good },
        Seal { batches: 0, ..good },
        Seal {
            index_bytes: u32::MAX,
            ..good
        },
        Seal {
            log_bytes: size - 1,
            ..good
        },
    ];
    for seal in seals {
        write(&*disk, &name("seal"), &seal.encode());
        assert!(load_sidecars(&*disk, FOLDER, BASE, size).is_none());
    }
    let far = [&index[..index.len() - 4], &size.to_be_bytes()].concat();
    let seal = Seal {
        index_crc: log::batch::crc32c(&far),
        ..good
    };
    write(&*disk, &name("index"), &far);
    write(&*disk, &name("seal"), &seal.encode());
    assert!(load_sidecars(&*disk, FOLDER, BASE, size).is_none());
}

/// What is known of the producer when all batches below `offset` are stored.
fn producers(offset: u64) -> Producers {
    let mut producers = Producers::default();
    let header = Header {
        base_offset: offset - 1,
        size: 61,
        attributes: log::batch::Attributes::default(),
        last_delta: 0,
        base_ms: 0,
        max_ms: 0,
        producer: Some(ProducerMark {
            id: PRODUCER,
            epoch: 0,
            sequence: u32::try_from(offset).unwrap(),
        }),
        count: 1,
        crc: 0,
    };
    producers.add(&header, 5);
    producers
}

#[test]
fn the_newest_producers_that_are_whole_are_found_and_two_are_kept() {
    let disk = MemoryDisk::new();
    disk.create_folder(FOLDER).unwrap();
    let load = |offset| load_producers(&disk, FOLDER, offset).unwrap();
    assert_eq!(load(1000), None);
    for offset in [100, 200, 300] {
        save_producers(&disk, FOLDER, offset, &producers(offset)).unwrap();
    }
    assert_eq!(disk.list(FOLDER).unwrap().len(), 2);
    assert_eq!(load(1000), Some((300, producers(300))));
    assert_eq!(load(300), Some((300, producers(300))));
    let newest = "p/00000000000000000300.snapshot";
    let whole = read(&disk, newest);
    for length in 0..whole.len() {
        write(&disk, newest, &whole[..length]);
        assert_eq!(load(300), Some((200, producers(200))), "{length}");
    }
    for bit in 0..whole.len() * 8 {
        let mut changed = whole.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        write(&disk, newest, &changed);
        assert_eq!(load(300), Some((200, producers(200))), "bit {bit}");
    }
    // Of records that were cut: when their offsets are given to others it must not count.
    write(&disk, newest, &whole);
    assert_eq!(load(299), Some((200, producers(200))));
    assert_eq!(load(300), Some((200, producers(200))));
    assert_eq!(load(199), None);
}
