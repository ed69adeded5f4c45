use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak, mpsc};
use std::time::Duration;

use log::{
    Clock, Config, Disk, Error, ErrorKind, MemoryDisk, OsDisk, Report, Store, SystemClock, Threads,
};

use crate::Kaska;

/// What to open.
#[derive(Clone)]
pub enum Location {
    /// A disk of the caller's, which nobody shares.
    Disk(Arc<dyn Disk>),
    /// A folder, shared by all that open it in this process.
    Folder(PathBuf),
}

/// One of those who have a directory open. It is closed when the last one lets go.
pub struct Share {
    kaska: Arc<Kaska>,
    place: Option<Arc<Place>>,
    /// It has been let go of.
    gone: bool,
}

/// A folder by its canonical path, and whether it is open in this process. Another one that is put in its place meanwhile has a
/// place of its own.
struct Place {
    path: PathBuf,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
enum State {
    #[default]
    Closed,
    /// One thread opens or closes it; others wait.
    Busy,
    Open(Opened),
}

struct Opened {
    kaska: Arc<Kaska>,
    disk: Arc<OsDisk>,
    users: usize,
}

static PLACES: Mutex<Option<HashMap<PathBuf, Weak<Place>>>> = Mutex::new(None);

/// Opens a directory, or shares it if this process has it open. `done` is called on another thread.
///
/// # Errors
///
/// `Storage` if the system gives no thread; `done` is not called then.
pub fn open(
    location: Location,
    config: Config,
    done: impl FnOnce(Result<Share, Error>) + Send + 'static,
) -> Result<(), Error> {
    let run = move || {
        let opened = match location {
            Location::Disk(disk) => load(disk, config).map(|kaska| Share::new(kaska, None)),
            Location::Folder(path) => share(&path, config),
        };
        done(opened);
    };
    Threads::start("kaska-open", run)
}

fn share(path: &Path, config: Config) -> Result<Share, Error> {
    let path = OsDisk::locate(path, config.create)?;
    let place = match enter(&path)? {
        Entered::Shared(share) => return Ok(share),
        Entered::First(place) => place,
    };
    // Whatever happens, those who wait go on.
    let mut busy = Busy {
        place: Arc::clone(&place),
        then: State::Closed,
    };
    let disk = Arc::new(OsDisk::new(&*path));
    let kaska = load(Arc::clone(&disk) as Arc<dyn Disk>, config)?;
    busy.then = State::Open(Opened {
        kaska: Arc::clone(&kaska),
        disk,
        users: 1,
    });
    drop(busy);
    Ok(Share::new(kaska, Some(place)))
}

enum Entered {
    /// It was open.
    Shared(Share),
    /// It was not; others wait until this one has opened it.
    First(Arc<Place>),
}

fn enter(path: &Path) -> Result<Entered, Error> {
    loop {
        let place = place_of(path);
        let mut state = place.wait();
        match &mut *state {
            State::Open(opened) if opened.disk.is_in_place() => {
                if let Some(error) = opened.kaska.store().poisoned() {
                    return Err(poisoned(path, error));
                }
                opened.users += 1;
                let kaska = Arc::clone(&opened.kaska);
                drop(state);
                return Ok(Entered::Shared(Share::new(kaska, Some(place))));
            }
            // What is open was moved or removed, and another folder is there now.
            State::Open(_) => place.leave(),
            // Unless that has happened meanwhile.
            _ if place.is_listed() => {
                *state = State::Busy;
                drop(state);
                return Ok(Entered::First(place));
            }
            _ => {}
        }
    }
}

fn poisoned(path: &Path, error: Error) -> Error {
    let message = format!(
        "{} is open in this process, and nothing is taken there any more: close it everywhere, then open it again. {}",
        path.display(),
        error.message
    );
    Error { message, ..error }
}

fn load(disk: Arc<dyn Disk>, config: Config) -> Result<Arc<Kaska>, Error> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock::new());
    let ids = config.ids;
    let (sender, receiver) = mpsc::channel();
    let done = move |opened: Result<(Arc<Store>, Report), Error>| {
        let _nobody_waits = sender.send(opened);
    };
    Threads::open(disk, Arc::clone(&clock), config, done)?;
    let opened = receiver
        .recv()
        .map_err(|_| Error::new(ErrorKind::Internal, "opening ended without a word"))?;
    let (store, report) = opened?;
    let [a, b, c, d, ..] = ids();
    // Else programs that open, append a little and end would all fill the same partition.
    let first_turn = u32::from_be_bytes([a, b, c, d]);
    Ok(Kaska::new(store, clock, report, first_turn))
}

