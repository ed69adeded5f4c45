//! Compressed records: they come back as they were, other writers' frames are read, and what is torn, damaged or far too
//! large ends in a fault, in bounded time and memory.
#![expect(clippy::unwrap_used, reason = "a test asserts by panicking")]

use log::batch::{Encoder, Fault, Header, Input, Records, Shape, Times, check};
use log::{Codec, Compression, ErrorKind, compress, inflate};
use proptest::prelude::*;

const CODECS: [Codec; 5] = [
    Codec::None,
    Codec::Gzip,
    Codec::Snappy,
    Codec::Lz4,
    Codec::Zstd,
];
const PACKING: [Codec; 4] = [Codec::Gzip, Codec::Snappy, Codec::Lz4, Codec::Zstd];
const MIB: usize = 1 << 20;

fn packed(compression: impl Into<Compression>, records: &[u8]) -> Vec<u8> {
    let mut into = b"before".to_vec();
    compress(compression.into(), records, &mut into).unwrap();
    into.split_off(6)
}

fn inflated(codec: Codec, bytes: &[u8], most: usize) -> Result<Vec<u8>, Fault> {
    let mut into = b"what was there".to_vec();
    inflate(codec, bytes, most, &mut into).map(|()| into)
}

/// Bytes that hardly get smaller.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..length).map(|_| next()).collect()
}

/// Bytes that do.
fn lines(length: usize) -> Vec<u8> {
    let lines = (0..).map(|line| format!("{line}: GET /index.html HTTP/1.1\n").into_bytes());
    lines.flatten().take(length).collect()
}

#[test]
fn what_was_compressed_comes_back_at_every_size_where_a_block_ends() {
    let k = 1 << 10;
    for length in [
        0,
        1,
        12,
        13,
        32 * k - 1,
        32 * k,
        64 * k,
        64 * k + 1,
        3 * MIB,
    ] {
        for records in [lines(length), noise(length), vec![0; length]] {
            for codec in CODECS {
                let bytes = packed(codec, &records);
                let back = inflated(codec, &bytes, length);
                assert!(back == Ok(records.clone()), "{codec:?} {length}");
                // What does not get smaller gets hardly longer.
                assert!(bytes.len() <= length + length / 500 + 64, "{codec:?}");
            }
        }
    }
}

#[test]
fn levels_are_obeyed() {
    let records = lines(200_000);
    for (codec, low, high) in [(Codec::Gzip, 1, 9), (Codec::Zstd, -7, 22)] {
        let at = |level| packed(Compression::new(codec, Some(level)).unwrap(), &records);
        assert!(at(low).len() > at(high).len(), "{codec:?}");
        for level in [low, high] {
            assert!(inflated(codec, &at(level), records.len()) == Ok(records.clone()));
        }
    }
}

/// Level 22 would have a window of 128 MiB, which no reader of ours, and not every one of Kafka's, gives it.
#[test]
fn the_windows_of_high_levels_are_within_what_a_reader_takes() {
    let records = [vec![0; 8 * MIB], lines(MIB / 2)].concat();
    let bytes = packed(Compression::new(Codec::Zstd, Some(20)).unwrap(), &records);
    assert!(inflated(Codec::Zstd, &bytes, records.len()) == Ok(records));
}

#[test]
fn a_bomb_ends_at_the_bound() {
    let records = vec![0; 4 * MIB];
    for codec in CODECS {
        let bytes = packed(codec, &records);
        for most in [0, 1, 1000, 64 << 10, records.len() - 1] {
            let mut into = Vec::new();
            let answer = inflate(codec, &bytes, most, &mut into);
            assert_eq!(answer, Err(Fault::Inflated), "{codec:?} {most}");
            assert!(into.capacity() <= 2 * most + (64 << 10), "{codec:?}");
        }
    }
}

#[test]
fn a_length_that_is_claimed_takes_no_memory() {
    // One raw block of Snappy that says it is 2^32 − 1 bytes.
    let claims = [0xff, 0xff, 0xff, 0xff, 0x0f, 0];
    let mut into = Vec::new();
    let answer = inflate(Codec::Snappy, &claims, usize::MAX, &mut into);
    assert_eq!(answer, Err(Fault::Deflated));
    assert_eq!(into.capacity(), 0);
    // A frame of Zstandard that says it is 2^62 bytes.
    let claims = [
        0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x40, 1, 0, 0,
    ];
    assert!(inflate(Codec::Zstd, &claims, 1000, &mut into).is_err());
    assert!(into.capacity() <= 2000);
}

/// Many small pieces must not cost more than their bytes: a block of nothing that asks for 4 MiB of room, a member of
/// gzip of no bytes.
#[test]
fn pieces_of_nothing_take_no_time() {
    let mut frame = vec![0x04, 0x22, 0x4d, 0x18, 0x60, 0x70, 0x73];
    for _ in 0..200_000 {
        // One literal.
        frame.extend([2, 0, 0, 0, 0x10, b'x']);
    }
    frame.extend([0; 4]);
    let back = inflated(Codec::Lz4, &frame, 32 * MIB).unwrap();
    assert_eq!(back.len(), 200_000);
    let members = packed(Codec::Gzip, b"").repeat(20_000);
    assert_eq!(inflated(Codec::Gzip, &members, 32 * MIB), Ok(Vec::new()));
}

