use std::io::Write;
use std::net::TcpStream;
use std::os::fd::RawFd;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use io::{Host, Kind};

use super::{Dialing, Ends, Listening, PATIENCE, eventually};

/// A host that runs: of the loop kind with a thread that is its event loop.
pub(crate) struct Running {
    pub(crate) host: Host,
    event_loop: Option<JoinHandle<()>>,
    ended: Arc<AtomicBool>,
    /// While it is set, the event loop does nothing.
    stalled: Arc<AtomicBool>,
    /// Held by the event loop while it does something.
    at_work: Arc<Mutex<()>>,
    looks: Arc<AtomicUsize>,
}

impl Running {
    pub(crate) fn start(kind: Kind) -> Self {
        let host = Host::start(kind, |_| unreachable!("the reactor panicked")).unwrap();
        let (ended, stalled) = (
            Arc::new(AtomicBool::new(false)),
            Arc::new(AtomicBool::new(false)),
        );
        let looks = Arc::new(AtomicUsize::new(0));
        let at_work = Arc::new(Mutex::new(()));
        let event_loop = (kind == Kind::Loop).then(|| {
            let (host, ended, stalled) = (host.clone(), Arc::clone(&ended), Arc::clone(&stalled));
            let (looks, at_work) = (Arc::clone(&looks), Arc::clone(&at_work));
            std::thread::spawn(move || {
                while !ended.load(Ordering::SeqCst) {
                    if stalled.load(Ordering::SeqCst) {
                        std::thread::sleep(Duration::from_millis(1));
                        continue;
                    }
                    let _at_work = at_work.lock().unwrap();
                    if !stalled.load(Ordering::SeqCst) && called(&host) {
                        // Like libuv: level-triggered, called when a descriptor is readable and not otherwise.
                        host.service();
                        looks.fetch_add(1, Ordering::SeqCst);
                    }
                }
            })
        });
        Self {
            host,
            event_loop,
            ended,
            stalled,
            at_work,
            looks,
        }
    }

    /// Whoever runs the reactor: a thread, the event loop, and the second thread in its place. For tests that hold for each.
    pub(crate) fn each() -> [Self; 3] {
        [
            Self::start(Kind::Thread),
            Self::start(Kind::Loop),
            Self::lent(),
        ]
    }

    /// Of the loop kind, and lent: the event loop seems to have no time left.
    pub(crate) fn lent() -> Self {
        Self::lent_while(Arc::new(AtomicBool::new(true)))
    }

    /// The same, for as long as that is set.
    pub(crate) fn lent_while(busy: Arc<AtomicBool>) -> Self {
        let running = Self::start(Kind::Loop);
        let idle_since = Mutex::new((Duration::ZERO, Instant::now()));
        running.host.measure_idle_with(move || {
            let (idle, before) = &mut *idle_since.lock().unwrap();
            if !busy.load(Ordering::SeqCst) {
                *idle += before.elapsed();
            }
            *before = Instant::now();
            *idle
        });
        // First, lest it is given back meanwhile.
        running.tick();
        running.load_until_lent();
        running
    }

    /// Gives the reactor something to do every few milliseconds from now on: without, it is given back.
    fn tick(&self) {
        let listening = Listening::local(&self.host, Ends::Count);
        let dialing = Dialing::start(&self.host, listening.at(), Ends::Count);
        eventually("it connects", || dialing.is_connected());
        dialing.script.with(|state| {
            state.every = Some(Duration::from_millis(2));
            state.deadline = Some(Instant::now());
        });
        self.host.nudge(dialing.token, false);
    }

    /// Gives the reactor so much to do that it is lent.
    pub(crate) fn load_until_lent(&self) {
        let listening = Listening::local(&self.host, Ends::Count);
        let mut stream = TcpStream::connect(("127.0.0.1", listening.port())).unwrap();
        let start = Instant::now();
        while !self.host.is_lent() {
            assert!(start.elapsed() < PATIENCE, "the reactor is not lent");
            stream.write_all(&[0; 64 * 1024]).unwrap();
        }
        drop(stream);
        let (_, script) = listening.session(0);
        eventually("the load is gone", || {
            script.with(|state| state.closed.is_some())
        });
        self.host.close(listening.token, None);
        eventually("nobody listens", || listening.closed().is_some());
    }

    /// How often the event loop was called.
    pub(crate) fn looks(&self) -> usize {
        self.looks.load(Ordering::SeqCst)
    }

    /// Keeps the event loop from doing anything, from the return of this call on.
    pub(crate) fn stall(&self, on: bool) {
        self.stalled.store(on, Ordering::SeqCst);
        drop(self.at_work.lock().unwrap());
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::SeqCst);
        if let Some(event_loop) = self.event_loop.take() {
            self.host.wake_owner();
            let panicked = event_loop.join().is_err();
            assert!(
                !panicked || std::thread::panicking(),
                "the event loop panicked"
            );
        }
        self.host.stop();
    }
}

/// Whether the event loop was called within a moment.
fn called(host: &Host) -> bool {
    let lent = host.is_lent();
    let [bell, work] = wait_readable([host.bell_fd(), if lent { -1 } else { host.poll_fd() }]);
    if bell {
        host.hear_bell();
    }
    bell || work
}

/// Which of the descriptors became readable within a moment; -1 never does.
pub(crate) fn wait_readable<const N: usize>(fds: [RawFd; N]) -> [bool; N] {
    let mut entries = fds.map(|fd| libc::pollfd {
        fd,
        events: libc::POLLIN,
        revents: 0,
    });
    // SAFETY: the entries are `N` valid pollfds for the duration of the call.
    let ready = unsafe { libc::poll(entries.as_mut_ptr(), N as libc::nfds_t, 50) };
    entries.map(|entry| ready > 0 && entry.revents != 0)
}
