"""Settings: read once, here, from a file, the environment and the command line, in that order.

The file is `cinefab.toml` in the home folder, or the one that `CINEFAB_CONFIG` names. Each
setting can also be given as `CINEFAB_` and its name in capitals. The home folder is
`CINEFAB_HOME`, or else `cinefab` in the user's data folder.
"""

from __future__ import annotations

import json
import os
import tomllib
from collections.abc import Mapping
from ipaddress import IPv4Network, IPv6Network, ip_network
from pathlib import Path
from typing import Annotated, Any, Final

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
)

from cinefab.core.errors import CinefabError
from cinefab.review.thresholds import bounds_from, thresholds_from
from cinefab.schedule.containment import Containment, WhenOpen
from cinefab.schedule.warm import ColdStart, WarmPolicy
from cinefab.store.durability import Durability
from cinefab.tenancy.roles import Role

_PREFIX: Final = "CINEFAB_"
_NOT_SETTINGS: Final = frozenset({"home", "config", "log", "test_postgres", "test_players"})

_MODEL_NAME: Final = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

PIPELINE: Final = "pipeline"
"""What a table names as its backend whose model is put together of others."""

_TABLES: Final = frozenset({"places", "prices_usd_per_hour", "review_thresholds", "retention_days"})
"""Settings that are tables; in the environment they are written `name=value,name=value`."""


_RETENTION_DAYS: Final = {
    "segment": 30,
    "transition": 30,
    "rung": 30,
    "cut": 7,
    "preview": 7,
    "preview_film": 30,
    "start": 30,
    "shadow": 30,
    "resume": 7,
    "orphan": 7,
}
"""How long intermediates are kept once nobody needs them, where the settings do not say."""


class SettingsInvalid(CinefabError):
    """A setting that is unknown or has a value that it cannot have."""


def _networks(value: object) -> object:
    if isinstance(value, str):
        value = [part.strip() for part in value.split(",") if part.strip()]
    return tuple(ip_network(part) for part in value) if isinstance(value, list) else value


def _thresholds(named: Mapping[str, int]) -> Mapping[str, int]:
    thresholds_from(named)  # raises ValueError for a name that no check knows
    return named


def _bounds(named: Mapping[str, tuple[int, int]]) -> Mapping[str, tuple[int, int]]:
    bounds_from(named)  # raises ValueError for what cannot be
    return named


def _from_json(value: object) -> object:
    # From the environment a table comes as text.
    return json.loads(value) if isinstance(value, str) else value


class PurgeSettings(BaseModel):
    """The request that makes a CDN forget a URL; `{url}` stands for it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    url: str = Field(description="Where the request goes.")
    method: str = Field("POST", pattern="^[A-Z]+$", description="How it is made.")
    headers: Mapping[str, str] = Field({}, description="Its headers, such as a key.")
    body: str | None = Field(None, description="What it says, if anything.")


class TargetSettings(BaseModel):
    """A place that releases may be sent to, and all below it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    public_url: str | None = Field(None, description="Where its files are seen by everybody.")
    headers: Mapping[str, str] = Field({}, description="Sent with every request to a server.")
    options: Mapping[str, str] = Field(
        {}, description="For a bucket: access_key_id, secret_access_key, region, endpoint."
    )
    attempts: int = Field(4, ge=1, le=20, description="How often what may pass is tried.")
    purge: PurgeSettings | None = Field(None, description="How its CDN is told what changed.")


