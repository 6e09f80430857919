"""Requests to the page of review.py as they go over the wire: sound ones to damage, and what holds for every answer."""

from __future__ import annotations

import atexit
import random
import socket
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.support.scored_nights import a_scored_night
from tests.support.served_nights import Served, served

SECONDS = 20.0  # that an answer may take, on a busy machine
MOST_MEMORY = 2**20  # kB, of the server
LINES = (
    *("OPTIONS * HTTP/1.1", "CONNECT example.com:80 HTTP/1.1", "POST /{token}/edit HTTP/1.0", "DELETE / HTTP/1.1"),
    *("Transfer-Encoding: chunked", "Content-Length: -1", "Content-Length: 99999999999", "Expect: 100-continue"),
    *("Host: evil.example", "Origin: null", "Content-Type: text/plain", "Connection: Upgrade, HTTP2-Settings"),
    *("Content-Encoding: gzip", "Range: bytes=0-99999999999", "X: " + "y" * 70_000, "Cookie: " + "a=b;" * 5000),
)
VALUES = ("-1", "1e9", '"N4"', "null", "[]", "{}", "true", "NaN", "9" * 400, "[" * 2000, '"\\ud800"', "1.5")


@cache
def server() -> Served:
    """Return a review.py that runs until this process ends."""
    kept = ExitStack()
    atexit.register(kept.close)
    folder = Path(kept.enter_context(TemporaryDirectory()))
    a_scored_night(folder)
    return kept.enter_context(served(str(folder / "scored")))


def sound_requests(folder: Path) -> None:
    """Write a request of each kind that the page makes."""
    asked = ("", "review.js", "night", "changes?since=0", "spectrum", "signal/0/4/1")
    said = {"edit": '{"epoch": 3, "stage": "N1", "seen": 0, "page": "x"}', "undo": '{"seen": 0, "page": "x"}'}
    heads = [f"GET /{{token}}/{path} HTTP/1.1\nHost: 127.0.0.1:{{port}}\n\n" for path in asked]
    for path, body in (said | {"redo": said["undo"]}).items():
        kind = f"Content-Type: application/json\nContent-Length: {len(body)}"
        heads.append(f"POST /{{token}}/{path} HTTP/1.1\nHost: 127.0.0.1:{{port}}\n{kind}\n\n" + body)
    for number, head in enumerate(heads):
        (folder / f"{number:02d}.request").write_bytes(head.replace("\n", "\r\n").encode())


def read_request(path: Path) -> None:
    """Send a request; any answer but one of the server's own mistakes is right, and so is none."""
    running = server()
    content = path.read_bytes()
    content = content.replace(b"{token}", running.token.encode()).replace(b"{port}", str(running.port).encode())
    with socket.create_connection(("127.0.0.1", int(running.port)), SECONDS) as connection:
        try:
            connection.sendall(content)
            with suppress(OSError):  # it has answered and closed already: ENOTCONN, which is no ConnectionError
                connection.shutdown(socket.SHUT_WR)
            answer = connection.recv(2**12)
        except ConnectionError:
            answer = b""  # it has refused what is too long before it was all sent
    assert answer[:9] in (b"", b"HTTP/1.1 ") and answer[9:10] != b"5", answer[:200]
    assert running.process.poll() is None, "the server has ended"
    status = Path(f"/proc/{running.process.pid}/status").read_text(encoding="utf-8")
    memory = int(next(line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")))
    assert memory < MOST_MEMORY, f"the server has {memory:,} kB"


def request_changed(rng: random.Random, content: bytes) -> bytes:
    """Put another line into a request, another value into its body, or send it in chunks without an end."""
    head, _, body = content.partition(b"\r\n\r\n")
    kind = rng.randrange(4)
    if kind == 0 and body:
        parts = body.split(b":")
        at = rng.randrange(len(parts))
        parts[at] = parts[at].replace(parts[at].strip(b' {}",')[:5], rng.choice(VALUES).encode(), 1)
        body = b":".join(parts)
        lines = [one for one in head.split(b"\r\n") if not one.startswith(b"Content-Length")]
        head = b"\r\n".join([*lines, f"Content-Length: {len(body)}".encode()])
    elif kind == 1:
        lines = head.split(b"\r\n")
        lines[rng.randrange(len(lines))] = rng.choice(LINES).encode()
        head = b"\r\n".join(lines)
    elif kind == 2:
        head += b"\r\n" + rng.choice(LINES).encode()
    else:
        head += b"\r\nTransfer-Encoding: chunked"
        body = b"100000\r\n" + bytes(2**20) + b"\r\n"
    return head + b"\r\n\r\n" + body
