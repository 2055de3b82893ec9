"""The shape of a brief as people write it, for the parser and for their editors.

The classes are the published JSON Schema; `ingest.brief` turns what they accept into the frozen
values of `core.brief`.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import Annotated, Any, Final

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    model_validator,
)

from cinefab.core.brief import (
    ASSET,
    UPLOAD,
    Camera,
    Fit,
    Quality,
    Role,
    Tier,
    TransitionKind,
)
from cinefab.ingest.brief_scalars import (
    Colour,
    Dollars,
    Effect,
    FieldRefused,
    File,
    Format,
    FramesPerSecond,
    Label,
    Location,
    ModelSettings,
    ReferenceName,
    Seconds,
    Side,
    Speed,
    StartSeconds,
    TransitionSeconds,
)
from cinefab.ingest.brief_schema_base import Document, or_text
from cinefab.ingest.brief_schema_preview import (
    MODEL_PATTERN,
    PreviewFirstDocument,
    expand_preview_first,
)
from cinefab.ingest.brief_schema_review import RefineDocument, ReviewDocument, expand_review
from cinefab.ingest.brief_schema_rights import RightsDocument
from cinefab.ingest.brief_schema_sound import CaptionsDocument, SoundDocument
from cinefab.ingest.brief_text import describe

SHOTS_MAX: Final = 64
FILM_MS_MAX: Final = 600_000


def brief_schema() -> dict[str, Any]:
    """Return the brief's JSON Schema (2020-12), with titles, descriptions and examples."""
    schema = BriefDocument.model_json_schema(mode="validation", by_alias=True)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:cinefab:schema:brief:1",
        **schema,
    }


_PLACES: Final = ("file", "url", "asset", "upload")
_ONE_LOCATION: Final[dict[str, Any]] = {"oneOf": [{"required": [each]} for each in _PLACES]}


def _expand_reference(value: object) -> object:
    if not isinstance(value, str):
        return value
    return {"url" if "://" in value else "file": value}


def _expand_transition(value: object) -> object:
    return {"kind": value} if isinstance(value, str) else value


def _expand_size(value: object) -> object:
    if not isinstance(value, str):
        return value
    if not (sides := re.fullmatch(r" *([0-9]{1,6}) *x *([0-9]{1,6}) *", value)):
        raise FieldRefused(f"found {describe(value)}", "Write width and height, such as 1280x720.")
    return {"width": int(sides[1]), "height": int(sides[2])}


class ReferenceDocument(Document):
    """A picture that the film may show: a file, a URL, or what the studio has, and what it is for."""

    model_config = ConfigDict(
        title="Reference",
        json_schema_extra=or_text(
            "Reference",
            "A file, or an http(s) URL",
            ["coffee.png", "https://example.com/cup.jpg"],
            **_ONE_LOCATION,
        ),
    )

    file: File | None = None
    """A file, relative to the brief's own folder."""
    url: Location | None = None
    """An http or https URL."""
    asset: str | None = Field(None, pattern="^ast_[0-9a-z]{1,60}$")
    """An asset that the studio has, by its id."""
    upload: str | None = Field(None, pattern="^upl_[0-9a-z]{1,60}$")
    """An upload that has become an asset, by the upload's id."""
    role: Annotated[Role, Field(strict=False)] = Role.AUTO
    """What it is for; auto lets the picture decide."""
    script: str = Field("", max_length=20_000)
    """What is said in a sound or a video, word for word: each word is given its time."""
    language: str | None = Field(None, pattern="^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$")
    """The language that is spoken, such as en-us; of use with a script or a speech recogniser."""

    @model_validator(mode="after")
    def _has_one_location(self) -> ReferenceDocument:
        written = [name for name in _PLACES if getattr(self, name) is not None]
        if len(written) != 1:
            found = " and ".join(written) if written else "none of file, url, asset and upload"
            raise FieldRefused(f"found {found}", "Write exactly one of them.")
        if self.url is not None and not re.match("https?://[^/]", self.url):
            raise FieldRefused(
                f"found the URL {describe(self.url)}", "Write an http or https URL, or a file."
            )
        return self

    @property
    def location(self) -> str:
        """The file, the URL, or what the studio has, whichever was written."""
        if self.asset is not None:
            return f"{ASSET}{self.asset}"
        if self.upload is not None:
            return f"{UPLOAD}{self.upload}"
        return self.file or self.url or ""


class ListedReferenceDocument(ReferenceDocument):
    """A reference that says its own name, for references written as a list."""

    model_config = ConfigDict(title="Named reference", json_schema_extra=_ONE_LOCATION)

    name: ReferenceName
    """The name that shots use."""


