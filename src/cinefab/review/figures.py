"""Figures of pieces: written down, read back, and joined to those of a film.

A film is joined by packets, so what was seen of a piece when it was made is what the film shows
there. Only what lies across a border between two pieces is computed anew, from the thumbs of the
frames on its two sides.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cinefab.core.brief import Quality, Size
from cinefab.core.canonical import Json, Sha256
from cinefab.media.inspect import INSPECTION, SERIES, THUMB_LEVELS, FilmInspection

MEASURE: Final = f"film/{INSPECTION}"
"""What figures of a piece are kept under, beside its digest."""

Series = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Ordered:
    """What a piece was to be: the shots that it shows, and what they were given.

    `transition` is the kind of a transition and empty for a body; `colours` are the brand's,
    `changes` the frames from which words over the picture are others, or gone, `references` the
    pictures that are shown, `masks` of those of which only the product may be, by picture, and
    `laid_over` the pictures of logos and overlays. `words` says that type is to be read in it,
    `graded` that colours were changed on purpose, `filmed` that it is cut in from somebody's film,
    whose cuts and moves are theirs, `quality` how much care the encoder took.
    """

    shots: tuple[int, ...]
    frames: int
    transition: str = ""
    colours: tuple[str, ...] = ()
    changes: tuple[int, ...] = ()
    references: tuple[Sha256, ...] = ()
    masks: Mapping[Sha256, Sha256] = field(default_factory=dict)
    laid_over: tuple[Sha256, ...] = ()
    words: bool = False
    graded: bool = False
    filmed: bool = False
    quality: Quality = Quality.FINAL

    @property
    def looked_at(self) -> Mapping[Sha256, Sha256 | None]:
        """The pictures whose looks it is judged by, each with its mask if it has one."""
        return {each: self.masks.get(each) for each in (*self.references, *self.laid_over)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A piece in its place: the number of its first frame in the film, what was ordered and seen."""

    start: int
    ordered: Ordered
    seen: FilmInspection

    @property
    def frames(self) -> range:
        """The numbers of its frames in the film, as many as could be decoded."""
        return range(self.start, self.start + len(self.seen.series["luma"]))

    @property
    def is_body(self) -> bool:
        """Whether it is a picture made for one shot, and not on the way from one to the next."""
        return not self.ordered.transition and not self.ordered.filmed


@dataclass(frozen=True, slots=True, kw_only=True)
class Footage:
    """A film as it was seen: its pieces in order, and one series over all of its frames by name."""

    fps: Fraction
    stretches: tuple[Stretch, ...]
    series: Mapping[str, Series]

    @property
    def frames(self) -> int:
        """How many frames were seen."""
        return len(self.series["luma"])

    @property
    def bodies(self) -> tuple[Stretch, ...]:
        """The stretches that were made for one shot each, and have frames at all."""
        return tuple(each for each in self.stretches if each.is_body and each.frames)

    def shots_at(self, frame: int) -> tuple[int, ...]:
        """Return the shots that a frame shows; the last ones where it lies beyond the end."""
        for stretch in self.stretches:
            if frame < stretch.frames.stop:
                return stretch.ordered.shots
        return self.stretches[-1].ordered.shots

    def unchanged(self, stretch: Stretch) -> Iterator[range]:
        """Yield the frames of a stretch in parts between which only what was ordered changes.

        Words that come or go make the picture leap: whoever looks for leaps looks inside of these.
        """
        changes = [at for at in stretch.ordered.changes if 0 < at < len(stretch.frames)]
        for first, last in pairwise([0, *changes, len(stretch.frames)]):
            yield range(stretch.start + first, stretch.start + last)

    def of(self, stretch: Stretch, name: str) -> Series:
        """Return one series of one stretch."""
        return self.series[name][stretch.frames.start : stretch.frames.stop]

    def frames_in(self, length_ms: int) -> int:
        """Return how many whole frames fit into a length; at least one."""
        return max(1, int(length_ms * self.fps / 1000))


