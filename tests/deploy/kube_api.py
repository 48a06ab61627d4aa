"""Enough of an API server for kubectl to apply, get, patch and describe: no controllers, nothing runs.

It knows the kinds of a release by their real definitions, and refuses what those refuse, field by field. With it the
commands that documents give are run by the real kubectl: `with Kubectl(crd_validator("eg-1.9"), folder) as run:
run("kubectl get gateways")`.
"""

import http.server
import json
import os
import re
import shutil
import subprocess
import threading
import urllib.parse
import uuid

import pytest

NATIVE = [
    # group, version, plural, kind, namespaced, short names
    ("", "v1", "namespaces", "Namespace", False, ["ns"]),
    ("", "v1", "services", "Service", True, ["svc"]),
    ("", "v1", "pods", "Pod", True, ["po"]),
    ("", "v1", "configmaps", "ConfigMap", True, ["cm"]),
    ("", "v1", "secrets", "Secret", True, []),
    ("", "v1", "events", "Event", True, ["ev"]),
    ("events.k8s.io", "v1", "events", "Event", True, ["ev"]),
    ("apps", "v1", "deployments", "Deployment", True, ["deploy"]),
]
VERBS = ["create", "delete", "get", "list", "patch", "update", "watch"]


class Kubectl:
    """Runs shell lines in a folder, with a kubectl that talks to an API server of its own."""

    def __init__(self, validator, folder):
        if not shutil.which("kubectl"):
            pytest.skip("kubectl is not installed: the documented commands cannot be tried")
        self.validator = validator
        self.folder = folder

    def __enter__(self):
        self.api = Api(self.validator)
        home = self.folder / ".home"
        home.mkdir()
        context = {"name": "test", "context": {"cluster": "test", "user": "test"}}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "test",
            "clusters": [{"name": "test", "cluster": {"server": self.api.address}}],
            "contexts": [context],
            "users": [{"name": "test", "user": {}}],
        }
        (home / "config").write_text(json.dumps(config))
        self.env = {"PATH": os.environ["PATH"], "HOME": str(home), "KUBECONFIG": str(home / "config")}
        return self

    def __exit__(self, *_):
        self.api.stop()

    def __call__(self, line, stdin=""):
        """Exit status, and everything that is said."""
        if line.startswith("kubectl create secret"):
            # It sends these in a form that only a real API server reads.
            line += " --dry-run=client -o yaml | kubectl apply -f -"
        done = subprocess.run(
            ["sh", "-euc", line], cwd=self.folder, env=self.env, input=stdin, capture_output=True, text=True, timeout=60
        )
        return done.returncode, done.stdout + done.stderr


class Refusal(Exception):
    """A status with a reason, as the API words it."""

    def __init__(self, code, reason, message):
        super().__init__(message)
        self.status = {
            "kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "reason": reason, "message": message,
        }