class TransitionDocument(Document):
    """How a shot begins: its kind, and its length centred on the cut."""

    model_config = ConfigDict(
        title="Transition",
        json_schema_extra=or_text(
            "Transition", "A kind of transition: " + ", ".join(TransitionKind), ["wipe"]
        ),
    )

    kind: Annotated[TransitionKind, Field(strict=False)] = TransitionKind.AUTO
    """A cut, a dissolve, a wipe, a dip through the brand's first colour, or auto."""
    length_ms: TransitionSeconds = Field(
        default_factory=lambda: 500, validation_alias="seconds", json_schema_extra={"default": 0.5}
    )
    """Its length in seconds; a cut has none."""


class ClipDocument(Document):
    """A stretch of a reference video, shown as it is instead of a generated picture."""

    model_config = ConfigDict(title="Clip")

    reference: str
    """The name of a reference that is a video."""
    start_ms: StartSeconds = Field(
        default_factory=lambda: 0, validation_alias="start", json_schema_extra={"default": 0}
    )
    """Where in the video it starts, in seconds."""
    speed: Speed = Field(
        default_factory=lambda: Fraction(1), examples=[0.5, 2], json_schema_extra={"default": 1}
    )
    """How many times faster than it was filmed, 0.1 to 10."""
    fit: Annotated[Fit, Field(strict=False)] = Fit.COVER
    """Fill the picture and cut the edges off (cover), or show the whole of it (contain)."""


class ShotDocument(Document):
    """A stretch of the timeline: how long it is, what it shows, what it says."""

    model_config = ConfigDict(title="Shot")

    length_ms: Seconds = Field(validation_alias="seconds", examples=[3, 2.5])
    """Its length in seconds, half of its transitions included."""
    prompt: str = Field(default="", max_length=2000)
    """What to show, for models that read prompts."""
    caption: str = Field(default="", max_length=200, examples=["Picked by hand"])
    """The words on the picture, in any bundled script."""
    references: list[str] = Field(default_factory=list, max_length=8)
    """Names of the references it shows; without any it shows type and colour alone."""
    camera: Annotated[Camera, Field(strict=False)] = Camera.AUTO
    """How the view moves; auto leaves it to the planner."""
    transition: Annotated[TransitionDocument, BeforeValidator(_expand_transition)] = Field(
        default_factory=TransitionDocument
    )
    """How it takes over from the shot before it."""
    voice: str = Field(default="", max_length=500)
    """A line to speak over it, in the voice that sound.voice names."""
    clip: ClipDocument | None = None
    """A reference video to be cut in here; its caption is set over it."""
    effects: list[Effect] = Field(
        default_factory=list, max_length=16, examples=[[{"sharpen": {"amount": 0.4}}]]
    )
    """Effects on its picture, in order, before those of the whole film."""
    seed: int | None = Field(default=None, ge=0, le=2**53 - 1)
    """Where its chance starts, if not where the film's does."""
    model_settings: ModelSettings = Field(
        default="{}", examples=[{"steps": 30}], json_schema_extra={"default": {}}
    )
    """Settings of the film's model for this shot, laid over the film's own."""


class SizeDocument(Document):
    """A picture's size in pixels, both even."""

    model_config = ConfigDict(
        title="Size",
        json_schema_extra=or_text("Size", "Width and height, such as 1280x720", ["1280x720"]),
    )

    width: Side
    """Pixels from left to right, even."""
    height: Side
    """Pixels from top to bottom, even."""


class OutputDocument(Document):
    """The film's shape."""

    model_config = ConfigDict(title="Output")

    size: Annotated[SizeDocument, BeforeValidator(_expand_size)] = Field(
        default_factory=lambda: SizeDocument(width=1280, height=720),
        json_schema_extra={"default": "1280x720"},
    )
    """Width and height."""
    fps: FramesPerSecond = Field(
        default_factory=lambda: Fraction(24),
        examples=[24, 29.97, "30000/1001"],
        json_schema_extra={"default": 24},
    )
    """Frames a second."""
    formats: list[Format] = Field(default_factory=lambda: ["mp4"], min_length=1)
    """The containers to deliver; hls and dash read one set of files. With png, jpeg or webp a still
    of each shot is delivered beside the film, which is there in any case, and with wav, flac, mp3,
    aac or opus what is spoken, by itself."""
    ladder: list[Side] = Field(
        default_factory=list, min_length=1, max_length=8, examples=[[720, 480, 360]]
    )
    """The rungs of a stream by their shorter side in pixels, largest first; left to the film's
    size when left out."""


