//! Bytes through sockets: echoes, many connections, fairness, ends of files.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use wire::{Code, Endpoint};

use crate::support::{Dialing, Ends, Listening, Running, eventually, socket_path};

fn pattern(len: usize) -> Vec<u8> {
    (0..len).map(|i| (i * 31 + i / 251) as u8).collect()
}

fn echo_at(running: &Running, endpoint: Endpoint) {
    let listening = Listening::start(&running.host, endpoint, Ends::Echo);
    let dialing = Dialing::start(&running.host, listening.at(), Ends::Keep);
    eventually("it connects", || dialing.is_connected());
    let bytes = pattern(3_000_000);
    for piece in bytes.chunks(70_000) {
        dialing.send(&running.host, piece, piece.len() % 2 == 0);
    }
    eventually("all comes back", || {
        dialing.script.with(|state| state.read.len() == bytes.len())
    });
    assert!(dialing.script.with(|state| state.read == bytes));
}

#[test]
fn bytes_come_back_over_tcp() {
    for running in Running::each() {
        echo_at(&running, Endpoint::Tcp("127.0.0.1".into(), 0));
    }
}

#[test]
fn bytes_come_back_over_a_unix_socket() {
    for (number, running) in Running::each().iter().enumerate() {
        let path = socket_path(&format!("echo-{number}"));
        echo_at(running, Endpoint::Unix(path));
    }
}

#[test]
fn bytes_come_back_over_ipv6_where_there_is_any() {
    if TcpListener::bind("[::1]:0").is_err() {
        return;
    }
    for running in Running::each() {
        echo_at(&running, Endpoint::Tcp("::1".into(), 0));
    }
}

#[test]
fn many_connections_at_a_time() {
    const CONNECTIONS: usize = 150;
    for running in Running::each() {
        let listening = Listening::local(&running.host, Ends::Echo);
        let dials: Vec<Dialing> = (0..CONNECTIONS)
            .map(|_| Dialing::start(&running.host, listening.at(), Ends::Keep))
            .collect();
        for (number, dialing) in dials.iter().enumerate() {
            eventually("it connects", || dialing.is_connected());
            dialing.send(&running.host, &[number as u8; 1000], false);
        }
        for (number, dialing) in dials.iter().enumerate() {
            eventually("the echo comes", || {
                dialing.script.with(|state| state.read.len() == 1000)
            });
            assert!(
                dialing
                    .script
                    .with(|state| state.read == [number as u8; 1000])
            );
        }
    }
}

#[test]
fn a_flood_over_one_connection_leaves_the_others_their_turn() {
    for running in Running::each() {
        let listening = Listening::local(&running.host, Ends::Count);
        let port = listening.port();
        let mut flood = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let (_, flooded) = listening.session(0);
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let bytes = vec![1; 1 << 20];
                while !stop.load(std::sync::atomic::Ordering::SeqCst) {
                    flood.write_all(&bytes).unwrap();
                }
            });
            eventually("the flood comes", || {
                flooded.with(|state| state.read_bytes > 10 << 20)
            });
            for number in 1..=5 {
                let start = Instant::now();
                let mut other = TcpStream::connect(("127.0.0.1", port)).unwrap();
                other.write_all(b"me too").unwrap();
                let (_, script) = listening.session(number);
                eventually("it is read", || script.with(|state| state.read_bytes == 6));
                assert!(start.elapsed() < Duration::from_secs(5));
            }
            stop.store(true, std::sync::atomic::Ordering::SeqCst);
        });
    }
}

#[test]
fn a_large_write_gives_way_to_others_and_arrives() {
    for running in Running::each() {
        let listening = Listening::local(&running.host, Ends::Count);
        let slow = Dialing::start(&running.host, listening.at(), Ends::Keep);
        let quick = Dialing::start(&running.host, listening.at(), Ends::Keep);
        eventually("both connect", || {
            slow.is_connected() && quick.is_connected()
        });
        let sessions = [listening.session(0).1, listening.session(1).1];
        slow.send(&running.host, &vec![7; 64 << 20], false);
        quick.send(&running.host, b"quick", false);
        let total = || {
            sessions
                .iter()
                .map(|script| script.with(|state| state.read_bytes))
                .sum::<usize>()
        };
        eventually("all arrives", || total() == (64 << 20) + 5);
    }
}

#[test]
fn a_peer_that_writes_and_hangs_up_at_once_is_read_and_then_ended() {
    // Data and end of file may come as one event; the end must be seen although the data did not fill the buffer.
    for running in Running::each() {
        let listening = Listening::local(&running.host, Ends::Keep);
        for number in 0..100 {
            let mut stream = TcpStream::connect(("127.0.0.1", listening.port())).unwrap();
            stream.write_all(b"last words").unwrap();
            drop(stream);
            let (_, script) = listening.session(number);
            eventually("the end is seen", || {
                script.with(|state| state.closed.is_some())
            });
            script.with(|state| {
                assert_eq!(state.read, b"last words");
                assert!(state.eof);
            });
        }
    }
}

#[test]
fn an_end_of_file_that_comes_with_data_is_seen_although_the_loop_was_busy() {
    let running = Running::start(io::Kind::Loop);
    let path = socket_path("busy");
    let listening = Listening::start(&running.host, Endpoint::Unix(path.clone()), Ends::Keep);
    for number in 0..20 {
        let mut stream = UnixStream::connect(&path).unwrap();
        let (_, script) = listening.session(number);
        running.stall(true);
        std::thread::sleep(Duration::from_millis(2));
        stream.write_all(b"x").unwrap();
        drop(stream);
        running.stall(false);
        eventually("the end is seen", || {
            script.with(|state| state.closed.is_some())
        });
        assert!(script.with(|state| state.read == b"x"));
    }
}

