"""Does the sound run into full scale?"""

from __future__ import annotations

from cinefab.core.verdict import CheckFinding, Remark
from cinefab.review.check import CutUnderReview


class ClippedSound:
    """Refuses sound that stays at full scale, or whose peaks do not rise above it as the mix's do.

    What was cut off and turned down, or smoothed by the coder, is at full scale no more; but its
    peaks have lost their height, against how loud it is.
    """

    name = "clipped_sound"
    version = "2"

    def examine(self, cut: CutUnderReview, /) -> CheckFinding:
        """Name the frame at which it first does; lost height is the whole film's."""
        heard, lines = cut.heard, cut.thresholds
        if heard is None:
            return CheckFinding(check=self.name, version=self.version)
        problems: list[Remark] = []
        lost = _height(heard.mix_peak_hundredths, heard.mix_lufs_hundredths) - _height(
            heard.peak_hundredths, heard.lufs_hundredths
        )
        if heard.clipped > lines.clipped_sounds_max:
            text = f"its sound is clipped {heard.clipped} times"
            problems.append(Remark(text=text, frame=cut.frame_at(heard.clipped_at_ms)))
        elif lost > lines.peak_lost_hundredths_max:
            text = f"its peaks are cut off: they are {lost / 100:.1f} dB lower than its mix's"
            problems.append(Remark(text=text))
        return CheckFinding(
            check=self.name,
            version=self.version,
            problems=tuple(problems),
            figures={"clipped_sounds": heard.clipped, "peak_lost_hundredths": lost},
        )


def _height(peak: int | None, lufs: int | None) -> int:
    """Return how far a sound's highest peak lies above its loudness; 0 for silence."""
    return 0 if peak is None or lufs is None else peak - lufs
