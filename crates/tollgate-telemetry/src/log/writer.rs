use std::{
    fmt,
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed, Ordering::SeqCst},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use crate::lock::Slot;

/// Once this many bytes of lines wait on one core, it drops and counts what comes on top.
const MOST_WAITING: usize = 1 << 20;
/// This many bytes are written at once rather than when their time has come: a core that is busy fills more in that time
/// than its cache holds, and would soon drop lines.
const MUCH: usize = 1 << 17;
/// How long lines are gathered before they are written together.
const GATHER: Duration = Duration::from_millis(20);
/// How long the thread sleeps at most; a request that finds it asleep wakes it.
const SLEEP: Duration = Duration::from_secs(1);

/// The thread that writes what the cores have formatted.
pub(crate) struct Writer {
    shared: Arc<Shared>,
    thread: Slot<Option<JoinHandle<()>>>,
    handle: thread::Thread,
}

/// One core's lines on their way to the writer.
#[derive(Debug)]
pub(crate) struct Buffer {
    lines: Arc<Slot<Vec<u8>>>,
    shared: Arc<Shared>,
    handle: thread::Thread,
}

#[derive(Debug, Default)]
struct Shared {
    buffers: Slot<Vec<Arc<Slot<Vec<u8>>>>>,
    asleep: AtomicBool,
    /// Some core has so much that it is not to wait until its time has come.
    hurry: AtomicBool,
    closing: AtomicBool,
    dropped: AtomicU64,
    failed: AtomicU64,
    rounds: AtomicU64,
}

// === impl Writer ===

impl Writer {
    /// Starts the thread.
    pub(crate) fn start(to: Box<dyn Write + Send>) -> io::Result<Self> {
        Self::gathering(to, GATHER)
    }

    fn gathering(to: Box<dyn Write + Send>, time: Duration) -> io::Result<Self> {
        let shared = Arc::new(Shared::default());
        let theirs = Arc::clone(&shared);
        let thread = thread::Builder::new().name("access-log".into()).spawn(move || theirs.run(to, time))?;
        let handle = thread.thread().clone();
        Ok(Self { shared, thread: Slot::new(Some(thread)), handle })
    }

    /// A buffer for one more core.
    pub(crate) fn buffer(&self) -> Buffer {
        let lines = Arc::new(Slot::default());
        self.shared.buffers.with(|buffers| buffers.push(Arc::clone(&lines)));
        Buffer { lines, shared: Arc::clone(&self.shared), handle: self.handle.clone() }
    }

    /// Lines that found their buffer full.
    pub(crate) fn dropped(&self) -> u64 {
        self.shared.dropped.load(Relaxed)
    }

    /// Writes that failed.
    pub(crate) fn failed(&self) -> u64 {
        self.shared.failed.load(Relaxed)
    }

    /// Lets the thread end once it has written what is there; nobody waits for it.
    pub(crate) fn close(&self) {
        self.shared.closing.store(true, SeqCst);
        self.handle.unpark();
        self.thread.with(Option::take);
    }

    /// Waits until everything that was handed over is written, at most this long.
    pub(crate) fn flush(&self, patience: Duration) {
        let deadline = Instant::now() + patience;
        // The round under way may have passed a buffer already; the one after it has not.
        let goal = self.shared.rounds.load(SeqCst) + 2;
        while self.shared.rounds.load(SeqCst) < goal && Instant::now() < deadline {
            self.handle.unpark();
            thread::park_timeout(Duration::from_millis(1));
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.shared.closing.store(true, SeqCst);
        self.handle.unpark();
        let thread = self.thread.with(Option::take);
        // The thread ends after one more round; a writer that panicked has nothing left to say.
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.shared.fmt(f)
    }
}

// === impl Shared ===

impl Shared {
    fn run(&self, mut to: Box<dyn Write + Send>, gather: Duration) {
        let mut batch = Vec::new();
        loop {
            let closing = self.closing.load(SeqCst);
            let wrote = self.round(&mut batch, &mut to);
            self.rounds.fetch_add(1, SeqCst);
            if closing {
                return;
            }
            if wrote {
                self.gather(gather);
                continue;
            }
            self.asleep.store(true, SeqCst);
            thread::park_timeout(SLEEP);
            self.asleep.store(false, SeqCst);
            if !self.closing.load(SeqCst) {
                self.gather(gather);
            }
        }
    }

