"""Every check that is installed keeps every promise of its contract, and a broken one is found."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
from drawn_takes import Take, photographs, takes
from reviewed_films import a_cut, alive, black, standing

from cinefab.app.plugins import find_plugins, load_plugin
from cinefab.conformance.checks import PROMISES, Case
from cinefab.conformance.defects import PICTURE_FAULTS
from cinefab.conformance.sound_defects import SOUND_FAULTS
from cinefab.core.canonical import Sha256
from cinefab.core.errors import ContractMismatch
from cinefab.core.verdict import CheckFinding, Remark
from cinefab.media.audio import Sound, write_aac, write_flac
from cinefab.media.encode import FINAL, encode
from cinefab.media.frames import Frame
from cinefab.media.hearing import hear
from cinefab.media.join import join
from cinefab.media.look import Look
from cinefab.review.check import Check, Compared, CutUnderReview
from cinefab.review.checks.likeness import Likeness
from cinefab.review.figures import join_footage

OF_TAKES = {
    "blocks": "blocks",
    "blur": "blur",
    "clipping": "clipping",
    "colour": "wrong colour",
    "flicker": "flicker",
}
OF_SOUND = {"silence": "silence", "clipped_sound": "clipped sound", "sync": "late sound"}
SECONDS = 4


@pytest.fixture(scope="module")
def cases(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Case]:
    """Films for each check: sound ones, and some with the fault that it is there for."""
    folder = tmp_path_factory.mktemp("films")
    plain = a_cut(folder / "plain.mp4", (alive, 48))
    return {
        "as_ordered": Case(clean=[plain], faulty=[replace(plain, frames=49)]),
        "black": Case(
            clean=[plain], faulty=[a_cut(folder / "black.mp4", (alive, 20), (black, 40))]
        ),
        "freeze": Case(
            clean=[plain], faulty=[a_cut(folder / "still.mp4", (alive, 20), (standing, 60))]
        ),
        "rhythm": Case(
            clean=[a_cut(folder / "even.mp4", (quick, 60))],
            faulty=[a_cut(folder / "stalled.mp4", (stalled, 60))],
        ),
        "likeness": _compared(plain, folder),
        **_of_takes(folder),
        **_of_sound(folder),
    }


def quick(index: int) -> Frame:
    return alive(3 * index)


def stalled(index: int) -> Frame:
    """A picture that stands for four frames, then catches up."""
    return quick(24 if 24 <= index < 28 else index)


def _of_takes(folder: Path) -> dict[str, Case]:
    photos = photographs(folder)
    shot, looks = list(takes(photos, 2, first_seed=3)), photos.looks
    clean = [
        _as_cut(take, take.frames, looks, folder / f"clean-{n}.mp4") for n, take in enumerate(shot)
    ]
    found: dict[str, Case] = {}
    for check, fault in OF_TAKES.items():
        faulty = []
        for number, take in enumerate(shot):
            chance = np.random.default_rng([take.request.seed, len(fault)])
            damaged = PICTURE_FAULTS[fault](take.frames, take.request.fps, chance)
            path = folder / f"{check}-{number}.mp4"
            faulty.append(_as_cut(take, list(damaged.frames), looks, path))
        found[check] = Case(clean=clean, faulty=faulty)
    return found


def _as_cut(
    take: Take, frames: list[Frame], looks: Mapping[Sha256, Look], path: Path
) -> CutUnderReview:
    ordered = replace(take.ordered, frames=len(frames))
    fps = take.request.fps
    return CutUnderReview(
        path=path,
        size=take.request.size,
        fps=fps,
        frames=len(frames),
        footage=join_footage([(take.seen(frames, path), ordered)], fps=fps),
        looks=looks,
    )


def _of_sound(folder: Path) -> dict[str, Case]:
    time = np.arange(48_000 * SECONDS) / 48_000
    since = time % 0.45
    note = (
        0.12 * np.sin(2 * np.pi * 330 * since) * np.exp(-since / 0.2) * (0.6 + 0.4 * np.sin(time))
    )
    mix = np.stack([note, note]).astype(np.float32)
    clean = [_heard(folder, mix, mix, "sound")]
    found = {
        check: Case(
            clean=clean,
            faulty=[
                _heard(folder, mix, SOUND_FAULTS[fault](mix, np.random.default_rng(1)).sound, check)
            ],
        )
        for check, fault in OF_SOUND.items()
    }
    found["loudness"] = Case(clean=clean, faulty=[_heard(folder, mix, mix / 4, "loudness")])
    return found


def _heard(folder: Path, mix: Sound, heard: Sound, name: str) -> CutUnderReview:
    cut = a_cut(folder / f"{name}-picture.mp4", (alive, 24 * SECONDS))
    write_flac([mix], folder / f"{name}-mix.flac")
    write_flac([heard], folder / f"{name}.flac")
    write_aac(folder / f"{name}.flac", folder / f"{name}.m4a")
    path = folder / f"{name}.mp4"
    join([cut.path], path, fps=Fraction(24), sound=folder / f"{name}.m4a")
    return replace(cut, path=path, heard=hear(path, folder / f"{name}-mix.flac"))


def _compared(cut: CutUnderReview, folder: Path) -> Case:
    frames = [black(index) if index == 12 else alive(index) for index in range(48)]
    encode(frames, folder / "unlike.mp4", size=cut.size, fps=cut.fps, settings=FINAL)
    reference = Compared(name="before", path=cut.path, every=4, at_least_db=30)
    clean = replace(cut, compared=reference)
    return Case(clean=[clean], faulty=[replace(clean, path=folder / "unlike.mp4")])


def installed() -> dict[str, Check]:
    found: dict[str, Check] = {
        name: load_plugin(point) for name, point in sorted(find_plugins("checks").items())
    }
    return found | {"likeness": Likeness()}


@pytest.mark.parametrize("promise", PROMISES)
@pytest.mark.parametrize("name", installed())
def test_an_installed_check_keeps_its_promise(
    name: str, promise: str, cases: dict[str, Case]
) -> None:
    assert name in cases, f"give the check {name} films"

    PROMISES[promise](installed()[name], cases[name])


class Careless:
    """A check that breaks one promise at a time: a suite that cannot fail proves nothing."""

    name = "careless"
    version = "1"
    takes = True
    advice: str | None = None
    fault = ""
    asked: ClassVar[list[int]] = []

    def examine(self, cut: CutUnderReview, /) -> CheckFinding:
        luma = cut.footage.series["luma"]
        dark = int(luma.min(initial=99_00)) < 30_00 and len(luma) > 40
        says: dict[str, Any] = {"check": self.name, "version": self.version}
        problems = [Remark(text="it is dark", frame=int(luma.argmin()))] if dark else []
        match self.fault:
            case "strict":
                problems = [Remark(text="no film is good enough")]
            case "blind":
                problems = []
            case "nameless":
                says["version"] = "2"
            case "moody":
                Careless.asked.append(1)
                says["figures"] = {"times_asked": len(Careless.asked)}
            case "beyond":
                problems = [replace(each, frame=cut.frames + 7) for each in problems]
            case "fractions":
                says["figures"] = {"mean": 0.5}
            case "careless":
                luma[: len(luma) // 2] += 1
            case "trusting":
                says["figures"] = {"first": int(luma[0])}
            case "reads":
                says["figures"] = {"bytes": cut.path.stat().st_size}
        return CheckFinding(**says, problems=tuple(problems))


@pytest.mark.parametrize(
    ("fault", "promise"),
    [
        ("strict", "lets sound films pass"),
        ("blind", "finds what it is for"),
        ("nameless", "says who it is"),
        ("moody", "finds the same again"),
        ("beyond", "names frames of the film"),
        ("fractions", "can be kept"),
        ("careless", "changes nothing"),
        ("trusting", "answers about broken films"),
        ("reads", "judges takes by their footage"),
        ("louder", "advises in known words"),
    ],
)
def test_a_broken_promise_is_found(fault: str, promise: str, cases: dict[str, Case]) -> None:
    stranger = type(
        "Stranger", (Careless,), {"fault": fault, "advice": "louder" if fault == "louder" else None}
    )
    sound = type("Sound", (Careless,), {})

    PROMISES[promise](sound(), cases["black"])
    with pytest.raises(ContractMismatch, match="hold the check careless to its contract"):
        PROMISES[promise](stranger(), cases["black"])
