//! A loop host that has so much to do that a second thread runs the reactor.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use io::Kind;

use crate::support::{Dialing, Ends, Listening, Running, eventually};

#[test]
fn an_event_loop_whose_idle_time_is_unknown_keeps_the_reactor() {
    let running = Running::start(Kind::Loop);
    let listening = Listening::local(&running.host, Ends::Count);
    let mut stream = TcpStream::connect(("127.0.0.1", listening.port())).unwrap();
    for _ in 0..4000 {
        stream.write_all(&[0; 64 * 1024]).unwrap();
    }
    let (_, script) = listening.session(0);
    eventually("all arrives", || {
        script.with(|state| state.read_bytes == 4000 * 64 * 1024)
    });
    assert_eq!(running.host.stats().loans, 0);
}

#[test]
fn the_event_loop_gets_the_reactor_back_when_it_has_time() {
    let busy = Arc::new(AtomicBool::new(true));
    let running = Running::lent_while(Arc::clone(&busy));
    let listening = Listening::local(&running.host, Ends::Echo);
    let mut stream = TcpStream::connect(("127.0.0.1", listening.port())).unwrap();
    let mut echo = || {
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    };
    echo();
    assert!(running.host.is_lent());
    busy.store(false, Ordering::SeqCst);
    // Whether it may be given back is asked when something happens.
    eventually("it is given back", || {
        echo();
        !running.host.is_lent()
    });
    let looks = running.looks();
    eventually("the event loop serves", || {
        echo();
        running.looks() > looks
    });
}

#[test]
fn bytes_stay_in_order_while_the_reactor_goes_back_and_forth() {
    let busy = Arc::new(AtomicBool::new(true));
    let running = Running::lent_while(Arc::clone(&busy));
    let listening = Listening::local(&running.host, Ends::Echo);
    let dialing = Dialing::start(&running.host, listening.at(), Ends::Keep);
    eventually("it connects", || dialing.is_connected());
    let mut sent = Vec::new();
    let mut send = |many: u32| {
        for _ in 0..many {
            let number = u32::try_from(sent.len()).unwrap();
            dialing.send(&running.host, &number.to_le_bytes(), number % 8 == 0);
            sent.extend(number.to_le_bytes());
        }
    };
    for round in 0..6 {
        busy.store(round % 2 == 1, Ordering::SeqCst);
        if round % 2 == 1 {
            send(500);
            running.load_until_lent();
        } else {
            eventually("it is given back", || {
                send(1);
                !running.host.is_lent()
            });
        }
        send(500);
    }
    assert_eq!(running.host.stats().loans, 4);
    eventually("all comes back", || {
        dialing.script.with(|state| state.read.len() == sent.len())
    });
    assert!(dialing.script.with(|state| state.read == sent));
}

#[test]
fn a_wake_reaches_the_event_loop_while_the_reactor_is_lent_and_when_it_is_given_back() {
    let busy = Arc::new(AtomicBool::new(true));
    let running = Running::lent_while(Arc::clone(&busy));
    let listening = Listening::local(&running.host, Ends::Echo);
    let mut stream = TcpStream::connect(("127.0.0.1", listening.port())).unwrap();
    let (mut rounds, mut rounds_of_its_own) = (0, 0);
    eventually("it is given back, and some rounds more", || {
        let looks = running.looks();
        running.host.wake_owner();
        eventually("the event loop looks", || running.looks() > looks);
        rounds += 1;
        busy.store(rounds < 100, Ordering::SeqCst);
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
        rounds_of_its_own += usize::from(!running.host.is_lent());
        rounds_of_its_own == 100
    });
}

#[test]
fn a_stalled_event_loop_holds_nobody_up_while_the_reactor_is_lent() {
    let running = Running::lent();
    running.stall(true);
    let before = running.host.stats();
    let listening = Listening::local(&running.host, Ends::Echo);
    let mut stream = TcpStream::connect(("127.0.0.1", listening.port())).unwrap();
    for round in 0..100_u8 {
        stream.write_all(&[round]).unwrap();
        let mut echo = [0];
        stream.read_exact(&mut echo).unwrap();
        assert_eq!(echo, [round]);
    }
    assert_eq!(running.host.stats().stalls, before.stalls);
}

#[test]
fn a_lent_event_loop_is_not_called_for_what_it_has_no_part_in() {
    let running = Running::lent();
    let listening = Listening::local(&running.host, Ends::Echo);
    let mut stream = TcpStream::connect(("127.0.0.1", listening.port())).unwrap();
    listening.session(0);
    eventually("it has looked for the last time", || {
        let looks = running.looks();
        std::thread::sleep(Duration::from_millis(50));
        looks == running.looks()
    });
    let looks = running.looks();
    for _ in 0..100 {
        stream.write_all(b"x").unwrap();
        stream.read_exact(&mut [0]).unwrap();
    }
    assert_eq!(running.looks(), looks);
}
