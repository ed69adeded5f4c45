use std::io;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, TryLockError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use mio::{Events, Poll, Waker};
use wire::{Acceptor, Dialer, Endpoint, Error, Token, Word};

use crate::crew::{Crew, Load};
use crate::guard::guard;
use crate::listener::{Arrival, Server, Serving, SharedAcceptor};
use crate::reactor::Reactor;
use crate::resolve;
use crate::slots::MOST_HOSTS;
use crate::socket::Place;
#[cfg(unix)]
use crate::sys;
use crate::tls::ClientSecurity;

/// Not a slot: the reactor's waker.
const WAKER: mio::Token = mio::Token(usize::MAX);
const EVENTS: usize = 1024;

/// Who runs the reactor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A thread of its own.
    Thread,
    /// The event loop of the process: it watches [`Host::bell_fd`], and [`Host::poll_fd`] as long as [`Host::is_lent`] does
    /// not say otherwise, and calls [`Host::service`] when one of them is readable. A second thread runs the reactor in its
    /// place when a deadline passes, while the loop is stalled, and for as long as there is more to do than one thread should.
    Loop,
}

type Idle = dyn Fn() -> Duration + Send + Sync;

/// What a host has been doing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct HostStats {
    /// How often the reactor was run because something happened.
    pub turns: u64,
    /// How often the event loop was found stalled with work due (loop host).
    pub stalls: u64,
    /// How often the reactor was lent to the second thread because of the load (loop host).
    pub loans: u64,
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
    /// What other hosts have accepted for this one.
    arrivals: Mutex<Vec<Arrival>>,
    /// How many connections it runs that came in.
    load: Arc<AtomicUsize>,
    /// There is something in `dirty` or `arrivals`.
    has_dirty: AtomicBool,
    /// The host's thread may not look at what is dirty before something wakes it.
    asleep: AtomicBool,
    stopped: AtomicBool,
    /// The reactor has panicked; see [`Host::take_defect`].
    defect: AtomicBool,
    on_defect: Box<dyn Fn(&Host) + Send + Sync>,
    /// The event loop is to run `service`, whoever takes the waker's event (loop host).
    owner_due: AtomicBool,
    turns: AtomicU64,
    pub(crate) stalls: AtomicU64,
    thread: Mutex<Option<JoinHandle<()>>>,
    /// How often the event loop has called `service` (loop host).
    services: AtomicU64,
    /// The second thread runs the reactor, and the event loop does not (loop host).
    lent: AtomicBool,
    loans: AtomicU64,
    /// How long the event loop has been idle (loop host).
    idle: OnceLock<Box<Idle>>,
    /// Calls the event loop while it does not watch the reactor's descriptor (loop host).
    #[cfg(unix)]
    bell: sys::Alarm,
    /// Wakes the watch thread (loop host). The reactor's descriptor would not do: whoever wakes later finds it unreadable
    /// again if the event loop was quicker.
    #[cfg(unix)]
    pub(crate) alarm: sys::Alarm,
    #[cfg(unix)]
    poll_fd: std::os::fd::RawFd,
}

impl Host {
    /// Starts a host. A session, acceptor or dialer that panics ends alone. If the reactor panics elsewhere, all of them end
    /// with [`Code::Internal`](wire::Code::Internal), `on_defect` is called, on whatever thread that was, and the host goes on:
    /// it is as good as new to whoever comes then. See [`take_defect`](Self::take_defect).
    ///
    /// # Errors
    /// What the system says if it has no descriptors or threads left.
    pub fn start(
        kind: Kind,
        on_defect: impl Fn(&Self) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        match kind {
            Kind::Thread => Self::start_numbered(0, on_defect),
            #[cfg(unix)]
            Kind::Loop => Self::start_on(kind, 0, "chaski-watch", crate::watch::run, on_defect),
            #[cfg(not(unix))]
            Kind::Loop => Err(io::ErrorKind::Unsupported.into()),
        }
    }

