"""Media models of the many providers that litellm knows, asked in a process of its own."""

from cinefab.generate.models.litellm.model import Litellm

__all__ = ["Litellm"]
