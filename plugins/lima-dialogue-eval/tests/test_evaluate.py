"""Holding conversations: whole rows, own replies in the history, seeds and statuses."""

import json
import sqlite3

import pytest

from lima.answer.opening import open_model
from lima.contract.answers import Reply, Sampling
from lima.errors import LimaError
from lima_dialogue_eval import compare, resume_evaluation, run_evaluation
from lima_dialogue_eval.conversation.converse import Dialogue, draw_seed
from lima_dialogue_eval.conversation.grade import Requirements
from lima_dialogue_eval.evaluation.identity import grader_hash, model_hash
from lima_dialogue_eval.record.log import conversations, find_run, replies
from lima_dialogue_eval.statistics import PRIMARY


def evaluate(store, model, seeds=(3,), **more):
    values = {"arm": "before", "seeds": seeds, "sampling": Sampling(), **more}
    return run_evaluation(store, "small", model, **values)


def test_every_column_of_a_run(store, Model, script):
    model = Model({"How do I make tea?": "Boil water"})
    heard = []
    id = evaluate(store, model, on_progress=lambda done, total: heard.append((done, total)))
    run = find_run(store, id[:-2])
    plugins = [p["plugin"] for p in run.pop("plugins")]
    assert plugins == ["lima-tune", "lima-dialogue-eval", "evaluations"]
    assert set(run.pop("environment")) >= {"python", "torch", "transformers", "lima-tune"}
    assert run.pop("created") < run.pop("finished")
    assert len(run.pop("evaluation_hash")) == 64
    assert run.pop("seconds") >= 0
    assert (run.pop("grader_hash"), run.pop("model_hash")) == (grader_hash(Requirements()), model_hash(model))
    assert run == {
        "id": id,
        "status": "done",
        "message": "",
        "evaluation": "small",
        "model": "parrot",
        "run": None,
        "arm": "before",
        "seeds": [3],
        "sampling": {"temperature": 0.7, "top_p": 0.9, "repetition_penalty": 1.2, "max_new_tokens": 2048},
        "grader": "requirements",
        "primary_test": PRIMARY,
        "template_hash": None,
        "checks_decide": 1,
        **dict.fromkeys(("evaluation_path", "evaluation_part", "mode", "replays")),
    }
    assert conversations(store, id) == [
        {
            **{"dialogue_run": id, "conversation": c, "seed": 3, "topic": t, "turns": n},
            **{"status": "complete", "message": "", "system": ""},
        }
        for c, t, n in (("tea", "Making tea", 3), ("bus", "Catching a bus", 2))
    ]
    # Both conversations in one call, turn by turn; the shorter one leaves.
    assert model.calls == [2, 2, 1]
    assert heard == [(2, 5), (4, 5), (5, 5)]


def test_every_column_of_the_turns_and_own_replies_in_the_history(store, Model, script):
    id = evaluate(store, Model({"How do I make tea?": "Boil water"}))
    rows = replies(store, id, "requirements")
    assert {r.pop("created")[:2] for r in rows} == {"20"}
    draws = {(c.id, i + 1): draw_seed(Dialogue(c, 3, index=i)) % 97 for c in script for i in range(len(c.turns))}

    def row(conversation, turn, text, grade, reason, status="graded"):
        met = {"excellent": True, "fail": False, None: None}[grade]
        asked = next(c for c in script if c.id == conversation).turns[turn - 1]
        reply = f"{text} #{draws[conversation, turn]}"
        return {
            "dialogue_run": id,
            "conversation": conversation,
            "seed": 3,
            "turn": turn,
            "kind": asked.kind,
            "user": asked.user,
            "requirements": json.dumps(asked.requirements),
            "reply": reply,
            "prompt_ids": json.dumps(list(range(2 * turn - 1))),
            "prompt_tokens": 2 * turn - 1,
            "reply_tokens": len(text.split()),
            "stop": "eot",
            "seconds": 0.25,
            "status": "answered",
            "message": "",
            "thoughts": "",
            "flagged": None,
            "grade": grade,
            "reason": reason,
            "grade_status": status,
            "grader_hash": grader_hash(Requirements()),
            "ticks": [{"requirement": asked.requirements[0]["text"], "met": met, "quote": ""}],
        }

    met = "The checked requirement is met."
    assert rows == [
        row("bus", 1, "When does it go? after W", "fail", "Missed (must): says nine (without 'nine')."),
        # The second letter is that of the model's own first reply.
        row("bus", 2, "And back? after WWA", "fail", "Missed (must): says ten (without 'ten')."),
        row("tea", 1, "Boil water", "excellent", met),
        row("tea", 2, "Shorter. after HBS", "excellent", met),
        row("tea", 3, "Is it kind? after HBSSI", None, "Left to a reader: is kind.", "undecided"),
    ]


