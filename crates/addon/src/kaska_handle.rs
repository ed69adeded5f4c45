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
