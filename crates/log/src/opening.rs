//! How a directory is opened: what is there, what a crash left of it, and what becomes of that.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::io;
use std::sync::Arc;

use crate::disk::Mode;
use crate::format_file::FormatFile;
use crate::lacking::lacking;
use crate::marks::{DELETED, Mark, starts};
use crate::numbers::Numbers;
use crate::partition::Opened;
use crate::recovery::{Boot, Durable, Opening, Recovered, recover, recover_clean};
use crate::report::Note;
use crate::scan::replay;
use crate::segment::{MOST_OFFSET, base_of, log_name};
use crate::shared::Shared;
use crate::sidecars::remove_sidecars;
use crate::small_file::{NEW, load, make_folder, replace, sync_folder};
use crate::store::{Serving, TopicNumber, Topics};
use crate::topic_file::{self, TopicFile};
use crate::view::{Damage, SegmentView, Unreadable};
use crate::{
    Appender, Checkpoint, Disk, Entry, Error, ErrorKind, Flush, Lock, LockError, Partition,
    PartitionMark, PartitionNote, Producers, Report, Topic, TopicOptions, load_producers,
    load_seal, threads,
};

pub(crate) const FORMAT: &str = "kaska.format";
const LOCK: &str = "lock";
pub(crate) const CHECKPOINTS: [&str; 2] = ["checkpoint.a", "checkpoint.b"];
pub(crate) const TOPICS: &str = "topics";
const POSITIONS: &str = "positions";
const REMOVED: &str = "removed";
pub(crate) const META: &str = "topic.meta";
pub(crate) const CREATING: &str = ".creating";
/// Longer than any: 64 MiB, and what frames it.
const MOST_CHECKPOINT_BYTES: u64 = (64 << 20) + 64;
/// Partitions that are scanned at the same time.
const SCANNERS: usize = 4;

/// What was found.
pub(crate) struct Found {
    pub(crate) topics: Topics,
    pub(crate) positions: Arc<Partition>,
    pub(crate) lock: Box<dyn Lock>,
    pub(crate) checkpoint: Checkpoint,
    /// Which of the two files is to be written next.
    pub(crate) next_file: usize,
    /// Folders that nothing knows: a creation left them.
    pub(crate) left: Vec<String>,
    /// Topics that are marked as deleted.
    pub(crate) deleted: BTreeSet<TopicNumber>,
    /// Marks of partitions, of which the next checkpoint tells.
    pub(crate) marks: Vec<Mark>,
    pub(crate) report: Report,
}

/// Opens all that is there.
pub(crate) fn open(shared: &Arc<Shared>) -> Result<Found, Error> {
    let disk = &*shared.disk;
    let mut report = Report::default();
    let is_empty = look_at(disk, shared.config.create, &mut report)?;
    let lock = take_lock(shared)?;
    if is_empty {
        create(shared)?;
        report.created = true;
    }
    complete(disk)?;
    let (checkpoint, next_file) = checkpoint(disk)?;
    let mut opener = Opener::new(shared, &checkpoint);
    report.may_lack = !is_empty && !opener.is_clean && opener.boot == Boot::Other;
    let topics = opener.topics(&mut report)?;
    let (serving, marks) = opener.partitions(&topics, &mut report);
    let mut by_number = BTreeMap::new();
    let mut serving = serving.into_iter();
    let positions = serving.next().ok_or_else(|| {
        Error::new(
            ErrorKind::Internal,
            "the partition of positions was not opened",
        )
    })?;
    for topic in topics {
        let many = usize::try_from(topic.options.partitions).unwrap_or(usize::MAX);
        let partitions = serving.by_ref().take(many).collect();
        by_number.insert(topic.number, Arc::new(Serving { topic, partitions }));
    }
    let by_name = by_number
        .iter()
        .map(|(number, one)| (one.topic.name.clone(), *number));
    let by_name: HashMap<_, _> = by_name.collect();
    Ok(Found {
        topics: Topics {
            by_name,
            by_number,
            reserved: HashMap::new(),
            numbers: opener.numbers,
        },
        positions,
        lock,
        checkpoint,
        next_file,
        left: opener.left,
        deleted: opener.deleted,
        marks,
        report,
    })
}

