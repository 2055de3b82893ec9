"""The tree of errors: each one a small report to a person.

    CinefabError
    ├── BriefInvalid            the brief cannot be made as it is written
    │   └── ReferenceRefused    a reference is missing, forbidden, private, broken or hostile
    ├── BudgetTooSmall          the work would cost more than may be spent
    ├── QuotaExceeded           a tenant asked for more at once than it may have
    │   └── AskedTooOften       it asked more often than it may, and may again in a moment
    ├── RequestInvalid          something that was asked of the studio cannot be as it is written
    ├── NotAuthenticated        nobody known asks: no key, or one that is wrong, over or revoked
    ├── Forbidden               who asks is known, and may not do this
    ├── RefusedByReview         a check failed and no refinement is worth its price
    ├── NothingToDecide         no person is asked, any more or at all, or not in this way
    ├── MoveRefused             a model's version cannot go where it was to be moved
    ├── Cancelled               somebody asked for the work to stop
    ├── JobParked               a job ended so many processes that it is not taken up by itself
    ├── ContractMismatch        a plug-in does not keep what its contract promises
    ├── FitsNowhere             a model needs what no device of this studio has
    ├── Unavailable             something the work needs is not there
    │   ├── StorageUnavailable  the database or the blobs cannot be reached, or are full
    │   ├── SandboxUnavailable  this machine cannot confine the decoding of untrusted media
    │   ├── ComputeUnavailable  there is no process to work in: compute is full, closed, or starts none
    │   ├── OutOfMemory         a device, or a process's share of it, has no memory left for the work
    │   ├── CircuitOpen         a model failed for so many that nothing is given to it for now
    │   ├── StepHung            work told nothing for longer than it may, and its process was ended
    │   ├── NotWarm             interactive work found no model of its kind loaded
    │   └── WorkerLost          the process that did the work died under it
    │       └── NativeCrash     it died in native code, of a signal
    └── CredentialsInvalid      a file's credentials or a stored signature do not hold

Every error says what was attempted, what was found, and what to do.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class CinefabError(Exception):
    """The root of everything Cinefab raises on purpose."""

    def __init__(self, *, attempted: str, found: str, remedy: str) -> None:
        super().__init__(f"{attempted}: {found}. {remedy}")
        self.attempted = attempted
        self.found = found
        self.remedy = remedy

    def __reduce__(self) -> tuple[Any, ...]:
        # Errors cross process borders; keyword-only fields do not survive the default pickling.
        return _rebuild, (type(self), str(self), dict(self.__dict__))

    def as_dict(self) -> dict[str, Any]:
        """Return the report as JSON-like fields, `error` being the class's name."""
        return {
            "error": type(self).__name__,
            "attempted": self.attempted,
            "found": self.found,
            "remedy": self.remedy,
        }


def _rebuild(kind: type[CinefabError], message: str, fields: dict[str, Any]) -> CinefabError:
    error = kind.__new__(kind)
    Exception.__init__(error, message)
    error.__dict__.update(fields)
    return error


class BriefInvalid(CinefabError):
    """A brief that cannot be made as it is written; `field` is the path to the place."""

    def __init__(
        self, *, field: str, found: str, remedy: str, attempted: str = "read the brief"
    ) -> None:
        super().__init__(attempted=attempted, found=f"{field}: {found}", remedy=remedy)
        self.field = field

    def as_dict(self) -> dict[str, Any]:
        """Return the report with the path to the place in the brief."""
        return {**super().as_dict(), "field": self.field}


class ReferenceRefused(BriefInvalid):
    """A reference that is missing, forbidden, private, broken or hostile."""


class BudgetTooSmall(CinefabError):
    """The work would cost more than its budget, or nobody can say what it would cost."""


class QuotaExceeded(CinefabError):
    """A tenant asked for more at once than it may have; `retry_after_s` is None if waiting is vain."""

    def __init__(
        self, *, attempted: str, found: str, remedy: str, retry_after_s: float | None
    ) -> None:
        super().__init__(attempted=attempted, found=found, remedy=remedy)
        self.retry_after_s = retry_after_s


