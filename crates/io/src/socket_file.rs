use std::fs::Metadata;
use std::io;
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

fn bind(path: &str) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            // Connecting to a file of another kind is refused too. Non-blocking: a listener with a full backlog lives.
            let is_socket = std::fs::symlink_metadata(path).is_ok_and(|file| is_socket(&file));
            let refuses = || {
                UnixStream::connect(path)
                    .is_err_and(|error| error.kind() == io::ErrorKind::ConnectionRefused)
            };
            if !is_socket || !refuses() {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        other => other,
    }
}
