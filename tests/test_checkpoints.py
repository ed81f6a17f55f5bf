"""The grades of the replies to dev prompts, and the epoch that is chosen: real runs of a tiny model."""

import json
import os
import re
import sqlite3
from pathlib import Path

import pytest
from transformers import AutoModelForCausalLM

from dev_runs import ASKED, file_of, recipe, run_lima, weights
from lima.cli import cli
from lima.errors import LimaError
from lima.model.saving import put_in_place
from lima.record import selection as choice
from lima.record.store import Store
from lima.train.start import fine_tune, resume
from stopped_runs import Stop

pytestmark = pytest.mark.usefixtures("core_alone")


def test_a_grader_chooses_and_the_runs_folder_is_the_epoch_it_chose(done, judges, dev):
    store, run, say = done
    say(["fail", "pass", "excellent"], ["excellent", "excellent", "pass"], ["pass", "fail", "excellent"])
    last = weights(run.folder)
    result = json.loads(
        run_lima("checkpoints", "choose", run.id, "--grader", "judge", "--json", "-d", store.path).stdout
    )
    counts = [
        {"mean_grade": m, "excellent": e, "pass": p, "fail": f, "n": 3, "undecided": 0}
        for m, e, p, f in ((1.0, 1, 1, 1), (5 / 3, 2, 1, 0), (1.0, 1, 1, 1))
    ]
    why = "mean grade 1.67 of 2 by judge over 3 dev prompts, the best of 3 epochs"
    assert {k: v for k, v in result.items() if k not in ("created", "perplexity")} == {
        "run": run.id,
        "epoch": 2,
        "step": 4,
        "folder": str(run.folder),
        "model": "chosen",
        "measures": {},
        "grades": {"judge": counts[1]},
        "grader": "judge",
        "measure": "",
        "reason": why,
    }
    assert judges.asked[0] == ("What is 91?", "It is 91.", "fail", judges.asked[0][3])
    assert weights(run.folder) == weights(run.folder / "epoch-02") != last
    assert weights(run.folder / "epoch-03") == last
    assert (run.folder / "README.md").read_text().endswith(f"\nEpoch 2 of 3, chosen by the grader judge: {why}.\n")
    AutoModelForCausalLM.from_pretrained(run.folder)
    assert [p.name for p in run.folder.parent.iterdir() if p.name.startswith(".")] == []
    listed = json.loads(run_lima("checkpoints", "--run", run.id[:17], "--json", "-d", store.path).stdout)
    assert [(r["epoch"], r["model"], r["grades"]) for r in listed] == [
        (1, "", {"judge": counts[0]}),
        (2, "chosen", {"judge": counts[1]}),
        (3, "", {"judge": counts[2]}),
    ]
    assert [r["folder"] for r in listed] == [str(run.folder / f"epoch-0{n}") for n in (1, 2, 3)]
    shown = json.loads(run_lima("runs", "show", run.id, "--json", "-d", store.path).stdout)
    assert shown["chosen"] == {"epoch": 2, "grader": "judge", "measure": "", "reason": why}


def test_appendix_b_is_one_line_of_sql(done, judges):
    store, run, say = done
    say(["fail"] * 3, ["pass"] * 3, ["excellent", "excellent", "pass"])
    run_lima("checkpoints", "grade", run.id, "--grader", "judge", "-d", store.path)
    known = {r["epoch"]: r["perplexity"] for r in store.rows("select epoch, perplexity from checkpoints")}
    assert store.rows("select * from checkpoint_quality where grader = 'judge' order by epoch") == [
        {"run": run.id, "epoch": e, "step": 2 * e, "perplexity": known[e], "grader": "judge"}
        | {"measures": "{}", "mean_grade": m, "excellent": x, "pass": p, "fail": f, "n": 3, "undecided": 0}
        for e, m, x, p, f in ((1, 0.0, 0, 0, 3), (2, 1.0, 0, 3, 0), (3, 5 / 3, 2, 1, 0))
    ]
    assert store.rows("select * from choices") == []
    assert weights(run.folder) == weights(run.folder / "epoch-03")


def test_of_equal_epochs_the_earlier_is_taken_and_what_has_no_grade_everywhere_is_left_out(done, judges):
    store, run, say = done
    say(["pass", "error", "fail"], ["excellent", "fail", "fail"], ["pass", "excellent", "pass"])
    run_lima("checkpoints", "grade", run.id, "--grader", "judge", "-d", store.path)
    assert choice.best(store, run.id, "judge") == (
        2,
        "mean grade 1.00 of 2 by judge over 2 dev prompts, the best of 3 epochs; the same as of 3, and the earliest is "
        "taken; 1 without a grade in every epoch left out",
    )


