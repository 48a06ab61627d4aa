"""deploy/charts/models: what it makes of its values, and that the gateway serves it together with ai-gateway-core."""

import functools
import json
import pathlib
import subprocess

import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

import charts
import definitions
import envoy
import serving
from charts import CHARTS, at, merged, names, nest, only, refused, render
from definitions import RELEASES

MODELS = "models"
CI = CHARTS / MODELS / "ci"
HERE = pathlib.Path(__file__).parent
EXAMPLES = ["fallback", "limits"]
LIMITS = CI / "limits-values.yaml"
FALLBACK = CI / "fallback-values.yaml"
TRUSTED = {"identity": {"trusted": True}}


def backend(host, **more):
    return merged({"fqdn": {"hostname": host}, "secretRef": {"name": f"key-of-{host.split('.')[0]}"}}, more)


def two(**more):
    """A model of two providers."""
    return merged(
        {
            "backends": {"one": backend("one.example.com"), "two": backend("two.example.com")},
            "models": {"chat": {"backends": {"one": {"priority": 0}, "two": {"priority": 1}}}},
        },
        more,
    )


def test_defaults_are_nothing_yet():
    assert render(MODELS) == []


def test_what_a_backend_and_a_model_become():
    """S001-82"""
    objects = render(MODELS, FALLBACK)
    each = [
        ("AIServiceBackend", ""),
        ("Backend", ""),
        ("BackendSecurityPolicy", "-security"),
        ("BackendTLSPolicy", "-tls"),
    ]
    wanted = [(kind, name + ending) for kind, ending in each for name in ("fireworks", "openai")]
    wanted += [("AIGatewayRoute", "gpt-oss-120b"), ("BackendTrafficPolicy", "gpt-oss-120b")]
    assert names(objects) == sorted(wanted)
    assert {one["metadata"]["namespace"] for one in objects} == {charts.NAMESPACE}
    assert {one["metadata"]["labels"]["app.kubernetes.io/name"] for one in objects} == {"models"}


@pytest.mark.parametrize("example", EXAMPLES)
def test_an_example_is_what_it_was(example, golden):
    """What a change of the chart does to users, to be read in its diff."""
    golden(HERE / "golden" / f"{example}.yaml", charts.text(render(MODELS, CI / f"{example}-values.yaml")))


def test_routes_attach_to_the_gateway_of_the_core_chart():
    """S001-4"""
    core = only(charts.defaults("ai-gateway-core"), "Gateway")["metadata"]
    ref = only(render(MODELS, two()), "AIGatewayRoute")["spec"]["parentRefs"]
    assert ref == [{"group": "gateway.networking.k8s.io", "kind": "Gateway", "name": core["name"]}]
    elsewhere = {"gatewayRef": {"name": "edge", "namespace": "infra", "sectionName": "https"}}
    ref = only(render(MODELS, two(**elsewhere)), "AIGatewayRoute")["spec"]["parentRefs"][0]
    assert (ref["name"], ref["namespace"], ref["sectionName"]) == ("edge", "infra", "https")


@pytest.mark.parametrize(
    ("values", "words"),
    [
        (
            {"models": {"chat": {"backends": {"two": {"enabled": False}}}}},
            "models.chat: 1 of its backends are enabled, and 2 are needed",
        ),
        ({"backends": {"one": {"enabled": False}}}, "models.chat: 1 of its backends are enabled, and 2 are needed"),
        ({"backends": {"one": {"enabled": False}, "two": {"enabled": False}}}, "models.chat: 0 of its backends"),
    ],
)
def test_a_model_with_too_few_backends_is_refused(values, words):
    """S001-83, X46"""
    assert words in refused(MODELS, merged(two(), values))


def test_fewer_backends_can_be_asked_for():
    values = two(minBackends=1, models={"chat": {"backends": {"two": {"enabled": False}}}})
    assert [
        ref["name"] for ref in only(render(MODELS, values), "AIGatewayRoute")["spec"]["rules"][0]["backendRefs"]
    ] == ["one"]


