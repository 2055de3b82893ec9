"""What is asked for: the brief as frozen values, already checked at the door."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from typing import Final

from cinefab.core.sound import Captions, Sound
from cinefab.core.units import US_PER_S, BasisPoints, Uusd


class Quality(StrEnum):
    """How much care a film is worth: a quick look, or the thing itself."""

    PREVIEW = "preview"
    FINAL = "final"


class Tier(StrEnum):
    """Who waits for it: a person at a screen, or nobody."""

    INTERACTIVE = "interactive"
    BATCH = "batch"


class Camera(StrEnum):
    """How the view moves over a shot; `AUTO` leaves it to the planner."""

    AUTO = "auto"
    PUSH_IN = "push-in"
    PULL_OUT = "pull-out"
    PAN_LEFT = "pan-left"
    PAN_RIGHT = "pan-right"
    TILT_UP = "tilt-up"
    TILT_DOWN = "tilt-down"
    DRIFT = "drift"


class TransitionKind(StrEnum):
    """How a shot takes over from the one before it; `AUTO` leaves it to the planner.

    `DISSOLVE` mixes two pictures; where both show the same product the planner replaces it by
    `WIPE`, which never shows the product twice. `DIP` passes through the brand's first colour.
    """

    AUTO = "auto"
    CUT = "cut"
    DISSOLVE = "dissolve"
    WIPE = "wipe"
    DIP = "dip"


class Role(StrEnum):
    """What a reference is for; `AUTO` lets ingest decide from the picture."""

    AUTO = "auto"
    PRODUCT = "product"
    BACKGROUND = "background"
    LOGO = "logo"


class ReviewMode(StrEnum):
    """Who passes a film: its checks alone, or a person after them."""

    AUTOMATIC = "automatic"
    REQUIRED = "required"


class Queue(StrEnum):
    """Where a film waits for a person; from `STRICT` nothing passes without a written reason."""

    STANDARD = "standard"
    STRICT = "strict"


@dataclass(frozen=True, slots=True)
class Size:
    """A picture's size in pixels, both even."""

    width: int
    height: int

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


ASSET: Final = "asset:"
"""How a location begins that is an asset of the studio's, by its id."""

UPLOAD: Final = "upload:"
"""How a location begins that is what an upload became, by the upload's id."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """A file or URL that the film may show, under a name that shots use; or what the studio has.

    `script` is what is said in a sound or a video, word for word, `language` the tag of its
    language.
    """

    name: str
    location: str
    role: Role = Role.AUTO
    script: str = ""
    language: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """How a shot begins: its kind and its length, centred on the cut."""

    kind: TransitionKind = TransitionKind.AUTO
    length_ms: int = 500


STILLS: Final = ("png", "jpeg", "webp")
"""Formats of single pictures, which a film may be wanted as, too: one of each shot."""

SPEECH: Final = ("wav", "flac", "mp3", "aac", "opus")
"""Formats of sound, in which what is spoken in a film may be wanted by itself."""


class Fit(StrEnum):
    """How a picture of other proportions fills the film's: cut at its edges, or shown whole."""

    COVER = "cover"
    CONTAIN = "contain"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A stretch of a reference video, from `start_ms` of it on, as fast as `speed` times itself."""

    reference: str
    start_ms: int = 0
    speed: Fraction = Fraction(1)
    fit: Fit = Fit.COVER


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectOrder:
    """An effect by its name, with its settings as JSON text (`core.effect.settings_text`)."""

    name: str
    settings: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """A stretch of the timeline as it was asked for; the length includes half its transitions.

    `seed` is its own where it differs from the film's. `model_settings` are JSON text, laid over
    the film's (`core.effect.settings_text`).
    """

    length_ms: int
    prompt: str = ""
    caption: str = ""
    references: tuple[str, ...] = ()
    camera: Camera = Camera.AUTO
    transition: Transition = Transition()
    voice: str = ""
    effects: tuple[EffectOrder, ...] = ()
    seed: int | None = None
    clip: Clip | None = None
    model_settings: str = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Output:
    """The film's shape: picture size, frames a second, containers, stills, speech by itself.

    `ladder` holds the shorter sides of a stream's rungs in pixels, largest first; empty leaves
    them to the film's size.
    """

    size: Size = Size(1280, 720)
    fps: Fraction = Fraction(24)
    formats: tuple[str, ...] = ("mp4",)
    ladder: tuple[int, ...] = ()

    @property
    def stills(self) -> tuple[str, ...]:
        """What pictures of each shot are wanted as."""
        return tuple(each for each in self.formats if each in STILLS)

    @property
    def speech(self) -> tuple[str, ...]:
        """What the spoken lines are wanted as, by themselves."""
        return tuple(each for each in self.formats if each in SPEECH)

    @property
    def is_streamed(self) -> bool:
        """Whether the film is wanted as a stream, which HLS and DASH read from the same files."""
        return "hls" in self.formats or "dash" in self.formats


@dataclass(frozen=True, slots=True, kw_only=True)
class Brand:
    """How it should look: the name of a logo reference, `#rrggbb` colours, a font file, a LUT."""

    logo: str | None = None
    colours: tuple[str, ...] = ()
    font: str | None = None
    lut: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PartyShare:
    """One party's share of one source, in basis points."""

    party: str
    share_bp: BasisPoints


