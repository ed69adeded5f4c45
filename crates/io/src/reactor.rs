use std::collections::BTreeSet;
use std::io;
use std::time::{Duration, Instant};

use mio::Registry;
use wire::{Code, Dialer, Endpoint, Error, Listening, Token, Word, closed_by_owner};

use crate::connection::{Connection, Served};
use crate::dial::{Dial, Stage, Way};
use crate::failure::{broken, cannot_connect, cannot_listen};
use crate::guard::guard;
use crate::host::Host;
use crate::listener::{Accepting, Arrival, Server};
use crate::slots::Slots;
use crate::socket::{Listener, Place, Stream};
use crate::timers::Timers;
use crate::tls::ClientSecurity;

/// Everything that a host runs: listeners, dials, connections, their timers, and who is to be served next.
pub(crate) struct Reactor {
    registry: Registry,
    slots: Slots<Slot>,
    timers: Timers,
    /// Who used a budget up and is to be served in the next turn.
    again: BTreeSet<Token>,
    /// Dials whose name has to be looked up again, by the host.
    unresolved: Vec<(Token, Endpoint)>,
    /// What was accepted for other hosts, which get it from their host when the reactor is unlocked.
    handed_over: Vec<(Host, Arrival)>,
    /// Number of the host.
    number: usize,
    /// A thread sleeps until then, or without a limit.
    watched: Option<Option<Instant>>,
    /// How long it has read, since this was last asked.
    read_time: Duration,
}

enum Slot {
    /// A server whose name is being looked up.
    Binding(Server),
    Listener(Accepting),
    Dial(Dial),
    Connection(Connection),
}

impl Reactor {
    pub(crate) fn new(registry: Registry, number: usize) -> Self {
        Self {
            registry,
            slots: Slots::new(number),
            number,
            handed_over: Vec::new(),
            timers: Timers::default(),
            again: BTreeSet::new(),
            unresolved: Vec::new(),
            watched: None,
            read_time: Duration::ZERO,
        }
    }

    /// A token for a listener or a dial to come.
    pub(crate) fn reserve(&mut self) -> Token {
        self.slots.reserve()
    }

    /// The caller sleeps until the next deadline, which is the answer; see [`is_sooner_than_watched`](Self::is_sooner_than_watched).
    pub(crate) fn start_watching(&mut self) -> Option<Instant> {
        let deadline = if self.has_more() {
            Some(Instant::now())
        } else {
            self.next_deadline()
        };
        self.watched = Some(deadline);
        deadline
    }

    /// True once if the next deadline is sooner than the one until which a thread sleeps.
    pub(crate) fn is_sooner_than_watched(&mut self) -> bool {
        let (Some(watched), Some(next)) = (self.watched, self.next_deadline()) else {
            return false;
        };
        let sooner = watched.is_none_or(|watched| next < watched);
        if sooner {
            self.watched = None;
        }
        sooner
    }

    /// When `on_time` has something to do.
    pub(crate) fn next_deadline(&self) -> Option<Instant> {
        self.timers.next()
    }

    /// How long it has read since this was last asked, what came of it included.
    pub(crate) fn take_read_time(&mut self) -> Duration {
        std::mem::take(&mut self.read_time)
    }

    pub(crate) fn take_unresolved(&mut self) -> Vec<(Token, Endpoint)> {
        std::mem::take(&mut self.unresolved)
    }

    pub(crate) fn take_handed_over(&mut self) -> Vec<(Host, Arrival)> {
        std::mem::take(&mut self.handed_over)
    }

    pub(crate) fn has_more(&self) -> bool {
        !self.again.is_empty() || !self.handed_over.is_empty()
    }

    // --- what the owner asks for -----------------------------------------------------------------------------------

    pub(crate) fn bind_later(&mut self, token: Token, server: Server) {
        self.slots.set(token, Slot::Binding(server));
    }