class ContainmentSettings(BaseModel):
    """What is done about a run of a model that fails."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    silence_s: float = Field(
        600, gt=0, description="How long a model that tells its steps may tell nothing."
    )
    memory_mb: Mapping[str, Annotated[int, Field(ge=256)]] = Field(
        {}, description="Address space of each process that runs models, by device class."
    )

    attempts: int = Field(3, ge=1, le=20, description="How often a model is asked for a take.")
    pause_s: float = Field(1, ge=0, description="How long after it failed; doubled each time.")
    pause_max_s: float = Field(60, ge=0, description="How long a pause is at most.")
    park_after: int = Field(
        3, ge=1, description="How many processes of models a job may end before it is parked."
    )
    park_after_workers: int = Field(
        5, ge=1, description="How many workers may die making a job before it is parked."
    )
    open_after: int = Field(
        3, ge=1, description="For how many jobs a model fails before nothing is given to it."
    )
    within_s: float = Field(300, gt=0, description="Within how long those failures count.")
    rest_s: float = Field(30, gt=0, description="How long a model rests before it is tried again.")
    rest_max_s: float = Field(600, gt=0, description="How long at most, while trials fail.")
    when_open: WhenOpen = Field(
        WhenOpen.WAIT, description="What a take does whose model rests: wait, or fail."
    )
    wait_s: float = Field(300, ge=0, description="How long it waits before it fails.")
    fallbacks: Mapping[str, tuple[str, ...]] = Field(
        {}, description="Which models are asked instead of one that cannot, by name, in order."
    )

    @property
    def policy(self) -> Containment:
        """The same, as the tier reads it."""
        return Containment(**self.model_dump(exclude={"memory_mb"}))


class DeviceTable(BaseModel):
    """A device of this studio, or several that are alike."""

    model_config = ConfigDict(extra="forbid", frozen=True, populate_by_name=True)

    device_class: str = Field(
        alias="class", min_length=1, description="What models and prices call its kind: cuda, say."
    )
    memory_gb: float | None = Field(
        None, gt=0, description="Its memory in GiB; left out, it is not counted."
    )
    count: int = Field(1, ge=1, le=1024, description="How many of them there are.")
    places: int = Field(1, ge=1, le=256, description="How many works each runs at once.")
    index: int | None = Field(
        None,
        ge=0,
        description="What its driver calls it, the first of several; else counted on from 0 by name.",
    )


class WarmSettings(BaseModel):
    """Which models stay loaded, and what becomes of interactive work without one."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    models: tuple[str, ...] = Field(
        (), description="Models that a service or a worker loads when it starts, and never ends."
    )
    idle_s: float = Field(600, gt=0, description="How long another one stays after its last take.")
    most: int = Field(8, ge=1, le=256, description="How many others stay loaded at once.")
    memory_gb: float | None = Field(
        None, gt=0, description="GiB of this machine that loaded models may have; empty: all."
    )
    interactive: ColdStart = Field(
        ColdStart.WAIT,
        description="Interactive work without a warm model: wait for one of warm.models, refuse, or load.",
    )
    wait_s: float = Field(30, gt=0, description="How long such work waits at most.")

    @property
    def policy(self) -> WarmPolicy:
        """The same, as the warm pool reads it."""
        given = self.model_dump(exclude={"memory_gb"})
        limit = None if self.memory_gb is None else round(self.memory_gb * (1 << 30))
        return WarmPolicy(**given, memory_bytes=limit)


class OidcTable(BaseModel):
    """An OpenID provider that people may sign in at."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    issuer: str = Field(
        pattern=r"^(https://[^\s?#]+|http://(localhost|127\.0\.0\.1)(:\d+)?[^\s?#]*)$",
        description="Its URL, exactly as it calls itself; over TLS, unless it is on this machine.",
    )
    client_id: str = Field(min_length=1, description="What it calls this studio.")
    client_secret_file: Path | None = Field(
        None, description="A file with the secret that it gave this studio; left out, none."
    )
    name: str = Field("", max_length=100, description="What the button says.")
    tenant: str = Field("ten_local", description="The tenant that its people act for.")
    claim: str = Field("groups", description="What of a token says what somebody is.")
    roles: Mapping[str, Role] = Field({}, description="Roles by the values of that claim.")
    everybody: tuple[Role, ...] = Field((), description="Roles that each of its people has.")
    domains: tuple[str, ...] = Field(
        (), description="Domains of verified addresses that may come in; left out, all."
    )
    scopes: str = Field("openid email profile", description="What it is asked for.")
    redirect_url: str = Field(
        "", description="Where it sends browsers back to, where a proxy hides that."
    )

    @property
    def secret(self) -> str | None:
        """The studio's secret at the provider, if it has one."""
        path = self.client_secret_file
        return None if path is None else path.read_text(encoding="utf-8").strip()

    @field_validator("client_secret_file")
    @classmethod
    def _is_there(cls, path: Path | None) -> Path | None:
        if path is not None and not path.is_file():
            raise ValueError(f"there is no file {path}")
        return path


class ModelTable(BaseModel):
    """A model that is made of settings; what is beside `backend` is for the backend to understand."""

    model_config = ConfigDict(extra="allow", frozen=True)

    backend: str = Field(description="Which of the installed backends makes it.")


