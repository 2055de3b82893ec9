"""`cinefab doctor`: what is installed, what is missing, and how to get it."""

from __future__ import annotations

import importlib.util
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

import click

from cinefab.cli.exits import Exit
from cinefab.cli.said import print_json, reports_errors
from cinefab.core.errors import CinefabError

if TYPE_CHECKING:
    from cinefab.app.settings import Settings

_ROOM_MIN_BYTES: Final = 1 << 30
_LIBRARIES: Final = (
    "av", "c2pa-python", "dbos", "numba", "obstore", "opencv-python-headless",
    "opentimelineio", "sqlalchemy", "uharfbuzz",
)  # fmt: skip


class State(StrEnum):
    """How a thing stands: there, absent without harm, or in the way."""

    OK = "ok"
    ABSENT = "absent"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """One thing the doctor looked at; `remedy` is empty where nothing is to be done."""

    name: str
    state: State
    found: str
    remedy: str = ""


@click.command()
@click.option("--db", help="Database URL.")
@click.option("--blobs", help="Blob URL.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON.")
@reports_errors
def doctor(*, db: str | None, blobs: str | None, as_json: bool) -> None:
    """Look at everything that Cinefab needs here. Exits with 0 if nothing is in the way."""
    from cinefab.app.settings import load_settings  # noqa: PLC0415 - `--help` needs none of it

    settings = load_settings({"db": db, "blobs": blobs})
    observations = list(_observe(settings))
    if as_json:
        print_json([asdict(each) for each in observations])
    else:
        marks = {State.OK: "ok     ", State.ABSENT: "absent ", State.PROBLEM: "PROBLEM"}
        for each in observations:
            click.echo(f"{marks[each.state]}  {each.name:<12} {each.found}")
            if each.remedy:
                click.echo(f"{'':22} {each.remedy}")
    broken = any(each.state is State.PROBLEM for each in observations)
    raise SystemExit(Exit.FAULT if broken else Exit.DELIVERED)


def _observe(settings: Settings) -> Iterator[Observation]:
    looks: tuple[Callable[[Settings], Observation], ...] = (
        _python, _libraries, _encoder, _fonts, _sandbox, _database, _blobs, _room, _authority,
        _devices, _models, _prices, _durability, _speech,
    )  # fmt: skip
    for look in looks:
        try:
            yield look(settings)
        except CinefabError as error:
            yield Observation(
                name=look.__name__.strip("_"),
                state=State.PROBLEM,
                found=error.found,
                remedy=error.remedy,
            )


def _python(_settings: Settings) -> Observation:
    return Observation(name="python", state=State.OK, found=sys.version.split()[0])


def _libraries(_settings: Settings) -> Observation:
    found = ", ".join(f"{name} {version(name)}" for name in _LIBRARIES)
    return Observation(name="libraries", state=State.OK, found=found)


def _encoder(_settings: Settings) -> Observation:
    from cinefab.media.encode import encoder_version  # noqa: PLC0415 - a command's own import

    return Observation(name="encoder", state=State.OK, found=encoder_version())


def _fonts(_settings: Settings) -> Observation:
    from cinefab.media.typeset import TypeStyle, set_type  # noqa: PLC0415 - as above

    style = TypeStyle(family="sans", weight="regular")
    for text in ("Aé", "Ωμέγα", "Жизнь", "قهوة"):
        set_type(
            text,
            style=style,
            box_width_px=400,
            box_height_px=100,
            size_max_px=40,
            size_min_px=10,
            align="start",
        )
    found = "bundled; Latin, Greek, Cyrillic and Arabic are shaped"
    return Observation(name="fonts", state=State.OK, found=found)


def _sandbox(settings: Settings) -> Observation:
    from cinefab.media.sandbox.confinement import probe_confinement  # noqa: PLC0415 - as above

    report = probe_confinement()
    if report.holds:
        found = f"Landlock ABI {report.landlock_abi} and seccomp confine the decoder"
        return Observation(name="sandbox", state=State.OK, found=found)
    lax = settings.sandbox == "best-effort"
    return Observation(
        name="sandbox",
        state=State.ABSENT if lax else State.PROBLEM,
        found="; ".join(report.reasons),
        remedy="Pictures are decoded unconfined, as configured."
        if lax
        else "Pictures are refused here. Use Linux 5.13 or later with Landlock and seccomp, or "
        "set CINEFAB_SANDBOX=best-effort if you trust every picture.",
    )


