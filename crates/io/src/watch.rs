//! The second thread of a loop host. While the event loop runs the reactor often enough, this one sleeps; it steps in when a
//! deadline passes and when the loop is late with work due, so acknowledgements, signs of life and retries go on while the
//! owner's code keeps the loop busy.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use crate::host::Shared;
use crate::sys;

/// So late may the loop be before this thread serves in its place.
const PATIENCE: Duration = Duration::from_millis(20);
/// After so long without work it goes back to waiting for the first sign of any.
const QUIET: Duration = Duration::from_millis(200);

pub(crate) fn run(shared: &Arc<Shared>) {
    while !shared.is_stopped() {
        // Idle: nothing costs anything until bytes come, the owner interrupts, or a deadline is near.
        let rest = shared.until_next();
        let work = sys::wait_readable(shared.poll_fd(), rest.map(|rest| rest + PATIENCE));
        if shared.is_stopped() {
            return;
        }
        if !work {
            // The loop was free to see to the deadline, but nothing woke it.
            shared.turn();
            continue;
        }
        watch_while_busy(shared);
    }
}

fn watch_while_busy(shared: &Arc<Shared>) {
    let mut quiet = Duration::ZERO;
    while quiet < QUIET && !shared.is_stopped() {
        let before = shared.last_service();
        sys::sleep(PATIENCE);
        let served = shared.last_service() != before;
        let due = shared.until_next().is_some_and(|rest| rest.is_zero());
        let work = sys::wait_readable(shared.poll_fd(), Some(Duration::ZERO));
        if (work && !served) || due {
            shared
                .stalls
                .fetch_add(u64::from(work && !served), Ordering::Relaxed);
            shared.turn();
        }
        quiet = if work || served {
            Duration::ZERO
        } else {
            quiet + PATIENCE
        };
    }
}