def test_priorities_weights_and_names_get_into_the_route():
    """S001-84, 85, 86"""
    objects = render(MODELS, LIMITS)
    rule = only(objects, "AIGatewayRoute", "gpt-5")["spec"]["rules"][0]
    assert rule["backendRefs"] == [
        {"name": "azure", "priority": 1, "modelNameOverride": "gpt-5-eu"},
        {"name": "openai-backend-01-svc", "priority": 0, "weight": 3},
        {"name": "openai-backend-02-svc", "priority": 0, "weight": 1},
    ]
    matches = {
        one["metadata"]["name"]: one["spec"]["rules"][0]["matches"][0]["headers"][0]["value"]
        for one in objects
        if one["kind"] == "AIGatewayRoute"
    }
    assert matches == {
        "gpt-5": "gpt-5",
        "gemini-3-pro": "gemini-3-pro",
        "claude-sonnet": "claude-sonnet-4.5",
        "llama": "meta-llama/Llama-3.3-70B-Instruct",
    }


def test_a_retry_asks_all_of_one_priority_before_the_next():
    """S001-84"""
    objects = render(MODELS, LIMITS)
    attempts = {
        one["metadata"]["name"]: one["spec"]["retry"]["numAttemptsPerPriority"]
        for one in objects
        if one["kind"] == "BackendTrafficPolicy"
    }
    assert attempts == {"gpt-5": 2, "gemini-3-pro": 1, "claude-sonnet": 1, "llama": 1}


def test_credentials_are_references():
    """S001-87"""
    objects = render(MODELS, LIMITS)
    spec = {one["metadata"]["name"]: one["spec"] for one in objects if one["kind"] == "BackendSecurityPolicy"}
    assert (spec["openai-01-security"]["type"], spec["openai-01-security"]["apiKey"]) == (
        "APIKey",
        {"secretRef": {"name": "openai-api-key-01"}},
    )
    assert spec["claude-security"]["anthropicAPIKey"] == {"secretRef": {"name": "anthropic-api-key"}}
    assert spec["azure-security"]["azureAPIKey"] == {"secretRef": {"name": "azure-api-key"}}
    assert spec["vertex-ai-01-security"]["gcpCredentials"] == {
        "projectName": "example-project",
        "region": "us-central1",
        "credentialsFile": {"secretRef": {"name": "gcp-service-account-key-01"}},
    }
    assert "local-security" not in spec
    targets = spec["openai-01-security"]["targetRefs"]
    assert targets == [
        {"group": "aigateway.envoyproxy.io", "kind": "AIServiceBackend", "name": "openai-backend-01-svc"}
    ]


def test_providers_are_asked_over_tls_unless_they_have_none():
    """S001-82, X3"""
    objects = render(MODELS, LIMITS)
    hosts = {one["metadata"]["name"]: one["spec"]["validation"] for one in objects if one["kind"] == "BackendTLSPolicy"}
    assert hosts["claude-tls"] == {"wellKnownCACertificates": "System", "hostname": "api.anthropic.com"}
    assert "local-tls" not in hosts
    own = [{"group": "", "kind": "ConfigMap", "name": "authority"}]
    made = only(
        render(MODELS, two(backends={"one": {"tls": {"caCertificateRefs": own}}})), "BackendTLSPolicy", "one-tls"
    )
    assert made["spec"]["validation"] == {"caCertificateRefs": own, "hostname": "one.example.com"}


def test_the_prefix_of_a_schema_is_kept():
    """S001-88"""
    assert at(only(render(MODELS, FALLBACK), "AIServiceBackend", "fireworks"), "spec.schema") == {
        "name": "OpenAI",
        "prefix": "/inference/v1",
    }


def test_limits_count_users_and_models():
    """S001-89, X17"""
    rules = only(render(MODELS, LIMITS), "BackendTrafficPolicy", "gpt-5")["spec"]["rateLimit"]["global"]["rules"]
    selector = [
        {
            "headers": [
                {"name": "x-user-id", "type": "Distinct"},
                {"name": "x-ai-eg-model", "type": "Exact", "value": "gpt-5"},
            ]
        }
    ]
    assert [rule["clientSelectors"] for rule in rules] == [selector] * 4
    assert [rule["limit"] for rule in rules] == [
        {"requests": 50000, "unit": "Minute"},
        {"requests": 10000000, "unit": "Day"},
        {"requests": 300000000, "unit": "Month"},
        {"requests": 3600000000, "unit": "Year"},
    ]
    cost = {
        "request": {"from": "Number", "number": 0},
        "response": {"from": "Metadata", "metadata": {"namespace": "io.envoy.ai_gateway", "key": "llm_total_token"}},
    }
    assert [rule.get("cost") for rule in rules] == [None, cost, cost, cost]


