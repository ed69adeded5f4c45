use std::collections::HashMap;
use std::mem;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use log::{Config, Ends, Error, ErrorKind, Partition, Threads, TopicName, TopicOptions};
use wire::Code;

use crate::code::{code_of, is_retryable, wire_error};
use crate::directory::{self, Location, Share};
use crate::ledger::Pending;
use crate::session_appends::Appends;
use crate::session_clients::Clients;
use crate::session_reads::Reads;
use crate::settling::{Settled, Settling, Waiting};
use crate::signal::{Signal, Wake};
use crate::{Event, Kaska, Position};

/// What is there for the owner of a session.
#[derive(Debug)]
pub struct WakeBits;

impl WakeBits {
    /// Readers have something to read.
    pub const READY: u32 = 1;
    /// Appends, commits or flushes are done.
    pub const SETTLED: u32 = 2;
    /// Events.
    pub const EVENTS: u32 = 4;
    /// There may be room for an append that found none.
    pub const ROOM: u32 = 8;
}

/// A directory as one thread of JavaScript has it open: its writers, readers and clients, and what it waits for. Only that
/// thread uses it. What takes disk is asked for under a number and answered by an event.
pub struct Session {
    pub(crate) signal: Arc<Signal>,
    slot: Arc<Mutex<Slot>>,
    open: Option<Open>,
    /// The last failure of each code that was answered.
    failures: HashMap<Code, Error>,
    closing: bool,
}

/// Gauges of a directory.
#[derive(Clone, Copy, Debug, Default)]
pub struct Stats {
    /// Topics there are.
    pub topics: u64,
    /// Partitions of all topics.
    pub partitions: u64,
    /// Records that readers see, of all partitions.
    pub records: u64,
    /// Appends, commits and flushes of the session that wait.
    pub waiting: u64,
    /// Those of the directory, of all sessions.
    pub store: log::Stats,
}

/// Where the thread that opens leaves what it has opened.
enum Slot {
    Opening,
    Ready(Share, u64),
    Taken,
    /// The session has gone before.
    Abandoned,
}

/// What an open session has.
pub(crate) struct Open {
    pub(crate) kaska: Arc<Kaska>,
    share: Option<Share>,
    observer: u64,
    pub(crate) settling: Settling,
    pub(crate) appends: Appends,
    pub(crate) reads: Reads,
    pub(crate) clients: Clients,
    /// Tickets of commits and flushes.
    tickets: u64,
    /// Names of writers that are not durable yet, by request.
    naming: HashMap<u32, String>,
    poisoned: bool,
    /// Numbers of the topics that the owner knows.
    known: Vec<u32>,
}

impl Session {
    /// Starts to open; [`Event::Open`] or [`Event::Failed`] tells how that went.
    ///
    /// # Errors
    ///
    /// `Storage` if the system gives no thread.
    pub fn open(location: Location, config: Config, wake: Box<dyn Wake>) -> Result<Self, Error> {
        let signal = Signal::new(wake);
        let slot = Arc::new(Mutex::new(Slot::Opening));
        let (left, told) = (Arc::clone(&slot), Arc::clone(&signal));
        directory::open(location, config, move |opened| match opened {
            Ok(share) => leave(&left, &told, share),
            Err(error) => {
                *left.lock().unwrap_or_else(PoisonError::into_inner) = Slot::Taken;
                told.tell(Event::Failed(error));
                told.tell(Event::Closed(None));
            }
        })?;
        Ok(Self {
            signal,
            slot,
            open: None,
            failures: HashMap::new(),
            closing: false,
        })
    }

    /// What it has open.
    ///
    /// # Errors
    ///
    /// `Closed` if it is not open yet, or not any more.
    pub(crate) fn opened(&mut self) -> Result<&mut Open, Error> {
        if self.open.is_none() && !self.closing {
            self.take_share();
        }
        self.open
            .as_mut()
            .ok_or_else(|| Error::new(ErrorKind::Closed, "the directory is not open"))
    }

    fn take_share(&mut self) {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        if !matches!(&*slot, Slot::Ready(..)) {
            return;
        }
        if let Slot::Ready(share, observer) = mem::replace(&mut *slot, Slot::Taken) {
            self.open = Some(Open {
                kaska: Arc::clone(share.kaska()),
                share: Some(share),
                observer,
                settling: Settling::default(),
                appends: Appends::default(),
                reads: Reads::default(),
                clients: Clients::default(),
                tickets: 0,
                naming: HashMap::new(),
                poisoned: false,
                known: Vec::new(),
            });
        }
    }

