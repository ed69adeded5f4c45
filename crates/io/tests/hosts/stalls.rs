//! A loop host whose event loop is busy with something else.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use io::Kind;

use crate::support::{Dialing, Ends, Listening, Running, eventually};

#[test]
fn the_watch_thread_serves_in_the_place_of_a_stalled_loop() {
    let running = Running::start(Kind::Loop);
    let listening = Listening::local(&running.host, Ends::Echo);
    let mut stream = TcpStream::connect(("127.0.0.1", listening.port())).unwrap();
    listening.session(0);
    running.stall(true);
    std::thread::sleep(Duration::from_millis(60));
    let mut quickest = Duration::MAX;
    for round in 0..10_u8 {
        let start = Instant::now();
        stream.write_all(&[round]).unwrap();
        let mut echo = [0];
        stream.read_exact(&mut echo).unwrap();
        assert_eq!(echo, [round]);
        quickest = quickest.min(start.elapsed());
    }
    assert!(quickest < Duration::from_millis(200), "{quickest:?}");
    assert!(running.host.stats().stalls > 0);
}

#[test]
fn deadlines_fire_while_the_loop_is_stalled() {
    let running = Running::start(Kind::Loop);
    let listening = Listening::local(&running.host, Ends::Echo);
    let dialing = Dialing::start(&running.host, listening.at(), Ends::Keep);
    eventually("it connects", || dialing.is_connected());
    running.stall(true);
    for round in 1..=5 {
        let at = Instant::now() + Duration::from_millis(30);
        dialing.script.with(|state| state.deadline = Some(at));
        running.host.nudge(dialing.token, true);
        eventually("it fires", || {
            dialing.script.with(|state| state.deadlines.len() == round)
        });
    }
}

#[test]
fn deadlines_are_not_forgotten_when_the_loop_is_quicker_than_the_watch_thread() {
    let running = Running::start(Kind::Loop);
    let listening = Listening::local(&running.host, Ends::Echo);
    let dialing = Dialing::start(&running.host, listening.at(), Ends::Keep);
    eventually("it connects", || dialing.is_connected());
    for round in 1..=8 {
        // Until the watch thread sleeps without a limit.
        std::thread::sleep(Duration::from_millis(280));
        let at = Instant::now() + Duration::from_millis(5);
        dialing.script.with(|state| state.deadline = Some(at));
        running.host.nudge(dialing.token, true);
        eventually("it fires", || {
            dialing.script.with(|state| state.deadlines.len() == round)
        });
    }
}

#[test]
fn a_wake_for_the_loop_outlives_what_the_watch_thread_does_meanwhile() {
    let running = Running::start(Kind::Loop);
    let listening = Listening::local(&running.host, Ends::Echo);
    let mut stream = TcpStream::connect(("127.0.0.1", listening.port())).unwrap();
    listening.session(0);
    for round in 0..5_u8 {
        eventually("it comes to rest", || {
            let looks = running.looks();
            std::thread::sleep(Duration::from_millis(30));
            looks == running.looks()
        });
        running.stall(true);
        std::thread::sleep(Duration::from_millis(5));
        let looks = running.looks();
        // Somebody wants the loop to look; the watch thread has work several times before it can.
        running.host.wake_owner();
        for _ in 0..3 {
            stream.write_all(&[round]).unwrap();
            stream.read_exact(&mut [0]).unwrap();
        }
        running.stall(false);
        eventually("the loop looks", || running.looks() > looks);
    }
}

#[test]
fn a_loop_that_serves_in_time_is_never_called_stalled() {
    let running = Running::start(Kind::Loop);
    let listening = Listening::local(&running.host, Ends::Echo);
    let mut stream = TcpStream::connect(("127.0.0.1", listening.port())).unwrap();
    for _ in 0..300 {
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        std::thread::sleep(Duration::from_millis(1));
    }
    // A machine under load may stall the loop's thread now and then.
    let stats = running.host.stats();
    assert!(stats.stalls <= stats.turns / 4, "{stats:?}");
}
