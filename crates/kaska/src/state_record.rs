//! What the log of positions and named writers (topic 0) holds: a key that says what it is about and a value, both as
//! bytes of a record. What cannot be read is left alone: a newer version may have written it.

/// What a record of topic 0 is about.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum StateKey {
    /// The position of a client in a partition. Bound to the id of the topic: one made again under an old name has none.
    Position {
        /// The topic's id.
        topic: [u8; 16],
        /// The partition.
        partition: u32,
        /// The client's name.
        client: Box<str>,
    },
    /// A named writer.
    Writer {
        /// Its name.
        name: Box<str>,
    },
}

/// What a position says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Position {
    /// The next offset to read.
    pub offset: u64,
    /// When it was committed, in ms since 1970.
    pub committed_ms: i64,
    /// What the client wants to remember, at most 4,096 bytes.
    pub metadata: Box<[u8]>,
}

/// How batches of a named writer are marked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WriterMark {
    /// Producer id, from 2^62 on.
    pub producer: u64,
    /// Its epoch.
    pub epoch: u16,
}

/// Longest name of a client or a writer in bytes: the same as of a topic.
pub const MOST_NAME_BYTES: usize = 65_534;
/// Longest metadata of a position.
pub const MOST_METADATA_BYTES: usize = 4_096;

const POSITION: u8 = 1;
const WRITER: u8 = 2;
const VERSION: u8 = 1;

/// The name of a client or a writer: 1 to 65,534 bytes of UTF-8 without NUL, as those of topics.
#[must_use]
pub fn is_name(name: &str) -> bool {
    !name.is_empty() && name.len() <= MOST_NAME_BYTES && !name.contains('\0')
}

impl StateKey {
    /// The bytes of the record's key.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Position {
                topic,
                partition,
                client,
            } => {
                let mut bytes = Vec::with_capacity(21 + client.len());
                bytes.push(POSITION);
                bytes.extend_from_slice(topic);
                bytes.extend_from_slice(&partition.to_be_bytes());
                bytes.extend_from_slice(client.as_bytes());
                bytes
            }
            Self::Writer { name } => {
                let mut bytes = Vec::with_capacity(1 + name.len());
                bytes.push(WRITER);
                bytes.extend_from_slice(name.as_bytes());
                bytes
            }
        }
    }

    /// The key that these bytes are; `None` if they are none that this version knows.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (kind, rest) = bytes.split_first()?;
        match *kind {
            POSITION => {
                let (topic, rest) = rest.split_first_chunk()?;
                let (partition, client) = rest.split_first_chunk()?;
                Some(Self::Position {
                    topic: *topic,
                    partition: u32::from_be_bytes(*partition),
                    client: name_of(client)?,
                })
            }
            WRITER => Some(Self::Writer {
                name: name_of(rest)?,
            }),
            _ => None,
        }
    }
}

fn name_of(bytes: &[u8]) -> Option<Box<str>> {
    let name = std::str::from_utf8(bytes).ok()?;
    is_name(name).then(|| name.into())
}

impl Position {
    /// The bytes of the record's value.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(17 + self.metadata.len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&self.offset.to_be_bytes());
        bytes.extend_from_slice(&self.committed_ms.to_be_bytes());
        bytes.extend_from_slice(&self.metadata);
        bytes
    }

    /// The position that these bytes are, if so.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (offset, rest) = rest.split_first_chunk()?;
        let (committed, metadata) = rest.split_first_chunk()?;
        let offset = u64::from_be_bytes(*offset);
        let whole = *version == VERSION
            && offset <= i64::MAX as u64
            && metadata.len() <= MOST_METADATA_BYTES;
        whole.then(|| Self {
            offset,
            committed_ms: i64::from_be_bytes(*committed),
            metadata: metadata.into(),
        })
    }
}

impl WriterMark {
    /// The bytes of the record's value.
    #[must_use]
    pub fn encode(self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend_from_slice(&self.producer.to_be_bytes());
        bytes.extend_from_slice(&self.epoch.to_be_bytes());
        bytes
    }

    /// The mark that these bytes are, if so.
    #[must_use]
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (version, rest) = bytes.split_first()?;
        let (producer, rest) = rest.split_first_chunk()?;
        let epoch: &[u8; 2] = rest.try_into().ok()?;
        let producer = u64::from_be_bytes(*producer);
        let epoch = u16::from_be_bytes(*epoch);
        let known = *version == VERSION && producer <= i64::MAX as u64 && epoch <= i16::MAX as u16;
        known.then_some(Self { producer, epoch })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position_key() -> StateKey {
        StateKey::Position {
            topic: [7; 16],
            partition: 258,
            client: "cli".into(),
        }
    }

    #[test]
    fn the_bytes_are_those_of_the_design() {
        let key = position_key().encode();
        assert_eq!(key[..1], [1]);
        assert_eq!(key[1..17], [7; 16]);
        assert_eq!(key[17..], [0, 0, 1, 2, b'c', b'l', b'i']);
        let position = Position {
            offset: 5,
            committed_ms: -2,
            metadata: b"m".as_slice().into(),
        };
        let value = position.encode();
        assert_eq!(value[..9], [1, 0, 0, 0, 0, 0, 0, 0, 5]);
        assert_eq!(value[9..17], (-2_i64).to_be_bytes());
        assert_eq!(value[17..], *b"m");
        assert_eq!(StateKey::decode(&key), Some(position_key()));
        assert_eq!(Position::decode(&value), Some(position));

        let writer = StateKey::Writer { name: "w".into() };
        assert_eq!(writer.encode(), [2, b'w']);
        assert_eq!(StateKey::decode(&[2, b'w']), Some(writer));
        let mark = WriterMark {
            producer: 1 << 62,
            epoch: 3,
        };
        assert_eq!(mark.encode(), [1, 0x40, 0, 0, 0, 0, 0, 0, 0, 0, 3]);
        assert_eq!(WriterMark::decode(&mark.encode()), Some(mark));
    }

    #[test]
    fn every_shorter_key_and_value_is_refused_or_another_name() {
        let key = position_key().encode();
        for length in 0..22 {
            assert_eq!(StateKey::decode(&key[..length]), None, "{length}");
        }
        let value = Position {
            offset: 1,
            committed_ms: 2,
            metadata: [].into(),
        };
        let value = value.encode();
        for length in 0..value.len() {
            assert_eq!(Position::decode(&value[..length]), None, "{length}");
        }
        let mark = WriterMark {
            producer: 1,
            epoch: 1,
        };
        let mark = mark.encode();
        for length in 0..mark.len() {
            assert_eq!(WriterMark::decode(&mark[..length]), None, "{length}");
        }
    }

    #[test]
    fn what_a_newer_version_wrote_and_what_is_out_of_bounds_is_left_alone() {
        assert_eq!(StateKey::decode(&[3, b'x']), None);
        assert_eq!(StateKey::decode(&[2, 0xff]), None);
        assert_eq!(StateKey::decode(&[2, b'a', 0]), None);
        assert_eq!(StateKey::decode(&[2; 65_536]), None);
        let mut value = vec![1; 17 + MOST_METADATA_BYTES];
        assert!(Position::decode(&value).is_some());
        value.push(0);
        assert_eq!(Position::decode(&value), None);
        assert_eq!(Position::decode(&[[2].as_slice(), &[0; 16]].concat()), None);
        assert_eq!(
            Position::decode(&[[1].as_slice(), &[0xff; 16]].concat()),
            None
        );
        assert!(is_name("x") && !is_name("") && !is_name("a\0b"));
    }
}
