//! Defects of a session, an acceptor or a dialer: whoever panics ends with a code, and the others go on.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::mpsc::{Sender, channel};
use std::time::{Duration, Instant};

use io::Serving;
use wire::{Acceptor, Code, Dialer, Endpoint, Error, Session, Token};

use crate::support::{Dialing, Ends, Listening, PATIENCE, Running, eventually};

fn assert_internal(error: &Error) {
    assert_eq!(error.code, Code::Internal);
    assert!(error.message.contains("panic of"), "{error}");
}

fn assert_echoes(running: &Running, dialing: &Dialing, number: usize) {
    eventually("it connects", || dialing.is_connected());
    dialing.send(&running.host, b"still there", false);
    eventually("the echo comes", || {
        dialing.script.with(|state| state.read.len() == 11 * number)
    });
}

#[test]
fn a_session_that_panics_ends_alone() {
    for running in Running::each() {
        let listening = Listening::local(&running.host, Ends::Echo);
        let other = Dialing::start(&running.host, listening.at(), Ends::Keep);
        assert_echoes(&running, &other, 1);
        for (round, bytes) in [&b"panic"[..], b"panic at nudge"].into_iter().enumerate() {
            let dialing = Dialing::start(&running.host, listening.at(), Ends::Keep);
            let (_, far) = listening.session(round + 1);
            eventually("it connects", || dialing.is_connected());
            dialing.send(&running.host, bytes, round == 0);
            let ended = if round == 0 { &far } else { &dialing.script };
            eventually("it ends", || ended.with(|state| state.closed.is_some()));
            ended.with(|state| {
                assert_internal(state.closed.as_ref().unwrap().as_ref().unwrap_err())
            });
            eventually("both ends know", || {
                far.with(|state| state.closed.is_some())
                    && dialing.script.with(|state| state.closed.is_some())
            });
            assert_echoes(&running, &other, round + 2);
        }
        let late = Dialing::start(&running.host, listening.at(), Ends::Keep);
        assert_echoes(&running, &late, 1);
    }
}

/// Panics where it is told to, and passes on what it hears.
struct Broken {
    at: &'static str,
    heard: Sender<Result<Endpoint, Error>>,
}

impl Broken {
    fn panic_at(&self, place: &str) {
        assert!(self.at != place, "panic of {place}");
    }
}

impl Acceptor for Broken {
    fn on_listening(&mut self, at: Endpoint) {
        self.panic_at("on_listening");
        self.heard.send(Ok(at)).unwrap();
    }

    fn accept(&mut self, _token: Token, _now: Instant) -> Option<Box<dyn Session>> {
        self.panic_at("accept");
        None
    }

    fn on_warning(&mut self, error: Error) {
        self.heard.send(Err(error)).unwrap();
    }

    fn on_closed(&mut self, result: Result<(), Error>) {
        if let Err(error) = result {
            self.heard.send(Err(error)).unwrap();
        }
        self.panic_at("on_closed");
    }
}

impl Dialer for Broken {
    fn on_connected(&mut self, _token: Token, _now: Instant) -> Box<dyn Session> {
        panic!("panic of on_connected");
    }

    fn on_failed(&mut self, _error: Error, now: Instant) -> Option<Instant> {
        self.panic_at("on_failed");
        (self.at != "on_closed").then_some(now)
    }

    fn deadline(&self) -> Option<Instant> {
        None
    }

    fn on_closed(&mut self, error: Error) {
        self.heard.send(Err(error)).unwrap();
        self.panic_at("on_closed");
    }
}

/// The host serves others.
fn assert_works(running: &Running) {
    let listening = Listening::local(&running.host, Ends::Echo);
    let dialing = Dialing::start(&running.host, listening.at(), Ends::Keep);
    assert_echoes(running, &dialing, 1);
}

#[test]
fn an_acceptor_that_panics_turns_the_connection_away_or_ends_alone() {
    for running in Running::each() {
        for at in ["on_listening", "accept", "on_closed"] {
            let (heard, hears) = channel();
            let local = Endpoint::Tcp("127.0.0.1".into(), 0);
            let token =
                running
                    .host
                    .listen(local, Serving::default(), Box::new(Broken { at, heard }));
            match hears.recv_timeout(PATIENCE).unwrap() {
                Err(error) => {
                    assert_eq!(at, "on_listening");
                    assert_internal(&error);
                }
                Ok(Endpoint::Tcp(_, port)) => {
                    let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    let _reset = stream.write(b"x");
                    assert!(!matches!(stream.read(&mut [0]), Ok(1..)));
                    if at == "accept" {
                        assert_internal(&hears.recv_timeout(PATIENCE).unwrap().unwrap_err());
                    }
                    running.host.close(token, None);
                }
                Ok(Endpoint::Unix(_)) => panic!("not TCP"),
            }
            assert_works(&running);
        }
    }
}

#[test]
fn a_dialer_that_panics_ends_alone() {
    for running in Running::each() {
        let listening = Listening::local(&running.host, Ends::Echo);
        let nowhere = Endpoint::Unix("/nowhere/at/all".into());
        for (at, to) in [
            ("on_connected", listening.at()),
            ("on_failed", nowhere.clone()),
            ("on_closed", nowhere),
        ] {
            let (heard, hears) = channel();
            let token = running.host.reserve();
            running
                .host
                .dial(token, to, None, Box::new(Broken { at, heard }));
            let error = hears.recv_timeout(PATIENCE).unwrap().unwrap_err();
            if at != "on_closed" {
                assert_internal(&error);
            }
            assert_works(&running);
            assert!(hears.recv_timeout(Duration::from_millis(1)).is_err());
        }
    }
}
