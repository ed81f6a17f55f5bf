"""A chat server on loopback that answers as a test says, the plugins, and studies whose verdicts a test writes itself."""

import json
import os
import re
import threading
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pytest

MODULES = ("lima_chat", "lima_dialogue_eval", "lima_judges", "lima_studies")
SAMPLING = {"temperature": 0.0, "top_p": 0.9, "repetition_penalty": 1.0, "max_new_tokens": 50}
SETTINGS = {"sampling": SAMPLING, "samples": 1, "seed": 0}


class Handler(BaseHTTPRequestHandler):
    """Says what the server's `say(prompt, model)` returns"""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        prompt, model = body["messages"][-1]["content"], body["model"]
        with self.server.lock:
            self.server.asked.append((model, prompt))
        text = self.server.say(prompt, model)
        message = {"role": "assistant", "content": text}
        found = {
            **{"id": "c", "object": "chat.completion", "created": 0, "model": model},
            "choices": [{"index": 0, "message": message, "finish_reason": "stop"}],
            "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        }
        data = json.dumps(found).encode()
        try:
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True

    def log_message(self, *_):
        pass


class Server(ThreadingHTTPServer):
    """What was asked, and the model that names it"""

    daemon_threads = True

    def __init__(self, say):
        super().__init__(("127.0.0.1", 0), Handler)
        self.say, self.lock, self.asked = say, threading.Lock(), []

    def spec(self, model="m"):
        return f"openai:http://127.0.0.1:{self.server_address[1]}/v1#{model}"

    def handle_error(self, *_):
        pass


@contextmanager
def serving(say):
    server = Server(say)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(10)


@pytest.fixture
def serve():
    """Starts servers that are stopped after the test: `serve(say)`"""
    with ExitStack() as stack:
        yield lambda say: stack.enter_context(serving(say))


def code_in(prompt):
    """The code that a judge is to begin its verdict with; None in a prompt for a reply"""
    found = re.findall(r"^([A-Z]{6}) VERDICT: LABEL$", prompt, re.M)
    return found[-1] if found else None


def longer(prompt, model):
    """Replies that differ in length, and a judge who prefers the longer one by more than two words"""
    code = code_in(prompt)
    if code is None:
        return " ".join(["word"] * (3 + 4 * (len(prompt) % 3) * (model == "a")))
    first, second = re.search(r"REPLY 1\n\n(.*?)\n\nREPLY 2\n\n(.*?)\n\nYOUR ANSWER", prompt, re.S).groups()
    apart = len(first.split()) - len(second.split())
    return f"So.\n{code} VERDICT: {'neither' if abs(apart) < 3 else 1 if apart > 0 else 2}"


@pytest.fixture(autouse=True)
def quick(monkeypatch, lima_home):
    """No keys or proxies of the machine, a user folder of the test's own, and waits of milliseconds"""
    for name in ("OPENAI_API_KEY", "LIMA_JUDGES_BUDGET", "LIMA_JUDGES_AT_ONCE", "LIMA_JUDGES_ATTEMPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LIMA_JUDGES_TIMEOUT", "10")
    monkeypatch.setenv("LIMA_JUDGES_FIRST_WAIT", "0.01")


@pytest.fixture
def plugins(lima_plugins):
    from importlib import import_module

    return lima_plugins(**{name: import_module(name) for name in MODULES})


@pytest.fixture
def store(plugins, lima_store):
    return lima_store


class Made:
    """A study in a store, with replies, to which a test adds raters and their verdicts"""

    def __init__(self, store, kind, prompts, systems, **more):
        from lima_studies import Study, StudyPrompt, System

        given = [p if isinstance(p, StudyPrompt) else StudyPrompt(p, f"Request {p}") for p in prompts]
        self.ids = [p.id for p in given]
        self.study = Study.begin(store, kind, {**SETTINGS, **more}, given, [System(s, s) for s in systems])
        with store.write() as db:
            for system in systems:
                for id in self.ids:
                    row = {"system": system, "prompt": id, "sample": 0, "reply": f"A reply to {id}", "stop": "eot"}
                    row |= {"seconds": 0.1, "error": "", "identity": "i", "version": "v1", "date": "2023-04-30"}
                    self.study.keep_reply(db, row)

    def verdicts(self, rater, team, question, rows):
        """Rows of (prompt, first, second, label)"""
        self.study.add_rater(rater, team)
        status = "parsed" if team == "judges" else "given"
        with self.study.store.write() as db:
            for prompt, first, second, label in rows:
                row = {"question": question, "prompt": prompt, "first": first, "second": second, "sample": 0}
                row |= {"rater": rater, "attempt": 1, "label": label, "status": status, "code": "", "answer": ""}
                self.study.keep_verdict(db, row)


@pytest.fixture
def made(store):
    return lambda *arguments, **more: Made(store, *arguments, **more)


@pytest.fixture(name="longer")
def longer_behaviour():
    return longer


@pytest.fixture(name="code_in")
def code_of_a_prompt():
    return code_in
