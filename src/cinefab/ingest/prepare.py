"""What is done to a reference once it is decoded: normalised, and the product cut out.

The normalised picture is an RGB PNG whose longer side is at most `SIDE_MAX_PX`; everything after
ingest sees only that. A mask is kept when the cut is to be trusted; otherwise shots fall back to
moves over the whole photograph.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from cinefab.core.canonical import Json
from cinefab.media.cutout import TRUSTED_BP, cut_out
from cinefab.media.scale import shrunk
from cinefab.media.still import png_bytes, read_png

PREPARATION: Final = "picture-1/cutout-2"
"""Goes up when prepared pixels change, so that references are prepared anew."""

FILM_PREPARATION: Final = "film-1"
"""Goes up when prepared films or sounds change, so that references are prepared anew."""

SIDE_MAX_PX: Final = 2560


def cut_product(argument: Mapping[str, Any], _report: Callable[[Json], None]) -> Json:
    """Cut the product out of the picture at `picture`, in a compute process.

    Writes a grey PNG to `mask` and returns its confidence; nothing is written when the
    confidence is below `TRUSTED_BP`.
    """
    cut = cut_out(read_png(Path(argument["picture"])))
    if cut.confidence_bp >= TRUSTED_BP:
        Path(argument["mask"]).write_bytes(png_bytes(cut.mask))
    return {"confidence_bp": cut.confidence_bp, "kept": cut.confidence_bp >= TRUSTED_BP}


def normalised(picture: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return the picture, or the mask, at a size that rendering can use: never larger than needed."""
    return shrunk(picture, side_max_px=SIDE_MAX_PX)
