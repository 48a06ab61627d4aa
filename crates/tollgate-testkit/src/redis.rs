//! A real Redis.

use std::{
    collections::BTreeMap,
    io::{self, Read as _, Write as _},
    net::TcpStream,
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use crate::process::{PATIENCE, free_port};

/// How long is waited between two looks at counters.
const LOOK: Duration = Duration::from_millis(10);

/// A Redis of its own that keeps nothing on disk, gone at the end.
#[derive(Debug)]
pub struct Redis {
    child: Child,
    /// On the loopback interface.
    pub port: u16,
}

/// True where there is one to start.
#[must_use]
pub fn is_installed() -> bool {
    Command::new("redis-server").arg("--version").stdout(Stdio::null()).status().is_ok()
}

// === impl Redis ===

impl Redis {
    /// Starts one.
    ///
    /// # Errors
    /// Where it is not installed, or does not start.
    pub fn start() -> Result<Self, String> {
        if !is_installed() {
            return Err("redis-server is not installed".to_owned());
        }
        let tell = |error: io::Error| format!("redis-server: {error}");
        loop {
            let port = free_port().map_err(tell)?;
            let mut redis = Self { child: spawn(port).map_err(tell)?, port };
            if redis.is_up() {
                return Ok(redis);
            }
        }
    }

    /// The same; `None`, and said so, where that fails.
    #[must_use]
    pub fn start_or_skip() -> Option<Self> {
        Self::start().inspect_err(|why| eprintln!("skipped: {why}")).ok()
    }

    /// False where it ended: somebody else took the port.
    fn is_up(&mut self) -> bool {
        let (began, me) = (Instant::now(), format!("process_id:{}", self.child.id()));
        while began.elapsed() < PATIENCE {
            // Another one may answer on this port until ours has found out.
            if self.ask("INFO server").is_ok_and(|reply| reply.lines().any(|line| line == me)) {
                return true;
            }
            if !matches!(self.child.try_wait(), Ok(None)) {
                return false;
            }
            thread::yield_now();
        }
        false
    }

    /// Stands still until it goes on.
    ///
    /// # Errors
    /// Where it cannot be told.
    pub fn stop(&self) -> io::Result<()> {
        self.signal("-STOP")
    }

    /// Goes on after [`Redis::stop`].
    ///
    /// # Errors
    /// Where it cannot be told.
    pub fn go_on(&self) -> io::Result<()> {
        self.signal("-CONT")
    }

    fn signal(&self, signal: &str) -> io::Result<()> {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status()?;
        if status.success() { Ok(()) } else { Err(io::Error::other(format!("kill: {status}"))) }
    }

    /// Dies, and another one with nothing in it takes its place.
    ///
    /// # Errors
    /// Where that does not start.
    pub fn restart(&mut self) -> io::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        self.child = spawn(self.port)?;
        if self.is_up() { Ok(()) } else { Err(io::Error::other("somebody else took the port")) }
    }

    /// For `--redis-url`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The texts in the reply to an inline command.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn lines(&self, line: &str) -> io::Result<Vec<String>> {
        let reply = self.ask(line)?;
        let texts = reply.lines().filter(|line| !line.starts_with(['*', '$', '+', '-', ':']));
        Ok(texts.map(str::to_owned).collect())
    }

    /// All counters whose names have these words in them, without the window at the end of the names.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn counters(&self, words: &str) -> io::Result<BTreeMap<String, i64>> {
        let mut found = BTreeMap::new();
        for key in self.lines("KEYS *")?.into_iter().filter(|key| key.contains(words)) {
            let value = self.lines(&format!("GET \"{key}\""))?;
            let value = value.first().and_then(|value| value.parse().ok());
            let name = key.rsplit_once('_').map_or(key.as_str(), |(name, _)| name);
            *found.entry(name.to_owned()).or_default() += value.unwrap_or(0);
        }
        Ok(found)
    }

    /// Waits until the counters with these words in their names come to this sum.
    ///
    /// # Errors
    /// Where they do not: says what they are.
    pub fn wait_for_sum(&self, words: &str, sum: i64) -> Result<(), String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let counters = self.counters(words).map_err(|error| format!("redis: {error}"))?;
            if counters.values().sum::<i64>() == sum {
                return Ok(());
            }
            if Instant::now() > end {
                return Err(format!("{words}: not {sum} was counted, but {counters:#?}"));
            }
            thread::park_timeout(LOOK);
        }
    }

    /// The whole reply to an inline command.
    fn ask(&self, line: &str) -> io::Result<String> {
        let mut stream = TcpStream::connect(("127.0.0.1", self.port))?;
        stream.set_read_timeout(Some(PATIENCE))?;
        write!(stream, "{line}\r\nQUIT\r\n")?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply)?;
        Ok(reply)
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let (Ok(()) | Err(_)) = self.child.kill();
        let (Ok(_) | Err(_)) = self.child.wait();
    }
}

fn spawn(port: u16) -> io::Result<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}
