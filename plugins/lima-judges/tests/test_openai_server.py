"""A model behind a real server on loopback that misbehaves in every way that we have thought of."""

import time

import pytest

from lima import LimaError, Reply, Sampling
from lima_judges.openai_server import OpenAIServers
from lima_judges.policy import GaveUp

OPEN = OpenAIServers().open


def asked(model, *prompts, **more):
    return model.reply(prompts or ("Hello",), Sampling(), list(range(len(prompts or "x"))), **more)


def text_of(model, *prompts):
    return [r.text if isinstance(r, Reply) else str(r) for r in asked(model, *prompts)]


def test_what_is_sent_and_what_comes_back(serve, monkeypatch):
    from lima_chat import Turn

    server = serve()
    monkeypatch.setenv("OPENAI_API_KEY", "sk-one")
    model = OPEN(server.spec, None)
    turns = (Turn("system", "Be kind."), Turn("user", "Hi"), Turn("assistant", "Hello"), Turn("user", "And?"))
    (reply,) = model.reply([turns], Sampling(0.5, 0.8, 1.2, 77), 2**40 + 3)
    assert (reply.text, reply.stop, reply.ids, reply.prompt_ids) == ("You said: And?", "stop", [], [])
    (sent,) = server.asked
    assert sent["messages"] == [{"role": t.role, "content": t.content} for t in turns]
    assert {k: sent[k] for k in ("model", "temperature", "top_p", "max_tokens", "seed")} == {
        "model": "m",
        "temperature": 0.5,
        "top_p": 0.8,
        "max_tokens": 77,
        "seed": (2**40 + 3) % 2**31,
    }
    assert (sent["path"], sent["headers"]["authorization"]) == ("/v1/chat/completions", "Bearer sk-one")
    assert "repetition_penalty" not in sent


def test_which_settings_are_sent_can_be_chosen(serve):
    server = serve()
    asked(OPEN(f"{server.spec}?send=max_completion_tokens,repetition_penalty", None))
    assert server.asked[0]["max_completion_tokens"] == 2048
    assert server.asked[0]["repetition_penalty"] == 1.2
    assert not server.asked[0].keys() & {"temperature", "top_p", "max_tokens", "seed"}


def test_replies_come_in_order_and_are_handed_over_as_they_come(serve):
    def slower_first(handler, body):
        text = body["messages"][-1]["content"]
        time.sleep(0.3 if text == "0" else 0.0)
        handler.say(text)

    seen, progress = [], []
    model = OPEN(serve(slower_first).spec, None)
    replies = asked(model, "0", "1", "2", on_reply=lambda i, r: seen.append((i, r.text)), on_progress=progress.append)
    assert [r.text for r in replies] == ["0", "1", "2"]
    assert seen[-1] == (0, "0")
    assert sorted(seen) == [(0, "0"), (1, "1"), (2, "2")]
    assert progress == [1, 1, 1]


def test_no_more_requests_at_once_than_allowed(serve, echo, monkeypatch):
    monkeypatch.setenv("LIMA_JUDGES_AT_ONCE", "3")

    def slowly(handler, body):
        time.sleep(0.05)
        echo(handler, body)

    server = serve(slowly)
    asked(OPEN(server.spec, None), *map(str, range(12)))
    assert (len(server.asked), server.most_at_once) == (12, 3)


def close_in_the_middle(handler, body):
    handler.send_response(200)
    handler.send_header("content-length", "1000")
    handler.end_headers()
    handler.wfile.write(b'{"choices": [')
    handler.close_connection = True


def close_at_once(handler, body):
    handler.close_connection = True
    handler.connection.close()


