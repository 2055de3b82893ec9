"""Signing in at an OpenID provider that runs here: who comes in, as what, and what is not believed."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest
from doors import Door, opened
from joserfc import jwt
from joserfc.jwk import ECKey
from openid_provider import CLIENT, SECRET, Provider, a_provider

from cinefab.app.settings import SettingsInvalid, load_settings
from cinefab.tenancy.local import LOCAL_TENANT


@pytest.fixture
def provider() -> Iterator[Provider]:
    with a_provider() as provider:
        provider.person |= {
            "email": "ada@films.example",
            "email_verified": True,
            "groups": ["crew", "editors"],
        }
        yield provider


@pytest.fixture
def door(provider: Provider, tmp_path: Path) -> Iterator[Door]:
    secret = tmp_path / "secret"
    secret.write_text(SECRET + "\n")
    table = {
        "issuer": provider.url,
        "client_id": CLIENT,
        "client_secret_file": secret,
        "roles": {"editors": "producer", "bosses": "owner"},
        "domains": ["films.example"],
    }
    with opened(tmp_path / "home", oidc=table) as door:
        yield door


def leave(door: Door) -> tuple[Any, str]:
    """Begin to sign in with a browser; return it, and where the provider sends it back to."""
    browser = door.client()
    left = browser.get("/sign-in/openid", follow_redirects=False)
    assert left.status_code == 303, left.text
    back = httpx.get(left.headers["location"]).headers["location"]
    return browser, back.partition("http://127.0.0.1")[2]


def come_back(browser: Any, place: str) -> Any:
    return browser.get(place, follow_redirects=False)


def sign_in(door: Door) -> Any:
    browser, place = leave(door)
    answer = come_back(browser, place)
    assert answer.status_code == 303, answer.text
    return browser.get("/v1/sign-ins/current").json()


def test_somebody_is_signed_in_with_the_roles_that_their_groups_stand_for(
    door: Door, provider: Provider
) -> None:
    first = sign_in(door)
    provider.person["groups"] = ["bosses"]
    second = sign_in(door)
    provider.person |= {"groups": "editors", "name": "Ada Again"}
    third = sign_in(door)

    assert (first["name"], first["roles"], first["tenant"]) == ("Ada", ["producer"], LOCAL_TENANT)
    assert second["principal"] == third["principal"] == first["principal"]
    assert second["roles"] == ["owner"]
    # The only owner stays one.
    assert third["roles"] == ["owner", "producer"]
    assert door.leaves(LOCAL_TENANT).count("principal.created") == 1
    assert door.leaves(LOCAL_TENANT)[1:5] == [
        "sign_in.opened",
        "role.given",
        "role.taken",
        "sign_in.opened",
    ]
    provider.person["sub"] = "u-2"
    assert sign_in(door)["principal"] != first["principal"]
    assert "Sign in with" in door.client().get("/sign-in").text


def test_what_is_sent_there_has_a_challenge_a_state_and_a_nonce_that_are_never_the_same(
    door: Door,
) -> None:
    asked = []
    for _ in range(2):
        left = door.client().get("/sign-in/openid", follow_redirects=False)
        asked.append(
            {k: v[0] for k, v in parse_qs(urlsplit(left.headers["location"]).query).items()}
        )
        assert "HttpOnly" in left.headers["set-cookie"]
        assert "SameSite=lax" in left.headers["set-cookie"]

    for name in ("state", "nonce", "code_challenge"):
        assert asked[0][name] != asked[1][name]
        assert len(asked[0][name]) >= 43
    assert asked[0]["redirect_uri"] == "http://127.0.0.1/sign-in/openid/back"


GONE = object()

SPOILT: dict[str, tuple[dict[str, Any], str]] = {
    "another nonce": ({"nonce": "another"}, "not the answer to what this browser asked"),
    "no nonce": ({"nonce": GONE}, "not the answer to what this browser asked"),
    "another audience": ({"aud": "another"}, "another audience"),
    "no audience": ({"aud": GONE}, "another audience"),
    "two audiences": ({"aud": ["another", CLIENT]}, "another party"),
    "another party": ({"azp": "another"}, "another party"),
    "another issuer": ({"iss": "https://other.example"}, "another issuer"),
    "over": ({"exp": 1_700_000_000}, "expired"),
    "without an end": ({"exp": GONE}, "does not say exp"),
    "an end that is no time": ({"exp": "never"}, "does not say exp"),
    "from the future": ({"iat": 4_000_000_000}, "future"),
    "about nobody": ({"sub": GONE}, "nobody in particular"),
    "about nothing": ({"sub": ""}, "nobody in particular"),
}


@pytest.mark.parametrize("how", sorted(SPOILT))
def test_a_token_that_is_not_for_us_now_is_not_believed(
    door: Door, provider: Provider, how: str
) -> None:
    changes, why = SPOILT[how]

    def spoil(claims: dict[str, Any]) -> None:
        claims.update(changes)
        for name in [name for name, value in claims.items() if value is GONE]:
            del claims[name]

    provider.spoil = spoil

    browser, place = leave(door)
    answer = come_back(browser, place)

    assert answer.status_code == 401, answer.text
    assert why in answer.text
    assert "cinefab=cfs" not in answer.headers.get("set-cookie", "")
    assert door.leaves(LOCAL_TENANT) == []


def _by_another_key(provider: Provider, claims: dict[str, Any]) -> str:
    other = ECKey.generate_key("P-256", {"kid": provider.key.kid})
    return jwt.encode({"alg": "ES256", "kid": provider.key.kid}, claims, other)


def _by_the_public_key_as_a_secret(provider: Provider, claims: dict[str, Any]) -> str:
    head, body = provider.unsigned(claims).split(".")[:2]
    said = json.dumps({"alg": "HS256", "kid": provider.key.kid}).encode()
    head = base64.urlsafe_b64encode(said).rstrip(b"=").decode()
    made = hmac.digest(provider.key.as_pem(private=False), f"{head}.{body}".encode(), "sha256")
    return f"{head}.{body}.{base64.urlsafe_b64encode(made).rstrip(b'=').decode()}"


def _changed(provider: Provider, claims: dict[str, Any]) -> str:
    head, _, signature = provider.signed(claims).split(".")
    other = provider.unsigned({**claims, "groups": ["bosses"]}).split(".")[1]
    return f"{head}.{other}.{signature}"


@pytest.mark.parametrize(
    "sign",
    [
        Provider.unsigned,
        _by_another_key,
        _by_the_public_key_as_a_secret,
        _changed,
        lambda _provider, _claims: "nonsense",
        lambda _provider, _claims: "a.b.c",
    ],
    ids=["unsigned", "another key", "a shared secret", "changed", "nonsense", "almost a token"],
)
def test_what_the_provider_did_not_sign_is_not_believed(
    door: Door, provider: Provider, sign: Callable[[Provider, dict[str, Any]], str]
) -> None:
    provider.sign = sign

    browser, place = leave(door)
    answer = come_back(browser, place)

    assert answer.status_code == 401, answer.text
    assert "signature does not hold" in answer.text


def test_an_answer_is_believed_by_the_browser_that_asked_once(door: Door) -> None:
    browser, place = leave(door)
    other, _ = leave(door)

    for asks, at in (
        (other, place),
        (door.client(), place),
        (browser, place.replace("state=", "state=x")),
    ):
        assert come_back(asks, at).status_code == 401
    browser, place = leave(door)
    assert come_back(browser, place.replace("iss=", "iss=x")).status_code == 401
    browser, place = leave(door)
    kept = browser.cookies["cinefab-openid"]
    assert come_back(browser, place).status_code == 303
    assert "cinefab-openid" not in browser.cookies
    assert come_back(browser, place).status_code == 401
    replayed = door.client().get(place, headers={"cookie": f"cinefab-openid={kept}"})
    assert replayed.status_code == 401
    assert "used before" in replayed.text


def test_a_code_is_worth_nothing_without_what_the_browser_kept(door: Door) -> None:
    browser, place = leave(door)
    state, nonce, _ = browser.cookies["cinefab-openid"].split(".")
    stolen = f"cinefab-openid={state}.{nonce}.{'x' * 64}"

    answer = door.client().get(place, headers={"cookie": stolen})

    assert answer.status_code == 401


@pytest.mark.parametrize(
    ("person", "policy"),
    [
        ({"groups": ["crew"]}, "stands for a role"),
        ({"groups": {"editors": 1}}, "stands for a role"),
        ({"email": "eve@elsewhere.example"}, "elsewhere.example"),
        ({"email_verified": False}, "not told"),
        ({"email_verified": "true"}, "not told"),
        ({"email": "eve@films.example.evil"}, "films.example.evil"),
    ],
    ids=["no group", "a group that is none", "elsewhere", "unverified", "nearly verified", "alike"],
)
def test_whoever_has_no_role_or_is_of_another_domain_is_kept_out(
    door: Door, provider: Provider, person: dict[str, Any], policy: str
) -> None:
    provider.person |= person

    browser, place = leave(door)
    answer = come_back(browser, place)

    assert answer.status_code == 403
    assert policy in answer.text
    assert door.leaves(LOCAL_TENANT) == []


def test_a_provider_that_changed_its_keys_is_asked_for_them_and_not_too_often(
    door: Door, provider: Provider
) -> None:
    sign_in(door)
    provider.key = ECKey.generate_key("P-256", {"kid": "k2"})
    # Not within a minute of the last time.
    browser, place = leave(door)
    assert come_back(browser, place).status_code == 401
    asked = provider.keys_asked

    door.service.openid._keys_us -= 61_000_000  # type: ignore[union-attr]
    sign_in(door)

    assert (asked, provider.keys_asked) == (1, 2)


def test_a_provider_that_is_away_or_another_one_is_said_to_be(
    door: Door, provider: Provider
) -> None:
    provider.issuer_said = "https://other.example"

    answer = door.client().get("/sign-in/openid", follow_redirects=False)

    assert answer.status_code == 502
    assert "other.example" in answer.text


def test_settings_name_the_provider_and_a_wrong_one_is_refused_by_its_field(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("CINEFAB_HOME", str(tmp_path))
    table = {"issuer": "https://id.example", "client_id": "c", "roles": {"a": "owner"}}
    monkeypatch.setenv("CINEFAB_OIDC", json.dumps(table))
    found = load_settings().oidc
    assert found is not None
    assert found.secret is None

    for wrong, name in (
        ({"issuer": "http://id.example"}, "issuer"),
        ({"roles": {"a": "king"}}, "roles"),
        ({"client_secret_file": str(tmp_path / "none")}, "client_secret_file"),
    ):
        monkeypatch.setenv("CINEFAB_OIDC", json.dumps({**table, **wrong}))
        with pytest.raises(SettingsInvalid, match=name):
            load_settings()
