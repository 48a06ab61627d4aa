"""The documented commands, run by the real kubectl against an API server without a cluster behind it."""

import re
import shutil

import pytest

import kube_api
from test_multi_tenant_files import commands

NEEDS_A_CLUSTER = re.compile(r"kubectl (logs|port-forward)|^curl|^tollgate|^  |^token|^predict|^deploy/|^cd ")


@pytest.fixture
def kubectl(folder, tmp_path, authority, crd_validator):
    """Runs the document's lines where they are meant to be run."""
    work = tmp_path / "multi-tenant"
    shutil.copytree(folder, work)
    chain, key = authority.issue("ai.inference-in-a-box")
    (work / "tls.crt").write_text(chain)
    (work / "tls.key").write_text(key)
    with kube_api.Kubectl(crd_validator("eg-1.9"), work) as run:
        yield run


def documented(folder):
    lines = commands((folder / "README.md").read_text())
    return [line for line in lines if line.startswith("kubectl") and not NEEDS_A_CLUSTER.search(line)]


def test_every_command_does_what_the_document_wants_of_it(folder, kubectl):
    lines = documented(folder)
    assert len(lines) >= 17
    for line in lines:
        status, said = kubectl(line)
        assert status == 0, f"{line}\n{said}"
        if " apply " in line:
            assert " created" in said, f"{line}\n{said}"
        if "get backend " in line:
            assert len(said.strip().splitlines()) == 1 + 4, said
    patched = "{.spec.infrastructure.parametersRef.name}"
    line = f"kubectl get gateway ai-inference-gateway -n envoy-gateway-system -o jsonpath='{patched}'"
    assert kubectl(line) == (0, "ai-gateway-telemetry")


def test_what_to_look_at_when_it_does_not_work_is_there(folder, kubectl):
    for line in documented(folder):
        assert kubectl(line)[0] == 0, line
    table = (folder / "README.md").read_text().partition("## When it does not")[2].partition("\n## ")[0]
    tried = 0
    for line in re.findall(r"`(kubectl [^`]+)`", table.replace("\\|", "|")):
        if NEEDS_A_CLUSTER.search(line) or "tenant-a" in line:
            continue
        status, said = kubectl(line)
        assert status == 0, f"{line}\n{said}"
        tried += 1
    assert tried >= 3


def test_a_field_that_no_definition_has_would_be_refused(kubectl):
    line = """kubectl create -f - <<'END'
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: ClientTrafficPolicy
metadata: {name: a, namespace: envoy-gateway-system}
spec: {connection: {connectionTimeout: 1s}, targetRefs: [{group: gateway.networking.k8s.io, kind: Gateway, name: a}]}
END"""
    status, said = kubectl(line)
    assert status and "connectionTimeout" in said, said
