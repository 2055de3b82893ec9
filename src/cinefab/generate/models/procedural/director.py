"""Prepares a shot once and draws any of its frames."""

from __future__ import annotations

import random
import unicodedata
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final, TypeVar

import cv2
import numpy as np

from cinefab.core.canonical import canonical_json
from cinefab.generate.backend import TakeRequest
from cinefab.generate.models.procedural.copy import Entrance
from cinefab.generate.models.procedural.kit import Kit, Scene
from cinefab.generate.models.procedural.layers import Cover
from cinefab.generate.models.procedural.logo import logo_layer
from cinefab.generate.models.procedural.motion import Moment, moment_of
from cinefab.generate.models.procedural.palette import palette_of
from cinefab.generate.models.procedural.pictures import Photo, load_photo
from cinefab.generate.models.procedural.raster import warm_up
from cinefab.generate.models.procedural.readable import Reading, even_part, reading_over
from cinefab.generate.models.procedural.scene import build_scene, layout_of
from cinefab.generate.models.procedural.shot import ShotInput, read_shot
from cinefab.generate.models.procedural.stage import Box, Stage
from cinefab.media.finish import Finisher, part_to_rgb
from cinefab.media.frames import Frame, Rgb
from cinefab.media.lut import Lut, load_lut
from cinefab.media.typeset import TypeStyle

_SHOTS_KEPT: Final = 3
_PHOTOS_KEPT: Final = 6
# Denser at first: that is when light sweeps over the product and things still arrive.
_SAMPLES: Final = (0.0, 0.1, 0.2, 0.32, 0.45, 0.7, 1.0)

_VOICES: Final = (
    TypeStyle(family="display", weight="black", tracking_em=0.0, leading=1.04, uppercase=True),
    TypeStyle(family="sans", weight="bold", tracking_em=-0.015, leading=1.12, uppercase=False),
    TypeStyle(family="serif", weight="bold", tracking_em=-0.005, leading=1.14, uppercase=False),
)

_Kept = TypeVar("_Kept")


class Director:
    """Keeps the last shots and photographs ready; serves one caller at a time."""

    def __init__(self) -> None:
        cv2.setNumThreads(1)  # processes are the parallelism
        warm_up()
        self._shots: OrderedDict[Hashable, _Shot] = OrderedDict()
        self._photos: OrderedDict[Hashable, Photo] = OrderedDict()

    def frames(self, request: TakeRequest) -> Iterator[Frame]:
        """Yield the request's frames."""
        shot = _keep(self._shots, _shot_key(request), lambda: self._prepared(request), _SHOTS_KEPT)
        for frame in range(request.first_frame, request.first_frame + request.frames):
            yield shot.frame(frame)

    def check(self, request: TakeRequest) -> None:
        """Raise what preparing the shot would raise: nothing is drawn, nothing is kept."""
        self._composed(request)

    def _prepared(self, request: TakeRequest) -> _Shot:
        wishes, kit, scene = self._composed(request)
        finisher = Finisher(
            width=request.size.width,
            height=request.size.height,
            seed=request.seed * 1009 + wishes.index,
        )
        shot = _Shot(request, kit, scene, finisher)
        shot.settle(logo=wishes.logo)
        return shot

    def _composed(self, request: TakeRequest) -> tuple[ShotInput, Kit, Scene]:
        wishes = read_shot(request)
        lut_file = request.files.get("lut")
        lut = None if lut_file is None else load_lut(lut_file)
        photo = self._photo(wishes.product, request, lut)
        backdrop = self._photo(wishes.background, request, lut)
        name = layout_of(
            seed=request.seed,
            index=wishes.index,
            has_photo=photo is not None or backdrop is not None,
        )
        kit = _kit(request, wishes, photo, backdrop)
        return wishes, kit, build_scene(name, kit)

    def _photo(self, name: str | None, request: TakeRequest, lut: Lut | None) -> Photo | None:
        if name is None:
            return None
        picture, mask = request.references[name], request.masks.get(name)
        key = (_identity(picture), _identity(mask), _identity(request.files.get("lut")))
        return _keep(self._photos, key, lambda: load_photo(name, picture, mask, lut), _PHOTOS_KEPT)


