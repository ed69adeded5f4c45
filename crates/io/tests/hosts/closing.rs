//! What an owner ends, and what is left afterwards.

use std::io::Read;
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use io::{Host, Kind};
use wire::{Code, Endpoint, closed_by_owner};

use crate::support::{Dialing, Ends, Listening, Running, eventually, socket_path};

#[test]
fn a_closed_listener_refuses_and_its_connections_stay() {
    for running in Running::each() {
        let listening = Listening::local(&running.host, Ends::Echo);
        let port = listening.port();
        let dialing = Dialing::start(&running.host, listening.at(), Ends::Keep);
        eventually("it connects", || dialing.is_connected());
        listening.session(0);
        running.host.close(listening.token, None);
        eventually("it closes", || listening.closed() == Some(Ok(())));
        assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
        dialing.send(&running.host, b"still there", false);
        eventually("the echo comes", || {
            dialing.script.with(|state| state.read == b"still there")
        });
        // A second time there is nothing to close.
        running.host.close(listening.token, None);
    }
}

#[test]
fn a_listener_removes_its_own_socket_file_and_no_other() {
    for (number, running) in Running::each().iter().enumerate() {
        let path = socket_path(&format!("own-{number}"));
        let at = || Endpoint::Unix(path.clone());
        let close = |listening: &Listening| {
            running.host.close(listening.token, None);
            eventually("it closes", || listening.closed().is_some());
        };
        // Somebody has put another socket there meanwhile.
        let first = Listening::start(&running.host, at(), Ends::Keep);
        std::fs::remove_file(&path).unwrap();
        let second = Listening::start(&running.host, at(), Ends::Keep);
        close(&first);
        assert!(UnixStream::connect(&path).is_ok());
        // Or a file of another kind.
        std::fs::remove_file(&path).unwrap();
        std::fs::write(&path, "precious").unwrap();
        close(&second);
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "precious");
        // Or nothing, or has moved it.
        std::fs::remove_file(&path).unwrap();
        let third = Listening::start(&running.host, at(), Ends::Keep);
        let moved = format!("{path}-moved");
        std::fs::rename(&path, &moved).unwrap();
        close(&third);
        assert!(Path::new(&moved).exists());
        std::fs::remove_file(&moved).unwrap();
        let fourth = Listening::start(&running.host, at(), Ends::Keep);
        close(&fourth);
        assert!(!Path::new(&path).exists());
    }
}

#[test]
fn a_listener_finds_its_socket_file_from_another_folder() {
    // In a process of its own, because all threads have the folder in common.
    in_another_process("closing::a_relative_path_means_the_folder_of_the_start");
}

#[test]
#[ignore = "runs in a process of its own, started by a_listener_finds_its_socket_file_from_another_folder"]
fn a_relative_path_means_the_folder_of_the_start() {
    let folder = std::env::temp_dir().join(format!("chaski-{}-folders", std::process::id()));
    let [old, new] = ["old", "new"].map(|name| folder.join(name));
    std::fs::create_dir_all(&old).unwrap();
    std::fs::create_dir_all(&new).unwrap();
    std::fs::write(new.join("data"), "precious").unwrap();
    std::env::set_current_dir(&old).unwrap();
    let running = Running::start(Kind::Thread);
    let listening = Listening::start(&running.host, Endpoint::Unix("data".into()), Ends::Keep);
    assert_eq!(listening.at(), Endpoint::Unix("data".into()));
    assert!(old.join("data").exists());
    std::env::set_current_dir(&new).unwrap();
    running.host.close(listening.token, None);
    eventually("it closes", || listening.closed().is_some());
    assert!(!old.join("data").exists());
    assert_eq!(
        std::fs::read_to_string(new.join("data")).unwrap(),
        "precious"
    );
    std::fs::remove_dir_all(folder).unwrap();
}

#[test]
fn a_closed_connection_is_told_and_its_peer_sees_the_end() {
    for running in Running::each() {
        let listening = Listening::local(&running.host, Ends::Echo);
        let mut stream = TcpStream::connect(("127.0.0.1", listening.port())).unwrap();
        let (token, script) = listening.session(0);
        running.host.close(token, None);
        eventually("it is told", || script.with(|state| state.closed.is_some()));
        assert_eq!(
            script.with(|state| state.closed.clone()),
            Some(Err(closed_by_owner()))
        );
        let mut rest = Vec::new();
        assert_eq!(stream.read_to_end(&mut rest).unwrap(), 0);
        // A stale token is nobody's.
        running.host.nudge(token, true);
        running.host.nudge(token, false);
        running.host.close(token, None);
        assert_eq!(script.with(|state| state.nudges), 0);
    }
}