def join_footage(pieces: Sequence[tuple[FilmInspection, Ordered]], *, fps: Fraction) -> Footage:
    """Return the film that `pieces` come to, one after another."""
    stretches: list[Stretch] = []
    start = 0
    for seen, ordered in pieces:
        stretches.append(Stretch(start=start, ordered=ordered, seen=seen))
        start = stretches[-1].frames.stop
    series: dict[str, Series] = {
        name: np.concatenate(
            [np.asarray(each.seen.series[name], np.int64) for each in stretches]
            or [np.zeros(0, np.int64)]
        )
        for name in SERIES
    }
    for before, after in pairwise(stretches):
        if before.seen.last and after.seen.first and after.frames:
            _join_at(series, after, before.seen.last)
    return Footage(fps=fps, stretches=tuple(stretches), series=series)


def figures_document(seen: FilmInspection) -> dict[str, Any]:
    """Return figures as JSON."""
    return {
        "measure": MEASURE,
        "size": [seen.size.width, seen.size.height],
        "fps": str(seen.fps),
        "frames": seen.frames,
        "codec": seen.codec,
        "colours": seen.colours,
        "packets": seen.packets,
        "series": {name: list(values) for name, values in seen.series.items()},
        "hues": list(seen.hues),
        "grey": seen.grey,
        "first": base64.b64encode(seen.first).decode(),
        "last": base64.b64encode(seen.last).decode(),
        "broken": None if seen.broken is None else list(seen.broken),
    }


def figures_from_document(document: Json) -> FilmInspection:
    """Return what `figures_document` wrote."""
    assert isinstance(document, dict), "figures are an object"
    fields: dict[str, Any] = dict(document)
    assert fields.pop("measure") == MEASURE, "figures of another measure are never read"
    width, height = fields["size"]
    broken = fields["broken"]
    return FilmInspection(
        **fields
        | {
            "size": Size(width, height),
            "fps": Fraction(fields["fps"]),
            "first": base64.b64decode(fields["first"]),
            "last": base64.b64decode(fields["last"]),
            "broken": None if broken is None else (broken[0], broken[1]),
        }
    )


def ordered_document(ordered: Ordered) -> dict[str, Any]:
    """Return what was ordered as JSON."""
    return {
        "shots": list(ordered.shots),
        "frames": ordered.frames,
        "transition": ordered.transition,
        "colours": list(ordered.colours),
        "changes": list(ordered.changes),
        "references": list(ordered.references),
        "masks": dict(ordered.masks),
        "laid_over": list(ordered.laid_over),
        "words": ordered.words,
        "graded": ordered.graded,
        "filmed": ordered.filmed,
        "quality": ordered.quality.value,
    }


def ordered_from_document(document: Json) -> Ordered:
    """Return what `ordered_document` wrote."""
    assert isinstance(document, dict), "what was ordered is an object"
    fields: dict[str, Any] = dict(document)
    for name in ("shots", "colours", "changes", "references", "laid_over"):
        fields[name] = tuple(fields[name])
    return Ordered(**fields | {"quality": Quality(fields["quality"])})


def _join_at(series: dict[str, Series], after: Stretch, last: bytes) -> None:
    start = after.start
    one, other = (
        np.frombuffer(thumb, np.uint8).astype(np.int64) for thumb in (last, after.seen.first)
    )
    if one.shape != other.shape:
        return  # pieces of two sizes are one film no more, and another check says so
    apart = np.abs(one - other)
    series["step"][start] = round(float(apart.mean()) * 100)
    series["step_peak"][start] = int(apart.max())
    if apart.max() > THUMB_LEVELS:
        return
    # The picture that stood before the border goes on standing until it changes.
    still = series["still"]
    changes = np.flatnonzero(still[start + 1 :] == 0)
    end = start + 1 + int(changes[0]) if changes.size else len(still)
    stop = min(end, after.frames.stop)
    still[start:stop] += still[start - 1] + 1
