use super::*;

fn codes(text: &str) -> Vec<String> {
    let notes = surroundings(&[Source { name: "a.yaml", text }], &|_| None);
    notes.iter().map(|note| format!("{} {}", note.code, note.field)).collect()
}

const ROUTE: &str = "\
apiVersion: aigateway.envoyproxy.io/v1beta1
kind: AIGatewayRoute
metadata: {name: a}
spec: {rules: []}
---
";

#[test]
fn a_chart_of_envoy_gateway_without_values_is_not_set_up_for_models() {
    for release in [
        "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: a}\nspec: {chart: {spec: {chart: gateway-helm}}}\n",
        "apiVersion: argoproj.io/v1alpha1\nkind: Application\nmetadata: {name: a}\nspec: {source: {chart: gateway-helm}}\n",
        "apiVersion: helm.m.crossplane.io/v1beta1\nkind: Release\nmetadata: {name: a}\nspec: {forProvider: {chart: {name: gateway-helm}}}\n",
    ] {
        let found = codes(&format!("{ROUTE}{release}"));
        assert!(
            found.iter().any(|found| found.starts_with("no-extension-manager spec.")),
            "{release}: {found:?}"
        );
        assert!(
            found.iter().any(|found| found.starts_with("backend-not-enabled spec.")),
            "{release}: {found:?}"
        );
    }
}

#[test]
fn the_values_of_a_release_are_looked_at_where_they_stand() {
    let text = "\
apiVersion: helm.m.crossplane.io/v1beta1
kind: Release
metadata: {name: a}
spec:
  forProvider:
    chart: {name: gateway-helm}
    values:
      config:
        envoyGateway:
          extensionManager:
            backendResources: [{group: inference.networking.k8s.io, kind: InferencePool, version: v1}]
";
    assert_eq!(
        codes(text),
        [
            "extension-without-hooks spec.forProvider.values.config.envoyGateway.extensionManager",
            "extension-without-service spec.forProvider.values.config.envoyGateway.extensionManager",
        ]
    );
}

#[test]
fn the_config_map_of_envoy_gateway_is_read_too() {
    let text = "\
apiVersion: v1
kind: ConfigMap
metadata: {name: envoy-gateway-config}
data:
  envoy-gateway.yaml: |
    apiVersion: gateway.envoyproxy.io/v1alpha1
    kind: EnvoyGateway
    extensionManager: {backendResources: []}
";
    assert_eq!(
        codes(text),
        [
            "extension-without-hooks data[\"envoy-gateway.yaml\"]",
            "extension-without-service data[\"envoy-gateway.yaml\"]"
        ]
    );
}

