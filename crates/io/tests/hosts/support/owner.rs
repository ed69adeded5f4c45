use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use io::{Host, Serving};
use queue::{Communicator, Config, Event, Payload, WakeBits};
use wire::{Code, Driver, Endpoint, Kind, Token, Word};

use super::{PATIENCE, eventually};

/// A communicator on a host, and its owner: this thread.
pub(crate) struct Owner {
    pub(crate) queue: Communicator,
    woken: Receiver<()>,
    pub(crate) events: Vec<Event>,
    /// Payloads by peer, if they are kept.
    pub(crate) received: Vec<(u32, Vec<u8>)>,
    pub(crate) keeps: bool,
    pub(crate) count: usize,
    arena: Vec<u8>,
    index: Vec<u32>,
}

struct HostDriver {
    host: Host,
    wake: Mutex<Sender<()>>,
}

impl Driver for HostDriver {
    fn nudge(&self, token: Token, inline: bool) {
        self.host.nudge(token, inline);
    }

    fn close(&self, token: Token, at: Option<Instant>) {
        self.host.close(token, at);
    }

    fn wake(&self) {
        // An owner that is gone needs no waking.
        let _gone = self.wake.lock().unwrap().send(());
    }
}

impl Owner {
    fn new(host: &Host, config: Config) -> Self {
        let (wake, woken) = channel();
        let driver = Arc::new(HostDriver {
            host: host.clone(),
            wake: Mutex::new(wake),
        });
        Self {
            queue: Communicator::new(config, driver),
            woken,
            events: Vec::new(),
            received: Vec::new(),
            keeps: true,
            count: 0,
            arena: vec![0; 64 * 1024],
            index: vec![0; 4096],
        }
    }

    /// A server, and where it listens.
    pub(crate) fn server(host: &Host, config: Config, endpoint: Endpoint) -> (Self, Endpoint) {
        let mut this = Self::new(host, config);
        let token = host.listen(endpoint, Serving::default(), Box::new(this.queue.server()));
        this.queue.set_root(token);
        this.until("it listens", |this| {
            matches!(this.events[..], [Event::Open(_)])
        });
        let Event::Open(at) = &this.events[0] else {
            panic!()
        };
        let at = at.clone();
        (this, at)
    }

    pub(crate) fn client(host: &Host, config: Config, endpoint: Endpoint) -> Self {
        let mut this = Self::new(host, config);
        let token = host.reserve();
        this.queue.set_root(token);
        let client = this
            .queue
            .client(token, endpoint.clone(), Instant::now())
            .unwrap();
        host.dial(token, endpoint, None, Box::new(client));
        this
    }

    /// Looks if it was woken, within a moment.
    pub(crate) fn look(&mut self, within: Duration) -> bool {
        if self.woken.recv_timeout(within).is_err() {
            return false;
        }
        let bits = self.queue.take_wake();
        for event in self.queue.events() {
            if let Event::Fin(number) = event {
                self.queue.finish(number).unwrap();
            }
            self.events.push(event);
        }
        if bits & WakeBits::READABLE != 0 {
            self.take_all();
        }
        true
    }

    /// Looks whenever it is woken, until `done`.
    #[track_caller]
    pub(crate) fn until(&mut self, what: &str, mut done: impl FnMut(&Self) -> bool) {
        let start = Instant::now();
        while !done(self) {
            assert!(
                start.elapsed() < PATIENCE,
                "it never happened: {what}; {:?}",
                self.events
            );
            self.look(Duration::from_millis(20));
        }
    }

    pub(crate) fn take_all(&mut self) {
        loop {
            let drained = self
                .queue
                .drain(None, &mut self.arena, 0, &mut self.index, usize::MAX);
            if drained.large > 0 {
                let payload = self.queue.take_large(drained.peer).unwrap();
                if self.keeps {
                    self.received.push((drained.peer, payload.to_vec()));
                }
            } else if self.keeps {
                for pair in self.index.chunks(2).take(drained.count) {
                    let (start, length) =
                        (pair[0] as usize, Word::from_bits(pair[1]).unwrap().length());
                    self.received
                        .push((drained.peer, self.arena[start..start + length].to_vec()));
                }
            }
            self.count += drained.count;
            if drained.count == 0 {
                return;
            }
        }
    }

    pub(crate) fn put(&self, peer: u32, payload: &[u8]) {
        self.try_put(peer, payload).unwrap();
    }

    pub(crate) fn try_put(&self, peer: u32, payload: &[u8]) -> Result<(), Code> {
        let length = u32::try_from(payload.len()).unwrap();
        let word = Word::new(Kind::Bytes, length).unwrap().bits();
        let payloads = Payload::Uniform(word, 1);
        self.queue.put(peer, payload, payloads, 16 * 1024)
    }

    pub(crate) fn acknowledged(&self, peer: u32) -> u64 {
        self.queue.status(peer).unwrap().done.seq
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.events.contains(&Event::Closed)
    }

    /// Closes in order and waits for the end.
    pub(crate) fn close(&mut self) {
        self.queue
            .close(Some(Instant::now() + Duration::from_secs(10)));
        self.until("it closes", Self::is_closed);
    }

    /// Closes in order while the owner of the other side looks too; it has to, since it answers the goodbye.
    pub(crate) fn leave(&mut self, other: &mut Self) {
        self.queue
            .close(Some(Instant::now() + Duration::from_secs(10)));
        self.until("it closes", |this| {
            other.look(Duration::from_millis(1));
            this.is_closed()
        });
    }

    pub(crate) fn errors(&self) -> Vec<&Event> {
        let is_error = |event: &&Event| {
            matches!(
                event,
                Event::Lost(_, Some(_)) | Event::Warning(_) | Event::Failed(_)
            )
        };
        self.events.iter().filter(is_error).collect()
    }

    pub(crate) fn assert_no_memory(&self) {
        eventually("all memory is given back", || {
            let (live, _, large) = self.queue.stats().memory;
            (live, large) == (0, 0)
        });
    }
}
