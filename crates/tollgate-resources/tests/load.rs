//! What the loader makes of good and bad text.

use proptest::prelude::*;
use tollgate_resources::{Loaded, Source, load, suits, surroundings};
use tollgate_types::ObjectRef;

fn env(name: &str) -> Option<String> {
    let value = match name {
        "PORT" => "8080",
        "KEY" => "sk: 1\n- x",
        "NUMBER" => "12345678",
        "EMPTY" => "",
        _ => return None,
    };
    Some(value.to_owned())
}

fn read(text: &str) -> Loaded {
    load(&[Source { name: "a.yaml", text }], &env)
}

/// Diagnostics as one line each.
fn notes(loaded: &Loaded) -> Vec<String> {
    let line = |d: &tollgate_types::Diagnostic| {
        let span = d.span.as_ref().map(ToString::to_string).unwrap_or_default();
        let help = d.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
        format!("{span} {} {} {}: {}{help}", d.severity, d.code, d.field, d.message)
    };
    loaded.notes.iter().map(line).collect()
}

fn secret(data: &str) -> String {
    format!("apiVersion: v1\nkind: Secret\nmetadata: {{name: s}}\nstringData:\n{data}")
}

fn value(loaded: &Loaded, key: &str) -> String {
    String::from_utf8(loaded.set.secrets[0].spec.data[key].expose().to_vec()).expect("the tests store text")
}

const ROUTE: &str = "\
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata:
  name: chat
spec:
  rules:
    - matches:
        - headers:
            - name: x-ai-eg-model
              value: gpt-4o
      backendRefs:
        - name: openai
        - name: azure
          wieght: 2
";

