use std::time::Duration;

use kaska::client::{Polled, Reset};
use kaska::{From, Group, PollTrouble, ReadState, ReadTo, Session, WriterOptions};
use log::batch::{Input, Shape, Times};
use log::{Acks, Codec, Error, ErrorKind};
use napi::Env;
use napi::JsValue;
use napi::bindgen_prelude::{Float64ArraySlice, Function, Uint8ArraySlice, Uint32ArraySlice};
use napi_derive::napi;
use wire::Code;

use crate::environment::{with, with_directory};
use crate::kaska_types::{
    KaskaConfig, KaskaEvent, KaskaFailure, KaskaStats, KaskaTopic, KaskaTopicOptions, KaskaTopics,
    number,
};
use crate::queue_types::{count, duration};

/// Runs `act` on a directory; a failure is kept for `kaskaFailure`.
fn run<T>(handle: u32, act: impl FnOnce(&mut Session) -> Result<T, Error>) -> Result<T, Code> {
    with_directory(handle, |session| session.run(act))
}

/// 0 or −code.
fn answer(result: Result<(), Code>) -> i32 {
    result.map_or_else(|code| -(code as i32), |()| 0)
}

fn invalid(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, why)
}

/// −code for arguments that cannot be; `kaskaFailure` says why.
fn refuse(handle: u32, why: &str) -> i32 {
    answer(run(handle, |_| Err(invalid(why))))
}

/// Whoever looked at these arrays before they came here saw more of them.
const LOST_MEMORY: &str = "the memory is shorter than what it is said to hold: it was transferred or made smaller meanwhile";

/// A number or −code.
fn told(result: Result<u32, Code>) -> i32 {
    match result {
        Ok(number) => i32::try_from(number).unwrap_or(i32::MAX),
        Err(code) => -(code as i32),
    }
}

/// A large number or −code.
fn told_large(result: Result<u64, Code>) -> f64 {
    result.map_or_else(|code| -f64::from(code as u8), number)
}

fn set(out: &mut [f64], numbers: &[f64]) {
    for (slot, number) in out.iter_mut().zip(numbers) {
        *slot = *number;
    }
}

/// Starts to open a directory; never blocks. `wake` is called when `kaskaWake` has something to tell.
#[napi(catch_unwind)]
pub fn kaska_open(
    env: Env,
    config: KaskaConfig,
    wake: Function<'_, (), ()>,
) -> napi::Result<u32, String> {
    let raw = wake.raw();
    let opened = with(env.raw(), |environment| {
        environment.open_directory(raw, |wake| {
            Session::open(config.location(), config.config(), wake)
        })
    });
    let failed = |code: Code, why: &str| napi::Error::new(code.as_str().to_owned(), why.to_owned());
    match opened.and_then(|opened| opened) {
        Ok(Ok(handle)) => Ok(handle),
        Ok(Err(error)) => Err(failed(kaska::code_of(error.kind), &error.message)),
        Err(error) => Err(failed(Code::Unsupported, &error.reason)),
    }
}

/// Takes the wake bits: 1 readers ready, 2 settled, 4 events, 8 room.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_wake(handle: u32) -> u32 {
    with_directory(handle, |session| Ok(session.take_wake())).unwrap_or(0)
}

/// Takes the events.
#[napi(catch_unwind)]
pub fn kaska_events(env: Env, handle: u32) -> napi::Result<Vec<KaskaEvent>> {
    let events = with_directory(handle, |session| Ok(session.events())).unwrap_or_default();
    if events
        .iter()
        .any(|event| matches!(event, kaska::Event::Closed(_)))
    {
        with(env.raw(), |environment| environment.ended(handle))?;
    }
    Ok(events.into_iter().map(KaskaEvent::from).collect())
}

