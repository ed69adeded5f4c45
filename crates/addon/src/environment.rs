use std::cell::RefCell;
use std::collections::HashMap;
use std::ffi::c_void;
use std::ptr;
use std::sync::Arc;

use io::{Crew, Host, Kind};
use napi::sys;
use queue::{Communicator, Event, Memory};
use wire::{Code, Driver};

use crate::callbacks::on_threadsafe;
#[cfg(unix)]
use crate::callbacks::{on_bell, on_readable};
use crate::guard::guarded;
use crate::kaska_handle::{Directory, MailboxWake};
use crate::lent::{Lent, Returns};
use crate::mailbox::{Bell, Mailbox, QueueDriver};
use crate::queue_handle::Queue;
use crate::threadsafe::Threadsafe;
#[cfg(unix)]
use crate::uv::{IdleTime, LoopPoll};

/// Everything that belongs to one JavaScript environment (the main thread or a worker), found by its thread.
pub(crate) struct Environment {
    env: sys::napi_env,
    thread_host: Option<ThreadHost>,
    #[cfg(unix)]
    loop_host: Option<LoopHost>,
    queues: HashMap<u32, Queue>,
    directories: HashMap<u32, Directory>,
    next_handle: u32,
    returns: Arc<Returns>,
    /// Of all its queues.
    memory: Memory,
}

/// What threads of ours call JavaScript's thread by.
struct ThreadHost {
    /// As many threads as a communicator has asked for so far; one that asks for fewer has the first ones. Without
    /// communicators there are none.
    crew: Option<Crew>,
    mailbox: Arc<Mailbox>,
    keepers: usize,
}

#[cfg(unix)]
struct LoopHost {
    host: Host,
    mailbox: Arc<Mailbox>,
    /// Watches the reactor's descriptor while the event loop runs the reactor.
    poll: LoopPoll,
    /// Watches the bell; always, so this one keeps the process alive.
    bell: LoopPoll,
    async_context: sys::napi_async_context,
    keepers: usize,
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
            *environment = Some(Environment::new(env));
            // SAFETY: `env` is this thread's environment; the hook needs no argument.
            napi::check_status!(unsafe {
                sys::napi_add_env_cleanup_hook(env, Some(clean_up), ptr::null_mut())
            })?;
        }
        environment
            .as_mut()
            .map(|environment| environment.act(act))
            .ok_or_else(|| napi::Error::from_reason("no environment"))
    })
}

/// Runs `act` on this thread's environment, if there is one.
pub(crate) fn with_existing<T>(act: impl FnOnce(&mut Environment) -> T) -> Option<T> {
    ENVIRONMENT.with_borrow_mut(|environment| {
        let environment = environment.as_mut()?;
        Some(environment.act(act))
    })
}

/// Runs `act` on a queue.
///
/// # Errors
/// [`Code::Closed`] if there is none with that handle; [`Code::Internal`] if it is broken, or if `act` panics and breaks it.
pub(crate) fn with_queue<T>(
    handle: u32,
    act: impl FnOnce(&mut Queue) -> Result<T, Code>,
) -> Result<T, Code> {
    let result = with_existing(|environment| {
        let queue = environment.queues.get_mut(&handle)?;
        Some(queue.act(act))
    });
    result.flatten().unwrap_or(Err(Code::Closed))
}

/// Runs `act` on a directory.
///
/// # Errors
/// [`Code::Closed`] if there is none with that handle; [`Code::Internal`] if `act` panics: then nothing is stored in it any
/// more.
pub(crate) fn with_directory<T>(
    handle: u32,
    act: impl FnOnce(&mut kaska::Session) -> Result<T, Code>,
) -> Result<T, Code> {
    let result = with_existing(|environment| {
        let directory = environment.directories.get_mut(&handle)?;
        Some(directory.act(act))
    });
    result.flatten().unwrap_or(Err(Code::Closed))
}

impl Environment {
    fn new(env: sys::napi_env) -> Self {
        Self {
            env,
            thread_host: None,
            #[cfg(unix)]
            loop_host: None,
            queues: HashMap::new(),
            directories: HashMap::new(),
            next_handle: 1,
            returns: Arc::new(Returns::new()),
            memory: Memory::default(),
        }
    }

    /// What every queue of this environment has its messages in.
    pub(crate) fn memory(&self) -> Memory {
        self.memory.clone()
    }

    fn act<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> T {
        let result = act(self);
        self.release_returned();
        result
    }

    /// Lets go of memory that was lent and is not used any more.
    pub(crate) fn release_returned(&self) {
        self.returns.release(self.env);
    }

