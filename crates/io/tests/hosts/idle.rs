//! What a host does when nothing happens: nothing.

use std::time::{Duration, Instant};

use io::Kind;

use crate::support::{Dialing, Ends, Listening, Running, eventually};

/// How often the reactor ran while this thread slept.
fn turns_during(running: &Running, time: Duration) -> u64 {
    let before = running.host.stats().turns;
    std::thread::sleep(time);
    running.host.stats().turns - before
}

#[test]
fn an_idle_host_does_not_run() {
    for running in [Kind::Thread, Kind::Loop].map(Running::start) {
        let listening = Listening::local(&running.host, Ends::Echo);
        let dialing = Dialing::start(&running.host, listening.at(), Ends::Keep);
        eventually("it connects", || dialing.is_connected());
        dialing.send(&running.host, b"once", false);
        eventually("the echo comes", || {
            dialing.script.with(|state| state.read_bytes == 4)
        });
        eventually("it comes to rest", || {
            turns_during(&running, Duration::from_millis(50)) == 0
        });
        assert_eq!(turns_during(&running, Duration::from_millis(400)), 0);
        // It is not dead either.
        dialing.send(&running.host, b"twice", false);
        eventually("the echo comes", || {
            dialing.script.with(|state| state.read_bytes == 9)
        });
    }
}

#[test]
fn a_far_deadline_costs_nothing_until_it_comes() {
    for running in [Kind::Thread, Kind::Loop].map(Running::start) {
        let listening = Listening::local(&running.host, Ends::Echo);
        let dialing = Dialing::start(&running.host, listening.at(), Ends::Keep);
        eventually("it connects", || dialing.is_connected());
        dialing
            .script
            .with(|state| state.deadline = Some(Instant::now() + Duration::from_secs(3600)));
        running.host.nudge(dialing.token, false);
        eventually("it comes to rest", || {
            turns_during(&running, Duration::from_millis(50)) == 0
        });
        assert_eq!(turns_during(&running, Duration::from_millis(300)), 0);
    }
}

#[test]
fn a_deadline_fires_once_and_not_before_its_time() {
    for running in [Kind::Thread, Kind::Loop].map(Running::start) {
        let listening = Listening::local(&running.host, Ends::Echo);
        let dialing = Dialing::start(&running.host, listening.at(), Ends::Keep);
        eventually("it connects", || dialing.is_connected());
        let at = Instant::now() + Duration::from_millis(50);
        dialing.script.with(|state| state.deadline = Some(at));
        running.host.nudge(dialing.token, true);
        eventually("it fires", || {
            dialing.script.with(|state| !state.deadlines.is_empty())
        });
        std::thread::sleep(Duration::from_millis(50));
        let fired = dialing.script.with(|state| state.deadlines.clone());
        assert_eq!(fired.len(), 1);
        assert!(fired[0] >= at);
    }
}

#[test]
fn a_deadline_that_moves_is_seen_at_its_new_time() {
    for running in [Kind::Thread, Kind::Loop].map(Running::start) {
        let listening = Listening::local(&running.host, Ends::Echo);
        let dialing = Dialing::start(&running.host, listening.at(), Ends::Keep);
        eventually("it connects", || dialing.is_connected());
        let now = Instant::now();
        // Far, near, and somewhat later than near.
        for millis in [3_600_000, 40, 120] {
            dialing
                .script
                .with(|state| state.deadline = Some(now + Duration::from_millis(millis)));
            let nudges = dialing.script.with(|state| state.nudges);
            running.host.nudge(dialing.token, false);
            eventually("it is nudged", || {
                dialing.script.with(|state| state.nudges) > nudges
            });
        }
        eventually("it fires", || {
            dialing.script.with(|state| !state.deadlines.is_empty())
        });
        let fired = dialing.script.with(|state| state.deadlines.clone());
        assert!(fired[0] >= now + Duration::from_millis(120));
        assert_eq!(fired.len(), 1);
    }
}

#[test]
fn deadlines_that_move_forth_and_back_leave_no_work_behind() {
    for running in [Kind::Thread, Kind::Loop].map(Running::start) {
        let listening = Listening::local(&running.host, Ends::Echo);
        let dialing = Dialing::start(&running.host, listening.at(), Ends::Keep);
        eventually("it connects", || dialing.is_connected());
        // Each "sooner" is one more entry among the timers.
        for round in 0..200_u64 {
            let deadline = Instant::now() + Duration::from_millis(400 - round);
            dialing.script.with(|state| state.deadline = Some(deadline));
            running.host.nudge(dialing.token, true);
        }
        let far = Instant::now() + Duration::from_millis(900);
        dialing.script.with(|state| state.deadline = Some(far));
        running.host.nudge(dialing.token, true);
        // The entries of the past are gone by now, and none came back in their place.
        std::thread::sleep(Duration::from_millis(500));
        let asked = dialing.script.with(|state| state.asked);
        let fired = || dialing.script.with(|state| state.deadlines.len());
        eventually("it fires", || fired() > 0);
        assert!(dialing.script.with(|state| state.deadlines[0]) >= far);
        std::thread::sleep(Duration::from_millis(50));
        let asked = dialing.script.with(|state| state.asked) - asked;
        assert!(asked < 20, "asked {asked} times for one deadline");
    }
}
