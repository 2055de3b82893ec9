"""OpenAI's `/v1/audio/speech`, translated: speech is what is spoken in a job's film, by itself."""

from __future__ import annotations

import json
import math
import wave
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Request
from fastapi.responses import FileResponse, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from cinefab.api.bodies import IdempotencyKey, checked_key, digest_of
from cinefab.api.callers import Asking, Serving
from cinefab.api.jobs import once_of
from cinefab.api.one_shot import told
from cinefab.api.waiting import Prefer, delivered
from cinefab.app.service import Service
from cinefab.core.errors import RequestInvalid
from cinefab.jobs.delivering import SPEECH_FILE
from cinefab.provenance.asset import Asset

routes: Final = APIRouter(prefix="/v1/audio", tags=["speech (OpenAI's dialect)"])

_USUAL_WPM: Final = 160
_SLOWEST_A_SECOND: Final = 7.5
"""Letters a second at the usual speed that no voice is slower than; a digit is as many as a word has."""

_LINE_WEIGHT: Final = 380
_FILM_S_MAX: Final = 600
_PICTURE: Final = {"size": "160x90", "fps": 8}
"""A film has pictures, whoever only listens to it: these cost least and are still looked at."""


class VoiceById(BaseModel):
    """A voice by its name, as OpenAI's clients write one of their own."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1, max_length=60)


class SpeechOrder(BaseModel):
    """What is asked for. What is marked as without effect may be sent, and changes nothing."""

    model_config = ConfigDict(extra="forbid")

    input: str = Field(min_length=1, max_length=4096)
    model: str = Field(max_length=60, description="Who speaks: espeak, or another voice plug-in.")
    voice: Annotated[str, Field(min_length=1, max_length=60)] | VoiceById = Field(
        description="A voice of the model's; espeak's are languages, such as en-us or de."
    )
    response_format: Literal["mp3", "opus", "aac", "flac", "wav", "pcm"] = "mp3"
    speed: float = Field(1.0, ge=0.5, le=1.875)
    stream_format: Literal["audio"] = "audio"
    instructions: str | None = Field(None, max_length=4096, description="Without effect.")


_SOUND: Final = {
    "description": "The sound; `cinefab-job` says which job made it, `cinefab-asset` which asset it is.",
    "content": {
        kind: {"schema": {"type": "string", "format": "binary"}}
        for kind in ("audio/mpeg", "audio/ogg", "audio/aac", "audio/flac", "audio/wav", "audio/pcm")
    },
}


@routes.post(
    "/speech", summary="Speak a text", responses={200: _SOUND}, response_class=FileResponse
)
async def speak(
    request: Request,
    asking: Asking,
    service: Serving,
    order: SpeechOrder,
    idempotency_key: IdempotencyKey = None,
    prefer: Prefer = None,
) -> Response:
    """Speak a text, and answer with its sound when it is there: 24 kHz, one channel.

    It is what is spoken in the film of a job: charged, and in lineage as that is; signed as WAV,
    FLAC and MP3, in which there is a place for credentials.
    """
    del request
    _check_model(service, order.model)
    once = once_of(service, checked_key(idempotency_key), digest_of("speech", order))
    text = json.dumps(_brief(order))
    ordered = await run_in_threadpool(service.create, asking, text, once=once)
    job = await delivered(service, asking, ordered.job, prefer=prefer, attempted="speak the text")
    ((asset, path),) = await run_in_threadpool(service.beside, asking, job.id, SPEECH_FILE)
    headers = {
        "cinefab-job": job.id,
        "cinefab-asset": asset.public_id,
        "cache-control": "private, no-cache",
    }
    if order.response_format == "pcm":
        samples = await run_in_threadpool(_samples, path)
        return Response(samples, media_type="audio/pcm", headers=headers)
    return _file(asset, path, headers)


def _file(asset: Asset, path: Path, headers: dict[str, str]) -> Response:
    return FileResponse(path, media_type=asset.media_type, headers=headers)


def _samples(path: Path) -> bytes:
    with wave.open(str(path), "rb") as sound:
        return sound.readframes(sound.getnframes())


def _check_model(service: Service, model: str) -> None:
    voices = service.studio.shop.voices
    if model not in voices:
        known = ", ".join(sorted(voices)) or "none"
        raise _refused(
            "model", f"nobody called {model[:40]!r} speaks here", f"Name one of: {known}."
        )
    missing = voices[model].voice.missing()
    if missing is not None:
        raise _refused("model", f"{model} is not installed here", f"Have it installed: {missing}.")


def _brief(order: SpeechOrder) -> dict[str, Any]:
    voice = order.voice if isinstance(order.voice, str) else order.voice.id
    slowness = max(1.0, 1 / order.speed)
    lines = list(_lines(order.input, weight_max=math.floor(_LINE_WEIGHT / slowness)))
    if not lines:
        raise _refused("input", "there is nothing in it to be spoken", "Write words.")
    shots: list[dict[str, Any]] = [
        {
            "seconds": math.ceil(_weight(line) / _SLOWEST_A_SECOND * slowness) + 1,
            "voice": line,
            "transition": "cut",
        }
        for line in lines
    ]
    if sum(shot["seconds"] for shot in shots) > _FILM_S_MAX:
        raise _refused(
            "input",
            f"at this speed it may take longer than {_FILM_S_MAX} seconds",
            "Send it in parts.",
        )
    kind = "wav" if order.response_format == "pcm" else order.response_format
    return {
        "title": told(order.input)["title"],
        "shots": shots,
        "output": {**_PICTURE, "formats": [kind]},
        "sound": {
            "music": "none",
            "effects": False,
            "voice": {
                "name": f"{order.model}/{voice}",
                "rate": round(_USUAL_WPM * order.speed),
                "required": True,
            },
        },
        "quality": "preview",
    }


def _lines(text: str, *, weight_max: int) -> Iterator[str]:
    """Yield a text in lines of whole words that a shot has the time for."""
    line = ""
    for word in _words(text, letters_max=max(1, weight_max // 8)):
        longer = f"{line} {word}" if line else word
        if line and _weight(longer) > weight_max:
            yield line
            longer = word
        line = longer
    if line:
        yield line


def _words(text: str, *, letters_max: int) -> Iterator[str]:
    for word in text.split():
        yield from (word[at : at + letters_max] for at in range(0, len(word), letters_max))


def _weight(text: str) -> int:
    """Return how many letters a text takes as long as: digits are whole words, signs syllables."""
    return sum(8 if letter.isdigit() else 3 if ord(letter) > 0x2E7F else 1 for letter in text)


def _refused(field: str, found: str, remedy: str) -> RequestInvalid:
    return RequestInvalid(attempted="speak the text", field=field, found=found, remedy=remedy)
