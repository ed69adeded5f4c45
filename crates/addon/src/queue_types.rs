use std::time::Duration;

use napi::bindgen_prelude::Uint8Array;
use napi_derive::napi;
use queue::{Compat, Config, Event, Introduction};
use wire::{AckPoint, Code, Endpoint, Kind};

use crate::queue_security::QueueSecurity;

/// What a queue is opened with; see the TypeScript options for meanings and defaults.
#[napi(object, object_to_js = false)]
pub struct QueueConfig {
    /// Listen (true) or connect.
    pub server: bool,
    /// Use `path` instead of `host` and `port`.
    pub unix: bool,
    /// Host name or address.
    pub host: String,
    /// Port; 0 lets the system choose.
    pub port: u16,
    /// Path of the UNIX socket.
    pub path: String,
    /// UUID, 16 bytes.
    pub id: Uint8Array,
    /// Cluster name.
    pub cluster: String,
    /// 0: a server takes native peers and Python peers, a client is native; 1: native only; 2: Python only.
    pub compat: u32,
    /// Kind of the messages of Python peers.
    pub python_kind: u32,
    /// Acknowledge what `queueAck` says instead of what arrived.
    pub ack_processed: bool,
    /// Bound of held messages in bytes, per peer.
    pub high_water_bytes: f64,
    /// Bound of held messages in number, per peer.
    pub high_water_messages: f64,
    /// Keep unsent messages back so that the oldest can be dropped.
    pub drop_oldest: bool,
    /// Longest message in bytes.
    pub max_message_bytes: u32,
    /// Most peers of a server.
    pub max_peers: u32,
    /// In ms; 0: try for ever.
    pub connect_timeout_ms: f64,
    /// In ms.
    pub handshake_timeout_ms: f64,
    /// In ms; 0: no signs of life.
    pub keep_alive_ms: f64,
    /// In ms; 0: for ever.
    pub idle_timeout_ms: f64,
    /// How long a session without a connection is kept, in ms; 0: it ends with its connection.
    pub session_timeout_ms: f64,
    /// What a client shows to go on with its session, 16 bytes.
    pub secret: Uint8Array,
    /// Drawn at random for every queue that is opened, 8 bytes.
    pub incarnation: Uint8Array,
    /// 0: a thread of its own, 1: Node's event loop.
    pub run_on: u32,
    /// So many threads share the connections; 1 where it is the event loop.
    pub workers: u32,
    /// Other processes may listen at the same TCP port, if they say so too.
    pub reuse_port: bool,
    /// TLS; without it connections are in plain.
    pub security: Option<QueueSecurity>,
}

impl QueueConfig {
    pub(crate) fn endpoint(&self) -> Endpoint {
        if self.unix {
            Endpoint::Unix(self.path.clone())
        } else {
            Endpoint::Tcp(self.host.clone(), self.port)
        }
    }

    pub(crate) fn config(&self) -> Result<Config, Code> {
        let id = bytes(&self.id)?;
        if self.cluster.len() > wire::MAX_CLUSTER_BYTES {
            return Err(Code::InvalidArgument);
        }
        let mut config = Config::new(id);
        config.cluster.clone_from(&self.cluster);
        config.compat = match self.compat {
            0 => Compat::Auto,
            1 => Compat::Native,
            2 => Compat::Python,
            _ => return Err(Code::InvalidArgument),
        };
        config.python_kind = kind(self.python_kind).ok_or(Code::InvalidArgument)?;
        config.ack = if self.ack_processed {
            AckPoint::Processed
        } else {
            AckPoint::Received
        };
        config.high_water_bytes = count(self.high_water_bytes).max(1);
        config.high_water_messages = count(self.high_water_messages).max(1);
        config.holds_back = self.drop_oldest;
        config.max_message = self.max_message_bytes.clamp(1, wire::MAX_LENGTH);
        config.max_peers = self.max_peers.max(1) as usize;
        config.connect_timeout = duration(self.connect_timeout_ms);
        config.handshake_timeout =
            duration(self.handshake_timeout_ms).unwrap_or(config.handshake_timeout);
        config.keep_alive = duration(self.keep_alive_ms);
        config.idle_timeout = duration(self.idle_timeout_ms);
        config.session_timeout = duration(self.session_timeout_ms);
        config.secret = bytes(&self.secret)?;
        config.incarnation = u64::from_le_bytes(bytes(&self.incarnation)?);
        config.entropy = config.incarnation;
        Ok(config)
    }
}

fn kind(number: u32) -> Option<Kind> {
    [
        Kind::Bytes,
        Kind::Msgpack,
        Kind::Json,
        Kind::Custom,
        Kind::Pickle,
    ]
    .into_iter()
    .find(|kind| *kind as u32 == number)
}

fn bytes<const N: usize>(array: &Uint8Array) -> Result<[u8; N], Code> {
    array.as_ref().try_into().map_err(|_| Code::InvalidArgument)
}

/// A number of JavaScript as a count; anything that is none counts as 0.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "`as` saturates, and NaN gives 0"
)]
pub(crate) fn count(number: f64) -> u64 {
    number as u64
}

/// Milliseconds as a duration; 0 and what is none: no limit.
pub(crate) fn duration(milliseconds: f64) -> Option<Duration> {
    let milliseconds = count(milliseconds);
    (milliseconds > 0).then(|| Duration::from_millis(milliseconds.min(1 << 40)))
}