    /// Runs what may fail, and keeps the failure for [`Session::failure`].
    ///
    /// # Errors
    ///
    /// The code of what `act` says.
    pub fn run<T>(&mut self, act: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Code> {
        act(self).map_err(|error| {
            let code = code_of(error.kind);
            self.failures.insert(code, error);
            code
        })
    }

    /// Keeps a failure for [`Session::failure`], if there was one.
    pub(crate) fn note(&mut self, failure: Option<Error>) {
        if let Some(failure) = failure {
            self.failures.insert(code_of(failure.kind), failure);
        }
    }

    /// The last failure that was answered by that code alone, and whether nothing was stored so that it may be tried again.
    #[must_use]
    pub fn failure(&self, code: Code) -> Option<(wire::Error, bool)> {
        let error = self.failures.get(&code)?;
        Some((wire_error(error), is_retryable(error.kind)))
    }

    /// Takes what there is; see [`WakeBits`].
    pub fn take_wake(&mut self) -> u32 {
        let taken = self.signal.take();
        let mut bits = if taken.events { WakeBits::EVENTS } else { 0 };
        let signal = Arc::clone(&self.signal);
        let Ok(open) = self.opened() else {
            return bits;
        };
        if !open.poisoned && open.kaska.store().poisoned().is_some() {
            open.poisoned = true;
        }
        if open.settling.look(&taken.changed, open.poisoned) {
            bits |= WakeBits::SETTLED;
        }
        if open.reads.look(&taken.changed) {
            bits |= WakeBits::READY;
        }
        if open.appends.look(&signal) {
            bits |= WakeBits::ROOM;
        }
        if open.look_at_names(&signal) {
            bits |= WakeBits::EVENTS;
        }
        bits
    }

    /// Takes the events.
    pub fn events(&mut self) -> Vec<Event> {
        let events = self.signal.events();
        if events.iter().any(|event| matches!(event, Event::Open(_))) {
            let _closing = self.opened();
        }
        events
    }

    /// The next thing that is settled.
    pub fn settled(&mut self) -> Option<Settled> {
        let open = self.open.as_mut()?;
        let poisoned = open
            .poisoned
            .then(|| open.kaska.store().poisoned())
            .flatten();
        let before = open.settling.waiting();
        let failures = &mut self.failures;
        let settled = open.settling.next(poisoned.as_ref(), |error| {
            // Several may fail before their owner asks why. What may be stored must not be taken for what is not.
            let code = code_of(error.kind);
            let known = failures.get(&code);
            if poisoned.is_none() || known.is_none_or(|known| is_retryable(known.kind)) {
                failures.insert(code, error.clone());
            }
        });
        self.signal.forgo(before - open.settling.waiting());
        settled
    }

    /// Topics there are, by number.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub fn topics(&mut self) -> Result<Vec<Arc<log::Topic>>, Error> {
        Ok(self.opened()?.kaska.store().topics())
    }

