//! Fields at which Envoy Gateway's file provider (1.8) ends with a panic: "unsupported type: uint64". They are taken out
//! of the file; in a cluster nothing of this happens.
use serde_json::{Map, Value as Json};
use tollgate_resources::Manifest;
use tollgate_types::{Diagnostic, ObjectRef, Severity};

use crate::names::group;

/// Takes such fields out of an object, and says so.
pub(crate) fn remove(object: &mut Manifest) -> Vec<Diagnostic> {
    let mut said = Vec::new();
    if object.group() == group::ENVOY
        && let Some(spec) = object.body.get_mut("spec")
    {
        walk(spec, "spec", &mut said);
    }
    let reference = object.reference();
    said.into_iter().map(|(field, instead)| note(&reference, field, instead)).collect()
}

fn note(object: &ObjectRef, field: String, instead: &str) -> Diagnostic {
    Diagnostic {
        severity: Severity::Warning,
        code: "left-out-for-files",
        message: format!("Envoy Gateway's file provider cannot read this and would end: {instead}"),
        help: Some("in a cluster Envoy Gateway reads it".to_owned()),
        span: None,
        object: Some(object.clone()),
        field,
    }
}

fn walk(value: &mut Json, path: &str, said: &mut Vec<(String, &'static str)>) {
    match value {
        Json::Object(fields) => {
            balancers(fields, path, said);
            costs(fields, path, said);
            for (key, value) in fields {
                walk(value, &format!("{path}.{key}"), said);
            }
        }
        Json::Array(items) => {
            for (index, item) in items.iter_mut().enumerate() {
                walk(item, &format!("{path}[{index}]"), said);
            }
        }
        Json::Null | Json::Bool(_) | Json::Number(_) | Json::String(_) => {}
    }
}

/// A consistent hash has a table, whose size Envoy Gateway sets where nobody says it.
fn balancers(fields: &mut Map<String, Json>, path: &str, said: &mut Vec<(String, &'static str)>) {
    let hashed = fields.get("loadBalancer").is_some_and(|own| own.get("consistentHash").is_some());
    if hashed && fields.shift_remove("loadBalancer").is_some() {
        let instead = "requests go to the backend with the fewest under way";
        said.push((format!("{path}.loadBalancer.consistentHash"), instead));
    }
    let local = fields.get_mut("preferLocal").and_then(Json::as_object_mut);
    if local.is_some_and(|local| local.shift_remove("minEndpointsThreshold").is_some()) {
        let instead = "the usual number of endpoints counts";
        said.push((format!("{path}.preferLocal.minEndpointsThreshold"), instead));
    }
}

/// A cost that is a number; without it a request counts one, and a reply nothing.
fn costs(fields: &mut Map<String, Json>, path: &str, said: &mut Vec<(String, &'static str)>) {
    let Some(cost) = fields.get_mut("cost").and_then(Json::as_object_mut) else { return };
    for (side, instead) in [("request", "a request counts 1"), ("response", "a reply counts nothing")] {
        let number = cost.get(side).is_some_and(|cost| cost.get("number").is_some());
        if number && cost.shift_remove(side).is_some() {
            said.push((format!("{path}.cost.{side}.number"), instead));
        }
    }
    if cost.is_empty() {
        fields.shift_remove("cost");
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn policy(spec: Json) -> Manifest {
        Manifest {
            api_version: "gateway.envoyproxy.io/v1alpha1".to_owned(),
            kind: "BackendTrafficPolicy".to_owned(),
            namespace: "prod".to_owned(),
            name: "p".to_owned(),
            body: json!({ "spec": spec }),
        }
    }

    #[test]
    fn numbers_that_end_envoy_gateway_are_taken_out_and_named() {
        let metadata = json!({ "from": "Metadata", "metadata": { "key": "total" } });
        let mut object = policy(json!({
            "rateLimit": { "global": { "rules": [
                { "cost": { "request": { "from": "Number", "number": 0 }, "response": metadata } },
                { "cost": { "request": { "from": "Number", "number": 5 } }, "limit": { "requests": 7 } },
            ] } },
            "loadBalancer": { "consistentHash": { "type": "Header", "tableSize": 11 } },
        }));
        let fields: Vec<_> = remove(&mut object).into_iter().map(|note| note.field).collect();
        let rules = "spec.rateLimit.global.rules";
        let want = [
            "spec.loadBalancer.consistentHash".to_owned(),
            format!("{rules}[0].cost.request.number"),
            format!("{rules}[1].cost.request.number"),
        ];
        let mut sorted = fields.clone();
        sorted.sort();
        assert_eq!(sorted, want);
        let want = json!({
            "rateLimit": { "global": { "rules": [{ "cost": { "response": metadata } }, { "limit": { "requests": 7 } }] } },
        });
        assert_eq!(object.body["spec"], want);
    }

    #[test]
    fn objects_of_others_stay() {
        let mut object = policy(json!({ "loadBalancer": { "consistentHash": {} } }));
        object.api_version = "example.com/v1".to_owned();
        assert!(remove(&mut object).is_empty());
        assert!(object.body["spec"]["loadBalancer"].is_object());
    }
}
