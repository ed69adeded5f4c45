//! The format of batches: byte for byte against what Kafka stores, against a second encoder that knows only the
//! specification, and against bytes that no Kafka would write.
#![expect(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a test asserts by panicking"
)]

use log::Codec;
use log::batch::{
    Attributes, Encoder, Fault, Header, Input, ProducerMark, Record, Records, Shape, Times, check,
};
use proptest::prelude::*;

const LIMIT: u32 = 1 << 25;

/// A record as a test means it.
#[derive(Clone, Debug, PartialEq)]
struct Meant {
    ms: i64,
    key: Option<Vec<u8>>,
    value: Option<Vec<u8>>,
    headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

fn meant(value: &[u8]) -> Meant {
    Meant {
        ms: 0,
        key: None,
        value: Some(value.to_vec()),
        headers: Vec::new(),
    }
}

/// The records as a caller packs them.
struct Packed {
    data: Vec<u8>,
    shape: Vec<u32>,
    times: Vec<f64>,
}

fn size(field: Option<&Vec<u8>>) -> u32 {
    field.map_or(0, |field| u32::try_from(field.len()).unwrap() + 1)
}

fn packed(records: &[Meant]) -> Packed {
    let (mut data, mut shape, mut times) = (Vec::new(), Vec::new(), Vec::new());
    for record in records {
        data.extend(record.key.iter().flatten());
        data.extend(record.value.iter().flatten());
        let before = data.len();
        for (key, value) in &record.headers {
            data.extend(u32::try_from(key.len()).unwrap().to_le_bytes());
            data.extend(size(value.as_ref()).to_le_bytes());
            data.extend(key);
            data.extend(value.iter().flatten());
        }
        let headers = u32::try_from(data.len() - before).unwrap();
        shape.extend([
            size(record.key.as_ref()),
            size(record.value.as_ref()),
            headers,
        ]);
        times.push(record.ms as f64);
    }
    Packed { data, shape, times }
}

fn encoded(records: &[Meant], base: u64, mark: Option<ProducerMark>) -> Vec<u8> {
    let Packed { data, shape, times } = packed(records);
    let input = Input {
        data: &data,
        shape: Shape::Full(&shape),
        times: Times::Each(&times),
    };
    let mut encoder = Encoder::new(LIMIT);
    let mut batch = encoder.encode(&input, Codec::None, mark).unwrap();
    batch.place(base).unwrap();
    let header = Header::parse_prefix(batch.bytes(), LIMIT).unwrap();
    assert_eq!(header, *batch.header());
    batch.bytes().to_vec()
}

fn owned(record: &Record<'_>) -> Meant {
    let header =
        |field: log::batch::HeaderField<'_>| (field.key.to_vec(), field.value.map(<[u8]>::to_vec));
    Meant {
        ms: record.ms,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers: record.headers.map(header).collect(),
    }
}

fn decoded(batch: &[u8]) -> Result<Vec<Meant>, Fault> {
    let header = Header::parse_prefix(batch, LIMIT)?;
    let batch = batch.get(..header.size as usize).ok_or(Fault::Length)?;
    check(batch, &header)?;
    let records = Records::of_batch(batch, &header)?;
    records
        .map(|record| record.map(|record| owned(&record)))
        .collect()
}

/// The specification once more, the slow way: numbers as digits in base 128, everything put together of small vectors.
mod specification {
    use super::Meant;

    fn number(value: i64) -> Vec<u8> {
        let value = i128::from(value);
        let mut left = if value < 0 { -2 * value - 1 } else { 2 * value };
        let mut digits = Vec::new();
        loop {
            digits.push(u8::try_from(left % 128).unwrap());
            left /= 128;
            if left == 0 {
                break;
            }
        }
        let last = digits.len() - 1;
        for digit in &mut digits[..last] {
            *digit += 128;
        }
        digits
    }

    fn field(bytes: Option<&Vec<u8>>) -> Vec<u8> {
        match bytes {
            None => number(-1),
            Some(bytes) => [number(bytes.len() as i64), bytes.clone()].concat(),
        }
    }

