"""The model behind the contract; importing it is cheap, loading it is not."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from cinefab.generate.backend import ModelCard, TakeRequest
from cinefab.generate.models.procedural.card import CARD
from cinefab.generate.run import ALONE, Run
from cinefab.media.frames import Frame

if TYPE_CHECKING:
    from cinefab.generate.models.procedural.director import Director


class Procedural:
    """Motion graphics from photographs, type and colours, drawn on the CPU.

    A frame is a function of the request and the frame's number alone: segments of one shot that
    are made apart agree, and the same request gives the same bytes on the same machine.
    """

    def __init__(self) -> None:
        self._director: Director | None = None

    @property
    def card(self) -> ModelCard:
        """What this model says of itself."""
        return CARD

    def load(self) -> None:
        """Import the libraries that draw; compiled code comes from the disk after the first run."""
        if self._director is None:
            from cinefab.generate.models.procedural.director import Director

            self._director = Director()

    def frames(self, request: TakeRequest, _run: Run = ALONE, /) -> Iterator[Frame]:
        """Yield exactly `request.frames` frames in order; each is the caller's to keep.

        Raises `BriefInvalid` naming the field of the input that cannot be shown.
        """
        self.load()
        assert self._director is not None, "load leaves a director"
        yield from self._director.frames(request)

    def check(self, request: TakeRequest, /) -> None:
        """Raise `BriefInvalid` as `frames` would; an optional part of the contract, quick."""
        self.load()
        assert self._director is not None, "load leaves a director"
        self._director.check(request)
