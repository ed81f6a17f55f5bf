"""A grading server in a process of its own, and a real browser that opens its pages; what several tests of them share."""

import http.client
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest

FLAGS = [
    *("--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
]
SECONDS = 20
"What a test waits for at most"


def chromium():
    """The browser's path; without one the test fails, because what people see would not be tested"""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    if found := next(filter(None, map(shutil.which, names)), None):
        return found
    pytest.fail("No Chromium on this machine. Install the Debian package: apt-get install chromium.")


@contextmanager
def opened_browser():
    """A headless Chromium of playwright's synchronous kind"""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


class Served:
    """`lima dialogues grade`, or another command that serves pages, with these arguments on a database, until `stop`"""

    command, plugins = ("dialogues", "grade"), "lima-chat,lima-dialogue-eval"

    def __init__(self, database, *arguments):
        self.database, self.arguments = Path(database), arguments
        self.start()

    def start(self, *more):
        environment = os.environ | {"LIMA_LOAD_PLUGINS": self.plugins}
        environment["LIMA_USER_PATH"] = str(self.database.parent / "user")
        command = [sys.executable, "-m", "lima", *self.command, *self.arguments, *more, "-d", str(self.database)]
        self.process = subprocess.Popen(
            command,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            errors="surrogateescape",
        )
        late = threading.Timer(60, self.process.kill)  # a test that waits for ever is a fault
        late.start()
        self.lines = []
        while line := self.process.stdout.readline():
            self.lines.append(line.rstrip("\n"))
            if line.startswith("Ctrl-C"):
                break
        late.cancel()
        self.links = dict(re.fullmatch(r"  (.*\S) +(http://\S+)", x).groups() for x in self.lines if " http://" in x)
        if not self.links:
            out, err = self.process.communicate(timeout=SECONDS)
            raise AssertionError("\n".join([*self.lines, out, err]))

    @property
    def port(self):
        return int(re.search(r":(\d+)/", next(iter(self.links.values())))[1])

    def kill(self):
        self.process.kill()
        return self.process.communicate(timeout=SECONDS)

    def stop(self):
        """(exit code, the rest of what it said) after Ctrl-C"""
        self.process.send_signal(signal.SIGINT)
        out, err = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, out, err

    def rows(self, sql, *parameters):
        with closing(sqlite3.connect(self.database, timeout=SECONDS)) as db:
            return db.execute(sql, parameters).fetchall()


@contextmanager
def served(database, *arguments, kind=Served):
    found = kind(database, *arguments)
    try:
        yield found
    finally:
        if found.process.poll() is None:
            found.kill()


def asked(link, path="", body=None, **headers):
    """(status, text) of a request to a path below a link: a POST where there is a body"""
    address = urlsplit(link)
    with closing(http.client.HTTPConnection(address.hostname, address.port, timeout=SECONDS)) as connection:
        headers = {"Origin": f"http://{address.netloc}", **headers}
        data = json.dumps(body) if isinstance(body, dict | list) else body
        connection.request("GET" if body is None else "POST", f"{address.path}{path}", data, headers)
        with connection.getresponse() as answer:
            return answer.status, answer.read().decode()
