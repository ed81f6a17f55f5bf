"""Evaluations made of files: how they are found, held, chosen from and resumed, and what is said of them."""

import json
import os

import pytest

import lima_chat
import lima_dialogue_eval
import lima_dialogues
from lima import LimaError, Verdict, hookimpl
from lima.contract.answers import Sampling
from lima.record.store import Store
from lima.testing import only_plugins
from lima_chat import EvalTurn
from lima_dialogue_eval import resume_evaluation, run_evaluation
from lima_dialogue_eval.evaluation.kinds import find_evaluation, script_of
from lima_dialogue_eval.evaluation.part import Part
from lima_dialogue_eval.record.log import conversations, find_run, replies
from lima_dialogue_eval.run.evaluate import script_hash

QUESTIONS = [{"question_id": 81 + n, "category": "maths", "turns": [f"{n} + {n}?", "And once more?"]} for n in range(4)]
SCRIPT = {
    "id": "cats",
    "topic": "cats",
    "author": "me",
    "licence": "CC0-1.0",
    "system": "You know cats.",
    "turns": [
        {
            "user": "How long do they sleep?",
            "kind": "opening",
            "facts": "12 to 16 hours",
            "requirements": [{"text": "Gives hours", "check": {"contains_any": ["hours"]}}],
        },
        {"user": "Why?", "requirements": [{"text": "Is right", "reader": True}]},
    ],
}


class Keen:
    """A plugin with a grader that finds everything excellent, and says what facts it was told"""

    description = "likes all"

    @hookimpl
    def register_graders(self, register):
        register("keen", self)

    def grade(self, turn):
        return Verdict("excellent", json.dumps(turn.conversation.turns[turn.index].facts))


@pytest.fixture
def plugins(Evaluations):
    modules = {"lima_chat": lima_chat, "lima_dialogue_eval": lima_dialogue_eval, "lima_dialogues": lima_dialogues}
    with only_plugins(**modules, evaluations=Evaluations(), keen=Keen()) as loaded:
        yield loaded


@pytest.fixture
def store(plugins, tmp_path):
    with Store(tmp_path / "lima.db") as opened:
        yield opened


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """The current directory, with a file of questions and a folder of one conversation"""
    there = tmp_path / "here"
    (there / "mine" / "deep").mkdir(parents=True)
    (there / "asks.jsonl").write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    (there / "mine" / "deep" / "cats.json").write_text(json.dumps(SCRIPT))
    monkeypatch.chdir(there)
    return there


def run(store, evaluation, model, **more):
    values = {"arm": "", "seeds": [0], "sampling": Sampling(), **more}
    return run_evaluation(store, evaluation, model, **values)


def test_questions_of_a_file_are_held_and_left_to_a_reader(store, folder, Model, caplog):
    model = Model({"0 + 0?": "0"})
    row = find_run(store, run(store, "asks.jsonl", model))
    assert (row["status"], row["evaluation"], row["evaluation_path"]) == (
        "done",
        "asks.jsonl",
        str(folder / "asks.jsonl"),
    )
    assert (row["grader"], row["evaluation_part"]) == ("requirements", None)
    held = conversations(store, row["id"])
    assert [(c["conversation"], c["topic"], c["turns"]) for c in held] == [(str(81 + n), "maths", 2) for n in range(4)]
    said = replies(store, row["id"], "requirements")
    assert {(r["grade"], r["grade_status"]) for r in said} == {(None, "undecided")}
    assert [r["kind"] for r in said[:2]] == ["opening", "follow-up"]
    assert [r.getMessage() for r in caplog.records] == [
        "asks.jsonl: none of the 8 turns has requirements, so the grader 'requirements' leaves the replies undecided. Judges and "
        "people grade them: `lima graders` lists what --grader takes."
    ]


def test_another_grader_sees_what_the_file_knows(store, folder, Model, caplog):
    (folder / "known.jsonl").write_text(json.dumps({"turns": ["2 + 2?"], "reference": ["4"]}))
    for file, fact in (("known.jsonl", {"reference": "4"}), ("mine/deep/cats.json", {"note": "12 to 16 hours"})):
        (first, *_) = replies(store, run(store, file, Model(), grader="keen"), "keen")
        assert (first["grade"], json.loads(first["reason"])) == ("excellent", fact)
    assert caplog.records == []


@pytest.mark.parametrize("name", ["mine", "mine/", "./mine", "mine/deep/cats.json", "ABSOLUTE"])
def test_a_folder_or_file_of_limas_own_format(name, plugins, folder):
    found = find_evaluation(plugins, name.replace("ABSOLUTE", str(folder / "mine")))
    (script,) = script_of(name, found).values()
    assert (found.grader, found.licence) == ("requirements", "CC0-1.0")
    assert (script.id, script.topic, script.system) == ("cats", "cats", "You know cats.")
    first, then = SCRIPT["turns"]
    assert script.turns == (
        EvalTurn(first["user"], tuple(first["requirements"]), "opening", {"note": first["facts"]}),
        EvalTurn(then["user"], tuple(then["requirements"])),
    )


