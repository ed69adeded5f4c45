//! What the system refuses, in words that tell what to do, and under the name that programs know.

use std::io::{self, ErrorKind};

use wire::{Code, Endpoint, Error, SystemError};

pub(crate) fn cannot_listen(at: &Endpoint, why: &io::Error) -> Error {
    let advice = match (at, why.kind()) {
        (Endpoint::Tcp(..), ErrorKind::AddrInUse) => {
            Some("the port is in use; choose another port, or 0 for any")
        }
        (Endpoint::Tcp(..), ErrorKind::AddrNotAvailable) => Some(
            "this machine does not have that address; choose one of its own, or 0.0.0.0 for all",
        ),
        (Endpoint::Tcp(_, 1..1024), ErrorKind::PermissionDenied) => {
            Some("this user may not; choose a port from 1024 on")
        }
        _ => None,
    };
    let reason = advice.map_or_else(|| reason(why), str::to_owned);
    let text = format!("cannot listen at {at}: {reason}");
    let code = match why.kind() {
        ErrorKind::Unsupported => Code::Unsupported,
        _ => Code::Address,
    };
    Error::new(code, text).caused_by(system("listen", why))
}

pub(crate) fn cannot_connect(to: &Endpoint, why: &io::Error) -> Error {
    let code = match why.kind() {
        ErrorKind::InvalidFilename | ErrorKind::InvalidInput => Code::Address,
        ErrorKind::Unsupported => Code::Unsupported,
        ErrorKind::TimedOut => Code::Timeout,
        _ => Code::NotConnected,
    };
    let is_silent = matches!(
        why.kind(),
        ErrorKind::ConnectionRefused
            | ErrorKind::ConnectionReset
            | ErrorKind::NotFound
            | ErrorKind::TimedOut
    );
    let advice = if is_silent {
        "; is a server listening there?"
    } else {
        ""
    };
    let text = format!("cannot connect to {to}: {}{advice}", reason(why));
    Error::new(code, text).caused_by(system("connect", why))
}

/// The host name is unknown, or nobody can be asked.
pub(crate) fn cannot_resolve(host: &str, why: &io::Error) -> Error {
    let text = format!("the host name '{host}' cannot be resolved: {}", reason(why));
    let name = match name(why) {
        UNKNOWN => "ENOTFOUND",
        name => name,
    };
    let call = "getaddrinfo";
    Error::new(Code::Address, text).caused_by(SystemError { name, call })
}

/// Of one connection among others: `what` could not be done with it.
pub(crate) fn cannot_take(what: &str, call: &'static str, why: &io::Error) -> Error {
    let text = format!("a connection could not be {what}: {}", reason(why));
    Error::new(Code::Address, text).caused_by(system(call, why))
}

/// Of a connection that was there. What a layer over the socket says (TLS) stands as it is.
pub(crate) fn broken(call: &'static str, why: &io::Error) -> Error {
    if let Some(said) = why.get_ref().and_then(|said| said.downcast_ref::<Error>()) {
        return said.clone();
    }
    let text = format!("the connection broke: {}", reason(why));
    Error::new(Code::Closed, text).caused_by(system(call, why))
}

fn system(call: &'static str, why: &io::Error) -> SystemError {
    let name = name(why);
    SystemError { name, call }
}

/// The system's words as a part of a sentence, without its number.
fn reason(why: &io::Error) -> String {
    let text = why.to_string();
    let words = text
        .rsplit_once(" (os error ")
        .map_or(&*text, |(words, _)| words);
    let words = words.trim_end_matches(['.', '\r', '\n', ' ']);
    let mut letters = words.chars();
    letters.next().map_or_else(String::new, |first| {
        first.to_lowercase().chain(letters).collect()
    })
}

const UNKNOWN: &str = "UNKNOWN";

