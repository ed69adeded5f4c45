use std::ffi::c_void;
use std::ptr;

use napi::sys;

use crate::guard::guarded;

/// What runs on JavaScript's thread when a [`Threadsafe`] is called.
pub(crate) type OnWake = fn(sys::napi_env);

/// A call to JavaScript's thread that any thread may ask for. Does not keep the process alive unless told to.
pub(crate) struct Threadsafe {
    raw: sys::napi_threadsafe_function,
}

// SAFETY: Node-API allows napi_call_threadsafe_function on any thread; everything else here takes `&self` on the thread of
// the environment, and the environment's cleanup hook ends all other threads before the function goes away.
unsafe impl Send for Threadsafe {}
// SAFETY: as above.
unsafe impl Sync for Threadsafe {}

impl Threadsafe {
    /// Makes one; `on_wake` runs on this environment's thread, inside a callback scope.
    ///
    /// # Errors
    /// What Node-API says.
    pub(crate) fn new(env: sys::napi_env, on_wake: OnWake) -> napi::Result<Self> {
        let mut name = ptr::null_mut();
        let mut raw = ptr::null_mut();
        // SAFETY: `env` is the current environment; the out pointers are valid; `trampoline` has the signature asked for,
        // and its context is a plain function pointer.
        unsafe {
            napi::check_status!(sys::napi_create_string_utf8(
                env,
                c"chaski".as_ptr(),
                6,
                &raw mut name
            ))?;
            napi::check_status!(sys::napi_create_threadsafe_function(
                env,
                ptr::null_mut(),
                ptr::null_mut(),
                name,
                0,
                1,
                ptr::null_mut(),
                None,
                on_wake as *mut c_void,
                Some(trampoline),
                &raw mut raw,
            ))?;
            napi::check_status!(sys::napi_unref_threadsafe_function(env, raw))?;
        }
        Ok(Self { raw })
    }

    /// Has `on_wake` called soon. Nothing happens once the environment is going away.
    pub(crate) fn call(&self) {
        // SAFETY: the function lives until the environment's cleanup, which waits for every thread that could call.
        let _closing = unsafe {
            sys::napi_call_threadsafe_function(
                self.raw,
                ptr::null_mut(),
                sys::ThreadsafeFunctionCallMode::nonblocking,
            )
        };
    }

    /// Whether it keeps the process alive.
    pub(crate) fn keep_alive(&self, env: sys::napi_env, on: bool) {
        // SAFETY: on the environment's thread, with a living function.
        let _closing = unsafe {
            if on {
                sys::napi_ref_threadsafe_function(env, self.raw)
            } else {
                sys::napi_unref_threadsafe_function(env, self.raw)
            }
        };
    }

    /// Ends it; on the environment's thread, after every other thread has stopped.
    pub(crate) fn release(self) {
        // SAFETY: nobody calls it any more, and it is released once.
        let _closing = unsafe {
            sys::napi_release_threadsafe_function(
                self.raw,
                sys::ThreadsafeFunctionReleaseMode::abort,
            )
        };
    }
}

unsafe extern "C" fn trampoline(
    env: sys::napi_env,
    _function: sys::napi_value,
    context: *mut c_void,
    _data: *mut c_void,
) {
    // An environment that is going away passes none.
    if env.is_null() || context.is_null() {
        return;
    }
    // SAFETY: `context` is the `OnWake` that `new` stored.
    let on_wake = unsafe { std::mem::transmute::<*mut c_void, OnWake>(context) };
    let _panicked = guarded(|| on_wake(env));
}
