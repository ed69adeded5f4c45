use std::mem;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use io::{Crew, Host};
use napi::sys;
use wire::{Driver, Token, Word};

use crate::threadsafe::Threadsafe;

/// What the threads of a host leave for JavaScript's thread: the handles whose wake function is to be called. JavaScript's
/// thread is called once, however much is left before it looks.
pub(crate) struct Mailbox {
    left: Mutex<Left>,
    bell: Bell,
}

#[derive(Default)]
struct Left {
    handles: Vec<u32>,
    /// JavaScript's thread has been called, or is about to look anyway.
    rung: bool,
    /// Which of two bells rings next.
    second: bool,
}

/// How JavaScript's thread is called.
pub(crate) enum Bell {
    /// Through Node-API. Two of them, in turn: Node goes on for as long as a function is called again while it runs (up to
    /// 1,000 times), and timers and `setImmediate` wait. The other one is asked once per turn of the event loop.
    Threadsafe([Threadsafe; 2]),
    /// The event loop watches the host's descriptor, and asks once per turn.
    Loop(Host),
}

impl Mailbox {
    pub(crate) fn new(bell: Bell) -> Self {
        Self {
            left: Mutex::default(),
            bell,
        }
    }

    /// Has the wake function of a handle called soon. On any thread.
    pub(crate) fn wake(&self, handle: u32) {
        let mut left = self.left();
        left.handles.push(handle);
        self.ring(left);
    }

    /// Has JavaScript's thread look soon. On any thread.
    pub(crate) fn call(&self) {
        self.ring(self.left());
    }

    /// JavaScript's thread will [`take`](Self::take) what is left as soon as it has done what it is at: nobody need call it.
    pub(crate) fn is_about_to_look(&self) {
        self.left().rung = true;
    }

    /// Takes all handles; from now on the next one calls again.
    pub(crate) fn take(&self) -> Vec<u32> {
        let mut left = self.left();
        left.rung = false;
        left.second = !left.second;
        mem::take(&mut left.handles)
    }

    /// Leaves handles for the next turn of the event loop, before those that came meanwhile.
    pub(crate) fn put_back(&self, handles: impl Iterator<Item = u32>) {
        let mut left = self.left();
        left.handles.splice(0..0, handles);
        if !left.handles.is_empty() {
            self.ring(left);
        }
    }

    /// Whether the environment's process is kept alive for it.
    pub(crate) fn keep_alive(&self, env: sys::napi_env, on: bool) {
        if let Bell::Threadsafe([first, _]) = &self.bell {
            first.keep_alive(env, on);
        }
    }

    /// Ends it; on the environment's thread, after every other thread has stopped.
    pub(crate) fn release(self) {
        if let Bell::Threadsafe(bells) = self.bell {
            bells.into_iter().for_each(Threadsafe::release);
        }
    }

    fn ring(&self, mut left: MutexGuard<'_, Left>) {
        let first = !mem::replace(&mut left.rung, true);
        let second = left.second;
        drop(left);
        if first {
            match &self.bell {
                Bell::Threadsafe([one, other]) => if second { other } else { one }.call(),
                Bell::Loop(host) => host.wake_owner(),
            }
        }
    }

    fn left(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a communicator asks of its hosts.
pub(crate) struct QueueDriver {
    pub(crate) crew: Crew,
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) handle: u32,
}

impl Driver for QueueDriver {
    fn nudge(&self, token: Token, inline: bool) {
        self.crew.nudge(token, inline);
    }

    fn send_direct(&self, token: Token, word: Word, payload: &[u8]) -> bool {
        self.crew.send_direct(token, word, payload)
    }

    fn close(&self, token: Token, at: Option<Instant>) {
        self.crew.close(token, at);
    }

    fn wake(&self) {
        self.mailbox.wake(self.handle);
    }
}

#[cfg(test)]
mod tests {
    use io::Kind;

    use super::*;

    #[test]
    fn what_is_put_back_comes_before_what_came_meanwhile() {
        let host = Host::start(Kind::Thread, |_| {}).unwrap();
        let mailbox = Mailbox::new(Bell::Loop(host.clone()));
        for handle in [1, 2, 3] {
            mailbox.wake(handle);
        }
        let mut handles = mailbox.take().into_iter();
        assert_eq!(handles.next(), Some(1));
        mailbox.wake(1);
        mailbox.put_back(handles);
        assert_eq!(mailbox.take(), [2, 3, 1]);
        assert_eq!(mailbox.take(), []);
        host.stop();
    }
}
