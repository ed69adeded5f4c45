//! Hosts of both kinds, and sessions that are simpler than a queue.

mod echo;
mod event_loop;
mod handlers;
mod owner;

use std::time::{Duration, Instant};

pub(crate) use echo::{Ends, Script};
pub(crate) use event_loop::Running;
pub(crate) use handlers::{Dialing, Listening};
pub(crate) use owner::Owner;

/// Longer than anything takes that works, on the slowest machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until `done` says so; looks every millisecond.
#[track_caller]
pub(crate) fn eventually(what: &str, mut done: impl FnMut() -> bool) {
    let start = Instant::now();
    while !done() {
        assert!(start.elapsed() < PATIENCE, "it never happened: {what}");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// A path for a UNIX socket that no other test uses.
pub(crate) fn socket_path(name: &str) -> String {
    let path = std::env::temp_dir().join(format!("chaski-{}-{name}.sock", std::process::id()));
    path.to_str().unwrap().to_owned()
}

/// How many descriptors this process has open.
#[cfg(target_os = "linux")]
pub(crate) fn descriptors() -> usize {
    std::fs::read_dir("/proc/self/fd").unwrap().count()
}
