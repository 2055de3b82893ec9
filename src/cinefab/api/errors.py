"""What the door itself refuses, beside what the studio does.

CinefabError
├── MalformedRequest        the request's bytes are not what they say they are
├── BodyTooLarge            more was sent, or announced, than is taken
├── MediaTypeRefused        the body is of a type that this route does not read
├── NoSuchRoute             nothing is at this path
├── MethodRefused           what is at this path cannot be asked in this way
├── RangeRefused            the range that was asked for is not in the content
├── TusVersionRefused       a client of resumable uploads speaks another version of their protocol
├── ChecksumRefused         a piece of an upload is not what its checksum says
├── NotMade                 the job that a request waited for has ended without what was asked for
├── StillMaking             what a request waited for is not there yet; its job goes on
├── LinkRefused             a signed link is over, or was changed
└── Fault                   a mistake of ours; what it was is in the log
"""

from __future__ import annotations

from cinefab.core.errors import CinefabError


class MalformedRequest(CinefabError):
    """The request's bytes are not what they say they are."""


class BodyTooLarge(CinefabError):
    """More was sent, or announced, than is taken."""


class MediaTypeRefused(CinefabError):
    """The body is of a type that this route does not read."""


class NoSuchRoute(CinefabError):
    """Nothing is at this path."""


class MethodRefused(CinefabError):
    """What is at this path cannot be asked in this way."""


class RangeRefused(CinefabError):
    """The range that was asked for is not in the content."""

    def __init__(self, *, attempted: str, found: str, remedy: str, size_bytes: int) -> None:
        super().__init__(attempted=attempted, found=found, remedy=remedy)
        self.size_bytes = size_bytes


class TusVersionRefused(CinefabError):
    """A client of resumable uploads speaks another version of their protocol."""


class ChecksumRefused(CinefabError):
    """A piece of an upload is not what its checksum says."""


class LinkRefused(CinefabError):
    """A signed link is over, or was changed."""


class Fault(CinefabError):
    """A mistake of ours; what it was is in the log."""


class NotMade(CinefabError):
    """The job that a request waited for has ended without what was asked for."""

    def __init__(
        self, *, attempted: str, found: str, remedy: str, field: str | None = None
    ) -> None:
        super().__init__(attempted=attempted, found=found, remedy=remedy)
        self.field = field


class StillMaking(CinefabError):
    """What a request waited for is not there yet; its job goes on."""
