//! Tells when files may have changed.
use std::{
    path::{Path, PathBuf},
    sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, TrySendError, sync_channel},
    time::{Duration, Instant},
};

use notify::{RecommendedWatcher, RecursiveMode, Watcher as _};

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
        let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            let read_only = event.is_ok_and(|event| event.kind.is_access());
            if !read_only {
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
