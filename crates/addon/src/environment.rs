use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use io::{Host, Kind};
use napi::sys;
use queue::Communicator;
use wire::{Code, Driver, Token, Word};

use crate::threadsafe::Threadsafe;
#[cfg(unix)]
use crate::uv::LoopPoll;

/// Everything that belongs to one JavaScript environment (the main thread or a worker), found by its thread.
pub(crate) struct Environment {
    thread_host: Option<ThreadHost>,
    #[cfg(unix)]
    loop_host: Option<LoopHost>,
    queues: HashMap<u32, Queue>,
    next_handle: u32,
}

/// A communicator and how JavaScript hears of it.
pub(crate) struct Queue {
    pub(crate) communicator: Communicator,
    pub(crate) host: Host,
    kind: Kind,
    wake: sys::napi_ref,
    /// It keeps the process alive.
    keeps: bool,
    ended: bool,
}

struct ThreadHost {
    host: Host,
    woken: Arc<Woken>,
    keepers: usize,
}

#[cfg(unix)]
struct LoopHost {
    host: Host,
    woken: Arc<Woken>,
    poll: LoopPoll,
    async_context: sys::napi_async_context,
    keepers: usize,
}

/// Handles whose wake function is to be called.
struct Woken {
    handles: Mutex<Vec<u32>>,
    /// Wakes JavaScript's thread (thread host); the loop host is on it.
    threadsafe: Option<Threadsafe>,
}

impl Woken {
    fn handles(&self) -> MutexGuard<'_, Vec<u32>> {
        self.handles.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a communicator asks of its host.
struct QueueDriver {
    host: Host,
    woken: Arc<Woken>,
    handle: u32,
}

impl Driver for QueueDriver {
    fn nudge(&self, token: Token, inline: bool) {
        self.host.nudge(token, inline);
    }

    fn send_lent(&self, token: Token, word: Word, payload: &[u8]) -> bool {
        self.host.send_lent(token, word, payload)
    }

    fn close(&self, token: Token, at: Option<Instant>) {
        self.host.close(token, at);
    }

    fn wake(&self) {
        let first = {
            let mut handles = self.woken.handles();
            handles.push(self.handle);
            handles.len() == 1
        };
        if first {
            match &self.woken.threadsafe {
                Some(threadsafe) => threadsafe.call(),
                None => self.host.wake_owner(),
            }
        }
    }
}

thread_local! {
    static ENVIRONMENT: RefCell<Option<Environment>> = const { RefCell::new(None) };
}

/// Runs `act` on this thread's environment, which is made when it is first asked for.
pub(crate) fn with<T>(
    env: sys::napi_env,
    act: impl FnOnce(&mut Environment) -> T,
) -> napi::Result<T> {
    ENVIRONMENT.with_borrow_mut(|environment| {
        if environment.is_none() {
            *environment = Some(Environment::new());
            // SAFETY: `env` is this thread's environment; the hook needs no argument.
            napi::check_status!(unsafe {
                sys::napi_add_async_cleanup_hook(env, Some(clean_up), env.cast(), ptr::null_mut())
            })?;
        }
        environment
            .as_mut()
            .map(act)
            .ok_or_else(|| napi::Error::from_reason("no environment"))
    })
}

/// Runs `act` on a queue; the code if there is none with that handle.
pub(crate) fn with_queue<T>(
    handle: u32,
    act: impl FnOnce(&mut Queue) -> Result<T, Code>,
) -> Result<T, Code> {
    ENVIRONMENT.with_borrow_mut(|environment| {
        let queue = environment
            .as_mut()
            .and_then(|environment| environment.queues.get_mut(&handle));
        queue.map_or(Err(Code::Closed), act)
    })
}

impl Environment {
    fn new() -> Self {
        Self {
            thread_host: None,
            #[cfg(unix)]
            loop_host: None,
            queues: HashMap::new(),
            next_handle: 1,
        }
    }

    /// A handle whose communicator `make` builds on the host of that kind.
    pub(crate) fn open(
        &mut self,
        env: sys::napi_env,
        kind: Kind,
        wake: sys::napi_value,
        make: impl FnOnce(&Host, Arc<dyn Driver>) -> Result<Communicator, Code>,
    ) -> napi::Result<u32> {
        let (host, woken) = self.host(env, kind)?;
        let handle = self.next_handle;
        self.next_handle += 1;
        let driver = Arc::new(QueueDriver {
            host: host.clone(),
            woken,
            handle,
        });
        let mut reference = ptr::null_mut();
        // SAFETY: `wake` is a function of this environment.
        napi::check_status!(unsafe {
            sys::napi_create_reference(env, wake, 1, &raw mut reference)
        })?;
        let communicator =
            make(&host, driver).map_err(|code| napi::Error::from_reason(code.as_str()))?;
        self.queues.insert(
            handle,
            Queue {
                communicator,
                host,
                kind,
                wake: reference,
                keeps: false,
                ended: false,
            },
        );
        self.keep_alive(env, handle, true);
        Ok(handle)
    }

