use std::io;
use std::os::fd::AsRawFd;

use super::option::set;

/// A TCP connection on which nothing came for so long is probed by the system.
const IDLE_SECONDS: libc::c_int = 60;
/// It probes at these intervals.
const INTERVAL_SECONDS: libc::c_int = 10;
/// So many probes without an answer end the connection.
const PROBES: libc::c_int = 6;

#[cfg(any(target_os = "macos", target_os = "ios"))]
const IDLE: libc::c_int = libc::TCP_KEEPALIVE;
#[cfg(not(any(target_os = "macos", target_os = "ios")))]
const IDLE: libc::c_int = libc::TCP_KEEPIDLE;

/// Has the system notice that the other end of an idle connection is gone without a word, for sessions whose protocol has no signs of
/// life of its own. The default of most systems is two hours.
pub(crate) fn keep_alive(socket: &impl AsRawFd) -> io::Result<()> {
    let fd = socket.as_raw_fd();
    set(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE, 1)?;
    set(fd, libc::IPPROTO_TCP, IDLE, IDLE_SECONDS)?;
    set(fd, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL, INTERVAL_SECONDS)?;
    set(fd, libc::IPPROTO_TCP, libc::TCP_KEEPCNT, PROBES)
}

#[cfg(test)]
mod tests {
    use super::super::option::value;
    use super::*;
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn the_system_is_told_when_to_probe() {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let stream = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        keep_alive(&stream).unwrap();
        let fd = stream.as_raw_fd();
        assert_ne!(value(fd, libc::SOL_SOCKET, libc::SO_KEEPALIVE), 0);
        assert_eq!(value(fd, libc::IPPROTO_TCP, IDLE), IDLE_SECONDS);
        assert_eq!(
            value(fd, libc::IPPROTO_TCP, libc::TCP_KEEPINTVL),
            INTERVAL_SECONDS
        );
        assert_eq!(value(fd, libc::IPPROTO_TCP, libc::TCP_KEEPCNT), PROBES);
    }
}