def test_a_grader_is_asked_for_no_reply_twice_and_goes_on_where_it_failed(done, judges):
    store, run, say = done
    say(["pass", "fail", "pass"], ["fail", "excellent", "pass"], ["fail", "fail", "fail"])
    judges.broken = "excellent"
    choose = ["checkpoints", "choose", run.id, "--grader", "judge", "-d", store.path]
    wrong = run_lima(*choose, code=1).exception
    assert re.fullmatch(
        r"The grader 'judge' failed on the reply of epoch 2 to 'd2': Plugin 'lima-judges' failed in grade_reply\(\) .*"
        r"ZeroDivisionError: of my own .* Its earlier grades are kept: the same command resumes from here\.",
        str(wrong),
    )
    assert store.rows("select * from choices") == []
    assert len(judges.asked) == 4
    judges.broken = None
    run_lima(*choose)
    assert len(judges.asked) == 9
    run_lima(*choose)
    assert len(judges.asked) == 9
    assert store.rows("select epoch, grader from choices order by id") == [{"epoch": 2, "grader": "judge"}] * 2


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["--grader", "speechless"],
            "'speechless' cannot grade a reply to a dev prompt: it has no grade_reply(example",
        ),
        (["--grader", "speechless"], "Those that have: judge. Or choose by hand, with --epoch N."),
        (["--grader", "jude"], "There is no grader 'jude'. Did you mean 'judge'?"),
        (["--grader", "judge"], "returned 'superb'; expected fail, pass, excellent or None."),
        (["--epoch", "7"], "kept no epoch 7; it kept 1, 2, 3."),
        ([], "give --epoch N, or let a grader choose with --grader NAME (able: judge). It is not chosen by perplexity"),
        (["--json"], "It is not chosen by perplexity, which rises while the replies get better (LIMA App. B)."),
    ],
)
def test_a_choice_that_cannot_be_made_is_said_in_a_sentence(done, arguments, message):
    store, run, say = done
    say(["superb"])
    before = weights(run.folder)
    assert message in str(run_lima("checkpoints", "choose", run.id, *arguments, "-d", store.path, code=1).exception)
    assert store.rows("select * from choices") == []
    assert weights(run.folder) == before


def test_nothing_chooses_by_loss():
    command = cli.commands["checkpoints"].commands["choose"]
    assert sorted(p.name for p in command.params) == ["as_json", "database", "epoch", "grader", "measure", "run", "why"]


def test_by_hand_with_a_reason_and_changed_again(done):
    store, run, _ = done
    run_lima("checkpoints", "choose", run.id, "--epoch", 1, "--why", "it says so", "-d", store.path)
    assert weights(run.folder) == weights(run.folder / "epoch-01")
    run_lima("checkpoints", "choose", run.id, "--epoch", 3, "-d", store.path)
    assert weights(run.folder) == weights(run.folder / "epoch-03")
    assert (run.folder / "README.md").read_text().endswith("\nEpoch 3 of 3, chosen by hand.\n")
    assert store.rows("select run, epoch, grader, reason from choices order by id") == [
        {"run": run.id, "epoch": 1, "grader": "", "reason": "it says so"},
        {"run": run.id, "epoch": 3, "grader": "", "reason": ""},
    ]
    top = store.rows("select epoch, step from checkpoints where folder = ?", [str(run.folder)])
    assert top == [{"epoch": 3, "step": 6}]
    for table in ("choices", "generation_grades"):
        with store.write() as db:
            db.execute(f"insert into {table} (run, epoch) values (?, 1)", [run.id])
        for change in (f"update {table} set epoch = 2", f"delete from {table}"):
            with pytest.raises(sqlite3.IntegrityError, match=f"{table} is append-only"), store.write() as db:
                db.execute(change)


def test_a_disk_that_refuses_leaves_no_mixture_and_no_choice(done, monkeypatch):
    store, run, _ = done
    replace, moved = os.replace, []

    def refuse(source, target):
        if Path(target).name == "model.safetensors":
            raise OSError(28, "No space left on device")
        moved.append(Path(target).name)
        replace(source, target)

    monkeypatch.setattr(os, "replace", refuse)
    with pytest.raises(LimaError, match=rf"Cannot save the model to {run.folder}: .*No space left"):
        choice.choose(store, run.id, 1, "", "")
    assert moved
    assert not (run.folder / "config.json").exists()
    assert store.rows("select * from choices") == []
    monkeypatch.setattr(os, "replace", replace)
    choice.choose(store, run.id, 1, "", "")
    assert weights(run.folder) == weights(run.folder / "epoch-01")
    assert (run.folder / "config.json").read_bytes() == (run.folder / "epoch-01" / "config.json").read_bytes()


