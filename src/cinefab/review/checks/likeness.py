"""Is the film like the one that the brief compares it with?"""

from __future__ import annotations

from collections.abc import Iterator

from cinefab.core.errors import ContractMismatch
from cinefab.core.verdict import CheckFinding, Remark
from cinefab.media.decode import Probe, probe
from cinefab.media.likeness import likeness
from cinefab.review.check import Compared, CutUnderReview

_SCALED_PX_MAX = 2  # sides are even, so proportions are kept to a pixel or two


class Likeness:
    """Refuses a film that is unlike its reference in any frame of those that are compared.

    It decodes both, so it is asked only where a brief says `review.compare`.
    """

    name = "likeness"
    version = "1"

    def examine(self, cut: CutUnderReview, /) -> CheckFinding:
        """Say what differs: their shapes, or else the frame that is least like the reference's."""
        if cut.compared is None:
            return CheckFinding(check=self.name, version=self.version)
        try:
            unlike = tuple(_shapes(probe(cut.path), probe(cut.compared.path), cut.compared))
            scores = {} if unlike else _scores(cut, cut.compared)
        except ContractMismatch as error:
            unlike, scores = (Remark(text=f"it cannot be compared: {error.found}"),), {}
        if not scores:
            return CheckFinding(check=self.name, version=self.version, problems=unlike)
        worst = min(scores, key=lambda frame: scores[frame])
        lowest = scores[worst]
        problems: tuple[Remark, ...] = ()
        if lowest < cut.compared.at_least_db * 100:
            text = (
                f"it is unlike the reference {cut.compared.name}: {lowest / 100:.2f} dB of XPSNR, "
                f"at least {cut.compared.at_least_db} were asked for"
            )
            problems = (Remark(text=text, frame=worst),)
        return CheckFinding(
            check=self.name,
            version=self.version,
            problems=problems,
            figures={
                "lowest_hundredths_db": lowest,
                "mean_hundredths_db": round(sum(scores.values()) / len(scores)),
                "frames_compared": len(scores),
            },
        )


def _scores(cut: CutUnderReview, compared: Compared) -> dict[int, int]:
    return dict(likeness(cut.path, compared.path, every=compared.every))


def _shapes(film: Probe, reference: Probe, compared: Compared) -> Iterator[Remark]:
    def remark(film_has: object, reference_has: object) -> Remark:
        return Remark(text=f"it has {film_has}, the reference {compared.name} has {reference_has}")

    one, other = film.size, reference.size
    if abs(other.height * one.width - one.height * other.width) > _SCALED_PX_MAX * other.width:
        yield remark(f"pictures of {one}", f"{other}, which are other proportions")
    if film.fps != reference.fps:
        yield remark(f"{film.fps} frames a second", reference.fps)
    elif film.frames != reference.frames:
        yield remark(f"{film.frames} frames", reference.frames)
