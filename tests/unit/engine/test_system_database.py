"""Where workflows are kept, and how patient one is with their database."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from cinefab.core.clock import ManualClock
from cinefab.core.errors import StorageUnavailable
from cinefab.engine.system_database import Patience, open_system_database, system_url_for


@pytest.mark.parametrize(
    ("url", "beside"),
    [
        ("sqlite:////home/x/cinefab.db", "sqlite:////home/x/cinefab.durable.db"),
        ("sqlite:///cinefab", "sqlite:///cinefab.durable"),
        ("postgresql://u:secret@host/cinefab", "postgresql://u:secret@host/cinefab"),
    ],
)
def test_workflows_are_kept_beside_a_file_and_inside_a_server(url: str, beside: str) -> None:
    assert system_url_for(url) == beside


def test_patience_lasts_from_the_last_answer_and_ends_for_good_when_told() -> None:
    clock = ManualClock()
    patience = Patience(clock, limit_s=5)

    clock.advance(4_900_000)
    assert patience
    clock.advance(100_000)
    assert not patience
    patience.renew()
    assert patience
    patience.end()
    assert not patience


@pytest.mark.parametrize(("durability", "synchronous"), [("normal", 1), ("strict", 2)])
def test_a_file_is_opened_with_a_log_and_the_durability_that_was_asked_for(
    tmp_path: Path, durability: str, synchronous: int
) -> None:
    url = f"sqlite:///{tmp_path / 'new' / 'durable.db'}"
    engine = open_system_database(
        url, durability=durability, patience=Patience(ManualClock(), limit_s=5)
    )

    with engine.connect() as connection:
        pragmas = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar()
            for name in ("journal_mode", "synchronous", "foreign_keys")
        ]
    engine.dispose()

    assert pragmas == ["wal", synchronous, 1]


def test_a_folder_that_cannot_be_made_is_one_clear_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")

    with pytest.raises(StorageUnavailable, match=r"Not a directory|File exists"):
        open_system_database(
            f"sqlite:///{tmp_path / 'file' / 'durable.db'}",
            durability="normal",
            patience=Patience(ManualClock(), limit_s=5),
        )


def test_compute_is_imported_without_the_durable_engine_or_a_database() -> None:
    script = (
        "import sys, cinefab.engine.processes as p\n"
        "heavy = {'dbos', 'sqlalchemy', 'numpy', 'multiprocessing'} & set(sys.modules)\n"
        "sys.exit(str(heavy) if heavy else 0)"
    )

    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
