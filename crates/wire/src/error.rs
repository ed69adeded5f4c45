use std::fmt;

/// Why something failed. The number crosses N-API on hot paths (negated), the name is what users see as `error.code`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
#[non_exhaustive]
pub enum Code {
    /// The communicator or the peer has been closed.
    Closed = 1,
    /// There is no such peer, or no server that answers.
    NotConnected = 2,
    /// A message or a frame is longer than the limit.
    TooLarge = 3,
    /// A bounded queue is full.
    QueueFull = 4,
    /// The peer sent what the protocol does not allow.
    Protocol = 5,
    /// The caller passed something that cannot be.
    InvalidArgument = 6,
    /// A defect of chaski itself.
    Internal = 7,
    /// An address cannot be, cannot be resolved, or cannot be listened at.
    Address = 8,
    /// A time limit passed.
    Timeout = 9,
    /// The peer may not take part: wrong cluster, or an id that is in use.
    Auth = 10,
    /// This version, runtime or system cannot do it.
    Unsupported = 11,
    /// TLS: a certificate is not taken, the peer does not speak it, or what was given for it cannot be.
    Tls = 12,
    /// The system refused to read or write a file, or has before.
    Storage = 13,
    /// What is stored is damaged.
    Corrupt = 14,
    /// There is no record at that offset.
    OutOfRange = 15,
    /// Another process has the directory open.
    Locked = 16,
    /// There is one with that name already.
    Exists = 17,
    /// There is none with that name.
    NotFound = 18,
    /// A named writer left out a sequence number.
    OutOfOrder = 19,
}

impl Code {
    /// Every code, in the order of its number.
    pub const ALL: [Self; 19] = [
        Self::Closed,
        Self::NotConnected,
        Self::TooLarge,
        Self::QueueFull,
        Self::Protocol,
        Self::InvalidArgument,
        Self::Internal,
        Self::Address,
        Self::Timeout,
        Self::Auth,
        Self::Unsupported,
        Self::Tls,
        Self::Storage,
        Self::Corrupt,
        Self::OutOfRange,
        Self::Locked,
        Self::Exists,
        Self::NotFound,
        Self::OutOfOrder,
    ];

    /// The name that users see.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Closed => "ERR_CHASKI_CLOSED",
            Self::NotConnected => "ERR_CHASKI_NOT_CONNECTED",
            Self::TooLarge => "ERR_CHASKI_TOO_LARGE",
            Self::QueueFull => "ERR_CHASKI_QUEUE_FULL",
            Self::Protocol => "ERR_CHASKI_PROTOCOL",
            Self::InvalidArgument => "ERR_CHASKI_INVALID_ARGUMENT",
            Self::Internal => "ERR_CHASKI_INTERNAL",
            Self::Address => "ERR_CHASKI_ADDRESS",
            Self::Timeout => "ERR_CHASKI_TIMEOUT",
            Self::Auth => "ERR_CHASKI_AUTH",
            Self::Unsupported => "ERR_CHASKI_UNSUPPORTED",
            Self::Tls => "ERR_CHASKI_TLS",
            Self::Storage => "ERR_CHASKI_STORAGE",
            Self::Corrupt => "ERR_CHASKI_CORRUPT",
            Self::OutOfRange => "ERR_CHASKI_OUT_OF_RANGE",
            Self::Locked => "ERR_CHASKI_LOCKED",
            Self::Exists => "ERR_CHASKI_EXISTS",
            Self::NotFound => "ERR_CHASKI_NOT_FOUND",
            Self::OutOfOrder => "ERR_CHASKI_OUT_OF_ORDER",
        }
    }

    /// The code with that number; a number that is none (it came from a peer) is a protocol error.
    #[must_use]
    pub fn from_number(number: u8) -> Self {
        Self::ALL
            .into_iter()
            .find(|code| *code as u8 == number)
            .unwrap_or(Self::Protocol)
    }
}

/// A typed failure: a code for programs, a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of failure.
    pub code: Code,
    /// What happened, with which values, and what to do.
    pub message: String,
    /// What the system said, if that led to it.
    pub system: Option<SystemError>,
}

/// An error of the operating system, by the names that programs know.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SystemError {
    /// Such as `ECONNREFUSED`.
    pub name: &'static str,
    /// What was asked of the system, such as `connect`.
    pub call: &'static str,
}

impl Error {
    /// An error of that code.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            system: None,
        }
    }

    /// The same error, because of what the system said.
    #[must_use]
    pub fn caused_by(self, system: SystemError) -> Self {
        Self {
            system: Some(system),
            ..self
        }
    }

    /// The peer broke the protocol.
    pub fn protocol(message: impl Into<String>) -> Self {
        Self::new(Code::Protocol, message)
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.message, self.code.as_str())
    }
}

impl std::error::Error for Error {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_codes_map_one_to_one() {
        for (i, code) in Code::ALL.into_iter().enumerate() {
            assert_eq!(code as usize, i + 1);
            assert_eq!(Code::from_number(code as u8), code);
            assert!(code.as_str().starts_with("ERR_CHASKI_"));
        }
        assert_eq!(Code::from_number(250), Code::Protocol);
    }
}
