use std::{
    sync::{
        Arc, Weak,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use tollgate_core::Live;
use tollgate_snapshot::AccessLogSettings;

use super::{
    file,
    writer::{Buffer, Writer},
};
use crate::lock::Slot;

/// The files that logs of listeners are written to: each has a thread, and is open as long as some snapshot that
/// still serves requests writes to it.
#[derive(Debug, Default)]
pub(crate) struct Sinks {
    open: Slot<Vec<Sink>>,
    /// Counts of those that were closed.
    dropped: AtomicU64,
    failed: AtomicU64,
}

#[derive(Debug)]
struct Sink {
    path: Arc<str>,
    writer: Arc<Writer>,
    users: Vec<Weak<AccessLogSettings>>,
}

/// One core's lines on their way to the files.
#[derive(Debug, Default)]
pub(crate) struct SinkBuffers(Vec<(Arc<str>, Buffer)>);

// === impl Sinks ===

impl Sinks {
    /// Opens what a snapshot that is about to serve writes to, and closes what nobody writes to any more.
    pub(crate) fn publish(&self, live: &Live) {
        let listeners = live.snapshot.ports.iter().flat_map(|port| &port.listeners);
        let settings = listeners.filter_map(|listener| listener.access_log.as_ref());
        self.open.with(|open| {
            for settings in settings {
                let files = settings.logs().iter().flat_map(|log| &log.files);
                files.for_each(|path| Sink::used(open, path, settings));
            }
        });
        self.tidy();
    }

    /// Closes what nobody writes to any more.
    pub(crate) fn tidy(&self) {
        self.open.with(|open| {
            open.retain_mut(|sink| {
                sink.users.retain(|user| user.strong_count() > 0);
                if sink.users.is_empty() {
                    sink.writer.close();
                    self.dropped.fetch_add(sink.writer.dropped(), Relaxed);
                    self.failed.fetch_add(sink.writer.failed(), Relaxed);
                }
                !sink.users.is_empty()
            });
        });
    }

    /// True where none was ever opened.
    pub(crate) fn unused(&self) -> bool {
        self.open.with(|open| open.is_empty()) && self.dropped() == 0 && self.failed() == 0
    }

    /// Lines that found their buffer full.
    pub(crate) fn dropped(&self) -> u64 {
        let open = self.open.with(|open| open.iter().map(|sink| sink.writer.dropped()).sum::<u64>());
        open + self.dropped.load(Relaxed)
    }

    /// Writes that failed.
    pub(crate) fn failed(&self) -> u64 {
        let open = self.open.with(|open| open.iter().map(|sink| sink.writer.failed()).sum::<u64>());
        open + self.failed.load(Relaxed)
    }

    /// Waits until everything that was handed over is written, at most this long for each file.
    pub(crate) fn flush(&self, patience: Duration) {
        let writers: Vec<_> =
            self.open.with(|open| open.iter().map(|sink| Arc::clone(&sink.writer)).collect());
        writers.iter().for_each(|writer| writer.flush(patience));
    }

    fn buffer(&self, path: &str) -> Option<Buffer> {
        self.open.with(|open| open.iter().find(|sink| *sink.path == *path).map(|sink| sink.writer.buffer()))
    }
}

// === impl Sink ===

impl Sink {
    fn used(open: &mut Vec<Self>, path: &Arc<str>, by: &Arc<AccessLogSettings>) {
        if !open.iter().any(|sink| sink.path == *path) {
            match Writer::start(file::open(path)) {
                Ok(writer) => {
                    let writer = Arc::new(writer);
                    open.push(Self { path: Arc::clone(path), writer, users: Vec::new() });
                }
                Err(error) => tracing::error!(%path, "no thread to write the access log: {error}"),
            }
        }
        let Some(sink) = open.iter_mut().find(|sink| sink.path == *path) else { return };
        if !sink.users.iter().any(|user| std::ptr::eq(user.as_ptr(), Arc::as_ptr(by))) {
            sink.users.push(Arc::downgrade(by));
        }
    }
}

// === impl SinkBuffers ===

impl SinkBuffers {
    /// Where this core's lines for a file go.
    pub(crate) fn of(&mut self, path: &Arc<str>, sinks: &Sinks) -> Option<&mut Buffer> {
        let open = |(known, buffer): &(Arc<str>, Buffer)| known == path && !buffer.is_closed();
        let position = match self.0.iter().position(open) {
            Some(position) => position,
            None => {
                self.0.push((Arc::clone(path), sinks.buffer(path)?));
                self.0.len() - 1
            }
        };
        self.0.get_mut(position).map(|(_, buffer)| buffer)
    }

    /// Lets go of files that were closed.
    pub(crate) fn tidy(&mut self) {
        self.0.retain(|(_, buffer)| !buffer.is_closed());
    }
}