/// Whether the folder is empty; refuses one that is neither empty nor ours. Changes nothing.
fn look_at(disk: &dyn Disk, create: bool, report: &mut Report) -> Result<bool, Error> {
    let none = |why: &str| {
        let message = format!("{why}; pass create: true, or another dir. Nothing was changed");
        Err(Error::new(ErrorKind::NotFound, message))
    };
    let entries = match disk.list("") {
        Err(error) if error.kind() == io::ErrorKind::NotFound && create => {
            disk.create_folder("")
                .map_err(|error| Error::system("mkdir", "the directory", &error))?;
            Vec::new()
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return none("there is no such directory");
        }
        entries => entries.map_err(|error| Error::system("readdir", "the directory", &error))?,
    };
    if let Some(bytes) = load(disk, FORMAT, 1 << 20)? {
        FormatFile::decode(&bytes)?;
        let ours = |name: &str| {
            [FORMAT, LOCK, TOPICS, POSITIONS, REMOVED].contains(&name)
                || CHECKPOINTS.contains(&name)
        };
        let others = entries.into_iter().filter(|entry| !ours(&entry.name));
        report.foreign.extend(others.map(|entry| entry.name));
        return Ok(false);
    }
    // What a creation leaves that died before there was a format.
    let half = format!("{FORMAT}{NEW}");
    if let Some(other) = entries
        .iter()
        .find(|entry| entry.name != LOCK && entry.name != half)
    {
        let message = format!(
            "the directory is no log: it has {:?} in it and no {FORMAT}; give an empty one. Nothing was changed",
            other.name
        );
        return Err(Error::new(ErrorKind::Invalid, message));
    }
    if create {
        Ok(true)
    } else {
        none("the directory is empty")
    }
}

fn take_lock(shared: &Shared) -> Result<Box<dyn Lock>, Error> {
    let boot = shared.disk.boot_id().map(u128::from_be_bytes);
    let boot = boot.map_or_else(|| "unknown".to_owned(), |boot| format!("{boot:032x}"));
    let owner = format!(
        "pid {}\nboot {boot}\nsince {} ms\n",
        std::process::id(),
        shared.clock.wall_ms()
    );
    match shared.disk.lock(LOCK, &owner) {
        Ok(lock) => Ok(lock),
        Err(LockError::Held(owner)) => {
            let who = owner.lines().next().unwrap_or("unknown");
            let message = format!("the directory is open in another process ({who})");
            Err(Error::new(ErrorKind::Locked, message))
        }
        Err(LockError::Io(error)) => Err(Error::system("flock", LOCK, &error)),
    }
}

/// Makes an empty folder a log directory: it is one as soon as the format has its name.
fn create(shared: &Shared) -> Result<(), Error> {
    let format = FormatFile {
        id: (shared.config.ids)(),
        created_ms: shared.clock.wall_ms(),
    };
    replace(&*shared.disk, "", FORMAT, &format.encode())
}

/// Makes the folders that every directory has.
fn complete(disk: &dyn Disk) -> Result<(), Error> {
    make_folder(disk, TOPICS)?;
    make_folder(disk, POSITIONS)?;
    sync_folder(disk, "")?;
    // Before anything is made in it: it may be a link, which leads out of the directory.
    disk.list(POSITIONS)
        .map_err(|error| Error::system("readdir", POSITIONS, &error))?;
    make_folder(disk, &format!("{POSITIONS}/0"))?;
    sync_folder(disk, POSITIONS)
}

/// The newest checkpoint, and which file is older.
fn checkpoint(disk: &dyn Disk) -> Result<(Checkpoint, usize), Error> {
    let mut found: Option<(Checkpoint, usize)> = None;
    for (place, name) in CHECKPOINTS.iter().enumerate() {
        let bytes = match load(disk, name, MOST_CHECKPOINT_BYTES) {
            Err(error) if error.kind == ErrorKind::Corrupt => None,
            loaded => loaded?,
        };
        let read = bytes.and_then(|bytes| Checkpoint::decode(&bytes));
        if let Some(read) = read
            && found
                .as_ref()
                .is_none_or(|other| other.0.sequence < read.sequence)
        {
            found = Some((read, 1 - place));
        }
    }
    Ok(found.unwrap_or_default())
}