    /// A handle whose communicator `make` builds on so many hosts of that kind.
    pub(crate) fn open(
        &mut self,
        (kind, workers): (Kind, usize),
        wake: sys::napi_value,
        make: impl FnOnce(&Crew, Arc<dyn Driver>) -> Result<Communicator, Code>,
    ) -> napi::Result<u32> {
        self.break_off_after_defect(kind);
        let (crew, mailbox) = match kind {
            Kind::Thread => self.thread_hosts(workers)?,
            Kind::Loop => self.loop_host()?,
        };
        let handle = self.next_handle;
        self.next_handle += 1;
        let driver = Arc::new(QueueDriver {
            crew: crew.clone(),
            mailbox: Arc::clone(&mailbox),
            handle,
        });
        let communicator =
            make(&crew, driver).map_err(|code| napi::Error::from_reason(code.as_str()))?;
        let mut reference = ptr::null_mut();
        // SAFETY: `wake` is a function of this environment.
        let referred = unsafe { sys::napi_create_reference(self.env, wake, 1, &raw mut reference) };
        let mut queue = Queue::new(handle, communicator, crew, kind, mailbox, reference);
        if let Err(error) = napi::check_status!(referred) {
            queue.communicator.break_off();
            return Err(error);
        }
        self.queues.insert(handle, queue);
        self.keep_alive(handle, true);
        Ok(handle)
    }

    /// So many threads, each with a reactor, that all leave what they have to tell in one mailbox.
    fn thread_hosts(&mut self, workers: usize) -> napi::Result<(Crew, Arc<Mailbox>)> {
        let there = self.thread_host()?;
        let crew = match there.crew.take() {
            Some(crew) => crew,
            None => Crew::start(1, call_through(&there.mailbox)).map_err(refused)?,
        };
        let enough = if crew.size() < workers {
            let grown = crew.grown(workers, call_through(&there.mailbox));
            grown.inspect_err(|_| there.crew = Some(crew))
        } else {
            Ok(crew)
        };
        let crew = there.crew.insert(enough.map_err(refused)?);
        Ok((crew.first(workers), Arc::clone(&there.mailbox)))
    }

    /// What threads call JavaScript's thread by; made when it is first needed.
    fn thread_host(&mut self) -> napi::Result<&mut ThreadHost> {
        if self.thread_host.is_none() {
            let bells = [
                Threadsafe::new(self.env, on_threadsafe)?,
                Threadsafe::new(self.env, on_threadsafe)?,
            ];
            self.thread_host = Some(ThreadHost {
                crew: None,
                mailbox: Arc::new(Mailbox::new(Bell::Threadsafe(bells))),
                keepers: 0,
            });
        }
        let there = self.thread_host.as_mut();
        there.ok_or_else(|| napi::Error::from_reason("no host"))
    }

    /// A handle for a directory that `open` begins to open.
    pub(crate) fn open_directory(
        &mut self,
        wake: sys::napi_value,
        open: impl FnOnce(Box<dyn kaska::Wake>) -> Result<kaska::Session, log::Error>,
    ) -> napi::Result<Result<u32, log::Error>> {
        let mailbox = Arc::clone(&self.thread_host()?.mailbox);
        let mut reference = ptr::null_mut();
        // SAFETY: `wake` is a function of this environment.
        napi::check_status!(unsafe {
            sys::napi_create_reference(self.env, wake, 1, &raw mut reference)
        })?;
        let handle = self.next_handle;
        self.next_handle += 1;
        let session = match open(Box::new(MailboxWake { mailbox, handle })) {
            Ok(session) => session,
            Err(error) => {
                // SAFETY: the reference was made above and is deleted once.
                let _env_going_away = unsafe { sys::napi_delete_reference(self.env, reference) };
                return Ok(Err(error));
            }
        };
        self.directories
            .insert(handle, Directory::new(session, reference));
        self.keep_alive(handle, true);
        Ok(Ok(handle))
    }