@dataclass(frozen=True, slots=True, kw_only=True)
class RightsSource:
    """A source that rights attach to: the reference it covers, its licence, who is paid."""

    reference: str
    licence: str
    parties: tuple[PartyShare, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Compare:
    """A reference video that the film must be like, in decibels of XPSNR, every so many frames."""

    reference: str
    every: int = 5
    at_least_db: int = 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """Whether a person must look, in which queue, and how long the film waits for one.

    The time counts from the moment at which the film begins to wait; who asks is either the brief
    or a check that cannot decide alone. What it is compared with, it need not show.
    `thresholds` are lines of checks, by name, that are drawn elsewhere than the studio's.
    """

    mode: ReviewMode = ReviewMode.AUTOMATIC
    within_us: int = 86_400 * US_PER_S
    queue: Queue = Queue.STANDARD
    compare: Compare | None = None
    thresholds: tuple[tuple[str, int], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Refine:
    """How often a shot whose take is refused is made again, within the budget; 0: never."""

    attempts: int = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class PreviewFirst:
    """A preview film before the film itself: on which model, and whether a person must say yes.

    Without a `model` the studio's own for previews makes it. `model_settings` are JSON text, for
    that model. Who is asked has so long to answer, from the moment at which the job waits.
    """

    model: str | None = None
    model_settings: str = "{}"
    ask: bool = False
    within_us: int = 86_400 * US_PER_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Brief:
    """Everything that was asked for; either `prompt` or `shots` says what to show.

    Without `sound` only voice lines are heard; a film with neither is silent. `model_settings` are
    JSON text, for the model alone.
    """

    title: str
    prompt: str = ""
    shots: tuple[Shot, ...] = ()
    references: tuple[Reference, ...] = ()
    output: Output = Output()
    brand: Brand = Brand()
    sound: Sound | None = None
    captions: Captions | None = None
    model: str = "procedural"
    quality: Quality = Quality.FINAL
    tier: Tier = Tier.BATCH
    deadline_us: int | None = None
    budget_uusd: Uusd | None = None
    seed: int = 0
    rights: tuple[RightsSource, ...] = ()
    labels: tuple[tuple[str, str], ...] = ()
    deliver: tuple[str, ...] = ()

    @property
    def is_packaged(self) -> bool:
        """Whether the release is more than a file in its own folder."""
        return self.output.is_streamed or bool(self.deliver)

    effects: tuple[EffectOrder, ...] = ()
    review: Review = Review()
    refine: Refine = Refine()
    model_settings: str = "{}"
    preview_first: PreviewFirst | None = None