struct Opener<'a> {
    shared: &'a Arc<Shared>,
    marks: HashMap<(u32, u32), PartitionMark>,
    boot: Boot,
    is_clean: bool,
    numbers: Numbers,
    /// Folders that a creation left.
    left: Vec<String>,
    /// Topics that are marked as deleted.
    deleted: BTreeSet<TopicNumber>,
}

/// A partition that is to be opened.
struct Task {
    topic: TopicNumber,
    number: u32,
    folder: String,
    options: TopicOptions,
}

/// A partition that is open, and what is to be told of it.
struct Ready {
    partition: Arc<Partition>,
    /// What was found and done now.
    notes: Vec<Note>,
    /// What its full segments lack, which is told whenever it is opened.
    lacking: Vec<Note>,
    /// What marks where it begins.
    marks: Vec<Mark>,
}

impl<'a> Opener<'a> {
    fn new(shared: &'a Arc<Shared>, checkpoint: &Checkpoint) -> Self {
        let marks = checkpoint.partitions.iter();
        let boot = shared.disk.boot_id();
        Self {
            shared,
            marks: marks
                .map(|mark| ((mark.topic, mark.partition), *mark))
                .collect(),
            boot: if boot.is_some() && boot == checkpoint.boot {
                Boot::Same
            } else {
                Boot::Other
            },
            is_clean: checkpoint.clean,
            numbers: Numbers::new(checkpoint.next_topic.max(1), BTreeSet::new()),
            left: Vec::new(),
            deleted: BTreeSet::new(),
        }
    }

    /// All topics whose file can be read.
    fn topics(&mut self, report: &mut Report) -> Result<Vec<Arc<Topic>>, Error> {
        let disk = &*self.shared.disk;
        let mut found = Vec::new();
        let entries = disk
            .list(TOPICS)
            .map_err(|error| Error::system("readdir", TOPICS, &error))?;
        let all = Vec::from_iter(entries.iter().map(Named::of));
        let of_kind = |kind: Kind| {
            let own = all.iter().filter(move |one| one.kind == Some(kind));
            own.filter_map(|one| one.number)
        };
        let folders = BTreeSet::from_iter(of_kind(Kind::Topic));
        for number in &folders {
            let folder = topic_folder(*number);
            match self.topic(*number, &folder) {
                Ok(Some(topic)) => found.push(Arc::new(topic)),
                Err(error) if error.kind == ErrorKind::Storage => return Err(error),
                Ok(None) | Err(_) => {}
            }
        }
        let next = found.last().map_or(1, |last| last.number + 1);
        let taken = all.iter().filter_map(|one| one.number).collect();
        self.numbers = Numbers::new(self.numbers.next().max(next), taken);
        let next = self.numbers.next();
        for one in &all {
            let name = format!("{TOPICS}/{}", one.name);
            match (one.kind, one.number) {
                (Some(Kind::Topic), _) => {}
                (Some(Kind::Creating), Some(number)) if number < next => self.left.push(name),
                (Some(Kind::Deleted), Some(number)) if number < next && was_moved(disk, number) => {
                    self.deleted.insert(number);
                }
                _ => report.foreign.push(name),
            }
        }
        let is_found = |number: &TopicNumber| {
            found
                .binary_search_by_key(number, |one: &Arc<Topic>| one.number)
                .is_ok()
        };
        let damaged = folders.difference(&self.deleted);
        let damaged = damaged.filter(|number| !is_found(number));
        report.damaged_topics.extend(damaged);
        let known: BTreeSet<_> = self.marks.keys().map(|place| place.0).collect();
        let is_there =
            |number: &TopicNumber| folders.contains(number) || self.deleted.contains(number);
        let missing = known
            .into_iter()
            .filter(|number| *number > 0 && !is_there(number));
        report.missing_topics.extend(missing);
        Ok(found)
    }

