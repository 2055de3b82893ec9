"""References are fetched from files and public addresses; everything else is refused by field."""

from __future__ import annotations

import os
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from ipaddress import IPv4Address, ip_address, ip_network
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from cinefab.core.errors import ReferenceRefused
from cinefab.ingest.fetch import Fetcher, FetchLimits
from cinefab.media.fetching.addresses import Address

PICTURE = b"\x89PNG and so on"
LOOPBACK = [ip_network("127.0.0.0/8")]
FIELD = "references[0].location"
Answer = bytes | Callable[[socket.socket], None]


def ok(body: bytes = PICTURE, *headers: str) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def redirect(location: str, status: int = 302) -> bytes:
    return f"HTTP/1.1 {status} Go\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n".encode()


class Server:
    """A server that speaks raw bytes: an answer by path, and what it was asked."""

    def __init__(self, answers: dict[str, Answer], tls: ssl.SSLContext | None = None) -> None:
        self.requests: list[str] = []
        self._answers = answers
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._thread = threading.Thread(target=self._serve)
        self._thread.start()

    def url(self, path: str, host: str = "127.0.0.1") -> str:
        return f"{'https' if self._tls else 'http'}://{host}:{self.port}{path}"

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            with connection:
                try:
                    self._answer(connection)
                except OSError:
                    continue

    def _answer(self, connection: socket.socket) -> None:
        connection.settimeout(5)
        speaking = self._tls.wrap_socket(connection, server_side=True) if self._tls else connection
        request = b""
        while b"\r\n\r\n" not in request:
            piece = speaking.recv(65536)
            if not piece:
                return
            request += piece
        self.requests.append(request.decode())
        answer = self._answers.get(request.split()[1].decode(), b"HTTP/1.1 404 No\r\n\r\n")
        if callable(answer):
            answer(speaking)
        else:
            speaking.sendall(answer)
        if self._tls:
            speaking.close()


@contextmanager
def a_server(answers: dict[str, Answer], tls: ssl.SSLContext | None = None) -> Iterator[Server]:
    server = Server(answers, tls)
    try:
        yield server
    finally:
        server.close()


class Names:
    """A resolver whose answers change from one question to the next, as a hostile one's do."""

    def __init__(self, *answers: Sequence[str]) -> None:
        self._answers = list(answers)
        self.asked: list[tuple[str, int]] = []

    def __call__(self, host: str, port: int) -> Sequence[Address]:
        self.asked.append((host, port))
        answers = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        return [ip_address(answer) for answer in answers]


def a_fetcher(**options: object) -> Fetcher:
    limits = options.pop("limits", FetchLimits(total_seconds=5, silence_seconds=2))
    return Fetcher(limits, **{"allow_networks": LOOPBACK, **options})


def fetch(fetcher: Fetcher, location: str, base: Path = Path("/nowhere")) -> bytes:
    return fetcher.fetch(location, base=base, field=FIELD).data


def refusal(fetcher: Fetcher, location: str, base: Path = Path("/nowhere")) -> str:
    with pytest.raises(ReferenceRefused) as caught:
        fetcher.fetch(location, base=base, field=FIELD)
    assert caught.value.field == FIELD
    assert caught.value.remedy
    assert str(caught.value).isprintable()
    return str(caught.value)


# --- files ------------------------------------------------------------------------------------


def test_a_file_is_found_from_the_folder_of_its_brief(tmp_path: Path) -> None:
    (tmp_path / "pictures").mkdir()
    (tmp_path / "pictures" / "shoe.png").write_bytes(PICTURE)

    fetched = Fetcher().fetch("pictures/shoe.png", base=tmp_path, field=FIELD)

    assert (fetched.data, fetched.name) == (PICTURE, "shoe.png")


def test_a_file_may_be_named_in_full_or_through_a_link(tmp_path: Path) -> None:
    file = tmp_path / "a:b.png"
    file.write_bytes(PICTURE)
    (tmp_path / "link.png").symlink_to(file)

    assert fetch(Fetcher(), str(file)) == PICTURE
    assert fetch(Fetcher(), "link.png", tmp_path) == PICTURE
    assert fetch(Fetcher(), "./a:b.png", tmp_path) == PICTURE


