//! The stream of the Python package net-queue, from 1.0.0 on: each message is its length (u64, big-endian) and its payload, and
//! nothing else. Who a peer is (INI) and that it sends no more (FIN) are payloads too; see [`meaning`].

use crate::{Code, Error, PeerId};

/// Bytes before every payload.
pub const PREFIX_BYTES: usize = 8;
/// Length of an id, and so of INI and FIN.
pub const ID_BYTES: usize = 16;

/// What [`parse`] found at the front of the bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parsed<'a> {
    /// Not even a length; that many bytes are needed in all.
    Need(usize),
    /// A payload that has come whole.
    Whole(&'a [u8]),
    /// The start of a payload of that many bytes.
    Begun(usize),
}

/// Reads what is at the front of `bytes`.
///
/// # Errors
/// [`Code::TooLarge`] for a payload over `max_message`, which is known from its first bytes: nothing is allocated for it.
pub fn parse(bytes: &[u8], max_message: u32) -> Result<Parsed<'_>, Error> {
    let Some((prefix, rest)) = bytes.split_first_chunk::<PREFIX_BYTES>() else {
        return Ok(Parsed::Need(PREFIX_BYTES));
    };
    let length = u64::from_be_bytes(*prefix);
    let Some(length) = usize::try_from(length)
        .ok()
        .filter(|_| length <= u64::from(max_message))
    else {
        return Err(Error::new(
            Code::TooLarge,
            format!("a message of {length} bytes is over maxMessageBytes ({max_message})"),
        ));
    };
    Ok(rest
        .get(..length)
        .map_or(Parsed::Begun(length), Parsed::Whole))
}

/// What a payload is to who receives it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Meaning {
    /// INI: the peer's id, the first payload of each side.
    Introduction(PeerId),
    /// FIN: the peer's id again, its last payload.
    Leave,
    /// A message.
    Message,
}

/// What a payload means, coming from a peer that has introduced itself as `peer`, or has not.
#[must_use]
pub fn meaning(payload: &[u8], peer: Option<PeerId>) -> Meaning {
    let Ok(id) = PeerId::try_from(payload) else {
        return Meaning::Message;
    };
    match peer {
        None => Meaning::Introduction(id),
        Some(peer) if peer == id => Meaning::Leave,
        Some(_) => Meaning::Message,
    }
}

/// What stands before a payload of so many bytes.
#[must_use]
pub const fn prefix(length: usize) -> [u8; PREFIX_BYTES] {
    (length as u64).to_be_bytes()
}

/// INI and FIN of who has that id: the same bytes.
#[must_use]
pub fn identity(id: &PeerId) -> [u8; PREFIX_BYTES + ID_BYTES] {
    let mut frame = [0; PREFIX_BYTES + ID_BYTES];
    let (head, body) = frame.split_at_mut(PREFIX_BYTES);
    head.copy_from_slice(&prefix(ID_BYTES));
    body.copy_from_slice(id);
    frame
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const CLIENT: PeerId = [
        0x11, 0x11, 0x11, 0x11, 0x11, 0x11, 0x41, 0x11, 0x81, 0x11, 0x11, 0x11, 0x11, 0x11, 0x11,
        0x11,
    ];

    fn bytes(hex: &str) -> Vec<u8> {
        let digits: Vec<char> = hex.chars().filter(|c| !c.is_whitespace()).collect();
        let byte = |pair: &[char]| u8::from_str_radix(&pair.iter().collect::<String>(), 16);
        digits.chunks(2).map(|pair| byte(pair).unwrap()).collect()
    }

    #[test]
    fn golden_bytes_of_a_conversation_of_the_python_package() {
        // Recorded between a client and a server of net-queue 2.6 with BufferSerializer.
        let ini = bytes("0000000000000010 11111111111141118111111111111111");
        assert_eq!(identity(&CLIENT)[..], ini);
        let Ok(Parsed::Whole(payload)) = parse(&ini, 1000) else {
            panic!("an introduction that is whole");
        };
        assert_eq!(meaning(payload, None), Meaning::Introduction(CLIENT));
        assert_eq!(meaning(payload, Some(CLIENT)), Meaning::Leave);
        assert_eq!(meaning(payload, Some([2; 16])), Meaning::Message);

        let ping = bytes("0000000000000004 70696e67");
        assert_eq!(parse(&ping, 1000), Ok(Parsed::Whole(b"ping")));
        assert_eq!([&prefix(4)[..], b"ping"].concat(), ping);
        assert_eq!(meaning(b"ping", None), Meaning::Message);

        let long = bytes("0000000001400000 00010203");
        assert_eq!(parse(&long, u32::MAX), Ok(Parsed::Begun(20 << 20)));
        assert_eq!(prefix(20 << 20)[..], long[..8]);

        let pickled = bytes("0000000000000013 80059508000000000000008c0470696e67942e");
        assert!(matches!(parse(&pickled, 1000), Ok(Parsed::Whole(payload)) if payload.len() == 19));
        assert_eq!(parse(&prefix(0), 1000), Ok(Parsed::Whole(b"")));
    }

    #[test]
    fn every_prefix_of_a_frame_asks_for_more() {
        let frame = identity(&CLIENT);
        for n in 0..frame.len() {
            let expected = if n < PREFIX_BYTES {
                Parsed::Need(PREFIX_BYTES)
            } else {
                Parsed::Begun(ID_BYTES)
            };
            assert_eq!(parse(&frame[..n], 16), Ok(expected));
        }
    }

    #[test]
    fn hostile_lengths_are_refused_by_their_first_bytes() {
        for length in [1001, 1 << 31, 1 << 40, 1 << 63, u64::MAX] {
            let refused = parse(&length.to_be_bytes(), 1000).unwrap_err();
            assert_eq!(refused.code, Code::TooLarge);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_fail_with_a_code(bytes in proptest::collection::vec(any::<u8>(), 0..64), max in any::<u32>()) {
            match parse(&bytes, max) {
                Ok(Parsed::Whole(payload)) => {
                    prop_assert!(payload.len() <= max as usize);
                    prop_assert_eq!([&prefix(payload.len())[..], payload].concat(), bytes[..PREFIX_BYTES + payload.len()].to_vec());
                }
                Ok(Parsed::Begun(length)) => prop_assert!(length > bytes.len() - PREFIX_BYTES && length <= max as usize),
                Ok(Parsed::Need(n)) => prop_assert!(n > bytes.len()),
                Err(error) => prop_assert_eq!(error.code, Code::TooLarge),
            }
        }

        #[test]
        fn a_stream_of_payloads_comes_back(payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..10)) {
            let stream: Vec<u8> = payloads.iter().flat_map(|payload| [&prefix(payload.len())[..], payload].concat()).collect();
            let (mut rest, mut seen) = (&stream[..], Vec::new());
            while let Ok(Parsed::Whole(payload)) = parse(rest, 40) {
                seen.push(payload.to_vec());
                rest = &rest[PREFIX_BYTES + payload.len()..];
            }
            prop_assert_eq!(seen, payloads);
            prop_assert!(rest.is_empty());
        }
    }
}
