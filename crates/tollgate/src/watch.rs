//! Tells when files may have changed.
use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    time::{Duration, Instant},
};

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher as _, event::ModifyKind};

use crate::files::is_resource_file;

/// Quiet that ends a burst of events: editors and ConfigMap mounts change several files at once.
const QUIET: Duration = Duration::from_millis(100);
/// A burst that does not end is looked at after this long all the same.
const LONGEST_BURST: Duration = Duration::from_millis(500);
/// How often to look without being told, since some file systems tell nothing.
const POLL: Duration = Duration::from_secs(5);
/// The same where nobody can tell us.
const POLL_BLIND: Duration = Duration::from_millis(500);

/// Watches paths until it is dropped.
#[derive(Debug)]
pub(crate) struct Watch {
    changes: Receiver<()>,
    _watcher: Option<RecommendedWatcher>,
    poll: Duration,
}

// === impl Watch ===

impl Watch {
    /// Watches folders with all that is in them; of files the folder they lie in, because a file that is replaced
    /// is another file. The sender ends the wait at once, too.
    pub(crate) fn new(paths: &[PathBuf]) -> (Self, SyncSender<()>) {
        let (tell, changes) = sync_channel(1);
        let watcher = Self::watcher(paths, tell.clone());
        if let Err(error) = &watcher {
            tracing::warn!(%error, "files cannot be watched; looking at them twice a second");
        }
        let poll = if watcher.is_ok() { POLL } else { POLL_BLIND };
        (Self { changes, _watcher: watcher.ok(), poll }, tell)
    }

    fn watcher(paths: &[PathBuf], tell: SyncSender<()>) -> notify::Result<RecommendedWatcher> {
        let named = paths.iter().filter_map(|path| Some(path.file_name()?.to_owned())).collect::<Vec<_>>();
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<Event>| {
            if event.as_ref().map_or(true, |event| matters(event, &named)) {
                // A full queue already says all there is to say.
                let (Ok(()) | Err(TrySendError::Full(()) | TrySendError::Disconnected(()))) =
                    tell.try_send(());
            }
        })?;
        for path in paths {
            if path.is_dir() {
                watcher.watch(path, RecursiveMode::Recursive)?;
            } else if let Some(folder) = path.parent() {
                let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
                watcher.watch(folder, RecursiveMode::NonRecursive)?;
            }
        }
        Ok(watcher)
    }

    /// Waits until something may have changed, and the burst of changes is over.
    pub(crate) fn wait(&self) {
        if self.changes.recv_timeout(self.poll).is_err() {
            return;
        }
        let began = Instant::now();
        while began.elapsed() < LONGEST_BURST {
            match self.changes.recv_timeout(QUIET) {
                Ok(()) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return,
            }
        }
    }
}

/// False where nothing that is read can have changed. What is written into other files is told apart because a log
/// that grows beside the resources would have them read twice a second for ever. `named` are files that the user gave
/// by name, whatever it ends with.
fn matters(event: &Event, named: &[OsString]) -> bool {
    match event.kind {
        EventKind::Access(_) => false,
        EventKind::Modify(ModifyKind::Data(_) | ModifyKind::Metadata(_)) => {
            let is_read = |path: &PathBuf| {
                is_resource_file(path)
                    || path.file_name().is_some_and(|name| named.iter().any(|one| one == name))
            };
            event.paths.is_empty() || event.paths.iter().any(is_read)
        }
        // What comes, goes or is renamed may be a folder, or a link that a ConfigMap mount swaps.
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use notify::event::{AccessKind, CreateKind, DataChange};

    use super::*;

    #[test]
    fn a_log_that_grows_beside_the_resources_is_no_change() {
        let event = |kind, path: &str| Event::new(kind).add_path(path.into());
        let written = EventKind::Modify(ModifyKind::Data(DataChange::Any));
        for (event, expected) in [
            (event(written, "dir/gateway.yaml"), true),
            (event(written, "dir/gateway"), true),
            (event(written, "dir/access.log"), false),
            (Event::new(written), true),
            (event(EventKind::Access(AccessKind::Any), "dir/gateway.yaml"), false),
            (event(EventKind::Create(CreateKind::Any), "dir/..data"), true),
        ] {
            assert_eq!(matters(&event, &["gateway".into()]), expected, "{event:?}");
        }
    }
}
