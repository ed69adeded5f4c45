//! Outgoing connections that come late, or never.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, Instant};

use wire::{Code, Endpoint};

use crate::support::{Dialing, Ends, Listening, Running, eventually, socket_path};

/// A port at which nobody listens.
fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port()
}

#[test]
fn a_name_is_looked_up() {
    for running in Running::each() {
        let listening = Listening::start(
            &running.host,
            Endpoint::Tcp("localhost".into(), 0),
            Ends::Echo,
        );
        let dialing = Dialing::start(
            &running.host,
            Endpoint::Tcp("localhost".into(), listening.port()),
            Ends::Keep,
        );
        eventually("it connects", || dialing.is_connected());
        dialing.send(&running.host, b"hello", false);
        eventually("the echo comes", || {
            dialing.script.with(|state| state.read == b"hello")
        });
    }
}

#[test]
fn a_name_that_does_not_exist_is_an_error_of_the_dial_and_of_the_listener() {
    for running in Running::each() {
        let nowhere = Endpoint::Tcp("no-such-host.invalid".into(), 1);
        let listening = Listening::start(&running.host, nowhere.clone(), Ends::Echo);
        assert_eq!(listening.closed().unwrap().unwrap_err().code, Code::Address);
        let dialing = Dialing::start_with(&running.host, nowhere, Ends::Keep, 2, None);
        eventually("it gives up", || dialing.closed().is_some());
        assert_eq!(dialing.failures().len(), 2);
        assert_eq!(dialing.closed().unwrap().code, Code::Address);
    }
}

#[test]
fn a_refused_port_is_tried_again_until_somebody_listens() {
    for running in Running::each() {
        let port = free_port();
        let dialing = Dialing::start(
            &running.host,
            Endpoint::Tcp("127.0.0.1".into(), port),
            Ends::Keep,
        );
        eventually("it is refused some times", || dialing.failures().len() >= 3);
        let listening = Listening::start(
            &running.host,
            Endpoint::Tcp("127.0.0.1".into(), port),
            Ends::Echo,
        );
        assert_eq!(listening.closed(), None);
        eventually("it connects", || dialing.is_connected());
        dialing.send(&running.host, b"at last", false);
        eventually("the echo comes", || {
            dialing.script.with(|state| state.read == b"at last")
        });
        assert!(
            dialing
                .failures()
                .iter()
                .all(|error| error.code == Code::NotConnected)
        );
    }
}

#[test]
fn a_unix_socket_that_is_not_there_yet_is_tried_again() {
    for (number, running) in Running::each().iter().enumerate() {
        let path = socket_path(&format!("late-{number}"));
        let dialing = Dialing::start(&running.host, Endpoint::Unix(path.clone()), Ends::Keep);
        eventually("it fails", || dialing.failures().len() >= 2);
        let _listening = Listening::start(&running.host, Endpoint::Unix(path), Ends::Echo);
        eventually("it connects", || dialing.is_connected());
        dialing.send(&running.host, b"at last", true);
        eventually("the echo comes", || {
            dialing.script.with(|state| state.read == b"at last")
        });
    }
}

#[test]
fn a_dial_gives_up_at_its_deadline() {
    for running in Running::each() {
        let deadline = Instant::now() + Duration::from_millis(200);
        let endpoint = Endpoint::Tcp("127.0.0.1".into(), free_port());
        let dialing = Dialing::start_with(
            &running.host,
            endpoint,
            Ends::Keep,
            usize::MAX,
            Some(deadline),
        );
        eventually("it gives up", || dialing.closed().is_some());
        assert!(Instant::now() >= deadline);
        assert!(dialing.failures().len() > 2);
    }
}