def test_a_broken_file_of_a_folder_is_named(plugins, folder):
    (folder / "mine" / "dogs.json").write_text('{"id": ')
    with pytest.raises(LimaError, match=r"^dogs.json: is not JSON .* `lima dialogues-lint FOLDER` lists everything"):
        script_of("mine", find_evaluation(plugins, "mine"))


def test_ours_in_a_folder_is_the_registered_one(plugins):
    from pathlib import Path

    ours = Path(__file__).parents[3] / "dialogues" / "eval"
    hashes = {script_hash(list(script_of(n, find_evaluation(plugins, n)).values())) for n in ("dialogues", str(ours))}
    assert len(hashes) == 1


@pytest.mark.parametrize(
    ("name", "ids"),
    [
        ("exchanges:asks.jsonl", ["81", "82", "83", "84"]),
        ("as*.jsonl", ["81", "82", "83", "84"]),
        ("talks.jsonl", ["talks.jsonl:1"]),
        ("pairs.jsonl", ["pairs.jsonl:1"]),
        ("dialogues:theirs", ["tea"]),
    ],
)
def test_whatever_is_a_source_can_be_asked(name, ids, plugins, folder):
    said = [{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "So."}]
    (folder / "talks.jsonl").write_text(json.dumps({"messages": said}))
    (folder / "pairs.jsonl").write_text(json.dumps({"prompt": "Why?", "response": "So."}))
    (folder / "theirs").mkdir()
    kept = {key: value for key, value in SCRIPT.items() if key != "system"}
    (folder / "theirs" / "tea.json").write_text(json.dumps({**kept, "id": "tea", "turns": said}))
    script = script_of(name, find_evaluation(plugins, name))
    assert list(script) == ids
    if "asks" not in name and "*" not in name:
        assert script[ids[0]].turns == (EvalTurn("Why?", (), "opening", {"reference": "So."}),)


def test_a_registered_name_comes_before_a_file(plugins, folder):
    (folder / "small").write_text("".join(json.dumps(row) + "\n" for row in QUESTIONS))
    assert list(script_of("small", find_evaluation(plugins, "small"))) == ["tea", "bus"]
    assert list(script_of("./small", find_evaluation(plugins, "./small")))[0] == "81"


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        (
            "smal",
            r"There is no evaluation 'smal', and no such file\. Did you mean 'small'\? Known: dialogues, dialogues-b, sm",
        ),
        ("ask.jsonl", "There is no evaluation 'ask.jsonl', and no such file"),
        ("", "There is no evaluation '', and no such file"),
        ("odd.jsonl", "odd.jsonl: no source recognises its rows."),
        ("empty", r"empty is a folder. Name its files by a pattern, for example empty/\*.jsonl."),
        (
            "bad.jsonl",
            "bad.jsonl, line 2: the row has a key that is not understood: 'strange'.*\nTo leave out this row: --skip-bad",
        ),
    ],
)
def test_what_cannot_be_found_or_read(name, sentence, plugins, folder):
    (folder / "odd.jsonl").write_text('{"text": "x"}')
    (folder / "empty").mkdir()
    (folder / "bad.jsonl").write_text(json.dumps(QUESTIONS[0]) + "\n" + json.dumps({**QUESTIONS[1], "strange": 1}))
    with pytest.raises(LimaError, match=f"^{sentence}"):
        script_of(name, find_evaluation(plugins, name))


def test_how_a_file_is_read_is_kept(store, folder, Model):
    (folder / "bad.jsonl").write_text(json.dumps(QUESTIONS[0]) + "\n" + json.dumps({**QUESTIONS[1], "strange": 1}))
    id = run(store, "bad.jsonl", Model(fail=("And once more?",)), part=Part(tables={"lima-chat": {"skip_bad": True}}))
    assert find_run(store, id)["evaluation_part"] == {
        "tables": {"lima-chat": {"skip_bad": True}},
        "of": 1,
        "left_out": 0,
    }
    assert resume_evaluation(store, id, Model(), evaluation="bad.jsonl") == id
    assert [c["status"] for c in conversations(store, id)] == ["complete"]


@pytest.mark.parametrize(
    ("part", "ids", "said"),
    [
        (Part(limit=2), ["81", "82"], {"limit": 2, "of": 4, "left_out": 2}),
        (Part(limit=9), ["81", "82", "83", "84"], {"limit": 9, "of": 4, "left_out": 0}),
        (Part(conversations=("84", "82")), ["82", "84"], {"conversations": ["84", "82"], "of": 4, "left_out": 2}),
    ],
)
def test_a_part_of_an_evaluation(part, ids, said, store, folder, Model, plugins):
    model = Model(fail=("And once more?",))
    row = find_run(store, run(store, "asks.jsonl", model, part=part))
    assert [c["conversation"] for c in conversations(store, row["id"])] == ids
    assert row["evaluation_part"] == said
    script = script_of("asks.jsonl", find_evaluation(plugins, "asks.jsonl"))
    assert row["evaluation_hash"] == script_hash([script[id] for id in ids])
    resume_evaluation(store, row["id"], Model(), evaluation="asks.jsonl")
    assert [(c["conversation"], c["status"]) for c in conversations(store, row["id"])] == [
        (id, "complete") for id in ids
    ]