    fn host(&mut self, env: sys::napi_env, kind: Kind) -> napi::Result<(Host, Arc<Woken>)> {
        match kind {
            Kind::Thread => self.thread_host(env),
            Kind::Loop => self.loop_host(env),
        }
    }

    fn thread_host(&mut self, env: sys::napi_env) -> napi::Result<(Host, Arc<Woken>)> {
        if self.thread_host.is_none() {
            let threadsafe = Some(Threadsafe::new(env, on_threadsafe)?);
            let woken = Arc::new(Woken {
                handles: Mutex::new(Vec::new()),
                threadsafe,
            });
            let host = Host::start(Kind::Thread).map_err(refused)?;
            self.thread_host = Some(ThreadHost {
                host,
                woken,
                keepers: 0,
            });
        }
        let there = self
            .thread_host
            .as_ref()
            .map(|there| (there.host.clone(), Arc::clone(&there.woken)));
        there.ok_or_else(|| napi::Error::from_reason("no host"))
    }

    #[cfg(unix)]
    fn loop_host(&mut self, env: sys::napi_env) -> napi::Result<(Host, Arc<Woken>)> {
        if self.loop_host.is_none() {
            let woken = Arc::new(Woken {
                handles: Mutex::new(Vec::new()),
                threadsafe: None,
            });
            let host = Host::start(Kind::Loop).map_err(refused)?;
            let Some(poll) = LoopPoll::start(env, host.poll_fd(), on_readable) else {
                host.stop();
                return Err(napi::Error::from_reason(
                    "this runtime has no libuv that chaski could use: set CHASKI_HOST=thread",
                ));
            };
            let async_context = async_context(env)?;
            self.loop_host = Some(LoopHost {
                host,
                woken,
                poll,
                async_context,
                keepers: 0,
            });
        }
        let there = self
            .loop_host
            .as_ref()
            .map(|there| (there.host.clone(), Arc::clone(&there.woken)));
        there.ok_or_else(|| napi::Error::from_reason("no host"))
    }

    #[cfg(not(unix))]
    fn loop_host(&mut self, _env: sys::napi_env) -> napi::Result<(Host, Arc<Woken>)> {
        Err(napi::Error::from_reason(
            "the loop host is not for this system: set CHASKI_HOST=thread",
        ))
    }

    /// Whether a queue keeps the process alive. One that has ended never does.
    pub(crate) fn keep_alive(&mut self, env: sys::napi_env, handle: u32, on: bool) {
        let Some(queue) = self.queues.get_mut(&handle) else {
            return;
        };
        let on = on && !queue.ended;
        if queue.keeps == on {
            return;
        }
        queue.keeps = on;
        match queue.kind {
            Kind::Thread => {
                if let Some(there) = &mut self.thread_host
                    && changes(&mut there.keepers, on)
                    && let Some(threadsafe) = &there.woken.threadsafe
                {
                    threadsafe.keep_alive(env, on);
                }
            }
            Kind::Loop => {
                #[cfg(unix)]
                if let Some(there) = &mut self.loop_host
                    && changes(&mut there.keepers, on)
                {
                    there.poll.keep_alive(on);
                }
            }
        }
    }

    /// A queue had its last event.
    pub(crate) fn ended(&mut self, env: sys::napi_env, handle: u32) {
        self.keep_alive(env, handle, false);
        if let Some(queue) = self.queues.get_mut(&handle) {
            queue.ended = true;
        }
    }

