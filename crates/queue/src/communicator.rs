use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use chunk::ring::spsc;
use chunk::{LargeBuffer, Slice};
use wire::{Code, Driver, Endpoint, Token};

use crate::client::Client;
use crate::config::{Compat, Config};
use crate::hub::{Event, Hub, WakeBits};
use crate::inbox::{Drained, Inbox};
use crate::outbox::{Window, is_large};
use crate::payload::Payload;
use crate::peer::{Done, Peer};
use crate::server::Server;

/// Frames on their way from the sessions to the owner.
const RING_CAPACITY: usize = 4096;

/// The owner's end of a queue: puts messages, takes messages, hears of events. Lives on one thread; its sessions may live
/// on another. No method blocks on I/O.
pub struct Communicator {
    hub: Arc<Hub>,
    inbox: Inbox,
    peers: HashMap<u32, Arc<Peer>>,
    /// Peers whose end has been told.
    gone: Vec<u32>,
}

/// How far a peer is.
#[derive(Clone, Copy, Debug)]
pub struct PeerStatus {
    /// What it acknowledged.
    pub done: Done,
    /// Number of the last message of which a byte may have reached the socket.
    pub written_seq: u64,
    /// It is connected, or being connected.
    pub alive: bool,
}

/// Gauges and sums of a communicator.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Peers connected.
    pub peers: u64,
    /// Messages and bytes received in all.
    pub received: (u64, u64),
    /// Messages and bytes given to the connections in all.
    pub sent: (u64, u64),
    /// Messages and bytes held for the consumer.
    pub held: (u64, u64),
    /// Slabs in use and free, and bytes of buffers for large messages in use.
    pub memory: (u64, u64, u64),
}

impl Communicator {
    /// A communicator without a way to its peers yet: pass [`server`](Self::server) or [`client`](Self::client) to the driver.
    #[must_use]
    pub fn new(config: Config, driver: Arc<dyn Driver>) -> Self {
        let (producer, consumer) = spsc(RING_CAPACITY);
        let hub = Arc::new(Hub::new(config, driver, producer));
        Self {
            hub,
            inbox: Inbox::new(consumer),
            peers: HashMap::new(),
            gone: Vec::new(),
        }
    }

    /// What accepts this server's connections.
    #[must_use]
    pub fn server(&self) -> Server {
        Server::new(Arc::clone(&self.hub))
    }

    /// What dials this client's server, which is peer 0 from now on. `token` is the one that the driver will use.
    ///
    /// # Errors
    /// [`Code::Closed`] after [`close`](Self::close).
    pub fn client(&mut self, token: Token, target: Endpoint, now: Instant) -> Result<Client, Code> {
        let peer = self.hub.join(token).ok_or(Code::Closed)?;
        if self.hub.config.compat == Compat::Python {
            // It may be put to before there is a session.
            peer.outbox().forbid(self.hub.config.id);
        }
        self.peers.insert(peer.index, Arc::clone(&peer));
        Ok(Client::new(Arc::clone(&self.hub), peer, target, now))
    }

    /// The driver's name for the listener or the dial.
    pub fn set_root(&self, token: Token) {
        self.hub.set_root(token);
    }

    fn peer(&self, number: u32) -> Result<&Arc<Peer>, Code> {
        self.peers.get(&number).ok_or(Code::NotConnected)
    }

    /// Queues messages for a peer and has them sent: all or none. Up to `inline` bytes are written to the socket by this
    /// thread if no other is at it; see [`Driver::nudge`].
    ///
    /// # Errors
    /// [`Code::NotConnected`], [`Code::Closed`], [`Code::TooLarge`], [`Code::InvalidArgument`] (words that do not
    /// describe `data`), [`Code::QueueFull`] (no memory).
    pub fn put(
        &self,
        number: u32,
        data: &[u8],
        payload: Payload<'_>,
        inline: usize,
    ) -> Result<(), Code> {
        let peer = self.peer(number)?;
        if let Some(word) = payload.only()
            && let Some(message) = data.get(..word.length())
            && is_large(word.length())
            && self.hub.driver().send_direct(peer.token(), word, message)
        {
            return Ok(());
        }
        let bytes = peer.outbox().put(data, payload)?;
        self.hub.driver().nudge(peer.token(), bytes <= inline);
        Ok(())
    }

    /// Nothing more will be put to this peer: what is queued is sent, then FIN. The answer to [`Event::Fin`], without which
    /// the session stays open; after [`close`](Self::close) none is needed.
    ///
    /// # Errors
    /// [`Code::NotConnected`].
    pub fn finish(&self, number: u32) -> Result<(), Code> {
        let peer = self.peer(number)?;
        peer.outbox().start_closing(None);
        self.hub.driver().nudge(peer.token(), true);
        Ok(())
    }

