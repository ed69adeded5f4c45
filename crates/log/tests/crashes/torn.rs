//! F3: the file ends at any byte.

use log::{Boot, Durable, Note};

use crate::support::*;

#[test]
fn a_tail_torn_at_any_byte_is_cut_to_the_longest_valid_prefix() {
    let whole = first_log(&*filled(4, SEGMENT));
    let borders = borders(&whole);
    for boot in [Boot::Same, Boot::Other] {
        for length in 0..=whole.len() {
            let disk = with_log(&whole[..length]);
            let opened = open(&*disk, NOTHING, boot);
            let valid = borders
                .iter()
                .rposition(|border| *border <= length)
                .unwrap();
            assert_eq!(
                readable(&opened),
                records(0, valid as u64 * 2),
                "{length} bytes"
            );
            assert_eq!(opened.active.next_offset, valid as u64 * 2);
            let torn = u32::try_from(length - borders[valid]).unwrap();
            let cut = Note::Cut {
                segment: 0,
                at: u32::try_from(borders[valid]).unwrap(),
                bytes: torn,
                batches: 0,
                kept_as: None,
            };
            assert_eq!(opened.notes, if torn > 0 { vec![cut] } else { vec![] });
            assert_eq!(first_log(&*disk), whole[..borders[valid]]);
            settled(&*disk, opened, boot);
        }
    }
}

#[test]
fn a_file_shorter_than_what_was_promised_keeps_its_bytes_and_its_offsets_stay_taken() {
    let whole = first_log(&*filled(4, SEGMENT));
    let borders = borders(&whole);
    let durable = Durable {
        segment: 0,
        position: u32::try_from(borders[3]).unwrap(),
        next_offset: 6,
    };
    for boot in [Boot::Same, Boot::Other] {
        for length in 0..borders[3] {
            let disk = with_log(&whole[..length]);
            let opened = open(&*disk, durable, boot);
            let valid = borders
                .iter()
                .rposition(|border| *border <= length)
                .unwrap();
            let lost = Note::Damaged {
                segment: 0,
                from: u32::try_from(borders[valid]).unwrap(),
                to: u32::try_from(length).unwrap(),
                first: valid as u64 * 2,
                next: 6,
            };
            assert_eq!(opened.notes, [lost], "{length} bytes");
            assert_eq!(opened.active.base_offset, 6);
            assert_eq!(first_log(&*disk), whole[..length]);
            settled(&*disk, opened, boot);
        }
    }
}
