"""Is the film as loud as its mix, and no louder than players can give?"""

from __future__ import annotations

from cinefab.core.verdict import CheckFinding, Remark
from cinefab.review.check import CutUnderReview


class Loudness:
    """Refuses a film whose loudness is not its mix's, or whose true peak is too high.

    The mix was mastered to what the brief ordered; what is heard must be that. EBU R128.
    """

    name = "loudness"
    version = "1"

    def examine(self, cut: CutUnderReview, /) -> CheckFinding:
        """Compare; a film without sound has nothing to say."""
        heard, lines = cut.heard, cut.thresholds
        if heard is None:
            return CheckFinding(check=self.name, version=self.version)
        problems: list[Remark] = []
        lufs, meant = heard.lufs_hundredths, heard.mix_lufs_hundredths
        if lufs is not None and meant is not None:
            apart = abs(lufs - meant)
            if apart > lines.loudness_hundredths_max:
                text = f"it is {lufs / 100:.1f} LUFS loud, its mix {meant / 100:.1f}"
                problems.append(Remark(text=text))
        if heard.peak_hundredths is not None and heard.peak_hundredths > lines.peak_hundredths_max:
            text = f"its true peak is {heard.peak_hundredths / 100:.1f} dBTP"
            problems.append(Remark(text=text))
        named = {"lufs_hundredths": lufs, "peak_hundredths": heard.peak_hundredths}
        return CheckFinding(
            check=self.name,
            version=self.version,
            problems=tuple(problems),
            figures={name: value for name, value in named.items() if value is not None},
        )
