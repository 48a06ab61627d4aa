//! Development tasks: `cargo xtask <task>`. One file per task.
#![expect(clippy::print_stdout, reason = "a tool for the terminal")]

mod bench;
mod crds;
mod deploy;
mod dist;
mod envoy;
mod fuzz;
mod golden;
mod layers;
mod sdk;
mod seeds;
mod shell;
mod sizes;
mod test;
mod tools;

use std::process::ExitCode;

const HELP: &str = "\
cargo xtask <task>

  test            install what the tests need, then run every check and every test
  test --quick    formatting, lints, layers and the Rust tests only
  layers          check that arrows between crates point to lower layers, and that pure crates stay pure
  sizes           print the largest files, functions and crates (never fails)
  crds            write deploy/crds/*.yaml from the Rust types; --check fails where they differ
  golden          write the expected files of every golden test anew; read the diff afterwards
  fuzz [TARGET]   fuzz one target, or all in turn; --seconds N for each (default 60)
  dist            build the gateway as it is shipped, target/dist/tollgate: guided by a profile, some 20 minutes on two cores
  bench [ARGS]    run the gateway and its peers side by side; see docs/performance.md; --dist measures what is shipped
  envoy           install the Envoy and the Envoy Gateway that tests run against; --all for every version
  sdk             drive the gateway with the official SDKs
  deploy [ARGS]   test the deployments with helm, kustomize, cue and the like; ARGS are for pytest; --install only
                  installs what the tests need
";

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let (task, rest) = args.split_first().map_or(("help", &[][..]), |(task, rest)| (task.as_str(), rest));
    let result = match task {
        "test" => test::run(rest),
        "layers" => layers::run(),
        "sizes" => sizes::run(),
        "crds" => crds::run(rest),
        "golden" => golden::run(),
        "fuzz" => fuzz::run(rest),
        "dist" => dist::run(),
        "bench" => bench::run(rest),
        "envoy" => envoy::run(rest),
        "sdk" => sdk::run(),
        "deploy" => deploy::run(rest),
        "help" | "--help" | "-h" => {
            print!("{HELP}");
            Ok(())
        }
        other => Err(format!("unknown task {other}\n\n{HELP}")),
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error}");
            ExitCode::FAILURE
        }
    }
}
