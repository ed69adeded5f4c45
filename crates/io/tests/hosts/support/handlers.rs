use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use io::{ClientSecurity, Crew, Host, ServerSecurity, Serving};
use wire::{Acceptor, Dialer, Endpoint, Error, Session, Token};

use super::echo::{Ends, Pipe, Script};
use super::eventually;

/// A listener of the test.
#[derive(Clone)]
pub(crate) struct Listening {
    shared: Arc<Mutex<Heard>>,
    ends: Ends,
    /// Whether connections are taken.
    pub(crate) takes: bool,
    pub(crate) token: Token,
}

#[derive(Default)]
struct Heard {
    at: Option<Endpoint>,
    sessions: Vec<(Token, Arc<Script>)>,
    closed: Option<Result<(), Error>>,
}

impl Listening {
    /// Listens, and waits until it does or cannot.
    pub(crate) fn start(host: &Host, endpoint: Endpoint, ends: Ends) -> Self {
        Self::start_with(host, endpoint, ends, true)
    }

    pub(crate) fn start_with(host: &Host, endpoint: Endpoint, ends: Ends, takes: bool) -> Self {
        Self::open(&Crew::of(host.clone()), endpoint, None, ends, takes)
    }

    /// At any free port of the loopback address; the connections are those of a crew.
    pub(crate) fn of_crew(crew: &Crew, ends: Ends) -> Self {
        let local = Endpoint::Tcp("127.0.0.1".into(), 0);
        Self::open(crew, local, None, ends, true)
    }

    /// At any free port of the loopback address, over TLS.
    pub(crate) fn secured(host: &Host, security: ServerSecurity, ends: Ends) -> Self {
        let local = Endpoint::Tcp("127.0.0.1".into(), 0);
        Self::open(&Crew::of(host.clone()), local, Some(security), ends, true)
    }

    fn open(
        crew: &Crew,
        endpoint: Endpoint,
        security: Option<ServerSecurity>,
        ends: Ends,
        takes: bool,
    ) -> Self {
        let shared = Arc::default();
        let mut this = Self {
            shared,
            ends,
            takes,
            token: 0,
        };
        let serving = Serving {
            security,
            ..Serving::default()
        };
        this.token = crew.listen(endpoint, serving, Box::new(this.clone()));
        eventually("it listens or cannot", || {
            let heard = this.shared.lock().unwrap();
            heard.at.is_some() || heard.closed.is_some()
        });
        this
    }

    /// At any free port of the loopback address.
    pub(crate) fn local(host: &Host, ends: Ends) -> Self {
        Self::start(host, Endpoint::Tcp("127.0.0.1".into(), 0), ends)
    }

    pub(crate) fn at(&self) -> Endpoint {
        self.shared.lock().unwrap().at.clone().unwrap()
    }

    pub(crate) fn port(&self) -> u16 {
        let Endpoint::Tcp(_, port) = self.at() else {
            panic!("not TCP")
        };
        port
    }

    pub(crate) fn closed(&self) -> Option<Result<(), Error>> {
        self.shared.lock().unwrap().closed.clone()
    }

    pub(crate) fn sessions(&self) -> Vec<(Token, Arc<Script>)> {
        self.shared.lock().unwrap().sessions.clone()
    }

    /// The session of the connection with that number, when it is there.
    pub(crate) fn session(&self, number: usize) -> (Token, Arc<Script>) {
        eventually("a connection comes", || self.sessions().len() > number);
        self.sessions()[number].clone()
    }
}

impl Acceptor for Listening {
    fn on_listening(&mut self, at: Endpoint) {
        self.shared.lock().unwrap().at = Some(at);
    }

    fn accept(&mut self, token: Token, _now: Instant) -> Option<Box<dyn Session>> {
        let script = Arc::new(Script::default());
        self.shared
            .lock()
            .unwrap()
            .sessions
            .push((token, Arc::clone(&script)));
        self.takes
            .then(|| Box::new(Pipe::new(script, self.ends)) as Box<dyn Session>)
    }

    fn on_warning(&mut self, error: Error) {
        panic!("a connection could not be accepted: {error}");
    }

    fn on_closed(&mut self, result: Result<(), Error>) {
        let closed = self.shared.lock().unwrap().closed.replace(result);
        assert!(closed.is_none(), "closed twice");
    }
}

/// A dial of the test. Tries again after 10 ms.
#[derive(Clone)]
pub(crate) struct Dialing {
    shared: Arc<Mutex<Tried>>,
    ends: Ends,
    tries: usize,
    deadline: Option<Instant>,
    pub(crate) token: Token,
    pub(crate) script: Arc<Script>,
}

#[derive(Default)]
struct Tried {
    connected: bool,
    failures: Vec<Error>,
    closed: Option<Error>,
}

impl Dialing {
    pub(crate) fn start(host: &Host, endpoint: Endpoint, ends: Ends) -> Self {
        Self::start_with(host, endpoint, ends, usize::MAX, None)
    }

    /// Gives up after so many attempts, or at that time.
    pub(crate) fn start_with(
        host: &Host,
        endpoint: Endpoint,
        ends: Ends,
        tries: usize,
        deadline: Option<Instant>,
    ) -> Self {
        Self::open(host, endpoint, None, ends, tries, deadline)
    }

    pub(crate) fn secured(
        host: &Host,
        endpoint: Endpoint,
        security: ClientSecurity,
        ends: Ends,
    ) -> Self {
        Self::open(host, endpoint, Some(security), ends, 1, None)
    }

    fn open(
        host: &Host,
        endpoint: Endpoint,
        security: Option<ClientSecurity>,
        ends: Ends,
        tries: usize,
        deadline: Option<Instant>,
    ) -> Self {
        let token = host.reserve();
        let this = Self {
            shared: Arc::default(),
            ends,
            tries,
            deadline,
            token,
            script: Arc::default(),
        };
        host.dial(token, endpoint, security, Box::new(this.clone()));
        this
    }

    pub(crate) fn is_connected(&self) -> bool {
        self.shared.lock().unwrap().connected
    }

    pub(crate) fn failures(&self) -> Vec<Error> {
        self.shared.lock().unwrap().failures.clone()
    }

    pub(crate) fn closed(&self) -> Option<Error> {
        self.shared.lock().unwrap().closed.clone()
    }

    /// Sends bytes: what waits is taken at the nudge.
    pub(crate) fn send(&self, host: &Host, bytes: &[u8], inline: bool) {
        self.script.with(|state| state.to_send.extend(bytes));
        host.nudge(self.token, inline);
    }
}

impl Dialer for Dialing {
    fn on_connected(&mut self, token: Token, _now: Instant) -> Box<dyn Session> {
        assert_eq!(token, self.token);
        self.shared.lock().unwrap().connected = true;
        Box::new(Pipe::new(Arc::clone(&self.script), self.ends))
    }

    fn on_failed(&mut self, error: Error, now: Instant) -> Option<Instant> {
        let mut tried = self.shared.lock().unwrap();
        tried.failures.push(error);
        (tried.failures.len() < self.tries).then(|| now + Duration::from_millis(10))
    }

    fn deadline(&self) -> Option<Instant> {
        self.deadline
    }

    fn on_closed(&mut self, error: Error) {
        let closed = self.shared.lock().unwrap().closed.replace(error);
        assert!(closed.is_none(), "closed twice");
    }
}