#[test]
fn what_is_torn_at_any_byte_or_followed_by_another_is_a_fault() {
    let records = [lines(70_000), noise(300)].concat();
    for codec in PACKING {
        let bytes = packed(codec, &records);
        for length in (0..bytes.len()).filter(|at| at % 97 == 0 || bytes.len() - at < 200) {
            // Between blocks a frame of Snappy tells nothing; the records are missing then.
            match inflated(codec, &bytes[..length], MIB) {
                Ok(part) => assert!(codec == Codec::Snappy && part.len() < records.len()),
                Err(fault) => assert_eq!(fault, Fault::Deflated, "{codec:?} {length}"),
            }
        }
        for behind in [&[0][..], &[0; 4], &[1; 16]] {
            let more = [&bytes[..], behind].concat();
            match inflated(codec, &more, MIB) {
                // Four zeros are an empty block to Snappy's frame, if that: it has no end mark.
                Ok(back) => assert!(codec == Codec::Snappy && back == records),
                Err(fault) => assert_eq!(fault, Fault::Deflated, "{codec:?} {behind:?}"),
            }
        }
    }
}

/// As other clients write them.
mod of_others {
    use super::*;

    #[test]
    fn snappy_without_the_frame_of_java() {
        let records = lines(5000);
        let raw = snap::raw::Encoder::new().compress_vec(&records).unwrap();
        assert_eq!(inflated(Codec::Snappy, &raw, 5000), Ok(records));
        assert_eq!(inflated(Codec::Snappy, &raw, 4999), Err(Fault::Inflated));
    }

    #[test]
    fn several_members_of_gzip_and_several_frames_of_zstd() {
        for codec in [Codec::Gzip, Codec::Zstd] {
            let two = [packed(codec, b"one "), packed(codec, b"two")].concat();
            assert_eq!(inflated(codec, &two, 7), Ok(b"one two".to_vec()));
            assert_eq!(inflated(codec, &two, 6), Err(Fault::Inflated));
        }
    }

    /// By hand, from the specification of the frame: linked blocks, a length, checksums (whose values do not matter).
    #[test]
    fn lz4_with_linked_blocks_a_length_and_checksums() {
        let mut frame = vec![0x04, 0x22, 0x4d, 0x18, 0b0101_1100, 0x40];
        frame.extend(17_u64.to_le_bytes());
        frame.push(0);
        // Eight literals; the next block takes four of them, from twelve bytes back, and then has five of its own.
        let blocks: [&[u8]; 3] = [b"\x80abcdefgh", b"\x00\x08\x00\x50ijklm", b""];
        for block in &blocks[..2] {
            frame.extend((block.len() as u32).to_le_bytes());
            frame.extend(*block);
            frame.extend([0xee; 4]);
        }
        frame.extend([0; 4]);
        frame.extend([0xee; 4]);
        let back = inflated(Codec::Lz4, &frame, 100);
        assert_eq!(back, Ok(b"abcdefghabcdijklm".to_vec()));
    }

    #[test]
    fn a_dictionary_that_nobody_has_is_refused() {
        let mut frame = vec![0x04, 0x22, 0x4d, 0x18, 0x61, 0x40, 1, 2, 3, 4, 0];
        frame.extend([0; 4]);
        assert_eq!(inflated(Codec::Lz4, &frame, 100), Err(Fault::Deflated));
    }
}

/// Batches that the Java client of Kafka 4.3.1 made (`MemoryRecordsBuilder`), by producer 42: 20 records, or 1,500 where
/// they are compressed, so that a codec has more than one block.
mod of_kafka {
    use super::*;

    /// Key, value and headers of the record at `place`, as they were put in.
    fn put_in(place: u32) -> (Option<Vec<u8>>, Option<Vec<u8>>, usize) {
        let key = (!place.is_multiple_of(3)).then(|| format!("key {}", place % 5).into_bytes());
        let value = format!("value of a record, number {}, from Kafka", place % 100);
        let value = (place % 7 != 6).then(|| value.into_bytes());
        (key, value, if place.is_multiple_of(10) { 2 } else { 0 })
    }

    #[test]
    fn batches_of_the_java_client_are_read_and_adopted() {
        for (codec, name) in CODECS.iter().zip(["none", "gzip", "snappy", "lz4", "zstd"]) {
            let root = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/golden/kafka");
            let bytes = std::fs::read(format!("{root}/{name}.batch")).unwrap();
            let header = Header::parse_prefix(&bytes, 1 << 20).unwrap();
            assert_eq!(check(&bytes, &header), Ok(()));
            assert_eq!(header.attributes.codec, *codec);
            assert_eq!(header.base_offset, 1000);
            let mark = header.producer.unwrap();
            assert_eq!((mark.id, mark.epoch, mark.sequence), (42, 3, 77));
            let mut into = Vec::new();
            let records = Records::inflated(&bytes, &header, 1 << 20, &mut into).unwrap();
            let mut count = 0;
            for (place, record) in (0..).zip(records) {
                let record = record.unwrap();
                let (key, value, headers) = put_in(place);
                assert_eq!(record.offset, 1000 + u64::from(place));
                assert_eq!(record.ms, 1_700_000_000_000 + i64::from(place % 50));
                assert_eq!(record.key, key.as_deref());
                assert_eq!(record.value, value.as_deref());
                assert_eq!(record.headers.len(), headers);
                count += 1;
            }
            let many = if *codec == Codec::None { 20 } else { 1500 };
            assert_eq!((count, header.count), (many, many));
            let (batch, rest) = Encoder::new(1 << 20).adopt(&bytes).unwrap();
            assert_eq!(batch.bytes()[16..], bytes[16..]);
            assert!(rest.is_empty());
        }
    }
}

