//! Bytes that somebody has put together: opening ends, in time and memory that the file sets, and changes nothing the
//! second time.

use log::batch::{Attributes, Header};
use log::{Boot, Note};
use proptest::prelude::*;

use crate::support::*;

/// Headers one behind the other, each of which claims the 8 KiB behind it and has a wrong checksum.
fn forged(many: u64) -> Vec<u8> {
    let header = |place| Header {
        base_offset: 1000 + place,
        size: MOST,
        attributes: Attributes::default(),
        last_delta: 0,
        base_ms: 0,
        max_ms: 0,
        producer: None,
        count: 1,
        crc: 0x0bad_0bad,
    };
    (0..many).flat_map(|place| header(place).encode()).collect()
}

#[test]
fn forged_headers_take_no_more_time_than_the_file_is_long() {
    let whole = first_log(&*filled(1, SEGMENT));
    let bytes = [&whole[..], &forged(20_000)].concat();
    for boot in [Boot::Same, Boot::Other] {
        let disk = with_log(&bytes);
        let opened = open(&*disk, NOTHING, boot);
        // Not all of it was looked at, so nothing is thrown away.
        match &opened.notes[..] {
            [
                Note::Damaged {
                    first: 2, next: 2, ..
                },
            ] if boot == Boot::Same => {
                assert_eq!(first_log(&*disk), bytes);
            }
            [
                Note::Cut {
                    kept_as: Some(name),
                    ..
                },
            ] if boot == Boot::Other => {
                assert_eq!(bytes_of(&*disk, name), bytes[whole.len()..]);
            }
            other => panic!("{boot:?}: {other:?}"),
        }
        settled(&*disk, opened, boot);
    }
}

#[derive(Clone, Debug)]
enum Piece {
    Log { from: usize, to: usize },
    Zeros(usize),
    Bytes(Vec<u8>),
    Header { offset: u64, size: u32 },
}

fn some_piece() -> impl Strategy<Value = Piece> {
    prop_oneof![
        3 => (0_usize..900, 0_usize..900).prop_map(|(from, many)| Piece::Log { from, to: from + many }),
        1 => (0_usize..200).prop_map(Piece::Zeros),
        1 => prop::collection::vec(any::<u8>(), 0..200).prop_map(Piece::Bytes),
        1 => (0_u64..40, 61_u32..600).prop_map(|(offset, size)| Piece::Header { offset, size }),
    ]
}

fn put_together(pieces: &[Piece]) -> Vec<u8> {
    let whole = first_log(&*filled(12, SEGMENT));
    let borders = borders(&whole);
    let mut bytes = Vec::new();
    for piece in pieces {
        match piece {
            Piece::Log { from, to } => {
                // Half of them begin and end with a batch.
                let near = |at: usize| match at % 2 {
                    0 => at.min(whole.len()),
                    _ => borders[at % borders.len()],
                };
                let (from, to) = (near(*from), near(*to));
                bytes.extend(&whole[from.min(to)..from.max(to)]);
            }
            Piece::Zeros(many) => bytes.resize(bytes.len() + many, 0),
            Piece::Bytes(more) => bytes.extend(more),
            Piece::Header { offset, size } => {
                let mut header = Header::parse_prefix(&whole, MOST).unwrap();
                (header.base_offset, header.size) = (*offset, (*size).max(header.size));
                bytes.extend(header.encode());
            }
        }
    }
    bytes
}

proptest! {
    #[test]
    fn whatever_is_put_together_is_opened_once_and_for_all(
        pieces in prop::collection::vec(some_piece(), 0..8),
        same in any::<bool>(),
    ) {
        let bytes = put_together(&pieces);
        let boot = if same { Boot::Same } else { Boot::Other };
        let disk = with_log(&bytes);
        let opened = open(&*disk, NOTHING, boot);
        let left = first_log(&*disk);
        prop_assert!(bytes.starts_with(&left));
        prop_assert_eq!(left.len() < bytes.len(), matches!(opened.notes[..], [Note::Cut { .. }]));
        for (place, (offset, value)) in readable(&opened).into_iter().enumerate() {
            prop_assert_eq!((offset, value), (place as u64, value_of(place as u64)));
        }
        settled(&*disk, opened, boot);
    }
}