    pub(crate) fn dial_later(
        &mut self,
        token: Token,
        endpoint: Endpoint,
        security: Option<ClientSecurity>,
        dialer: Box<dyn Dialer>,
    ) {
        let dial = Dial::new(endpoint, security, dialer);
        // It holds while the name is being looked up too.
        if let Some(deadline) = dial.deadline() {
            self.timers.add(deadline, token);
        }
        self.slots.set(token, Slot::Dial(dial));
    }

    /// The places of a listener or a dial are known.
    pub(crate) fn resolved(
        &mut self,
        token: Token,
        places: Result<Vec<Place>, Error>,
        now: Instant,
    ) {
        match self.slots.take(token) {
            Some(Slot::Binding(server)) => match places {
                Ok(places) => self.bind(token, server, &places, now),
                Err(error) => self.end_listener(token, &server, Err(error)),
            },
            Some(Slot::Dial(mut dial)) => {
                let attempt = places.and_then(|places| dial.attempt(places, now));
                self.after_attempt(token, dial, attempt, now);
            }
            Some(other) => self.slots.set(token, other),
            None => {}
        }
    }

    fn bind(&mut self, token: Token, server: Server, places: &[Place], now: Instant) {
        let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
        for place in places {
            let bound =
                Listener::bind(place, server.serving.reuse_port).and_then(|mut listener| {
                    listener.register(&self.registry, token)?;
                    let at = listener.endpoint()?;
                    Ok((listener, at))
                });
            match bound {
                Ok((listener, at)) => {
                    if let Err(defect) = server.acceptor.on_listening(at) {
                        listener.close();
                        return self.end_listener(token, &server, Err(defect));
                    }
                    let accepting = Accepting {
                        listener,
                        server,
                        scheduled: None,
                    };
                    self.slots.set(token, Slot::Listener(accepting));
                    self.serve(token, now);
                    return;
                }
                Err(error) => last = error,
            }
        }
        let error = cannot_listen(&server.endpoint, &last);
        self.end_listener(token, &server, Err(error));
    }

    fn end_listener(&mut self, token: Token, server: &Server, result: Result<(), Error>) {
        self.slots.free(token);
        server.acceptor.end(result);
    }

    /// The owner of a connection or a listener has something new.
    pub(crate) fn nudge(&mut self, token: Token, now: Instant) {
        if matches!(self.slots.get_mut(token), Some(Slot::Listener(_))) {
            return self.ask(token, now);
        }
        self.with_connection(token, |connection| {
            connection.session.on_nudge(now);
            connection.serve(now)
        });
    }

    /// See [`wire::Driver::send_direct`].
    pub(crate) fn send_direct(
        &mut self,
        token: Token,
        word: Word,
        payload: &[u8],
        now: Instant,
    ) -> bool {
        // What was put before goes first.
        self.nudge(token, now);
        let mut sent = false;
        self.with_connection(token, |connection| {
            sent = connection.send_direct(word, payload, now);
            // A secured socket takes no more than its records at a time. It has room for what is left, so no event will tell.
            if sent {
                connection.serve(now)
            } else {
                Served::Idle
            }
        });
        sent
    }

    /// See [`wire::Driver::close`].
    pub(crate) fn close(&mut self, token: Token, at: Option<Instant>) {
        if let (Some(Slot::Dial(dial)), Some(at)) = (self.slots.get_mut(token), at) {
            dial.give_up = Some(dial.give_up.map_or(at, |sooner| sooner.min(at)));
            self.timers.add(at, token);
            return;
        }
        match self.slots.take(token) {
            // A dial that has just succeeded: its session knows from its owner when to end.
            Some(Slot::Connection(connection)) if at.is_some() => {
                self.slots.set(token, Slot::Connection(connection));
                self.nudge(token, Instant::now());
            }
            Some(Slot::Connection(mut connection)) => {
                // It ends in any case.
                let _defect = guard(|| connection.tell(&closed_by_owner()));
                self.break_off(token, Slot::Connection(connection), None);
            }
            Some(slot) => self.break_off(token, slot, None),
            None => {}
        }
    }