PASSING = {
    "429 with Retry-After": lambda h, b: h.answer(429, {"error": {"message": "slow down"}}, retry_after="0.1"),
    "429 without": lambda h, b: h.answer(429, {"error": {"message": "slow down"}}),
    "429 with a date": lambda h, b: h.answer(429, retry_after="Wed, 21 Oct 2015 07:28:00 GMT"),
    "500": lambda h, b: h.answer(500, {"error": {"message": "oops"}}),
    "503 as a page": lambda h, b: h.answer(503, b"<html><title>Busy</title></html>", "text/html"),
    "closes in the middle": close_in_the_middle,
    "closes at once": close_at_once,
    "invalid JSON": lambda h, b: h.answer(body=b'{"choices": [{'),
    "empty body": lambda h, b: h.answer(body=b""),
    "empty choices": lambda h, b: h.answer(body={"choices": []}),
    "null content": lambda h, b: h.say(None),
    "no message": lambda h, b: h.answer(body={"choices": [{"finish_reason": "stop"}]}),
    "a choice that is text": lambda h, b: h.answer(body={"choices": ["hello"]}),
    "an error with status 200": lambda h, b: h.answer(body={"error": {"message": "overloaded"}}),
    "not an object": lambda h, b: h.answer(body=[1, 2]),
}


@pytest.mark.parametrize("kind", PASSING)
def test_what_may_pass_is_tried_again(kind, serve, in_turn, echo):
    server = serve(in_turn(PASSING[kind], PASSING[kind], echo))
    assert text_of(OPEN(server.spec, None)) == ["You said: Hello"]
    assert len(server.asked) == 3


def redirect(handler, body):
    handler.answer(307, location="https://elsewhere.invalid/v1")


LASTING = {
    "401": (lambda h, b: h.answer(401, {"error": {"message": "no key"}}), "status 401: no key. Set the key"),
    "404": (lambda h, b: h.answer(404, {"error": "no such model"}), "status 404: no such model. Check the name"),
    "400": (lambda h, b: h.answer(400, {"detail": "temperature is wrong"}), "status 400"),
    "no credit": (lambda h, b: h.answer(429, {"error": {"code": "insufficient_quota"}}), "no credit left"),
    "redirect": (redirect, "points to https://elsewhere.invalid/v1, which is not followed"),
    "a page": (
        lambda h, b: h.answer(body=b"<!doctype html><title>Welcome</title>", content_type="text/html"),
        "a page in HTML, titled 'Welcome', not with a reply",
    ),
    "filtered": (lambda h, b: h.say(None, finish="content_filter"), "its filter stopped the reply"),
    "asks to wait for an hour": (lambda h, b: h.answer(429, retry_after="3600"), "asks to wait 3,600 seconds"),
    "too large": (lambda h, b: h.say("x" * (17 * 2**20)), "more than 16,777,216 bytes"),
}


@pytest.mark.parametrize("kind", LASTING)
def test_what_will_not_pass_is_asked_once_and_said(kind, serve):
    behave, said = LASTING[kind]
    server = serve(behave)
    (failure,) = asked(OPEN(server.spec, None))
    assert isinstance(failure, LimaError)
    assert said in str(failure)
    assert len(server.asked) == 1


def test_a_body_without_end_is_not_read_to_its_end(serve):
    def endless(handler, body):
        handler.send_response(418)
        handler.send_header("connection", "close")
        handler.end_headers()
        while True:
            handler.wfile.write(b"x" * 65536)

    (failure,) = asked(OPEN(serve(endless).spec, None))
    assert "status 418: xxx" in str(failure)
    assert len(str(failure)) < 500


@pytest.mark.parametrize("drips", [False, True], ids=["says nothing", "drips"])
def test_a_server_that_hangs_is_given_up_in_time(drips, serve, monkeypatch):
    monkeypatch.setenv("LIMA_JUDGES_TIMEOUT", "0.3")
    monkeypatch.setenv("LIMA_JUDGES_ATTEMPTS", "2")

    def hang(handler, body):
        if drips:
            handler.send_response(200)
            handler.send_header("content-length", "1000")
            handler.end_headers()
        for _ in range(30):
            if drips:
                handler.wfile.write(b" ")
            time.sleep(0.1)

    started = time.monotonic()
    (failure,) = asked(OPEN(serve(hang).spec, None))
    assert "did not finish an answer within 0.3 seconds. Tried 2 times." in str(failure)
    assert time.monotonic() - started < 2.5