def test_what_is_no_readable_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "empty.png").touch()
    (tmp_path / "dangling.png").symlink_to(tmp_path / "gone")
    (tmp_path / "loop.png").symlink_to(tmp_path / "loop.png")
    os.mkfifo(tmp_path / "pipe.png")
    descriptors = len(list(Path("/proc/self/fd").iterdir()))

    assert "no such file" in refusal(Fetcher(), "missing.png", tmp_path)
    assert "no such file" in refusal(Fetcher(), "dangling.png", tmp_path)
    assert "cannot be read" in refusal(Fetcher(), "loop.png", tmp_path)
    assert "is empty" in refusal(Fetcher(), "empty.png", tmp_path)
    assert "not a regular file" in refusal(Fetcher(), ".", tmp_path)
    assert "not a regular file" in refusal(Fetcher(), "pipe.png", tmp_path)
    assert "not a regular file" in refusal(Fetcher(), "/dev/zero", tmp_path)
    assert "cannot be read" in refusal(Fetcher(), "a\0b.png", tmp_path)
    assert "cannot be read" in refusal(Fetcher(), "x" * 5000, tmp_path)
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors


def test_a_forbidden_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.png").write_bytes(PICTURE)
    (tmp_path / "secret.png").chmod(0)

    with nobody_if_root():
        message = refusal(Fetcher(), "secret.png", tmp_path)

    assert "cannot be read (Permission denied)" in message


@contextmanager
def nobody_if_root() -> Iterator[None]:
    if os.geteuid() != 0:
        yield
        return
    os.seteuid(65534)
    try:
        yield
    finally:
        os.seteuid(0)


