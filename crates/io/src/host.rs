use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Waker};
use wire::{Acceptor, Dialer, Endpoint, Error, Token};

use crate::reactor::Reactor;
use crate::resolve;

/// Not a slot: the reactor's waker.
const WAKER: mio::Token = mio::Token(usize::MAX);
const EVENTS: usize = 1024;

/// Who runs the reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A thread of its own.
    Thread,
    /// The event loop of the process: it watches [`Host::poll_fd`] and calls [`Host::service`] when that is readable. A
    /// second thread does so in its place while the loop is stalled, and when a deadline passes.
    Loop,
}

/// What a host has been doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostStats {
    /// How often the reactor was run because something happened.
    pub turns: u64,
    /// How often the event loop was found stalled with work due (loop host).
    pub stalls: u64,
}

/// Runs a reactor. Cheap to clone; the last clone does not stop it, [`stop`](Self::stop) does.
#[derive(Clone)]
pub struct Host {
    shared: Arc<Shared>,
}

pub(crate) struct Shared {
    kind: Kind,
    reactor: Mutex<Reactor>,
    poll: Mutex<(Poll, Events)>,
    waker: Waker,
    /// Who is to be nudged by the next one to run the reactor.
    dirty: Mutex<Vec<Token>>,
    has_dirty: AtomicBool,
    /// The thread is, or is about to be, asleep in the poll (thread host).
    asleep: AtomicBool,
    stopped: AtomicBool,
    turns: AtomicU64,
    pub(crate) stalls: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
    epoch: Instant,
    /// When the event loop last ran the reactor, in milliseconds since `epoch` (loop host).
    last_service: AtomicU64,
    #[cfg(unix)]
    poll_fd: std::os::fd::RawFd,
}

impl Host {
    /// Starts a host.
    ///
    /// # Errors
    /// What the system says if it has no descriptors or threads left.
    pub fn start(kind: Kind) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        #[cfg(unix)]
        let poll_fd = std::os::fd::AsRawFd::as_raw_fd(&poll);
        let host = Self {
            shared: Arc::new(Shared {
                kind,
                reactor: Mutex::new(Reactor::new(registry)),
                poll: Mutex::new((poll, Events::with_capacity(EVENTS))),
                waker,
                dirty: Mutex::new(Vec::new()),
                has_dirty: AtomicBool::new(false),
                asleep: AtomicBool::new(false),
                stopped: AtomicBool::new(false),
                turns: AtomicU64::new(0),
                stalls: AtomicU64::new(0),
                thread: Mutex::new(None),
                epoch: Instant::now(),
                last_service: AtomicU64::new(0),
                #[cfg(unix)]
                poll_fd,
            }),
        };
        let shared = Arc::clone(&host.shared);
        let thread = match kind {
            Kind::Thread => thread::Builder::new()
                .name("chaski-io".into())
                .spawn(move || shared.run())?,
            #[cfg(unix)]
            Kind::Loop => thread::Builder::new()
                .name("chaski-watch".into())
                .spawn(move || crate::watch::run(&shared))?,
            #[cfg(not(unix))]
            Kind::Loop => return Err(io::ErrorKind::Unsupported.into()),
        };
        *lock(&host.shared.thread) = Some(thread);
        Ok(host)
    }

    /// Listens at `endpoint`; what comes of it the acceptor hears. Returns the listener's token at once.
    pub fn listen(&self, endpoint: Endpoint, acceptor: Box<dyn Acceptor>) -> Token {
        let token = {
            let mut reactor = lock(&self.shared.reactor);
            let token = reactor.reserve();
            reactor.bind_later(token, endpoint.clone(), acceptor);
            token
        };
        self.shared.resolve(token, endpoint);
        token
    }

    /// A token to pass to [`dial`](Self::dial).
    #[must_use]
    pub fn reserve(&self) -> Token {
        lock(&self.shared.reactor).reserve()
    }

    /// Connects to `endpoint` under a reserved token; what comes of it the dialer hears.
    pub fn dial(&self, token: Token, endpoint: Endpoint, dialer: Box<dyn Dialer>) {
        lock(&self.shared.reactor).dial_later(token, endpoint.clone(), dialer);
        self.shared.resolve(token, endpoint);
    }

    /// What the event loop has to watch for readability (loop host).
    #[cfg(unix)]
    #[must_use]
    pub fn poll_fd(&self) -> std::os::fd::RawFd {
        self.shared.poll_fd
    }

    /// Runs one turn of the reactor on this thread (loop host).
    pub fn service(&self) {
        self.shared
            .last_service
            .store(self.shared.millis(), Ordering::Relaxed);
        self.shared.turn();
    }

    /// See [`wire::Driver::nudge`].
    pub fn nudge(&self, token: Token, inline: bool) {
        self.shared.nudge(token, inline);
    }

    /// See [`wire::Driver::close`].
    pub fn close(&self, token: Token, at: Option<Instant>) {
        lock(&self.shared.reactor).close(token, at);
        self.shared.interrupt();
    }

    /// Makes the descriptor readable, so that the event loop calls [`service`](Self::service) (loop host).
    pub fn interrupt(&self) {
        self.shared.interrupt();
    }

    /// What the host has been doing.
    #[must_use]
    pub fn stats(&self) -> HostStats {
        HostStats {
            turns: self.shared.turns.load(Ordering::Relaxed),
            stalls: self.shared.stalls.load(Ordering::Relaxed),
        }
    }

    /// Breaks every connection off and ends the thread; returns when it has ended.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.shared.interrupt();
        let thread = lock(&self.shared.thread).take();
        if let Some(thread) = thread {
            // A panic there has ended it, which is all that is wanted.
            let _panicked = thread.join();
        }
        lock(&self.shared.reactor).close_all();
    }
}