class Settings(BaseModel):
    """How this studio is run; every field has a default that suits a laptop."""

    model_config = ConfigDict(extra="forbid", frozen=True, arbitrary_types_allowed=True)

    home: Path = Field(description="The folder for the database, the blobs and the authority.")
    db: str = Field("", description="Database URL; empty: SQLite in the home folder.")
    blobs: str = Field("", description="Blob URL: file:///… or s3://…; empty: in the home folder.")
    out: Path = Field(Path("out"), description="The folder that films are put into.")
    workers: int = Field(
        0, ge=0, le=256, description="Rendering processes; 0: as many as there are cores."
    )
    durability: Durability = Field(
        Durability.NORMAL,
        description="strict: every commit waits for the disk, and survives a power cut.",
    )
    sandbox: str = Field(
        "required",
        pattern="^(required|best-effort)$",
        description="best-effort: decode even where this machine cannot confine the decoder.",
    )
    allow_networks: Annotated[tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks)] = (
        Field((), description="Networks that references may be fetched from though private.")
    )
    prices_usd_per_hour: Mapping[str, str] = Field(
        {"cpu-core": "0.045"},
        description="What an hour of a device class costs; a class that is absent is unpriced.",
    )

    places: Mapping[str, Annotated[int, Field(ge=0, le=256)]] = Field(
        {},
        description="How many may run on a device class at once; cpu-core: workers, service: 8.",
    )

    review_thresholds: Annotated[Mapping[str, int], AfterValidator(_thresholds)] = Field(
        {}, description="Where checks draw their lines, by name; see docs/how-to/review.md."
    )

    review_bounds: Annotated[
        Mapping[str, tuple[int, int]], BeforeValidator(_from_json), AfterValidator(_bounds)
    ] = Field(
        {},
        description="How far briefs may move a line, by name: [least, most]; others they may not.",
    )

    targets: Annotated[Mapping[str, TargetSettings], BeforeValidator(_from_json)] = Field(
        {},
        description="Places that briefs may have releases sent to, by URL; a table for each.",
    )

    models: Annotated[
        Mapping[Annotated[str, Field(pattern=_MODEL_NAME)], ModelTable], BeforeValidator(_from_json)
    ] = Field({}, description="Models made of a backend and its settings; a table for each.")

    containment: Annotated[ContainmentSettings, BeforeValidator(_from_json)] = Field(
        default_factory=lambda: ContainmentSettings.model_validate({}),
        description="What is done about a run of a model that fails.",
    )

    devices: Annotated[
        Mapping[Annotated[str, Field(pattern=_MODEL_NAME)], DeviceTable],
        BeforeValidator(_from_json),
    ] = Field(
        {}, description="Devices by name; left out, this machine's processors and NVIDIA cards."
    )

    preview_model: str = Field(
        "procedural",
        min_length=1,
        max_length=128,
        description="The model of preview films (`preview_first`) whose brief names no other.",
    )

    warm: Annotated[WarmSettings, BeforeValidator(_from_json)] = Field(
        default_factory=lambda: WarmSettings.model_validate({}),
        description="Which models stay loaded.",
    )

    retention_days: Mapping[str, int] = Field(
        {},
        description="Days that a class of intermediates is kept once nobody needs it; -1: always.",
    )
    sweep_grace_hours: int = Field(
        24, ge=0, description="What is younger is never swept, whatever its class."
    )
    price_usd_per_gb_month: str = Field(
        "", description="What a gigabyte kept for 30 days costs; empty: unpriced."
    )

    jobs_at_once: int = Field(
        16,
        ge=0,
        le=1024,
        description="Jobs that one process makes at a time; 0: none, it leaves them to others.",
    )

    quota_jobs_in_flight: int = Field(
        0, ge=0, description="Jobs that a tenant may have waiting or running; 0: any number."
    )
    quota_requests_per_minute: int = Field(
        0,
        ge=0,
        description="How often a tenant may ask a door in a minute; 0: as often as it likes.",
    )
    quota_requests_per_minute_each: int = Field(
        0,
        ge=0,
        description="How often one principal of a tenant may; 0: as often as its tenant.",
    )
    quota_upload_bytes: int = Field(
        0, ge=0, description="Bytes that a tenant may have uploaded; 0: any number."
    )
    upload_hours: int = Field(
        24, ge=1, le=8760, description="How long an unfinished upload waits for what comes next."
    )
    policies: str = Field(
        "",
        description="Folder of *.cedar files that add to who may do what; empty: in the home folder.",
    )

    webhook_networks: Annotated[
        tuple[IPv4Network | IPv6Network, ...], BeforeValidator(_networks)
    ] = Field((), description="Networks that webhooks may be sent to though private, also by http.")
    secrets_key: str = Field(
        "",
        repr=False,
        description="What seals secrets that sign, 32 bytes in base 64; empty: a file in the home.",
    )

    oidc: Annotated[OidcTable | None, BeforeValidator(_from_json)] = Field(
        None, description="An OpenID provider that people may sign in at; a table."
    )

    same_within_seconds: int = Field(
        10, ge=0, le=3600, description="How long equal creates without a key are one job."
    )

    @property
    def policies_folder(self) -> Path:
        """The folder of the policies that were added, which need not be there."""
        return Path(self.policies) if self.policies else self.home / "policies"

    @property
    def kept_days(self) -> Mapping[str, int]:
        """The days of each class that expires at all."""
        days = _RETENTION_DAYS | dict(self.retention_days)
        return {name: count for name, count in days.items() if count >= 0}

    @property
    def db_url(self) -> str:
        """The database's URL, the embedded one if none was given."""
        return self.db or f"sqlite:///{self.home / 'cinefab.db'}"

    @property
    def blobs_url(self) -> str:
        """The blobs' URL, the embedded folder if none was given."""
        return self.blobs or f"file://{self.home / 'blobs'}"

    @property
    def places_by_class(self) -> Mapping[str, int]:
        """How many may run at once, by device class; a class that is not named has one place."""
        return {"cpu-core": self.worker_count, "service": 8} | dict(self.places)

    @property
    def worker_count(self) -> int:
        """Rendering processes on this machine."""
        return self.workers or len(os.sched_getaffinity(0))


