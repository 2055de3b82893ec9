"""A caption's text made ready for setting."""

from __future__ import annotations

import pytest

from cinefab.media.paragraphs import cleaned


@pytest.mark.parametrize(
    ("text", "clean"),
    [
        ("cafe\u0301", "café"),
        ("5 k\u2126", "5 kΩ"),
        ("one\r\ntwo\u2028three\u2029four", "one\ntwo\nthree\nfour"),
        ("ﷲ", "ﷲ"),
    ],
)
def test_text_is_composed_and_its_line_breaks_are_newlines(text: str, clean: str) -> None:
    assert cleaned(text, field="caption", uppercase=False) == clean


@pytest.mark.parametrize(
    ("text", "capitals"),
    [
        ("straße fine", "STRASSE FINE"),
        ("istanbul ığ", "ISTANBUL IĞ"),
        ("Φρέσκος καφές", "ΦΡΕΣΚΟΣ ΚΑΦΕΣ"),
        ("μάιος μαΐου", "ΜΑΪΟΣ ΜΑΪΟΥ"),
        ("ᾧ ἀγαθός", "Ω ΑΓΑΘΟΣ"),
        ("свежий йогурт", "СВЕЖИЙ ЙОГУРТ"),
        ("ưu đãi ấm", "ƯU ĐÃI ẤM"),
        ("قهوة", "قهوة"),
    ],
)
def test_capitals_are_those_of_each_script(text: str, capitals: str) -> None:
    assert cleaned(text, field="caption", uppercase=True) == capitals
