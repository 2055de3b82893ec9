"""Who may do what: a Cedar policy that an operator can read and extend, asked before each act.

A decision depends on the caller, the action and what the resource says of itself, and on nothing
else, so one that was taken is kept and not taken again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, NamedTuple

import cedarpy

from cinefab.core.errors import CinefabError, Forbidden
from cinefab.core.ids import PrincipalId, TenantId
from cinefab.tenancy.caller import Caller
from cinefab.tenancy.roles import Action

SCOPES: Final = "the-scopes-of-the-key"
"""What is named as deciding where a key was not made for what it is used for."""

FAILED: Final = "a-policy-that-failed"
"""What is named as deciding where a policy could not be evaluated: nothing is let pass by it."""

_OURS: Final = Path(__file__).parent / "policies"
_KEPT: Final = 8192
_SHOWN: Final = "Thing"


class PolicyInvalid(CinefabError):
    """A policy that cannot be read, or speaks of what the schema does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """What something is done to, as far as policies can see it."""

    tenant: TenantId
    owner: PrincipalId | None = None
    labels: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """Whether something may be done, and the ids of the policies that say so.

    Where nothing permits it, there are none.
    """

    allowed: bool
    policies: tuple[str, ...]


class _Question(NamedTuple):
    """All that a decision depends on."""

    tenant: str
    principal: str
    kind: str
    roles: tuple[str, ...]
    caller_labels: tuple[str, ...]
    action: str
    resource_tenant: str
    owner: str | None
    resource_labels: tuple[str, ...]


class Policy:
    """The policies of a studio, read and held against the schema; any thread may ask."""

    def __init__(self, files: Sequence[tuple[str, str]]) -> None:
        """Read files, each a name and its text; raise `PolicyInvalid` naming file and line."""
        schema = (_OURS / "schema.cedarschema").read_text(encoding="utf-8")
        self._schema = cedarpy.Schema.from_str(schema)
        self._ids: dict[str, str] = {}
        texts = []
        for name, text in files:
            for line, statement in _statements(text):
                self._take(statement, f"{name}:{line}")
                texts.append(statement)
        self._policies = cedarpy.PolicySet.from_str("\n".join(texts))
        self._decided = lru_cache(_KEPT)(self._decide)

    @property
    def ids(self) -> tuple[str, ...]:
        """The ids of all policies, in the order that they were read."""
        return tuple(self._ids)

    def decide(self, caller: Caller, action: Action, resource: Resource) -> Decision:
        """Say whether a caller may do something to a resource, and which policies decide it."""
        if caller.scopes is not None and action not in caller.scopes:
            return Decision(allowed=False, policies=(SCOPES,))
        return self._decided(
            _Question(
                tenant=caller.tenant,
                principal=caller.principal,
                kind=caller.kind.value,
                roles=tuple(sorted(caller.roles)),
                caller_labels=_labels(caller.labels),
                action=action.value,
                resource_tenant=resource.tenant,
                owner=resource.owner,
                resource_labels=_labels(resource.labels),
            )
        )

    def check(self, caller: Caller, action: Action, resource: Resource) -> None:
        """Raise `Forbidden`, naming what decided, unless a caller may do this."""
        decision = self.decide(caller, action, resource)
        if not decision.allowed:
            raise _forbidden(caller, action, decision)

    def _take(self, statement: str, place: str) -> None:
        try:
            read: Any = json.loads(cedarpy.policies_to_json_str(statement))
        except ValueError as error:
            raise _invalid(place, str(error)) from error
        if read["templates"] or len(read["staticPolicies"]) != 1:
            raise _invalid(place, "it is a template, with a slot that nothing fills")
        (policy,) = read["staticPolicies"].values()
        name = (policy.get("annotations") or {}).get("id")
        if not name:
            raise _invalid(place, 'it has no name to be known by, such as @id("ours")')
        if name in self._ids:
            raise _invalid(place, f"{name!r} is the name of the policy at {self._ids[name]}")
        checked = cedarpy.validate_policies(statement, self._schema)
        if not checked:
            raise _invalid(place, "; ".join(each.error for each in checked.errors))
        self._ids[name] = place

    def _decide(self, question: _Question) -> Decision:
        answer = cedarpy.is_authorized(
            {
                "principal": _uid("Caller", question.principal),
                "action": _uid("Action", question.action),
                "resource": _uid(_SHOWN, _SHOWN),
            },
            self._policies,
            _entities(question),
            self._schema,
        )
        said = answer.diagnostics
        if said.errors:
            # The engine passes over a policy that fails, even one that would have forbidden.
            return Decision(allowed=False, policies=(FAILED,))
        named = said.id_annotations_by_reason
        return Decision(
            allowed=answer.allowed, policies=tuple(sorted(named[each] for each in said.reasons))
        )


