import pathlib
import re
import subprocess
import sys
import threading

import pytest

FOLDER = pathlib.Path(__file__).parents[3] / "deploy" / "multi-tenant"


class JwtServer:
    """The token server of the deployment, on a free port."""

    def __init__(self, *args):
        self.child = subprocess.Popen(
            [sys.executable, "-B", FOLDER / "security/jwt-server/jwt_server.py", "--listen", "127.0.0.1:0", *args],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        first = self.child.stdout.readline()
        self.address = re.search(r"http://(127\.0\.0\.1:\d+)", first)[1]
        self.said = [first]
        threading.Thread(target=lambda: self.said.extend(self.child.stdout), daemon=True).start()

    def stop(self):
        self.child.terminate()
        return self.child.wait(20)


@pytest.fixture
def folder():
    return FOLDER


@pytest.fixture(scope="session")
def jwt_server():
    running = JwtServer()
    yield running
    running.stop()


@pytest.fixture
def start_jwt_server():
    running = []

    def start(*args):
        running.append(JwtServer(*args))
        return running[-1]

    yield start
    for server in running:
        server.stop()
