"""deploy/charts/ai-gateway-core: every value of it, its examples, and that the gateway serves what comes out."""

import pathlib
import tarfile

import pytest
import yaml

import charts
import serving
from charts import ABSENT, CHARTS, at, defaults, nest, only, refused, render
from definitions import RELEASES

CORE = "ai-gateway-core"
CI = CHARTS / CORE / "ci"
HERE = pathlib.Path(__file__).parent
EXAMPLES = ["basic", "production", "minimal"]
DEPLOYMENT = "envoyProxy.provider.kubernetes.envoyDeployment"
SERVICE = "envoyProxy.provider.kubernetes.envoyService"
POD = "spec.provider.kubernetes.envoyDeployment.pod"
CONTAINER = "spec.provider.kubernetes.envoyDeployment.container"
ENVOY_SERVICE = "spec.provider.kubernetes.envoyService"
KINDS = ["ClientTrafficPolicy", "EnvoyProxy", "Gateway", "GatewayClass", "GatewayConfig"]
OWN_LABELS = {
    "app.kubernetes.io/instance": "release",
    "app.kubernetes.io/managed-by": "Helm",
    "app.kubernetes.io/name": CORE,
    "app.kubernetes.io/part-of": "ai-gateway",
    "helm.sh/chart": "ai-gateway-core-0.2.0",
}
TARGET = {"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": "ai-gateway"}
PARAMETERS = {"group": "gateway.envoyproxy.io", "kind": "EnvoyProxy", "name": "ai-gateway"}
GATEWAY_CONFIG = "aigateway.envoyproxy.io/gateway-config"

# Requirement, kind, path, what is there by default.
# fmt: off
DEFAULTS = [
    ("S001-6", "GatewayClass", "metadata.name", "ai-gateway"),
    ("S001-7", "GatewayClass", "spec.controllerName", "gateway.envoyproxy.io/gatewayclass-controller"),
    ("S001-8", "GatewayClass", "metadata.labels", OWN_LABELS),
    ("S001-9", "GatewayClass", "metadata.annotations", ABSENT),
    ("S001-11", "Gateway", "metadata.name", "ai-gateway"),
    ("S001-12", "Gateway", "spec.gatewayClassName", "ai-gateway"),
    ("S001-13", "Gateway", "metadata.labels", OWN_LABELS),
    ("S001-14", "Gateway", "metadata.annotations", {GATEWAY_CONFIG: "ai-gateway-tracing"}),
    ("S001-15", "Gateway", "spec.listeners", [{"name": "http", "protocol": "HTTP", "port": 80}]),
    ("S001-17", "Gateway", "spec.infrastructure.parametersRef", PARAMETERS),
    ("S001-19", "Gateway", f"metadata.annotations.'{GATEWAY_CONFIG}'", "ai-gateway-tracing"),
    ("S001-21", "GatewayConfig", "metadata.name", "ai-gateway-tracing"),
    ("S001-22", "GatewayConfig", "metadata.labels", OWN_LABELS),
    ("S001-23", "GatewayConfig", "metadata.annotations", ABSENT),
    ("S001-24", "GatewayConfig", "spec", {}),
    ("S001-28", "GatewayConfig", "metadata.namespace", charts.NAMESPACE),
    ("S001-30", "EnvoyProxy", "metadata.name", "ai-gateway"),
    ("S001-31", "EnvoyProxy", "metadata.labels", OWN_LABELS),
    ("S001-32", "EnvoyProxy", "metadata.annotations", ABSENT),
    ("S001-33", "EnvoyProxy", "spec.provider.type", "Kubernetes"),
    ("S001-34", "EnvoyProxy", "spec.provider.kubernetes.envoyDeployment.replicas", 1),
    ("S001-35..40,45,46", "EnvoyProxy", POD, ABSENT),
    ("S001-41..44,46", "EnvoyProxy", CONTAINER, ABSENT),
    ("S001-47", "EnvoyProxy", f"{ENVOY_SERVICE}.type", "LoadBalancer"),
    ("S001-48", "EnvoyProxy", f"{ENVOY_SERVICE}.annotations", ABSENT),
    ("S001-49", "EnvoyProxy", f"{ENVOY_SERVICE}.loadBalancerIP", ABSENT),
    ("S001-50", "EnvoyProxy", f"{ENVOY_SERVICE}.externalTrafficPolicy", ABSENT),
    ("S001-51", "EnvoyProxy", "spec.logging.level.default", "info"),
    ("S001-52..54", "EnvoyProxy", "spec.telemetry", ABSENT),
    ("S001-55", "EnvoyProxy", "spec.shutdown.drainTimeout", "30s"),
    ("S001-56", "EnvoyProxy", "spec.shutdown.minDrainDuration", "5s"),
    ("S001-58", "ClientTrafficPolicy", "metadata.name", "client-buffer-limit"),
    ("S001-59", "ClientTrafficPolicy", "metadata.labels", OWN_LABELS),
    ("S001-60", "ClientTrafficPolicy", "metadata.annotations", ABSENT),
    ("S001-61", "ClientTrafficPolicy", "spec.targetRefs", [TARGET]),
    ("S001-62", "ClientTrafficPolicy", "spec.connection", {"bufferLimit": "50Mi"}),
    *(
        (f"S001-{number}", "ClientTrafficPolicy", f"spec.{name}", ABSENT)
        for number, name in [(64, "http"), (65, "timeout"), (66, "tls"), (67, "path"), (68, "headers"), (69, "healthCheck")]
    ),
]
# fmt: on

