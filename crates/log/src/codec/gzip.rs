//! gzip (RFC 1952): one member or several, as Java's `GZIPInputStream` takes them.

use std::io::{Read, Write};

use flate2::bufread::MultiGzDecoder;
use flate2::write::GzEncoder;

use super::{Room, failed, reserve};
use crate::Error;
use crate::batch::Fault;

/// Header and trailer, and a block for the rest of what was no full one.
const FRAME_BYTES: usize = 64;
/// What does not get smaller is stored in blocks, each with five bytes before it; so long at least.
const STORED_BYTES: usize = 8 << 10;

pub(super) fn compress(level: i32, records: &[u8], into: &mut Vec<u8>) -> Result<(), Error> {
    let blocks = records.len() / STORED_BYTES + 1;
    reserve(into, records.len() + blocks * 5 + FRAME_BYTES)?;
    let level = flate2::Compression::new(level.unsigned_abs());
    let mut encoder = GzEncoder::new(into, level);
    encoder
        .write_all(records)
        .and_then(|()| encoder.finish())
        .map_err(|error| failed("gzip", error))?;
    Ok(())
}

pub(super) fn inflate(bytes: &[u8], room: &mut Room<'_>) -> Result<(), Fault> {
    let mut decoder = MultiGzDecoder::new(bytes);
    loop {
        let free = room.free(1)?;
        match decoder.read(free) {
            // The end of the last member; what is behind it was not taken for another, or would have failed.
            Ok(0) if decoder.get_ref().is_empty() => return Ok(()),
            Ok(0) | Err(_) => return Err(Fault::Deflated),
            Ok(many) => room.filled(many),
        }
    }
}
