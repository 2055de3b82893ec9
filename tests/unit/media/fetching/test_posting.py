"""Posting to strangers: to the very address that was checked, within a time, little of it read."""

from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Sequence
from ipaddress import ip_address, ip_network

import pytest
from receiver import Message, receiving

from cinefab.media.fetching.addresses import Address
from cinefab.media.fetching.fetched import Refusal, resolve_by_system
from cinefab.media.fetching.guard import Guard
from cinefab.media.fetching.posting import Answer, Poster, PostLimits

LOOPBACK = ip_network("127.0.0.0/8")
Resolve = Callable[[str, int], Sequence[Address]]


def post(
    url: str,
    *,
    allowed: bool = True,
    resolve: Resolve = resolve_by_system,
    total_s: float = 5.0,
    headers: dict[str, str] | None = None,
) -> Answer:
    guard = Guard(
        allow_networks=[LOOPBACK] if allowed else [],
        ports=frozenset({443}),
        resolve=resolve,
        setting="webhook_networks",
        verb="webhooks are sent to",
    )
    poster = Poster(guard, PostLimits(total_seconds=total_s, connect_seconds=1), tls=None)
    return asyncio.run(poster.post(url, b'{"a": 1}', headers or {"X-One": "1"}))


def test_what_is_answered_is_read_a_little_and_shown_plainly() -> None:
    with receiving(lambda _message: 500) as receiver:
        answer = post(f"{receiver.url}/hook?token=1")

    assert answer.status == 500
    assert answer.excerpt.startswith("said: <b> xxx")
    assert len(answer.excerpt) == 500
    (came,) = receiver.came
    assert (came.path, came.body) == ("/hook?token=1", b'{"a": 1}')
    assert came.headers["x-one"] == "1"


def test_a_redirect_is_an_answer_and_not_followed() -> None:
    with receiving(lambda _message: 302) as receiver:
        assert post(receiver.url).status == 302

    assert len(receiver.came) == 1


@pytest.mark.parametrize(
    "url",
    [
        "https://127.0.0.1/",
        "https://10.1.2.3/",
        "https://[::1]/",
        "https://[::ffff:169.254.169.254]/",
        "https://169.254.169.254/latest/meta-data",
        "https://0x7f000001/",
        "https://2130706433/",
        "https://somebody@198.51.100.1/",
        "ftp://198.51.100.1/",
        "gopher://x/",
        "https://",
        "https://x.example:99999/",
        "https://8.8.8.8:22/",
        "http://8.8.8.8/",
        "https://x.example/\r\nHost: y",
    ],
)
def test_what_is_not_public_https_is_refused_before_it_is_asked(url: str) -> None:
    with pytest.raises(Refusal):
        post(url, allowed=False)


def test_a_name_is_looked_up_once_and_all_that_it_has_is_checked() -> None:
    asked: list[str] = []

    def rebinding(host: str, port: int) -> Sequence[Address]:
        asked.append(host)
        return [ip_address("127.0.0.1" if len(asked) == 1 else "10.0.0.1")]

    def both(host: str, port: int) -> Sequence[Address]:
        return [ip_address("8.8.8.8"), ip_address("10.0.0.1")]

    with receiving() as receiver:
        port = receiver.url.rpartition(":")[2]
        assert post(f"http://hook.example:{port}/", resolve=rebinding).status == 204
        assert receiver.came[0].headers["host"] == f"hook.example:{port}"
    assert asked == ["hook.example"]
    with pytest.raises(Refusal, match=r"10\.0\.0\.1, which is private"):
        post("https://hook.example/", allowed=False, resolve=both)


def test_one_that_never_answers_or_drips_is_left_in_time() -> None:
    def never(_message: Message) -> int:
        time.sleep(3)
        return 204

    with receiving(never) as receiver, pytest.raises(Refusal, match=r"no answer within 0\.5 s"):
        post(receiver.url, total_s=0.5)

    with socket.create_server(("127.0.0.1", 0)) as server:
        over = threading.Event()

        def drip() -> None:
            connection, _ = server.accept()
            with connection:
                connection.sendall(b"HTTP/1.1 200 OK\r\n")
                while not over.wait(0.1):
                    try:
                        connection.sendall(b"X: y\r\n")
                    except OSError:
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        try:
            with pytest.raises(Refusal, match="no answer within 1 s"):
                post(f"http://127.0.0.1:{server.getsockname()[1]}/", total_s=1.0)
        finally:
            over.set()
            thread.join()


def test_nobody_there_and_nonsense_are_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    with pytest.raises(Refusal, match="the connection failed"):
        post(f"http://127.0.0.1:{port}/")

    with socket.create_server(("127.0.0.1", 0)) as server:

        def nonsense() -> None:
            connection, _ = server.accept()
            with connection:
                connection.recv(100)
                connection.sendall(b"SSH-2.0-x\r\n\r\n")

        thread = threading.Thread(target=nonsense)
        thread.start()
        with pytest.raises(Refusal, match="the connection failed"):
            post(f"http://127.0.0.1:{server.getsockname()[1]}/")
        thread.join()
