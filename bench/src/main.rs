//! The gateway and its peers side by side, against the same simulator, under the same load.

mod cases;
mod histogram;
mod http;
mod load;
mod manual;
mod peers;
mod policies;
mod process;
mod reloads;
mod report;
mod run;
mod streams;
mod train;

use std::{fs, io, net::SocketAddr, path::PathBuf};

use clap::{Parser, Subcommand};
use tokio::runtime::Builder;
use tollgate_simulate::{Options, spawn};
use tollgate_testkit::processor::{Manner, Place, Processor};

use crate::{
    manual::{LoadArgs, SimulateArgs},
    peers::{ALL, Peer, Places},
    report::Report,
    run::{Bench, Effort},
};

/// The simulator and the load allocate for each request.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// Core of the gateway under test; simulator and load share the other.
const GATEWAY_CORE: usize = 0;
const HARNESS_CORE: usize = 1;

#[derive(Debug, Parser)]
#[command(about)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Install and start every peer in turn, measure, and print one table
    Run(RunArgs),
    /// Install every peer, and say which cannot be
    Install,
    /// Load a gateway with everything once, so that a build made for it writes down what is hot
    Train { gateway: PathBuf },
    /// Load one address
    Load(LoadArgs),
    /// Serve the simulator by itself
    Simulate(SimulateArgs),
    /// Serve an external processor that lets everything pass, on this socket
    Pass { socket: PathBuf },
}

#[derive(Debug, clap::Args)]
struct RunArgs {
    /// Shorter steps and fewer of them: under four minutes
    #[arg(long)]
    quick: bool,
    /// Only these peers (comma-separated; the direct column always runs)
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only these closed-loop cases, by key (chat-1k, stream-7, …, policies or reloads), and none of the other steps
    #[arg(long, value_delimiter = ',')]
    cases: Vec<String>,
    /// Also write the table here, as JSON
    #[arg(long)]
    json: Option<PathBuf>,
    /// Our own gateway [default: target/release/tollgate]
    #[arg(long)]
    gateway: Option<PathBuf>,
}

fn main() -> io::Result<()> {
    match Cli::parse().command {
        Command::Run(args) => run(&args),
        Command::Install => install(),
        Command::Train { gateway } => train(gateway),
        Command::Load(args) => manual::load(&args),
        Command::Simulate(args) => manual::simulate(&args),
        Command::Pass { socket } => {
            Processor::start(&Place::Socket(socket), Manner::Pass)?.wait();
            Ok(())
        }
    }
}

#[expect(clippy::print_stdout, reason = "the table is the output")]
fn run(args: &RunArgs) -> io::Result<()> {
    let machine = machine();
    process::pin_self(HARNESS_CORE)?;
    let simulator = spawn(Options { record: 0, ..Options::default() })?;
    let places = places(simulator.address(), args.gateway.clone())?;
    let effort = if args.quick { Effort::Quick } else { Effort::Full };
    let mut bench = Bench { simulator: &simulator, effort, cases: args.cases.clone(), baseline: None };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    let mut report = Report { machine, ..Report::default() };
    eprintln!("direct …");
    report.columns.push(runtime.block_on(bench.ceiling()));
    for peer in ALL {
        if args.only.is_empty() || args.only.iter().any(|word| peer.is_called(word)) {
            eprintln!("{} …", peer.name());
            let mut column = runtime.block_on(bench.peer(peer, &places));
            if peer == Peer::Tollgate && column.skipped.is_none() {
                if bench.wants(policies::KEY) {
                    runtime.block_on(bench.policies(&places, &mut column));
                }
                if bench.wants(reloads::KEY) {
                    runtime.block_on(bench.reloads(&places, &mut column));
                }
            }
            report.columns.push(column);
        }
    }
    println!("{}", report.markdown());
    let json = serde_json::to_string_pretty(&report)?;
    fs::write(args.json.clone().unwrap_or_else(|| places.run.join("report.json")), json)
}

/// Everything that a run would install, ahead of it.
#[expect(clippy::print_stdout, reason = "the table is the output")]
fn install() -> io::Result<()> {
    let places = places(([127, 0, 0, 1], 0).into(), None)?;
    let mut missing = 0;
    for peer in ALL {
        match peer.install(&places) {
            Ok(program) => println!("{}: {}", peer.name(), program.display()),
            Err(why) => {
                missing += 1;
                println!("{}: {why}", peer.name());
            }
        }
    }
    if missing == 0 { Ok(()) } else { Err(io::Error::other(format!("{missing} peers are not there"))) }
}

fn train(gateway: PathBuf) -> io::Result<()> {
    let simulator = spawn(Options { record: 0, ..Options::default() })?;
    let places = places(simulator.address(), Some(gateway))?;
    let bench = Bench { simulator: &simulator, effort: Effort::Quick, cases: Vec::new(), baseline: None };
    let runtime = Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(bench.train(&places)).map_err(io::Error::other)
}

fn places(simulator: SocketAddr, gateway: Option<PathBuf>) -> io::Result<Places> {
    let cache = std::env::home_dir().unwrap_or_else(std::env::temp_dir).join(".cache/tollgate-bench");
    let repository = PathBuf::from(env!("CARGO_MANIFEST_DIR")).parent().map(PathBuf::from);
    let repository = repository.unwrap_or_default();
    let gateway = gateway.unwrap_or_else(|| repository.join("target/release/tollgate"));
    // Gateways run in folders of their own.
    let gateway = std::path::absolute(gateway)?;
    let run = cache.join("run");
    fs::create_dir_all(&run)?;
    Ok(Places { repository, gateway, run, cache, simulator, core: GATEWAY_CORE })
}

/// What the figures were measured on.
fn machine() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpu = read("/proc/cpuinfo");
    let model =
        cpu.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": ")).map(|(_, name)| name);
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    let kernel = read("/proc/sys/kernel/osrelease");
    format!("{} × {cores}, Linux {}", model.unwrap_or("unknown processor"), kernel.trim())
}
