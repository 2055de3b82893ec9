"""Ask a studio over HTTP: typed, with or without asyncio, and with a bar where a person waits.

    from cinefab.client import Client

    with Client("https://studio.example.com", key="cfk_…") as studio:
        job = studio.create("brief.yaml", files=["cup.png"])
        job = studio.wait(job.id, bar=True)
        studio.download(job, "film.mp4")

`AsyncClient` has the same methods, to be awaited. What may be sent again is sent again: a create
has an `Idempotency-Key` of its own, so a connection that breaks never makes a second film.
"""

from cinefab.client.aio import AsyncClient
from cinefab.client.errors import ApiError, StudioUnreachable
from cinefab.client.sync import Client
from cinefab.client.values import Event, Job, JobPage

__all__ = [
    "ApiError",
    "AsyncClient",
    "Client",
    "Event",
    "Job",
    "JobPage",
    "StudioUnreachable",
]