    /// Ends what was taken out of its slot, because of a defect or because its owner wants so.
    fn break_off(&mut self, token: Token, slot: Slot, defect: Option<&Error>) {
        let ended = defect.map_or(Ok(()), |defect| Err(defect.clone()));
        let error = || defect.cloned().unwrap_or_else(closed_by_owner);
        match slot {
            Slot::Binding(server) => self.end_listener(token, &server, ended),
            Slot::Listener(accepting) => {
                accepting.listener.close();
                self.end_listener(token, &accepting.server, ended);
            }
            Slot::Dial(dial) => self.end_dial(token, dial, error()),
            Slot::Connection(connection) => self.end_connection(token, connection, Err(error())),
        }
    }

    /// Breaks everything off: because of a defect, or because its owner wants so.
    pub(crate) fn close_all(&mut self, defect: Option<&Error>) {
        self.timers = Timers::default();
        self.again.clear();
        self.unresolved.clear();
        self.handed_over.clear();
        for token in self.slots.tokens() {
            // After a defect nothing is sure, and one must not keep the others from their end.
            let _defect = guard(|| {
                if let Some(slot) = self.slots.take(token) {
                    self.break_off(token, slot, defect);
                }
            });
        }
    }

    // --- what the system and the clock say -------------------------------------------------------------------------

    pub(crate) fn on_event(
        &mut self,
        token: Token,
        readable: bool,
        read_closed: bool,
        writable: bool,
        now: Instant,
    ) {
        match self.slots.get_mut(token) {
            Some(Slot::Connection(connection)) => {
                connection.on_event(readable, read_closed, writable)
            }
            Some(Slot::Dial(_)) => return self.on_dial_event(token, now),
            _ => {}
        }
        self.serve(token, now);
    }

    /// Serves who used a budget up, and who has a deadline; whether there was anybody.
    pub(crate) fn on_time(&mut self, now: Instant) -> bool {
        // Who is not done with this share either has the next one in the next turn.
        let again = std::mem::take(&mut self.again);
        let mut anybody = !again.is_empty();
        for token in again {
            self.serve(token, now);
        }
        while let Some((at, token)) = self.timers.pop_due(now) {
            anybody = true;
            self.on_deadline(token, at, now);
        }
        anybody
    }

    fn on_deadline(&mut self, token: Token, at: Instant, now: Instant) {
        match self.slots.get_mut(token) {
            Some(Slot::Listener(accepting)) if accepting.scheduled == Some(at) => {
                accepting.scheduled = None;
                self.ask(token, now);
            }
            Some(Slot::Listener(_)) => self.serve(token, now),
            Some(Slot::Dial(dial)) => {
                if dial.deadline().is_some_and(|deadline| deadline <= now) {
                    self.on_dial_deadline(token, now);
                }
            }
            // An entry from before the deadline moved: the one that counts is there too.
            Some(Slot::Connection(connection)) if connection.scheduled != Some(at) => {}
            Some(Slot::Connection(connection)) => {
                connection.scheduled = None;
                self.with_connection(token, |connection| {
                    let deadline = connection.session.deadline();
                    if deadline.is_some_and(|deadline| deadline <= now) {
                        connection.on_deadline(now)
                    } else {
                        Served::Idle
                    }
                });
            }
            Some(Slot::Binding(_)) | None => {}
        }
    }

    /// Asks an acceptor what has to be done with its listener.
    fn ask(&mut self, token: Token, now: Instant) {
        let Some(Slot::Listener(accepting)) = self.slots.get_mut(token) else {
            return;
        };
        match accepting.server.acceptor.ask(now) {
            Ok(Listening::Until(at)) => {
                // One that is asked too early says so; an entry for each answer would pile up.
                let sooner = |at: &Instant| accepting.scheduled.is_none_or(|before| *at < before);
                if let Some(at) = at.filter(sooner) {
                    accepting.scheduled = Some(at);
                    self.timers.add(at, token);
                }
            }
            Ok(Listening::Over) => self.close(token, None),
            Err(defect) => {
                if let Some(slot) = self.slots.take(token) {
                    self.break_off(token, slot, Some(&defect));
                }
            }
        }
    }

    // --- connections -----------------------------------------------------------------------------------------------

