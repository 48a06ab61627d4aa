use std::{
    io,
    net::SocketAddr,
    sync::Arc,
    thread::{self, JoinHandle},
};

use socket2::{Domain, Protocol, Socket, Type};
use tokio::{net::TcpListener, runtime::Builder, sync::watch, time::sleep};

use crate::{Behaviour, Fault, Options, Recorded, Rule, Stats, connection::Connection, state::State};

/// Pending connections; a load test opens ten thousand at once.
const BACKLOG: i32 = 16_384;

/// A running simulator. Dropping it stops it and closes its connections.
#[derive(Debug)]
pub struct Simulator {
    address: SocketAddr,
    state: Arc<State>,
    stop: watch::Sender<bool>,
    awake: watch::Sender<bool>,
    threads: Vec<JoinHandle<()>>,
}

/// Starts a simulator on threads of its own; it accepts connections when this returns.
///
/// # Errors
/// The address cannot be bound, or a thread not be started.
pub fn spawn(options: Options) -> io::Result<Simulator> {
    let count = options.threads.max(1);
    let mut address = options.listen;
    let state = Arc::new(State::new(options));
    let (stop, stopped) = watch::channel(false);
    let (awake, wanted) = watch::channel(false);
    let mut threads = Vec::with_capacity(count);
    for index in 0..count {
        let listener = listen(address)?;
        address = listener.local_addr()?;
        let (state, told) = (state.clone(), (stopped.clone(), wanted.clone()));
        let name = format!("simulate-{index}");
        threads.push(thread::Builder::new().name(name).spawn(move || run(listener, state, told))?);
    }
    Ok(Simulator { address, state, stop, awake, threads })
}

/// Keeps the thread of a runtime from falling asleep as long as that is wanted, and gives its core away in between.
///
/// Whoever sends to a thread that sleeps pays for waking it: on a virtual machine some ten microseconds, which are none
/// of the sender's where its peers are on other machines.
pub async fn stay_awake(mut wanted: watch::Receiver<bool>) {
    while wanted.wait_for(|wanted| *wanted).await.is_ok() {
        while *wanted.borrow() {
            // Nobody can want anything else any more.
            if wanted.has_changed().is_err() {
                return;
            }
            thread::yield_now();
            tokio::task::yield_now().await;
        }
    }
}

// === impl Simulator ===

impl Simulator {
    /// A simulator on a free port of this machine, for tests.
    ///
    /// # Errors
    /// As [`spawn`].
    pub fn start() -> io::Result<Self> {
        spawn(Options::default())
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its address as a URL without a path.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Counters since the start.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.state.stats()
    }

    /// The latest requests, oldest first.
    #[must_use]
    pub fn last(&self) -> Vec<Recorded> {
        self.state.last()
    }

    /// Applies a rule to coming requests, after the rules before it are used up.
    pub fn add_rule(&self, rule: Rule) {
        self.state.add_rules([rule]);
    }

    /// The next `times` requests behave so.
    pub fn next(&self, times: u32, behaviour: Behaviour) {
        self.add_rule(Rule::next(times, behaviour));
    }

    /// The next request breaks so.
    pub fn fail_next(&self, fault: Fault) {
        self.next(1, Behaviour::fault(fault));
    }

    /// Forgets all rules.
    pub fn clear_rules(&self) {
        self.state.clear_rules();
    }

    /// Whether its threads stay awake from now on, see [`stay_awake`]; at first they do not.
    pub fn keep_awake(&self, awake: bool) {
        self.awake.send_replace(awake);
    }

    /// Stops, closes every connection and waits for the threads to end.
    pub fn shutdown(mut self) {
        self.stop.send_replace(true);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }

    /// Serves until the process ends.
    pub fn wait(mut self) {
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

fn listen(address: SocketAddr) -> io::Result<std::net::TcpListener> {
    let socket = Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    socket.set_reuse_address(true)?;
    socket.set_reuse_port(true)?;
    socket.set_nonblocking(true)?;
    socket.bind(&address.into())?;
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn run(
    listener: std::net::TcpListener,
    state: Arc<State>,
    (mut stopped, awake): (watch::Receiver<bool>, watch::Receiver<bool>),
) {
    let runtime = match Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return tracing::error!(%error, "simulator thread has no reactor"),
    };
    runtime.block_on(async move {
        let listener = match TcpListener::from_std(listener) {
            Ok(listener) => listener,
            Err(error) => return tracing::error!(%error, "simulator thread cannot listen"),
        };
        // Ends with the runtime, which ends with the loop below.
        drop(tokio::spawn(stay_awake(awake)));
        loop {
            tokio::select! {
                _ = stopped.wait_for(|stop| *stop) => return,
                accepted = listener.accept() => match accepted {
                    // Ends with the runtime, which ends with this loop.
                    Ok((stream, _)) => drop(tokio::spawn(Connection::new(stream, state.clone()).serve())),
                    Err(error) => {
                        tracing::warn!(%error, "simulator cannot accept");
                        sleep(std::time::Duration::from_millis(20)).await;
                    }
                },
            }
        }
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn nobody_stays_awake_behind_whoever_wanted_it() {
        let (awake, wanted) = watch::channel(false);
        let thread = tokio::spawn(stay_awake(wanted));
        for wanted in [true, false, true] {
            awake.send_replace(wanted);
            tokio::task::yield_now().await;
            assert!(!thread.is_finished());
        }
        drop(awake);
        thread.await.unwrap();
    }
}
