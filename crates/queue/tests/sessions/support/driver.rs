use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use wire::{Driver, Token};

/// Writes down what a communicator asks of its driver; the world carries it out.
#[derive(Default)]
pub(crate) struct Recorder {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    asked: Vec<Asked>,
    awake: bool,
}

/// What was asked.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Asked {
    Nudge(Token),
    Close(Token, Option<Instant>),
}

impl Recorder {
    pub(crate) fn take_asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.with().asked)
    }

    /// Whether the owner was woken since the last call.
    pub(crate) fn take_wake(&self) -> bool {
        std::mem::take(&mut self.with().awake)
    }

    fn with(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Driver for Recorder {
    fn nudge(&self, token: Token, _inline: bool) {
        self.with().asked.push(Asked::Nudge(token));
    }

    fn close(&self, token: Token, at: Option<Instant>) {
        self.with().asked.push(Asked::Close(token, at));
    }

    fn wake(&self) {
        let mut state = self.with();
        assert!(!state.awake, "woken twice before it looked");
        state.awake = true;
    }
}
