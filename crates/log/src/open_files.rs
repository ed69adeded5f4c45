use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, Weak};

use crate::locks::lock;
use crate::view::SegmentView;
use crate::{Disk, File, Mode};

/// The descriptors of segments that are not written any more: at most 64 stay open, of those that were used last.
/// Readers keep what they use.
#[derive(Default)]
pub(crate) struct OpenFiles {
    recent: Mutex<VecDeque<Weak<SegmentView>>>,
}

const MOST: usize = 64;

impl OpenFiles {
    /// The file of a segment, opened if it is not. Takes a system call then.
    pub(crate) fn open(
        &self,
        disk: &dyn Disk,
        view: &Arc<SegmentView>,
    ) -> io::Result<Arc<dyn File>> {
        if let Some(file) = view.file() {
            return Ok(file);
        }
        let file = match disk.open(view.name(), Mode::Read) {
            // Perhaps there are no descriptors left: then ours go first.
            Err(error) if error.raw_os_error().is_some() && self.close_all() => {
                drop(error);
                disk.open(view.name(), Mode::Read)?
            }
            other => other?,
        };
        view.keep(Arc::clone(&file));
        self.used(view);
        Ok(file)
    }

    /// Takes note that a segment's file is open and not written any more.
    pub(crate) fn used(&self, view: &Arc<SegmentView>) {
        let closed = {
            let mut recent = lock(&self.recent);
            recent.retain(|one| one.upgrade().is_some_and(|one| !Arc::ptr_eq(&one, view)));
            recent.push_back(Arc::downgrade(view));
            if recent.len() > MOST {
                recent.pop_front()
            } else {
                None
            }
        };
        // Outside of the lock: closing is a system call.
        if let Some(view) = closed.and_then(|view| view.upgrade()) {
            view.close();
        }
    }

    /// Closes all; whether there were any.
    fn close_all(&self) -> bool {
        let all = std::mem::take(&mut *lock(&self.recent));
        let mut any = false;
        for view in all.iter().filter_map(Weak::upgrade) {
            view.close();
            any = true;
        }
        any
    }
}
