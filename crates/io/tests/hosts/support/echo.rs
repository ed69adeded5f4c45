use std::collections::VecDeque;
use std::io::IoSlice;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use wire::{Code, Error, Redial, Session, Status};

/// What a [`Pipe`] does, and what it has seen. Shared with the test.
#[derive(Default)]
pub(crate) struct Script {
    pub(crate) state: Mutex<State>,
}

#[derive(Default)]
pub(crate) struct State {
    /// Bytes to be sent at the next nudge.
    pub(crate) to_send: Vec<u8>,
    /// Everything that was read.
    pub(crate) read: Vec<u8>,
    pub(crate) read_bytes: usize,
    pub(crate) sent_bytes: usize,
    pub(crate) nudges: usize,
    pub(crate) drained: usize,
    pub(crate) deadlines: Vec<Instant>,
    pub(crate) deadline: Option<Instant>,
    /// Each deadline is followed by another one so much later; they are not noted.
    pub(crate) every: Option<Duration>,
    /// How often the deadline was asked for.
    pub(crate) asked: usize,
    pub(crate) paused: bool,
    pub(crate) finish: bool,
    pub(crate) eof: bool,
    pub(crate) closed: Option<Result<(), Error>>,
    /// What was told when the connection was secured, and how much had been read by then.
    pub(crate) secured: Option<(Option<[u8; 32]>, usize)>,
}

impl Script {
    pub(crate) fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap())
    }
}

/// What a session does with what it reads.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ends {
    /// Sends it back.
    Echo,
    /// Keeps it.
    Keep,
    /// Only counts it.
    Count,
}

/// A session that moves bytes without a protocol.
pub(crate) struct Pipe {
    script: Arc<Script>,
    ends: Ends,
    buffer: Vec<u8>,
    out: VecDeque<Vec<u8>>,
    front_sent: usize,
}

impl Pipe {
    pub(crate) fn new(script: Arc<Script>, ends: Ends) -> Self {
        Self {
            script,
            ends,
            buffer: vec![0; 16 * 1024],
            out: VecDeque::new(),
            front_sent: 0,
        }
    }
}

impl Session for Pipe {
    fn read_buffer(&mut self, hung_up: bool) -> Option<&mut [u8]> {
        (hung_up || !self.script.with(|state| state.paused)).then_some(&mut self.buffer)
    }

    fn on_secured(&mut self, peer: Option<[u8; 32]>) {
        self.script.with(|state| {
            assert!(state.secured.is_none(), "secured twice");
            state.secured = Some((peer, state.read_bytes));
        });
    }

    fn on_read(&mut self, n: usize, _now: Instant) -> Result<(), Error> {
        assert!(n > 0, "a read of nothing");
        let bytes = &self.buffer[..n];
        self.script.with(|state| {
            state.read_bytes += n;
            if self.ends != Ends::Count {
                state.read.extend(bytes);
            }
        });
        assert!(!bytes.starts_with(b"panic"), "panic of a session");
        if bytes.starts_with(b"break") {
            return Err(Error::protocol("the test wants it"));
        }
        if self.ends == Ends::Echo {
            self.out.push_back(bytes.to_vec());
        }
        Ok(())
    }

    fn on_drained(&mut self, _now: Instant) {
        self.script.with(|state| state.drained += 1);
    }

    fn on_eof(&mut self, _now: Instant) -> Result<(), Error> {
        let finished = self.script.with(|state| {
            state.eof = true;
            state.finish
        });
        if finished {
            Ok(())
        } else {
            Err(Error::new(Code::Closed, "end of file"))
        }
    }

    fn on_nudge(&mut self, _now: Instant) {
        let bytes = self.script.with(|state| {
            state.nudges += 1;
            std::mem::take(&mut state.to_send)
        });
        assert!(!bytes.starts_with(b"panic at nudge"), "panic of a session");
        if !bytes.is_empty() {
            self.out.push_back(bytes);
        }
    }

    fn transmit<'a>(&'a mut self, out: &mut [IoSlice<'a>]) -> usize {
        let mut used = 0;
        let mut skip = self.front_sent;
        for (slot, bytes) in out.iter_mut().zip(&self.out) {
            *slot = IoSlice::new(&bytes[skip..]);
            skip = 0;
            used += 1;
        }
        used
    }

    fn on_sent(&mut self, mut n: usize) {
        self.script.with(|state| state.sent_bytes += n);
        while let Some(front) = self.out.front() {
            let left = front.len() - self.front_sent;
            if n < left {
                self.front_sent += n;
                return;
            }
            n -= left;
            self.front_sent = 0;
            self.out.pop_front();
        }
        assert_eq!(n, 0, "more was sent than there was");
    }

    fn deadline(&self) -> Option<Instant> {
        self.script.with(|state| {
            state.asked += 1;
            state.deadline
        })
    }

    fn on_deadline(&mut self, now: Instant) -> Result<(), Error> {
        self.script.with(|state| {
            let deadline = state.deadline.take();
            assert!(
                deadline.is_some_and(|deadline| deadline <= now),
                "called too early"
            );
            match state.every {
                Some(every) => state.deadline = Some(now + every),
                None => state.deadlines.push(now),
            }
        });
        Ok(())
    }

    fn status(&self) -> Status {
        let finished = self.out.is_empty() && self.script.with(|state| state.finish);
        if finished {
            Status::Finished
        } else {
            Status::Open
        }
    }

    fn on_closed(&mut self, result: Result<(), Error>, _now: Instant) -> Option<Redial> {
        self.script.with(|state| {
            assert!(state.closed.is_none(), "closed twice");
            state.closed = Some(result);
        });
        None
    }
}
