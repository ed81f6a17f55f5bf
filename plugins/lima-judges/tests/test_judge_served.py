"""A judge behind a real server, opened by its name: many turns at once, verdicts as they come, and recorded verdicts."""

import json
import re
import time

import pytest

from lima import LimaError


def strict(handler, body):
    """Meets a requirement when the reply names the cat, and says so in the form that is asked for"""
    prompt = body["messages"][0]["content"]
    code = re.findall(r"^([A-Z]{6}) OVERALL: ", prompt, re.M)[-1]
    cat = "| Take the cat" in prompt
    tick = 'met "the cat"' if cat else "missed none"
    handler.say(f"{code} R1: {tick}\n{code} OVERALL: {'excellent' if cat else 'fail'}")


def opened(plugins, spec, store):
    return plugins.registry("graders").open(spec, store)


def test_many_turns_are_judged_at_once_and_handed_over_as_they_come(serve, plugins, store, judged_turn, monkeypatch):
    monkeypatch.setenv("LIMA_JUDGES_AT_ONCE", "4")

    def slowly(handler, body):
        time.sleep(0.1)
        strict(handler, body)

    server = serve(slowly)
    judge = opened(plugins, f"judge:openai:{server.spec}?votes=2&temperature=0.7", store)
    judge.charge_to("run-1")
    turns = [judged_turn(f"Take the {'cat' if i % 2 else 'dog'}.", "Thinks of the cat", id=f"c{i}") for i in range(6)]
    found = []
    judge.grade_all(turns, lambda index, verdict: found.append((index, verdict.grade, len(server.asked))))
    assert {index: grade for index, grade, _ in found} == {i: "excellent" if i % 2 else "fail" for i in range(6)}
    assert found[0][2] < 12
    assert server.most_at_once == 4
    assert {r["temperature"] for r in server.asked} == {0.7}
    assert store.rows("select purpose, run, calls from api_spending") == [
        {"purpose": "judge", "run": "run-1", "calls": 12}
    ]


def test_a_server_that_is_down_is_a_status_and_never_a_grade(serve, plugins, store, judged_turn, monkeypatch):
    monkeypatch.setenv("LIMA_JUDGES_ATTEMPTS", "2")
    server = serve(lambda h, b: h.answer(500))
    verdict = opened(plugins, f"judge:openai:{server.spec}", store).grade(judged_turn("Ok", "Is kind"))
    assert (verdict.grade, verdict.status) == (None, "error")
    assert "status 500. Tried 2 times." in verdict.reason


def test_what_a_judge_answered_can_be_recorded_and_read_again(serve, plugins, store, judged_turn, tmp_path):
    turns = [judged_turn(f"Take the {animal}.", "Thinks of the cat", id=animal) for animal in ("cat", "dog")]
    first, again = {}, {}
    opened(plugins, f"judge:openai:{serve(strict).spec}?votes=2", store).grade_all(turns, first.__setitem__)
    rows = store.rows("select conversation, turn, vote as seed, code, answer as reply from judge_votes")
    file = tmp_path / "verdicts.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in rows))
    opened(plugins, f"judge:recorded:{file}?votes=2", store).grade_all(turns, again.__setitem__)
    assert again == first
    assert [first[i].grade for i in (0, 1)] == ["excellent", "fail"]


def test_a_recorded_code_that_the_reply_has_is_not_used(plugins, store, judged_turn, tmp_path):
    row = {
        "conversation": "move",
        "turn": 1,
        "code": "KBCDFG",
        "reply": 'KBCDFG R1: met "Ok"\nKBCDFG OVERALL: excellent',
    }
    file = tmp_path / "verdicts.jsonl"
    file.write_text(json.dumps(row) + "\n")
    judge = opened(plugins, f"judge:recorded:{file}?attempts=1", store)
    assert judge.grade(judged_turn("Ok", "Is kind")).grade == "excellent"
    assert judge.grade(judged_turn("Ok kbcdfg", "Is kind")).status == "error"


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("judge", "Name the model that judges"),
        ("judge:nothing", "'nothing' is not a model"),
        ("judge:openai:http://10.0.0.1/v1#m", "is not encrypted"),
        ("judge:openai:https://h/v1#m?vote=3", "'vote' is not an option of openai:URL#NAME"),
    ],
)
def test_judges_that_cannot_be_opened(spec, said, plugins, store):
    with pytest.raises(LimaError, match=said):
        opened(plugins, spec, store)
