"""Objects of `tollgate translate` read by Envoy Gateway itself, from files. It runs in a network of its own, since its ports
are fixed; where it is not installed, or there are no such networks, the tests are skipped."""

import os
import pathlib
import subprocess
import threading

import pytest
import yaml

from definitions import documents, describe
from tools import CACHE

ROOT = pathlib.Path(__file__).parents[3]
DEPLOY = ROOT / "deploy" / "envoy-gateway"
GOLDEN = ROOT / "crates" / "tollgate-generate" / "golden"
PROGRAM = CACHE / "envoy-gateway-v1.8.1" / "envoy-gateway"
PATIENCE = 60
CONFIG = """
apiVersion: gateway.envoyproxy.io/v1alpha1
kind: EnvoyGateway
gateway: {controllerName: gateway.envoyproxy.io/gatewayclass-controller}
provider:
  type: Custom
  custom:
    resource: {type: File, file: {paths: []}}
    infrastructure: {type: Host, host: {}}
logging: {level: {default: debug}}
extensionApis: {enableBackend: true, enableEnvoyPatchPolicy: true}
"""


def read_by_envoy_gateway(objects, folder, done, values=None):
    """The lines that it writes until `done(lines)`, or until it ends; with values of its chart, too."""
    if not PROGRAM.is_file():
        pytest.skip("Envoy Gateway v1.8.1 is not installed: cargo xtask envoy")
    if subprocess.run(["unshare", "--map-root-user", "--net", "true"], capture_output=True).returncode:
        pytest.skip("this machine allows no network of its own for a process")
    (folder / "objects").mkdir()
    for one in objects:
        (folder / "objects" / f"{describe(one).replace('/', '.').replace(' ', '.')}.yaml").write_text(yaml.safe_dump(one))
    config = yaml.safe_load(CONFIG) | (values or {})
    config["provider"]["custom"]["resource"]["file"]["paths"] = [str(folder / "objects")]
    (folder / "config.yaml").write_text(yaml.safe_dump(config))
    script = f"ip link set lo up && {PROGRAM} certgen --local && exec {PROGRAM} server --config-path {folder}/config.yaml"
    child = subprocess.Popen(
        ["unshare", "--map-root-user", "--net", "sh", "-c", script],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "HOME": str(folder), "XDG_CONFIG_HOME": str(folder)},
    )
    alarm = threading.Timer(PATIENCE, child.kill)
    alarm.start()
    lines = []
    try:
        for line in child.stdout:
            lines.append(line.rstrip())
            if done(lines):
                break
    finally:
        alarm.cancel()
        child.terminate()
        child.wait(20)
    return lines


@pytest.mark.parametrize("case", ["across-namespaces", "every-field", "failover", "file-provider", "services", "split"])
def test_envoy_gateway_accepts_the_routes(case, tmp_path):
    objects = documents(GOLDEN / case / "want.yaml")
    routes = sum(one["kind"] == "HTTPRoute" for one in objects)

    def accepted(lines):
        return sum("Route is accepted" in line for line in lines)

    lines = read_by_envoy_gateway(objects, tmp_path, lambda lines: accepted(lines) >= routes)
    assert accepted(lines) == routes, "\n".join(line[:300] for line in lines[-80:])


def test_the_deadline_of_a_policy_reaches_the_rule_that_has_none(tmp_path):
    objects = documents(GOLDEN / "deadlines" / "want.yaml")

    def routes(lines):
        return [line for line in lines if "httproute/default/merged/rule/0" in line]

    lines = read_by_envoy_gateway(objects, tmp_path, routes)
    assert '"requestTimeout":"5m0s"' in routes(lines)[0], "\n".join(line[:300] for line in lines[-80:])


@pytest.mark.parametrize("files", [["values.yaml"], ["values-before-1.8.yaml"], ["values.yaml", "values-rate-limit.yaml"]])
def test_envoy_gateway_starts_with_the_values(files, tmp_path):
    """The very settings that the chart hands it, beside a provider that needs no cluster."""
    values = {}
    for name in files:
        values |= yaml.safe_load((DEPLOY / name).read_text())["config"]["envoyGateway"]

    def started(lines):
        words = ["reconcile finished", "Starting runner\t{\"name\": \"infrastructure\"}"]
        return all(any(word in line for line in lines) for word in words)

    lines = read_by_envoy_gateway([], tmp_path, started, values)
    said = "\n".join(line[:300] for line in lines[-40:])
    assert started(lines), said
    assert not any("extension" in line and "error" in line.lower() for line in lines), said


def test_the_values_have_what_envoy_gateway_asks_for(tmp_path):
    """With `backendResources` alone it does not start, and says so; docs/envoy.md quotes it."""
    if not PROGRAM.is_file():
        pytest.skip("Envoy Gateway v1.8.1 is not installed: cargo xtask envoy")
    whole = yaml.safe_load((DEPLOY / "standalone" / "envoy-gateway.yaml").read_text())
    # Checked before anything is started; a folder that is not there ends it afterwards.
    whole["provider"]["custom"]["resource"]["file"]["paths"] = [str(tmp_path / "nothing")]
    guide = (ROOT / "docs" / "envoy.md").read_text()
    manager = whole["extensionManager"]
    for without, message in [
        (["hooks"], "registered extension has no hooks specified"),
        (["service"], "extension service config is empty"),
    ]:
        whole["extensionManager"] = {key: value for key, value in manager.items() if key not in without}
        (tmp_path / "config.yaml").write_text(yaml.safe_dump(whole))
        said = subprocess.run(
            [PROGRAM, "server", "--config-path", tmp_path / "config.yaml"], capture_output=True, text=True, timeout=PATIENCE
        )
        assert said.returncode and message in said.stdout + said.stderr
        assert message in guide
