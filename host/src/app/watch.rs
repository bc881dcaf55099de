//! Watches the configuration's files and folders and asks for a reload when they have changed.
//!
//! Folders are watched, not files: editors rename a new file over the old, Kubernetes swaps a symbolic link. What else
//! happens in such a folder is no concern of ours. What is watched is told again after each reload, since a new file
//! may name another folder.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{OsStr, OsString};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::thread;
use std::time::{Duration, Instant};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use tracing::{debug, warn};

use super::reload::{ReloadOutcome, Reloader};

/// How long the files must be quiet before they are read.
const QUIET: Duration = Duration::from_millis(50);
/// Changes that never pause are read after this while all the same.
const QUIET_MAX: Duration = Duration::from_millis(500);
/// A rejected reload may have met a file in the middle of being written: it is tried once more after this while.
const SECOND_LOOK: Duration = Duration::from_millis(500);

/// Starts the watch on a thread of its own, which lives as long as the process.
///
/// # Errors
/// Where the system gives no watch.
pub fn start(reloader: Arc<Reloader>) -> notify::Result<()> {
    let (sender, events) = channel();
    let watcher = notify::recommended_watcher(sender)?;
    let mut watch = Watch { watcher, folders: Folders::default(), events };
    watch.follow(Folders::of(&reloader.watched()));
    thread::Builder::new().name("watch".into()).spawn(move || watch.run(&reloader))?;
    Ok(())
}

struct Watch {
    watcher: RecommendedWatcher,
    folders: Folders,
    events: Receiver<notify::Result<Event>>,
}

impl Watch {
    fn run(mut self, reloader: &Reloader) {
        while let Ok(event) = self.events.recv() {
            if !self.folders.concerns(&event) {
                continue;
            }
            self.settle();
            let mut last = reloader.reload();
            if matches!(last.outcome, ReloadOutcome::Rejected(_)) && !self.next_before(Instant::now() + SECOND_LOOK) {
                last = reloader.reload();
            }
            debug!(outcome = ?last.outcome, "files have changed");
            self.follow(Folders::of(&reloader.watched()));
        }
    }

    /// Waits until the files are quiet.
    fn settle(&self) {
        let deadline = Instant::now() + QUIET_MAX;
        while self.next_before(deadline.min(Instant::now() + QUIET)) {}
    }

    /// Waits for a change that concerns us; whether there was one before `deadline`.
    fn next_before(&self, deadline: Instant) -> bool {
        loop {
            match self.events.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(event) if self.folders.concerns(&event) => return true,
                Ok(_) if Instant::now() < deadline => {}
                Ok(_) | Err(_) => return false,
            }
        }
    }

    /// Watches `wanted` instead of what is watched now.
    fn follow(&mut self, mut wanted: Folders) {
        for (gone, _) in self.folders.0.iter().filter(|(path, folder)| !wanted.has(path, folder)) {
            let _already_gone = self.watcher.unwatch(gone);
        }
        wanted.0.retain(|path, folder| {
            if self.folders.has(path, folder) {
                return true;
            }
            let watched = self.watcher.watch(path, RecursiveMode::NonRecursive);
            if let Err(error) = &watched {
                warn!(folder = %path.display(), %error, "a folder cannot be watched, use SIGHUP to reload");
            }
            watched.is_ok()
        });
        self.folders = wanted;
    }
}

/// A folder and what of it is ours.
#[derive(Debug)]
struct Folder {
    /// The folder that the path led to: another one may stand there later, and the system watches folders, not paths.
    inode: Option<u64>,
    kinds: Kinds,
    /// Entries that count whatever kind they are.
    names: BTreeSet<OsString>,
}

/// Which kinds of entries of a folder count.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kinds {
    None,
    /// Rules and plugins, and what Kubernetes swaps (`..data`). Not, for one, a log.
    Files,
    Every,
}

impl Folder {
    fn at(path: &Path) -> Self {
        let inode = path.metadata().ok().map(|metadata| metadata.ino());
        Self { inode, kinds: Kinds::None, names: BTreeSet::new() }
    }

    fn counts(&self, name: &OsStr) -> bool {
        match self.kinds {
            Kinds::Every => true,
            Kinds::Files if is_file_of_ours(name) => true,
            Kinds::Files | Kinds::None => self.names.contains(name),
        }
    }
}

