//! What runs on JavaScript's thread when a host calls it: the wake functions of the queues for which something came.

use std::ptr;
use std::time::{Duration, Instant};

use io::Kind;
use napi::sys;

use crate::environment::with_existing;
use crate::guard::guarded;
use crate::mailbox::Mailbox;

/// So long may wake functions be at work before the event loop turns; the rest are called after that.
const MOST: Duration = Duration::from_millis(5);

/// The thread host woke JavaScript's thread.
pub(crate) fn on_threadsafe(env: sys::napi_env) {
    watched(Kind::Thread, || {
        with_existing(|environment| environment.break_off_after_defect(Kind::Thread));
        serve_thread_host(env);
    });
}

/// The event loop found the reactor's descriptor readable.
#[cfg(unix)]
pub(crate) fn on_readable(env: sys::napi_env) {
    watched(Kind::Loop, || serve_loop_host(env));
}

/// The reactor's other thread called the event loop.
#[cfg(unix)]
pub(crate) fn on_bell(env: sys::napi_env) {
    watched(Kind::Loop, || {
        with_existing(|environment| environment.hear_bell());
        serve_loop_host(env);
    });
}

/// Runs `act`, and breaks the queues of that kind of host off if it panics.
fn watched(kind: Kind, act: impl FnOnce()) {
    if guarded(act).is_none() {
        with_existing(|environment| environment.break_off(kind));
    }
}

fn serve_thread_host(env: sys::napi_env) {
    let Some(mailbox) = with_existing(|environment| environment.thread_mailbox()).flatten() else {
        return;
    };
    deliver(&mailbox, |function| {
        let mut this = ptr::null_mut();
        // SAFETY: a function of this environment, called in the scope that Node opened for this call.
        unsafe {
            sys::napi_get_undefined(env, &raw mut this);
            report(
                env,
                sys::napi_call_function(env, this, function, 0, ptr::null(), ptr::null_mut()),
            );
        }
    });
}

#[cfg(unix)]
fn serve_loop_host(env: sys::napi_env) {
    let Some((host, mailbox, context)) =
        with_existing(|environment| environment.loop_parts()).flatten()
    else {
        return;
    };
    let mut scope = ptr::null_mut();
    // SAFETY: on the environment's thread, outside of any scope.
    if unsafe { sys::napi_open_handle_scope(env, &raw mut scope) } != sys::Status::napi_ok {
        return;
    }
    mailbox.is_about_to_look();
    host.service();
    with_existing(|environment| environment.break_off_after_defect(Kind::Loop));
    // Caught here too, because the scope has to be closed.
    watched(Kind::Loop, || {
        deliver(&mailbox, |function| call_from_loop(env, context, function));
    });
    with_existing(|environment| environment.follow_loan());
    // SAFETY: the scope was opened above.
    unsafe { sys::napi_close_handle_scope(env, scope) };
}

/// Calls the wake functions of the handles in the mailbox, until the time is up.
fn deliver(mailbox: &Mailbox, call: impl Fn(sys::napi_value)) {
    let start = Instant::now();
    let mut handles = mailbox.take().into_iter();
    // Afterwards, so that nothing is overlooked that called before.
    with_existing(|environment| environment.release_returned());
    for handle in handles.by_ref() {
        let function = with_existing(|environment| environment.wake_function(handle)).flatten();
        if let Some(function) = function {
            call(function);
            if start.elapsed() >= MOST {
                break;
            }
        }
    }
    mailbox.put_back(handles);
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
