use crate::out_frame::OutFrame;
use crate::outbox::Window;
use crate::peer::Done;

/// What has been taken from an outbox, what of it is done with, and how much of it may not be.
#[derive(Default)]
pub(crate) struct Flight {
    /// Messages and bytes taken in all, and the number of the last message.
    pub(crate) taken: Done,
    /// The same of those that are acknowledged, or, where nobody acknowledges, written.
    pub(crate) done: Done,
    /// Most messages and bytes that may be taken and not done; more stay in the outbox.
    window: Option<(u64, u64)>,
}

impl Flight {
    /// Bounds what is under way; at least one message always goes.
    pub(crate) fn limit(&mut self, messages: u64, bytes: u64) {
        self.window = Some((messages.max(1), bytes.max(1)));
    }

    /// Takes over what the owner has set, if it has.
    pub(crate) fn adopt(&mut self, window: Option<Window>) {
        match window {
            Some(Window::Bounded(messages, bytes)) => self.limit(messages, bytes),
            Some(Window::Unbounded) => self.window = None,
            None => {}
        }
    }

    pub(crate) fn take(&mut self, frame: &OutFrame) {
        self.taken.seq = frame.last_seq();
        self.taken.messages += u64::from(frame.count);
        self.taken.bytes += frame.bytes;
    }

    /// One message, which was never in the outbox.
    pub(crate) fn take_one(&mut self, seq: u64, bytes: u64) {
        self.taken.seq = seq;
        self.taken.messages += 1;
        self.taken.bytes += bytes;
    }

    /// Messages and bytes taken since.
    pub(crate) fn since(&self, before: Done) -> (u64, u64) {
        (
            self.taken.messages - before.messages,
            self.taken.bytes - before.bytes,
        )
    }

    /// How many more messages may be under way.
    pub(crate) fn room(&self) -> u64 {
        let Some((messages, bytes)) = self.window else {
            return u64::MAX;
        };
        if self.taken.bytes - self.done.bytes >= bytes {
            return 0;
        }
        messages.saturating_sub(self.taken.messages - self.done.messages)
    }
}
