//! Node's own event loop as a host: a `uv_poll` on the reactor's descriptor. The symbols are looked up at run time and never
//! imported, so the addon loads where there are none; whether they are used at all is decided by TypeScript's allow list of
//! runtimes, because some runtimes export symbols that do not work.

use std::alloc::{Layout, alloc_zeroed, dealloc};
use std::ffi::{CStr, c_char, c_int, c_void};
use std::ptr::NonNull;
use std::time::Duration;

use napi::sys;

use crate::guard::guarded;

/// `UV_POLL` of `uv_handle_type`; part of libuv's stable ABI since 1.0.
const UV_POLL: c_int = 8;
const UV_READABLE: c_int = 1;

type PollCallback = unsafe extern "C" fn(*mut c_void, c_int, c_int);
type CloseCallback = unsafe extern "C" fn(*mut c_void);
type HandleSize = unsafe extern "C" fn(c_int) -> usize;
type PollInit = unsafe extern "C" fn(*mut c_void, *mut c_void, c_int) -> c_int;
type PollStart = unsafe extern "C" fn(*mut c_void, c_int, PollCallback) -> c_int;
type PollStop = unsafe extern "C" fn(*mut c_void) -> c_int;
type Close = unsafe extern "C" fn(*mut c_void, CloseCallback);
type OnHandle = unsafe extern "C" fn(*mut c_void);
type MetricsIdleTime = unsafe extern "C" fn(*mut c_void) -> u64;
type SetData = unsafe extern "C" fn(*mut c_void, *mut c_void);

#[derive(Clone, Copy)]
struct Symbols {
    handle_size: HandleSize,
    poll_init: PollInit,
    poll_start: PollStart,
    poll_stop: PollStop,
    close: Close,
    reference: OnHandle,
    unreference: OnHandle,
    set_data: SetData,
}

fn symbol(name: &CStr) -> Option<NonNull<c_void>> {
    // SAFETY: dlsym takes a C string and looks in the whole process.
    NonNull::new(unsafe { libc::dlsym(libc::RTLD_DEFAULT, name.as_ptr().cast::<c_char>()) })
}

macro_rules! look_up {
    ($name:literal, $function:ty) => {
        // SAFETY: the symbol is libuv's function of that name, and the type is its signature.
        unsafe { std::mem::transmute::<*mut c_void, $function>(symbol($name)?.as_ptr()) }
    };
}

impl Symbols {
    fn find() -> Option<Self> {
        Some(Self {
            handle_size: look_up!(c"uv_handle_size", HandleSize),
            poll_init: look_up!(c"uv_poll_init", PollInit),
            poll_start: look_up!(c"uv_poll_start", PollStart),
            poll_stop: look_up!(c"uv_poll_stop", PollStop),
            close: look_up!(c"uv_close", Close),
            reference: look_up!(c"uv_ref", OnHandle),
            unreference: look_up!(c"uv_unref", OnHandle),
            set_data: look_up!(c"uv_handle_set_data", SetData),
        })
    }
}

/// The event loop of an environment.
fn event_loop(env: sys::napi_env) -> Option<NonNull<c_void>> {
    let mut event_loop = std::ptr::null_mut();
    // SAFETY: `env` is the current environment and the out pointer is valid.
    let status = unsafe { sys::napi_get_uv_event_loop(env, &raw mut event_loop) };
    NonNull::new(event_loop.cast()).filter(|_| status == sys::Status::napi_ok)
}

/// Tells how long an event loop has waited for events.
pub(crate) struct IdleTime {
    measure: MetricsIdleTime,
    event_loop: NonNull<c_void>,
}

// SAFETY: the pointer is only passed to `uv_metrics_idle_time`, which is documented to be thread-safe.
unsafe impl Send for IdleTime {}
// SAFETY: see above.
unsafe impl Sync for IdleTime {}

impl IdleTime {
    /// `None`: this runtime's libuv is older than that function.
    pub(crate) fn find(env: sys::napi_env) -> Option<Self> {
        Some(Self {
            measure: look_up!(c"uv_metrics_idle_time", MetricsIdleTime),
            event_loop: event_loop(env)?,
        })
    }

    /// In all; always zero where the owner of the loop has not asked libuv to measure it.
    ///
    /// # Safety
    /// The environment must not have ended.
    pub(crate) unsafe fn get(&self) -> Duration {
        // SAFETY: the loop lives as long as its environment.
        Duration::from_nanos(unsafe { (self.measure)(self.event_loop.as_ptr()) })
    }
}

/// What the loop's poll calls.
pub(crate) type OnReadable = fn(sys::napi_env);

