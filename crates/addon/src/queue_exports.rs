use std::sync::atomic::Ordering;
use std::time::Instant;

use chunk::Slice;
use io::{Kind, MOST_HOSTS, Serving};
use napi::bindgen_prelude::{
    Float64ArraySlice, FromNapiValue, Function, Uint8ArraySlice, Uint32ArraySlice, Unknown,
};
use napi::{Env, JsValue};
use napi_derive::napi;
use queue::{Communicator, Drained, Event, Payload, WakeBits};
use wire::Code;

use crate::environment::{with, with_existing, with_queue};
use crate::large::{adopt, take_back};
use crate::queue_security::QueueSecurity;
use crate::queue_types::{QueueConfig, QueueEvent, QueueStats, count, duration};

/// Up to so many bytes are written to the socket by the thread that puts them, if no other is at it: the shortest way. More
/// are left to the host's thread, so that the system call does not keep JavaScript waiting.
const INLINE_BYTES: usize = 16 * 1024;

/// Names of the codes that hot functions answer with, negated: `errorCodes()[-code]`.
#[napi(catch_unwind)]
#[must_use]
pub fn error_codes() -> Vec<String> {
    std::iter::once("")
        .chain(Code::ALL.map(Code::as_str))
        .map(String::from)
        .collect()
}

fn answer(result: Result<(), Code>) -> i32 {
    result.map_or_else(|code| -(code as i32), |()| 0)
}

/// Starts to listen or to connect; never blocks. `wake` is called when `queueWake` has something to tell.
#[napi(catch_unwind)]
pub fn queue_open(
    env: Env,
    config: QueueConfig,
    wake: Function<'_, (), ()>,
) -> napi::Result<u32, String> {
    let failed = |code: Code, why: String| napi::Error::new(code.as_str().to_owned(), why);
    let kind = if config.run_on == 1 {
        Kind::Loop
    } else {
        Kind::Thread
    };
    let mut settings = config.config().map_err(|code| {
        failed(
            code,
            "the id must be 16 bytes, the cluster at most 255; compat and the kind must be known"
                .into(),
        )
    })?;
    let security = config.security.as_ref();
    let secured = |error: wire::Error| failed(error.code, format!("{}.", error.message));
    let (server_security, client_security) = if config.server {
        let security = security.map(QueueSecurity::server).transpose();
        (security.map_err(secured)?, None)
    } else {
        let security = security.map(QueueSecurity::client).transpose();
        (None, security.map_err(secured)?)
    };
    let endpoint = config.endpoint();
    let server = config.server;
    let workers = (config.workers as usize).clamp(1, MOST_HOSTS);
    let raw = wake.raw();
    let opened = with(env.raw(), |environment| {
        settings.memory = environment.memory();
        environment.open((kind, workers), raw, |crew, driver| {
            let mut communicator = Communicator::new(settings, driver);
            if server {
                let serving = Serving {
                    security: server_security,
                    reuse_port: config.reuse_port,
                };
                let token = crew.listen(endpoint, serving, Box::new(communicator.server()));
                communicator.set_root(token);
            } else {
                let token = crew.reserve();
                communicator.set_root(token);
                let client = communicator.client(token, endpoint.clone(), Instant::now())?;
                crew.dial(token, endpoint, client_security, Box::new(client));
            }
            Ok(communicator)
        })
    });
    opened
        .and_then(|handle| handle)
        .map_err(|error| failed(Code::Unsupported, error.reason.clone()))
}

/// Takes the wake bits.
#[napi(catch_unwind)]
#[must_use]
pub fn queue_wake(handle: u32) -> u32 {
    match with_queue(handle, |queue| Ok(queue.communicator.take_wake())) {
        Ok(bits) => bits,
        Err(Code::Internal) => WakeBits::EVENTS,
        Err(_) => 0,
    }
}

/// Takes the events.
#[napi(catch_unwind)]
pub fn queue_events(env: Env, handle: u32) -> napi::Result<Vec<QueueEvent>> {
    let events = match with_queue(handle, |queue| Ok(queue.communicator.events())) {
        Ok(events) => events,
        Err(_) => with_existing(|environment| environment.last_events(handle)).unwrap_or_default(),
    };
    if events.contains(&Event::Closed) {
        with(env.raw(), |environment| environment.ended(handle))?;
    }
    Ok(events.into_iter().map(QueueEvent::from).collect())
}

fn put(handle: u32, peer: u32, data: &[u8], payload: Payload<'_>) -> i32 {
    answer(with_queue(handle, |queue| {
        queue.communicator.put(peer, data, payload, INLINE_BYTES)
    }))
}

