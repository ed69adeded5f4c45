use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

use crate::Clock;

/// A clock that a test turns. Its two times are independent, as those of a machine are whose clock is set.
#[derive(Debug, Default)]
pub struct SimClock {
    wall_ms: AtomicI64,
    monotonic_ms: AtomicU64,
}

impl SimClock {
    /// Stands at `wall_ms`, and at monotonic 0.
    #[must_use]
    pub const fn new(wall_ms: i64) -> Self {
        Self {
            wall_ms: AtomicI64::new(wall_ms),
            monotonic_ms: AtomicU64::new(0),
        }
    }

    /// Lets time pass, on both.
    pub fn pass(&self, ms: u32) {
        // Relaxed: the two are numbers and guard nothing.
        self.wall_ms.fetch_add(i64::from(ms), Ordering::Relaxed);
        self.monotonic_ms
            .fetch_add(u64::from(ms), Ordering::Relaxed);
    }

    /// Sets the wall clock, forward or back.
    pub fn set_wall(&self, ms: i64) {
        self.wall_ms.store(ms, Ordering::Relaxed);
    }
}

impl Clock for SimClock {
    fn wall_ms(&self) -> i64 {
        self.wall_ms.load(Ordering::Relaxed)
    }

    fn monotonic(&self) -> Duration {
        Duration::from_millis(self.monotonic_ms.load(Ordering::Relaxed))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn setting_the_wall_clock_back_does_not_turn_the_other() {
        let clock = SimClock::new(1_000);
        clock.pass(500);
        clock.set_wall(-5);
        assert_eq!(
            (clock.wall_ms(), clock.monotonic()),
            (-5, Duration::from_millis(500))
        );
    }
}