TOLERATION = {"key": "dedicated", "operator": "Equal", "value": "gateway", "effect": "NoSchedule"}
VOLUME = {"name": "scratch", "emptyDir": {}}
ENV = {"name": "GODEBUG", "value": "1"}
TRACING = {
    "samplingRate": 10,
    "provider": {"type": "OpenTelemetry", "backendRefs": [{"name": "collector", "port": 4317}]},
}

# Requirement, value, what it is set to, kind, path, what is there then (where it is not the same).
# fmt: off
SETTINGS = [
    ("S001-6", "gatewayClass.name", "mine", "GatewayClass", "metadata.name"),
    ("S001-7", "gatewayClass.controllerName", "example.com/mine", "GatewayClass", "spec.controllerName"),
    ("S001-8", "gatewayClass.labels", {"team": "ai"}, "GatewayClass", "metadata.labels", OWN_LABELS | {"team": "ai"}),
    ("S001-9", "gatewayClass.annotations", {"a": "b"}, "GatewayClass", "metadata.annotations"),
    ("S001-11", "gateway.name", "mine", "Gateway", "metadata.name"),
    ("S001-12", "gateway.className", "other", "Gateway", "spec.gatewayClassName"),
    ("S001-12", "gatewayClass.name", "mine", "Gateway", "spec.gatewayClassName"),
    ("S001-13", "gateway.labels", {"team": "ai"}, "Gateway", "metadata.labels", OWN_LABELS | {"team": "ai"}),
    ("S001-14", "gateway.annotations", {"a": "b"}, "Gateway", "metadata.annotations", {"a": "b", GATEWAY_CONFIG: "ai-gateway-tracing"}),
    ("S001-16", "gateway.listeners", [{"name": "all", "protocol": "HTTP", "port": 80, "hostname": "*.example.com"}], "Gateway", "spec.listeners"),
    ("S001-17", "gateway.infrastructure.enabled", False, "Gateway", "spec.infrastructure", ABSENT),
    ("S001-17", "envoyProxy.name", "mine", "Gateway", "spec.infrastructure.parametersRef.name"),
    ("S001-18", "envoyProxy.enabled", False, "Gateway", "spec.infrastructure", ABSENT),
    ("S001-19", "gatewayConfig.name", "mine", "Gateway", f"metadata.annotations.'{GATEWAY_CONFIG}'"),
    ("S001-19", "gatewayConfig.enabled", False, "Gateway", "metadata.annotations", ABSENT),
    ("S001-21", "gatewayConfig.name", "mine", "GatewayConfig", "metadata.name"),
    ("S001-22", "gatewayConfig.labels", {"team": "ai"}, "GatewayConfig", "metadata.labels.team", "ai"),
    ("S001-23", "gatewayConfig.annotations", {"a": "b"}, "GatewayConfig", "metadata.annotations"),
    ("S001-25", "gatewayConfig.spec.extProc.kubernetes.env", [ENV], "GatewayConfig", "spec.extProc.kubernetes.env"),
    ("S001-24", "gatewayConfig.spec", None, "GatewayConfig", "spec", {}),
    ("S001-30", "envoyProxy.name", "mine", "EnvoyProxy", "metadata.name"),
    ("S001-31", "envoyProxy.labels", {"team": "ai"}, "EnvoyProxy", "metadata.labels.team", "ai"),
    ("S001-32", "envoyProxy.annotations", {"a": "b"}, "EnvoyProxy", "metadata.annotations"),
    ("S001-33", "envoyProxy.provider.type", "Host", "EnvoyProxy", "spec.provider", {"type": "Host"}),
    ("S001-34", f"{DEPLOYMENT}.replicas", 3, "EnvoyProxy", "spec.provider.kubernetes.envoyDeployment.replicas"),
    ("X15", f"{DEPLOYMENT}.replicas", 0, "EnvoyProxy", "spec.provider.kubernetes.envoyDeployment.replicas"),
    ("X15", f"{DEPLOYMENT}.replicas", None, "EnvoyProxy", "spec.provider.kubernetes.envoyDeployment", ABSENT),
    ("S001-35", f"{DEPLOYMENT}.pod.labels", {"app": "envoy"}, "EnvoyProxy", f"{POD}.labels"),
    ("S001-36", f"{DEPLOYMENT}.pod.annotations", {"a": "b"}, "EnvoyProxy", f"{POD}.annotations"),
    ("S001-37", f"{DEPLOYMENT}.pod.securityContext", {"runAsNonRoot": True}, "EnvoyProxy", f"{POD}.securityContext"),
    ("S001-38", f"{DEPLOYMENT}.pod.tolerations", [TOLERATION], "EnvoyProxy", f"{POD}.tolerations"),
    ("S001-39", f"{DEPLOYMENT}.pod.nodeSelector", {"pool": "edge"}, "EnvoyProxy", f"{POD}.nodeSelector"),
    ("S001-40", f"{DEPLOYMENT}.pod.affinity", {"podAntiAffinity": {}}, "EnvoyProxy", f"{POD}.affinity"),
    ("S001-41", f"{DEPLOYMENT}.container.resources", {"limits": {"cpu": "2"}}, "EnvoyProxy", f"{CONTAINER}.resources"),
    ("S001-42", f"{DEPLOYMENT}.container.securityContext", {"privileged": False}, "EnvoyProxy", f"{CONTAINER}.securityContext"),
    ("S001-43", f"{DEPLOYMENT}.container.env", [ENV], "EnvoyProxy", f"{CONTAINER}.env"),
    ("S001-44", f"{DEPLOYMENT}.container.volumeMounts", [{"name": "scratch", "mountPath": "/x"}], "EnvoyProxy", f"{CONTAINER}.volumeMounts"),
    ("S001-45,X15", f"{DEPLOYMENT}.volumes", [VOLUME], "EnvoyProxy", f"{POD}.volumes"),
    ("S001-45", f"{DEPLOYMENT}.pod.volumes", [VOLUME], "EnvoyProxy", f"{POD}.volumes"),
    ("S001-47", f"{SERVICE}.type", "ClusterIP", "EnvoyProxy", f"{ENVOY_SERVICE}.type"),
    ("S001-48", f"{SERVICE}.annotations", {"a": "b"}, "EnvoyProxy", f"{ENVOY_SERVICE}.annotations"),
    ("S001-49", f"{SERVICE}.loadBalancerIP", "192.0.2.7", "EnvoyProxy", f"{ENVOY_SERVICE}.loadBalancerIP"),
    ("S001-50", f"{SERVICE}.externalTrafficPolicy", "Local", "EnvoyProxy", f"{ENVOY_SERVICE}.externalTrafficPolicy"),
    ("S001-50", f"{SERVICE}.externalTrafficPolicy", "Cluster", "EnvoyProxy", f"{ENVOY_SERVICE}.externalTrafficPolicy"),
    ("S001-51", "envoyProxy.logging.level.default", "warn", "EnvoyProxy", "spec.logging.level", {"default": "warn"}),
    ("S001-52", "envoyProxy.telemetry.accessLog", {"disable": True}, "EnvoyProxy", "spec.telemetry", {"accessLog": {"disable": True}}),
    ("S001-53", "envoyProxy.telemetry.metrics", {"prometheus": {"disable": True}}, "EnvoyProxy", "spec.telemetry.metrics"),
    ("S001-54", "envoyProxy.telemetry.tracing", TRACING, "EnvoyProxy", "spec.telemetry.tracing"),
    ("S001-55", "envoyProxy.shutdown.drainTimeout", "60s", "EnvoyProxy", "spec.shutdown.drainTimeout"),
    ("S001-56", "envoyProxy.shutdown.minDrainDuration", "10s", "EnvoyProxy", "spec.shutdown.minDrainDuration"),
    ("S001-58", "clientTrafficPolicy.name", "mine", "ClientTrafficPolicy", "metadata.name"),
    ("S001-59", "clientTrafficPolicy.labels", {"team": "ai"}, "ClientTrafficPolicy", "metadata.labels.team", "ai"),
    ("S001-60", "clientTrafficPolicy.annotations", {"a": "b"}, "ClientTrafficPolicy", "metadata.annotations"),
    ("S001-61", "clientTrafficPolicy.targetRefs", [TARGET | {"name": "other"}], "ClientTrafficPolicy", "spec.targetRefs"),
    ("S001-61", "gateway.name", "mine", "ClientTrafficPolicy", "spec.targetRefs[0].name"),
    ("S001-62", "clientTrafficPolicy.connection.bufferLimit", "100Mi", "ClientTrafficPolicy", "spec.connection.bufferLimit"),
    ("X15", "clientTrafficPolicy.connection.bufferLimit", "", "ClientTrafficPolicy", "spec.connection", ABSENT),
    ("X17", "clientTrafficPolicy.connection.bufferLimit", 50000000, "ClientTrafficPolicy", "spec.connection.bufferLimit"),
    ("S001-65", "clientTrafficPolicy.timeout", {"http": {"idleTimeout": "60s"}}, "ClientTrafficPolicy", "spec.timeout"),
    ("S001-66", "clientTrafficPolicy.tls", {"minVersion": "1.2"}, "ClientTrafficPolicy", "spec.tls"),
    ("S001-67", "clientTrafficPolicy.path", {"disableMergeSlashes": True}, "ClientTrafficPolicy", "spec.path"),
    ("S001-68", "clientTrafficPolicy.headers", {"earlyRequestHeaders": {"remove": ["x-user-id"]}}, "ClientTrafficPolicy", "spec.headers"),
    ("S001-69", "clientTrafficPolicy.healthCheck", {"path": "/live"}, "ClientTrafficPolicy", "spec.healthCheck"),
    ("X16", "clientTrafficPolicy.http1", {"enableTrailers": True}, "ClientTrafficPolicy", "spec.http1"),
    ("X16", "clientTrafficPolicy.http2", {"maxConcurrentStreams": 1000000}, "ClientTrafficPolicy", "spec.http2"),
    ("X16", "clientTrafficPolicy.http3", {}, "ClientTrafficPolicy", "spec.http3"),
]
# fmt: on

