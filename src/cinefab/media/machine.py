"""What of a machine decides the exact bytes that are rendered on it."""

from __future__ import annotations

import functools
import hashlib
import platform
from importlib.metadata import version

import numpy as np


@functools.cache
def machine_signature() -> str:
    """Return what, beside the program, decides the exact bytes: instruction set and libraries.

    Two machines with the same signature render the same frames. Cheap: imports none of them.
    """
    found = np.show_config(mode="dicts")["SIMD Extensions"]
    features = hashlib.sha256(repr(sorted(found.get("found", ()))).encode()).hexdigest()[:8]
    libraries = ("numpy", "numba", "opencv-python-headless")
    versions = "-".join(version(library) for library in libraries)
    return f"{platform.machine()}-{features}-{versions}"