/// What a function of this handle meant when it last answered with −`code`.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_failure(handle: u32, code: u8) -> Option<KaskaFailure> {
    let code = Code::from_number(code);
    let failure = with_directory(handle, |session| Ok(session.failure(code)));
    let (error, retryable) = failure.ok().flatten()?;
    Some(KaskaFailure {
        code: error.code.as_str().into(),
        message: error.message,
        retryable,
        system: error.system.map(|system| system.name.into()),
        call: error.system.map(|system| system.call.into()),
    })
}

/// What has become of the topics since this was asked last; the first time all are new.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_topics(handle: u32) -> KaskaTopics {
    let (new, gone) = run(handle, Session::topics_changed).unwrap_or_default();
    let new = new.iter().map(|topic| KaskaTopic::from(&**topic)).collect();
    KaskaTopics { new, gone }
}

/// The number of a topic, or −code.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_topic(handle: u32, name: String) -> i32 {
    told(run(handle, |session| session.topic(&name)))
}

/// Creates a topic; answered by an event with its number.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_create_topic(
    handle: u32,
    request: u32,
    name: String,
    options: KaskaTopicOptions,
) -> i32 {
    answer(run(handle, |session| {
        let options = options.options();
        let options = options.ok_or_else(|| invalid("no flush or codec has that number"))?;
        session.create_topic(request, &name, options)
    }))
}

/// Deletes a topic; answered by an event.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_delete_topic(handle: u32, request: u32, topic: u32) -> i32 {
    answer(run(handle, |session| session.delete_topic(request, topic)))
}

/// The first offset whose record has that time or a later one; answered by an event.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_offset_at(handle: u32, request: u32, topic: u32, partition: u32, ms: f64) -> i32 {
    answer(run(handle, |session| {
        session.offset_at(request, topic, partition, milliseconds(ms))
    }))
}

/// The length of a message of partition 0; answered by an event.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_message_length(handle: u32, request: u32, topic: u32, offset: f64) -> i32 {
    answer(run(handle, |session| {
        session.message_length(request, topic, count(offset))
    }))
}

/// Reads everything and checks it; answered by an event.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_verify(handle: u32, request: u32) -> i32 {
    answer(run(handle, |session| session.verify(request)))
}

/// Makes the name of a writer durable; answered by an event.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_name(handle: u32, request: u32, name: String) -> i32 {
    answer(run(handle, |session| session.name_writer(request, &name)))
}

/// A writer, or −code. Partition −1: that of the key. Acks 0, 1, or 2 for all. Codec and level −1: those of the topic. An empty
/// name: none.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_writer(
    handle: u32,
    topic: u32,
    partition: i32,
    acks: u32,
    codec: i32,
    level: i32,
    name: String,
) -> i32 {
    let codec = match u16::try_from(codec) {
        Ok(codec) => match Codec::from_number(codec) {
            Some(codec) => Some(codec),
            None => return refuse(handle, "no codec has that number"),
        },
        Err(_) => None,
    };
    let options = WriterOptions {
        topic,
        partition: u32::try_from(partition).ok(),
        acks: match acks {
            0 => Acks::None,
            1 => Acks::Written,
            _ => Acks::All,
        },
        codec,
        level: (level != -1).then_some(level),
    };
    let name = (!name.is_empty()).then_some(name.as_str());
    told(run(handle, |session| session.writer(&options, name)))
}

/// Lets go of a writer.
#[napi(catch_unwind)]
pub fn kaska_writer_close(handle: u32, writer: u32) {
    let _gone = run(handle, |session| {
        session.close_writer(writer);
        Ok(())
    });
}

/// The sequence number of the last record that a named writer has stored; −1: none.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_last_sequence(handle: u32, writer: u32) -> f64 {
    let last = run(handle, |session| session.last_sequence(writer));
    last.ok().flatten().map_or(-1.0, f64::from)
}

