"""What every voice promises: text becomes sound, and each of its words has its time.

Voices are found through the entry-point group `cinefab.voices` and run in a compute process.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from cinefab.core.sound import Word


@dataclass(frozen=True, slots=True, kw_only=True)
class Spoken:
    """A line as it was spoken: 16-bit samples of one channel, and when each word is heard.

    `words` are the text's own, between its spaces, in order; what is not spoken (a dash) belongs
    to the word before it.
    """

    samples: NDArray[np.int16]
    rate_hz: int
    language: str
    words: tuple[Word, ...]


class Voice(Protocol):
    """A way to speak, with any number of voices by name.

    `digital_source_type` is an IPTC term: a synthesiser by rules makes `algorithmicMedia`, a
    trained one `trainedAlgorithmicMedia`.
    """

    name: str
    version: str
    digital_source_type: str

    def missing(self) -> str | None:
        """Return what must be installed before it can speak, or None; loads nothing heavy."""
        ...

    def speak(self, text: str, *, voice: str, rate_wpm: int, pitch: int) -> Spoken:
        """Speak `text` at that many words a minute, with a pitch from 0 to 100.

        The same call gives the same samples. Raises `BriefInvalid` with the field
        `sound.voice.name` for a voice that it does not have, and `Unavailable` where it is missing.
        """
        ...
