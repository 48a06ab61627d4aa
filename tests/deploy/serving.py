"""The real binary: what checks resources, what serves them, and the providers behind it."""

import contextlib
import http.client
import http.server
import json
import os
import pathlib
import queue
import re
import ssl
import subprocess
import threading

import trustme
import yaml

import definitions

ROOT = pathlib.Path(__file__).parents[2]
TOLLGATE = os.environ.get("TOLLGATE", str(ROOT / "target/debug/tollgate"))
PATIENCE = 60


def environment(changes):
    """This process's environment with changes; None takes a variable out."""
    return {name: value for name, value in {**os.environ, **(changes or {})}.items() if value is not None}


class Process:
    """A child whose output is read to its end, so that it never blocks, and shown where a test fails."""

    def __init__(self, *args, env=None, program=None):
        self.lines = []
        self.news = threading.Condition()
        self.child = subprocess.Popen(
            [str(program or TOLLGATE), *map(str, args)],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            env=environment(env),
            text=True,
        )
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.child.stdout:
            self._tell(line.rstrip())
        self._tell(None)

    def _tell(self, line):
        with self.news:
            self.lines.append(line)
            self.news.notify_all()

    def wait_for(self, pattern):
        """The first line that matches; waits for it instead of sleeping."""
        found = []

        def seen():
            found[:] = [match for line in self.lines if line and (match := re.search(pattern, line))]
            return found or None in self.lines

        with self.news:
            self.news.wait_for(seen, PATIENCE)
        assert found, f"no line matches {pattern!r}:\n" + "\n".join(map(str, self.lines))
        return found[0]

    def stop(self):
        """At once: what drains is tested elsewhere."""
        self.child.kill()
        self.child.wait()


class Reply:
    """An answer, read to its end."""

    def __init__(self, status, headers, body):
        self.status = status
        self.headers = {name.lower(): value for name, value in headers}
        self.text = body.decode("utf-8", "replace")

    @property
    def json(self):
        return json.loads(self.text)

    def __repr__(self):
        return f"{self.status} {self.headers} {self.text[:500]}"


def send(connection, method, path, headers, body):
    """A body that is no text is sent as JSON."""
    if body is not None and not isinstance(body, (bytes, str)):
        body, headers = json.dumps(body), {"content-type": "application/json", **headers}
    with contextlib.closing(connection):
        connection.request(method, path, body=body, headers=headers)
        reply = connection.getresponse()
        return Reply(reply.status, reply.getheaders(), reply.read())


def chat(port, model, **headers):
    """A chat of one message; `header_name="value"` becomes `header-name: value`."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    return send(connection, "POST", "/v1/chat/completions", headers, body)


class Gateway(Process):
    """`tollgate run` with every port of the resources on a free one."""

    def __init__(self, folder, *args, env=None):
        ports = sorted(listener_ports(definitions.documents(folder)))
        super().__init__(
            "run", folder, "--admin", "127.0.0.1:0", "--threads", "1", "--access-log", "json",
            "--port-map", ",".join(f"{port}=0" for port in ports), *args, env=env,
        )
        ready = self.wait_for(r" ready in ").string
        self.ports = {int(number): int(port) for port, number in re.findall(r":(\d+) \(port (\d+)\)", ready)}
        self.admin_port = int(re.search(r"admin on http://127\.0\.0\.1:(\d+)", ready).group(1))

    def ask(self, method, path, body=None, *, port=80, tls=None, **headers):
        """`header_name="value"` becomes `header-name: value`; `tls` is a context to speak TLS with."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if tls:
            host = headers.get("host", "localhost")
            connection = TlsTo(host, self.ports[port], tls)
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.ports[port], timeout=PATIENCE)
        return send(connection, method, path, headers, body)

    def chat(self, model, **how):
        """A chat of one message."""
        body = {"model": model, "messages": [{"role": "user", "content": "hello"}]}
        return self.ask("POST", "/v1/chat/completions", body, **how)

    def admin(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=PATIENCE)
        return send(connection, "GET", path, {}, None)