def test_a_reply_depends_on_its_seed_and_not_on_its_company(store, Model):
    def told(id, seed):
        return {
            (r["conversation"], r["turn"]): r["reply"] for r in replies(store, id, "requirements") if r["seed"] == seed
        }

    together, alone = evaluate(store, Model(), seeds=(3, 4)), evaluate(store, Model(), seeds=[4])
    assert told(together, 4) == told(alone, 4)
    assert told(together, 3) != told(alone, 4)
    assert len(told(together, 3)) == 5


def test_an_error_ends_its_conversation_and_no_other_and_can_be_resumed(store, Model):
    model = Model(fail=["And back?"])
    id = evaluate(store, model)
    assert model.calls == [2, 2, 1, 1, 1]
    run = find_run(store, id)
    assert (run["status"], run["message"]) == ("done", "1 of 2 conversations ended early: error 1.")
    ended = {c["conversation"]: (c["status"], c["message"]) for c in conversations(store, id)}
    assert ended == {"tea": ("complete", ""), "bus": ("error", "ConnectionError: the line is dead")}
    bus = [r for r in replies(store, id, "requirements") if r["conversation"] == "bus"]
    assert [(r["turn"], r["status"], r["reply"], r["message"], r["grade_status"]) for r in bus] == [
        (1, "answered", bus[0]["reply"], "", "graded"),
        (2, "error", None, "ConnectionError: the line is dead", "not graded"),
    ]
    model = Model()
    assert resume_evaluation(store, id, model) == id
    assert model.calls == [1]
    whole = evaluate(store, Model())
    keys = ("conversation", "turn", "reply", "grade", "status", "message")
    assert [[r[k] for k in keys] for r in replies(store, id, "requirements")] == [
        [r[k] for k in keys] for r in replies(store, whole, "requirements")
    ]
    assert [c["status"] for c in conversations(store, id)] == ["complete", "complete"]
    with pytest.raises(LimaError, match="is complete: there is nothing to resume"):
        resume_evaluation(store, id, Model())


def test_a_full_context_is_a_status_and_is_not_tried_again(store, Model):
    id = evaluate(store, Model(full=["Shorter."]))
    tea = conversations(store, id)[0]
    assert (tea["status"], tea["message"]) == (
        "context full",
        "The history has 3 tokens, which fill the context of parrot.",
    )
    assert [r["status"] for r in replies(store, id, "requirements") if r["conversation"] == "tea"] == [
        "answered",
        "context full",
    ]
    with pytest.raises(LimaError, match="nothing to resume"):
        resume_evaluation(store, id, Model())


def test_when_every_conversation_fails_at_once_the_run_fails(store, Model):
    with pytest.raises(
        LimaError, match=r"^Every conversation failed at its first turn\. parrot said: ConnectionError: the"
    ):
        evaluate(store, Model(fail=["How do I make tea?", "When does it go?"]))
    run = store.rows("select status, message from dialogue_runs")[0]
    assert run["status"] == "failed"


