"""Verdicts as tables, as ratings that are read back, and as a log that Inspect reads."""

import csv
import io
import json

import pytest

from lima_dialogue_eval.exchange.rows import COLUMNS
from lima_dialogue_eval.exchange.tables import STARTS
from lima_dialogue_eval.record.log import DialogueLog

FORMULA = '=HYPERLINK("http://evil";"x")'


@pytest.fixture
def run(lima_command, lima_store, plugins):
    """Runs a command on the store's file"""

    def call(*arguments, code=0):
        return lima_command("dialogues", *arguments, "-d", lima_store.path, code=code)

    return call


@pytest.fixture
def graded(store, by_hand):
    """A run with undecided and failed turns, a verdict of a judge, and two of a person whose name and reason are formulas"""
    id = by_hand({"tea": {0: "EF", 3: "-P"}, "bus": {0: "E.", 3: "PP"}}, arm="after", grader_hash="a" * 64)
    log, key = DialogueLog(store, id), {"conversation": "tea", "seed": 0, "turn": 1}
    judge = {
        **key,
        "grader": "judge",
        "grader_hash": "b" * 64,
        "grade": None,
        "reason": "who knows",
        "status": "undecided",
    }
    person = {**key, "grader": "people", "rater": "@Ann", "grade": "pass", "reason": FORMULA, "status": "graded"}
    log.grades([judge, person, {**person, "grade": "fail"}])
    return id


def test_rows_are_tidy_and_no_cell_is_a_formula(run, graded):
    lines = [json.loads(line) for line in run("export", graded, "--to", "jsonl").out.splitlines()]
    assert [tuple(row) for row in lines] == [COLUMNS] * 10
    assert [row["status"] for row in lines].count("context full") == 1
    tea = [row for row in lines if (row["conversation"], row["seed"], row["turn"]) == ("tea", 0, 1)]
    assert [(r["grader"], r["grader_hash"][:1], r["rater"], r["grade"], r["status"], r["reason"]) for r in tea] == [
        ("requirements", "a", "", "excellent", "graded", "because E"),
        ("judge", "b", "", "", "undecided", "who knows"),
        ("people", "", "@Ann", "fail", "graded", FORMULA),
    ]
    text = run("export", graded, "--to", "csv").out
    rows = list(csv.DictReader(io.StringIO(text)))
    assert not [cell for row in rows for cell in row.values() if cell.startswith(tuple(set(STARTS) - {"'"}))]
    back = [{k: int(v) if k in ("seed", "turn") else v.removeprefix("'") for k, v in row.items()} for row in rows]
    assert back == lines
    assert f'"\'{FORMULA.replace(chr(34), chr(34) * 2)}"' in text


def test_every_start_of_a_formula_is_made_harmless_and_comes_back():
    from lima_dialogue_eval.exchange.tables import harmless

    for text in (*(f"{start}1+1" for start in STARTS), "1+1", "", " =1", "a'b"):
        assert harmless(text).startswith(("'", "1", "a", " ")) or text == ""
        assert (harmless(text)[1:] if harmless(text).startswith("'") else harmless(text)) == text


def test_ratings_come_back_as_a_persons_grades_once(run, graded, store, tmp_path):
    file = tmp_path / "ratings.json"
    done = run("export", graded, "--to", "ratings", "--out", file)
    assert "1 of 7 replies have no grade by requirements and are left out." in done.err
    assert json.loads(file.read_text())[0] == {
        "id": "bus:1",
        "epoch": 1,
        "value": "excellent",
        "explanation": "because E",
    }
    assert (
        "Grades by Ben of dialogue run run-1: 6 new, 0 were there already."
        in run("import", file, "--run", graded, "--by", "Ben").out
    )
    again = run("import", file, "--run", graded, "--by", " Ben ", "--json")
    assert json.loads(again.out) == {"dialogue_run": "run-1", "by": "Ben", "new": 0, "known": 6}
    rows = store.rows("select * from dialogue_grades where rater = 'Ben' order by conversation, seed, turn")
    assert [(r["conversation"], r["seed"], r["turn"], r["grade"]) for r in rows] == [
        ("bus", 0, 1, "excellent"), ("bus", 3, 1, "pass"), ("bus", 3, 2, "pass"), ("tea", 0, 1, "excellent"),
        ("tea", 0, 2, "fail"), ("tea", 3, 2, "pass"),
    ]  # fmt: skip
    assert {(r["grader"], r["status"], r["reason"]) for r in rows if r["turn"] == 2 and r["seed"] == 0} == {
        ("people", "graded", "because F")
    }
    assert json.loads(run("export", graded, "--to", "ratings", "--by", "Ben").out) == json.loads(file.read_text())
    changed = tmp_path / "changed.csv"
    changed.write_text("id,epoch,value,explanation\ntea:2,1,pass,on second thoughts\nbus:1,1,excellent,because E\n")
    assert "run-1: 1 new, 1 were there already." in run("import", changed, "--run", graded, "--by", "Ben").out
    assert "'BEN' is written 'Ben'" in run("import", changed, "--run", graded, "--by", "BEN", code=1).err


