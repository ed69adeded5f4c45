use std::cell::RefCell;
use std::io::{self, ErrorKind, IoSlice};

use ring::digest::{SHA256, digest};
use rustls::{Error, InvalidMessage};

use super::engine::{Engine, Sink, Step};
use super::failure::{cut_off, failed};
use super::record::{self, MAX_PLAINTEXT, Next};
use super::security::{ClientSecurity, ServerSecurity};
use crate::socket::Stream;

/// Asked of the socket at once. What is decrypted while it is still in the cache costs less than a system call saved.
const READ: usize = 64 * 1024;
/// A record, or a message of the handshake, that is not whole yet: rustls refuses one that is longer.
const MAX_REST: usize = 96 * 1024;
/// Plaintext that is encrypted before it is written: as many records go out with one system call.
const MAX_WRITE: usize = 8 * MAX_PLAINTEXT;
/// Beside the records of a write: what each adds, and a key update or a goodbye.
const OVERHEAD: usize = 4096;

/// A socket and the TLS spoken over it. It behaves like a socket: what comes out of `read` is plaintext, a short read means
/// that the socket is empty, and what `write` took is on its way. What it keeps for a peer that does not read is bounded by one
/// write, and what it keeps of one that sends by one record.
pub(crate) struct TlsStream {
    socket: Stream,
    engine: Engine,
    /// Bytes of the peer that are not done with. rustls has seen the first `seen` of them.
    rest: Vec<u8>,
    seen: usize,
    /// Plaintext that found no room.
    spare: Vec<u8>,
    spare_taken: usize,
    /// Records that the socket has not taken.
    pending: Vec<u8>,
    pending_sent: usize,
    /// How the peer's side ended, once all before it has been read.
    ended: Option<io::Result<()>>,
    /// rustls has given up: it must not be asked for anything any more.
    failed: bool,
    told_secured: bool,
    said_goodbye: bool,
}

/// The handshake is done, and this is what it told of the peer.
pub(crate) struct Secured {
    /// SHA-256 of its certificate, if it showed one.
    pub(crate) peer: Option<[u8; 32]>,
}

/// Memory for the work of one call, for all streams of a thread: an idle stream keeps next to nothing.
struct Scratch {
    incoming: Vec<u8>,
    outgoing: Vec<u8>,
    /// A record whose plaintext comes in several pieces.
    record: Vec<u8>,
}

thread_local! {
    static SCRATCH: RefCell<Scratch> = RefCell::new(Scratch {
        incoming: vec![0; MAX_REST + READ],
        outgoing: vec![0; MAX_WRITE + OVERHEAD],
        record: Vec::with_capacity(MAX_PLAINTEXT),
    });
}

impl TlsStream {
    pub(crate) fn client(socket: Stream, security: &ClientSecurity) -> io::Result<Self> {
        Self::start(
            socket,
            Engine::Client(security.connect().map_err(|e| failed(&e, true))?),
        )
    }

    pub(crate) fn server(socket: Stream, security: &ServerSecurity) -> io::Result<Self> {
        Self::start(
            socket,
            Engine::Server(security.accept().map_err(|e| failed(&e, false))?),
        )
    }

    fn start(socket: Stream, engine: Engine) -> io::Result<Self> {
        let mut this = Self {
            socket,
            engine,
            rest: Vec::new(),
            seen: 0,
            spare: Vec::new(),
            spare_taken: 0,
            pending: Vec::new(),
            pending_sent: 0,
            ended: None,
            failed: false,
            told_secured: false,
            said_goodbye: false,
        };
        // A client speaks first.
        let mut incoming = Incoming::default();
        this.process(&mut incoming, &mut [], 0);
        match this.ended.take() {
            Some(Err(error)) => Err(error),
            _ => Ok(this),
        }
    }

    pub(crate) fn socket(&self) -> &Stream {
        &self.socket
    }

    pub(crate) fn socket_mut(&mut self) -> &mut Stream {
        &mut self.socket
    }

    /// Whether the handshake is done, so that data can be written.
    pub(crate) fn is_open(&self) -> bool {
        !self.engine.is_handshaking()
    }

    /// Once, when the handshake is done.
    pub(crate) fn take_secured(&mut self) -> Option<Secured> {
        if self.told_secured || !self.is_open() {
            return None;
        }
        self.told_secured = true;
        let peer = self.engine.peer_certificate().and_then(|certificate| {
            let hash = digest(&SHA256, certificate);
            hash.as_ref().try_into().ok()
        });
        Some(Secured { peer })
    }

    /// Whether the socket has not taken all that was written.
    pub(crate) fn is_backed_up(&self) -> bool {
        self.pending_sent < self.pending.len()
    }

    /// Whether there is something to read although the socket was read empty: how it ended.
    pub(crate) fn has_more(&self) -> bool {
        self.ended.is_some()
    }

