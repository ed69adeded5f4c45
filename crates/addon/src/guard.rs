/// Runs `act`; `None` if it panicked. Whatever C code calls goes through here, because a panic that unwound into it would end
/// the process. See [`io::guard`].
pub(crate) fn guarded<T>(act: impl FnOnce() -> T) -> Option<T> {
    io::guard(act).ok()
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
