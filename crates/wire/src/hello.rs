//! The first bytes of a connection: preamble and hello. The client speaks first, the server answers in the same layout.

use crate::{Code, Error};

/// The protocol version that this build speaks. A build of version N also speaks N - 1 once there is one.
pub const VERSION: u8 = 1;
/// Longest hello, preamble excluded.
pub const MAX_HELLO_BYTES: usize = 2048;
/// Longest cluster name in bytes of UTF-8.
pub const MAX_CLUSTER_BYTES: usize = 255;

const MAGIC: &[u8; 8] = b"CHSKNQ\r\n";
const PREAMBLE_BYTES: usize = 12;

/// What a connection over TLS begins with: a handshake, or an alert that there is none.
const TLS_HANDSHAKE: u8 = 22;
const TLS_ALERT: u8 = 21;

const TAG_ID: u8 = 1;
const TAG_CLUSTER: u8 = 2;
const TAG_FEATURES: u8 = 3;
const TAG_ACK: u8 = 4;
const TAG_KEEP_ALIVE: u8 = 5;
const TAG_MAX_MESSAGE: u8 = 6;
const TAG_REFUSAL: u8 = 7;
const TAG_KEEPING: u8 = 8;
const TAG_STANDING: u8 = 9;

/// Numbers of messages stay below this.
const SEQ_LIMIT: u64 = 1 << 53;

/// A communicator's identity: a UUID.
pub type PeerId = [u8; 16];

/// When a receiver acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum AckPoint {
    /// When the message is in its bounded queue.
    Received = 0,
    /// When its program said that the message is done.
    Processed = 1,
}

/// What a side tells of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hello {
    /// Versions it speaks, lowest and highest. In an answer both are the version chosen.
    pub versions: (u8, u8),
    /// Who it is.
    pub id: PeerId,
    /// Both sides must name the same one.
    pub cluster: String,
    /// Bit set of optional features; unknown bits are ignored.
    pub features: u64,
    /// When it acknowledges.
    pub ack: AckPoint,
    /// It sends something at least this often, in milliseconds; 0: no promise.
    pub keep_alive_ms: u32,
    /// The longest message it accepts.
    pub max_message: u32,
    /// How it keeps a session that has lost its connection; `None`: the session ends with the connection.
    pub keeping: Option<Keeping>,
    /// Where it stands in the session. A client tells it from the second connection on, a server that keeps sessions always.
    pub standing: Option<Standing>,
}

/// Proves that a client is the one that began a session.
pub type Secret = [u8; 16];

/// What lets a session go on over another connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Keeping {
    /// How long this side keeps a session without a connection, in milliseconds; at least 1.
    pub for_ms: u32,
    /// Which run of the communicator this is: drawn anew whenever one is opened, never 0. Whoever meets another one under the same id
    /// knows that what the earlier one held in its memory is gone.
    pub incarnation: u64,
    /// Of a client; all zeros of a server.
    pub secret: Secret,
}

/// Where a side stands in a session, in the numbers of the wire.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// Incarnation of the other side with which that was so; 0: this side knows of no session, and begins with what the other
    /// one told.
    pub with: u64,
    /// Highest number received, with all before it.
    pub received: u64,
    /// Number of the first message that this side can still send.
    pub next: u64,
}

/// Why a server does not take a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal(pub Error);

/// What [`parse_hello`] found.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum HelloParse {
    /// More bytes are needed.
    Need,
    /// A hello, and how many bytes it took.
    Hello(Hello, usize),
    /// The server refused.
    Refused(Refusal),
}

impl Hello {
    /// Whether this is a server's answer: it names one version, the one chosen.
    ///
    /// # Errors
    /// [`Code::Protocol`] if it names several, because then the sides might go on with different ones.
    pub fn check_answer(&self) -> Result<(), Error> {
        let (low, high) = self.versions;
        if low == high {
            return Ok(());
        }
        Err(Error::protocol(format!(
            "the server answered with versions {low} to {high} of the protocol, and not with the one that it chose"
        )))
    }

    /// The hello as it travels, preamble included.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut fields = Vec::with_capacity(128);
        field(&mut fields, TAG_ID, &self.id);
        field(&mut fields, TAG_CLUSTER, self.cluster.as_bytes());
        field(&mut fields, TAG_FEATURES, &self.features.to_le_bytes());
        field(&mut fields, TAG_ACK, &[self.ack as u8]);
        field(
            &mut fields,
            TAG_KEEP_ALIVE,
            &self.keep_alive_ms.to_le_bytes(),
        );
        field(
            &mut fields,
            TAG_MAX_MESSAGE,
            &self.max_message.to_le_bytes(),
        );
        if let Some(keeping) = &self.keeping {
            field(&mut fields, TAG_KEEPING, &keeping.encode());
        }
        if let Some(standing) = &self.standing {
            field(&mut fields, TAG_STANDING, &standing.encode());
        }
        preamble(self.versions, &fields)
    }
}

