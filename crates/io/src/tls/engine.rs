//! rustls, reduced to what a stream needs: records in, plaintext and records out. Both sides of a connection behave the same.

use rustls::client::UnbufferedClientConnection;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{
    ConnectionState, EncodeError, EncryptError, InsufficientSizeError, UnbufferedStatus,
};
use rustls::{CommonState, Error};

/// A TLS conversation. The caller keeps the incoming bytes, because rustls decrypts them where they lie.
pub(crate) enum Engine {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

/// Where what an [`Engine`] makes belongs.
pub(crate) struct Sink<'a> {
    /// Plaintext, as long as there is room.
    pub(crate) buffer: &'a mut [u8],
    pub(crate) filled: usize,
    /// Plaintext beyond that: the rest of one record at most.
    pub(crate) spare: &'a mut Vec<u8>,
    /// Records for the peer.
    pub(crate) out: &'a mut Vec<u8>,
}

impl Sink<'_> {
    fn take(&mut self, plaintext: &[u8]) {
        let room = self.buffer.get_mut(self.filled..).unwrap_or_default();
        let (now, later) = plaintext.split_at(plaintext.len().min(room.len()));
        if let Some(room) = room.get_mut(..now.len()) {
            room.copy_from_slice(now);
        }
        self.filled += now.len();
        self.spare.extend_from_slice(later);
    }
}

/// What became of one look at the incoming bytes.
pub(crate) enum Step {
    /// Something was done; there may be more.
    Again,
    /// All that can be done is done, until more comes.
    NeedsInput,
    /// The peer said that it will send no more.
    PeerClosed,
}

impl Engine {
    fn common(&self) -> &CommonState {
        match self {
            Self::Client(connection) => connection,
            Self::Server(connection) => connection,
        }
    }

    pub(crate) fn is_client(&self) -> bool {
        matches!(self, Self::Client(_))
    }

    pub(crate) fn is_handshaking(&self) -> bool {
        self.common().is_handshaking()
    }

    /// Whether there are records for the peer; if so, [`step`](Self::step) looks at nothing else.
    pub(crate) fn has_records(&self) -> bool {
        self.common().wants_write()
    }

    /// The peer's end-entity certificate in DER, if it showed one.
    pub(crate) fn peer_certificate(&self) -> Option<&[u8]> {
        let chain = self.common().peer_certificates()?;
        chain.first().map(AsRef::as_ref)
    }

    /// Looks at the records in `window`, and says how many of its first bytes are done with, whatever the result.
    pub(crate) fn step(
        &mut self,
        window: &mut [u8],
        sink: &mut Sink<'_>,
    ) -> (usize, Result<Step, Error>) {
        match self {
            Self::Client(connection) => settle(connection.process_tls_records(window), sink),
            Self::Server(connection) => settle(connection.process_tls_records(window), sink),
        }
    }

    /// Encrypts `plaintext`; the records lie at the front of `out`, whose length is the answer. `window` is what has been
    /// looked at and is still kept.
    pub(crate) fn encrypt(
        &mut self,
        window: &mut [u8],
        plaintext: &[u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        match self {
            Self::Client(it) => seal(it.process_tls_records(window), Some(plaintext), out),
            Self::Server(it) => seal(it.process_tls_records(window), Some(plaintext), out),
        }
    }

    /// Tells the peer that nothing more will come, as [`encrypt`](Self::encrypt) does.
    pub(crate) fn say_goodbye(
        &mut self,
        window: &mut [u8],
        out: &mut [u8],
    ) -> Result<usize, Error> {
        match self {
            Self::Client(it) => seal(it.process_tls_records(window), None, out),
            Self::Server(it) => seal(it.process_tls_records(window), None, out),
        }
    }
}

fn settle<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    sink: &mut Sink<'_>,
) -> (usize, Result<Step, Error>) {
    let UnbufferedStatus {
        mut discard, state, ..
    } = status;
    let step = state.and_then(|state| match state {
        ConnectionState::ReadTraffic(mut traffic) => {
            while let Some(record) = traffic.next_record() {
                let record = record?;
                discard += record.discard;
                sink.take(record.payload);
            }
            Ok(Step::Again)
        }
        ConnectionState::EncodeTlsData(mut data) => {
            let length = match data.encode(&mut []) {
                Err(EncodeError::InsufficientSize(InsufficientSizeError { required_size })) => {
                    required_size
                }
                Ok(_) | Err(EncodeError::AlreadyEncoded) => 0,
            };
            let start = sink.out.len();
            sink.out.resize(start + length, 0);
            let written = data.encode(sink.out.get_mut(start..).unwrap_or_default());
            sink.out.truncate(start + written.unwrap_or(0));
            Ok(Step::Again)
        }
        // What was encoded is in `out`, which is written before anything that is made later.
        ConnectionState::TransmitTlsData(data) => {
            data.done();
            Ok(Step::Again)
        }
        ConnectionState::PeerClosed => Ok(Step::PeerClosed),
        ConnectionState::BlockedHandshake
        | ConnectionState::WriteTraffic(_)
        | ConnectionState::Closed => Ok(Step::NeedsInput),
        // Early data is off.
        other => Err(Error::General(format!("unexpected state {other:?}"))),
    });
    (discard, step)
}

/// `None`: the goodbye.
fn seal<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    plaintext: Option<&[u8]>,
    out: &mut [u8],
) -> Result<usize, Error> {
    let ConnectionState::WriteTraffic(mut traffic) = status.state? else {
        return Err(Error::HandshakeNotComplete);
    };
    let sealed = match plaintext {
        Some(plaintext) => traffic.encrypt(plaintext, out),
        None => traffic.queue_close_notify(out),
    };
    sealed.map_err(|error| match error {
        EncryptError::InsufficientSize(_) => Error::General("no room for a record".into()),
        EncryptError::EncryptExhausted => Error::EncryptError,
    })
}