TLS = {"mode": "Terminate", "certificateRefs": [{"name": "ai-gateway-tls"}]}
SECRET = [{"name": "OTEL_EXPORTER_OTLP_HEADERS", "value": "Authorization=Basic dXNlcg=="}]

# Fault, value, what it is set to, words of the message.
# fmt: off
REFUSED = [
    ("X10", "gatewayConfig.extProc", {"kubernetes": {"env": []}}, "Move it to gatewayConfig.spec.extProc"),
    ("X12", "clientTrafficPolicy.connection.connectionTimeout", "60s", "clientTrafficPolicy.timeout.http.idleTimeout"),
    ("X12", "clientTrafficPolicy.timeout.http.requestTimeout", "300s", "clientTrafficPolicy.timeout.http.requestReceivedTimeout"),
    ("X14", "gatewayConfig.spec.extProc.kubernetes.env", [{"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": "https://u:k@tempo"}], "OTEL_EXPORTER_OTLP_HEADERS"),
    ("S001-92", "gatewayConfig.spec.extProc.kubernetes.env", SECRET, "valueFrom.secretKeyRef"),
    ("S001-92", "gatewayConfig.spec.extProc.kubernetes.env", [{"name": "OPENAI_API_KEY", "value": "sk-1"}], "valueFrom.secretKeyRef"),
    ("S001-92", f"{DEPLOYMENT}.container.env", [{"name": "TOKEN", "value": "abc"}], "valueFrom.secretKeyRef"),
    ("X16", "clientTrafficPolicy.http", {"idleTimeout": "1s"}, "clientTrafficPolicy.http1, clientTrafficPolicy.http2 or clientTrafficPolicy.http3"),
    ("S001-81", "clientTrafficPolicy.tls", {"minVersion": "1.3", "maxVersion": "1.2"}, "minVersion 1.3 is above maxVersion 1.2"),
    ("S001-81", "clientTrafficPolicy.tls", {"minVersion": 1.2}, "/clientTrafficPolicy/tls/minVersion"),
    ("S001-81", "clientTrafficPolicy.tls", {"minVersion": "1.4"}, "/clientTrafficPolicy/tls/minVersion"),
    ("S001-16", "gateway.listeners", [{"name": "https", "protocol": "HTTPS", "port": 443}], "needs tls.certificateRefs"),
    ("S001-16", "gateway.listeners", [{"name": "http", "protocol": "HTTP", "port": 80, "tls": TLS}], "HTTP takes no tls"),
    ("S001-15", "gateway.listeners", [{"name": "a", "protocol": "HTTP", "port": 80}, {"name": "a", "protocol": "HTTP", "port": 81}], "is taken by a listener before it"),
    ("S001-15", "gateway.listeners", [], "/gateway/listeners"),
    ("S001-15", "gateway.listeners", [{"name": "a", "protocol": "HTTP", "port": 80, "hostnames": ["x"]}], "'hostnames' not allowed"),
    ("S001-62", "clientTrafficPolicy.connection.bufferLimit", "much", "/clientTrafficPolicy/connection/bufferLimit"),
    ("S001-34", f"{DEPLOYMENT}.replicas", "three", "/replicas"),
    ("S001-50", f"{SERVICE}.externalTrafficPolicy", "Everywhere", "/externalTrafficPolicy"),
    ("S001-49", SERVICE, {"type": "ClusterIP", "loadBalancerIP": "192.0.2.7"}, "needs type LoadBalancer"),
    ("S001-55", "envoyProxy.shutdown.drainTimeout", "half a minute", "/envoyProxy/shutdown/drainTimeout"),
    ("X15", f"{DEPLOYMENT}.container.volumes", [VOLUME], "it belongs to envoyProxy.provider.kubernetes.envoyDeployment.pod.volumes"),
    ("X15", f"{DEPLOYMENT}.resources", {}, "it belongs to envoyProxy.provider.kubernetes.envoyDeployment.container.resources"),
    ("X15", f"{DEPLOYMENT}.tolerations", [], "it belongs to envoyProxy.provider.kubernetes.envoyDeployment.pod.tolerations"),
    ("X10", "gatewayConfig.env", [], "it belongs to gatewayConfig.spec.extProc.kubernetes"),
    ("X12", "clientTrafficPolicy.bufferLimit", "1Mi", "it belongs to clientTrafficPolicy.connection.bufferLimit"),
    ("X13", "namespace", "ai", "helm install --namespace"),
    ("S001-16", "gateway.hostname", "a.example.com", "it belongs to gateway.listeners[].hostname"),
    ("S001-2", "gatewayclass.enabled", False, "'gatewayclass' not allowed"),
]
# fmt: on


