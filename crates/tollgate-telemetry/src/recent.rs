use std::collections::VecDeque;

use serde::Serialize;
use tollgate_core::{End, Settled};

use crate::{end, lock::Slot, log::masked};

/// How many are kept, on each core and in the answer.
const KEPT: usize = 100;

/// One core's last requests that went wrong.
#[derive(Debug, Default)]
pub(crate) struct Ring(Slot<VecDeque<Trouble>>);

/// A request that went wrong.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Trouble {
    unix_ms: u64,
    request_id: String,
    method: String,
    path: String,
    status: u16,
    end: &'static str,
    detail: String,
    listener: Option<String>,
    rule: Option<String>,
    backend: Option<String>,
    model: Option<String>,
}

// === impl Ring ===

impl Ring {
    /// Keeps the request if it went wrong: refused, broken off, or answered with a server error.
    pub(crate) fn observe(&self, settled: &Settled) {
        let bad_answer = settled.record.status.is_some_and(|status| status.is_server_error());
        let wrong = match &settled.end {
            End::Complete | End::Local => bad_answer,
            End::ClientGone | End::Drained => false,
            End::Refused(_) | End::UpstreamBroke(_) | End::Deadline => true,
        };
        if !wrong {
            return;
        }
        let trouble = Trouble::of(settled);
        self.0.with(|ring| {
            if ring.len() >= KEPT {
                ring.pop_front();
            }
            ring.push_back(trouble);
        });
    }

    /// The last ones of all cores, newest first.
    pub(crate) fn merged<'a>(rings: impl Iterator<Item = &'a Self>) -> Vec<Trouble> {
        let mut all: Vec<Trouble> =
            rings.flat_map(|ring| ring.0.with(|ring| ring.iter().cloned().collect::<Vec<_>>())).collect();
        all.sort_by_key(|trouble| std::cmp::Reverse(trouble.unix_ms));
        all.truncate(KEPT);
        all
    }
}

// === impl Trouble ===

impl Trouble {
    fn of(settled: &Settled) -> Self {
        let record = &settled.record;
        let status = record.status.map_or(0, |status| status.as_u16());
        let path = record.head.uri.path_and_query().map_or("/", |path| path.as_str());
        Self {
            unix_ms: record.began.unix_ms,
            request_id: record.request_id.clone(),
            method: record.head.method.to_string(),
            path: masked(path).chars().take(512).collect(),
            status,
            end: end::word(&settled.end),
            detail: end::detail(settled).unwrap_or_else(|| format!("the backend answered {status}")),
            listener: record.listener.as_ref().map(|listener| listener.id.to_string()),
            rule: record.rule.as_ref().map(|rule| rule.id.to_string()),
            backend: record.backend().map(|backend| backend.id.to_string()),
            model: record.model_asked.as_ref().map(|model| model.to_string()),
        }
    }
}
