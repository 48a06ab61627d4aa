#!/usr/bin/env python3
"""Sign tokens of tenants, and say of a token whether it is good. For clusters that are tried out.

It gives a token of any tenant to whoever can reach it. Needs Python 3.9 and nothing else; the key is made at start and
is gone with the process.

  GET  /.well-known/jwks.json                       the public keys (RFC 7517)
  GET  /tokens                                      a token for each tenant
  POST /token?tenant=NAME&subject=NAME&expires_in=SECONDS   one token
  POST /rotate?keep=COUNT                           sign with a new key; older ones stay known, as many as COUNT
  any  /authz…                                      200 if the request has a good token of a known tenant, otherwise 403
  GET  /health                                      200

Examples:
  jwt_server.py --listen 127.0.0.1:9101
  jwt_server.py --listen 0.0.0.0:8080 --issuer inference-in-a-box --tenants tenant-a,tenant-b,tenant-c
"""

import argparse
import base64
import hashlib
import hmac
import http.server
import json
import math
import secrets
import signal
import sys
import threading
import time
import urllib.parse

EXPONENT = 65537
BITS = 2048
# RFC 8017, 9.2: what says that the digest is one of SHA-256.
SHA256 = bytes.fromhex("3031300d060960864801650304020105000420")
SMALL_PRIMES = [number for number in range(3, 2000, 2) if all(number % of for of in range(3, math.isqrt(number) + 1, 2))]


# === Keys ===


def is_prime(number):
    """Miller and Rabin's test; wrong about a composite with a chance below 2^-80."""
    if any(number % small == 0 for small in SMALL_PRIMES):
        return False
    odd, twos = number - 1, 0
    while odd % 2 == 0:
        odd, twos = odd // 2, twos + 1
    for _ in range(40):
        power = pow(secrets.randbelow(number - 3) + 2, odd, number)
        if power in (1, number - 1):
            continue
        for _ in range(twos - 1):
            power = power * power % number
            if power == number - 1:
                break
        else:
            return False
    return True


def prime(bits):
    """With its two highest bits set, so that the product of two has all of its bits."""
    while True:
        number = secrets.randbits(bits) | 3 << (bits - 2) | 1
        if math.gcd(number - 1, EXPONENT) == 1 and is_prime(number):
            return number


