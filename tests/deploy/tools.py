"""The programs that deployments are written for, in the versions of tools.json. `cargo xtask deploy --install` gets them."""

import functools
import json
import os
import pathlib
import shutil
import subprocess
import tempfile

import pytest

HERE = pathlib.Path(__file__).parent
PINS = json.loads((HERE / "tools.json").read_text())
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache") / "tollgate"


class Failed(Exception):
    """A program that ended badly; its text is all that it said."""


class Tool:
    """A program: call it with arguments and get what it prints."""

    def __init__(self, name, path):
        self.name = name
        self.path = str(path)

    def run(self, *args, stdin=None, cwd=None, env=None):
        """Exit status, standard output, standard error."""
        done = subprocess.run(
            [self.path, *map(str, args)],
            input=stdin,
            stdin=None if stdin is not None else subprocess.DEVNULL,
            cwd=cwd,
            env={**os.environ, **(env or {})},
            capture_output=True,
            text=True,
            timeout=300,
        )
        return done.returncode, done.stdout, done.stderr

    def __call__(self, *args, **how):
        status, said, complained = self.run(*args, **how)
        if status:
            raise Failed(f"{self.name} {' '.join(map(str, args))}: status {status}\n{said}\n{complained}")
        return said

    def fails(self, *args, **how):
        """What a program says that has to refuse; not refusing is the failure."""
        status, said, complained = self.run(*args, **how)
        assert status, f"{self.name} {' '.join(map(str, args))} was expected to fail, and said:\n{said}"
        return said + complained


def find(name):
    """The pinned program, or None where it could not be installed here."""
    pin = PINS["programs"][name]
    path = CACHE / "go-tools" / f"{name}-{pin['version']}" / name
    return Tool(name, path) if path.is_file() else None


def need(name):
    """The pinned program; without it the test that asks is skipped."""
    tool = find(name)
    if tool is None:
        pytest.skip(f"{name} {PINS['programs'][name]['version']} is not installed: cargo xtask deploy --install")
    return tool


class Tools:
    """`tools.helm("template", …)`: every program of tools.json by its name, `-` written as `_`."""

    def __getattr__(self, name):
        return need(name.replace("_", "-"))


@functools.cache
def go_module(module, version):
    """The folder of a Go module, or None where it cannot be had here."""
    assert version in PINS["modules"].get(module, []), f"{module}@{version} is not in tools.json"
    if not shutil.which("go"):
        return None
    done = subprocess.run(
        ["go", "mod", "download", "-json", f"{module}@{version}"],
        cwd=tempfile.gettempdir(),
        capture_output=True,
        text=True,
        timeout=600,
    )
    folder = json.loads(done.stdout or "{}").get("Dir") if done.returncode == 0 else None
    return pathlib.Path(folder) if folder else None
