use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use io::{Crew, Kind};
use napi::sys;
use queue::{Communicator, Event};
use wire::{Code, Error};

use crate::guard::guarded;
use crate::mailbox::Mailbox;

/// A communicator and how JavaScript hears of it.
pub(crate) struct Queue {
    pub(crate) communicator: Communicator,
    pub(crate) crew: Crew,
    pub(crate) kind: Kind,
    pub(crate) mailbox: Arc<Mailbox>,
    /// The function that tells JavaScript.
    pub(crate) wake: sys::napi_ref,
    /// Bytes of JavaScript's memory that are lent.
    pub(crate) lent: Arc<AtomicU64>,
    handle: u32,
    /// It keeps the process alive.
    pub(crate) keeps: bool,
    /// JavaScript has had its last event.
    pub(crate) ended: bool,
    health: Health,
}

/// Whether a queue can be used.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Health {
    Sound,
    /// Something panicked: nothing is asked of it any more, and JavaScript has to hear so.
    Broken,
    /// JavaScript has heard.
    Told,
}

impl Queue {
    pub(crate) fn new(
        handle: u32,
        communicator: Communicator,
        crew: Crew,
        kind: Kind,
        mailbox: Arc<Mailbox>,
        wake: sys::napi_ref,
    ) -> Self {
        Self {
            communicator,
            crew,
            kind,
            mailbox,
            wake,
            lent: Arc::default(),
            handle,
            keeps: false,
            ended: false,
            health: Health::Sound,
        }
    }

    /// Runs `act`; [`Code::Internal`] if the queue is broken, or if `act` panics and breaks it.
    #[inline]
    pub(crate) fn act<T>(
        &mut self,
        act: impl FnOnce(&mut Self) -> Result<T, Code>,
    ) -> Result<T, Code> {
        if self.health != Health::Sound {
            return Err(Code::Internal);
        }
        guarded(|| act(self)).unwrap_or_else(|| {
            self.break_off();
            Err(Code::Internal)
        })
    }

    /// Something panicked in the middle of its work, so nobody knows how it stands: its connections are hung up, and
    /// JavaScript hears of it.
    #[cold]
    pub(crate) fn break_off(&mut self) {
        if self.health == Health::Sound {
            self.health = Health::Broken;
            let _panicked_again = guarded(|| self.communicator.break_off());
            self.mailbox.wake(self.handle);
        }
    }

    /// What JavaScript hears of a broken queue in the place of the events that it would have had; nothing the second time.
    pub(crate) fn last_events(&mut self) -> Vec<Event> {
        if self.health != Health::Broken {
            return Vec::new();
        }
        self.health = Health::Told;
        if self.ended {
            return Vec::new();
        }
        let why = "a defect of chaski broke the queue off; what was printed about a panic belongs in a report of it";
        vec![
            Event::Failed(Error::new(Code::Internal, why)),
            Event::Closed,
        ]
    }
}

#[cfg(test)]
mod tests {
    use io::{Host, Serving};
    use queue::{Config, WakeBits};
    use wire::Endpoint;

    use super::*;
    use crate::mailbox::{Bell, QueueDriver};

    /// A server on a host of its own, which listens.
    fn server(handle: u32) -> Queue {
        let host = Host::start(Kind::Thread, |_| {}).unwrap();
        let crew = Crew::of(host.clone());
        let mailbox = Arc::new(Mailbox::new(Bell::Loop(host.clone())));
        let driver = Arc::new(QueueDriver {
            crew: crew.clone(),
            mailbox: Arc::clone(&mailbox),
            handle,
        });
        let communicator = Communicator::new(Config::new([7; 16]), driver);
        let endpoint = Endpoint::Tcp("127.0.0.1".into(), 0);
        let token = crew.listen(
            endpoint,
            Serving::default(),
            Box::new(communicator.server()),
        );
        communicator.set_root(token);
        let mut queue = Queue::new(
            handle,
            communicator,
            crew,
            Kind::Thread,
            mailbox,
            std::ptr::null_mut(),
        );
        assert_eq!(queue.mailbox.take(), [handle]);
        assert_eq!(
            queue.act(|queue| Ok(queue.communicator.take_wake())),
            Ok(WakeBits::EVENTS)
        );
        queue
    }

    fn port(queue: &mut Queue) -> u16 {
        match queue.communicator.events().as_slice() {
            [Event::Open(Endpoint::Tcp(_, port))] => *port,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_panic_breaks_the_queue_off_and_is_told_once() {
        let mut queue = server(3);
        let port = port(&mut queue);
        let address = ("127.0.0.1", port);
        assert!(std::net::TcpStream::connect(address).is_ok());

        let panicking = queue.act(|_| -> Result<(), Code> { panic!("on purpose") });
        assert_eq!(panicking, Err(Code::Internal));
        assert!(queue.mailbox.take().contains(&3));
        assert_eq!(
            queue.act(|_| -> Result<(), Code> { unreachable!("asked of a broken queue") }),
            Err(Code::Internal)
        );
        let events = queue.last_events();
        assert!(
            matches!(events.as_slice(), [Event::Failed(error), Event::Closed] if error.code == Code::Internal),
            "{events:?}"
        );
        assert_eq!(queue.last_events(), []);
        // Its peers are not left hanging.
        assert!(std::net::TcpStream::connect(address).is_err());
        queue.crew.stop();
    }

    #[test]
    fn a_queue_that_had_its_last_event_hears_of_no_panic() {
        let mut queue = server(4);
        queue.ended = true;
        queue.break_off();
        queue.break_off();
        assert_eq!(queue.last_events(), []);
        assert_eq!(queue.act(|_| Ok(())), Err(Code::Internal));
        queue.crew.stop();
    }
}
