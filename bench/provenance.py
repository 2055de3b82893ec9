"""What provenance costs: signing and verifying a film, recording assets, walking a lineage.

    python bench/provenance.py [--json] [--repeat N]

On SQLite in a file, WAL, `synchronous=NORMAL`. Signing is held against hashing and copying the
same 0.5 MB film, recording against a transaction that inserts the same columns and nothing else,
ancestors of a chain of 30 against those of one of 3, among 10,000 assets. Wall clock, medians,
c2pa and the database warm.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from time import perf_counter

import av
import numpy as np
import sqlalchemy as sa

from cinefab.core.canonical import Sha256, sha256_of
from cinefab.core.clock import SystemClock
from cinefab.core.ids import AssetId, JobId, RandomIds, TenantId
from cinefab.core.stage import Content, Lineage, Relation, SourceEdge
from cinefab.core.units import BasisPoints
from cinefab.provenance.asset import Asset
from cinefab.provenance.assets import record_asset
from cinefab.provenance.authority import Authority, open_authority
from cinefab.provenance.credentials import FilmClaims, Software, sign_film
from cinefab.provenance.lineage import ancestors
from cinefab.provenance.records import sign_record, verify_record
from cinefab.provenance.rights import royalties_of
from cinefab.provenance.tables import asset as asset_table
from cinefab.provenance.verify import verify_file
from cinefab.store.database import Database
from cinefab.store.schema import METADATA

CLOCK = SystemClock()
IDS = RandomIds(CLOCK)
TENANT = TenantId("ten_bench")
FILM_BYTES = 500_000
ASSETS, DEPTH = 10_000, 30


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print figures as JSON")
    parser.add_argument("--repeat", type=int, default=50, help="runs of each")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        authority = open_authority(folder / "authority", clock=CLOCK)
        figures = {
            **measure_film(folder, authority, options.repeat),
            **measure_assets(folder, authority, options.repeat),
        }
    if options.json:
        print(json.dumps(figures, indent=2))
    else:
        for name, value in figures.items():
            print(f"{name:36} {value:>12,.3f}")
    return 0


def measure_film(folder: Path, authority: Authority, repeat: int) -> dict[str, float]:
    """Sign and verify a film of about half a megabyte."""
    bare, signed, copy = folder / "bare.mp4", folder / "signed.mp4", folder / "copy.mp4"
    make_film(bare)
    claims = FilmClaims(
        title="Spot",
        made_by=Software(name="procedural", version="1"),
        digital_source_type="algorithmicMedia",
        agent=Software(name="Cinefab", version="0"),
        job=JobId("job_bench"),
        created_us=CLOCK.now_us(),
        brief_digest=sha256_of(b""),
        seed=0,
    )

    def hash_and_copy() -> None:
        content = bare.read_bytes()
        sha256_of(content)
        with copy.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())

    anchors = authority.trust_anchors_pem
    copied = median_ms(hash_and_copy, repeat)
    sign = median_ms(
        lambda: sign_film(bare, signed, claims=claims, signer=authority.signer), repeat
    )
    verify = median_ms(
        lambda: verify_file(signed, anchors_pem=anchors, recorded=lambda _: None), repeat
    )
    return {
        "film_bytes": bare.stat().st_size,
        "credentials_bytes": signed.stat().st_size - bare.stat().st_size,
        "hash_and_copy_film_ms": copied,
        "sign_film_ms": sign,
        "verify_film_ms": verify,
    }


def measure_assets(folder: Path, authority: Authority, repeat: int) -> dict[str, float]:
    """Record assets in transactions of one, then walk chains among ten thousand."""
    db = Database(f"sqlite:///{folder / 'bench.db'}")
    METADATA.create_all(db.engine)
    source = record(db, authority, ())
    runs = repeat * 4

    def plain_insert() -> None:
        with db.write() as connection:
            row = {**plain, "public_id": IDS.new("ast")}
            connection.execute(asset_table.insert().values(**row))

    with db.read() as connection:
        row = connection.execute(sa.select(asset_table)).mappings().one()
    plain = {name: value for name, value in row.items() if name != "id"}
    # Turn about, so that both meet the same machine and the same database.
    bare_ms, record_ms = alternate(plain_insert, lambda: record(db, authority, (source,)), runs)
    short, deep = fill(db, authority)
    with db.read() as connection:
        walks = {
            f"ancestors_of_depth_{depth}_ms": median_ms(
                lambda of=of: ancestors(connection, TENANT, of), repeat
            )
            for depth, of in ((3, short), (DEPTH, deep))
        }
        royalties = median_ms(lambda: royalties_of(connection, TENANT, deep), repeat)
        verify = median_ms(
            lambda: verify_record(connection, deep, anchors_pem=authority.trust_anchors_pem),
            repeat,
        )
    db.close()
    return {
        "bare_insert_a_second": 1_000 / bare_ms,
        "record_asset_a_second": 1_000 / record_ms,
        "record_asset_over_bare_insert": record_ms / bare_ms,
        "sign_record_ms": median_ms(
            lambda: sign_record(bytes(600), signer=authority.signer), repeat
        ),
        "verify_record_ms": verify,
        **walks,
        f"royalties_of_depth_{DEPTH}_ms": royalties,
    }


def record(db: Database, authority: Authority, sources: tuple[Asset, ...]) -> Asset:
    """Record one asset in a transaction of its own."""
    with db.write() as connection:
        return record_in(connection, authority, sources)


def record_in(connection: sa.Connection, authority: Authority, sources: tuple[Asset, ...]) -> Asset:
    """Record one asset with even weights."""
    weight = 10_000 // max(1, len(sources))
    return record_asset(
        connection,
        tenant=TENANT,
        job=JobId("job_bench"),
        content=Content(
            digest=Sha256("ab" * 32), kind="take", media_type="video/mp4", size_bytes=1
        ),
        lineage=Lineage(
            made_by="procedural@1",
            sources=tuple(
                SourceEdge(
                    source=AssetId(s.public_id),
                    relation=Relation.COMPONENT_OF,
                    weight_bp=BasisPoints(weight),
                )
                for s in sources
            ),
            digital_source_type="algorithmicMedia",
            parameters={"seed": 1},
        ),
        signer=authority.signer,
        ids=IDS,
        now_us=CLOCK.now_us(),
    )


def fill(db: Database, authority: Authority) -> tuple[Asset, Asset]:
    """Record chains of thirty until there are ten thousand; give the fourth and the last link."""
    fourth = last = None
    with db.write() as connection:
        for _ in range(ASSETS // (DEPTH + 1)):
            chain = [record_in(connection, authority, ())]
            for _ in range(DEPTH):
                chain.append(record_in(connection, authority, (chain[-1],)))
            fourth, last = chain[3], chain[-1]
    assert fourth is not None
    assert last is not None
    return fourth, last


def make_film(path: Path) -> None:
    """Write noise as H.264 until it is about as large as a short spot."""
    chance = np.random.default_rng(1)
    with av.open(path, "w") as container:
        stream = container.add_stream("libx264", rate=Fraction(24))
        stream.width, stream.height, stream.pix_fmt = 320, 180, "yuv420p"
        stream.options = {"crf": "30", "preset": "ultrafast"}
        size = 0
        while size < FILM_BYTES:
            pixels = chance.integers(0, 255, (180, 320, 3), dtype=np.uint8)
            packets = stream.encode(av.VideoFrame.from_ndarray(pixels, format="rgb24"))
            size += sum(packet.size for packet in packets)
            container.mux(packets)
        container.mux(stream.encode())


def median_ms(work: Callable[[], object], repeat: int) -> float:
    """Return the median wall time of one run, in milliseconds, after one to warm up."""
    work()
    return statistics.median(timed_ms(work) for _ in range(repeat))


def alternate(
    one: Callable[[], object], other: Callable[[], object], repeat: int
) -> tuple[float, float]:
    """Run both turn about and return both medians."""
    pairs = [(timed_ms(one), timed_ms(other)) for _ in range(repeat)]
    return statistics.median(p[0] for p in pairs), statistics.median(p[1] for p in pairs)


def timed_ms(work: Callable[[], object]) -> float:
    """Return how long one run took."""
    start = perf_counter()
    work()
    return (perf_counter() - start) * 1_000


if __name__ == "__main__":
    sys.exit(main())
