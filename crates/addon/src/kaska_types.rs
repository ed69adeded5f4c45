use std::path::PathBuf;

use kaska::{Answer, Event, Location, Recovery, StateNote, Verified, is_retryable, wire_error};
use log::{Codec, Config, Flush, Note, PartitionNote, Topic, TopicOptions};
use napi_derive::napi;

use crate::queue_types::{count, uuid};

/// What a directory is opened with; see the TypeScript options for meanings and defaults.
#[napi(object, object_to_js = false)]
pub struct KaskaConfig {
    /// The folder; empty: memory of this process.
    pub dir: String,
    /// Make it if it is not there.
    pub create: bool,
    /// Most bytes of batches that wait to be written.
    pub queued_bytes: f64,
    /// Most bytes that the records of one batch may inflate to.
    pub inflated_bytes: f64,
}

impl KaskaConfig {
    pub(crate) fn location(&self) -> Location {
        if self.dir.is_empty() {
            Location::memory()
        } else {
            Location::Folder(PathBuf::from(&self.dir))
        }
    }

    pub(crate) fn config(&self) -> Config {
        Config {
            create: self.create,
            queued_bytes: count(self.queued_bytes).max(1),
            inflated_bytes: u32::try_from(count(self.inflated_bytes)).unwrap_or(u32::MAX),
            ..Config::default()
        }
    }
}

/// What is decided when a topic is created.
#[napi(object)]
pub struct KaskaTopicOptions {
    /// How many partitions it has.
    pub partitions: u32,
    /// Bytes of a segment.
    pub segment_bytes: u32,
    /// In ms; −1: segments are kept for ever.
    pub retention_ms: f64,
    /// Of a partition; −1: there is no bound.
    pub retention_bytes: f64,
    /// 0 always, 1 every `flushMs`, 2 when the system does it.
    pub flush: u32,
    /// See `flush`.
    pub flush_ms: u32,
    /// Longest batch.
    pub max_batch_bytes: u32,
    /// Kafka's number of the compression.
    pub codec: u32,
}

impl KaskaTopicOptions {
    pub(crate) fn options(&self) -> Option<TopicOptions> {
        let bound = |number: f64| (number >= 0.0).then(|| count(number));
        Some(TopicOptions {
            partitions: self.partitions,
            segment_bytes: self.segment_bytes,
            retention_ms: bound(self.retention_ms),
            retention_bytes: bound(self.retention_bytes),
            flush: match self.flush {
                0 => Flush::Always,
                1 => Flush::Every(self.flush_ms),
                2 => Flush::Os,
                _ => return None,
            },
            max_batch_bytes: self.max_batch_bytes,
            codec: Codec::from_number(u16::try_from(self.codec).ok()?)?,
        })
    }
}

/// A topic as it is.
#[napi(object, object_from_js = false)]
pub struct KaskaTopic {
    /// Its number.
    pub number: u32,
    /// A UUID.
    pub id: String,
    /// Its name.
    pub name: String,
    /// In ms since 1970.
    pub created_ms: f64,
    /// As it was created.
    pub partitions: u32,
    /// See `KaskaTopicOptions`.
    pub segment_bytes: u32,
    /// See `KaskaTopicOptions`.
    pub retention_ms: f64,
    /// See `KaskaTopicOptions`.
    pub retention_bytes: f64,
    /// See `KaskaTopicOptions`.
    pub flush: u32,
    /// See `KaskaTopicOptions`.
    pub flush_ms: u32,
    /// See `KaskaTopicOptions`.
    pub max_batch_bytes: u32,
    /// See `KaskaTopicOptions`.
    pub codec: u32,
    /// Kafka's clients could name it.
    pub is_kafka: bool,
}

/// What has become of the topics.
#[napi(object, object_from_js = false)]
pub struct KaskaTopics {
    /// Those that are new.
    pub new: Vec<KaskaTopic>,
    /// Numbers of those that are gone.
    pub gone: Vec<u32>,
}

