"""Our signatures are those of Standard Webhooks: held against the package that its authors publish."""

from __future__ import annotations

import time
from datetime import UTC, datetime

import pytest
from standardwebhooks import Webhook, WebhookVerificationError

from cinefab.core.standard_webhooks import MessageForged, new_secret, sign, verify

BODY = '{"type": "job.delivered", "title": "Für Élise"}'.encode()


def test_the_published_package_takes_what_we_sign() -> None:
    old, new, other = new_secret(), new_secret(), new_secret()

    headers = sign(BODY, message="evt_7", at_s=int(time.time()), secrets=[new, old])

    for secret in (old, new):
        assert Webhook(secret).verify(BODY, headers)["type"] == "job.delivered"
    with pytest.raises(WebhookVerificationError):
        Webhook(other).verify(BODY, headers)
    with pytest.raises(WebhookVerificationError):
        Webhook(new).verify(BODY + b" ", headers)


def test_we_take_what_the_published_package_signs() -> None:
    secret, now_s = new_secret(), 1_700_000_000
    at = datetime.fromtimestamp(now_s, tz=UTC)
    headers = {
        "webhook-id": "msg_1",
        "webhook-timestamp": str(now_s),
        "webhook-signature": "v2,x " + Webhook(secret).sign("msg_1", at, BODY.decode()),
    }

    assert verify(BODY, headers, secrets=[new_secret(), secret], now_s=now_s + 299) == "msg_1"


@pytest.mark.parametrize(
    "changed",
    [
        {"webhook-id": "evt_8"},
        {"webhook-id": ""},
        {"webhook-timestamp": "1700000001"},
        {"webhook-timestamp": "soon"},
        {"webhook-timestamp": "\u0661\u0667"},
        {"webhook-signature": ""},
        {"webhook-signature": "v1,\u00e9"},
        {"webhook-signature": "v1,AAAA v1,"},
    ],
)
def test_a_message_that_was_changed_is_forged(changed: dict[str, str]) -> None:
    secret, now_s = new_secret(), 1_700_000_000
    headers = sign(BODY, message="evt_7", at_s=now_s, secrets=[secret])

    with pytest.raises(MessageForged):
        verify(BODY, {**headers, **changed}, secrets=[secret], now_s=now_s)


@pytest.mark.parametrize("away_s", [-301, 301])
def test_a_message_of_another_time_is_a_replay(away_s: int) -> None:
    secret, now_s = new_secret(), 1_700_000_000
    headers = sign(BODY, message="evt_7", at_s=now_s + away_s, secrets=[secret])

    with pytest.raises(MessageForged, match="301 s away"):
        verify(BODY, headers, secrets=[secret], now_s=now_s)
