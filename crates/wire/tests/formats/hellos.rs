//! The first bytes of a connection.

use proptest::prelude::*;
use wire::{
    AckPoint, Code, Error, Hello, HelloParse, Keeping, MAX_CLUSTER_BYTES, MAX_HELLO_BYTES, Refusal,
    Standing, VERSION, parse_hello,
};

const PREAMBLE_BYTES: usize = 12;

fn hello() -> impl Strategy<Value = Hello> {
    let ack = prop_oneof![Just(AckPoint::Received), Just(AckPoint::Processed)];
    let cluster =
        "\\PC{0,63}".prop_filter("short enough", |cluster| cluster.len() <= MAX_CLUSTER_BYTES);
    (
        any::<[u8; 16]>(),
        cluster,
        any::<u64>(),
        ack,
        any::<u32>(),
        any::<u32>(),
        (0..=VERSION, VERSION..),
        keeping(),
        standing(),
    )
        .prop_map(
            |(
                id,
                cluster,
                features,
                ack,
                keep_alive_ms,
                max_message,
                versions,
                keeping,
                standing,
            )| Hello {
                versions,
                id,
                cluster,
                features,
                ack,
                keep_alive_ms,
                max_message,
                standing: standing.filter(|_| keeping.is_some()),
                keeping,
            },
        )
}

fn keeping() -> impl Strategy<Value = Option<Keeping>> {
    let keeping =
        (1_u32.., 1_u64.., any::<[u8; 16]>()).prop_map(|(for_ms, incarnation, secret)| Keeping {
            for_ms,
            incarnation,
            secret,
        });
    prop::option::of(keeping)
}

fn standing() -> impl Strategy<Value = Option<Standing>> {
    let standing =
        (any::<u64>(), 0..1_u64 << 53, 1..=1_u64 << 53).prop_map(|(with, received, next)| {
            Standing {
                with,
                received,
                next,
            }
        });
    prop::option::of(standing)
}

/// A preamble of this version and these fields.
fn with_fields(fields: &[u8]) -> Vec<u8> {
    let mut bytes = b"CHSKNQ\r\n".to_vec();
    bytes.extend([VERSION, VERSION]);
    bytes.extend(u16::try_from(fields.len()).unwrap().to_le_bytes());
    bytes.extend(fields);
    bytes
}

fn field(tag: u8, value: &[u8]) -> Vec<u8> {
    let mut bytes = vec![tag];
    bytes.extend(u16::try_from(value.len()).unwrap().to_le_bytes());
    bytes.extend(value);
    bytes
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn a_hello_comes_back_as_it_was_and_no_prefix_of_it_does(hello in hello(), behind in any::<[u8; 3]>()) {
        let mut bytes = hello.encode();
        let len = bytes.len();
        prop_assert!(len <= PREAMBLE_BYTES + MAX_HELLO_BYTES);
        for n in [0, 1, 8, 11, 12, 13, len / 2, len - 1] {
            prop_assert_eq!(parse_hello(&bytes[..n]), Ok(HelloParse::Need));
        }
        bytes.extend(behind);
        prop_assert_eq!(parse_hello(&bytes), Ok(HelloParse::Hello(hello, len)));
    }

    #[test]
    fn a_damaged_hello_parses_fails_with_a_code_or_waits(
        hello in hello(),
        damage in prop::collection::vec((any::<usize>(), any::<u8>()), 1..4),
        cut in any::<usize>(),
    ) {
        let mut bytes = hello.encode();
        let len = bytes.len();
        for (at, byte) in damage {
            bytes[at % len] = byte;
        }
        match parse_hello(&bytes[..cut % (len + 1)]) {
            Ok(HelloParse::Hello(_, taken)) => prop_assert!(taken <= len),
            // A damaged tag can make a refusal, whose code is whatever stands there.
            Ok(HelloParse::Need | HelloParse::Refused(_)) => {}
            // A damaged first byte can be one with which TLS begins.
            Err(error) => prop_assert!(matches!(error.code, Code::Protocol | Code::Unsupported | Code::Tls)),
        }
    }

    #[test]
    fn any_fields_parse_or_fail(fields in prop::collection::vec((0..10_u8, prop::collection::vec(any::<u8>(), 0..40)), 0..12)) {
        let fields: Vec<u8> = fields.iter().flat_map(|(tag, value)| field(*tag, value)).collect();
        let bytes = with_fields(&fields);
        prop_assert!(parse_hello(&bytes) != Ok(HelloParse::Need));
        for n in 0..bytes.len() {
            prop_assert_eq!(parse_hello(&bytes[..n]), Ok(HelloParse::Need));
        }
    }

    #[test]
    fn a_refusal_of_any_text_comes_back(code in 1..12_u8, text in "\\PC{0,600}") {
        let refusal = Refusal(Error::new(Code::from_number(code), text.clone()));
        let Ok(HelloParse::Refused(Refusal(error))) = parse_hello(&refusal.encode()) else {
            return Err(TestCaseError::fail("not a refusal"));
        };
        prop_assert_eq!(error.code as u8, code);
        // Long texts are cut, at worst in the middle of a character.
        let kept = error.message.trim_end_matches(char::REPLACEMENT_CHARACTER);
        prop_assert!(text.starts_with(kept));
        prop_assert!(text.len() > 512 || error.message == text);
    }
}

