"""deploy/envoy-gateway, and what `tollgate translate` prints: held against the real definitions of Envoy Gateway."""

import pathlib
import shutil
import subprocess

import pytest
import yaml

import serving
from definitions import ENVOY_GATEWAY, documents
from tools import go_module

ROOT = pathlib.Path(__file__).parents[3]
DEPLOY = ROOT / "deploy" / "envoy-gateway"
GOLDEN = ROOT / "crates" / "tollgate-generate" / "golden"
EXAMPLES = sorted(path.parent.name for path in (ROOT / "examples").glob("*/gateway.yaml"))
CASES = sorted(path.parent.name for path in GOLDEN.glob("*/want.yaml"))


def translate(*args, status=0):
    done = subprocess.run([serving.TOLLGATE, "translate", *args], capture_output=True, text=True, timeout=60)
    assert done.returncode == status, done.stderr
    return done.stdout


def of_envoy_gateway(objects):
    """Without what is passed on as users wrote it: only ours is ours to get right."""
    def ours(one):
        metadata = one["metadata"]
        return metadata.get("labels", {}).get("app.kubernetes.io/managed-by") == "tollgate" or (
            "gateway.envoyproxy.io/ai-gateway-generated" in metadata.get("annotations", {})
        )

    return [one for one in objects if ours(one)]


@pytest.mark.parametrize("release", ["eg-1.6", "eg-1.8", "eg-1.9"])
@pytest.mark.parametrize("case", CASES)
def test_generated_objects_are_valid(case, release, crd_validator):
    objects = of_envoy_gateway(documents(GOLDEN / case / "want.yaml"))
    assert crd_validator(release).errors(objects) == []


@pytest.mark.parametrize("example", EXAMPLES)
def test_examples_become_valid_objects(example, crd_validator):
    objects = documents(translate(ROOT / "examples" / example, "--processor", "tollgate:1"))
    assert {"HTTPRoute", "HTTPRouteFilter", "EnvoyProxy"} <= {one["kind"] for one in objects}
    assert crd_validator("eg-1.8").errors(objects) == []


def test_the_tenants_deployment_is_translated(crd_validator):
    folder = ROOT / "deploy" / "multi-tenant"
    paths = [path for path in folder.iterdir() if path.is_dir() and path.name != "local"]
    # A Secret of it is made in the cluster, which is an error where there is none.
    objects = documents(translate(*sorted(paths), "--for-files", status=1))
    assert crd_validator("eg-1.8").errors(objects) == []


def rendered(tools, module, version, *values):
    chart = go_module(module, version)
    if chart is None:
        pytest.skip(f"{module} {version} is a Go module, which cannot be had here")
    chart = chart / "charts" / "gateway-helm"
    # The module has the chart's values as a template, which a release has filled in.
    files = [word for path in [chart / "values.tmpl.yaml", *map(DEPLOY.joinpath, values)] for word in ("-f", path)]
    image = ["--set", f"global.images.envoyGateway.image=docker.io/envoyproxy/gateway:{version}"]
    return tools.helm("template", "eg", chart, "-n", "envoy-gateway-system", "--skip-crds", *files, *image)


@pytest.mark.parametrize("values", [["values.yaml"], ["values.yaml", "values-rate-limit.yaml"]])
def test_the_values_reach_envoy_gateways_configuration(values, tools):
    objects = documents(rendered(tools, ENVOY_GATEWAY, "v1.8.1", *values))
    config = next(one for one in objects if one["kind"] == "ConfigMap" and one["metadata"]["name"] == "envoy-gateway-config")
    config = yaml.safe_load(config["data"]["envoy-gateway.yaml"])
    manager = config["extensionManager"]
    assert manager["hooks"]["xdsTranslator"]["post"] == ["Translation", "Cluster", "Route", "Endpoints"]
    assert all(one["includeAll"] for one in manager["hooks"]["xdsTranslator"]["translation"].values())
    assert manager["service"]["fqdn"]["port"] == 1063
    assert config["extensionApis"]["enableBackend"] is True
    # The chart's own settings stay.
    assert config["gateway"]["controllerName"] == "gateway.envoyproxy.io/gatewayclass-controller"
    assert ("rateLimit" in config) == ("values-rate-limit.yaml" in values)


def test_before_1_8_there_is_no_hook_for_endpoints():
    new, old = (yaml.safe_load((DEPLOY / name).read_text()) for name in ("values.yaml", "values-before-1.8.yaml"))
    new["config"]["envoyGateway"]["extensionManager"]["hooks"]["xdsTranslator"]["post"].remove("Endpoints")
    assert new == old


def test_the_standalone_configuration_says_what_the_values_say():
    standalone = yaml.safe_load((DEPLOY / "standalone" / "envoy-gateway.yaml").read_text())["extensionManager"]
    chart = yaml.safe_load((DEPLOY / "values.yaml").read_text())["config"]["envoyGateway"]["extensionManager"]
    chart["service"] = standalone["service"]
    assert standalone == chart


def test_the_manifests_are_valid_and_take_an_image(tools, crd_validator, tmp_path):
    shutil.copytree(DEPLOY, tmp_path / "deploy")
    with (tmp_path / "deploy" / "kustomization.yaml").open("a") as file:
        file.write("images: [{name: tollgate, newName: registry.example/tollgate, newTag: '1'}]\n")
    text = tools.kustomize("build", tmp_path / "deploy")
    assert crd_validator("eg-1.8").errors(text) == []
    assert text.count("image: registry.example/tollgate:1") == 2


def test_the_manifest_of_the_processor_is_what_translate_writes():
    written = yaml.safe_load((DEPLOY / "envoy-proxy.yaml").read_text())
    made = next(
        one
        for one in documents(translate(ROOT / "examples" / "openai", "--processor", "tollgate", "--kinds", "EnvoyProxy"))
    )
    one = written["spec"]["provider"]["kubernetes"]["envoyDeployment"]
    other = made["spec"]["provider"]["kubernetes"]["envoyDeployment"]
    for name in ("env", "resources"):
        one["initContainers"][0].pop(name)
    assert one == other
