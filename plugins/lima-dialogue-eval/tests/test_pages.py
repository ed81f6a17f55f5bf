"""Local pages served on 127.0.0.1: who is let in, what is refused, and how they end. A real server in a process of its own."""

import http.client
import json
import os
import signal
import subprocess
import sys
from contextlib import closing

import pytest

SERVED = """
import sys
from contextlib import contextmanager
from lima import LimaError
from lima_dialogue_eval import LocalPages, Page, personal_link, serve_pages

@contextmanager
def opened():
    import threading
    yield {"thread": threading.current_thread().name}
    print("closed", flush=True)

def fails(asked):
    raise LimaError("No such run: <b>.")

def breaks(asked):
    raise ZeroDivisionError("nobody expects this")

pages = [
    Page("", lambda asked: f"<p>{asked.link.name}</p>"),
    Page("echo/{n:int}", lambda asked: {**asked.path, **asked.json("a"), **asked.opened}, "POST"),
    Page("fails", fails),
    Page("breaks", breaks),
    Page("all", lambda asked: ["secret"], roles=("coordinator",)),
]
links = [personal_link("test", "Ana", "rater"), personal_link("test", "all", "coordinator")]
serve_pages(LocalPages(sys.argv[1], pages, links, opened=opened, max_body=1000), None, lambda a: print(*a, flush=True))
print("ended", flush=True)
"""


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """(process, port, the rater's secret, the coordinator's)"""
    folder = tmp_path_factory.mktemp("pages")
    process = started(folder)
    try:
        yield process, *told(process)
    finally:
        process.kill()
        process.communicate(timeout=10)


def started(folder, name="test"):
    return subprocess.Popen(
        [sys.executable, "-c", SERVED, name],
        env=os.environ | {"LIMA_USER_PATH": str(folder)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def told(process):
    one, other = process.stdout.readline().split()
    return int(one.split("/")[2].partition(":")[2]), one.split("/")[3], other.split("/")[3]


def ask(port, path, method="GET", body=None, **headers):
    """(status, headers, text)"""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    if method == "POST":
        headers.setdefault("Origin", f"http://127.0.0.1:{port}")
    with closing(connection):
        connection.request(method, path, body, headers)
        with connection.getresponse() as answer:
            return answer.status, dict(answer.headers), answer.read().decode()


def test_a_page_answers_by_its_link_with_a_strict_policy(server):
    _, port, ana, coordinator = server
    status, headers, text = ask(port, f"/{ana}/")
    assert (status, text) == (200, "<p>Ana</p>")
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert (headers["x-content-type-options"], headers["referrer-policy"]) == ("nosniff", "same-origin")
    assert "server" not in {name.lower() for name in headers}
    assert ask(port, f"/{ana}")[1]["location"] == f"/{ana}/"
    status, _, text = ask(port, f"/{ana}/echo/7", "POST", '{"a": "ä"}'.encode())
    assert json.loads(text) == {"n": 7, "a": "ä", "thread": "pages_0"}
    assert ask(port, f"/{ana}/all")[0] == 403
    assert ask(port, f"/{coordinator}/all")[2] == '["secret"]'
    status, headers, text = ask(port, f"/{ana}/static/frame.css")
    assert (status, headers["content-type"]) == (200, "text/css; charset=utf-8")
    assert ask(port, f"/{coordinator}/", Host="localhost:9000", Origin="http://localhost:9000")[0] == 200  # ssh -L 9000


def test_whatever_does_not_come_by_the_link_is_refused(server):
    _, port, ana, _ = server
    here, page = f"http://127.0.0.1:{port}", f"/{ana}/"
    refused = {
        "missing": ("/",),
        "wrong": (f"/{ana[:-1]}x/",),
        "longer": (f"/{ana}{ana}/",),
        "not ascii": ("/%C3%A9%FF/",),
        "static without": ("/static/frame.css",),
        "rebinding": (page, "GET", None, {"Host": f"evil.example:{port}"}),
        "rebinding to itself": (page, "GET", None, {"Host": f"evil.example:{port}", "Origin": f"http://evil.example:{port}"}),
        "user in host": (page, "GET", None, {"Host": f"127.0.0.1:{port}@evil.example"}),
        "odd port": (page, "GET", None, {"Host": "127.0.0.1:x"}),
        "other origin": (page, "GET", None, {"Origin": "http://evil.example"}),
        "null origin": (f"{page}echo/1", "POST", '{"a": 1}', {"Origin": "null"}),
        "another server here": (f"{page}echo/1", "POST", '{"a": 1}', {"Origin": f"http://127.0.0.1:{port + 1}"}),
        "no origin": (f"{page}echo/1", "POST", '{"a": 1}', {"Origin": ""}),
        "https": (page, "GET", None, {"Origin": here.replace("http", "https")}),
        "cross-site script": (page, "GET", None, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "no-cors"}),
        "frame": (page, "GET", None, {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}),
    }  # fmt: skip
    found = {name: ask(port, *args[:3], **(args[3] if args[3:] else {})) for name, args in refused.items()}
    assert {name: status for name, (status, *_) in found.items()} == dict.fromkeys(refused, 403)
    assert all("content-security-policy" in headers for _, headers, _ in found.values())
    followed = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
    assert ask(port, page, **followed)[0] == 200  # a link in a mail that is read in the browser


def test_methods_sizes_and_failures_are_answered(server):
    _, port, ana, _ = server
    here = {"Origin": f"http://127.0.0.1:{port}"}
    found = [
        ask(port, f"/{ana}/", "POST", "{}")[0],
        ask(port, f"/{ana}/", "DELETE", **here)[0],
        ask(port, f"/{ana}/echo/1")[0],
        ask(port, f"/{ana}/echo/1", "POST", "x" * 1001)[0],
        ask(port, f"/{ana}/echo/1", "POST", (b"y" * 100 for _ in range(11)))[0],
        ask(port, f"/{ana}/nowhere")[0],
        ask(port, f"/{ana}/static/..%2fframe.py")[0],
        ask(port, f"/{ana}/static/frame.css?x=../guard.py")[0],
    ]
    assert found == [405, 405, 405, 413, 413, 404, 404, 200]
    for body in ("", "{", "[1]", '{"b": 1}', b"\xff", "[" * 900):
        status, headers, text = ask(port, f"/{ana}/echo/1", "POST", body)
        assert (status, headers["content-type"]) == (400, "text/plain; charset=utf-8"), text
    assert ask(port, f"/{ana}/fails")[2] == "No such run: <b>."
    assert ask(port, f"/{ana}/breaks")[0] == 500


def test_links_and_the_port_stay_after_a_restart_and_ctrl_c_closes_what_was_opened(tmp_path):
    first = started(tmp_path, "restarted")
    before = told(first)
    assert (tmp_path / "pages.key").stat().st_mode & 0o77 == 0
    first.send_signal(signal.SIGINT)
    out, err = first.communicate(timeout=20)
    assert (first.returncode, out, err) == (0, "closed\nended\n", "")
    second = started(tmp_path, "restarted")
    try:
        assert told(second) == before
    finally:
        second.kill()
        second.communicate(timeout=20)
