//! F5: a bit is not what it was. In the middle that is told, and nothing is cut.

use log::{Boot, Durable, Note, SegmentState};
use proptest::prelude::*;

use crate::support::*;

/// The bytes of a batch that mean nothing here and are outside of the checksum: the leader's epoch.
fn is_epoch(in_batch: usize) -> bool {
    (12..16).contains(&in_batch)
}

fn number(position: usize) -> u32 {
    u32::try_from(position).unwrap()
}

#[test]
fn each_bit_in_the_middle_is_told_and_nothing_is_cut() {
    let whole = first_log(&*filled(4, SEGMENT));
    let borders = borders(&whole);
    for bit in 0..borders[3] * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        let hit = borders
            .iter()
            .rposition(|border| *border <= bit / 8)
            .unwrap();
        let disk = with_log(&bytes);
        let opened = open(&*disk, NOTHING, Boot::Same);
        assert_eq!(first_log(&*disk), bytes);
        if is_epoch(bit / 8 - borders[hit]) {
            assert_eq!(opened.notes, []);
            continue;
        }
        let damaged = Note::Damaged {
            segment: 0,
            from: number(borders[hit]),
            to: number(borders[hit + 1]),
            first: hit as u64 * 2,
            next: hit as u64 * 2 + 2,
        };
        assert_eq!(opened.notes, [damaged], "bit {bit}");
        assert_eq!(opened.sealed[0].state, SegmentState::Damaged);
        assert_eq!((opened.active.base_offset, opened.active.size), (8, 0));
        assert_eq!(readable(&opened), records(0, hit as u64 * 2));
        settled(&*disk, opened, Boot::Same);
    }
}

#[test]
fn each_bit_of_what_was_promised_is_told_and_never_cut() {
    let whole = first_log(&*filled(3, SEGMENT));
    let borders = borders(&whole);
    let durable = Durable {
        segment: 0,
        position: number(whole.len()),
        next_offset: 6,
    };
    for boot in [Boot::Same, Boot::Other] {
        for bit in 0..whole.len() * 8 {
            let mut bytes = whole.clone();
            bytes[bit / 8] ^= 1 << (bit % 8);
            let hit = borders
                .iter()
                .rposition(|border| *border <= bit / 8)
                .unwrap();
            let disk = with_log(&bytes);
            let opened = open(&*disk, durable, boot);
            assert_eq!(first_log(&*disk), bytes);
            assert_eq!(
                opened.notes.is_empty(),
                is_epoch(bit / 8 - borders[hit]),
                "bit {bit}"
            );
            assert_eq!(opened.active.next_offset, 6);
        }
    }
}

#[test]
fn the_last_batch_is_cut_if_nobody_was_promised_it() {
    let whole = first_log(&*filled(3, SEGMENT));
    let borders = borders(&whole);
    for bit in borders[2] * 8..whole.len() * 8 {
        let mut bytes = whole.clone();
        bytes[bit / 8] ^= 1 << (bit % 8);
        if is_epoch(bit / 8 - borders[2]) {
            continue;
        }
        let disk = with_log(&bytes);
        let opened = open(&*disk, NOTHING, Boot::Same);
        assert_eq!(first_log(&*disk), whole[..borders[2]], "bit {bit}");
        settled(&*disk, opened, Boot::Same);
    }
}

#[test]
fn after_a_power_cut_what_lies_behind_a_hole_is_kept_aside() {
    let whole = first_log(&*filled(4, SEGMENT));
    let borders = borders(&whole);
    let mut bytes = whole.clone();
    bytes[borders[1]..borders[2]].fill(0);
    let disk = with_log(&bytes);
    let opened = open(&*disk, NOTHING, Boot::Other);
    let [
        Note::Cut {
            at,
            batches: 2,
            kept_as: Some(name),
            ..
        },
    ] = &opened.notes[..]
    else {
        panic!("{:?}", opened.notes);
    };
    assert_eq!(*at, number(borders[1]));
    assert_eq!(bytes_of(&*disk, name), bytes[borders[1]..]);
    assert_eq!(first_log(&*disk), whole[..borders[1]]);
    settled(&*disk, opened, Boot::Other);
}

proptest! {
    /// Whatever is damaged: what lies before it can be read, what was promised is not touched, and opening again finds
    /// nothing more to do.
    #[test]
    fn any_damage_leaves_what_lies_before_it(
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>(), 1_usize..40), 1..4),
        promised in prop::option::of(0_usize..=12),
        same in any::<bool>(),
    ) {
        let whole = first_log(&*filled(12, SEGMENT));
        let borders = borders(&whole);
        let mut bytes = whole.clone();
        for (place, byte, many) in damage {
            let from = place.index(bytes.len());
            let to = (from + many).min(bytes.len());
            bytes[from..to].fill(byte);
        }
        let durable = promised.map_or(NOTHING, |batches| Durable {
            segment: 0,
            position: number(borders[batches]),
            next_offset: batches as u64 * 2,
        });
        let boot = if same { Boot::Same } else { Boot::Other };
        let valid = (0..12).take_while(|batch| {
            let (from, to) = (borders[*batch], borders[batch + 1]);
            (from..to).all(|at| bytes[at] == whole[at] || is_epoch(at - from))
        }).count();
        let disk = with_log(&bytes);
        let opened = open(&*disk, durable, boot);
        let read = readable(&opened);
        prop_assert!(read.starts_with(&records(0, valid as u64 * 2)));
        prop_assert!(opened.active.next_offset >= durable.next_offset);
        let left = first_log(&*disk);
        prop_assert!(bytes.starts_with(&left));
        prop_assert!(left.len() >= durable.position as usize);
        settled(&*disk, opened, boot);
    }
}
