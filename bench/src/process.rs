//! The gateways under test as processes: started, pinned, measured, ended.

use std::{
    fs, io,
    net::{SocketAddr, TcpStream},
    os::unix::net::UnixStream,
    path::Path,
    process::{Child, Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

/// Ticks a second in `/proc/<pid>/stat`: the kernel's `USER_HZ`, 100 on every common platform.
const TICKS: u64 = 100;
/// Python gateways take seconds to load.
const START: Duration = Duration::from_secs(60);
/// What a gateway has to write at its end, a profile perhaps, is written in this time.
const END: Duration = Duration::from_secs(5);

/// A running gateway. Dropping it ends it, gently at first.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
}

/// What a process and its children hold and have used.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Load {
    /// User and system time since the start.
    pub(crate) cpu: Duration,
    /// Resident set in KiB.
    pub(crate) rss: u64,
}

// === impl Process ===

impl Process {
    /// Starts `command` on core `core`; its output goes to `log`.
    pub(crate) fn start(mut command: Command, core: usize, log: &Path) -> io::Result<Self> {
        let out = fs::File::create(log)?;
        let mut pinned = Command::new("taskset");
        pinned.args(["-c", &core.to_string()]).arg(command.get_program()).args(command.get_args());
        if let Some(dir) = command.get_current_dir() {
            pinned.current_dir(dir);
        }
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                pinned.env(name, value);
            }
        }
        command = pinned;
        let child = command.stdin(Stdio::null()).stdout(out.try_clone()?).stderr(out).spawn()?;
        Ok(Self { child })
    }

    /// Waits until it accepts connections.
    pub(crate) fn wait_for(&mut self, address: SocketAddr) -> Result<(), String> {
        let connects = || TcpStream::connect_timeout(&address, Duration::from_millis(200)).is_ok();
        self.wait_until(connects, &address.to_string())
    }

    /// Waits until it accepts connections on a socket in the file system.
    pub(crate) fn wait_for_socket(&mut self, path: &Path) -> Result<(), String> {
        self.wait_until(|| UnixStream::connect(path).is_ok(), &path.display().to_string())
    }

    fn wait_until(&mut self, connects: impl Fn() -> bool, place: &str) -> Result<(), String> {
        let start = Instant::now();
        while start.elapsed() < START {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("it ended with {status}"));
            }
            if connects() {
                return Ok(());
            }
            sleep(Duration::from_millis(50));
        }
        Err(format!("it did not listen on {place} within {} s", START.as_secs()))
    }

    pub(crate) fn load(&self) -> Load {
        let mut sum = Load::default();
        for pid in self.tree() {
            sum.cpu += cpu(pid).unwrap_or_default();
            sum.rss += rss(pid).unwrap_or_default();
        }
        sum
    }

    /// Puts all of its threads, and those of its children, on another core.
    pub(crate) fn move_to(&self, core: usize) -> io::Result<()> {
        self.tree().into_iter().try_for_each(|pid| pin(pid, core))
    }

    /// The process and everything it started, parents first.
    fn tree(&self) -> Vec<u32> {
        let mut tree = vec![self.child.id()];
        let mut next = 0;
        while let Some(pid) = tree.get(next) {
            let children = fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
            tree.extend(children.split_whitespace().filter_map(|pid| pid.parse::<u32>().ok()));
            next += 1;
        }
        tree
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let tree = self.tree();
        signal("-TERM", self.child.id());
        let start = Instant::now();
        while start.elapsed() < END && matches!(self.child.try_wait(), Ok(None)) {
            sleep(Duration::from_millis(20));
        }
        // Children first: a killed parent does not take them along.
        tree.into_iter().rev().for_each(|pid| signal("-KILL", pid));
        let _ = self.child.wait();
    }
}

/// Sends a signal; whoever has ended misses it.
fn signal(name: &str, pid: u32) {
    let _ = Command::new("kill").args([name, &pid.to_string()]).stderr(Stdio::null()).status();
}

/// Fields 14 and 15 of `/proc/<pid>/stat`, proc(5).
fn cpu(pid: u32) -> Option<Duration> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, field 2, may hold spaces and parentheses.
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace().skip(11);
    let user: u64 = fields.next()?.parse().ok()?;
    let system: u64 = fields.next()?.parse().ok()?;
    Some(Duration::from_millis((user + system) * 1000 / TICKS))
}

fn rss(pid: u32) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().trim_end_matches(" kB").parse().ok()
}

/// Keeps this process, and the threads it starts from now on, on one core.
pub(crate) fn pin_self(core: usize) -> io::Result<()> {
    // Sleeps of the open loop must not be rounded to 50 µs; threads inherit this.
    let _ = fs::write("/proc/self/timerslack_ns", "1");
    pin(std::process::id(), core)
}

fn pin(pid: u32, core: usize) -> io::Result<()> {
    let (core, pid) = (core.to_string(), pid.to_string());
    let status = Command::new("taskset").args(["-acp", &core, &pid]).stdout(Stdio::null()).status()?;
    if status.success() { Ok(()) } else { Err(io::Error::other(format!("taskset ended with {status}"))) }
}

/// A port that was free a moment ago.
pub(crate) fn free_port() -> io::Result<u16> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// File descriptors that this process, and so its children, may open.
pub(crate) fn descriptors() -> usize {
    let limits = fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(1024)
}
