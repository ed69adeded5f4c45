//! Zig-zag varints: small numbers, also negative ones, in few bytes. Seven bits a byte, the lowest first; the highest bit
//! of a byte says that another follows. At most 5 bytes for 32 bits (varint), 10 for 64 (varlong).

use super::Fault;

/// Bytes that a varint takes.
#[must_use]
pub const fn varint_size(value: i32) -> usize {
    varlong_size(value as i64)
}

/// Bytes that a varlong takes.
#[must_use]
pub const fn varlong_size(value: i64) -> usize {
    // `| 1`: zero takes a byte too.
    let bits = 64 - (zigzag(value) | 1).leading_zeros();
    // A seventh, rounded up: the same for all of 1 to 64, and quicker than to divide.
    ((bits * 9 + 64) >> 6) as usize
}

/// Appends a varint.
pub fn put_varint(into: &mut Vec<u8>, value: i32) {
    // The zig-zag of a 32-bit number is the same in 64 bits.
    put_varlong(into, i64::from(value));
}

/// Appends a varlong.
pub fn put_varlong(into: &mut Vec<u8>, value: i64) {
    let mut left = zigzag(value);
    while left > 0x7f {
        into.push(left.to_le_bytes()[0] | 0x80);
        left >>= 7;
    }
    into.push(left.to_le_bytes()[0]);
}

/// Writes a varlong to the beginning of `out`; how long it is, or `None` if there is no room.
pub(super) fn write_varlong(out: &mut [u8], value: i64) -> Option<usize> {
    let mut left = zigzag(value);
    if left < 0x80 {
        *out.first_mut()? = left.to_le_bytes()[0];
        return Some(1);
    }
    for (place, byte) in out.iter_mut().enumerate() {
        let part = left.to_le_bytes()[0];
        left >>= 7;
        if left == 0 {
            *byte = part;
            return Some(place + 1);
        }
        *byte = part | 0x80;
    }
    None
}

/// A varint at the beginning of `bytes`, and what follows it.
///
/// # Errors
///
/// `Varint` if it does not end within 5 bytes or within `bytes`, or is over 32 bits.
pub fn varint(bytes: &[u8]) -> Result<(i32, &[u8]), Fault> {
    // Nearly all lengths are below 64.
    if let Some((&first, rest)) = bytes.split_first()
        && first < 0x80
    {
        let first = i32::from(first);
        return Ok(((first >> 1) ^ -(first & 1), rest));
    }
    let (bits, rest) = unsigned(bytes, 5)?;
    let bits = u32::try_from(bits).map_err(|_| Fault::Varint)?;
    Ok(((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed(), rest))
}

/// A varlong at the beginning of `bytes`, and what follows it.
///
/// # Errors
///
/// `Varint` if it does not end within 10 bytes or within `bytes`, or is over 64 bits.
pub fn varlong(bytes: &[u8]) -> Result<(i64, &[u8]), Fault> {
    let (bits, rest) = unsigned(bytes, 10)?;
    Ok(((bits >> 1).cast_signed() ^ -(bits & 1).cast_signed(), rest))
}

const fn zigzag(value: i64) -> u64 {
    ((value << 1) ^ (value >> 63)).cast_unsigned()
}

fn unsigned(bytes: &[u8], most: usize) -> Result<(u64, &[u8]), Fault> {
    let mut bits = 0_u64;
    for (place, &byte) in bytes.iter().take(most).enumerate() {
        let part = u64::from(byte & 0x7f);
        // The tenth byte has room for the highest bit only.
        if place == 9 && part > 1 {
            return Err(Fault::Varint);
        }
        bits |= part << (7 * place);
        if byte < 0x80 {
            return Ok((bits, bytes.get(place + 1..).unwrap_or_default()));
        }
    }
    Err(Fault::Varint)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// By hand, from the definition: zig-zag is 2v for v ≥ 0 and −2v − 1 below.
    #[test]
    fn known_numbers_have_their_known_bytes() {
        let known: [(i64, &[u8]); 10] = [
            (0, &[0]),
            (-1, &[1]),
            (1, &[2]),
            (63, &[0x7e]),
            (-64, &[0x7f]),
            // 64 → 128 = 1·2^7 + 0
            (64, &[0x80, 0x01]),
            (-65, &[0x81, 0x01]),
            // 300 → 600 = 4·2^7 + 88
            (300, &[0xd8, 0x04]),
            // 2^31 − 1 → 2^32 − 2: four full groups less one, then 2^4 − 1
            (i64::from(i32::MAX), &[0xfe, 0xff, 0xff, 0xff, 0x0f]),
            (i64::from(i32::MIN), &[0xff, 0xff, 0xff, 0xff, 0x0f]),
        ];
        for (value, bytes) in known {
            let mut out = Vec::new();
            put_varlong(&mut out, value);
            assert_eq!(out, bytes, "{value}");
            assert_eq!(varlong(bytes), Ok((value, &[][..])));
            let short = i32::try_from(value).unwrap();
            assert_eq!(varint(bytes), Ok((short, &[][..])));
            assert_eq!(varint_size(short), bytes.len());
        }
    }

    #[test]
    fn a_size_is_told_right_for_every_number_of_bits() {
        for bits in 0..64 {
            for value in [1_i64 << bits, (1_i64 << bits).wrapping_sub(1), -1 << bits] {
                let mut out = Vec::new();
                put_varlong(&mut out, value);
                assert_eq!(varlong_size(value), out.len(), "{value}");
            }
        }
    }

    #[test]
    fn one_that_is_too_long_or_too_large_is_refused() {
        assert_eq!(varint(&[]), Err(Fault::Varint));
        assert_eq!(varint(&[0x80]), Err(Fault::Varint));
        // 2^35 − 1 would fit five bytes, but not 32 bits.
        assert_eq!(varint(&[0xff, 0xff, 0xff, 0xff, 0x7f]), Err(Fault::Varint));
        assert_eq!(varint(&[0x80; 6]), Err(Fault::Varint));
        assert_eq!(varlong(&[0x80; 11]), Err(Fault::Varint));
        let mut most = [0xff; 10];
        most[9] = 1;
        assert_eq!(varlong(&most), Ok((i64::MIN, &[][..])));
        most[9] = 2;
        assert_eq!(varlong(&most), Err(Fault::Varint));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read(value: i64, short: i32, behind: Vec<u8>) {
            let mut out = Vec::new();
            put_varlong(&mut out, value);
            prop_assert_eq!(out.len(), varlong_size(value));
            let mut place = vec![0; out.len()];
            prop_assert_eq!(write_varlong(&mut place, value), Some(out.len()));
            prop_assert_eq!(&place, &out);
            prop_assert_eq!(write_varlong(&mut place[..out.len() - 1], value), None);
            out.extend(&behind);
            prop_assert_eq!(varlong(&out), Ok((value, &behind[..])));
            out.clear();
            put_varint(&mut out, short);
            prop_assert_eq!(out.len(), varint_size(short));
            out.extend(&behind);
            prop_assert_eq!(varint(&out), Ok((short, &behind[..])));
        }

        #[test]
        fn any_bytes_are_a_number_or_a_fault(bytes: Vec<u8>) {
            if let Ok((value, rest)) = varlong(&bytes) {
                prop_assert!(rest.len() < bytes.len() && bytes.len() - rest.len() >= varlong_size(value));
            }
            if let Ok((value, rest)) = varint(&bytes) {
                prop_assert!(rest.len() < bytes.len() && bytes.len() - rest.len() >= varint_size(value));
            }
        }
    }
}
