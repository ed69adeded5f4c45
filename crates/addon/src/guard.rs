use std::mem;
use std::panic::{AssertUnwindSafe, catch_unwind};

/// Runs `act`; `None` if it panicked. Whatever C code calls goes through here, because a panic that unwound into it would end
/// the process. The panic has been printed by then; what it means for the state is up to the caller.
pub(crate) fn guarded<T>(act: impl FnOnce() -> T) -> Option<T> {
    match catch_unwind(AssertUnwindSafe(act)) {
        Ok(result) => Some(result),
        Err(payload) => {
            // Its drop may be code that panics again.
            mem::forget(payload);
            None
        }
    }
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
        assert_eq!(guarded(|| 7), Some(7));
        assert_eq!(guarded(|| panic!("on purpose")), None::<()>);
        assert_eq!(guarded(|| std::panic::panic_any(Bomb)), None::<()>);
    }
}
