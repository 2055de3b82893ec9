"""Services that are submitted to and polled, as a file describes them."""

from cinefab.generate.models.http.model import Http

__all__ = ["Http"]
