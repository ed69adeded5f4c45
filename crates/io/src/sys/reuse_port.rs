use std::io;
use std::net::{SocketAddr, TcpListener};
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};

use super::listen::listen;
use super::option::{checked, set};

/// Listens at an address at which others of the same user may listen too, if they all say so. The system deals the connections out.
/// The socket does not block.
pub(crate) fn listen_reusing_port(address: SocketAddr) -> io::Result<TcpListener> {
    let family = if address.is_ipv4() {
        libc::AF_INET
    } else {
        libc::AF_INET6
    };
    let kind = libc::SOCK_STREAM | libc::SOCK_CLOEXEC | libc::SOCK_NONBLOCK;
    // SAFETY: no memory is passed.
    let raw = checked(unsafe { libc::socket(family, kind, 0) })?;
    // SAFETY: the descriptor is new, and nobody else's.
    let socket = unsafe { OwnedFd::from_raw_fd(raw) };
    let fd = socket.as_raw_fd();
    set(fd, libc::SOL_SOCKET, libc::SO_REUSEADDR, 1)?;
    set(fd, libc::SOL_SOCKET, libc::SO_REUSEPORT, 1)?;
    bind(fd, address)?;
    listen(&socket)?;
    Ok(TcpListener::from(socket))
}

fn bind(fd: libc::c_int, address: SocketAddr) -> io::Result<()> {
    match address {
        SocketAddr::V4(address) => {
            let place = libc::sockaddr_in {
                sin_family: libc::AF_INET as libc::sa_family_t,
                sin_port: address.port().to_be(),
                sin_addr: libc::in_addr {
                    s_addr: u32::from_ne_bytes(address.ip().octets()),
                },
                sin_zero: [0; 8],
            };
            bind_to(fd, &place)
        }
        SocketAddr::V6(address) => {
            let place = libc::sockaddr_in6 {
                sin6_family: libc::AF_INET6 as libc::sa_family_t,
                sin6_port: address.port().to_be(),
                sin6_flowinfo: address.flowinfo(),
                sin6_addr: libc::in6_addr {
                    s6_addr: address.ip().octets(),
                },
                sin6_scope_id: address.scope_id(),
            };
            bind_to(fd, &place)
        }
    }
}

/// `place` is a `sockaddr` of some family.
fn bind_to<T>(fd: libc::c_int, place: &T) -> io::Result<()> {
    let length = size_of::<T>() as libc::socklen_t;
    // SAFETY: the system reads `length` bytes of `place`, which is alive and that long; its family says what they are.
    checked(unsafe { libc::bind(fd, std::ptr::from_ref(place).cast(), length) }).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_listen_at_one_address_if_both_say_so() {
        for host in ["127.0.0.1:0", "[::1]:0"] {
            let Ok(first) = listen_reusing_port(host.parse().unwrap()) else {
                // There may be no IPv6.
                assert!(host.contains(':') && host.starts_with('['));
                continue;
            };
            let at = first.local_addr().unwrap();
            let second = listen_reusing_port(at).unwrap();
            assert_eq!(second.local_addr().unwrap(), at);
            let silent = TcpListener::bind(at).unwrap_err();
            assert_eq!(silent.kind(), io::ErrorKind::AddrInUse);
        }
    }

    #[test]
    fn nobody_joins_a_listener_that_does_not_say_so() {
        let first = TcpListener::bind("127.0.0.1:0").unwrap();
        let refused = listen_reusing_port(first.local_addr().unwrap()).unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::AddrInUse);
    }
}
