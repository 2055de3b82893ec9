"""More frames than the model drew: what moved is drawn where it was on its way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import cv2
import numpy as np
from numpy.typing import NDArray

from cinefab.assemble.effect import EffectCard, EffectWork
from cinefab.assemble.effects.optical_flow import (
    Flow,
    floats,
    flow_between,
    frame_of,
    half,
    halved,
    moved,
)
from cinefab.core.effect import EffectNeed
from cinefab.media.frames import Frame, planes

_LOST: Final = 0.55
"""Of a picture: where more of it is found in neither direction, the frames are of two scenes."""

CARD: Final = EffectCard(
    name="interpolate",
    version="1",
    settings_schema={
        "title": "Interpolate",
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "factor": {
                "type": "integer",
                "minimum": 1,
                "maximum": 4,
                "default": 2,
                "description": "Write 2, 3 or 4: how many times fewer frames the model draws",
            },
        },
    },
    neutral={"factor": 1},
)

Floats = NDArray[np.float32]


class Interpolate:
    """Draws the frames between two by their motion in both directions.

    A pixel is taken from the side on which it is seen: where motion there and back disagree,
    something was hidden. Where nothing agrees both sides are mixed, and between two scenes the
    nearer frame stands.
    """

    @property
    def card(self) -> EffectCard:
        """What this effect says of itself."""
        return CARD

    def need(self, settings: Mapping[str, Any], /) -> EffectNeed:
        """Return what it asks of its frames: so many times fewer of them."""
        return EffectNeed(thin=int(settings.get("factor", 2)), cost_us_per_megapixel=110_000)

    def apply(self, frames: Iterator[Frame], work: EffectWork, /) -> Iterator[Frame]:
        """Yield the frames that come, and those between them."""
        factor = int(work.settings.get("factor", 2))
        if factor == 1:
            yield from frames
            return
        at = work.comes.first
        before, after = next(frames).copy(), None
        between: _Between | None = None
        for wanted in range(work.wanted.first, work.wanted.first + work.wanted.frames):
            place, phase = divmod(wanted, factor)
            while at < place:
                before = next(frames).copy() if after is None else after
                after, between, at = None, None, at + 1
            if phase == 0:
                yield before
                continue
            if after is None:
                after = next(frames).copy()
            if between is None:
                between = _between(before, after)
            yield between.at(phase / factor)


@dataclass(frozen=True, slots=True, eq=False)
class _Between:
    """Two frames, and where each one's pixels are in the other."""

    before: Frame
    after: Frame
    there: Flow
    back: Flow
    are_one_scene: bool

    def at(self, time: float) -> Frame:
        """Return the frame at `time` of the way, which is above 0 and below 1."""
        if not self.are_one_scene:
            return self.before if time < 0.5 else self.after
        t = np.float32(time)
        # Where a pixel of the frame between was and will be, if motion is even on the way.
        to_before = -(1 - t) * t * self.there + t * t * self.back
        to_after = (1 - t) * (1 - t) * self.there - t * (1 - t) * self.back
        old, new = floats(self.before), floats(self.after)
        from_old, from_new = moved(old[0], to_before), moved(new[0], to_after)
        # How far motion there and back disagree where each side takes its pixel from.
        lost_old = _missed(self.there, self.back, to_before)
        lost_new = _missed(self.back, self.there, to_after)
        seen_old = (1 - t) * np.exp(-lost_old) + np.float32(1e-3) * (1 - t)
        seen_new = t * np.exp(-lost_new) + np.float32(1e-3) * t
        share = seen_new / (seen_old + seen_new)
        small_old, small_new, small = (
            halved(to_before),
            halved(to_after),
            half(share.astype(np.float32)),
        )
        luma = from_old + share * (from_new - from_old)
        chroma = []
        for one, other in zip(old[1:], new[1:], strict=True):
            start = moved(one, small_old)
            chroma.append(start + small * (moved(other, small_new) - start))
        return frame_of(luma, *chroma)


def _between(before: Frame, after: Frame) -> _Between:
    one, other = planes(before)[0], planes(after)[0]
    there = flow_between(one, other, careful=True)
    back = flow_between(other, one, careful=True)
    apart = np.abs(moved(other.astype(np.float32), there) - one)
    lost = float(np.mean(np.asarray(cv2.blur(apart, (9, 9))) > 24))
    return _Between(before, after, there, back, lost < _LOST)


def _missed(flow: Flow, other: Flow, where: Flow) -> Floats:
    """Return by how many pixels `flow` and the way back by `other` miss, as seen at `where`."""
    back_x = moved(np.ascontiguousarray(other[..., 0]), flow)
    back_y = moved(np.ascontiguousarray(other[..., 1]), flow)
    miss = np.hypot(flow[..., 0] + back_x, flow[..., 1] + back_y).astype(np.float32)
    return moved(miss, where)
