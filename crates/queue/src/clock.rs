use std::time::{Duration, Instant};

use crate::config::Config;

/// How long a finished session waits for the peer to hang up too.
const LINGER: Duration = Duration::from_secs(1);

/// What a session's deadlines depend on, besides the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    /// The peer has not introduced itself, or is being turned away.
    Introduction,
    Open,
    Finished,
}

/// What a deadline was for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    /// The session has to be over.
    End,
    /// The introduction took too long.
    Introduction,
    /// The peer was silent for too long.
    Silence,
    /// The peer is to see a sign of life.
    Beat,
}

/// The times of a session: when it last heard of its peer and spoke to it, and until when it may last.
pub(crate) struct Clock {
    /// The time of the last call.
    now: Instant,
    /// The introduction has to be done by then.
    introduce_by: Instant,
    last_read: Instant,
    last_sent: Instant,
    keep_alive: Option<Duration>,
    idle_timeout: Option<Duration>,
    /// How long the peer may be silent; known once it introduced itself.
    patience: Option<Duration>,
    /// The peer is not listened to, so its silence means nothing.
    paused: bool,
    end: Option<Instant>,
}

impl Clock {
    pub(crate) fn new(config: &Config, now: Instant) -> Self {
        Self {
            now,
            introduce_by: now + config.handshake_timeout,
            last_read: now,
            last_sent: now,
            keep_alive: config.keep_alive,
            idle_timeout: config.idle_timeout,
            patience: None,
            paused: false,
            end: None,
        }
    }

    pub(crate) fn set(&mut self, now: Instant) {
        self.now = now;
    }

    pub(crate) fn now(&self) -> Instant {
        self.now
    }

    /// The introduction has to be done by that time, if it is sooner.
    pub(crate) fn introduce_by(&mut self, at: Instant) {
        self.introduce_by = self.introduce_by.min(at);
    }

    pub(crate) fn on_read(&mut self) {
        self.last_read = self.now;
    }

    pub(crate) fn on_sent(&mut self) {
        self.last_sent = self.now;
    }

    /// A peer that promised no signs of life is never taken for lost; one that promised some gets two of its intervals.
    pub(crate) fn on_promise(&mut self, keep_alive_ms: u32) {
        let promised = Duration::from_millis(u64::from(keep_alive_ms));
        self.patience = self
            .idle_timeout
            .filter(|_| keep_alive_ms > 0)
            .map(|own| own.max(promised * 2));
    }

    pub(crate) fn pause(&mut self) {
        self.paused = true;
    }

    pub(crate) fn resume(&mut self) {
        if self.paused {
            self.paused = false;
            self.last_read = self.now;
        }
    }

    /// The session ends then at the latest.
    pub(crate) fn end_by(&mut self, end: Option<Instant>) {
        self.end = earliest(self.end, end);
    }

    pub(crate) fn end_now(&mut self) {
        self.end = Some(self.now);
    }

    /// The peer has all it needs to hang up as well; it gets a moment to do so.
    pub(crate) fn linger(&mut self) {
        self.end_by(Some(self.now + LINGER));
    }

    /// When something will be [`due`](Self::due).
    pub(crate) fn deadline(&self, stage: Stage) -> Option<Instant> {
        let own = match stage {
            Stage::Introduction => Some(self.introduce_by),
            Stage::Open => earliest(self.lost_at(), self.beat_at()),
            Stage::Finished => None,
        };
        earliest(own, self.end)
    }

    /// What has to happen now, the gravest first.
    pub(crate) fn due(&self, stage: Stage) -> Option<Due> {
        let is_past = |at: Option<Instant>| at.is_some_and(|at| at <= self.now);
        if is_past(self.end) {
            return Some(Due::End);
        }
        match stage {
            Stage::Introduction => is_past(Some(self.introduce_by)).then_some(Due::Introduction),
            Stage::Open if is_past(self.lost_at()) => Some(Due::Silence),
            Stage::Open if is_past(self.beat_at()) => Some(Due::Beat),
            Stage::Open | Stage::Finished => None,
        }
    }

    fn lost_at(&self) -> Option<Instant> {
        let patience = self.patience.filter(|_| !self.paused);
        patience.map(|patience| self.last_read + patience)
    }

    fn beat_at(&self) -> Option<Instant> {
        self.keep_alive.map(|every| self.last_sent + every)
    }
}

/// The sooner of two deadlines, where none is never.
pub(crate) fn earliest(a: Option<Instant>, b: Option<Instant>) -> Option<Instant> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (one, other) => one.or(other),
    }
}
