"""The frame's geometry: boxes, margins, and mirroring for right-to-left compositions."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

import numpy as np
from numpy.typing import NDArray

SAFE_SHARE: Final = 0.05
"""Type and logos keep at least this share of the frame's width and height from its edges."""


class Shape(Enum):
    """The frame's proportion, as far as a composition cares."""

    WIDE = "wide"
    SQUARE = "square"
    TALL = "tall"


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in pixels of the frame."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        """Pixels across."""
        return self.right - self.left

    @property
    def height(self) -> float:
        """Pixels down."""
        return self.bottom - self.top

    @property
    def middle_x(self) -> float:
        """Halfway across."""
        return (self.left + self.right) / 2

    @property
    def middle_y(self) -> float:
        """Halfway down."""
        return (self.top + self.bottom) / 2

    def corners(self) -> NDArray[np.float64]:
        """Return its corners clockwise from the left top one, shape (4, 2)."""
        return np.array(
            [
                [self.left, self.top],
                [self.right, self.top],
                [self.right, self.bottom],
                [self.left, self.bottom],
            ],
            np.float64,
        )

    def grown(self, by: float) -> Box:
        """Return it larger by `by` pixels on each side."""
        return Box(self.left - by, self.top - by, self.right + by, self.bottom + by)


@dataclass(frozen=True, slots=True)
class Stage:
    """A frame of `width` x `height` pixels; `mirrored` swaps left and right in every answer."""

    width: int
    height: int
    mirrored: bool

    @property
    def shape(self) -> Shape:
        """Wide, square or tall."""
        ratio = self.width / self.height
        if ratio > 1.2:
            return Shape.WIDE
        return Shape.SQUARE if ratio > 0.8 else Shape.TALL

    @property
    def unit(self) -> float:
        """What type and rules are measured in: a hundredth of the shorter side, in pixels."""
        return min(self.width, self.height) / 100

    @property
    def margin(self) -> float:
        """The margin on the left and right in which nothing is set."""
        return max(SAFE_SHARE * self.width, 6.5 * self.unit)

    def x(self, share: float) -> float:
        """Return the pixel at a share of the width, mirrored if the stage is."""
        return (1 - share if self.mirrored else share) * self.width

    def y(self, share: float) -> float:
        """Return the pixel at a share of the height."""
        return share * self.height

    def box(self, left: float, top: float, right: float, bottom: float) -> Box:
        """Return a box given in shares of the frame, mirrored if the stage is."""
        first, second = sorted((self.x(left), self.x(right)))
        return Box(first, self.y(top), second, self.y(bottom))

    def safe(self, box: Box) -> Box:
        """Return the part of `box` in which type may be set."""
        side, edge = self.margin, max(SAFE_SHARE * self.height, 7.0 * self.unit)
        return Box(
            max(box.left, side),
            max(box.top, edge),
            min(box.right, self.width - side),
            min(box.bottom, self.height - edge),
        )
