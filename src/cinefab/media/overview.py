"""A film at a glance: a sheet of its keyframes for a player's time bar, and one picture to stand for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from av.video.frame import VideoFrame
from numpy.typing import NDArray

from cinefab.core.brief import Size
from cinefab.core.errors import ContractMismatch
from cinefab.media.decode import decode_keyframes, opened
from cinefab.media.frames import Frame, Rgb
from cinefab.media.still import jpeg_bytes, to_rgb
from cinefab.media.whole_file import storage_errors, whole_file

_THUMBNAIL_SIDE_PX: Final = 160
_COLUMNS: Final = 10
_SHEET_QUALITY: Final = 80
_BLACK_LUMA_MAX: Final = 24


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """A sprite sheet: the size of one thumbnail, and how many there are in a row and in all."""

    thumbnail: Size
    columns: int
    count: int

    def place(self, index: int) -> tuple[int, int]:
        """Return the left and the top pixel of a thumbnail."""
        row, column = divmod(index, self.columns)
        return column * self.thumbnail.width, row * self.thumbnail.height


def write_sheet(
    film: Path, path: Path, *, frames: int, size: Size, every_frames: Fraction
) -> Sheet:
    """Write a JPEG with one thumbnail for every `every_frames` of `film`, in rows of ten.

    Each shows the keyframe nearest to the middle of its stretch. Raises as `media.decode` does.
    """
    thumbnail = _thumbnail_size(size)
    count = max(1, -(-frames // every_frames))
    sheet = Sheet(thumbnail=thumbnail, columns=min(count, _COLUMNS), count=count)
    middles = [every_frames * index + every_frames / 2 for index in range(count)]
    nearest: list[tuple[Fraction, Rgb | None]] = [(Fraction(frames * 2), None)] * count
    for number, picture in decode_keyframes(film):
        nearer = [i for i, middle in enumerate(middles) if abs(middle - number) < nearest[i][0]]
        if nearer:
            small = to_rgb(_frame(picture), thumbnail)
            for i in nearer:
                nearest[i] = abs(middles[i] - number), small
    rows = -(-count // sheet.columns)
    picture_of_all = np.zeros(
        (rows * thumbnail.height, sheet.columns * thumbnail.width, 3), np.uint8
    )
    for index, (_, small_one) in enumerate(nearest):
        assert small_one is not None, "a film begins with a keyframe"
        left, top = sheet.place(index)
        picture_of_all[top : top + thumbnail.height, left : left + thumbnail.width] = small_one
    bgr = cv2.cvtColor(picture_of_all, cv2.COLOR_RGB2BGR)
    done, content = cv2.imencode(".jpg", bgr, [cv2.IMWRITE_JPEG_QUALITY, _SHEET_QUALITY])
    assert done, "pictures in memory can be encoded"
    _write(content.tobytes(), path)
    return sheet


def write_poster(pieces: Sequence[tuple[Path, int]], path: Path) -> None:
    """Write the best of some frames, each a piece and the frame's number in it, as a JPEG.

    What is black comes last; of the others, the one with the most to see in it: contrast,
    colour and sharp edges. Raises as `media.decode` does.
    """
    best: tuple[float, Frame] | None = None
    for piece, number in pieces:
        frame = frame_at(piece, number)
        worth = _worth(frame)
        if best is None or worth > best[0]:
            best = worth, frame
    assert best is not None, "a film has a frame to choose"
    _write(jpeg_bytes(best[1]), path)


def frame_at(piece: Path, number: int) -> Frame:
    """Return frame `number` of a film of ours; raise `ContractMismatch` where it is shorter."""
    with opened(piece) as (container, stream):
        assert stream.time_base is not None, "MP4 tracks have a clock"
        fps = Fraction(stream.average_rate or 0)
        container.seek(int(number / fps / stream.time_base), stream=stream)
        for picture in container.decode(stream):
            if picture.pts is not None and picture.pts * stream.time_base * fps >= number:
                return _frame(picture)
    raise ContractMismatch(
        attempted=f"show frame {number} of {piece}",
        found="it is shorter than that",
        remedy="Make that piece again; order the film again to have it made",
    )


def _worth(frame: Frame) -> float:
    height = frame.shape[0] * 2 // 3
    luma = cv2.resize(frame[:height], (320, max(1, 320 * height // frame.shape[1])))
    if float(np.percentile(luma, 99)) <= _BLACK_LUMA_MAX:
        return -1.0
    chroma = frame[height:].astype(np.int16) - 128
    edges: NDArray[np.float32] = cv2.Laplacian(luma, cv2.CV_32F).astype(np.float32, copy=False)
    return float(luma.std()) + float(np.abs(chroma).mean()) + float(edges.std())


def _frame(picture: VideoFrame) -> Frame:
    return picture.to_ndarray().astype(np.uint8, copy=False)


def _thumbnail_size(size: Size) -> Size:
    longer = max(size.width, size.height)
    width = max(2, round(size.width * _THUMBNAIL_SIDE_PX / longer / 2) * 2)
    height = max(2, round(size.height * _THUMBNAIL_SIDE_PX / longer / 2) * 2)
    return Size(width, height)


def _write(content: bytes, path: Path) -> None:
    with whole_file(path) as unfinished, storage_errors(f"write {path}"):
        unfinished.write_bytes(content)