class TlsTo(http.client.HTTPSConnection):
    """To a port of this machine, under another name."""

    def __init__(self, name, port, context):
        super().__init__(name, port, timeout=PATIENCE, context=context)

    def connect(self):
        name, self.host = self.host, "127.0.0.1"
        http.client.HTTPConnection.connect(self)
        self.host = name
        self.sock = self._context.wrap_socket(self.sock, server_hostname=name)


class Simulator(Process):
    """`tollgate simulate`: providers of every dialect."""

    def __init__(self, *args):
        super().__init__("simulate", "--listen", "127.0.0.1:0", *args)
        self.port = int(self.wait_for(r"http://127\.0\.0\.1:(\d+)").group(1))

    def ask(self, method, path, body=None):
        return send(http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE), method, path, {}, body)

    def last(self):
        """The requests that it has seen, the newest last."""
        return self.ask("GET", "/_sim/last").json


class Authority:
    """Certificates of the tests' own making."""

    def __init__(self, folder):
        self.authority = trustme.CA()
        self.path = folder / "authority.pem"
        self.authority.cert_pem.write_to_path(self.path)

    def issue(self, *hosts):
        """A certificate chain and its key, as text."""
        made = self.authority.issue_cert(*hosts)
        chain = b"".join(one.bytes() for one in made.cert_chain_pems)
        return chain.decode(), made.private_key_pem.bytes().decode()

    def secret(self, name, *hosts, namespace=None):
        """A Secret of type kubernetes.io/tls."""
        chain, key = self.issue(*hosts)
        made = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": {"name": name}}
        made["stringData"] = {"tls.crt": chain, "tls.key": key}
        if namespace:
            made["metadata"]["namespace"] = namespace
        return made

    def context(self):
        """What a client needs to trust them."""
        context = ssl.create_default_context()
        self.authority.configure_trust(context)
        return context


class Collector(http.server.ThreadingHTTPServer):
    """Takes what is exported to it by OTLP over HTTP."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), self.Handler)
        self.posts = queue.Queue()
        threading.Thread(target=self.serve_forever, daemon=True).start()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}"

    def next(self):
        """Path, headers and body of the next export; waits for it."""
        return self.posts.get(timeout=PATIENCE)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self):
            body = self.rfile.read(int(self.headers["content-length"]))
            self.server.posts.put((self.path, dict(self.headers.items()), body))
            self.send_response(200)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_):
            pass


def front(authority, port, hosts):
    """Resources of a gateway that ends TLS for these hosts in front of a port of this machine."""
    group = "gateway.networking.k8s.io/v1"
    certificate = {"certificateRefs": [{"name": "front"}]}
    return [
        {
            "apiVersion": group,
            "kind": "Gateway",
            "metadata": {"name": "front"},
            "spec": {
                "gatewayClassName": "front",
                "listeners": [{"name": "https", "protocol": "HTTPS", "port": 443, "tls": certificate}],
            },
        },
        authority.secret("front", *hosts),
        {
            "apiVersion": group,
            "kind": "HTTPRoute",
            "metadata": {"name": "front"},
            "spec": {
                "parentRefs": [{"name": "front"}],
                "rules": [{"backendRefs": [{"group": "gateway.envoyproxy.io", "kind": "Backend", "name": "front"}]}],
            },
        },
        {
            "apiVersion": "gateway.envoyproxy.io/v1alpha1",
            "kind": "Backend",
            "metadata": {"name": "front"},
            "spec": {"endpoints": [{"ip": {"address": "127.0.0.1", "port": port}}]},
        },
    ]


def listener_ports(objects):
    """The ports of all Gateways."""
    gateways = [one for one in objects if one.get("kind") == "Gateway"]
    return {listener["port"] for one in gateways for listener in one["spec"].get("listeners", [])}


def write(folder, *sources):
    """Puts objects, YAML texts, files and folders into one folder, and gives it."""
    folder.mkdir(parents=True, exist_ok=True)
    for number, source in enumerate(sources):
        text = yaml.safe_dump_all(definitions.documents(source), sort_keys=False)
        (folder / f"{number:02}.yaml").write_text(text)
    return folder


def check(*sources, folder, env=None):
    """What `tollgate check` says about resources: exit status and text. Warnings count."""
    done = subprocess.run(
        [TOLLGATE, "check", "--deny-warnings", str(write(folder, *sources))],
        env=environment(env),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    return done.returncode, done.stdout + done.stderr