/// Something that happened to a queue. Which fields are there depends on `kind`.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct QueueEvent {
    /// open, peer, fin, away, back, lost, gone, dropped, warning, failed or closed.
    #[napi(
        ts_type = "'open' | 'peer' | 'fin' | 'away' | 'back' | 'lost' | 'gone' | 'dropped' | 'warning' | 'failed' | 'closed'"
    )]
    pub kind: String,
    /// Number of the peer.
    pub peer: Option<u32>,
    /// UUID of the peer.
    pub id: Option<String>,
    /// The longest message that the peer takes.
    pub max_message_bytes: Option<u32>,
    /// The peer acknowledges what its program is done with, not what arrived.
    pub ack_processed: Option<bool>,
    /// The peer speaks the protocol of the Python package net-queue.
    pub python: Option<bool>,
    /// Error code; empty on `lost` if the peer left in order.
    pub code: Option<String>,
    /// What happened and what to do.
    pub message: Option<String>,
    /// Name of the system's error behind it, such as ECONNREFUSED.
    pub system: Option<String>,
    /// What the system was asked to do, such as connect.
    pub call: Option<String>,
    /// Numbers of the first and the last message dropped; of the first message that a peer will send.
    pub first: Option<f64>,
    /// See `first`.
    pub last: Option<f64>,
    /// Address of a TCP socket.
    pub host: Option<String>,
    /// Port of a TCP socket.
    pub port: Option<u16>,
    /// Path of a UNIX socket.
    pub path: Option<String>,
}

impl From<Event> for QueueEvent {
    fn from(event: Event) -> Self {
        let of = |kind: &str| Self {
            kind: kind.into(),
            ..Self::default()
        };
        let at = |kind: &str, peer: u32| Self {
            peer: Some(peer),
            ..of(kind)
        };
        let error = |kind: &str, error: wire::Error| Self {
            code: Some(error.code.as_str().into()),
            message: Some(error.message),
            system: error.system.map(|system| system.name.into()),
            call: error.system.map(|system| system.call.into()),
            ..of(kind)
        };
        #[expect(
            clippy::cast_precision_loss,
            reason = "sequence numbers stay below 2^53"
        )]
        let introduced = |kind: &str, told: Introduction| Self {
            id: Some(uuid(&told.id)),
            max_message_bytes: Some(told.max_message),
            ack_processed: Some(told.ack == AckPoint::Processed),
            first: Some(told.first as f64),
            python: Some(told.python),
            ..of(kind)
        };
        match event {
            Event::Open(Endpoint::Tcp(host, port)) => Self {
                host: Some(host),
                port: Some(port),
                ..of("open")
            },
            Event::Open(Endpoint::Unix(path)) => Self {
                path: Some(path),
                ..of("open")
            },
            Event::Peer(peer, told) => Self {
                peer: Some(peer),
                ..introduced("peer", told)
            },
            Event::Away(peer, why) => Self {
                peer: Some(peer),
                ..error("away", why)
            },
            Event::Back(peer, told) => Self {
                peer: Some(peer),
                ..introduced("back", told)
            },
            Event::Fin(peer) => at("fin", peer),
            Event::Lost(peer, None) => Self {
                code: Some(String::new()),
                message: Some(String::new()),
                ..at("lost", peer)
            },
            Event::Lost(peer, Some(why)) => Self {
                peer: Some(peer),
                ..error("lost", why)
            },
            Event::Gone(peer) => at("gone", peer),
            #[expect(
                clippy::cast_precision_loss,
                reason = "sequence numbers stay below 2^53"
            )]
            Event::Dropped(peer, first, last) => Self {
                first: Some(first as f64),
                last: Some(last as f64),
                ..at("dropped", peer)
            },
            Event::Warning(why) => error("warning", why),
            Event::Failed(why) => error("failed", why),
            Event::Closed => of("closed"),
        }
    }
}

pub(crate) fn uuid(id: &[u8; 16]) -> String {
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
    [
        part(0, 8),
        part(8, 12),
        part(12, 16),
        part(16, 20),
        part(20, 32),
    ]
    .join("-")
}

/// Gauges and sums of a queue and of the host that runs it.
#[napi(object, object_from_js = false)]
pub struct QueueStats {
    /// Peers connected.
    pub peers: f64,
    /// Messages received in all.
    pub received_messages: f64,
    /// Their payload bytes.
    pub received_bytes: f64,
    /// Messages given to connections in all.
    pub sent_messages: f64,
    /// Their payload bytes.
    pub sent_bytes: f64,
    /// Messages held for the consumer.
    pub held_messages: f64,
    /// Their payload bytes.
    pub held_bytes: f64,
    /// Slabs in use.
    pub slabs_live: f64,
    /// Slabs kept for the next use.
    pub slabs_free: f64,
    /// Bytes of buffers for large messages in use, held by views in JavaScript too.
    pub large_bytes: f64,
    /// Bytes of transferred buffers that are not written yet, and so not collected.
    pub lent_bytes: f64,
    /// Turns of the reactor.
    pub turns: f64,
    /// How often the event loop was found stalled with work due.
    pub stalls: f64,
    /// How often the event loop had no time left, and a thread took the reactor over.
    pub loans: f64,
}
