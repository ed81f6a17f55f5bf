"""The server that comes with transformers, in a process of its own, answering with a tiny model from a folder, offline."""

import os
import socket
import subprocess
import sys
import time
from urllib.request import ProxyHandler, build_opener

import pytest

from lima import Reply, Sampling
from lima_judges.openai_server import OpenAIServers

TEMPLATE = "{% for m in messages %}{{ m['role'] }}: {{ m['content'] }}\n{% endfor %}assistant:"


@pytest.fixture(scope="module")
def serving(tmp_path_factory):
    """(address, name of the model)"""
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    from lima.testing import tiny_base, tiny_tokenizer

    tokenizer = tiny_tokenizer()
    tokenizer.chat_template = TEMPLATE
    folder = tiny_base(tmp_path_factory.mktemp("served"), tokenizer=tokenizer)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "transformers.cli.transformers", "serve", str(folder)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    log = tmp_path_factory.mktemp("log") / "server.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(command, env={**os.environ, "HF_HUB_OFFLINE": "1"}, stdout=out, stderr=out)
    opener, deadline = build_opener(ProxyHandler({})), time.monotonic() + 120
    try:
        while True:
            try:
                opener.open(f"http://127.0.0.1:{port}/health", timeout=2).close()
                break
            except OSError:
                assert process.poll() is None, log.read_text()
                assert time.monotonic() < deadline, log.read_text()
                time.sleep(0.5)
        yield f"http://127.0.0.1:{port}/v1", str(folder)
    finally:
        process.terminate()
        process.wait(30)


@pytest.mark.slow
def test_it_answers_with_the_same_reply_for_the_same_seed(serving, store):
    url, name = serving
    model, sampling = OpenAIServers().open(f"{url}#{name}", store), Sampling(max_new_tokens=8)
    first = model.reply(["Hello", "Why?"], sampling, [1, 2])
    assert all(isinstance(r, Reply) and r.text and r.stop == "length" for r in first), first
    assert [r.text for r in model.reply(["Hello", "Why?"], sampling, [1, 2])] == [r.text for r in first]
    rows = store.rows("select prompt_tokens, completion_tokens from api_calls")
    assert [r["completion_tokens"] for r in rows] == [8] * 4
    assert all(r["prompt_tokens"] > 3 for r in rows)


@pytest.mark.slow
def test_what_it_does_not_know_is_said_in_its_words(serving):
    url, name = serving
    (failure,) = OpenAIServers().open(f"{url}#{name}?send=repetition_penalty", None).reply(["Hi"], Sampling(), 0)
    assert "HTTP status 422: Unexpected fields in the request: {'repetition_penalty'}" in str(failure)
