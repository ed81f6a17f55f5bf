"""A server on loopback in place of the Hub: data sets that are there, gated, private, gone, broken or slow, by their names.

Knows no more of the Hub's interface than `huggingface_hub` and `datasets` ask for.
"""

import hashlib
import json
import re
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

COMMIT = "0123456789abcdef0123456789abcdef01234567"
SLOW = 5.0
"Seconds until a slow answer begins"
ERRORS = {
    "gone": (404, "RepoNotFound", "Repository not found"),
    "private": (401, "RepoNotFound", "Invalid username or password."),
    "gated": (403, "GatedRepo", "Access to dataset is restricted and you are not in the authorized list."),
    "broken": (500, "", "Internal Error"),
}


class Handler(BaseHTTPRequestHandler):
    """Answers for ann/NAME by what NAME is"""

    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.server.asked.append(f"{self.command} {self.path}")
        kind = re.search(r"ann/(\w+)", self.path)
        kind = kind[1] if kind else ""
        if kind == "slow":
            time.sleep(SLOW)
        if kind in ERRORS and not (kind == "gated" and "/resolve/" not in self.path):
            status, code, message = ERRORS[kind]
            return self._send(status, {"error": message}, {"X-Error-Code": code, "X-Error-Message": message})
        if "/revision/" in self.path and not re.search(r"/revision/(main|refs|" + COMMIT + ")", self.path):
            return self._send(404, {"error": "Invalid rev id"}, {"X-Error-Code": "RevisionNotFound"})
        return self._found(kind, self.path.partition("?")[0])

    do_HEAD = do_POST = do_GET

    def _found(self, kind, path):
        files = self.server.files.get(kind, {})
        if "/resolve/" in path:
            name = path.partition("/resolve/")[2].partition("/")[2]
            if name not in files:
                return self._send(404, {"error": "Entry not found"}, {"X-Error-Code": "EntryNotFound"})
            return self._send(200, files[name], {"X-Repo-Commit": COMMIT, "ETag": f'"{_oid(files[name])}"'})
        if "/tree/" in path or "/paths-info/" in path:
            under = re.sub(r".*/(?:tree|paths-info)/[^/]+/?", "", path)
            length = int(self.headers.get("Content-Length") or 0)
            wanted = (
                set(re.findall(r"paths=([^&]+)", self.rfile.read(length).decode().replace("%2F", "/")))
                if length
                else None
            )
            entries = [
                {"type": "file", "path": name, "size": len(data), "oid": _oid(data)}
                for name, data in files.items()
                if (name.startswith(under) if wanted is None else name in wanted)
            ]
            return self._send(200, entries)
        card = {"license": "cc-by-4.0"}
        siblings = [{"rfilename": name} for name in files]
        facts = {
            "_id": "1",
            "id": f"ann/{kind}",
            "sha": COMMIT,
            "private": False,
            "gated": kind == "gated",
            "disabled": False,
        }
        more = {"cardData": card, "siblings": siblings, "tags": [], "downloads": 0, "likes": 0, "author": "ann"}
        return self._send(200, facts | more)

    def _send(self, status, body, headers=None):
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        span = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", "")) if status == 200 else None
        whole = len(data)
        if span:
            first, last = int(span[1]), int(span[2] or whole - 1)
            status, data = 206, data[first : last + 1]
        self.send_response(status)
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        if span:
            self.send_header("Content-Range", f"bytes {first}-{first + len(data) - 1}/{whole}")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(data)

    def log_message(self, *_):
        """Nothing is printed"""


def _oid(data):
    return hashlib.sha1(data).hexdigest()


@contextmanager
def hub(files):
    """The address of a server that has these files: {name of a data set: {path: bytes}}; and what it was asked"""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.files, server.asked = files, []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", server.asked
    finally:
        server.shutdown()
        thread.join(timeout=10)
        server.server_close()
