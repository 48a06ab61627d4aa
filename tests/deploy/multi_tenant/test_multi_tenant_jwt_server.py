"""The token server, alone and with the gateway in front of the tenants' models."""

import base64
import http.client
import json
import time

import pytest

from serving import send

TENANTS = ["tenant-a", "tenant-b", "tenant-c"]
SKLEARN = "/v1/models/sklearn-iris:predict"
FLOWERS = {"instances": [[5.1, 3.5, 1.4, 0.2]]}


def ask(server, method, path, body=None, **headers):
    host, port = server.address.split(":")
    return send(http.client.HTTPConnection(host, int(port), timeout=60), method, path, headers, body)


def token(server, tenant, **query):
    more = "".join(f"&{name}={value}" for name, value in query.items())
    return ask(server, "POST", f"/token?tenant={tenant}{more}").json["access_token"]


def parts(token):
    return [json.loads(base64.urlsafe_b64decode(part + "==")) for part in token.split(".")[:2]]


def authz(server, token, path="/authz", method="GET"):
    return ask(server, method, path, authorization=f"Bearer {token}")


# === Alone ===


def test_a_token_says_who_and_how_long(jwt_server):
    head, claims = parts(token(jwt_server, "tenant-a"))
    assert head["alg"] == "RS256" and head["kid"].startswith("jwt-server-key-")
    assert claims["exp"] - claims["iat"] == 24 * 3600 and abs(claims["iat"] - time.time()) < 600
    rest = {name: claims[name] for name in ("iss", "tenant", "aud", "sub")}
    assert rest == {"iss": "inference-in-a-box", "tenant": "tenant-a", "aud": "tenant-a", "sub": "user@tenant-a"}


def test_each_tenant_can_be_had_at_once(jwt_server):
    tokens = ask(jwt_server, "GET", "/tokens").json
    assert {name: parts(token)[1]["tenant"] for name, token in tokens.items()} == dict(zip(TENANTS, TENANTS))


def test_keys_are_rsa_of_2048_bits_and_public_only(jwt_server):
    (key, *_) = ask(jwt_server, "GET", "/.well-known/jwks.json").json["keys"]
    assert set(key) == {"kty", "use", "alg", "kid", "n", "e"}
    modulus = int.from_bytes(base64.urlsafe_b64decode(key["n"] + "=="), "big")
    assert modulus.bit_length() == 2048


def test_it_says_of_itself_that_it_is_well(jwt_server):
    assert ask(jwt_server, "GET", "/health").status == 200


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "OPTIONS"])
def test_any_request_with_a_good_token_is_let_through(jwt_server, method):
    reply = authz(jwt_server, token(jwt_server, "tenant-c"), "/authz/v1/chat/completions?x=1", method)
    assert (reply.status, reply.json["tenant"]) == (200, "tenant-c")


def forged(token, head=None, claims=None, signature=None):
    changed = [json.dumps({**one, **(change or {})}) for one, change in zip(parts(token), (head, claims))]
    text = [base64.urlsafe_b64encode(one.encode()).rstrip(b"=").decode() for one in changed]
    return ".".join([*text, token.rpartition(".")[2] if signature is None else signature])


def test_whatever_is_not_a_good_token_is_refused_with_a_reason(jwt_server):
    good = token(jwt_server, "tenant-a")
    bad = {
        "anything": "this is no token",
        "a.b.c": "this is no token",
        good + "x": "signature",
        good[:-6]: "signature",
        forged(good, claims={"tenant": "tenant-c"}): "signature",
        forged(good, head={"alg": "none"}, signature=""): "signature",
        forged(good, head={"alg": "HS256"}): "signature",
        forged(good, head={"kid": "another"}): "signature",
        token(jwt_server, "tenant-a", expires_in=-1): "expired",
        token(jwt_server, "tenant-x"): "not known",
    }
    for text, reason in bad.items():
        reply = authz(jwt_server, text)
        assert reply.status == 403 and reason in reply.json["error"], (text, reply)
    assert ask(jwt_server, "GET", "/authz").json == {"error": "there is no token"}


def test_a_request_that_makes_no_sense_is_told_so(jwt_server):
    assert ask(jwt_server, "POST", "/token").status == 400
    assert ask(jwt_server, "POST", "/token?tenant=a&expires_in=soon").status == 400
    assert ask(jwt_server, "GET", "/nothing").status == 404


def test_a_new_key_leaves_the_old_one_known_for_as_long_as_it_is_asked_to(start_jwt_server):
    server = start_jwt_server()
    old = token(server, "tenant-a")
    assert ask(server, "POST", "/rotate?keep=1").json == {"kid": "jwt-server-key-2"}
    assert parts(token(server, "tenant-a"))[0]["kid"] == "jwt-server-key-2"
    assert authz(server, old).status == 200
    ask(server, "POST", "/rotate?keep=0")
    assert authz(server, old).status == 403


def test_it_ends_when_it_is_told_to(start_jwt_server):
    assert start_jwt_server().stop() == 0


def test_no_token_is_ever_printed(jwt_server):
    good = token(jwt_server, "tenant-a")
    authz(jwt_server, good, f"/authz?access_token={good}")
    ask(jwt_server, "GET", "/health")
    assert good not in "".join(jwt_server.said)


# === With the gateway ===


@pytest.fixture
def served(folder, gateway, simulator, start_jwt_server):
    server = start_jwt_server()
    names = {
        "jwt-server.default.svc.cluster.local:8080": server.address,
        "ext-auth-service.default.svc.cluster.local:8080": server.address,
    }
    for host in (
        "sklearn-iris-predictor-default.tenant-a.svc.cluster.local:80",
        "pytorch-resnet-predictor-default.tenant-c.svc.cluster.local:80",
        "istio-ingressgateway.istio-system.svc.cluster.local:80",
        "istio-ingressgateway.istio-system.svc.cluster.local:15021",
    ):
        names[host] = f"127.0.0.1:{simulator.port}"
    words = [word for name, address in names.items() for word in ("--resolve", f"{name}={address}")]
    # Models without /v1/models/NAME would be found unhealthy; health has its own tests.
    objects = [path.read_text() for path in sorted(folder.rglob("*.yaml"))]
    objects = [text for text in objects if "kind: BackendTrafficPolicy" not in text]
    return server, gateway(*objects, args=words)


def test_its_tokens_open_the_gateway_for_their_own_tenants(served):
    server, gateway = served

    def predict(**headers):
        return gateway.ask("POST", SKLEARN, FLOWERS, host="gateway.example", **headers).status

    assert predict(authorization=f"Bearer {token(server, 'tenant-a')}") not in (401, 403)
    assert predict(authorization=f"Bearer {token(server, 'tenant-c')}") == 403
    assert predict(authorization=f"Bearer {token(server, 'tenant-b')}") == 403
    assert predict(authorization="Bearer nonsense") == 401
    assert predict() == 401


def test_the_openai_api_asks_it_too(served):
    server, gateway = served

    def chat(tenant):
        return gateway.chat("sklearn-iris", host="ai.inference-in-a-box", authorization=f"Bearer {token(server, tenant)}")

    assert chat("tenant-a").status == 200
    assert chat("tenant-c").status == 403
