use std::{
    io::{self, Write},
    sync::{
        Arc,
        atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed},
        mpsc::{Receiver, SyncSender, TryRecvError, sync_channel},
    },
    thread,
    time::{Duration, Instant},
};

use bytes::Bytes;
use prost::Message;
use tokio::runtime::Runtime;
use tollgate_net::Origin;

use super::{
    CollectorSettings, TraceSettings,
    collector::{Collector, Failed},
    signal::{Signal, Spans},
};

/// How often the thread looks for items: a sleeping reader costs its writers nothing.
const LOOK: Duration = Duration::from_millis(100);
/// Most bytes of one message, as long as a single item is smaller: collectors refuse more than 4 MiB.
const MESSAGE: usize = 2 * 1024 * 1024;
/// Most bytes of items that wait. Only those with prompts and replies in them can come to that much.
const HELD: usize = 32 * 1024 * 1024;

/// The thread that sends what collectors take.
#[derive(Debug)]
pub(crate) struct Exporter<S: Signal> {
    to: SyncSender<Parcel<S>>,
    counts: Arc<Counts>,
    /// Whether items are large enough to be weighed.
    weighs: bool,
}

/// How items are sent.
pub(crate) struct Shipping {
    /// Who takes them: the first that can be reached.
    pub(crate) collectors: Vec<(CollectorSettings, Origin)>,
    /// True to show them on standard output as well.
    pub(crate) console: bool,
    /// Whether items are large enough to be weighed.
    pub(crate) weighs: bool,
    /// Attributes of the process.
    pub(crate) resource: Vec<(String, String)>,
    /// Most items that wait.
    pub(crate) queue: usize,
    /// Most items in a batch.
    pub(crate) batch: usize,
    /// How long an item waits for others at most.
    pub(crate) delay: Duration,
}

/// What became of items.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sent: AtomicU64,
    pub(crate) dropped: AtomicU64,
    /// Bytes that wait, where items are weighed.
    held: AtomicUsize,
}

#[derive(Debug)]
enum Parcel<S: Signal> {
    Items(Vec<S::Item>, usize),
    /// Send what there is and say so.
    Flush(SyncSender<()>),
}

// === impl Exporter ===

impl Exporter<Spans> {
    /// Starts the thread for spans.
    ///
    /// # Errors
    /// A file of the TLS settings that cannot be used, or the system's, where it gives no thread.
    pub(crate) fn tracing(settings: TraceSettings) -> io::Result<Self> {
        let collectors = match settings.collector {
            Some(collector) => {
                let origin = collector.origin()?;
                vec![(collector, origin)]
            }
            None => Vec::new(),
        };
        Self::start(Shipping {
            collectors,
            console: settings.console,
            weighs: settings.capture.is_some(),
            resource: settings.resource,
            queue: settings.queue,
            batch: settings.batch,
            delay: settings.delay,
        })
    }
}

impl<S: Signal> Exporter<S> {
    /// Starts the thread.
    ///
    /// # Errors
    /// The system's, where it gives no thread.
    pub(crate) fn start(mut shipping: Shipping) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let weighs = shipping.weighs;
        let (to, from) = sync_channel(shipping.queue);
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        thread::Builder::new().name("otlp".into()).spawn(move || {
            // Connections stay on the thread that made them.
            let collectors = std::mem::take(&mut shipping.collectors).into_iter();
            let collectors =
                collectors.map(|(settings, origin)| Collector::new(S::METHOD, settings, origin)).collect();
            Sender::<S> { shipping, runtime, collectors, counts: shared, waiting: Vec::new(), weight: 0 }
                .run(&from);
        })?;
        Ok(Self { to, counts, weighs })
    }

    /// Hands the items of one request over; never waits.
    pub(crate) fn send(&self, items: Vec<S::Item>) {
        let number = items.len() as u64;
        let Counts { dropped, held, .. } = &*self.counts;
        let weight = if self.weighs { items.iter().map(Message::encoded_len).sum() } else { 0 };
        let fits = held.fetch_add(weight, Relaxed).saturating_add(weight) <= HELD;
        if !fits || self.to.try_send(Parcel::Items(items, weight)).is_err() {
            held.fetch_sub(weight, Relaxed);
            dropped.fetch_add(number, Relaxed);
        }
    }

    pub(crate) fn counts(&self) -> &Counts {
        &self.counts
    }

    /// Waits until everything handed over was sent or given up, at most this long.
    pub(crate) fn flush(&self, patience: Duration) {
        let (done, wait) = sync_channel(1);
        if self.to.try_send(Parcel::Flush(done)).is_ok() {
            // Late or gone: either way there is nothing left to wait for.
            let _ = wait.recv_timeout(patience);
        }
    }
}