    /// A thread that can be the one with that number in a [`Crew`].
    pub(crate) fn start_numbered(
        number: usize,
        on_defect: impl Fn(&Self) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        if number >= MOST_HOSTS {
            return Err(io::ErrorKind::InvalidInput.into());
        }
        Self::start_on(Kind::Thread, number, "chaski-io", Shared::run, on_defect)
    }

    fn start_on(
        kind: Kind,
        number: usize,
        name: &str,
        run: impl Fn(&Arc<Shared>) + Send + 'static,
        on_defect: impl Fn(&Self) + Send + Sync + 'static,
    ) -> io::Result<Self> {
        let poll = Poll::new()?;
        let registry = poll.registry().try_clone()?;
        let waker = Waker::new(poll.registry(), WAKER)?;
        #[cfg(unix)]
        let poll_fd = std::os::fd::AsRawFd::as_raw_fd(&poll);
        let host = Self {
            shared: Arc::new(Shared {
                kind,
                reactor: Mutex::new(Reactor::new(registry, number)),
                poll: Mutex::new((poll, Events::with_capacity(EVENTS))),
                waker,
                dirty: Mutex::new(Vec::new()),
                arrivals: Mutex::new(Vec::new()),
                load: Arc::default(),
                has_dirty: AtomicBool::new(false),
                asleep: AtomicBool::new(true),
                stopped: AtomicBool::new(false),
                defect: AtomicBool::new(false),
                on_defect: Box::new(on_defect),
                owner_due: AtomicBool::new(false),
                turns: AtomicU64::new(0),
                stalls: AtomicU64::new(0),
                thread: Mutex::new(None),
                services: AtomicU64::new(0),
                lent: AtomicBool::new(false),
                loans: AtomicU64::new(0),
                idle: OnceLock::new(),
                #[cfg(unix)]
                bell: sys::Alarm::new()?,
                #[cfg(unix)]
                alarm: sys::Alarm::new()?,
                #[cfg(unix)]
                poll_fd,
            }),
        };
        let shared = Arc::clone(&host.shared);
        let thread = thread::Builder::new()
            .name(name.into())
            .spawn(move || while !shared.survives(|| run(&shared)) {})?;
        *lock(&host.shared.thread) = Some(thread);
        Ok(host)
    }

    /// Listens at `endpoint`; what comes of it the acceptor hears. Returns the listener's token at once.
    pub fn listen(
        &self,
        endpoint: Endpoint,
        serving: Serving,
        acceptor: Box<dyn Acceptor>,
    ) -> Token {
        self.listen_for(endpoint, serving, acceptor, &Crew::of(self.clone()))
    }