fn append(
    handle: u32,
    writer: u32,
    input: &Input<'_>,
    sequence: f64,
    places: &mut [u32],
    out: &mut [f64],
) -> i32 {
    let sequence = (sequence >= 0.0).then(|| count(sequence));
    let appended = run(handle, |session| {
        session.append(writer, input, sequence, places, |place, group| {
            if let Some(row) = out.chunks_exact_mut(GROUP_NUMBERS).nth(place) {
                set(row, &row_of(&group));
            }
        })
    });
    told(appended.map(|groups| u32::try_from(groups).unwrap_or(u32::MAX)))
}

/// Numbers a group in what an append tells: partition, ticket, base offset, records, code.
const GROUP_NUMBERS: usize = 5;

fn row_of(group: &Group) -> [f64; GROUP_NUMBERS] {
    [
        f64::from(group.partition),
        number(group.ticket),
        group.base.map_or(-1.0, number),
        f64::from(group.records),
        code_number(group.failed),
    ]
}

fn code_number(failed: Option<Code>) -> f64 {
    failed.map_or(0.0, |code| -f64::from(code as u8))
}

/// Appends `count` values that lie one after the other in the first `bytes` bytes of `data`, at one time. See
/// docs/design/log.md for what `out` gets; the number of its rows, or −code and nothing was appended.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_append_values(
    handle: u32,
    writer: u32,
    data: &[u8],
    bytes: u32,
    lengths: &[u32],
    count: u32,
    ms: f64,
    sequence: f64,
    mut out: Float64ArraySlice<'_>,
) -> i32 {
    let (Some(data), Some(lengths)) = (data.get(..bytes as usize), lengths.get(..count as usize))
    else {
        return refuse(handle, LOST_MEMORY);
    };
    let input = Input {
        data,
        shape: Shape::Values(lengths),
        times: Times::One(milliseconds(ms)),
    };
    // SAFETY: this thread is JavaScript's, so nobody else looks at the array during the call.
    let out = unsafe { out.as_mut() };
    append(handle, writer, &input, sequence, &mut [], out)
}

/// Appends `count` records with three numbers each in `shape`: length of the key + 1, of the value + 1, bytes of its headers.
/// `times` has one for all or one each; `places` gets the row of each record, where a writer has several partitions.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_append(
    handle: u32,
    writer: u32,
    data: &[u8],
    bytes: u32,
    shape: &[u32],
    count: u32,
    times: &[f64],
    sequence: f64,
    mut places: Uint32ArraySlice<'_>,
    mut out: Float64ArraySlice<'_>,
) -> i32 {
    let count = count as usize;
    let (Some(data), Some(shape)) = (
        data.get(..bytes as usize),
        shape.get(..count.saturating_mul(3)),
    ) else {
        return refuse(handle, LOST_MEMORY);
    };
    let times = match times {
        [ms] => Times::One(milliseconds(*ms)),
        many => match many.get(..count) {
            Some(many) => Times::Each(many),
            None => return refuse(handle, LOST_MEMORY),
        },
    };
    let input = Input {
        data,
        shape: Shape::Full(shape),
        times,
    };
    // SAFETY: this thread is JavaScript's, so nobody else looks at the arrays during the call.
    let (places, out) = unsafe { (places.as_mut(), out.as_mut()) };
    append(handle, writer, &input, sequence, places, out)
}

/// What is settled, five numbers a row: writer (0: commits and flushes), first ticket, last ticket, 0 or −code, base offset of
/// one whose place was not known or −1. How many rows; if all are full, there may be more.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_settled(handle: u32, mut rows: Float64ArraySlice<'_>) -> u32 {
    // SAFETY: this thread is JavaScript's, so nobody else looks at the array during the call.
    let rows = unsafe { rows.as_mut() };
    let filled = with_directory(handle, |session| {
        let mut filled = 0;
        for row in rows.chunks_exact_mut(5) {
            let Some(settled) = session.settled() else {
                break;
            };
            let numbers = [
                f64::from(settled.writer),
                number(settled.first),
                number(settled.last),
                code_number(settled.failed),
                settled.base.map_or(-1.0, number),
            ];
            set(row, &numbers);
            filled += 1;
        }
        Ok(filled)
    });
    filled.unwrap_or(0)
}

