"""Who is let in: each request's Host, Origin, method, secret and size are checked before any page sees it.

A name that points to 127.0.0.1 (DNS rebinding) fails at Host, another site's script at Origin or Sec-Fetch-Site, and whoever has
no link at its secret. Every answer forbids what the pages do not need. Knows nothing of what they are.
"""

import hashlib
from collections.abc import Awaitable, Callable, MutableMapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from lima_dialogue_eval.pages.links import Link

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
HEADERS = (
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"same-origin"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
)
OURS = ("127.0.0.1", "localhost")
"The names by which a browser on this machine asks; the port may be another's, of an ssh tunnel"
_SAFE = ("GET", "HEAD")


class Guard:
    """An ASGI application around another one, for these links; it puts the link into `scope["link"]`"""

    def __init__(self, app: App, links: Sequence[Link], max_body: int) -> None:
        self.app, self.max_body = app, max_body
        self.links = {_digest(link.secret): link for link in links}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":  # a WebSocket is never accepted; uvicorn is told not to speak it
            return

        async def protected(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": [*message.get("headers", ()), *HEADERS]}
            await send(message)

        headers = _Headers(scope["headers"])
        secret, _, rest = scope["path"].lstrip("/").partition("/")
        link = self.links.get(_digest(secret))
        if refusal := _refusal(scope["method"], headers, link):
            await _plain(protected, 403, refusal)
        elif not rest and not scope["path"].endswith("/"):
            await _plain(protected, 307, "", [(b"location", f"/{secret}/".encode())])  # so that relative addresses hold
        elif (body := await self._body(headers, receive)) is None:
            await _plain(protected, 413, f"More than {self.max_body:,} bytes at once: not accepted.")
        else:
            inner = {**scope, "link": link, "body": body, "root_path": f"/{secret}"}
            await self.app(inner, receive, protected)

    async def _body(self, headers: "_Headers", receive: Receive) -> bytes | None:
        """The request's body; None for one that is too long, which is not read to its end"""
        if (said := headers.one("content-length")).isdigit() and int(said) > self.max_body:
            return None
        found, more = bytearray(), True
        while more:
            message = await receive()
            found += message.get("body", b"")
            more = message.get("more_body", False)
            if len(found) > self.max_body:
                return None
        return bytes(found)


class _Headers:
    """A request's headers; one that is sent twice is as none of either"""

    def __init__(self, raw: Sequence[tuple[bytes, bytes]]) -> None:
        self.found: dict[str, list[str]] = {}
        for name, value in raw:
            self.found.setdefault(name.decode("latin-1").lower(), []).append(value.decode("latin-1"))

    def one(self, name: str) -> str:
        values = self.found.get(name, [""])
        return values[0] if len(values) == 1 else "\0"


def _refusal(method: str, headers: _Headers, link: Link | None) -> str:
    """Why a request is refused, in a sentence; '' for one that is let in"""
    host, origin, fetched = headers.one("host"), headers.one("origin"), headers.one("sec-fetch-site")
    if _name_of(host) not in OURS:
        return "lima answers on 127.0.0.1 only. Open the link that it printed."
    if origin and origin != f"http://{host}":
        return "Another site asked for this page. Open the link that lima printed."
    if not origin and method not in _SAFE:
        return "A request that changes something must name its origin, as a browser does."
    followed = (
        method in _SAFE and headers.one("sec-fetch-mode") == "navigate" and headers.one("sec-fetch-dest") == "document"
    )
    if fetched not in ("", "none", "same-origin") and not followed:
        return "Another site asked for this page. Open the link that lima printed."
    return "" if link else "This link is not valid. Open the whole link that lima printed."


def _name_of(host: str) -> str:
    """The name in a Host header; '' for one that is malformed"""
    try:
        parts = urlsplit(f"//{host}")
        _ = parts.port
    except ValueError:
        return ""
    return (parts.hostname or "") if not (parts.path or parts.username or parts.query or parts.fragment) else ""


def _digest(secret: str) -> bytes:
    """By which secrets are looked up: how long that takes says nothing of how much of one is right"""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).digest()


async def _plain(send: Send, status: int, text: str, headers: Sequence[tuple[bytes, bytes]] = ()) -> None:
    body = text.encode()
    start = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode()), *headers]
    await send({"type": "http.response.start", "status": status, "headers": start})
    await send({"type": "http.response.body", "body": body})