#[test]
fn a_dial_that_nobody_answers_gives_up_at_its_deadline() {
    // A listener whose backlog is full does not answer any more.
    for running in Running::each() {
        let listener = full_listener();
        let endpoint = Endpoint::Tcp("127.0.0.1".into(), listener.port);
        let deadline = Instant::now() + Duration::from_millis(300);
        let dialing = Dialing::start_with(
            &running.host,
            endpoint,
            Ends::Keep,
            usize::MAX,
            Some(deadline),
        );
        eventually("it gives up", || dialing.closed().is_some());
        assert!(Instant::now() >= deadline && deadline.elapsed() < Duration::from_secs(4));
        assert!(!dialing.is_connected());
        // And at its owner's.
        let endpoint = Endpoint::Tcp("127.0.0.1".into(), listener.port);
        let dialing = Dialing::start(&running.host, endpoint, Ends::Keep);
        std::thread::sleep(Duration::from_millis(20));
        let at = Instant::now() + Duration::from_millis(100);
        running.host.close(dialing.token, Some(at));
        eventually("it gives up", || dialing.closed().is_some());
        assert!(Instant::now() >= at && at.elapsed() < Duration::from_secs(4));
    }
}

struct FullListener {
    port: u16,
    _listener: std::os::fd::OwnedFd,
    _waiting: Vec<TcpStream>,
}

/// A listener that accepts nothing, with connections in its backlog until no more fit.
fn full_listener() -> FullListener {
    use std::os::fd::{AsRawFd, FromRawFd, OwnedFd};
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    // SAFETY: plain system call on a descriptor that `listener` owns.
    assert_eq!(unsafe { libc::listen(listener.as_raw_fd(), 0) }, 0);
    let mut waiting = Vec::new();
    let address = ([127, 0, 0, 1], port).into();
    while let Ok(stream) = TcpStream::connect_timeout(&address, Duration::from_millis(200)) {
        waiting.push(stream);
        assert!(waiting.len() < 100, "the backlog has no end");
    }
    // SAFETY: a duplicate of an open descriptor that nobody else owns.
    let listener = unsafe { OwnedFd::from_raw_fd(libc::dup(listener.as_raw_fd())) };
    FullListener {
        port,
        _listener: listener,
        _waiting: waiting,
    }
}

#[test]
fn an_address_in_use_is_an_error_of_the_listener() {
    for running in Running::each() {
        let first = Listening::local(&running.host, Ends::Echo);
        let second = Listening::start(&running.host, first.at(), Ends::Echo);
        let error = second.closed().unwrap().unwrap_err();
        assert_eq!(error.code, Code::Address);
        assert!(error.message.contains(&first.port().to_string()));
    }
}

#[test]
fn a_socket_file_that_an_ended_process_left_is_replaced_and_a_living_one_is_not() {
    for (number, running) in Running::each().iter().enumerate() {
        let path = socket_path(&format!("orphan-{number}"));
        drop(std::os::unix::net::UnixListener::bind(&path).unwrap());
        assert!(std::path::Path::new(&path).exists());
        let first = Listening::start(&running.host, Endpoint::Unix(path.clone()), Ends::Echo);
        assert_eq!(
            (first.closed(), first.at()),
            (None, Endpoint::Unix(path.clone()))
        );
        let second = Listening::start(&running.host, Endpoint::Unix(path.clone()), Ends::Echo);
        assert_eq!(second.closed().unwrap().unwrap_err().code, Code::Address);
        // The first still listens.
        std::os::unix::net::UnixStream::connect(&path)
            .unwrap()
            .write_all(b"x")
            .unwrap();
        first.session(0);
        running.host.close(first.token, None);
        eventually("it closes", || first.closed().is_some());
        assert!(!std::path::Path::new(&path).exists());
    }
}

#[test]
fn a_file_that_is_no_socket_is_not_replaced() {
    let running = Running::start(io::Kind::Thread);
    let path = socket_path("file");
    std::fs::write(&path, "precious").unwrap();
    let listening = Listening::start(&running.host, Endpoint::Unix(path.clone()), Ends::Echo);
    assert_eq!(listening.closed().unwrap().unwrap_err().code, Code::Address);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
    std::fs::remove_file(path).unwrap();
}