    fn topic(&self, number: u32, folder: &str) -> Result<Option<Topic>, Error> {
        let disk = &*self.shared.disk;
        let name = format!("{folder}/{META}");
        let Some(bytes) = load(disk, &name, topic_file::MOST_BYTES)? else {
            return Ok(None);
        };
        let Some((topic, whole)) = TopicFile::decode(number, &bytes) else {
            return Ok(None);
        };
        if !whole && let Some(bytes) = TopicFile::encode(&topic) {
            replace(disk, folder, &name, &bytes)?;
        }
        Ok(Some(topic))
    }

    /// Opens the positions, and all partitions of these topics, in order; and what marks there are of where they begin.
    fn partitions(
        &self,
        topics: &[Arc<Topic>],
        report: &mut Report,
    ) -> (Vec<Arc<Partition>>, Vec<Mark>) {
        let mut tasks = vec![Task {
            topic: 0,
            number: 0,
            folder: format!("{POSITIONS}/0"),
            options: positions_options(),
        }];
        for topic in topics {
            for number in 0..topic.options.partitions {
                tasks.push(Task {
                    topic: topic.number,
                    number,
                    folder: format!("{}/{number}", topic_folder(topic.number)),
                    options: topic.options,
                });
            }
        }
        let opened = threads::each(&tasks, SCANNERS, |task| self.partition(task));
        let mut partitions = Vec::with_capacity(opened.len());
        let mut all_marks = Vec::new();
        for Ready {
            partition,
            notes,
            lacking,
            marks,
        } in opened
        {
            all_marks.extend(marks);
            let is_gone = |note: &Note| matches!(note, Note::Cut { .. } | Note::Removed { .. });
            report.is_judged |= !notes.iter().all(is_gone);
            let (topic, number) = (partition.topic(), partition.number());
            if let Some(error) = partition.unavailable() {
                report.unavailable.push((topic, number, error.clone()));
            }
            report
                .notes
                .extend(notes.into_iter().chain(lacking).map(|note| PartitionNote {
                    topic,
                    partition: number,
                    note,
                }));
            partitions.push(partition);
        }
        (partitions, all_marks)
    }

    fn partition(&self, task: &Task) -> Ready {
        let mark = self.marks.get(&(task.topic, task.number));
        let start = mark.map_or(0, |mark| mark.start_offset);
        let durable = mark.map(|mark| mark.durable).unwrap_or_default();
        // One that cannot be listed cannot be recovered either, which says so.
        let entries = self.shared.disk.list(&task.folder).unwrap_or_default();
        let (marked, marks) = starts(&task.folder, &entries);
        let start = start.max(marked);
        let durable = durable.not_before(marked);
        let recovered = refuse_beyond(&task.folder, &entries)
            .and_then(|()| drop_below(&*self.shared.disk, &task.folder, &entries, start))
            .and_then(|()| self.recover(task, durable));
        let recovered = recovered.and_then(|(recovered, clean)| {
            let producers = self.producers(task, &recovered, clean)?;
            Ok((recovered, clean, producers))
        });
        match recovered {
            Ok((recovered, clean, producers)) => {
                let lacking = self.lacking(task, &recovered);
                let (partition, mut notes) = self.ready(task, start, recovered, producers);
                notes.extend(mark.and_then(|_| lost_before(start, &partition, &notes)));
                if clean {
                    partition.is_unscanned();
                }
                Ready {
                    partition,
                    notes,
                    lacking,
                    marks,
                }
            }
            Err(error) => {
                let opened = Opened {
                    topic: task.topic,
                    number: task.number,
                    folder: task.folder.clone(),
                    options: task.options,
                    start: start.min(durable.next_offset),
                    segments: Vec::new(),
                    appender: Err(error),
                    durable,
                    producers: Producers::default(),
                    names: 0,
                };
                Ready {
                    partition: Partition::new(self.shared, opened),
                    notes: Vec::new(),
                    lacking: Vec::new(),
                    // They stay as its files do.
                    marks: Vec::new(),
                }
            }
        }
    }