class Api:
    """Kinds, and the objects that were made of them."""

    def __init__(self, validator):
        self.validator = validator
        self.kinds = {tuple(one[:3]): tuple(one[3:]) for one in NATIVE}
        for one in validator.definitions:
            spec, names = one["spec"], one["spec"]["names"]
            for version in spec["versions"]:
                if version.get("served"):
                    key = (spec["group"], version["name"], names["plural"])
                    self.kinds[key] = (names["kind"], spec["scope"] == "Namespaced", names.get("shortNames", []))
        self.objects = {}
        api = self

        class Bound(Handler):
            pass

        Bound.api = api
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Bound)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def address(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def stop(self):
        self.server.shutdown()
        self.server.server_close()

    # === Discovery ===

    def groups(self):
        found = {}
        for group, version, _ in self.kinds:
            if group:
                found.setdefault(group, []).append({"groupVersion": f"{group}/{version}", "version": version})
        groups = []
        for name, versions in found.items():
            versions = [one for number, one in enumerate(versions) if one not in versions[:number]]
            groups.append({"name": name, "versions": versions, "preferredVersion": versions[0]})
        return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}

    def resources(self, group, version):
        found = [
            {
                "name": plural, "singularName": kind.lower(), "namespaced": namespaced, "kind": kind,
                "verbs": VERBS, "shortNames": short,
            }
            for (of, at, plural), (kind, namespaced, short) in self.kinds.items()
            if (of, at) == (group, version)
        ]
        if not found:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        name = f"{group}/{version}" if group else version
        return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": found}

    def schemas(self):
        """Which documents there are; kubectl asks them whether the server looks at unknown fields itself."""
        roots = {f"apis/{group}/{version}" if group else f"api/{version}" for group, version, _ in self.kinds}
        return {"paths": {root: {"serverRelativeURL": f"/openapi/v3/{root}"} for root in sorted(roots)}}

    def schema(self, root):
        group, version = root.removeprefix("apis/").split("/") if root.startswith("apis/") else ("", root.removeprefix("api/"))
        paths = {}
        for (of, at, plural), (kind, _, _) in self.kinds.items():
            if (of, at) == (group, version):
                paths[f"/{root}/{plural}/{{name}}"] = {
                    "patch": {
                        "parameters": [{"name": "fieldValidation", "in": "query", "schema": {"type": "string"}}],
                        "x-kubernetes-group-version-kind": {"group": group, "version": version, "kind": kind},
                        "responses": {},
                    }
                }
        info = {"title": "Kubernetes", "version": "v1"}
        return {"openapi": "3.0.0", "info": info, "paths": paths, "components": {"schemas": {}}}

    # === Objects ===

    def create(self, key, space, one):
        group, _, plural = key
        name = one["metadata"]["name"]
        if (group, plural, space, name) in self.objects:
            raise Refusal(409, "AlreadyExists", f"{plural} {name!r} already exists")
        self.put(key, space, one)
        return one

    def put(self, key, space, one):
        _, namespaced, _ = self.kinds[key]
        if namespaced and one["metadata"].get("namespace", space) != space:
            raise Refusal(400, "BadRequest", "the namespace of the object does not match the namespace on the request")
        kept = ("name", "namespace", "labels", "annotations")
        plain = {**one, "metadata": {name: value for name, value in one["metadata"].items() if name in kept and value}}
        plain.pop("status", None)
        if errors := self.validator.errors([plain]):
            raise Refusal(422, "Invalid", "; ".join(errors))
        one["metadata"] |= {"uid": str(uuid.uuid4()), "resourceVersion": "1", "creationTimestamp": "2026-01-01T00:00:00Z"}
        self.objects[key[0], key[2], space, one["metadata"]["name"]] = one

    def get(self, key, space, name):
        found = self.objects.get((key[0], key[2], space, name))
        if not found:
            raise Refusal(404, "NotFound", f"{key[2]}.{key[0]} {name!r} not found")
        return found

    def list(self, key, space, selector):
        wanted = dict(part.split("=", 1) for part in selector.split(",") if "=" in part)
        items = [
            one
            for (group, plural, at, _), one in sorted(self.objects.items(), key=lambda item: item[0][3])
            if (group, plural) == (key[0], key[2]) and (space is None or at == space)
            and wanted.items() <= one["metadata"].get("labels", {}).items()
        ]
        group, version, _ = key
        name = f"{group}/{version}" if group else version
        return {"kind": f"{self.kinds[key][0]}List", "apiVersion": name, "metadata": {"resourceVersion": "1"}, "items": items}


def merged(old, change):
    """RFC 7386."""
    if not isinstance(change, dict):
        return change
    made = dict(old) if isinstance(old, dict) else {}
    for name, value in change.items():
        if value is None:
            made.pop(name, None)
        else:
            made[name] = merged(made.get(name), value)
    return made


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    api: Api

    def any(self):
        body = self.rfile.read(int(self.headers.get("content-length", "0")))
        url = urllib.parse.urlsplit(self.path)
        try:
            status, answer = 200, self.answer(url.path, dict(urllib.parse.parse_qsl(url.query)), body)
        except Refusal as refusal:
            status, answer = refusal.status["code"], refusal.status
        text = json.dumps(answer).encode()
        self.send_response(201 if self.command == "POST" and status == 200 else status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = any

    def answer(self, path, query, body):
        fixed = {
            "/version": lambda: {"major": "1", "minor": "32", "gitVersion": "v1.32.0"},
            "/api": lambda: {"kind": "APIVersions", "versions": ["v1"]},
            "/apis": self.api.groups,
            "/openapi/v3": self.api.schemas,
        }
        if path in fixed:
            return fixed[path]()
        if path.startswith("/openapi/v3/"):
            return self.api.schema(path.removeprefix("/openapi/v3/"))
        match = re.fullmatch(r"/(?:api|apis/(?P<group>[^/]+))/(?P<version>[^/]+)(?P<rest>/.*)?", path)
        if not match:
            raise Refusal(404, "NotFound", f"nothing at {path}")
        group, version, rest = match["group"] or "", match["version"], match["rest"]
        if not rest:
            return self.api.resources(group, version)
        place = re.fullmatch(r"(?:/namespaces/(?P<space>[^/]+))?/(?P<plural>[^/]+)(?:/(?P<name>[^/]+))?", rest)
        if rest.startswith("/namespaces") and rest.count("/") <= 2:
            place = re.fullmatch(r"(?P<space>)/(?P<plural>namespaces)(?:/(?P<name>[^/]+))?", rest)
        key = (group, version, place["plural"]) if place else None
        if key not in self.api.kinds:
            raise Refusal(404, "NotFound", "the server could not find the requested resource")
        return self.objects(key, place["space"] or None, place["name"], query, body)

    def objects(self, key, space, name, query, body):
        if self.command == "POST":
            return self.api.create(key, space, json.loads(body))
        if self.command == "PATCH":
            old = self.api.get(key, space, name)
            new = merged(old, json.loads(body))
            self.api.put(key, space, new)
            return new
        if name:
            return self.api.get(key, space, name)
        return self.api.list(key, space, query.get("labelSelector", ""))

    def log_message(self, *_):
        """Quiet: kubectl says what went wrong."""