class Key:
    """An RSA key that signs as RS256 does."""

    def __init__(self, name):
        self.name = name
        first, second = prime(BITS // 2), prime(BITS // 2)
        self.modulus = first * second
        self.private = pow(EXPONENT, -1, math.lcm(first - 1, second - 1))

    def public(self):
        number = {"n": self.modulus, "e": EXPONENT}
        shown = {name: encode(value.to_bytes((value.bit_length() + 7) // 8, "big")) for name, value in number.items()}
        return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.name, **shown}

    def padded(self, text):
        digest = SHA256 + hashlib.sha256(text).digest()
        return b"\x00\x01" + b"\xff" * (BITS // 8 - len(digest) - 3) + b"\x00" + digest

    def sign(self, text):
        power = pow(int.from_bytes(self.padded(text), "big"), self.private, self.modulus)
        return power.to_bytes(BITS // 8, "big")

    def signed(self, text, signature):
        power = pow(int.from_bytes(signature, "big"), EXPONENT, self.modulus)
        return hmac.compare_digest(power.to_bytes(BITS // 8, "big"), self.padded(text))


# === Tokens ===


class Refused(Exception):
    """Why a token is not good."""


def encode(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def decode(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Issuer:
    """Who signs, with which keys, for which tenants."""

    def __init__(self, name, tenants, lifetime):
        self.name = name
        self.tenants = tenants
        self.lifetime = lifetime
        self.lock = threading.Lock()
        self.made = 0
        self.keys = []
        self.rotate(0)

    def rotate(self, keep):
        """A new key comes first; verifiers hold old ones for as long as they are in the set."""
        with self.lock:
            self.made += 1
            name = f"jwt-server-key-{self.made}"
        key = Key(name)
        with self.lock:
            self.keys = [key, *self.keys[:keep]]
        return name

    def key_set(self):
        return {"keys": [key.public() for key in self.keys]}

    def token(self, tenant, subject=None, expires_in=None):
        now = int(time.time())
        key = self.keys[0]
        head = {"alg": "RS256", "typ": "JWT", "kid": key.name}
        claims = {
            "iss": self.name,
            "sub": subject or f"user@{tenant}",
            "name": f"User of {tenant}",
            "tenant": tenant,
            "aud": tenant,
            "iat": now,
            "exp": now + (self.lifetime if expires_in is None else expires_in),
        }
        text = ".".join(encode(json.dumps(part).encode()) for part in (head, claims))
        return f"{text}.{encode(key.sign(text.encode()))}"

    def verify(self, token):
        """The claims of a token that is good."""
        text, _, signature = token.rpartition(".")
        try:
            head, claims = (json.loads(decode(part)) for part in text.split("."))
            signature = decode(signature)
            kid, expires = head["kid"], float(claims["exp"])
        except (ValueError, KeyError, TypeError):
            raise Refused("this is no token") from None
        key = next((key for key in self.keys if key.name == kid), None)
        # Only what this server signs with, whatever a token says of itself.
        if key is None or head.get("alg") != "RS256" or not key.signed(text.encode(), signature):
            raise Refused("the signature is not good")
        if claims.get("iss") != self.name:
            raise Refused("somebody else's token")
        if expires <= time.time():
            raise Refused("the token has expired")
        if claims.get("tenant") not in self.tenants:
            raise Refused("the tenant is not known")
        return claims


# === Server ===


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 60
    issuer: Issuer

    def reply(self, status, body, **headers):
        body = json.dumps(body).encode() + b"\n"
        self.send_response(status)
        for name, value in {"content-type": "application/json", "content-length": str(len(body)), **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def take_body(self):
        """A body is of no interest, but has to be off the connection before the next request."""
        length = self.headers.get("content-length", "0")
        if "transfer-encoding" in self.headers or not length.isdigit() or int(length) > 1 << 20:
            self.close_connection = True
        else:
            self.rfile.read(int(length))

    def any(self):
        self.take_body()
        url = urllib.parse.urlsplit(self.path)
        query = dict(urllib.parse.parse_qsl(url.query))
        if url.path == "/authz" or url.path.startswith("/authz/"):
            return self.authz()
        try:
            answer = self.routes().get((self.command, url.path))
            return answer(query) if answer else self.reply(404, {"error": f"nothing answers {self.command} {url.path}"})
        except ValueError as error:
            return self.reply(400, {"error": str(error)})

    def routes(self):
        read = {
            "/.well-known/jwks.json": lambda _: self.reply(200, self.issuer.key_set(), cache_control="max-age=60"),
            "/tokens": lambda _: self.reply(200, {name: self.issuer.token(name) for name in self.issuer.tenants}),
            "/health": lambda _: self.reply(200, {"status": "ok"}),
        }
        return {
            **{("GET", path): answer for path, answer in read.items()},
            ("POST", "/token"): self.token,
            ("POST", "/rotate"): lambda query: self.reply(200, {"kid": self.issuer.rotate(int(query.get("keep", "1")))}),
        }

    def token(self, query):
        if "tenant" not in query:
            raise ValueError("say which tenant: /token?tenant=NAME")
        expires_in = int(query.get("expires_in", self.issuer.lifetime))
        token = self.issuer.token(query["tenant"], query.get("subject"), expires_in)
        self.reply(200, {"access_token": token, "token_type": "Bearer", "expires_in": expires_in})

    def authz(self):
        scheme, _, token = self.headers.get("authorization", "").partition(" ")
        try:
            if scheme.lower() != "bearer":
                raise Refused("there is no token")
            claims = self.issuer.verify(token.strip())
        except Refused as reason:
            return self.reply(403, {"error": str(reason)})
        return self.reply(200, {"tenant": claims["tenant"], "subject": claims.get("sub")})

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = any

    def log_message(self, form, *args):
        """Never the query, and never a header: tokens are in neither, but habits change."""
        print(self.address_string(), self.command, self.path.partition("?")[0], *args[1:2], flush=True)


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128


def main():
    about, _, rest = __doc__.partition("\n\n")
    parser = argparse.ArgumentParser(description=about, epilog=rest, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--listen", default="127.0.0.1:8080", metavar="ADDR", help="port 0 takes a free one")
    parser.add_argument("--issuer", default="inference-in-a-box", metavar="NAME")
    parser.add_argument("--tenants", default="tenant-a,tenant-b,tenant-c", metavar="NAMES", help="comma-separated")
    parser.add_argument("--lifetime", type=int, default=24 * 3600, metavar="SECONDS", help="of a token")
    options = parser.parse_args()
    host, _, port = options.listen.rpartition(":")
    if not port.isdigit():
        parser.error(f"--listen {options.listen}: give ADDRESS:PORT, such as 127.0.0.1:8080")
    Handler.issuer = Issuer(options.issuer, options.tenants.split(","), options.lifetime)
    server = Server((host, int(port)), Handler)
    # The first process of a container gets no signal that it does not ask for.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    print(f"jwt-server: {options.issuer} signs at http://{host}:{server.server_port}", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
