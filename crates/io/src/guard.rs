use std::any::Any;
use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

use wire::{Code, Error};

/// Runs `act`, and lets no panic out. It has been printed by then; what it means for the state is up to the caller.
///
/// # Errors
/// [`Code::Internal`] after a panic.
pub fn guard<T>(act: impl FnOnce() -> T) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(act)).map_err(|panic| {
        let text = format!(
            "a defect in chaski: {}; please report it",
            text_of(&*panic).unwrap_or("a panic")
        );
        // Its drop may be code that panics again.
        mem::forget(panic);
        Error::new(Code::Internal, text)
    })
}

fn text_of(panic: &(dyn Any + Send)) -> Option<&str> {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neither_a_panic_nor_what_it_carries_gets_out() {
        struct Bomb;
        impl Drop for Bomb {
            fn drop(&mut self) {
                panic!("from a drop");
            }
        }
        assert_eq!(guard(|| 7), Ok(7));
        let defect = guard(|| std::panic::panic_any(Bomb)).unwrap_err();
        assert_eq!(defect.code, Code::Internal);
        assert!(defect.message.contains("a panic"), "{defect}");
    }
}