    #[cfg(unix)]
    fn loop_host(&mut self) -> napi::Result<(Crew, Arc<Mailbox>)> {
        if self.loop_host.is_none() {
            let host = Host::start(Kind::Loop, Host::wake_owner).map_err(refused)?;
            let polls = LoopPoll::start(self.env, host.poll_fd(), on_readable).and_then(|poll| {
                match LoopPoll::start(self.env, host.bell_fd(), on_bell) {
                    Some(bell) => Some((poll, bell)),
                    None => {
                        poll.close(Box::new(|| {}));
                        None
                    }
                }
            });
            let Some((poll, bell)) = polls else {
                host.stop();
                return Err(napi::Error::from_reason(
                    "this runtime has no libuv that chaski could use: set CHASKI_HOST=thread",
                ));
            };
            if let Some(idle) = IdleTime::find(self.env) {
                // SAFETY: the host is stopped, and its thread has ended, before the environment has.
                host.measure_idle_with(move || unsafe { idle.get() });
            }
            // Hooks run in reverse order, so this one comes before the one without a handle. Only here, because Deno frees
            // the handle of an asynchronous hook twice.
            // SAFETY: this thread's environment; the hook needs no argument.
            napi::check_status!(unsafe {
                sys::napi_add_async_cleanup_hook(
                    self.env,
                    Some(clean_up_loop),
                    ptr::null_mut(),
                    ptr::null_mut(),
                )
            })?;
            self.loop_host = Some(LoopHost {
                mailbox: Arc::new(Mailbox::new(Bell::Loop(host.clone()))),
                host,
                poll,
                bell,
                async_context: async_context(self.env)?,
                keepers: 0,
            });
        }
        let there = self
            .loop_host
            .as_ref()
            .map(|there| (Crew::of(there.host.clone()), Arc::clone(&there.mailbox)));
        there.ok_or_else(|| napi::Error::from_reason("no host"))
    }

    #[cfg(not(unix))]
    fn loop_host(&mut self) -> napi::Result<(Crew, Arc<Mailbox>)> {
        Err(napi::Error::from_reason(
            "the loop host is not for this system: set CHASKI_HOST=thread",
        ))
    }

    /// The mailbox of the thread host.
    pub(crate) fn thread_mailbox(&self) -> Option<Arc<Mailbox>> {
        let there = self.thread_host.as_ref()?;
        Some(Arc::clone(&there.mailbox))
    }

    /// The loop host, its mailbox, and what JavaScript is called in.
    #[cfg(unix)]
    pub(crate) fn loop_parts(&self) -> Option<(Host, Arc<Mailbox>, sys::napi_async_context)> {
        let there = self.loop_host.as_ref()?;
        Some((
            there.host.clone(),
            Arc::clone(&there.mailbox),
            there.async_context,
        ))
    }

    #[cfg(unix)]
    pub(crate) fn hear_bell(&self) {
        if let Some(there) = &self.loop_host {
            there.host.hear_bell();
        }
    }

    /// Watches the reactor's descriptor, or leaves it to the thread that runs the reactor.
    #[cfg(unix)]
    pub(crate) fn follow_loan(&mut self) {
        if let Some(there) = &mut self.loop_host {
            there.poll.watch(!there.host.is_lent());
        }
    }

    /// The wake function of a handle, in the handle scope that is open.
    pub(crate) fn wake_function(&self, handle: u32) -> Option<sys::napi_value> {
        let wake = match self.queues.get(&handle) {
            Some(queue) => queue.wake,
            None => self.directories.get(&handle)?.wake,
        };
        let mut function = ptr::null_mut();
        // SAFETY: the reference belongs to this environment and lives as long as its handle.
        let status = unsafe { sys::napi_get_reference_value(self.env, wake, &raw mut function) };
        (status == sys::Status::napi_ok && !function.is_null()).then_some(function)
    }

    /// Lends the memory of `view` to a queue; see [`Lent::lend`].
    pub(crate) fn lend(&self, handle: u32, view: sys::napi_value) -> Result<Lent, Code> {
        let queue = self.queues.get(&handle).ok_or(Code::Closed)?;
        Lent::lend(
            self.env,
            view,
            Arc::clone(&self.returns),
            Arc::clone(&queue.mailbox),
            Arc::clone(&queue.lent),
        )
    }

    /// The events of a queue that is broken.
    pub(crate) fn last_events(&mut self, handle: u32) -> Vec<Event> {
        let queue = self.queues.get_mut(&handle);
        queue.map_or_else(Vec::new, Queue::last_events)
    }

    /// Breaks the queues of the host of that kind off if its reactor has panicked.
    pub(crate) fn break_off_after_defect(&mut self, kind: Kind) {
        let thread_host = self.thread_host.as_ref();
        let has_defect = match kind {
            Kind::Thread => thread_host
                .and_then(|there| there.crew.as_ref())
                .is_some_and(Crew::take_defect),
            #[cfg(unix)]
            Kind::Loop => {
                let loop_host = self.loop_host.as_ref();
                loop_host.is_some_and(|there| there.host.take_defect())
            }
            #[cfg(not(unix))]
            Kind::Loop => false,
        };
        if has_defect {
            self.break_off(kind);
        }
    }

    /// Something panicked on a host of that kind where it could be any queue's doing.
    pub(crate) fn break_off(&mut self, kind: Kind) {
        let mut mailbox = None;
        for queue in self.queues.values_mut().filter(|queue| queue.kind == kind) {
            queue.break_off();
            mailbox = Some(Arc::clone(&queue.mailbox));
        }
        if let Some(mailbox) = mailbox {
            // Whoever panicked may have been on its way to look, and nobody else would be called.
            mailbox.put_back(mailbox.take().into_iter());
        }
    }

