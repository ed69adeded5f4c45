use std::ptr::{self, NonNull};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{self, ThreadId};

use napi::sys;
use wire::Code;

use crate::mailbox::Mailbox;

/// Memory of JavaScript that other threads read: the bytes of a `Uint8Array` whose buffer no program can reach. Gives them
/// back when it is dropped, on any thread.
pub(crate) struct Lent {
    address: NonNull<u8>,
    length: usize,
    reference: Reference,
    returns: Arc<Returns>,
    mailbox: Arc<Mailbox>,
    /// How much is lent, for the gauge.
    sum: Arc<AtomicU64>,
}

/// A reference that keeps a value alive. Used on JavaScript's thread only, but carried about by others.
#[derive(Clone, Copy)]
struct Reference(sys::napi_ref);

// SAFETY: other threads only move it; `Returns::release` uses it on the environment's thread.
unsafe impl Send for Reference {}
// SAFETY: as above.
unsafe impl Sync for Reference {}

// SAFETY: the bytes are off V8's heap and only read; see `lend` for why they stay and do not change. The other parts may go
// to any thread.
unsafe impl Send for Lent {}
// SAFETY: as above: `&Lent` gives read access to bytes that nobody writes.
unsafe impl Sync for Lent {}

impl Lent {
    /// Lends the bytes of `view`. The caller is trusted in one thing: its `ArrayBuffer` is one that only the native side
    /// knows from now on. `ts/net-queue` sees to that: it transfers the user's buffer to a new one, which it passes here (once
    /// for each peer) and to nobody else.
    ///
    /// # Errors
    /// [`Code::InvalidArgument`] for shared memory and for what is no typed array, [`Code::Internal`] if Node-API refuses.
    pub(crate) fn lend(
        env: sys::napi_env,
        view: sys::napi_value,
        returns: Arc<Returns>,
        mailbox: Arc<Mailbox>,
        sum: Arc<AtomicU64>,
    ) -> Result<Self, Code> {
        let mut length = 0;
        let mut address = ptr::null_mut();
        let mut buffer = ptr::null_mut();
        let mut is_own = false;
        // SAFETY: on the environment's thread with a value of this call; the out pointers are valid or null. Asking for the
        // data moves the bytes of a small array off the heap, so the address stays.
        let told = unsafe {
            sys::napi_get_typedarray_info(
                env,
                view,
                ptr::null_mut(),
                &raw mut length,
                &raw mut address,
                &raw mut buffer,
                ptr::null_mut(),
            )
        };
        // SAFETY: as above; asked only if there is a buffer.
        let asked = told == sys::Status::napi_ok
            && unsafe { sys::napi_is_arraybuffer(env, buffer, &raw mut is_own) }
                == sys::Status::napi_ok;
        if !(asked && is_own) {
            return Err(Code::InvalidArgument);
        }
        let mut reference = ptr::null_mut();
        // SAFETY: as above. A reference that counts 1 keeps the view, and so its buffer and the memory of that, alive until
        // `Returns::release` deletes it. Nobody can detach, shrink or write the buffer, since nobody reaches it. When the
        // environment goes away, its cleanup hook stops every thread that could read, before the heap goes.
        let kept = unsafe { sys::napi_create_reference(env, view, 1, &raw mut reference) };
        if kept != sys::Status::napi_ok {
            return Err(Code::Internal);
        }
        sum.fetch_add(length as u64, Ordering::Relaxed);
        Ok(Self {
            address: NonNull::new(address.cast()).unwrap_or(NonNull::dangling()),
            length,
            reference: Reference(reference),
            returns,
            mailbox,
            sum,
        })
    }
}

impl AsRef<[u8]> for Lent {
    fn as_ref(&self) -> &[u8] {
        // SAFETY: `lend` has the address and the length from Node-API (a buffer without memory has no bytes), and says why
        // they hold as long as `self`.
        unsafe { std::slice::from_raw_parts(self.address.as_ptr(), self.length) }
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        self.sum.fetch_sub(self.length as u64, Ordering::Relaxed);
        self.returns.leave(self.reference);
        // JavaScript's own thread looks before it comes out of the call or callback that it is in.
        if thread::current().id() != self.returns.owner {
            self.mailbox.call();
        }
    }
}

/// References to memory that was lent and is not used any more. One per environment.
pub(crate) struct Returns {
    references: Mutex<Vec<Reference>>,
    /// Some are there. A look at it is all that most calls cost.
    any: AtomicBool,
    owner: ThreadId,
}

impl Returns {
    /// For the environment of this thread.
    pub(crate) fn new() -> Self {
        Self {
            references: Mutex::default(),
            any: AtomicBool::new(false),
            owner: thread::current().id(),
        }
    }

    /// Lets JavaScript have back what is not used any more. On the environment's thread.
    #[inline]
    pub(crate) fn release(&self, env: sys::napi_env) {
        if self.any.load(Ordering::Relaxed) {
            self.release_all(env);
        }
    }

    #[cold]
    fn release_all(&self, env: sys::napi_env) {
        let references = {
            let mut references = self.references();
            self.any.store(false, Ordering::Relaxed);
            std::mem::take(&mut *references)
        };
        for Reference(reference) in references {
            // SAFETY: on the environment's thread; `lend` made the reference in it, and it was left here once.
            let _env_going_away = unsafe { sys::napi_delete_reference(env, reference) };
        }
    }

    fn leave(&self, reference: Reference) {
        let mut references = self.references();
        references.push(reference);
        // Under the lock, like the store in `release_all`, so that it is true whenever there are some. A look without the
        // lock may miss what another thread leaves just now; that thread calls afterwards.
        self.any.store(true, Ordering::Relaxed);
    }

    fn references(&self) -> MutexGuard<'_, Vec<Reference>> {
        self.references
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }
}
