use bytes::Bytes;
use tollgate_resources::{DirectResponseBody, ValueSource};

use crate::{Fault, world::World};

/// The key under which an HTTPRouteFilter finds a body in a ConfigMap.
const BODY_KEY: &str = "response.body";

/// A body that stands in the resources.
pub(crate) fn body(spec: &DirectResponseBody, namespace: &str, world: &World<'_>) -> Result<Bytes, Fault> {
    match (spec.body_type, &spec.inline, &spec.value_ref) {
        (ValueSource::Inline, inline, _) => Ok(Bytes::from(inline.clone().unwrap_or_default())),
        (ValueSource::ValueRef, _, Some(reference)) => from_config_map(world, namespace, &reference.name),
        (ValueSource::ValueRef, _, None) => {
            Err(Fault::new("config-map-not-found", "the body has no valueRef"))
        }
    }
}

/// The key `response.body`, or else the only or first one, as Envoy Gateway does.
fn from_config_map(world: &World<'_>, namespace: &str, name: &str) -> Result<Bytes, Fault> {
    let data = &world.config_maps.get(namespace, name)?.spec.data;
    let body = data.get(BODY_KEY).or_else(|| data.values().next());
    let missing =
        || Fault::new("config-map-key-not-found", format!("ConfigMap {namespace}/{name} has no {BODY_KEY}"));
    body.map(|body| Bytes::from(body.clone())).ok_or_else(missing)
}