fn is_file_of_ours(name: &OsStr) -> bool {
    let extension = Path::new(name).extension().and_then(OsStr::to_str);
    name.as_encoded_bytes().starts_with(b"..") || matches!(extension, Some("toml" | "wasm"))
}

/// The folders to watch.
#[derive(Debug, Default)]
struct Folders(BTreeMap<PathBuf, Folder>);

impl Folders {
    /// The folders among `paths`, and those that hold the rest. Where a file is a symbolic link, what it leads through
    /// may change under any name, so everything in its folder counts.
    fn of(paths: &[PathBuf]) -> Self {
        let mut folders = Self::default();
        for path in paths {
            let (is_folder, is_link) = (path.is_dir(), path.is_symlink());
            if is_folder {
                let folder = folders.at(path);
                folder.kinds = folder.kinds.max(Kinds::Files);
            }
            match (is_folder, is_link) {
                (true, false) => {}
                (false, true) => folders.add_entry(path, Kinds::Every),
                (_, _) => folders.add_entry(path, Kinds::None),
            }
        }
        folders
    }

    fn add_entry(&mut self, path: &Path, kinds: Kinds) {
        let Some(name) = path.file_name() else { return };
        let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let folder = self.at(parent);
        folder.kinds = folder.kinds.max(kinds);
        folder.names.insert(name.to_owned());
    }

    fn at(&mut self, path: &Path) -> &mut Folder {
        self.0.entry(path.to_owned()).or_insert_with(|| Folder::at(path))
    }

    fn has(&self, path: &Path, folder: &Folder) -> bool {
        self.0.get(path).is_some_and(|known| known.inode == folder.inode)
    }

    fn concerns(&self, event: &notify::Result<Event>) -> bool {
        match event {
            Ok(event) if matches!(event.kind, EventKind::Access(_)) => false,
            // Without a path: events were lost.
            Ok(event) => event.paths.is_empty() || event.paths.iter().any(|path| self.holds(path)),
            Err(error) => {
                warn!(%error, "watching the configuration's files went wrong, reloading to be safe");
                true
            }
        }
    }

    fn holds(&self, path: &Path) -> bool {
        let folder = path.parent().and_then(|parent| self.0.get(parent));
        let counts = |folder: &Folder| path.file_name().is_some_and(|name| folder.counts(name));
        self.0.contains_key(path) || folder.is_some_and(counts)
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use notify::event::{AccessKind, CreateKind};

    use super::*;

    fn concerns(folders: &Folders, kind: EventKind, path: &Path) -> bool {
        folders.concerns(&Ok(Event::new(kind).add_path(path.to_owned())))
    }

    fn created(folders: &Folders, path: &Path) -> bool {
        concerns(folders, EventKind::Create(CreateKind::File), path)
    }

    #[test]
    fn a_neighbour_of_a_file_is_no_concern_nor_is_what_is_no_rule_or_plugin_in_a_folder() {
        let dir = tempfile::tempdir().unwrap();
        let (file, rules) = (dir.path().join("tidegate.toml"), dir.path().join("rules.d"));
        fs::create_dir(&rules).unwrap();
        let folders = Folders::of(&[file.clone(), rules.clone()]);
        assert!(created(&folders, &file));
        assert!(created(&folders, &rules.join("new.toml")));
        assert!(created(&folders, &rules.join("..data")));
        assert!(!created(&folders, &rules.join("tidegate.log")));
        assert!(!created(&folders, &dir.path().join("other.toml")));
        assert!(!concerns(&folders, EventKind::Access(AccessKind::Read), &file));
    }

    #[test]
    fn all_that_happens_beside_a_link_to_a_file_is_a_concern() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("tidegate.toml");
        symlink("..data/tidegate.toml", &file).unwrap();
        let folders = Folders::of(&[file]);
        assert!(created(&folders, &dir.path().join("..data")));
    }

    #[test]
    fn the_swap_of_a_link_to_a_folder_is_a_concern() {
        let dir = tempfile::tempdir().unwrap();
        let rules = dir.path().join("rules.d");
        fs::create_dir(dir.path().join("one")).unwrap();
        symlink("one", &rules).unwrap();
        let folders = Folders::of(std::slice::from_ref(&rules));
        assert!(created(&folders, &rules));
        assert!(created(&folders, &rules.join("a.toml")));
        assert!(!created(&folders, &dir.path().join("two")));
    }

    #[test]
    fn lost_events_are_a_concern() {
        assert!(Folders::default().concerns(&Ok(Event::new(EventKind::Other))));
    }
}