    /// The same, and `crew` runs the connections.
    pub(crate) fn listen_for(
        &self,
        endpoint: Endpoint,
        serving: Serving,
        acceptor: Box<dyn Acceptor>,
        crew: &Crew,
    ) -> Token {
        let server = Server {
            endpoint: endpoint.clone(),
            serving,
            acceptor: SharedAcceptor::new(acceptor),
            crew: crew.clone(),
        };
        let token = {
            let mut reactor = lock(&self.shared.reactor);
            let token = reactor.reserve();
            reactor.bind_later(token, server);
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

    /// Connects to `endpoint` under a reserved token; what comes of it the dialer hears. The connection is secured if `security`
    /// says how, and never in plain then: the session is there before that is done.
    pub fn dial(
        &self,
        token: Token,
        endpoint: Endpoint,
        security: Option<ClientSecurity>,
        dialer: Box<dyn Dialer>,
    ) {
        {
            let mut reactor = lock(&self.shared.reactor);
            reactor.dial_later(token, endpoint.clone(), security, dialer);
            self.shared.tell_deadline(&mut reactor);
        }
        self.shared.resolve(token, endpoint);
    }

    /// What the event loop has to watch for readability (loop host).
    #[cfg(unix)]
    #[must_use]
    pub fn poll_fd(&self) -> std::os::fd::RawFd {
        self.shared.poll_fd
    }

    /// What the event loop has to watch for readability at all times (loop host).
    #[cfg(unix)]
    #[must_use]
    pub fn bell_fd(&self) -> std::os::fd::RawFd {
        self.shared.bell.fd()
    }

    /// To be called when [`bell_fd`](Self::bell_fd) is readable, before `service`.
    #[cfg(unix)]
    pub fn hear_bell(&self) {
        self.shared.bell.hear();
    }

    /// Whether the event loop may leave [`poll_fd`](Self::poll_fd) alone until the next call of `service`: another thread
    /// sees to it (loop host).
    #[must_use]
    pub fn is_lent(&self) -> bool {
        self.shared.is_lent()
    }

    /// The event loop was called: runs one turn of the reactor on this thread, unless another one does (loop host).
    pub fn service(&self) {
        self.shared.services.fetch_add(1, Ordering::Relaxed);
        self.shared.owner_due.store(false, Ordering::SeqCst);
        if !self.is_lent() {
            self.shared.survives(|| self.shared.turn_if_free());
        }
    }

    /// How to learn how long the event loop has been idle in all, from any thread until [`stop`](Self::stop). Without it the
    /// reactor is never lent (loop host).
    pub fn measure_idle_with(&self, idle: impl Fn() -> Duration + Send + Sync + 'static) {
        // A second one would say the same.
        let _again = self.shared.idle.set(Box::new(idle));
    }

    /// See [`wire::Driver::nudge`].
    pub fn nudge(&self, token: Token, inline: bool) {
        self.shared.nudge(token, inline);
    }

    /// See [`wire::Driver::send_direct`].
    #[must_use]
    pub fn send_direct(&self, token: Token, word: Word, payload: &[u8]) -> bool {
        // The system's copy takes the place of ours on the event loop's thread; where another thread writes, ours is the
        // shorter one.
        if self.shared.is_on_thread() {
            return false;
        }
        match self.shared.reactor.try_lock() {
            Ok(mut reactor) => {
                let sent = reactor.send_direct(token, word, payload, Instant::now());
                self.shared.tell_deadline(&mut reactor);
                sent
            }
            Err(_busy) => false,
        }
    }

    /// See [`wire::Driver::close`].
    pub fn close(&self, token: Token, at: Option<Instant>) {
        let mut reactor = lock(&self.shared.reactor);
        reactor.close(token, at);
        self.shared.tell_deadline(&mut reactor);
    }

    /// Keeps a descriptor that the event loop watches readable until that has called [`service`](Self::service) (loop host).
    pub fn wake_owner(&self) {
        self.shared.wake_owner();
    }

    /// True once after the reactor has panicked. What it was working on at that moment may have gone without a word, so
    /// nothing that ran on the host before can be relied on.
    #[must_use]
    pub fn take_defect(&self) -> bool {
        self.shared.defect.swap(false, Ordering::SeqCst)
    }

    /// What the host has been doing.
    #[must_use]
    pub fn stats(&self) -> HostStats {
        HostStats {
            turns: self.shared.turns.load(Ordering::Relaxed),
            stalls: self.shared.stalls.load(Ordering::Relaxed),
            loans: self.shared.loans.load(Ordering::Relaxed),
        }
    }

    /// Breaks every connection off and ends the thread; returns when it has ended.
    pub fn stop(&self) {
        self.shared.stopped.store(true, Ordering::SeqCst);
        self.shared.interrupt();
        #[cfg(unix)]
        self.shared.alarm.ring();
        let thread = lock(&self.shared.thread).take();
        if let Some(thread) = thread {
            // A panic of `on_defect` has ended it, which is all that is wanted.
            let _panicked = thread.join();
        }
        lock(&self.shared.reactor).close_all(None);
        self.shared.drop_arrivals();
    }

    /// How many connections it runs that came in, or is about to.
    pub(crate) fn load(&self) -> usize {
        self.shared.load.load(Ordering::Relaxed)
    }

    /// Counts one more.
    pub(crate) fn add_load(&self) -> Load {
        Load::add_to(&self.shared.load)
    }
}

impl Shared {
    /// Takes what another host has accepted for this one. Waits for nobody.
    fn take_over(&self, arrival: Arrival) {
        lock(&self.arrivals).push(arrival);
        self.has_news();
        if self.is_stopped() {
            self.drop_arrivals();
        }
    }

    fn drop_arrivals(&self) {
        let arrivals = std::mem::take(&mut *lock(&self.arrivals));
        drop(arrivals);
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::SeqCst)
    }

    /// Makes the poll return, now or when it is entered next.
    fn interrupt(&self) {
        // The waker fails only when the process is out of kernel memory; then the next event or deadline wakes it.
        let _kernel_full = self.waker.wake();
    }

    /// Runs `act`, and goes on with an empty reactor if it panics; false then.
    fn survives(self: &Arc<Self>, act: impl FnOnce()) -> bool {
        let Err(defect) = guard(act) else {
            return true;
        };
        // Before anybody hears of it: whoever does, and starts anew on this host, is not concerned.
        self.defect.store(true, Ordering::SeqCst);
        lock(&self.reactor).close_all(Some(&defect));
        (self.on_defect)(&Host {
            shared: Arc::clone(self),
        });
        false
    }

    fn resolve(self: &Arc<Self>, token: Token, endpoint: Endpoint) {
        if let Some(places) = resolve::immediately(&endpoint) {
            return self.resolved(token, Ok(places));
        }
        let shared = Arc::clone(self);
        let started = resolve::in_background(endpoint, move |places: Result<_, Error>| {
            if !shared.is_stopped() {
                shared.survives(|| shared.resolved(token, places));
            }
        });
        if let Err(error) = started {
            self.resolved(token, Err(error));
        }
    }

    fn resolved(&self, token: Token, places: Result<Vec<Place>, Error>) {
        let mut reactor = lock(&self.reactor);
        reactor.resolved(token, places, Instant::now());
        self.tell_deadline(&mut reactor);
    }

    /// Tells the sleeper if it has to get up sooner than it thought, or at once.
    fn tell_deadline(&self, reactor: &mut Reactor) {
        if reactor.has_more() {
            self.interrupt();
        }
        if reactor.is_sooner_than_watched() {
            if self.is_on_thread() {
                return self.interrupt();
            }
            #[cfg(unix)]
            self.alarm.ring();
        }
    }

    fn nudge(&self, token: Token, inline: bool) {
        if inline || !self.is_on_thread() {
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
        self.has_news();
    }

    /// Has the next one to run the reactor look at `dirty` and `arrivals`.
    fn has_news(&self) {
        // SeqCst, with `asleep` in `run_once`: either the thread sees the flag before it sleeps, or this sees that it sleeps.
        let first = !self.has_dirty.swap(true, Ordering::SeqCst);
        if first && self.asleep.load(Ordering::SeqCst) {
            self.interrupt();
        }
    }

    /// Whether a thread of the host runs the reactor, and nobody else.
    fn is_on_thread(&self) -> bool {
        self.kind == Kind::Thread || self.is_lent()
    }

    pub(crate) fn is_lent(&self) -> bool {
        self.lent.load(Ordering::SeqCst)
    }

    /// From now on the calling thread runs the reactor, until [`give_back`](Self::give_back).
    #[cfg(unix)]
    pub(crate) fn borrow(&self) {
        self.loans.fetch_add(1, Ordering::Relaxed);
        self.lent.store(true, Ordering::SeqCst);
        // Or the event loop would find the reactor's descriptor readable again and again.
        self.wake_owner();
    }

    #[cfg(unix)]
    pub(crate) fn give_back(&self) {
        self.lent.store(false, Ordering::SeqCst);
        // What somebody left who took this thread to be awake: the event loop looks now, and sees to it.
        self.asleep.store(true, Ordering::SeqCst);
        self.bell.ring();
    }

    /// How long the event loop has been idle in all, if that can be known.
    #[cfg(unix)]
    pub(crate) fn idle(&self) -> Option<Duration> {
        self.idle.get().map(|idle| idle())
    }

    /// How long the reactor has read since this was last asked.
    #[cfg(unix)]
    pub(crate) fn take_read_time(&self) -> Duration {
        lock(&self.reactor).take_read_time()
    }

    fn wake_owner(&self) {
        self.owner_due.store(true, Ordering::SeqCst);
        #[cfg(unix)]
        if self.is_lent() {
            return self.bell.ring();
        }
        self.interrupt();
    }

    fn nudge_locked(&self, reactor: &mut Reactor, token: Token) {
        reactor.nudge(token, Instant::now());
        self.tell_deadline(reactor);
    }

    /// The thread host's thread.
    fn run(self: &Arc<Self>) {
        while !self.is_stopped() {
            self.run_once(None);
        }
    }

    /// Waits, at most for `most`, and serves what there is; whether something happened. For the one thread that runs
    /// the reactor.
    pub(crate) fn run_once(self: &Arc<Self>, most: Option<Duration>) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        let rest = if self.has_dirty.load(Ordering::SeqCst) {
            Some(Duration::ZERO)
        } else {
            let deadline = self.start_watching();
            let rest = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            rest.into_iter().chain(most).min()
        };
        let mut poll = lock(&self.poll);
        self.poll_and_serve(&mut poll, rest, || {
            self.asleep.store(false, Ordering::SeqCst)
        })
    }

    /// When the reactor has to be run at the latest; `None`: when something happens. The calling thread sleeps until then,
    /// and is told if that moves.
    pub(crate) fn start_watching(&self) -> Option<Instant> {
        lock(&self.reactor).start_watching()
    }

    /// Whether the reactor has something to do that no event will tell of.
    #[cfg(unix)]
    pub(crate) fn is_due(&self) -> bool {
        let reactor = lock(&self.reactor);
        let due = |deadline| deadline <= Instant::now();
        reactor.has_more() || reactor.next_deadline().is_some_and(due)
    }

    /// A turn in the place of the event loop, which still finds the descriptor readable if it was to be woken.
    #[cfg(unix)]
    pub(crate) fn turn_for_loop(self: &Arc<Self>) {
        let mut poll = lock(&self.poll);
        self.poll_and_serve(&mut poll, Some(Duration::ZERO), || {});
        if self.owner_due.load(Ordering::SeqCst) {
            self.interrupt();
        }
    }

    /// Serves whatever is there, unless another thread is at it; waits neither for events nor for that one.
    fn turn_if_free(self: &Arc<Self>) {
        let mut poll = match self.poll.try_lock() {
            Ok(poll) => poll,
            Err(TryLockError::Poisoned(poison)) => poison.into_inner(),
            Err(TryLockError::WouldBlock) => return,
        };
        self.poll_and_serve(&mut poll, Some(Duration::ZERO), || {});
    }

    fn poll_and_serve(
        self: &Arc<Self>,
        (poll, events): &mut (Poll, Events),
        rest: Option<Duration>,
        awake: impl FnOnce(),
    ) -> bool {
        // Interrupted by a signal, or no memory in the kernel: either way there is nothing to serve, and the next round asks again.
        let polled = poll.poll(events, rest);
        awake();
        if polled.is_err() {
            events.clear();
        }
        self.turns.fetch_add(1, Ordering::Relaxed);
        let now = Instant::now();
        let (unresolved, handed_over, in_time) = {
            let mut reactor = lock(&self.reactor);
            for event in events.iter().filter(|event| event.token() != WAKER) {
                let read_closed = event.is_read_closed() || event.is_error();
                let readable = event.is_readable() || read_closed;
                let writable = event.is_writable() || event.is_write_closed() || event.is_error();
                reactor.on_event(event.token().0, readable, read_closed, writable, now);
            }
            if self.has_dirty.swap(false, Ordering::SeqCst) {
                // Taken before the loop: in its head, the lock would be held for all of it.
                let dirty = std::mem::take(&mut *lock(&self.dirty));
                for token in dirty {
                    reactor.nudge(token, now);
                }
                let arrivals = std::mem::take(&mut *lock(&self.arrivals));
                for arrival in arrivals {
                    reactor.adopt(arrival, now);
                }
            }
            let in_time = reactor.on_time(now);
            // A thread that runs the reactor asks before it sleeps again.
            if !self.is_on_thread() {
                self.tell_deadline(&mut reactor);
            }
            (
                reactor.take_unresolved(),
                reactor.take_handed_over(),
                in_time,
            )
        };
        // With the reactor unlocked: no host waits for another one.
        for (host, arrival) in handed_over {
            host.shared.take_over(arrival);
        }
        for (token, endpoint) in unresolved {
            self.resolve(token, endpoint);
        }
        in_time || !events.is_empty()
    }

    #[cfg(unix)]
    pub(crate) fn poll_fd(&self) -> std::os::fd::RawFd {
        self.poll_fd
    }

    #[cfg(unix)]
    pub(crate) fn services(&self) -> u64 {
        self.services.load(Ordering::Relaxed)
    }
}

/// Poison is ignored: panics of sessions are caught where they are called (see `guard`), and after any other the reactor is
/// emptied (see `survives`).
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::sync::mpsc::{Receiver, Sender, channel};

