//! Programs under test, run as their users run them.

use std::{
    io::{self, BufRead as _, BufReader, Read},
    net::{Ipv4Addr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    sync::{
        atomic::{AtomicU32, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::{Duration, Instant},
};

/// How long a test waits for what should come at once, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(60);

/// Ports that [`free_ports`] gives: hundreds, beginning with this one.
const FIRST: u16 = 20_000;
const SPAN: u32 = 110;

/// A child process that is killed when it is dropped, and whose output never makes it wait.
#[derive(Debug)]
pub struct Running {
    name: String,
    child: Child,
    lines: Receiver<String>,
    /// What has been read so far, for whoever asks why something failed.
    seen: Vec<String>,
}

// === impl Running ===

impl Running {
    /// Starts `command`; its standard output and standard error become the lines.
    ///
    /// # Errors
    /// Where the program cannot be started.
    pub fn start(name: &str, command: &mut Command) -> io::Result<Self> {
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| io::Error::new(error.kind(), format!("{name}: {error}")))?;
        let (tell, lines) = channel();
        if let Some(output) = child.stdout.take() {
            follow(output, tell.clone());
        }
        if let Some(errors) = child.stderr.take() {
            follow(errors, tell);
        }
        Ok(Self { name: name.to_owned(), child, lines, seen: Vec::new() })
    }

    /// The next line with these words in it.
    ///
    /// # Errors
    /// Where none comes before the process ends or [`PATIENCE`] does; the text has the last lines that came.
    pub fn wait_for(&mut self, words: &str) -> Result<String, String> {
        self.wait_until(|line| line.contains(words)).map_err(|seen| {
            format!("{}: no line with {words:?}; the last ones are\n{}", self.name, seen.join("\n"))
        })
    }

    /// A line with these words in it, which may have come already.
    ///
    /// # Errors
    /// As [`Self::wait_for`].
    pub fn has_said(&mut self, words: &str) -> Result<String, String> {
        match self.seen.iter().find(|line| line.contains(words)) {
            Some(line) => Ok(line.clone()),
            None => self.wait_for(words),
        }
    }

    fn wait_until(&mut self, wanted: impl Fn(&str) -> bool) -> Result<String, Vec<String>> {
        let end = Instant::now() + PATIENCE;
        loop {
            let left = end.saturating_duration_since(Instant::now());
            let Ok(line) = self.lines.recv_timeout(left) else {
                let from = self.seen.len().saturating_sub(40);
                return Err(self.seen.split_off(from));
            };
            self.seen.push(line.clone());
            if wanted(&line) {
                return Ok(line);
            }
        }
    }

    /// Everything it has said until now.
    pub fn said(&mut self) -> &[String] {
        self.seen.extend(self.lines.try_iter());
        &self.seen
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// True while it runs.
    pub fn lives(&mut self) -> bool {
        matches!(self.child.try_wait(), Ok(None))
    }

    /// Ends it at once, as a crash does.
    ///
    /// # Errors
    /// Where it cannot be waited for.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        let (Ok(()) | Err(_)) = self.child.kill();
        self.child.wait()
    }

    /// Asks it to end, and waits until it has.
    ///
    /// # Errors
    /// Where it cannot be waited for.
    pub fn terminate(&mut self) -> io::Result<ExitStatus> {
        self.tell("TERM");
        self.child.wait()
    }

    /// Sends it a signal: `TERM`, `STOP`, `CONT`.
    pub fn tell(&self, signal: &str) {
        let (Ok(_) | Err(_)) = Command::new("kill").args(["-s", signal, &self.id().to_string()]).status();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let (Ok(_) | Err(_)) = self.kill();
    }
}

/// Whoever stops reading stops the program that writes.
fn follow(output: impl Read + Send + 'static, tell: Sender<String>) {
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            let line = String::from_utf8_lossy(&line).into_owned();
            // Nobody listens any more, but the program has to be able to go on.
            let (Ok(()) | Err(_)) = tell.send(line);
        }
    });
}

/// Ports of this machine that were free a moment ago, for programs that have to be told theirs; never the same ones
/// twice in a process. They are taken from below the range that connections get theirs from, so that none of those
/// takes one.
///
/// # Errors
/// Where there are not so many.
pub fn free_ports(count: usize) -> io::Result<Vec<u16>> {
    static TRIED: AtomicU32 = AtomicU32::new(0);
    // Where to begin depends on the process, so that tests that run at once seldom meet.
    let begin = std::process::id() % SPAN * 100;
    let mut held = Vec::with_capacity(count);
    while held.len() < count {
        let tried = TRIED.fetch_add(1, Ordering::Relaxed);
        if tried > SPAN * 200 {
            return Err(io::Error::new(io::ErrorKind::AddrInUse, format!("no {count} free ports")));
        }
        let port = FIRST + ((begin + tried) % (SPAN * 100)) as u16;
        if let Ok(listener) = TcpListener::bind((Ipv4Addr::UNSPECIFIED, port)) {
            held.push((port, listener));
        }
    }
    Ok(held.into_iter().map(|(port, _)| port).collect())
}

/// One of [`free_ports`].
///
/// # Errors
/// Where there is none.
pub fn free_port() -> io::Result<u16> {
    let none = || io::Error::new(io::ErrorKind::AddrInUse, "no free port");
    free_ports(1)?.first().copied().ok_or_else(none)
}

/// Where `cargo xtask` keeps tools from run to run.
#[must_use]
pub fn cache() -> PathBuf {
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".cache"));
    let base = std::env::var_os("XDG_CACHE_HOME").map(PathBuf::from).or_else(home);
    base.unwrap_or_else(std::env::temp_dir).join("tollgate")
}