impl Keeping {
    fn encode(&self) -> [u8; 28] {
        let mut out = [0; 28];
        let (for_ms, rest) = out.split_at_mut(4);
        let (incarnation, secret) = rest.split_at_mut(8);
        for_ms.copy_from_slice(&self.for_ms.to_le_bytes());
        incarnation.copy_from_slice(&self.incarnation.to_le_bytes());
        secret.copy_from_slice(&self.secret);
        out
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let (for_ms, value) = value.split_first_chunk()?;
        let (incarnation, secret) = value.split_first_chunk()?;
        let keeping = Self {
            for_ms: u32::from_le_bytes(*for_ms),
            incarnation: u64::from_le_bytes(*incarnation),
            secret: secret.try_into().ok()?,
        };
        (keeping.for_ms > 0 && keeping.incarnation > 0).then_some(keeping)
    }
}

impl Standing {
    fn encode(&self) -> [u8; 24] {
        let mut out = [0; 24];
        let numbers = [self.with, self.received, self.next];
        for (slot, number) in out.as_chunks_mut::<8>().0.iter_mut().zip(numbers) {
            *slot = number.to_le_bytes();
        }
        out
    }

    fn parse(value: &[u8]) -> Option<Self> {
        let &[with, received, next] = value.as_chunks::<8>().0 else {
            return None;
        };
        let standing = Self {
            with: u64::from_le_bytes(with),
            received: u64::from_le_bytes(received),
            next: u64::from_le_bytes(next),
        };
        let possible = standing.received < SEQ_LIMIT && (1..=SEQ_LIMIT).contains(&standing.next);
        (possible && value.len() == 24).then_some(standing)
    }
}

impl Refusal {
    /// The refusal as it travels, in the place of the server's hello.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut value = vec![self.0.code as u8];
        value.extend(self.0.message.bytes().take(512));
        let mut fields = Vec::new();
        field(&mut fields, TAG_REFUSAL, &value);
        preamble((VERSION, VERSION), &fields)
    }
}

fn preamble(versions: (u8, u8), fields: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(PREAMBLE_BYTES + fields.len());
    out.extend_from_slice(MAGIC);
    out.extend_from_slice(&[versions.0, versions.1]);
    // Every field is bounded, and so is their sum: see MAX_HELLO_BYTES.
    out.extend_from_slice(
        &u16::try_from(fields.len())
            .unwrap_or(u16::MAX)
            .to_le_bytes(),
    );
    out.extend_from_slice(fields);
    out
}

fn field(out: &mut Vec<u8>, tag: u8, value: &[u8]) {
    let value = value.get(..value.len().min(1024)).unwrap_or_default();
    out.push(tag);
    out.extend_from_slice(&u16::try_from(value.len()).unwrap_or(u16::MAX).to_le_bytes());
    out.extend_from_slice(value);
}

/// Why a connection ends whose first bytes are not those of this protocol.
#[must_use]
pub fn stranger() -> Error {
    Error::protocol("the peer does not speak chaski's net-queue protocol")
}

/// Reads the hello at the front of `bytes`.
///
/// # Errors
/// [`Code::Protocol`] as soon as the bytes cannot become a hello: a wrong byte in the magic is seen at once, not when the
/// preamble is complete ([`Code::Tls`] if it is one of TLS). A length over [`MAX_HELLO_BYTES`], a missing or malformed field, or no version in common is refused too.
pub fn parse_hello(bytes: &[u8]) -> Result<HelloParse, Error> {
    if bytes.iter().zip(MAGIC).any(|(a, b)| a != b) {
        if let Some(&(TLS_HANDSHAKE | TLS_ALERT)) = bytes.first() {
            return Err(Error::new(
                Code::Tls,
                "one side speaks TLS and the other does not; open both with the option security, or both without",
            ));
        }
        return Err(stranger());
    }
    let Some((head, rest)) = bytes.split_first_chunk::<PREAMBLE_BYTES>() else {
        return Ok(HelloParse::Need);
    };
    let [.., low, high, a, b] = *head;
    let len = usize::from(u16::from_le_bytes([a, b]));
    if len > MAX_HELLO_BYTES {
        return Err(Error::protocol(format!(
            "a hello of {len} bytes is over {MAX_HELLO_BYTES}"
        )));
    }
    if low > high || low > VERSION || high < VERSION {
        return Err(Error::new(
            Code::Unsupported,
            format!(
                "the peer speaks versions {low} to {high} of the protocol, this side version {VERSION}; upgrade the older one"
            ),
        ));
    }
    let Some(fields) = rest.get(..len) else {
        return Ok(HelloParse::Need);
    };
    parse_fields(fields, (low, high), PREAMBLE_BYTES + len)
}

