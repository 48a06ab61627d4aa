use std::sync::Arc;

use tollgate_resources::{Gateway, Listener as Spec, Object};
use tollgate_snapshot::{
    AccessLogSettings, ClientSettings, Guard, HostPattern, Listener, ListenerTls, PortProtocol,
};
use tollgate_types::ListenerId;

use crate::{
    frontend::Frontend,
    notes::At,
    tables::{self, Candidate, Listed},
};

/// A listener that serves, and what is attached to it so far.
#[derive(Debug)]
pub(crate) struct Listening<'a> {
    pub(crate) gateway: &'a Object<Gateway>,
    pub(crate) spec: &'a Spec,
    pub(crate) hostname: HostPattern,
    pub(crate) candidates: Vec<Candidate<'a>>,
    pub(crate) models: Vec<Listed>,
    pub(crate) guard: Guard,
    pub(crate) access_log: Option<Arc<AccessLogSettings>>,
    pub(crate) protocol: PortProtocol,
    pub(crate) tls: Option<ListenerTls>,
    /// What its Gateway asks of client certificates.
    pub(crate) frontend: Option<Frontend>,
    pub(crate) position: usize,
}

// === impl Listening ===

impl<'a> Listening<'a> {
    pub(crate) fn at(&self) -> At<'a> {
        At::new(self.gateway, format!("spec.listeners[{}]", self.position))
    }

    /// What requests read of it, with the terms of its clients.
    pub(crate) fn finish(self, client: Arc<ClientSettings>) -> Listener {
        let meta = &self.gateway.meta;
        Listener {
            id: ListenerId::from(format!("{}/{}/{}", meta.namespace, meta.name, self.spec.name)),
            hostname: self.hostname,
            tls: self.tls,
            guard: self.guard,
            access_log: self.access_log,
            client,
            hosts: tables::tables(&self.candidates, &self.models),
        }
    }
}
