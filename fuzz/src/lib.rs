//! Fuzz targets for all that a peer can say, and a file: a coverage-guided fuzzer (libFuzzer, by way of cargo-fuzz) makes up bytes, keeps those that
//! reach new code, and goes on from them until something panics, never ends or takes more memory than it may.
//! `npm run test:fuzz` runs each target for a while. What is found is saved in `found/`, to be committed with the correction: the
//! tests of `crates/wire`, `crates/queue` and `crates/log` compile the same functions, and give them all of `seeds/` and `found/` each time.

mod appends;
mod batches;
mod frames;
mod hellos;
mod python;
mod resume;
mod segments;
mod session;
mod sidecars;
#[expect(
    dead_code,
    unused_imports,
    reason = "the tests of crates/queue need the rest"
)]
#[path = "../../crates/queue/tests/sessions/support/mod.rs"]
mod support;
mod victim;

/// Frames of the native protocol.
pub fn frames(data: &[u8]) {
    frames::run(data);
}

/// Hellos of the native protocol.
pub fn hellos(data: &[u8]) {
    hellos::run(data);
}

/// Streams of the Python package.
pub fn python(data: &[u8]) {
    python::run(data);
}

/// Whole sessions, of either protocol and role.
pub fn session(data: &[u8]) {
    session::run(data);
}

/// Sessions that go on over another connection.
pub fn resume(data: &[u8]) {
    resume::run(data);
}

/// Batches of records, and what is compressed in them.
pub fn batches(data: &[u8]) {
    batches::run(data);
}

/// Segments as they are found when a directory is opened.
pub fn segments(data: &[u8]) {
    segments::run(data);
}

/// The small files of a log.
pub fn sidecars(data: &[u8]) {
    sidecars::run(data);
}

/// Calls that append.
pub fn appends(data: &[u8]) {
    appends::run(data);
}