    /// What has become of the topics since this was asked last: those that are new, and the numbers of those that are gone.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub fn topics_changed(&mut self) -> Result<(Vec<Arc<log::Topic>>, Vec<u32>), Error> {
        let open = self.opened()?;
        let now = open.kaska.store().topics();
        let numbers: Vec<u32> = now.iter().map(|topic| topic.number).collect();
        let before = mem::replace(&mut open.known, numbers);
        // Both are in the order of numbers.
        let mut before = before.into_iter().peekable();
        let (mut new, mut gone) = (Vec::new(), Vec::new());
        for topic in now {
            while let Some(number) = before.next_if(|number| *number < topic.number) {
                gone.push(number);
            }
            if before.next_if_eq(&topic.number).is_none() {
                new.push(topic);
            }
        }
        gone.extend(before);
        Ok((new, gone))
    }

    /// The number of a topic.
    ///
    /// # Errors
    ///
    /// `NotFound`; `Invalid` for what cannot be a name.
    pub fn topic(&mut self, name: &str) -> Result<u32, Error> {
        let parsed = TopicName::parse(name.as_bytes())?;
        let found = self.opened()?.kaska.store().topic(&parsed);
        found.map(|topic| topic.number).ok_or_else(|| {
            let message = format!("there is no topic {name:?}; create it first");
            Error::new(ErrorKind::NotFound, message)
        })
    }

    /// Makes a topic; answered with its number.
    ///
    /// # Errors
    ///
    /// `Invalid` for what cannot be a name; `Closed`.
    pub fn create_topic(
        &mut self,
        request: u32,
        name: &str,
        options: TopicOptions,
    ) -> Result<(), Error> {
        let name = TopicName::parse(name.as_bytes())?;
        options.check()?;
        let signal = Arc::clone(&self.signal);
        let kaska = &self.opened()?.kaska;
        kaska.create_topic(request, &signal, name, options);
        Ok(())
    }

    /// Deletes a topic; answered.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub fn delete_topic(&mut self, request: u32, topic: u32) -> Result<(), Error> {
        let signal = Arc::clone(&self.signal);
        let kaska = &self.opened()?.kaska;
        kaska.delete_topic(request, &signal, topic);
        Ok(())
    }

    /// Looks a time up; answered with the first offset at or after it.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub fn offset_at(
        &mut self,
        request: u32,
        topic: u32,
        partition: u32,
        ms: i64,
    ) -> Result<(), Error> {
        let signal = Arc::clone(&self.signal);
        let kaska = &self.opened()?.kaska;
        kaska.offset_at(request, &signal, (topic, partition), ms);
        Ok(())
    }

    /// Looks at a message of partition 0; answered with its length.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub fn message_length(&mut self, request: u32, topic: u32, offset: u64) -> Result<(), Error> {
        let signal = Arc::clone(&self.signal);
        let kaska = &self.opened()?.kaska;
        kaska.message_length(request, &signal, topic, offset);
        Ok(())
    }

    /// Reads everything and checks it; answered with what was found.
    ///
    /// # Errors
    ///
    /// `Closed`; `Storage` if the system gives no thread.
    pub fn verify(&mut self, request: u32) -> Result<(), Error> {
        let signal = Arc::clone(&self.signal);
        let kaska = &self.opened()?.kaska;
        kaska.verify(request, &signal)
    }

    /// Makes the name of a writer known; answered when that is durable.
    ///
    /// # Errors
    ///
    /// `Invalid` for what cannot be a name; else as appending.
    pub fn name_writer(&mut self, request: u32, name: &str) -> Result<(), Error> {
        let signal = Arc::clone(&self.signal);
        let open = self.opened()?;
        signal.expect(1);
        if let Err(error) = open.kaska.name(name) {
            signal.forgo(1);
            return Err(error);
        }
        open.naming.insert(request, name.into());
        open.look_at_names(&signal);
        Ok(())
    }

    /// Where a partition begins and ends.
    ///
    /// # Errors
    ///
    /// `NotFound`.
    pub fn ends(&mut self, topic: u32, partition: u32) -> Result<Ends, Error> {
        Ok(self.opened()?.kaska.partition(topic, partition)?.ends())
    }

    /// Stores a position; a ticket of writer 0.
    ///
    /// # Errors
    ///
    /// `Invalid` for a name that cannot be, or too much metadata; `NotFound` for a topic that is not there; else as
    /// appending.
    pub fn commit(
        &mut self,
        client: &str,
        (topic, partition): (u32, u32),
        offset: u64,
        metadata: &[u8],
    ) -> Result<u64, Error> {
        let signal = Arc::clone(&self.signal);
        let open = self.opened()?;
        signal.expect(1);
        let committed = open
            .kaska
            .commit(client, (topic, partition), offset, metadata);
        let place = committed.inspect_err(|_| signal.forgo(1))?;
        let log = open.kaska.store().positions();
        Ok(open.wait_for(&signal, &log, place))
    }

    /// A durable position.
    ///
    /// # Errors
    ///
    /// `NotFound` if there is none, or no such topic.
    pub fn committed(
        &mut self,
        client: &str,
        topic: u32,
        partition: u32,
    ) -> Result<Position, Error> {
        let found = self.opened()?.kaska.committed(client, topic, partition)?;
        found.ok_or_else(|| {
            let message = format!("{client:?} has committed no position there");
            Error::new(ErrorKind::NotFound, message)
        })
    }

    /// Has all that was appended to a partition made durable; a ticket of writer 0.
    ///
    /// # Errors
    ///
    /// `NotFound`; `Storage` when poisoned.
    pub fn flush(&mut self, topic: u32, partition: u32) -> Result<u64, Error> {
        let signal = Arc::clone(&self.signal);
        let open = self.opened()?;
        let partition = open.kaska.partition(topic, partition)?;
        if let Some(error) = open.kaska.store().poisoned() {
            return Err(error);
        }
        signal.expect(1);
        let place = match partition.last_queued() {
            Some(ticket) => Pending::Queued(ticket),
            None => Pending::Until(partition.ends().written),
        };
        partition.flush();
        Ok(open.wait_for(&signal, &partition, place))
    }

    /// Gauges.
    ///
    /// # Errors
    ///
    /// `Closed`.
    pub fn stats(&mut self) -> Result<Stats, Error> {
        let open = self.opened()?;
        let mut stats = Stats {
            waiting: open.settling.waiting(),
            store: open.kaska.store().stats(),
            ..Stats::default()
        };
        for topic in open.kaska.store().topics() {
            stats.topics += 1;
            for number in 0..topic.options.partitions {
                if let Ok(partition) = open.kaska.partition(topic.number, number) {
                    let ends = partition.ends();
                    stats.partitions += 1;
                    stats.records += ends.visible.saturating_sub(ends.start);
                }
            }
        }
        Ok(stats)
    }

    /// Lets go of the directory, and closes it if nobody else of this process has it open; [`Event::Closed`] follows in any
    /// case, when its threads have left the folder, or after that time, which is a second at least. What is not settled is
    /// not told any more.
    pub fn close(&mut self, until: Option<Duration>) {
        if mem::replace(&mut self.closing, true) {
            return;
        }
        self.closing = false;
        self.take_share();
        self.closing = true;
        self.commit_turn();
        let signal = Arc::clone(&self.signal);
        let Some(mut open) = self.open.take() else {
            let abandoned = self.abandon();
            if abandoned {
                signal.tell(Event::Closed(None));
            }
            return;
        };
        let Some(share) = open.share.take() else {
            return;
        };
        let (kaska, observer) = (Arc::clone(&open.kaska), open.observer);
        drop(open);
        let told = Arc::clone(&signal);
        // Whoever does not wait for what is under way may remove the folder next.
        let until = until.map(|until| until.max(LEAST_CLOSE));
        let run = move || {
            let closed = share.close(until);
            kaska.unobserve(observer);
            told.tell(Event::Closed(closed.err().map(|error| wire_error(&error))));
        };
        if let Err(error) = Threads::start("kaska-close", run) {
            // The share was dropped with what could not run, and so let go of.
            signal.tell(Event::Closed(Some(wire_error(&error))));
        }
    }

    /// A turn of the owner has ended: what was appended in it is made durable, together.
    pub fn commit_turn(&self) {
        if let Some(open) = &self.open {
            open.kaska.store().commit();
        }
    }

    /// Something panicked here: nobody knows what it left half done, so nothing is stored any more.
    pub fn break_off(&mut self) {
        if let Ok(open) = self.opened() {
            let why = "a defect of chaski broke the directory off; what was printed about a panic belongs in a report of it";
            let error = Error::new(ErrorKind::Internal, why);
            open.kaska.store().poison(error.clone());
            self.note(Some(error));
        }
    }

    /// Whoever opens meanwhile finds nobody; whether there was one.
    fn abandon(&self) -> bool {
        let mut slot = self.slot.lock().unwrap_or_else(PoisonError::into_inner);
        let before = mem::replace(&mut *slot, Slot::Abandoned);
        drop(slot);
        matches!(before, Slot::Opening | Slot::Ready(..))
    }
}

