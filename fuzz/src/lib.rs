//! Fuzz targets for all that a peer can say: a coverage-guided fuzzer (libFuzzer, by way of cargo-fuzz) makes up bytes, keeps those that
//! reach new code, and goes on from them until something panics, never ends or takes more memory than it may.
//! `npm run test:fuzz` runs each target for a while. What is found is saved in `found/`, to be committed with the correction: the
//! tests of `crates/wire` and `crates/queue` compile the same functions, and give them all of `seeds/` and `found/` each time.

mod frames;
mod hellos;
mod python;
mod resume;
mod session;
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