def test_a_part_that_is_not_there(store, folder, Model):
    with pytest.raises(LimaError, match=r"^The evaluation 'small' has no conversation 'buss'\. Did you mean 'bus'\?"):
        run(store, "small", Model(), part=Part(conversations=("buss",)))
    for wrong, sentence in (
        ({"limit": 0}, "The limit is 0; expected a whole number of 1 or more."),
        ({"limit": 1, "conversations": ("bus",)}, "Give a limit or conversations by their ids, not both."),
    ):
        with pytest.raises(LimaError, match=sentence):
            Part(**wrong)


def test_what_is_left_out_is_said(store, folder, Model, caplog):
    caplog.set_level("INFO", "lima")
    run(store, "asks.jsonl", Model(), part=Part(limit=1), grader="keen")
    assert [r.getMessage() for r in caplog.records] == ["asks.jsonl: 1 of 4 conversations; 3 are left out."]


def test_a_file_is_read_again_only_when_it_is_named(store, folder, Model, monkeypatch, tmp_path):
    id = run(store, "asks.jsonl", Model(fail=("And once more?",)))
    monkeypatch.chdir(tmp_path)
    path = folder / "asks.jsonl"
    with pytest.raises(LimaError) as e:
        resume_evaluation(store, id, Model())
    assert str(e.value) == (
        f"Dialogue run {id} was begun with the evaluation 'asks.jsonl', which is read only when you name it: "
        f"lima dialogues run {path} --resume {id} --model parrot -d {store.path}"
    )
    with pytest.raises(LimaError, match="There is no evaluation 'asks.jsonl', and no such file"):
        resume_evaluation(store, id, Model(), evaluation="asks.jsonl")
    resume_evaluation(store, id, Model(), evaluation=str(path))
    assert {c["status"] for c in conversations(store, id)} == {"complete"}


def test_a_row_that_names_a_file_as_if_it_were_registered_leads_to_no_file(store, folder, Model):
    id = run(store, "asks.jsonl", Model(fail=("And once more?",)))
    with store.write() as db:
        db.execute("update dialogue_runs set evaluation_path = null")
    with pytest.raises(
        LimaError, match=r"^There is no evaluation 'asks.jsonl'\. Known: dialogues, dialogues-b, small\."
    ):
        resume_evaluation(store, id, Model())


@pytest.mark.parametrize("part", ['"x"', "[1]", '{"limit": "all"}', '{"conversations": 3}', '{"tables": 3}'])
def test_a_part_that_no_run_writes(part, store, folder, Model):
    id = run(store, "small", Model(fail=("And back?",)))
    with store.write() as db:
        db.execute("update dialogue_runs set evaluation_part = ?", [part])
    with pytest.raises(LimaError, match="which no run writes|expected a whole number"):
        resume_evaluation(store, id, Model())


def test_a_changed_file_is_not_resumed(store, folder, Model):
    id = run(store, "asks.jsonl", Model(fail=("And once more?",)))
    (folder / "asks.jsonl").write_text(json.dumps({**QUESTIONS[0], "turns": ["1 + 1?", "And once more?"]}))
    with pytest.raises(
        LimaError, match=f"^The evaluation 'asks.jsonl' has changed since dialogue run {id} was begun; start"
    ):
        resume_evaluation(store, id, Model(), evaluation="asks.jsonl")
    with pytest.raises(
        LimaError, match=r"'small' has changed since .* was begun, or is another than 'asks.jsonl'; start"
    ):
        resume_evaluation(store, id, Model(), evaluation="small")


def test_an_interrupted_run_says_how_to_resume_it(store, folder):
    class Dead:
        name = "dead"

        def reply(self, prompts, settings, seed, on_progress=None):
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt) as e:
        run(store, "mine", Dead())
    (row,) = store.rows("select * from dialogue_runs")
    command = f"lima dialogues run {folder / 'mine'} --resume {row['id']} -d {store.path}"
    assert e.value.__notes__ == [f"Every turn that was done is kept. Resume with: {command}"]


@pytest.mark.parametrize("spec", ["asks.jsonl", "exchanges:asks.jsonl", "as*.jsonl", "./asks.jsonl"])
def test_a_name_that_works_from_anywhere(spec, plugins, folder, monkeypatch, tmp_path):
    from lima_dialogue_eval.evaluation.file_evaluation import from_anywhere

    there = from_anywhere(spec, plugins)
    monkeypatch.chdir(tmp_path)
    assert list(script_of(spec, find_evaluation(plugins, there))) == ["81", "82", "83", "84"]
    assert from_anywhere("small", plugins) is None
    assert from_anywhere("dialogues:gone", plugins) == "dialogues:gone"
    assert os.sep in there