/// A turn has ended: what was appended in it is made durable, together.
#[napi(catch_unwind)]
pub fn kaska_commit_turn(handle: u32) {
    // Whoever has no directory any more has nothing that waits.
    let _ = run(handle, |session| {
        session.commit_turn();
        Ok(())
    });
}

/// Has what is written in a partition made durable; a ticket of writer 0, or −code.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_flush(handle: u32, topic: u32, partition: u32) -> f64 {
    told_large(run(handle, |session| session.flush(topic, partition)))
}

fn from(kind: u32, offset: f64) -> From {
    match kind {
        1 => From::Start,
        2 => From::End,
        _ => From::Offset(count(offset)),
    }
}

/// A reader, or −code. Kind 0: at `offset`, 1: at the start, 2: at the end.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_reader(handle: u32, topic: u32, partition: u32, kind: u32, offset: f64) -> i32 {
    told(run(handle, |session| {
        session.reader(topic, partition, from(kind, offset))
    }))
}

/// Has a reader go on elsewhere; as `kaskaReader`.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_seek(handle: u32, reader: u32, kind: u32, offset: f64) -> i32 {
    answer(run(handle, |session| {
        session.seek(reader, from(kind, offset))
    }))
}

/// Lets go of a reader.
#[napi(catch_unwind)]
pub fn kaska_reader_close(handle: u32, reader: u32) {
    let _gone = run(handle, |session| {
        session.close_reader(reader);
        Ok(())
    });
}

/// Reads whole batches into `data` from `at` on. See docs/design/log.md for what `table`, `index`, `times` and `info` get. How
/// many batches, or −code.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_read(
    handle: u32,
    reader: u32,
    mut data: Uint8ArraySlice<'_>,
    at: u32,
    mut table: Float64ArraySlice<'_>,
    mut index: Uint32ArraySlice<'_>,
    mut times: Float64ArraySlice<'_>,
    mut info: Float64ArraySlice<'_>,
) -> i32 {
    // SAFETY: this thread is JavaScript's, so nobody else looks at the arrays during the call.
    let (data, table, index, times, info) = unsafe {
        (
            data.as_mut(),
            table.as_mut(),
            index.as_mut(),
            times.as_mut(),
            info.as_mut(),
        )
    };
    let read = run(handle, |session| {
        let to = &mut ReadTo {
            data,
            at: at as usize,
            table,
            index,
            times,
        };
        let read = session.read(reader, to);
        let (offset, ends) = session.place_of(reader).unwrap_or_default();
        let damage = match &read {
            Err(_) => session.damage(reader),
            Ok(_) => None,
        };
        let (damaged, next) = damage.unwrap_or((offset, offset));
        let place = [number(offset), number(offset), 0.0, 0.0];
        let tail = [number(ends.visible), number(ends.start), 0.0, 0.0];
        set(info, &place);
        set(info.get_mut(4..).unwrap_or_default(), &tail);
        set(
            info.get_mut(8..).unwrap_or_default(),
            &[number(damaged), number(next)],
        );
        let done = read?;
        let state = match done.state {
            ReadState::Batches => 0.0,
            ReadState::End => 1.0,
            ReadState::Later => 2.0,
            ReadState::NeedsRoom => 3.0,
        };
        let told = [
            number(done.first),
            number(done.next),
            number(done.used as u64),
            number(done.needs as u64),
        ];
        set(info, &told);
        set(
            info.get_mut(6..).unwrap_or_default(),
            &[state, number(done.needs_records as u64)],
        );
        Ok(u32::try_from(done.batches).unwrap_or(0))
    });
    told(read)
}

