//! Snappy. Java's library puts a frame of its own around raw blocks, and so does Kafka; other clients send one raw block.

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use super::{Room, failed, reserve};
use crate::Error;
use crate::batch::Fault;

/// How the frame of Java's library begins.
const MAGIC: [u8; 8] = *b"\x82SNAPPY\0";
/// Its version, and the oldest version that can read it.
const VERSIONS: [u8; 8] = [0, 0, 0, 1, 0, 0, 0, 1];
/// Bytes that each block inflates to but the last.
const BLOCK_BYTES: usize = 32 << 10;
/// No block inflates to more than so many times its length: three bytes can ask for 64.
const MOST_RATIO: usize = 32;

pub(super) fn compress(records: &[u8], into: &mut Vec<u8>) -> Result<(), Error> {
    let blocks = records.len() / BLOCK_BYTES + 1;
    let each = 4 + max_compress_len(BLOCK_BYTES);
    reserve(into, MAGIC.len() + VERSIONS.len() + blocks * each)?;
    into.extend(MAGIC);
    into.extend(VERSIONS);
    let mut encoder = Encoder::new();
    for block in records.chunks(BLOCK_BYTES) {
        let at = into.len();
        into.resize(at + 4 + max_compress_len(block.len()), 0);
        let Some((length, space)) = into
            .get_mut(at..)
            .and_then(|space| space.split_first_chunk_mut())
        else {
            return Err(failed("snappy", "no space"));
        };
        let size = encoder
            .compress(block, space)
            .map_err(|error| failed("snappy", error))?;
        *length = u32::try_from(size)
            .map_err(|error| failed("snappy", error))?
            .to_be_bytes();
        into.truncate(at + 4 + size);
    }
    Ok(())
}

pub(super) fn inflate(bytes: &[u8], room: &mut Room<'_>) -> Result<(), Fault> {
    let Some(framed) = bytes.strip_prefix(&MAGIC) else {
        return block(bytes, room);
    };
    // Any version: there was never another, and Java's library does not look at the second one at all.
    let (_, mut rest) = framed.split_first_chunk::<8>().ok_or(Fault::Deflated)?;
    while !rest.is_empty() {
        let (length, behind) = rest.split_first_chunk().ok_or(Fault::Deflated)?;
        let length = u32::from_be_bytes(*length) as usize;
        let (packed, behind) = behind.split_at_checked(length).ok_or(Fault::Deflated)?;
        block(packed, room)?;
        rest = behind;
    }
    Ok(())
}

/// One raw block, which begins with the length that it inflates to.
fn block(bytes: &[u8], room: &mut Room<'_>) -> Result<(), Fault> {
    let length = decompress_len(bytes).map_err(|_| Fault::Deflated)?;
    if length / MOST_RATIO > bytes.len() {
        return Err(Fault::Deflated);
    }
    let free = room.free(length)?;
    let place = free.get_mut(..length).ok_or(Fault::Inflated)?;
    let many = Decoder::new()
        .decompress(bytes, place)
        .map_err(|_| Fault::Deflated)?;
    room.filled(many);
    Ok(())
}
