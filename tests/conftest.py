"""What every test may ask for: databases of both kinds, and a home of its own."""

from __future__ import annotations

import itertools
import os
import pwd
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
import zlib
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest
from hypothesis import HealthCheck, settings

_HOW_TO = "PostgreSQL is not installed: apt-get install postgresql (as root), then run again"
_COUNT = itertools.count()
_KINDS = ("sqlite", "postgres")

# How long an example takes says something of the machine, not of what is tested.
settings.register_profile(
    "any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("any-machine")


@pytest.hookimpl(tryfirst=True)  # before `-m` looks for what is marked
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the long runs to `make test-long`, unless they were asked for by `-m`.

    A test that makes whole films runs on one kind of database in every run, and on the other kind
    in the long runs; which, its name decides. The contracts are held on both in every run.
    """
    for item in items:
        if _is_of_the_other_kind(item):
            item.add_marker(pytest.mark.long)
    if config.option.markexpr:
        return
    skip = pytest.mark.skip(reason="a long run: make test-long")
    for item in items:
        if item.get_closest_marker("long"):
            item.add_marker(skip)


def _is_of_the_other_kind(item: pytest.Item) -> bool:
    kinds = getattr(getattr(item, "callspec", None), "params", {}).get("database_url")
    folder = item.path.parent.name
    if kinds is None or folder not in {"journeys", "faults"} or _wants_both(item):
        return False
    name = getattr(item, "originalname", item.name)
    return bool(kinds != _KINDS[zlib.crc32(name.encode()) % 2])


def _wants_both(item: pytest.Item) -> bool:
    return item.get_closest_marker("both_databases") is not None


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[str]:
    """Start a real PostgreSQL on a free loopback port; give its URL without a database name."""
    binaries = _postgres_binaries()
    if binaries is None:
        if os.environ.get("CINEFAB_TEST_POSTGRES") == "required":
            pytest.fail(_HOW_TO)
        pytest.skip(_HOW_TO)
    # pytest's own folders are closed to other users, and PostgreSQL's user is another one.
    folder = Path(tempfile.mkdtemp(prefix="cinefab-postgres-"))
    data = folder / "data"
    prefix = _as_postgres_user(folder)
    _run([*prefix, str(binaries / "initdb"), "-D", str(data), "-A", "trust", "-U", "cinefab"])
    port = _free_port()
    log = folder / "log"
    options = ["listen_addresses=127.0.0.1", f"unix_socket_directories={folder}"]
    options += ["fsync=off", "max_connections=200"]
    command = [*prefix, str(binaries / "postgres"), "-D", str(data), "-p", str(port)]
    command += [word for option in options for word in ("-c", option)]
    with log.open("w") as output:
        server = subprocess.Popen(command, stdout=output, stderr=subprocess.STDOUT)
    url = f"postgresql://cinefab@127.0.0.1:{port}"
    try:
        _wait_until_it_answers(f"{url}/postgres", log)
        yield url
    finally:
        server.send_signal(2)
        try:
            server.wait(10)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """Give the URL of a fresh, empty PostgreSQL database, dropped when the test is over."""
    name = f"test_{next(_COUNT)}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name}")
    yield f"{postgres_server}/{name}"
    with psycopg.connect(f"{postgres_server}/postgres", autocommit=True) as admin:
        admin.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=_KINDS)
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """Give the URL of a fresh database, once of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'cinefab.db'}"
    url: str = request.getfixturevalue("postgres_url")
    return url


def _postgres_binaries() -> Path | None:
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if found:
        return found[-1].parent
    return Path(on_path).parent if on_path else None


def _as_postgres_user(folder: Path) -> list[str]:
    # PostgreSQL refuses to run as root, so root lends it the folder and steps down.
    if os.geteuid() != 0:
        return []
    user = pwd.getpwnam("postgres")
    os.chown(folder, user.pw_uid, user.pw_gid)
    return ["setpriv", f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--"]


def _run(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command[-1]}: {done.stderr}"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_until_it_answers(url: str, log: Path) -> None:
    for _ in range(100):
        try:
            psycopg.connect(url, connect_timeout=2).close()
        except psycopg.OperationalError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"PostgreSQL did not start: {log.read_text()[-2000:]}")


@pytest.fixture(scope="session")
def s3_server() -> Iterator[str]:
    """Start a real S3-speaking server on loopback, once for all tests that need it."""
    from moto.server import ThreadedMotoServer  # noqa: PLC0415 - it takes a second to import

    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def s3_bucket(s3_server: str) -> str:
    """Give the URL of an empty bucket on the server, which forgets all that it had before."""
    import boto3  # noqa: PLC0415 - it takes a second to import

    reset = urllib.request.Request(f"{s3_server}/moto-api/reset", method="POST")
    urllib.request.urlopen(reset, timeout=10).close()
    client = boto3.client(
        "s3",
        endpoint_url=s3_server,
        region_name="us-east-1",
        aws_access_key_id="test",
        aws_secret_access_key="test",
    )
    client.create_bucket(Bucket="films")
    client.close()
    return f"s3://films/studio?endpoint={s3_server}&region=us-east-1"