    fn serve(&mut self, token: Token, now: Instant) {
        match self.slots.get_mut(token) {
            Some(Slot::Connection(_)) => {
                self.with_connection(token, |connection| connection.serve(now));
            }
            Some(Slot::Listener(accepting)) => {
                let accepted = accepting.accept(now);
                match accepted.again {
                    Some(again) if again <= now => {
                        self.again.insert(token);
                    }
                    Some(again) => self.timers.add(again, token),
                    None => {}
                }
                let arrivals = accepted.streams.into_iter().map(|stream| {
                    let (number, arrival) = accepting.arrival(stream);
                    (accepting.server.crew.host(number).clone(), number, arrival)
                });
                for (host, number, arrival) in arrivals.collect::<Vec<_>>() {
                    if number == self.number {
                        self.adopt(arrival, now);
                    } else {
                        self.handed_over.push((host, arrival));
                    }
                }
            }
            Some(Slot::Binding(_) | Slot::Dial(_)) | None => {}
        }
    }

    /// Runs what was accepted from now on.
    pub(crate) fn adopt(&mut self, arrival: Arrival, now: Instant) {
        let token = self.slots.reserve();
        match arrival.connect(&self.registry, token, now) {
            Some(connection) => self.start(token, connection, now),
            None => self.slots.free(token),
        }
    }

    fn start(&mut self, token: Token, connection: Connection, now: Instant) {
        self.slots.set(token, Slot::Connection(connection));
        self.serve(token, now);
    }

    /// Every call of a session but its last.
    fn with_connection(&mut self, token: Token, act: impl FnOnce(&mut Connection) -> Served) {
        let Some(Slot::Connection(connection)) = self.slots.get_mut(token) else {
            return;
        };
        let served = guard(|| {
            let served = act(connection);
            let is_over = matches!(served, Served::Ended(_));
            let deadline = (!is_over).then(|| connection.session.deadline()).flatten();
            (served, deadline)
        });
        match served {
            Ok((Served::Ended(result), _)) => self.end(token, result),
            Err(defect) => self.end(token, Err(defect)),
            Ok((served, deadline)) => {
                self.read_time += std::mem::take(&mut connection.read_time);
                if let Some(deadline) = deadline
                    && connection
                        .scheduled
                        .is_none_or(|scheduled| deadline < scheduled)
                {
                    connection.scheduled = Some(deadline);
                    self.timers.add(deadline, token);
                }
                if matches!(served, Served::More) {
                    self.again.insert(token);
                }
            }
        }
    }

    fn end(&mut self, token: Token, result: Result<(), Error>) {
        if let Some(Slot::Connection(connection)) = self.slots.take(token) {
            self.end_connection(token, connection, result);
        }
    }

    fn end_connection(
        &mut self,
        token: Token,
        mut connection: Connection,
        result: Result<(), Error>,
    ) {
        connection.stream.deregister(&self.registry);
        let Connection {
            stream,
            mut session,
            dialed,
            ..
        } = connection;
        // Nobody is left to be told of a defect in the last call.
        let redial = guard(move || session.on_closed(result, Instant::now()));
        // The peer hears of it when the owner has.
        drop(stream);
        match (redial.ok().flatten(), dialed) {
            (Some(redial), Some(way)) => {
                let dial = Dial::again(way, redial);
                if let Some(deadline) = dial.deadline() {
                    self.timers.add(deadline, token);
                }
                self.slots.set(token, Slot::Dial(dial));
            }
            _ => self.slots.free(token),
        }
    }

    // --- dials -----------------------------------------------------------------------------------------------------

    fn end_dial(&mut self, token: Token, mut dial: Dial, error: Error) {
        self.slots.free(token);
        // Nobody is left to be told of a defect in the last call.
        let _defect = guard(move || dial.dialer.on_closed(error));
    }