@pytest.mark.parametrize(
    ("kind", "path", "wanted"), [row[1:] for row in DEFAULTS], ids=[f"{row[0]}-{row[2]}" for row in DEFAULTS]
)
def test_a_default(kind, path, wanted):
    assert at(only(defaults(CORE), kind), path) == wanted


@pytest.mark.parametrize("row", SETTINGS, ids=[f"{row[0]}-{row[1]}" for row in SETTINGS])
def test_a_value_gets_where_it_belongs(row):
    _, value, given, kind, path, *wanted = row
    found = at(only(render(CORE, nest(value, given)), kind), path)
    assert found == (wanted[0] if wanted else given)


@pytest.mark.parametrize("row", REFUSED, ids=[f"{row[0]}-{row[1]}" for row in REFUSED])
def test_what_would_have_no_effect_is_refused_with_the_right_place(row):
    _, value, given, words = row
    assert words in refused(CORE, nest(value, given))


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_defaults_are_five_objects(helm):
    """S001-1"""
    assert sorted(one["kind"] for one in defaults(CORE, helm)) == KINDS


def test_both_helms_render_the_same():
    production = CI / "production-values.yaml"
    assert render(CORE, production, helm="helm3") == render(CORE, production, helm="helm")


@pytest.mark.parametrize(
    ("requirement", "value", "kind"),
    [
        ("S001-5", "gatewayClass", "GatewayClass"),
        ("S001-10", "gateway", "Gateway"),
        ("S001-20", "gatewayConfig", "GatewayConfig"),
        ("S001-2,29", "envoyProxy", "EnvoyProxy"),
        ("S001-57", "clientTrafficPolicy", "ClientTrafficPolicy"),
    ],
)
def test_what_is_not_enabled_is_not_made(requirement, value, kind):
    kinds = sorted(one["kind"] for one in render(CORE, {value: {"enabled": False}}))
    assert kinds == [one for one in KINDS if one != kind], requirement


