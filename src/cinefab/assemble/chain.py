"""A shot's effects in a row: a model's frames come in, finished frames go out, timed by effect.

It runs in the process that makes the takes, which finds it by its name: generating knows nothing
of effects but that there is something to be asked for a source, and to be fed.
"""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from cinefab.assemble.effect import Effect, EffectWork
from cinefab.core.canonical import Json
from cinefab.core.clock import Clock, SystemClock
from cinefab.core.effect import EffectNeed, Stretch, stretches
from cinefab.core.errors import ContractMismatch
from cinefab.media.frames import Frame


class Chain:
    """Applies effects in order; `effects` are their fields as a request carries them.

    Each has `entry` (`package.module:Class`), `ref`, `settings` (JSON text), `need`, and the
    paths of its `files`, `pictures` and `masks` by setting.
    """

    def __init__(self, effects: Sequence[Mapping[str, Any]], clock: Clock | None = None) -> None:
        self._orders = effects
        self._effects = [_load(order["entry"]) for order in effects]
        self._needs = [EffectNeed(**order["need"]) for order in effects]
        self._meter = _Meter(clock or SystemClock(), len(effects))

    def source(self, wanted: Stretch) -> Stretch:
        """Return the stretch that the model is to make for `wanted`."""
        return stretches(self._needs, wanted)[0]

    def finish(self, frames: Iterator[Frame], wanted: Stretch) -> Iterator[Frame]:
        """Yield the wanted frames, made from those of `source`.

        Raises `ContractMismatch` when an effect gives other frames than its contract promises.
        """
        run = stretches(self._needs, wanted)
        frames = self._meter.source(frames)
        for i, (effect, order) in enumerate(zip(self._effects, self._orders, strict=True)):
            work = EffectWork(
                settings=json.loads(order["settings"]),
                comes=run[i],
                wanted=run[i + 1],
                files=_paths(order["files"]),
                pictures=_paths(order["pictures"]),
                masks=_paths(order["masks"]),
            )
            given = _checked(effect.apply(frames, work), work.wanted, order["ref"])
            frames = self._meter.measured(i, given)
        return frames

    @property
    def spent(self) -> list[Json]:
        """What each effect took so far: its `effect`, and its own time as `device_us`."""
        return [
            {"effect": order["ref"], "device_us": spent_us}
            for order, spent_us in zip(self._orders, self._meter.own_us, strict=True)
        ]


class _Meter:
    """Tells each effect's own time from that of those before it, whose frames it asks for."""

    def __init__(self, clock: Clock, count: int) -> None:
        self._clock = clock
        self._upto_us = [0] * (count + 1)

    @property
    def own_us(self) -> list[int]:
        return [
            max(0, upto - before)
            for before, upto in zip(self._upto_us, self._upto_us[1:], strict=False)
        ]

    def source(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        return self._timed(0, frames)

    def measured(self, index: int, frames: Iterator[Frame]) -> Iterator[Frame]:
        return self._timed(index + 1, frames)

    def _timed(self, place: int, frames: Iterator[Frame]) -> Iterator[Frame]:
        while True:
            started_us = self._clock.elapsed_us()
            try:
                frame = next(frames)
            except StopIteration:
                return
            finally:
                self._upto_us[place] += self._clock.elapsed_us() - started_us
            yield frame


def _load(entry: str) -> Effect:
    module, _, name = entry.partition(":")
    effect: Effect = getattr(importlib.import_module(module), name)()
    return effect


def _paths(named: Mapping[str, str]) -> Mapping[str, Path]:
    return {name: Path(path) for name, path in named.items()}


def _checked(frames: Iterator[Frame], wanted: Stretch, ref: str) -> Iterator[Frame]:
    shape = (wanted.size.height * 3 // 2, wanted.size.width)
    count = 0
    for frame in frames:
        if frame.shape != shape or frame.dtype.name != "uint8":
            raise _mismatch(ref, f"a frame of {frame.shape} and {frame.dtype}", f"{shape}, uint8")
        count += 1
        yield frame
        if count == wanted.frames:
            break
    else:
        raise _mismatch(ref, f"{count} frames", f"{wanted.frames}")
    if next(frames, None) is not None:
        raise _mismatch(ref, f"more than {count} frames", f"{count}")


def _mismatch(ref: str, found: str, promised: str) -> ContractMismatch:
    return ContractMismatch(
        attempted=f"take the frames of the effect {ref}",
        found=f"{found} where its contract promises {promised}",
        remedy="Leave the effect out, or pin the version before; nothing of this take was kept.",
    )
