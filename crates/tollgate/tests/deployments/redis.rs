//! A real Redis.
use std::{
    io::{self, Read as _, Write as _},
    net::{TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    thread,
    time::Instant,
};

use rustix::process::{Pid, Signal, kill_process};

use crate::gateway::PATIENCE;

/// A Redis of its own, gone at the end.
pub(crate) struct Redis {
    child: Child,
    port: u16,
}

fn spawn(port: u16) -> io::Result<Child> {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port", &port.to_string()]);
    command.stdout(Stdio::null()).stderr(Stdio::null()).spawn()
}

// === impl Redis ===

impl Redis {
    /// `None`, and said so, where there is no redis-server.
    pub(crate) fn start() -> Option<Self> {
        loop {
            let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
            let Ok(child) = spawn(port) else {
                eprintln!("skipped: redis-server is not installed");
                return None;
            };
            let mut redis = Self { child, port };
            if redis.is_up() {
                return Some(redis);
            }
        }
    }

    /// False where it ended: somebody else took the port.
    fn is_up(&mut self) -> bool {
        let (began, me) = (Instant::now(), format!("process_id:{}", self.child.id()));
        while began.elapsed() < PATIENCE {
            // Another one may answer on this port until ours has found out.
            if self.ask("INFO server").is_ok_and(|reply| reply.lines().any(|line| line == me)) {
                return true;
            }
            if self.child.try_wait().unwrap().is_some() {
                return false;
            }
            thread::yield_now();
        }
        false
    }

    /// Stands still until it goes on.
    pub(crate) fn stop(&self) {
        kill_process(Pid::from_child(&self.child), Signal::STOP).unwrap();
    }

    pub(crate) fn go_on(&self) {
        kill_process(Pid::from_child(&self.child), Signal::CONT).unwrap();
    }

    /// Dies, and another one with nothing in it takes its place.
    pub(crate) fn restart(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        self.child = spawn(self.port).unwrap();
        assert!(self.is_up(), "somebody else took the port");
    }

    pub(crate) fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// The texts in the reply to an inline command.
    pub(crate) fn lines(&self, line: &str) -> Vec<String> {
        let reply = self.ask(line).unwrap();
        let texts = reply.lines().filter(|line| !line.starts_with(['*', '$', '+', '-', ':']));
        texts.map(str::to_owned).collect()
    }

    /// The whole reply to an inline command.
    pub(crate) fn ask(&self, line: &str) -> io::Result<String> {
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