/// Puts `count` payloads that lie one after the other in the first `bytes` bytes of `data`, described by `words`.
#[napi(catch_unwind)]
pub fn queue_put(
    handle: u32,
    peer: u32,
    data: &[u8],
    bytes: u32,
    words: &[u32],
    count: u32,
) -> i32 {
    let (Some(data), Some(words)) = (data.get(..bytes as usize), words.get(..count as usize))
    else {
        return -(Code::InvalidArgument as i32);
    };
    put(handle, peer, data, Payload::Words(words))
}

/// Puts `count` payloads that all have the same word.
#[napi(catch_unwind)]
pub fn queue_put_uniform(handle: u32, peer: u32, data: &[u8], word: u32, count: u32) -> i32 {
    put(handle, peer, data, Payload::Uniform(word, count as usize))
}

/// Puts one message whose payload is all of `data`, without a copy if it is large. The `ArrayBuffer` of `data` must be one
/// that only this call knows; it is let go of when it is written or never will be.
#[napi(catch_unwind)]
pub fn queue_put_lent(
    handle: u32,
    peer: u32,
    #[napi(ts_arg_type = "Uint8Array")] data: Uint8ArraySlice<'_>,
    word: u32,
) -> i32 {
    let view = data.value().value;
    let lent = with_existing(|environment| environment.lend(handle, view));
    answer(lent.unwrap_or(Err(Code::Closed)).and_then(|lent| {
        with_queue(handle, |queue| {
            let data = Slice::from_keeper(lent);
            queue.communicator.put_owned(peer, data, word, INLINE_BYTES)
        })
    }))
}

/// See the table in docs/design/core.md.
#[napi(catch_unwind)]
pub fn queue_status(handle: u32, peer: u32, mut out: Float64ArraySlice<'_>) -> i32 {
    answer(with_queue(handle, |queue| {
        let status = queue.communicator.status(peer)?;
        let done = status.done;
        let numbers = [
            done.seq,
            done.bytes,
            u64::from(status.alive),
            done.messages,
            status.written_seq,
        ]
        .map(number);
        // SAFETY: this thread is JavaScript's, so nobody else looks at the array during the call.
        for (slot, number) in unsafe { out.as_mut() }.iter_mut().zip(numbers) {
            *slot = number;
        }
        Ok(())
    }))
}

/// True if `seq` is acknowledged; else its acknowledgement wakes.
#[napi(catch_unwind)]
#[must_use]
pub fn queue_watch(handle: u32, peer: u32, seq: f64) -> bool {
    with_queue(handle, |queue| queue.communicator.watch(peer, count(seq))).unwrap_or(false)
}

/// Drops unsent messages from the front; returns how many.
#[napi(catch_unwind)]
#[must_use]
pub fn queue_drop_oldest(handle: u32, peer: u32, messages: f64, bytes: f64) -> f64 {
    with_queue(handle, |queue| {
        queue
            .communicator
            .drop_oldest(peer, count(messages), count(bytes))
    })
    .map_or(0.0, number)
}

/// Removes those of the messages `first` to `last` that no connection has taken; returns how many.
#[napi(catch_unwind)]
#[must_use]
pub fn queue_cancel(handle: u32, peer: u32, first: f64, last: f64) -> f64 {
    with_queue(handle, |queue| {
        queue.communicator.cancel(peer, count(first), count(last))
    })
    .map_or(0.0, number)
}

/// Leaves the numbers of so many messages out.
#[napi(catch_unwind)]
pub fn queue_skip(handle: u32, peer: u32, messages: f64) -> i32 {
    answer(with_queue(handle, |queue| {
        queue.communicator.skip(peer, count(messages))
    }))
}

/// See the table in docs/design/core.md.
#[napi(catch_unwind)]
pub fn queue_drain(
    handle: u32,
    peer: i32,
    mut data: Uint8ArraySlice<'_>,
    data_offset: u32,
    mut index: Uint32ArraySlice<'_>,
    index_offset: u32,
    max: u32,
    mut info: Float64ArraySlice<'_>,
) -> u32 {
    // SAFETY: this thread is JavaScript's, so nobody else looks at the arrays during the call.
    let (data, index, info) = unsafe { (data.as_mut(), index.as_mut(), info.as_mut()) };
    let (Some(data), Some(index)) = (
        data.get_mut(data_offset as usize..),
        index.get_mut(index_offset as usize..),
    ) else {
        return 0;
    };
    let drained = with_queue(handle, |queue| {
        Ok(queue.communicator.drain(
            u32::try_from(peer).ok(),
            data,
            data_offset,
            index,
            max as usize,
        ))
    })
    .unwrap_or_default();
    report(&drained, info);
    u32::try_from(drained.count).unwrap_or(0)
}

fn report(drained: &Drained, info: &mut [f64]) {
    if let [peer, seq, bytes, large, more, wanted, redelivered, ..] = info {
        *peer = f64::from(drained.peer);
        *seq = number(drained.seq);
        *bytes = number(drained.bytes as u64);
        *large = number(drained.large as u64);
        *more = f64::from(u8::from(drained.more));
        *wanted = number(drained.wanted as u64);
        *redelivered = f64::from(drained.redelivered);
    }
}

