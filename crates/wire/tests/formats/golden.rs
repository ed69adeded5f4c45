//! Version 1 as it travels. These bytes never change; a later version gets fixtures of its own.

use wire::{
    AckPoint, Code, Error, FrameType, Header, Hello, HelloParse, Kind, Parsed, Refusal, Word,
    parse, parse_hello,
};

#[test]
fn a_hello_of_version_1() {
    let bytes = b"CHSKNQ\r\n\x01\x01\x37\x00\
        \x01\x10\x000123456789abcdef\
        \x02\x04\x00blue\
        \x03\x08\x00\x05\x00\x00\x00\x00\x00\x00\x80\
        \x04\x01\x00\x01\
        \x05\x04\x00\x10\x27\x00\x00\
        \x06\x04\x00\x00\x00\x10\x00";
    let hello = Hello {
        versions: (1, 1),
        id: *b"0123456789abcdef",
        cluster: "blue".into(),
        features: 5 | 1 << 63,
        ack: AckPoint::Processed,
        keep_alive_ms: 10_000,
        max_message: 1 << 20,
        keeping: None,
        standing: None,
    };
    assert_eq!(hello.encode(), bytes);
    assert_eq!(
        parse_hello(bytes),
        Ok(HelloParse::Hello(hello, bytes.len()))
    );
}

#[test]
fn a_refusal_of_version_1() {
    let bytes = b"CHSKNQ\r\n\x01\x01\x09\x00\x07\x06\x00\x0awrong";
    let refusal = Refusal(Error::new(Code::Auth, "wrong"));
    assert_eq!(refusal.encode(), bytes);
    assert_eq!(parse_hello(bytes), Ok(HelloParse::Refused(refusal)));
}

#[test]
fn frames_of_version_1() {
    let data = Header {
        kind: FrameType::Data,
        body_len: 0x0102,
        redelivered: 0,
        count: 3,
        seq: 0x0a0b,
    };
    let error = Header {
        kind: FrameType::Error,
        body_len: 5,
        redelivered: 0,
        count: 0,
        seq: 9,
    };
    for (header, bytes) in [
        (
            data,
            b"\x02\x01\x00\x00\x01\x00\x03\x00\x0b\x0a\x00\x00\x00\x00\x00\x00",
        ),
        (
            Header::bare(FrameType::Ack, 1 << 40),
            b"\x00\x00\x00\x00\x02\x00\x00\x00\x00\x00\x00\x00\x00\x01\x00\x00",
        ),
        (
            Header::bare(FrameType::Beat, 0),
            b"\x00\x00\x00\x00\x03\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00",
        ),
        (
            Header::bare(FrameType::Fin, 7),
            b"\x00\x00\x00\x00\x04\x00\x00\x00\x07\x00\x00\x00\x00\x00\x00\x00",
        ),
        (
            error,
            b"\x05\x00\x00\x00\x05\x00\x00\x00\x09\x00\x00\x00\x00\x00\x00\x00",
        ),
    ] {
        assert_eq!(header.encode(), *bytes);
        assert_eq!(parse(bytes, 1000), Ok(Parsed::Frame(header)));
    }
}

#[test]
fn words_of_version_1() {
    for (kind, length, bits) in [
        (Kind::Bytes, 5, 0x0000_0005),
        (Kind::Msgpack, 0, 0x2000_0000),
        (Kind::Json, 1, 0x4000_0001),
        (Kind::Custom, 0x1fff_ffff, 0x7fff_ffff),
        (Kind::Pickle, 2, 0x8000_0002),
        (Kind::Stream, 3, 0xa000_0003),
    ] {
        assert_eq!(Word::new(kind, length).unwrap().bits(), bits);
    }
}
