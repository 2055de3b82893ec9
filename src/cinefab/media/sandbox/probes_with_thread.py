"""A task whose module starts a thread as it loads, which no lock taken later would hold."""

from __future__ import annotations

import threading

from cinefab.media.sandbox.probes import echo

__all__ = ["echo"]

threading.Thread(target=threading.Event().wait, daemon=True).start()
