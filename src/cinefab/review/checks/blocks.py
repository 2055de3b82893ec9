"""Does the picture fall into the coder's squares?"""

from __future__ import annotations

from typing import Final

import numpy as np

from cinefab.core.brief import Quality
from cinefab.core.verdict import CheckFinding, Remark
from cinefab.media.encode import KEYFRAME_EVERY
from cinefab.review.check import CutUnderReview
from cinefab.review.figures import Series
from cinefab.review.runs import runs

_USUAL_PERCENT: Final = 15  # of a shot's frames, at least, are as they should be
_FRAMES_MIN: Final = 3  # every other frame is looked at: two of those, as one alone is noise
_KEYFRAME_SHOWS_FRAMES: Final = 12  # the coder's own squares, until it has coded over them


class Blocks:
    """Refuses pictures whose pixels step at the borders of blocks, by themselves or suddenly."""

    name = "blocks"
    version = "3"
    takes = True

    def examine(self, cut: CutUnderReview, /) -> CheckFinding:
        """Name the first blocky frame of each piece."""
        lines, footage = cut.thresholds, cut.footage
        problems: list[Remark] = []
        worst = 0
        for stretch in footage.stretches:
            blocks = footage.of(stretch, "blocks")
            if not blocks.size:
                continue
            preview = stretch.ordered.quality is Quality.PREVIEW
            most = limit = lines.blocks_preview_max if preview else lines.blocks_max
            if stretch.is_body:
                usual = max(0, int(np.percentile(blocks, _USUAL_PERCENT)))
                jump = lines.blocks_preview_jump_max if preview else lines.blocks_jump_max
                limit = min(limit, usual + jump)
            worst = max(worst, int(blocks.max()))
            blocky = [
                run
                for run in runs(blocks > limit)
                if len(run) >= _FRAMES_MIN and not _is_of_a_keyframe(run, blocks, most=most)
            ]
            for run in blocky[:1]:
                text = f"it shows coding blocks for {len(run)} frames"
                problems.append(Remark(text=text, frame=stretch.start + run.start))
        return CheckFinding(
            check=self.name,
            version=self.version,
            problems=tuple(problems),
            figures={"blocks_most": worst},
        )


def _is_of_a_keyframe(run: range, blocks: Series, *, most: int) -> bool:
    """Say whether squares begin with a keyframe, fade, and are not many even so."""
    return (
        run.start % KEYFRAME_EVERY == 0
        and len(run) <= _KEYFRAME_SHOWS_FRAMES
        and int(blocks[run.start : run.stop].max()) <= most
    )
