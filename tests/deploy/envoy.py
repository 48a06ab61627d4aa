"""The second host: Envoy Gateway without a cluster, with Tollgate as its extension server and external processor.

What it takes is installed by `cargo xtask envoy`; without it a test that asks is skipped.
"""

import fcntl
import os
import pathlib
import re
import socket
import subprocess
import tempfile
import time

import pytest
import yaml

import serving
from tools import CACHE

VERSION = "v1.8.1"
ENVOY = "1.40"


def programs():
    """The programs of Envoy Gateway and Envoy."""
    gateway = os.environ.get("TOLLGATE_ENVOY_GATEWAY") or CACHE / f"envoy-gateway-{VERSION}" / "envoy-gateway"
    envoy = os.environ.get("TOLLGATE_ENVOY") or CACHE / f"envoy-{ENVOY}" / "envoy"
    for name, path in (("Envoy Gateway", gateway), ("Envoy", envoy)):
        if not pathlib.Path(path).exists():
            pytest.skip(f"{name} is not installed: cargo xtask envoy")
    if subprocess.run([serving.TOLLGATE, "controller", "--help"], capture_output=True).returncode:
        pytest.skip("this tollgate has no command controller")
    return pathlib.Path(gateway), pathlib.Path(envoy)


def free_port():
    """Envoy Gateway takes a port of a Gateway as it is, so that it has to be free beforehand."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def configuration(folder, resources, extension):
    """The extension manager as users have it in a cluster, and everything else below a folder of the test."""
    home = {f"{name}Home": str(folder / name) for name in ("config", "data", "state")}
    host = {"type": "Host", "host": {**home, "runtimeDir": str(folder / "run")}}
    read = {"type": "File", "file": {"paths": [str(resources)]}}
    everything = {kind: {"includeAll": True} for kind in ("listener", "route", "cluster", "secret")}
    hooks = {"translation": everything, "post": ["Translation", "Cluster", "Route", "Endpoints"]}
    return {
        "apiVersion": "gateway.envoyproxy.io/v1alpha1",
        "kind": "EnvoyGateway",
        "gateway": {"controllerName": "gateway.envoyproxy.io/gatewayclass-controller"},
        "provider": {"type": "Custom", "custom": {"resource": read, "infrastructure": host}},
        "admin": {"address": {"host": "127.0.0.1", "port": 0}},
        "telemetry": {"metrics": {"prometheus": {"disable": True}}},
        "logging": {"level": {"default": "info"}},
        "extensionApis": {"enableBackend": True},
        "extensionManager": {
            "maxMessageSize": "64Mi",
            "hooks": {"xdsTranslator": hooks},
            "service": {"ip": {"address": "127.0.0.1", "port": extension}},
        },
    }


class Stack:
    """Controller, processor, Envoy Gateway and its Envoy, for objects whose Gateway listens on free ports."""

    def __init__(self, folder, *sources):
        gateway, envoy = programs()
        folder.mkdir(parents=True)
        # Its ports are fixed, so one runs at a time on a machine; tests in Rust wait for the same lock.
        self.alone = open(pathlib.Path(tempfile.gettempdir()) / "tollgate-envoy-gateway.lock", "w")
        fcntl.flock(self.alone, fcntl.LOCK_EX)
        self.running = []
        try:
            self._start(folder, gateway, envoy, sources)
        except BaseException:
            self.stop()
            raise

    def _start(self, folder, gateway, envoy, sources):
        resources, generated = serving.write(folder / "resources", *sources), folder / "generated"
        generated.mkdir()
        place, extension = f"unix:{folder}/processor.sock", free_port()
        admin = ["--admin", "127.0.0.1:0"]
        self._run("extproc", "--resources", resources, "--listen", place, *admin).wait_for(" ready")
        hooks = ["--extension-server", f"127.0.0.1:{extension}", "--processor", place]
        self._run("controller", "--resources", resources, "--output", generated, *hooks, *admin).wait_for(" ready")
        config = folder / "envoy-gateway.yaml"
        config.write_text(yaml.safe_dump(configuration(folder, generated, extension)))
        said = subprocess.run([gateway, "version"], capture_output=True, text=True).stdout
        wanted = re.search(r"ENVOY_PROXY_VERSION: *\S*v([\d.]+)", said).group(1)
        # It would download the Envoy that it was made for.
        place = folder / "data" / "envoy-versions" / wanted / "bin"
        place.mkdir(parents=True)
        (place / "envoy").symlink_to(envoy)
        subprocess.run(
            [gateway, "certgen", "--local", "--config-home", folder / "config"], check=True, capture_output=True
        )
        self._run("server", "--config-path", config, program=gateway).wait_for("Watching path added")

    def _run(self, *args, program=None):
        self.running.append(serving.Process(*args, program=program))
        return self.running[-1]

    def serves(self, ask):
        """The first reply that is not that of a gateway which is still starting."""
        end = time.monotonic() + serving.PATIENCE
        while True:
            try:
                reply = ask()
            except OSError as error:
                reply = error
            if not isinstance(reply, OSError) and reply.status not in (404, 500, 503):
                return reply
            assert time.monotonic() < end, f"{reply}\n" + self.said()
            time.sleep(0.05)

    def said(self):
        return "\n".join(str(line) for process in self.running for line in process.lines)

    def stop(self):
        for process in reversed(self.running):
            process.stop()
        self.alone.close()
