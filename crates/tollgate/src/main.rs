//! The `tollgate` command.

mod autoconfig;
mod build;
mod changes;
mod check;
mod cli;
mod completion;
mod config;
mod controller;
mod counters;
mod demo;
mod diagnostics;
mod explain;
mod extproc;
mod files;
mod healthcheck;
mod limits;
mod logging;
mod reload;
mod run;
mod serving;
mod signals;
mod simulate;
mod translate;
mod watch;

use std::process::ExitCode;

use clap::Parser as _;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    cli::Cli::parse().run().unwrap_or_else(|error| {
        eprintln!("error: {error}");
        ExitCode::FAILURE
    })
}
