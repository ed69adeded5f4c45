use crate::report::Note;
use crate::scan::scan;
use crate::sidecars::stored_seal;
use crate::{Disk, Segment};

/// What a full segment lacks that is not scanned when it is opened, as far as its size and its seal tell; the next one
/// begins with `next_base`. Reads it only if it is shorter than it was sealed.
pub(crate) fn lacking(
    disk: &dyn Disk,
    folder: &str,
    segment: &Segment,
    next_base: u64,
    max_batch_bytes: u32,
) -> Option<Note> {
    let missing_from = |first| Note::Missing {
        first,
        next: next_base,
    };
    let (base, size) = (segment.base_offset, segment.size);
    if size == 0 {
        return Some(missing_from(base));
    }
    let seal = stored_seal(disk, folder, base)?;
    if seal.log_bytes == size {
        return (seal.next_offset < next_base).then(|| missing_from(seal.next_offset));
    }
    if seal.log_bytes < size {
        // It was added to since.
        return None;
    }
    // Where it ends in the middle of a batch or cannot be read, reading tells.
    let found = scan(&*segment.file, &segment.name, base, size, max_batch_bytes).ok()?;
    (found.next_offset < next_base).then_some(Note::Damaged {
        segment: base,
        from: found.end,
        to: size,
        first: found.next_offset,
        next: next_base,
    })
}