    /// One bit at a time, with the reversed polynomial of Castagnoli.
    fn checksum(bytes: &[u8]) -> u32 {
        let mut register = u32::MAX;
        for byte in bytes {
            register ^= u32::from(*byte);
            for _ in 0..8 {
                let odd = register & 1 == 1;
                register >>= 1;
                if odd {
                    register ^= 0x82f6_3b78;
                }
            }
        }
        !register
    }

    pub(super) fn batch(records: &[Meant], base: u64, producer: (i64, i16, i32)) -> Vec<u8> {
        let first = records[0].ms;
        let mut body = Vec::new();
        for (place, record) in records.iter().enumerate() {
            let mut one = vec![0];
            one.extend(number(record.ms - first));
            one.extend(number(place as i64));
            one.extend(field(record.key.as_ref()));
            one.extend(field(record.value.as_ref()));
            one.extend(number(record.headers.len() as i64));
            for (key, value) in &record.headers {
                one.extend(field(Some(key)));
                one.extend(field(value.as_ref()));
            }
            body.extend(number(one.len() as i64));
            body.extend(one);
        }
        let count = i32::try_from(records.len()).unwrap();
        let latest = records.iter().map(|record| record.ms).max().unwrap();
        let covered = [
            &0_i16.to_be_bytes()[..],
            &(count - 1).to_be_bytes(),
            &first.to_be_bytes(),
            &latest.to_be_bytes(),
            &producer.0.to_be_bytes(),
            &producer.1.to_be_bytes(),
            &producer.2.to_be_bytes(),
            &count.to_be_bytes(),
            &body,
        ]
        .concat();
        let behind = [
            &0_i32.to_be_bytes()[..],
            &[2],
            &checksum(&covered).to_be_bytes(),
            &covered,
        ]
        .concat();
        let length = i32::try_from(behind.len()).unwrap();
        [&base.to_be_bytes()[..], &length.to_be_bytes(), &behind].concat()
    }
}

/// Three batches that a broker of Kafka 0.11 stored, as the tests of kafka-python keep them. Bytes 12 to 16 are its
/// leader's epoch, which is outside of the checksum; ours is 0.
const BROKER: [&str; 3] = [
    "0000000000000000 0000003b 00000001 02 0318a270 0000 00000000 0000015dff7b063c 0000015dff7b063c \
     ffffffffffffffff ffff ffffffff 00000001 12 00 00 00 01 06 313233 00",
    "0000000000000001 00000040 00000002 02 c85cbd23 0000 00000001 0000015dff7cdd6c 0000015dff7cde14 \
     ffffffffffffffff ffff ffffffff 00000002 0c 00 00 00 01 00 00 0e 00 d002 02 01 00 00",
    "0000000000000003 0000003b 00000002 02 2e0b85b7 0000 00000000 0000015dff7ce79d 0000015dff7ce79d \
     ffffffffffffffff ffff ffffffff 00000001 12 00 00 00 01 06 313233 00",
];

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex.chars().filter(|c| !c.is_whitespace()).collect();
    let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap();
    digits.chunks(2).map(byte).collect()
}

#[test]
fn what_a_broker_stored_is_read_and_written_byte_for_byte() {
    let at = |ms, value: &[u8]| Meant { ms, ..meant(value) };
    // 0x15dff7b063c = 1,503,229,838,908; the second record of the second batch is 168 ms later: zig-zag 336 = d0 02.
    let stored = [
        (0, vec![at(1_503_229_838_908, b"123")]),
        (
            1,
            vec![at(1_503_229_959_532, b""), at(1_503_229_959_700, b"")],
        ),
        (3, vec![at(1_503_229_962_141, b"123")]),
    ];
    for (hex, (base, records)) in BROKER.into_iter().zip(stored) {
        let mut theirs = bytes(hex);
        let header = Header::parse_prefix(&theirs, LIMIT).unwrap();
        assert_eq!((header.base_offset, header.producer), (base, None));
        assert_eq!(header.next_offset(), base + records.len() as u64);
        assert_eq!(decoded(&theirs).as_ref(), Ok(&records));
        theirs[12..16].fill(0);
        assert_eq!(encoded(&records, base, None), theirs);
    }
}

