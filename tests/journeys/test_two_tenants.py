"""Two tenants over every route of the OpenAPI document: neither ever has a byte of the other's.

Routes, parameters and bodies are taken from the document, so a route that is added is asked, too.
Each operation is asked with ids of both tenants, by keys in force, scoped, expired and revoked, and
by a browser's sign-in. A seed makes a run; `SEED` in a failure's message repeats it.
"""

from __future__ import annotations

import json
import random
import re
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from doors import Door, opened
from served import a_brief

from cinefab.core.ids import TenantId
from cinefab.store.schema import log_leaf
from cinefab.tenancy.roles import Action, Role

TEMPLATE = Path(__file__).parents[2] / "examples" / "template-retail-spot.yaml"

ID = re.compile(r"\b[a-z]{2,4}_[0-9a-z]{26}\b")
SECRET = re.compile(r"\b(?:cf[a-z]_[0-9a-z]{26}_[0-9a-z]{52}|whsec_[A-Za-z0-9+/=_-]{20,})")
FOR_ANYBODY = {"/healthz", "/readyz"}
LEAVES_NO_LEAF = {"/v1/assets/{asset}/links"}
PREFIXES = {"job": "job", "video": "job", "subject": "job", "asset": "ast", "key": "cfk"}
PREFIXES |= {"prediction": "job", "file": "upl"}
PREFIXES |= {
    "webhook": "whk",
    "upload": "upl",
    "delivery": "dlv",
    "principal": "prn",
    "tenant": "ten",
    "template": "tpl",
    "sign_in": "cfs",
}


@dataclass
class House:
    """A tenant, how it is asked for, and all that it alone may see."""

    name: str
    tenant: TenantId
    marker: str
    ids: set[str] = field(default_factory=set)
    secrets: set[str] = field(default_factory=set)
    said: set[str] = field(default_factory=set)
    """The other's ids that it wrote down itself, and so reads again."""
    callers: dict[str, Any] = field(default_factory=dict)
    orderer: str = ""
    """The key that its film was ordered with."""

    def heard(self, text: str) -> None:
        """Take note of what is this tenant's."""
        self.secrets.update(SECRET.findall(text))
        self.ids.update(set(ID.findall(text)))


@dataclass
class Asked:
    """One request, and whose ids are in it."""

    method: str
    path: str
    url: str
    query: dict[str, str]
    body: Any
    headers: dict[str, str]

    @property
    def text(self) -> str:
        """All that was sent."""
        return json.dumps([self.url, self.query, self.body, self.headers])