    /// Whether a handle keeps the process alive. One that has ended never does.
    pub(crate) fn keep_alive(&mut self, handle: u32, on: bool) {
        let changed = match self.queues.get_mut(&handle) {
            Some(queue) => {
                let on = on && !queue.ended;
                let before = std::mem::replace(&mut queue.keeps, on);
                (before != on).then_some((queue.kind, on))
            }
            None => self.directories.get_mut(&handle).and_then(|directory| {
                let on = on && !directory.ended;
                let before = std::mem::replace(&mut directory.keeps, on);
                (before != on).then_some((Kind::Thread, on))
            }),
        };
        let Some((kind, on)) = changed else {
            return;
        };
        match kind {
            Kind::Thread => {
                if let Some(there) = &mut self.thread_host
                    && changes(&mut there.keepers, on)
                {
                    there.mailbox.keep_alive(self.env, on);
                }
            }
            Kind::Loop => {
                #[cfg(unix)]
                if let Some(there) = &mut self.loop_host
                    && changes(&mut there.keepers, on)
                {
                    there.bell.keep_alive(on);
                }
            }
        }
    }

    /// A handle had its last event.
    pub(crate) fn ended(&mut self, handle: u32) {
        self.keep_alive(handle, false);
        if let Some(queue) = self.queues.get_mut(&handle) {
            queue.ended = true;
        }
        if let Some(directory) = self.directories.get_mut(&handle) {
            directory.ended = true;
        }
    }

    /// Frees a handle.
    pub(crate) fn forget(&mut self, handle: u32) {
        self.keep_alive(handle, false);
        if let Some(mut queue) = self.queues.remove(&handle) {
            // SAFETY: the reference was made in this environment and is deleted once.
            let _env_going_away = unsafe { sys::napi_delete_reference(self.env, queue.wake) };
            let _panicked = guarded(|| {
                if !queue.ended {
                    queue.communicator.break_off();
                }
                drop(queue);
            });
        }
        if let Some(directory) = self.directories.remove(&handle) {
            // SAFETY: as above.
            let _env_going_away = unsafe { sys::napi_delete_reference(self.env, directory.wake) };
            let _panicked = guarded(|| drop(directory));
        }
    }
}

/// Calls JavaScript's thread after a defect of a host.
fn call_through(mailbox: &Arc<Mailbox>) -> impl Fn(&Host) + Clone + Send + Sync + use<> {
    let mailbox = Arc::downgrade(mailbox);
    move |_: &Host| {
        if let Some(mailbox) = mailbox.upgrade() {
            mailbox.call();
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

/// The environment goes away (process exit, or a worker that ended or was terminated).
unsafe extern "C" fn clean_up(_argument: *mut c_void) {
    let _panicked = guarded(|| end(|| {}));
}

/// The same where there is a loop host, whose hold on the event loop ends later.
#[cfg(unix)]
unsafe extern "C" fn clean_up_loop(
    hook: sys::napi_async_cleanup_hook_handle,
    _argument: *mut c_void,
) {
    let done = move || {
        // SAFETY: `hook` is the handle that Node passed, removed once.
        unsafe { sys::napi_remove_async_cleanup_hook(hook) };
    };
    let _panicked = guarded(|| end(done));
}

/// Stops every thread, then has the event loop let go of the descriptor. `done` is called in any case, at last.
fn end(done: impl FnOnce() + 'static) {
    let environment = guarded(|| ENVIRONMENT.with_borrow_mut(Option::take)).flatten();
    let Some(environment) = environment else {
        return done();
    };
    // A panic in one part must not keep the others, and `done`, from their turn.
    let _panicked = guarded(|| drop(environment.queues));
    // Threads of a directory live on if another environment has it open, but they call this one no more.
    for (_, directory) in environment.directories {
        let _panicked = guarded(|| drop(directory));
    }
    if let Some(there) = environment.thread_host {
        if let Some(crew) = there.crew {
            let _panicked = guarded(|| crew.stop());
        }
        if let Some(mailbox) = Arc::into_inner(there.mailbox) {
            mailbox.release();
        }
    }
    #[cfg(unix)]
    let poll = environment.loop_host.map(|there| {
        let _panicked = guarded(|| there.host.stop());
        (there.host, there.poll, there.bell)
    });
    // No thread is left that could read what was lent, and the sessions that had it are gone.
    environment.returns.release(environment.env);
    #[cfg(unix)]
    if let Some((host, poll, bell)) = poll {
        poll.close(Box::new(|| {}));
        return bell.close(Box::new(move || {
            drop(host);
            done();
        }));
    }
    done();
}
