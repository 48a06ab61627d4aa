//! `tollgate healthcheck`: for container probes, where there is no curl.
use std::{
    io::{self, Read as _, Write as _},
    net::{SocketAddr, TcpStream},
    process::ExitCode,
    time::Duration,
};

/// Bytes of an answer that are read; the status line comes first.
const MOST: u64 = 64 * 1024;

/// Ask a running gateway whether it is ready; exit status 1 if not
#[derive(Clone, Debug, clap::Args)]
#[command(after_help = "Example:\n  tollgate healthcheck --admin 127.0.0.1:1064")]
pub(crate) struct HealthcheckArgs {
    /// Its admin server
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:1064")]
    admin: SocketAddr,
    /// Ask whether the process lives instead
    #[arg(long)]
    live: bool,
    /// How long to wait, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=300))]
    timeout: u64,
}

/// Runs the command.
///
/// # Errors
/// Where nobody answers.
pub(crate) fn run(args: &HealthcheckArgs) -> io::Result<ExitCode> {
    let &HealthcheckArgs { admin, live, timeout } = args;
    let patience = Duration::from_secs(timeout);
    let mut stream = TcpStream::connect_timeout(&admin, patience)
        .map_err(|error| io::Error::new(error.kind(), format!("no answer from {admin}: {error}")))?;
    stream.set_read_timeout(Some(patience))?;
    stream.set_write_timeout(Some(patience))?;
    let path = if live { "/healthz" } else { "/readyz" };
    write!(stream, "GET {path} HTTP/1.1\r\nhost: {admin}\r\nconnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.take(MOST).read_to_end(&mut answer)?;
    let answer = String::from_utf8_lossy(&answer);
    if answer.split(' ').nth(1) == Some("200") {
        return Ok(ExitCode::SUCCESS);
    }
    let body = answer.split_once("\r\n\r\n").map_or(&*answer, |(_, body)| body);
    eprintln!("not ready: {}", body.trim());
    Ok(ExitCode::FAILURE)
}