#[test]
fn a_chart_may_be_named_by_its_repository() {
    let text = "\
apiVersion: helm.toolkit.fluxcd.io/v2
kind: HelmRelease
metadata: {name: ai-gateway}
spec: {chartRef: {kind: OCIRepository, name: controller}}
---
apiVersion: source.toolkit.fluxcd.io/v1
kind: OCIRepository
metadata: {name: controller}
spec: {url: \"oci://docker.io/envoyproxy/ai-gateway-helm\", ref: {tag: v0.4.0}}
";
    assert_eq!(codes(text), ["crds-chart-missing spec.chartRef"]);
    assert!(codes(&text.replace("v0.4.0", "v0.3.0")).is_empty());
}

#[test]
fn patterns_of_tools_are_patterns_and_not_too_many() {
    let route = |patterns: &str| {
        format!(
            "apiVersion: aigateway.envoyproxy.io/v1beta1\nkind: MCPRoute\nmetadata: {{name: a}}\nspec:\n  backendRefs: \
             [{{name: github, toolSelector: {{includeRegex: {patterns}}}}}]\n"
        )
    };
    assert!(codes(&route("[\".*issues?.*\"]")).is_empty());
    assert_eq!(
        codes(&route("[\"(unclosed\"]")),
        ["invalid-regex spec.backendRefs[0].toolSelector.includeRegex[0]"]
    );
    assert_eq!(codes(&route("[[x]]")), ["invalid-regex spec.backendRefs[0].toolSelector.includeRegex[0]"]);
    let many = format!("[{}]", vec!["a"; 33].join(", "));
    assert_eq!(codes(&route(&many)), ["too-many-items spec.backendRefs[0].toolSelector.includeRegex"]);
}

#[test]
fn a_dependency_that_may_be_elsewhere_is_a_warning() {
    let text = "\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: ai-gateway, namespace: flux-system}
spec: {path: ./a, dependsOn: [{name: envoy-gateway}]}
";
    let notes = surroundings(&[Source { name: "a.yaml", text }], &|_| None);
    assert_eq!((notes.0[0].code, notes.0[0].severity), ("dependency-not-found", Severity::Warning));
    assert!(
        codes(&text.replace("{name: envoy-gateway}", "{name: envoy-gateway, namespace: network}")).is_empty()
    );
}

#[test]
fn clusters_and_secrets_are_shown_unless_told_otherwise() {
    let config = |translation: &str| {
        codes(&format!(
            "{ROUTE}apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyGateway\nextensionApis: {{enableBackend: \
             true}}\nextensionManager:\n  service: {{unix: {{path: /run/x.sock}}}}\n  hooks: {{xdsTranslator: {{post: \
             [Route, Cluster, Translation], translation: {{{translation}}}}}}}\n"
        ))
    };
    let shown = "listener: {includeAll: true}, route: {includeAll: true}";
    assert_eq!(config(shown), Vec::<String>::new());
    assert_eq!(config(""), ["extension-incomplete extensionManager.hooks"]);
    let hidden = format!("{shown}, secret: {{includeAll: false}}");
    assert_eq!(config(&hidden), ["extension-incomplete extensionManager.hooks"]);
}

#[test]
fn a_slip_of_the_pen_in_the_configuration_of_envoy_gateway_is_told() {
    let text = "apiVersion: gateway.envoyproxy.io/v1alpha1\nkind: EnvoyGateway\nextensionApis: {enableBackends: true}\n";
    let notes = surroundings(&[Source { name: "a.yaml", text }], &|_| None);
    assert_eq!(notes.0[0].field, "extensionApis.enableBackends");
    assert_eq!(notes.0[0].help.as_deref(), Some("did you mean `enableBackend`?"));
}

#[test]
fn a_service_has_to_be_somewhere() {
    let text = "\
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyGateway
extensionManager:
  hooks: {xdsTranslator: {post: [Route]}}
  service: {retry: {maxAttempts: 3}}
";
    assert_eq!(codes(text), ["extension-without-service extensionManager"]);
}

#[test]
fn a_folder_with_a_list_of_its_own_is_not_applied_twice() {
    let flux = "\
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: apps, namespace: flux-system}
spec: {path: ./kubernetes/apps}
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata: {name: models, namespace: flux-system}
spec: {path: ./kubernetes/apps/models}
";
    let list = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\nresources: [network]\n";
    let codes = |name| {
        let sources = [Source { name: "flux.yaml", text: flux }, Source { name, text: list }];
        surroundings(&sources, &|_| None).iter().map(|note| note.code).collect::<Vec<_>>()
    };
    assert_eq!(codes("repository/kubernetes/other/kustomization.yaml"), ["applied-twice"]);
    assert_eq!(codes("repository/kubernetes/apps/kustomization.yaml"), Vec::<&str>::new());
}

#[test]
fn secrets_that_are_made_in_the_cluster_are_known_with_their_maker() {
    let text = "\
apiVersion: cert-manager.io/v1
kind: Certificate
metadata: {name: edge, namespace: a}
spec: {secretName: edge-tls}
---
apiVersion: external-secrets.io/v1
kind: ExternalSecret
metadata: {name: key, namespace: a}
spec: {target: {}}
---
apiVersion: bitnami.com/v1alpha1
kind: SealedSecret
metadata: {name: sealed}
spec: {template: {metadata: {name: opened}}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: edge, namespace: a, annotations: {cert-manager.io/cluster-issuer: letsencrypt}}
spec: {listeners: [{tls: {certificateRefs: [{name: wildcard}]}}]}
";
    let made = made_secrets(&[Source { name: "a.yaml", text }], &|_| None);
    let lines: Vec<_> = made.iter().map(|made| format!("{} by {}", made.secret, made.by)).collect();
    assert_eq!(
        lines,
        [
            "Secret a/edge-tls by Certificate a/edge",
            "Secret a/key by ExternalSecret a/key",
            "Secret default/opened by SealedSecret default/sealed",
            "Secret a/wildcard by Gateway a/edge",
        ]
    );
}

#[test]
fn charts_have_to_go_together() {
    let releases = |envoy: &str, crds: &str, ai: &str| {
        let release = |chart: &str, version: &str| {
            format!(
                "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {{name: {chart}}}\nspec: {{chart: {{spec: \
                 {{chart: {chart}, version: {version}}}}}}}\n---\n"
            )
        };
        let text = release("gateway-helm", envoy)
            + &release("ai-gateway-crds-helm", crds)
            + &release("ai-gateway-helm", ai);
        codes(&text)
    };
    assert_eq!(releases("v1.6.1", "v0.5.0", "v0.5.0"), Vec::<String>::new());
    assert_eq!(releases("v1.5.4", "v0.5.0", "0.5.0"), ["versions-do-not-fit spec.chart"]);
    assert_eq!(releases("v1.6.1", "v0.4.0", "v0.5.0"), ["crds-of-another-version spec.chart"]);
    assert_eq!(releases("v1.6.1", "v0.5.0", "main"), Vec::<String>::new());
}

/// A tree of Flux as it stands in a repository: namespaces and values come with the build.
#[test]
fn what_a_build_has_yet_to_say_is_not_claimed() {
    let ks = |name: &str, rest: &str| {
        format!(
            "apiVersion: kustomize.toolkit.fluxcd.io/v1\nkind: Kustomization\nmetadata: {{name: {name}}}\nspec: {{path: \
             ./apps/{name}{rest}}}\n"
        )
    };
    let build = "apiVersion: kustomize.config.k8s.io/v1beta1\nkind: Kustomization\n";
    let release = "apiVersion: helm.toolkit.fluxcd.io/v2\nkind: HelmRelease\nmetadata: {name: eg}\nspec:\n  chart: {spec: \
                   {chart: gateway-helm}}\n";
    let found = |namespace: &str, more: &str| {
        let net = format!("{build}namespace: {namespace}\nresources: [eg.yaml]\n");
        let ai = format!("{build}namespace: ai\nresources: [gateway.yaml]\n");
        let texts = [
            ("apps/net/kustomization.yaml", net),
            ("apps/net/eg.yaml", ks("eg", "")),
            ("apps/ai/kustomization.yaml", ai),
            ("apps/ai/gateway.yaml", ks("gateway", ", dependsOn: [{name: eg}]")),
            ("apps/ai/route.yaml", ROUTE.to_owned()),
            ("apps/net/release.yaml", format!("{release}{more}")),
        ];
        let sources: Vec<_> = texts.iter().map(|(name, text)| Source { name, text }).collect();
        let notes = surroundings(&sources, &|_| None);
        notes.iter().map(|note| format!("{}[{}]", note.severity, note.code)).collect::<Vec<_>>()
    };
    // The dependency is in the namespace of its own build, too, and the values are in a ConfigMap.
    let elsewhere = "  valuesFrom: [{kind: ConfigMap, name: values}]\n";
    assert_eq!(found("ai", elsewhere), ["info[no-extension-manager]", "info[backend-not-enabled]"]);
    assert_eq!(
        found("net", ""),
        ["error[no-extension-manager]", "error[backend-not-enabled]", "error[dependency-not-found]"]
    );
    // Without the builds nobody knows where anything is.
    let texts = [ks("eg", ""), ks("gateway", ", dependsOn: [{name: eg}]")];
    let sources = texts.each_ref().map(|text| Source { name: "a.yaml", text });
    assert!(surroundings(&sources, &|_| None).0.is_empty());
}
