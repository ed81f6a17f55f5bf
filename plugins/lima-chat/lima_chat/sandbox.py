"""Jinja templates from anywhere, rendered so that they can neither access anything nor run for ever.

A template is somebody else's program, and one operation of it may take for ever: no check inside a Python process can stop
that. So one process, started at the first render, renders them all; when a render takes too long it is killed, and the next
render starts another. It runs `sandbox_process`, which imports Jinja and nothing else, with a limit on its memory. What passes
between the two is JSON. Ctrl-C does not reach it; it ends with this process, however this one ends. Knows nothing of messages
or tokens.
"""

import json
import logging
import os
import signal
import socket
import subprocess
import sys
import weakref
from collections.abc import Sequence
from datetime import datetime
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from threading import Lock
from typing import Any

from lima import LimaError

SECONDS = 5.0
"How long one render may take, compiling included; a chat template takes milliseconds, on a busy machine as well"
SECONDS_TO_START = 60.0
"How long the process may take to start: a tenth of a second, more where the disk is slow"
MEMORY = 2**30
"Bytes of address space that the process may have; it starts with a fortieth. Without effect on macOS"
LONGEST = 50_000_000
"Bytes that a request or an answer may have"
LARGE = 1_000_000
"Bytes of a request from which on no further render is added to it"
ENVIRONMENT = ("TZ", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"The variables that the process gets: the time zone, and where the libraries of Python may be"
PACKAGES = ("jinja2", "markupsafe")
"What the process imports, from where this process would"


class Worker:
    """The process that renders, started when it is needed; one request at a time, from whichever thread"""

    def __init__(self) -> None:
        self._forget()
        # A process that is forked off starts one of its own: two that talk to the same one would get each other's answers.
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(after_in_child=self._forget_in_child)

    def _forget(self) -> None:
        self._lock = Lock()
        self._process: subprocess.Popen[bytes] | None = None

    def _forget_in_child(self) -> None:
        if self._process is not None:
            self._end.detach()
            self._socket.close()  # else the process would outlive the one that started it
            self._process.returncode = 0  # it is not a child of this process, so it cannot be waited for
        self._forget()

    def ask(self, request: bytes, renders: int) -> list[dict[str, Any]]:
        """The answers to this number of renders, fewer if the last is an error: what the process said, {"slow": True} if it was
        killed for the time it took, or {"ended": how}

        A process that ends before it answers is replaced once, and so is one whose memory may be full of other templates."""
        with self._lock:
            try:
                new = self._process is None
                replies = self._asked(request, renders)
                if "ended" in replies[-1]:
                    logging.getLogger("lima").warning(
                        "The process that renders chat templates ended (%s); the render is tried again in a new one.",
                        replies[-1]["ended"],
                    )
                elif "memory" not in replies[-1] or new:
                    return replies
                return self._asked(request, renders)
            except BaseException:  # Ctrl-C: answers that are still to come would be taken for the next request's
                self.stop()
                raise

    def _asked(self, request: bytes, renders: int) -> list[dict[str, Any]]:
        replies: list[dict[str, Any]] = []
        try:
            if self._process is None:
                self._start()
            self._socket.settimeout(SECONDS)  # for each answer
            self._socket.sendall(request)
            while len(replies) < renders and all("text" in r for r in replies[-1:]):
                replies.append(self._reply())
        except TimeoutError:
            replies.append({"slow": True})
        except (OSError, EOFError):
            how = self._how_it_ended()
            replies.append({"slow": True} if how == signal.strsignal(signal.SIGALRM) else {"ended": how})
        if replies[-1].keys() & {"slow", "ended", "memory"}:
            self.stop()
        return replies

    def _start(self) -> None:
        places = {str(Path(spec.origin).parents[1]) for spec in map(find_spec, PACKAGES) if spec and spec.origin}
        self._socket, theirs = socket.socketpair()
        self._received = b""
        # Isolated and without site: no folder, file or setting of the user's decides what is imported.
        command = [sys.executable, "-I", "-S", str(Path(__file__).with_name("sandbox_process.py"))]
        try:
            with theirs:
                process = subprocess.Popen(
                    [*command, str(SECONDS + 1), str(MEMORY), str(LONGEST), *sorted(places)],
                    stdin=theirs.fileno(),
                    stdout=theirs.fileno(),
                    stderr=subprocess.DEVNULL,
                    env={name: os.environ[name] for name in ENVIRONMENT if name in os.environ},
                    start_new_session=True,  # the terminal's Ctrl-C is not for it
                )
            self._end = weakref.finalize(self, _end, process, self._socket)
            self._process = process
            self._socket.settimeout(SECONDS_TO_START)
            self._reply()
        except (OSError, EOFError) as e:
            how = self._how_it_ended() if self._process else str(e)
            self._socket.close()
            raise LimaError(
                f"The process that renders chat templates does not start ({how}). It needs Linux or macOS. To see more, run "
                f'`{" ".join([*command, "6", str(MEMORY), str(LONGEST), *sorted(places)])}`, which should print "ready".'
            ) from e

    def _reply(self) -> Any:
        chunks = [self._received]
        while b"\n" not in chunks[-1]:
            chunks.append(self._socket.recv(2**16))
            if not chunks[-1]:
                raise EOFError
        line, _, self._received = b"".join(chunks).partition(b"\n")
        return json.loads(line.decode("utf-8", "surrogatepass"))

    def _how_it_ended(self) -> str:
        assert self._process
        try:
            code = self._process.wait(1)  # its end of the socket is closed already
        except subprocess.TimeoutExpired:
            return "it is silent"
        return f"{signal.strsignal(-code)}" if code < 0 else f"exit code {code}"

    def stop(self) -> None:
        """Kill the process; the next request starts another"""
        if self._process is not None:
            self._end()
        self._process = None


def _end(process: "subprocess.Popen[bytes]", connection: socket.socket) -> None:
    connection.close()
    process.kill()
    process.wait()


WORKER = Worker()
"The one of this Python process; nothing runs before the first render"


class Template:
    """One template, compiled where it is rendered"""

    def __init__(self, name: str, source: str, head: int = 0, date: str = "") -> None:
        self.name = name
        self._head = head  # lines of the file before the source
        # One date for all renders: a template that writes today's must not change at midnight.
        self._line = _json([source, date or datetime.now().isoformat()]) + b"\n"
        self._ask([_json(None)])

    def render(self, variables: dict[str, Any]) -> str:
        """The text for these variables, which are values that JSON has; LimaError with the template's line and message when it
        raises, and with the limit when it takes too much time or memory"""
        return self.render_all([variables])[0]

    def render_all(self, each: Sequence[dict[str, Any]]) -> list[str]:
        """One text for each of the variables, with fewer requests: they cost as much as rendering does"""
        texts: list[str] = []
        request: list[bytes] = []
        for variables in each:
            try:
                request.append(_json(variables))
            except (ValueError, TypeError, RecursionError) as e:
                raise LimaError(f"The template {self.name} cannot be given what it is to render: {e}.") from e
            if sum(map(len, request)) > LARGE:
                texts += self._ask(request)
                request = []
        return texts + self._ask(request) if request else texts

    def _ask(self, request: list[bytes]) -> list[str]:
        size = len(self._line) + sum(map(len, request))
        if size > LONGEST:
            raise LimaError(
                f"The template {self.name} with what it is to render has {size:,} bytes; at most {LONGEST:,} can be rendered."
            )
        replies = WORKER.ask(self._line + b"[" + b",".join(request) + b"]\n", len(request))
        if "text" not in replies[-1]:
            raise LimaError(f"The template {self.name}{self._problem(replies[-1])}")
        return [r["text"] for r in replies]

    def _problem(self, reply: dict[str, Any]) -> str:
        if "syntax" in reply:
            return f", line {self._head + reply['line']}: {reply['syntax'].rstrip('.')}. Correct it there."
        if "failed" in reply:
            where = f" in line {self._head + reply['line']}" if reply["line"] else ""
            what = reply["failed"]
            return f" failed{where}: {what}{'' if what.endswith(('.', '!', '?')) else '.'}"
        if "slow" in reply:
            what = f"was stopped after {SECONDS:g} seconds"
        elif "memory" in reply:
            what = f"was stopped: it needs more than {MEMORY // 2**20:,} MB of memory"
        elif "long" in reply:
            what = f"was stopped: it writes more than {reply['long']:,} bytes"
        else:
            what = f"ended the process that renders it, twice ({reply['ended']})"
        return f" {what}. Correct it, or use another one; `lima renderers` lists them."


def _json(value: Any) -> bytes:
    """JSON on one line; surrogates as they are, because an escaped pair of them would be read as one character"""
    return json.dumps(value, ensure_ascii=False, default=_placeholder).encode("utf-8", "surrogatepass")


def _placeholder(value: Any) -> str:
    """What transformers, too, gives to a template in place of a value that JSON does not have"""
    return f"<{type(value).__name__}>"


@lru_cache(maxsize=64)
def compiled(name: str, source: str, head: int = 0, date: str = "") -> Template:
    """The template of that source and date (ISO 8601; empty: now), compiled once"""
    return Template(name, source, head, date)