def test_the_basic_example_is_the_defaults():
    """S001-70"""
    assert render(CORE, CI / "basic-values.yaml") == defaults(CORE)


def test_the_minimal_example_is_four_objects():
    """S001-71"""
    objects = render(CORE, CI / "minimal-values.yaml")
    assert sorted(one["kind"] for one in objects) == [one for one in KINDS if one != "EnvoyProxy"]
    assert at(only(objects, "Gateway"), "spec.infrastructure") == ABSENT
    assert at(only(objects, "ClientTrafficPolicy"), "spec.connection.bufferLimit") == "50Mi"


# fmt: off
PRODUCTION = [
    ("S001-72", "GatewayClass", "metadata.annotations.description", "Production AI Gateway"),
    ("S001-73", "Gateway", "spec.listeners[0]", {"name": "http", "protocol": "HTTP", "port": 80}),
    ("S001-73", "Gateway", "spec.listeners[1].port", 443),
    ("S001-73", "Gateway", "spec.listeners[1].tls", {"mode": "Terminate", "certificateRefs": [{"name": "ai-gateway-tls", "kind": "Secret"}]}),
    ("S001-74", "GatewayConfig", "spec.extProc.kubernetes.env[0].value", "https://tempo-prod-10-prod-eu-west-2.grafana.net/tempo"),
    ("S001-74", "GatewayConfig", "spec.extProc.kubernetes.env[1].value", "ai-gateway-production"),
    ("S001-26", "GatewayConfig", "spec.extProc.kubernetes.env[2].value", "http/protobuf"),
    ("S001-27,92", "GatewayConfig", "spec.extProc.kubernetes.env[3].valueFrom.secretKeyRef.name", "tempo"),
    ("S001-75", "EnvoyProxy", "spec.provider.kubernetes.envoyDeployment.replicas", 3),
    ("S001-75", "EnvoyProxy", f"{POD}.annotations", {"prometheus.io/scrape": "true"}),
    ("S001-76", "EnvoyProxy", f"{POD}.tolerations", [TOLERATION]),
    ("S001-76", "EnvoyProxy", f"{POD}.affinity.podAntiAffinity.preferredDuringSchedulingIgnoredDuringExecution[0].weight", 100),
    ("S001-76", "EnvoyProxy", f"{POD}.labels", {"app": "envoy"}),
    ("S001-77", "EnvoyProxy", f"{CONTAINER}.resources", {"limits": {"cpu": "2", "memory": "4Gi"}, "requests": {"cpu": "500m", "memory": "1Gi"}}),
    ("S001-78", "EnvoyProxy", ENVOY_SERVICE, {"type": "LoadBalancer", "annotations": {"service.beta.kubernetes.io/aws-load-balancer-type": "nlb"}}),
    ("S001-79", "EnvoyProxy", "spec.logging.level", {"default": "warn"}),
    ("S001-79", "EnvoyProxy", "spec.shutdown", {"drainTimeout": "60s", "minDrainDuration": "10s"}),
    ("S001-80", "ClientTrafficPolicy", "spec.connection", {"bufferLimit": "100Mi"}),
    ("S001-80,X12", "ClientTrafficPolicy", "spec.timeout.http", {"idleTimeout": "60s", "requestReceivedTimeout": "300s"}),
    ("S001-80,81", "ClientTrafficPolicy", "spec.tls", {"minVersion": "1.2", "maxVersion": "1.3"}),
]
# fmt: on


