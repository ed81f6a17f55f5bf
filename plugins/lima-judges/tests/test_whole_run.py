"""`lima dialogues run` with models and judges of this plugin: recorded replies, a server that answers with a real checkpoint."""

import json
import re
import time
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

import lima_chat
import lima_dialogue_eval
import lima_judges
from lima import CheckpointModel, Sampling, Store, hookimpl, open_model
from lima.testing import only_plugins, tiny_base, tiny_tokenizer
from lima_chat import EvalConversation, EvalTurn, Turn
from lima_dialogue_eval import run_evaluation

CONVERSATIONS = [
    EvalConversation(
        "tea",
        "tea",
        (
            EvalTurn("How do I make tea?", ({"text": "Says that water is needed"},)),
            EvalTurn("Shorter.", ({"text": "Is shorter than before"}, {"text": "Is friendly", "must": False})),
        ),
    ),
    EvalConversation("bus", "bus", (EvalTurn("When does it go?", ({"text": "Says nine"},)),)),
]


class Evaluations:
    @hookimpl
    def register_evaluations(self, register):
        thing = {"description": "small", "licence": "Apache-2.0", "grader": "requirements"}
        register("small", SimpleNamespace(**thing, conversations=lambda: CONVERSATIONS))


@pytest.fixture
def plugins():
    modules = {"lima_chat": lima_chat, "lima_dialogue_eval": lima_dialogue_eval, "lima_judges": lima_judges}
    with only_plugins(**modules, evaluations=Evaluations()) as loaded:
        yield loaded


@pytest.fixture
def recorded(tmp_path):
    rows = [
        {"conversation": "tea", "turn": 1, "reply": "Boil water, then pour it."},
        {"conversation": "tea", "turn": 2, "reply": "Boil, pour."},
        {"conversation": "bus", "turn": 1, "reply": "At nine.", "seed": 0},
    ]
    file = tmp_path / "replies.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return f"recorded:{file}"


def lima(*arguments):
    from lima.cli import cli
    from lima.plugins import load_plugins

    load_plugins().add_commands(cli)
    return CliRunner().invoke(cli, list(map(str, arguments)), catch_exceptions=False)


def reads(handler, body):
    """Meets what the words of the reply meet"""
    prompt = body["messages"][0]["content"]
    code = re.findall(r"^([A-Z]{6}) OVERALL: ", prompt, re.M)[-1]
    ticks = {"Says that water is needed": '"Boil water"', "Is shorter than before": "none", "Says nine": '"nine"'}
    lines = [
        f"{code} {name}: {'met' if text in ticks else 'missed'} {ticks.get(text, 'none')}"
        for name, text in re.findall(r"^(R\d) \(\w+\): (.*)$", prompt, re.M)
    ]
    handler.say("\n".join([*lines, f"{code} OVERALL: excellent"]))


def test_recorded_replies_are_graded_by_a_judge_behind_a_server(serve, store, recorded):
    server = serve(reads)
    arguments = ["dialogues", "run", "small", "--model", recorded, "--grader", f"judge:openai:{server.spec}"]
    found = lima(*arguments, "--seed", 0, "-d", store.path, "--json")
    assert found.exit_code == 0, found.output
    rows = store.rows("select conversation, turn, grade, reason from dialogue_replies order by conversation, turn")
    assert [(r["conversation"], r["turn"], r["grade"]) for r in rows] == [
        ("bus", 1, "excellent"),
        ("tea", 1, "excellent"),
        ("tea", 2, "pass"),
    ]
    assert rows[2]["reason"] == "Missed: Is friendly. The judge's overall grade differs: excellent."
    second = next(r["messages"][0]["content"] for r in server.asked if "| Shorter." in r["messages"][0]["content"])
    assert "Assistant:\n| Boil water, then pour it.\n\nUser:\n| Shorter.\n" in second


def test_a_reply_that_was_not_recorded_is_an_error_of_its_conversation(serve, store, recorded):
    found = lima("dialogues", "run", "small", "--model", recorded, "--seed", 5, "-d", store.path)
    assert "1 of 2 conversations ended early: error 1" in found.output
    rows = store.rows("select conversation, status, message from dialogue_turns where status <> 'answered'")
    assert [(r["conversation"], r["status"]) for r in rows] == [("bus", "error")]
    assert "has no reply for conversation 'bus', turn 1, seed 5" in rows[0]["message"]


def test_a_server_that_answers_with_a_real_checkpoint_gives_its_replies(serve, store, plugins, tmp_path):
    """Greedy replies over the API are those that the checkpoint gives in this process"""
    tokenizer = tiny_tokenizer(("<|endoftext|>", "<|EOT|>"))
    folder = tiny_base(tmp_path / "base", tokenizer=tokenizer)
    checkpoint = CheckpointModel(folder, plugins.registry("renderers").find("lima"))
    greedy = Sampling(0.0, 1.0, 1.0, 6)

    def answer(handler, body):
        said = [Turn(m["role"], m["content"]) for m in body["messages"]]
        settings = Sampling(body["temperature"], body["top_p"], 1.0, body["max_tokens"])
        with handler.server.lock:
            (reply,) = checkpoint.reply([said], settings, body["seed"])
        handler.say(reply.text, finish=reply.stop)

    options = ["--temperature", 0, "--top-p", 1, "--repetition-penalty", 1, "--max-new-tokens", 6]
    model = f"openai:{serve(answer).spec}"
    found = lima("dialogues", "run", "small", "--model", model, *options, "-d", store.path)
    assert found.exit_code == 0, found.output
    rows = store.rows("select user, reply, stop from dialogue_turns where turn = 1 order by conversation desc")
    for row in rows:
        (local,) = checkpoint.reply([[Turn("user", row["user"])]], greedy, 0)
        assert (row["reply"], row["stop"]) == (local.text, local.stop)
    assert len(rows) == 2


def test_one_slow_conversation_holds_up_no_other(serve, plugins, tmp_path):
    """Each conversation goes on when its own reply is there; what is asked is the same as turn by turn"""
    order = []

    def behave(handler, body):
        said = [m["content"] for m in body["messages"] if m["role"] == "user"]
        order.append((said[0][0], len(said)))
        if said[0].startswith("s") and len(said) == 1:
            time.sleep(1.0)
            order.append("slow is answered")
        handler.say(f"You said: {said[-1]}")

    rows = [{"id": f"{name}{n}", "turns": [f"{name}{n}?", "And?", "Why?"]} for n, name in enumerate("sff")]
    (tmp_path / "asks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Store(tmp_path / "l.db", plugins) as store:
        model = open_model(f"openai:{serve(behave).spec}", store)
        id = run_evaluation(
            store, str(tmp_path / "asks.jsonl"), model, arm="", seeds=[0, 1], sampling=Sampling(max_new_tokens=5)
        )
        found = store.rows("select conversation, seed, turn, reply from dialogue_turns where dialogue_run = ?", [id])
    assert len(found) == 18
    assert {row["reply"] for row in found if row["turn"] == 3} == {"You said: Why?"}
    before = order[: order.index("slow is answered")]
    assert [before.count(("f", turn)) for turn in (1, 2, 3)] == [4, 4, 4]
    assert order.count(("s", 3)) == 2
