"""What a job works with: every part that `app` has joined, as one value handed down."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from cinefab.assemble.effect import Effect
from cinefab.assemble.voice import Voice
from cinefab.core.brief import EffectOrder, Tier
from cinefab.core.canonical import Json
from cinefab.core.device import DeviceNeed
from cinefab.core.ids import JobId, PrincipalId, TenantId, WorkerId
from cinefab.deliver.files import Caching
from cinefab.deliver.places import Places
from cinefab.deliver.target import Access, Parcel, Target
from cinefab.economics.prices import PriceBook
from cinefab.engine.compute import Compute
from cinefab.engine.durable import Durable
from cinefab.generate.backend import ModelCard
from cinefab.generate.registry import Made
from cinefab.ingest.fetch import Fetcher
from cinefab.ingest.reader import Reader
from cinefab.media.sandbox import Sandbox
from cinefab.provenance.authority import Authority
from cinefab.record.commit import Recorder
from cinefab.review.thresholds import Bounds, Thresholds
from cinefab.schedule.containment import USUAL_CONTAINMENT, Containment
from cinefab.schedule.shared_run import SharedRuns
from cinefab.schedule.slots import Slots
from cinefab.store.blobs import Blobs
from cinefab.store.file_digest import file_sha256
from cinefab.tenancy.quotas import NO_QUOTA, Quota


@dataclass(frozen=True, slots=True, kw_only=True)
class Model:
    """A model that was found: its card, and where its class is (`package.module:Class`).

    `configured` is what it is made of, if that is settings: `name`, `settings` and `secrets`. It
    goes to the process that runs it, and nowhere else; `made` is the same without secrets, as the
    registry keeps it. `cancels` says that it ends work that goes on elsewhere when it is told to.
    `met` is which of its card's needs the studio's devices meet.
    Of a pipeline, `components` are the models that it is put together of, and `chain` are the
    effects that its pictures pass through before any other.
    """

    card: ModelCard
    entry: str
    configured: Mapping[str, Json] | None = field(default=None, repr=False)
    cancels: bool = False
    met: DeviceNeed | None = None
    made: Made = field(default_factory=Made)
    chain: tuple[EffectOrder, ...] = ()
    components: tuple[Model, ...] = ()

    @property
    def address(self) -> dict[str, Json]:
        """What a task of `generate.take` is told to find it by."""
        if self.configured is None:
            return {"entry": self.entry}
        return {"entry": self.entry, "configured": self.configured}

    @property
    def need(self) -> DeviceNeed:
        """What it runs on: what of its card's needs this studio meets, the first one else."""
        return self.met or self.card.devices[0]

    @property
    def bed_by(self) -> str | None:
        """The version that makes what is heard under its films, if a pipeline has one."""
        made = (each.card for each in self.components if each.card.task == "text-to-audio")
        return next((card.ref for card in made), None)

    @property
    def device_class(self) -> str:
        """Where it runs."""
        return self.need.device_class

    @property
    def devices(self) -> int:
        """How many devices it runs on at once."""
        return self.need.count

    @property
    def affinity(self) -> str:
        """What names the process that holds it: it has no secret in it."""
        return self.entry if self.configured is None else f"{self.entry}#{self.card.ref}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seat:
    """Where a stage runs: the processes that it may ask, and the devices that are its own meanwhile.

    `was_warm` says that the model it was taken for is loaded there.
    """

    compute: Compute
    device_class: str
    devices: int = 1
    was_warm: bool = False


class Seats(Protocol):
    """Where models run: some stay loaded, in processes that are theirs alone."""

    def take(self, model: Model, tier: Tier) -> AbstractAsyncContextManager[Seat]:
        """Wait for a seat for a model and hold it; raise `NotWarm` where the policy says so."""
        ...

    def is_kept_warm(self, model: Model) -> bool:
        """Say whether no cold start is to be expected of a model here."""
        ...

    def require_warm(self, model: Model, tier: Tier) -> None:
        """Raise `NotWarm` for interactive work that would never find its model warm here."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundCheck:
    """A check that was found: its name and version, and where its class is.

    `takes` says whether it is also asked about each take alone, `advice` what it wants changed
    where it refuses one, in a word of `core.verdict.Advice`; None leaves that to us.
    """

    name: str
    version: str
    entry: str
    takes: bool
    advice: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundEffect:
    """An effect that was found: itself, to be asked, and where its class is, to be run."""

    effect: Effect
    entry: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundVoice:
    """A voice that was found: itself, to be asked, and where its class is, to be run."""

    voice: Voice
    entry: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """A piece of news about a job: which stage, which shot of it, and how much is done.

    `preview` is a picture of what there is so far, where there is one; it may be replaced by the
    next at any time.
    """

    job: JobId
    stage: str
    done: float
    preview: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OutFolder:
    """Where films are put on this machine, through the same target as any other folder."""

    folder: Target
    access: Access

    def publish(self, place: str, files: Mapping[str, Path]) -> Mapping[str, str]:
        """Put files into the folder `place`, in the order given; return their paths by name."""
        parcels = [
            Parcel(
                name=name,
                path=path,
                sha256=file_sha256(path),
                size_bytes=path.stat().st_size,
                media_type="application/octet-stream",
                caching=Caching.ENTRY,
            )
            for name, path in files.items()
        ]
        placed = self.folder.publish(place, parcels, access=self.access)
        return {each.name: each.url for each in placed}


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """The parts of one worker; `compute_on` gives the processes of a device class, `compute` our own.

    `preview_model` makes preview films where the brief names no other; `threshold_bounds` are how
    far a brief may move a line of `thresholds`.
    """

    tenant: TenantId
    principal: PrincipalId
    worker: WorkerId
    recorder: Recorder
    blobs: Blobs
    durable: Durable
    compute: Compute
    compute_on: Callable[[str], Compute]
    slots: Slots
    seats: Seats
    sandbox: Sandbox
    fetcher: Fetcher
    readers: tuple[Reader, ...]
    models: Mapping[str, Model]
    effects: Mapping[str, FoundEffect]
    voices: Mapping[str, FoundVoice]
    recognisers: Mapping[str, str]
    checks: tuple[FoundCheck, ...]
    thresholds: Thresholds
    target: OutFolder
    places: Places
    prices: PriceBook
    authority: Authority
    machine: str
    encoder: str
    scratch: Path
    tell: Callable[[Progress], None]
    usual_quota: Quota = NO_QUOTA
    containment: Containment = USUAL_CONTAINMENT
    shared_runs: SharedRuns = field(default_factory=SharedRuns)
    preview_model: str = "procedural"
    threshold_bounds: Mapping[str, Bounds] = field(default_factory=dict)
