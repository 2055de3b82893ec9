"""Untrusted bytes go in; plain facts and raw pixels come out of a process that can do nothing else.

`sandbox.py` runs a function on a payload in a fresh, locked-down process; `lockdown.py` is what
the process does to itself; `pictures.py` decodes a stranger's picture with it.
"""

from __future__ import annotations

from cinefab.media.sandbox.outcome import Cause, Confinement, DecodeRefused, SandboxLimits
from cinefab.media.sandbox.sandbox import ConfinementReport, Sandbox, SandboxResult

__all__ = [
    "Cause",
    "Confinement",
    "ConfinementReport",
    "DecodeRefused",
    "Sandbox",
    "SandboxLimits",
    "SandboxResult",
]