fn batch(codec: Codec, values: &[Vec<u8>], most: u32) -> Result<Vec<u8>, log::Error> {
    let data = values.concat();
    let lengths: Vec<u32> = values.iter().map(|value| value.len() as u32).collect();
    let input = Input {
        data: &data,
        shape: Shape::Values(&lengths),
        times: Times::One(5),
    };
    let mut batch = Encoder::new(most).encode(&input, codec, None)?;
    batch.place(77)?;
    Ok(batch.bytes().to_vec())
}

fn values_of(batch: &[u8], most: usize) -> Result<Vec<Vec<u8>>, Fault> {
    let header = Header::parse_prefix(batch, u32::MAX)?;
    check(batch, &header)?;
    let mut into = Vec::new();
    Records::inflated(batch, &header, most, &mut into)?
        .map(|record| record.map(|record| record.value.unwrap().to_vec()))
        .collect()
}

#[test]
fn a_compressed_batch_has_its_codec_in_the_header_and_all_records_behind() {
    let values: Vec<Vec<u8>> = (0..100).map(|n| lines(100 + n)).collect();
    for codec in CODECS {
        let bytes = batch(codec, &values, 1 << 20).unwrap();
        let header = Header::parse_prefix(&bytes, 1 << 20).unwrap();
        assert_eq!(header.attributes.codec, codec);
        assert_eq!((header.base_offset, header.count), (77, 100));
        assert_eq!(header.size as usize, bytes.len());
        assert_eq!(values_of(&bytes, 20_000).as_ref(), Ok(&values));
        if codec != Codec::None {
            assert!(bytes.len() < 7000, "{codec:?}");
            assert_eq!(values_of(&bytes, 9000), Err(Fault::Inflated));
            let still = Records::of_batch(&bytes, &header).map(|_| ());
            assert_eq!(still, Err(Fault::Compressed));
        }
    }
}

#[test]
fn the_limit_of_a_batch_holds_before_it_is_compressed() {
    for codec in CODECS {
        let small = batch(codec, &[vec![0; 900]], 1000).unwrap();
        assert!(small.len() <= 1000);
        let error = batch(codec, &[vec![0; 980]], 1000).unwrap_err();
        assert_eq!(error.kind, ErrorKind::TooLarge);
    }
}

#[test]
fn more_records_than_come_out_are_refused() {
    let mut bytes = batch(Codec::Gzip, &vec![Vec::new(); 9], 1000).unwrap();
    bytes[23..27].copy_from_slice(&(i32::MAX - 1).to_be_bytes());
    bytes[57..61].copy_from_slice(&i32::MAX.to_be_bytes());
    let crc = log::batch::crc32c(&bytes[21..]);
    bytes[17..21].copy_from_slice(&crc.to_be_bytes());
    assert_eq!(values_of(&bytes, 1000), Err(Fault::Count));
}

#[test]
fn one_encoder_makes_batches_of_all_codecs_in_turn() {
    let mut encoder = Encoder::new(1 << 20);
    let data = lines(3000);
    for round in 0..20_usize {
        let codec = CODECS[round % 5];
        let input = Input {
            data: &data,
            shape: Shape::Values(&[1000, 2000]),
            times: Times::One(5),
        };
        let batch = encoder.encode(&input, codec, None).unwrap();
        let values = values_of(batch.bytes(), 4000).unwrap();
        assert_eq!(values.concat(), data);
        encoder.recycle(batch);
    }
}

proptest! {
    #[test]
    fn any_bytes_come_back(records in prop::collection::vec(any::<u8>(), 0..3000), repeat in 1_usize..40) {
        let records = records.repeat(repeat);
        for codec in CODECS {
            let bytes = packed(codec, &records);
            prop_assert!(inflated(codec, &bytes, records.len()) == Ok(records.clone()));
        }
    }

    #[test]
    fn any_change_is_read_within_the_bound_or_is_a_fault(at in 0_usize..2000, change in 1_u8.., cut in 0_usize..3000) {
        let records = lines(3000);
        for codec in PACKING {
            let mut bytes = packed(codec, &records);
            let length = bytes.len();
            bytes[at % length] ^= change;
            bytes.truncate(cut);
            if let Ok(back) = inflated(codec, &bytes, 5000) {
                prop_assert!(back.len() <= 5000);
            }
        }
    }
}
