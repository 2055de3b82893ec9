"""Markup is built, never pasted together."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from cinefab.deliver.page.markup import Html, join, said, tag


def test_text_is_escaped_and_markup_is_not() -> None:
    inner = tag("b", "a < b & c")

    outer = tag("p", "1 > 0, ", inner)

    assert outer == "<p>1 &gt; 0, <b>a &lt; b &amp; c</b></p>"


def test_attributes_are_escaped_named_and_left_out() -> None:
    built = tag("a", class_="x", data_at='"<', hidden=True, title=None, open=False, x=1.5)

    assert built == '<a class="x" data-at="&quot;&lt;" hidden x="1.5"></a>'


def test_elements_without_content_are_not_closed() -> None:
    assert tag("img", alt="") == '<img alt="">'


def test_adding_markup_to_text_makes_text_that_is_escaped_again() -> None:
    glued = "hello " + tag("b", "x")

    assert not isinstance(glued, Html)
    assert join(glued) == "hello &lt;b&gt;x&lt;/b&gt;"


@settings(deadline=None)
@given(st.text())
def test_no_text_ever_opens_an_element(text: str) -> None:
    built = said(text, title=text)

    inside = built.removeprefix("<bdi title=").removesuffix("</bdi>")
    assert "<" not in inside
    assert "\0" not in inside
    built.encode()
