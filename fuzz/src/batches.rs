//! A batch of records, and what compressed records inflate to: `u8 kind | bytes`. Kind 0 is a batch, whose checksum is made
//! right; 1 to 4 is a codec and what it is to inflate.

use log::batch::{Encoder, HEADER_BYTES, Header, Records, check, crc32c};
use log::{Codec, inflate};

/// What a batch may inflate to.
const MOST: usize = 1 << 20;
/// How much longer a buffer may be than twice its contents.
const SPARE: usize = 64 << 10;
const CRC: std::ops::Range<usize> = 17..21;

/// Every record lies within its batch, what is inflated within its bound, and what is taken keeps its bytes.
pub(crate) fn run(data: &[u8]) {
    let Some((&kind, bytes)) = data.split_first() else {
        return;
    };
    match Codec::from_number(u16::from(kind)) {
        None | Some(Codec::None) => batch(bytes),
        Some(codec) => inflates(codec, bytes),
    }
}

fn inflates(codec: Codec, bytes: &[u8]) {
    let mut into = Vec::new();
    let done = inflate(codec, bytes, MOST, &mut into);
    assert!(into.capacity() <= 2 * MOST + SPARE);
    if done.is_ok() {
        assert!(into.len() <= MOST);
        let exactly = inflate(codec, bytes, into.len(), &mut Vec::new());
        assert!(exactly.is_ok());
        if !into.is_empty() {
            assert!(inflate(codec, bytes, into.len() - 1, &mut Vec::new()).is_err());
        }
    }
}

fn batch(bytes: &[u8]) {
    let Ok(header) = Header::parse_prefix(bytes, u32::MAX) else {
        assert!(Encoder::new(u32::MAX).adopt(bytes).is_err());
        return;
    };
    let Some(batch) = bytes.get(..header.size as usize) else {
        return;
    };
    let mut batch = batch.to_vec();
    let crc = crc32c(&batch[CRC.end..]);
    batch[CRC].copy_from_slice(&crc.to_be_bytes());
    let header = Header { crc, ..header };
    assert_eq!(check(&batch, &header), Ok(()));
    let whole = reads(&batch, &header);
    if let Ok((mut adopted, rest)) = Encoder::new(u32::MAX).adopt(&batch) {
        assert!(rest.is_empty());
        assert!(whole || header.attributes.codec != Codec::None);
        assert!(adopted.place(5).is_ok());
        assert_eq!(adopted.bytes()[16..], batch[16..]);
    } else {
        assert!(!whole);
    }
}

/// Whether all records are as they should be.
fn reads(batch: &[u8], header: &Header) -> bool {
    let mut into = Vec::new();
    let Ok(records) = Records::inflated(batch, header, MOST, &mut into) else {
        return false;
    };
    let mut next = header.base_offset;
    let mut bytes = 0;
    for record in records {
        let Ok(record) = record else {
            return false;
        };
        assert_eq!(record.offset, next);
        next += 1;
        bytes += record.key.map_or(0, <[u8]>::len) + record.value.map_or(0, <[u8]>::len);
        let headers = record.headers.len();
        for field in record.headers {
            bytes += field.key.len() + field.value.map_or(0, <[u8]>::len);
        }
        assert_eq!(record.headers.count(), headers);
    }
    assert_eq!(next, header.next_offset());
    assert!(bytes <= into.len().max(batch.len() - HEADER_BYTES));
    true
}
