use std::io::{self, IoSlice};
use std::time::{Duration, Instant};

use wire::{Error, Session, Status, Word};

use crate::crew::Load;
use crate::dial::Way;
use crate::failure::broken;
use crate::socket::Stream;

/// Bytes read from one connection before the others have their turn.
const READ_BUDGET: usize = 1024 * 1024;
/// The same for writing.
const WRITE_BUDGET: usize = 2 * 1024 * 1024;
const PIECES: usize = 16;

/// A socket and its session.
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) session: Box<dyn Session>,
    /// Of an outgoing one.
    pub(crate) dialed: Option<Way>,
    /// Of one that came in: what it adds to its host's load, until it ends.
    _load: Option<Load>,
    readable: bool,
    /// The peer hung up, or closed its write side: what is left can be read, then comes the end.
    read_closed: bool,
    /// Bytes came since the session last heard that the socket is empty.
    undrained: bool,
    writable: bool,
    half_closed: bool,
    /// How long it has read, what came of it included, since its reactor last took this.
    pub(crate) read_time: Duration,
    /// Why nothing can be written any more.
    broken: Option<Error>,
    /// The earliest entry of this connection among the timers.
    pub(crate) scheduled: Option<Instant>,
}

/// How a connection stands after it has been served.
pub(crate) enum Served {
    /// Nothing to do until the socket or the owner says so.
    Idle,
    /// It used its budget up; there is more.
    More,
    /// It is over.
    Ended(Result<(), Error>),
}

impl Connection {
    /// One that came in.
    pub(crate) fn accepted(stream: Stream, session: Box<dyn Session>, load: Load) -> Self {
        Self::new(stream, session, None, Some(load))
    }

    /// One that was dialed that way.
    pub(crate) fn dialed(stream: Stream, session: Box<dyn Session>, way: Way) -> Self {
        Self::new(stream, session, Some(way), None)
    }

    fn new(
        stream: Stream,
        session: Box<dyn Session>,
        dialed: Option<Way>,
        load: Option<Load>,
    ) -> Self {
        stream.bound_send_buffer();
        Self {
            stream,
            session,
            dialed,
            _load: load,
            readable: true,
            read_closed: false,
            undrained: false,
            writable: true,
            half_closed: false,
            read_time: Duration::ZERO,
            broken: None,
            scheduled: None,
        }
    }

    pub(crate) fn on_event(&mut self, readable: bool, read_closed: bool, writable: bool) {
        self.readable |= readable;
        self.read_closed |= read_closed;
        self.writable |= writable;
    }

    /// Reads and writes as much as the socket, the session and the budget allow.
    pub(crate) fn serve(&mut self, now: Instant) -> Served {
        match self.try_serve(now) {
            Ok(served) => served,
            Err(error) => Served::Ended(Err(error)),
        }
    }

    fn try_serve(&mut self, now: Instant) -> Result<Served, Error> {
        let more_to_write = self.write()?;
        let start = self.readable.then(Instant::now);
        let read = self.read(now);
        self.read_time += start.map_or(Duration::ZERO, |start| start.elapsed());
        let read = read?;
        if read == ReadEnd::Eof {
            self.finish();
            return Ok(Served::Ended(Ok(())));
        }
        let more_to_write = if read == ReadEnd::Nothing {
            more_to_write
        } else {
            self.write()?
        };
        self.finish();
        Ok(if more_to_write || read == ReadEnd::Budget {
            Served::More
        } else {
            Served::Idle
        })
    }

    /// Closes the write side once the session has said all.
    fn finish(&mut self) {
        if self.session.status() == Status::Finished && !self.half_closed {
            self.half_closed = self.stream.shutdown_write();
        }
    }

    /// See [`Session::send_direct`].
    pub(crate) fn send_direct(&mut self, word: Word, payload: &[u8], now: Instant) -> bool {
        let (stream, writable) = (&mut self.stream, &mut self.writable);
        if !*writable {
            return false;
        }
        let mut write = |pieces: &[IoSlice<'_>]| {
            let offered: usize = pieces.iter().map(|piece| piece.len()).sum();
            // What is wrong with the socket shows again when it is served.
            let sent = stream.write(pieces).unwrap_or(0);
            *writable = stream.has_room(sent, offered);
            sent
        };
        self.session.send_direct(word, payload, &mut write, now)
    }

