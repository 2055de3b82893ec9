"""A request in the words of a pipeline: what its call takes, found by looking at its signature."""

from __future__ import annotations

import inspect
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final

from cinefab.core.brief import Size
from cinefab.core.canonical import digest_of
from cinefab.core.errors import BriefInvalid
from cinefab.generate.models.diffusers.adapters import Wanted
from cinefab.generate.models.diffusers.settings import Configured
from cinefab.media.frames import Rgb

_FPS: Final = (("Wan", 16), ("CogVideo", 8), ("LTX", 24), ("Mochi", 30), ("Hunyuan", 24))
_FPS_ELSE: Final = 24
_AREA_ELSE: Final = 512 * 512
_SIDE_LEAST: Final = 16
_WINDOW_ELSE: Final = 81
_STRENGTH: Final = 0.6
_SEED_BITS: Final = 63


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """What one request asks of the model, read from its input and its settings."""

    prompt: str
    negative_prompt: str | None
    seed: int
    steps: int | None
    guidance: float | None
    strength: float | None
    scheduler: str | None
    loras: tuple[Wanted, ...]

    @property
    def shared(self) -> tuple[Any, ...]:
        """What requests must have in common to be made in one call."""
        return (
            self.negative_prompt is None,
            self.steps,
            self.guidance,
            self.strength,
            self.scheduler,
            self.loras,
        )


def wish_of(given: Any, seed: int) -> Wish:
    """Read what a request asks for; its input fits the card's schema."""
    settings = given.get("settings", {})
    lora = settings.get("lora", [])
    return Wish(
        prompt=given.get("prompt") or "",
        negative_prompt=settings.get("negative_prompt"),
        seed=seed,
        steps=settings.get("steps"),
        guidance=settings.get("guidance"),
        strength=settings.get("strength"),
        scheduler=settings.get("scheduler"),
        loras=tuple(
            (each["name"], float(each.get("scale", 1.0)))
            for each in (lora if isinstance(lora, list) else [lora])
        ),
    )


