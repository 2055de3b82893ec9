"""The embedded model `procedural`: films worth showing from photographs, type and colours."""

from cinefab.generate.models.procedural.model import Procedural

__all__ = ["Procedural"]
