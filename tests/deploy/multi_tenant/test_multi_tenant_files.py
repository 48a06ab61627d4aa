"""The files: their definitions, the order they are applied in, and the commands that the documents give."""

import re
import shlex
import subprocess

import pytest
import yaml

from definitions import documents

# What a reader finds where, apart from what is there to try it out.
FILES = [
    "gateway/gatewayclass.yaml",
    "gateway/ai-gateway.yaml",
    "backends/backends.yaml",
    "backends/ai-service-backends.yaml",
    "security/reference-grants.yaml",
    "security/jwt-security-policy.yaml",
    "security/backend-security-policy.yaml",
    "routing/httproute.yaml",
    "policies/rate-limiting.yaml",
    "observability/telemetry-config.yaml",
]
SERVER = "security/jwt-server.yaml"
CLUSTER_WIDE = {"GatewayClass"}
# Where a thing is that is not the gateway's own.
ELSEWHERE = {
    "ReferenceGrant": {"tenant-a", "tenant-b", "tenant-c", "default", "istio-system"},
    "ConfigMap": {"monitoring"},
    "Service": {"default"},
}


@pytest.fixture
def objects(folder):
    return [one for name in [*FILES, SERVER] for one in documents(folder / name)]


def commands(text):
    """The lines of a document's shell blocks; a line that ends with a backslash goes on."""
    blocks = re.findall(r"^```(?:sh|bash)\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line for block in blocks for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def applied(text):
    return [match[1] for line in commands(text) if (match := re.match(r"kubectl apply -f (\S+)", line))]


# === Files ===


def test_the_six_folders_hold_the_ten_files(folder):
    assert all((folder / name).is_file() for name in FILES)
    assert {path.parent.name for path in map(folder.joinpath, FILES)} == {
        "gateway", "security", "backends", "routing", "policies", "observability",
    }


def test_the_gateways_objects_are_in_its_namespace(folder):
    for one in (one for name in FILES for one in documents(folder / name)):
        kind, namespace = one["kind"], one["metadata"].get("namespace")
        if kind in CLUSTER_WIDE:
            assert namespace is None, one["metadata"]
        else:
            assert namespace in {"envoy-gateway-system", *ELSEWHERE.get(kind, ())}, (kind, one["metadata"])


def test_every_object_is_what_its_definition_says(objects, crd_validator):
    assert crd_validator("eg-1.9").errors(objects) == []
    # Envoy AI Gateway 1.1 goes with the release before, too.
    others = [one for one in objects if not one["apiVersion"].startswith("aigateway.")]
    assert crd_validator("eg-1.8").errors(others) == []


def test_what_an_older_ai_gateway_lacks_is_what_the_document_says(folder, objects, crd_validator):
    found = crd_validator("eg-1.8").errors(objects)
    assert found and all("'name'" in line or "streamIdleTimeout" in line for line in found), found
    assert "Envoy AI Gateway 1.1" in (folder / "README.md").read_text()


def test_the_check_has_nothing_to_say(folder, tollgate_check):
    tollgate_check(folder)


def test_the_token_server_in_the_manifest_is_the_program(folder):
    (program,) = [one["data"] for one in documents(folder / SERVER) if one["kind"] == "ConfigMap"]
    assert program == {"jwt_server.py": (folder / "security/jwt-server/jwt_server.py").read_text()}


# === Order ===


def test_the_documented_order_is_everything_once_and_policies_before_routes(folder):
    order = applied((folder / "README.md").read_text())
    assert order == [SERVER, *FILES]


def references(one):
    """What an object cannot do without: kind, namespace and name of each."""
    own = one["metadata"].get("namespace")

    def walk(value, key=""):
        if isinstance(value, list):
            for item in value:
                yield from walk(item, key)
        elif isinstance(value, dict):
            if key in ("parentRefs", "targetRefs", "backendRefs", "backendRef") and "name" in value:
                kind = value.get("kind", {"parentRefs": "Gateway", "backendRefs": "AIServiceBackend"}.get(key))
                if key == "backendRefs" and "kind" not in value and one["kind"] != "AIGatewayRoute":
                    kind = "Service"
                yield kind, value.get("namespace", own), value["name"]
            for name, item in value.items():
                yield from walk(item, name)

    yield from walk(one["spec"] if "spec" in one else {})


def test_in_the_end_every_reference_is_answered(folder, objects):
    there = {(one["kind"], one["metadata"].get("namespace"), one["metadata"]["name"]) for one in objects}
    # The AI route becomes an HTTPRoute of its name.
    there |= {("HTTPRoute", space, name) for kind, space, name in there if kind == "AIGatewayRoute"}
    named = [one for one in objects if one["kind"] != "Deployment"]
    wanted = {(reference, one["metadata"]["name"]) for one in named for reference in references(one)}
    assert wanted
    assert {name for name in wanted if name[0] not in there} == set()


def test_every_step_on_the_way_serves_what_is_there(folder, gateway):
    """Each file alone with those before it: nothing keeps the gateway from starting, and at the end all is well."""
    text = [(folder / "local/stand-ins.yaml").read_text()]
    for name in FILES[:-1]:
        text.append((folder / name).read_text())
        if name == "gateway/gatewayclass.yaml":
            continue
        served = gateway(*text)
        reply = served.ask("POST", "/v1/models/sklearn-iris:predict", {}, host="gateway.example")
        # Nothing is open on the way: there is no route yet, or somebody asks for a token.
        assert reply.status >= 400, (name, reply)
        served.stop()


# === Commands ===


def test_the_commands_are_shell_and_name_what_is_there(folder, objects):
    text = (folder / "README.md").read_text()
    done = subprocess.run(["sh", "-n"], input="\n".join(commands(text)), capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    names = {(one["kind"].lower(), one["metadata"]["name"]) for one in objects}
    namespaces = {one["metadata"].get("namespace") for one in objects} | {"tenant-a"}
    found = 0
    for line in re.findall(r"kubectl (?:get|describe|logs|patch|port-forward)[^`|\n]*", text):
        if "$(" in line:
            continue
        words = shlex.split(line.rstrip("\\& "), comments=True)
        if "-n" in words:
            at = words.index("-n")
            assert words[at + 1] in namespaces, line
            del words[at : at + 2]
        if words[2].startswith("-"):
            continue
        kinds = words[2].split(",")
        rest = [word for word in words[3:4] if not word.startswith("-")]
        for kind in kinds:
            if "/" in kind:
                kind, _, name = kind.partition("/")
                kind = {"svc": "service", "deploy": "deployment"}.get(kind, kind)
                assert (kind, name) in names, line
                found += 1
            elif rest:
                assert (kind, rest[0]) in names, line
                found += 1
    assert found >= 5


def test_a_command_that_picks_proxies_does_so_by_a_label_they_have(folder):
    text = (folder / "README.md").read_text()
    labels = set(re.findall(r"-l '?([a-z./-]+)=", text))
    assert labels == {"gateway.envoyproxy.io/owning-gateway-name", "control-plane"}


def test_the_dashboard_is_a_plain_model(folder):
    (dashboard,) = [one for one in documents(folder / FILES[-1]) if one["kind"] == "ConfigMap"]
    (text,) = dashboard["data"].values()
    assert "panels" in yaml.safe_load(text)
