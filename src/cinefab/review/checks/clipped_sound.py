"""Does the sound run into full scale?"""

from __future__ import annotations

from cinefab.core.verdict import CheckFinding, Remark
from cinefab.review.check import CutUnderReview


class ClippedSound:
    """Refuses sound that stays at full scale for samples on end."""

    name = "clipped_sound"
    version = "1"

    def examine(self, cut: CutUnderReview, /) -> CheckFinding:
        """Name the frame at which it first does."""
        heard = cut.heard
        if heard is None:
            return CheckFinding(check=self.name, version=self.version)
        problems: tuple[Remark, ...] = ()
        if heard.clipped > cut.thresholds.clipped_sounds_max:
            text = f"its sound is clipped {heard.clipped} times"
            problems = (Remark(text=text, frame=cut.frame_at(heard.clipped_at_ms)),)
        return CheckFinding(
            check=self.name,
            version=self.version,
            problems=problems,
            figures={"clipped_sounds": heard.clipped},
        )
