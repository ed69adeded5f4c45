//! The bytes of a segment, as a crash or somebody left them: `u8 flags | bytes`. Flag 1 makes all checksums right that can be,
//! 2 says that no power was lost.

use log::batch::{Header, crc32c};
use log::sim::{FOLDER, open_partition};
use log::{Boot, Disk, Durable, MemoryDisk, Mode, fill_at, log_name, put_at};

/// Longest batch.
const MOST: u32 = 4096;

/// Opening ends, loses nothing that it does not tell of, and changes nothing the second time.
pub(crate) fn run(data: &[u8]) {
    let Some((&flags, bytes)) = data.split_first() else {
        return;
    };
    let bytes = if flags & 1 == 0 {
        bytes.to_vec()
    } else {
        with_checksums(bytes)
    };
    let boot = if flags & 2 == 0 {
        Boot::Other
    } else {
        Boot::Same
    };
    let disk = MemoryDisk::new();
    disk.create_folder(FOLDER).unwrap();
    let name = log_name(FOLDER, 0);
    let file = disk.open(&name, Mode::CreateNew).unwrap();
    put_at(&*file, &bytes, 0).unwrap();

    let first = open_partition(&disk, Durable::default(), boot, MOST).unwrap();
    let kept = contents(&disk, &name);
    assert!(bytes.starts_with(&kept));
    if first.notes.is_empty() {
        assert_eq!(kept, bytes);
    }
    let again = open_partition(&disk, first.durable, boot, MOST).unwrap();
    assert!(again.notes.is_empty());
    assert_eq!(again.active.next_offset, first.active.next_offset);
    assert_eq!(contents(&disk, &name), kept);
    for segment in first.sealed.iter().chain([&first.active]) {
        for offset in (segment.base_offset..segment.next_offset).take(50) {
            if let Ok(Some((position, header))) = segment.find(offset) {
                assert!(header.base_offset <= offset && offset <= header.last_offset());
                assert!(u64::from(position) + u64::from(header.size) <= kept.len() as u64);
            }
        }
    }
}

fn contents(disk: &MemoryDisk, name: &str) -> Vec<u8> {
    let file = disk.open(name, Mode::Read).unwrap();
    let mut bytes = vec![0; usize::try_from(file.size().unwrap()).unwrap()];
    fill_at(&*file, &mut bytes, 0).unwrap();
    bytes
}

/// From one batch to the next, as far as their headers go.
fn with_checksums(bytes: &[u8]) -> Vec<u8> {
    let mut bytes = bytes.to_vec();
    let mut at = 0;
    while let Ok(header) = Header::parse_prefix(&bytes[at..], MOST) {
        let end = at + header.size as usize;
        let Some(batch) = bytes.get_mut(at..end) else {
            break;
        };
        let crc = crc32c(&batch[21..]);
        batch[17..21].copy_from_slice(&crc.to_be_bytes());
        at = end;
    }
    bytes
}
