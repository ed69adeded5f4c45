//! The outside of a TLS record, as far as it takes to tell where it ends.

/// Longest plaintext of a record.
pub(crate) const MAX_PLAINTEXT: usize = 16 * 1024;
const HEADER: usize = 5;
/// Longest body: a plaintext and what ciphers may add (RFC 5246, 6.2.3).
const MAX_BODY: usize = MAX_PLAINTEXT + 2048;

/// What some bytes begin with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// A record of that length.
    Whole(usize),
    /// Less than a record, or too little to tell.
    Partial,
    /// No record.
    Invalid,
}

pub(crate) fn next(bytes: &[u8]) -> Next {
    let [kind, major, _, high, low, ..] = bytes else {
        return Next::Partial;
    };
    let body = usize::from(u16::from_be_bytes([*high, *low]));
    // Alerts, handshakes and so on: 20 to 24.
    if !(20..=24).contains(kind) || *major != 3 || body > MAX_BODY {
        Next::Invalid
    } else if bytes.len() < HEADER + body {
        Next::Partial
    } else {
        Next::Whole(HEADER + body)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_ends_where_its_header_says_and_what_is_none_is_told_by_its_header() {
        assert_eq!(next(&[]), Next::Partial);
        assert_eq!(next(&[22, 3, 1, 0]), Next::Partial);
        assert_eq!(next(&[22, 3, 1, 0, 2, 9]), Next::Partial);
        assert_eq!(next(&[22, 3, 1, 0, 2, 9, 9, 9]), Next::Whole(7));
        assert_eq!(next(&[23, 3, 3, 0, 0]), Next::Whole(5));
        assert_eq!(next(&[23, 3, 3, 0x48, 0]), Next::Partial);
        assert_eq!(next(&[23, 3, 3, 0x48, 1]), Next::Invalid);
        assert_eq!(next(b"CHSKNQ"), Next::Invalid);
        assert_eq!(next(&[22, 2, 0, 0, 1]), Next::Invalid);
    }
}
