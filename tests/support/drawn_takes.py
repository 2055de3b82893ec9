"""Takes that the embedded model draws of photographs drawn here: what clean films are made of."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray
from studio_runs import PHOTO

from cinefab.core.brief import Camera, Quality, Size
from cinefab.core.canonical import Sha256
from cinefab.generate.backend import TakeRequest
from cinefab.generate.models.procedural import Procedural
from cinefab.media.cutout import TRUSTED_BP, cut_out
from cinefab.media.encode import FINAL, PREVIEW, encode
from cinefab.media.frames import Frame
from cinefab.media.inspect import FilmInspection, inspect_film
from cinefab.media.look import Look, look_of
from cinefab.review.figures import Ordered

Picture = NDArray[np.float32]

CAPTIONS = (
    "Some mornings deserve a slower start",
    "One farm. One harvest.",
    "Now",
    "Notes of cherry, cocoa and quiet",
    "50% off",
    "The long way home, walked together in the rain",
    "Hello",
    "Built for the weekend",
)
PALETTES: tuple[list[str], ...] = (
    ["#6b1f12", "#f4e6d2", "#1c1a19"],
    ["#1d3557", "#f1faee", "#e63946"],
    [],
    ["#ffffff", "#111111"],
    ["#0b6e4f", "#fa9f42"],
    ["#000000", "#ffd500"],
)
CAMERAS = [camera.value for camera in Camera if camera is not Camera.AUTO]
SIZES = (Size(640, 360), Size(360, 640), Size(480, 480), Size(320, 180), Size(640, 360))


@dataclass(frozen=True)
class Take:
    """A take as drawn, and what was ordered of it."""

    name: str
    frames: list[Frame]
    request: TakeRequest
    quality: Quality

    @property
    def ordered(self) -> Ordered:
        """What its shot was to show; a reference's name stands for its digest."""
        given: Any = self.request.input
        return Ordered(
            shots=(0,),
            frames=len(self.frames),
            colours=tuple(given["colours"]),
            references=tuple(Sha256(name) for name in given["references"]),
            masks={Sha256(name): Sha256(f"{name}-mask") for name in self.request.masks},
            words=bool(given["caption"]),
            quality=self.quality,
        )

    def seen(self, frames: list[Frame], path: Path) -> FilmInspection:
        """Encode `frames` as this take would be, and look at them."""
        settings = FINAL if self.quality is Quality.FINAL else PREVIEW
        encode(frames, path, size=self.request.size, fps=self.request.fps, settings=settings)
        return inspect_film(path)


@dataclass(frozen=True)
class Photographs:
    """Photographs and their masks, in a folder, by name."""

    pictures: dict[str, Path]
    masks: dict[str, Path]

    @property
    def looks(self) -> dict[Sha256, Look]:
        """What each looks like, whole and through its mask, by its name."""
        return {
            Sha256(name): look_of(path, self.masks.get(name))
            for name, path in self.pictures.items()
        }


def photographs(folder: Path) -> Photographs:
    """Draw a landscape, a bottle on white and a lamp in the dark; take the coffee as it is."""
    drawn = {"hills": _hills(), "bottle": _bottle(), "lamp": _lamp()}
    pictures = {"coffee": PHOTO}
    for name, picture in drawn.items():
        pictures[name] = folder / f"{name}.png"
        flat = np.clip(picture, 0, 255).astype(np.uint8)
        cv2.imwrite(str(pictures[name]), flat[..., ::-1])
    return with_masks(pictures, folder)


def with_masks(pictures: dict[str, Path], folder: Path) -> Photographs:
    """Cut out of each photograph what can be; the masks are written into `folder`."""
    masks = {}
    for name, path in pictures.items():
        image = cv2.imread(str(path), cv2.IMREAD_COLOR_RGB)
        assert image is not None
        cut = cut_out(np.asarray(image, np.uint8))
        if cut.confidence_bp >= TRUSTED_BP:
            masks[name] = folder / f"{name}-mask.png"
            cv2.imwrite(str(masks[name]), cut.mask)
    return Photographs(pictures, masks)


