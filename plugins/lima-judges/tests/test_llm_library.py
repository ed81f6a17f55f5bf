"""Models of the llm library: its own OpenAI models pointed at a real server, and a plugin's model that fails in several ways."""

import json

import pytest

from lima import LimaError, Sampling
from lima_chat import Turn
from lima_judges.llm_library import LlmModel, LlmModels

llm = pytest.importorskip("llm")
OPEN = LlmModels().open


@pytest.fixture
def at_server(tmp_path):
    """Tells the library of a model at a server, as its users do in a file"""

    def told(server):
        folder = tmp_path / "llm"
        folder.mkdir(exist_ok=True)
        row = {"model_id": "local", "model_name": "m", "api_base": server.url}
        (folder / "extra-openai-models.yaml").write_text(json.dumps([row]))
        (folder / "keys.json").write_text(json.dumps({"openai": "sk-of-llm"}))

    return told


def test_the_librarys_own_models_at_a_real_server(serve, store, at_server, completion):
    def stream(handler, body):
        body = completion("Good")
        choice = {"index": 0, "delta": {"role": "assistant", "content": "Good"}, "finish_reason": None}
        last = {"index": 0, "delta": {}, "finish_reason": "length"}
        common = {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m"}
        rows = [{**common, "choices": [choice]}, {**common, "choices": [last]}]
        rows.append({**common, "choices": [], "usage": body["usage"]})
        text = "".join(f"data: {json.dumps(row)}\n\n" for row in rows) + "data: [DONE]\n\n"
        handler.answer(body=text.encode(), content_type="text/event-stream")

    server = serve(stream)
    at_server(server)
    model = OPEN("local", store)
    turns = (Turn("system", "Be kind."), Turn("user", "Hi"), Turn("assistant", "Hello"), Turn("user", "And?"))
    (reply,) = model.reply([turns], Sampling(0.5, 0.8, 1.0, 77), 3)
    assert (reply.text, reply.stop) == ("Good", "length")
    (sent,) = server.asked
    assert [(m["role"], m["content"]) for m in sent["messages"]] == [(t.role, t.content) for t in turns]
    assert (sent["temperature"], sent["top_p"], sent["max_tokens"], sent["seed"]) == (0.5, 0.8, 77, 3)
    assert store.rows("select model, prompt_tokens, completion_tokens from api_calls") == [
        {"model": "llm:local", "prompt_tokens": 10, "completion_tokens": 5}
    ]
    assert "sk-of-llm" not in json.dumps(store.rows("select * from api_calls"))


def test_its_failures_are_tried_again_or_said(serve, in_turn, at_server, monkeypatch):
    monkeypatch.setenv("LIMA_JUDGES_ATTEMPTS", "1")
    server = serve(lambda h, b: h.answer(401, {"error": {"message": "wrong key"}}))
    at_server(server)
    (failure,) = OPEN("local", None).reply(["Hi"], Sampling(), 0)
    assert isinstance(failure, LimaError)
    assert "llm:local answered with HTTP status 401" in str(failure)
    assert len(server.asked) == 1


def test_an_unknown_model_is_refused():
    with pytest.raises(LimaError, match="The llm library has no model 'gpt-5-turbo-max'"):
        OPEN("gpt-5-turbo-max", None)


class Options(llm.Options):
    max_output_tokens: int | None = None


class Fails(llm.Model):
    model_id = "fails"
    needs_key = None
    Options = Options

    def __init__(self, *errors):
        self.errors, self.seen = list(errors), []

    def execute(self, prompt, stream, response, conversation):
        self.seen.append(prompt.options.max_output_tokens)
        if self.errors:
            raise self.errors.pop(0)
        response.response_json = {"candidates": [{"finishReason": "MAX_TOKENS"}]}
        yield "at "
        yield "last"


class ReadTimeout(Exception):
    pass


@pytest.mark.parametrize("error", [ConnectionResetError("gone"), ReadTimeout("slow"), TimeoutError()])
def test_what_may_pass_is_tried_again(error):
    from lima_judges.api_model import ApiModel
    from lima_judges.spending import Purse

    library = Fails(error)
    model = ApiModel(LlmModel(library, {}), None, Purse())
    (reply,) = model.reply(["Hi"], Sampling(max_new_tokens=7), 0)
    assert (reply.text, reply.stop, library.seen) == ("at last", "length", [7, 7])


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError("bad request"), "llm:fails failed: ValueError: bad request"),
        (llm.NeedsKeyException("x"), "needs a key"),
    ],
)
def test_what_will_not_pass_is_said(error, said):
    from lima_judges.api_model import ApiModel
    from lima_judges.spending import Purse

    library = Fails(error)
    (failure,) = ApiModel(LlmModel(library, {}), None, Purse()).reply(["Hi"], Sampling(), 0)
    assert said in str(failure)
    assert len(library.seen) == 1
