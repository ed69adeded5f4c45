use std::sync::Arc;
use std::time::{Duration, Instant};

use queue::{Communicator, Config, Event, Introduction, Payload, Server, WakeBits};
use wire::{AckPoint, Code, Dialer, Endpoint, Kind, Token, Word};

use super::driver::Recorder;

/// Token of a listener or a dial.
pub(crate) const ROOT: Token = 1;
const ARENA: usize = 64 * 1024;

/// A communicator and what its owner saw.
pub(crate) struct Node {
    pub(crate) queue: Communicator,
    pub(crate) driver: Arc<Recorder>,
    pub(crate) root: Root,
    pub(crate) config: Config,
    /// Every event, in order.
    pub(crate) events: Vec<Event>,
    /// Every message taken, in order.
    pub(crate) messages: Vec<Message>,
    /// Whether messages are taken as soon as the owner is woken for them.
    pub(crate) takes: bool,
    /// With "processed": whether messages are acknowledged as soon as they are taken.
    pub(crate) acknowledges: bool,
    /// Whether a peer's FIN is answered as soon as the owner hears of it.
    pub(crate) finishes: bool,
    /// How often a watched acknowledgement was reported.
    pub(crate) acked: usize,
    /// When a client that has lost its connection wants to try again.
    pub(crate) again_at: Option<Instant>,
    /// A dial ends at the patience of close().
    pub(crate) closing: bool,
}

pub(crate) enum Root {
    Listening(Server),
    Dialing(Box<dyn Dialer>),
    Gone,
}

/// A message that was taken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) peer: u32,
    pub(crate) seq: u64,
    pub(crate) word: u32,
    pub(crate) payload: Vec<u8>,
    pub(crate) redelivered: u8,
}

impl Node {
    pub(crate) fn new(config: Config) -> Self {
        let driver = Arc::new(Recorder::default());
        let queue = Communicator::new(config.clone(), Arc::<Recorder>::clone(&driver));
        queue.set_root(ROOT);
        Self {
            queue,
            driver,
            root: Root::Gone,
            config,
            events: Vec::new(),
            messages: Vec::new(),
            takes: true,
            acknowledges: true,
            finishes: true,
            acked: 0,
            again_at: None,
            closing: false,
        }
    }

    /// What an owner does when it is woken, and only then.
    pub(crate) fn look(&mut self) -> bool {
        if !self.driver.take_wake() {
            return false;
        }
        let bits = self.queue.take_wake();
        for event in self.queue.events() {
            if let Event::Fin(number) = event
                && self.finishes
            {
                self.queue.finish(number).unwrap();
            }
            self.events.push(event);
        }
        self.acked += usize::from(bits & WakeBits::ACKED != 0);
        if self.takes && bits & WakeBits::READABLE != 0 {
            self.take_all();
        }
        true
    }

    /// Takes everything there is.
    pub(crate) fn take_all(&mut self) {
        while self.take(usize::MAX) > 0 {}
    }

    /// Takes up to `max` messages of the peer whose turn it is.
    pub(crate) fn take(&mut self, max: usize) -> usize {
        let mut arena = vec![0; ARENA];
        let mut index = vec![0; 2 * max.min(1024)];
        let drained = self.queue.drain(None, &mut arena, 0, &mut index, max);
        if drained.large > 0 {
            let payload = self.queue.take_large(drained.peer).unwrap().to_vec();
            assert_eq!(payload.len(), drained.large);
            self.messages.push(Message {
                peer: drained.peer,
                seq: drained.seq,
                word: index[1],
                payload,
                redelivered: drained.redelivered,
            });
        } else {
            for (i, pair) in index.chunks(2).take(drained.count).enumerate() {
                let (start, length) =
                    (pair[0] as usize, Word::from_bits(pair[1]).unwrap().length());
                let payload = arena[start..start + length].to_vec();
                let seq = drained.seq + i as u64;
                self.messages.push(Message {
                    peer: drained.peer,
                    seq,
                    word: pair[1],
                    payload,
                    redelivered: drained.redelivered,
                });
            }
        }
        if drained.count > 0 && self.acknowledges && self.config.ack == AckPoint::Processed {
            let last = drained.seq + drained.count as u64 - 1;
            // The peer may be gone already.
            let _gone = self.queue.acknowledge(drained.peer, last);
        }
        drained.count
    }

    /// Puts messages of the given payloads.
    pub(crate) fn put(&mut self, peer: u32, payloads: &[&[u8]]) -> Result<(), Code> {
        let words: Vec<u32> = payloads.iter().map(|payload| word(payload.len())).collect();
        self.queue
            .put(peer, &payloads.concat(), Payload::Words(&words), 16 * 1024)
    }

    pub(crate) fn payloads(&self) -> Vec<&[u8]> {
        self.messages
            .iter()
            .map(|message| &*message.payload)
            .collect()
    }

    /// The events without those that every conversation has.
    pub(crate) fn errors(&self) -> Vec<&Event> {
        let is_error = |event: &&Event| {
            matches!(
                event,
                Event::Lost(_, Some(_)) | Event::Warning(_) | Event::Failed(_)
            )
        };
        self.events.iter().filter(is_error).collect()
    }

    pub(crate) fn count(&self, which: impl Fn(&Event) -> bool) -> usize {
        self.events.iter().filter(|event| which(event)).count()
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.events.contains(&Event::Closed)
    }

    /// What holds for any communicator that has ended: each peer came and went once, nothing came after the end, and no
    /// memory is in use once everything has been taken.
    pub(crate) fn assert_ended_well(&mut self) {
        self.take_all();
        self.events.extend(self.queue.events());
        let events = &self.events;
        let closed = events.iter().position(|event| *event == Event::Closed);
        let closed = closed.unwrap_or_else(|| panic!("never closed: {events:?}"));
        let late = |event: &&Event| !matches!(event, Event::Gone(_));
        assert_eq!(
            events[closed..].iter().filter(late).count(),
            1,
            "something after the end: {events:?}"
        );
        for event in events {
            if let Event::Peer(number, ..) = event {
                let is_lost =
                    |event: &Event| matches!(event, Event::Lost(other, _) if other == number);
                assert_eq!(self.count(is_lost), 1, "{events:?}");
                assert_eq!(
                    self.count(|event| *event == Event::Gone(*number)),
                    1,
                    "{events:?}"
                );
            }
        }
        let stats = self.queue.stats();
        assert_eq!(stats.peers, 0);
        assert_eq!(stats.held, (0, 0));
        assert_eq!(
            (stats.memory.0, stats.memory.2),
            (0, 0),
            "memory is still in use"
        );
    }
}

/// The word of a message of bytes.
pub(crate) fn word(length: usize) -> u32 {
    Word::new(Kind::Bytes, u32::try_from(length).unwrap())
        .unwrap()
        .bits()
}

pub(crate) fn endpoint() -> Endpoint {
    Endpoint::Tcp("memory".into(), 1)
}

/// The event that says that a peer introduced itself, with the settings of [`config`].
pub(crate) fn peer_event(number: u32, id: u8) -> Event {
    let introduction = Introduction {
        id: [id; 16],
        max_message: 256 << 20,
        ack: AckPoint::Received,
        python: false,
        first: 1,
    };
    Event::Peer(number, introduction)
}

/// Settings of a communicator whose id is that byte, repeated. Its sessions end with their connections.
pub(crate) fn config(id: u8) -> Config {
    let mut config = Config::new([id; 16]);
    config.keep_alive = Some(Duration::from_secs(10));
    config.idle_timeout = Some(Duration::from_secs(30));
    config.session_timeout = None;
    config
}