    fn on_dial_event(&mut self, token: Token, now: Instant) {
        let Some(Slot::Dial(mut dial)) = self.slots.take(token) else {
            return;
        };
        let (stream, rest, until) = match std::mem::replace(&mut dial.stage, Stage::Resolving) {
            Stage::Connecting {
                stream,
                rest,
                until,
            } => (stream, rest, until),
            // Of a socket that is gone already.
            stage => {
                dial.stage = stage;
                return self.slots.set(token, Slot::Dial(dial));
            }
        };
        match stream.finish_connect() {
            Ok(true) => self.on_connected(token, dial, stream, now),
            Ok(false) => {
                dial.stage = Stage::Connecting {
                    stream,
                    rest,
                    until,
                };
                self.slots.set(token, Slot::Dial(dial));
            }
            Err(error) => {
                let attempt = if rest.is_empty() {
                    Err(cannot_connect(&dial.endpoint, &error))
                } else {
                    dial.attempt(rest, now)
                };
                self.after_attempt(token, dial, attempt, now);
            }
        }
    }

    fn on_connected(&mut self, token: Token, mut dial: Dial, stream: Stream, now: Instant) {
        let stream = match &dial.security {
            Some(security) => stream.secured_by_client(security),
            None => Ok(stream),
        };
        let stream = match stream {
            Ok(stream) => stream,
            Err(error) => return self.end_dial(token, dial, broken("connect", &error)),
        };
        match guard(|| dial.dialer.on_connected(token, now)) {
            Ok(session) => {
                let way = Way {
                    endpoint: dial.endpoint,
                    security: dial.security,
                };
                self.start(token, Connection::dialed(stream, session, way), now);
            }
            Err(defect) => self.end_dial(token, dial, defect),
        }
    }

    fn on_dial_deadline(&mut self, token: Token, now: Instant) {
        let Some(Slot::Dial(mut dial)) = self.slots.take(token) else {
            return;
        };
        if dial.give_up.is_some_and(|at| at <= now) {
            let out_of_time = || {
                Error::new(
                    Code::Timeout,
                    format!("cannot connect to {} in time", dial.endpoint),
                )
            };
            let error = dial.last_error.take().unwrap_or_else(out_of_time);
            return self.end_dial(token, dial, error);
        }
        match std::mem::replace(&mut dial.stage, Stage::Resolving) {
            Stage::Connecting { rest, .. } => {
                let attempt = if rest.is_empty() {
                    let silence = io::Error::new(io::ErrorKind::TimedOut, "no answer");
                    Err(cannot_connect(&dial.endpoint, &silence))
                } else {
                    dial.attempt(rest, now)
                };
                self.after_attempt(token, dial, attempt, now);
            }
            Stage::Waiting(_) => {
                // The name may mean another address by now.
                match crate::resolve::immediately(&dial.endpoint) {
                    Some(places) => {
                        let attempt = dial.attempt(places, now);
                        self.after_attempt(token, dial, attempt, now);
                    }
                    None => {
                        self.unresolved.push((token, dial.endpoint.clone()));
                        if let Some(give_up) = dial.deadline() {
                            self.timers.add(give_up, token);
                        }
                        self.slots.set(token, Slot::Dial(dial));
                    }
                }
            }
            Stage::Resolving => self.slots.set(token, Slot::Dial(dial)),
        }
    }

    fn after_attempt(
        &mut self,
        token: Token,
        mut dial: Dial,
        attempt: Result<(), Error>,
        now: Instant,
    ) {
        let attempt = attempt.and_then(|()| match &mut dial.stage {
            Stage::Connecting { stream, .. } => {
                let registered = stream.register(&self.registry, token);
                registered.map_err(|error| cannot_connect(&dial.endpoint, &error))
            }
            Stage::Waiting(_) | Stage::Resolving => Ok(()),
        });
        if let Err(error) = attempt {
            match guard(|| dial.dialer.on_failed(error.clone(), now)) {
                Ok(Some(again)) => {
                    dial.stage = Stage::Waiting(again);
                    dial.last_error = Some(error);
                }
                Ok(None) => return self.end_dial(token, dial, error),
                Err(defect) => return self.end_dial(token, dial, defect),
            }
        }
        if let Some(deadline) = dial.deadline() {
            self.timers.add(deadline, token);
        }
        self.slots.set(token, Slot::Dial(dial));
    }
}