    /// The session's deadline passed.
    pub(crate) fn on_deadline(&mut self, now: Instant) -> Served {
        if let Err(error) = self.session.on_deadline(now) {
            self.tell(&error);
            return Served::Ended(Err(error));
        }
        let is_due = |deadline| deadline <= now;
        if self.session.status() == Status::Finished && self.session.deadline().is_some_and(is_due)
        {
            return Served::Ended(Ok(()));
        }
        self.serve(now)
    }

    /// Tells the peer why, if that goes without waiting.
    pub(crate) fn tell(&mut self, error: &Error) {
        if self.writable {
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let used = self.session.last_words(error, &mut pieces);
            // The connection ends in any case.
            let _sent = self.stream.write(pieces.get(..used).unwrap_or_default());
        }
    }

    fn read(&mut self, now: Instant) -> Result<ReadEnd, Error> {
        let mut budget = READ_BUDGET;
        let mut end = ReadEnd::Nothing;
        while self.readable {
            if budget == 0 {
                return Ok(ReadEnd::Budget);
            }
            let Some(buffer) = self.session.read_buffer(self.read_closed) else {
                break;
            };
            // A secured socket fills what it is given for as long as more comes, and the buffer of a large message is as long as that.
            let room = buffer.len().min(budget);
            let read = self.stream.read(buffer.get_mut(..room).unwrap_or_default());
            if let Some(secured) = self.stream.take_secured() {
                self.session.on_secured(secured.peer);
            }
            match read {
                Ok(0) => return self.session.on_eof(now).map(|()| ReadEnd::Eof),
                Ok(n) => {
                    end = ReadEnd::Some;
                    budget = budget.saturating_sub(n);
                    self.undrained = true;
                    // A short read emptied the socket, and what comes later raises a new event. The end of the stream
                    // may have had its event already.
                    self.readable = n == room || self.read_closed || self.stream.has_more();
                    self.session
                        .on_read(n, now)
                        .inspect_err(|error| self.tell(error))?;
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    self.readable = false;
                    if let Some(error) = self.broken.take() {
                        return Err(error);
                    }
                    // Even if nothing came: the session keeps no memory ready for an empty socket.
                    self.undrained = true;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(broken("read", &error)),
            }
        }
        if std::mem::take(&mut self.undrained) {
            end = ReadEnd::Some;
            self.session.on_drained(now);
        }
        Ok(end)
    }

    /// True if the budget was used up before the socket or the session had enough.
    fn write(&mut self) -> Result<bool, Error> {
        let mut budget = WRITE_BUDGET;
        while self.writable {
            if let Err(error) = self.stream.flush() {
                self.on_unwritable(&error)?;
                continue;
            }
            if !self.stream.is_open() {
                return Ok(false);
            }
            let mut pieces = [IoSlice::new(&[]); PIECES];
            let used = self.session.transmit(&mut pieces);
            let pieces = pieces.get(..used).unwrap_or_default();
            if pieces.is_empty() {
                return Ok(false);
            }
            if budget == 0 {
                return Ok(true);
            }
            let offered: usize = pieces.iter().map(|piece| piece.len()).sum();
            match self.stream.write(pieces) {
                Ok(n) => {
                    budget = budget.saturating_sub(n);
                    self.writable = self.stream.has_room(n, offered);
                    self.session.on_sent(n);
                }
                Err(error) => self.on_unwritable(&error)?,
            }
        }
        Ok(false)
    }

    fn on_unwritable(&mut self, error: &io::Error) -> Result<(), Error> {
        match error.kind() {
            io::ErrorKind::WouldBlock => self.writable = false,
            io::ErrorKind::Interrupted => {}
            _ if is_hang_up(error) => {
                // What the peer said last may still be in the socket, so reading decides.
                self.writable = false;
                self.readable = true;
                self.read_closed = true;
                self.broken = Some(broken("write", error));
            }
            _ => return Err(broken("write", error)),
        }
        Ok(())
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum ReadEnd {
    Nothing,
    Some,
    Budget,
    Eof,
}

/// Whether the connection is gone, so that no more than what the socket holds can be read.
fn is_hang_up(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::BrokenPipe
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::ConnectionAborted
            | io::ErrorKind::NotConnected
            | io::ErrorKind::TimedOut
    )
}
