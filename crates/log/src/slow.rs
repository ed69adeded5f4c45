use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

/// Whether writes of a directory are slow, so that a thread with other work must not do them: one that took over 1 ms
/// says so for a second, and for twice as long each time that it is found again soon after, up to 8 s.
#[derive(Debug, Default)]
pub(crate) struct Slow {
    // Relaxed in all: they are a hint, and guard nothing.
    until_ms: AtomicU64,
    for_ms: AtomicU64,
}

const LONGEST_WRITE: Duration = Duration::from_millis(1);
const FIRST_MS: u64 = 1000;
const MOST_MS: u64 = 8000;

impl Slow {
    /// Whether writes are slow at the time `now`.
    pub(crate) fn is_at(&self, now: Duration) -> bool {
        ms(now) < self.until_ms.load(Ordering::Relaxed)
    }

    /// A write of that thread ended at `now`.
    pub(crate) fn wrote(&self, now: Duration, took: Duration) {
        if took <= LONGEST_WRITE {
            return;
        }
        let before = self.for_ms.load(Ordering::Relaxed);
        let again = ms(now) < self.until_ms.load(Ordering::Relaxed).saturating_add(before);
        let next = if again { before * 2 } else { FIRST_MS };
        let next = next.clamp(FIRST_MS, MOST_MS);
        self.for_ms.store(next, Ordering::Relaxed);
        self.until_ms.store(ms(now) + next, Ordering::Relaxed);
    }
}

fn ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX / 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_slow_write_is_remembered_for_a_second_and_longer_if_it_repeats() {
        let slow = Slow::default();
        let at = Duration::from_millis;
        slow.wrote(at(10), at(1));
        assert!(!slow.is_at(at(10)));
        slow.wrote(at(10), at(2));
        assert!(slow.is_at(at(1009)));
        assert!(!slow.is_at(at(1010)));
        let mut now = 1010;
        for expected in [2000, 4000, 8000, 8000] {
            slow.wrote(at(now), at(2));
            assert!(slow.is_at(at(now + expected - 1)));
            assert!(!slow.is_at(at(now + expected)));
            now += expected;
        }
        now += 8000;
        slow.wrote(at(now), at(2));
        assert!(!slow.is_at(at(now + 1000)));
    }
}
