//! Zstandard: one frame or several, as Kafka's library takes them.

use zstd::bulk::Compressor;
use zstd::stream::raw::{CParameter, DParameter, Decoder, InBuffer, Operation, OutBuffer};
use zstd::zstd_safe::{compress_bound, get_frame_content_size};

use super::{Room, failed, reserve};
use crate::Error;
use crate::batch::Fault;

/// Memory that a frame may ask for beside what it inflates to, as a power of two: 8 MiB.
const WINDOW_LOG: u32 = 23;
/// The levels from this one on have larger windows.
const WIDE_LEVEL: i32 = 20;

pub(super) fn compress(level: i32, records: &[u8], into: &mut Vec<u8>) -> Result<(), Error> {
    let at = into.len();
    let most = compress_bound(records.len());
    reserve(into, most)?;
    let mut compressor = Compressor::new(level).map_err(|error| failed("zstd", error))?;
    if level >= WIDE_LEVEL && records.len() >> WINDOW_LOG > 0 {
        compressor
            .set_parameter(CParameter::WindowLog(WINDOW_LOG))
            .map_err(|error| failed("zstd", error))?;
    }
    into.resize(at + most, 0);
    let size = compressor
        .compress_to_buffer(records, into.get_mut(at..).unwrap_or_default())
        .map_err(|error| failed("zstd", error))?;
    into.truncate(at + size);
    Ok(())
}

pub(super) fn inflate(bytes: &[u8], room: &mut Room<'_>) -> Result<(), Fault> {
    let mut decoder = Decoder::new().map_err(|_| Fault::Memory)?;
    decoder
        .set_parameter(DParameter::WindowLogMax(WINDOW_LOG))
        .map_err(|_| Fault::Memory)?;
    let mut input = InBuffer::around(bytes);
    let mut wanted = told_length(bytes);
    loop {
        let free = room.free(wanted)?;
        let mut output = OutBuffer::around(free);
        let before = input.pos();
        let left = decoder
            .run(&mut input, &mut output)
            .map_err(|_| Fault::Deflated)?;
        let many = output.pos();
        room.filled(many);
        let rest = bytes.get(input.pos()..).unwrap_or_default();
        match (left, rest.is_empty()) {
            // The end of a frame.
            (0, true) => return Ok(()),
            (0, false) => wanted = told_length(rest),
            // It wants more, and there is none: torn.
            _ if many == 0 && input.pos() == before => return Err(Fault::Deflated),
            _ => wanted = 1,
        }
    }
}

/// What the frame at the beginning of `bytes` says that it inflates to; 1 if it does not say.
fn told_length(bytes: &[u8]) -> usize {
    let told = get_frame_content_size(bytes).ok().flatten();
    told.map_or(1, |told| usize::try_from(told).unwrap_or(usize::MAX))
}
