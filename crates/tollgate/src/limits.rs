//! What the operating system lets a process have.
use rustix::process::{Resource, getrlimit, setrlimit};

/// Open files that are wanted: connections on both sides, with room.
const WANTED: u64 = 1 << 20;

/// Raises the limit of open files as far as the system lets us; returns what it is then.
pub(crate) fn raise_open_files() -> u64 {
    let mut limit = getrlimit(Resource::Nofile);
    let wanted = limit.maximum.map_or(WANTED, |most| most.min(WANTED));
    if limit.current.is_some_and(|current| current < wanted) {
        limit.current = Some(wanted);
        if let Err(error) = setrlimit(Resource::Nofile, limit) {
            tracing::warn!(%error, "limit of open files not raised");
        }
    }
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}
