"""Signing in at an OpenID provider: the authorization code, with PKCE, a state and a nonce.

What the provider publishes is fetched when it is first needed. Its keys are asked for anew where a
token is signed by one that is not among them, at most once a minute.
"""

from __future__ import annotations

import hmac
import secrets
import threading
from base64 import urlsafe_b64encode
from collections.abc import Mapping
from hashlib import sha256
from typing import Any, Final, NamedTuple
from urllib.parse import urlencode

import httpx
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from cinefab.app.serving.desk import Desk
from cinefab.app.settings import OidcTable
from cinefab.core.errors import NotAuthenticated
from cinefab.core.ids import PrincipalId, TenantId
from cinefab.tenancy.openid import ProviderUnavailable, Rules, admit, person_in

_ALGORITHMS: Final = ("RS256", "RS384", "RS512", "PS256", "ES256", "ES384", "EdDSA")
"""By keys that only the provider has: what a shared secret or nobody signed is not believed."""

_WAIT_S: Final = 10.0
_BYTES_MAX: Final = 1 << 20
_KEYS_EVERY_US: Final = 60_000_000


class _Pending(NamedTuple):
    """What a browser keeps between asking and being answered."""

    state: str
    nonce: str
    verifier: str


class OpenId:
    """One provider; any thread may ask."""

    def __init__(self, desk: Desk, settings: OidcTable) -> None:
        self._desk = desk
        self._settings = settings
        self._rules = Rules(
            issuer=settings.issuer,
            client_id=settings.client_id,
            tenant=TenantId(settings.tenant),
            claim=settings.claim,
            roles=dict(settings.roles),
            everybody=frozenset(settings.everybody),
            domains=frozenset(each.lower() for each in settings.domains),
        )
        self._lock = threading.Lock()
        self._said: Mapping[str, Any] | None = None
        self._keys: KeySet | None = None
        self._keys_us = 0

    @property
    def name(self) -> str:
        """What the button says."""
        return self._settings.name or self._settings.issuer.partition("://")[2]

    @property
    def redirect_url(self) -> str:
        """Where the provider sends browsers back to, if the settings say it."""
        return self._settings.redirect_url

    def begin(self, redirect_url: str) -> tuple[str, str]:
        """Return where to send a browser, and what it has to keep; raise `ProviderUnavailable`."""
        pending = _Pending(
            state=secrets.token_urlsafe(32),
            nonce=secrets.token_urlsafe(32),
            verifier=secrets.token_urlsafe(48),
        )
        challenge = urlsafe_b64encode(sha256(pending.verifier.encode()).digest())
        query = {
            "response_type": "code",
            "client_id": self._settings.client_id,
            "redirect_uri": redirect_url,
            "scope": self._settings.scopes,
            "state": pending.state,
            "nonce": pending.nonce,
            "code_challenge": challenge.rstrip(b"=").decode(),
            "code_challenge_method": "S256",
        }
        place = self._endpoint("authorization_endpoint")
        return f"{place}{'&' if '?' in place else '?'}{urlencode(query)}", ".".join(pending)

    def finish(
        self, query: Mapping[str, str], kept: str | None, redirect_url: str
    ) -> tuple[TenantId, PrincipalId]:
        """Return whom the provider's answer signs in; `kept` is what the browser did keep.

        Raises `NotAuthenticated` for one that is not the answer to what this browser asked,
        `Forbidden` for somebody who may not come in, `ProviderUnavailable`.
        """
        pending = _kept(kept)
        if pending is None:
            raise _not_begun("no sign-in was begun in this browser, or too long ago")
        state = query.get("state", "").encode("utf-8", "surrogatepass")
        if not hmac.compare_digest(state, pending.state.encode()):
            raise _not_begun("it answers what another browser asked")
        if query.get("iss", self._settings.issuer) != self._settings.issuer:
            raise _not_begun("it is another provider's answer")
        if "code" not in query:
            raise _not_begun(f"the provider says {query.get('error', 'nothing')[:64]!r}")
        claims = self._verified(self._token(query["code"], pending, redirect_url))
        now_us = self._desk.clock.now_us()
        known = person_in(claims, self._rules, nonce=pending.nonce, now_s=now_us // 1_000_000)
        with self._desk.db.write() as connection:
            who = admit(connection, known, self._rules, ids=self._desk.ids, now_us=now_us)
        return self._rules.tenant, who

    def _token(self, code: str, pending: _Pending, redirect_url: str) -> str:
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": redirect_url,
            "code_verifier": pending.verifier,
            "client_id": self._settings.client_id,
        }
        secret = self._settings.secret
        auth = None if secret is None else httpx.BasicAuth(self._settings.client_id, secret)
        methods = self._published().get("token_endpoint_auth_methods_supported")
        if secret is not None and methods and "client_secret_basic" not in methods:
            auth, form = None, {**form, "client_secret": secret}
        answer = self._asked("POST", self._endpoint("token_endpoint"), form=form, auth=auth)
        if answer.get("error") == "invalid_grant":
            raise _not_begun("the provider does not know its code, or it was used before")
        token = answer.get("id_token")
        if not isinstance(token, str):
            raise _no_provider(f"its answer has no id_token but {sorted(answer)[:8]}")
        return token

    def _verified(self, token: str) -> Mapping[str, Any]:
        try:
            try:
                return jwt.decode(token, self._key_set(), algorithms=_ALGORITHMS).claims
            except (JoseError, ValueError):
                # It may have changed its keys; what is wrong otherwise is wrong again.
                return jwt.decode(token, self._key_set(anew=True), algorithms=_ALGORITHMS).claims
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise NotAuthenticated(
                attempted="sign in by the provider's token",
                found=f"its signature does not hold ({type(error).__name__})",
                remedy="Sign in again.",
            ) from error

    def _key_set(self, *, anew: bool = False) -> KeySet:
        now_us = self._desk.clock.elapsed_us()
        with self._lock:
            keys = self._keys
            if keys is not None and (not anew or now_us - self._keys_us < _KEYS_EVERY_US):
                return keys
        document = self._asked("GET", self._endpoint("jwks_uri"))
        try:
            found = KeySet.import_key_set({"keys": list(document["keys"])})
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise _no_provider("its keys cannot be read") from error
        with self._lock:
            self._keys, self._keys_us = found, now_us
        return found

    def _endpoint(self, name: str) -> str:
        place = self._published().get(name)
        if not isinstance(place, str) or not _is_guarded(place):
            raise _no_provider(f"it publishes no {name} that is guarded by TLS")
        return place

    def _published(self) -> Mapping[str, Any]:
        with self._lock:
            if self._said is not None:
                return self._said
        issuer = self._settings.issuer
        document = self._asked("GET", f"{issuer.rstrip('/')}/.well-known/openid-configuration")
        if document.get("issuer") != issuer:
            raise _no_provider(f"it calls itself {str(document.get('issuer'))[:200]!r}")
        with self._lock:
            self._said = document
        return document

    def _asked(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        auth: httpx.BasicAuth | None = None,
    ) -> dict[str, Any]:
        try:
            with httpx.Client(timeout=_WAIT_S) as client:
                answer = client.request(
                    method,
                    url,
                    data=None if form is None else dict(form),
                    auth=auth,
                    headers={"accept": "application/json"},
                )
            found = answer.json() if len(answer.content) <= _BYTES_MAX else None
        except (httpx.HTTPError, ValueError) as error:
            raise _no_provider(f"{type(error).__name__} at {url[:200]}") from error
        if not isinstance(found, dict) or (not answer.is_success and "error" not in found):
            raise _no_provider(f"{url[:200]} answers {answer.status_code}")
        return found


def _kept(text: str | None) -> _Pending | None:
    parts = (text or "").split(".")
    if len(parts) != 3 or not all(len(each) >= 32 for each in parts):
        return None
    return _Pending(*parts)


def _is_guarded(url: str) -> bool:
    try:
        parsed = httpx.URL(url)
    except (httpx.InvalidURL, ValueError):
        return False
    return parsed.scheme == "https" or (
        parsed.scheme == "http" and parsed.host in ("localhost", "127.0.0.1", "::1")
    )


def _not_begun(found: str) -> NotAuthenticated:
    return NotAuthenticated(
        attempted="sign in by the provider's answer", found=found, remedy="Sign in again."
    )


def _no_provider(found: str) -> ProviderUnavailable:
    return ProviderUnavailable(
        attempted="ask the OpenID provider",
        found=found,
        remedy="Try again; if it goes on, see [oidc] in the studio's settings.",
    )
