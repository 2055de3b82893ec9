"""The backend: any pipeline of diffusers, in this process."""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Mapping, Sequence
from fractions import Fraction
from typing import Any, ClassVar

from cinefab.core.brief import Size
from cinefab.core.canonical import Json, Sha256
from cinefab.core.errors import BriefInvalid
from cinefab.generate.backend import (
    AUDIO_HZ,
    ModelCard,
    Samples,
    SoundRequest,
    TakeRequest,
)
from cinefab.generate.fitting import fitted, moved, native_frames
from cinefab.generate.models.diffusers.calling import picture_for, wish_of
from cinefab.generate.models.diffusers.card import Identity, identify
from cinefab.generate.models.diffusers.making import Job, Maker
from cinefab.generate.models.diffusers.seeing import rate_of, sound_from
from cinefab.generate.models.diffusers.settings import SETTINGS_SCHEMA, configured_from
from cinefab.generate.models.diffusers.weights import full_digest
from cinefab.generate.run import ALONE, Run
from cinefab.media.frames import Frame, Rgb


class Diffusers:
    """A model that lies in a folder or on the hub, and is run here by its own pipeline.

    Seeds are drawn on the CPU, a generator for each request, and only deterministic kernels are
    used: the same request gives the same bytes on the same device. Requests that are made in one
    call (`takes`) may differ from those made alone by as much as their sums are split differently;
    a take's lineage says with which others it was made.
    """

    settings_schema: ClassVar[Mapping[str, Any]] = SETTINGS_SCHEMA

    def __init__(
        self, name: str, settings: Mapping[str, Json], _secrets: Mapping[str, str]
    ) -> None:
        self._name = name
        self._configured = configured_from(name, settings)
        self._maker: Maker | None = None

    @property
    def card(self) -> ModelCard:
        """What this model says of itself, read from its files; torch is not imported for it."""
        return self._identity.card

    def load(self) -> None:
        """Load the pipeline; meanwhile every byte of its weights is read for its lineage."""
        if self._maker is not None:
            return
        from cinefab.generate.models.diffusers.loading import load_pipeline

        digest = _Digesting(self._identity)
        pipeline = load_pipeline(self._name, self._configured, self._identity)
        self._maker = Maker(pipeline, self._configured, self._identity, digest.result)

    def check(self, request: TakeRequest, /) -> None:
        """Raise `BriefInvalid` for what the pipeline does not take, without running it."""
        self._loaded().check(wish_of(request.input, request.seed))
        self._pictures(request, Size(16, 16))

    def frames(self, request: TakeRequest, run: Run = ALONE, /) -> Iterator[Frame]:
        """Yield exactly the frames asked for, made at the model's own size and rate."""
        (frames,) = self.takes([request], run)
        yield from frames

    def takes(self, requests: Sequence[TakeRequest], run: Run = ALONE, /) -> list[Iterator[Frame]]:
        """Return the frames of each request, made together in one call of the pipeline.

        The requests must be `compatible`; raises `BriefInvalid` where they are not.
        """
        maker = self._loaded()
        first = requests[0]
        if any(not self.compatible(first, other) for other in requests[1:]):
            raise BriefInvalid(
                attempted="make several takes in one call",
                field="model_settings",
                found="they differ in their size, length or settings",
                remedy="Make them one by one.",
            )
        size = maker.shape.size(first.size)
        pictures = [self._pictures(request, size) for request in requests]
        is_film = self.card.task.endswith("-video")
        job = Job(
            wishes=[wish_of(request.input, request.seed) for request in requests],
            size=size,
            frames=native_frames(first, maker.shape.fps) if is_film else 1,
            pictures=None
            if pictures[0] is None
            else [each for each in pictures if each is not None],
        )
        maker.check(job.wishes[0])
        if is_film:
            made = maker.films(job, run)
            return [
                fitted(each, maker.shape.fps, request)
                for each, request in zip(made, requests, strict=True)
            ]
        stills = maker.stills(job, run)
        return [moved(each, request) for each, request in zip(stills, requests, strict=True)]

    def compatible(self, one: TakeRequest, other: TakeRequest, /) -> bool:
        """Say whether two requests can be made in one call; quick."""
        return (
            "batch" in self.card.capabilities
            and _extent(one) == _extent(other)
            and wish_of(one.input, 0).shared == wish_of(other.input, 0).shared
        )

    def samples(self, request: SoundRequest, run: Run = ALONE, /) -> Samples:
        """Return exactly the samples asked for, of a model that makes sound."""
        maker = self._loaded()
        wish = wish_of(request.input, request.seed)
        maker.check(wish)
        made = maker.sound(wish, Fraction(request.samples, AUDIO_HZ), run)
        return sound_from(made, rate_of(maker.pipeline), request.samples)

    @functools.cached_property
    def _identity(self) -> Identity:
        return identify(self._name, self._configured)

    def _loaded(self) -> Maker:
        self.load()
        assert self._maker is not None, "load leaves a maker"
        return self._maker

    def _pictures(self, request: TakeRequest, size: Size) -> Rgb | None:
        if not self.card.task.startswith("image-to"):
            return None
        given: Any = request.input
        names = given.get("references") or ()
        if not names:
            raise BriefInvalid(
                attempted="begin with a picture",
                field="references",
                found=f"{self._name} begins with a picture, and the shot has none",
                remedy="Give the shot a reference, or choose a model of words alone.",
            )
        return picture_for(request.references[names[0]], size)


class _Digesting:
    """Reads every byte of a model's folder in a thread of its own, beside the loading."""

    def __init__(self, identity: Identity) -> None:
        self._folder = identity.files.folder
        self._found: Sha256 | None = None
        self._thread = threading.Thread(target=self._read, name="weights-digest", daemon=True)
        self._thread.start()

    def result(self) -> Sha256 | None:
        """Return the digest; None for a repository of the hub, which its commit names."""
        self._thread.join()
        return self._found

    def _read(self) -> None:
        if self._folder is not None:
            self._found = full_digest(self._folder)


def _extent(request: TakeRequest) -> tuple[Any, ...]:
    return request.size, request.fps, request.frames