impl From<&Topic> for KaskaTopic {
    fn from(topic: &Topic) -> Self {
        let options = &topic.options;
        let bound = |bound: Option<u64>| bound.map_or(-1.0, number);
        let (flush, flush_ms) = match options.flush {
            Flush::Always => (0, 0),
            Flush::Every(ms) => (1, ms),
            // `Os`, and what this crate does not know.
            _ => (2, 0),
        };
        Self {
            number: topic.number,
            id: uuid(&topic.id),
            name: topic.name.as_str().into(),
            created_ms: signed(topic.created_ms),
            partitions: options.partitions,
            segment_bytes: options.segment_bytes,
            retention_ms: bound(options.retention_ms),
            retention_bytes: bound(options.retention_bytes),
            flush,
            flush_ms,
            max_batch_bytes: options.max_batch_bytes,
            codec: options.codec as u32,
            is_kafka: kaska::is_kafka(&topic.name),
        }
    }
}

/// What opening found and did in one place. Which fields are there depends on `kind`.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct KaskaNote {
    /// cut, removed, damaged, missing, unavailable, topic (its description cannot be read), foreign, setBack (a position) or
    /// other.
    #[napi(
        ts_type = "'cut' | 'removed' | 'damaged' | 'missing' | 'unavailable' | 'topic' | 'foreign' | 'setBack' | 'other'"
    )]
    pub kind: String,
    /// Number of the topic.
    pub topic: Option<u32>,
    /// Which of its partitions.
    pub partition: Option<u32>,
    /// Base offset of the segment.
    pub segment: Option<f64>,
    /// Where in the segment it begins.
    pub from: Option<f64>,
    /// Where in the segment it ends.
    pub to: Option<f64>,
    /// How many bytes.
    pub bytes: Option<f64>,
    /// How many batches.
    pub batches: Option<f64>,
    /// First offset that is lost.
    pub first: Option<f64>,
    /// First offset that can be read again.
    pub next: Option<f64>,
    /// Where what was cut is kept.
    pub kept_as: Option<String>,
    /// In words.
    pub message: Option<String>,
}

impl From<&PartitionNote> for KaskaNote {
    fn from(told: &PartitionNote) -> Self {
        let of = |kind: &str| Self {
            kind: kind.into(),
            topic: Some(told.topic),
            partition: Some(told.partition),
            ..Self::default()
        };
        match &told.note {
            Note::Cut {
                segment,
                at,
                bytes,
                batches,
                kept_as,
            } => Self {
                segment: Some(number(*segment)),
                from: Some(f64::from(*at)),
                bytes: Some(f64::from(*bytes)),
                batches: Some(f64::from(*batches)),
                kept_as: kept_as.clone(),
                ..of("cut")
            },
            Note::Removed { segment, kept_as } => Self {
                segment: Some(number(*segment)),
                kept_as: kept_as.clone(),
                ..of("removed")
            },
            Note::Damaged {
                segment,
                from,
                to,
                first,
                next,
            } => Self {
                segment: Some(number(*segment)),
                from: Some(f64::from(*from)),
                to: Some(f64::from(*to)),
                first: Some(number(*first)),
                next: Some(number(*next)),
                ..of("damaged")
            },
            Note::Missing { first, next } => Self {
                first: Some(number(*first)),
                next: Some(number(*next)),
                ..of("missing")
            },
            other => Self {
                message: Some(format!("{other:?}")),
                ..of("other")
            },
        }
    }
}

impl From<&StateNote> for KaskaNote {
    fn from(told: &StateNote) -> Self {
        let of = |kind: &str, topic: u32, partition: u32| Self {
            kind: kind.into(),
            topic: Some(topic),
            partition: Some(partition),
            message: Some(told.to_string()),
            ..Self::default()
        };
        match told {
            StateNote::Damaged { first, next, .. } => Self {
                first: Some(number(*first)),
                next: Some(number(*next)),
                ..of("damaged", 0, 0)
            },
            StateNote::SetBack {
                topic, partition, ..
            } => of("setBack", topic.number, *partition),
            StateNote::Unreadable(_) => of("unavailable", 0, 0),
            _ => of("other", 0, 0),
        }
    }
}

