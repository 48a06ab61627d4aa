"""The real binary between the official SDKs and simulated providers."""

import contextlib
import json
import os
import pathlib
import re
import socket
import subprocess
import threading
import time
import urllib.request

import anthropic
import openai
import pytest

TOLLGATE = os.environ.get("TOLLGATE", str(pathlib.Path(__file__).parents[2] / "target/debug/tollgate"))
RESOURCES = (pathlib.Path(__file__).parent / "gateway.yaml").read_text()


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Process:
    """A child whose output is read to the end, so that it never blocks, and shown when a test fails."""

    def __init__(self, *args, stdin=None, env=None):
        self.lines = []
        self.news = threading.Condition()
        self.child = subprocess.Popen(
            [TOLLGATE, *args],
            stdin=subprocess.PIPE if stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(env or {})},
            text=True,
        )
        if stdin:
            self.child.stdin.write(stdin)
            self.child.stdin.close()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            with self.news:
                self.lines.append(line.rstrip())
                self.news.notify_all()
        with self.news:
            self.lines.append("<end of output>")
            self.news.notify_all()

    def wait_for(self, pattern, timeout=30):
        """The first line that matches; waits for it instead of sleeping."""
        found = []

        def seen():
            found[:] = [match for line in self.lines if (match := re.search(pattern, line))]
            return found or "<end of output>" in self.lines

        with self.news:
            self.news.wait_for(seen, timeout)
        assert found, f"no line matches {pattern!r}:\n" + "\n".join(self.lines)
        return found[0]

    def stop(self):
        self.child.terminate()
        try:
            self.child.wait(20)
        except subprocess.TimeoutExpired:
            self.child.kill()


@pytest.fixture(scope="session")
def simulator():
    process = Process("simulate", "--listen", "127.0.0.1:0")
    port = process.wait_for(r"http://127\.0\.0\.1:(\d+)").group(1)
    yield f"http://127.0.0.1:{port}"
    process.stop()


class Provider:
    """What the simulator has counted."""

    def __init__(self, url):
        self.url = url

    def stats(self):
        with urllib.request.urlopen(f"{self.url}/_sim/stats", timeout=5) as reply:
            return json.load(reply)

    def at_rest(self, patience):
        """The counts once nothing is in flight; each look takes a round trip, so this does not spin."""
        end = time.monotonic() + patience
        while (stats := self.stats())["in_flight"]:
            assert time.monotonic() < end, f"still answering: {stats}"
        return stats

    @contextlib.contextmanager
    def sees_one_client_leave(self):
        """The client inside leaves a stream that would go on for far longer than this waits."""
        before = self.at_rest(20)["aborted"]
        yield
        assert self.at_rest(10)["aborted"] == before + 1


@pytest.fixture
def provider(simulator):
    return Provider(simulator)


@pytest.fixture(scope="session")
def gateway(simulator):
    port_of_simulator = {"SIMULATOR_PORT": simulator.rsplit(":", 1)[1]}
    checked = subprocess.run(
        [TOLLGATE, "check", "-"],
        input=RESOURCES,
        env={**os.environ, **port_of_simulator},
        capture_output=True,
        text=True,
    )
    assert checked.returncode == 0, checked.stdout
    port, admin = free_port(), free_port()
    process = Process(
        "run",
        "-",
        "--port-map",
        f"80={port}",
        "--admin",
        f"127.0.0.1:{admin}",
        "--access-log",
        "json",
        stdin=RESOURCES,
        env=port_of_simulator,
    )
    process.wait_for(rf"127\.0\.0\.1:{port}")
    process.url = f"http://127.0.0.1:{port}"
    process.admin = f"http://127.0.0.1:{admin}"
    yield process
    process.stop()


@pytest.fixture
def openai_client(gateway):
    return openai.OpenAI(base_url=f"{gateway.url}/v1", api_key="of-the-client", max_retries=0, timeout=20)


@pytest.fixture
def anthropic_client(gateway):
    return anthropic.Anthropic(
        base_url=f"{gateway.url}/anthropic", api_key="of-the-client", max_retries=0, timeout=20
    )
