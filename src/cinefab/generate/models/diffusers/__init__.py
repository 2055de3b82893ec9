"""Models of the library diffusers, run in this process."""

from cinefab.generate.models.diffusers.model import Diffusers

__all__ = ["Diffusers"]