@pytest.mark.parametrize(
    ("kind", "path", "wanted"), [row[1:] for row in PRODUCTION], ids=[f"{row[0]}-{row[2]}" for row in PRODUCTION]
)
def test_the_production_example(kind, path, wanted):
    assert at(only(render(CORE, CI / "production-values.yaml"), kind), path) == wanted


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_what_it_was(example, golden):
    """What a change of the chart does to users, to be read in its diff."""
    golden(HERE / "golden" / f"{example}.yaml", charts.text(render(CORE, CI / f"{example}-values.yaml")))


@pytest.mark.parametrize(
    ("capabilities", "wanted"),
    [
        ([], "v1beta1"),
        (["aigateway.envoyproxy.io/v1alpha1"], "v1alpha1"),
        (["aigateway.envoyproxy.io/v1alpha1", "aigateway.envoyproxy.io/v1beta1"], "v1beta1"),
    ],
)
def test_the_newest_version_of_the_cluster_is_written(capabilities, wanted):
    made = only(render(CORE, capabilities=capabilities), "GatewayConfig")
    assert made["apiVersion"] == f"aigateway.envoyproxy.io/{wanted}"


def test_an_older_kubernetes_is_refused():
    """S001-3, X13"""
    assert ">=1.32.0-0" in refused(CORE, kube="1.24.0")


