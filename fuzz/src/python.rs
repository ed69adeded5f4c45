//! A stream of the Python package net-queue, and the limit that its reader has set: `u32 limit | bytes`.

use wire::Code;
use wire::python::{Meaning, PREFIX_BYTES, Parsed, identity, meaning, parse, prefix};

/// Every payload obeys the limit and travels back unchanged; a length over it ends the stream before anything else of it is there.
pub(crate) fn run(data: &[u8]) {
    let Some((limit, mut bytes)) = data.split_first_chunk::<4>() else {
        return;
    };
    let limit = u32::from_le_bytes(*limit);
    let mut peer = None;
    loop {
        match parse(bytes, limit) {
            Err(error) => {
                assert_eq!(error.code, Code::TooLarge);
                let told = parse(&bytes[..PREFIX_BYTES], limit);
                assert_eq!(told, Err(error));
                return;
            }
            Ok(Parsed::Need(length)) => return assert!(bytes.len() < length),
            Ok(Parsed::Begun(length)) => {
                return assert!(length > bytes.len() - PREFIX_BYTES && length <= limit as usize);
            }
            Ok(Parsed::Whole(payload)) => {
                let (whole, rest) = bytes.split_at(PREFIX_BYTES + payload.len());
                assert_eq!([&prefix(payload.len())[..], payload].concat(), whole);
                match meaning(payload, peer) {
                    Meaning::Introduction(id) => {
                        assert_eq!((peer, &identity(&id)[..]), (None, whole));
                        peer = Some(id);
                    }
                    Meaning::Leave => {
                        let id = peer.unwrap();
                        assert_eq!(identity(&id)[..], *whole);
                        return;
                    }
                    Meaning::Message => assert!(peer.is_none_or(|peer| peer[..] != *payload)),
                }
                bytes = rest;
            }
        }
    }
}
