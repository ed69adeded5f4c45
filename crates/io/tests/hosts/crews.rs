//! Crews: connections of one listener that several threads run.

use std::collections::{HashMap, HashSet};
use std::io::Write;
use std::net::TcpStream;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, ThreadId};
use std::time::Instant;

use io::{Crew, Kind, Serving};
use wire::{Acceptor, Endpoint, Error, Session, Token};

use crate::support::{Dialing, Ends, Listening, Running, eventually};

fn crew(size: usize) -> Crew {
    Crew::start(size, |_| unreachable!("the reactor panicked")).unwrap()
}

#[test]
fn a_crew_runs_the_connections_of_a_listener_and_each_finds_its_own() {
    const CONNECTIONS: usize = 40;
    let crew = crew(4);
    let clients = Running::start(Kind::Thread);
    let listening = Listening::of_crew(&crew, Ends::Echo);
    let dials: Vec<Dialing> = (0..CONNECTIONS)
        .map(|_| Dialing::start(&clients.host, listening.at(), Ends::Keep))
        .collect();
    eventually("all come in", || listening.sessions().len() == CONNECTIONS);
    let sessions = listening.sessions();
    let tokens: HashSet<_> = sessions.iter().map(|(token, _)| token).collect();
    assert_eq!(tokens.len(), CONNECTIONS);
    for (number, (token, script)) in sessions.iter().enumerate() {
        script.with(|state| state.to_send = vec![number as u8; 100]);
        crew.nudge(*token, number % 2 == 0);
    }
    let mut told: Vec<u8> = dials
        .iter()
        .map(|dialing| {
            eventually("it hears", || {
                dialing.script.with(|state| state.read.len() == 100)
            });
            dialing.script.with(|state| state.read[0])
        })
        .collect();
    told.sort_unstable();
    assert!(told.iter().copied().eq(0..CONNECTIONS as u8));
    for (token, _) in &sessions {
        crew.close(*token, None);
    }
    eventually("all are closed", || {
        let is_closed = |(_, script): &(Token, Arc<_>)| is_closed(script);
        sessions.iter().all(is_closed)
    });
    crew.stop();
    assert_eq!(listening.closed(), Some(Ok(())));
}

fn is_closed(script: &crate::support::Script) -> bool {
    script.with(|state| state.closed.is_some())
}

/// Notes the thread on which each connection was taken; keeps none of them.
struct Threads {
    at: Arc<Mutex<Option<Endpoint>>>,
    seen: Arc<Mutex<HashMap<ThreadId, usize>>>,
    listening: Listening,
}

impl Acceptor for Threads {
    fn on_listening(&mut self, at: Endpoint) {
        *self.at.lock().unwrap() = Some(at);
    }

    fn accept(&mut self, token: Token, now: Instant) -> Option<Box<dyn Session>> {
        *self
            .seen
            .lock()
            .unwrap()
            .entry(thread::current().id())
            .or_default() += 1;
        self.listening.accept(token, now)
    }

    fn on_warning(&mut self, error: Error) {
        unreachable!("{error}");
    }

    fn on_closed(&mut self, _result: Result<(), Error>) {}
}

#[test]
fn who_has_the_fewest_connections_gets_the_next_one() {
    let crew = crew(3);
    let at = Arc::default();
    let seen = Arc::default();
    let listening = Listening::of_crew(&crew, Ends::Keep);
    let acceptor = Threads {
        at: Arc::clone(&at),
        seen: Arc::clone(&seen),
        listening: listening.clone(),
    };
    let local = Endpoint::Tcp("127.0.0.1".into(), 0);
    crew.listen(local, Serving::default(), Box::new(acceptor));
    eventually("it listens", || at.lock().unwrap().is_some());
    let Some(Endpoint::Tcp(_, port)) = *at.lock().unwrap() else {
        panic!("not TCP");
    };
    let connect = |count: usize| -> Vec<TcpStream> {
        let before = listening.sessions().len();
        let streams = (0..count).map(|_| TcpStream::connect(("127.0.0.1", port)).unwrap());
        let streams = streams.collect();
        eventually("all come in", || {
            listening.sessions().len() == before + count
        });
        streams
    };
    let _kept = connect(9);
    let counts = |seen: &Mutex<HashMap<ThreadId, usize>>| {
        let mut counts: Vec<_> = seen.lock().unwrap().values().copied().collect();
        counts.sort_unstable();
        counts
    };
    assert_eq!(counts(&seen), [3, 3, 3]);
    // Those of one host go, so the next ones are its.
    let left = Arc::new(AtomicUsize::new(0));
    let sessions = listening.sessions();
    let host_of = |token: Token| token >> 26 & 63;
    for (token, _) in sessions.iter().filter(|(token, _)| host_of(*token) == 1) {
        crew.close(*token, None);
        left.fetch_add(1, Ordering::Relaxed);
    }
    assert_eq!(left.load(Ordering::Relaxed), 3);
    let _more = connect(3);
    assert_eq!(counts(&seen), [3, 3, 6]);
    crew.stop();
}

#[test]
fn a_crew_that_stops_while_connections_come_in_lets_go_of_all_of_them() {
    for _ in 0..20 {
        let crew = crew(4);
        let listening = Listening::of_crew(&crew, Ends::Echo);
        let port = listening.port();
        let connecting = thread::spawn(move || {
            // Until nobody listens any more.
            let mut streams = Vec::new();
            while let Ok(mut stream) = TcpStream::connect(("127.0.0.1", port)) {
                let _gone = stream.write_all(b"hello");
                streams.push(stream);
            }
            streams
        });
        eventually("some come in", || listening.sessions().len() > 20);
        crew.stop();
        let mut streams = connecting.join().unwrap();
        for stream in &mut streams {
            use std::io::Read;
            // The end, or a reset: what it does not do is wait.
            stream
                .set_read_timeout(Some(crate::support::PATIENCE))
                .unwrap();
            let mut bytes = Vec::new();
            if let Err(error) = stream.read_to_end(&mut bytes) {
                assert_ne!(error.kind(), std::io::ErrorKind::WouldBlock, "left hanging");
            }
        }
        assert_eq!(listening.closed(), Some(Ok(())));
        let sessions = listening.sessions();
        assert!(sessions.iter().all(|(_, script)| is_closed(script)));
    }
}

#[test]
fn a_crew_that_grows_keeps_the_hosts_that_it_has() {
    let small = crew(1);
    let listening = Listening::of_crew(&small, Ends::Echo);
    let grown = small
        .grown(3, |_| unreachable!("the reactor panicked"))
        .unwrap();
    assert_eq!(
        (small.size(), grown.size(), grown.first(2).size()),
        (1, 3, 2)
    );
    // The first host is the same one.
    grown.close(listening.token, None);
    eventually("it is closed", || listening.closed().is_some());
    grown.stop();
}
