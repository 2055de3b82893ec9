"""From a model's own size and rate to the film's: what every model that is not ours needs.

Most models make pictures of few sizes at one rate. Their frames are cut to the film's proportions,
scaled, and each is shown until the next one is due.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction
from typing import Any

from cinefab.core.brief import Camera
from cinefab.core.errors import ContractMismatch
from cinefab.generate.backend import TakeRequest
from cinefab.generate.camera import view_of
from cinefab.media.fitting import Fitter, seen_through, to_frame
from cinefab.media.frames import Frame, Rgb


def native_frames(request: TakeRequest, native_fps: Fraction) -> int:
    """Return how many frames at a model's own rate last as long as what is asked for."""
    return _due(request.frames - 1, request, native_fps) + 1


def fitted(
    frames: Iterator[Rgb] | Iterator[Frame], native_fps: Fraction, request: TakeRequest
) -> Iterator[Frame]:
    """Yield exactly the frames asked for from a model's own, in order.

    A model's own are sRGB pictures of shape (height, width, 3), or frames already.
    They cover the film's picture, what is beyond its edges is cut off. Raises `ContractMismatch`
    when the model makes fewer than `native_frames`.
    """
    fitter = Fitter(request.size, fit="cover")
    shown: Frame | None = None
    at = -1
    for index in range(request.frames):
        due = _due(index, request, native_fps)
        while at < due:
            made = next(frames, None)
            if made is None:
                raise ContractMismatch(
                    attempted="show what the model made",
                    found=f"{at + 1} frames where {native_frames(request, native_fps)} are needed",
                    remedy="Shorten the shot, or choose another model; nothing was kept of it.",
                )
            at += 1
            if at == due:
                shown = fitter.fitted(made if made.ndim == 2 else to_frame(made))
        assert shown is not None, "a frame is due at the start"
        yield shown


def moved(still: Rgb, request: TakeRequest) -> Iterator[Frame]:
    """Yield the frames asked for of a camera that moves over one picture, as the shot orders it."""
    given: Any = request.input
    camera = Camera(given.get("camera", Camera.DRIFT.value))
    for frame in range(request.first_frame, request.first_frame + request.frames):
        view = view_of(camera, frame / max(1, request.shot_frames - 1))
        yield seen_through(
            still, request.size, zoom=max(1.0, view.zoom), right=view.right, down=view.down
        )


def _due(index: int, request: TakeRequest, native_fps: Fraction) -> int:
    return int(index * native_fps / request.fps)
