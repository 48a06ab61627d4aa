"""What is rendered, whether Flux can apply it, and whether the definitions and `tollgate check` accept it."""

import os
import pathlib
import re
import subprocess

import pytest
import yaml

import kube_api
import tools as programs
from cluster_checkout import APPS, NAMESPACE, by_name, changed

GOLDEN = pathlib.Path(__file__).parent / "golden"
FIXTURES = ["public", "private"]


@pytest.fixture
def rendered(checkout, tools):
    def render(config):
        checkout.render(checkout.fixture(config) if isinstance(config, str) else config)
        return checkout.flux(tools)

    return render


def ours(files):
    return {name: text for name, text in files.items() if name.startswith(APPS)}


# === Files ===


@pytest.mark.parametrize("name", FIXTURES)
def test_a_fixture_renders_to_what_is_written_down(checkout, golden, name):
    files = checkout.render(checkout.fixture(name))
    kept = {**ours(files), **{name: text for name, text in files.items() if "/network/envoy-gateway/app/" in name}}
    golden(GOLDEN / f"{name}.yaml", "".join(f"# {name}\n{text}" for name, text in sorted(kept.items())))


@pytest.mark.parametrize("change", [{"ai_gateway_enabled": False}, {}])
def test_turned_off_it_leaves_no_trace(bare, checkout, change):
    config = {name: value for name, value in bare.fixture("public").items() if not name.startswith("ai_gateway")}
    before = bare.render(config)
    assert checkout.render({**config, **change}) == before


def test_turned_off_what_else_is_said_does_not_matter(bare, checkout):
    config = checkout.fixture("public")
    before = bare.render(config)
    assert checkout.render({**config, "ai_gateway_enabled": False}) == before


def test_the_minimal_fixture_has_no_redis_no_tools_and_no_limits(checkout):
    text = "".join(ours(checkout.render(checkout.fixture("private"))).values())
    for word in ("redis", "MCPRoute", "rateLimit", "SecurityPolicy\nmetadata:\n  name: ai-gateway\n"):
        assert word not in text, word


def test_folders_hold_what_their_names_say(checkout):
    files = {name.removeprefix(f"{APPS}/") for name in ours(checkout.render(checkout.fixture("public")))}
    parts = {
        "crds": ("helmrelease", "ocirepository"),
        "controller": ("helmrelease", "ocirepository", "secret.sops"),
        "redis": ("deployment",),
        "backends/azure-openai": ("backend", "secret.sops"),
        "mcp": ("backend", "mcproute", "secret.sops"),
        "routes": ("gateway", "route", "httproute", "ratelimit-policy", "security-policy", "secret.sops"),
    }
    wanted = {"kustomization.yaml", "namespace.yaml"}
    for part, names in parts.items():
        wanted |= {f"{part}/ks.yaml", f"{part}/app/kustomization.yaml", *(f"{part}/app/{name}.yaml" for name in names)}
    assert files == wanted


def test_tools_without_a_key_need_no_secret(checkout):
    config = changed(checkout.fixture("public"), "ai_gateway_mcp_servers.0.api_key", None)
    files = ours(checkout.render(config))
    assert f"{APPS}/mcp/app/secret.sops.yaml" not in files
    assert "secret" not in files[f"{APPS}/mcp/app/kustomization.yaml"]
    assert "securityPolicy" not in files[f"{APPS}/mcp/app/mcproute.yaml"]


AWKWARD = ["*bad", "a: b", "[x]", "x #y", "'", '"', r"^\w+\.$", "yes", "1e3", "{{x}}", "<&>"]