def takes(photos: Photographs, count: int, *, first_seed: int = 0) -> Iterator[Take]:
    """Yield takes of many layouts, palettes, sizes and rates; a seed always gives the same one."""
    for seed in range(first_seed, first_seed + count):
        chance = random.Random(seed)
        name = chance.choice([*photos.pictures, None])
        role = chance.choice(["product", "background"])
        fps = chance.choice([24, 24, 30, 12])
        length = int(fps * chance.choice([2.5, 3, 3.5]))
        shown = [] if name is None else [name]
        request = TakeRequest(
            input={
                "prompt": "",
                "caption": chance.choice(CAPTIONS),
                "camera": chance.choice(CAMERAS),
                "index": chance.randrange(6),
                "references": shown,
                "roles": dict.fromkeys(shown, role),
                "colours": chance.choice(PALETTES),
                "logo": None,
            },
            seed=seed,
            size=SIZES[seed % len(SIZES)],
            fps=Fraction(fps),
            first_frame=0,
            frames=length,
            shot_frames=length,
            references={each: photos.pictures[each] for each in shown},
            masks={each: photos.masks[each] for each in shown if each in photos.masks}
            if role == "product"
            else {},
            files={},
        )
        quality = Quality.PREVIEW if seed % 4 == 3 else Quality.FINAL
        frames = [frame.copy() for frame in _model().frames(request)]
        yield Take(f"seed {seed}, {name or 'type alone'}", frames, request, quality)


@cache
def _model() -> Procedural:
    return Procedural()


def _fractal(height: int, width: int, power: float, seed: int) -> Picture:
    noise = np.fft.rfft2(np.random.default_rng(seed).standard_normal((height, width)))
    across = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.rfftfreq(width)[None])
    drawn = np.fft.irfft2(noise / (across + 1 / max(height, width)) ** power, (height, width))
    drawn -= drawn.min()
    return np.asarray(drawn / drawn.max(), np.float32)


def _hills() -> Picture:
    height, width = 720, 1120
    down = np.linspace(0, 1, height, dtype=np.float32)[:, None]
    sky = np.stack(
        [
            low + (high - low) * down + np.zeros((1, width))
            for low, high in ((70, 210), (130, 200), (220, 190))
        ],
        -1,
    )
    line = (
        0.55 + 0.08 * np.sin(np.linspace(0, 9, width)) + 0.1 * (_fractal(1, width, 1.5, 2)[0] - 0.5)
    )
    texture = _fractal(height, width, 1.0, 3)
    land = np.stack([60 + 60 * texture, 110 + 80 * texture, 50 + 30 * texture], -1)
    drawn = np.where((down > line[None])[..., None], land, sky)
    return np.asarray(drawn + (_fractal(height, width, 1.6, 1)[..., None] - 0.5) * 30, np.float32)


def _bottle() -> Picture:
    height, width = 1100, 900
    shade = np.zeros((height, width), np.float32)
    cv2.ellipse(shade, (450, 980), (260, 40), 0, 0, 360, 1, -1)
    drawn = 250 * (1 - 0.5 * cv2.GaussianBlur(shade, (0, 0), 18))[..., None] * np.ones(3)
    shape = np.zeros((height, width), np.float32)
    cv2.rectangle(shape, (300, 380), (600, 960), 1, -1)
    cv2.rectangle(shape, (400, 150), (500, 400), 1, -1)
    cv2.ellipse(shape, (450, 390), (150, 90), 0, 180, 360, 1, -1)
    shape = cv2.GaussianBlur(shape, (0, 0), 1.2)
    lit = np.cos((np.arange(width) - 450) / 190)[None] * np.ones((height, 1))
    body = np.stack([190 * lit, 30 * lit, 40 * lit], -1) + 20
    body[520:800, 320:580] = np.array([240, 230, 200]) * np.clip(
        lit[520:800, 320:580, None], 0.3, 1
    )
    for top, bottom in ((600, 640), (660, 670), (690, 720)):
        body[top:bottom, 350:550] = (200, 160, 40)
    return np.asarray(drawn * (1 - shape[..., None]) + body * shape[..., None], np.float32)


def _lamp() -> Picture:
    height, width = 800, 1200
    drawn = (
        np.full((height, width, 3), 9, np.float32) + _fractal(height, width, 1.2, 8)[..., None] * 14
    )
    down, across = np.mgrid[:height, :width]
    ball = np.clip(1 - np.hypot(across - 600, down - 360) / 220, 0, 1) ** 0.5
    drawn += ball[..., None] * np.array([40, 190, 120])
    drawn += np.exp(-((across - 540) ** 2 + (down - 290) ** 2) / 900)[..., None] * 200
    cv2.rectangle(drawn, (570, 560), (630, 760), (70, 60, 50), -1, cv2.LINE_AA)
    return drawn
