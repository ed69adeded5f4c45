use log::{Error, ErrorKind};
use wire::{Code, SystemError};

/// The code that users see for a failure of the log.
#[must_use]
pub fn code_of(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::Storage | ErrorKind::NoSpace => Code::Storage,
        ErrorKind::Corrupt => Code::Corrupt,
        ErrorKind::Locked => Code::Locked,
        ErrorKind::Exists => Code::Exists,
        ErrorKind::NotFound => Code::NotFound,
        ErrorKind::Format => Code::Unsupported,
        ErrorKind::OutOfRange => Code::OutOfRange,
        ErrorKind::TooLarge => Code::TooLarge,
        ErrorKind::Full => Code::QueueFull,
        ErrorKind::OutOfOrder => Code::OutOfOrder,
        ErrorKind::Closed => Code::Closed,
        ErrorKind::Invalid => Code::InvalidArgument,
        // Internal, and kinds that this crate does not know yet.
        _ => Code::Internal,
    }
}

/// Whether nothing was stored, and the same can succeed later.
#[must_use]
pub const fn is_retryable(kind: ErrorKind) -> bool {
    matches!(
        kind,
        ErrorKind::NoSpace | ErrorKind::Full | ErrorKind::Locked
    )
}

/// A failure of the log as users see it.
#[must_use]
pub fn wire_error(error: &Error) -> wire::Error {
    let told = wire::Error::new(code_of(error.kind), error.message.clone());
    match error.system {
        Some((name, call)) => told.caused_by(SystemError { name, call }),
        None => told,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_system_said_goes_along() {
        let mut error = Error::new(ErrorKind::NoSpace, "no room");
        error.system = Some(("ENOSPC", "write"));
        let told = wire_error(&error);
        assert_eq!(
            (told.code, told.message.as_str()),
            (Code::Storage, "no room")
        );
        let system = told.system.unwrap();
        assert_eq!((system.name, system.call), ("ENOSPC", "write"));
        assert_eq!(code_of(ErrorKind::Internal), Code::Internal);
    }
}
