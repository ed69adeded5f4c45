use std::fs::Metadata;
use std::io;
use std::mem::offset_of;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;

use mio::net::{UnixListener, UnixStream};

/// A UNIX socket that listens, and the file that it is found by.
pub(crate) struct SocketFile {
    pub(crate) listener: UnixListener,
    /// As the owner named it.
    pub(crate) path: String,
    /// The same file, from whatever folder; `None` if nobody knows any more which that is.
    own: Option<(PathBuf, FileId)>,
}

/// Device and inode: another file under the same name has others, as long as this one is in use.
#[derive(PartialEq, Eq)]
struct FileId(u64, u64);

impl SocketFile {
    /// Listens at `path`. A file that an ended process left behind is replaced; a living listener's is not.
    pub(crate) fn bind(path: &str) -> io::Result<Self> {
        let listener = bind(path)?;
        let own = std::path::absolute(path).ok().and_then(|path| {
            let file = std::fs::symlink_metadata(&path).ok()?;
            is_socket(&file).then(|| (path, FileId::of(&file)))
        });
        Ok(Self {
            listener,
            path: path.to_owned(),
            own,
        })
    }

    /// Stops listening. The file goes too, if it is still the one that was made.
    pub(crate) fn close(self) {
        // Before the socket is closed: until then its inode belongs to no other file, and nobody takes it for abandoned.
        if let Some((path, id)) = self.own
            && std::fs::symlink_metadata(&path).is_ok_and(|file| FileId::of(&file) == id)
        {
            let _already_removed = std::fs::remove_file(path);
        }
    }
}

impl FileId {
    fn of(file: &Metadata) -> Self {
        Self(file.dev(), file.ino())
    }
}

fn is_socket(file: &Metadata) -> bool {
    file.file_type().is_socket()
}

/// Longest path of a socket file: the system wants a zero behind it.
const MOST_BYTES: usize =
    size_of::<libc::sockaddr_un>() - offset_of!(libc::sockaddr_un, sun_path) - 1;

fn check(path: &str) -> io::Result<()> {
    let length = path.len();
    if length <= MOST_BYTES {
        return Ok(());
    }
    let text = format!(
        "the system takes no path over {MOST_BYTES} bytes, and this one has {length}; choose a shorter one, or a relative one"
    );
    Err(io::Error::new(io::ErrorKind::InvalidFilename, text))
}

/// Starts to connect to the socket whose file that is.
pub(crate) fn connect(path: &str) -> io::Result<UnixStream> {
    check(path)?;
    UnixStream::connect(path)
}

fn bind(path: &str) -> io::Result<UnixListener> {
    check(path)?;
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            make_room(path)?;
            UnixListener::bind(path)
        }
        other => other,
    }
}

/// Removes the file that an ended process left at `path`.
///
/// # Errors
/// If it is none of that kind.
fn make_room(path: &str) -> io::Result<()> {
    let in_use = |text| Err(io::Error::new(io::ErrorKind::AddrInUse, text));
    // Connecting to a file of another kind is refused too.
    if std::fs::symlink_metadata(path).is_ok_and(|file| !is_socket(&file)) {
        return in_use("a file is there and is no socket; remove it, or choose another path");
    }
    // Non-blocking: a listener with a full backlog lives.
    let answer = UnixStream::connect(path);
    match answer.map_err(|error| error.kind()) {
        Err(io::ErrorKind::ConnectionRefused) => std::fs::remove_file(path),
        // Somebody else was quicker.
        Err(io::ErrorKind::NotFound) => Ok(()),
        _ => in_use("a server listens there; choose another path"),
    }
}
