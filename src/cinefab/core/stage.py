"""What a finished stage must say of itself before its result can be stored: time, origin, cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Literal

from cinefab.core.canonical import Json, Sha256
from cinefab.core.ids import AssetId, LeaseId
from cinefab.core.units import NO_TIME, BasisPoints, DeviceUs, Uusd

Basis = Literal["answer", "price-book", "unknown"]
"""Where the amount of a bill comes from."""


SERVICE: Final = "service"
"""The device class of what runs on somebody else's machine, and is billed by them."""


class TimeClass(StrEnum):
    """What a leased microsecond went into; every one is in exactly one class."""

    DOWN = "down"
    IDLE = "idle"
    LOAD = "load"
    GOOD = "good"
    REWORK = "rework"
    SCRAP = "scrap"
    SPEC_WASTE = "spec_waste"
    PREEMPT_WASTE = "preempt_waste"
    DEGRADED = "degraded"
    SHADOW = "shadow"


class Relation(StrEnum):
    """What an asset took from a source, in C2PA's words."""

    PARENT_OF = "parentOf"
    COMPONENT_OF = "componentOf"
    INPUT_TO = "inputTo"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceEdge:
    """One source of an asset; the weights of an asset's edges say how royalties flow."""

    source: AssetId
    relation: Relation
    weight_bp: BasisPoints


@dataclass(frozen=True, slots=True, kw_only=True)
class Lineage:
    """Where an asset comes from: what made it, from what, with which prompt and parameters.

    `sources` is empty only for what came from outside. `made_by` is `name@version`.
    """

    made_by: str
    sources: tuple[SourceEdge, ...]
    digital_source_type: str
    prompt_digest: Sha256 | None = None
    parameters: Json = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Elapsed:
    """When a stage ran: wall clock at its start and its monotonic length, in microseconds."""

    started_us: int
    took_us: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bill:
    """What somebody else asks for a run, in µUSD; None where nobody knows, which is never zero.

    `basis` says where the amount comes from: the supplier's own answer or the price book.
    `reference` is what the supplier calls the work, as its invoice will.
    """

    amount_uusd: Uusd | None
    basis: Basis
    supplier: str
    reference: str

    def __post_init__(self) -> None:
        assert (self.amount_uusd is None) == (self.basis == "unknown"), "no amount is unknown"
        assert self.amount_uusd is None or self.amount_uusd >= 0, "nobody pays us for a run"

    def as_dict(self) -> dict[str, Json]:
        """Return it as it travels between processes."""
        return {
            "amount_uusd": self.amount_uusd,
            "basis": self.basis,
            "supplier": self.supplier,
            "reference": self.reference,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Charge:
    """A lease's time, split by what it went into; the parts are the whole of it.

    `bills` are what somebody else asks beside it, for work that was worth `billed_class`.
    `since_us` is where in a run that several stages share this one's time begins: it costs what the
    run costs up to its end, less what it costs up to there, so the shares sum to the run's price.
    """

    lease: LeaseId
    device_class: str
    by_class: Mapping[TimeClass, DeviceUs]
    since_us: DeviceUs = NO_TIME
    bills: tuple[Bill, ...] = ()
    billed_class: TimeClass = TimeClass.GOOD

    @property
    def device_us(self) -> DeviceUs:
        """The lease's whole length."""
        return DeviceUs(sum(self.by_class.values()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Content:
    """Bytes that are already in the blob store and wait to become an asset."""

    digest: Sha256
    kind: str
    media_type: str
    size_bytes: int
    facts: Json = field(default_factory=dict)
