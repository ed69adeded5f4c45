use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, Builder};
use std::time::Duration;

use crate::committer::{Committer, Step};
use crate::locks::lock;
use crate::{Clock, Config, Disk, Error, ErrorKind, Report, Store};

/// The threads of an open directory: the committer and the housekeeper. They end when the store is closed.
#[derive(Debug)]
pub struct Threads {}

/// How long the housekeeper sleeps at most.
const LONGEST_SLEEP: Duration = Duration::from_secs(60);

impl Threads {
    /// Opens a directory on a thread of its own, which becomes the housekeeper, and tells on it how that went. A disk that
    /// keeps nothing has no committer, and its appends are done when they return.
    ///
    /// # Errors
    ///
    /// `Storage` if the system gives no thread; then `done` is not called.
    pub fn open(
        disk: Arc<dyn Disk>,
        clock: Arc<dyn Clock>,
        config: Config,
        done: impl FnOnce(Result<(Arc<Store>, Report), Error>) + Send + 'static,
    ) -> Result<(), Error> {
        let keep = move || {
            let opened = Store::open(disk, clock, &config).and_then(|(store, report)| {
                Self::begin(&store)?;
                Ok((store, report))
            });
            let store = opened.as_ref().ok().map(|opened| Arc::clone(&opened.0));
            done(opened);
            if let Some(store) = store {
                keep_house(&store);
            }
        };
        spawn("kaska-keeper", keep)
    }

    /// Starts a thread for something that takes disk and time, beside those of a directory.
    ///
    /// # Errors
    ///
    /// `Storage` if the system gives none; `run` is dropped then.
    pub fn start(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Error> {
        spawn(name, run)
    }

    /// Starts the committer; the calling thread is the housekeeper.
    fn begin(store: &Arc<Store>) -> Result<(), Error> {
        store.has_threads();
        store.shared().chores.are_done_by(thread::current());
        if !store.shared().keeps {
            store.committer_ended();
            return Ok(());
        }
        let commits = Arc::clone(store);
        spawn("kaska-commit", move || commit(&commits))
    }
}

fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> Result<(), Error> {
    let spawned = Builder::new().name(name.to_owned()).spawn(run);
    spawned
        .map(drop)
        .map_err(|error| Error::system("pthread_create", name, &error))
}

fn commit(store: &Arc<Store>) {
    let mut committer = Committer::new();
    let shared = store.shared();
    shared.work.is_done_by(thread::current());
    loop {
        let step = no_panic(store, || committer.step(store)).unwrap_or(Step::Poisoned);
        if store.is_all_synced(step) {
            break;
        }
        if step == Step::Worked || !shared.work.is_empty() {
            continue;
        }
        if store.syncs_all() {
            // One who began to write before is about to be ready.
            thread::yield_now();
            continue;
        }
        match committer.due() {
            Some(due) => thread::park_timeout(due.saturating_sub(shared.now())),
            None => thread::park(),
        }
    }
    store.committer_ended();
}

fn keep_house(store: &Arc<Store>) {
    loop {
        if store.finish_close() {
            return;
        }
        if no_panic(store, || store.housekeep()) == Some(true) {
            continue;
        }
        let sleep = store.next_chore().unwrap_or(LONGEST_SLEEP);
        thread::park_timeout(sleep.min(LONGEST_SLEEP));
    }
}

/// A defect of ours must not leave others waiting for ever: nothing is taken any more, and they hear why.
fn no_panic<R>(store: &Store, step: impl FnOnce() -> R) -> Option<R> {
    let result = catch_unwind(AssertUnwindSafe(step));
    if result.is_err() {
        let message = "a thread of the log panicked; please report it";
        store.poison(Error::new(ErrorKind::Internal, message));
    }
    result.ok()
}

/// Does `work` for all of `tasks`, on at most `most` threads; the results are in order.
pub(crate) fn each<T: Sync, R: Send>(
    tasks: &[T],
    most: usize,
    work: impl Fn(&T) -> R + Sync,
) -> Vec<R> {
    let next = AtomicUsize::new(0);
    let results = Mutex::new(Vec::with_capacity(tasks.len()));
    let run = || {
        loop {
            // Relaxed: a number that is given out once.
            let place = next.fetch_add(1, Ordering::Relaxed);
            let Some(task) = tasks.get(place) else {
                return;
            };
            let result = work(task);
            lock(&results).push((place, result));
        }
    };
    thread::scope(|scope| {
        for _ in 1..most.min(tasks.len()) {
            // Without another thread this one does it all.
            let _ = Builder::new().spawn_scoped(scope, run);
        }
        run();
    });
    let mut results = results
        .into_inner()
        .unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|result| result.0);
    results.into_iter().map(|result| result.1).collect()
}