    /// What is told of full segments that were not scanned.
    fn lacking(&self, task: &Task, found: &Recovered) -> Vec<Note> {
        let disk = &*self.shared.disk;
        let behind = found.sealed.iter().skip(1).chain([&found.active]);
        let behind = behind.map(|next| next.base_offset);
        let unscanned = found.sealed.iter().zip(behind);
        unscanned
            .filter(|(_, next)| *next <= found.first_scanned)
            .filter_map(|(segment, next)| {
                lacking(
                    disk,
                    &task.folder,
                    segment,
                    next,
                    task.options.max_batch_bytes,
                )
            })
            .collect()
    }

    fn recover(&self, task: &Task, durable: Durable) -> Result<(Recovered, bool), Error> {
        let disk = &*self.shared.disk;
        let opening = Opening {
            disk,
            folder: &task.folder,
            removed: REMOVED,
            label: &format!("{}-{}", task.topic, task.number),
            durable,
            boot: self.boot,
            max_batch_bytes: task.options.max_batch_bytes,
        };
        if self.is_clean
            && let Some(recovered) = recover_clean(&opening)?
        {
            return Ok((recovered, true));
        }
        let recovered = recover(&opening)?;
        for note in &recovered.notes {
            if let Note::Cut { segment, .. } | Note::Removed { segment, .. } = note {
                remove_sidecars(disk, &task.folder, *segment)?;
            }
        }
        Ok((recovered, false))
    }

    /// What is known of producers: what was stored last, and the batches behind that.
    fn producers(&self, task: &Task, found: &Recovered, clean: bool) -> Result<Producers, Error> {
        let first_scanned = found.first_scanned;
        let limit = if clean {
            found.active.next_offset
        } else {
            first_scanned
        };
        let stored = load_producers(&*self.shared.disk, &task.folder, limit)?;
        let (from, mut producers) = stored.unwrap_or_default();
        let now = self.shared.clock.wall_ms();
        let all = || found.sealed.iter().chain([&found.active]);
        let behind = all().skip(1).map(|next| next.base_offset);
        let ends = behind.chain([found.active.next_offset]);
        for (segment, end) in all().zip(ends) {
            let scanned = !clean && segment.base_offset >= first_scanned;
            if end > from && (found.is_marked || !scanned) {
                replay(segment, from, now, &mut producers)?;
            }
        }
        Ok(producers)
    }

    fn ready(
        &self,
        task: &Task,
        start: u64,
        recovered: Recovered,
        producers: Producers,
    ) -> (Arc<Partition>, Vec<Note>) {
        let Recovered {
            sealed,
            active,
            durable,
            notes,
            first_scanned,
            ..
        } = recovered;
        let disk = &*self.shared.disk;
        let now = self.shared.clock.wall_ms();
        let mut segments = Vec::with_capacity(sealed.len() + 1);
        let behind = sealed.iter().skip(1).map(|segment| segment.base_offset);
        let behind: Vec<u64> = behind.chain([active.base_offset]).collect();
        for (segment, next_base) in sealed.iter().zip(behind) {
            let scanned = segment.base_offset >= first_scanned;
            let seal = load_seal(disk, &task.folder, segment.base_offset, segment.size);
            let end = match seal {
                _ if scanned => segment.next_offset,
                Some(seal) => seal.next_offset.min(next_base),
                None => next_base,
            };
            let appended = seal.map_or(now, |seal| seal.appended_ms);
            let view = Arc::new(SegmentView::sealed(segment, end, scanned, appended));
            view.close();
            segments.push(view);
        }
        for note in &notes {
            if let Note::Damaged {
                segment,
                from,
                to,
                first,
                next,
            } = *note
                && let Some(view) = segments.iter().find(|view| view.base() == segment)
            {
                view.add_damage(Damage {
                    from,
                    to,
                    first,
                    next,
                    why: Unreadable::Damaged,
                });
            }
        }
        segments.push(Arc::new(SegmentView::active(&active)));
        let first = segments.first().map_or(0, |view| view.base());
        let options = task.options;
        let appender = Appender::new(active, options.segment_bytes, options.max_batch_bytes);
        let opened = Opened {
            topic: task.topic,
            number: task.number,
            folder: task.folder.clone(),
            options,
            start: start.max(first),
            segments,
            appender: Ok(Box::new(appender)),
            durable,
            producers,
            names: 0,
        };
        (Partition::new(self.shared, opened), notes)
    }
}