class AskedTooOften(QuotaExceeded):
    """Somebody asked more often than they may; `violated` are the limits, as the headers name them."""

    def __init__(
        self,
        *,
        attempted: str,
        found: str,
        remedy: str,
        retry_after_s: float,
        violated: tuple[str, ...],
    ) -> None:
        super().__init__(
            attempted=attempted, found=found, remedy=remedy, retry_after_s=retry_after_s
        )
        self.violated = violated


class RequestInvalid(CinefabError):
    """Something that was asked of the studio cannot be as it is written; `field` says where."""

    def __init__(self, *, attempted: str, field: str, found: str, remedy: str) -> None:
        super().__init__(attempted=attempted, found=f"{field}: {found}", remedy=remedy)
        self.field = field

    def as_dict(self) -> dict[str, Any]:
        """Return the report with the path to the place."""
        return {**super().as_dict(), "field": self.field}


class NotAuthenticated(CinefabError):
    """Nobody known asks: there is no key or sign-in, or it is wrong, over or revoked."""


class Forbidden(CinefabError):
    """Who asks is known, and may not do this; `policies` are the ids of those that decided."""

    def __init__(
        self, *, attempted: str, found: str, remedy: str, policies: tuple[str, ...]
    ) -> None:
        super().__init__(attempted=attempted, found=found, remedy=remedy)
        self.policies = policies


class RefusedByReview(CinefabError):
    """A check failed and no refinement is worth its price."""


class NothingToDecide(CinefabError):
    """An answer that nobody asked for, that comes too late, or that is not complete."""


class MoveRefused(CinefabError):
    """A model's version cannot go where it was to be moved."""


class Cancelled(CinefabError):
    """Somebody asked for the work to stop."""


class JobParked(CinefabError):
    """A job ended so many processes that it is not taken up by itself; `killed_by` says of what."""

    def __init__(
        self, *, attempted: str, found: str, remedy: str, killed_by: tuple[Mapping[str, Any], ...]
    ) -> None:
        super().__init__(attempted=attempted, found=found, remedy=remedy)
        self.killed_by = killed_by

    def as_dict(self) -> dict[str, Any]:
        """Return the report with what killed each process."""
        return {**super().as_dict(), "killed_by": [dict(each) for each in self.killed_by]}


class ContractMismatch(CinefabError):
    """A plug-in does not keep what its contract promises."""


class FitsNowhere(CinefabError):
    """A model needs what no device of the studio has; `misfits` says of each why it will not do."""

    def __init__(self, *, model: str, wanted: str, misfits: Mapping[str, str]) -> None:
        each = "; ".join(f"{name}: {why}" for name, why in misfits.items())
        super().__init__(
            attempted=f"find a device for {model}",
            found=f"it needs {wanted}, and nothing here will do ({each or 'there is no device'})",
            remedy="Declare the devices of this studio under [devices] in the settings, have the "
            "model ask for less, or run it where there is such a device.",
        )
        self.model = model
        self.wanted = wanted
        self.misfits = dict(misfits)


class Unavailable(CinefabError):
    """Something that the work needs is not there."""


class StorageUnavailable(Unavailable):
    """The database or the blobs cannot be reached, or are full."""


class SandboxUnavailable(Unavailable):
    """This machine cannot confine the decoding of untrusted media."""


class ComputeUnavailable(Unavailable):
    """There is no process to work in: compute is full, closed, or starts none."""


class OutOfMemory(Unavailable):
    """A device, or a process's share of it, has no memory left for the work."""


class CircuitOpen(Unavailable):
    """A model failed for so many that nothing is given to it for now."""


class StepHung(Unavailable):
    """Work told nothing for longer than it may, and its process was ended."""


class NotWarm(Unavailable):
    """Interactive work found no loaded model that was free; it waits for no cold one."""


class WorkerLost(Unavailable):
    """The process that did the work died under it."""


class NativeCrash(WorkerLost):
    """The process that did the work died in native code, of a signal."""


class CredentialsInvalid(CinefabError):
    """A file's content credentials or a stored signature do not hold."""
