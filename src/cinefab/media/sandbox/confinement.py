"""Whether this machine can confine a decoder: asked of a real process, and tried out."""

from __future__ import annotations

from typing import Final

from cinefab.core.errors import SandboxUnavailable
from cinefab.media.sandbox.outcome import Cause, Confinement, DecodeRefused, SandboxLimits
from cinefab.media.sandbox.sandbox import ConfinementReport, Sandbox

_PROBES: Final = "cinefab.media.sandbox.probes"
_MUST_FAIL: Final = {
    "open_file": "a file could be read",
    "list_folder": "a folder could be listed",
    "open_socket": "a socket could be opened",
    "start_program": "a program could be started",
    "fork": "a process could be started",
}


def probe_confinement(*, start_seconds: float = 30.0) -> ConfinementReport:
    """Return which confinements hold here and why others do not; never raises for that.

    Starts a few processes that try what they must not be able to do: about 0.3 s in all.
    """
    limits = SandboxLimits(
        memory_bytes=64 << 20, cpu_seconds=5, wall_seconds=10.0, start_seconds=start_seconds
    )
    with Sandbox(limits, confinement=Confinement.BEST_EFFORT) as sandbox:
        try:
            report = sandbox.confinement_of(f"{_PROBES}:echo")
            escapes = [text for probe, text in _MUST_FAIL.items() if _escapes(sandbox, probe)]
        except SandboxUnavailable as error:
            return ConfinementReport(landlock_abi=0, seccomp=False, reasons=(str(error),))
    return ConfinementReport(
        landlock_abi=report.landlock_abi,
        seccomp=report.seccomp,
        reasons=(*report.reasons, *escapes),
    )


def _escapes(sandbox: Sandbox, probe: str) -> bool:
    try:
        result = sandbox.run(f"{_PROBES}:{probe}", b"")
    except DecodeRefused as error:
        # Killed for trying is what should happen. Anything else proves nothing, so it counts.
        return error.cause is not Cause.CRASH
    return result.facts.get("got") != "PermissionError"
