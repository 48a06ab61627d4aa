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
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::InstrumentationScope,
    resource::v1::Resource,
    trace::v1::{ResourceSpans, ScopeSpans, Span},
};
use prost::Message;
use tokio::runtime::Runtime;

use super::{TraceSettings, collector::Collector, console, span::text};

/// How often the thread looks for spans: a sleeping reader costs its writers nothing.
const LOOK: Duration = Duration::from_millis(100);
/// Most bytes of one message, as long as a single span is smaller: collectors refuse more than 4 MiB.
const MESSAGE: usize = 2 * 1024 * 1024;
/// Most bytes of spans that wait. Only those with prompts and replies in them can come to that much.
const HELD: usize = 32 * 1024 * 1024;

/// The thread that sends spans.
#[derive(Debug)]
pub(crate) struct Exporter {
    to: SyncSender<Parcel>,
    counts: Arc<Counts>,
    /// Whether spans are large enough to be weighed.
    weighs: bool,
}

/// What became of spans.
#[derive(Debug, Default)]
pub(crate) struct Counts {
    pub(crate) sent: AtomicU64,
    pub(crate) dropped: AtomicU64,
    /// Bytes that wait, where spans are weighed.
    held: AtomicUsize,
}

#[derive(Debug)]
enum Parcel {
    Spans(Vec<Span>, usize),
    /// Send what there is and say so.
    Flush(SyncSender<()>),
}

// === impl Exporter ===

impl Exporter {
    /// Starts the thread.
    ///
    /// # Errors
    /// A file of the TLS settings that cannot be used, or the system's, where it gives no thread.
    pub(crate) fn start(settings: TraceSettings) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let collector = match settings.collector.clone() {
            Some(collector) => Some((collector.origin()?, collector)),
            None => None,
        };
        let weighs = settings.capture.is_some();
        let (to, from) = sync_channel(settings.queue);
        let counts = Arc::new(Counts::default());
        let shared = Arc::clone(&counts);
        thread::Builder::new().name("otlp".into()).spawn(move || {
            // Connections stay on the thread that made them.
            let collector = collector.map(|(origin, settings)| Collector::new(settings, origin));
            Sender { settings, runtime, collector, counts: shared, waiting: Vec::new(), weight: 0 }
                .run(&from);
        })?;
        Ok(Self { to, counts, weighs })
    }

    /// Hands the spans of one request over; never waits.
    pub(crate) fn send(&self, spans: Vec<Span>) {
        let number = spans.len() as u64;
        let Counts { dropped, held, .. } = &*self.counts;
        let weight = if self.weighs { spans.iter().map(Message::encoded_len).sum() } else { 0 };
        let fits = held.fetch_add(weight, Relaxed).saturating_add(weight) <= HELD;
        if !fits || self.to.try_send(Parcel::Spans(spans, weight)).is_err() {
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

struct Sender {
    settings: TraceSettings,
    runtime: Runtime,
    collector: Option<Collector>,
    counts: Arc<Counts>,
    waiting: Vec<Span>,
    /// Their bytes, where they are weighed.
    weight: usize,
}

// === impl Sender ===

impl Sender {
    fn run(&mut self, from: &Receiver<Parcel>) {
        let mut last = Instant::now();
        loop {
            match from.try_recv() {
                Ok(Parcel::Spans(spans, weight)) => {
                    self.waiting.extend(spans);
                    self.weight += weight;
                    if self.waiting.len() >= self.settings.batch || self.weight > MESSAGE {
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
            if last.elapsed() >= self.settings.delay {
                self.send();
                last = Instant::now();
            }
            thread::sleep(LOOK.min(self.settings.delay.max(Duration::from_millis(1))));
        }
    }

    /// Sends what waits; what nobody takes is dropped.
    fn send(&mut self) {
        while !self.waiting.is_empty() {
            let number = self.next_batch();
            let shown = if self.settings.console { self.show(number) } else { Ok(()) };
            let message = self.message(number);
            let sent = self.collector.as_ref().map(|collector| collector.send(&self.runtime, &message));
            let count = match (sent, shown) {
                (Some(Err(error)), _) => {
                    tracing::warn!(%error, spans = number, "spans were dropped");
                    &self.counts.dropped
                }
                (None, Err(error)) => {
                    tracing::warn!(%error, spans = number, "spans cannot be shown");
                    &self.counts.dropped
                }
                (Some(Ok(())), _) | (None, Ok(())) => &self.counts.sent,
            };
            count.fetch_add(number as u64, Relaxed);
        }
        self.counts.held.fetch_sub(std::mem::take(&mut self.weight), Relaxed);
    }

    /// How many of the waiting spans go into one message; at least one.
    fn next_batch(&self) -> usize {
        let lengths = self.waiting.iter().take(self.settings.batch).map(Message::encoded_len);
        let sums = lengths.scan(0, |sum, length| {
            *sum += length;
            Some(*sum)
        });
        sums.take_while(|sum| *sum <= MESSAGE).count().max(1)
    }

    /// Whole lines at a time, since the access log may go to the same place.
    fn show(&self, number: usize) -> io::Result<()> {
        let lines: String = self.waiting.iter().take(number).map(console::line).collect();
        let mut output = io::stdout().lock();
        output.write_all(lines.as_bytes())?;
        output.flush()
    }

    fn message(&mut self, number: usize) -> Bytes {
        let attributes = self.settings.resource.iter().map(|(name, value)| text(name, value)).collect();
        let scope = InstrumentationScope { name: "envoyproxy/ai-gateway".to_owned(), ..Default::default() };
        let spans = self.waiting.drain(..number).collect();
        let request = ExportTraceServiceRequest {
            resource_spans: vec![ResourceSpans {
                resource: Some(Resource { attributes, ..Default::default() }),
                scope_spans: vec![ScopeSpans { scope: Some(scope), spans, ..Default::default() }],
                ..Default::default()
            }],
        };
        request.encode_to_vec().into()
    }
}

#[cfg(test)]
mod tests;