/// So long the threads of a directory have to leave its folder.
const LEAST_CLOSE: Duration = Duration::from_secs(1);

impl Drop for Session {
    fn drop(&mut self) {
        self.signal.silence();
        self.abandon();
        // Its thread may have ended in the middle of a turn.
        self.commit_turn();
        if let Some(open) = self.open.take() {
            open.kaska.unobserve(open.observer);
        }
    }
}

impl Open {
    /// Has a ticket of writer 0 wait for a place in a partition.
    fn wait_for(&mut self, signal: &Signal, partition: &Arc<Partition>, mut place: Pending) -> u64 {
        self.tickets += 1;
        // It may be done already, and then nobody else tells.
        if !matches!(place.is_durable(partition.ends().durable), Ok(false)) {
            signal.changed(partition);
        }
        let one = Waiting {
            writer: 0,
            ticket: self.tickets,
            place,
            queued: false,
            count: 0,
        };
        self.settling.push(partition, true, one);
        self.tickets
    }

    /// Answers for names of writers that are durable now, or never will be; whether there were any.
    fn look_at_names(&mut self, signal: &Signal) -> bool {
        if self.naming.is_empty() {
            return false;
        }
        let poisoned = self.kaska.store().poisoned();
        let kaska = &self.kaska;
        let before = self.naming.len();
        self.naming.retain(|request, name| {
            let answer = match (kaska.mark(name), &poisoned) {
                (Some(_), _) => Ok(crate::Answer::Done),
                (None, Some(error)) => Err(error.clone()),
                (None, None) if kaska.is_coming(name) => return true,
                (None, None) => Err(Error::new(
                    ErrorKind::Storage,
                    format!("the name {name:?} could not be stored"),
                )),
            };
            signal.answer(*request, answer);
            false
        });
        let answered = before - self.naming.len();
        signal.forgo(answered as u64);
        answered > 0
    }
}

/// Leaves a share for the session, if it is there still.
fn leave(slot: &Mutex<Slot>, signal: &Arc<Signal>, share: Share) {
    let recovery = share.kaska().recovery().clone();
    let observer = share.kaska().observe(signal);
    let kaska = Arc::clone(share.kaska());
    let mut slot = slot.lock().unwrap_or_else(PoisonError::into_inner);
    if matches!(*slot, Slot::Opening) {
        *slot = Slot::Ready(share, observer);
        drop(slot);
        signal.tell(Event::Open(Box::new(recovery)));
    } else {
        drop(slot);
        kaska.unobserve(observer);
        drop(kaska);
        drop(share);
    }
}
