use std::io;
use std::os::fd::AsRawFd;

use super::option::checked;

/// Connections that wait to be accepted; most systems take less, as their administrator says.
///
/// The 128 of the standard library are too few when thousands come back at once: Linux then answers with cookies and forgets about
/// connections that it has told are there, and who waits on such a one in silence waits for ever.
const BACKLOG: libc::c_int = 4096;

/// Has a bound socket listen. One that listens already gets a longer line.
pub(crate) fn listen(socket: &impl AsRawFd) -> io::Result<()> {
    // SAFETY: no memory is passed; a descriptor that is no bound socket is an error.
    checked(unsafe { libc::listen(socket.as_raw_fd(), BACKLOG) }).map(drop)
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::net::{TcpListener, TcpStream};
    use std::time::Duration;

    use super::*;

    #[test]
    fn hundreds_may_wait_to_be_accepted() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        listen(&listener).unwrap();
        let at = listener.local_addr().unwrap();
        // One too many would be tried again after a second, and again, until somebody is accepted.
        let connect = || TcpStream::connect_timeout(&at, Duration::from_secs(20));
        let waiting: Vec<_> = (0..300).map(|_| connect().unwrap()).collect();
        assert_eq!(waiting.len(), 300);
    }
}
