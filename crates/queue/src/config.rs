use std::time::Duration;

use chunk::{LargePool, Pool};
use wire::{AckPoint, Hello, Keeping, Kind, PeerId, Secret, Standing, VERSION};

/// A received slab holds whole frames of up to 64 KiB, so twice that leaves room to read on while one is incomplete.
const SLAB_BYTES: usize = 128 * 1024;
const FREE_SLABS: usize = 32;
/// V8 frees views of large messages in bursts of 32 MiB; with those in flight, that is what the next ones reuse.
const FREE_LARGE_BYTES: usize = 48 * 1024 * 1024;

/// Which protocol a communicator speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Compat {
    /// A client: its own. A server: the one that its peer begins with.
    Auto,
    /// Its own.
    Native,
    /// That of the Python package net-queue.
    Python,
}

/// Pools from which messages have their memory. Communicators that share one keep together no more of it ready than one alone would;
/// the gauges of each then count for all.
#[derive(Clone)]
pub struct Memory {
    /// For frames up to 64 KiB.
    pub slabs: Pool,
    /// For longer messages.
    pub large: LargePool,
}

impl Default for Memory {
    fn default() -> Self {
        Self {
            slabs: Pool::new(SLAB_BYTES, FREE_SLABS),
            large: LargePool::new(FREE_LARGE_BYTES),
        }
    }
}

/// What a communicator was opened with, and the memory that its sessions share.
#[derive(Clone)]
pub struct Config {
    /// Who this side is.
    pub id: PeerId,
    /// Name that both sides must give.
    pub cluster: String,
    /// Which protocol it speaks.
    pub compat: Compat,
    /// Kind of the messages of Python peers, which do not tell one.
    pub python_kind: Kind,
    /// When arriving messages are acknowledged.
    pub ack: AckPoint,
    /// Bound of messages held for the consumer, per peer, in payload bytes.
    pub high_water_bytes: u64,
    /// The same in messages.
    pub high_water_messages: u64,
    /// At most half of the bound is on its way to a peer at a time, so that the rest can still be dropped
    /// (`onFull: 'drop-oldest'`).
    pub holds_back: bool,
    /// Longest message accepted or sent.
    pub max_message: u32,
    /// Most peers at a time (server). As many connections, and at least 64, may be shaking hands beside them.
    pub max_peers: usize,
    /// How long a client tries to reach its server; `None`: for ever.
    pub connect_timeout: Option<Duration>,
    /// From connection to the end of the handshake.
    pub handshake_timeout: Duration,
    /// A connection on which nothing arrived for so long is pinged; `None`: never.
    pub keep_alive: Option<Duration>,
    /// A connection on which nothing arrived for so long is lost; `None`: never.
    pub idle_timeout: Option<Duration>,
    /// A session without a connection is kept for so long; `None`: it ends with its connection.
    pub session_timeout: Option<Duration>,
    /// Proves that a client is the one that began a session.
    pub secret: Secret,
    /// Which run of this communicator this is, never 0; see [`Keeping`].
    pub incarnation: u64,
    /// Seed for the jitter of retries.
    pub entropy: u64,
    /// Where messages lie.
    pub memory: Memory,
}

impl Config {
    /// The defaults for that id. They are those of `ts/net-queue/options.ts`, which decides: a communicator of JavaScript passes
    /// all of them.
    #[must_use]
    pub fn new(id: PeerId) -> Self {
        Self {
            id,
            cluster: String::new(),
            compat: Compat::Auto,
            python_kind: Kind::Bytes,
            ack: AckPoint::Received,
            high_water_bytes: 8 * 1024 * 1024,
            high_water_messages: 65_536,
            holds_back: false,
            max_message: 256 * 1024 * 1024,
            max_peers: 10_000,
            connect_timeout: Some(Duration::from_secs(10)),
            handshake_timeout: Duration::from_secs(5),
            keep_alive: Some(Duration::from_secs(1)),
            idle_timeout: Some(Duration::from_millis(2500)),
            session_timeout: Some(Duration::from_secs(30)),
            secret: [0; 16],
            incarnation: 1,
            entropy: 0,
            memory: Memory::default(),
        }
    }

    /// What this side tells of itself.
    pub(crate) fn hello(&self, standing: Option<Standing>) -> Hello {
        let keeping = self.session_timeout.map(|timeout| Keeping {
            for_ms: milliseconds(timeout).max(1),
            incarnation: self.incarnation.max(1),
            secret: self.secret,
        });
        Hello {
            versions: (VERSION, VERSION),
            id: self.id,
            cluster: self.cluster.clone(),
            features: 0,
            ack: self.ack,
            keep_alive_ms: self.keep_alive.map_or(0, milliseconds),
            max_message: self.max_message,
            standing: standing.filter(|_| keeping.is_some()),
            keeping,
        }
    }
}

fn milliseconds(time: Duration) -> u32 {
    u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
}
