"""A small OpenID provider on loopback, for one client: it signs real tokens with real keys.

It lets everybody in whom it is told of, and can be told to spoil what it says in one way.
"""

from __future__ import annotations

import base64
import hashlib
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from joserfc import jwt
from joserfc.jwk import ECKey, KeySet

CLIENT, SECRET = "cinefab", "s3cret / with: signs"


@dataclass
class Provider:
    """What it knows, and how it lies."""

    url: str = ""
    person: dict[str, Any] = field(default_factory=lambda: {"sub": "u-1", "name": "Ada"})
    spoil: Callable[[dict[str, Any]], None] = lambda _claims: None
    sign: Callable[[Provider, dict[str, Any]], str] = lambda self, claims: self.signed(claims)
    key: ECKey = field(default_factory=lambda: ECKey.generate_key("P-256", {"kid": "k1"}))
    codes: dict[str, dict[str, str]] = field(default_factory=dict)
    keys_asked: int = 0
    issuer_said: str | None = None

    def signed(self, claims: dict[str, Any]) -> str:
        """Return a token by the key that is published."""
        return jwt.encode({"alg": "ES256", "kid": self.key.kid}, claims, self.key)

    def unsigned(self, claims: dict[str, Any]) -> str:
        """Return a token that says of itself that nobody signed it."""
        head = {"alg": "none", "typ": "JWT"}
        parts = (json.dumps(each).encode() for each in (head, claims))
        return (
            ".".join(base64.urlsafe_b64encode(each).rstrip(b"=").decode() for each in parts) + "."
        )

    def document(self) -> dict[str, Any]:
        """Return what it publishes of itself."""
        return {
            "issuer": self.issuer_said or self.url,
            "authorization_endpoint": f"{self.url}/authorize",
            "token_endpoint": f"{self.url}/token",
            "jwks_uri": f"{self.url}/keys",
            "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        }

    def keys(self) -> dict[str, Any]:
        """Return the public halves of its keys."""
        self.keys_asked += 1
        return dict(KeySet([self.key]).as_dict(private=False))

    def authorize(self, asked: dict[str, str]) -> str:
        """Return where the browser is sent back to, with a code."""
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT
        assert asked["code_challenge_method"] == "S256"
        code = secrets.token_urlsafe(16)
        self.codes[code] = asked
        back = {"code": code, "state": asked["state"], "iss": self.url}
        return f"{asked['redirect_uri']}?{urlencode(back)}"

    def token(self, sent: dict[str, str], authorization: str) -> tuple[int, dict[str, Any]]:
        """Return the answer to a code: once, and to whoever asked for it."""
        known = base64.b64encode(f"{CLIENT}:{SECRET}".encode()).decode()
        if authorization != f"Basic {known}":
            return 401, {"error": "invalid_client"}
        asked = self.codes.pop(sent["code"], None)
        proof = hashlib.sha256(sent.get("code_verifier", "").encode()).digest()
        challenge = base64.urlsafe_b64encode(proof).rstrip(b"=").decode()
        if (
            asked is None
            or asked["code_challenge"] != challenge
            or asked["redirect_uri"] != sent["redirect_uri"]
        ):
            return 400, {"error": "invalid_grant"}
        now = int(time.time())
        claims = {
            "iss": self.url,
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "nonce": asked["nonce"],
            **self.person,
        }
        self.spoil(claims)
        return 200, {"token_type": "Bearer", "id_token": self.sign(self, claims)}


@contextmanager
def a_provider() -> Iterator[Provider]:
    """Run a provider on a free port until the block is left."""
    provider = Provider()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            place = urlsplit(self.path)
            if place.path == "/authorize":
                query = {name: value[0] for name, value in parse_qs(place.query).items()}
                self.send_response(302)
                self.send_header("location", provider.authorize(query))
                self.end_headers()
                return
            published = {
                "/.well-known/openid-configuration": provider.document,
                "/keys": provider.keys,
            }
            found = published.get(place.path)
            self._answer(200 if found else 404, found() if found else {"error": "nothing"})

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"])).decode()
            sent = {name: value[0] for name, value in parse_qs(body).items()}
            self._answer(*provider.token(sent, self.headers.get("authorization", "")))

        def _answer(self, status: int, document: dict[str, Any]) -> None:
            body = json.dumps(document).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    provider.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield provider
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
