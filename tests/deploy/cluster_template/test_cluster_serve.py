"""The rendered resources, served: what people get who follow the template."""

import http.client
import re
import subprocess
import sys

import pytest

from cluster_checkout import APPS, NAMESPACE, ROOT, changed
from serving import send

HOSTS = ("test-resource.openai.azure.com", "test-resource-2.openai.azure.com")
ALICE = {"authorization": "Bearer fake-key-of-alice"}
BOB = {"api_key": "fake-key-of-bob-too"}
# What a reply of the simulator to the chat of these tests uses, at least.
LIMIT = 20


class JwtServer:
    """An identity provider: the token server of another deployment."""

    def __init__(self):
        program = ROOT / "deploy/multi-tenant/security/jwt-server/jwt_server.py"
        self.child = subprocess.Popen(
            [sys.executable, "-B", program, "--listen", "127.0.0.1:0"], stdout=subprocess.PIPE, text=True
        )
        self.address = re.search(r"http://(\S+)", self.child.stdout.readline())[1]

    def token(self, subject):
        connection = http.client.HTTPConnection(self.address, timeout=60)
        return send(connection, "POST", f"/token?tenant=a&subject={subject}", {}, None).json["access_token"]


@pytest.fixture
def jwt_server():
    running = JwtServer()
    yield running
    running.child.terminate()
    running.child.communicate()


@pytest.fixture
def objects(checkout, tools, authority):
    """The AI gateway's own objects, and those of the internal gateway."""

    def make(change=lambda config: config, fixture="public"):
        checkout.render(change(checkout.fixture(fixture)))
        flux = checkout.flux(tools)
        everything = [one for one in flux.all() if one["kind"] != "Certificate"]
        front = [
            one
            for one in everything
            if one["metadata"].get("namespace") == "network"
            or one["kind"] == "HTTPRoute"
            or (one["kind"], one["metadata"]["name"]) == ("Backend", "ai-gateway")
        ]
        classes = [one for one in everything if one["kind"] == "GatewayClass"]
        own = [one for one in everything if one not in front]
        if fixture == "public":
            own.append(authority.secret("ai-gateway-tls", "aiops.example.com", namespace=NAMESPACE))
        front.append(authority.secret("example-com-production-tls", "*.example.com", namespace="network"))
        return own, classes + front

    return make


@pytest.fixture
def serve(gateway, provider, simulator, objects):
    def start(change=lambda config: config, fixture="public", hosts=HOSTS, args=()):
        own, front = objects(change, fixture)
        how = provider(simulator, *hosts)
        how["args"] = [*how["args"], *args]
        return gateway(own, **how), front

    return start


def test_a_model_is_asked_of_its_deployment_with_that_deployments_key(serve, simulator):
    served, _ = serve()
    for model, host, key in (
        ("gpt-4", HOSTS[0], "fake-api-key"),
        ("gpt-4o", HOSTS[0], "fake-api-key"),
        ("gpt-35-turbo", HOSTS[1], "fake-api-key-2"),
    ):
        for caller in (ALICE, BOB):
            reply = served.chat(model, **caller, x_user_id="somebody-else")
            assert reply.status == 200, reply
            seen = simulator.last()[-1]
            headers = dict(seen["headers"])
            assert seen["path"].startswith(f"/openai/deployments/{model}/chat/completions")
            assert headers["host"] == host
            # The simulator shows the end of a key only.
            assert key.endswith(headers["api-key"].lstrip("*…")), headers
            assert "authorization" not in headers and "x-user-id" not in headers, headers


def test_a_model_that_nobody_has_is_not_found(serve, simulator):
    served, _ = serve()
    before = len(simulator.last())
    assert served.chat("gpt-9", **ALICE).status == 404
    assert len(simulator.last()) == before


def test_without_a_key_of_a_user_nobody_calls(serve):
    served, _ = serve()
    for headers in ({}, {"authorization": "Bearer guessed"}, {"x_user_id": "test-alice"}):
        assert served.chat("gpt-4", **headers).status == 401, headers


def until_refused(ask):
    """Answers before the first 429."""
    for count in range(100):
        reply = ask()
        if reply.status == 429:
            return count
        assert reply.status == 200, reply
    raise AssertionError("nothing was refused")


def test_tokens_of_a_user_are_counted_over_all_models_and_for_nobody_else(serve):
    served, _ = serve(lambda config: changed(config, "ai_gateway_ratelimit_default_limit", LIMIT))
    models = iter(["gpt-4", "gpt-4o", "gpt-35-turbo"] * 40)
    # The request that crosses the limit is still answered.
    assert until_refused(lambda: served.chat(next(models), **ALICE)) >= 1
    for model in ("gpt-4", "gpt-4o", "gpt-35-turbo"):
        # Another name in the header is no other counter.
        assert served.chat(model, **ALICE, x_user_id="new").status == 429
    assert served.chat("gpt-4", **BOB).status == 200


def test_a_token_says_who_calls_and_one_that_does_not_say_it_is_refused(serve, jwt_server):
    def by_token(claim):
        def change(config):
            del config["ai_gateway_users"]
            keys = "http://id.example.com/.well-known/jwks.json"
            config["ai_gateway_jwt"] = {"issuer": "inference-in-a-box", "jwks_uri": keys, "claim": claim}
            return changed(config, "ai_gateway_ratelimit_default_limit", LIMIT)

        return serve(change, args=["--resolve", f"id.example.com:80={jwt_server.address}"])[0]

    alice, bob = ({"authorization": f"Bearer {jwt_server.token(name)}"} for name in ("alice", "bob"))
    served = by_token("sub")
    assert served.chat("gpt-4").status == 401
    assert until_refused(lambda: served.chat("gpt-4", **alice)) >= 1
    assert served.chat("gpt-4", **alice, x_user_id="new").status == 429
    assert served.chat("gpt-4", **bob).status == 200
    served = by_token("team")
    assert served.chat("gpt-4", **alice).status == 429
    assert served.chat("gpt-4", **alice, x_user_id="new").status == 429


def test_without_limits_and_users_whoever_reaches_it_is_served(serve):
    served, _ = serve(fixture="private", hosts=["test.openai.azure.com"])
    assert served.chat("gpt-4").status == 200
    assert served.chat("gpt-35-turbo").status == 404


def test_its_own_address_speaks_tls(serve, authority):
    served, _ = serve()
    reply = served.chat("gpt-4", **ALICE, port=443, tls=authority.context(), host="aiops.example.com")
    assert reply.status == 200, reply


def test_the_internal_gateway_leads_to_it(serve, gateway, authority):
    served, front = serve()
    service = f"ai-gateway.{NAMESPACE}.svc.cluster.local:80=127.0.0.1:{served.ports[80]}"
    inner = gateway(front, args=["--resolve", service])
    how = {"port": 8443, "tls": authority.context(), "host": "aiops.example.com"}
    assert inner.chat("gpt-4", **ALICE, **how).status == 200
    assert inner.chat("gpt-4", **how).status == 401
    assert inner.ask("GET", "/elsewhere", **ALICE, **how).status == 404


def test_the_rendered_folder_serves_as_it_is(checkout, gateway, provider, simulator):
    checkout.render(checkout.fixture("private"))
    how = provider(simulator, "test.openai.azure.com")
    how["env"] = {**how["env"], "SECRET_DOMAIN": "example.com"}
    served = gateway(checkout.folder / APPS, **how)
    assert served.chat("gpt-4").status == 200
