use std::io::IoSlice;
use std::sync::Arc;
use std::time::Instant;

use wire::{Error, Redial, Session, Status, Word};

use super::session::PythonSession;
use crate::hub::Hub;
use crate::peer::Peer;

/// Enough for what a peer says first.
const FIRST_READ: usize = 512;

/// A connection to a server that takes peers of both kinds, until its first byte tells which this one is: a Python peer begins
/// with a length, whose first byte is 0 for all that can be, and nothing else does.
pub(crate) struct Greeting {
    session: Box<dyn Session>,
    /// What makes the session of a Python peer; nothing once the first byte has come.
    undecided: Option<(Arc<Hub>, Arc<Peer>, Instant)>,
    first: Vec<u8>,
}

impl Greeting {
    /// `native` waits for the first byte, and stays if that is not 0.
    pub(crate) fn new(
        native: Box<dyn Session>,
        hub: Arc<Hub>,
        peer: Arc<Peer>,
        now: Instant,
    ) -> Self {
        Self {
            session: native,
            undecided: Some((hub, peer, now)),
            first: vec![0; FIRST_READ],
        }
    }
}

impl Session for Greeting {
    fn read_buffer(&mut self, hung_up: bool) -> Option<&mut [u8]> {
        if self.undecided.is_some() {
            Some(&mut self.first)
        } else {
            self.session.read_buffer(hung_up)
        }
    }

    fn on_secured(&mut self, peer: Option<[u8; 32]>) {
        self.session.on_secured(peer);
    }

    fn on_read(&mut self, n: usize, now: Instant) -> Result<(), Error> {
        let Some((hub, peer, accepted)) = self.undecided.take() else {
            return self.session.on_read(n, now);
        };
        let first = std::mem::take(&mut self.first);
        let mut bytes = first.get(..n).unwrap_or_default();
        if bytes.first() == Some(&0) {
            self.session = Box::new(PythonSession::accepted(hub, peer, accepted));
        }
        while !bytes.is_empty() {
            // A session that has only begun takes bytes in any case.
            let Some(room) = self.session.read_buffer(true) else {
                break;
            };
            let (now_read, later) = bytes.split_at(bytes.len().min(room.len()));
            if let Some(room) = room.get_mut(..now_read.len()) {
                room.copy_from_slice(now_read);
            }
            self.session.on_read(now_read.len(), now)?;
            bytes = later;
        }
        Ok(())
    }

    fn on_drained(&mut self, now: Instant) {
        self.session.on_drained(now);
    }

    fn on_eof(&mut self, now: Instant) -> Result<(), Error> {
        self.session.on_eof(now)
    }

    fn on_nudge(&mut self, now: Instant) {
        self.session.on_nudge(now);
    }

    fn transmit<'a>(&'a mut self, out: &mut [IoSlice<'a>]) -> usize {
        self.session.transmit(out)
    }

    fn on_sent(&mut self, n: usize) {
        self.session.on_sent(n);
    }

    fn send_direct(
        &mut self,
        word: Word,
        payload: &[u8],
        write: &mut dyn FnMut(&[IoSlice<'_>]) -> usize,
        now: Instant,
    ) -> bool {
        self.session.send_direct(word, payload, write, now)
    }

    fn last_words<'a>(&'a mut self, error: &Error, out: &mut [IoSlice<'a>]) -> usize {
        self.session.last_words(error, out)
    }

    fn deadline(&self) -> Option<Instant> {
        self.session.deadline()
    }

    fn on_deadline(&mut self, now: Instant) -> Result<(), Error> {
        self.session.on_deadline(now)
    }

    fn status(&self) -> Status {
        self.session.status()
    }

    fn on_closed(&mut self, result: Result<(), Error>, now: Instant) -> Option<Redial> {
        self.session.on_closed(result, now)
    }
}
