"""The embedded model for clips: a stretch of a reference video, cut to the frame."""

from cinefab.generate.models.clip.model import Clip

__all__ = ["Clip"]
