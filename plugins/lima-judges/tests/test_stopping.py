"""Ctrl-C, a callback that fails, and libraries that want to end the process: a batch ends at once, and nothing hangs."""

import os
import signal
import subprocess
import sys
import threading
import time

import pytest

from lima import Sampling
from lima_judges.many import ask_all
from lima_judges.openai_server import OpenAIServers

SCRIPT = """
import sys
from lima import Sampling
from lima_judges.openai_server import OpenAIServers
try:
    OpenAIServers().open(sys.argv[1], None).reply(["a"] * 20, Sampling(), 0)
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@pytest.mark.parametrize("waits", ["for an answer", pytest.param("before the next attempt", marks=pytest.mark.slow)])
def test_ctrl_c_ends_a_batch_at_once(waits, serve, patiently):
    done = threading.Event()

    def behave(handler, body):
        if waits == "for an answer":
            done.wait(20)
        handler.answer(429, retry_after="30")

    server = serve(behave)
    environment = {**os.environ, "LIMA_JUDGES_TIMEOUT": "60"}
    process = subprocess.Popen([sys.executable, "-c", SCRIPT, server.spec], stdout=subprocess.PIPE, env=environment)
    try:
        deadline = time.monotonic() + 30
        while not server.asked and time.monotonic() < deadline:
            time.sleep(0.02)
        time.sleep(0.2)
        pressed = time.monotonic()
        process.send_signal(signal.SIGINT)
        out, _ = process.communicate(timeout=10)
        assert (out, process.returncode) == (b"interrupted\n", 0)
        assert time.monotonic() - pressed < 3
    finally:
        done.set()
        process.kill()


def test_no_more_is_under_way_than_asked_at_once_until_results_are_kept():
    """A process that is killed while it writes a result loses that one and what is being asked, nothing more"""
    begun, kept, most = [], [], []

    def keep(index, result):
        time.sleep(0.01)  # a store that is slower than the server
        most.append(len(begun) - len(kept))
        kept.append(index)

    found = ask_all(30, lambda index: begun.append(index) or index, 3, threading.Event(), keep)
    assert (found, sorted(kept), max(most)) == (list(range(30)), list(range(30)), 3)


def test_what_a_callback_raises_ends_the_batch(serve):
    server = serve()

    def full(index, reply):
        raise OSError("disk full")

    with pytest.raises(OSError, match="disk full"):
        OpenAIServers().open(server.spec, None).reply(["a"] * 50, Sampling(), 0, on_reply=full)
    assert len(server.asked) < 50


def test_a_library_that_ends_the_process_is_heard_in_the_callers_thread():
    stop = threading.Event()

    def leave(index):
        raise SystemExit(3)

    with pytest.raises(SystemExit):
        ask_all(3, leave, 2, stop, lambda i, r: None)
    assert stop.is_set()


def test_nothing_to_ask_is_no_request():
    assert ask_all(0, lambda i: i, 4, threading.Event(), lambda i, r: None) == []