def test_a_wrong_line_is_named_and_nothing_is_imported(run, graded, store, tmp_path):
    good = {"id": "tea:1", "epoch": 1, "value": "pass", "explanation": ""}
    other = {**good, "id": "tea:2"}
    cases = [
        ({**good, "id": "tea:9"}, "dialogue run run-1 has no reply 'tea:9' in epoch 1. Did you mean"),
        ({**good, "id": "bus:2"}, "dialogue run run-1 has no reply 'bus:2' in epoch 1."),
        ({**good, "epoch": 3}, "dialogue run run-1 has no epoch 3, only 1 to 2."),
        ({**good, "epoch": 1.5}, "'epoch' of 'tea:1' is 1.5; expected the place of a seed of the run, 1 to 2."),
        ({**good, "epoch": True}, "'epoch' of 'tea:1' is True; expected"),
        ({**good, "id": 7}, "'id' is 7; expected CONVERSATION:TURN."),
        ({**other, "value": "good"}, "the value of 'tea:2' is 'good'; expected excellent, pass or fail."),
        ({**other, "value": None}, "the value of 'tea:2' is null; expected"),
        ({**other, "value": ["pass"]}, "the value of 'tea:2' is a list; expected"),
        ({**other, "explanation": [1]}, "the explanation of 'tea:2' is a list; expected text."),
        ([1], "a rating is an object with id, epoch, value, explanation; this is a list."),
        (good, "'tea:1', epoch 1, is rated on line 1 already."),
    ]
    before = store.rows("select count(*) as n from dialogue_grades")
    file = tmp_path / "r.jsonl"
    for line, sentence in (*((json.dumps(value), said) for value, said in cases), ("{", "")):
        file.write_text(f"{json.dumps(good)}\n{line}\n")
        error = run("import", file, "--run", graded, "--by", "Cy", code=1).err
        assert "nothing was imported" in error
        assert f"Line 2: {sentence}" in " ".join(error.split())
    for name, advice in (("", "not the name of a rater"), ("a,b", "no comma"), ("Adjudicated", "have that name")):
        file.write_text(json.dumps(good) + "\n")
        assert advice in run("import", file, "--run", graded, "--by", name, code=1).err
    file.write_text("[]")
    assert "has no rating" in run("import", file, "--run", graded, "--by", "Cy", code=1).err
    assert (
        "is not a file. Make one with `lima dialogues export run-1"
        in run("import", tmp_path, "--run", graded, "--by", "Cy", code=1).err
    )
    assert store.rows("select count(*) as n from dialogue_grades") == before


def test_what_is_there_is_not_overwritten_and_options_without_effect_are_refused(run, graded, tmp_path):
    file = tmp_path / "out.csv"
    file.write_text("mine")
    assert "exists and is not overwritten" in run("export", graded, "--to", "csv", "--out", file, code=1).err
    assert file.read_text() == "mine"
    (tmp_path / "file").touch()
    assert (
        "file exists and is not overwritten"
        in run("export", graded, "--to", "csv", "--out", tmp_path / "file" / "out.csv", code=1).err
    )
    for options in (
        ["--to", "csv", "--by", "Ann"],
        ["--to", "inspect"],
        ["--to", "ratings", "--by", "A", "--grader", "judge"],
    ):
        run("export", graded, *options, code=2)
    run("export", graded, graded, "--to", "ratings", code=2)
    assert sorted(path.name for path in tmp_path.iterdir() if path.suffix == ".csv") == ["out.csv"]


def test_without_inspect_the_sentence_has_the_command(run, graded, tmp_path, monkeypatch):
    from lima_dialogue_eval.exchange import inspect_log

    monkeypatch.setattr(inspect_log, "find_spec", lambda name: None)
    error = run("export", graded, "--to", "inspect", "--out", tmp_path / "x.eval", code=1).err
    assert "Inspect is not installed. Install it with: pip install 'lima-dialogue-eval[inspect]'" in error
    monkeypatch.undo()
    monkeypatch.setattr(inspect_log, "find_spec", lambda name: object())
    assert (
        "reads logs named *.eval or *.json"
        in run("export", graded, "--to", "inspect", "--out", tmp_path / "x.txt", code=1).err
    )


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["eval", "json"])
def test_inspect_reads_the_log_back(run, graded, tmp_path, suffix):
    log = pytest.importorskip(
        "inspect_ai.log", reason="inspect_ai is not installed: it wants other versions than the pinned ones"
    )
    file = tmp_path / f"log.{suffix}"
    assert run("export", graded, "--to", "inspect", "--out", file).out == f"Wrote {file}: 7 samples\n"
    found = log.read_eval_log(str(file))
    assert (found.status, found.eval.task, found.eval.model, found.eval.config.epochs) == (
        "success",
        "small",
        "by hand",
        2,
    )
    samples = {(s.id, s.epoch): s for s in found.samples}
    assert len(samples) == 7
    first, second = samples["tea:1", 1], samples["tea:2", 1]
    assert first.output.completion == "run-1 tea 0 1"
    assert [(m.role, m.text) for m in second.input] == [
        ("user", "user 1"),
        ("assistant", "run-1 tea 0 1"),
        ("user", "user 2"),
    ]
    assert {name: (s.value, s.explanation) for name, s in first.scores.items()} == {
        "requirements": ("excellent", "because E"), "people: @Ann": ("fail", FORMULA),
    }  # fmt: skip
    assert samples["tea:1", 2].scores == {}
    assert {s.name: s.metrics["fail"].value for s in found.results.scores} == {
        "requirements": 1 / 6,
        "people: @Ann": 1.0,
    }
    header = log.read_eval_log(str(file), header_only=True)
    assert header.results.total_samples == 7
