//! Watches the configuration's files and folders and asks for a reload when they have changed.
//!
//! Folders are watched, not files: editors rename a new file over the old, Kubernetes swaps a symbolic link. What is
//! watched is told again after each reload, since a new file may name another folder.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
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
    let mut watcher = notify::recommended_watcher(sender)?;
    let mut watched = BTreeSet::new();
    follow(&mut watcher, &mut watched, &reloader.watched());
    thread::Builder::new().name("watch".into()).spawn(move || watch(&reloader, watcher, watched, &events))?;
    Ok(())
}

fn watch(
    reloader: &Reloader,
    mut watcher: RecommendedWatcher,
    mut watched: BTreeSet<PathBuf>,
    events: &Receiver<notify::Result<Event>>,
) {
    while let Ok(event) = events.recv() {
        if !matters(&event) {
            continue;
        }
        settle(events);
        let mut last = reloader.reload();
        if matches!(last.outcome, ReloadOutcome::Rejected(_)) && events.recv_timeout(SECOND_LOOK).is_err() {
            last = reloader.reload();
        }
        debug!(outcome = ?last.outcome, "files have changed");
        follow(&mut watcher, &mut watched, &reloader.watched());
    }
}

/// Waits until the files are quiet.
fn settle(events: &Receiver<notify::Result<Event>>) {
    let deadline = Instant::now() + QUIET_MAX;
    while Instant::now() < deadline {
        match events.recv_timeout(QUIET) {
            Ok(_) => {}
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
        }
    }
}

fn matters(event: &notify::Result<Event>) -> bool {
    match event {
        Ok(event) => !matches!(event.kind, EventKind::Access(_)),
        Err(error) => {
            warn!(%error, "watching the configuration's files went wrong, reloading to be safe");
            true
        }
    }
}

/// Watches the folders of `paths`, and the paths that are folders.
fn follow(watcher: &mut RecommendedWatcher, watched: &mut BTreeSet<PathBuf>, paths: &[PathBuf]) {
    let folder = |path: &PathBuf| match path.is_dir() {
        true => path.clone(),
        false => match path.parent() {
            Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
            Some(_) | None => Path::new(".").to_owned(),
        },
    };
    let wanted: BTreeSet<PathBuf> = paths.iter().map(folder).collect();
    for gone in watched.difference(&wanted) {
        let _already_gone = watcher.unwatch(gone);
    }
    let mut standing: BTreeSet<PathBuf> = watched.intersection(&wanted).cloned().collect();
    for new in wanted.difference(watched) {
        match watcher.watch(new, RecursiveMode::NonRecursive) {
            Ok(()) => {
                standing.insert(new.clone());
            }
            Err(error) => warn!(folder = %new.display(), %error, "a folder cannot be watched, use SIGHUP to reload"),
        }
    }
    *watched = standing;
}
