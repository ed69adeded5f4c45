use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, Weak};

use super::Choices;
use crate::disk::{Disk, Entry, File, Lock, LockError, Mode, copy_at};
use crate::locks::lock;

/// A disk that can lose power. What was written is seen at once; it is durable when file and folder have been synced.
/// [`SimDisk::crash`] makes one of the disks that may be found after a power cut.
#[derive(Debug)]
pub struct SimDisk {
    state: Arc<Mutex<State>>,
}

/// The root folder.
const ROOT: usize = 0;

#[derive(Clone, Debug)]
struct State {
    nodes: Vec<Node>,
    /// Changes of names that no sync of a folder has made durable yet, in order.
    changes: Vec<NameChange>,
    boot: [u8; 16],
    faults: Faults,
    locks: BTreeMap<String, (String, Weak<()>)>,
}

#[derive(Clone, Debug)]
enum Node {
    Folder(Folder),
    Content(Content),
}

#[derive(Clone, Debug, Default)]
struct Folder {
    live: BTreeMap<String, usize>,
    durable: BTreeMap<String, usize>,
}

#[derive(Clone, Debug, Default)]
struct Content {
    live: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

/// What was done to a file since its last sync.
#[derive(Clone, Debug)]
enum Change {
    Write { at: usize, bytes: Vec<u8> },
    Size(usize),
}

/// Names that change together: all of them or none.
#[derive(Clone, Debug)]
struct NameChange {
    edits: Vec<Edit>,
}

#[derive(Clone, Debug)]
struct Edit {
    folder: usize,
    name: String,
    node: Option<usize>,
}

/// What is to go wrong; each counts down to 0.
#[derive(Clone, Debug, Default)]
struct Faults {
    sync: Option<u64>,
    write: Option<(u64, io::ErrorKind)>,
    /// The write before this was cut short, so this one fails.
    failing: Option<io::ErrorKind>,
    /// Most bytes that one call writes.
    most: Option<usize>,
    power: Option<u64>,
}

/// Disks write whole sectors, file systems whole pages.
const BORDERS: [usize; 2] = [512, 4096];

impl Default for SimDisk {
    fn default() -> Self {
        Self::new()
    }
}

impl SimDisk {
    /// An empty folder.
    #[must_use]
    pub fn new() -> Self {
        Self::of(State {
            nodes: vec![Node::Folder(Folder::default())],
            changes: Vec::new(),
            boot: [1; 16],
            faults: Faults::default(),
            locks: BTreeMap::new(),
        })
    }