fn notes(recovery: &Recovery) -> Vec<KaskaNote> {
    let Recovery { report, state } = recovery;
    let unavailable = report
        .unavailable
        .iter()
        .map(|(topic, partition, error)| KaskaNote {
            kind: "unavailable".into(),
            topic: Some(*topic),
            partition: Some(*partition),
            message: Some(error.message.clone()),
            ..KaskaNote::default()
        });
    let damaged_topics = report.damaged_topics.iter().map(|topic| KaskaNote {
        kind: "topic".into(),
        topic: Some(*topic),
        message: Some("its topic.meta cannot be read; its folder was left as it is".into()),
        ..KaskaNote::default()
    });
    let missing_topics = report.missing_topics.iter().map(|topic| KaskaNote {
        kind: "missing".into(),
        topic: Some(*topic),
        message: Some(format!(
            "The folder topics/{topic:08} is gone, with all records of its topic. Put it back and open again"
        )),
        ..KaskaNote::default()
    });
    let foreign = report.foreign.iter().map(|name| KaskaNote {
        kind: "foreign".into(),
        message: Some(name.clone()),
        ..KaskaNote::default()
    });
    let told = report.notes.iter().map(KaskaNote::from);
    told.chain(state.iter().map(KaskaNote::from))
        .chain(unavailable)
        .chain(damaged_topics)
        .chain(missing_topics)
        .chain(foreign)
        .collect()
}

/// Records that cannot be read.
#[napi(object, object_from_js = false)]
pub struct KaskaDamage {
    /// Number of the topic.
    pub topic: u32,
    /// Which of its partitions.
    pub partition: u32,
    /// First offset that is lost.
    pub first: f64,
    /// First offset that can be read again.
    pub next: f64,
    /// Why.
    pub message: String,
}

/// What a check of everything found.
#[napi(object, object_from_js = false)]
pub struct KaskaVerified {
    /// Partitions that were read.
    pub partitions: f64,
    /// Batches in them.
    pub batches: f64,
    /// Records in them.
    pub records: f64,
    /// Bytes of their keys and values.
    pub bytes: f64,
    /// What cannot be read, at most 1,000 of it.
    pub damaged: Vec<KaskaDamage>,
}

impl From<Verified> for KaskaVerified {
    fn from(verified: Verified) -> Self {
        let damaged = verified.damaged.into_iter();
        let damaged = damaged.map(|one| KaskaDamage {
            topic: one.place.0,
            partition: one.place.1,
            first: number(one.first),
            next: number(one.next),
            message: one.message,
        });
        Self {
            partitions: number(verified.partitions),
            batches: number(verified.batches),
            records: number(verified.records),
            bytes: number(verified.bytes),
            damaged: damaged.collect(),
        }
    }
}

/// Why a call failed.
#[napi(object, object_from_js = false)]
pub struct KaskaFailure {
    /// Error code.
    pub code: String,
    /// What happened and what to do.
    pub message: String,
    /// Nothing was stored, and the same can succeed later.
    pub retryable: bool,
    /// Name of the system's error behind it, such as ENOSPC.
    pub system: Option<String>,
    /// What the system was asked to do, such as write.
    pub call: Option<String>,
}