    /// Ends the session with a peer at once, because of what it sent: the connection is closed, and nothing goes on over another one.
    /// [`Event::Lost`] follows. Of a peer that is without a connection nothing ends; it can be asked again when that is back.
    ///
    /// # Errors
    /// [`Code::NotConnected`] if it is lost already.
    pub fn hang_up(&self, number: u32) -> Result<(), Code> {
        let peer = self.peer(number)?;
        if !peer.is_alive() {
            return Err(Code::NotConnected);
        }
        self.hub.driver().close(peer.token(), None);
        Ok(())
    }

    /// Queues one message and has it sent. `data` is not copied if it is large, and let go of, on any thread, once it is
    /// written to the socket or never will be.
    ///
    /// # Errors
    /// As [`put`](Self::put); `word` must describe all of `data`.
    pub fn put_owned(
        &self,
        number: u32,
        data: Slice,
        word: u32,
        inline: usize,
    ) -> Result<(), Code> {
        let peer = self.peer(number)?;
        let bytes = peer.outbox().put_owned(data, word)?;
        self.hub.driver().nudge(peer.token(), bytes <= inline);
        Ok(())
    }

    /// Drops unsent messages from the front; returns how many. See [`Event::Dropped`].
    ///
    /// # Errors
    /// [`Code::NotConnected`].
    pub fn drop_oldest(&self, number: u32, messages: u64, bytes: u64) -> Result<u64, Code> {
        let peer = self.peer(number)?;
        let (mut gone, mut gone_bytes) = (0, 0);
        while gone < messages || gone_bytes < bytes {
            let left = (
                messages.saturating_sub(gone),
                bytes.saturating_sub(gone_bytes),
            );
            let Some(dropped) = peer.outbox().drop_oldest(left.0, left.1) else {
                break;
            };
            gone += dropped.count();
            gone_bytes += dropped.bytes;
            peer.count_dropped(dropped.count(), dropped.bytes);
            self.hub
                .event(Event::Dropped(number, dropped.first, dropped.last));
        }
        Ok(gone)
    }

    /// Removes those of the messages `first` to `last` that the connection has not taken; returns how many. They are the last
    /// ones of those: whatever is before them is on its way. No event tells of them.
    ///
    /// # Errors
    /// [`Code::NotConnected`].
    pub fn cancel(&self, number: u32, first: u64, last: u64) -> Result<u64, Code> {
        let peer = self.peer(number)?;
        let (messages, bytes) = peer.outbox().cancel(first, last);
        peer.count_dropped(messages, bytes);
        Ok(messages)
    }

    /// Leaves the numbers of `messages` messages out, which were taken back before they were put.
    ///
    /// # Errors
    /// [`Code::NotConnected`], [`Code::Closed`], [`Code::QueueFull`].
    pub fn skip(&self, number: u32, messages: u64) -> Result<(), Code> {
        let peer = self.peer(number)?;
        peer.outbox().skip(messages)?;
        peer.count_dropped(messages, 0);
        Ok(())
    }

    /// How far a peer is.
    ///
    /// # Errors
    /// [`Code::NotConnected`].
    pub fn status(&self, number: u32) -> Result<PeerStatus, Code> {
        let peer = self.peer(number)?;
        Ok(PeerStatus {
            done: peer.done(),
            written_seq: peer.written(),
            alive: peer.is_alive(),
        })
    }

    /// Asks to be woken when `seq` is acknowledged; true if it is already.
    ///
    /// # Errors
    /// [`Code::NotConnected`].
    pub fn watch(&self, number: u32, seq: u64) -> Result<bool, Code> {
        Ok(self.peer(number)?.watch(seq))
    }

    /// Bounds what of the messages to this peer may be on its way; the others can still be dropped. `None`: no bound.
    ///
    /// # Errors
    /// [`Code::NotConnected`].
    pub fn limit(&self, number: u32, window: Option<(u64, u64)>) -> Result<(), Code> {
        let peer = self.peer(number)?;
        let window = window.map_or(Window::Unbounded, |(messages, bytes)| {
            Window::Bounded(messages, bytes)
        });
        peer.outbox().set_window(window);
        self.hub.driver().nudge(peer.token(), false);
        Ok(())
    }

    /// Messages that were taken count against the peer's budget again.
    ///
    /// # Errors
    /// [`Code::NotConnected`].
    pub fn hold(&self, number: u32, messages: u64, bytes: u64) -> Result<(), Code> {
        self.peer(number)?.hold(bytes, messages);
        Ok(())
    }

