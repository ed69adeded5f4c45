use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};

use wire::{Code, Error};

/// Calls a session, an acceptor or a dialer. One that panics ends with an error of its own; the host goes on with the others.
///
/// # Errors
/// [`Code::Internal`] after a panic: whatever panicked gets its last call and is dropped.
pub(crate) fn guard<T>(act: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|panic| {
        let text = format!(
            "a defect in chaski: {}; please report it",
            text_of(&*panic).unwrap_or("a panic")
        );
        Error::new(Code::Internal, text)
    })
}

fn text_of(panic: &(dyn Any + Send)) -> Option<&str> {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
}