struct Sender<S: Signal> {
    shipping: Shipping,
    runtime: Runtime,
    collectors: Vec<Collector>,
    counts: Arc<Counts>,
    waiting: Vec<S::Item>,
    /// Their bytes, where they are weighed.
    weight: usize,
}

// === impl Sender ===

impl<S: Signal> Sender<S> {
    fn run(&mut self, from: &Receiver<Parcel<S>>) {
        let mut last = Instant::now();
        loop {
            match from.try_recv() {
                Ok(Parcel::Items(items, weight)) => {
                    self.waiting.extend(items);
                    self.weight += weight;
                    if self.waiting.len() >= self.shipping.batch || self.weight > MESSAGE {
                        self.send();
                        last = Instant::now();
                    }
                    continue;
                }
                Ok(Parcel::Flush(done)) => {
                    self.send();
                    // Whoever asked may have stopped waiting.
                    let _ = done.try_send(());
                    continue;
                }
                Err(TryRecvError::Disconnected) => return self.send(),
                Err(TryRecvError::Empty) => {}
            }
            if last.elapsed() >= self.shipping.delay {
                self.send();
                last = Instant::now();
            }
            thread::sleep(LOOK.min(self.shipping.delay.max(Duration::from_millis(1))));
        }
    }

    /// Sends what waits; what nobody takes is dropped.
    fn send(&mut self) {
        while !self.waiting.is_empty() {
            let number = self.next_batch();
            let shown = if self.shipping.console { self.show(number) } else { Ok(()) };
            let message = self.message(number);
            let count = match (self.ship(&message), shown) {
                (Some(Err(error)), _) => {
                    tracing::warn!(%error, number, "{} were dropped", S::NAME);
                    &self.counts.dropped
                }
                (None, Err(error)) => {
                    tracing::warn!(%error, number, "{} cannot be shown", S::NAME);
                    &self.counts.dropped
                }
                (None, Ok(())) if !self.shipping.console => &self.counts.dropped,
                (Some(Ok(())), _) | (None, Ok(())) => &self.counts.sent,
            };
            count.fetch_add(number as u64, Relaxed);
        }
        self.counts.held.fetch_sub(std::mem::take(&mut self.weight), Relaxed);
    }

    /// Gives a batch to the first collector that takes it; `None` where there is none.
    fn ship(&self, message: &Bytes) -> Option<Result<(), Failed>> {
        let mut outcome = None;
        for collector in &self.collectors {
            let sent = collector.send(&self.runtime, message);
            let over = sent.is_ok();
            outcome = Some(sent);
            if over {
                break;
            }
        }
        outcome
    }

    /// How many of the waiting items go into one message; at least one.
    fn next_batch(&self) -> usize {
        let lengths = self.waiting.iter().take(self.shipping.batch).map(Message::encoded_len);
        let sums = lengths.scan(0, |sum, length| {
            *sum += length;
            Some(*sum)
        });
        sums.take_while(|sum| *sum <= MESSAGE).count().max(1)
    }

    /// Whole lines at a time, since the access log may go to the same place.
    fn show(&self, number: usize) -> io::Result<()> {
        let lines: String = self.waiting.iter().take(number).map(S::shown).collect();
        let mut output = io::stdout().lock();
        output.write_all(lines.as_bytes())?;
        output.flush()
    }

    fn message(&mut self, number: usize) -> Bytes {
        let items = self.waiting.drain(..number).collect();
        S::message(items, &self.shipping.resource).into()
    }
}

#[cfg(test)]
mod tests;
