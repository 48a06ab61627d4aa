//! What the loader makes of good and bad text.

use tollgate_resources::{Loaded, Source, load};

fn read(text: &str) -> Loaded {
    let env = |name: &str| match name {
        "PORT" => Some("8080".to_owned()),
        "KEY" => Some("sk: 1\n- x".to_owned()),
        "NUMBER" => Some("12345".to_owned()),
        "EMPTY" => Some(String::new()),
        _ => None,
    };
    load(&[Source { name: "a.yaml", text }], &env)
}

fn notes(loaded: &Loaded) -> Vec<String> {
    loaded
        .notes
        .iter()
        .map(|d| {
            let span = d.span.as_ref().map(ToString::to_string).unwrap_or_default();
            let object = d.object.as_ref().map(ToString::to_string).unwrap_or_default();
            let help = d.help.as_ref().map(|help| format!(" ({help})")).unwrap_or_default();
            format!("{span} {} {} [{object}] {}: {}{help}", d.severity, d.code, d.field, d.message)
        })
        .collect()
}

const ROUTE: &str = "\
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata:
  name: chat
spec:
  parentRefs:
    - name: gw
  rules:
    - matches:
        - headers:
            - name: x-ai-eg-model
              value: gpt-4o
      backendRefs:
        - name: openai
          modelNameOverride: gpt-4o-mini
        - name: azure
          wieght: 2
";

#[test]
fn a_route_is_read_with_defaults_and_positions() {
    let loaded = read(ROUTE);
    println!("{:#?}", loaded.set.ai_gateway_routes);
    println!("{:#?}", notes(&loaded));
    let route = &loaded.set.ai_gateway_routes[0];
    assert_eq!(&*route.meta.namespace, "default");
    assert_eq!(route.spec.rules[0].backend_refs[1].weight, 1);
    let span = |field| route.span_of(field).map(|span| (span.line, span.column));
    assert_eq!(span("spec.rules[0].backendRefs[1].name"), Some((16, 17)));
    assert_eq!(span("spec.rules[0].backendRefs[1].priority"), Some((16, 11)));
    assert_eq!(span("spec.rules"), Some((8, 3)));
    assert_eq!(span(""), Some((1, 1)));
}
