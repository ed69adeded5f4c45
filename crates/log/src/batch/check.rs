use super::header::CRC_FROM;
use super::{Fault, Header};

/// CRC32C (Castagnoli) of `bytes`.
#[must_use]
pub fn crc32c(bytes: &[u8]) -> u32 {
    crc32c::crc32c(bytes)
}

/// The same of what `crc` is of, and `bytes` behind it.
pub(crate) fn crc32c_append(crc: u32, bytes: &[u8]) -> u32 {
    crc32c::crc32c_append(crc, bytes)
}

/// Whether a whole batch, header and records, has the checksum that its header tells.
///
/// # Errors
///
/// `Length` if `batch` is not as long as the header says; `Checksum` if the bytes differ.
pub fn check(batch: &[u8], header: &Header) -> Result<(), Fault> {
    if u32::try_from(batch.len()) != Ok(header.size) {
        return Err(Fault::Length);
    }
    match batch.get(CRC_FROM..) {
        Some(covered) if crc32c(covered) == header.crc => Ok(()),
        _ => Err(Fault::Checksum),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Of RFC 3720, appendix B.4: 32 zeros, 32 ones, 32 bytes that count up.
    #[test]
    fn the_checksum_is_castagnoli_s() {
        assert_eq!(crc32c(&[0; 32]), 0x8a91_36aa);
        assert_eq!(crc32c(&[0xff; 32]), 0x62a8_ab43);
        let up: Vec<u8> = (0..32).collect();
        assert_eq!(crc32c(&up), 0x46dd_794e);
    }
}
