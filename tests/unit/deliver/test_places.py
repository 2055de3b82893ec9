"""A brief chooses among the operator's places, and can reach nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest

from cinefab.core.clock import ManualClock
from cinefab.deliver.places import AllowedPlace, Place, PlaceRefused, Places
from cinefab.deliver.target import Access
from cinefab.deliver.targets.folder import Folder

BUCKET = "s3://films/released?endpoint=https://s3.example.com&region=eu"


def find(url: str) -> Place:
    clock = ManualClock()
    allowed = [
        AllowedPlace(
            url="https://media.example.com/films",
            access=Access(clock=clock, headers={"Authorization": "films"}),
            public_url="https://cdn.example.com/f/",
        ),
        AllowedPlace(
            url="https://media.example.com/films/secret",
            access=Access(clock=clock, headers={"Authorization": "secret"}),
        ),
        AllowedPlace(url=BUCKET, access=Access(clock=clock)),
        AllowedPlace(url="/srv/films", access=Access(clock=clock)),
    ]
    places = Places(
        allowed,
        out=Path("/home/out"),
        own=Access(clock=clock),
        load=lambda scheme: None if scheme == "sftp" else Folder(),
    )
    return places.find(url)


@pytest.mark.parametrize(
    ("url", "sent_to", "public"),
    [
        ("https://media.example.com/films", "https://media.example.com/films", "https://cdn.example.com/f"),
        ("https://MEDIA.example.com/films/spot/", "https://media.example.com/films/spot", "https://cdn.example.com/f/spot"),
        ("s3://films/released/spot", BUCKET.replace("released", "released/spot"), None),
        (BUCKET, BUCKET, None),
        ("/srv/films/spot", "/srv/films/spot", None),
        ("file:///srv/films/spot", "/srv/films/spot", None),
        ("/home/out/again", "/home/out/again", None),
    ],
)  # fmt: skip
def test_a_place_at_or_below_an_allowed_one_is_found(
    url: str, sent_to: str, public: str | None
) -> None:
    place = find(url)

    assert place.url == sent_to
    assert "?" not in place.shown
    assert place.public_url == public


def test_the_nearest_settings_count() -> None:
    assert find("https://media.example.com/films/x").access.headers["Authorization"] == "films"
    place = find("https://media.example.com/films/secret/x")
    assert place.access.headers["Authorization"] == "secret"
    assert place.public_url == "https://media.example.com/films/secret/x"


@pytest.mark.parametrize(
    "url",
    [
        "https://media.example.com/other",
        "https://media.example.com/films-of-others",
        "https://media.example.com/films/../admin",
        "https://media.example.com/films/%2e%2e/admin",
        "https://media.example.com/films/..%2fadmin",
        "https://media.example.com/films\\..\\admin",
        "https://media.example.com.evil.example/films",
        "https://media.example.com:8443/films",
        "https://user@media.example.com/films",
        "https://media.example.com/films?x=1",
        "https://media.example.com/films#x",
        "http://media.example.com/films",
        "http://169.254.169.254/latest",
        "s3://films/released/spot?endpoint=https://evil.example",
        "s3://films/other",
        "/srv/films/../../etc",
        "/etc/cron.d",
        "relative/folder",
        "file://host/srv/films",
        "sftp://media.example.com/films",
        "https:///films",
        "https://media.example.com/films/\nx",
        "https://[bad/films",
    ],
)
def test_anything_else_is_refused(url: str) -> None:
    with pytest.raises(PlaceRefused) as raised:
        find(url)

    assert raised.value.found
    assert raised.value.remedy