def test_the_length_limit_a_refusal_and_thoughts_are_replies(serve, in_turn):
    server = serve(
        in_turn(
            lambda h, b: h.say("cut", finish="length"),
            lambda h, b: h.say(None, finish="length"),
            lambda h, b: h.say(None, refusal="I cannot help with that."),
            lambda h, b: h.say("42", reasoning_content="six times seven"),
            lambda h, b: h.say([{"type": "text", "text": "in "}, {"type": "text", "text": "parts"}]),
            lambda h, b: h.say(""),
        )
    )
    model = OPEN(server.spec, None)
    found = [(r.text, r.stop, r.thoughts) for _ in range(6) for r in asked(model)]
    assert found == [
        ("cut", "length", ""),
        ("", "length", ""),
        ("I cannot help with that.", "refusal", ""),
        ("42", "stop", "six times seven"),
        ("in parts", "stop", ""),
        ("", "stop", ""),
    ]


@pytest.mark.parametrize(
    "error",
    [
        {"code": "context_length_exceeded", "message": "too long"},
        {"message": "This model's maximum context length is 512 tokens. However, you requested 700 tokens."},
    ],
)
def test_a_prompt_that_fills_the_context_is_a_status_of_its_own(error, serve):
    server = serve(lambda h, b: h.answer(400, {"error": error}))
    (reply,) = asked(OPEN(server.spec, None))
    assert (reply.text, reply.stop) == ("", "context")


def test_a_failing_prompt_is_its_own_error_and_asks_nobody_again(serve, echo):
    def picky(handler, body):
        if body["messages"][-1]["content"] == "bad":
            handler.answer(400, {"error": {"message": "I will not read that"}})
        else:
            echo(handler, body)

    server = serve(picky)
    good, bad, other = asked(OPEN(server.spec, None), "good", "bad", "other")
    assert (good.text, other.text) == ("You said: good", "You said: other")
    assert "I will not read that" in str(bad)
    assert len(server.asked) == 3


def test_a_server_that_never_gets_well_is_asked_no_longer_than_it_must(serve, monkeypatch):
    monkeypatch.setenv("LIMA_JUDGES_AT_ONCE", "2")
    monkeypatch.setenv("LIMA_JUDGES_ATTEMPTS", "3")
    server = serve(lambda h, b: h.answer(500, {"error": {"message": "broken"}}))
    failures = asked(OPEN(server.spec, None), *map(str, range(20)))
    assert all(isinstance(f, GaveUp) for f in failures)
    assert "status 500: broken. Tried 3 times." in str(failures[0])
    assert "Not asked: the" in str(failures[-1])
    assert len(server.asked) <= 9


def test_nobody_listens(serve):
    server = serve()
    server.shutdown()
    server.server_close()
    (failure,) = asked(OPEN(server.spec, None))
    assert "cannot be reached, or broke off" in str(failure)
    assert "Tried 6 times" in str(failure)


def test_a_wait_that_is_asked_for_is_kept_by_all(serve, monkeypatch):
    monkeypatch.setenv("LIMA_JUDGES_AT_ONCE", "1")
    times = []

    def behave(handler, body):
        times.append(time.monotonic())
        if len(times) == 1:
            handler.answer(429, retry_after="0.4")
        else:
            handler.say("yes")

    asked(OPEN(serve(behave).spec, None), "a", "b")
    assert times[1] - times[0] >= 0.4
    assert len(times) == 3


@pytest.mark.parametrize(
    "piece", [b"X-Slow: 1\r\n", pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", marks=pytest.mark.slow)]
)
def test_an_answer_is_late_however_slowly_its_headers_come(piece, serve, monkeypatch):
    """A library's timeouts are for each read, and a header now and then keeps none of them waiting"""

    def behave(handler, body):
        handler.wfile.write(b"HTTP/1.1 200 OK\r\n" if piece.startswith(b"X") else piece)
        for _ in range(100):
            handler.wfile.write(piece)
            handler.wfile.flush()
            time.sleep(0.1)

    monkeypatch.setenv("LIMA_JUDGES_TIMEOUT", "0.5")
    monkeypatch.setenv("LIMA_JUDGES_ATTEMPTS", "1")
    started = time.monotonic()
    (said,) = text_of(OPEN(serve(behave).spec, None))
    assert said.endswith("did not finish an answer within 0.5 seconds.")
    assert time.monotonic() - started < 5
