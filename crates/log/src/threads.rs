use std::sync::Arc;

use crate::{Clock, Config, Disk, Error, Report, Store};

/// The threads of an open directory: the committer and the housekeeper. They end when the store is closed.
#[derive(Debug)]
pub struct Threads {}

impl Threads {
    /// Opens a directory on a thread of its own, which becomes the housekeeper, and tells on it how that went. A disk that
    /// keeps nothing needs no committer, and has its appends done when they return.
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
        done(Store::open(disk, clock, &config));
        Ok(())
    }
}
