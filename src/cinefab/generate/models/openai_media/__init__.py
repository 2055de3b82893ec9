"""Engines that speak OpenAI's media API: videos, images and speech over HTTP."""

from cinefab.generate.models.openai_media.model import OpenaiMedia

__all__ = ["OpenaiMedia"]
