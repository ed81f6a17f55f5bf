"""A real judge on a server of loopback decides what stays; what it cannot decide and where it fails is counted."""

import json
import logging
import re
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

import lima_chat
import lima_curate
import lima_dialogue_eval
import lima_judges
import lima_stackexchange
from lima import UNDECIDED, Example, Verdict, hookimpl
from lima_chat import Conversation, Turn
from lima_curate import choose, open_filter


class Handler(BaseHTTPRequestHandler):
    """Grades by a word of the reply that it is shown"""

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        prompt = body["messages"][-1]["content"]
        self.server.asked.append(prompt)
        code = re.findall(r"^([A-Z]{6}) OVERALL: ", prompt, re.M)[-1]
        reply = prompt.partition("THE REPLY TO GRADE")[2].partition("HOW TO ANSWER")[0]
        grade = next((word for word in ("fail", "pass", "excellent") if word in reply), "")
        text = f"So it is.\n{code} OVERALL: {grade}" if grade else "I would rather not say."
        message = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        data = json.dumps(
            {"id": "c", "object": "chat.completion", "created": 0, "model": "m", "choices": [message], "usage": usage}
        )
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data.encode())))
        self.end_headers()
        self.wfile.write(data.encode())

    def log_message(self, *_):
        pass


@pytest.fixture
def server():
    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as made:
        made.daemon_threads, made.asked = True, []
        thread = threading.Thread(target=made.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
        thread.start()
        yield made
        made.shutdown()
        thread.join(10)


class Choosy:
    """Grades turns one by one; undecided on some, and fails on others"""

    description = "by the first letter"

    def grade(self, turn):
        if turn.reply.startswith("u"):
            return Verdict(None, "who knows", UNDECIDED)
        if turn.reply.startswith("e"):
            raise ValueError("it broke")
        assert turn.history[-1].role == "user"
        assert turn.conversation.turns[turn.index].facts == {}
        return Verdict("pass" if turn.reply.startswith("p") else "fail", "its letter")


class Registers:
    @hookimpl
    def register_graders(self, register):
        register("choosy", Choosy())


@pytest.fixture
def plugins(lima_plugins):
    return lima_plugins(
        lima_chat=lima_chat,
        lima_dialogue_eval=lima_dialogue_eval,
        lima_judges=lima_judges,
        lima_stackexchange=lima_stackexchange,
        lima_curate=lima_curate,
        choosy=Registers(),
    )


def talk(id, *answers):
    turns = [turn for one in answers for turn in (Turn("user", "And now?"), Turn("assistant", one))]
    return Conversation(id=id, source="s", turns=tuple(turns))


def example(id, answer):
    return Example(id=id, source="s", prompt="Well?", response=answer)


def left_out(plugins, given, store=None, **values):
    done = choose(given, [("judged", open_filter(plugins, "judged", values, store))])
    return {one.example: one.reason for one in done.exclusions}


def test_a_judge_decides_on_every_answer_of_a_dialogue_and_its_votes_are_kept(plugins, lima_store, server):
    spec = f"judge:openai:http://127.0.0.1:{server.server_address[1]}/v1#m"
    given = [
        example("good", "excellent"),
        example("bad", "fail"),
        talk("fades", "excellent", "fail"),
        talk("fair", "pass", "excellent"),
    ]
    assert [*left_out(plugins, given, lima_store, grader=spec)] == ["bad", "fades"]
    assert len(server.asked) == lima_store.db["judge_votes"].count == 6
    assert not [prompt for prompt in server.asked if "WHAT IS TRUE" in prompt]
    assert [*left_out(plugins, given, grader=spec, least="excellent")] == ["bad", "fades", "fair"]


def test_a_judge_that_cannot_be_read_is_counted_and_by_option_leaves_out(plugins, server, caplog):
    spec = f"judge:openai:http://127.0.0.1:{server.server_address[1]}/v1#m?attempts=1"
    given = [example("good", "pass"), example("silent", "hm")]
    with caplog.at_level(logging.WARNING, "lima"):
        assert left_out(plugins, given, grader=spec) == {}
    assert f"judged: {spec} failed on 1 of 2 examples; they stay." in caplog.messages
    found = left_out(plugins, given, grader=spec, failed="leave out")
    assert list(found) == ["silent"]
    assert "has no verdict" in found["silent"]


def test_undecided_and_failed_gradings_stay_or_go_each_by_its_option(plugins, caplog):
    given = [
        example("p", "p"),
        example("u", "u"),
        example("e", "e"),
        talk("pu", "p", "u"),
        talk("fe", "f", "e"),
        example("f", "f"),
    ]
    with caplog.at_level(logging.WARNING, "lima"):
        assert left_out(plugins, given, grader="choosy") == {
            "fe": "choosy grades an answer fail: its letter",
            "f": "choosy grades an answer fail: its letter",
        }
    assert caplog.messages == [
        "judged: choosy did not decide on 2 of 6 examples; they stay.",
        "judged: choosy failed on 1 of 6 examples; they stay.",
    ]
    assert [*left_out(plugins, given, grader="choosy", undecided="leave out")] == ["u", "pu", "fe", "f"]
    found = left_out(plugins, given, grader="choosy", failed="leave out")
    assert (list(found), found["e"].startswith("choosy fails on an answer: ")) == (["e", "fe", "f"], True)
