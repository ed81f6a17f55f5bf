"""The server that comes with transformers, in a process of its own, answering with a tiny model from a folder, offline.

The model is a run of lima's: what the server prompts it with must be what it was trained to answer.
"""

import json
import os
import socket
import subprocess
import sys
import time
from urllib.request import ProxyHandler, Request, build_opener

import pytest

from lima import Reply, Sampling
from lima_judges.openai_server import OpenAIServers

SERVE = """
import json, os, sys
from transformers import GenerationMixin
from transformers.cli.transformers import main
generate = GenerationMixin.generate

def noted(self, inputs=None, **rest):
    ids = inputs if inputs is not None else rest["input_ids"]
    with open(os.environ["PROMPTS"], "a") as file:
        print(json.dumps(ids.tolist()[0]), file=file)
    return generate(self, inputs, **rest) if inputs is not None else generate(self, **rest)

GenerationMixin.generate = noted
main()
"""
TALK = [
    {"role": "user", "content": "Hello"},
    {"role": "assistant", "content": "Hi."},
    {"role": "user", "content": "Why?"},
]


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """A folder that lima trained on two turns"""
    import lima_chat
    from lima import Recipe, Store, fine_tune
    from lima.testing import only_plugins, tiny_base

    place = tmp_path_factory.mktemp("served")
    row = {"messages": [*TALK, {"role": "assistant", "content": "Because."}]}
    (place / "talk.jsonl").write_text(json.dumps(row) + "\n")
    recipe = Recipe(
        base=str(tiny_base(place / "base")),
        sources=(str(place / "talk.jsonl"),),
        out=str(place / "out"),
        renderer="lima",
    )
    with only_plugins(lima_chat=lima_chat), Store(place / "lima.db") as store:
        return fine_tune(recipe.with_values({"epochs": 1, "batch_size": 1}), store).folder


@pytest.fixture(scope="module")
def prompts(tmp_path_factory):
    """The file in which the server notes what it prompts its model with, a line of ids each"""
    return tmp_path_factory.mktemp("log") / "prompts.jsonl"


@pytest.fixture(scope="module")
def serving(tmp_path_factory, trained, prompts):
    """(address, name of the model)"""
    pytest.importorskip("fastapi")
    pytest.importorskip("uvicorn")
    folder = trained
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-c", SERVE, "serve", str(folder)]
    command += ["--host", "127.0.0.1", "--port", str(port), "--device", "cpu"]
    log = tmp_path_factory.mktemp("log") / "server.txt"
    with log.open("wb") as out:
        process = subprocess.Popen(
            command, env={**os.environ, "HF_HUB_OFFLINE": "1", "PROMPTS": str(prompts)}, stdout=out, stderr=out
        )
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


@pytest.mark.slow
def test_it_prompts_with_the_ids_that_were_trained(serving, trained, prompts):
    """A conversation, as anybody's client sends it, and what lima rendered for training up to the answer"""
    import lima_chat
    from lima import Store, open_model
    from lima.testing import only_plugins

    url, name = serving
    body = json.dumps({"model": name, "messages": TALK, "max_tokens": 3, "temperature": 0}).encode()
    asked = Request(f"{url}/chat/completions", body, {"content-type": "application/json"})
    build_opener(ProxyHandler({})).open(asked, timeout=60).close()
    with only_plugins(lima_chat=lima_chat), Store(trained.parent / "lima.db") as store:
        expected = open_model(str(trained), store).prompt_ids([lima_chat.Turn(m["role"], m["content"]) for m in TALK])
    assert json.loads(prompts.read_text().splitlines()[-1]) == expected
