//! The second thread of a loop host. While the event loop runs the reactor often enough, this one sleeps; it steps in when a
//! deadline passes and when the loop is late with work due, so acknowledgements, signs of life and retries go on while the
//! owner's code keeps the loop busy.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::host::Shared;
use crate::sys;

/// So late may the loop be before this thread serves in its place.
const PATIENCE: Duration = Duration::from_millis(20);
/// After so long without work it goes back to waiting for the first sign of any.
const QUIET: Duration = Duration::from_millis(200);

pub(crate) fn run(shared: &Arc<Shared>) {
    while !shared.is_stopped() {
        // Idle: nothing costs anything until bytes come, a deadline moves nearer, or one is near.
        let deadline = shared.start_watching();
        let rest = deadline.map(|at| at.saturating_duration_since(Instant::now()) + PATIENCE);
        let woken = sys::wait_readable(shared.poll_fd(), &shared.alarm, rest);
        if woken.work {
            watch_while_busy(shared);
        } else if !woken.alarm {
            // The loop was free to see to the deadline, but nothing woke it.
            shared.turn_for_loop();
        }
    }
}

fn watch_while_busy(shared: &Arc<Shared>) {
    let mut quiet = Duration::ZERO;
    while quiet < QUIET && !shared.is_stopped() {
        let before = shared.services();
        std::thread::sleep(PATIENCE);
        let served = shared.services() != before;
        let work = sys::is_readable(shared.poll_fd());
        if (work && !served) || shared.is_due() {
            shared
                .stalls
                .fetch_add(u64::from(work && !served), Ordering::Relaxed);
            shared.turn_for_loop();
        }
        quiet = if work || served {
            Duration::ZERO
        } else {
            quiet + PATIENCE
        };
    }
}