def load_policy(folder: Path | None) -> Policy:
    """Read our policies and those in a folder, `*.cedar` in the order of their names.

    Raises `PolicyInvalid` for what is wrong in them, naming file and line. A folder that is not
    there has none.
    """
    files = [("default.cedar", (_OURS / "default.cedar").read_text(encoding="utf-8"))]
    theirs = sorted(folder.glob("*.cedar")) if folder is not None and folder.is_dir() else []
    for path in theirs:
        try:
            files.append((str(path), path.read_text(encoding="utf-8")))
        except (OSError, UnicodeDecodeError) as error:
            raise _invalid(f"{path}:1", str(error)) from error
    return Policy(files)


def _forbidden(caller: Caller, action: Action, decision: Decision) -> Forbidden:
    roles = ", ".join(sorted(caller.roles)) or "nobody in particular"
    if SCOPES in decision.policies:
        assert caller.scopes is not None, "only a key's scopes narrow what may be done"
        named = ", ".join(sorted(caller.scopes)) or "nothing"
        found = f"{caller.key} was made for {named}"
        remedy = "Use a key that was made for it, or one without scopes."
    elif decision.policies:
        found = f"the policy {', '.join(decision.policies)} forbids it to {roles}"
        remedy = "Policies can be read and extended: docs/how-to/who-may-do-what.md."
    else:
        found = f"no policy permits it to {roles}"
        remedy = "Have an owner give you a role that may, or add a policy that permits it."
    return Forbidden(
        attempted=f"{action} as {caller.principal}",
        found=found,
        remedy=remedy,
        policies=decision.policies,
    )


def _invalid(place: str, found: str) -> PolicyInvalid:
    return PolicyInvalid(
        attempted=f"read the policy at {place}",
        found=found,
        remedy="Mend it there. What policies can speak of is in docs/how-to/who-may-do-what.md.",
    )


def _labels(labels: Mapping[str, str]) -> tuple[str, ...]:
    return tuple(sorted(f"{name}={value}" for name, value in labels.items()))


def _uid(kind: str, name: str) -> dict[str, str]:
    return {"type": kind, "id": name}


def _entities(question: _Question) -> list[dict[str, Any]]:
    def entity(kind: str, name: str) -> dict[str, Any]:
        return {"uid": _uid(kind, name), "attrs": {}, "parents": []}

    def reference(kind: str, name: str) -> dict[str, Any]:
        return {"__entity": _uid(kind, name)}

    caller = entity("Caller", question.principal) | {
        "attrs": {
            "tenant": reference("Tenant", question.tenant),
            "kind": question.kind,
            "labels": list(question.caller_labels),
        },
        "parents": [_uid("Role", role) for role in question.roles],
    }
    thing = entity(_SHOWN, _SHOWN) | {
        "attrs": {
            "tenant": reference("Tenant", question.resource_tenant),
            "labels": list(question.resource_labels),
        }
        | ({} if question.owner is None else {"owner": reference("Caller", question.owner)}),
    }
    return [
        *(entity("Role", role) for role in question.roles),
        *(entity("Tenant", each) for each in {question.tenant, question.resource_tenant}),
        caller,
        thing,
    ]


def _statements(text: str) -> Iterator[tuple[int, str]]:
    """Yield each policy of a file with the line that it begins on, comments left out."""
    start, written = 0, ""
    position, quoted = 0, False
    while position < len(text):
        letter = text[position]
        if not quoted and text.startswith("//", position):
            end = text.find("\n", position)
            position = len(text) if end < 0 else end
            continue
        if quoted and letter == "\\":
            written += text[position : position + 2]
            position += 2
            continue
        if letter == '"':
            quoted = not quoted
        if not written.strip():
            start = position
        written += letter
        position += 1
        if letter == ";" and not quoted:
            yield text.count("\n", 0, start) + 1, written.strip()
            written = ""
    if written.strip():
        yield text.count("\n", 0, start) + 1, written.strip()