/// The large message that `queueDrain` announced.
#[napi(catch_unwind, ts_return_type = "Uint8Array | undefined")]
pub fn queue_take_large(env: &Env, handle: u32, peer: u32) -> napi::Result<Option<Unknown<'_>>> {
    let buffer = with_queue(handle, |queue| Ok(queue.communicator.take_large(peer)))
        .ok()
        .flatten();
    let Some(buffer) = buffer else {
        return Ok(None);
    };
    let value = adopt(env.raw(), buffer)?;
    // SAFETY: `adopt` made the value in this environment, in the scope of this call.
    unsafe { Unknown::from_napi_value(env.raw(), value) }.map(Some)
}

/// Takes the memory of a message that `queueTakeLarge` gave back from JavaScript, which finds it empty from now on.
#[napi(catch_unwind, ts_args_type = "memory: ArrayBuffer")]
pub fn queue_take_back(env: &Env, memory: Unknown<'_>) -> bool {
    take_back(env.raw(), memory.raw())
}

/// Bounds what of the messages to a peer may be on its way; 0 messages: no bound.
#[napi(catch_unwind)]
pub fn queue_limit(handle: u32, peer: u32, messages: f64, bytes: f64) -> i32 {
    let window = (messages > 0.0).then(|| (count(messages), count(bytes)));
    answer(with_queue(handle, |queue| {
        queue.communicator.limit(peer, window)
    }))
}

/// Messages that were drained count against the peer's budget again.
#[napi(catch_unwind)]
pub fn queue_hold(handle: u32, peer: u32, messages: f64, bytes: f64) -> i32 {
    answer(with_queue(handle, |queue| {
        queue.communicator.hold(peer, count(messages), count(bytes))
    }))
}

/// What `queueHold` counted does not count any more.
#[napi(catch_unwind)]
pub fn queue_release(handle: u32, peer: u32, messages: f64, bytes: f64) -> i32 {
    answer(with_queue(handle, |queue| {
        queue
            .communicator
            .release(peer, count(messages), count(bytes))
    }))
}

/// Everything up to `seq` is done.
#[napi(catch_unwind)]
pub fn queue_ack(handle: u32, peer: u32, seq: f64) -> i32 {
    answer(with_queue(handle, |queue| {
        queue.communicator.acknowledge(peer, count(seq))
    }))
}

/// Nothing more will be put to this peer: what is queued is sent, then FIN.
#[napi(catch_unwind)]
pub fn queue_finish(handle: u32, peer: u32) -> i32 {
    answer(with_queue(handle, |queue| queue.communicator.finish(peer)))
}

/// Ends the session with this peer at once, because of what it sent. The event `lost` follows.
#[napi(catch_unwind)]
pub fn queue_hang_up(handle: u32, peer: u32) -> i32 {
    answer(with_queue(handle, |queue| queue.communicator.hang_up(peer)))
}

/// Ends a queue within that time; 0 at once. The event `closed` comes in any case.
#[napi(catch_unwind)]
pub fn queue_close(handle: u32, timeout_ms: f64) -> i32 {
    answer(with_queue(handle, |queue| {
        queue
            .communicator
            .close(duration(timeout_ms).map(|timeout| Instant::now() + timeout));
        Ok(())
    }))
}

/// Whether a queue keeps the process alive.
#[napi(catch_unwind)]
pub fn queue_ref(env: Env, handle: u32, on: bool) -> napi::Result<()> {
    with(env.raw(), |environment| environment.keep_alive(handle, on))
}

/// Gauges and sums.
#[napi(catch_unwind)]
#[must_use]
pub fn queue_stats(handle: u32) -> Option<QueueStats> {
    let all = with_queue(handle, |queue| {
        let lent = queue.lent.load(Ordering::Relaxed);
        Ok((queue.communicator.stats(), queue.crew.stats(), lent))
    })
    .ok()?;
    let (stats, host, lent) = all;
    Some(QueueStats {
        peers: number(stats.peers),
        received_messages: number(stats.received.0),
        received_bytes: number(stats.received.1),
        sent_messages: number(stats.sent.0),
        sent_bytes: number(stats.sent.1),
        held_messages: number(stats.held.0),
        held_bytes: number(stats.held.1),
        slabs_live: number(stats.memory.0),
        slabs_free: number(stats.memory.1),
        large_bytes: number(stats.memory.2),
        lent_bytes: number(lent),
        turns: number(host.turns),
        stalls: number(host.stalls),
        loans: number(host.loans),
    })
}

/// Frees a handle.
#[napi(catch_unwind)]
pub fn queue_forget(env: Env, handle: u32) -> napi::Result<()> {
    with(env.raw(), |environment| environment.forget(handle))
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counters stay below 2^53 for centuries"
)]
fn number(count: u64) -> f64 {
    count as f64
}