def _database(settings: Settings) -> Observation:
    from cinefab.app.records import open_records  # noqa: PLC0415 - as above

    with open_records(settings) as records:
        found = records.db.engine.url.render_as_string(hide_password=True)
    return Observation(name="database", state=State.OK, found=found)


def _blobs(settings: Settings) -> Observation:
    from cinefab.store.blobs import Blobs  # noqa: PLC0415 - as above

    blobs = Blobs(settings.blobs_url, cache=settings.home / "cache")
    blobs.load(blobs.put(b"The doctor was here.\n"))
    return Observation(name="blobs", state=State.OK, found=settings.blobs_url)


def _room(settings: Settings) -> Observation:
    settings.home.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(settings.home).free
    enough = free >= _ROOM_MIN_BYTES
    return Observation(
        name="room",
        state=State.OK if enough else State.PROBLEM,
        found=f"{free / 1e9:.1f} GB free in {settings.home}",
        remedy="" if enough else "Free some room, or set CINEFAB_HOME to a larger disk.",
    )


def _authority(settings: Settings) -> Observation:
    from cinefab.core.clock import SystemClock  # noqa: PLC0415 - as above
    from cinefab.provenance.authority import open_authority  # noqa: PLC0415 - as above

    authority = open_authority(settings.home / "authority", clock=SystemClock())
    made = "created now" if authority.created else "in place"
    return Observation(
        name="authority",
        state=State.OK,
        found=f"development authority {made}, key {authority.signer.key_id[:16]}…: trusted here only",
    )


def _devices(settings: Settings) -> Observation:
    from cinefab.app.devices import StudioDevices  # noqa: PLC0415 - as above
    from cinefab.core.device import as_size  # noqa: PLC0415 - as above

    prices = settings.prices_usd_per_hour
    found = ", ".join(
        f"{each.name} ({each.device_class}, {each.places} at once"
        + (f", {as_size(each.memory_bytes)}" if each.memory_bytes is not None else "")
        + (f", ${price}/h)" if (price := prices.get(each.device_class)) else ")")
        for each in StudioDevices(settings).all
    )
    return Observation(name="devices", state=State.OK, found=found)


def _models(settings: Settings) -> Observation:
    from cinefab.app.models import Broken, Models, look_at  # noqa: PLC0415 - as above

    seen = list(look_at(Models(settings)))
    broken = [each for each in seen if isinstance(each, Broken)]
    good = ", ".join(each.card.ref for each in seen if not isinstance(each, Broken))
    if broken:
        return Observation(
            name="models",
            state=State.ABSENT,
            found=f"{good}; not {', '.join(f'{each.name}: {each.found}' for each in broken)}",
            remedy=broken[0].remedy,
        )
    return Observation(name="models", state=State.OK, found=good)


def _prices(settings: Settings) -> Observation:
    book = settings.prices_usd_per_hour
    if "cpu-core" in book:
        found = ", ".join(f"{name} ${price}/h" for name, price in book.items())
        return Observation(name="prices", state=State.OK, found=found)
    return Observation(
        name="prices",
        state=State.ABSENT,
        found="the device class cpu-core has no price: what films cost is unknown",
        remedy="Set prices_usd_per_hour in cinefab.toml, or CINEFAB_PRICES_USD_PER_HOUR.",
    )


def _durability(settings: Settings) -> Observation:
    survives = {
        "normal": "a killed process loses nothing; a power cut may lose the last commits (SQLite)",
        "strict": "neither a killed process nor a power cut loses a commit",
    }
    found = f"{settings.durability}: {survives[settings.durability]}"
    return Observation(name="durability", state=State.OK, found=found)


def _speech(_settings: Settings) -> Observation:
    if importlib.util.find_spec("espeakng_loader") is not None:
        return Observation(name="speech", state=State.OK, found="espeakng-loader")
    return Observation(
        name="speech",
        state=State.ABSENT,
        found="no voice is installed: voice lines are kept but not spoken",
        remedy="pip install 'cinefab[speech]'",
    )