/// A watch of one descriptor by the event loop of an environment. Does not keep the loop alive unless told to.
pub(crate) struct LoopPoll {
    handle: NonNull<Handle>,
    watching: bool,
}

/// The memory of the uv handle and what belongs to it; freed by the close callback.
struct Handle {
    symbols: Symbols,
    memory: NonNull<u8>,
    layout: Layout,
    env: sys::napi_env,
    on_readable: OnReadable,
    on_closed: Option<Box<dyn FnOnce()>>,
}

impl LoopPoll {
    /// Starts to watch. `None`: this runtime has no libuv, or it refuses.
    pub(crate) fn start(env: sys::napi_env, fd: c_int, on_readable: OnReadable) -> Option<Self> {
        let symbols = Symbols::find()?;
        let event_loop = event_loop(env)?;
        // SAFETY: plain call into libuv.
        let size = unsafe { (symbols.handle_size)(UV_POLL) };
        let layout = Layout::from_size_align(size, 16)
            .ok()
            .filter(|layout| layout.size() > 0)?;
        // SAFETY: the layout is not empty.
        let memory = NonNull::new(unsafe { alloc_zeroed(layout) })?;
        let handle = Box::new(Handle {
            symbols,
            memory,
            layout,
            env,
            on_readable,
            on_closed: None,
        });
        // SAFETY: `memory` is large enough for a uv_poll_t and lives until the close callback; `fd` is open for longer
        // than that, since the host is dropped after it; calls are made on the loop's thread.
        unsafe {
            if (symbols.poll_init)(event_loop.as_ptr(), memory.as_ptr().cast(), fd) != 0 {
                dealloc(memory.as_ptr(), layout);
                return None;
            }
            let handle = NonNull::from(Box::leak(handle));
            (symbols.set_data)(memory.as_ptr().cast(), handle.as_ptr().cast());
            (symbols.poll_start)(memory.as_ptr().cast(), UV_READABLE, on_poll);
            (symbols.unreference)(memory.as_ptr().cast());
            Some(Self {
                handle,
                watching: true,
            })
        }
    }

    /// Goes on watching, or pauses; a pause does not keep the loop alive.
    pub(crate) fn watch(&mut self, on: bool) {
        if self.watching == on {
            return;
        }
        self.watching = on;
        // SAFETY: the handle lives until `close`, which takes `self`; on the loop's thread.
        unsafe {
            let handle = self.handle.as_ref();
            let memory = handle.memory.as_ptr().cast();
            if on {
                (handle.symbols.poll_start)(memory, UV_READABLE, on_poll);
            } else {
                (handle.symbols.poll_stop)(memory);
            }
        }
    }

    /// Whether the watch keeps the loop alive.
    pub(crate) fn keep_alive(&self, on: bool) {
        // SAFETY: the handle lives until `close`, which takes `self`.
        unsafe {
            let handle = self.handle.as_ref();
            let change = if on {
                handle.symbols.reference
            } else {
                handle.symbols.unreference
            };
            change(handle.memory.as_ptr().cast());
        }
    }

    /// Stops to watch; `done` runs on the loop when the memory is free.
    pub(crate) fn close(mut self, done: Box<dyn FnOnce()>) {
        // SAFETY: the handle is alive, and nobody uses it after this.
        unsafe {
            let handle = self.handle.as_mut();
            handle.on_closed = Some(done);
            let memory = handle.memory.as_ptr().cast();
            (handle.symbols.poll_stop)(memory);
            (handle.symbols.close)(memory, on_close);
        }
    }
}

unsafe extern "C" fn on_poll(memory: *mut c_void, _status: c_int, _events: c_int) {
    // SAFETY: `memory` is the handle that `start` made; libuv does not call this after it is closed.
    let (env, on_readable) = unsafe {
        let handle = data(memory);
        ((*handle).env, (*handle).on_readable)
    };
    let _panicked = guarded(|| on_readable(env));
}

unsafe extern "C" fn on_close(memory: *mut c_void) {
    // SAFETY: `memory` is the handle that `start` made; libuv is done with it, so its memory and its data can go.
    unsafe {
        let handle = Box::from_raw(data(memory));
        dealloc(handle.memory.as_ptr(), handle.layout);
        if let Some(done) = handle.on_closed {
            let _panicked = guarded(done);
        }
    }
}

/// The data pointer is the first member of every uv handle (`UV_HANDLE_FIELDS`), documented as the user's.
///
/// # Safety
/// `memory` must be a handle that [`LoopPoll::start`] made.
unsafe fn data(memory: *mut c_void) -> *mut Handle {
    // SAFETY: see above.
    unsafe { *memory.cast::<*mut Handle>() }
}