    /// Reads plaintext, and takes care of the handshake. Fills `buffer` unless the socket is empty.
    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let filled = self.take_spare(buffer);
        let filled = if filled < buffer.len() && self.ended.is_none() {
            SCRATCH.with_borrow_mut(|scratch| self.read_records(scratch, buffer, filled))
        } else {
            filled
        };
        // What is wrong with writing shows where data is written, and does not keep anybody from reading.
        let _shows_later = self.flush();
        if filled > 0 {
            return Ok(filled);
        }
        match &self.ended {
            None => Err(ErrorKind::WouldBlock.into()),
            Some(Ok(())) => Ok(0),
            Some(Err(_)) => match self.ended.replace(Ok(())) {
                Some(Err(error)) => Err(error),
                _ => Ok(0),
            },
        }
    }

    fn take_spare(&mut self, buffer: &mut [u8]) -> usize {
        let spare = self.spare.get(self.spare_taken..).unwrap_or_default();
        let length = spare.len().min(buffer.len());
        if let (Some(to), Some(from)) = (buffer.get_mut(..length), spare.get(..length)) {
            to.copy_from_slice(from);
        }
        self.spare_taken += length;
        if self.spare_taken == self.spare.len() {
            self.spare = Vec::new();
            self.spare_taken = 0;
        }
        length
    }

    fn read_records(&mut self, scratch: &mut Scratch, buffer: &mut [u8], filled: usize) -> usize {
        let mut incoming = Incoming {
            memory: &mut scratch.incoming,
            start: 0,
            end: 0,
        };
        incoming.append(&self.rest);
        self.rest.clear();
        let mut filled = filled;
        let mut drained = false;
        loop {
            filled = self.process(&mut incoming, buffer, filled);
            // A short read emptied the socket. With nothing to show for it, one more finds out whether that was the end.
            if filled == buffer.len() || self.ended.is_some() || (drained && filled > 0) {
                break;
            }
            let Some(room) = incoming.room(buffer.len() - filled) else {
                let endless = Error::General("a message of the handshake is too long".into());
                self.ended = Some(Err(failed(&endless, self.engine.is_client())));
                break;
            };
            let length = room.len();
            match self.socket.read(room) {
                Ok(0) => self.ended = Some(self.on_eof()),
                Ok(n) => {
                    drained = n < length;
                    incoming.end += n;
                }
                Err(error) if error.kind() == ErrorKind::WouldBlock => break,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => self.ended = Some(Err(error)),
            }
        }
        match incoming.bytes() {
            [] => self.rest = Vec::new(),
            bytes => self.rest.extend_from_slice(bytes),
        }
        filled
    }

    /// The socket has ended, and the peer did not say so by TLS: anybody on the way could have cut it off.
    fn on_eof(&self) -> io::Result<()> {
        Err(cut_off(self.engine.is_handshaking()))
    }

    /// Has rustls look at the records, as long as there is room for plaintext.
    fn process(&mut self, incoming: &mut Incoming<'_>, buffer: &mut [u8], filled: usize) -> usize {
        let mut sink = Sink {
            buffer,
            filled,
            spare: &mut self.spare,
            out: &mut self.pending,
        };
        let mut hopeless = false;
        while self.ended.is_none() {
            let window = incoming.window(self.seen);
            let (done, step) = self.engine.step(window, &mut sink);
            incoming.start += done;
            self.seen = self.seen.saturating_sub(done);
            match step {
                Ok(Step::Again) => {}
                Ok(Step::PeerClosed) => self.ended = Some(Ok(())),
                Ok(Step::NeedsInput) if hopeless => {
                    self.failed = true;
                    let error = Error::InvalidMessage(InvalidMessage::InvalidContentType);
                    self.ended = Some(Err(failed(&error, self.engine.is_client())));
                }
                Ok(Step::NeedsInput) => {
                    // A record only when what it holds has somewhere to go.
                    if !sink.spare.is_empty()
                        || (sink.filled == sink.buffer.len() && !sink.buffer.is_empty())
                    {
                        break;
                    }
                    let unseen = incoming.bytes().get(self.seen..).unwrap_or_default();
                    match record::next(unseen) {
                        Next::Whole(length) => self.seen += length,
                        Next::Partial => break,
                        // rustls says what is wrong with it.
                        Next::Invalid => {
                            hopeless = true;
                            self.seen += unseen.len();
                        }
                    }
                }
                Err(error) => {
                    // Who has spoken TLS until now speaks it.
                    let is_damage = self.told_secured && matches!(error, Error::InvalidMessage(_));
                    let error = if is_damage {
                        Error::DecryptError
                    } else {
                        error
                    };
                    self.ended = Some(Err(failed(&error, self.engine.is_client())));
                    self.failed = true;
                    // The peer is told why. rustls is not to look at what it has refused again.
                    while self.engine.has_records() {
                        let _told = self.engine.step(incoming.window(self.seen), &mut sink);
                    }
                }
            }
        }
        sink.filled
    }

    /// Writes what the socket has not taken.
    ///
    /// # Errors
    /// `WouldBlock` if it does not take all of it now.
    pub(crate) fn flush(&mut self) -> io::Result<()> {
        while let Some(left @ [_, ..]) = self.pending.get(self.pending_sent..) {
            match self.socket.write(&[IoSlice::new(left)]) {
                Ok(0) => return Err(ErrorKind::WriteZero.into()),
                Ok(n) => self.pending_sent += n,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        // An idle stream keeps nothing.
        self.pending = Vec::new();
        self.pending_sent = 0;
        Ok(())
    }

    /// Encrypts and writes; says how much of the plaintext is taken care of, which is less than all of it if it is long.
    pub(crate) fn write(&mut self, pieces: &[IoSlice<'_>]) -> io::Result<usize> {
        // Reading tells what has failed.
        if !self.is_open() || self.failed {
            return Err(ErrorKind::WouldBlock.into());
        }
        self.flush()?;
        SCRATCH.with_borrow_mut(|scratch| {
            let (taken, length) = self.encrypt(scratch, pieces)?;
            let records = scratch.outgoing.get(..length).unwrap_or_default();
            let sent = match self.socket.write(&[IoSlice::new(records)]) {
                Ok(n) => n,
                Err(error)
                    if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) =>
                {
                    0
                }
                Err(error) => return Err(error),
            };
            self.pending
                .extend_from_slice(records.get(sent..).unwrap_or_default());
            Ok(taken)
        })
    }

    /// Full records, except for the last one: small pieces are put together, large ones are encrypted from where they lie.
    fn encrypt(
        &mut self,
        scratch: &mut Scratch,
        pieces: &[IoSlice<'_>],
    ) -> io::Result<(usize, usize)> {
        let is_client = self.engine.is_client();
        let window = self.rest.get_mut(..self.seen).unwrap_or_default();
        let (record, outgoing) = (&mut scratch.record, &mut scratch.outgoing);
        let mut length = 0;
        let mut seal = |plaintext: &[u8]| {
            let room = outgoing.get_mut(length..).unwrap_or_default();
            let sealed = self.engine.encrypt(window, plaintext, room);
            length += sealed.map_err(|error| failed(&error, is_client))?;
            io::Result::Ok(())
        };
        record.clear();
        let mut taken = 0;
        for piece in pieces {
            let mut piece = piece
                .get(..piece.len().min(MAX_WRITE - taken))
                .unwrap_or_default();
            taken += piece.len();
            while !piece.is_empty() {
                let whole = piece.len() - piece.len() % MAX_PLAINTEXT;
                let now = if record.is_empty() && whole > 0 {
                    seal(piece.get(..whole).unwrap_or_default())?;
                    whole
                } else {
                    let part = piece.len().min(MAX_PLAINTEXT - record.len());
                    record.extend_from_slice(piece.get(..part).unwrap_or_default());
                    part
                };
                piece = piece.get(now..).unwrap_or_default();
                if record.len() == MAX_PLAINTEXT {
                    seal(record)?;
                    record.clear();
                }
            }
        }
        if !record.is_empty() {
            seal(record)?;
        }
        Ok((taken, length))
    }

    /// Says goodbye and closes the write side, unless the socket takes nothing now: false.
    pub(crate) fn shutdown_write(&mut self) -> bool {
        if !self.said_goodbye && self.is_open() && !self.failed {
            self.said_goodbye = true;
            let mut records = [0; OVERHEAD];
            let window = self.rest.get_mut(..self.seen).unwrap_or_default();
            // Who cannot say goodbye any more just leaves.
            let length = self.engine.say_goodbye(window, &mut records).unwrap_or(0);
            self.pending
                .extend_from_slice(records.get(..length).unwrap_or_default());
        }
        if let Err(error) = self.flush()
            && error.kind() == ErrorKind::WouldBlock
        {
            return false;
        }
        self.socket.shutdown_write()
    }
}

/// The bytes of the peer that are being worked on.
#[derive(Default)]
struct Incoming<'a> {
    memory: &'a mut [u8],
    start: usize,
    end: usize,
}

impl Incoming<'_> {
    fn bytes(&self) -> &[u8] {
        self.memory.get(self.start..self.end).unwrap_or_default()
    }

    fn window(&mut self, seen: usize) -> &mut [u8] {
        let end = (self.start + seen).min(self.end);
        self.memory.get_mut(self.start..end).unwrap_or_default()
    }

    fn append(&mut self, bytes: &[u8]) {
        if let Some(room) = self.memory.get_mut(self.end..self.end + bytes.len()) {
            room.copy_from_slice(bytes);
            self.end += bytes.len();
        }
    }

    /// Room for the next read, of which about `wanted` bytes of plaintext are wanted. `None`: too much is kept.
    fn room(&mut self, wanted: usize) -> Option<&mut [u8]> {
        self.memory.copy_within(self.start..self.end, 0);
        self.end -= self.start;
        self.start = 0;
        if self.end > MAX_REST {
            return None;
        }
        // Not much more than what fits: the rest would have to be kept.
        let length = READ.min(wanted.max(MAX_PLAINTEXT) + OVERHEAD);
        self.memory.get_mut(self.end..self.end + length)
    }
}
