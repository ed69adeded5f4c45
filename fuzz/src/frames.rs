//! A stream of frames, and the limit that its reader has set: `u32 limit | bytes`.

use wire::{Code, Error, FrameType, HEADER_BYTES, Header, Parsed, WORD_BYTES, Word};

/// Every frame obeys what its header says, travels back unchanged, or ends the stream with a code.
pub(crate) fn run(data: &[u8]) {
    let Some((limit, mut bytes)) = data.split_first_chunk::<4>() else {
        return;
    };
    let limit = u32::from_le_bytes(*limit);
    tells_why(bytes);
    loop {
        match wire::parse(bytes, limit) {
            Err(error) => {
                assert!(matches!(error.code, Code::Protocol | Code::TooLarge));
                return;
            }
            Ok(Parsed::Need(length)) => {
                assert!(bytes.len() < length && length == HEADER_BYTES);
                return;
            }
            Ok(Parsed::Frame(header)) => {
                assert_eq!(header.encode()[..], bytes[..HEADER_BYTES]);
                assert!(!header.is_large() || header.body_len - 4 <= limit);
                let Some((frame, rest)) = bytes.split_at_checked(header.frame_len()) else {
                    return;
                };
                if header.kind == FrameType::Data {
                    messages(frame, header);
                }
                bytes = rest;
            }
        }
    }
}

fn messages(frame: &[u8], header: Header) {
    assert_eq!(wire::redelivered(frame), header.redelivered);
    let words = &frame[HEADER_BYTES..][..usize::from(header.count) * WORD_BYTES];
    let bits = words
        .chunks(WORD_BYTES)
        .map(|word| u32::from_le_bytes(word.try_into().unwrap()));
    let lengths: Option<Vec<usize>> = bits
        .map(|bits| Word::from_bits(bits).map(Word::length))
        .collect();
    let expected = lengths.map(|lengths| {
        let longest = lengths.iter().copied().max().unwrap_or(0);
        (
            lengths.iter().sum::<usize>() as u64,
            u32::try_from(longest).unwrap(),
        )
    });
    assert_eq!(wire::words_sum(words), expected);
}

/// A reason of any text makes a frame that is taken.
fn tells_why(text: &[u8]) {
    let error = Error::new(Code::Protocol, String::from_utf8_lossy(text));
    let frame = wire::error_frame(&error);
    let Ok(Parsed::Frame(header)) = wire::parse(&frame, 0) else {
        panic!("the own ERROR frame is refused");
    };
    assert_eq!(
        (header.kind, header.frame_len()),
        (FrameType::Error, frame.len())
    );
    assert!(
        error
            .message
            .starts_with(str::from_utf8(&frame[HEADER_BYTES..]).unwrap())
    );
}
