use std::time::{Duration, Instant, SystemTime};

/// Where time comes from. The wall clock is what records and files carry and may jump; waits use the monotonic one.
pub trait Clock: Send + Sync + 'static {
    /// Milliseconds since 1970, negative before.
    fn wall_ms(&self) -> i64;
    /// Time since some moment in the past; never goes back.
    fn monotonic(&self) -> Duration;
}

/// The clocks of the system.
#[derive(Debug)]
pub struct SystemClock {
    start: Instant,
}

impl SystemClock {
    /// Its monotonic time begins now.
    #[must_use]
    pub fn new() -> Self {
        Self {
            start: Instant::now(),
        }
    }
}

impl Default for SystemClock {
    fn default() -> Self {
        Self::new()
    }
}

impl Clock for SystemClock {
    fn wall_ms(&self) -> i64 {
        match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
            Ok(after) => i64::try_from(after.as_millis()).unwrap_or(i64::MAX),
            Err(before) => i64::try_from(before.duration().as_millis()).map_or(i64::MIN, |ms| -ms),
        }
    }

    fn monotonic(&self) -> Duration {
        self.start.elapsed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_system_has_both_clocks() {
        let clock = SystemClock::new();
        let before = clock.monotonic();
        // 2020-01-01: a machine that runs this is not older.
        assert!(clock.wall_ms() > 1_577_836_800_000);
        assert!(clock.monotonic() >= before);
    }
}