/// From the tests of Sarama: key, value, a header, a producer of number 0, and a latest time that a producer left at 0.
#[test]
fn keys_headers_and_producers_are_read_as_another_client_wrote_them() {
    let theirs = bytes(
        "0000000000000000 00000046 00000000 02 547961fd 0000 00000000 00000158 8dcd5938 \
         0000000000000000 0000000000000000 0000 00000000 00000001 \
         28 00 0a 00 08 01020304 06 050607 02 06 08090a 04 0b0c",
    );
    let header = Header::parse_prefix(&theirs, LIMIT).unwrap();
    let mark = ProducerMark {
        id: 0,
        epoch: 0,
        sequence: 0,
    };
    assert_eq!(header.producer, Some(mark));
    let record = Meant {
        ms: 1_479_847_795_005,
        key: Some(vec![1, 2, 3, 4]),
        value: Some(vec![5, 6, 7]),
        headers: vec![(vec![8, 9, 10], Some(vec![11, 12]))],
    };
    assert_eq!(decoded(&theirs), Ok(vec![record]));
}

/// 61 + 64 × 109 + 36 × 110: an offset delta from 64 on takes two bytes.
#[test]
fn a_hundred_records_of_a_hundred_bytes_take_10997() {
    let data = [7; 100 * 100];
    let input = Input {
        data: &data,
        shape: Shape::Values(&[100; 100]),
        times: Times::One(1_700_000_000_000),
    };
    let batch = Encoder::new(LIMIT)
        .encode(&input, Codec::None, None)
        .unwrap();
    assert_eq!(batch.bytes().len(), 10_997);
    let record = Meant {
        ms: 1_700_000_000_000,
        ..meant(&[7; 100])
    };
    assert_eq!(decoded(batch.bytes()), Ok(vec![record; 100]));
}

#[test]
fn append_time_is_the_time_of_all_records() {
    let mut batch = encoded(&[meant(b"a"), meant(b"b")], 0, None);
    let mut header = Header::parse_prefix(&batch, LIMIT).unwrap();
    header.attributes.append_time = true;
    header.max_ms = 77;
    batch[..61].copy_from_slice(&header.encode());
    header.crc = log::batch::crc32c(&batch[21..]);
    batch[..61].copy_from_slice(&header.encode());
    let times: Vec<_> = decoded(&batch)
        .unwrap()
        .iter()
        .map(|record| record.ms)
        .collect();
    assert_eq!(times, [77, 77]);
}

#[test]
fn compressed_records_are_not_read_as_plain_ones() {
    let batch = encoded(&[meant(b"a")], 0, None);
    let mut header = Header::parse_prefix(&batch, LIMIT).unwrap();
    header.attributes = Attributes::from_bits(Codec::Lz4 as u16).unwrap();
    assert_eq!(
        Records::of_batch(&batch, &header).err(),
        Some(Fault::Compressed)
    );
}

#[test]
fn lengths_that_do_not_add_up_are_refused() {
    use log::ErrorKind::{Invalid, TooLarge};
    let refused = |data: &[u8], shape: Shape<'_>, times: Times<'_>| {
        let input = Input { data, shape, times };
        let error = Encoder::new(1000)
            .encode(&input, Codec::None, None)
            .unwrap_err();
        error.kind
    };
    let now = Times::One(1);
    for lengths in [
        &[][..],
        &[2],
        &[4],
        &[u32::MAX],
        &[3, u32::MAX],
        &[u32::MAX, 4],
    ] {
        assert_eq!(
            refused(b"abc", Shape::Values(lengths), now),
            Invalid,
            "{lengths:?}"
        );
    }
    let full: [&[u32]; 6] = [
        &[1, 1],
        &[5, 0, 0],
        &[0, 3, 0],
        &[0, 0, 3],
        &[0, 0, u32::MAX],
        &[2, 2, 2],
    ];
    for shape in full {
        assert_eq!(
            refused(b"abc", Shape::Full(shape), now),
            Invalid,
            "{shape:?}"
        );
    }
    // A header whose key is said to be 255 bytes long.
    let header = [255, 0, 0, 0, 1, 0, 0, 0, b'k'];
    assert_eq!(refused(&header, Shape::Full(&[0, 0, 9]), now), Invalid);
    for times in [
        &[][..],
        &[1.0, 2.0],
        &[0.5],
        &[f64::NAN],
        &[f64::INFINITY],
        &[1e300],
    ] {
        assert_eq!(
            refused(b"abc", Shape::Values(&[3]), Times::Each(times)),
            Invalid,
            "{times:?}"
        );
    }
    assert_eq!(refused(&[0; 940], Shape::Values(&[940]), now), TooLarge);
    assert_eq!(refused(&[0; 4000], Shape::Values(&[4000]), now), TooLarge);
}

