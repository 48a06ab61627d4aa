"""What tests of deployments share; a folder a deployment. Run by `cargo xtask deploy`, also with a file or `-k NAME`.

- `tools.helm(…)`: a pinned program, or a skip that says which one is missing.
- `crd_validator("eg-1.8").errors(objects)`: what the real definitions of a release have against objects.
- `tollgate_check(objects, …)`: fails unless `tollgate check` has nothing to say, not even a warning.
- `gateway(objects, …)`: serves them, with `simulator` and `provider(HOST, …)` behind.
- `behind_envoy(objects, …)`: the same by the real Envoy and Envoy Gateway, whose Gateways listen on free ports.
- `golden(path, text)`: compares with a file; `UPDATE_EXPECT=1` writes it.

Objects are YAML text, a file, a folder, one object or many.
"""

import itertools
import os
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent))

import definitions  # noqa: E402
import envoy  # noqa: E402
import serving  # noqa: E402
import tools as programs  # noqa: E402


@pytest.fixture(scope="session")
def tools():
    return programs.Tools()


@pytest.fixture(scope="session")
def crd_validator():
    return definitions.validator


@pytest.fixture
def tollgate_check(tmp_path):
    numbers = itertools.count()

    def check(*sources, env=None):
        status, said = serving.check(*sources, folder=tmp_path / f"check-{next(numbers)}", env=env)
        assert status == 0, said
        return said

    return check


@pytest.fixture(scope="session")
def simulator():
    process = serving.Simulator()
    yield process
    process.stop()


@pytest.fixture
def gateway(tmp_path):
    """Starts gateways; `gateway(objects, "--resolve", …, env={…})`."""
    running = []

    def start(*sources, args=(), env=None):
        folder = serving.write(tmp_path / f"serve-{len(running)}", *sources)
        running.append(serving.Gateway(folder, *args, env=env))
        return running[-1]

    yield start
    for process in running:
        process.stop()


@pytest.fixture
def behind_envoy(tmp_path):
    """Starts Envoy Gateway, its Envoy, our controller and our processor; one set of them at a time."""
    running = []

    def start(*sources):
        running.append(envoy.Stack(tmp_path / "envoy", *sources))
        return running[-1]

    yield start
    for stack in running:
        stack.stop()


@pytest.fixture(scope="session")
def authority(tmp_path_factory):
    return serving.Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture
def provider(gateway, authority):
    """Stands in for hosts on port 443 with a simulator behind TLS: arguments and environment for `gateway`."""

    def stand_in(simulator, *hosts):
        tls = gateway(serving.front(authority, simulator.port, hosts))
        resolve = [word for host in hosts for word in ("--resolve", f"{host}:443=127.0.0.1:{tls.ports[443]}")]
        return {"args": resolve, "env": {"SSL_CERT_FILE": str(authority.path), "SSL_CERT_DIR": None}}

    return stand_in


@pytest.fixture
def golden():
    def compare(path, text):
        path = pathlib.Path(path)
        if os.environ.get("UPDATE_EXPECT"):
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        assert path.is_file(), f"{path} is missing: UPDATE_EXPECT=1 writes it"
        assert text == path.read_text(), f"{path} differs: UPDATE_EXPECT=1 writes it anew, then read the diff"

    return compare