@pytest.mark.parametrize("example", ["defaults", *EXAMPLES])
@pytest.mark.parametrize("release", RELEASES)
def test_definitions_take_what_is_rendered(release, example, crd_validator):
    """S001-91. AI Gateway 0.4 has no GatewayConfig, 0.5 has it in v1alpha1 only."""
    values = [CI / f"{example}-values.yaml"] if example in EXAMPLES else []
    older = {"gatewayConfig": {"enabled": False}} if release == "eg-1.5" else {}
    if release in ("eg-1.5", "eg-1.6"):
        older["apiVersions"] = {"aiGateway": "v1alpha1"}
    assert crd_validator(release).errors(render(CORE, *values, older)) == []


NOT_WITH_OTHERS = ["envoyProxy.provider.type", f"{SERVICE}.type", "clientTrafficPolicy.http3"]


def test_definitions_take_everything_that_can_be_set(crd_validator):
    """One release with every value of SETTINGS that does not take something away."""
    values = {}
    for _, value, given, *_ in SETTINGS:
        if given not in (False, None, "", 0) and value not in NOT_WITH_OTHERS:
            values = charts.merged(values, nest(value, given))
    assert crd_validator("eg-1.9").errors(render(CORE, values)) == []


@pytest.mark.parametrize("helm", ["helm", "helm3"])
@pytest.mark.parametrize("example", EXAMPLES)
def test_lint_has_nothing_against_it(helm, example, tools):
    """S001-91"""
    tool = tools.helm if helm == "helm" else tools.helm3
    assert "0 chart(s) failed" in tool("lint", "--strict", CHARTS / CORE, "--values", CI / f"{example}-values.yaml")


def test_the_suite_that_ships_with_the_chart(tools):
    tools.untt("--strict", CHARTS / CORE)


def test_the_readme_is_made_of_the_values(tools, golden):
    said = tools.helm_docs(
        "--dry-run", "--log-level", "error", "--chart-search-root", CHARTS / CORE, "--sort-values-order", "file"
    )
    golden(CHARTS / CORE / "README.md", said.strip() + "\n")


def test_the_hook_of_helm_test_waits_for_the_gateway(tools, crd_validator):
    text = tools.helm(
        "template", "release", *charts.arguments(CORE), "--show-only", "templates/tests/gateway-programmed.yaml"
    )
    objects = [one for one in yaml.safe_load_all(text) if one]
    assert [one["kind"] for one in objects] == ["ServiceAccount", "Role", "RoleBinding", "Pod"]
    assert {one["metadata"]["annotations"]["helm.sh/hook"] for one in objects} == {"test"}
    assert "gateway.gateway.networking.k8s.io/ai-gateway" in objects[-1]["spec"]["containers"][0]["args"]
    assert crd_validator("eg-1.8").errors(objects) == []


@pytest.mark.parametrize("chart", [CORE, "models"])
def test_a_package_has_what_users_need_and_no_more(chart, tools, tmp_path):
    tools.helm("package", CHARTS / chart, "--destination", tmp_path)
    (package,) = tmp_path.iterdir()
    with tarfile.open(package) as archive:
        inside = {name.split("/", 1)[1] for name in archive.getnames()}
    assert {"Chart.yaml", "values.yaml", "values.schema.json", "README.md", "templates/NOTES.txt"} <= inside
    assert not [name for name in inside if name.startswith(("ci/", "tests/")) or name.endswith(".gotmpl")]
    assert ("templates/tests/gateway-programmed.yaml" in inside) == (chart == CORE)


@pytest.mark.parametrize(
    ("values", "said", "unsaid"),
    [
        ({}, "helm test release --namespace ai", "nothing refers to it"),
        ({}, "--set gatewayRef.name=ai-gateway", "There is no Gateway"),
        ({}, "Nothing is traced yet", "nothing refers to it"),
        ({"gateway": {"enabled": False}}, "There is no Gateway", "helm test"),
        (
            {"gateway": {"infrastructure": {"enabled": False}}},
            "The EnvoyProxy ai-gateway is made, and nothing refers to it",
            "no Gateway",
        ),
        (nest("gatewayConfig.spec.extProc.kubernetes.env", [ENV]), "helm test", "Nothing is traced yet"),
    ],
)
def test_people_are_told_what_to_do_next(values, said, unsaid):
    notes = charts.notes(CORE, values)
    assert said in notes and unsaid not in notes, notes


