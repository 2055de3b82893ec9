"""What each check advises where it refuses a take."""

from __future__ import annotations

from importlib.metadata import entry_points

import pytest

from cinefab.core.brief import Camera, Shot
from cinefab.core.verdict import Advice
from cinefab.generate.refine import refined
from cinefab.review.advice import ADVICE, advice_of


def test_every_check_that_judges_takes_is_in_the_table_and_every_name_in_it_is_a_check() -> None:
    checks = [point.load()() for point in entry_points(group="cinefab.checks")]
    takes = {check.name for check in checks if getattr(check, "takes", False)}

    assert set(ADVICE) <= {check.name for check in checks}
    assert takes - set(ADVICE) <= {"as_ordered"}


def test_a_checks_own_word_goes_before_the_table_and_an_unknown_one_is_refused() -> None:
    assert advice_of("freeze", None) is Advice.MORE_MOTION
    assert advice_of("freeze", "less-motion") is Advice.LESS_MOTION
    assert advice_of("a stranger's", None) is Advice.ANOTHER_SEED
    with pytest.raises(ValueError, match="louder"):
        advice_of("freeze", "louder")


def test_a_refused_shot_gets_what_is_advised_and_its_neighbours_stay_as_they_were() -> None:
    shots = [Shot(length_ms=1000) for _ in range(3)]
    cameras = [Camera.DRIFT, Camera.DRIFT, Camera.PUSH_IN]

    once = refined(shots, cameras=cameras, tries={1: [Advice.MORE_MOTION]}, seed=5)
    twice = refined(shots, cameras=cameras, tries={1: [Advice.MORE_MOTION] * 2}, seed=5)
    calm = refined(shots, cameras=cameras, tries={2: [Advice.LESS_MOTION]}, seed=5)

    assert [shot.seed for shot in once][::2] == [None, None]
    assert [shot.camera for shot in once][::2] == [Camera.DRIFT, Camera.PUSH_IN]
    assert once[1].camera is not Camera.DRIFT
    assert len({5, once[1].seed, twice[1].seed}) == 3
    assert calm[2].camera is Camera.DRIFT


def test_a_model_with_settings_is_given_those_that_it_advises_itself() -> None:
    shots = (Shot(length_ms=1000, model_settings='{"guidance":3,"steps":8}'),)

    (again,) = refined(
        shots,
        cameras=[Camera.DRIFT],
        tries={0: [Advice.MORE_CARE]},
        seed=5,
        advised={"more-care": {"steps": 40}, "more-motion": {"steps": 2}},
    )

    assert again.model_settings == '{"guidance":3,"steps":40}'
