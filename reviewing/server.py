"""The page's server: on this machine only, for whoever has the token, and for no other page.

Starlette answers, uvicorn listens. Every request goes through `Guard` first.
"""

from __future__ import annotations

import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import BaseRoute, Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from command import InputError
from files.forms import Form, check_exactly, dict_of, is_count, is_text, or_none
from reviewing.journal import ConflictError
from reviewing.night import OpenNight
from reviewing.nights import Nights

HOST = "127.0.0.1"
PAGE = Path(__file__).parent / "page"
POSTED = ("edit", "undo", "redo", "finish", "remember")
LONGEST_BODY = 2**12  # bytes; an edit has a hundred
SAFE_HEADERS = {
    "Content-Security-Policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    ),
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",  # it would carry the token
    "X-Content-Type-Options": "nosniff",
}

EDIT: dict[str, Form] = {"epoch": is_count, "stage": or_none(is_text), "seen": is_count, "page": is_text}
STEP: dict[str, Form] = {"seen": is_count, "page": is_text}
NOTHING: dict[str, Form] = {}
VIEW: dict[str, Form] = {"view": dict_of(lambda _: True)}


class Guard:
    """Refuses every request that is not the page's own.

    The token keeps out other users and programs of this machine. The check of `Host` keeps out pages whose name was
    made to mean 127.0.0.1 (DNS rebinding), that of `Origin` and `Sec-Fetch-Site` all other pages of the browser.

    Args:
        app: what answers the others.
        token: what the path begins with.
        port: where the server listens.
    """

    def __init__(self, app: ASGIApp, token: str, port: int) -> None:
        self.app, self.token = app, token
        self.hosts = {f"{name}:{port}" for name in (HOST, "localhost")}
        self.origins = {f"http://{host}" for host in self.hosts}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer a request, or refuse it; of other kinds of connections there are none."""
        if scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008})
            return
        if scope["type"] != "http":
            return

        async def send_safely(message: Message) -> None:
            if message["type"] == "http.response.start":
                MutableHeaders(scope=message).update(SAFE_HEADERS)
            await send(message)

        why = self.refusal(scope)
        app = PlainTextResponse(why, 403) if why else self.app
        await app(scope, receive, send_safely)

    def refusal(self, scope: Scope) -> str:
        """Say why a request is refused; "" where it is the page's own."""
        headers = Headers(scope=scope)
        if headers.get("host", "") not in self.hosts:
            return "this page has another address"
        given = scope["path"].lstrip("/").split("/")[0]  # `OPTIONS *` and CONNECT have no path
        if not secrets.compare_digest(given.encode(), self.token.encode()):
            return "the token in the address is wrong: use the address that review.py printed last"
        if headers.get("origin", next(iter(self.origins))) not in self.origins:
            return "asked for by another page"
        if headers.get("sec-fetch-site", "none") not in ("none", "same-origin"):
            return "asked for by another page"
        if scope["method"] not in ("GET", "HEAD"):
            if headers.get("content-type") != "application/json":
                return "no JSON"
            length = headers.get("content-length", "")
            if "transfer-encoding" in headers or not is_short(length):
                return "too long"
        return ""


def is_short(length: str) -> bool:
    """Tell whether a body's length is given, and no more than an edit can have."""
    return length.isdecimal() and len(length) < 10 and int(length) <= LONGEST_BODY


# ---- answers ----


