//! Tells of resources that were read again.
use std::{
    env, io,
    sync::mpsc::SyncSender,
    thread,
    time::{Duration, Instant},
};

use tokio::sync::mpsc;

use crate::{
    reload::{Resources, State},
    watch::Watch,
};

/// Changes that wait to be put into service; a later one says all that an earlier one says.
const CHANGES: usize = 4;

/// Resources that were read again.
pub(crate) struct Change {
    pub(crate) state: State,
    /// How long reading and compiling took.
    pub(crate) took: Duration,
}

/// Reads on a thread of its own; the sender ends it, once nobody receives any more.
pub(crate) fn start(resources: Resources) -> io::Result<(mpsc::Receiver<Change>, Option<SyncSender<()>>)> {
    let (tell, changes) = mpsc::channel(CHANGES);
    let paths = resources.paths();
    if paths.is_empty() {
        return Ok((changes, None));
    }
    let (watcher, stop) = Watch::new(&paths);
    thread::Builder::new().name("reload".to_owned()).spawn(move || watch(resources, &tell, &watcher))?;
    Ok((changes, Some(stop)))
}

/// Reads again whenever something may have changed; ends with its receiver.
fn watch(mut resources: Resources, changes: &mpsc::Sender<Change>, watch: &Watch) {
    while !changes.is_closed() {
        watch.wait();
        let began = Instant::now();
        if let Some(state) = resources.read(&|name: &str| env::var(name).ok())
            && changes.blocking_send(Change { state, took: began.elapsed() }).is_err()
        {
            return;
        }
    }
}
