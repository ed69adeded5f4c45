//! The second thread of a loop host. While the event loop runs the reactor often enough, this one sleeps; it steps in when a
//! deadline passes and when the loop is late with work due, so acknowledgements, signs of life and retries go on while the
//! owner's code keeps the loop busy. And when there is so much to do that the loop would do little else, it takes the reactor
//! over: then reading and writing go on beside JavaScript, until there is less to do.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use crate::host::Shared;
use crate::sys;

/// So late may the loop be before this thread serves in its place. The load is measured as often.
const PATIENCE: Duration = Duration::from_millis(20);
/// After so long without work it goes back to waiting for the first sign of any.
const QUIET: Duration = Duration::from_millis(200);

pub(crate) fn run(shared: &Arc<Shared>) {
    while !shared.is_stopped() {
        if shared.is_lent() {
            run_for_loop(shared);
            continue;
        }
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
    let mut load = Load::start(shared);
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
        if load.measure(shared).is_heavy() {
            return shared.borrow();
        }
        quiet = if work || served {
            Duration::ZERO
        } else {
            quiet + PATIENCE
        };
    }
}

/// Runs the reactor until the event loop could do it alone.
fn run_for_loop(shared: &Arc<Shared>) {
    let mut load = Load::start(shared);
    let mut happened = false;
    while !shared.is_stopped() {
        happened |= shared.run_once(Some(PATIENCE));
        if load.since.elapsed() >= PATIENCE {
            if load.measure(shared).is_light() || !happened {
                return shared.give_back();
            }
            happened = false;
        }
    }
}

/// What the event loop and the reactor had to do in a stretch of time.
struct Load {
    since: Instant,
    idle_before: Option<Duration>,
}

/// Shares of that time.
struct Shares {
    /// In which the event loop was not idle; `None` if that cannot be known.
    event_loop: Option<f64>,
    /// In which the reactor was reading, on either thread. Writing does not count: the event loop writes long messages from
    /// where they lie, and another thread could not.
    reading: f64,
}

impl Load {
    fn start(shared: &Shared) -> Self {
        shared.take_read_time();
        Self {
            since: Instant::now(),
            idle_before: shared.idle(),
        }
    }

    /// Since the last time it was measured.
    fn measure(&mut self, shared: &Shared) -> Shares {
        let time = self.since.elapsed();
        let (idle, idle_before) = (shared.idle(), self.idle_before);
        *self = Self {
            since: Instant::now(),
            idle_before: idle,
        };
        let share = |part: Duration| part.as_secs_f64() / time.as_secs_f64();
        Shares {
            event_loop: idle
                .zip(idle_before)
                .map(|(now, before)| 1.0 - share(now.saturating_sub(before))),
            reading: share(shared.take_read_time()),
        }
    }
}

impl Shares {
    /// The event loop has no time left, and reading takes some of it.
    fn is_heavy(&self) -> bool {
        self.event_loop.is_some_and(|share| share >= 0.9) && self.reading >= 0.1
    }

    /// All of it would leave the event loop idle for a good part of the time.
    fn is_light(&self) -> bool {
        self.event_loop
            .is_none_or(|share| share + self.reading < 0.7)
    }
}