class Answers:
    """What the server answers about the nights of a folder; a path without a night's number is of the first one."""

    def __init__(self, nights: Nights) -> None:
        self.nights = nights

    def night(self, request: Request) -> OpenNight:
        """Return the night that a request is about.

        Raises:
            HTTPException: there is no such night.
            InputError: it cannot be opened.
        """
        try:
            return self.nights.night(request.path_params.get("night", 0))
        except IndexError as error:
            raise HTTPException(404, "no such night") from error

    def overview(self, _: Request) -> Response:
        """All that the start page shows."""
        return JSONResponse(self.nights.described())

    def described(self, request: Request) -> Response:
        """All that is needed to draw the night."""
        about = {"remembered": self.nights.remembered(), "n_nights": len(self.nights.names)}
        return JSONResponse({**self.night(request).described(), **about})

    async def remember(self, request: Request) -> Response:
        """Keep how signals are shown."""
        values = await body_of(request, VIEW)
        await run_in_threadpool(self.nights.remember, values["view"])
        return JSONResponse({})

    def changes(self, request: Request) -> Response:
        """What was changed since a version, by whichever page or process."""
        since = request.query_params.get("since", "")
        return JSONResponse(self.night(request).changes(int(since) if since.isdecimal() else 0))

    def signal(self, request: Request) -> Response:
        """An epoch of a channel: float32, little-endian, µV."""
        channel, epoch, view = (int(request.path_params[name]) for name in ("channel", "epoch", "view"))
        try:
            samples = self.night(request).signal(
                channel, epoch - 1, view
            )  # a path has no negative numbers: 0 is before the first
        except IndexError:
            return PlainTextResponse("no such channel", 404)
        return binary(samples.astype("<f4").tobytes())

    def spectrum(self, request: Request) -> Response:
        """The shades of the spectrogram so far: (column, frequency) bytes."""
        return binary(self.night(request).spectrum.shades().tobytes())

    async def edit(self, request: Request) -> Response:
        """Give an epoch a stage, or the model's again."""
        values = await body_of(request, EDIT)
        night = await run_in_threadpool(self.night, request)
        return await changed(night, values, lambda: night.edit(**values))

    async def undo(self, request: Request) -> Response:
        """Take the last edit back."""
        values = await body_of(request, STEP)
        night = await run_in_threadpool(self.night, request)
        return await changed(night, values, lambda: night.journal.undo(**values))

    async def redo(self, request: Request) -> Response:
        """Do again what was taken back."""
        values = await body_of(request, STEP)
        night = await run_in_threadpool(self.night, request)
        return await changed(night, values, lambda: night.journal.redo(**values))

    async def finish(self, request: Request) -> Response:
        """Write the outputs again."""
        await body_of(request, NOTHING)
        night = await run_in_threadpool(self.night, request)
        return JSONResponse(await run_in_threadpool(night.finish))


async def changed(night: OpenNight, values: dict[str, Any], change: Callable[[], object]) -> Response:
    """Make a change, and return what is new since the version that the page had; 409 if it was not made."""
    said, status = {}, 200
    try:
        await run_in_threadpool(change)
    except ConflictError as conflict:
        said, status = {"error": str(conflict)}, 409
    new = await run_in_threadpool(night.changes, values["seen"])
    return JSONResponse({**new, **said}, status)


def binary(content: bytes) -> Response:
    return Response(content, media_type="application/octet-stream")


async def body_of(request: Request, forms: dict[str, Form]) -> dict[str, Any]:
    """Return the values of a request; raise ValueError for others than it must have."""
    try:
        values: dict[str, Any] = await request.json()
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    check_exactly(values, forms)
    return values


def users_error(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 422)


def pages_mistake(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": f"not understood: {error}"}, 400)


# ---- the server ----


def application(nights: Nights, token: str, port: int) -> ASGIApp:
    """Return what answers the requests of the pages of a folder's nights.

    Of several nights, each has its pages below its number, and the first page shows them all.
    """
    answers = Answers(nights)
    of_a_night = [
        Route("/night", answers.described),
        Route("/changes", answers.changes),
        Route("/spectrum", answers.spectrum),
        Route("/signal/{channel:int}/{epoch:int}/{view:int}", answers.signal),
        *(Route(f"/{name}", getattr(answers, name), methods=["POST"]) for name in POSTED),
    ]
    files = Mount("/", StaticFiles(directory=PAGE, html=True))
    routes: list[BaseRoute] = [*of_a_night, files]
    if len(nights.names) > 1:
        start = Mount("/", StaticFiles(directory=PAGE / "start", html=True))
        routes = [Mount("/{night:int}", routes=routes), Route("/nights", answers.overview), start]
    handlers: Any = {InputError: users_error, ValueError: pages_mistake}
    return Guard(Starlette(routes=[Mount(f"/{token}", routes=routes)], exception_handlers=handlers), token, port)


def listening(port: int) -> socket.socket:
    """Return a socket that only this machine reaches; port 0 is one that is free.

    Raises:
        InputError: the port is taken.
    """
    listener = socket.socket()
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((HOST, port))
        listener.listen()  # a browser that is faster than uvicorn waits
    except OSError as error:
        listener.close()
        raise InputError(f"--port {port}: {error.strerror}; choose another, or leave it out") from error
    return listener


def serve(nights: Nights, port: int, ready: Callable[[str], None]) -> None:
    """Show nights until Ctrl-C.

    Args:
        nights: the nights.
        port: where to listen; 0 for any that is free.
        ready: is called with the page's address.

    Raises:
        InputError: the port is taken.
        KeyboardInterrupt: Ctrl-C, or `kill`.
    """
    listener, token = listening(port), secrets.token_urlsafe(24)
    port = listener.getsockname()[1]
    settings = uvicorn.Config(
        application(nights, token, port),
        log_level="critical",
        access_log=False,
        lifespan="off",
        server_header=False,
        ws="none",
        timeout_graceful_shutdown=1,
    )
    ready(f"http://{HOST}:{port}/{token}/")
    try:
        uvicorn.Server(settings).run(sockets=[listener])
    finally:
        nights.close()
        listener.close()
