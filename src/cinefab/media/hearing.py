"""What is heard of a film, in whole numbers, and how it lies against the mix it was made from."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from av.audio.frame import AudioFrame
from av.error import BlockingIOError as NothingYet
from av.filter import Graph
from numpy.typing import NDArray

from cinefab.core.sound import SAMPLE_RATE
from cinefab.media.audio import Sound, opened_sound, read_sound

HEARING: Final = "2"
"""Changes whenever the same sound might give other numbers."""

WINDOW_MS: Final = 5
"""The length of what one level of an envelope stands for."""

_FULL: Final = 0.96  # AAC makes ripples of some per cent of what was flat at 1; mixes end at 0.89
_CLIPPED_SAMPLES_MIN: Final = 4  # in a row at full scale: one alone may be a peak
_OFFSET_MS_MAX: Final = 500
_SILENT_DB: Final = -60.0
_QUIETEST_LUFS: Final = -69.0
_QUIETEST_DB: Final = -100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """What a film sounds like beside its mix.

    Loudness and true peak are in hundredths of LUFS and dBTP, None for silence. `offset_ms` is by
    how much the film's sound comes late (early below 0), None where nothing tells. `lost_ms` is
    the longest stretch in which the mix is heard and the film is silent, from `lost_at_ms` on;
    `clipped` counts runs of samples at full scale, the first at `clipped_at_ms`.
    """

    length_ms: int
    lufs_hundredths: int | None
    peak_hundredths: int | None
    mix_lufs_hundredths: int | None
    offset_ms: int | None
    lost_ms: int
    lost_at_ms: int
    clipped: int
    clipped_at_ms: int


def hear(film: Path, mix: Path) -> Hearing:
    """Decode the sound of `film` and its `mix` once each and compare them; 0.02 s a second.

    Raises `StorageUnavailable` when one cannot be read and `ContractMismatch` when it holds no
    sound.
    """
    heard = _placed(film)
    meant = np.concatenate(list(read_sound(mix)), axis=1)
    lufs, peak = _loudness(heard)
    offset_ms = _offset_ms(_envelope(heard), _envelope(meant))
    lost_ms, lost_at_ms = _lost(_levels_db(heard), _levels_db(meant), offset_ms or 0)
    clipped, clipped_at_ms = _clipped(heard)
    return Hearing(
        length_ms=round(heard.shape[1] * 1000 / SAMPLE_RATE),
        lufs_hundredths=lufs,
        peak_hundredths=peak,
        mix_lufs_hundredths=_loudness(meant)[0],
        offset_ms=offset_ms,
        lost_ms=lost_ms,
        lost_at_ms=lost_at_ms,
        clipped=clipped,
        clipped_at_ms=clipped_at_ms,
    )


def _placed(film: Path) -> Sound:
    """Return the film's sound as a player gives it out: by its timestamps, from the film's start."""
    with opened_sound(film) as (container, stream):
        first = next(container.decode(stream), None)
        start_s = 0.0 if first is None or first.time is None else first.time
    sound = np.concatenate(list(read_sound(film)), axis=1)
    late = round(start_s * SAMPLE_RATE)
    if late >= 0:
        return np.pad(sound, ((0, 0), (late, 0)))
    return sound[:, -late:]


def _loudness(sound: Sound) -> tuple[int | None, int | None]:
    graph = Graph()
    source: Any = graph.add_abuffer(format="fltp", sample_rate=SAMPLE_RATE, layout="stereo")
    meter = graph.add("ebur128", "metadata=1:peak=true")
    sink: Any = graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    said: dict[str, str] = {}
    for start in range(0, sound.shape[1], SAMPLE_RATE):
        block = np.ascontiguousarray(sound[:, start : start + SAMPLE_RATE])
        frame = AudioFrame.from_ndarray(block, format="fltp", layout="stereo")
        frame.sample_rate, frame.pts = SAMPLE_RATE, start
        source.push(frame)
        said = _pulled(sink) or said
    source.push(None)
    said = _pulled(sink) or said
    lufs = float(said.get("lavfi.r128.I", "-inf"))
    peak = float(said.get("lavfi.r128.true_peak", 0))
    return (
        round(lufs * 100) if lufs > _QUIETEST_LUFS else None,
        round(2000 * math.log10(peak)) if peak > 0 else None,
    )


def _pulled(sink: Any) -> dict[str, str]:
    said: dict[str, str] = {}
    while True:
        try:
            said = sink.pull().metadata or said
        except (NothingYet, EOFError):
            return said


def _envelope(sound: Sound) -> NDArray[np.float64]:
    size = SAMPLE_RATE * WINDOW_MS // 1000
    count = sound.shape[1] // size
    squares = (sound[:, : count * size] ** 2).sum(axis=0, dtype=np.float64)
    power: NDArray[np.float64] = squares.reshape(count, size).mean(axis=1)
    return np.sqrt(power)


def _levels_db(sound: Sound) -> NDArray[np.float64]:
    return 20 * np.log10(np.maximum(_envelope(sound), 10 ** (_QUIETEST_DB / 20)))


def _offset_ms(heard: NDArray[np.float64], meant: NDArray[np.float64]) -> int | None:
    """Return where the envelopes' changes agree best, or None if they agree nowhere."""
    one, other = (np.diff(np.sqrt(each)) for each in (heard, meant))
    if one.size < 2 or other.size < 2 or not one.any() or not other.any():
        return None
    reach = _OFFSET_MS_MAX // WINDOW_MS
    size = 1 << (one.size + other.size).bit_length()
    agreement = np.fft.irfft(np.fft.rfft(one, size) * np.conj(np.fft.rfft(other, size)), size)
    near = np.concatenate((agreement[-reach:], agreement[: reach + 1]))
    best = int(near.argmax())
    if near[best] < 0.3 * math.sqrt(float((one**2).sum() * (other**2).sum())):
        return None
    return (best - reach) * WINDOW_MS


def _lost(
    heard: NDArray[np.float64], meant: NDArray[np.float64], offset_ms: int
) -> tuple[int, int]:
    shift = offset_ms // WINDOW_MS
    count = max(heard.size, meant.size + max(0, shift))
    film = np.full(count, _QUIETEST_DB)
    film[: heard.size] = heard
    mix = np.full(count, _QUIETEST_DB)
    first = max(0, shift)
    kept = meant[max(0, -shift) :][: count - first]
    mix[first : first + kept.size] = kept
    lost = np.concatenate(([False], (film < _SILENT_DB) & (mix > _SILENT_DB + 12), [False]))
    edges = np.flatnonzero(np.diff(lost.astype(np.int8)))
    longest = max(
        zip(edges[::2], edges[1::2], strict=True), key=lambda e: e[1] - e[0], default=None
    )
    if longest is None:
        return 0, 0
    return int(longest[1] - longest[0]) * WINDOW_MS, int(longest[0]) * WINDOW_MS


def _clipped(sound: Sound) -> tuple[int, int]:
    first, count = None, 0
    for channel in sound:
        full = np.concatenate(([False], np.abs(channel) >= _FULL, [False])).astype(np.int8)
        edges = np.flatnonzero(np.diff(full))
        starts = edges[::2][edges[1::2] - edges[::2] >= _CLIPPED_SAMPLES_MIN]
        count += len(starts)
        if starts.size and (first is None or starts[0] < first):
            first = int(starts[0])
    return count, 0 if first is None else first * 1000 // SAMPLE_RATE