class Shape:
    """What a pipeline makes by itself: sizes, rates and lengths, in its own terms."""

    def __init__(self, pipeline: Any, configured: Configured) -> None:
        self._pipeline = pipeline
        self._configured = configured
        self.takes: Mapping[str, inspect.Parameter] = inspect.signature(
            type(pipeline).__call__
        ).parameters

    @property
    def fps(self) -> Fraction:
        """Its own frames a second."""
        if self._configured.fps is not None:
            return self._configured.fps
        kind = type(self._pipeline).__name__
        return Fraction(next((fps for part, fps in _FPS if kind.startswith(part)), _FPS_ELSE))

    @property
    def window(self) -> int:
        """Its longest run, in its own frames."""
        wanted = self._configured.window or self._default("num_frames", _WINDOW_ELSE)
        return max(1, (wanted - 1) // self._period * self._period + 1)

    @property
    def overlap(self) -> int:
        """Frames in which two runs fade into each other."""
        return min(self._configured.overlap or max(1, self.window // 5), self.window // 2)

    def run_frames(self, frames: int) -> int:
        """Return how many frames it makes where `frames` are needed."""
        return -(-(frames - 1) // self._period) * self._period + 1

    def size(self, film: Size) -> Size:
        """Return a size of its own area in the film's proportions, as near as its grid allows."""
        step = self._grid
        if self._configured.width is not None and self._configured.height is not None:
            area = self._configured.width * self._configured.height
        else:
            area = self._area()
        height = math.sqrt(area * film.height / film.width)
        sides = (height * film.width / film.height, height)
        width, height = (max(step, round(side / step) * step) for side in sides)
        return Size(int(width), int(height))

    @property
    def _period(self) -> int:
        for named in ("vae_scale_factor_temporal", "vae_temporal_compression_ratio"):
            found = getattr(self._pipeline, named, None)
            if found and "num_frames" in self.takes:
                return int(found)
        return 1

    @property
    def _grid(self) -> int:
        kind = type(self._pipeline).__name__
        scale = 8
        for named in (
            "vae_scale_factor_spatial",
            "vae_spatial_compression_ratio",
            "vae_scale_factor",
        ):
            found = getattr(self._pipeline, named, None)
            if isinstance(found, int | float) and found:
                scale = int(found)
                break
        denoiser = getattr(self._pipeline, "transformer", None)
        patch = 1 if denoiser is None else denoiser.config.get("patch_size", 1)
        sides = patch if isinstance(patch, list | tuple) else (patch,)
        patch = max((int(each) for each in sides if isinstance(each, int)), default=1)
        if kind.startswith("Flux"):
            patch = 2
        least = 32 if kind.startswith("LTX") else _SIDE_LEAST
        return math.lcm(scale * patch, least) if denoiser is not None else max(8, scale)

    def _area(self) -> int:
        width, height = self._default("width", 0), self._default("height", 0)
        if width and height:
            return width * height
        side = getattr(self._pipeline, "default_sample_size", 0)
        unet = getattr(self._pipeline, "unet", None)
        if unet is not None:
            side = unet.config.get("sample_size") or 0
        scale = getattr(self._pipeline, "vae_scale_factor", 8)
        return int(side * scale) ** 2 if isinstance(side, int) and side else _AREA_ELSE

    def _default(self, name: str, otherwise: int) -> int:
        found = self.takes.get(name)
        return found.default if found is not None and isinstance(found.default, int) else otherwise


def words(shape: Shape, wishes: Sequence[Wish], configured: Configured) -> dict[str, Any]:
    """Return what a call is told beside its size, length, pictures and generators.

    Raises `BriefInvalid` naming the setting that this pipeline does not take.
    """
    first = wishes[0]
    said: dict[str, Any] = {"prompt": _one_or_list([wish.prompt for wish in wishes])}
    if first.negative_prompt is not None:
        _require(shape, "negative_prompt", "negative_prompt")
        said["negative_prompt"] = _one_or_list([wish.negative_prompt or "" for wish in wishes])
    steps = first.steps if first.steps is not None else configured.steps
    if steps is not None:
        said["num_inference_steps"] = steps
    if first.guidance is not None:
        named = "guidance_scale" if "guidance_scale" in shape.takes else "true_cfg_scale"
        _require(shape, named, "guidance")
        said[named] = float(first.guidance)
    if "strength" in shape.takes:
        said["strength"] = _STRENGTH if first.strength is None else float(first.strength)
    return said


def generator_seed(seed: int, place: int) -> int:
    """Return the seed of a window by where it begins; the first one's is the request's own."""
    if place != 0:
        seed = int(digest_of({"seed": seed, "window": place})[:16], 16)
    return seed & ((1 << _SEED_BITS) - 1)


def picture_for(path: Any, size: Size) -> Rgb:
    """Return a reference's picture, cut and scaled to cover `size`."""
    import cv2
    import numpy as np

    from cinefab.media.still import read_png

    picture = read_png(path)
    height, width = picture.shape[:2]
    scale = max(size.width / width, size.height / height)
    wide = min(width, max(1, round(size.width / scale)))
    high = min(height, max(1, round(size.height / scale)))
    left, top = (width - wide) // 2, (height - high) // 2
    cut = np.ascontiguousarray(picture[top : top + high, left : left + wide])
    how = cv2.INTER_AREA if scale < 1 else cv2.INTER_CUBIC
    scaled = cv2.resize(cut, (size.width, size.height), interpolation=how)
    return np.asarray(scaled, np.uint8)


def _require(shape: Shape, named: str, setting: str) -> None:
    if named not in shape.takes:
        raise BriefInvalid(
            attempted="call the model",
            field=f"model_settings.{setting}",
            found="this model does not take it",
            remedy="Leave it out, or choose another model.",
        )


def _one_or_list(texts: Sequence[str]) -> Any:
    return texts[0] if len(texts) == 1 else list(texts)