def test_whatever_is_written_into_a_value_comes_out_as_it_was(checkout):
    config = checkout.fixture("public")
    config["ai_gateway_mcp_servers"][0]["tool_filter"] = AWKWARD
    config["ai_gateway_azure_deployments"][0]["models"] = [word.replace(" ", "") for word in AWKWARD]
    config["ai_gateway_azure_deployments"][0]["api_key"] = "a: #b'\"${x}"
    files = ours(checkout.render(config))
    (route,) = yaml.safe_load_all(files[f"{APPS}/mcp/app/mcproute.yaml"])
    assert route["spec"]["backendRefs"][0]["toolSelector"]["includeRegex"] == AWKWARD
    (route,) = yaml.safe_load_all(files[f"{APPS}/routes/app/route.yaml"])
    models = [rule["matches"][0]["headers"][0]["value"] for rule in route["spec"]["rules"]]
    assert models == [word.replace(" ", "") for word in AWKWARD] + ["gpt-35-turbo"]
    secrets = list(yaml.safe_load_all(files[f"{APPS}/backends/azure-openai/app/secret.sops.yaml"]))
    assert secrets[0]["stringData"] == {"apiKey": "a: #b'\"${x}"}


# === Flux ===


@pytest.mark.parametrize("name", FIXTURES)
def test_every_kustomization_finds_what_it_names(rendered, name):
    flux = rendered(name)
    names = {name for namespace, name in flux.kustomizations if namespace == NAMESPACE}
    assert {"ai-gateway-crds", "ai-gateway-controller", "ai-gateway-azure-openai", "ai-gateway-routes"} <= names
    for (namespace, name), one in flux.kustomizations.items():
        spec = one["spec"]
        for needed in spec.get("dependsOn", []):
            assert (needed.get("namespace", namespace), needed["name"]) in flux.kustomizations, (name, needed)
        for source in spec.get("postBuild", {}).get("substituteFrom", []):
            assert flux.secret(source["name"], namespace)
        assert spec["sourceRef"] == {"kind": "GitRepository", "name": "flux-system", "namespace": "flux-system"}
        assert (spec["interval"], spec["prune"]) == ("1h", True)
        assert (flux.checkout.folder / spec["path"] / "kustomization.yaml").is_file()
        assert flux.brings(name, namespace)


def test_they_come_up_one_after_the_other(rendered):
    needs = {
        name: [needed["name"] for needed in one["spec"].get("dependsOn", [])]
        for (namespace, name), one in rendered("public").kustomizations.items()
        if namespace == NAMESPACE
    }
    assert needs == {
        "ai-gateway-crds": ["envoy-gateway"],
        "ai-gateway-controller": ["ai-gateway-crds"],
        "ai-gateway-redis": ["ai-gateway-controller"],
        "ai-gateway-azure-openai": ["ai-gateway-controller"],
        "ai-gateway-mcp": ["ai-gateway-controller"],
        "ai-gateway-routes": ["ai-gateway-azure-openai", "ai-gateway-redis"],
    }


def test_the_cluster_has_one_way_in_and_a_folder_is_a_namespace(rendered, checkout):
    flux = rendered("public")
    # Children of it get what they need to read secrets; a second one beside it would apply them twice, without.
    assert [one["metadata"]["name"] for one in flux.top] == ["cluster-apps"]
    folders = {path.name for path in (checkout.folder / "kubernetes/apps").iterdir()}
    assert folders == set(by_name(flux.objects, "Namespace"))


