use std::{fmt, io};

/// What kind of failure: what a program decides by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The system refused to read or write.
    Storage,
    /// The disk, the quota or the largest file is full. Nothing was stored, and it may be tried again.
    NoSpace,
    /// What is stored is damaged.
    Corrupt,
    /// Another process has the directory open.
    Locked,
    /// A newer version wrote it, or it is no log directory.
    Format,
    /// There is no record at that offset.
    OutOfRange,
    /// A batch or a record is longer than the limit.
    TooLarge,
    /// A bounded queue is full.
    Full,
    /// A named writer left out a sequence number.
    OutOfOrder,
    /// There is one already.
    Exists,
    /// There is none.
    NotFound,
    /// It has been closed.
    Closed,
    /// The caller passed something that cannot be.
    Invalid,
    /// A defect of chaski itself.
    Internal,
}

/// A typed failure: a kind for programs, a sentence for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Error {
    /// What kind of failure.
    pub kind: ErrorKind,
    /// What happened, with which values, and what to do.
    pub message: String,
    /// What the system said and to which call, such as `("ENOSPC", "write")`, if that led to it.
    pub system: Option<(&'static str, &'static str)>,
}

impl Error {
    /// An error of that kind.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            system: None,
        }
    }

    /// What the system said when `call` was tried on the file or folder `name`.
    #[must_use]
    pub fn system(call: &'static str, name: &str, error: &io::Error) -> Self {
        // A sync that found no room has lost what was written before.
        let is_sync = matches!(call, "fdatasync" | "fsync");
        let kind = if is_no_space(error) && !is_sync {
            ErrorKind::NoSpace
        } else {
            ErrorKind::Storage
        };
        let system = system_name(error);
        Self {
            kind,
            message: format!("{call} of {name} failed: {error}{}", advice(system)),
            system: Some((system, call)),
        }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({:?})", self.message, self.kind)
    }
}

impl std::error::Error for Error {}

/// Whether there was no room: the one failure of a write after which the file is as good as before.
fn is_no_space(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}

/// What to do about it, where that is known.
fn advice(system: &str) -> &'static str {
    match system {
        "ENOSPC" | "EDQUOT" => "; make room on the disk",
        "EFBIG" => "; raise the limit of the size of files (ulimit -f)",
        "EMFILE" | "ENFILE" => "; raise the limit of open files (ulimit -n)",
        "EACCES" | "EROFS" => "; the process must be allowed to write there",
        _ => "",
    }
}

/// The name that programs know an error by; EIO for those that have none here.
fn system_name(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::StorageFull => "ENOSPC",
        io::ErrorKind::QuotaExceeded => "EDQUOT",
        io::ErrorKind::FileTooLarge => "EFBIG",
        io::ErrorKind::PermissionDenied => "EACCES",
        io::ErrorKind::ReadOnlyFilesystem => "EROFS",
        io::ErrorKind::NotFound => "ENOENT",
        io::ErrorKind::AlreadyExists => "EEXIST",
        io::ErrorKind::NotADirectory => "ENOTDIR",
        io::ErrorKind::IsADirectory => "EISDIR",
        io::ErrorKind::DirectoryNotEmpty => "ENOTEMPTY",
        io::ErrorKind::OutOfMemory => "ENOMEM",
        io::ErrorKind::InvalidInput => "EINVAL",
        io::ErrorKind::WouldBlock => "EAGAIN",
        _ => other_name(error),
    }
}

/// The names of those that std does not tell apart.
#[cfg(unix)]
fn other_name(error: &io::Error) -> &'static str {
    use rustix::io::Errno;
    match error.raw_os_error().map(Errno::from_raw_os_error) {
        Some(Errno::MFILE) => "EMFILE",
        Some(Errno::NFILE) => "ENFILE",
        Some(Errno::BADF) => "EBADF",
        _ => "EIO",
    }
}

#[cfg(not(unix))]
fn other_name(_: &io::Error) -> &'static str {
    "EIO"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_told_from_a_broken_one() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        let error = Error::system("write", "1/0/x.log", &full);
        assert_eq!(error.kind, ErrorKind::NoSpace);
        assert_eq!(error.system, Some(("ENOSPC", "write")));
        assert!(error.message.contains("1/0/x.log"));
        let broken = Error::system("fdatasync", "x", &io::Error::other("broken"));
        assert_eq!(broken.kind, ErrorKind::Storage);
        assert_eq!(broken.system, Some(("EIO", "fdatasync")));
    }

    #[test]
    fn a_sync_that_finds_no_room_cannot_be_tried_again() {
        let full = io::Error::from(io::ErrorKind::StorageFull);
        for call in ["fsync", "fdatasync"] {
            let error = Error::system(call, "1/0/x.log", &full);
            assert_eq!(error.kind, ErrorKind::Storage);
            assert_eq!(error.system, Some(("ENOSPC", call)));
        }
    }

    #[test]
    fn what_can_be_done_is_said() {
        let error = io::Error::from(io::ErrorKind::ReadOnlyFilesystem);
        let told = Error::system("open", "lock", &error).message;
        assert!(told.ends_with("must be allowed to write there"), "{told}");
    }

    #[cfg(unix)]
    #[test]
    fn what_std_does_not_tell_apart_has_its_name() {
        let error = io::Error::from_raw_os_error(rustix::io::Errno::MFILE.raw_os_error());
        assert_eq!(system_name(&error), "EMFILE");
    }
}