class BrandDocument(Document):
    """How the film should look."""

    model_config = ConfigDict(title="Brand")

    logo: Location | None = None
    """The name of a reference, or a file or URL."""
    colours: list[Colour] = Field(
        default_factory=list, max_length=8, examples=[["#6b1f12", "#f4e6d2"]]
    )
    """Colours as '#rrggbb', in quotes, the most important first."""
    font: File | None = None
    """A TrueType or OpenType file."""
    lut: File | None = None
    """A .cube file that grades the picture."""


def _mapping_or_list(value: object) -> str | None:
    if isinstance(value, dict):
        return "mapping"
    return "list" if isinstance(value, list) else None


References = Annotated[
    Annotated[
        dict[ReferenceName, Annotated[ReferenceDocument, BeforeValidator(_expand_reference)]],
        Tag("mapping"),
        Field(max_length=256),
    ]
    | Annotated[list[ListedReferenceDocument], Tag("list"), Field(max_length=256)],
    Discriminator(_mapping_or_list),
]


class BriefDocument(Document):
    """What a film should be: a prompt or a storyboard, and everything around it."""

    model_config = ConfigDict(
        title="Cinefab brief",
        json_schema_extra={"anyOf": [{"required": ["prompt"]}, {"required": ["shots"]}]},
    )

    title: str = Field(min_length=1, max_length=200, examples=["Morning, poured slowly"])
    """The film's name; it opens a film that is made from a prompt."""
    prompt: str = Field(default="", max_length=4000)
    """What to show, in sentences; the planner makes shots of it when there are none."""
    shots: list[ShotDocument] = Field(default_factory=list, min_length=1, max_length=SHOTS_MAX)
    """The storyboard, in order."""
    references: References = Field(default_factory=dict, examples=[{"product": "coffee.png"}])
    """Pictures by the names that shots use, as a mapping or as a list."""
    output: OutputDocument = Field(default_factory=OutputDocument)
    """Size, frames a second, containers."""
    brand: BrandDocument = Field(default_factory=BrandDocument)
    """Logo, colours, font, LUT."""
    sound: SoundDocument | None = None
    """Music, effects, voice, loudness; without it only voice lines are heard."""
    captions: CaptionsDocument | None = None
    """What is spoken, as files and on the picture; without it, as both files."""
    model: str = Field(
        default="procedural",
        pattern=MODEL_PATTERN,
        max_length=128,
    )
    """The model that makes the takes, with @version to pin one."""
    model_settings: ModelSettings = Field(
        default="{}", examples=[{"steps": 20}], json_schema_extra={"default": {}}
    )
    """Settings that this model has of its own; its card says which."""
    quality: Annotated[Quality, Field(strict=False)] = Quality.FINAL
    """A quick look, or the thing itself."""
    tier: Annotated[Tier, Field(strict=False)] = Tier.BATCH
    """Who waits for it: a person, or nobody."""
    deadline: str | None = Field(
        default=None, max_length=64, examples=["10m", "2030-01-31T18:00:00+01:00"]
    )
    """When it must be there: a time with its zone, or how long from now (30s, 10m, 2h, 1d)."""
    budget_uusd: Dollars | None = Field(
        default=None, validation_alias="budget", examples=[0.25, "0.25"]
    )
    """The most that it may cost, in US dollars, to the millionth."""
    seed: int = Field(default=0, ge=0, le=2**53 - 1)
    """Where chance starts; the same seed makes the same film."""
    rights: RightsDocument = Field(default_factory=RightsDocument)
    """What it is made from, and who is paid."""
    labels: dict[Label, str] = Field(
        default_factory=dict, max_length=64, examples=[{"campaign": "autumn"}]
    )
    """Words of your own, to find it by."""
    deliver: list[Location] = Field(
        default_factory=list,
        max_length=8,
        examples=[["https://media.example.com/films/spot", "s3://films/spot"]],
    )
    """Where the release is sent beyond its own folder: places that the studio's settings allow."""
    effects: list[Effect] = Field(
        default_factory=list, max_length=16, examples=[[{"grade": {"saturation": 0.9}}]]
    )
    """Effects on every shot's picture, in order."""
    review: Annotated[ReviewDocument, BeforeValidator(expand_review)] = Field(
        default_factory=ReviewDocument
    )
    """Who passes it: its checks alone, or a person after them."""
    refine: RefineDocument = Field(default_factory=RefineDocument)
    """How often a shot that a check refuses is made again, within the budget."""
    preview_first: Annotated[PreviewFirstDocument | None, BeforeValidator(expand_preview_first)] = (
        Field(default=None, examples=[True, {"ask": True, "within": "2h"}])
    )
    """Make a small film of the same composition on a cheap model first, then the film itself."""
