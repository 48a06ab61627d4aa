//! Static metadata on Envoy's resources: what Envoy Gateway says of their origin, and what we leave for the processor.
use bytes::Bytes;

use super::{
    fields::{json, metadata},
    plan::Plan,
    wire::{Malformed, Message},
};

/// Where Envoy Gateway says which resources something was made from.
const ENVOY_GATEWAY: &str = "envoy-gateway";
/// Our own namespace.
pub(super) const OURS: &str = "aigateway.envoy.io";
/// Which backend of which rule: `{namespace}/{backend}/route/{route}/rule/{i}/ref/{j}`.
pub(super) const BACKEND: &str = "per_route_rule_backend_name";
/// The host name of an endpoint, where it has one.
pub(super) const UPSTREAM_HOST: &str = "upstream_host";
/// `{namespace}/{name}` of the AIGatewayRoute.
pub(super) const ROUTE: &str = "aigw_route_name";
/// The InferencePool of a route or cluster.
pub(super) const POOL: &str = "per_route_rule_inference_pool";
/// The annotation of HTTPRoutes that were made from an AIGatewayRoute, as Envoy Gateway hands it on.
const GENERATED: &str = "ai-gateway-generated";

/// A Kubernetes object that something was made from.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Origin {
    pub(super) kind: String,
    pub(super) namespace: String,
    pub(super) name: String,
    /// True where it carries the mark of what is made from AIGatewayRoutes.
    pub(super) generated: bool,
}

// === impl Origin ===

impl Origin {
    /// True where it may be of this kind. Envoy Gateway's file provider hands no kinds on either, and a metadata entry
    /// that belongs here is of the one kind that this place can have.
    pub(super) fn is(&self, kind: &str) -> bool {
        self.kind.is_empty() || self.kind == kind
    }
}

/// From which of our HTTPRoutes something was made. Envoy Gateway's file provider hands no annotations on, so that what
/// is planned is ours as well as what carries the mark; what carries it and is not planned (yet) is not let past us.
pub(super) fn ours(plan: &Plan, holder: &Message, field: u32) -> Result<Option<Origin>, Malformed> {
    let planned =
        |origin: &Origin| origin.is("HTTPRoute") && plan.route(&origin.namespace, &origin.name).is_some();
    Ok(origins(holder, field)?.into_iter().find(|origin| origin.generated || planned(origin)))
}

/// From which objects Envoy Gateway made this; `field` is where the resource has its metadata.
pub(super) fn origins(holder: &Message, field: u32) -> Result<Vec<Origin>, Malformed> {
    let Some(all) = holder.message(field)? else { return Ok(Vec::new()) };
    let Some(theirs) = all.entry(metadata::FILTER_METADATA, ENVOY_GATEWAY)? else { return Ok(Vec::new()) };
    let Some(resources) = theirs.entry(json::FIELDS, "resources")? else { return Ok(Vec::new()) };
    let Some(list) = resources.message(json::LIST)? else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    for value in list.messages(json::VALUES) {
        if let Some(object) = value?.message(json::STRUCT)? {
            found.push(origin(&object)?);
        }
    }
    Ok(found)
}

fn origin(object: &Message) -> Result<Origin, Malformed> {
    let text = |key| Ok(object.entry(json::FIELDS, key)?.map(|value| value.text(json::STRING).to_owned()));
    let annotations = object.entry(json::FIELDS, "annotations")?;
    let annotations = annotations.map(|value| value.message(json::STRUCT)).transpose()?.flatten();
    let mark =
        annotations.map(|annotations| annotations.entry(json::FIELDS, GENERATED)).transpose()?.flatten();
    Ok(Origin {
        kind: text("kind")?.unwrap_or_default(),
        namespace: text("namespace")?.unwrap_or_default(),
        name: text("name")?.unwrap_or_default(),
        generated: mark.is_some(),
    })
}