#[test]
fn an_encoder_goes_on_after_what_it_refused() {
    let mut encoder = Encoder::new(1000);
    let input = |data, shape| Input {
        data,
        shape: Shape::Values(shape),
        times: Times::One(5),
    };
    assert!(
        encoder
            .encode(&input(b"abc", &[9]), Codec::None, None)
            .is_err()
    );
    let batch = encoder
        .encode(&input(b"abc", &[1, 2]), Codec::None, None)
        .unwrap();
    let records = decoded(batch.bytes()).unwrap();
    assert_eq!(records[1].value.as_deref(), Some(&b"bc"[..]));
    encoder.recycle(batch);
    let batch = encoder
        .encode(&input(b"z", &[1]), Codec::None, None)
        .unwrap();
    assert_eq!(decoded(batch.bytes()).unwrap().len(), 1);
}

#[test]
fn no_batch_is_placed_where_offsets_end() {
    let input = Input {
        data: b"ab",
        shape: Shape::Values(&[1, 1]),
        times: Times::One(0),
    };
    let mut batch = Encoder::new(LIMIT)
        .encode(&input, Codec::None, None)
        .unwrap();
    assert!(batch.place(i64::MAX as u64 - 2).is_ok());
    assert!(batch.place(i64::MAX as u64 - 1).is_err());
    assert!(batch.place(u64::MAX).is_err());
}

fn some_bytes() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        6 => prop::collection::vec(any::<u8>(), 0..20),
        1 => prop::collection::vec(any::<u8>(), 60..70),
        1 => prop::collection::vec(Just(7), 8_190..8_200),
    ]
}

fn some_record() -> impl Strategy<Value = Meant> {
    let headers = prop::collection::vec((some_bytes(), prop::option::of(some_bytes())), 0..4);
    let ms = prop_oneof![0_i64..100, -(1_i64 << 53)..=1 << 53];
    (
        ms,
        prop::option::of(some_bytes()),
        prop::option::of(some_bytes()),
        headers,
    )
        .prop_map(|(ms, key, value, headers)| Meant {
            ms,
            key,
            value,
            headers,
        })
}

proptest! {
    #[test]
    fn what_is_encoded_is_what_the_specification_says(
        records in prop::collection::vec(some_record(), 1..140),
        base in 0_u64..1 << 53,
        mark in prop::option::of((0_i64..=i64::MAX, 0_i16..=i16::MAX, 0_i32..=i32::MAX)),
    ) {
        let ours = encoded(&records, base, mark.map(|(id, epoch, sequence)| ProducerMark {
            id: id.unsigned_abs(),
            epoch: epoch.unsigned_abs(),
            sequence: sequence.unsigned_abs(),
        }));
        prop_assert_eq!(&ours, &specification::batch(&records, base, mark.unwrap_or((-1, -1, -1))));
        prop_assert_eq!(decoded(&ours), Ok(records));
    }

    /// Also with a right checksum, which a peer can make as well as we.
    #[test]
    fn a_changed_batch_is_read_or_refused_and_never_more(
        records in prop::collection::vec(some_record(), 1..20),
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
    ) {
        let mut batch = encoded(&records, 5, None);
        for (place, byte) in changes {
            let place = place.index(batch.len());
            batch[place] = byte;
        }
        let Ok(header) = Header::parse_prefix(&batch, LIMIT) else { return Ok(()) };
        let Ok(records) = Records::of_batch(&batch, &header) else { return Ok(()) };
        let all: Vec<_> = records.collect();
        prop_assert!(all.len() <= header.count as usize);
        let faults = all.iter().filter(|record| record.is_err()).count();
        prop_assert!(faults == 0 || (faults == 1 && all.last().is_some_and(Result::is_err)));
        for (place, record) in all.into_iter().flatten().enumerate() {
            prop_assert_eq!(record.offset, header.base_offset + place as u64);
            prop_assert_eq!(record.headers.len(), record.headers.count());
        }
    }

    #[test]
    fn any_bytes_are_records_or_a_fault(bytes in prop::collection::vec(any::<u8>(), 0..300), count in 1_u32..40) {
        let header = Header {
            base_offset: 0,
            size: 61,
            attributes: Attributes::default(),
            last_delta: count - 1,
            base_ms: i64::MAX - 3,
            max_ms: 0,
            producer: None,
            count,
            crc: 0,
        };
        let read = Records::of(&bytes, &header).count();
        prop_assert!(read <= count as usize && read >= 1);
    }
}