#[test]
fn fields_of_later_versions_are_skipped() {
    let fields = [
        field(1, &[7; 16]),
        field(200, b"from the future"),
        field(2, b"blue"),
        field(99, b""),
    ]
    .concat();
    let Ok(HelloParse::Hello(hello, _)) = parse_hello(&with_fields(&fields)) else {
        panic!()
    };
    assert_eq!((hello.id, &hello.cluster[..]), ([7; 16], "blue"));
}

#[test]
fn a_hello_must_name_its_sender_and_every_field_must_have_its_length() {
    for fields in [
        vec![],
        field(2, b"blue"),
        field(1, &[7; 15]),
        field(1, &[7; 17]),
        [field(1, &[7; 16]), field(3, &[0; 7])].concat(),
        [field(1, &[7; 16]), field(4, &[2])].concat(),
        [field(1, &[7; 16]), field(4, &[])].concat(),
        [field(1, &[7; 16]), field(5, &[0; 8])].concat(),
        [field(1, &[7; 16]), field(2, &[b'a'; MAX_CLUSTER_BYTES + 1])].concat(),
        [field(1, &[7; 16]), field(2, b"\xff")].concat(),
        [field(1, &[7; 16]), vec![9]].concat(),
        [field(1, &[7; 16]), vec![9, 255, 255, 0]].concat(),
        field(7, b""),
        [field(1, &[7; 16]), field(8, &[1; 27])].concat(),
        [field(1, &[7; 16]), field(8, &[0; 28])].concat(),
        // Where it stands in a session that it does not keep, and past the last number.
        [field(1, &[7; 16]), field(9, &[1; 24])].concat(),
        [field(1, &[7; 16]), field(8, &[1; 28]), field(9, &[0; 24])].concat(),
        [
            field(1, &[7; 16]),
            field(8, &[1; 28]),
            field(9, &[0xff; 24]),
        ]
        .concat(),
        [field(1, &[7; 16]), field(8, &[1; 28]), field(9, &[1; 25])].concat(),
    ] {
        let bytes = with_fields(&fields);
        assert_eq!(
            parse_hello(&bytes).unwrap_err().code,
            Code::Protocol,
            "{fields:?}"
        );
    }
}

#[test]
fn a_hello_that_announces_too_much_is_refused_before_it_comes() {
    let mut bytes = with_fields(&[]);
    let over = u16::try_from(MAX_HELLO_BYTES + 1).unwrap();
    bytes[10..].copy_from_slice(&over.to_le_bytes());
    assert_eq!(parse_hello(&bytes).unwrap_err().code, Code::Protocol);
}

#[test]
fn versions_must_meet() {
    for (low, high, meets) in [
        (VERSION, VERSION, true),
        (0, 255, true),
        (0, VERSION, true),
        (VERSION + 1, 255, false),
        (0, VERSION - 1, false),
        (VERSION + 1, VERSION - 1, false),
    ] {
        let mut bytes = with_fields(&field(1, &[7; 16]));
        bytes[8..10].copy_from_slice(&[low, high]);
        let parsed = parse_hello(&bytes);
        assert_eq!(parsed.is_ok(), meets, "{low} to {high}");
        assert!(meets || parsed.is_err_and(|error| error.code == Code::Unsupported));
    }
}
