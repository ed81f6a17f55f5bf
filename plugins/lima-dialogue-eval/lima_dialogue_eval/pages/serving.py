"""Serves local pages until Ctrl-C: the socket on 127.0.0.1, the thread in which pages answer, and the links that are printed.

Nothing is opened in a browser unless that was asked for. Knows nothing of what the pages show.
"""

import asyncio
import errno
import socket
from collections.abc import AsyncIterator, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from lima import LimaError
from lima_dialogue_eval.pages.frame import FRAME_FILES, Asked, LocalPages, Page
from lima_dialogue_eval.pages.guard import App, Guard
from lima_dialogue_eval.pages.links import Link, usual_port

HOST = "127.0.0.1"
_TYPES = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_QUIET: dict[str, Any] = {
    "log_config": None, "log_level": "critical", "access_log": False, "server_header": False, "proxy_headers": False,
}  # fmt: skip


def serve_pages(
    pages: LocalPages,
    port: int | None = None,
    ready: Callable[[list[str]], None] | None = None,
    open_first: bool = False,
) -> None:
    """Serve pages on 127.0.0.1 until Ctrl-C or a signal to end; LimaError for a port in use

    Without a port it is the usual one of these pages, or else a free one. `ready` is called with the addresses of the links, in
    their order, once the pages can be opened. `open_first` opens the first of them in a browser."""
    failed: list[BaseException] = []
    with _listening(pages.name, port) as listening:
        addresses = [address(link, listening.getsockname()[1]) for link in pages.links]

        def begin() -> None:
            if ready:
                ready(addresses)
            if open_first:
                import webbrowser

                webbrowser.open(addresses[0])

        app = application(pages, begin, failed)
        config = uvicorn.Config(
            app, http="h11", ws="none", loop="asyncio", lifespan="on", timeout_graceful_shutdown=3, **_QUIET
        )
        # uvicorn ends what is under way and then passes Ctrl-C on, which is how a server is stopped.
        with suppress(KeyboardInterrupt):
            uvicorn.Server(config).run(sockets=[listening])
    if failed:
        raise failed[0]


def address(link: Link, port: int) -> str:
    """What a person opens"""
    return f"http://{HOST}:{port}/{link.secret}/"


def application(
    pages: LocalPages, begin: Callable[[], None] = lambda: None, failed: list[BaseException] | None = None
) -> App:
    """The ASGI application of these pages, guarded; it calls `begin` when it can answer, or notes why it cannot in `failed`"""
    worker = ThreadPoolExecutor(1, thread_name_prefix="pages")
    opened: list[Any] = []

    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        """What the pages work on is opened and closed in the one thread that uses it"""
        in_thread = asyncio.get_running_loop().run_in_executor
        try:
            manager = await in_thread(worker, pages.opened)
            opened.append(await in_thread(worker, manager.__enter__))
            begin()
        except BaseException as e:
            if failed is not None:
                failed.append(e)
            raise
        try:
            yield
        finally:
            await in_thread(worker, manager.__exit__, None, None, None)
            worker.shutdown()

    app = Starlette(
        routes=[_static(pages), *(_route(pages, page, worker, opened) for page in pages.pages)], lifespan=lifespan
    )
    guarded = Guard(app, pages.links, pages.max_body)

    async def whole(scope: Any, receive: Any, send: Any) -> None:
        await (app if scope["type"] == "lifespan" else guarded)(scope, receive, send)

    return whole


def _route(pages: LocalPages, page: Page, worker: ThreadPoolExecutor, opened: list[Any]) -> Route:
    async def endpoint(request: Request) -> Response:
        scope = request.scope
        asked = Asked(scope["link"], opened[0], request.path_params, dict(request.query_params), scope["body"])
        return await asyncio.get_running_loop().run_in_executor(worker, pages.answered, page, asked)

    return Route(f"/{page.path}", endpoint, methods=[page.method])


def _static(pages: LocalPages) -> Route:
    """The files of known types in the folders, as they are at the start: a request names one, and no path"""
    files: dict[str, Path] = {}
    for folder in (*pages.static, FRAME_FILES):
        for path in sorted(folder.iterdir()):
            if path.suffix in _TYPES:
                files.setdefault(path.name, path)

    async def endpoint(request: Request) -> Response:
        if not (path := files.get(request.path_params["name"])):
            return PlainTextResponse("No such file.", 404)
        return Response(path.read_bytes(), media_type=_TYPES[path.suffix])

    return Route("/static/{name}", endpoint)


def _listening(name: str, port: int | None) -> socket.socket:
    """A socket on 127.0.0.1: at that port, or at the usual one of these pages, or at a free one"""
    for wanted in (port,) if port is not None else (usual_port(name), 0):
        found = socket.socket()
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            found.bind((HOST, wanted))
            found.listen(128)
            return found
        except OSError as e:
            found.close()
            why = "is in use" if e.errno == errno.EADDRINUSE else f"cannot be used: {e.strerror}"
    raise LimaError(f"Port {port} {why}. Give another one with --port, or leave --port out.")
