//! Memory that messages travel in: pooled slabs, reference-counted slices of them, buffers for
//! large messages, and the rings that hand values from one thread to another. It exists so that a
//! byte is copied as seldom as possible and so that `unsafe` has one home with tests around it. It
//! may not do I/O, may not know N-API, has no dependency and starts no thread.
//!
//! | type | what it is | costs |
//! |---|---|---|
//! | [`Pool`], [`Writer`] | equally large slabs, each filled by one writer | a lock per slab |
//! | [`Slice`] | an immutable view that keeps its memory alive | an atomic per view |
//! | [`LargePool`], [`LargeBuffer`] | a buffer for one large message | a lock per buffer |
//! | [`ChunkStream`] | a rope of slices that is read like a pipe | nothing, where it need not |
//! | [`ring::spsc`] | bounded ring, one producer, one consumer | no read-modify-write |
//!
//! # How the memory of a slab is shared
//!
//! A slab has one [`Writer`], which alone may touch the bytes after the frozen part, and any number
//! of [`Slice`]s, which only read frozen bytes. The two ranges never meet, so writer and slices may
//! live on different threads without a lock. The last owner to go, whichever it is, gives the slab
//! back to its pool.
//!
//! # Checks
//!
//! The concurrent parts run under loom, all of it under `AddressSanitizer`:
//!
//! ```text
//! RUSTFLAGS="--cfg loom" cargo test --release -p chunk --test loom
//!
//! RUSTFLAGS=-Zsanitizer=address ASAN_OPTIONS=allocator_may_return_null=1 \
//!     cargo +nightly test --target x86_64-unknown-linux-gnu -p chunk --tests
//! ```

mod block;
mod header;
mod large;
mod pool;
pub mod ring;
mod slice;
mod stream;
mod sync;
mod writer;

pub use block::AllocError;
pub use large::{LargeBuffer, LargeOwner, LargePool, LargeStats, TRIM_EVERY};
pub use pool::{Pool, PoolStats};
pub use slice::Slice;
pub use stream::{ChunkStream, Chunks};
pub use writer::Writer;