#[test]
fn each_bit_of_a_batch_is_under_the_checksum_or_told_otherwise() {
    let whole = encoded(&[meant(b"one"), meant(b"two")], 3, None);
    for bit in 0..whole.len() * 8 {
        let mut batch = whole.clone();
        batch[bit / 8] ^= 1 << (bit % 8);
        // Base offset and leader epoch: the one is compared with what is expected, the other means nothing here.
        let outside = bit / 8 < 8 || (12..16).contains(&(bit / 8));
        assert_eq!(decoded(&batch).is_ok(), outside && bit != 7, "bit {bit}");
    }
}

#[test]
fn batches_of_a_client_are_adopted_as_they_came_but_for_their_place() {
    let mark = ProducerMark {
        id: 9,
        epoch: 1,
        sequence: 5,
    };
    let one = encoded(&[meant(b"one"), meant(b"two")], 500, Some(mark));
    let other = bytes(BROKER[2]);
    let both = [&one[..], &other].concat();
    let mut encoder = Encoder::new(LIMIT);
    let (mut batch, rest) = encoder.adopt(&both).unwrap();
    assert_eq!(rest, other);
    assert_eq!(batch.header().producer, Some(mark));
    batch.place(7).unwrap();
    assert_eq!(batch.bytes()[..8], 7_u64.to_be_bytes());
    assert_eq!(batch.bytes()[8..], one[8..]);
    encoder.recycle(batch);
    let (mut batch, rest) = encoder.adopt(rest).unwrap();
    assert!(rest.is_empty());
    batch.place(9).unwrap();
    // The epoch of their leader is not ours.
    assert_eq!(batch.bytes()[12..16], [0; 4]);
    assert_eq!(batch.bytes()[16..], other[16..]);
    let header = Header::parse_prefix(batch.bytes(), LIMIT).unwrap();
    assert_eq!(header, *batch.header());
    assert_eq!(check(batch.bytes(), &header), Ok(()));
}

#[test]
fn what_is_no_batch_or_holds_no_records_is_not_adopted() {
    let one = encoded(&[meant(b"one"), meant(b"two")], 500, None);
    let mut encoder = Encoder::new(one.len() as u32);
    assert!(encoder.adopt(&one).is_ok());
    for length in 0..one.len() {
        let error = encoder.adopt(&one[..length]).unwrap_err();
        assert_eq!(error.kind, log::ErrorKind::Corrupt, "{length}");
    }
    // Where it says that it stands, and who led, does not count.
    for bit in (8 * 8..12 * 8).chain(16 * 8..one.len() * 8) {
        let mut changed = one.clone();
        changed[bit / 8] ^= 1 << (bit % 8);
        assert!(encoder.adopt(&changed).is_err(), "bit {bit}");
    }
    let mut torn = one.clone();
    // The second record claims a byte more, under a right checksum.
    torn[61 + 10] += 2;
    let crc = log::batch::crc32c(&torn[21..]);
    torn[17..21].copy_from_slice(&crc.to_be_bytes());
    let error = encoder.adopt(&torn).unwrap_err();
    assert_eq!(error.kind, log::ErrorKind::Corrupt);
    let mut small = Encoder::new(one.len() as u32 - 1);
    let error = small.adopt(&one).unwrap_err();
    assert_eq!(error.kind, log::ErrorKind::TooLarge);
}
