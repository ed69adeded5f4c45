use std::io;
use std::os::fd::RawFd;

/// Sets an option of a socket.
pub(super) fn set(
    fd: RawFd,
    level: libc::c_int,
    name: libc::c_int,
    value: libc::c_int,
) -> io::Result<()> {
    let length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the system reads `length` bytes of `value`, which is alive and that long; a descriptor that is no socket is an error.
    checked(unsafe { libc::setsockopt(fd, level, name, (&raw const value).cast(), length) })
        .map(drop)
}

/// What a call of the system gave, unless it failed.
pub(super) fn checked(result: libc::c_int) -> io::Result<libc::c_int> {
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(result)
    }
}

/// What an option of a socket is.
#[cfg(test)]
pub(super) fn value(fd: RawFd, level: libc::c_int, name: libc::c_int) -> libc::c_int {
    let mut value: libc::c_int = 0;
    let mut length = size_of_val(&value) as libc::socklen_t;
    // SAFETY: the system writes at most `length` bytes to `value`, which is that long.
    let result =
        unsafe { libc::getsockopt(fd, level, name, (&raw mut value).cast(), &raw mut length) };
    assert_eq!(result, 0);
    value
}
