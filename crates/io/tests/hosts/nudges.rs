//! Nudges from any thread, at any moment: none is lost.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::{Dialing, Ends, Listening, Running, eventually};

fn connected(running: &Running) -> (Listening, Dialing) {
    let listening = Listening::local(&running.host, Ends::Keep);
    let dialing = Dialing::start(&running.host, listening.at(), Ends::Keep);
    eventually("it connects", || dialing.is_connected());
    (listening, dialing)
}

#[test]
fn each_nudge_of_a_sleeping_host_wakes_it() {
    for running in Running::each() {
        let (listening, dialing) = connected(&running);
        let (_, script) = listening.session(0);
        let start = Instant::now();
        // The next byte goes out only when the last one came: the host falls asleep again and again.
        let mut rounds = 0_usize;
        while rounds < 3000 && start.elapsed() < Duration::from_secs(3) {
            dialing.send(&running.host, &[rounds as u8], rounds.is_multiple_of(3));
            rounds += 1;
            let start = Instant::now();
            while script.with(|state| state.read_bytes) < rounds {
                assert!(
                    start.elapsed() < Duration::from_secs(10),
                    "nudge {rounds} was lost"
                );
                std::hint::spin_loop();
            }
        }
        assert!(rounds > 100);
    }
}

#[test]
fn nudges_of_several_threads_are_not_lost() {
    const THREADS: usize = 4;
    const NUDGES: usize = 2000;
    for running in Running::each() {
        let listening = Listening::local(&running.host, Ends::Count);
        let dials: Vec<Dialing> = (0..THREADS)
            .map(|_| Dialing::start(&running.host, listening.at(), Ends::Keep))
            .collect();
        for dialing in &dials {
            eventually("it connects", || dialing.is_connected());
        }
        std::thread::scope(|scope| {
            for thread in 0..THREADS {
                let (running, dials) = (&running, &dials);
                scope.spawn(move || {
                    for i in 0..NUDGES {
                        // Each thread's own connection, and one that all share.
                        let dialing = if i % 2 == 0 {
                            &dials[thread]
                        } else {
                            &dials[0]
                        };
                        dialing.send(&running.host, b"x", (i / 2 + thread) % 3 == 0);
                        if i % 64 == 0 {
                            std::thread::sleep(Duration::from_micros(200));
                        }
                    }
                });
            }
        });
        let read = || -> usize {
            listening
                .sessions()
                .iter()
                .map(|(_, script)| script.with(|state| state.read_bytes))
                .sum()
        };
        eventually("all bytes arrive", || read() == THREADS * NUDGES);
        assert!(
            dials
                .iter()
                .all(|dialing| dialing.script.with(|state| state.to_send.is_empty()))
        );
    }
}

#[test]
fn nudges_and_reads_at_the_same_time_keep_the_order_of_bytes() {
    for running in Running::each() {
        let listening = Listening::local(&running.host, Ends::Echo);
        let dialing = Dialing::start(&running.host, listening.at(), Ends::Keep);
        eventually("it connects", || dialing.is_connected());
        let mut sent = Vec::new();
        for i in 0..3000_u32 {
            dialing.send(&running.host, &i.to_le_bytes(), i % 2 == 0);
            sent.extend(i.to_le_bytes());
        }
        eventually("all comes back", || {
            dialing.script.with(|state| state.read.len() == sent.len())
        });
        assert!(dialing.script.with(|state| state.read == sent));
    }
}

#[test]
fn an_inline_nudge_is_served_by_the_thread_that_nudges_if_no_other_is_at_work() {
    for running in Running::each() {
        let (_listening, dialing) = connected(&running);
        let served = AtomicUsize::new(0);
        eventually("one is served inline", || {
            std::thread::sleep(Duration::from_millis(5));
            let before = dialing.script.with(|state| state.nudges);
            running.host.nudge(dialing.token, true);
            served.store(
                dialing.script.with(|state| state.nudges) - before,
                Ordering::SeqCst,
            );
            served.load(Ordering::SeqCst) > 0
        });
    }
}

#[test]
fn a_nudge_for_something_that_is_no_connection_yet_does_no_harm() {
    for running in Running::each() {
        let listening = Listening::local(&running.host, Ends::Echo);
        running.host.nudge(listening.token, true);
        running.host.nudge(listening.token, false);
        let token = running.host.reserve();
        running.host.nudge(token, true);
        running.host.nudge(token, false);
        let dialing = Dialing::start(&running.host, listening.at(), Ends::Keep);
        running.host.nudge(dialing.token, true);
        eventually("it connects", || dialing.is_connected());
    }
}

#[test]
fn connections_may_come_and_go_while_others_are_nudged() {
    for running in Running::each() {
        let listening = Listening::local(&running.host, Ends::Echo);
        let steady = Dialing::start(&running.host, listening.at(), Ends::Count);
        eventually("it connects", || steady.is_connected());
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for _ in 0..60 {
                    let short = Dialing::start(&running.host, listening.at(), Ends::Keep);
                    eventually("it connects", || short.is_connected());
                    short.send(&running.host, b"ping", true);
                    eventually("the echo comes", || {
                        short.script.with(|state| state.read_bytes == 4)
                    });
                    running.host.close(short.token, None);
                    eventually("it ends", || {
                        short.script.with(|state| state.closed.is_some())
                    });
                }
            });
            for i in 0..2000 {
                steady.send(&running.host, b"12345678", i % 2 == 0);
            }
        });
        eventually("all comes back", || {
            steady.script.with(|state| state.read_bytes == 16_000)
        });
    }
}