    /// So much that [`hold`](Self::hold) counted does not count any more.
    ///
    /// # Errors
    /// [`Code::NotConnected`].
    pub fn release(&self, number: u32, messages: u64, bytes: u64) -> Result<(), Code> {
        let peer = self.peer(number)?;
        if peer.release(bytes, messages, self.hub.budget()) {
            self.hub.driver().nudge(peer.token(), false);
        }
        Ok(())
    }

    /// With [`wire::AckPoint::Processed`]: everything up to `seq` is done.
    ///
    /// # Errors
    /// [`Code::NotConnected`].
    pub fn acknowledge(&self, number: u32, seq: u64) -> Result<(), Code> {
        let peer = self.peer(number)?;
        peer.set_processed(seq);
        self.hub.driver().nudge(peer.token(), true);
        Ok(())
    }

    /// Takes the wake bits; until then no other wake comes.
    pub fn take_wake(&mut self) -> u32 {
        let mut bits = self.hub.take_bits();
        self.collect();
        if self.inbox.has_messages() {
            bits |= WakeBits::READABLE;
        } else {
            bits &= !WakeBits::READABLE;
        }
        if self.inbox.has_events() {
            bits |= WakeBits::EVENTS;
        }
        bits
    }

    fn collect(&mut self) {
        self.inbox.collect(&self.hub);
        for peer in self.inbox.joined.drain(..) {
            self.peers.insert(peer.index, peer);
        }
    }

    /// Takes the events so far, in order. A peer that is gone can be asked about until the next call, because whoever reads of
    /// its end wants to know how far it came.
    pub fn events(&mut self) -> Vec<Event> {
        for number in self.gone.drain(..) {
            self.peers.remove(&number);
        }
        self.collect();
        let events = self.inbox.take_events();
        self.gone
            .extend(events.iter().filter_map(|event| match event {
                Event::Gone(number) => Some(*number),
                _ => None,
            }));
        events
    }

    /// Takes messages of one peer, or of the one whose turn it is: see [`Drained`]. Per message two numbers go into
    /// `index`: its offset in `data` plus `base`, and its word.
    pub fn drain(
        &mut self,
        peer: Option<u32>,
        data: &mut [u8],
        base: u32,
        index: &mut [u32],
        max: usize,
    ) -> Drained {
        self.collect();
        self.inbox.drain(&self.hub, peer, data, base, index, max)
    }

    /// Takes the large message that [`drain`](Self::drain) announced.
    pub fn take_large(&mut self, peer: u32) -> Option<LargeBuffer> {
        self.inbox.take_large(&self.hub, peer)
    }

    /// Ends everything. With a deadline in order: what is queued is sent, FINs are exchanged and acknowledgements awaited
    /// until then; without one at once, and the peers are told so if that goes without waiting. [`Event::Closed`] comes in any case. May
    /// be called again with less patience.
    pub fn close(&mut self, deadline: Option<Instant>) {
        if deadline.is_none() {
            self.hub.abandon_all();
        }
        self.end(deadline);
    }

    /// Ends everything at once, as if the process had died: the peers are told nothing, and may go on with their sessions in another one.
    pub fn break_off(&mut self) {
        self.end(None);
    }

    fn end(&mut self, deadline: Option<Instant>) {
        let (root, waits, members) = self.hub.start_closing(deadline);
        let driver = self.hub.driver();
        if let Some(root) = root {
            // A dial goes on until the deadline, to deliver what was put; a listener only for those who may come back.
            let dials = members.iter().find(|peer| peer.token() == root);
            let hopeful = dials.is_some_and(|peer| !peer.is_parked() || peer.is_owed());
            if waits {
                driver.nudge(root, false);
            } else {
                driver.close(root, deadline.filter(|_| hopeful));
            }
        }
        for peer in members {
            match deadline {
                Some(_) => driver.nudge(peer.token(), false),
                None => driver.close(peer.token(), None),
            }
        }
    }

    /// Gauges and sums.
    #[must_use]
    pub fn stats(&self) -> Stats {
        let counters = &self.hub.counters;
        let (slabs, large) = (
            self.hub.config.memory.slabs.stats(),
            self.hub.config.memory.large.stats(),
        );
        let held = self.peers.values().fold((0, 0), |sum, peer| {
            let (bytes, messages) = peer.held();
            (sum.0 + messages, sum.1 + bytes)
        });
        Stats {
            peers: self
                .peers
                .values()
                .filter(|peer| peer.is_alive() && peer.id().is_some())
                .count() as u64,
            received: (
                counters.received_messages.load(Ordering::Relaxed),
                counters.received_bytes.load(Ordering::Relaxed),
            ),
            sent: (
                counters.sent_messages.load(Ordering::Relaxed),
                counters.sent_bytes.load(Ordering::Relaxed),
            ),
            held,
            memory: (
                slabs.live as u64,
                slabs.free as u64,
                large.live_bytes as u64,
            ),
        }
    }
}