fn parse_fields(mut fields: &[u8], versions: (u8, u8), taken: usize) -> Result<HelloParse, Error> {
    let mut hello = Hello {
        versions,
        id: [0; 16],
        cluster: String::new(),
        features: 0,
        ack: AckPoint::Received,
        keep_alive_ms: 0,
        max_message: 0,
        keeping: None,
        standing: None,
    };
    let mut has_id = false;
    while let Some((&[tag, a, b], rest)) = fields.split_first_chunk::<3>() {
        let len = usize::from(u16::from_le_bytes([a, b]));
        let (Some(value), Some(rest)) = (rest.get(..len), rest.get(len..)) else {
            return Err(malformed(tag));
        };
        fields = rest;
        match tag {
            TAG_ID => {
                hello.id = value.try_into().map_err(|_| malformed(tag))?;
                has_id = true;
            }
            TAG_CLUSTER if len <= MAX_CLUSTER_BYTES => {
                hello.cluster = String::from_utf8(value.to_vec()).map_err(|_| malformed(tag))?;
            }
            TAG_FEATURES => {
                hello.features = u64::from_le_bytes(value.try_into().map_err(|_| malformed(tag))?)
            }
            TAG_ACK => {
                hello.ack = match value {
                    [0] => AckPoint::Received,
                    [1] => AckPoint::Processed,
                    _ => return Err(malformed(tag)),
                }
            }
            TAG_KEEP_ALIVE => {
                hello.keep_alive_ms =
                    u32::from_le_bytes(value.try_into().map_err(|_| malformed(tag))?)
            }
            TAG_MAX_MESSAGE => {
                hello.max_message =
                    u32::from_le_bytes(value.try_into().map_err(|_| malformed(tag))?)
            }
            TAG_KEEPING => {
                hello.keeping = Some(Keeping::parse(value).ok_or_else(|| malformed(tag))?);
            }
            TAG_STANDING => {
                hello.standing = Some(Standing::parse(value).ok_or_else(|| malformed(tag))?);
            }
            TAG_REFUSAL => {
                let (&code, text) = value.split_first().ok_or_else(|| malformed(tag))?;
                let reason = String::from_utf8_lossy(text).into_owned();
                return Ok(HelloParse::Refused(Refusal(Error::new(
                    Code::from_number(code),
                    reason,
                ))));
            }
            TAG_CLUSTER => return Err(malformed(tag)),
            // Fields of later versions are skipped.
            _ => {}
        }
    }
    if !fields.is_empty() || !has_id {
        return Err(malformed(0));
    }
    if hello.standing.is_some() && hello.keeping.is_none() {
        return Err(malformed(TAG_STANDING));
    }
    Ok(HelloParse::Hello(hello, taken))
}

fn malformed(tag: u8) -> Error {
    Error::protocol(format!("malformed hello (field {tag})"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn hello() -> Hello {
        Hello {
            versions: (VERSION, VERSION),
            id: *b"0123456789abcdef",
            cluster: "café".into(),
            features: 5,
            ack: AckPoint::Processed,
            keep_alive_ms: 10_000,
            max_message: 1 << 20,
            keeping: Some(Keeping {
                for_ms: 30_000,
                incarnation: 7,
                secret: [9; 16],
            }),
            standing: Some(Standing {
                with: 8,
                received: 40,
                next: 12,
            }),
        }
    }

    #[test]
    fn a_hello_survives_the_wire_at_every_cut() {
        let bytes = hello().encode();
        for n in 0..bytes.len() {
            assert_eq!(parse_hello(&bytes[..n]), Ok(HelloParse::Need), "cut at {n}");
        }
        let mut longer = bytes.clone();
        longer.push(9);
        assert_eq!(
            parse_hello(&longer),
            Ok(HelloParse::Hello(hello(), bytes.len()))
        );
    }

    #[test]
    fn a_wrong_first_byte_is_seen_at_once() {
        assert_eq!(parse_hello(&[0]).unwrap_err().code, Code::Protocol);
        assert_eq!(parse_hello(b"GET / HT").unwrap_err().code, Code::Protocol);
    }

    #[test]
    fn no_version_in_common_says_which_side_is_old() {
        let mut bytes = hello().encode();
        bytes[8] = 200;
        bytes[9] = 201;
        assert_eq!(parse_hello(&bytes).unwrap_err().code, Code::Unsupported);
    }

    #[test]
    fn a_refusal_survives_the_wire() {
        let refusal = Refusal(Error::new(Code::Auth, "wrong cluster"));
        assert_eq!(
            parse_hello(&refusal.encode()),
            Ok(HelloParse::Refused(refusal))
        );
    }

    proptest! {
        #[test]
        fn any_bytes_after_the_magic_parse_or_fail(tail in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut bytes = MAGIC.to_vec();
            bytes.extend([VERSION, VERSION]);
            bytes.extend(tail);
            let _typed = parse_hello(&bytes);
        }
    }
}
