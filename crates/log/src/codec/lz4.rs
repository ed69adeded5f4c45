//! LZ4 frames. Kafka's own reader takes independent blocks and a right checksum of the frame's header; other clients may
//! send linked blocks, checksums and a length, which are read too. Checksums are not compared: that of the batch covers
//! all of it.

use lz4_flex::block::{
    DecompressError, compress_into, decompress_into, decompress_into_with_dict,
    get_maximum_output_size,
};

use super::{Room, failed, reserve};
use crate::Error;
use crate::batch::Fault;

const MAGIC: [u8; 4] = 0x184d_2204_u32.to_le_bytes();
/// Version 1, independent blocks, no checksums and no length; blocks of 64 KiB; the checksum of these two bytes: the
/// second byte of their xxHash32.
const DESCRIPTOR: [u8; 3] = [0x60, 0x40, 0x82];
const BLOCK_BYTES: usize = 64 << 10;
const END: [u8; 4] = [0; 4];
/// A block with this bit in its length is stored as it is.
const STORED: u32 = 1 << 31;
/// How far back a linked block may reach.
const WINDOW_BYTES: usize = 64 << 10;

pub(super) fn compress(records: &[u8], into: &mut Vec<u8>) -> Result<(), Error> {
    let blocks = records.len() / BLOCK_BYTES + 1;
    let each = 4 + get_maximum_output_size(BLOCK_BYTES);
    let frame = MAGIC.len() + DESCRIPTOR.len() + END.len();
    reserve(into, frame + blocks * each)?;
    into.extend(MAGIC);
    into.extend(DESCRIPTOR);
    for block in records.chunks(BLOCK_BYTES) {
        let at = into.len();
        into.resize(at + 4 + get_maximum_output_size(block.len()), 0);
        let Some((length, space)) = into
            .get_mut(at..)
            .and_then(|space| space.split_first_chunk_mut())
        else {
            return Err(failed("lz4", "no space"));
        };
        let size = compress_into(block, space).map_err(|error| failed("lz4", error))?;
        let stored = size >= block.len();
        let size = if stored {
            if let Some(place) = space.get_mut(..block.len()) {
                place.copy_from_slice(block);
            }
            block.len()
        } else {
            size
        };
        let told = u32::try_from(size).map_err(|error| failed("lz4", error))?;
        *length = (told | if stored { STORED } else { 0 }).to_le_bytes();
        into.truncate(at + 4 + size);
    }
    into.extend(END);
    Ok(())
}

pub(super) fn inflate(bytes: &[u8], room: &mut Room<'_>) -> Result<(), Fault> {
    let (frame, mut rest) = Frame::parse(bytes).ok_or(Fault::Deflated)?;
    loop {
        let (length, behind) = rest.split_first_chunk().ok_or(Fault::Deflated)?;
        let length = u32::from_le_bytes(*length);
        if length == 0 {
            let end = frame.skip(frame.content_checksum, behind);
            return match end {
                Some([]) => Ok(()),
                _ => Err(Fault::Deflated),
            };
        }
        let size = (length & !STORED) as usize;
        if size > frame.block_bytes {
            return Err(Fault::Deflated);
        }
        let (block, behind) = behind.split_at_checked(size).ok_or(Fault::Deflated)?;
        if length & STORED == 0 {
            frame.block(block, room)?;
        } else {
            room.put(block)?;
        }
        rest = frame
            .skip(frame.block_checksums, behind)
            .ok_or(Fault::Deflated)?;
    }
}

/// What the header of a frame says.
struct Frame {
    linked: bool,
    block_checksums: bool,
    content_checksum: bool,
    /// What a block inflates to at most.
    block_bytes: usize,
}

impl Frame {
    /// The header at the beginning of `bytes`, and what follows it; `None` if it is none, or asks for a dictionary.
    fn parse(bytes: &[u8]) -> Option<(Self, &[u8])> {
        const VERSION: u8 = 0b0100_0000;
        const LENGTH: u8 = 0b1000;
        // Version, a bit that has no meaning yet, dictionary.
        const FIXED: u8 = 0b1100_0011;
        let (&[flags, sizes], rest) = bytes.strip_prefix(&MAGIC)?.split_first_chunk()?;
        if flags & FIXED != VERSION || sizes & 0b1000_1111 != 0 {
            return None;
        }
        let block_bytes = match sizes >> 4 {
            4 => 64 << 10,
            5 => 256 << 10,
            6 => 1 << 20,
            7 => 4 << 20,
            _ => return None,
        };
        let rest = match flags & LENGTH {
            0 => rest,
            _ => rest.split_at_checked(8)?.1,
        };
        let (_checksum, rest) = rest.split_first()?;
        let frame = Self {
            linked: flags & 0b10_0000 == 0,
            block_checksums: flags & 0b1_0000 != 0,
            content_checksum: flags & 0b100 != 0,
            block_bytes,
        };
        Some((frame, rest))
    }

    fn skip<'a>(&self, checksum: bool, rest: &'a [u8]) -> Option<&'a [u8]> {
        if checksum {
            rest.split_at_checked(4).map(|(_, rest)| rest)
        } else {
            Some(rest)
        }
    }

    /// Inflates one block.
    fn block(&self, block: &[u8], room: &mut Room<'_>) -> Result<(), Fault> {
        let (before, free) = room.dictionary_and_free(self.block_bytes)?;
        // Less only where the bound is nearer.
        let bounded = free.len() < self.block_bytes;
        let longest = self.block_bytes.min(free.len());
        let place = free.get_mut(..longest).unwrap_or_default();
        let window = before.len().saturating_sub(WINDOW_BYTES);
        let dictionary = before.get(window..).filter(|_| self.linked);
        let inflated = match dictionary {
            Some(dictionary) => decompress_into_with_dict(block, place, dictionary),
            None => decompress_into(block, place),
        };
        match inflated {
            Ok(many) => {
                room.filled(many);
                Ok(())
            }
            Err(DecompressError::OutputTooSmall { .. }) if bounded => Err(Fault::Inflated),
            Err(_) => Err(Fault::Deflated),
        }
    }
}
