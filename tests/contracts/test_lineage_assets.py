"""Assets, their edges and their signed records, on both databases."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import sqlalchemy as sa

from cinefab.core.canonical import Sha256, sha256_of
from cinefab.core.clock import ManualClock
from cinefab.core.errors import ContractMismatch, StorageUnavailable, Unavailable
from cinefab.core.ids import AssetId, JobId, SeededIds, TenantId
from cinefab.core.stage import Content, Lineage, Relation, SourceEdge
from cinefab.core.units import BasisPoints
from cinefab.provenance.assets import Asset, find_asset_by_digest, load_asset, record_asset
from cinefab.provenance.authority import Authority, open_authority
from cinefab.provenance.records import RecordBroken, RecordHolds, verify_record
from cinefab.provenance.tables import asset as asset_table
from cinefab.provenance.tables import edge, signing_key
from cinefab.store.database import Database
from cinefab.store.schema import METADATA

TENANT = TenantId("ten_a")
CLOCK = ManualClock()
IDS = SeededIds(CLOCK, seed=1)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Authority:
    return open_authority(tmp_path_factory.mktemp("authority"), clock=CLOCK)


@pytest.fixture
def db(database_url: str) -> Iterator[Database]:
    db = Database(database_url)
    METADATA.create_all(db.engine)
    yield db
    db.close()


def a_source(asset: Asset | str, weight_bp: int = 10_000) -> SourceEdge:
    source = AssetId(asset) if isinstance(asset, str) else asset.public_id
    return SourceEdge(
        source=source, relation=Relation.COMPONENT_OF, weight_bp=BasisPoints(weight_bp)
    )


def an_asset(
    connection: sa.Connection,
    authority: Authority,
    *sources: SourceEdge,
    content: bytes = b"pixels",
    tenant: TenantId = TENANT,
) -> Asset:
    return record_asset(
        connection,
        tenant=tenant,
        job=JobId("job_1"),
        content=Content(
            digest=sha256_of(content),
            kind="take",
            media_type="video/mp4",
            size_bytes=len(content),
            facts={"frames": 24, "loudness_lufs": -16.5},
        ),
        lineage=Lineage(
            made_by="procedural@1.0",
            sources=sources,
            digital_source_type="algorithmicMedia",
            prompt_digest=Sha256("ab" * 32),
            parameters={"seed": 7},
        ),
        signer=authority.signer,
        ids=IDS,
        now_us=CLOCK.now_us(),
    )


def test_an_asset_is_read_back_as_it_was_recorded(db: Database, authority: Authority) -> None:
    with db.write() as connection:
        photo = an_asset(connection, authority, content=b"photo")
        take = an_asset(connection, authority, a_source(photo))

    with db.read() as connection:
        assert load_asset(connection, TENANT, take.public_id) == take
    assert take.public_id.startswith("ast_")
    assert photo.row_id < take.row_id
    assert json.loads(take.record)["sources"] == [
        {
            "asset": photo.public_id,
            "sha256": photo.sha256,
            "relation": "componentOf",
            "weight_bp": 10_000,
        }
    ]


def test_the_same_bytes_made_twice_are_two_assets_and_the_latest_is_found(
    db: Database, authority: Authority
) -> None:
    with db.write() as connection:
        first = an_asset(connection, authority)
        second = an_asset(connection, authority)

    with db.read() as connection:
        found = find_asset_by_digest(connection, TENANT, first.sha256, "take")
        other_kind = find_asset_by_digest(connection, TENANT, first.sha256, "film")
        other_tenant = find_asset_by_digest(connection, TenantId("ten_b"), first.sha256, "take")
    assert first.public_id != second.public_id
    assert found == second
    assert other_kind is None
    assert other_tenant is None


def test_another_tenants_asset_is_not_found(db: Database, authority: Authority) -> None:
    with db.write() as connection:
        mine = an_asset(connection, authority)

    with (
        db.read() as connection,
        pytest.raises(Unavailable, match=f"find asset {mine.public_id}: there is no such asset"),
    ):
        load_asset(connection, TenantId("ten_b"), mine.public_id)


@pytest.mark.parametrize("owner", ["nobody", "another tenant"])
def test_a_source_that_the_tenant_does_not_have_leaves_nothing_behind(
    db: Database, authority: Authority, owner: str
) -> None:
    source = "ast_unknown"
    if owner == "another tenant":
        with db.write() as connection:
            source = an_asset(connection, authority, tenant=TenantId("ten_b")).public_id

    with pytest.raises(Unavailable, match="no such asset here"), db.write() as connection:
        an_asset(connection, authority, a_source(source))

    with db.read() as connection:
        mine = sa.select(asset_table).where(asset_table.c.tenant_id == TENANT)
        assert connection.execute(mine).all() == []


def test_weights_that_are_no_split_of_the_whole_are_refused(
    db: Database, authority: Authority
) -> None:
    with db.write() as connection:
        photo, logo = an_asset(connection, authority), an_asset(connection, authority)

        for weights in ((9_999,), (5_000, 5_001), (-1, 10_001), (0, 0), (10_000, 10_000)):
            edges = [a_source(s, w) for s, w in zip((photo, logo), weights, strict=False)]

            with pytest.raises(ContractMismatch, match="weights"):
                an_asset(connection, authority, *edges)


def test_a_source_named_twice_is_refused(db: Database, authority: Authority) -> None:
    with db.write() as connection:
        photo = an_asset(connection, authority)

    with pytest.raises(ContractMismatch, match="same source twice"), db.write() as connection:
        an_asset(connection, authority, a_source(photo, 4_000), a_source(photo, 6_000))


def test_an_edge_from_younger_to_older_cannot_be_stored(db: Database, authority: Authority) -> None:
    with db.write() as connection:
        older = an_asset(connection, authority)
        younger = an_asset(connection, authority)

    for dst, src in ((older, younger), (older, older)):
        with pytest.raises(sa.exc.IntegrityError), db.write() as connection:
            connection.execute(
                edge.insert().values(
                    dst=dst.row_id, src=src.row_id, relation="inputTo", weight_bp=10_000
                )
            )


def test_a_counter_that_was_set_back_is_found_before_it_makes_a_cycle(
    postgres_url: str, authority: Authority
) -> None:
    db = Database(postgres_url)
    METADATA.create_all(db.engine)
    with db.write() as connection:
        connection.execute(sa.text("ALTER SEQUENCE asset_id_seq RESTART WITH 100"))
        photo = an_asset(connection, authority)
        connection.execute(sa.text("ALTER SEQUENCE asset_id_seq RESTART WITH 7"))

    with pytest.raises(StorageUnavailable, match="counter"), db.write() as connection:
        an_asset(connection, authority, a_source(photo))
    db.close()


def test_a_record_holds_as_long_as_nothing_is_altered(db: Database, authority: Authority) -> None:
    with db.write() as connection:
        photo, logo = an_asset(connection, authority), an_asset(connection, authority)
        take = an_asset(connection, authority, a_source(photo, 7_000), a_source(logo, 3_000))

    with db.read() as connection:
        for asset in (photo, logo, take):
            loaded = load_asset(connection, TENANT, asset.public_id)
            verdict = verify_record(connection, loaded, anchors_pem=authority.trust_anchors_pem)
            assert verdict == RecordHolds()


ALTERED = [
    ("sha256", "0" * 64, "sha256"),
    ("kind", "film", "kind"),
    ("made_by", "other@2", "made_by"),
    ("prompt_digest", None, "prompt_digest"),
    ("parameters", '{"seed":8}', "parameters_digest"),
    ("digital_source_type", "digitalCapture", "digital_source_type"),
    ("created_us", CLOCK.now_us() + 1, "created"),
    ("job_id", None, "job"),
    ("record", "{}", "signature does not fit"),
    ("signature", "AAAA", "signature does not fit"),
    ("signature", "not base64", "signature does not fit"),
]


def test_an_altered_row_breaks_the_record_and_says_where(
    db: Database, authority: Authority
) -> None:
    with db.write() as connection:
        take = an_asset(connection, authority)

        for column, value, reason in ALTERED:
            undo = connection.begin_nested()
            connection.execute(asset_table.update().values({column: value}))
            loaded = load_asset(connection, TENANT, take.public_id)
            verdict = verify_record(connection, loaded, anchors_pem=authority.trust_anchors_pem)
            undo.rollback()

            assert isinstance(verdict, RecordBroken), column
            assert reason in verdict.reason


def test_an_altered_edge_breaks_the_record(db: Database, authority: Authority) -> None:
    with db.write() as connection:
        take = an_asset(connection, authority, a_source(an_asset(connection, authority)))

        for alter in (
            edge.delete(),
            edge.update().values(weight_bp=1),
            edge.update().values(relation="inputTo"),
        ):
            undo = connection.begin_nested()
            connection.execute(alter)
            verdict = verify_record(connection, take, anchors_pem=authority.trust_anchors_pem)
            undo.rollback()

            assert verdict == RecordBroken("its rows were altered after it was signed: sources")


def test_a_key_that_several_processes_use_for_the_first_time_at_once_is_kept_once(
    db: Database, authority: Authority
) -> None:
    together = threading.Barrier(4)

    def record(_: int) -> Asset:
        together.wait(10)
        with db.write() as connection:
            return an_asset(connection, authority)

    with ThreadPoolExecutor(4) as pool:
        made = list(pool.map(record, range(4)))

    with db.read() as connection:
        assert len(connection.execute(sa.select(signing_key)).all()) == 1
        for asset in made:
            verdict = verify_record(connection, asset, anchors_pem=authority.trust_anchors_pem)
            assert verdict == RecordHolds()


def test_a_record_of_another_authority_is_not_trusted_and_still_holds_under_its_own(
    db: Database, authority: Authority, tmp_path: Path
) -> None:
    stranger = open_authority(tmp_path / "other", clock=CLOCK)
    with db.write() as connection:
        ours = an_asset(connection, authority)
        theirs = an_asset(connection, stranger)

    with db.read() as connection:
        verdicts = [
            verify_record(connection, asset, anchors_pem=anchors)
            for asset in (ours, theirs)
            for anchors in (authority.trust_anchors_pem, stranger.trust_anchors_pem)
        ]
        assert len(connection.execute(sa.select(signing_key)).all()) == 2
    assert [type(verdict) for verdict in verdicts] == [
        RecordHolds,
        RecordBroken,
        RecordBroken,
        RecordHolds,
    ]
    assert "do not lead to an authority that is trusted here" in str(verdicts[1])


def test_a_forged_certificate_for_a_trusted_key_id_is_found(
    db: Database, authority: Authority, tmp_path: Path
) -> None:
    stranger = open_authority(tmp_path / "other", clock=CLOCK)
    with db.write() as connection:
        take = an_asset(connection, stranger)
        connection.execute(
            signing_key.update().values(chain_pem=authority.signer.chain_pem.decode())
        )

    with db.read() as connection:
        verdict = verify_record(connection, take, anchors_pem=authority.trust_anchors_pem)
    assert verdict == RecordBroken("the certificate kept for its key belongs to another key")