#[test]
fn a_dial_that_is_closed_is_told_at_once() {
    for running in Running::each() {
        let endpoint = Endpoint::Unix(socket_path("nobody"));
        let dialing = Dialing::start(&running.host, endpoint, Ends::Keep);
        eventually("it fails", || !dialing.failures().is_empty());
        running.host.close(dialing.token, None);
        eventually("it is told", || dialing.closed() == Some(closed_by_owner()));
        let failures = dialing.failures().len();
        std::thread::sleep(Duration::from_millis(50));
        assert_eq!(dialing.failures().len(), failures);
    }
}

#[test]
fn stop_ends_everything_and_joins() {
    for kind in [Kind::Thread, Kind::Loop] {
        let running = Running::start(kind);
        let listening = Listening::local(&running.host, Ends::Echo);
        let connected = Dialing::start(&running.host, listening.at(), Ends::Keep);
        let dialing = Dialing::start(
            &running.host,
            Endpoint::Unix(socket_path("never")),
            Ends::Keep,
        );
        eventually("it connects", || connected.is_connected());
        let (_, script) = listening.session(0);
        let start = Instant::now();
        running.host.stop();
        running.host.stop();
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(listening.closed(), Some(Ok(())));
        assert_eq!(dialing.closed().unwrap().code, Code::Closed);
        for script in [script, connected.script] {
            assert!(script.with(|state| state.closed.clone().unwrap().is_err()));
        }
        // Nobody is there any more, and nobody minds.
        running.host.nudge(connected.token, true);
        running.host.nudge(connected.token, false);
        running.host.close(connected.token, None);
    }
}

#[test]
fn stop_joins_also_while_an_event_loop_takes_every_event() {
    for _ in 0..50 {
        let running = Running::start(Kind::Loop);
        let start = Instant::now();
        running.host.stop();
        assert!(start.elapsed() < Duration::from_secs(5));
    }
}

#[test]
fn stop_does_not_wait_for_a_name_that_is_looked_up() {
    for kind in [Kind::Thread, Kind::Loop] {
        let host = Host::start(kind, |_| unreachable!("the reactor panicked")).unwrap();
        let endpoint = Endpoint::Tcp("no-such-host.invalid".into(), 1);
        let dialing = Dialing::start(&host, endpoint, Ends::Keep);
        let start = Instant::now();
        host.stop();
        assert!(start.elapsed() < Duration::from_secs(5));
        assert_eq!(dialing.closed(), Some(closed_by_owner()));
    }
}

#[test]
#[cfg(target_os = "linux")]
fn no_descriptor_is_left() {
    // In a process of its own, because other tests open descriptors at the same time.
    in_another_process("closing::descriptors_of_hosts_and_connections_are_given_back");
}

/// Runs an ignored test.
fn in_another_process(test: &str) {
    let exe = std::env::current_exe().unwrap();
    let output = std::process::Command::new(exe)
        .args(["--exact", test, "--ignored"])
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    assert!(
        output.status.success() && told.contains("1 passed"),
        "{told}"
    );
}

#[test]
#[cfg(target_os = "linux")]
#[ignore = "runs in a process of its own, started by no_descriptor_is_left"]
fn descriptors_of_hosts_and_connections_are_given_back() {
    use crate::support::descriptors;
    let round = |kind: Kind| {
        let running = Running::start(kind);
        let idle = descriptors();
        for endpoint in [
            Endpoint::Tcp("127.0.0.1".into(), 0),
            Endpoint::Unix(socket_path("count")),
        ] {
            let listening = Listening::start(&running.host, endpoint, Ends::Echo);
            let dials: Vec<Dialing> = (0..20)
                .map(|_| Dialing::start(&running.host, listening.at(), Ends::Keep))
                .collect();
            for (number, dialing) in dials.iter().enumerate() {
                eventually("it connects", || dialing.is_connected());
                let (token, _) = listening.session(number);
                running.host.close(
                    if number % 2 == 0 {
                        token
                    } else {
                        dialing.token
                    },
                    None,
                );
            }
            let refused = Dialing::start(
                &running.host,
                Endpoint::Unix(socket_path("none")),
                Ends::Keep,
            );
            eventually("it is refused", || refused.failures().len() > 3);
            running.host.close(refused.token, None);
            running.host.close(listening.token, None);
        }
        eventually("only the host's are left", || descriptors() == idle);
    };
    round(Kind::Thread);
    let before = descriptors();
    for _ in 0..5 {
        round(Kind::Thread);
        round(Kind::Loop);
    }
    eventually("none is left", || descriptors() == before);
}
