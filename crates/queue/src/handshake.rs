use wire::{Code, Error, HEADER_BYTES, Hello, HelloParse, MAX_HELLO_BYTES, Refusal, parse_hello};

use crate::config::Config;

/// Room for the longest hello with its preamble. A peer that has not introduced itself takes no more memory than this.
const BUFFER_BYTES: usize = MAX_HELLO_BYTES + 12;

/// The first exchange of a connection, for either side.
pub(crate) struct Handshake {
    bytes: Vec<u8>,
    filled: usize,
}

/// What the bytes so far amount to.
pub(crate) enum Progress {
    Need,
    /// The peer's hello, and what it sent behind it already.
    Done(Hello, Vec<u8>),
    /// The peer cannot be taken: tell it this.
    Refuse(Refusal),
    /// The peer does not take this side.
    Refused(Error),
}

impl Handshake {
    pub(crate) fn new() -> Self {
        Self {
            bytes: vec![0; BUFFER_BYTES],
            filled: 0,
        }
    }

    pub(crate) fn read_buffer(&mut self) -> &mut [u8] {
        self.bytes.get_mut(self.filled..).unwrap_or_default()
    }

    pub(crate) fn on_read(&mut self, n: usize, config: &Config) -> Result<Progress, Error> {
        self.filled = (self.filled + n).min(self.bytes.len());
        let seen = self.bytes.get(..self.filled).unwrap_or_default();
        match parse_hello(seen) {
            Ok(HelloParse::Need) => Ok(Progress::Need),
            Ok(HelloParse::Refused(Refusal(error))) => Ok(Progress::Refused(Error::new(
                error.code,
                format!("the other side refuses: {}", error.message),
            ))),
            Ok(HelloParse::Hello(hello, taken)) => {
                if let Some(error) = mismatch(&hello, config) {
                    return Ok(Progress::Refuse(Refusal(error)));
                }
                let rest = seen.get(taken..).unwrap_or_default().to_vec();
                Ok(Progress::Done(hello, rest))
            }
            // A peer of another version, or with TLS, deserves an answer; a stranger does not.
            Err(error) if matches!(error.code, Code::Unsupported | Code::Tls) => {
                Ok(Progress::Refuse(Refusal(error)))
            }
            Err(error) => Err(error),
        }
    }
}

fn mismatch(hello: &Hello, config: &Config) -> Option<Error> {
    if hello.cluster != config.cluster {
        return Some(Error::new(
            Code::Auth,
            format!(
                "one side belongs to cluster '{}', the other to '{}'; give both the same cluster option",
                hello.cluster, config.cluster
            ),
        ));
    }
    (hello.id == config.id).then(|| {
        Error::new(
            Code::Auth,
            "both sides have the same id; every communicator needs one of its own",
        )
    })
}

const _: () = assert!(BUFFER_BYTES > HEADER_BYTES);