    use wire::Code;

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    /// An acceptor that passes on what it hears.
    struct Told(Sender<Result<Endpoint, Option<Error>>>);

    impl Acceptor for Told {
        fn on_listening(&mut self, at: Endpoint) {
            self.0.send(Ok(at)).unwrap();
        }

        fn accept(&mut self, _token: Token, _now: Instant) -> Option<Box<dyn wire::Session>> {
            None
        }

        fn on_warning(&mut self, error: Error) {
            unreachable!("{error}");
        }

        fn on_closed(&mut self, result: Result<(), Error>) {
            self.0.send(Err(result.err())).unwrap();
        }
    }

    fn listen(host: &Host) -> Receiver<Result<Endpoint, Option<Error>>> {
        let (tell, told) = channel();
        let local = Endpoint::Tcp("127.0.0.1".into(), 0);
        host.listen(local, Serving::default(), Box::new(Told(tell)));
        assert!(told.recv_timeout(PATIENCE).unwrap().is_ok());
        told
    }

    fn assert_ends_with_a_defect(told: &Receiver<Result<Endpoint, Option<Error>>>) {
        let error = told.recv_timeout(PATIENCE).unwrap().unwrap_err().unwrap();
        assert_eq!(error.code, Code::Internal);
        assert!(error.message.contains("on purpose"), "{error}");
    }