@pytest.mark.parametrize("helm", ["helm", "helm3"])
def test_whole_numbers_stay_whole(helm, tools):
    """X17: as text, since a parser takes 3e+06 for a number, too."""
    tool = tools.helm if helm == "helm" else tools.helm3
    text = tool("template", "release", *charts.arguments(MODELS, [LIMITS]))
    assert "requests: 3600000000" in text and "e+" not in text


def test_every_metadata_key_that_is_counted_is_declared():
    """X4"""
    costs = only(render(MODELS, LIMITS), "AIGatewayRoute", "gpt-5")["spec"]["llmRequestCosts"]
    assert costs == [
        {"metadataKey": "prompt_tokens", "type": "InputToken"},
        {"metadataKey": "completion_tokens", "type": "OutputToken"},
        {"metadataKey": "llm_total_token", "type": "TotalToken"},
    ]


def test_no_policy_has_more_rules_than_any_release_takes():
    """X17: what was one policy of 107 rules."""
    tokens = [{"unit": unit, "tokens": 1000000} for unit in ("Day", "Month", "Year")]
    model = {
        "backends": {"one": {}, "two": {}},
        "envoyRateLimit": {"requests": 30, "unit": "Minute"},
        "envoyTokenRateLimits": tokens,
    }
    objects = render(MODELS, merged(two(**TRUSTED), {"models": {f"model-{number}": model for number in range(29)}}))
    policies = [one for one in objects if one["kind"] == "BackendTrafficPolicy"]
    assert len(policies) == 30
    assert max(len(at(one, "spec.rateLimit.global.rules")) for one in policies if "rateLimit" in one["spec"]) == 4


def test_retries():
    """S001-90, X45"""
    retry = only(render(MODELS, FALLBACK), "BackendTrafficPolicy")["spec"]["retry"]
    assert retry == {
        "numRetries": 3,
        "numAttemptsPerPriority": 1,
        "perRetry": {"backOff": {"baseInterval": "100ms", "maxInterval": "10s"}, "timeout": "30s"},
        "retryOn": {"httpStatusCodes": [500, 502, 503, 504], "triggers": ["connect-failure", "retriable-status-codes"]},
    }


def test_what_is_not_enabled_leaves_nothing_behind():
    """S001-93, X46, X47"""
    everything = render(MODELS, LIMITS)
    assert charts.mentions(everything, "retired") == []
    assert charts.mentions(everything, "openai-api-key-03") == []
    assert charts.mentions(everything, "dropped") == []
    assert "Hour" not in json.dumps(everything)
    without = render(
        MODELS, LIMITS, {"backends": {"azure": {"enabled": False}}, "models": {"llama": {"enabled": False}}}
    )
    assert charts.mentions(without, "azure") == []
    assert charts.mentions(without, "llama") == []
    gone = set(names(everything)) - set(names(without))
    assert gone == {
        ("AIGatewayRoute", "llama"),
        ("AIServiceBackend", "azure"),
        ("Backend", "azure"),
        ("BackendSecurityPolicy", "azure-security"),
        ("BackendTLSPolicy", "azure-tls"),
        ("BackendTrafficPolicy", "llama"),
    }
    off = render(MODELS, LIMITS, {"envoyRateLimit": {"enabled": False}})
    assert charts.mentions(off, "rateLimit") == []
    assert (
        charts.mentions(render(MODELS, LIMITS, {"backendTrafficPolicy": {"enabled": False}}), "BackendTrafficPolicy")
        == []
    )


LIMITED = {"models": {"chat": {"envoyRateLimit": {"requests": 2, "unit": "Minute"}}}}
JWT = {"issuer": "me", "jwksURI": "https://login.example.com/keys"}

