//! Keeps embedded counters in a directory: one file at a time, begun with all counters, then appended to.

use std::{
    ffi::OsString,
    fs::{self, File, TryLockError},
    io::{self, BufWriter, Write},
    path::{Path, PathBuf},
    sync::{
        Arc,
        mpsc::{RecvTimeoutError, SyncSender, sync_channel},
    },
    thread::{self, JoinHandle},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use tollgate_limit::{Embedded, Row, UnixMillis};

use super::journal::{self, Ending};

/// Why a state directory cannot be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StateError {
    /// It cannot be read or written.
    #[error("state directory {path}")]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// Two processes would overwrite each other's counters.
    #[error("state directory {0} is in use by another process")]
    InUse(PathBuf),
}

/// The background thread that writes; stops, and writes what is left, when it is dropped.
#[derive(Debug)]
pub(super) struct Keeper {
    /// Closing it stops the thread.
    stop: Option<SyncSender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread works with.
#[derive(Debug)]
struct Writer {
    dir: PathBuf,
    epoch: u64,
    file: Option<File>,
    /// Bytes that the file began with, and those appended since.
    begun: u64,
    appended: u64,
    /// Held as long as the directory is in use.
    _lock: File,
}

// === impl Keeper ===

impl Keeper {
    /// A killed process loses what it charged since the last write was synced: at most two of these.
    const EVERY: Duration = Duration::from_millis(400);

    /// Reads the directory (made if need be) and keeps it up to date from now on.
    pub(super) fn open(
        dir: &Path,
        room: usize,
        now: UnixMillis,
    ) -> Result<(Arc<Embedded>, Self), StateError> {
        let failed = |source| StateError::Io { path: dir.to_owned(), source };
        fs::create_dir_all(dir).map_err(failed)?;
        let lock = File::create(dir.join("lock")).map_err(failed)?;
        match lock.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(StateError::InUse(dir.to_owned())),
            Err(TryLockError::Error(source)) => return Err(failed(source)),
        }
        let (epoch, rows) = load(dir).map_err(failed)?;
        let embedded = Arc::new(Embedded::restored(room, rows, now));
        let mut writer =
            Writer { dir: dir.to_owned(), epoch, file: None, begun: 0, appended: 0, _lock: lock };
        writer.begin(&embedded).map_err(failed)?;
        let (stop, stopped) = sync_channel::<()>(1);
        let kept = Arc::clone(&embedded);
        let run = move || {
            loop {
                let waited = stopped.recv_timeout(Self::EVERY);
                writer.tick(&kept);
                if waited != Err(RecvTimeoutError::Timeout) {
                    return;
                }
            }
        };
        let thread = thread::Builder::new().name("limit-state".to_owned()).spawn(run).map_err(failed)?;
        Ok((embedded, Self { stop: Some(stop), thread: Some(thread) }))
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(thread) = self.thread.take() {
            // Its last write; a panic in it was reported where it happened.
            let _ = thread.join();
        }
    }
}

// === impl Writer ===

impl Writer {
    /// A new file is begun when this much was appended, or four times what it began with.
    const APPENDED: u64 = 4 << 20;

    fn tick(&mut self, embedded: &Embedded) {
        let full = self.appended > Self::APPENDED.max(4 * self.begun);
        let done = match self.file {
            Some(_) if !full => self.append(embedded),
            _ => {
                embedded.sweep(wall_clock());
                self.begin(embedded)
            }
        };
        if let Err(error) = done {
            // What was to be appended is part of the file that is begun next time.
            self.file = None;
            tracing::warn!(dir = %self.dir.display(), %error, "limit counters are not being kept");
        }
    }

    fn append(&mut self, embedded: &Embedded) -> io::Result<()> {
        let mut rows = Vec::new();
        embedded.drain_changes(&mut rows);
        let Some(file) = self.file.as_mut().filter(|_| !rows.is_empty()) else { return Ok(()) };
        self.appended += journal::write_rows(file, &rows)?;
        file.sync_data()
    }

    /// Writes all counters to a new file; it takes the old one's place only when it is whole and on disk.
    fn begin(&mut self, embedded: &Embedded) -> io::Result<()> {
        let mut rows = Vec::new();
        // These are among all rows too; what changes from here on is appended.
        embedded.drain_changes(&mut rows);
        rows.clear();
        embedded.rows(&mut rows);
        let epoch = self.epoch + 1;
        let path = self.dir.join(file_name(epoch));
        let draft = path.with_extension("tmp");
        let mut file = BufWriter::new(File::create(&draft)?);
        journal::write_header(&mut file)?;
        let begun = journal::write_rows(&mut file, &rows)?;
        file.flush()?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        file.sync_all()?;
        fs::rename(&draft, &path)?;
        File::open(&self.dir)?.sync_all()?;
        let before = self.dir.join(file_name(self.epoch));
        if before.exists() {
            fs::remove_file(before)?;
        }
        (self.epoch, self.file, self.begun, self.appended) = (epoch, Some(file), begun, 0);
        Ok(())
    }
}

fn file_name(epoch: u64) -> String {
    format!("counters-{epoch:016}.log")
}

fn epoch_of(name: &OsString) -> Option<u64> {
    name.to_str()?.strip_prefix("counters-")?.strip_suffix(".log")?.parse().ok()
}

/// All rows in the directory, oldest file first, and the highest number a file has.
fn load(dir: &Path) -> io::Result<(u64, Vec<Row>)> {
    let mut epochs = Vec::new();
    for entry in fs::read_dir(dir)? {
        epochs.extend(epoch_of(&entry?.file_name()));
    }
    epochs.sort_unstable();
    let mut rows = Vec::new();
    for epoch in &epochs {
        let path = dir.join(file_name(*epoch));
        match journal::read(&fs::read(&path)?, &mut rows) {
            Ending::Whole => {}
            Ending::Torn => tracing::info!(file = %path.display(), "limit counters end in a torn write"),
            Ending::Corrupt(offset) => {
                let aside = path.with_extension("corrupt");
                tracing::warn!(
                    file = %path.display(), offset, aside = %aside.display(),
                    "limit counters are corrupt; what came before is kept, the file is set aside"
                );
                fs::rename(&path, aside)?;
                continue;
            }
        }
        if Some(epoch) != epochs.last() {
            // Left behind by a process that was killed between beginning a file and removing this one.
            fs::remove_file(&path)?;
        }
    }
    Ok((epochs.last().copied().unwrap_or(0), rows))
}

fn wall_clock() -> UnixMillis {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    UnixMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests;
