"""What of a shot a service is asked for: its picture, its length, and a folder for the answer."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Iterator, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

from cinefab.core.brief import Size
from cinefab.core.errors import BriefInvalid
from cinefab.generate.backend import TakeRequest
from cinefab.generate.run import Run


def require_picture(request: TakeRequest, *, model: str, begins: str) -> None:
    """Raise `BriefInvalid` for a shot without the picture that something begins with.

    `begins` says what it is that begins with one.
    """
    if not request.references:
        raise BriefInvalid(
            attempted=f"make a shot with the model {model!r}",
            field="references",
            found=f"{begins} begins with a picture",
            remedy="Name a picture among the shot's references.",
        )


def picture_of(request: TakeRequest) -> Path:
    """Return the picture that a shot begins with: the first that it names."""
    given: Any = request.input
    names = [name for name in given.get("references", ()) if name in request.references]
    return request.references[names[0] if names else next(iter(request.references))]


def prompt_of(request: TakeRequest) -> str:
    """Return what is to be seen, in words."""
    given: Any = request.input
    return str(given.get("prompt") or given.get("caption") or "")


def seconds_to_ask(
    request: TakeRequest, settings: Mapping[str, Any], *, model: str, whole: bool
) -> Fraction:
    """Return how long a film to ask for: as long as the shot, or the next length there is.

    `whole`: in whole seconds, where the table says no lengths. Raises `BriefInvalid` for a shot
    beyond the longest.
    """
    needed = Fraction(request.frames) / request.fps
    known = settings.get("seconds")
    if known is None:
        return Fraction(-(-needed // 1)) if whole else needed
    longer = [each for each in sorted(known) if each >= needed]
    if not longer:
        raise BriefInvalid(
            attempted=f"make a shot with the model {model!r}",
            field="seconds",
            found=f"it lasts {float(needed):g} seconds with its transitions",
            remedy=f"The model makes {', '.join(map(str, sorted(known)))}: shorten the shot.",
        )
    return Fraction(longer[0])


def size_to_ask(size: Size, settings: Mapping[str, Any]) -> Size:
    """Return the size to ask for: the film's, or the one of the table's that is most like it."""
    known = settings.get("sizes")
    if known is None:
        return size

    def unlike(each: Size) -> tuple[float, int]:
        ratio = each.width / each.height * size.height / size.width
        return max(ratio, 1 / ratio), abs(each.width * each.height - size.width * size.height)

    sides = (each.split("x") for each in known)
    return min((Size(int(width), int(height)) for width, height in sides), key=unlike)


@contextlib.contextmanager
def work_folder(run: Run) -> Iterator[Path]:
    """Give the run's own folder, or one that lasts as long as the run does."""
    with contextlib.ExitStack() as stack:
        folder = run.folder
        if folder is None:
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        folder.mkdir(parents=True, exist_ok=True)
        yield folder
