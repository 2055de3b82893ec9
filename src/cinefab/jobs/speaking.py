"""The speak stage of a job: the shots' lines become sound, before the plan that their words time.

A line is kept by what was said and how; a brief in which it is unchanged is given it again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from cinefab.core.brief import Brief
from cinefab.core.canonical import Json, Sha256, digest_of
from cinefab.core.errors import BriefInvalid
from cinefab.core.ids import AssetId
from cinefab.core.sound import Sound, SpokenLine, VoiceWish, Word
from cinefab.core.stage import Content, Lineage
from cinefab.engine.compute import ComputeResult
from cinefab.generate.segments import KeptSegment, record_segment
from cinefab.generate.sounding import line_document
from cinefab.jobs.pieces import find_intact
from cinefab.jobs.stages import Order, StageOutput, run_stage
from cinefab.jobs.workshop import FoundVoice, Workshop
from cinefab.provenance.assets import Asset, load_asset
from cinefab.record.commit import NewAsset

LEAD_MS: Final = 150
"""How long after its shot begins a line does."""

_REST_MS: Final = 80
_KEY_SCHEMA: Final = "cinefab.line-key/1"
_TASK: Final = "cinefab.assemble.speak_task:speak"
_LIMIT_S: Final = 120.0
_FASTEST_CHARS_A_SECOND: Final = 45


def check_lines(shop: Workshop, brief: Brief) -> None:
    """Refuse at the door what no voice can say; raise `BriefInvalid` with the field.

    That is a line far too long for its shot however fast, and any line at all where the brief
    requires a voice and none is installed.
    """
    spoken = [(i, shot) for i, shot in enumerate(brief.shots) if shot.voice]
    for i, shot in spoken:
        room_ms = _room_ms(shot.length_ms)
        if len(shot.voice) * 1000 > _FASTEST_CHARS_A_SECOND * max(room_ms, 1):
            raise BriefInvalid(
                attempted="speak the film's lines",
                field=f"shots[{i}].voice",
                found=f"{len(shot.voice)} characters cannot be spoken in {room_ms / 1000:g} seconds",
                remedy="Shorten the line, or make the shot longer.",
            )
    if spoken and _wish(brief).required:
        found = _find_voice(shop, brief)
        if isinstance(found, str):
            raise BriefInvalid(
                attempted="speak the film's lines",
                field="sound.voice.required",
                found="no voice is installed that could speak them",
                remedy=f"{found}, or leave required out.",
            )


async def speak(shop: Workshop, order: Order) -> Json:
    """Speak the film's lines, or find them kept; return each with its shot and its asset.

    All that must be spoken is one stage, so that one line that cannot be leaves nothing behind.
    Where nobody can speak there are none.
    """
    found = await asyncio.to_thread(_find_voice, shop, order.brief)
    if isinstance(found, str):
        return []
    wanted = [
        _Wanted(shop, found, order.brief, index)
        for index, shot in enumerate(order.brief.shots)
        if shot.voice
    ]
    kept = {each.index: await asyncio.to_thread(_find_kept, shop, each) for each in wanted}
    missing = [each for each in wanted if kept[each.index] is None]

    async def body() -> StageOutput:
        folder = shop.scratch / order.job
        argument: Json = {
            "entry": found.entry,
            "lines": [each.argument(folder) for each in missing],
        }
        answer = await shop.compute.run(_TASK, argument, timeout_s=_LIMIT_S)
        return await asyncio.to_thread(_keep, shop, found, missing, answer)

    if missing:
        committed = await run_stage(shop, order, "speak", body)
        facts: Any = committed.facts
        for each, asset, line in zip(missing, committed.assets, facts["lines"], strict=True):
            kept[each.index] = (asset, Sha256(line["digest"]), line)
    return [_line(each, *line) for each in wanted if (line := kept[each.index]) is not None]


class _Wanted:
    """A line as it was asked for, and the names it would be kept under."""

    def __init__(self, shop: Workshop, found: FoundVoice, brief: Brief, index: int) -> None:
        shot = brief.shots[index]
        self.index = index
        self.text = shot.voice
        self.wish = _wish(brief)
        self.room_ms = _room_ms(shot.length_ms)
        said: dict[str, Json] = {
            "schema": _KEY_SCHEMA,
            "tenant": shop.tenant,
            "voice": f"{found.voice.name}@{found.voice.version}",
            "machine": shop.machine,
            "encoder": shop.encoder,
            "name": self.name,
            "rate_wpm": self.wish.rate_wpm,
            "pitch": self.wish.pitch,
            "text": self.text,
        }
        # As it was asked for, and as it was made to fit a shot.
        self.keys = digest_of(said), digest_of(said | {"room_ms": self.room_ms})

    @property
    def name(self) -> str:
        """The voice's own name, without its plug-in's."""
        return self.wish.name.rpartition("/")[2]

    def argument(self, folder: Path) -> Json:
        """Return the line as the process that speaks is given it."""
        return {
            "text": self.text,
            "voice": self.name,
            "rate_wpm": self.wish.rate_wpm,
            "pitch": self.wish.pitch,
            "room_ms": self.room_ms,
            "field": f"shots[{self.index}].voice",
            "path": str(folder / f"line-{self.index}.flac"),
        }


def _wish(brief: Brief) -> VoiceWish:
    return (brief.sound or Sound()).voice


def _room_ms(shot_ms: int) -> int:
    return shot_ms - LEAD_MS - _REST_MS


def _find_voice(shop: Workshop, brief: Brief) -> FoundVoice | str:
    """Return the plug-in that can speak for this brief, or what would have to be done for one."""
    wanted = _wish(brief).name.rpartition("/")[0]
    remedy = "pip install 'cinefab[speech]'"
    for name in sorted(shop.voices):
        if wanted in ("", name):
            found = shop.voices[name]
            missing = found.voice.missing()
            if missing is None:
                return found
            remedy = missing
    return f"Install a voice: {remedy}"


def _find_kept(shop: Workshop, wanted: _Wanted) -> tuple[AssetId, Sha256, Mapping[str, Any]] | None:
    kept = find_intact(shop, wanted.keys)
    for key in wanted.keys:
        piece: Any = kept.get(key)
        if piece is None:
            continue
        with shop.recorder.db.read() as connection:
            facts: Any = load_asset(connection, shop.tenant, piece["asset"]).facts
        if facts["length_ms"] <= wanted.room_ms:
            return AssetId(piece["asset"]), Sha256(piece["digest"]), facts
    return None


def _line(wanted: _Wanted, asset: AssetId, digest: Sha256, facts: Mapping[str, Any]) -> Json:
    line = SpokenLine(
        shot=wanted.index,
        text=wanted.text,
        language=facts["language"],
        digest=digest,
        start_ms=LEAD_MS,
        length_ms=facts["length_ms"],
        words=tuple(Word(*word) for word in facts["words"]),
    )
    return {"shot": wanted.index, "asset": asset, "line": line_document(line)}


def _keep(
    shop: Workshop, found: FoundVoice, missing: Sequence[_Wanted], answer: ComputeResult
) -> StageOutput:
    spoken: Any = answer.value
    assets: list[NewAsset] = []
    names: list[tuple[Sha256, Sha256, int]] = []
    lines: list[Json] = []
    for wanted, value in zip(missing, spoken, strict=True):
        path = Path(value["path"])
        digest = shop.blobs.put_file(path)
        path.unlink(missing_ok=True)
        key = wanted.keys[0] if value["rate_wpm"] == wanted.wish.rate_wpm else wanted.keys[1]
        heard = {name: value[name] for name in ("language", "rate_wpm", "length_ms", "words")}
        names.append((key, digest, value["length_ms"]))
        lines.append({"digest": digest, **heard})
        content = Content(
            digest=digest,
            kind="speech",
            media_type="audio/flac",
            size_bytes=value["size_bytes"],
            facts={"key": key, **heard},
        )
        lineage = Lineage(
            made_by=f"{found.voice.name}@{found.voice.version}",
            sources=(),
            digital_source_type=found.voice.digital_source_type,
            prompt_digest=digest_of({"voice": wanted.text}),
            parameters={
                "voice": wanted.name,
                "rate_wpm": value["rate_wpm"],
                "pitch": wanted.wish.pitch,
            },
        )
        assets.append(NewAsset(content=content, lineage=lineage))

    def also(connection: sa.Connection, made: tuple[Asset, ...]) -> None:
        now_us = shop.recorder.clock.now_us()
        for asset, (key, digest, length_ms) in zip(made, names, strict=True):
            kept = KeptSegment(key=key, asset=asset.public_id, digest=digest, frames=length_ms)
            record_segment(connection, kept, tenant=shop.tenant, now_us=now_us)

    return StageOutput(
        assets=tuple(assets),
        facts={"lines": lines},
        also=also,
        load_us=answer.load_us,
        work_us=answer.worker_us - answer.load_us,
    )
