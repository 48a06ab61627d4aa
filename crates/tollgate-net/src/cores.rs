use std::{future::Future, io, num::NonZeroUsize, sync::Arc, thread};

use tokio::runtime::{Builder, LocalOptions};

/// Runs `main(core)` on `cores` threads, each with its own single-threaded runtime, and returns when all have ended.
///
/// What runs on a core may be `!Send` and may use `tokio::task::spawn_local`. Work is never moved between cores.
///
/// # Errors
/// When a thread or a runtime cannot be started; the cores started until then are waited for.
pub fn run_cores<F, Fut>(cores: NonZeroUsize, main: F) -> io::Result<()>
where
    F: Fn(usize) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = ()> + 'static,
{
    let main = Arc::new(main);
    let mut threads = Vec::with_capacity(cores.get());
    let mut outcome = Ok(());
    for core in 0..cores.get() {
        let main = Arc::clone(&main);
        let spawned = thread::Builder::new().name(format!("core-{core}")).spawn(move || -> io::Result<()> {
            // Only name lookups use the blocking pool; two threads keep one slow resolver from holding up the rest.
            // And a runtime that is local by itself wakes a task without waking `main`, as a `LocalSet` on one would.
            let runtime = Builder::new_current_thread()
                .enable_all()
                .max_blocking_threads(2)
                .build_local(LocalOptions::default())?;
            runtime.block_on(main(core));
            // A lookup that hangs must not keep the process from ending.
            runtime.shutdown_background();
            Ok(())
        });
        match spawned {
            Ok(thread) => threads.push(thread),
            Err(error) => outcome = Err(error),
        }
    }
    for thread in threads {
        let ended = thread.join().unwrap_or_else(|_| Err(io::Error::other("a core panicked")));
        outcome = outcome.and(ended);
    }
    outcome
}

/// Waits for the thread on which [`run_cores`] was called; where a core did not end well, it says so.
pub async fn join_cores(thread: thread::JoinHandle<io::Result<()>>) {
    let joined = tokio::task::spawn_blocking(move || thread.join()).await;
    if !matches!(joined, Ok(Ok(Ok(())))) {
        tracing::error!("a core did not end well");
    }
}
