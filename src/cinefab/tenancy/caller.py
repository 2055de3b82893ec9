"""Who asks: a principal of a tenant, by a key or a sign-in, and what that lets it ask for."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from cinefab.core.ids import KeyId, PrincipalId, SignInId, TenantId
from cinefab.tenancy.roles import Action, Role


class Kind(StrEnum):
    """What a principal is: somebody, or a program that has a key."""

    PERSON = "person"
    SERVICE = "service"


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """Who was found to be asking.

    `scopes` are the actions that its key was made for, None where that is whatever its roles
    allow. `labels` are the key's: they go onto what it orders. `used_us` is when the key's use was
    last written down, for `keys.note_use`.
    """

    tenant: TenantId
    principal: PrincipalId
    kind: Kind
    roles: frozenset[Role]
    scopes: frozenset[Action] | None = None
    labels: Mapping[str, str] = field(default_factory=dict)
    key: KeyId | None = None
    sign_in: SignInId | None = None
    used_us: int | None = None
