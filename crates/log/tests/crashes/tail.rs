//! F4: something else stands behind the last batch.

use log::{Appender, Boot, Note};

use crate::support::*;

const LENGTHS: [usize; 12] = [1, 2, 11, 12, 60, 61, 62, 511, 512, 4096, 8192, 65_536];

/// Bytes without any order, always the same.
fn garbage(many: usize) -> Vec<u8> {
    let mut state = 0x2545_f491_4f6c_dd1d_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[3]
    };
    (0..many).map(|_| next()).collect()
}

fn is_cut(behind: &[u8]) {
    let whole = first_log(&*filled(3, SEGMENT));
    for boot in [Boot::Same, Boot::Other] {
        let disk = with_log(&[&whole, behind].concat());
        let opened = open(&*disk, NOTHING, boot);
        assert_eq!(readable(&opened), records(0, 6));
        assert_eq!(first_log(&*disk), whole);
        let [
            Note::Cut {
                segment: 0,
                at,
                bytes,
                batches: 0,
                kept_as,
            },
        ] = &opened.notes[..]
        else {
            panic!("{:?}", opened.notes);
        };
        assert_eq!((*at as usize, *bytes as usize), (whole.len(), behind.len()));
        // More than one write can leave is not thrown away.
        assert_eq!(kept_as.is_some(), behind.len() > MOST as usize);
        if let Some(name) = kept_as {
            assert_eq!(bytes_of(&*disk, name), behind);
        }
        settled(&*disk, opened, boot);
    }
}

#[test]
fn zeros_behind_the_end_are_cut() {
    for many in LENGTHS {
        is_cut(&vec![0; many]);
    }
}

#[test]
fn garbage_behind_the_end_is_cut() {
    for many in LENGTHS {
        is_cut(&garbage(many));
        is_cut(&vec![0xff; many]);
        is_cut(&vec![2; many]);
    }
}

#[test]
fn an_old_batch_behind_the_end_is_cut() {
    let whole = first_log(&*filled(3, SEGMENT));
    let borders = borders(&whole);
    is_cut(&whole[..borders[1]]);
    is_cut(&whole[borders[1]..]);
    is_cut(&whole[borders[2]..]);
}

/// A batch of one record whose value is itself a whole batch, with a base offset of its own.
fn with_a_batch_inside(base: u64) -> (Vec<u8>, Vec<u8>) {
    let mut inner = first_log(&*filled(1, SEGMENT));
    inner[..8].copy_from_slice(&base.to_be_bytes());
    let disk = filled(3, SEGMENT);
    let opened = open(&*disk, NOTHING, Boot::Same);
    let mut appender = Appender::new(opened.active, SEGMENT, MOST);
    append(
        &*disk,
        &mut appender,
        &[&[&inner[..], b"and more"].concat()],
    );
    let before = first_log(&*disk);
    append(&*disk, &mut appender, &[b"behind"]);
    (before, first_log(&*disk))
}

#[test]
fn a_batch_inside_of_a_torn_value_is_not_taken_for_one_of_the_log() {
    let before = first_log(&*filled(3, SEGMENT));
    for base in [8, 9, 1_000_000, 1 << 31, 1 << 60] {
        let (whole, _) = with_a_batch_inside(base);
        for boot in [Boot::Same, Boot::Other] {
            for torn in 1..=4 {
                let disk = with_log(&whole[..whole.len() - torn]);
                let opened = open(&*disk, NOTHING, boot);
                assert!(matches!(opened.notes[..], [Note::Cut { batches: 0, .. }]));
                assert_eq!(first_log(&*disk), before);
                settled(&*disk, opened, boot);
            }
        }
    }
}

#[test]
fn a_batch_inside_of_a_damaged_value_does_not_hide_what_follows() {
    for base in [8, 9, 1_000_000, (1 << 31) - 3] {
        let (value, mut whole) = with_a_batch_inside(base);
        let at = *borders(&whole).get(3).unwrap();
        // In its checksum: the header can still be read.
        whole[at + 17] ^= 1;
        let disk = with_log(&whole);
        let opened = open(&*disk, NOTHING, Boot::Same);
        let damaged = Note::Damaged {
            segment: 0,
            from: u32::try_from(at).unwrap(),
            to: u32::try_from(value.len()).unwrap(),
            first: 6,
            next: 7,
        };
        assert_eq!(opened.notes, [damaged], "{base}");
        assert_eq!(opened.active.base_offset, 8);
        assert_eq!(first_log(&*disk), whole);
    }
}