def test_the_config_comes_last(tmp_path, monkeypatch):
    (tmp_path / "new").mkdir()
    (tmp_path / "old").mkdir()
    for name in ("config.json", "a.safetensors", "z.json"):
        (tmp_path / "new" / name).write_text("new")
        (tmp_path / "old" / name).write_text("old")
    replace, seen = os.replace, []

    def look(source, target):
        replace(source, target)
        seen.append((Path(target).name, (tmp_path / "old" / "config.json").exists()))

    monkeypatch.setattr(os, "replace", look)
    put_in_place(tmp_path / "new", tmp_path / "old")
    assert seen == [("a.safetensors", False), ("z.json", False), ("config.json", True)]


def test_runs_that_have_nothing_to_choose_say_so(base, few, dev, tmp_path, judges):
    def on_step(step, steps, metrics):
        raise Stop

    with Store(tmp_path / "l.db") as store:
        plain = fine_tune(recipe(base, few, None, tmp_path / "plain", keep_epochs=False, epochs=1), store).id
        kept = fine_tune(recipe(base, few, None, tmp_path / "kept", epochs=1), store).id
        with pytest.raises(Stop):
            fine_tune(recipe(base, few, dev, tmp_path / "torn"), store, on_step=on_step)
        torn = store.rows("select id from runs where status = 'failed'")[0]["id"]
        for run, arguments, message in (
            (
                plain,
                ["choose", plain, "--epoch", "1"],
                f"Run {plain} kept no epoch to choose. Train with --set keep_epochs",
            ),
            (
                kept,
                ["choose", kept, "--grader", "judge"],
                f"Run {kept} has no replies to dev prompts. Name held-out examples",
            ),
            (kept, ["show", kept], f"Run {kept} has no replies to dev prompts."),
            (torn, ["choose", torn, "--epoch", "1"], f"Run {torn} is not done, it is 'failed'"),
            (torn, ["grade", torn, "--grader", "judge"], f"Resume with `lima train --resume {torn} -d {store.path}`."),
        ):
            assert message in str(run_lima("checkpoints", *arguments, "-d", store.path, code=1).exception), (
                run,
                arguments,
            )
        run_lima("checkpoints", "choose", kept, "--epoch", "1", "-d", store.path)
        assert [r["model"] for r in choice.epochs(store)] == ["last", "chosen"]


def test_a_torn_epoch_is_not_chosen(done):
    store, run, _ = done
    torn = run.folder / "epoch-01" / "model.safetensors"
    os.truncate(torn, torn.stat().st_size // 2)
    before = weights(run.folder)
    with pytest.raises(LimaError, match=r"epoch-01/model\.safetensors is damaged: .* Choose another epoch"):
        choice.choose(store, run.id, 1, "", "")
    assert weights(run.folder) == before
    assert store.rows("select * from choices") == []


def test_a_folder_that_holds_another_run_by_now_is_left_alone(done, base, few, tmp_path):
    store, run, _ = done
    os.rename(run.folder, tmp_path / "moved")
    other = fine_tune(recipe(base, few, None, run.folder, epochs=1, seed=9), store)
    before = weights(run.folder)
    with pytest.raises(LimaError, match=f"out now has the model of run {other.id}"):
        choice.choose(store, run.id, 1, "", "")
    assert weights(run.folder) == before


def test_grading_needs_the_examples_as_they_were(done, dev):
    store, run, _ = done
    file_of(dev, [("d1", "What is 90?", "It is 90."), *ASKED[1:]])
    with pytest.raises(LimaError, match="The dev example 'd1' is no longer in .*dev.jsonl', or has changed since run"):
        run_lima("checkpoints", "grade", run.id, "--grader", "judge", "-d", store.path, catch_exceptions=False)


def test_epochs_are_graded_though_dev_was_left_out_on_resuming(base, few, dev, tmp_path, judges):
    def breaks(step, steps, metrics):
        if metrics["epoch"] == 3:
            raise OSError("the disk went away")

    with Store(tmp_path / "l.db") as store:
        with pytest.raises(OSError, match="the disk went away"):
            fine_tune(recipe(base, few, dev, tmp_path / "out"), store, on_step=breaks)
        run = resume(store.rows("select id from runs")[0]["id"], store, changes={"dev": []})
        asked = len(store.rows("select 1 from generations where epoch < 3"))
        with pytest.raises(LimaError, match="expected fail, pass, excellent or None"):
            run_lima("checkpoints", "grade", run.id, "--grader", "judge", "-d", store.path, catch_exceptions=False)
    assert len(judges.asked) == 1 < asked