/// Makes the index of one batch that `kaskaRead` has read without one; 0 or −code.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_index(
    data: &[u8],
    start: u32,
    bytes: u32,
    count: u32,
    base_ms: f64,
    mut index: Uint32ArraySlice<'_>,
    mut times: Float64ArraySlice<'_>,
) -> i32 {
    // SAFETY: this thread is JavaScript's, so nobody else looks at the arrays during the call.
    let (index, times) = unsafe { (index.as_mut(), times.as_mut()) };
    let records = (start as usize, bytes as usize);
    let indexed = kaska::index_batch(data, records, (count, milliseconds(base_ms)), index, times);
    answer(indexed.map_err(|error| kaska::code_of(error.kind)))
}

/// Readers to look at again: fills `out`, and tells how many. If it is full, there may be more.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_ready(handle: u32, mut out: Uint32ArraySlice<'_>) -> u32 {
    // SAFETY: this thread is JavaScript's, so nobody else looks at the array during the call.
    let out = unsafe { out.as_mut() };
    let ready = with_directory(handle, |session| Ok(session.ready(out))).unwrap_or(0);
    u32::try_from(ready).unwrap_or(0)
}

/// Fills `out` with start, visible, durable and written end of a partition; 0 or −code.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_ends(handle: u32, topic: u32, partition: u32, mut out: Float64ArraySlice<'_>) -> i32 {
    answer(run(handle, |session| {
        let ends = session.ends(topic, partition)?;
        let ends = [ends.start, ends.visible, ends.durable, ends.written].map(number);
        // SAFETY: this thread is JavaScript's, so nobody else looks at the array during the call.
        set(unsafe { out.as_mut() }, &ends);
        Ok(())
    }))
}

/// Commits the position of a client; a ticket of writer 0, or −code.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_commit(
    handle: u32,
    client: String,
    topic: u32,
    partition: u32,
    offset: f64,
    metadata: String,
) -> f64 {
    told_large(run(handle, |session| {
        let metadata = metadata.as_bytes();
        session.commit(&client, (topic, partition), count(offset), metadata)
    }))
}

/// The committed position of a client, or −code.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_committed(handle: u32, client: String, topic: u32, partition: u32) -> f64 {
    told_large(run(handle, |session| {
        let position = session.committed(&client, topic, partition)?;
        Ok(position.offset)
    }))
}

/// What a client has committed beside its position.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_metadata(handle: u32, client: String, topic: u32, partition: u32) -> Option<String> {
    let position = run(handle, |session| {
        session.committed(&client, topic, partition)
    });
    let metadata = position.ok()?.metadata;
    Some(String::from_utf8_lossy(&metadata).into_owned())
}

/// A client of the original's kind, or −code. `reset`, where records are gone: 0 fail, 1 go to the start, 2 to the end.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_client(handle: u32, reset: u32) -> i32 {
    let reset = match reset {
        1 => Reset::Start,
        2 => Reset::End,
        _ => Reset::Fail,
    };
    told(run(handle, |session| session.client(reset)))
}

/// Lets go of a client.
#[napi(catch_unwind)]
pub fn kaska_client_close(handle: u32, client: u32) {
    let _gone = run(handle, |session| {
        session.close_client(client);
        Ok(())
    });
}

/// Subscribes a client to topics; how many, or −code.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_client_subscribe(handle: u32, client: u32, topics: &[u32]) -> i32 {
    told(run(handle, |session| session.subscribe(client, topics)))
}

/// Ends a client's subscription.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_client_unsubscribe(handle: u32, client: u32) -> i32 {
    answer(run(handle, |session| session.unsubscribe(client)))
}

/// `out[0]`: where a client is in a topic.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_client_position(
    handle: u32,
    client: u32,
    topic: u32,
    mut out: Float64ArraySlice<'_>,
) -> i32 {
    answer(run(handle, |session| {
        let position = session.client_position(client, topic)?;
        // SAFETY: this thread is JavaScript's, so nobody else looks at the array during the call.
        set(unsafe { out.as_mut() }, &[signed(position)]);
        Ok(())
    }))
}