@pytest.mark.parametrize("name", FIXTURES)
def test_no_object_is_brought_twice(rendered, name):
    objects = rendered(name).all()
    keys = [(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in objects]
    assert len(keys) == len(set(keys))


# === Objects ===


def test_envoy_gateway_is_told_of_the_ai_gateway(rendered):
    flux = rendered("public")
    values = by_name(flux.brings("envoy-gateway", "network"), "HelmRelease")["envoy-gateway"]["spec"]["values"]
    told = values["config"]["envoyGateway"]
    # What the template says itself is still there.
    assert told["provider"]["kubernetes"]["deploy"]["type"] == "GatewayNamespace"
    assert told["extensionApis"] == {"enableBackend": True}
    manager = told["extensionManager"]
    every = dict.fromkeys(["listener", "route", "cluster", "secret"], {"includeAll": True})
    assert manager["hooks"]["xdsTranslator"] == {"translation": every, "post": ["Translation", "Cluster", "Route"]}
    controller = f"ai-gateway-controller.{NAMESPACE}.svc.cluster.local"
    assert manager["service"] == {"fqdn": {"hostname": controller, "port": 1063}}
    assert manager["backendResources"] == [{"group": "inference.networking.k8s.io", "kind": "InferencePool", "version": "v1"}]
    redis = by_name(flux.brings("ai-gateway-redis"), "Service")["redis"]
    address = f"redis.{redis['metadata']['namespace']}.svc.cluster.local:{redis['spec']['ports'][0]['port']}"
    assert told["rateLimit"] == {"backend": {"type": "Redis", "redis": {"url": address}}}
    told = by_name(rendered("private").brings("envoy-gateway", "network"), "HelmRelease")["envoy-gateway"]
    assert "rateLimit" not in told["spec"]["values"]["config"]["envoyGateway"]


def test_the_chart_makes_the_controller_that_envoy_gateway_is_told_of(rendered, tools, tmp_path):
    chart = programs.go_module("github.com/envoyproxy/ai-gateway", "v1.0.0")
    if chart is None:
        pytest.skip("the chart of Envoy AI Gateway is in a Go module, which cannot be had here")
    flux = rendered("public")
    objects = flux.brings("ai-gateway-controller")
    release = by_name(objects, "HelmRelease")["ai-gateway"]["spec"]
    made = tools.helm(
        "template", "ai-gateway", chart / "manifests/charts/ai-gateway-helm", "--namespace", NAMESPACE, "--values", "-",
        stdin=yaml.safe_dump(release["values"]),
    )
    # As Flux does after Helm.
    (tmp_path / "made.yaml").write_text(made)
    patches = release["postRenderers"][0]["kustomize"]["patches"]
    (tmp_path / "kustomization.yaml").write_text(yaml.safe_dump({"resources": ["made.yaml"], "patches": patches}))
    made = [one for one in yaml.safe_load_all(tools.kustomize("build", tmp_path)) if one]
    service = by_name(made, "Service")["ai-gateway-controller"]
    told = by_name(flux.brings("envoy-gateway", "network"), "HelmRelease")["envoy-gateway"]["spec"]["values"]
    told = told["config"]["envoyGateway"]["extensionManager"]["service"]["fqdn"]
    assert told["hostname"] == f"{service['metadata']['name']}.{service['metadata']['namespace']}.svc.cluster.local"
    assert told["port"] in {port["port"] for port in service["spec"]["ports"]}
    # The name that documents look for, with a seed that is not everybody's; of two the last one counts.
    (container,) = by_name(made, "Deployment")["ai-gateway-controller"]["spec"]["template"]["spec"]["containers"]
    assert [arg for arg in container["args"] if "EncryptionSeed" in arg][-1].endswith("=$(MCP_SESSION_SEED)")
    (source,) = [one["valueFrom"]["secretKeyRef"] for one in container["env"] if one["name"] == "MCP_SESSION_SEED"]
    assert source["key"] in by_name(objects, "Secret")[source["name"]]["stringData"]
    # Envoy Gateway, where it is here, may read pools.
    (binding,) = [one for name, one in by_name(made, "ClusterRoleBinding").items() if "inference-pool" in name]
    assert binding["subjects"][0]["namespace"] == "network"


@pytest.mark.parametrize("name", FIXTURES)
def test_envoy_gateway_itself_takes_what_it_is_told(rendered, tmp_path, name):
    values = by_name(rendered(name).brings("envoy-gateway", "network"), "HelmRelease")["envoy-gateway"]["spec"]["values"]
    told = values["config"]["envoyGateway"]
    assert "Start runners" in started(told, tmp_path)
    # So it would say if it did not take it.
    del told["extensionManager"]["hooks"]
    assert "registered extension has no hooks specified" in started(told, tmp_path)


def started(config, folder):
    """What Envoy Gateway says up to the point where it has read its configuration."""
    found = os.environ.get("TOLLGATE_ENVOY_GATEWAY") or max(programs.CACHE.glob("envoy-gateway-*/envoy-gateway"), default=None)
    if found is None:
        pytest.skip("Envoy Gateway is not installed: `cargo xtask envoy` or TOLLGATE_ENVOY_GATEWAY=PATH")
    head = {"apiVersion": "gateway.envoyproxy.io/v1alpha1", "kind": "EnvoyGateway"}
    controller = {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"}
    path = folder / "envoy-gateway.yaml"
    path.write_text(yaml.safe_dump({**head, "gateway": controller, **config}))
    running = subprocess.Popen(
        [found, "server", "--config-path", path],
        env={"KUBECONFIG": str(folder / "none"), "HOME": str(folder)}, stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )
    said = ""
    for line in running.stdout:
        said += line
        if "Start runners" in line:
            break
    running.kill()
    running.communicate()
    return said


def test_charts_come_in_the_version_that_is_asked_for(rendered, checkout):
    flux = rendered(changed(checkout.fixture("public"), "ai_gateway_version", "v0.4.1"))
    for part, chart in (("crds", "ai-gateway-crds-helm"), ("controller", "ai-gateway-helm")):
        objects = flux.brings(f"ai-gateway-{part}")
        (source,) = by_name(objects, "OCIRepository").values()
        (release,) = by_name(objects, "HelmRelease").values()
        assert source["spec"]["url"] == f"oci://docker.io/envoyproxy/{chart}"
        assert source["spec"]["ref"] == {"tag": "v0.4.1"}
        assert release["spec"]["chartRef"] == {"kind": "OCIRepository", "name": source["metadata"]["name"]}


def test_an_address_of_its_own_is_a_load_balancer_and_without_one_it_has_none(rendered):
    objects = rendered("public").brings("ai-gateway-routes")
    (gateway,) = by_name(objects, "Gateway").values()
    assert gateway["spec"]["infrastructure"]["annotations"] == {
        "coredns.io/hostname": "ai-gateway.example.com", "lbipam.cilium.io/ips": "10.10.10.250",
    }
    assert [one["port"] for one in gateway["spec"]["listeners"]] == [80, 443]
    assert by_name(objects, "Certificate")["ai-gateway"]["spec"]["dnsNames"] == ["aiops.example.com", "ai-gateway.example.com"]
    service = by_name(objects, "EnvoyProxy")["ai-gateway"]["spec"]["provider"]["kubernetes"]["envoyService"]
    assert (service["type"], service["name"]) == ("LoadBalancer", "ai-gateway")
    objects = rendered("private").brings("ai-gateway-routes")
    (gateway,) = by_name(objects, "Gateway").values()
    assert "annotations" not in gateway["spec"]["infrastructure"]
    assert [one["port"] for one in gateway["spec"]["listeners"]] == [80]
    service = by_name(objects, "EnvoyProxy")["ai-gateway"]["spec"]["provider"]["kubernetes"]["envoyService"]
    assert (service["type"], service["name"]) == ("ClusterIP", "ai-gateway")


def test_many_models_are_several_routes_under_one_limit(rendered, checkout, crd_validator):
    config = checkout.fixture("public")
    config["ai_gateway_azure_deployments"][0]["models"] = [f"m{number}" for number in range(31)]
    flux = rendered(config)
    objects = flux.brings("ai-gateway-routes")
    routes = by_name(objects, "AIGatewayRoute")
    assert {name: len(one["spec"]["rules"]) for name, one in routes.items()} == {
        "azure-ai": 15, "azure-ai-2": 15, "azure-ai-3": 2,
    }
    (policy,) = by_name(objects, "BackendTrafficPolicy").values()
    assert [ref["name"] for ref in policy["spec"]["targetRefs"]] == list(routes)
    assert crd_validator("eg-1.9").errors(gateway_kinds(objects)) == []


def test_every_secret_that_is_named_is_there(rendered):
    objects = rendered("public").all()
    secrets = set(by_name(objects, "Secret"))
    named = set(re.findall(r"(?:secretRef|credentialRefs):\n +-? ?name: (\S+)", yaml.safe_dump(objects)))
    assert named and named <= secrets


# === Definitions, and Tollgate ===


def gateway_kinds(objects):
    """What definitions are at hand for: not those of cert-manager."""
    return [one for one in objects if not one["apiVersion"].startswith("cert-manager.io/")]


@pytest.mark.parametrize("release", ["eg-1.6", "eg-1.7", "eg-1.8", "eg-1.9"])
@pytest.mark.parametrize("name", FIXTURES)
def test_every_object_is_what_its_definition_says(rendered, crd_validator, name, release):
    assert crd_validator(release).errors(gateway_kinds(rendered(name).all())) == []


def test_the_templates_own_check_of_manifests_keeps_working(checkout, tools, tmp_path):
    """It builds every folder, and has no definitions of the kinds of gateways, which it passes over."""
    checkout.render(checkout.fixture("public"))
    folders = [path.parent for path in (checkout.folder / "kubernetes/apps").rglob("kustomization.yaml")]
    assert len(folders) == 9
    for folder in folders:
        built = tools.kustomize("build", "--load-restrictor=LoadRestrictionsNone", folder)
        said = tools.kubeconform(
            "-strict", "-ignore-missing-schemas", "-skip", "Gateway,HTTPRoute,Secret", "-output", "json", "-summary",
            "-schema-location", f"{tmp_path}/{{{{ .ResourceKind }}}}.json", stdin=built,
        )
        summary = yaml.safe_load(said)["summary"]
        assert (summary["invalid"], summary["errors"]) == (0, 0), (folder, said)


def test_the_commands_of_the_tasks_and_documents_find_what_was_applied(checkout, tools, crd_validator, tmp_path):
    checkout.render(checkout.fixture("public"))
    objects = [one for one in gateway_kinds(checkout.flux(tools).all()) if one["kind"] != "MCPRoute"]
    tasks = yaml.safe_load(checkout.read(".taskfiles/ai-gateway/Taskfile.yaml"))["tasks"]["status"]["cmds"]
    debugging = checkout.read("CLAUDE.md").partition("ai-gateway/debugging: begin")[2].partition("ai-gateway/debugging: end")[0]
    lines = [*tasks, *(line for line in debugging.splitlines() if line.startswith("kubectl get"))]
    assert len(lines) == 6
    with kube_api.Kubectl(crd_validator("eg-1.6"), tmp_path) as run:
        # The definitions of 1.6 have Envoy AI Gateway 0.5 beside them, in the version that the overlay writes.
        status, said = run("kubectl create -f -", stdin=yaml.safe_dump_all(objects))
        assert status == 0, said
        said = [run(line) for line in lines]
        assert all(status == 0 for status, _ in said), said
        for word in ("azure-ai", "azure-test-primary", "azure-test-secondary"):
            assert any(word in text for _, text in said), said


@pytest.mark.parametrize("name", FIXTURES)
def test_flux_and_cert_manager_take_theirs(rendered, beside, name):
    flux = rendered(name)
    objects = flux.objects + [one for space, name in flux.kustomizations for one in flux.brings(name, space)]
    groups = ("kustomize.toolkit.fluxcd.io/", "source.toolkit.fluxcd.io/", "cert-manager.io/")
    objects = [one for one in objects if one["apiVersion"].startswith(groups)]
    assert {"Kustomization", "OCIRepository"} <= {one["kind"] for one in objects}
    assert beside.errors(objects) == []


@pytest.mark.parametrize("name", FIXTURES)
def test_the_oldest_envoy_gateway_is_refused_for_the_reason_that_is_given(rendered, crd_validator, name):
    found = crd_validator("eg-1.5").errors(gateway_kinds(rendered(name).all()))
    # It wants a type of each rateLimit, which later ones do not.
    known = re.compile("BackendTLSPolicy|rateLimit.*type.*[Rr]equired|rateLimit: 'type'")
    others = [line for line in found if not known.search(line)]
    assert found and others == []


@pytest.mark.parametrize("name", FIXTURES)
def test_tollgate_has_nothing_to_say_about_it(rendered, authority, tollgate_check, name):
    flux = rendered(name)
    objects = [*flux.objects, *(one for space, name in flux.kustomizations for one in flux.brings(name, space))]
    # Tools are not served yet, which it says, and charts' sources it need not know.
    objects = [one for one in objects if one["kind"] not in ("MCPRoute", "OCIRepository")]
    tollgate_check(objects, certificates(authority))


def certificates(authority):
    """What cert-manager would make."""
    return [
        authority.secret("ai-gateway-tls", "aiops.example.com", namespace=NAMESPACE),
        authority.secret("example-com-production-tls", "*.example.com", namespace="network"),
    ]
