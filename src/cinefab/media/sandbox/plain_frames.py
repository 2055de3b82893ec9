"""Decoded pictures of whatever kind become plain frames: one size, one rate, one colour space."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

import numpy as np
from av.video.frame import VideoFrame
from av.video.reformatter import (
    ColorRange,
    Colorspace,
    Interpolation,
    VideoReformatter,
)
from av.video.stream import VideoStream
from numpy.typing import NDArray

from cinefab.media.sandbox.dynamic_range import HLG, PQ, to_standard_range
from cinefab.media.sandbox.outcome import Cause, PayloadRefused

_RATE_MAX: Final = 60
_HD_HEIGHT: Final = 720  # below it, pictures that do not say are taken for BT.601
# fmt: off
_RATES: Final = tuple(
    Fraction(*rate) for rate in (
        (24000, 1001), (24, 1), (25, 1), (30000, 1001), (30, 1), (48, 1), (50, 1),
        (60000, 1001), (60, 1), (12, 1), (15, 1), (10, 1), (20, 1),
    )
)
# fmt: on
_SCALER: Final = (
    Interpolation.BICUBIC
    | Interpolation.ACCURATE_RND
    | Interpolation.FULL_CHR_H_INT
    | Interpolation.BITEXACT
)
# By their numbers in ITU-T H.273, which is what a frame says.
_MATRICES: Final = {
    1: Colorspace.ITU709,
    4: Colorspace.FCC,
    5: Colorspace.ITU601,
    6: Colorspace.ITU601,
    7: Colorspace.SMPTE240M,
    9: Colorspace.BT2020,
    10: Colorspace.BT2020,
}
_SQUARE: Final = Fraction(1)


def plain_rate(stream: VideoStream) -> Fraction:
    """Return the constant rate at which a track is shown: its own, or the nearest usual one."""
    own = Fraction(stream.average_rate or stream.guessed_rate or 25)
    while own > _RATE_MAX * Fraction(101, 100):
        own /= 2
    near = min(_RATES, key=lambda usual: abs(usual - own))
    if abs(near - own) <= own / 200:
        return near
    # A rate of a telephone's own, which varies anyway.
    return Fraction(max(1, min(_RATE_MAX, round(own))))


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainFrames:
    """How pictures of one track are brought into shape."""

    width: int
    height: int
    rate: Fraction
    turned: int
    curve: int
    scaler: VideoReformatter
    deep_scaler: VideoReformatter

    @property
    def high_dynamic_range(self) -> bool:
        """Whether its light is brought into the range of ordinary pictures."""
        return self.curve in {PQ, HLG}

    @classmethod
    def for_film(
        cls, first: VideoFrame, stream: VideoStream, *, rate: Fraction, side_max: int
    ) -> PlainFrames:
        """Return how a track whose first picture is `first` is shown, at most `side_max` a side."""
        aspect = Fraction(stream.sample_aspect_ratio or 1)
        if not Fraction(1, 8) <= aspect <= 8:
            aspect = _SQUARE
        turned = round(first.rotation / 90) % 4 * 90
        width, height = Fraction(first.width) * aspect, Fraction(first.height)
        if turned in {90, 270}:
            width, height = height, width
        shrink = min(_SQUARE, side_max / max(width, height))
        return cls(
            width=_even(width * shrink),
            height=_even(height * shrink),
            rate=rate,
            turned=turned,
            curve=int(first.color_trc),
            scaler=VideoReformatter(),
            deep_scaler=VideoReformatter(),
        )

    def plain(self, frame: VideoFrame) -> NDArray[np.uint8]:
        """Return one picture as I420 of the film's size."""
        lying = self.turned in {90, 270}
        width, height = (self.height, self.width) if lying else (self.width, self.height)
        if self.high_dynamic_range:
            frame = self._standard_range(frame, width, height)
        shown = self.scaler.reformat(
            frame,
            width=width,
            height=height,
            format="yuv420p",
            interpolation=_SCALER,
            src_colorspace=_matrix(frame),
            dst_colorspace=Colorspace.ITU709,
            src_color_range=_range(frame),
            dst_color_range=ColorRange.MPEG,
            threads=1,  # here and below: none may be started behind the lock
        )
        planes = shown.to_ndarray().astype(np.uint8, copy=False)
        return _upright(planes, self.turned, width=shown.width, height=shown.height)

    def _standard_range(self, frame: VideoFrame, width: int, height: int) -> VideoFrame:
        deep = self.deep_scaler.reformat(
            frame,
            width=width,
            height=height,
            format="rgb48le",
            interpolation=_SCALER,
            src_colorspace=_matrix(frame),
            dst_colorspace=_matrix(frame),
            src_color_range=_range(frame),
            dst_color_range=ColorRange.JPEG,
            threads=1,
        )
        rgb = deep.to_ndarray().astype(np.uint16, copy=False)
        return VideoFrame.from_ndarray(to_standard_range(rgb, self.curve), format="rgb24")


