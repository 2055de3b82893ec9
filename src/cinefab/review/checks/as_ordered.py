"""Is the cut what was ordered: its shape, every frame of it, and nothing but its pieces?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from cinefab.core.verdict import CheckFinding, Remark
from cinefab.review.check import CutUnderReview
from cinefab.review.figures import Stretch

_COLOURS: Final = "bt709/limited/yuv420p"


class AsOrdered:
    """Compares a cut with its order, piece by piece.

    Refuses another size, rate, length or number of frames, colours that players would read by
    another matrix, a frame that could not be decoded, and whatever in the film's file is not its
    pieces' own pictures, each shown once and in time.
    """

    name = "as_ordered"
    version = "2"
    takes = True

    def examine(self, cut: CutUnderReview, /) -> CheckFinding:
        """Say what differs."""
        problems = list(cut.differences)
        for stretch in cut.footage.stretches:
            problems += _differences(cut, stretch)
        made = sum(stretch.seen.frames for stretch in cut.footage.stretches)
        if made != cut.frames:
            text = f"it has {made} frames, ordered were {cut.frames}"
            problems.append(Remark(text=text, frame=min(made, cut.frames)))
        return CheckFinding(
            check=self.name,
            version=self.version,
            problems=tuple(problems),
            figures={"frames_decoded": cut.footage.frames},
        )


def _differences(cut: CutUnderReview, stretch: Stretch) -> Iterator[Remark]:
    seen, start = stretch.seen, stretch.start
    if seen.size != cut.size:
        yield Remark(text=f"its pictures are {seen.size}, ordered were {cut.size}", frame=start)
    if seen.fps != cut.fps:
        text = f"it runs at {seen.fps} frames a second, ordered were {cut.fps}"
        yield Remark(text=text, frame=start)
    if seen.colours != _COLOURS:
        text = f"its colours are marked as {seen.colours} instead of {_COLOURS}"
        yield Remark(text=text, frame=start)
    if seen.frames != stretch.ordered.frames:
        text = f"a piece has {seen.frames} frames, ordered were {stretch.ordered.frames}"
        yield Remark(text=text, frame=start + min(seen.frames, stretch.ordered.frames))
    if seen.broken is not None:
        frame, reason = seen.broken
        yield Remark(text=f"a frame cannot be decoded: {reason}", frame=start + frame)
    elif len(stretch.frames) != seen.frames:
        text = f"only {len(stretch.frames)} of a piece's {seen.frames} frames can be decoded"
        yield Remark(text=text, frame=stretch.frames.stop)
