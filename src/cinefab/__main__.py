"""`python -m cinefab` is the command line."""

from __future__ import annotations

from cinefab.cli.main import main

main()