/// What is missing where a partition must begin, unless other notes tell of it.
fn lost_before(start: u64, partition: &Partition, notes: &[Note]) -> Option<Note> {
    let missing = notes.iter().filter_map(|note| match note {
        Note::Missing { first, .. } => Some(*first),
        _ => None,
    });
    let next = missing.fold(partition.ends().start, u64::min);
    (start < next).then_some(Note::Missing { first: start, next })
}

/// Those of the partition of positions: small segments, since all that is live is written anew now and then.
const fn positions_options() -> TopicOptions {
    TopicOptions {
        partitions: 1,
        segment_bytes: 16 << 20,
        retention_ms: None,
        retention_bytes: None,
        flush: Flush::Always,
        max_batch_bytes: 1 << 20,
        codec: crate::Codec::None,
    }
}

/// Refuses a folder with a segment that begins where no record can be.
fn refuse_beyond(folder: &str, entries: &[Entry]) -> Result<(), Error> {
    let mut bases = entries.iter().filter_map(|entry| base_of(&entry.name));
    let Some(base) = bases.find(|base| *base > MOST_OFFSET) else {
        return Ok(());
    };
    let name = log_name(folder, base);
    let message = format!(
        "the file {name} begins beyond all offsets ({MOST_OFFSET}); move it away, and open again. Nothing was changed"
    );
    Err(Error::new(ErrorKind::Storage, message))
}

/// Removes segments that are wholly below the start, and what lies beside them.
fn drop_below(disk: &dyn Disk, folder: &str, entries: &[Entry], start: u64) -> Result<(), Error> {
    let names = entries.iter().map(|entry| entry.name.as_str());
    let bases: Vec<u64> = names.filter_map(base_of).collect();
    for (base, next) in bases.iter().zip(bases.iter().skip(1)) {
        if *next <= start {
            delete_segment(disk, folder, *base)?;
        }
    }
    Ok(())
}

/// Removes the files of a segment; who has it open reads on.
pub(crate) fn delete_segment(disk: &dyn Disk, folder: &str, base: u64) -> Result<(), Error> {
    remove_sidecars(disk, folder, base)?;
    let name = log_name(folder, base);
    match disk.remove_file(&name) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(Error::system("unlink", &name, &error))
        }
        _ => Ok(()),
    }
}

pub(crate) fn topic_folder(number: TopicNumber) -> String {
    format!("{TOPICS}/{number:08}")
}

/// What an entry of the folder of topics is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Topic,
    Creating,
    Deleted,
}

/// An entry of the folder of topics.
struct Named<'a> {
    name: &'a str,
    /// The number that it stands in the way of.
    number: Option<TopicNumber>,
    /// What it is, if it is ours.
    kind: Option<Kind>,
}

impl<'a> Named<'a> {
    fn of(entry: &'a Entry) -> Self {
        let name = entry.name.as_str();
        let (kind, digits) = if let Some(digits) = name.strip_suffix(CREATING) {
            (Kind::Creating, digits)
        } else if let Some(digits) = name.strip_suffix(DELETED) {
            (Kind::Deleted, digits)
        } else {
            (Kind::Topic, name)
        };
        let number = number_of(digits);
        let is_own = number.is_some() && entry.is_folder != (kind == Kind::Deleted);
        Self {
            name,
            number,
            kind: is_own.then_some(kind),
        }
    }
}

/// Whether what was renamed to be the mark of a topic is not in its folder any more. Else the mark says what is not so.
fn was_moved(disk: &dyn Disk, number: TopicNumber) -> bool {
    let meta = format!("{}/{META}", topic_folder(number));
    let opened = disk.open(&meta, Mode::Read);
    opened.is_err_and(|error| error.kind() == io::ErrorKind::NotFound)
}

fn number_of(name: &str) -> Option<TopicNumber> {
    let own = name.len() == 8 && name.bytes().all(|digit| digit.is_ascii_digit());
    own.then(|| name.parse().ok())
        .flatten()
        .filter(|number| *number > 0)
}