    fn of(state: State) -> Self {
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// One of the disks that a power cut may leave at this moment; this one goes on. Each write since the last sync of its
    /// file is lost, whole, or torn at a border of 512 or 4,096 bytes; the file may have grown without its data; of the
    /// names that changed since the last sync of their folder any may have.
    #[must_use]
    pub fn crash(&self, choices: &mut Choices) -> Self {
        let mut state = self.state().clone();
        for change in std::mem::take(&mut state.changes) {
            if choices.coin() {
                state.make_durable(&change);
            }
        }
        for node in &mut state.nodes {
            match node {
                Node::Folder(folder) => folder.live = folder.durable.clone(),
                Node::Content(content) => content.lose_power(choices),
            }
        }
        state.faults = Faults::default();
        state.locks.clear();
        let [first, ..] = &mut state.boot;
        *first = first.wrapping_add(1);
        Self::of(state)
    }

    /// The `nth` sync of a file from now on (0: the next) fails with EIO. Its pages count as clean afterwards, though they
    /// are not durable: later syncs succeed without them, as on Linux.
    pub fn fail_sync(&self, nth: u64) {
        self.state().faults.sync = Some(nth);
    }

    /// The `nth` write from now on (0: the next) writes half of its bytes, and the one behind it fails with `kind`.
    pub fn fail_write(&self, nth: u64, kind: io::ErrorKind) {
        self.state().faults.write = Some((nth, kind));
    }

    /// No call writes more than `bytes`, which are at least 1.
    pub fn write_at_most(&self, bytes: usize) {
        self.state().faults.most = Some(bytes.max(1));
    }

    /// After so many more changes of any kind nothing works any more, until [`SimDisk::crash`].
    pub fn lose_power_after(&self, changes: u64) {
        self.state().faults.power = Some(changes);
    }
}

impl State {
    /// Counts one change, and whether there is power for it.
    fn step(&mut self) -> io::Result<()> {
        match &mut self.faults.power {
            Some(0) => Err(io::Error::other("the power is gone")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
            None => Ok(()),
        }
    }

    fn folder(&self, node: usize) -> io::Result<&Folder> {
        match self.nodes.get(node) {
            Some(Node::Folder(folder)) => Ok(folder),
            _ => Err(io::ErrorKind::NotADirectory.into()),
        }
    }

    fn content(&mut self, node: usize) -> io::Result<&mut Content> {
        match self.nodes.get_mut(node) {
            Some(Node::Content(content)) => Ok(content),
            _ => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    fn find(&self, name: &str) -> io::Result<usize> {
        let mut node = ROOT;
        for part in name.split('/').filter(|part| !part.is_empty()) {
            let next = self.folder(node)?.live.get(part);
            node = *next.ok_or(io::ErrorKind::NotFound)?;
        }
        Ok(node)
    }

    /// The folder that a name stands in, and the last part.
    fn place(&self, name: &str) -> io::Result<(usize, String)> {
        let (above, last) = name.rsplit_once('/').unwrap_or(("", name));
        let folder = self.find(above)?;
        self.folder(folder)?;
        Ok((folder, last.to_owned()))
    }

    fn add(&mut self, name: &str, node: Node) -> io::Result<usize> {
        let (folder, last) = self.place(name)?;
        if self.folder(folder)?.live.contains_key(&last) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        self.step()?;
        let number = self.nodes.len();
        self.nodes.push(node);
        self.change(vec![Edit {
            folder,
            name: last,
            node: Some(number),
        }]);
        Ok(number)
    }

    fn change(&mut self, edits: Vec<Edit>) {
        for edit in &edits {
            if let Some(Node::Folder(folder)) = self.nodes.get_mut(edit.folder) {
                edit.apply(&mut folder.live);
            }
        }
        self.changes.push(NameChange { edits });
    }

    fn make_durable(&mut self, change: &NameChange) {
        for edit in &change.edits {
            if let Some(Node::Folder(folder)) = self.nodes.get_mut(edit.folder) {
                edit.apply(&mut folder.durable);
            }
        }
    }

    fn remove(&mut self, name: &str, is_folder: bool) -> io::Result<()> {
        let (folder, last) = self.place(name)?;
        match self.nodes.get(self.find(name)?) {
            Some(Node::Folder(inside)) if is_folder && !inside.live.is_empty() => {
                return Err(io::ErrorKind::DirectoryNotEmpty.into());
            }
            Some(Node::Folder(_)) if !is_folder => return Err(io::ErrorKind::IsADirectory.into()),
            Some(Node::Content(_)) if is_folder => return Err(io::ErrorKind::NotADirectory.into()),
            _ => {}
        }
        self.step()?;
        self.change(vec![Edit {
            folder,
            name: last,
            node: None,
        }]);
        Ok(())
    }
}

impl Edit {
    fn apply(&self, names: &mut BTreeMap<String, usize>) {
        match self.node {
            Some(node) => names.insert(self.name.clone(), node),
            None => names.remove(&self.name),
        };
    }
}

impl Content {
    fn lose_power(&mut self, choices: &mut Choices) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Size(size) if choices.coin() => self.durable.resize(size, 0),
                Change::Size(_) => {}
                Change::Write { at, bytes } => {
                    let end = at + bytes.len();
                    let (from, to) = survivor(choices, at, end);
                    if from < to {
                        let many = from - at..to - at;
                        overwrite(&mut self.durable, from, bytes.get(many).unwrap_or_default());
                    }
                    if self.durable.len() < end && choices.coin() {
                        self.durable.resize(end, 0);
                    }
                }
            }
        }
        self.live = self.durable.clone();
    }

    fn sync(&mut self) {
        for change in std::mem::take(&mut self.pending) {
            match change {
                Change::Size(size) => self.durable.resize(size, 0),
                Change::Write { at, bytes } => overwrite(&mut self.durable, at, &bytes),
            }
        }
    }
}

/// Which part of a write reached the disk: none, all, what lies before a border, or what lies behind one.
fn survivor(choices: &mut Choices, at: usize, end: usize) -> (usize, usize) {
    let border = |choices: &mut Choices| {
        let step = if choices.coin() {
            BORDERS[1]
        } else {
            BORDERS[0]
        };
        let first = at / step + 1;
        let behind = end.div_ceil(step);
        let between = u64::try_from(behind.saturating_sub(first)).unwrap_or(0);
        let border = first + usize::try_from(choices.pick(between.max(1))).unwrap_or(0);
        (border * step).clamp(at, end)
    };
    match choices.pick(4) {
        0 => (at, at),
        1 => (at, end),
        2 => (at, border(choices)),
        _ => (border(choices), end),
    }
}

fn overwrite(bytes: &mut Vec<u8>, at: usize, new: &[u8]) {
    let end = at + new.len();
    if bytes.len() < end {
        bytes.resize(end, 0);
    }
    if let Some(place) = bytes.get_mut(at..end) {
        place.copy_from_slice(new);
    }
}

impl Disk for SimDisk {
    fn open(&self, name: &str, mode: Mode) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        let node = if mode == Mode::CreateNew {
            state.add(name, Node::Content(Content::default()))?
        } else {
            state.find(name)?
        };
        state.content(node)?;
        Ok(Arc::new(SimFile {
            state: Arc::clone(&self.state),
            node,
        }))
    }

    fn list(&self, folder: &str) -> io::Result<Vec<Entry>> {
        let state = self.state();
        let folder = state.folder(state.find(folder)?)?;
        let entry = |(name, node): (&String, &usize)| Entry {
            name: name.clone(),
            is_folder: matches!(state.nodes.get(*node), Some(Node::Folder(_))),
        };
        Ok(folder.live.iter().map(entry).collect())
    }

