use crate::frame::{FrameKind, decode_frame, encode_frame};
use crate::{Codec, Flush, Topic, TopicName, TopicOptions};

/// `topic.meta`: the same frame twice, so that one damaged copy costs nothing.
pub(crate) struct TopicFile;

/// The last bit of a tag says that who does not know it must not use the topic.
const MUST_KNOW: u16 = 0x8000;
/// Longer than any: a name of 64 KiB twice, and what is beside.
pub(crate) const MOST_BYTES: u64 = 1 << 20;

impl TopicFile {
    /// The file; `None` with a name that is too long to be one.
    pub(crate) fn encode(topic: &Topic) -> Option<Vec<u8>> {
        let options = &topic.options;
        let name = topic.name.as_str().as_bytes();
        let mut body = Vec::with_capacity(name.len() + 128);
        body.extend(topic.id);
        body.extend(options.partitions.to_be_bytes());
        body.extend(topic.created_ms.to_be_bytes());
        body.extend(u32::try_from(name.len()).ok()?.to_be_bytes());
        body.extend(name);
        let (kind, ms) = match options.flush {
            Flush::Always => (0, 0),
            Flush::Every(ms) => (1, ms),
            Flush::Os => (2, 0_u32),
        };
        let mut flush = vec![kind];
        flush.extend(ms.to_be_bytes());
        let fields: [(u16, &[u8]); 6] = [
            (1, &options.segment_bytes.to_be_bytes()),
            (2, &limit(options.retention_ms).to_be_bytes()),
            (3, &limit(options.retention_bytes).to_be_bytes()),
            (4, &flush),
            (5, &options.max_batch_bytes.to_be_bytes()),
            (6, &[options.codec as u8]),
        ];
        body.extend(u16::try_from(fields.len()).ok()?.to_be_bytes());
        for (tag, value) in fields {
            body.extend(tag.to_be_bytes());
            body.extend(u32::try_from(value.len()).ok()?.to_be_bytes());
            body.extend(value);
        }
        let frame = encode_frame(FrameKind::Topic, &body)?;
        Some([frame.as_slice(), &frame].concat())
    }

    /// The topic with that number in a file, and whether both copies were whole; `None` if neither is, or it says what is
    /// not understood.
    pub(crate) fn decode(number: u32, bytes: &[u8]) -> Option<(Topic, bool)> {
        if let Ok((body, rest)) = decode_frame(FrameKind::Topic, bytes) {
            let second = decode_frame(FrameKind::Topic, rest);
            let whole = second == Ok((body, &[]));
            return Some((topic(number, body)?, whole));
        }
        // Both copies are of one length, so the second begins in the middle.
        let (_, second) = bytes.split_at_checked(bytes.len() / 2)?;
        let (body, []) = decode_frame(FrameKind::Topic, second).ok()? else {
            return None;
        };
        Some((topic(number, body)?, false))
    }
}

/// −1 for none, as Kafka has it.
fn limit(most: Option<u64>) -> i64 {
    most.map_or(-1, |most| i64::try_from(most).unwrap_or(i64::MAX))
}

fn topic(number: u32, body: &[u8]) -> Option<Topic> {
    let mut rest = body;
    let id = take(&mut rest)?;
    let mut options = TopicOptions {
        partitions: u32::from_be_bytes(take(&mut rest)?),
        ..TopicOptions::default()
    };
    let created_ms = i64::from_be_bytes(take(&mut rest)?);
    let name = sized(&mut rest)?;
    let name = TopicName::parse(name).ok()?;
    let count = u16::from_be_bytes(take(&mut rest)?);
    for _ in 0..count {
        let tag = u16::from_be_bytes(take(&mut rest)?);
        let mut value = sized(&mut rest)?;
        let value = &mut value;
        match tag {
            1 => options.segment_bytes = u32::from_be_bytes(take(value)?),
            2 => options.retention_ms = u64::try_from(i64::from_be_bytes(take(value)?)).ok(),
            3 => options.retention_bytes = u64::try_from(i64::from_be_bytes(take(value)?)).ok(),
            4 => {
                let [kind] = take(value)?;
                let ms = u32::from_be_bytes(take(value)?);
                options.flush = match kind {
                    0 => Flush::Always,
                    1 => Flush::Every(ms),
                    2 => Flush::Os,
                    _ => return None,
                };
            }
            5 => options.max_batch_bytes = u32::from_be_bytes(take(value)?),
            6 => {
                let [codec] = take(value)?;
                options.codec = Codec::from_number(u16::from(codec))?;
            }
            unknown if unknown & MUST_KNOW != 0 => return None,
            _ => continue,
        }
        if !value.is_empty() {
            return None;
        }
    }
    options.check().ok()?;
    rest.is_empty().then_some(Topic {
        number,
        id,
        name,
        created_ms,
        options,
    })
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (field, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*field)
}

/// A length, and as many bytes.
fn sized<'a>(rest: &mut &'a [u8]) -> Option<&'a [u8]> {
    let length = u32::from_be_bytes(take(rest)?);
    let (field, behind) = rest.split_at_checked(usize::try_from(length).ok()?)?;
    *rest = behind;
    Some(field)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Topic {
        Topic {
            number: 7,
            id: [9; 16],
            name: TopicName::parse("ein Thema/..".as_bytes()).unwrap(),
            created_ms: 1_700_000_000_000,
            options: TopicOptions {
                partitions: 65_536,
                segment_bytes: 1 << 20,
                retention_ms: Some(5),
                retention_bytes: None,
                flush: Flush::Every(250),
                max_batch_bytes: 1 << 20,
                codec: Codec::Zstd,
            },
        }
    }

    #[test]
    fn a_topic_is_read_as_it_was_written() {
        let bytes = TopicFile::encode(&sample()).unwrap();
        assert_eq!(TopicFile::decode(7, &bytes), Some((sample(), true)));
    }

    #[test]
    fn one_copy_is_enough_whatever_becomes_of_the_other() {
        let bytes = TopicFile::encode(&sample()).unwrap();
        for bit in 0..bytes.len() * 8 {
            let mut changed = bytes.clone();
            changed[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(
                TopicFile::decode(7, &changed),
                Some((sample(), false)),
                "bit {bit}"
            );
        }
        for length in 0..bytes.len() {
            let found = TopicFile::decode(7, &bytes[..length]);
            let enough = length >= bytes.len() / 2;
            assert_eq!(found, enough.then(|| (sample(), false)), "{length}");
        }
    }

    #[test]
    fn what_must_be_known_and_is_not_is_refused_and_the_rest_is_passed_over() {
        let bytes = TopicFile::encode(&sample()).unwrap();
        let (body, _) = decode_frame(FrameKind::Topic, &bytes).unwrap();
        let with = |tag: u16| {
            let mut body = body.to_vec();
            let count = 32 + sample().name.as_str().len();
            body[count..count + 2].copy_from_slice(&7_u16.to_be_bytes());
            body.extend(tag.to_be_bytes());
            body.extend([0, 0, 0, 1, 5]);
            TopicFile::decode(7, &encode_frame(FrameKind::Topic, &body).unwrap())
        };
        assert_eq!(with(77), Some((sample(), false)));
        assert_eq!(with(77 | MUST_KNOW), None);
    }

    proptest! {
        #[test]
        fn any_body_is_a_topic_or_none(body: Vec<u8>) {
            let _ = topic(1, &body);
        }
    }
}