    /// Frees a handle.
    pub(crate) fn forget(&mut self, env: sys::napi_env, handle: u32) {
        self.keep_alive(env, handle, false);
        if let Some(mut queue) = self.queues.remove(&handle) {
            if !queue.ended {
                queue.communicator.close(None);
            }
            // SAFETY: the reference was made in this environment and is deleted once.
            let _env_going_away = unsafe { sys::napi_delete_reference(env, queue.wake) };
        }
    }
}

/// Counts a keeper in or out; true if the first came or the last went.
fn changes(keepers: &mut usize, on: bool) -> bool {
    if on {
        *keepers += 1;
        *keepers == 1
    } else {
        *keepers -= 1;
        *keepers == 0
    }
}

#[expect(clippy::needless_pass_by_value, reason = "it is used with map_err")]
fn refused(error: std::io::Error) -> napi::Error {
    napi::Error::from_reason(format!(
        "the system refused a thread or a descriptor: {error}"
    ))
}

#[cfg(unix)]
fn async_context(env: sys::napi_env) -> napi::Result<sys::napi_async_context> {
    let mut name = ptr::null_mut();
    let mut context = ptr::null_mut();
    // SAFETY: `env` is the current environment and the out pointers are valid.
    unsafe {
        napi::check_status!(sys::napi_create_string_utf8(
            env,
            c"chaski".as_ptr(),
            6,
            &raw mut name
        ))?;
        napi::check_status!(sys::napi_async_init(
            env,
            ptr::null_mut(),
            name,
            &raw mut context
        ))?;
    }
    Ok(context)
}

/// The thread host woke JavaScript's thread.
unsafe fn on_threadsafe(env: sys::napi_env) {
    let functions = ENVIRONMENT.with_borrow(|environment| {
        environment.as_ref().and_then(|environment| {
            let woken = &environment.thread_host.as_ref()?.woken;
            Some(environment.functions(env, woken))
        })
    });
    for function in functions.unwrap_or_default() {
        let mut this = ptr::null_mut();
        // SAFETY: a function of this environment, called in the scope that Node opened for this call.
        unsafe {
            sys::napi_get_undefined(env, &raw mut this);
            report(
                env,
                sys::napi_call_function(env, this, function, 0, ptr::null(), ptr::null_mut()),
            );
        }
    }
}

/// The event loop found the reactor's descriptor readable.
#[cfg(unix)]
fn on_readable(env: sys::napi_env) {
    let host = ENVIRONMENT
        .with_borrow(|environment| Some(environment.as_ref()?.loop_host.as_ref()?.host.clone()));
    let Some(host) = host else { return };
    let served = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| host.service()));
    let mut scope = ptr::null_mut();
    // SAFETY: on the environment's thread, outside of any scope.
    let opened = unsafe { sys::napi_open_handle_scope(env, &raw mut scope) };
    if served.is_err() || opened != sys::Status::napi_ok {
        return;
    }
    let woken = ENVIRONMENT.with_borrow(|environment| {
        environment.as_ref().and_then(|environment| {
            let there = environment.loop_host.as_ref()?;
            Some((
                environment.functions(env, &there.woken),
                there.async_context,
            ))
        })
    });
    if let Some((functions, context)) = woken {
        for function in functions {
            call_from_loop(env, context, function);
        }
    }
    // SAFETY: the scope was opened above.
    unsafe { sys::napi_close_handle_scope(env, scope) };
}

/// Calls a function from outside of JavaScript, so that microtasks and `process.nextTick` run after it.
#[cfg(unix)]
fn call_from_loop(env: sys::napi_env, context: sys::napi_async_context, function: sys::napi_value) {
    let mut this = ptr::null_mut();
    // SAFETY: on the environment's thread, in an open handle scope; `context` was made for this environment.
    unsafe {
        sys::napi_get_global(env, &raw mut this);
        report(
            env,
            sys::napi_make_callback(
                env,
                context,
                this,
                function,
                0,
                ptr::null(),
                ptr::null_mut(),
            ),
        );
    }
}

/// Makes what a function threw an uncaught exception of the process, as if an event handler had thrown it.
fn report(env: sys::napi_env, status: sys::napi_status) {
    if status != sys::Status::napi_pending_exception {
        return;
    }
    let mut error = ptr::null_mut();
    // SAFETY: on the environment's thread, in an open handle scope, with an exception pending.
    unsafe {
        sys::napi_get_and_clear_last_exception(env, &raw mut error);
        sys::napi_fatal_exception(env, error);
    }
}

impl Environment {
    /// The wake functions of the queues that were woken, each once.
    fn functions(&self, env: sys::napi_env, woken: &Woken) -> Vec<sys::napi_value> {
        let handles = std::mem::take(&mut *woken.handles());
        let mut functions = Vec::with_capacity(handles.len());
        for handle in handles {
            let Some(queue) = self.queues.get(&handle) else {
                continue;
            };
            let mut function = ptr::null_mut();
            // SAFETY: the reference belongs to this environment and lives as long as its queue.
            let status =
                unsafe { sys::napi_get_reference_value(env, queue.wake, &raw mut function) };
            if status == sys::Status::napi_ok && !function.is_null() {
                functions.push(function);
            }
        }
        functions
    }
}

/// The environment goes away (process exit, or a worker that ended or was terminated): every thread is stopped first, then
/// the event loop lets go of the descriptor.
unsafe extern "C" fn clean_up(hook: sys::napi_async_cleanup_hook_handle, _argument: *mut c_void) {
    let environment = ENVIRONMENT.with_borrow_mut(Option::take);
    let done = move || {
        // SAFETY: `hook` is the handle that Node passed, removed once.
        unsafe { sys::napi_remove_async_cleanup_hook(hook) };
    };
    let Some(environment) = environment else {
        return done();
    };
    drop(environment.queues);
    if let Some(there) = environment.thread_host {
        there.host.stop();
        if let Some(woken) = Arc::into_inner(there.woken)
            && let Some(threadsafe) = woken.threadsafe
        {
            threadsafe.release();
        }
    }
    #[cfg(unix)]
    if let Some(there) = environment.loop_host {
        there.host.stop();
        let host = there.host;
        return there.poll.close(Box::new(move || {
            drop(host);
            done();
        }));
    }
    done();
}
