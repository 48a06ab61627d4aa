//! Objects without the fields that nobody knows: what an API server makes of them before others read them.

use std::collections::{HashMap, HashSet};

use serde_json::Value as Json;
use tollgate_types::{Diagnostics, ObjectRef};

use crate::{de::push_key, manifest::Manifest};

/// Takes out of objects the fields that [`load`](crate::load) found unknown, as an API server does with what is not in
/// a definition. Whoever reads objects from files may refuse them, and all that stands beside them.
///
/// ```
/// use tollgate_resources::{Source, load, manifests, prune};
///
/// let text = "apiVersion: gateway.networking.k8s.io/v1\nkind: GatewayClass\nmetadata: {name: a}\n\
///             spec: {controllerName: example.com/x, someday: 1}\n";
/// let source = [Source { name: "class.yaml", text }];
/// let mut objects = manifests(&source, &|_| None);
/// prune(&mut objects, &load(&source, &|_| None).notes);
/// assert_eq!(objects[0].body["spec"], serde_json::json!({"controllerName": "example.com/x"}));
/// ```
pub fn prune(objects: &mut [Manifest], notes: &Diagnostics) {
    let mut unknown: HashMap<&ObjectRef, HashSet<&str>> = HashMap::new();
    for note in notes.iter().filter(|note| note.code == "unknown-field") {
        if let Some(object) = &note.object {
            unknown.entry(object).or_default().insert(&note.field);
        }
    }
    for object in objects {
        if let Some(fields) = unknown.get(&object.reference()) {
            walk(&mut object.body, &mut String::new(), fields);
        }
    }
}

/// Paths are spelled here as the loader spells them, so that none has to be read.
fn walk(value: &mut Json, path: &mut String, unknown: &HashSet<&str>) {
    let length = path.len();
    match value {
        Json::Object(fields) => fields.retain(|key, value| {
            push_key(path, key);
            let is_known = !unknown.contains(path.as_str());
            if is_known {
                walk(value, path, unknown);
            }
            path.truncate(length);
            is_known
        }),
        Json::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                path.push_str(&format!("[{index}]"));
                walk(item, path, unknown);
                path.truncate(length);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Source, load, manifests};

    #[test]
    fn what_is_unknown_goes_wherever_it_stands_and_what_is_free_stays() {
        let text = "\
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: a, annotations: {a.b/c: d}, labels: {any: thing}}
spec:
  endpoints:
    - {fqdn: {hostname: a.example, port: 443}}
    - {fqdn: {hostname: b.example, port: 443, \"odd.name\": 1}, weights: [1]}
---
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: Backend
metadata: {name: b}
spec: {endpoints: [{fqdn: {hostname: a.example, port: 443}}]}
";
        let source = [Source { name: "a.yaml", text }];
        let before = manifests(&source, &|_| None);
        let mut after = before.clone();
        prune(&mut after, &load(&source, &|_| None).notes);
        let endpoint = |host: &str| json!({"fqdn": {"hostname": host, "port": 443}});
        assert_eq!(
            after[0].body["spec"],
            json!({"endpoints": [endpoint("a.example"), endpoint("b.example")]})
        );
        assert_eq!(after[0].body["metadata"], before[0].body["metadata"]);
        assert_eq!(after[1], before[1]);
    }
}
