"""The registry of model versions: what each is, where it stands, and who moved it there.

    registered ──▶ shadow ──▶ canary ──▶ live ──▶ retired
         ▲───────────┴──◀─────────┘                  │ (back to live: the one that was live before)
         ╰───────────────────────────────────────────╯

A version is `registered` when it is known; asked for by its exact name alone. In `shadow` it makes
some shots again beside what is delivered, in `canary` it makes some of those that are delivered, as
`live` all of them. One version of a name is live: when another becomes it, it is retired for it.
Every move leaves who made it, an audit leaf and an event, in the transaction that makes it true.
The versions are the studio's own, whoever orders films of them.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.canonical import Json, Sha256
from cinefab.core.errors import MoveRefused, Unavailable
from cinefab.core.units import WHOLE_BP, BasisPoints
from cinefab.generate.backend import ModelCard
from cinefab.generate.card_document import card_digest, card_from_document, card_text
from cinefab.generate.tables import model_move, model_version
from cinefab.provenance.training import TrainedOn, record_training
from cinefab.store.facts import AuditLeaf, OutboxEvent, record_event, record_leaf
from cinefab.tenancy.local import LOCAL_TENANT

STUDIO: Final = "studio"
"""Who moved a version that follows the settings, or what is installed: nobody did by hand."""


class ModelState(StrEnum):
    """Where a version stands."""

    REGISTERED = "registered"
    SHADOW = "shadow"
    CANARY = "canary"
    LIVE = "live"
    RETIRED = "retired"


_S: Final = ModelState

MOVES: Final[Mapping[ModelState, frozenset[ModelState]]] = {
    # Straight to live: the first of its name alone, as there is nothing to hold it against.
    _S.REGISTERED: frozenset({_S.SHADOW, _S.CANARY, _S.LIVE, _S.RETIRED}),
    _S.SHADOW: frozenset({_S.SHADOW, _S.CANARY, _S.REGISTERED, _S.RETIRED}),
    _S.CANARY: frozenset({_S.CANARY, _S.LIVE, _S.SHADOW, _S.REGISTERED, _S.RETIRED}),
    _S.LIVE: frozenset({_S.RETIRED}),
    # Straight to live: back to what was live before.
    _S.RETIRED: frozenset({_S.REGISTERED, _S.LIVE}),
}
"""What may become of a version; a trial may stay one with another share."""

TRIALS: Final = frozenset({ModelState.SHADOW, ModelState.CANARY})
"""The states that get a share of the shots."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """What a version is made of again: a backend's name and its settings, without secrets.

    Both are None where it is a package's own class.
    """

    backend: str | None = None
    settings: Mapping[str, Json] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredModel:
    """A version of a model as the registry has it; `checked` is None where nobody held it to its contract."""

    card: ModelCard
    digest: Sha256
    made: Made
    state: ModelState
    share_bp: BasisPoints | None
    successor: str | None
    by_hand: bool
    checked: Json
    created_us: int

    @property
    def ref(self) -> str:
        """The exact version: `name@version`."""
        return self.card.ref


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A change of a version's state; the first has none before it."""

    was: ModelState | None
    to: ModelState
    share_bp: BasisPoints | None
    successor: str | None
    by: str
    reason: str
    at_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Who changes the registry, when and why."""

    by: str
    reason: str
    now_us: int


def register(
    connection: sa.Connection,
    card: ModelCard,
    made: Made,
    *,
    state: ModelState = ModelState.REGISTERED,
    checked: Json = None,
    change: Change,
) -> RegisteredModel:
    """Write a version with what it was trained on, unless it is known; return it as it stands.

    Of one that is known nothing changes but what came of its trial and, where a person registers
    it, that it is theirs to move from now on. What is written `live` takes the place of the one
    before it. Raises `ContractMismatch` for training sets that contradict what is stored.
    """
    hold_name(connection, card.name)
    known = find_version(connection, card.ref)
    by_hand = change.by != STUDIO
    if known is not None:
        values: dict[str, Any] = {"by_hand": True} if by_hand else {}
        if checked is not None:
            values["checked"] = json.dumps(checked)
        if values:
            _update(connection, card.ref, values)
        return _load(connection, card.ref)
    record_training(
        connection,
        card.ref,
        [
            TrainedOn(name=each.name, licence=each.licence, share_bp=each.share_bp)
            for each in card.training_sets
        ],
    )
    if state is ModelState.LIVE:
        _make_way(connection, card.name, successor=card.ref, change=change)
    connection.execute(
        model_version.insert().values(
            ref=card.ref,
            name=card.name,
            backend=made.backend,
            settings=None if made.settings is None else json.dumps(made.settings, sort_keys=True),
            card=card_text(card),
            card_digest=card_digest(card),
            state=state,
            by_hand=by_hand,
            checked=None if checked is None else json.dumps(checked),
            created_us=change.now_us,
        )
    )
    _leave(connection, card.ref, Move(**_said(None, state, change)))
    return _load(connection, card.ref)


def follow(connection: sa.Connection, card: ModelCard, made: Made, *, change: Change) -> None:
    """Make a version live because it is what is installed, or what the settings say.

    It is for names that nobody has taken in hand: nothing else is asked of it.
    """
    hold_name(connection, card.name)
    found = find_version(connection, card.ref)
    if found is None:
        register(connection, card, made, state=ModelState.LIVE, change=change)
    elif found.state is not ModelState.LIVE:
        _make_way(connection, card.name, successor=card.ref, change=change)
        values = {"state": ModelState.LIVE, "share_bp": None, "successor": None}
        _update(connection, card.ref, values)
        _leave(connection, card.ref, Move(**_said(found.state, ModelState.LIVE, change)))


def move_version(
    connection: sa.Connection,
    ref: str,
    *,
    to: ModelState,
    change: Change,
    share_bp: BasisPoints | None = None,
    successor: str | None = None,
) -> RegisteredModel:
    """Move a version; return it as it stands then.

    A trial needs a share, and nothing else has one. Raises `Unavailable` for a version or a
    successor that is not here, and `MoveRefused` for what the table of moves does not have.
    """
    found = _load(connection, ref)
    hold_name(connection, found.card.name)
    found = _load(connection, ref)
    _check(connection, found, to=to, share_bp=share_bp, successor=successor)
    if to is ModelState.LIVE:
        _make_way(connection, found.card.name, successor=ref, change=change)
    values: dict[str, Any] = {
        "state": to,
        "share_bp": share_bp,
        "successor": successor if to is ModelState.RETIRED else None,
    }
    _update(connection, ref, values | ({"by_hand": True} if change.by != STUDIO else {}))
    said = _said(found.state, to, change, share_bp=share_bp, successor=successor)
    _leave(connection, ref, Move(**said))
    return _load(connection, ref)


def find_version(connection: sa.Connection, ref: str) -> RegisteredModel | None:
    """Return a version by its exact name, or None."""
    row = connection.execute(sa.select(model_version).where(model_version.c.ref == ref)).first()
    return None if row is None else _registered(row)


def load_version(connection: sa.Connection, ref: str) -> RegisteredModel:
    """Return a version by its exact name, or by its name alone the one that stands highest.

    Raises `Unavailable` where there is none.
    """
    if "@" in ref:
        return _load(connection, ref)
    named = versions_named(connection, ref)
    if not named:
        raise _not_here(ref)
    order = [_S.LIVE, _S.CANARY, _S.SHADOW, _S.REGISTERED, _S.RETIRED]
    return min(reversed(named), key=lambda each: order.index(each.state))


def versions_named(connection: sa.Connection, name: str) -> tuple[RegisteredModel, ...]:
    """Return every version of a name, oldest first."""
    return _rows(connection, model_version.c.name == name)


def list_versions(connection: sa.Connection) -> tuple[RegisteredModel, ...]:
    """Return every version of the studio, by name, oldest first."""
    return _rows(connection, sa.true())


def moves_of(connection: sa.Connection, ref: str) -> tuple[Move, ...]:
    """Return how a version came to be where it stands, oldest first."""
    rows = connection.execute(
        sa.select(model_move).where(model_move.c.ref == ref).order_by(model_move.c.id)
    )
    return tuple(
        Move(
            was=None if row.from_state is None else ModelState(row.from_state),
            to=ModelState(row.to_state),
            share_bp=row.share_bp,
            successor=row.successor,
            by=row.by,
            reason=row.reason,
            at_us=row.at_us,
        )
        for row in rows
    )


def hold_name(connection: sa.Connection, name: str) -> None:
    """Have whoever else moves versions of this name wait until this transaction ends."""
    if connection.dialect.name == "postgresql":  # on SQLite one transaction writes
        key = sa.func.hashtextextended(f"model:{name}", 0)
        connection.execute(sa.select(sa.func.pg_advisory_xact_lock(key)))


def _check(
    connection: sa.Connection,
    found: RegisteredModel,
    *,
    to: ModelState,
    share_bp: BasisPoints | None,
    successor: str | None,
) -> None:
    if to not in MOVES[found.state]:
        may = ", ".join(sorted(MOVES[found.state]))
        raise _refused(found, to, f"it is {found.state}", f"From there it may become: {may}.")
    _check_share(found, to=to, share_bp=share_bp)
    by_state: dict[ModelState, str] = {
        each.state: each.ref
        for each in versions_named(connection, found.card.name)
        if each.ref != found.ref
    }
    if to is ModelState.LIVE:
        _check_live(connection, found, live=by_state.get(ModelState.LIVE))
    if to is ModelState.CANARY:
        _check_canary(found, by_state)
    if successor is not None:
        if to is not ModelState.RETIRED:
            remedy = "Leave the successor out."
            raise _refused(found, to, "only one that is retired has a successor", remedy)
        _check_successor(connection, found, successor)


def _check_share(found: RegisteredModel, *, to: ModelState, share_bp: BasisPoints | None) -> None:
    if (to in TRIALS) != (share_bp is not None):
        what = "a share of the shots is missing" if to in TRIALS else "nothing but a trial has one"
        raise _refused(found, to, what, "Say which part of the shots it gets: --share 10%.")
    if share_bp is not None and not 0 < share_bp <= WHOLE_BP:
        remedy = "Give more than 0 and at most the whole: --share 10%."
        raise _refused(found, to, f"a share of {share_bp / 100:g}%", remedy)


def _check_live(connection: sa.Connection, found: RegisteredModel, *, live: str | None) -> None:
    to = ModelState.LIVE
    if found.state is ModelState.REGISTERED and live is not None:
        why = f"{live} is live, and nothing is known of how this one compares with it"
        remedy = "Make it a canary first; once that convinces you, make it live."
        raise _refused(found, to, why, remedy)
    was = moves_of(connection, found.ref)
    if found.state is ModelState.RETIRED and all(move.to is not to for move in was):
        raise _refused(found, to, "it never was live", "Register it again, and try it first.")


def _check_canary(found: RegisteredModel, others: Mapping[ModelState, str]) -> None:
    to = ModelState.CANARY
    if to in others:
        why = f"{others[to]} is the canary of {found.card.name}"
        remedy = "Two at once could not be told apart: promote or retire that one first."
        raise _refused(found, to, why, remedy)
    if ModelState.LIVE not in others:
        why = f"no version of {found.card.name} is live that could make the other shots"
        raise _refused(found, to, why, "Make it live: it is the first of its name.")


def _check_successor(connection: sa.Connection, found: RegisteredModel, successor: str) -> None:
    if successor == found.ref:
        raise _refused(found, _S.RETIRED, "it would follow itself", "Name another version.")
    following = load_version(connection, successor)
    if following.state is ModelState.RETIRED:
        said = f"its successor {following.ref} is retired, too"
        raise _refused(found, _S.RETIRED, said, "Name one that can be asked for.")


def _make_way(connection: sa.Connection, name: str, *, successor: str, change: Change) -> None:
    """Retire the version that is live, as another one becomes it."""
    for each in versions_named(connection, name):
        if each.state is ModelState.LIVE and each.ref != successor:
            values = {"state": ModelState.RETIRED, "successor": successor}
            _update(connection, each.ref, values)
            said = _said(each.state, ModelState.RETIRED, change, successor=successor)
            _leave(connection, each.ref, Move(**said))


def _said(
    was: ModelState | None,
    to: ModelState,
    change: Change,
    *,
    share_bp: BasisPoints | None = None,
    successor: str | None = None,
) -> dict[str, Any]:
    return {
        "was": was,
        "to": to,
        "share_bp": share_bp,
        "successor": successor,
        "by": change.by,
        "reason": change.reason,
        "at_us": change.now_us,
    }


def _leave(connection: sa.Connection, ref: str, move: Move) -> None:
    """Write a move with its audit leaf and its event."""
    connection.execute(
        model_move.insert().values(
            ref=ref,
            from_state=move.was,
            to_state=move.to,
            share_bp=move.share_bp,
            successor=move.successor,
            by=move.by,
            reason=move.reason,
            at_us=move.at_us,
        )
    )
    said: Json = {
        "model": ref,
        "was": None if move.was is None else move.was.value,
        "state": move.to.value,
        "share_bp": move.share_bp,
        "successor": move.successor,
        "by": move.by,
        "reason": move.reason,
    }
    kind = f"model.{move.to}"
    leaf = AuditLeaf(kind=kind, subject=ref, body=said)
    event = OutboxEvent(kind=kind, subject=ref, body=said)
    record_leaf(connection, leaf, tenant=LOCAL_TENANT, now_us=move.at_us)
    record_event(connection, event, tenant=LOCAL_TENANT, now_us=move.at_us)


def _update(connection: sa.Connection, ref: str, values: Mapping[str, Any]) -> None:
    connection.execute(
        model_version.update().where(model_version.c.ref == ref).values(**dict(values))
    )


def _load(connection: sa.Connection, ref: str) -> RegisteredModel:
    found = find_version(connection, ref)
    if found is None:
        raise _not_here(ref)
    return found


def _rows(connection: sa.Connection, where: sa.ColumnElement[bool]) -> tuple[RegisteredModel, ...]:
    rows: Sequence[Any] = connection.execute(
        sa.select(model_version).where(where).order_by(model_version.c.name, model_version.c.id)
    ).all()
    return tuple(_registered(row) for row in rows)


def _registered(row: Any) -> RegisteredModel:
    return RegisteredModel(
        card=card_from_document(json.loads(row.card)),
        digest=Sha256(row.card_digest),
        made=Made(
            backend=row.backend,
            settings=None if row.settings is None else json.loads(row.settings),
        ),
        state=ModelState(row.state),
        share_bp=row.share_bp,
        successor=row.successor,
        by_hand=bool(row.by_hand),
        checked=None if row.checked is None else json.loads(row.checked),
        created_us=row.created_us,
    )


def _refused(found: RegisteredModel, to: ModelState, why: str, remedy: str) -> MoveRefused:
    return MoveRefused(attempted=f"make {found.ref} {to}", found=why, remedy=remedy)


def _not_here(ref: str) -> Unavailable:
    return Unavailable(
        attempted=f"find the model {ref}",
        found="the registry has no such version",
        remedy="See which there are: cinefab models ls --registry. Add it: cinefab models add.",
    )