impl Shared {
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Makes the poll return, now or when it is entered next.
    fn interrupt(&self) {
        // The waker fails only when the process is out of kernel memory; then the next event or deadline wakes it.
        let _kernel_full = self.waker.wake();
    }

    pub(crate) fn millis(&self) -> u64 {
        u64::try_from(self.epoch.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    fn resolve(self: &Arc<Self>, token: Token, endpoint: Endpoint) {
        match resolve::immediately(&endpoint) {
            Some(places) => {
                lock(&self.reactor).resolved(token, Ok(places), Instant::now());
                self.interrupt();
            }
            None => {
                let shared = Arc::clone(self);
                resolve::in_background(endpoint, move |places: Result<_, Error>| {
                    if !shared.is_stopped() {
                        lock(&shared.reactor).resolved(token, places, Instant::now());
                        shared.interrupt();
                    }
                });
            }
        }
    }

    fn nudge(&self, token: Token, inline: bool) {
        if inline || self.kind == Kind::Loop {
            match self.reactor.try_lock() {
                Ok(mut reactor) => return self.nudge_locked(&mut reactor, token),
                Err(TryLockError::Poisoned(poison)) => {
                    return self.nudge_locked(&mut poison.into_inner(), token);
                }
                Err(TryLockError::WouldBlock) => {}
            }
        }
        {
            let mut dirty = lock(&self.dirty);
            if dirty.last() != Some(&token) {
                dirty.push(token);
            }
        }
        // SeqCst, with `asleep` in `run`: either the thread sees the flag before it sleeps, or this sees that it sleeps.
        let first = !self.has_dirty.swap(true, Ordering::SeqCst);
        if first && (self.kind == Kind::Loop || self.asleep.load(Ordering::SeqCst)) {
            self.interrupt();
        }
    }

    fn nudge_locked(&self, reactor: &mut Reactor, token: Token) {
        let before = reactor.next_deadline();
        reactor.nudge(token, Instant::now());
        let sooner = reactor.next_deadline() < before
            || before.is_none() && reactor.next_deadline().is_some();
        if sooner || reactor.has_more() {
            self.interrupt();
        }
    }

    /// The thread host's thread.
    fn run(self: Arc<Self>) {
        while !self.is_stopped() {
            self.asleep.store(true, Ordering::SeqCst);
            let rest = if self.has_dirty.load(Ordering::SeqCst) {
                Some(Duration::ZERO)
            } else {
                self.until_next()
            };
            self.poll_and_serve(rest, || self.asleep.store(false, Ordering::SeqCst));
        }
    }

    /// How long the reactor can do without being run; `None`: until something happens.
    pub(crate) fn until_next(&self) -> Option<Duration> {
        let reactor = lock(&self.reactor);
        if reactor.has_more() {
            return Some(Duration::ZERO);
        }
        reactor
            .next_deadline()
            .map(|deadline| deadline.saturating_duration_since(Instant::now()))
    }

    /// Serves whatever is there, without waiting.
    pub(crate) fn turn(self: &Arc<Self>) {
        self.poll_and_serve(Some(Duration::ZERO), || {});
    }

    fn poll_and_serve(self: &Arc<Self>, rest: Option<Duration>, awake: impl FnOnce()) {
        let mut poll = lock(&self.poll);
        let (poll, events) = &mut *poll;
        // Interrupted by a signal, or no memory in the kernel: either way there is nothing to serve, and the next round asks again.
        let polled = poll.poll(events, rest);
        awake();
        if polled.is_err() {
            events.clear();
        }
        self.turns.fetch_add(1, Ordering::Relaxed);
        let unresolved = {
            let mut reactor = lock(&self.reactor);
            let now = Instant::now();
            for event in events.iter().filter(|event| event.token() != WAKER) {
                let readable = event.is_readable() || event.is_read_closed() || event.is_error();
                let writable = event.is_writable() || event.is_write_closed() || event.is_error();
                reactor.on_event(event.token().0, readable, writable, now);
            }
            if self.has_dirty.swap(false, Ordering::SeqCst) {
                for token in std::mem::take(&mut *lock(&self.dirty)) {
                    reactor.nudge(token, now);
                }
            }
            reactor.on_time(now);
            if self.kind == Kind::Loop && reactor.has_more() {
                self.interrupt();
            }
            reactor.take_unresolved()
        };
        for (token, endpoint) in unresolved {
            self.resolve(token, endpoint);
        }
    }

    #[cfg(unix)]
    pub(crate) fn poll_fd(&self) -> std::os::fd::RawFd {
        self.poll_fd
    }

    pub(crate) fn last_service(&self) -> u64 {
        self.last_service.load(Ordering::Relaxed)
    }
}

/// Poison is ignored: a panic in a session has been caught or has ended the thread, and the rest of the reactor is sound.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
