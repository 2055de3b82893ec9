"""Signing in with a real browser: by the owner's link, at a provider, and against pages from elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
import uvicorn
from browser import browser, find_browser
from doors import opened
from openid_provider import CLIENT, SECRET, a_provider

from cinefab.api.serving import listen, url_of
from cinefab.tenancy.local import LOCAL_TENANT


@contextmanager
def listening(app: object) -> Iterator[str]:
    """Serve an application on a free port of loopback until the block is left."""
    place = listen("127.0.0.1", 0)
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", ws="none"))  # type: ignore[arg-type]
    thread = threading.Thread(target=server.run, kwargs={"sockets": [place]})
    thread.start()
    try:
        yield url_of(place)
    finally:
        server.should_exit = True
        thread.join()
        place.close()


@contextmanager
def a_site_from_elsewhere(body: str) -> Iterator[str]:
    """Serve a page of another origin, at another port and by another name of this machine."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("content-type", "text/html")
            self.end_headers()
            self.wfile.write(body.encode())

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}/"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def test_a_browser_signs_in_by_the_link_or_at_the_provider_and_no_other_site_uses_it(
    tmp_path: Path,
) -> None:
    if find_browser() is None:
        pytest.skip("Chromium is missing: run tools/need-chromium, then run again")
    secret = tmp_path / "secret"
    secret.write_text(SECRET)
    with a_provider() as provider:
        # Another name is another site, whose answers bring no strict cookie.
        provider.url = provider.url.replace("127.0.0.1", "localhost")
        table = {
            "issuer": provider.url,
            "client_id": CLIENT,
            "client_secret_file": secret,
            "everybody": ["reviewer"],
        }
        with (
            opened(tmp_path / "home", oidc=table) as door,
            listening(door.app) as here,
            browser() as page,
        ):
            link = door.service.entrance.owner_link()

            page.open(f"{here}/sign-in?link={link}")
            page.run("document.querySelector('input[name=name]').value = 'Ada'")
            page.run("document.querySelector('button').click()")
            page.wait_for("document.querySelector('h1')?.innerText === 'Ada'")
            cookie = page.run("document.cookie")
            # The page itself lets nothing be fetched.
            page.open(f"{here}/healthz")
            who = page.run("fetch('/v1/sign-ins/current').then(r => r.json())")
            make = "fetch('/v1/principals', {method: 'POST', headers: HEADERS, body: BODY})"
            make = make.replace("BODY", "JSON.stringify({kind: 'person', name: 'Ben'})")
            plain = "{'content-type': 'application/json'}"
            token = f"{{'content-type': 'application/json', 'x-csrf-token': '{who['csrf']}'}}"
            without = page.run(make.replace("HEADERS", plain) + ".then(r => r.status)")
            with_it = page.run(make.replace("HEADERS", token) + ".then(r => r.status)")

            assert cookie == ""
            assert who["roles"] == ["owner"]
            assert (without, with_it) == (403, 201)

            before = door.leaves(LOCAL_TENANT)
            form = (
                f'<form method="post" action="{here}/sign-out"><input name="csrf" value="x"></form>'
            )
            with a_site_from_elsewhere(form) as elsewhere:
                # Of another port the cookie comes along; of another name it does not.
                for place, said in (
                    (elsewhere, "That did not work"),
                    (elsewhere.replace("127.0.0.1", "localhost"), "You are not signed in"),
                ):
                    page.open(place)
                    foreign = page.run(
                        f"fetch('{here}/v1/jobs', {{credentials: 'include'}})"
                        ".then(r => r.status).catch(() => 'kept from it')"
                    )
                    page.run("document.forms[0].submit()")
                    page.wait_for(f"document.querySelector('h1')?.innerText === '{said}'")
                    assert foreign == "kept from it"
            assert door.leaves(LOCAL_TENANT) == before
            page.open(f"{here}/sign-in")
            page.run("document.querySelector('button').click()")
            page.wait_for("document.querySelector('h1')?.innerText === 'Sign in'")
            page.open(f"{here}/healthz")
            assert page.run("fetch('/v1/jobs').then(r => r.status)") == 401

            page.open(f"{here}/sign-in")
            page.run("document.querySelector('a.button').click()")
            page.wait_for("document.querySelector('h1')?.innerText === 'Ada'")
            page.open(f"{here}/healthz")
            at_provider = page.run("fetch('/v1/sign-ins/current').then(r => r.json())")
            assert at_provider["roles"] == ["reviewer"]
            assert at_provider["principal"] != who["principal"]