/// What stands around a gateway.
const RELEASE: &str = "\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: envoy-gateway, namespace: network}
spec:
  chart: {spec: {chart: gateway-helm, version: v1.5.4}}
  values:
    config:
      envoyGateway:
        extensionManager:
          hooks: {xdsTranslator: {post: [Cluster]}}
          backendResources: [{kind: BackendTrafficPolicy}]
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: a}
spec: {path: ./a/b, dependsOn: [{name: b}]}
---
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: MCPRoute
metadata: {name: a}
spec: {backendRefs: [{name: a, toolSelector: {includeRegex: [a, \"(\"]}}]}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: a}
data: {a.json: '{\"dashboard\": {\"panels\": [{\"expr\": \"ai_x\"}]}}'}
";

#[test]
fn defaults_are_filled_in() {
    let loaded = read(ROUTE);
    let route = &loaded.set.ai_gateway_routes[0];
    assert_eq!(&*route.meta.namespace, "default");
    let rule = &route.spec.rules[0];
    assert_eq!((rule.backend_refs[1].weight, rule.backend_refs[1].priority), (1, 0));
    assert_eq!(rule.models_owned_by, "Envoy AI Gateway");
}

#[test]
fn a_field_is_found_where_it_was_written_or_else_its_nearest_parent() {
    let loaded = read(ROUTE);
    let route = &loaded.set.ai_gateway_routes[0];
    let span = |field| route.span_of(field).map(|span| (span.line, span.column));
    assert_eq!(span("spec.rules[0].backendRefs[1].name"), Some((13, 17)));
    assert_eq!(span("spec.rules[0].backendRefs[1].priority"), Some((13, 11)));
    assert_eq!(span("spec.rules[7].name"), Some((6, 3)));
    assert_eq!(span("spec.rules"), Some((6, 3)));
    assert_eq!(span(""), Some((1, 1)));
}

#[test]
fn an_unknown_field_is_reported_with_the_nearest_name_and_the_object_is_kept() {
    let loaded = read(ROUTE);
    let want = "a.yaml:14:11 warning unknown-field spec.rules[0].backendRefs[1].wieght: \
                unknown field `wieght` is ignored (did you mean `weight`?)";
    assert_eq!(notes(&loaded), [want]);
    assert_eq!(loaded.set.ai_gateway_routes.len(), 1);
}

#[test]
fn an_unknown_kind_is_reported_with_the_nearest_name() {
    let loaded = read("apiVersion: gateway.networking.k8s.io/v1\nkind: HttpRoute\nmetadata: {name: a}\n");
    let want = "a.yaml:2:7 error unknown-kind : unknown kind HttpRoute in gateway.networking.k8s.io/v1 is ignored \
                (did you mean HTTPRoute (apiVersion gateway.networking.k8s.io/v1)?)";
    assert_eq!(notes(&loaded), [want]);
}

#[test]
fn a_broken_document_leaves_its_neighbours_alone() {
    let text = format!("{}---\nkind: [\n---\n{}", secret("  a: b\n"), ROUTE.replace("wieght", "weight"));
    let loaded = read(&text);
    assert_eq!((loaded.set.secrets.len(), loaded.set.ai_gateway_routes.len()), (1, 1));
    assert_eq!(loaded.notes.0.len(), 1);
    let span = loaded.notes.0[0].span.clone().expect("a broken document has a place");
    assert!((7..=8).contains(&span.line), "{span}");
}

#[test]
fn a_type_error_names_place_field_and_both_types() {
    let loaded = read("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata:\n  port: 80\n");
    let want =
        "a.yaml:5:9 error wrong-type data.port: expected a string, found the number 80 (quote it: \"80\")";
    assert_eq!(notes(&loaded), [want]);
    assert_eq!(loaded.refused, [ObjectRef::new("ConfigMap", "default", "a")]);
}

#[test]
fn an_unquoted_number_in_a_secret_is_not_shown() {
    let loaded = read(&secret("  apiKey: 12345678\n"));
    assert_eq!(
        notes(&loaded),
        ["a.yaml:5:11 error wrong-type stringData.apiKey: expected a string (quote it)"]
    );
}

#[test]
fn a_substituted_value_cannot_break_the_yaml_around_it() {
    let loaded = read(&secret("  a: ${KEY}\n  b: \"<${KEY}>\"\n  c: ${NUMBER}\n"));
    assert_eq!(notes(&loaded), [""; 0]);
    assert_eq!(value(&loaded, "a"), "sk: 1\n- x");
    assert_eq!(value(&loaded, "b"), "<sk: 1\n- x>");
    assert_eq!(value(&loaded, "c"), "12345678");
}

#[test]
fn defaults_stand_in_for_what_is_unset_or_empty_and_dollars_stay() {
    let text = "  a: ${NO:=x}\n  b: ${EMPTY:-y}\n  c: ${NO-z}\n  d: $$ $PORT ${ $${PORT}\n  e: ${NO:-{\"a\":{}}}\n  f: ${EMPTY-q}\n";
    let loaded = read(&secret(text));
    assert_eq!(notes(&loaded), [""; 0]);
    let values: Vec<_> = ["a", "b", "c", "d", "e", "f"].map(|key| value(&loaded, key)).into();
    assert_eq!(values, ["x", "y", "z", "$$ $PORT ${ $${PORT}", "{\"a\":{}}", ""]);
}

#[test]
fn a_substituted_number_is_a_number() {
    let text = "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: Backend\nmetadata: {name: b}\nspec:\n  endpoints:\n    - ip: {address: 127.0.0.1, port: \"${PORT}\"}\n    - ip: {address: 127.0.0.1, port: ${PORT}}\n";
    let loaded = read(text);
    assert!(
        notes(&loaded)[0].starts_with("a.yaml:6:38 error wrong-type spec.endpoints[0].ip.port"),
        "{:?}",
        notes(&loaded)
    );
    let loaded = read(&text.replace("\"${PORT}\"", "${PORT}"));
    assert_eq!(loaded.set.backends[0].spec.endpoints[0].ip.as_ref().map(|ip| ip.port), Some(8080));
}

#[test]
fn an_unset_variable_refuses_its_object_and_names_variable_and_line() {
    let loaded = read(&secret("  a: ${NOPE}\n"));
    let want = "a.yaml:5:6 error variable-not-set stringData.a: the environment variable NOPE is not set \
                (set it, or give a default: ${NOPE:=…})";
    assert_eq!(notes(&loaded), [want]);
    assert!(loaded.set.secrets.is_empty());
}

#[test]
fn a_substituted_value_never_stands_in_a_message() {
    let loaded = read(
        "apiVersion: aigateway.envoyproxy.io/v1beta1\nkind: AIGatewayRoute\nmetadata: {name: a}\nspec: {rules: [{timeouts: {request: \"${NUMBER}\"}}]}\n",
    );
    assert_eq!(loaded.notes.0.len(), 1);
    assert!(!notes(&loaded)[0].contains("12345678"), "{:?}", notes(&loaded));
}

#[test]
fn an_annotation_takes_a_secret_from_the_environment() {
    let annotations = "{name: s, annotations: {substitution.aigw.run/env/apiKey: NUMBER, substitution.aigw.run/env/b: NOPE}}";
    let loaded = read(&secret("  apiKey: old\n  b: kept\n").replace("{name: s}", annotations));
    assert_eq!((value(&loaded, "apiKey"), value(&loaded, "b")), ("12345678".to_owned(), "kept".to_owned()));
    assert!(notes(&loaded)[0].contains("warning variable-not-set"), "{:?}", notes(&loaded));
}

#[test]
fn the_first_of_two_objects_counts_and_both_places_are_named() {
    let (one, two) = (secret("  a: one\n"), secret("  a: two\n"));
    let sources = [Source { name: "1.yaml", text: &one }, Source { name: "2.yaml", text: &two }];
    let loaded = load(&sources, &env);
    assert_eq!(value(&loaded, "a"), "one");
    assert!(notes(&loaded)[0].starts_with("2.yaml:3:18 error duplicate-object"), "{:?}", notes(&loaded));
    assert!(notes(&loaded)[0].contains("1.yaml:3:18"), "{:?}", notes(&loaded));
}

#[test]
fn aliases_and_merge_keys_are_followed() {
    let text =
        "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a, labels: &l {x: v}}\ndata:\n  <<: *l\n  z: w\n";
    let loaded = read(text);
    assert_eq!(notes(&loaded), [""; 0]);
    assert_eq!(loaded.set.config_maps[0].spec.data.len(), 2);
}

#[test]
fn json_is_read_as_well() {
    let text = "{\n\t\"apiVersion\": \"v1\", \"kind\": \"ConfigMap\",\n\t\"metadata\": {\"name\": \"a\"},\n\t\"data\": {\"k\": \"a\\/b \\ud83d\\ude00 \\u00e9\"}\n}\n";
    let loaded = read(text);
    assert_eq!(notes(&loaded), [""; 0]);
    assert_eq!(loaded.set.config_maps[0].spec.data["k"], "a/b 😀 é");
}

#[test]
fn kinds_that_are_not_served_yet_say_so_and_are_kept() {
    let text = "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyExtensionPolicy\nmetadata: {name: a}\nspec: {wasm: []}\n---\napiVersion: apps/v1\nkind: Deployment\nmetadata: {name: b}\nspec: {args: [\"${NOT_OURS}\"]}\n";
    let loaded = read(text);
    let heads: Vec<_> = loaded.notes.iter().map(|note| (note.severity.to_string(), note.code)).collect();
    let want = [("warning", "not-served"), ("info", "not-served")];
    assert_eq!(heads, want.map(|(severity, code)| (severity.to_owned(), code)));
    assert_eq!(loaded.set.unserved.len(), 2);
}

#[test]
fn a_field_that_no_client_policy_has_is_told_once_with_the_right_one() {
    let text = "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: ClientTrafficPolicy\nmetadata: {name: a}\nspec:\n  targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: g}]\n  connection: {connectionTimeout: 5s, bufferLimit: 50Mi}\n  timeout: {http: {requestTimeout: 5s}}\n";
    let loaded = read(text);
    let told: Vec<_> = loaded.notes.iter().map(|note| (note.code, note.field.as_str())).collect();
    let want = ["spec.connection.connectionTimeout", "spec.timeout.http.requestTimeout"];
    assert_eq!(told, want.map(|field| ("unknown-field", field)));
    assert!(loaded.notes.iter().all(|note| note.help.as_ref().is_some_and(|help| help.contains("spec."))));
    let policy = &loaded.set.client_traffic_policies[0].spec;
    assert_eq!(policy.connection.and_then(|connection| connection.buffer_limit), Some(50 << 20));
}

#[test]
fn lists_are_sorted_by_namespace_and_name() {
    let object = |namespace, name| {
        format!("---\napiVersion: v1\nkind: ConfigMap\nmetadata: {{name: {name}, namespace: {namespace}}}\n")
    };
    let loaded = read(&[object("b", "a"), object("a", "z"), object("a", "c")].concat());
    let names: Vec<_> =
        loaded.set.config_maps.iter().map(|o| format!("{}/{}", o.meta.namespace, o.meta.name)).collect();
    assert_eq!(names, ["a/c", "a/z", "b/a"]);
}

#[test]
fn a_refused_object_keeps_its_last_good_version() {
    let older = read(&secret("  a: good\n")).set;
    let mut loaded = read(&secret("  a: 1\n"));
    let kept = loaded.set.keep_last_good(&older, &loaded.refused);
    assert_eq!(kept, [ObjectRef::new("Secret", "default", "s")]);
    assert_eq!(value(&loaded, "a"), "good");
}

#[test]
fn what_kubectl_would_read_as_a_boolean_is_pointed_out_and_kept() {
    let object = |data| format!("apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: a}}\ndata:\n{data}");
    let loaded = read(&object("  on: yes\n  b: \"no\"\n  c: \"${PORT}\"\n  d: offer\n"));
    let want = "a.yaml:5:7 warning ambiguous-scalar data.on: unquoted `yes` is the boolean to kubectl, which reads YAML \
                1.1 (quote it: \"yes\")";
    assert_eq!(notes(&loaded), [want]);
    assert_eq!(loaded.set.config_maps[0].spec.data["on"], "yes");
}

#[test]
fn a_refused_policy_is_kept_as_it_was_written_until_an_older_version_takes_its_place() {
    let policy = |hostname| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: BackendTLSPolicy\nmetadata: {{name: p}}\nspec:\n  \
             targetRefs: [{{group: \"\", kind: Service, name: web}}]\n  validation: {{wellKnownCACertificates: \
             System{hostname}}}\n"
        )
    };
    let older = read(&policy(", hostname: a.example")).set;
    let mut loaded = read(&policy(""));
    let [refused] = &loaded.set.refused_policies[..] else { panic!("{:?}", loaded.set.refused_policies) };
    assert_eq!(refused.spec.spec["targetRefs"][0]["name"], "web");
    loaded.set.keep_last_good(&older, &loaded.refused);
    assert!(loaded.set.refused_policies.is_empty() && loaded.set.backend_tls_policies.len() == 1);
}

#[test]
fn times_are_seconds_since_1970() {
    let text = "apiVersion: v1\nkind: Namespace\nmetadata: {name: a, creationTimestamp: \"2024-02-29T12:00:00.5+02:00\"}\n";
    assert_eq!(read(text).set.namespaces[0].meta.created, Some(1_709_200_800));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn any_text_loads_without_a_panic(text in "\\PC*") {
        let _ = read(&text);
    }

    #[test]
    fn yaml_like_text_loads_without_a_panic(text in "([a-c${}:\\-\\[\\]&*!|>\"' \\n#%,?<~0-9]|kind: |spec:\\n|---\\n|\\$\\{PORT){0,60}") {
        let _ = read(&text);
    }

    #[test]
    fn a_route_with_a_piece_cut_out_loads_without_a_panic(from in 0..ROUTE.len(), length in 0usize..40, put in "[ \\n:\\-\\[{$]{0,3}") {
        let end = (from + length).min(ROUTE.len());
        let _ = read(&format!("{}{put}{}", &ROUTE[..from], &ROUTE[end..]));
    }

    #[test]
    fn a_configuration_with_a_piece_cut_out_is_checked_without_a_panic(from in 0..RELEASE.len(), length in 0usize..60, put in "[ \\n:\\-\\[{]{0,3}") {
        let end = (from + length).min(RELEASE.len());
        let text = format!("{}{put}{}", &RELEASE[..from], &RELEASE[end..]);
        let sources = [Source { name: "a.yaml", text: &text }];
        let _ = surroundings(&sources, &env);
        let _ = suits(&sources, &env, &["envoy-gateway=1.5".parse().expect("it is known")]);
    }
}