    fn create_folder(&self, name: &str) -> io::Result<()> {
        let folder = Node::Folder(Folder::default());
        self.state().add(name, folder).map(drop)
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut state = self.state();
        let node = state.find(from)?;
        let (old, old_name) = state.place(from)?;
        let (new, new_name) = state.place(to)?;
        state.step()?;
        let edit = |folder, name, node| Edit { folder, name, node };
        state.change(vec![
            edit(old, old_name, None),
            edit(new, new_name, Some(node)),
        ]);
        Ok(())
    }

    fn remove_file(&self, name: &str) -> io::Result<()> {
        self.state().remove(name, false)
    }

    fn remove_folder(&self, name: &str) -> io::Result<()> {
        self.state().remove(name, true)
    }

    fn sync_folder(&self, name: &str) -> io::Result<()> {
        let mut state = self.state();
        let folder = state.find(name)?;
        state.folder(folder)?;
        state.step()?;
        let touches = |change: &NameChange| change.edits.iter().any(|edit| edit.folder == folder);
        let changes = std::mem::take(&mut state.changes);
        let (synced, left): (Vec<_>, Vec<_>) = changes.into_iter().partition(touches);
        state.changes = left;
        for change in &synced {
            state.make_durable(change);
        }
        Ok(())
    }

    fn lock(&self, name: &str, owner: &str) -> Result<Box<dyn Lock>, LockError> {
        let mut state = self.state();
        if let Some((owner, held)) = state.locks.get(name)
            && held.strong_count() > 0
        {
            return Err(LockError::Held(owner.clone()));
        }
        let held = Arc::new(());
        let seen = Arc::downgrade(&held);
        state
            .locks
            .insert(name.to_owned(), (owner.to_owned(), seen));
        Ok(Box::new(SimLock { _held: held }))
    }

    fn free_bytes(&self) -> io::Result<u64> {
        Ok(u64::MAX)
    }

    fn boot_id(&self) -> Option<[u8; 16]> {
        Some(self.state().boot)
    }

    fn keeps(&self) -> bool {
        true
    }
}

#[derive(Debug)]
struct SimLock {
    _held: Arc<()>,
}

impl Lock for SimLock {}

/// An open file; it stays readable when its name is gone.
#[derive(Debug)]
struct SimFile {
    state: Arc<Mutex<State>>,
    node: usize,
}

impl File for SimFile {
    fn size(&self) -> io::Result<u64> {
        let mut state = lock(&self.state);
        Ok(state.content(self.node)?.live.len() as u64)
    }

    fn read_at(&self, into: &mut [u8], at: u64) -> io::Result<usize> {
        let mut state = lock(&self.state);
        let live = &state.content(self.node)?.live;
        Ok(copy_at(live, into, at))
    }

    fn read_cached_at(&self, into: &mut [u8], at: u64) -> io::Result<Option<usize>> {
        self.read_at(into, at).map(Some)
    }

    fn write_at(&self, bytes: &[u8], at: u64) -> io::Result<usize> {
        let mut state = lock(&self.state);
        state.step()?;
        let faults = &mut state.faults;
        if let Some(kind) = faults.failing.take() {
            return Err(kind.into());
        }
        let mut bytes = bytes;
        match &mut faults.write {
            Some((0, kind)) => {
                faults.failing = Some(*kind);
                faults.write = None;
                bytes = bytes.get(..bytes.len().div_ceil(2)).unwrap_or(bytes);
            }
            Some((left, _)) => *left -= 1,
            None => {}
        }
        if let Some(most) = faults.most {
            bytes = bytes.get(..most).unwrap_or(bytes);
        }
        let at = usize::try_from(at).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let content = state.content(self.node)?;
        overwrite(&mut content.live, at, bytes);
        let bytes = bytes.to_vec();
        let many = bytes.len();
        content.pending.push(Change::Write { at, bytes });
        Ok(many)
    }

    fn allocate(&self, _: u64, _: u64) -> io::Result<bool> {
        Ok(false)
    }

    fn set_size(&self, size: u64) -> io::Result<()> {
        let size = usize::try_from(size).map_err(|_| io::ErrorKind::FileTooLarge)?;
        let mut state = lock(&self.state);
        state.step()?;
        let content = state.content(self.node)?;
        content.live.resize(size, 0);
        content.pending.push(Change::Size(size));
        Ok(())
    }

    fn sync_data(&self) -> io::Result<()> {
        let mut state = lock(&self.state);
        state.step()?;
        let fails = match &mut state.faults.sync {
            Some(0) => true,
            Some(left) => {
                *left -= 1;
                false
            }
            None => false,
        };
        if fails {
            state.faults.sync = None;
            // Clean, and not durable: no later sync writes these pages.
            state.content(self.node)?.pending.clear();
            return Err(io::Error::other("the disk did not take it"));
        }
        state.content(self.node)?.sync();
        Ok(())
    }
}