    /// As when the reactor panics in the middle of its work: both locks are poisoned.
    fn panic_at_work(shared: &Shared) {
        let _held = (lock(&shared.poll), lock(&shared.reactor));
        panic!("on purpose");
    }

    #[test]
    fn a_panic_of_the_reactor_ends_what_it_ran_and_is_told_and_the_host_goes_on() {
        for kind in [Kind::Thread, Kind::Loop] {
            let (tell, told) = channel();
            let (allow, allowed) = channel::<()>();
            let run = move |shared: &Arc<Shared>| {
                // The first run panics as soon as it may, the next one is a sound one.
                match allowed.recv() {
                    Ok(()) => panic_at_work(shared),
                    Err(_no_more) if kind == Kind::Thread => Shared::run(shared),
                    Err(_no_more) => crate::watch::run(shared),
                }
            };
            let on_defect = move |host: &Host| tell.send(host.take_defect()).unwrap();
            let host = Host::start_on(kind, 0, "broken", run, on_defect).unwrap();
            let before = listen(&host);
            allow.send(()).unwrap();
            assert_ends_with_a_defect(&before);
            assert_eq!(told.recv_timeout(PATIENCE), Ok(true));
            assert!(!host.take_defect());

            drop(allow);
            let after = listen(&host);
            host.stop();
            assert_eq!(after.recv_timeout(PATIENCE), Ok(Err(None)));
        }
    }

    #[test]
    fn a_panic_on_the_owners_thread_is_survived_too() {
        let host = Host::start(Kind::Loop, Host::wake_owner).unwrap();
        let before = listen(&host);
        assert!(!host.shared.survives(|| panic_at_work(&host.shared)));
        assert_ends_with_a_defect(&before);
        assert!(host.take_defect());
        let _after = listen(&host);
        host.stop();
    }
}