class ConstantRate:
    """Shows pictures of any moments at a constant rate: each as long as it is the latest one."""

    def __init__(self, target: PlainFrames, *, frames_max: int, seconds_max: int) -> None:
        self._target = target
        self._seconds_max = seconds_max
        self._frames_max = min(frames_max, int(seconds_max * target.rate))
        self._latest: VideoFrame | None = None
        self._latest_sent = False
        self._ends = Fraction(0)
        self._next = 0

    @property
    def seconds(self) -> Fraction:
        """How long the film is by now."""
        return self._next / self._target.rate

    def add(self, frame: VideoFrame, at: Fraction | None) -> Iterator[tuple[dict[str, Any], Any]]:
        """Take a picture that is shown from `at` seconds on; yield those that are over by then."""
        if at is None:
            at = self._ends
        length = frame.duration * Fraction(frame.time_base or 0) if frame.duration else 0
        # Half a frame of grace: clocks of containers are rounded.
        due = int(at * self._target.rate + Fraction(1, 2))
        if due > self._frames_max:
            self._refuse()
        if self._latest is not None:
            yield from self._show_until(due)
        self._latest, self._latest_sent = frame, False
        self._ends = max(self._ends, at + (length or 1 / self._target.rate))

    def finish(self) -> Iterator[tuple[dict[str, Any], Any]]:
        """Yield what is shown to the end."""
        if self._latest is not None:
            due = int(self._ends * self._target.rate + Fraction(1, 2))
            yield from self._show_until(max(due, self._next or 1))

    def _show_until(self, due: int) -> Iterator[tuple[dict[str, Any], Any]]:
        assert self._latest is not None, "something is shown"
        if due > self._frames_max:
            self._refuse()
        while self._next < due:
            self._next += 1
            if self._latest_sent:
                yield {"frame": False}, ()
                continue
            plain = np.ascontiguousarray(self._target.plain(self._latest))
            self._latest_sent = True
            yield {"frame": bool(self._latest.key_frame)}, (plain.data.cast("B"),)

    def _refuse(self) -> None:
        raise PayloadRefused(
            cause=Cause.TOO_LARGE,
            found=f"it goes on for more than {self._frames_max:,} frames, or {self._seconds_max} s",
            remedy="Cut out the part that is wanted.",
        )


def _even(length: Fraction) -> int:
    return max(16, round(length / 2) * 2)


def _matrix(frame: VideoFrame) -> Colorspace:
    guess = Colorspace.ITU709 if frame.height >= _HD_HEIGHT else Colorspace.ITU601
    return _MATRICES.get(int(frame.colorspace), guess)


def _range(frame: VideoFrame) -> ColorRange:
    if frame.format.is_rgb:
        return ColorRange.JPEG
    if frame.format.name.startswith("yuvj") or int(frame.color_range) == ColorRange.JPEG:
        return ColorRange.JPEG
    return ColorRange.MPEG


def _upright(
    planes: NDArray[np.uint8], turned: int, *, width: int, height: int
) -> NDArray[np.uint8]:
    """Return I420 turned counter-clockwise by `turned` degrees."""
    if turned == 0:
        return planes
    flat = planes.reshape(-1)
    luma, chroma = width * height, width * height // 4
    parts = (
        flat[:luma].reshape(height, width),
        flat[luma : luma + chroma].reshape(height // 2, width // 2),
        flat[luma + chroma :].reshape(height // 2, width // 2),
    )
    turned_parts = [np.rot90(part, turned // 90).reshape(-1) for part in parts]
    return np.concatenate(turned_parts)