/// Something that happened to a directory. Which fields are there depends on `kind`.
#[napi(object, object_from_js = false)]
#[derive(Default)]
pub struct KaskaEvent {
    /// open, failed, poisoned, warning, damaged, recovered, topics, answer or closed.
    #[napi(
        ts_type = "'open' | 'failed' | 'poisoned' | 'warning' | 'damaged' | 'recovered' | 'topics' | 'answer' | 'closed'"
    )]
    pub kind: String,
    /// It was made just now.
    pub created: Option<bool>,
    /// What opening found.
    pub notes: Option<Vec<KaskaNote>>,
    /// What was mended.
    pub note: Option<KaskaNote>,
    /// Number of the topic.
    pub topic: Option<u32>,
    /// Which of its partitions.
    pub partition: Option<u32>,
    /// First offset that is lost.
    pub first: Option<f64>,
    /// First offset that can be read again.
    pub next: Option<f64>,
    /// What is answered.
    pub request: Option<u32>,
    /// A number that was asked for; −1: there is none.
    pub value: Option<f64>,
    /// What a check found.
    pub report: Option<KaskaVerified>,
    /// Error code.
    pub code: Option<String>,
    /// What happened and what to do.
    pub message: Option<String>,
    /// Nothing was stored, and the same can succeed later.
    pub retryable: Option<bool>,
    /// Name of the system's error behind it, such as ENOSPC.
    pub system: Option<String>,
    /// What the system was asked to do, such as fsync.
    pub call: Option<String>,
}

impl From<Event> for KaskaEvent {
    fn from(event: Event) -> Self {
        let of = |kind: &str| Self {
            kind: kind.into(),
            ..Self::default()
        };
        let failed = |kind: &str, error: wire::Error| Self {
            code: Some(error.code.as_str().into()),
            message: Some(error.message),
            system: error.system.map(|system| system.name.into()),
            call: error.system.map(|system| system.call.into()),
            ..of(kind)
        };
        match event {
            Event::Open(recovery) => Self {
                created: Some(recovery.report.created),
                notes: Some(notes(&recovery)),
                ..of("open")
            },
            Event::Failed(error) => Self {
                retryable: Some(is_retryable(error.kind)),
                ..failed("failed", wire_error(&error))
            },
            Event::Poisoned(error) => failed("poisoned", error),
            Event::Warning(text) => Self {
                message: Some(text),
                ..of("warning")
            },
            Event::Damaged {
                topic,
                partition,
                first,
                next,
            } => Self {
                topic: Some(topic),
                partition: Some(partition),
                first: Some(number(first)),
                next: Some(number(next)),
                ..of("damaged")
            },
            Event::Recovered(note) => Self {
                note: Some(KaskaNote::from(&note)),
                ..of("recovered")
            },
            Event::Topics => of("topics"),
            Event::Answer { request, answer } => {
                let request = Some(request);
                match answer {
                    Err(error) => Self {
                        request,
                        retryable: Some(is_retryable(error.kind)),
                        ..failed("answer", wire_error(&error))
                    },
                    Ok(Answer::Number(value)) => Self {
                        request,
                        value: Some(value.map_or(-1.0, number)),
                        ..of("answer")
                    },
                    Ok(Answer::Verified(verified)) => Self {
                        request,
                        report: Some(KaskaVerified::from(*verified)),
                        ..of("answer")
                    },
                    // Done, and what this crate does not know.
                    Ok(_) => Self {
                        request,
                        ..of("answer")
                    },
                }
            }
            Event::Closed(None) => of("closed"),
            Event::Closed(Some(error)) => failed("closed", error),
            other => Self {
                message: Some(format!("{other:?}")),
                ..of("warning")
            },
        }
    }
}

/// Gauges and sums of a directory.
#[napi(object, object_from_js = false)]
pub struct KaskaStats {
    /// Topics there are.
    pub topics: f64,
    /// Partitions of all topics.
    pub partitions: f64,
    /// Records that are there, of all partitions.
    pub records: f64,
    /// Appends, commits and flushes of this handle that wait.
    pub waiting: f64,
    /// Batches that were written since the directory was opened, by all who have it open.
    pub appends: f64,
    /// Their records.
    pub appended_records: f64,
    /// Their bytes as they are stored.
    pub appended_bytes: f64,
    /// Groups of appends that were made durable.
    pub syncs: f64,
    /// Bytes of batches that wait to be written.
    pub queued_bytes: f64,
}

/// Offsets and counts are below 2^53 in JavaScript.
#[expect(clippy::cast_precision_loss, reason = "see above")]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

#[expect(clippy::cast_precision_loss, reason = "see above")]
fn signed(count: i64) -> f64 {
    count as f64
}
