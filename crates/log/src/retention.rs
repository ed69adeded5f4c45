use std::time::Duration;

/// A segment that is not written any more, as the rule sees it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Old {
    pub(crate) bytes: u64,
    /// Wall clock of its last append, in ms since 1970.
    pub(crate) appended_ms: i64,
}

/// How many of the oldest segments are to be deleted: those that are older than `most_ms`, and those without which
/// `most_bytes` are there still. `old` is in order, `active_bytes` are those of the segment that is written.
pub(crate) fn due(
    old: &[Old],
    active_bytes: u64,
    most_ms: Option<u64>,
    most_bytes: Option<u64>,
    now_ms: i64,
) -> usize {
    let mut left = old.iter().map(|one| one.bytes).sum::<u64>() + active_bytes;
    let mut count = 0;
    for (one, age) in old.iter().zip(ages(old, now_ms)) {
        let too_old = most_ms.is_some_and(|most| age > most);
        left -= one.bytes;
        let too_much = most_bytes.is_some_and(|most| left >= most);
        if !too_old && !too_much {
            break;
        }
        count += 1;
    }
    count
}

/// How old each is, in ms. One that the clock then took for later than now is as old as what follows it: else it would keep all
/// behind it until then.
fn ages(old: &[Old], now_ms: i64) -> Vec<u64> {
    let mut ages = vec![0; old.len()];
    let mut behind = 0;
    for (one, age) in old.iter().zip(&mut ages).rev() {
        behind = u64::try_from(now_ms.saturating_sub(one.appended_ms)).unwrap_or(behind);
        *age = behind;
    }
    ages
}

/// Whether the wall clock can be trusted to say how old something is.
#[derive(Debug, Default)]
pub(crate) struct WallWatch {
    last: Option<(i64, Duration)>,
    jumped: Option<Duration>,
}

/// A jump that is told and waited out.
const JUMP_MS: i64 = 3_600_000;
/// How long it must hold.
const HELD: Duration = Duration::from_secs(600);

/// What a look at the clocks says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wall {
    /// It is as good as ever.
    Good,
    /// It has just jumped forward by more than an hour.
    Jumped,
    /// It jumped not long ago.
    Doubtful,
}

impl WallWatch {
    /// Looks at both clocks. One that was set back makes everything look younger, and deletes nothing.
    pub(crate) fn look(&mut self, wall_ms: i64, now: Duration) -> Wall {
        let last = self.last.replace((wall_ms, now));
        let forward = last.map_or(0, |(last_wall, last_now)| {
            let passed = now.saturating_sub(last_now).as_millis();
            let passed = i64::try_from(passed).unwrap_or(i64::MAX);
            wall_ms.saturating_sub(last_wall).saturating_sub(passed)
        });
        if forward > JUMP_MS {
            self.jumped = Some(now);
            return Wall::Jumped;
        }
        if forward < -JUMP_MS {
            // It was set right again.
            self.jumped = None;
        }
        match self.jumped {
            Some(since) if now.saturating_sub(since) < HELD => Wall::Doubtful,
            _ => {
                self.jumped = None;
                Wall::Good
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segments(ages: &[i64]) -> Vec<Old> {
        let old = |age| Old {
            bytes: 100,
            appended_ms: 1_000_000 - age,
        };
        ages.iter().map(|age| old(*age)).collect()
    }

    #[test]
    fn what_is_too_old_goes_and_nothing_behind_what_is_not() {
        let old = segments(&[50, 40, 30, 99]);
        let due_ms = |most| due(&old, 10, Some(most), None, 1_000_000);
        assert_eq!(due_ms(100), 0);
        assert_eq!(due_ms(40), 1);
        assert_eq!(due_ms(29), 4);
        assert_eq!(due(&old, 10, None, None, 1_000_000), 0);
        // A clock that was set back makes nothing old.
        assert_eq!(due(&old, 10, Some(0), None, 0), 0);
    }

    #[test]
    fn what_was_appended_later_than_now_is_as_old_as_what_follows() {
        let old = segments(&[50, -9_000, 40, -9_000, 30, -9_000]);
        let due_ms = |most| due(&old, 10, Some(most), None, 1_000_000);
        assert_eq!(due_ms(45), 1);
        assert_eq!(due_ms(35), 3);
        assert_eq!(due_ms(10), 5);
    }

    #[test]
    fn what_is_too_much_goes_but_never_so_much_that_too_little_is_left() {
        let old = segments(&[4, 3, 2, 1]);
        let due_bytes = |most| due(&old, 10, None, Some(most), 1_000_000);
        assert_eq!(due_bytes(411), 0);
        assert_eq!(due_bytes(310), 1);
        assert_eq!(due_bytes(311), 0);
        assert_eq!(due_bytes(110), 3);
        assert_eq!(due_bytes(0), 4);
    }

    #[test]
    fn a_jump_forward_must_hold_for_ten_minutes() {
        let mut watch = WallWatch::default();
        let at = Duration::from_secs;
        assert_eq!(watch.look(0, at(0)), Wall::Good);
        assert_eq!(watch.look(5_000, at(5)), Wall::Good);
        let ahead = 10_000_000;
        assert_eq!(watch.look(10_000 + ahead, at(10)), Wall::Jumped);
        assert_eq!(watch.look(600_000 + ahead, at(600)), Wall::Doubtful);
        assert_eq!(watch.look(610_000 + ahead, at(610)), Wall::Good);
        assert_eq!(watch.look(620_000 + 2 * ahead, at(620)), Wall::Jumped);
        assert_eq!(watch.look(630_000 + ahead, at(630)), Wall::Good);
    }
}
