"""A chat server on loopback that answers, and misbehaves, as a test says: real sockets, in a thread of its own."""

import json
import re
import threading
import time
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import lima_chat
import lima_dialogue_eval
import lima_judges
from lima import Reply
from lima.record.store import Store
from lima.testing import only_plugins


def completion(text, finish="stop", **message):
    """The body of a chat completion"""
    return {
        "id": "c",
        "object": "chat.completion",
        "created": 0,
        "model": "m",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": text, **message}, "finish_reason": finish}
        ],
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
    }


class Handler(BaseHTTPRequestHandler):
    """Asks the server's `behave(handler, body)` what to do with each request"""

    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        server = self.server
        with server.lock:
            server.asked.append({"path": self.path, "headers": {k.lower(): v for k, v in self.headers.items()}, **body})
            server.at_once += 1
            server.most_at_once = max(server.most_at_once, server.at_once)
        try:
            server.behave(self, body)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with server.lock:
                server.at_once -= 1

    def answer(self, status=200, body=b"", content_type="application/json", **headers):
        """Send an answer; a body that is not bytes is sent as JSON"""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in {"content-type": content_type, "content-length": len(data), **headers}.items():
            self.send_header(name.replace("_", "-"), str(value))
        self.end_headers()
        self.wfile.write(data)

    def say(self, text, **more):
        self.answer(body=completion(text, **more))

    def log_message(self, *_):
        pass


def echo(handler, body):
    handler.say(f"You said: {body['messages'][-1]['content']}")


class Server(ThreadingHTTPServer):
    """What was asked, and the model that names it"""

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, behave):
        super().__init__(("127.0.0.1", 0), Handler)
        self.behave, self.lock = behave, threading.Lock()
        self.asked, self.at_once, self.most_at_once = [], 0, 0

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_address[1]}/v1"

    @property
    def spec(self):
        return f"{self.url}#m"

    def handle_error(self, *_):
        pass


@contextmanager
def serving(behave):
    server = Server(behave)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def serve():
    """Starts servers that are stopped after the test: `serve(behave)`"""
    from contextlib import ExitStack

    with ExitStack() as stack:
        yield lambda behave=echo: stack.enter_context(serving(behave))


@pytest.fixture(autouse=True)
def quick(monkeypatch, tmp_path):
    """No keys or proxies of the machine, a user folder of the test's own, and waits of milliseconds"""
    for name in ("OPENAI_API_KEY", "LIMA_JUDGES_BUDGET", "LIMA_JUDGES_AT_ONCE", "LIMA_JUDGES_ATTEMPTS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("LIMA_USER_PATH", str(tmp_path / "user"))
    monkeypatch.setenv("LLM_USER_PATH", str(tmp_path / "llm"))
    monkeypatch.setenv("LIMA_JUDGES_TIMEOUT", "10")
    monkeypatch.setenv("LIMA_JUDGES_FIRST_WAIT", "0.01")


@pytest.fixture
def plugins():
    with only_plugins(lima_chat=lima_chat, lima_dialogue_eval=lima_dialogue_eval, lima_judges=lima_judges) as loaded:
        yield loaded


@pytest.fixture
def store(plugins, tmp_path):
    with Store(tmp_path / "lima.db") as opened:
        yield opened


@pytest.fixture
def in_turn():
    """Behaves as the functions of a list say, one request after the other, and as the last one from then on"""

    def made(*behaviours):
        count, lock = iter(range(10**9)), threading.Lock()

        def behave(handler, body):
            with lock:
                index = next(count)
            behaviours[min(index, len(behaviours) - 1)](handler, body)

        return behave

    return made


@pytest.fixture(name="completion")
def completion_body():
    return completion


@pytest.fixture(name="echo")
def echo_behaviour():
    return echo


@pytest.fixture
def patiently():
    """Waits until something holds, for at most five seconds"""

    def until(holds):
        deadline = time.monotonic() + 5
        while not holds():
            assert time.monotonic() < deadline
            time.sleep(0.01)

    return until


class Reader:
    """A judge that finds the code in its prompt, as a model would, and answers what `say(code, prompt)` returns"""

    name = "reader"

    def __init__(self, *says):
        self.says, self.prompts, self.seeds = list(says), [], []

    def reply(self, prompts, settings, seed, on_progress=None):
        found = []
        for prompt, one in zip(prompts, seed, strict=True):
            text = prompt[0].content
            self.prompts.append(text)
            self.seeds.append(one)
            say = self.says[min(len(self.prompts), len(self.says)) - 1]
            said = say(code_in(text), text) if callable(say) else say
            found.append(said if isinstance(said, Exception) else Reply(said, [], "stop", 0.0, []))
        return found


def code_in(prompt):
    """The code that a prompt asks for: in its last line that is about OVERALL or BETTER, and not quoted"""
    return re.findall(r"^([A-Z]{6}) (?:OVERALL|BETTER): ", prompt, re.M)[-1]


@pytest.fixture(name="Reader")
def reader_class():
    return Reader


@pytest.fixture
def judged_turn():
    """A turn to judge: a reply, requirements, and what else a test wants"""
    from lima_chat import EvalConversation, EvalTurn, Turn
    from lima_dialogue_eval import GradedTurn

    def made(reply, *requirements, user="Plan my move with the cat.", stop="eot", facts=None, id="move", system=""):
        rows = tuple(r if isinstance(r, dict) else {"text": r} for r in requirements)
        conversation = EvalConversation(id, "moving", (EvalTurn(user, rows, "opening", facts or {}),), system)
        return GradedTurn(conversation, 0, (Turn("user", user),), reply, stop)

    return made
