use std::os::fd::RawFd;
use std::time::Duration;

/// Waits until `fd` is readable; false if the time is over first. `None` waits for ever. Works for the descriptor of an
/// epoll or kqueue instance too, and takes nothing from it.
pub(crate) fn wait_readable(fd: RawFd, rest: Option<Duration>) -> bool {
    let millis = rest.map_or(-1, |rest| {
        i32::try_from(rest.as_micros().div_ceil(1000)).unwrap_or(i32::MAX)
    });
    let mut entry = libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    };
    // SAFETY: `entry` is one valid pollfd for the duration of the call.
    unsafe { libc::poll(&raw mut entry, 1, millis) > 0 }
}

/// Sleeps.
pub(crate) fn sleep(rest: Duration) {
    std::thread::sleep(rest);
}
