//! Streams of frame headers.

use proptest::prelude::*;
use wire::{
    Code, DATA_LIMIT, Error, FrameType, HEADER_BYTES, Header, Kind, MAX_LENGTH, Parsed, Word,
    error_frame, parse, words_sum,
};

fn header() -> impl Strategy<Value = Header> {
    let data = (1..=u16::MAX, 0..1000_usize, 1..1_u64 << 40).prop_filter_map(
        "fits",
        |(count, extra, seq)| {
            let body_len = usize::from(count) * 4 + extra;
            (body_len <= DATA_LIMIT).then(|| Header {
                kind: FrameType::Data,
                body_len: u32::try_from(body_len).unwrap(),
                redelivered: 0,
                count,
                seq,
            })
        },
    );
    let large = (65_521..1_u32 << 24, 1..1_u64 << 40).prop_map(|(body_len, seq)| Header {
        kind: FrameType::Data,
        body_len,
        redelivered: 0,
        count: 1,
        seq,
    });
    let kind = prop_oneof![
        Just(FrameType::Ack),
        Just(FrameType::Beat),
        Just(FrameType::Fin)
    ];
    let bare = (kind, any::<u64>()).prop_map(|(kind, seq)| Header::bare(kind, seq));
    let error = (0..=1024_u32, any::<u64>()).prop_map(|(body_len, seq)| Header {
        kind: FrameType::Error,
        body_len,
        redelivered: 0,
        count: 0,
        seq,
    });
    prop_oneof![3 => data, 1 => large, 2 => bare, 1 => error]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_header_comes_back_as_it_was_and_no_prefix_of_it_does(header in header(), behind in any::<[u8; 5]>()) {
        let mut bytes = header.encode().to_vec();
        for n in 0..HEADER_BYTES {
            prop_assert_eq!(parse(&bytes[..n], u32::MAX), Ok(Parsed::Need(HEADER_BYTES)));
        }
        bytes.extend(behind);
        prop_assert_eq!(parse(&bytes, u32::MAX), Ok(Parsed::Frame(header)));
        prop_assert_eq!(header.frame_len(), HEADER_BYTES + header.body_len as usize);
        prop_assert_eq!(header.is_large(), header.body_len as usize > DATA_LIMIT);
    }

    #[test]
    fn a_damaged_header_obeys_every_rule_or_fails_with_a_code(
        header in header(),
        damage in prop::collection::vec((0..HEADER_BYTES, any::<u8>()), 1..4),
        max_message in any::<u32>(),
    ) {
        let mut bytes = header.encode();
        for (at, byte) in damage {
            bytes[at] = byte;
        }
        match parse(&bytes, max_message) {
            Ok(Parsed::Need(_)) => prop_assert!(false, "a whole header is there"),
            Err(error) => prop_assert!(matches!(error.code, Code::Protocol | Code::TooLarge)),
            Ok(Parsed::Frame(header)) => {
                prop_assert_eq!(header.encode(), bytes);
                let body_len = header.body_len as usize;
                match header.kind {
                    FrameType::Data => {
                        prop_assert!(header.count > 0 && body_len >= usize::from(header.count) * 4);
                        prop_assert!(body_len <= DATA_LIMIT || header.count == 1);
                        prop_assert!(header.seq > 0 && header.seq + u64::from(header.count) <= 1 << 53);
                        let length = header.body_len - 4;
                        prop_assert!(!header.is_large() || length <= max_message.min(MAX_LENGTH));
                    }
                    FrameType::Error => prop_assert!(header.count == 0 && body_len <= 1024),
                    _ => prop_assert!(header.count == 0 && body_len == 0),
                }
            }
        }
    }

    #[test]
    fn words_that_are_accepted_have_known_kinds_and_add_up(words in prop::collection::vec(any::<u32>(), 0..200)) {
        let bytes: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
        let parsed: Option<Vec<Word>> = words.iter().map(|&bits| Word::from_bits(bits)).collect();
        let expected = parsed.map(|words| {
            let lengths = words.iter().map(|word| word.length());
            (lengths.clone().sum::<usize>() as u64, u32::try_from(lengths.max().unwrap_or(0)).unwrap())
        });
        prop_assert_eq!(words_sum(&bytes), expected);
    }
}

#[test]
fn the_longest_messages_are_where_the_limits_say() {
    let data = |body_len, count| Header {
        kind: FrameType::Data,
        body_len,
        redelivered: 0,
        count,
        seq: 1,
    };
    let limit = u32::try_from(DATA_LIMIT).unwrap();
    assert!(!data(limit, 1).is_large());
    assert!(data(limit + 1, 1).is_large());
    assert!(
        parse(&data(limit, 2).encode(), 0).is_ok(),
        "words are checked with the body"
    );
    assert_eq!(
        parse(&data(limit + 1, 2).encode(), u32::MAX)
            .unwrap_err()
            .code,
        Code::Protocol
    );
    let longest = data(MAX_LENGTH + 4, 1);
    assert_eq!(
        parse(&longest.encode(), u32::MAX),
        Ok(Parsed::Frame(longest))
    );
    assert_eq!(
        parse(&data(MAX_LENGTH + 5, 1).encode(), u32::MAX)
            .unwrap_err()
            .code,
        Code::TooLarge
    );
    assert_eq!(
        parse(&longest.encode(), MAX_LENGTH - 1).unwrap_err().code,
        Code::TooLarge
    );
    assert_eq!(
        Word::new(Kind::Custom, MAX_LENGTH).unwrap().length(),
        MAX_LENGTH as usize
    );
    assert_eq!(Word::new(Kind::Bytes, MAX_LENGTH + 1), None);
}

#[test]
fn sequence_numbers_end_where_javascript_cannot_count_further() {
    let data = |seq, count: u16| Header {
        kind: FrameType::Data,
        body_len: u32::from(count) * 4,
        redelivered: 0,
        count,
        seq,
    };
    assert!(parse(&data((1 << 53) - 3, 3).encode(), 0).is_ok());
    assert_eq!(
        parse(&data((1 << 53) - 2, 3).encode(), 0).unwrap_err().code,
        Code::Protocol
    );
}

#[test]
fn a_reason_of_any_length_fits_into_an_error_frame() {
    for length in [0, 1, 511, 512, 513, 2000] {
        // Of two bytes each: the limit may fall into one.
        let text = format!("{}{}", "x".repeat(length % 2), "é".repeat(length));
        let frame = error_frame(&Error::new(Code::Timeout, text.clone()));
        let Ok(Parsed::Frame(header)) = parse(&frame, 0) else {
            panic!("{length}")
        };
        assert_eq!(header.frame_len(), frame.len());
        assert_eq!(header.seq, Code::Timeout as u64);
        let reason = std::str::from_utf8(&frame[HEADER_BYTES..]).unwrap();
        assert!(text.starts_with(reason) && reason.len() >= text.len().min(1023));
    }
}
