"""Versions of models: where they stand, who moved them there, and where they may not go."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
import sqlalchemy as sa

from cinefab.core.errors import ContractMismatch, MoveRefused, Unavailable
from cinefab.core.units import BasisPoints
from cinefab.generate.backend import ModelCard, TrainingSet
from cinefab.generate.card_document import card_document, card_from_document
from cinefab.generate.models.procedural.card import CARD
from cinefab.generate.registry import (
    STUDIO,
    Change,
    Made,
    ModelState,
    RegisteredModel,
    load_version,
    move_version,
    moves_of,
    register,
    versions_named,
)
from cinefab.store.database import Database
from cinefab.store.facts import events_of
from cinefab.store.schema import METADATA, log_leaf
from cinefab.tenancy.local import LOCAL_TENANT

TENTH = BasisPoints(1_000)


@pytest.fixture
def connection(database_url: str) -> Iterator[sa.Connection]:
    db = Database(database_url)
    METADATA.create_all(db.engine)
    with db.write() as connection:
        yield connection
    db.close()


def a_card(version: str, *, name: str = "spot") -> ModelCard:
    return replace(CARD, name=name, version=version)


def by_hand(reason: str = "", *, at_us: int = 5) -> Change:
    return Change(by="prn_local", reason=reason, now_us=at_us)


def known(
    connection: sa.Connection, version: str, state: ModelState = ModelState.REGISTERED
) -> RegisteredModel:
    made = Made(backend="stepper", settings={"colour": int(version)})
    return register(connection, a_card(version), made, state=state, change=by_hand())


def states(connection: sa.Connection) -> dict[str, ModelState]:
    return {each.card.version: each.state for each in versions_named(connection, "spot")}


def test_a_card_comes_back_from_the_registry_as_it_went_in(connection: sa.Connection) -> None:
    trained = TrainingSet(name="Own films", share_bp=BasisPoints(10_000), licence="own")
    card = replace(a_card("1"), training_sets=(trained,), advised={"more-care": {"steps": 0.5}})

    register(connection, card, Made(), change=by_hand())

    found = load_version(connection, "spot@1")
    assert found.card == card_from_document(card_document(card))
    assert found.card.training_sets == (trained,)
    assert card_document(found.card) == card_document(card)


def test_a_version_goes_from_shadow_to_canary_to_live_and_its_forerunner_is_retired_for_it(
    connection: sa.Connection,
) -> None:
    known(connection, "1", ModelState.LIVE)
    known(connection, "2")

    move_version(
        connection, "spot@2", to=ModelState.SHADOW, share_bp=TENTH, change=by_hand("look at it")
    )
    move_version(connection, "spot@2", to=ModelState.CANARY, share_bp=TENTH, change=by_hand())
    move_version(connection, "spot@2", to=ModelState.LIVE, change=by_hand("no worse", at_us=9))

    assert states(connection) == {"1": ModelState.RETIRED, "2": ModelState.LIVE}
    assert load_version(connection, "spot@1").successor == "spot@2"
    moves = moves_of(connection, "spot@2")
    assert [move.to.value for move in moves] == ["registered", "shadow", "canary", "live"]
    assert [move.share_bp for move in moves] == [None, TENTH, TENTH, None]
    assert (moves[1].by, moves[1].reason) == ("prn_local", "look at it")
    assert moves[3].at_us == 9


def test_every_move_leaves_an_audit_leaf_and_an_event(connection: sa.Connection) -> None:
    known(connection, "1", ModelState.LIVE)
    move_version(connection, "spot@1", to=ModelState.RETIRED, change=by_hand("done with it"))

    told = events_of(connection, tenant=LOCAL_TENANT, subject="spot@1")
    leaves = connection.execute(
        sa.select(log_leaf.c.kind).where(log_leaf.c.subject == "spot@1").order_by(log_leaf.c.id)
    ).scalars()

    assert [each.kind for each in told] == ["model.live", "model.retired"]
    assert list(leaves) == ["model.live", "model.retired"]
    said = told[-1].body
    assert isinstance(said, dict)
    assert (said["was"], said["by"], said["reason"]) == ("live", "prn_local", "done with it")


@pytest.mark.parametrize(
    ("version", "to", "share", "found"),
    [
        ("1", ModelState.CANARY, TENTH, "it is live"),
        ("1", ModelState.REGISTERED, None, "it is live"),
        ("2", ModelState.LIVE, None, "spot@1 is live"),
        ("2", ModelState.CANARY, None, "a share of the shots is missing"),
        ("2", ModelState.CANARY, BasisPoints(10_001), "a share of 100.01%"),
        ("2", ModelState.RETIRED, TENTH, "nothing but a trial has one"),
        ("3", ModelState.LIVE, None, "it never was live"),
        ("3", ModelState.SHADOW, TENTH, "it is retired"),
    ],
)
def test_a_move_that_the_table_does_not_have_is_refused_and_changes_nothing(
    connection: sa.Connection,
    version: str,
    to: ModelState,
    share: BasisPoints | None,
    found: str,
) -> None:
    known(connection, "1", ModelState.LIVE)
    known(connection, "2")
    known(connection, "3")
    move_version(connection, "spot@3", to=ModelState.RETIRED, change=by_hand())
    before = states(connection)

    with pytest.raises(MoveRefused) as refused:
        move_version(connection, f"spot@{version}", to=to, share_bp=share, change=by_hand())

    assert found in refused.value.found
    assert states(connection) == before


def test_two_canaries_of_a_name_and_one_without_a_live_version_are_refused(
    connection: sa.Connection,
) -> None:
    known(connection, "1")
    with pytest.raises(MoveRefused, match="no version of spot is live"):
        move_version(connection, "spot@1", to=ModelState.CANARY, share_bp=TENTH, change=by_hand())
    move_version(connection, "spot@1", to=ModelState.LIVE, change=by_hand())
    known(connection, "2")
    known(connection, "3")
    move_version(connection, "spot@2", to=ModelState.CANARY, share_bp=TENTH, change=by_hand())

    with pytest.raises(MoveRefused, match="spot@2 is the canary"):
        move_version(connection, "spot@3", to=ModelState.CANARY, share_bp=TENTH, change=by_hand())


def test_what_was_live_before_can_be_live_again_at_once(connection: sa.Connection) -> None:
    known(connection, "1", ModelState.LIVE)
    known(connection, "2")
    move_version(connection, "spot@2", to=ModelState.CANARY, share_bp=TENTH, change=by_hand())
    move_version(connection, "spot@2", to=ModelState.LIVE, change=by_hand())

    move_version(connection, "spot@1", to=ModelState.LIVE, change=by_hand("it was better"))

    assert states(connection) == {"1": ModelState.LIVE, "2": ModelState.RETIRED}
    assert load_version(connection, "spot@1").successor is None
    assert load_version(connection, "spot@2").successor == "spot@1"


def test_a_successor_must_be_there_and_be_no_dead_end(connection: sa.Connection) -> None:
    known(connection, "1", ModelState.LIVE)
    known(connection, "2")
    move_version(connection, "spot@2", to=ModelState.RETIRED, change=by_hand())

    for successor, error in (
        ("none@1", Unavailable),
        ("spot@2", MoveRefused),
        ("spot@1", MoveRefused),
    ):
        with pytest.raises(error):
            move_version(
                connection,
                "spot@1",
                to=ModelState.RETIRED,
                successor=successor,
                change=by_hand(),
            )

    assert states(connection)["1"] is ModelState.LIVE


def test_registering_again_changes_nothing_but_what_the_trial_said(
    connection: sa.Connection,
) -> None:
    change = Change(by=STUDIO, reason="", now_us=1)
    register(connection, a_card("1"), Made(), state=ModelState.LIVE, change=change)

    again = register(connection, a_card("1"), Made(), checked={"which": "quick"}, change=by_hand())

    assert (again.state, again.by_hand) == (ModelState.LIVE, True)
    assert again.checked == {"which": "quick"}
    assert len(moves_of(connection, "spot@1")) == 1


def test_training_sets_that_contradict_what_is_known_are_refused(
    connection: sa.Connection,
) -> None:
    own = TrainingSet(name="Films", share_bp=BasisPoints(10_000), licence="own")
    register(connection, replace(a_card("1"), training_sets=(own,)), Made(), change=by_hand())
    other = replace(a_card("2"), training_sets=(replace(own, licence="CC-BY-4.0"),))

    with pytest.raises(ContractMismatch, match="is known under 'own'"):
        register(connection, other, Made(), change=by_hand())