#[test]
fn a_reset_ends_the_connection_with_an_error() {
    for running in Running::each() {
        let listening = Listening::local(&running.host, Ends::Echo);
        let mut stream = TcpStream::connect(("127.0.0.1", listening.port())).unwrap();
        stream.write_all(&[1; 100]).unwrap();
        let (_, script) = listening.session(0);
        eventually("it is echoed", || {
            script.with(|state| state.sent_bytes == 100)
        });
        // Closing with unread bytes makes the kernel send RST.
        drop(stream);
        eventually("it ends", || script.with(|state| state.closed.is_some()));
        assert_eq!(
            script.with(|state| state.closed.clone().unwrap().unwrap_err().code),
            Code::Closed
        );
    }
}

#[test]
fn an_error_of_the_session_closes_its_connection_only() {
    for running in Running::each() {
        let listening = Listening::local(&running.host, Ends::Echo);
        let mut good = TcpStream::connect(("127.0.0.1", listening.port())).unwrap();
        let mut bad = TcpStream::connect(("127.0.0.1", listening.port())).unwrap();
        bad.write_all(b"break it").unwrap();
        let mut rest = Vec::new();
        // End of file or a reset, by whether the bytes had been read.
        let _reset = bad.read_to_end(&mut rest);
        assert_eq!(rest, b"");
        good.write_all(b"still there").unwrap();
        let mut echo = [0; 11];
        good.read_exact(&mut echo).unwrap();
        assert_eq!(&echo, b"still there");
        let closed = listening
            .sessions()
            .iter()
            .filter(|(_, script)| script.with(|state| state.closed.is_some()))
            .count();
        assert_eq!(closed, 1);
    }
}

#[test]
fn a_finished_session_shuts_its_write_side_down_and_ends_when_the_peer_does() {
    for running in Running::each() {
        let listening = Listening::local(&running.host, Ends::Echo);
        let mut stream = TcpStream::connect(("127.0.0.1", listening.port())).unwrap();
        let (token, script) = listening.session(0);
        stream.write_all(b"bye").unwrap();
        eventually("it is echoed", || {
            script.with(|state| state.sent_bytes == 3)
        });
        script.with(|state| state.finish = true);
        running.host.nudge(token, false);
        let mut rest = Vec::new();
        stream.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"bye");
        assert!(script.with(|state| state.closed.is_none()));
        stream.shutdown(Shutdown::Write).unwrap();
        eventually("it ends", || script.with(|state| state.closed.is_some()));
        assert_eq!(script.with(|state| state.closed.clone()), Some(Ok(())));
    }
}

#[test]
fn a_paused_session_leaves_the_bytes_in_the_socket_until_it_is_nudged() {
    for running in Running::each() {
        let listening = Listening::local(&running.host, Ends::Keep);
        let mut stream = TcpStream::connect(("127.0.0.1", listening.port())).unwrap();
        let (token, script) = listening.session(0);
        script.with(|state| state.paused = true);
        stream.write_all(b"wait").unwrap();
        std::thread::sleep(Duration::from_millis(20));
        assert_eq!(script.with(|state| state.read_bytes), 0);
        script.with(|state| state.paused = false);
        running.host.nudge(token, false);
        eventually("it is read", || script.with(|state| state.read == b"wait"));
    }
}

#[test]
fn a_peer_that_hangs_up_while_the_session_is_paused_is_read_to_its_end() {
    for (number, running) in Running::each().iter().enumerate() {
        let path = socket_path(&format!("paused-{number}"));
        let listening = Listening::start(&running.host, Endpoint::Unix(path.clone()), Ends::Keep);
        let mut stream = UnixStream::connect(&path).unwrap();
        let (token, script) = listening.session(0);
        script.with(|state| state.paused = true);
        stream.write_all(&pattern(60_000)).unwrap();
        running.host.nudge(token, false);
        drop(stream);
        eventually("it ends", || script.with(|state| state.closed.is_some()));
        assert!(script.with(|state| state.read == pattern(60_000)));
    }
}

#[test]
fn a_reset_while_the_session_is_paused_ends_it_when_it_writes_or_not() {
    for writes in [false, true] {
        for running in Running::each() {
            let listening = Listening::local(&running.host, Ends::Keep);
            let mut stream = TcpStream::connect(("127.0.0.1", listening.port())).unwrap();
            let (token, script) = listening.session(0);
            script.with(|state| {
                state.paused = true;
                state.to_send = vec![1; 100];
            });
            stream.write_all(b"last words").unwrap();
            running.host.nudge(token, false);
            stream.peek(&mut [0]).unwrap();
            // Closing with unread bytes makes the kernel send RST.
            drop(stream);
            if writes {
                script.with(|state| state.to_send = vec![2; 100]);
                running.host.nudge(token, true);
            }
            eventually("it ends", || script.with(|state| state.closed.is_some()));
            let error = script.with(|state| state.closed.clone().unwrap().unwrap_err());
            assert_eq!(error.code, Code::Closed);
        }
    }
}

#[test]
fn a_connection_that_nobody_wants_is_closed() {
    for running in Running::each() {
        let listening = Listening::start_with(
            &running.host,
            Endpoint::Tcp("127.0.0.1".into(), 0),
            Ends::Echo,
            false,
        );
        let mut stream = TcpStream::connect(("127.0.0.1", listening.port())).unwrap();
        let mut rest = Vec::new();
        assert_eq!(stream.read_to_end(&mut rest).unwrap(), 0);
    }
}