    fn gather(&self, time: Duration) {
        // Whoever is in a hurry may have woken the thread before it got here.
        if !self.hurry.swap(false, SeqCst) {
            thread::park_timeout(time);
            self.hurry.store(false, SeqCst);
        }
    }

    /// True where there was something to write.
    fn round(&self, batch: &mut Vec<u8>, to: &mut Box<dyn Write + Send>) -> bool {
        let buffers = self.buffers.with(|buffers| {
            // A core that has ended has left its last lines here.
            buffers.retain(|lines| Arc::strong_count(lines) > 1 || lines.with(|lines| !lines.is_empty()));
            buffers.clone()
        });
        let mut wrote = false;
        for lines in buffers {
            batch.clear();
            lines.with(|lines| std::mem::swap(lines, batch));
            if !batch.is_empty() {
                wrote = true;
                if to.write_all(batch).and_then(|()| to.flush()).is_err() {
                    self.failed.fetch_add(1, Relaxed);
                }
            }
        }
        wrote
    }
}

// === impl Buffer ===

impl Buffer {
    /// True where nobody writes its lines any more.
    pub(crate) fn is_closed(&self) -> bool {
        self.shared.closing.load(Relaxed)
    }

    /// Hands one line over; never waits. `write` appends it to what it gets.
    pub(crate) fn line(&mut self, write: impl FnOnce(&mut Vec<u8>)) {
        let (before, after) = self.lines.with(|lines| {
            let before = lines.len();
            if before < MOST_WAITING {
                write(lines);
            }
            (before, lines.len())
        });
        let shared = &self.shared;
        if before >= MOST_WAITING {
            shared.dropped.fetch_add(1, Relaxed);
        }
        let is_much = before < MUCH && after >= MUCH;
        if is_much {
            shared.hurry.store(true, SeqCst);
        }
        // Read first: only the first line after a pause pays for waking the thread.
        if is_much || (shared.asleep.load(Relaxed) && shared.asleep.swap(false, SeqCst)) {
            self.handle.unpark();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    /// Takes writes one by one, each only when the test lets it.
    struct Stuck(mpsc::Receiver<()>, Arc<Slot<Vec<u8>>>);

    impl Write for Stuck {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _ = self.0.recv();
            self.1.with(|out| out.extend_from_slice(bytes));
            Ok(bytes.len())
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn lines_that_do_not_fit_are_dropped_and_counted_and_nobody_waits() {
        let (go, gate) = mpsc::channel();
        let out = Arc::new(Slot::default());
        let writer = Writer::start(Box::new(Stuck(gate, Arc::clone(&out)))).unwrap();
        let mut buffer = writer.buffer();
        let line = vec![b'x'; MOST_WAITING / 4];
        // The writer may take one buffer's worth while it is stuck, so more than two are needed.
        for _ in 0..16 {
            buffer.line(|out| out.extend_from_slice(&line));
        }
        let dropped = writer.dropped();
        assert!((8..=12).contains(&dropped), "{dropped}");
        drop(go);
        writer.flush(Duration::from_secs(5));
        let written = out.with(|out| out.len() / line.len()) as u64;
        assert_eq!(written + dropped, 16);
    }

    #[test]
    fn many_bytes_are_written_before_their_time() {
        let (go, gate) = mpsc::channel();
        drop(go);
        let out = Arc::new(Slot::default());
        let hour = Duration::from_secs(3600);
        let writer = Writer::gathering(Box::new(Stuck(gate, Arc::clone(&out))), hour).unwrap();
        let mut buffer = writer.buffer();
        // Behind the first ones the thread gathers.
        for written in [MUCH, 2 * MUCH, 3 * MUCH] {
            buffer.line(|out| out.resize(MUCH, b'x'));
            while out.with(|out| out.len()) < written {
                thread::yield_now();
            }
        }
    }

    #[test]
    fn a_core_that_ends_leaves_its_last_lines() {
        let (go, gate) = mpsc::channel();
        drop(go);
        let out = Arc::new(Slot::default());
        let writer = Writer::start(Box::new(Stuck(gate, Arc::clone(&out)))).unwrap();
        writer.buffer().line(|out| out.extend_from_slice(b"last\n"));
        drop(writer);
        assert_eq!(out.with(|out| out.clone()), b"last\n");
    }
}