/// As Node names it, whose name for what has none is `UNKNOWN` too.
fn name(why: &io::Error) -> &'static str {
    match why.kind() {
        ErrorKind::AddrInUse => "EADDRINUSE",
        ErrorKind::AddrNotAvailable => "EADDRNOTAVAIL",
        ErrorKind::BrokenPipe => "EPIPE",
        ErrorKind::ConnectionAborted => "ECONNABORTED",
        ErrorKind::ConnectionRefused => "ECONNREFUSED",
        ErrorKind::ConnectionReset => "ECONNRESET",
        ErrorKind::HostUnreachable => "EHOSTUNREACH",
        ErrorKind::InvalidFilename => "ENAMETOOLONG",
        ErrorKind::InvalidInput => "EINVAL",
        ErrorKind::NetworkDown => "ENETDOWN",
        ErrorKind::NetworkUnreachable => "ENETUNREACH",
        ErrorKind::NotADirectory => "ENOTDIR",
        ErrorKind::NotConnected => "ENOTCONN",
        ErrorKind::NotFound => "ENOENT",
        ErrorKind::OutOfMemory => "ENOMEM",
        ErrorKind::PermissionDenied if is_not_permitted(why) => "EPERM",
        ErrorKind::PermissionDenied => "EACCES",
        ErrorKind::ReadOnlyFilesystem => "EROFS",
        ErrorKind::StorageFull => "ENOSPC",
        ErrorKind::TimedOut => "ETIMEDOUT",
        ErrorKind::Unsupported => "ENOTSUP",
        _ => name_of_number(why),
    }
}

#[cfg(unix)]
fn is_not_permitted(why: &io::Error) -> bool {
    why.raw_os_error() == Some(libc::EPERM)
}

#[cfg(not(unix))]
fn is_not_permitted(_why: &io::Error) -> bool {
    false
}

/// Of errors that have no kind.
#[cfg(unix)]
fn name_of_number(why: &io::Error) -> &'static str {
    match why.raw_os_error() {
        Some(libc::EAFNOSUPPORT) => "EAFNOSUPPORT",
        Some(libc::ELOOP) => "ELOOP",
        Some(libc::EMFILE) => "EMFILE",
        Some(libc::ENFILE) => "ENFILE",
        Some(libc::ENOBUFS) => "ENOBUFS",
        Some(libc::EPROTO) => "EPROTO",
        _ => UNKNOWN,
    }
}

#[cfg(not(unix))]
fn name_of_number(_why: &io::Error) -> &'static str {
    UNKNOWN
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use super::*;

    fn local(port: u16) -> Endpoint {
        Endpoint::Tcp("127.0.0.1".into(), port)
    }

    #[test]
    fn the_systems_numbers_have_their_names() {
        for (number, expected) in [
            (libc::EACCES, "EACCES"),
            (libc::EPERM, "EPERM"),
            (libc::EADDRINUSE, "EADDRINUSE"),
            (libc::ECONNREFUSED, "ECONNREFUSED"),
            (libc::ENOENT, "ENOENT"),
            (libc::EHOSTUNREACH, "EHOSTUNREACH"),
            (libc::EMFILE, "EMFILE"),
            (libc::ENAMETOOLONG, "ENAMETOOLONG"),
            (libc::EXDEV, "UNKNOWN"),
        ] {
            let error = cannot_listen(&local(1), &io::Error::from_raw_os_error(number));
            let (name, call) = error.system.map(|it| (it.name, it.call)).unwrap();
            assert_eq!(call, "listen");
            assert_eq!(name, expected);
        }
    }

    #[test]
    fn texts_tell_the_reason_and_the_remedy() {
        let listen = |port, number| {
            cannot_listen(&local(port), &io::Error::from_raw_os_error(number)).message
        };
        assert_eq!(
            listen(80, libc::EACCES),
            "cannot listen at 127.0.0.1:80: this user may not; choose a port from 1024 on"
        );
        assert_eq!(
            listen(8080, libc::EACCES),
            "cannot listen at 127.0.0.1:8080: permission denied"
        );
        let refused = io::Error::from_raw_os_error(libc::ECONNREFUSED);
        assert_eq!(
            cannot_connect(&local(1), &refused).message,
            "cannot connect to 127.0.0.1:1: connection refused; is a server listening there?"
        );
    }

    #[test]
    fn what_may_go_another_time_differs_from_what_never_will() {
        let code = |kind: ErrorKind| cannot_connect(&local(1), &kind.into()).code;
        assert_eq!(code(ErrorKind::ConnectionRefused), Code::NotConnected);
        assert_eq!(code(ErrorKind::PermissionDenied), Code::NotConnected);
        assert_eq!(code(ErrorKind::TimedOut), Code::Timeout);
        assert_eq!(code(ErrorKind::InvalidFilename), Code::Address);
    }
}
