"""Captions as files: WebVTT for the web, SRT for everything else."""

from __future__ import annotations

import re
from collections.abc import Sequence

from cinefab.core.sound import Cue


def web_vtt(cues: Sequence[Cue]) -> str:
    """Return the captions as WebVTT; nothing in their words is taken for markup."""
    blocks = ["WEBVTT"]
    for cue in cues:
        times = f"{_time(cue.start_ms, '.')} --> {_time(cue.end_ms, '.')}"
        blocks.append("\n".join([times, *(_escaped(line) for line in cue.lines)]))
    return "\n\n".join(blocks) + "\n"


def sub_rip(cues: Sequence[Cue]) -> str:
    """Return the captions as SRT, numbered from 1."""
    blocks = []
    for number, cue in enumerate(cues, start=1):
        times = f"{_time(cue.start_ms, ',')} --> {_time(cue.end_ms, ',')}"
        blocks.append("\n".join([str(number), times, *(_unmarked(line) for line in cue.lines)]))
    return "\n\n".join(blocks) + "\n"


def _time(ms: int, point: str) -> str:
    seconds, ms = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}{point}{ms:03}"


def _escaped(line: str) -> str:
    return line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _unmarked(line: str) -> str:
    # SRT has no escapes: players take <b> for markup, and an arrow for a time.
    return re.sub(r"<(?=[/a-zA-Z])", "<\u200b", line.replace("-->", "→"))
