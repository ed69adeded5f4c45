use std::sync::Arc;

use kaska::{Session, Wake};
use napi::sys;
use wire::Code;

use crate::guard::guarded;
use crate::mailbox::Mailbox;

/// A directory that this environment has open, and how JavaScript hears of it.
pub(crate) struct Directory {
    session: Session,
    /// The function that tells JavaScript.
    pub(crate) wake: sys::napi_ref,
    /// It keeps the process alive.
    pub(crate) keeps: bool,
    /// JavaScript has had its last event.
    pub(crate) ended: bool,
}

impl Directory {
    pub(crate) const fn new(session: Session, wake: sys::napi_ref) -> Self {
        Self {
            session,
            wake,
            keeps: false,
            ended: false,
        }
    }

    /// Runs `act`; [`Code::Internal`] if it panics. Nobody knows then what it left half done, so nothing is stored in the
    /// directory any more, by nobody in this process; reading goes on.
    #[inline]
    pub(crate) fn act<T>(
        &mut self,
        act: impl FnOnce(&mut Session) -> Result<T, Code>,
    ) -> Result<T, Code> {
        guarded(|| act(&mut self.session)).unwrap_or_else(|| {
            let _panicked_again = guarded(|| self.session.break_off());
            Err(Code::Internal)
        })
    }
}

/// Calls the environment's thread for a handle.
pub(crate) struct MailboxWake {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) handle: u32,
}

impl Wake for MailboxWake {
    fn wake(&self) {
        self.mailbox.wake(self.handle);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::{Sender, channel};

    use kaska::{Event, Location};
    use log::Config;

    use super::*;

    struct Bell(Sender<()>);

    impl Wake for Bell {
        fn wake(&self) {
            let _gone = self.0.send(());
        }
    }

    #[test]
    fn a_panic_in_a_call_breaks_the_directory_off_and_is_told() {
        let (bell, rung) = channel();
        let wake = Box::new(Bell(bell));
        let session = Session::open(Location::memory(), Config::default(), wake).unwrap();
        let mut directory = Directory::new(session, std::ptr::null_mut());
        let next = move |directory: &mut Directory| {
            rung.recv().unwrap();
            directory
                .act(|session| {
                    session.take_wake();
                    Ok(session.events())
                })
                .unwrap()
        };
        assert!(matches!(next(&mut directory).as_slice(), [Event::Open(_)]));
        let panicking = directory.act(|_| -> Result<(), Code> { panic!("on purpose") });
        assert_eq!(panicking, Err(Code::Internal));
        match next(&mut directory).as_slice() {
            [Event::Poisoned(error)] => assert_eq!(error.code, Code::Internal),
            other => panic!("{other:?}"),
        }
        // What only reads goes on.
        let topics = directory.act(|session| session.run(Session::topics));
        assert!(topics.unwrap().is_empty());
        let commit = |session: &mut Session| session.run(|session| session.name_writer(1, "w"));
        assert_eq!(directory.act(commit), Err(Code::Internal));
    }
}