/// Has a client go on elsewhere in a topic.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_client_seek(handle: u32, client: u32, topic: u32, offset: f64) -> i32 {
    answer(run(handle, |session| {
        session.client_seek(client, topic, milliseconds(offset))
    }))
}

/// The next message of a client, copied to `data`: 0 nothing, 1 a message, 2 ask again, 3 needs room; or −code. `info`: topic,
/// partition, offset, bytes, bytes needed, start (with −OutOfRange). With −NotFound the topic is that which was deleted, and
/// which it is not subscribed to any more; 0: it is subscribed to nothing.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_client_poll(
    handle: u32,
    client: u32,
    mut data: Uint8ArraySlice<'_>,
    mut info: Float64ArraySlice<'_>,
) -> i32 {
    // SAFETY: this thread is JavaScript's, so nobody else looks at the arrays during the call.
    let (data, info) = unsafe { (data.as_mut(), info.as_mut()) };
    told(run(handle, |session| {
        let mut trouble = None;
        let polled = session.poll(client, data, &mut trouble);
        set(info, &[0.0]);
        match trouble {
            Some(PollTrouble::OutOfRange {
                topic,
                partition,
                start,
            }) => {
                set(info, &[f64::from(topic), f64::from(partition)]);
                set(info.get_mut(5..).unwrap_or_default(), &[number(start)]);
            }
            Some(PollTrouble::Deleted { topic }) => set(info, &[f64::from(topic)]),
            None => {}
        }
        Ok(match polled? {
            Polled::Nothing => 0,
            Polled::Message {
                topic,
                partition,
                offset,
                bytes,
            } => {
                let told = [
                    f64::from(topic),
                    f64::from(partition),
                    number(offset),
                    number(bytes as u64),
                ];
                set(info, &told);
                1
            }
            Polled::Again => 2,
            Polled::Needs(bytes) => {
                set(
                    info.get_mut(4..).unwrap_or_default(),
                    &[number(bytes as u64)],
                );
                3
            }
        })
    }))
}

/// Gauges and sums.
#[napi(catch_unwind)]
#[must_use]
pub fn kaska_stats(handle: u32) -> Option<KaskaStats> {
    let stats = run(handle, Session::stats).ok()?;
    Some(KaskaStats {
        topics: number(stats.topics),
        partitions: number(stats.partitions),
        records: number(stats.records),
        waiting: number(stats.waiting),
        appends: number(stats.store.batches),
        appended_records: number(stats.store.records),
        appended_bytes: number(stats.store.bytes),
        syncs: number(stats.store.syncs),
        queued_bytes: number(stats.store.queued_bytes),
    })
}

/// Whether a directory keeps the process alive.
#[napi(catch_unwind)]
pub fn kaska_ref(env: Env, handle: u32, on: bool) -> napi::Result<()> {
    with(env.raw(), |environment| environment.keep_alive(handle, on))
}

/// Lets go of a directory, and closes it if nobody else of this process has it open. The event `closed` comes in any case,
/// when its threads have left the folder, or after that time, which is a second at least.
#[napi(catch_unwind)]
pub fn kaska_close(handle: u32, timeout_ms: f64) {
    let until = duration(timeout_ms).unwrap_or(Duration::ZERO);
    let _gone = run(handle, |session| {
        session.close(Some(until));
        Ok(())
    });
}

/// Frees a handle.
#[napi(catch_unwind)]
pub fn kaska_forget(env: Env, handle: u32) -> napi::Result<()> {
    with(env.raw(), |environment| environment.forget(handle))
}

/// A whole number of JavaScript; what is none counts as 0.
#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` saturates, and NaN gives 0"
)]
fn milliseconds(ms: f64) -> i64 {
    ms as i64
}

#[expect(clippy::cast_precision_loss, reason = "offsets stay below 2^53")]
fn signed(offset: i64) -> f64 {
    offset as f64
}