# Fault, values beside those of two(), words of the message.
# fmt: off
REFUSED = [
    ("X18", LIMITED, "models.chat: its limits count by the header x-user-id, which every client can write"),
    ("X18", {"envoyRateLimit": {"requests": 5}}, "models.chat: its limits count by the header"),
    ("X18", {"identity": {"jwt": {"issuer": "me"}}}, "identity.jwt.jwksURI"),
    ("X18", {"identity": {"jwt": JWT, "apiKeys": {"secretRefs": [{"name": "users"}]}}}, "would ask every client for both"),
    ("X18", {"identity": {"header": "x-ai-eg-user"}}, "/identity/header"),
    ("X45", nest("backendTrafficPolicy.retry.retryOn.httpStatusCodes", [404, 503]), "404 says that the provider does not have the model"),
    ("X33", nest("backendTrafficPolicy.retry.retryOn.triggers", ["connect-failure"]), "add it"),
    ("X17", {**TRUSTED, **nest("models.chat.envoyTokenRateLimits", [{"unit": "Year", "tokens": 5000000000}])}, "a limit of 5000000000 per Year"),
    ("X17", {**TRUSTED, **nest("models.chat.envoyTokenRateLimits", [{"unit": "Fortnight", "tokens": 5}])}, "envoyTokenRateLimits/0/unit"),
    ("X17", {**TRUSTED, **nest("models.chat.envoyTokenRateLimits", [{"unit": "Day", "tokens": "many"}])}, "envoyTokenRateLimits/0/tokens"),
    ("X2", nest("backends.one", {"schema": "AzureOpenAI", "version": "v1", "securityType": "APIKey"}), "set AzureAPIKey or AzureCredentials"),
    ("X2", nest("backends.one", {"schema": "AzureOpenAI"}), "backends.one.version"),
    ("S001-87", nest("backends.one", {"schema": "GCPVertexAI"}), "backends.one.gcpCredentials: GCPCredentials needs it"),
    ("S001-87", nest("backends.one.secretRef.key", "token"), "'key' not allowed"),
    ("S001-92", nest("backends.one.apiKey", "sk-1"), "a credential has no place in values"),
    ("S001-82", nest("models.chat.backends.three", {}), "there is no backends.three"),
    ("S001-82", nest("backends.one.resourceName", "two"), "the name two is taken by backends.one"),
    ("S001-82", nest("models.chat.priority", 1), "it belongs to models.NAME.backends.NAME.priority"),
    ("S001-82", nest("backends.one.host", "a.example.com"), "it belongs to backends.NAME.fqdn.hostname"),
    ("X18", nest("identity.issuer", "me"), "it belongs to identity.jwt.issuer"),
    ("S001-61", nest("backendTrafficPolicy.targetRefs", [{"kind": "Gateway"}]), "every model has a policy of its own"),
    ("S001-2", {"backend": {}}, "'backend' not allowed"),
]
# fmt: on


@pytest.mark.parametrize("row", REFUSED, ids=[f"{row[0]}-{row[2][:40]}" for row in REFUSED])
def test_what_cannot_be_meant_is_refused(row):
    _, values, words = row
    assert words in refused(MODELS, merged(two(), values))


def test_names_that_look_like_numbers_are_names(crd_validator):
    number = {"backends": {"12e3": backend("one.example.com"), "0": backend("two.example.com")}}
    objects = render(MODELS, number | {"models": {"4": {"modelMatch": "1.0", "backends": {"12e3": {}, "0": {}}}}})
    assert crd_validator("eg-1.9").errors(objects) == []
    rule = only(objects, "AIGatewayRoute", "4")["spec"]["rules"][0]
    assert [one["name"] for one in rule["backendRefs"]] == ["0", "12e3"]
    assert rule["matches"][0]["headers"][0]["value"] == "1.0"


def test_all_mistakes_are_told_at_once():
    said = refused(MODELS, merged(two(), LIMITED, nest("models.chat.backends.three", {})))
    assert "there is no backends.three" in said and "its limits count by" in said


def test_names_for_anchors_are_left_alone():
    assert render(MODELS, two(backendDefaults={"a": 1}, **{"x-mine": {}})) == render(MODELS, two())


