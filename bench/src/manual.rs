//! The parts of the harness by hand.

use std::{io, net::SocketAddr, time::Duration};

use tokio::runtime::Builder;
use tollgate_simulate::{Behaviour, Options, spawn};

use crate::{
    cases::{Case, MEASURED},
    histogram::Histogram,
    load::{closed, open},
    peers::direct,
    streams::{Hold, hold},
};

#[derive(Debug, clap::Args)]
pub(crate) struct LoadArgs {
    /// Where to send
    address: SocketAddr,
    /// What to send: chat-1k, chat-64k, stream-7, stream-paced …
    #[arg(long, default_value = "chat-1k")]
    case: String,
    /// Connections, or streams of stream-paced
    #[arg(long, short, default_value_t = 64)]
    connections: usize,
    /// Requests a second; without it, as fast as replies come
    #[arg(long, short)]
    rate: Option<f64>,
    /// Seconds
    #[arg(long, short, default_value_t = 5.0)]
    time: f64,
}

#[derive(Debug, clap::Args)]
pub(crate) struct SimulateArgs {
    /// Where to listen
    #[arg(long, default_value = "127.0.0.1:8081")]
    listen: SocketAddr,
    /// Threads
    #[arg(long, default_value_t = 1)]
    threads: usize,
    /// Tokens of a reply
    #[arg(long, default_value_t = 16)]
    tokens: u32,
}

pub(crate) fn simulate(args: &SimulateArgs) -> io::Result<()> {
    let behaviour = Behaviour { tokens: Some(args.tokens), ..Behaviour::default() };
    let options =
        Options { listen: args.listen, threads: args.threads, behaviour, record: 0, ..Options::default() };
    let simulator = spawn(options)?;
    eprintln!("listening on {}", simulator.url());
    simulator.wait();
    Ok(())
}

pub(crate) fn load(args: &LoadArgs) -> io::Result<()> {
    let all = MEASURED.into_iter().chain([Case::StreamPaced, Case::StreamIdle]);
    let case = all.into_iter().find(|case| case.key() == args.case);
    let case = case.ok_or_else(|| io::Error::other(format!("no case is called {}", args.case)))?;
    let target = direct(args.address, case);
    let time = Duration::from_secs_f64(args.time);
    let runtime = Builder::new_current_thread().enable_all().build()?;
    if matches!(case, Case::StreamPaced | Case::StreamIdle) {
        let step = Hold { streams: args.connections, ramp: Duration::from_secs(1), time };
        let (held, ()) = runtime.block_on(hold(&target, step, || ()));
        print("first token", &held.first);
        print("frame", &held.frame);
        return Ok(());
    }
    let measured = match args.rate {
        Some(rate) => runtime.block_on(open(&target, rate, (args.connections, time)))?,
        None => runtime.block_on(closed(&target, args.connections, time)),
    };
    print("latency", &measured.latency);
    eprintln!("{:.0} requests/s, {} errors", measured.rate(), measured.errors);
    Ok(())
}

fn print(name: &str, histogram: &Histogram) {
    let micros = |permille| histogram.quantile(permille).as_secs_f64() * 1e6;
    eprintln!(
        "{name}: {} samples, µs: min {:.1}, p50 {:.1}, p90 {:.1}, p99 {:.1}, p99.9 {:.1}, max {:.1}",
        histogram.count(),
        histogram.min().as_secs_f64() * 1e6,
        micros(500),
        micros(900),
        micros(990),
        micros(999),
        histogram.max().as_secs_f64() * 1e6
    );
}
