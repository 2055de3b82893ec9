"""Errors cross a border and come back as what they were, and as nothing else."""

from __future__ import annotations

import json
import pickle
from fractions import Fraction

import pytest

from cinefab.core.errors import BriefInvalid, CinefabError, ReferenceRefused, WorkerLost
from cinefab.engine.wire import Fault, decode_error, dump, encode_error


class PluginTrouble(WorkerLost):
    """An error of somebody's plug-in, with fields of its own."""

    def __init__(self, *, rate: Fraction) -> None:
        super().__init__(attempted="render", found="trouble", remedy="Ask its author.")
        self.rate = rate


def there_and_back(error: BaseException) -> Exception:
    return decode_error(json.loads(dump(encode_error(error, attempted="make a film"))))


@pytest.mark.parametrize(
    "error",
    [
        BriefInvalid(field="shots[2].seconds", found="it is -1", remedy="Use a length."),
        ReferenceRefused(field="references.cup", found="it is a cat", remedy="Use a cup."),
        WorkerLost(attempted="render", found="it died", remedy="Again."),
    ],
)
def test_an_error_of_ours_keeps_its_class_its_words_and_its_fields(error: CinefabError) -> None:
    back = there_and_back(error)

    assert type(back) is type(error)
    assert str(back) == str(error)
    assert back.__dict__ == error.__dict__


def test_an_error_of_a_plugin_comes_back_whole_but_for_what_json_cannot_hold() -> None:
    back = there_and_back(PluginTrouble(rate=Fraction(1, 3)))

    assert isinstance(back, PluginTrouble)
    assert back.rate == "1/3"
    assert back.remedy == "Ask its author."


def test_a_class_that_is_not_known_here_comes_back_as_the_nearest_that_is() -> None:
    encoded = encode_error(PluginTrouble(rate=Fraction(1)), attempted="make a film")
    encoded["classes"] = ["somewhere.else:Gone", *encoded["classes"][1:]]  # type: ignore[index,misc]

    back = decode_error(encoded)

    assert type(back) is WorkerLost
    assert back.found == "trouble"


@pytest.mark.parametrize(
    "name", ["builtins:SystemExit", "os:system", "cinefab.core.errors:Any", "cinefab.nowhere:No"]
)
def test_nothing_but_an_error_of_ours_can_be_asked_for(name: str) -> None:
    encoded = {"classes": [name], "message": "hello", "fields": {"found": "x"}}

    assert type(decode_error(encoded)) is CinefabError


def test_an_unexpected_exception_is_a_fault_and_stays_the_same_fault() -> None:
    try:
        _ = 1 // 0
    except ZeroDivisionError as error:
        once = there_and_back(error)
    twice = there_and_back(once)

    assert isinstance(once, Fault)
    assert not isinstance(once, CinefabError)
    assert once.kind == "ZeroDivisionError"
    assert "1 // 0" in once.trace
    assert twice.__dict__ == once.__dict__
    assert pickle.loads(pickle.dumps(once)).__dict__ == once.__dict__


def test_what_is_not_json_is_refused() -> None:
    for value in (float("nan"), {1, 2}, b"bytes"):
        with pytest.raises((TypeError, ValueError)):
            dump(value)  # type: ignore[arg-type]
