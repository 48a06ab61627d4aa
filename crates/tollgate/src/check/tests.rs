use clap::Parser as _;

use super::*;

#[derive(Debug, clap::Parser)]
struct Only {
    #[command(flatten)]
    args: CheckArgs,
}

/// What the command would report about a text, for a version.
pub(crate) fn notes_of(text: &str, target: Option<&str>) -> tollgate_types::Diagnostics {
    let file = crate::files::File { name: "-".to_owned(), text: text.into() };
    let files = crate::files::Files { texts: vec![file], ..crate::files::Files::default() };
    let mut built = Built::from_files(files, &|_| None);
    let targets: Vec<_> = target.iter().map(|target| target.parse().unwrap()).collect();
    look_further(&mut built, &targets, &|_| None);
    built.notes
}

/// Everything that the command would say about a text.
fn check(text: &str, options: &[&str]) -> (String, bool) {
    let line = ["check", "-"].iter().chain(options);
    let Only { args } = Only::try_parse_from(line).unwrap();
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let mut terminal = Terminal {
        stdin: &mut text.as_bytes(),
        stdout: &mut out,
        stderr: &mut err,
        env: &|_| None,
        colour: Colour::Never,
    };
    let code = run(&args, &mut terminal).unwrap();
    (String::from_utf8(out).unwrap(), code == ExitCode::SUCCESS)
}

const ROUTE: &str = "\
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {name: chat}
spec:
  parentRefs: [{name: edge}]
  rules: []
";

#[test]
fn an_error_is_shown_with_its_line_and_counted_and_fails() {
    let (out, passed) = check(ROUTE, &[]);
    assert!(!passed);
    expect_test::expect![[r#"
        error[parent-not-found]: Gateway default/edge does not exist
         --> -:5:23
          |
        5 |   parentRefs: [{name: edge}]
          |                       ^^^^
          = AIGatewayRoute default/chat at spec.parentRefs[0].name
          = help: there is no Gateway at all; add one

        1 error, 0 warnings in 1 file; 0 listeners, 0 routes, 0 backends
    "#]]
    .assert_eq(&out);
}

#[test]
fn warnings_fail_only_where_they_are_denied() {
    let text = ROUTE.replace("  parentRefs: [{name: edge}]\n", "");
    assert!(check(&text, &[]).1);
    assert!(!check(&text, &["--deny", "warnings"]).1);
}

#[test]
fn programs_get_an_array() {
    let (out, passed) = check(ROUTE, &["--output", "json"]);
    let value: serde_json::Value = serde_json::from_str(&out).unwrap();
    assert_eq!(value[0]["code"], "parent-not-found");
    assert_eq!(value[0]["object"]["name"], "chat");
    assert!(!passed);
}

#[test]
fn one_code_may_be_denied_or_left_out() {
    let text = ROUTE.replace("  parentRefs: [{name: edge}]\n", "");
    assert!(!check(&text, &["--deny", "unattached-route"]).1);
    assert!(check(&text, &["--deny", "unused-backend"]).1);
    let (out, passed) = check(&text, &["--deny", "warnings", "--allow", "unattached-route"]);
    assert!(passed && !out.contains("unattached-route"), "{out}");
    let (out, passed) = check(ROUTE, &["--allow", "parent-not-found"]);
    assert!(passed && !out.contains("parent-not-found"), "{out}");
}

#[test]
fn a_code_that_does_not_exist_is_refused_with_the_one_that_was_meant() {
    let error = Only::try_parse_from(["check", "-", "--deny", "unreachble-rule"]).unwrap_err().to_string();
    assert!(error.contains("did you mean unreachable-rule?"), "{error}");
}

#[test]
fn versions_are_known_or_refused() {
    let refused = |text: &str| Only::try_parse_from(["check", "-", "--for", text]).unwrap_err().to_string();
    assert!(refused("envoy=1.5").contains("there are envoy-gateway, ai-gateway, gateway-api"));
    assert!(refused("envoy-gateway=0.1").contains("there are 1.5, 1.6"));
    assert!(Only::try_parse_from(["check", "-", "--for", "envoy-gateway=v1.5.4,ai-gateway=0.4"]).is_ok());
}

#[test]
fn an_older_release_is_not_told_to_take_a_newer_api_version() {
    let text = "\
apiVersion: aigateway.envoyproxy.io/v1alpha1
kind: AIServiceBackend
metadata: {name: a}
spec: {schema: {name: OpenAI}, backendRef: {group: gateway.envoyproxy.io, kind: Backend, name: a}}
";
    assert!(check(text, &[]).0.contains("deprecated-version"));
    assert!(!check(text, &["--for", "ai-gateway=0.5"]).0.contains("deprecated-version"));
    assert!(check(text, &["--for", "ai-gateway=0.6"]).0.contains("deprecated-version"));
}

#[test]
fn code_scanning_gets_a_log_whose_rules_are_explained() {
    let (out, passed) = check(ROUTE, &["--output", "sarif"]);
    assert!(!passed);
    let log: serde_json::Value = serde_json::from_str(&out).unwrap();
    let run = &log["runs"][0];
    assert_eq!((&log["version"], &run["tool"]["driver"]["name"]), (&"2.1.0".into(), &"tollgate".into()));
    let result = &run["results"][0];
    let rule = &run["tool"]["driver"]["rules"][result["ruleIndex"].as_u64().unwrap() as usize];
    assert_eq!((&result["ruleId"], &rule["id"]), (&"parent-not-found".into(), &"parent-not-found".into()));
    assert!(!rule["help"]["text"].as_str().unwrap().is_empty());
    let place = &result["locations"][0]["physicalLocation"];
    assert_eq!((&place["region"]["startLine"], &place["region"]["startColumn"]), (&5.into(), &23.into()));
    assert_eq!(result["level"], "error");
}

#[test]
fn github_gets_a_command_for_each_problem_and_a_summary() {
    let (out, _) = check(ROUTE, &["--output", "github"]);
    assert!(
        out.starts_with(
            "::error file=-,line=5,col=23,title=parent-not-found::Gateway default/edge does not exist%0A"
        ),
        "{out}"
    );
    assert!(out.trim_end().ends_with("0 listeners, 0 routes, 0 backends"), "{out}");
}

#[test]
fn a_credential_in_plain_text_is_not_quoted() {
    let text = "\
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: GatewayConfig
metadata: {name: tracing}
spec:
  extProc:
    kubernetes:
      env:
        - name: OTEL_EXPORTER_OTLP_ENDPOINT
          value: https://user:hunter2@collector.example
";
    for output in ["text", "json", "sarif", "github"] {
        let (out, _) = check(text, &["--output", output]);
        assert!(out.contains("credential-in-plain-text") && !out.contains("hunter2"), "{out}");
    }
}

#[test]
fn a_secret_that_the_cluster_makes_is_no_error() {
    let gateway = |annotation: &str| {
        format!(
            "apiVersion: gateway.networking.k8s.io/v1\nkind: Gateway\nmetadata: {{name: edge, annotations: {{{annotation}: \
             letsencrypt}}}}\nspec:\n  gatewayClassName: a\n  listeners: [{{name: https, port: 443, protocol: HTTPS, tls: \
             {{certificateRefs: [{{name: cert}}]}}}}]\n"
        )
    };
    let (out, passed) = check(&gateway("cert-manager.io/cluster-issuer"), &[]);
    assert!(passed && out.contains("info[secret-made-elsewhere]"), "{out}");
    let (out, passed) = check(&gateway("example.com/issuer"), &[]);
    assert!(!passed && out.contains("error[secret-not-found]"), "{out}");
}
