use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, RawFd};
use std::os::unix::net::UnixStream;
use std::time::Duration;

/// Interrupts [`wait_readable`] from another thread. The reactor's own waker cannot: the event loop may take its event first.
pub(crate) struct Alarm {
    rope: UnixStream,
    bell: UnixStream,
}

impl Alarm {
    pub(crate) fn new() -> io::Result<Self> {
        let (rope, bell) = UnixStream::pair()?;
        rope.set_nonblocking(true)?;
        bell.set_nonblocking(true)?;
        Ok(Self { rope, bell })
    }

    /// Readable from a ring until it is heard.
    pub(crate) fn fd(&self) -> RawFd {
        self.bell.as_raw_fd()
    }

    /// Interrupts the wait, now or when it is entered next.
    pub(crate) fn ring(&self) {
        // One that is full has been rung often enough.
        let _rung = (&self.rope).write(&[1]);
    }

    /// Silences it.
    pub(crate) fn hear(&self) {
        let _silent = (&self.bell).read(&mut [0; 64]);
    }
}

/// Why [`wait_readable`] returned; neither: the time is over.
pub(crate) struct Woken {
    pub(crate) work: bool,
    pub(crate) alarm: bool,
}

/// Waits until `fd` is readable or the alarm rings. `None` waits for ever. Works for the descriptor of an epoll or kqueue
/// instance too, and takes nothing from it.
pub(crate) fn wait_readable(fd: RawFd, alarm: &Alarm, rest: Option<Duration>) -> Woken {
    let [work, rung] = poll([fd, alarm.bell.as_raw_fd()], rest);
    if rung {
        alarm.hear();
    }
    Woken { work, alarm: rung }
}

/// Whether the descriptor is readable now.
pub(crate) fn is_readable(fd: RawFd) -> bool {
    poll([fd], Some(Duration::ZERO)) == [true]
}

fn poll<const N: usize>(fds: [RawFd; N], rest: Option<Duration>) -> [bool; N] {
    let millis = rest.map_or(-1, |rest| {
        i32::try_from(rest.as_micros().div_ceil(1000)).unwrap_or(i32::MAX)
    });
    let mut entries = fds.map(|fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    });
    // SAFETY: the entries are `N` valid pollfds (one or two of them) for the duration of the call.
    let ready = unsafe { libc::poll(entries.as_mut_ptr(), N as libc::nfds_t, millis) };
    entries.map(|entry| ready > 0 && entry.revents != 0)
}