def test_ctrl_c_keeps_what_was_done(store, Model):
    class Interrupted(Model):
        def reply(self, prompts, *rest):
            if len(self.calls) == 1:
                raise KeyboardInterrupt
            return super().reply(prompts, *rest)

    with pytest.raises(KeyboardInterrupt) as e:
        evaluate(store, Interrupted())
    run = store.rows("select id, status from dialogue_runs")[0]
    assert run["status"] == "interrupted"
    assert e.value.__notes__ == [
        f"Every turn that was done is kept. Resume with: lima dialogues run --resume {run['id']} --model parrot"
    ]
    assert len(replies(store, run["id"], "requirements")) == 2
    resume_evaluation(store, run["id"], Model())
    assert len([r for r in replies(store, run["id"], "requirements") if r["status"] == "answered"]) == 5


def test_what_a_listener_raises_is_no_error_of_the_model(store, Model):
    class Telling(Model):
        def reply(self, prompts, settings, seed, on_progress=None):
            found = super().reply(prompts, settings, seed)
            on_progress(len(found))
            return found

    def listener(done, total):
        raise ValueError(f"no room for {done} of {total}")

    model = Telling()
    with pytest.raises(ValueError, match="no room for 2 of 5"):
        evaluate(store, model, on_progress=listener)
    run = store.rows("select id, status, message from dialogue_runs")[0]
    assert (model.calls, run["status"], run["message"]) == ([2], "failed", "no room for 2 of 5")
    assert replies(store, run["id"], "requirements") == []


@pytest.mark.parametrize("status", ["running", "failed"])
def test_a_run_that_ended_before_it_could_say_so_is_finished(store, Model, status):
    before, after = evaluate(store, Model()), evaluate(store, Model())
    with store.write() as db:
        db.execute("update dialogue_runs set status = ?, finished = null where id = ?", [status, after])
    with pytest.raises(LimaError, match=f"is '{status}', not done"):
        compare(store, before, after)
    model = Model()
    assert resume_evaluation(store, after, model) == after
    assert (model.calls, find_run(store, after)["status"]) == ([], "done")
    assert compare(store, before, after).tied == 2
    with pytest.raises(LimaError, match="nothing to resume"):
        resume_evaluation(store, after, Model())


def test_a_run_does_not_go_on_with_another_model(store, Model):
    id = evaluate(store, Model(fail=["And back?"]))
    other = Model()
    other.name = "cockatoo"
    with pytest.raises(LimaError) as e:
        resume_evaluation(store, id, other)
    assert str(e.value) == (
        f"Dialogue run {id} was begun with the model 'parrot'; it cannot be resumed with 'cockatoo'. Start a new one."
    )
    assert (other.calls, find_run(store, id)["status"]) == ([], "done")


def test_text_that_no_database_holds_is_replaced_before_the_next_turn_reads_it(store, Model):
    class Broken(Model):
        def reply(self, prompts, *rest):
            return [Reply(f"\ud800{len(p)}" if len(p) == 1 else p[1].content, [], "eot", 0.0, []) for p in prompts]

    id = evaluate(store, Broken())
    assert {r["reply"] for r in replies(store, id, "requirements")} == {"\ufffd1"}


def test_what_is_unknown_is_a_sentence(store, Model):
    with pytest.raises(LimaError, match=r"There is no evaluation 'smal', and no such file\. Did you mean 'small'\?"):
        run_evaluation(store, "smal", Model(), arm="", seeds=[0], sampling=Sampling())
    with pytest.raises(LimaError, match=r"There is no grader 'requirement'\. Did you mean 'requirements'\?"):
        evaluate(store, Model(), grader="requirement")
    with pytest.raises(
        LimaError, match="'parot' is not a model, a folder, a base model or a run in .* Did you mean 'parrot'"
    ):
        evaluate(store, "parot")
    with pytest.raises(LimaError, match="At temperature 0 the 2 seeds give the same reply each"):
        evaluate(store, Model(), seeds=[0, 1], sampling=Sampling(temperature=0))
    with pytest.raises(LimaError, match=r"The seeds are \[1, 1\]"):
        evaluate(store, Model(), seeds=[1, 1])
    assert store.rows("select * from dialogue_runs") == []


