use std::collections::HashSet;
use std::sync::atomic::{AtomicU64, Ordering, fence};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use log::{Observer, Partition};

use crate::code::wire_error;
use crate::{Answer, Event};

/// Calls the thread that a session belongs to. May be called on any thread, and does not wait.
pub trait Wake: Send + Sync + 'static {
    /// Has the owner look soon.
    fn wake(&self);
}

/// A topic's number and a partition's.
pub(crate) type Place = (u32, u32);

/// What threads of the store leave for the owner of a session. He is called once, however much is left before he looks.
pub(crate) struct Signal {
    left: Mutex<Left>,
    /// Locked while it is called, so that the owner does not go away meanwhile; it does not wait. Never inside `left`: the
    /// owner who was called would find that locked, and sleep again.
    wake: Mutex<Option<Box<dyn Wake>>>,
    /// How many things the session waits for. Progress that nobody waits for calls nobody.
    interest: AtomicU64,
}

#[derive(Default)]
struct Left {
    rung: bool,
    events: Vec<Event>,
    changed: HashSet<Place>,
}

/// What was left.
#[derive(Default)]
pub(crate) struct Taken {
    pub(crate) changed: HashSet<Place>,
    pub(crate) events: bool,
}

impl Signal {
    pub(crate) fn new(wake: Box<dyn Wake>) -> Arc<Self> {
        Arc::new(Self {
            left: Mutex::default(),
            wake: Mutex::new(Some(wake)),
            interest: AtomicU64::new(0),
        })
    }

    /// Leaves an event. On any thread.
    pub(crate) fn tell(&self, event: Event) {
        self.leave(|left| left.events.push(event));
    }

    /// Answers a request. On any thread.
    pub(crate) fn answer(&self, request: u32, answer: Result<Answer, log::Error>) {
        self.tell(Event::Answer { request, answer });
    }

    /// The owner waits for so much more. Before he asks for what he may have to wait for, so that nothing is missed.
    pub(crate) fn expect(&self, more: u64) {
        self.interest.fetch_add(more, Ordering::Relaxed);
        // Pairs with the fence in `progressed`: either whoever moves an end sees the interest, or the owner, who looks at
        // the end after this, sees that it moved.
        fence(Ordering::SeqCst);
    }

    /// He waits for so much less.
    pub(crate) fn forgo(&self, less: u64) {
        self.interest.fetch_sub(less, Ordering::Relaxed);
    }

    /// Leaves word that something of a partition is new.
    pub(crate) fn changed(&self, partition: &Partition) {
        self.leave(|left| {
            left.changed.insert((partition.topic(), partition.number()));
        });
    }

    /// Takes which partitions have changed; from now on the next one calls again.
    pub(crate) fn take(&self) -> Taken {
        let mut left = self.left();
        left.rung = false;
        Taken {
            changed: std::mem::take(&mut left.changed),
            events: !left.events.is_empty(),
        }
    }

    /// Takes the events.
    pub(crate) fn events(&self) -> Vec<Event> {
        std::mem::take(&mut self.left().events)
    }

    /// Calls nobody from now on: the owner goes away. A call that is under way has ended.
    pub(crate) fn silence(&self) {
        let wake = self.wake().take();
        drop(wake);
    }

    /// Leaves something, and calls the owner unless somebody has since he looked last.
    fn leave(&self, something: impl FnOnce(&mut Left)) {
        let rung = {
            let mut left = self.left();
            something(&mut left);
            std::mem::replace(&mut left.rung, true)
        };
        if !rung && let Some(wake) = &*self.wake() {
            wake.wake();
        }
    }

    fn left(&self) -> MutexGuard<'_, Left> {
        self.left.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn wake(&self) -> MutexGuard<'_, Option<Box<dyn Wake>>> {
        self.wake.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Observer for Signal {
    fn progressed(&self, partitions: &[Arc<Partition>]) {
        // Pairs with the fence in `expect`.
        fence(Ordering::SeqCst);
        if self.interest.load(Ordering::Relaxed) == 0 {
            return;
        }
        let places = partitions
            .iter()
            .map(|partition| (partition.topic(), partition.number()));
        self.leave(|left| left.changed.extend(places));
    }

    fn happened(&self, event: &log::Event) {
        let told = match event {
            log::Event::Poisoned(error) => Event::Poisoned(wire_error(error)),
            log::Event::Damaged {
                topic,
                partition,
                first,
                next,
            } => Event::Damaged {
                topic: *topic,
                partition: *partition,
                first: *first,
                next: *next,
            },
            log::Event::Recovered(note) => Event::Recovered(note.clone()),
            log::Event::Topics => Event::Topics,
            log::Event::Warning(text) => Event::Warning(text.clone()),
            // Whoever closes tells so when it is his turn; and kinds that this crate does not know yet.
            _ => return,
        };
        self.tell(told);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::*;

    struct Bell(Arc<AtomicUsize>);

    impl Wake for Bell {
        fn wake(&self) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn the_owner_is_called_once_until_he_looks_and_never_when_he_is_gone() {
        let rung = Arc::new(AtomicUsize::new(0));
        let signal = Signal::new(Box::new(Bell(Arc::clone(&rung))));
        let count = || rung.load(Ordering::Relaxed);
        signal.tell(Event::Topics);
        signal.tell(Event::Topics);
        assert_eq!(count(), 1);
        assert!(signal.take().events);
        assert_eq!(signal.events().len(), 2);
        signal.progressed(&[]);
        assert_eq!(count(), 1, "nobody waits for it");
        signal.expect(1);
        signal.progressed(&[]);
        assert_eq!(count(), 2);
        signal.take();
        signal.forgo(1);
        signal.silence();
        signal.tell(Event::Topics);
        assert_eq!(count(), 2);
    }
}
