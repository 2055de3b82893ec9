"""Ancestors, descendants and royalties out of the database, on both kinds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import pytest
import sqlalchemy as sa

from cinefab.core.brief import PartyShare
from cinefab.core.canonical import sha256_of
from cinefab.core.clock import ManualClock
from cinefab.core.errors import ContractMismatch
from cinefab.core.ids import SeededIds, TenantId
from cinefab.core.stage import Content, Lineage, Relation, SourceEdge
from cinefab.core.units import BasisPoints
from cinefab.provenance.assets import Asset, record_asset
from cinefab.provenance.authority import Authority, open_authority
from cinefab.provenance.lineage import ancestors, descendants, lineage_of
from cinefab.provenance.rights import current_split, record_split, royalties_of
from cinefab.provenance.training import TrainedOn, record_training, training_of
from cinefab.store.database import Database
from cinefab.store.schema import METADATA

TENANT = TenantId("ten_a")
CLOCK = ManualClock()
IDS = SeededIds(CLOCK, seed=2)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return open_authority(tmp_path_factory.mktemp("authority"), clock=CLOCK)


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    db = Database(database_url)
    METADATA.create_all(db.engine)
    yield db
    db.close()


def grow(
    connection: sa.Connection, authority: Authority, tree: Mapping[str, Mapping[str, int]]
) -> dict[str, Asset]:
    """Record assets in order; each names its sources and their weights."""
    made: dict[str, Asset] = {}
    for name, sources in tree.items():
        edges = tuple(
            SourceEdge(
                source=made[source].public_id,
                relation=Relation.COMPONENT_OF,
                weight_bp=BasisPoints(weight),
            )
            for source, weight in sources.items()
        )
        made[name] = record_asset(
            connection,
            tenant=TENANT,
            job=None,
            content=Content(
                digest=sha256_of(name.encode()), kind="take", media_type="image/png", size_bytes=1
            ),
            lineage=Lineage(
                made_by="procedural@1", sources=edges, digital_source_type="algorithmicMedia"
            ),
            signer=authority.signer,
            ids=IDS,
            now_us=CLOCK.now_us(),
        )
    return made


DIAMOND = {
    "photo": {},
    "logo": {},
    "cutout": {"photo": 10_000},
    "take": {"cutout": 6_000, "photo": 4_000},
    "film": {"take": 9_000, "logo": 1_000},
    "alien": {},
}


def parties(shares: tuple[PartyShare, ...]) -> dict[str, int]:
    return {share.party: share.share_bp for share in shares}


def a_split(**shares_bp: int) -> list[PartyShare]:
    return [PartyShare(party=p, share_bp=BasisPoints(bp)) for p, bp in shares_bp.items()]


def test_ancestors_and_descendants_are_each_others_mirror(
    db: Database, authority: Authority
) -> None:
    with db.write() as connection:
        made = grow(connection, authority, DIAMOND)
    names = {asset.public_id: name for name, asset in made.items()}

    with db.read() as connection:
        up = [
            (names[r.asset.public_id], r.depth) for r in ancestors(connection, TENANT, made["film"])
        ]
        down = [
            (names[r.asset.public_id], r.depth)
            for r in descendants(connection, TENANT, made["photo"])
        ]
        alone = ancestors(connection, TENANT, made["photo"])

    assert up == [("logo", 1), ("take", 1), ("photo", 2), ("cutout", 2)]
    assert down == [("cutout", 1), ("take", 1), ("film", 2)]
    assert alone == ()


def test_a_lineage_lists_every_source_before_its_results(
    db: Database, authority: Authority
) -> None:
    with db.write() as connection:
        made = grow(connection, authority, DIAMOND)

    with db.read() as connection:
        entries = lineage_of(connection, TENANT, made["film"])

    seen: set[str] = set()
    for entry in entries:
        assert {source.source for source in entry.sources} <= seen
        seen.add(entry.asset)
    assert entries[-1].asset == made["film"].public_id
    assert seen == {made[name].public_id for name in DIAMOND if name != "alien"}
    assert entries[-1].as_dict() == {
        "asset": made["film"].public_id,
        "kind": "take",
        "sha256": made["film"].sha256,
        "made_by": "procedural@1",
        "job": None,
        "digital_source_type": "algorithmicMedia",
        "sources": [made["logo"].public_id, made["take"].public_id],
        "weights_bp": [1000, 9000],
    }


def test_another_tenant_sees_no_lineage(db: Database, authority: Authority) -> None:
    with db.write() as connection:
        film = grow(connection, authority, DIAMOND)["film"]

    with db.read() as connection:
        other = TenantId("ten_b")
        assert ancestors(connection, other, film) == ()
        assert descendants(connection, other, film) == ()
        assert lineage_of(connection, other, film) == ()
        assert royalties_of(connection, other, film) == ()


def test_a_long_chain_with_short_cuts_is_walked_once(db: Database, authority: Authority) -> None:
    tree: dict[str, dict[str, int]] = {"0": {}}
    for n in range(1, 40):
        back = str(max(0, n - 2))
        tree[str(n)] = {str(n - 1): 10_000} if n == 1 else {str(n - 1): 5_000, back: 5_000}
    with db.write() as connection:
        made = grow(connection, authority, tree)

    with db.read() as connection:
        up = ancestors(connection, TENANT, made["39"])

    assert len(up) == 39
    assert max(relative.depth for relative in up) == 20


def test_royalties_flow_through_the_lineage(db: Database, authority: Authority) -> None:
    with db.write() as connection:
        made = grow(connection, authority, DIAMOND)
        now_us = CLOCK.now_us()
        for name, split in (
            ("photo", a_split(photographer=7_500, agency=2_500)),
            ("logo", a_split(brand=10_000)),
            ("alien", a_split(nobody=10_000)),
        ):
            record_split(connection, made[name], split, valid_from_us=now_us)

    with db.read() as connection:
        shares = royalties_of(connection, TENANT, made["film"])
        none = royalties_of(connection, TENANT, made["film"], at_us=now_us - 1)

    assert parties(shares) == {"agency": 2_250, "brand": 1_000, "photographer": 6_750}
    assert none == ()


def test_a_later_split_is_for_what_is_made_later(db: Database, authority: Authority) -> None:
    with db.write() as connection:
        photo = grow(connection, authority, {"photo": {}})["photo"]
        now_us = photo.created_us
        record_split(connection, photo, a_split(a=6_000, b=4_000), valid_from_us=now_us)
        record_split(connection, photo, a_split(c=10_000), valid_from_us=now_us + 10)

    with db.read() as connection:
        assert parties(royalties_of(connection, TENANT, photo)) == {"a": 6_000, "b": 4_000}
        assert parties(royalties_of(connection, TENANT, photo, at_us=now_us + 10)) == {"c": 10_000}
        assert parties(current_split(connection, photo, at_us=now_us + 9)) == {
            "a": 6_000,
            "b": 4_000,
        }
        assert current_split(connection, photo, at_us=now_us - 1) == ()


def test_a_split_said_twice_is_one_and_another_for_the_same_time_is_refused(
    db: Database, authority: Authority
) -> None:
    with db.write() as connection:
        photo = grow(connection, authority, {"photo": {}})["photo"]
        record_split(connection, photo, a_split(a=6_000, b=4_000), valid_from_us=1)
        record_split(connection, photo, a_split(b=4_000, a=6_000), valid_from_us=1)

    with pytest.raises(ContractMismatch, match="another split"), db.write() as connection:
        record_split(connection, photo, a_split(a=10_000), valid_from_us=1)

    with db.read() as connection:
        assert parties(current_split(connection, photo, at_us=1)) == {"a": 6_000, "b": 4_000}


@pytest.mark.parametrize(
    "split",
    [
        a_split(),
        a_split(a=9_999),
        a_split(a=10_001),
        a_split(a=-1, b=10_001),
        [*a_split(a=5_000), *a_split(a=5_000)],
    ],
    ids=["nobody", "too little", "too much", "negative", "twice"],
)
def test_shares_that_are_no_split_of_the_whole_are_refused(
    db: Database, authority: Authority, split: list[PartyShare]
) -> None:
    with pytest.raises(ContractMismatch), db.write() as connection:
        photo = grow(connection, authority, {"photo": {}})["photo"]
        record_split(connection, photo, split, valid_from_us=1)


def test_what_a_model_was_trained_on_is_stored_once_for_each_version(db: Database) -> None:
    def trained(**shares_bp: int) -> list[TrainedOn]:
        return [
            TrainedOn(name=name, licence="CC-BY-4.0", share_bp=BasisPoints(bp))
            for name, bp in shares_bp.items()
        ]

    with db.write() as connection:
        record_training(connection, "flow@1", trained(stock=7_000, archive=3_000))
        record_training(connection, "flow@1", trained(archive=3_000, stock=7_000))
        record_training(connection, "flow@2", trained(stock=10_000))
        record_training(connection, "procedural@1", [])

    for ref, sets in (
        ("flow@1", trained(stock=10_000)),
        ("flow@3", trained(stock=9_999)),
        ("flow@3", [TrainedOn(name="stock", licence="other", share_bp=BasisPoints(10_000))]),
    ):
        with pytest.raises(ContractMismatch), db.write() as connection:
            record_training(connection, ref, sets)
    with db.read() as connection:
        assert training_of(connection, "flow@1") == tuple(trained(archive=3_000, stock=7_000))
        assert training_of(connection, "procedural@1") == ()
        assert training_of(connection, "flow@3") == ()