def test_a_file_over_the_limit_is_refused(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(bytes(11))

    assert "larger than 10" in refusal(Fetcher(FetchLimits(bytes_max=10)), "large.png", tmp_path)


@pytest.mark.parametrize(
    "location",
    ["file:///etc/passwd", "FILE:/etc/passwd", "ftp://a/b", "data:image/png;base64,AAAA", "s3://a"],
)
def test_other_kinds_of_location_are_refused(location: str) -> None:
    assert "files or http(s) URLs" in refusal(a_fetcher(), location)


# --- URLs -------------------------------------------------------------------------------------


def test_a_url_is_fetched_with_its_name_and_without_its_secrets() -> None:
    with a_server({"/a%20shoe.png?key=secret": ok()}) as server:
        url = server.url("/a%20shoe.png?key=secret")

        fetched = a_fetcher().fetch(url, base=Path(), field=FIELD)

    assert (fetched.data, fetched.name) == (PICTURE, "a shoe.png")
    assert "secret" not in fetched.location


def test_the_request_says_only_what_it_must(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:1")
    with a_server({"/a": ok()}) as server:
        fetch(a_fetcher(), server.url("/a"))
        request = server.requests[0]

    assert f"Host: 127.0.0.1:{server.port}" in request
    assert "Accept-Encoding: identity" in request
    assert "Cookie" not in request
    assert "Authorization" not in request


@pytest.mark.parametrize(
    "answers",
    [
        ["127.0.0.1"],
        ["8.8.8.8", "127.0.0.1"],
        ["10.0.0.1"],
        ["169.254.169.254"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["64:ff9b::7f00:1"],
        ["2002:7f00:1::"],
        ["2606:4700::1", "fe80::1"],
    ],
)
def test_a_name_that_leads_to_a_private_address_is_refused(answers: list[str]) -> None:
    with a_server({"/": ok()}) as server:
        fetcher = Fetcher(resolve=Names(answers))

        message = refusal(fetcher, server.url("/?key=secret", "shop.example"))

        assert "which is" in message
        assert "secret" not in message
        assert server.requests == []


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.0.0.1.",
        "localhost",
        "localhost.",
        "LOCALHOST",
        "2130706433",
        "0x7f000001",
        "0x7f.1",
        "127.1",
        "0177.0.0.1",
        "017700000001",
        "127.0.0.0x1",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[fe80::1%25lo]",
        "[2606:4700::1%25lo]",
        "127。0。0。1",
        "\uff11\uff12\uff17.0.0.1",
        "ⓛⓞⓒⓐⓛⓗⓞⓢⓣ",
        "",
        "%31%32%37.0.0.1",
    ],
)
def test_no_spelling_of_our_own_address_reaches_us(host: str) -> None:
    with a_server({"/": ok()}) as server:
        refusal(Fetcher(), server.url("/", host))

        assert server.requests == []


def test_a_zone_is_refused_whatever_the_address() -> None:
    assert "unusual spelling" in refusal(Fetcher(), "http://[2606:4700::1%25lo]/")


def test_a_name_that_answers_differently_the_second_time_is_not_asked_twice() -> None:
    with a_server({"/a.png": ok()}) as server:
        names = Names(["127.0.0.1"], ["10.0.0.1"])
        fetcher = a_fetcher(resolve=names)

        data = fetch(fetcher, server.url("/a.png", "rebind.example"))

        assert data == PICTURE
        assert names.asked == [("rebind.example", server.port)]
        assert f"Host: rebind.example:{server.port}" in server.requests[0]


def test_rebinding_between_hops_is_caught_at_the_hop() -> None:
    with a_server({"/a": redirect("/b"), "/b": ok()}) as server:
        fetcher = a_fetcher(resolve=Names(["127.0.0.1"], ["10.0.0.1"]))

        message = refusal(fetcher, server.url("/a", "rebind.example"))

        assert "10.0.0.1, which is private" in message
        assert len(server.requests) == 1


def test_a_second_address_is_tried_when_the_first_is_silent() -> None:
    with a_server({"/a": ok()}) as server:
        fetcher = a_fetcher(resolve=Names(["127.0.0.77", "127.0.0.1"]))
        server_on_one_address = server.url("/a", "two.example")

        assert fetch(fetcher, server_on_one_address) == PICTURE


def test_redirects_are_followed_and_named_by_where_they_end() -> None:
    answers: dict[str, Answer] = {"/a": redirect("b/c.jpg?k=1", 307), "/b/c.jpg?k=1": ok()}
    with a_server(answers) as server:
        fetched = a_fetcher().fetch(server.url("/a"), base=Path(), field=FIELD)

    assert (fetched.data, fetched.name) == (PICTURE, "c.jpg")


@pytest.mark.parametrize(
    ("target", "words"),
    [
        ("http://10.0.0.1/", "private"),
        ("http://[::1]/", "loopback"),
        ("http://169.254.169.254/latest/meta-data", "link-local"),
        ("//10.0.0.1/a", "private"),
        ("file:///etc/passwd", "only http"),
        ("data:,x", "only http"),
        ("http://u:p@127.0.0.1/", "user name or password"),
        ("http://2130706433/", "unusual spelling"),
        ("http://a b/\x01", "no URL"),
    ],
)
def test_a_redirect_is_guarded_like_the_first_address(target: str, words: str) -> None:
    with a_server({"/a": redirect(target)}) as server:
        message = refusal(a_fetcher(), server.url("/a"))

    assert words in message


def test_a_redirect_without_end_ends() -> None:
    with a_server({"/a": redirect("/a")}) as server:
        message = refusal(a_fetcher(), server.url("/a"))

        assert "more than 5 times" in message
        assert len(server.requests) == 6


def test_userinfo_is_refused_and_not_repeated() -> None:
    message = refusal(a_fetcher(), "http://anna:swordfish@127.0.0.1/a.png")

    assert "user name or password" in message
    assert "swordfish" not in message


@pytest.mark.parametrize("location", ["http://", "http:///a", "http://a:99999/", "http://[::1/"])
def test_what_is_no_url_is_refused(location: str) -> None:
    refusal(a_fetcher(), location)


def test_a_public_host_is_reached_on_web_ports_only() -> None:
    fetcher = Fetcher(resolve=Names(["8.8.8.8"]))

    assert "port 22" in refusal(fetcher, "http://ssh.example:22/")


def test_a_host_that_is_not_found_or_found_too_slowly_is_refused() -> None:
    def unknown(host: str, port: int) -> Sequence[Address]:
        raise socket.gaierror(-2, "Name or service not known")

    def slow(host: str, port: int) -> Sequence[Address]:
        time.sleep(0.5)
        return [IPv4Address("127.0.0.1")]

    assert "not known" in refusal(a_fetcher(resolve=unknown), "http://a.example/")
    limits = FetchLimits(total_seconds=0.05)
    assert "too long" in refusal(a_fetcher(resolve=slow, limits=limits), "http://a.example/")
    assert "no address" in refusal(a_fetcher(resolve=Names([])), "http://a.example/")


# --- servers that misbehave -------------------------------------------------------------------


def drip(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(b"x")
        time.sleep(0.02)


def drip_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"A: b\r\n")
        time.sleep(0.02)


def say_nothing(connection: socket.socket) -> None:
    connection.recv(1)


def endless(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
    while True:
        connection.sendall(bytes(65536))


def endless_chunks(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    while True:
        connection.sendall(b"10000\r\n" + bytes(65536) + b"\r\n")


def endless_headers(connection: socket.socket) -> None:
    connection.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        connection.sendall(b"A: " + b"b" * 1000 + b"\r\n")


MISBEHAVIOUR: dict[str, tuple[Answer, str]] = {
    "a body that drips": (drip, "too long"),
    "headers that drip": (drip_headers, "too long"),
    "silence": (say_nothing, "too long"),
    "a body without end": (endless, "larger than 1,000,000"),
    "chunks without end": (endless_chunks, "larger than 1,000,000"),
    "headers without end": (endless_headers, "connection failed"),
    "a length over the limit": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1000001\r\n\r\n",
        "larger than 1,000,000",
    ),
    "a body shorter than announced": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
        "connection failed",
    ),
    "a negative length": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nx", "connection failed"),
    "a compressed body": (ok(PICTURE, "Content-Encoding: gzip"), "compresses"),
    "an empty body": (ok(b""), "empty"),
    "not found": (b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n", "answered 404"),
    "a part": (b"HTTP/1.1 206 Part\r\nContent-Length: 1\r\n\r\nx", "answered 206"),
    "a redirect to nowhere": (b"HTTP/1.1 302 Go\r\nContent-Length: 0\r\n\r\n", "answered 302"),
    "no HTTP": (b"SSH-2.0-OpenSSH_9.2\r\n\r\n", "connection failed"),
    "nothing": (b"", "connection failed"),
}


@pytest.mark.parametrize("kind", MISBEHAVIOUR)
def test_a_server_that_misbehaves_is_left_in_time(kind: str) -> None:
    answer, words = MISBEHAVIOUR[kind]
    limits = FetchLimits(bytes_max=1_000_000, silence_seconds=0.3, total_seconds=0.6)
    with a_server({"/a": answer}) as server:
        descriptors = len(list(Path("/proc/self/fd").iterdir()))
        began = time.monotonic()

        message = refusal(a_fetcher(limits=limits), server.url("/a"))

        assert words in message
        assert time.monotonic() - began < 5
        assert len(list(Path("/proc/self/fd").iterdir())) <= descriptors + 1  # the server's own


def test_a_port_where_nobody_listens_is_a_refusal() -> None:
    with a_server({}) as server:
        url = server.url("/a")

    assert "connection failed" in refusal(a_fetcher(), url)


# --- TLS --------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "test")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("shop.example")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


def serving(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


def trusting(certificate: Path) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(certificate))


def test_tls_is_checked_against_the_name_though_the_address_is_pinned(certificate: Path) -> None:
    names = Names(["127.0.0.1"])
    with a_server({"/a": ok()}, serving(certificate)) as server:
        fetcher = a_fetcher(resolve=names, tls=trusting(certificate))

        right = fetch(fetcher, server.url("/a", "shop.example"))
        wrong = refusal(fetcher, server.url("/a", "other.example"))
        untrusted = refusal(a_fetcher(resolve=names), server.url("/a", "shop.example"))

    assert right == PICTURE
    assert "certificate" in wrong.lower()
    assert "certificate" in untrusted.lower()


def test_a_redirect_from_https_to_http_is_refused(certificate: Path) -> None:
    with (
        a_server({"/b": ok()}) as plain,
        a_server({"/a": redirect(plain.url("/b"))}, serving(certificate)) as server,
    ):
        fetcher = a_fetcher(resolve=Names(["127.0.0.1"]), tls=trusting(certificate))

        message = refusal(fetcher, server.url("/a", "shop.example"))

        assert "without encryption" in message
        assert plain.requests == []
