"""The run on one's own machine, by the commands that README.md gives."""

import os
import re
import shutil
import signal
import socket
import subprocess

import pytest

import serving

PORTS = {"HTTP": 8080, "HTTPS": 8443, "ADMIN": 1064, "TOKENS": 9101, "TENANT_A": 9102, "TENANT_C": 9103, "MESH": 9104}


def free_ports(count):
    """Ports that nobody has; asked for all at once, so that they differ."""
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [probe.getsockname()[1] for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def wait_for_all(child, ports):
    """Returns once the gateway and everybody behind it has said that it listens."""
    waiting = {" ready in ", *(f"http://127.0.0.1:{ports[name]}" for name in ("TOKENS", "TENANT_A", "TENANT_C", "MESH"))}
    said = []
    for line in child.stdout:
        said.append(line)
        waiting -= {words for words in waiting if words in line}
        if not waiting:
            return
    raise AssertionError("".join(said))


@pytest.fixture
def local(folder):
    """The ports that it serves on, by what they are for."""
    if not shutil.which("curl"):
        pytest.skip("curl is not installed: the commands of README.md need it")
    ports = dict(zip(PORTS, free_ports(len(PORTS))))
    env = {**os.environ, **{name: str(port) for name, port in ports.items()}, "TOLLGATE": serving.TOLLGATE}
    child = subprocess.Popen(
        [folder / "local/run.sh"], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        env=env, text=True, start_new_session=True,
    )
    try:
        wait_for_all(child, ports)
        yield ports
    finally:
        os.killpg(child.pid, signal.SIGTERM)
        child.stdout.close()
        child.wait(20)


def test_the_commands_of_the_document_say_what_it_says_they_do(folder, local):
    text = (folder / "README.md").read_text()
    block = re.search(r"In another terminal:\n\n```sh\n(.*?)```", text, re.DOTALL)[1]
    wanted = re.findall(r"^predict .*?# +(.*)$", block, re.MULTILINE)
    assert wanted == ['{"predictions":[0]} 200', "403", "401"]
    for name, port in PORTS.items():
        block = block.replace(f"127.0.0.1:{port}", f"127.0.0.1:{local[name]}")
    done = subprocess.run(["sh", "-eu", "-c", block], capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    *answers, chat = done.stdout.strip().split("\n")
    # Refusals say why before the number.
    assert [answer.endswith(end) for answer, end in zip(answers, wanted)] == [True] * 3, done.stdout
    assert '"choices"' in chat, chat