def test_the_production_example_as_it_was_written_is_refused_with_both_places():
    """X12: it rendered, and the API server dropped both fields."""
    written = {
        "connection": {"bufferLimit": "100Mi", "connectionTimeout": "60s"},
        "timeout": {"http": {"requestTimeout": "300s"}},
    }
    said = refused(CORE, CI / "production-values.yaml", {"clientTrafficPolicy": written})
    assert "clientTrafficPolicy.connection.connectionTimeout: " in said
    assert "clientTrafficPolicy.timeout.http.requestTimeout: " in said


def test_no_secret_is_in_the_chart():
    """S001-92"""
    for path in (CHARTS / CORE).rglob("*"):
        if path.is_file():
            assert not any(word in path.read_text() for word in ("sk-", "Bearer ey", "BEGIN PRIVATE")), path


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_gateway_has_nothing_to_say_against_it(example, tollgate_check, authority):
    objects = render(CORE, CI / f"{example}-values.yaml")
    tollgate_check(objects + beside(authority), env=OTEL_OFF)


OTEL_OFF = {"OTEL_SDK_DISABLED": "true"}


def beside(authority):
    """What the cluster has beside the release."""
    certificate = authority.secret("ai-gateway-tls", "gateway.example.com", namespace=charts.NAMESPACE)
    return [certificate, *tempo(), *route()]


def tempo():
    """The Secret with the header for the collector of traces."""
    made = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "tempo", "namespace": charts.NAMESPACE}}
    return [made | {"stringData": {"headers": "Authorization=Basic dXNlcjprZXk="}}]


def route():
    """A plain route with an answer of its own: is the listener open, and does it stay the chart's Gateway that serves?"""
    answer = {
        "type": "ExtensionRef",
        "extensionRef": {"group": "gateway.envoyproxy.io", "kind": "HTTPRouteFilter", "name": "answer"},
    }
    return [
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"name": "answer", "namespace": charts.NAMESPACE},
            "spec": {"parentRefs": [{"name": "ai-gateway"}], "rules": [{"filters": [answer]}]},
        },
        {
            "apiVersion": "gateway.envoyproxy.io/v1alpha1",
            "kind": "HTTPRouteFilter",
            "metadata": {"name": "answer", "namespace": charts.NAMESPACE},
            "spec": {"directResponse": {"statusCode": 200, "body": {"type": "Inline", "inline": "served"}}},
        },
    ]


def test_the_minimal_example_serves(gateway):
    served = gateway(render(CORE, CI / "minimal-values.yaml") + route())
    assert served.ask("GET", "/").text == "served"


def test_the_production_example_serves_with_tls(gateway, authority):
    """S001-73"""
    served = gateway(render(CORE, CI / "production-values.yaml") + beside(authority), env=OTEL_OFF)
    reply = served.ask("GET", "/", port=443, tls=authority.context(), host="gateway.example.com")
    assert (reply.status, reply.text) == (200, "served")
    assert served.ask("GET", "/").text == "served"


def test_spans_go_where_the_environment_says_with_the_header_of_a_secret(gateway):
    """S001-26, S001-27 as X14 has it"""
    collector = serving.Collector()
    variables = [
        {"name": "OTEL_EXPORTER_OTLP_ENDPOINT", "value": f"{collector.url}/tempo"},
        {"name": "OTEL_SERVICE_NAME", "value": "ai-gateway-production"},
        {"name": "OTEL_EXPORTER_OTLP_PROTOCOL", "value": "http/protobuf"},
        {"name": "OTEL_BSP_SCHEDULE_DELAY", "value": "50"},
        {"name": "OTEL_TRACES_EXPORTER", "value": "otlp"},
        {"name": "OTEL_EXPORTER_OTLP_HEADERS", "valueFrom": {"secretKeyRef": {"name": "tempo", "key": "headers"}}},
    ]
    objects = render(CORE, nest("gatewayConfig.spec.extProc.kubernetes.env", variables))
    served = gateway(objects + tempo() + route())
    assert served.chat("any").status in (200, 404)
    path, headers, body = collector.next()
    collector.shutdown()
    assert path == "/tempo/v1/traces"
    assert headers["authorization"] == "Basic dXNlcjprZXk="
    assert b"ai-gateway-production" in body