@pytest.mark.parametrize(
    ("capabilities", "wanted"),
    [
        ([], "gateway.networking.k8s.io/v1"),
        (["gateway.networking.k8s.io/v1alpha3/BackendTLSPolicy"], "gateway.networking.k8s.io/v1alpha3"),
        (
            ["gateway.networking.k8s.io/v1alpha3/BackendTLSPolicy", "gateway.networking.k8s.io/v1/BackendTLSPolicy"],
            "gateway.networking.k8s.io/v1",
        ),
    ],
)
def test_the_newest_version_of_the_cluster_is_written(capabilities, wanted):
    """X3"""
    made = render(MODELS, two(), capabilities=capabilities)
    assert only(made, "BackendTLSPolicy", "one-tls")["apiVersion"] == wanted


@pytest.mark.parametrize("example", EXAMPLES)
@pytest.mark.parametrize("release", RELEASES)
def test_definitions_take_what_is_rendered(release, example, crd_validator):
    """S001-91"""
    older = {}
    if release in ("eg-1.5", "eg-1.6"):
        older["apiVersions"] = {"aiGateway": "v1alpha1"}
    if release == "eg-1.5":
        older["apiVersions"]["backendTLSPolicy"] = "v1alpha3"
    errors = crd_validator(release).errors(render(MODELS, CI / f"{example}-values.yaml", older))
    if (release, example) == ("eg-1.5", "fallback"):
        # The prefix of a schema came with AI Gateway 0.5.
        assert errors and all("AIServiceBackend ai/fireworks" in line and "prefix" in line for line in errors), errors
    else:
        assert errors == []


def test_definitions_know_when_something_came(crd_validator):
    """Weeks came with 1.9: the same objects, and another release."""
    weekly = render(MODELS, two(**TRUSTED, **nest("models.chat.envoyTokenRateLimits", [{"unit": "Week", "tokens": 5}])))
    assert crd_validator("eg-1.9").errors(weekly) == []
    errors = crd_validator("eg-1.8").errors(weekly)
    assert errors and all("Week" in line for line in errors), errors


@pytest.mark.parametrize("helm", ["helm", "helm3"])
@pytest.mark.parametrize("example", EXAMPLES)
def test_lint_has_nothing_against_it(helm, example, tools):
    """S001-91"""
    tool = tools.helm if helm == "helm" else tools.helm3
    assert "0 chart(s) failed" in tool("lint", "--strict", CHARTS / MODELS, "--values", CI / f"{example}-values.yaml")


def test_lint_has_nothing_against_the_defaults(tools):
    assert "0 chart(s) failed" in tools.helm("lint", "--strict", CHARTS / MODELS)


def test_the_suite_that_ships_with_the_chart(tools):
    tools.untt("--strict", CHARTS / MODELS)


def test_the_readme_is_made_of_the_values(tools, golden):
    said = tools.helm_docs(
        "--dry-run", "--log-level", "error", "--chart-search-root", CHARTS / MODELS, "--sort-values-order", "file"
    )
    golden(CHARTS / MODELS / "README.md", said.strip() + "\n")


def test_people_are_told_which_secrets_have_to_be_there():
    notes = charts.notes(MODELS, LIMITS)
    assert "4 models are behind the Gateway ai-gateway" in notes
    for secret in (
        "generic azure-api-key --namespace ai --from-literal=apiKey",
        "gcp-service-account-key-01 --namespace ai --from-file=service_account.json",
    ):
        assert secret in notes
    assert "openai-api-key-03" not in notes
    assert "No model is served yet" in charts.notes(MODELS)


# What follows is served.


def secret(name, **data):
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": charts.NAMESPACE},
        "stringData": data,
    }


def keys(objects):
    """The Secrets with keys that the policies of backends name."""
    found = {}
    for one in objects:
        if one["kind"] == "BackendSecurityPolicy":
            for part in ("apiKey", "anthropicAPIKey", "azureAPIKey"):
                if part in one["spec"]:
                    name = one["spec"][part]["secretRef"]["name"]
                    found[name] = secret(name, apiKey=f"key-{name}")
            if "gcpCredentials" in one["spec"]:
                name = one["spec"]["gcpCredentials"]["credentialsFile"]["secretRef"]["name"]
                found[name] = secret(name, **{"service_account.json": json.dumps(service_account())})
    return list(found.values())