def test_a_model_that_cannot_be_prompted_leaves_no_run(store, Model):
    class Bare(Model):
        def prompt_ids(self, prompt):
            if prompt[-1].content not in self.answers:
                raise LimaError("It has no chat template.")
            return [1]

    model = Bare()
    with pytest.raises(LimaError) as e:
        evaluate(store, model)
    assert str(e.value) == (
        "parrot cannot hold a conversation. It has no chat template. Fine-tune one that can with `lima train --renderer lima`."
    )
    assert (model.calls, store.rows("select * from dialogue_runs")) == ([], [])
    # One conversation that can be held is enough: what becomes of the others is their status.
    assert find_run(store, evaluate(store, Bare({"When does it go?": "nine"})))["status"] == "done"


def test_a_base_without_a_chat_template_is_told_before_it_is_asked(store, tmp_path):
    import lima_chat
    import lima_dialogue_eval
    from lima.plugins import load_plugins
    from lima.testing import only_plugins, tiny_base

    mine = load_plugins().manager.get_plugin("evaluations")
    with (
        only_plugins(lima_chat=lima_chat, lima_dialogue_eval=lima_dialogue_eval, evaluations=mine),
        pytest.raises(
            LimaError,
            match="through renderer 'plain', which does not take conversations.* Fine-tune one that can with `lima",
        ),
    ):
        evaluate(store, str(tiny_base(tmp_path / "base")))
    assert store.rows("select * from dialogue_runs") == []


def test_models_by_name_folder_and_run(store, tmp_path, monkeypatch, Model):
    asked = []
    monkeypatch.setattr(
        "lima.builtin.Checkpoints.open", lambda self, argument, store: asked.append(argument) or Model()
    )
    store.db["runs"].insert({"id": "20260101-000000-abcdef", "created": "2026", "folder": "x", "recipe": "{}"})
    assert open_model("parrot", store).name == "parrot"
    for name in (str(tmp_path), "checkpoint:x", "20260101"):
        open_model(name, store)
    assert asked == [str(tmp_path), "x", "20260101"]


def test_grades_are_append_only_and_the_latest_counts(store, Model):
    id = evaluate(store, Model())
    for verb in ("delete from dialogue_grades", "update dialogue_grades set grade = 'excellent'"):
        with pytest.raises(sqlite3.IntegrityError, match="append-only"):
            store.db.execute(verb)
    key = {"dialogue_run": id, "conversation": "bus", "seed": 3, "turn": 1, "grader": "requirements", "rater": ""}
    key["grader_hash"] = find_run(store, id)["grader_hash"]
    store.db["dialogue_grades"].insert({**key, "grade": "pass", "reason": "second thoughts", "status": "graded"})
    assert [r["grade"] for r in replies(store, id, "requirements")][:2] == ["pass", "fail"]
    by = {name: store.rows(f"select * from dialogue_grades_by_{name}") for name in ("turn", "kind")}
    assert [(r["turn"], r["turns"], r["pass"], r["undecided"], r["fail_percent"]) for r in by["turn"]] == [
        (1, 2, 1, 0, 50.0),
        (2, 2, 0, 0, 50.0),
        (3, 1, 0, 1, 0.0),
    ]
    assert [(r["kind"], r["excellent"], r["undecided"]) for r in by["kind"]] == [
        ("follow-up", 0, 0),
        ("opening", 0, 0),
        ("shorter", 1, 0),
        ("why", 0, 1),
    ]
    assert store.rows(
        "select id, turns, excellent, undecided, not_reached, errors, cut, ended_early from dialogue_run_summary"
    ) == [
        {
            "id": id,
            "turns": 5,
            "excellent": 1,
            "undecided": 1,
            **dict.fromkeys(("not_reached", "errors", "cut", "ended_early"), 0),
        }
    ]