# As docs/how-to/who-may-do-what.md has them.
POLICIES = """
@id("four-eyes")
forbid (principal, action == Action::"review:decide", resource)
when { resource has owner && resource.owner == principal };

@id("finance-sees-the-spot")
permit (principal in Role::"finance", action == Action::"asset:read", resource)
when { resource.labels.contains("project=spot") };
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("home")
    (home / "policies").mkdir()
    (home / "policies" / "ours.cedar").write_text(POLICIES)
    return home


@pytest.fixture(scope="module")
def houses(home: Path) -> tuple[House, House]:
    """Two tenants, a film of each: one was delivered, one waits for a person."""
    with opened(home, loopback=False) as door:
        door.service.start(lambda: None)
        made = []
        for name, review in (
            ("North", {"labels": {"project": "spot"}}),
            ("South", {"review": {"mode": "required"}}),
        ):
            house = House(name, door.tenant(name), f"{name.lower()}-only-{'x' * 8}")
            house.orderer = door.key(house.tenant, Role.OWNER)
            asking = door.client(house.orderer)
            created = asking.post("/v1/jobs", json=a_brief(house.marker, **review))
            assert created.status_code == 201, created.text
            made.append((house, asking, created.json()["links"]["self"]))
        for house, asking, job in made:
            for _ in range(1200):
                shown = asking.get(job).json()
                if shown["status"] in {"delivered", "needs_person", "failed"}:
                    break
                time.sleep(0.1)
            assert shown["status"] in {"delivered", "needs_person"}, shown
            house.heard(asking.get(f"{job}/report").text + asking.get("/v1/reviews").text)
            house.heard(json.dumps(shown))
    north, south = (house for house, _, _ in made)
    return north, south


def operations(document: Mapping[str, Any]) -> list[tuple[str, str, Mapping[str, Any]]]:
    return [
        (method.upper(), path, operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


class Sampler:
    """Draws requests from the document: most as it says they are, some not."""

    def __init__(self, document: Mapping[str, Any], chance: random.Random) -> None:
        self._schemas = document["components"]["schemas"]
        self._chance = chance

    def request(
        self, operation: tuple[str, str, Mapping[str, Any]], mine: House, other: House, of: House
    ) -> Asked:
        method, path, said = operation
        url = path
        for name in re.findall(r"{(\w+)}", path):
            url = url.replace(f"{{{name}}}", self._path_value(name, said, of))
        query = {
            each["name"]: self._text(each["name"], each.get("schema", {}), mine, other)
            for each in said.get("parameters", ())
            if each["in"] == "query" and (each.get("required") or self._chance.random() < 0.3)
        }
        headers, body = {}, None
        if any(each["name"] == "idempotency-key" for each in said.get("parameters", ())):
            headers["idempotency-key"] = f"k{self._chance.randrange(40)}"
        if any(each["name"] == "prefer" for each in said.get("parameters", ())):
            # Nobody works on jobs here: who waited for one would wait in vain.
            headers["prefer"] = "wait=0"
        kinds = said.get("requestBody", {}).get("content", {})
        if kinds:
            schema = kinds.get("application/json", {}).get("schema", {})
            body = self._value("", schema, mine, other, depth=0)
        return Asked(method, path, url, query, body, headers)

    def _path_value(self, name: str, said: Mapping[str, Any], of: House) -> str:
        schema = next(
            (each["schema"] for each in said.get("parameters", ()) if each["name"] == name), {}
        )
        kinds = self._resolved(schema).get("enum")
        if kinds:
            return str(self._chance.choice(kinds))
        fitting = sorted(each for each in of.ids if each.startswith(f"{PREFIXES.get(name, name)}_"))
        if fitting and self._chance.random() < 0.9:
            return self._chance.choice(fitting)
        return self._chance.choice(sorted(of.ids) or ["job_none"])

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        while "$ref" in schema:
            schema = self._schemas[schema["$ref"].rpartition("/")[2]]
        return schema

    def _text(self, name: str, schema: Mapping[str, Any], mine: House, other: House) -> str:
        value = self._value(name, schema, mine, other, depth=0)
        return value if isinstance(value, str) else json.dumps(value)

    def _value(
        self, name: str, schema: Mapping[str, Any], mine: House, other: House, *, depth: int
    ) -> Any:
        if schema.get("$ref", "").endswith("/Brief"):
            return a_brief(f"{mine.marker} {self._chance.randrange(30)}")
        schema = self._resolved(schema)
        several = schema.get("anyOf") or schema.get("oneOf")
        if several:
            return self._value(name, self._chance.choice(several), mine, other, depth=depth)
        if "const" in schema or "enum" in schema:
            return self._chance.choice(schema.get("enum") or [schema["const"]])
        match schema.get("type"):
            case "object":
                wanted = set(schema.get("required", ()))
                return {
                    key: self._value(key, each, mine, other, depth=depth + 1)
                    for key, each in schema.get("properties", {}).items()
                    if key in wanted or (depth < 3 and self._chance.random() < 0.4)
                }
            case "array":
                count = max(schema.get("minItems", 0), self._chance.randrange(2))
                return [
                    self._value(name, schema.get("items", {}), mine, other, depth=depth + 1)
                    for _ in range(count)
                ]
        return self._plain(name, schema, mine, other)

    def _plain(self, name: str, schema: Mapping[str, Any], mine: House, other: House) -> Any:
        match schema.get("type"):
            case "integer":
                return max(schema.get("minimum", 0), self._chance.randrange(1, 50))
            case "number":
                return 1.5
            case "boolean":
                return self._chance.random() < 0.5
            case "null":
                return None
        if schema.get("format") == "date-time":
            return "2026-01-02T03:04:05Z"
        if schema.get("format") == "uri" or name == "url":
            return f"https://93.184.216.34/{mine.marker}"
        return self._word(name, mine, other)

    def _word(self, name: str, mine: House, other: House) -> str:
        kind = PREFIXES.get(name)
        if kind is not None or name in {"after", "id", "link"} or self._chance.random() < 0.1:
            pool = sorted((mine if self._chance.random() < 0.4 else other).ids)
            fitting = [each for each in pool if kind is None or each.startswith(kind)]
            if fitting:
                return self._chance.choice(fitting)
        return f"{mine.marker}"


class Trial:
    """Asks and asks, and holds each answer against what its asker may see."""

    def __init__(self, door: Door, houses: tuple[House, House], seed: int) -> None:
        self._door = door
        self._houses = houses
        self._seed = seed
        self._chance = random.Random(seed)
        document = door.client().get("/openapi.json").json()
        self.operations = operations(document)
        self._sampler = Sampler(document, self._chance)
        self.statuses: dict[tuple[str, str], set[int]] = {}
        self.asked = 0
        for house in houses:
            self._let_in(house)

    def _let_in(self, house: House) -> None:
        """Give a tenant callers of each kind; those in force it may lose by what it does."""
        keys = {
            "owner": self._door.key(house.tenant, Role.OWNER),
            "scoped": self._door.key(house.tenant, Role.OWNER, scopes=frozenset({Action.JOB_READ})),
            "producer": self._door.key(house.tenant, Role.PRODUCER),
            "expired": self._door.key(house.tenant, Role.OWNER, lasts_us=1),
            "revoked": self._door.key(house.tenant, Role.OWNER),
        }
        house.callers = {name: self._door.client(secret) for name, secret in keys.items()}
        for secret in keys.values():
            house.heard(secret)
        house.ids.update(secret.rpartition("_")[0] for secret in keys.values())
        revoked = keys["revoked"].rpartition("_")[0]
        assert house.callers["owner"].post(f"/v1/keys/{revoked}/revoke").status_code == 200
        person = self._door.person(house.tenant, Role.OWNER, name=house.marker)
        made = house.callers["owner"].post(f"/v1/principals/{person}/invitations").json()
        browser = self._door.client()
        browser.base_url = "https://films.example"
        link = made["url"].partition("link=")[2]
        came_in = browser.post("/v1/sign-ins", json={"link": link})
        assert came_in.status_code == 201, came_in.text
        house.heard(came_in.text + came_in.headers["set-cookie"])
        house.secrets.add(came_in.json()["csrf"])
        browser.headers["x-csrf-token"] = came_in.json()["csrf"]
        house.callers["browser"] = browser

    def seed_templates(self) -> None:
        """Have each tenant keep a template, which chance would not write."""
        for house in self._houses:
            text = TEMPLATE.read_text(encoding="utf-8") + f"\n# {house.marker}\n"
            kept = house.callers["owner"].post(
                "/v1/templates", content=text, headers={"content-type": "application/yaml"}
            )
            assert kept.status_code in (200, 201), kept.text
            house.heard(kept.text)

    def run(self, count: int) -> None:
        """Ask so many times, every operation about as often."""
        for number in range(count):
            if number % 400 == 399:
                for house in self._houses:
                    self._let_in(house)
            self._ask(self.operations[number % len(self.operations)])

    def _ask(self, operation: tuple[str, str, Mapping[str, Any]]) -> None:
        mine, other = self._chance.sample(self._houses, 2)
        as_whom = self._chance.choice(["owner"] * 5 + [*mine.callers])
        of = other if self._chance.random() < 0.6 else mine
        asked = self._sampler.request(operation, mine, other, of)
        if of is mine and asked.path.endswith("/events"):
            return  # a stream of what goes on; another's has to be refused at once
        before = self._leaf_count(mine)
        answer = mine.callers[as_whom].request(
            asked.method,
            asked.url,
            params=asked.query,
            json=asked.body,
            headers=asked.headers,
            follow_redirects=False,
        )
        self.asked += 1
        self.statuses.setdefault((asked.method, asked.path), set()).add(answer.status_code)
        text = answer.text if len(answer.content) < 1 << 20 else ""
        where = (
            f"SEED {self._seed}: {mine.name}'s {as_whom}: {asked.method} {asked.url} "
            f"{asked.query} {asked.body}: {answer.status_code} {text[:600]}"
        )
        assert answer.status_code < 500, where
        sent = set(ID.findall(asked.text)) & other.ids - mine.ids
        in_path = set(ID.findall(asked.url)) & other.ids - mine.ids
        passed = answer.status_code < 300
        assert not (passed and in_path), where
        # What is another's is not found, by whoever may do it: no other answer says that it is there.
        if in_path and as_whom in {"owner", "browser"}:
            assert answer.status_code in {401, 403, 404, 422}, where
        for_anybody = asked.path in FOR_ANYBODY or asked.method == "OPTIONS"
        assert not (passed and as_whom in {"expired", "revoked"} and not for_anybody), where
        changes = asked.method not in {"GET", "HEAD", "OPTIONS"}
        assert not (passed and as_whom == "scoped" and changes), where
        told = text + json.dumps(dict(answer.headers))
        assert other.marker not in told, where
        assert not any(secret in told for secret in other.secrets), where
        strange = set(ID.findall(told)) & other.ids - mine.ids - sent - mine.said
        assert not strange, f"{strange} {where}"
        if answer.status_code == 201 and asked.path not in LEAVES_NO_LEAF:
            assert self._leaf_count(mine) > before, f"no audit leaf: {where}"
        if passed:
            mine.said |= sent
            new = set(ID.findall(told)) - other.ids - sent
            mine.ids.update(each for each in new if len(mine.ids) < 600 or each in mine.ids)
            mine.secrets.update(SECRET.findall(told))

    def _leaf_count(self, house: House) -> int:
        with self._door.service.db.read() as connection:
            counted = sa.select(sa.func.count()).where(log_leaf.c.tenant_id == house.tenant)
            return int(connection.execute(counted).scalar_one())


def test_policies_see_who_ordered_a_film_and_with_which_labels(
    home: Path, houses: tuple[House, House]
) -> None:
    south = houses[1]
    with opened(home, loopback=False) as door:
        waiting = door.client(south.orderer).get("/v1/reviews").json()["data"][0]["id"]
        own = door.client(south.orderer).post(f"/v1/reviews/{waiting}/reject", json={})
        seen = [
            door.client(door.key(house.tenant, Role.FINANCE)).get(f"/v1/assets/{asset}").status_code
            for house in houses
            for asset in sorted(each for each in house.ids if each.startswith("ast_"))[:1]
        ]

    assert own.status_code == 403
    assert own.json()["policies"] == ["four-eyes"]
    assert seen == [200, 403]


@pytest.fixture
def trial(home: Path, houses: tuple[House, House]) -> Iterator[Trial]:
    with opened(home, loopback=False) as door:
        found = Trial(door, houses, seed=2026)
        found.seed_templates()
        yield found


def test_two_tenants_never_see_each_other_on_any_route(trial: Trial) -> None:
    trial.run(3 * len(trial.operations))

    assert trial.asked > 150
    assert len(trial.statuses) >= len(trial.operations) - 1


@pytest.mark.long
def test_ten_thousand_operations_of_two_tenants_find_no_leak(trial: Trial) -> None:
    trial.run(10_000)

    answered = {name for name, codes in trial.statuses.items() if min(codes) < 300}
    silent = {name for name in trial.statuses if name not in answered}
    assert trial.asked > 9_500
    assert len(answered) > 0.7 * len(trial.statuses), silent