impl Location {
    /// Memory of this process.
    #[must_use]
    pub fn memory() -> Self {
        Self::Disk(Arc::new(MemoryDisk::new()))
    }
}

impl Share {
    fn new(kaska: Arc<Kaska>, place: Option<Arc<Place>>) -> Self {
        let gone = false;
        Self { kaska, place, gone }
    }

    /// What is shared.
    #[must_use]
    pub const fn kaska(&self) -> &Arc<Kaska> {
        &self.kaska
    }

    /// Lets go; if it was the last one, the directory is closed, and this waits for it, at most so long.
    ///
    /// # Errors
    ///
    /// What kept the directory from being closed cleanly.
    pub fn close(mut self, until: Option<Duration>) -> Result<(), Error> {
        self.let_go(until)
    }

    fn let_go(&mut self, until: Option<Duration>) -> Result<(), Error> {
        self.gone = true;
        let Some(place) = self.place.take() else {
            return self.kaska.store().close(until);
        };
        {
            let mut state = place.state();
            if let State::Open(opened) = &mut *state
                && opened.users > 1
            {
                opened.users -= 1;
                return Ok(());
            }
            *state = State::Busy;
        }
        let busy = Busy {
            place,
            then: State::Closed,
        };
        let closed = self.kaska.store().close(until);
        if closed.is_err() {
            // It may go on closing: whoever opens it meanwhile waits for that.
            let kaska = Arc::clone(&self.kaska);
            let wait = move || {
                let _told = kaska.store().close(None);
                drop(busy);
            };
            // Without a thread it is free at once, and its lock tells.
            let _started = Threads::start("kaska-close", wait);
        }
        closed
    }
}

/// What a share that nobody closed waits for the disk: a process that goes away should not hang.
const AT_DROP: Duration = Duration::from_secs(1);

impl Drop for Share {
    fn drop(&mut self) {
        if !self.gone {
            let _nobody_hears = self.let_go(Some(AT_DROP));
        }
    }
}

/// Sets the state of a place that was busy, and calls those who wait.
struct Busy {
    place: Arc<Place>,
    then: State,
}

impl Drop for Busy {
    fn drop(&mut self) {
        *self.place.state() = std::mem::take(&mut self.then);
        self.place.changed.notify_all();
    }
}

impl Place {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its state once nobody is opening or closing it.
    fn wait(&self) -> MutexGuard<'_, State> {
        let is_busy = |state: &mut State| matches!(state, State::Busy);
        let waited = self.changed.wait_while(self.state(), is_busy);
        waited.unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether who looks for its path finds it.
    fn is_listed(&self) -> bool {
        self.is_in(places().get_or_insert_default())
    }

    /// Is found no more: who looks for its path finds another place.
    fn leave(&self) {
        let mut places = places();
        let places = places.get_or_insert_default();
        if self.is_in(places) {
            places.remove(&self.path);
        }
    }

    fn is_in(&self, places: &HashMap<PathBuf, Weak<Self>>) -> bool {
        let listed = places.get(&self.path);
        listed.is_some_and(|there| std::ptr::eq(there.as_ptr(), self))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

fn places() -> MutexGuard<'static, Option<HashMap<PathBuf, Weak<Place>>>> {
    PLACES.lock().unwrap_or_else(PoisonError::into_inner)
}

fn place_of(path: &Path) -> Arc<Place> {
    let mut places = places();
    let places = places.get_or_insert_default();
    if let Some(place) = places.get(path).and_then(Weak::upgrade) {
        return place;
    }
    let place = Arc::new(Place {
        path: path.to_owned(),
        state: Mutex::default(),
        changed: Condvar::new(),
    });
    places.insert(path.to_owned(), Arc::downgrade(&place));
    place
}
