"""Faults to put into sound films' sound: what a check must hear, ours or a stranger's.

Each takes samples of all channels and returns new ones, as many; where they are hit, and how hard,
is drawn from a seeded generator. Silence is put only where there was something to hear.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

import numpy as np

from cinefab.core.sound import SAMPLE_RATE
from cinefab.media.audio import Sound

SHIFT_MS: Final = 80
"""By how much sound is put out of step with its picture."""

_HEARD: Final = 0.01  # root mean square of every twentieth of a second that is silenced: -40 dBFS
_HEARD_WINDOW: Final = SAMPLE_RATE // 20
_TRIES: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class DamagedSound:
    """Samples with a fault in them, and what was done to them."""

    sound: Sound
    what: str


SoundDamage = Callable[[Sound, np.random.Generator], DamagedSound]


def silence(sound: Sound, rng: np.random.Generator) -> DamagedSound:
    """Take out a fifth of a second to a second, all of it louder than -40 dBFS."""
    for _ in range(_TRIES):
        length = int(float(rng.uniform(0.2, 1.0)) * SAMPLE_RATE)
        start = int(rng.integers(0, sound.shape[1] - length))
        if _quietest(sound[:, start : start + length]) >= _HEARD:
            break
    else:
        raise ValueError("nowhere is a fifth of a second louder than -40 dBFS")
    damaged = sound.copy()
    damaged[:, start : start + length] = 0
    what = f"{length * 1000 // SAMPLE_RATE} ms at {start * 1000 // SAMPLE_RATE} ms"
    return DamagedSound(sound=damaged, what=what)


def clipped(sound: Sound, rng: np.random.Generator) -> DamagedSound:
    """Raise all of it until its highest peak is 3 to 12 dB too high, and cut that off."""
    over_db = float(rng.uniform(3, 12))
    gain = 10 ** (over_db / 20) / float(np.abs(sound).max())
    cut = np.clip(sound * np.float32(gain), -1, 1)
    return DamagedSound(sound=cut, what=f"{over_db:.1f} dB over")


def late(sound: Sound, _: np.random.Generator) -> DamagedSound:
    """Give it out `SHIFT_MS` after its picture."""
    by = SHIFT_MS * SAMPLE_RATE // 1000
    return DamagedSound(sound=np.pad(sound, ((0, 0), (by, 0)))[:, :-by], what=f"{SHIFT_MS} ms")


def early(sound: Sound, _: np.random.Generator) -> DamagedSound:
    """Give it out `SHIFT_MS` before its picture."""
    by = SHIFT_MS * SAMPLE_RATE // 1000
    return DamagedSound(sound=np.pad(sound, ((0, 0), (0, by)))[:, by:], what=f"{SHIFT_MS} ms")


SOUND_FAULTS: Final[Mapping[str, SoundDamage]] = MappingProxyType(
    {"silence": silence, "clipped sound": clipped, "late sound": late, "early sound": early}
)
"""Faults of the sound, by name."""


def _quietest(sound: Sound) -> float:
    """Return the root mean square of the quietest twentieth of a second."""
    count = sound.shape[1] // _HEARD_WINDOW
    windows = sound[:, : count * _HEARD_WINDOW].reshape(sound.shape[0], count, _HEARD_WINDOW)
    return float(np.sqrt((windows.astype(np.float64) ** 2).mean(axis=(0, 2))).min())
