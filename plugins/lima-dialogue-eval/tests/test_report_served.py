"""`lima dialogues report --serve`, a process of its own: conversations load when they are opened, and the store is searched."""

import os
import signal
import subprocess
import sys
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager

import pytest
from graded_pages import opened_browser
from playwright.sync_api import expect
from reports import HOSTILE, Study

from lima import Store


@contextmanager
def served(database, home, *arms):
    """The address that the command prints"""
    command = [sys.executable, "-m", "lima", "dialogues", "report", *arms, "--serve", "-d", str(database)]
    environment = os.environ | {"LIMA_USER_PATH": str(home), "LIMA_LOAD_PLUGINS": "lima-chat,lima-dialogue-eval"}
    process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    late = threading.Timer(100, process.kill)  # a test that waits for ever is a fault
    late.start()
    try:
        yield process.stdout.readline().strip(), process
    finally:
        late.cancel()
        process.kill()
        process.communicate(timeout=10)


@pytest.fixture
def database(tmp_path, plugins):
    path, text = tmp_path / "lima.db", HOSTILE[1]
    with Store(path) as store:
        study = Study(store, "/nowhere")
        many = {f"c{i:02d}": {0: "EF"} for i in range(20)}
        study.run("one", many, lambda c, n: f"{c} {text}", seeds="[0]")
        study.run("two", many, lambda c, n: f"Needle {text}" if (c, n) == ("c07", 2) else f"{c} {text}", seeds="[0]")
    return path


@pytest.mark.slow
def test_conversations_load_when_they_are_opened_and_are_searched_in_the_store(database, tmp_path):
    with served(database, tmp_path, "one", "two") as (address, process), opened_browser() as browser:
        page = browser.new_page()
        page.set_default_timeout(20_000)
        asked, problems = [], []
        page.on("request", lambda r: asked.append(r.url.removeprefix(address)))
        page.on("pageerror", lambda e: problems.append(str(e)))
        page.on("console", lambda m: problems.append(m.text) if m.type == "error" else None)
        page.goto(address)
        expect(page.locator(".talk:visible")).to_have_count(20)
        assert sorted(asked) == ["", "static/report.css", "static/report.js"]
        page.locator("#c8 summary").first.click()
        expect(page.locator("#c8 .turn")).to_have_count(2)
        assert asked[-1] == "conversations/7"
        assert page.locator("#c8 .reply > .said").last.text_content() == f"Needle {HOSTILE[1]}"
        page.locator("#search").fill("nEEDLE")
        expect(page.locator(".talk:visible")).to_have_count(1)
        assert page.title() == "Before and after"
        assert problems == []
        for path in ("conversations/20", "conversations/x", "../x/"):
            with pytest.raises(urllib.error.HTTPError):
                urllib.request.urlopen(f"{address}{path}", timeout=20)
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 0
