"""Caption files say what was said, and nothing in the words is taken for markup or for a time."""

from __future__ import annotations

from cinefab.core.sound import Cue
from cinefab.deliver.captions import sub_rip, web_vtt

CUES = (
    Cue(
        shot=0,
        start_ms=150,
        end_ms=2_040,
        lines=("Salt & <b>pepper</b>", "--> here"),
        language="en",
    ),
    Cue(shot=1, start_ms=3_661_007, end_ms=3_662_000, lines=("ÅÄÖ",), language="sv"),
)


def test_web_vtt_is_written_as_the_standard_says() -> None:
    assert web_vtt(CUES) == (
        "WEBVTT\n\n"
        "00:00:00.150 --> 00:00:02.040\n"
        "Salt &amp; &lt;b&gt;pepper&lt;/b&gt;\n--&gt; here\n\n"
        "01:01:01.007 --> 01:01:02.000\nÅÄÖ\n"
    )


def test_srt_is_numbered_and_has_commas() -> None:
    assert sub_rip(CUES) == (
        "1\n00:00:00,150 --> 00:00:02,040\n"
        "Salt & <\u200bb>pepper<\u200b/b>\n→ here\n\n"
        "2\n01:01:01,007 --> 01:01:02,000\nÅÄÖ\n"
    )
