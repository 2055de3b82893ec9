"""Running the real command line in a home of its own, as a user would."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

REPOSITORY = Path(__file__).parents[2]
PHOTO = REPOSITORY / "examples" / "coffee.png"

SMALL_BRIEF = """\
title: Three small shots
shots:
  - {seconds: 1, caption: First, references: [cup], transition: cut}
  - {seconds: 1, caption: Second, references: [cup], transition: {kind: wipe, seconds: 0.25}}
  - {seconds: 1, caption: Third, references: [cup], transition: cut}
references: {cup: {file: coffee.png, role: product}}
output: {size: 320x180, fps: 12}
brand: {colours: ["#6b1f12", "#f4e6d2"]}
quality: preview
seed: 3
rights:
  sources:
    - reference: cup
      licence: CC0-1.0
      parties: [{party: Photographer, share_bp: 7000}, {party: Studio, share_bp: 3000}]
"""


@dataclass
class Studio:
    """A home folder, a database, and the command line on both."""

    folder: Path
    db: str
    blobs: str | None = None
    environment: dict[str, str] = field(default_factory=dict)

    def brief(self, text: str = SMALL_BRIEF, name: str = "brief.yaml") -> Path:
        """Write a brief with the photograph beside it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        photo = self.folder / "coffee.png"
        if not photo.exists():
            photo.write_bytes(PHOTO.read_bytes())
        path = self.folder / name
        path.write_text(text)
        return path

    def command(self, *words: str | Path) -> list[str]:
        """Return a command line with this studio's database."""
        line = [sys.executable, "-m", "cinefab", *map(str, words), "--db", self.db]
        return line + (["--blobs", self.blobs] if self.blobs and words[0] == "make" else [])

    @property
    def env(self) -> dict[str, str]:
        """The environment of this studio's commands."""
        kept = {name: value for name, value in os.environ.items() if name != "CINEFAB_CONFIG"}
        return kept | {"CINEFAB_HOME": str(self.folder / "home")} | self.environment

    def start(self, *words: str | Path) -> subprocess.Popen[str]:
        """Start a command and return at once."""
        return subprocess.Popen(
            self.command(*words),
            env=self.env,
            cwd=self.folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str | Path, timeout_s: float = 120) -> subprocess.CompletedProcess[str]:
        """Run a command to its end."""
        return subprocess.run(
            self.command(*words),
            env=self.env,
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=timeout_s,
            check=False,
        )

    def make(self, brief: Path, *words: str, expect: int = 0) -> dict[str, Any]:
        """Make a film and return its report."""
        done = self.run("make", brief, "--json", "--out", self.folder / "out", *words)
        assert done.returncode == expect, f"exit {done.returncode}\n{done.stdout}\n{done.stderr}"
        report: dict[str, Any] = json.loads(done.stdout)
        return report

    def check_books(self) -> dict[str, Any]:
        """Prove the ledger and return what was found."""
        done = self.run("ledger", "check", "--json")
        found: dict[str, Any] = json.loads(done.stdout)
        assert done.returncode == 0, found["findings"]
        return found