class _Shot:
    def __init__(self, request: TakeRequest, kit: Kit, scene: Scene, finisher: Finisher) -> None:
        self._request = request
        self._kit = kit
        self._scene = scene
        self._finisher = finisher
        size = request.size
        self._canvas = np.zeros((size.height, size.width, 4), np.uint8)
        self._reading: Reading | None = None

    def settle(self, *, logo: str | None) -> None:
        """Choose ink and scrim, and give the logo its place, from what is really there."""
        scene, kit = self._scene, self._kit
        if logo is not None:
            mark = logo_layer(
                self._request.references[logo],
                self._request.masks.get(logo),
                scene.logo,
                self._samples(even_part(scene.logo, kit.stage), None),
                kit.stage,
                kit.palette,
            )
            self._scene = replace(scene, front=[*scene.front, mark])
        if scene.copy is not None:
            self._reading = reading_over(self._samples, scene, kit.stage, kit.palette)

    def frame(self, number: int) -> Frame:
        """Draw one frame, counted from the shot's start."""
        at = self._moment(number)
        canvas, scene, reading = self._canvas, self._scene, self._reading
        for layer in scene.back:
            layer.draw(canvas, at)
        if reading is not None and reading.scrim is not None:
            reading.scrim.draw(canvas, at)
        for layer in scene.front:
            layer.draw(canvas, at)
        if scene.copy is not None and reading is not None:
            scene.copy.draw(canvas, at, reading.ink)
        return self._finisher.finish(canvas, frame=number, look=scene.look)

    def _samples(self, part: Box, scrim: Cover | None) -> list[Rgb]:
        """Draw a part of several frames of the readable time, without type and grain."""
        request, copy = self._request, self._scene.copy
        first = 0 if copy is None else round(float(copy.settled_s * 0.5 * request.fps))
        last = max(first, request.shot_frames - 1)
        taken = []
        for share in _SAMPLES:
            number = round(first + (last - first) * share)
            for layer in self._scene.back:
                layer.draw(self._canvas, self._moment(number))
            if scrim is not None:
                scrim.draw(self._canvas, self._moment(number))
            look = replace(self._scene.look, grain=0.0, flat_grain=0.0)
            frame = self._finisher.finish(self._canvas, frame=number, look=look)
            taken.append(
                part_to_rgb(
                    frame,
                    left=int(part.left),
                    top=int(part.top),
                    right=int(part.right),
                    bottom=int(part.bottom),
                )
            )
        return taken

    def _moment(self, number: int) -> Moment:
        return moment_of(number, shot_frames=self._request.shot_frames, fps=self._request.fps)


def _kit(
    request: TakeRequest, wishes: ShotInput, photo: Photo | None, backdrop: Photo | None
) -> Kit:
    # What holds for the whole film is drawn from its seed alone; a shot adds its place.
    film = random.Random(f"{request.seed}:film")
    voice = film.choice(_VOICES)
    entrance = film.choice([Entrance.RISE, Entrance.DRIFT, Entrance.SLIDE])
    first_side = film.random() < 0.5
    mirrored = (wishes.index % 2 == 1) == first_side
    if _reads_right_to_left(wishes.caption):
        mirrored = True
    return Kit(
        stage=Stage(request.size.width, request.size.height, mirrored),
        palette=palette_of(wishes.colours),
        caption=wishes.caption,
        camera=wishes.camera,
        shot_s=float(request.shot_frames / request.fps),
        photo=photo,
        backdrop=backdrop,
        voice=voice,
        entrance=entrance,
        font_file=request.files.get("font"),
        chance=random.Random(f"{request.seed}:{wishes.index}"),
    )


def _reads_right_to_left(text: str) -> bool:
    for character in text:
        direction = unicodedata.bidirectional(character)
        if direction in ("L", "R", "AL"):
            return direction != "L"
    return False


def _keep(
    kept: OrderedDict[Hashable, _Kept], key: Hashable, make: Callable[[], _Kept], limit: int
) -> _Kept:
    if key in kept:
        kept.move_to_end(key)
        return kept[key]
    made = make()
    kept[key] = made
    while len(kept) > limit:
        kept.popitem(last=False)
    return made


def _shot_key(request: TakeRequest) -> Hashable:
    files = [*request.references.items(), *request.masks.items(), *request.files.items()]
    return (
        canonical_json(request.input),
        request.seed,
        request.size,
        request.fps,
        request.shot_frames,
        tuple((name, _identity(path)) for name, path in files),
    )


def _identity(path: Path | None) -> Hashable:
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return str(path)
    return str(path), found.st_mtime_ns, found.st_size
