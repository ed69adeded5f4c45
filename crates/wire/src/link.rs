use std::time::Instant;

use chunk::Slice;

use crate::Error;

/// What a [`Link`] reports.
#[derive(Clone, Debug)]
pub enum LinkEvent {
    /// The other end can be reached.
    Up,
    /// A whole frame came.
    Frame(Slice),
    /// There is room again after [`Link::send`] failed with `QueueFull`.
    Writable,
    /// The link is gone for good.
    Down(Option<Error>),
}

/// A way to send whole frames to one other end and to hear of it. What runs over a link (calls, topics) knows neither
/// sockets nor routes. Frames arrive whole, in order and at most once; a link that goes down loses what it had not delivered.
pub trait Link: Send {
    /// Hands one frame over; never blocks.
    ///
    /// # Errors
    /// `QueueFull` if the link's bound is reached (wait for [`LinkEvent::Writable`]), `Closed` if it is down.
    fn send(&mut self, frame: Slice, now: Instant) -> Result<(), Error>;

    /// The next event, if there is one.
    fn poll_event(&mut self, now: Instant) -> Option<LinkEvent>;

    /// When [`poll_event`](Self::poll_event) has to be called even if nothing happened.
    fn deadline(&self) -> Option<Instant>;
}