/// A text under our namespace.
pub(super) fn get(holder: &Message, field: u32, key: &str) -> Result<Option<String>, Malformed> {
    let Some(all) = holder.message(field)? else { return Ok(None) };
    let Some(ours) = all.entry(metadata::FILTER_METADATA, OURS)? else { return Ok(None) };
    Ok(ours.entry(json::FIELDS, key)?.map(|value| value.text(json::STRING).to_owned()))
}

/// Puts a text under our namespace.
pub(super) fn put(holder: &mut Message, field: u32, key: &str, text: &str) -> Result<(), Malformed> {
    let mut value = Message::default();
    value.set_bytes(json::STRING, Bytes::copy_from_slice(text.as_bytes()));
    let value = value.encode();
    holder.edit(field, |all| {
        all.edit_entry(metadata::FILTER_METADATA, OURS, |ours| ours.set_entry(json::FIELDS, key, value))
    })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    fn text(text: &str) -> Message {
        let mut value = Message::default();
        value.set_bytes(json::STRING, text.to_owned());
        value
    }

    fn object(entries: &[(&str, Message)]) -> Message {
        let mut inner = Message::default();
        for (key, value) in entries {
            inner.set_entry(json::FIELDS, key, value.encode()).unwrap();
        }
        let mut value = Message::default();
        value.set_bytes(json::STRUCT, inner.encode());
        value
    }

    /// Metadata as Envoy Gateway writes it.
    pub(crate) fn from_gateway(kind: &str, (namespace, name): (&str, &str), generated: bool) -> Message {
        let mut entries = vec![("kind", text(kind)), ("namespace", text(namespace)), ("name", text(name))];
        if generated {
            entries.push(("annotations", object(&[(GENERATED, text("true"))])));
        }
        let mut list = Message::default();
        list.push(json::VALUES, object(&entries).encode());
        let mut resources = Message::default();
        resources.set_bytes(json::LIST, list.encode());
        let mut all = Message::default();
        all.edit_entry(metadata::FILTER_METADATA, ENVOY_GATEWAY, |theirs| {
            theirs.set_entry(json::FIELDS, "resources", resources.encode())
        })
        .unwrap();
        all
    }

    #[test]
    fn the_mark_of_generated_routes_is_read() {
        let mut route = Message::default();
        route.set_bytes(4, from_gateway("HTTPRoute", ("prod", "chat"), true).encode());
        let found = origins(&route, 4).unwrap();
        let want = Origin {
            kind: "HTTPRoute".to_owned(),
            namespace: "prod".to_owned(),
            name: "chat".to_owned(),
            generated: true,
        };
        assert_eq!(found, [want]);
        assert_eq!(origins(&Message::default(), 4).unwrap(), []);
    }

    #[test]
    fn an_object_without_a_kind_is_of_the_kind_that_belongs_there() {
        for (kind, want) in [("HTTPRoute", true), ("", true), ("GRPCRoute", false)] {
            let mut route = Message::default();
            route.set_bytes(4, from_gateway(kind, ("prod", "chat"), false).encode());
            assert_eq!(origins(&route, 4).unwrap()[0].is("HTTPRoute"), want, "{kind:?}");
        }
    }

    #[test]
    fn what_we_put_stands_beside_what_others_put() {
        let mut cluster = Message::default();
        cluster.set_bytes(25, from_gateway("HTTPRoute", ("prod", "chat"), true).encode());
        put(&mut cluster, 25, BACKEND, "prod/a/route/chat/rule/0/ref/0").unwrap();
        put(&mut cluster, 25, UPSTREAM_HOST, "api.example").unwrap();
        put(&mut cluster, 25, BACKEND, "b").unwrap();
        assert_eq!(get(&cluster, 25, BACKEND).unwrap().as_deref(), Some("b"));
        assert_eq!(get(&cluster, 25, UPSTREAM_HOST).unwrap().as_deref(), Some("api.example"));
        assert_eq!(origins(&cluster, 25).unwrap().len(), 1);
        assert_eq!(get(&cluster, 25, POOL).unwrap(), None);
    }
}