@functools.cache
def service_account():
    """A credentials file of Google with a key of its own."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    text = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    return {
        "type": "service_account",
        "project_id": "example-project",
        "private_key_id": "1",
        "private_key": text,
        "client_email": "gateway@example-project.iam.gserviceaccount.com",
        "token_uri": "https://oauth2.googleapis.com/token",
    }


def hosts(objects):
    return [one["spec"]["validation"]["hostname"] for one in objects if one["kind"] == "BackendTLSPolicy"]


def rendered(*values, core=()):
    """Both charts, and the keys that they need."""
    objects = render(MODELS, *values)
    return render("ai-gateway-core", *core) + objects + keys(objects)


@pytest.fixture
def providers():
    """Simulators by name."""
    running = {}

    def start(name, *args):
        running[name] = serving.Simulator("--name", name, *args)
        return running[name]

    yield start
    for process in running.values():
        process.stop()


@pytest.fixture
def serve(gateway, provider, simulator):
    """Both charts served, with every provider played by one simulator."""

    def start(*values, by=simulator, core=(), beside=()):
        objects = rendered(*values, core=core)
        behind = provider(by, *sorted(set(hosts(objects))))
        return gateway(objects + list(beside), **behind)

    return start


@pytest.mark.parametrize("example", EXAMPLES)
def test_the_gateway_has_nothing_to_say_against_it(example, tollgate_check):
    tollgate_check(rendered(CI / f"{example}-values.yaml"))


@pytest.mark.parametrize("release", ["eg-1.6", "eg-1.9"])
def test_what_the_controller_makes_of_it_is_what_a_cluster_takes(release, crd_validator, tmp_path):
    """Envoy Gateway serves what the AI resources become, which is more than what the charts render."""
    if subprocess.run([serving.TOLLGATE, "translate", "--help"], capture_output=True).returncode:
        pytest.skip("this tollgate has no command translate")
    folder = serving.write(tmp_path / "charts", rendered(LIMITS))
    made = subprocess.run([serving.TOLLGATE, "translate", folder], capture_output=True, text=True)
    assert made.returncode == 0, made.stderr
    routes = [one for one in definitions.documents(made.stdout) if one["kind"] == "HTTPRoute"]
    policies = [one for one in definitions.documents(made.stdout) if one["kind"] == "BackendTrafficPolicy"]
    aimed = {one["spec"]["targetRefs"][0]["name"] for one in policies}
    assert aimed == {one["metadata"]["name"] for one in routes} and len(routes) == 4
    assert crd_validator(release).errors(made.stdout) == []


def test_a_model_is_asked_of_its_provider_under_its_name_there(serve, simulator):
    """S001-85, 88"""
    reply = serve(FALLBACK).chat("gpt-oss-120b")
    assert reply.status == 200, reply
    seen = simulator.last()[-1]
    assert seen["path"] == "/inference/v1/chat/completions"
    assert json.loads(seen["body"])["model"] == "accounts/fireworks/models/gpt-oss-120b"
    headers = {name.lower(): value for name, value in seen["headers"]}
    assert headers["host"] == "api.fireworks.ai"
    assert reply.headers["x-simulator-key"] == "-key"


@pytest.mark.parametrize(("who", "status"), [("Same", 404), ("All", 200)])
def test_models_of_another_namespace_need_a_listener_that_lets_them(who, status, gateway, provider, simulator):
    """X13"""
    listener = {"name": "http", "protocol": "HTTP", "port": 80, "allowedRoutes": {"namespaces": {"from": who}}}
    core = render("ai-gateway-core", {"gateway": {"listeners": [listener]}})
    models = render(MODELS, FALLBACK, {"gatewayRef": {"namespace": charts.NAMESPACE}}, namespace="apps")
    assert {one["metadata"]["namespace"] for one in models} == {"apps"}
    held = keys(models)
    for one in held:
        one["metadata"]["namespace"] = "apps"
    served = gateway(core + models + held, **provider(simulator, *hosts(models)))
    assert served.chat("gpt-oss-120b").status == status


def test_a_model_that_nobody_has_is_not_found(serve):
    assert serve(FALLBACK).chat("gpt-9").status == 404


def test_the_next_priority_is_asked_where_the_first_fails(serve, simulator):
    """S001-84, 90"""
    values = two(
        models={"chat": {"backends": {"one": {"modelNameOverride": "sim-503"}, "two": {"modelNameOverride": "works"}}}}
    )
    reply = serve(values).chat("chat")
    assert (reply.status, reply.headers["x-simulator-model"]) == (200, "works")


def test_all_of_a_priority_is_asked_before_the_next(serve, simulator):
    """S001-84"""
    values = two(
        backends={"three": backend("three.example.com")},
        models={
            "chat": {
                "backends": {
                    "one": {"modelNameOverride": "sim-503"},
                    "two": {"priority": 0, "modelNameOverride": "sim-500"},
                    "three": {"priority": 1, "modelNameOverride": "works"},
                }
            }
        },
    )
    served = serve(values)
    before = simulator.ask("GET", "/_sim/stats").json["requests"]
    reply = served.chat("chat")
    assert (reply.status, reply.headers["x-simulator-model"]) == (200, "works")
    assert simulator.ask("GET", "/_sim/stats").json["requests"] == before + 3


def test_a_missing_model_is_not_asked_for_again(serve, simulator):
    """X45"""
    values = two(
        models={"chat": {"backends": {"one": {"modelNameOverride": "sim-404"}, "two": {"modelNameOverride": "works"}}}}
    )
    served = serve(values)
    before = simulator.ask("GET", "/_sim/stats").json["requests"]
    assert served.chat("chat").status == 404
    assert simulator.ask("GET", "/_sim/stats").json["requests"] == before + 1


def test_shares_follow_weights(serve):
    """S001-84"""
    values = two(
        models={
            "chat": {
                "backends": {
                    "one": {"weight": 1, "modelNameOverride": "all"},
                    "two": {"priority": 0, "weight": 0, "modelNameOverride": "none"},
                }
            }
        }
    )
    served = serve(values)
    assert {served.chat("chat").headers["x-simulator-model"] for _ in range(20)} == {"all"}


def test_limits_hold_for_each_user_of_a_token(gateway, provider, providers):
    """S001-89, X18"""
    issuer = "https://login.example.com/"
    login = providers("login", "--jwt-issuer", issuer)
    values = merged(
        two(), LIMITED, {"identity": {"jwt": {"issuer": issuer, "jwksURI": f"{issuer}.well-known/jwks.json"}}}
    )
    objects = rendered(values)
    behind = provider(login, "login.example.com", *hosts(objects))
    served = gateway(objects, **behind)

    def token(user):
        return "Bearer " + login.ask("POST", f"/token?tenant=any&sub={user}").json["access_token"]

    alice, bob = token("alice"), token("bob")
    assert served.chat("chat").status == 401
    assert [served.chat("chat", authorization=alice).status for _ in range(3)] == [200, 200, 429]
    # Somebody else's name in the header is nobody's budget.
    assert served.chat("chat", authorization=alice, x_user_id="bob").status == 429
    assert [served.chat("chat", authorization=bob, x_user_id=name).status for name in ("a", "b", "c")] == [
        200,
        200,
        429,
    ]


def test_limits_hold_for_each_user_of_a_key(serve):
    """S001-89, X18"""
    values = merged(two(), LIMITED, {"identity": {"apiKeys": {"secretRefs": [{"name": "users"}]}}})
    served = serve(values, beside=[secret("users", alice="key-of-alice", bob="key-of-bob")])
    assert served.chat("chat").status == 401
    assert [served.chat("chat", authorization="Bearer key-of-alice").status for _ in range(3)] == [200, 200, 429]
    assert served.chat("chat", authorization="Bearer key-of-bob", x_user_id="alice").status == 200


def test_tokens_are_counted(serve):
    """S001-89"""
    tokens = nest("models.chat.envoyTokenRateLimits", [{"unit": "Day", "tokens": 20}])
    served = serve(merged(two(**TRUSTED), tokens))
    asked = [served.chat("chat", x_user_id="alice") for _ in range(3)]
    # Each costs 17: the second is let in at 17, and the third is not at 34.
    assert [reply.status for reply in asked] == [200, 200, 429], asked
    assert served.chat("chat", x_user_id="bob").status == 200


def test_who_is_nobody_is_not_served_where_there_are_limits(serve):
    """X18"""
    served = serve(merged(two(**TRUSTED), LIMITED))
    assert served.chat("chat").status == 404
    assert served.chat("chat", x_user_id="alice").status == 200


def test_bodies_up_to_the_buffer_are_taken(serve):
    """S001-62"""
    served = serve(two(), core=[nest("clientTrafficPolicy.connection.bufferLimit", "64Ki")])
    body = {"model": "chat", "messages": [{"role": "user", "content": "x" * 32_000}]}
    assert served.ask("POST", "/v1/chat/completions", body).status == 200
    body["messages"][0]["content"] *= 4
    assert served.ask("POST", "/v1/chat/completions", body).status == 413


def test_what_helm_template_prints_is_served_as_it_is(gateway, provider, simulator, tools):
    """docs/deployments.md: hooks and all, with keys of the environment."""
    text = tools.helm("template", "core", *charts.arguments("ai-gateway-core"))
    text += tools.helm("template", "models", *charts.arguments(MODELS, [FALLBACK]))
    text += "".join(
        f"\n---\napiVersion: v1\nkind: Secret\nmetadata: {{name: {name}-api-key, namespace: {charts.NAMESPACE}}}\n"
        f'stringData: {{apiKey: "${{{name.upper()}_API_KEY}}"}}\n'
        for name in ("openai", "fireworks")
    )
    behind = provider(simulator, "api.openai.com", "api.fireworks.ai")
    behind["env"] |= {"OPENAI_API_KEY": "key-0001", "FIREWORKS_API_KEY": "key-0002"}
    reply = gateway(text, **behind).chat("gpt-oss-120b")
    assert (reply.status, reply.headers["x-simulator-key"]) == (200, "0002")


# And by the real Envoy.


@pytest.fixture
def envoy_serves(behind_envoy):
    """Both charts behind Envoy Gateway; gives a function that chats once it serves."""

    def start(*values, beside=()):
        port = envoy.free_port()
        listener = {"name": "http", "protocol": "HTTP", "port": port}
        minimal = CHARTS / "ai-gateway-core" / "ci" / "minimal-values.yaml"
        core = render("ai-gateway-core", minimal, {"gateway": {"listeners": [listener]}})
        models = render(MODELS, *values)
        stack = behind_envoy(core + models + keys(models) + list(beside))
        return lambda model, **headers: stack.serves(lambda: serving.chat(port, model, **headers))

    return start


def plain(simulator, **more):
    """A backend at a simulator. By name: to Envoy, one address cannot be of two priorities."""
    where = {"fqdn": {"hostname": "localhost", "port": simulator.port}, "tls": {"enabled": False}}
    return where | {"secretRef": {"name": "key"}} | more


def test_envoy_asks_all_of_a_priority_before_the_next(envoy_serves, simulator):
    """S001-84, 85, 90: the same host with other models, as with two keys of one provider"""
    chat = envoy_serves(
        {
            "backends": {name: plain(simulator) for name in ("one", "two", "three")},
            "models": {
                "chat": {
                    "backends": {
                        "one": {"modelNameOverride": "sim-503"},
                        "two": {"modelNameOverride": "sim-500"},
                        "three": {"priority": 1, "modelNameOverride": "works"},
                    }
                }
            },
        }
    )
    reply = chat("chat")
    assert (reply.status, reply.headers["x-simulator-model"], reply.headers["x-simulator-key"]) == (
        200,
        "works",
        "-key",
    )


def test_envoy_asks_who_calls(envoy_serves, simulator):
    """X18"""
    users = secret("users", alice="key-of-alice")
    values = {
        "backends": {name: plain(simulator) for name in ("one", "two")},
        "models": {"chat": {"backends": {"one": {}, "two": {}}}},
    }
    chat = envoy_serves(values | {"identity": {"apiKeys": {"secretRefs": [{"name": "users"}]}}}, beside=[users])
    assert chat("chat", authorization="Bearer key-of-alice").status == 200
    assert chat("chat", authorization="Bearer guessed").status == 401
    assert chat("chat").status == 401