def load_settings(overrides: Mapping[str, Any] | None = None) -> Settings:
    """Read the settings; `overrides` that are None leave a setting as it was.

    Raises `SettingsInvalid` naming the setting, where it came from being in its name.
    """
    environment = os.environ
    home = Path(environment.get("CINEFAB_HOME") or _data_folder(environment) / "cinefab").absolute()
    named = environment.get("CINEFAB_CONFIG")
    values: dict[str, Any] = {"home": home, **_from_file(home, named)}
    values |= _from_environment(environment)
    values |= {name: value for name, value in (overrides or {}).items() if value is not None}
    try:
        return Settings(**values)
    except ValidationError as error:
        first = error.errors()[0]
        raise SettingsInvalid(
            attempted="read the settings",
            found=f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}",
            remedy="Known settings: " + ", ".join(Settings.model_fields) + ".",
        ) from error


def environment_value(name: str) -> str | None:
    """Return what the environment has under a name that a setting gives: keys, above all."""
    return os.environ.get(name) or None


def child_environment(settings: Settings) -> dict[str, str]:
    """Return the environment of a process that works on the same database and home.

    What others may read is a process's command line, and a database's URL may hold a password.
    """
    return {
        **os.environ,
        f"{_PREFIX}HOME": str(settings.home),
        f"{_PREFIX}DB": settings.db_url,
    }


def _data_folder(environment: Mapping[str, str]) -> Path:
    given = environment.get("XDG_DATA_HOME")
    return Path(given) if given else Path.home() / ".local" / "share"


def _from_file(home: Path, named: str | None) -> dict[str, Any]:
    path = Path(named) if named else home / "cinefab.toml"
    if not named and not path.is_file():
        return {}
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingsInvalid(
            attempted=f"read the settings in {path}",
            found=str(error),
            remedy="Write it as TOML, or take CINEFAB_CONFIG out of the environment.",
        ) from error


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    values: dict[str, Any] = {}
    for name, value in environment.items():
        setting = name.removeprefix(_PREFIX).lower()
        if not name.startswith(_PREFIX) or setting in _NOT_SETTINGS:
            continue
        if setting in _TABLES:
            pairs = [pair.partition("=") for pair in value.split(",") if pair]
            values[setting] = {key.strip(): price.strip() for key, _, price in pairs}
        else:
            values[setting] = value
    return values
