"""Dev prompts answered after every epoch, their grades, and the epoch that is chosen: real runs of a tiny model."""

import json
import math
import os
import pty
import re
import sqlite3
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from transformers import AutoModelForCausalLM, AutoTokenizer

from lima import Verdict, hookimpl
from lima.answer.checkpoint_model import CheckpointModel
from lima.cli import cli
from lima.contract.answers import Sampling
from lima.contract.examples import Example, Record
from lima.contract.rendered import Rendered, Span
from lima.data.rendering import PlainRenderer, encode
from lima.errors import LimaError
from lima.model.saving import put_in_place
from lima.recipe import Recipe
from lima.record import selection as choice
from lima.record.store import Store
from lima.testing import only_plugins
from lima.train.start import fine_tune, resume

KEYS = {
    "epochs": 3,
    "batch_size": 8,
    "learning_rate": 1e-2,
    "final_learning_rate": 1e-3,
    "max_tokens": 32,
    "keep_epochs": True,
}
ASKED = [("d1", "What is 91?", "It is 91."), ("d2", "What is 92?", "It is 92, a number."), ("d3", "Why?", "So.")]


def file_of(path, rows):
    path.write_text("".join(json.dumps({"id": i, "prompt": p, "response": r}) + "\n" for i, p, r in rows))
    return path


@pytest.fixture
def dev(tmp_path):
    return file_of(tmp_path / "dev.jsonl", ASKED)


@pytest.fixture
def few(tmp_path):
    return file_of(tmp_path / "few.jsonl", [(f"{i}", f"What is {i}?", f"It is {i}.") for i in range(16)])


def recipe(base, few, dev, out, **changes):
    values = {"base": str(base), "sources": [str(few)], "dev": [str(dev)] if dev else [], "out": str(out)}
    return Recipe().with_values(values | KEYS | changes)


class Judge:
    """Grades by what the reply says; counts how often it is asked"""

    description = "the reply is the grade"

    def __init__(self):
        self.asked, self.broken = [], None

    def grade(self, turn):
        raise NotImplementedError

    def grade_reply(self, example, reply, stop):
        if reply == self.broken:
            raise ZeroDivisionError("of my own")
        self.asked.append((example.prompt, example.response, reply, stop))
        return Verdict(None if reply == "none" else reply, "so it is")


class Speechless:
    description = "grades something else"

    def grade(self, turn):
        return Verdict("pass", "so it is")


class Judges:
    def __init__(self):
        self.judge = Judge()

    @hookimpl
    def register_graders(self, register):
        register("judge", self.judge)
        register("speechless", Speechless())


@pytest.fixture
def judges():
    mine = Judges()
    with only_plugins(lima_judges=mine):
        yield mine.judge


@pytest.fixture
def done(base, few, dev, tmp_path, judges):
    """A run of three epochs, whose replies are then put in its mouth: (store, run, say)"""
    with Store(tmp_path / "l.db") as store:
        run = fine_tune(recipe(base, few, dev, tmp_path / "out"), store)

        def say(*epochs):
            with store.write() as db:
                for epoch, replies in enumerate(epochs, 1):
                    for position, reply in enumerate(replies):
                        db.execute(
                            "update generations set reply = ? where epoch = ? and position = ?",
                            [reply, epoch, position],
                        )

        yield store, run, say


def run_lima(*arguments, code=0, **more):
    result = CliRunner().invoke(cli, [str(a) for a in arguments], **more)
    assert result.exit_code == code, (result.output, result.exception)
    return result


def weights(folder):
    return (folder / "model.safetensors").read_bytes()


# What a run stores


def test_every_epoch_answers_the_dev_prompts_and_its_perplexity_is_that_of_transformers(base, few, dev, tmp_path):
    heard = []
    with Store(tmp_path / "l.db") as store:
        run = fine_tune(
            recipe(base, few, dev, tmp_path / "out", seed=5), store, on_dev=lambda done, all: heard.append((done, all))
        )
        asked = store.rows("select * from dev_prompts order by position")
        stored = store.rows("select * from generations order by epoch, position")
        kept = store.rows("select epoch, folder, perplexity from checkpoints order by epoch, folder desc")
    hashes = [Example(id=i, prompt=p, response=r).content_hash for i, p, r in ASKED]
    assert asked == [
        {
            "run": run.id,
            "source": str(dev),
            "example": i,
            "hash": h,
            "prompt": f"{p}<|eot|>",
            "reference": r,
            "position": n,
        }
        for n, ((i, p, r), h) in enumerate(zip(ASKED, hashes, strict=True))
    ]
    assert heard == [(0, 3), (3, 3)] * 3
    assert [Path(r["folder"]).name for r in kept] == ["epoch-01", "epoch-02", "epoch-03", "out"]
    for row in kept:
        assert row["perplexity"] == pytest.approx(perplexity(row["folder"]), rel=1e-4)
        model = CheckpointModel(row["folder"], PlainRenderer())
        replies = model.reply([p for _, p, _ in ASKED], Sampling(max_new_tokens=32), 5)
        mine = [r for r in stored if r["epoch"] == row["epoch"]]
        assert [(r["reply"], r["stop"], r["tokens"], r["position"]) for r in mine] == [
            (r.text, r.stop, len(r.ids), n) for n, r in enumerate(replies)
        ]
    assert len(stored) == 9
    assert len({r["perplexity"] for r in kept}) == 3


def perplexity(folder):
    """exp of the mean loss over all answer tokens, by transformers alone"""
    model, tokenizer = AutoModelForCausalLM.from_pretrained(folder), AutoTokenizer.from_pretrained(folder)
    total, tokens = 0.0, 0
    for _, prompt, response in ASKED:
        head = tokenizer(f"{prompt}<|eot|>", add_special_tokens=False).input_ids
        answer = tokenizer(f"{response}<|eot|>", add_special_tokens=False).input_ids
        labels = torch.tensor([[-100] * len(head) + answer])
        with torch.no_grad():
            loss = model(input_ids=torch.tensor([head + answer]), labels=labels).loss
        total, tokens = total + float(loss) * len(answer), tokens + len(answer)
    return math.exp(total / tokens)


def test_what_is_stored_does_not_depend_on_the_dev_prompts(base, few, dev, tmp_path):
    with Store(tmp_path / "l.db") as store:
        for name, asked in (("with", dev), ("without", None)):
            fine_tune(recipe(base, few, asked, tmp_path / name), store)
    assert weights(tmp_path / "with") == weights(tmp_path / "without")


class Stop(BaseException):
    """What a test stops a run with"""


@pytest.mark.parametrize("save_every", [-1, 0, 1])
@pytest.mark.parametrize("when", ["in a step", "while the second epoch answers"])
def test_a_resumed_run_has_the_rows_of_one_that_never_stopped(base, few, dev, tmp_path, save_every, when):
    def on_step(step, steps, metrics):
        if when == "in a step" and step == 5:
            raise Stop

    def on_dev(done, replies):
        calls.append(done)
        if when != "in a step" and calls == [0, 3, 0]:
            raise Stop

    rows = "select epoch, position, reply, stop, tokens from generations where run = ? order by epoch, position"
    kept = "select epoch, step, perplexity from checkpoints where run = ? order by epoch, step, folder"
    with Store(tmp_path / "l.db") as store:
        whole = fine_tune(recipe(base, few, dev, tmp_path / "whole", save_every=save_every), store).id
        calls = []
        with pytest.raises(Stop):
            fine_tune(recipe(base, few, dev, tmp_path / "torn", save_every=save_every), store, None, on_step, on_dev)
        (torn,) = (r["id"] for r in store.rows("select id from runs where status = 'failed'"))
        resume(torn, store)
        assert store.rows(rows, [torn]) == store.rows(rows, [whole])
        assert store.rows(kept, [torn]) == store.rows(kept, [whole])
        assert len(store.rows(rows, [torn])) == 9


@pytest.mark.parametrize("epoch", [1, 2, 3])
def test_an_epoch_whose_answers_failed_is_answered_on_resuming_and_not_trained_again(base, few, dev, tmp_path, epoch):
    class Listener:
        @hookimpl
        def after_epoch(self, run, epoch, checkpoint):
            heard.append((run.id, epoch, checkpoint.name))

    def breaks(done, replies):
        ends.append(done)
        if ends.count(replies) == epoch:
            raise OSError("the disk went away")

    heard, ends, seen = [], [], []
    rows = "select epoch, position, reply from generations where run = ? order by epoch, position"
    with only_plugins(lima_listener=Listener()) as plugins, Store(tmp_path / "l.db", plugins) as store:
        whole = fine_tune(recipe(base, few, dev, tmp_path / "whole"), store).id
        with pytest.raises(OSError, match="the disk went away"):
            fine_tune(recipe(base, few, dev, tmp_path / "torn"), store, plugins, None, breaks)
        (torn,) = (r["id"] for r in store.rows("select id from runs where status = 'failed'"))
        done = len(store.rows("select 1 from steps where run = ?", [torn]))
        resume(torn, store, plugins, lambda step, steps, metrics: seen.append(step))
        total = len(store.rows("select 1 from steps where run = ?", [whole]))
        assert (done, seen) == (epoch * total // 3, list(range(done + 1, total + 1)))
        assert store.rows(rows, [torn]) == store.rows(rows, [whole])
    assert heard == [(run, e, f"epoch-0{e}") for run in (whole, torn) for e in (1, 2, 3)]


def test_a_run_whose_dev_examples_have_changed_is_not_resumed(base, few, dev, tmp_path):
    def on_step(step, steps, metrics):
        raise Stop

    with Store(tmp_path / "l.db") as store:
        with pytest.raises(Stop):
            fine_tune(recipe(base, few, dev, tmp_path / "out"), store, on_step=on_step)
        run = store.rows("select id from runs")[0]["id"]
        file_of(dev, ASKED[:2])
        with pytest.raises(LimaError, match=rf"The dev examples of run {run} \(.*dev.jsonl\) have changed"):
            resume(run, store)


@pytest.mark.parametrize(
    ("rows", "changes", "message"),
    [
        (ASKED, {"keep_epochs": False}, "keeps no epochs to choose from: set keep_epochs = true"),
        (ASKED, {"dev": ["FEW"]}, r"few.jsonl' is in `sources` and in `dev`"),
        (ASKED, {"dev": ["DEV", "DEV"]}, r"dev.jsonl' is named twice"),
        (ASKED, {"dev": ["nowhere"]}, "'nowhere' is neither a registered source nor a file"),
        ([*ASKED, ("x", "What is 3?", "It is 3.")], {}, r"'x' of '.*dev.jsonl' is the example '3' that is trained on"),
        ([("y", "a " * 40, "b")], {}, r"'y' of .* has a prompt of \d+ tokens, and max_tokens is 32"),
    ],
)
def test_dev_examples_that_could_not_choose_are_refused_by_name(base, few, dev, tmp_path, rows, changes, message):
    file_of(dev, rows)
    named = {"FEW": str(few), "DEV": str(dev)}
    changes = {
        k: [named.get(v, v) for v in value] if isinstance(value, list) else value for k, value in changes.items()
    }
    with Store(tmp_path / "l.db") as store:
        with pytest.raises(LimaError, match=message):
            fine_tune(recipe(base, few, dev, tmp_path / "out").with_values(changes), store)
        assert store.rows("select id from runs") == []


@dataclass(frozen=True, kw_only=True)
class Verses(Record):
    """A kind of record that the core does not know: a line, its rhyme, another line, its rhyme"""

    lines: tuple[str, ...]

    def content(self):
        return {"lines": list(self.lines)}


class Poet:
    """Source and renderer of verses: every second line is learnt"""

    name, description, licence, renders = "poet", "verses", "CC0-1.0", (Verses, Example)

    @hookimpl
    def register_sources(self, register):
        register("verses", self)

    @hookimpl
    def register_renderers(self, register):
        register("poet", self)

    def examples(self, argument):
        yield Verses(id="v", lines=("dog", "fog", "sun", "fun"))
        yield Example(id="e", prompt="dog", response="fog")

    def end_of_turn(self, tokenizer):
        return "<|eot|>"

    def special_tokens(self, tokenizer):
        return []

    def render(self, record, tokenizer, eot):
        lines = record.lines if isinstance(record, Verses) else (record.prompt, record.response)
        ids, weights, spans = [], [], []
        for number, line in enumerate(lines):
            more = [*encode(tokenizer, line)[0], tokenizer.convert_tokens_to_ids(eot)]
            if number % 2:
                spans.append(Span(len(ids), len(ids) + len(more), line))
            ids, weights = ids + more, weights + [float(number % 2)] * len(more)
        return Rendered(ids, weights, spans)

    def prompts(self, record, tokenizer, eot):
        rendered = self.render(record, tokenizer, eot)
        return [rendered.ids[: s.start] for s in rendered.spans]


def test_a_record_of_a_plugin_is_asked_for_its_last_answer(base, few, tmp_path):
    with only_plugins(lima_poet=Poet()) as plugins, Store(tmp_path / "l.db", plugins) as store:
        fine_tune(recipe(base, few, "verses", tmp_path / "out", renderer="poet", epochs=1), store, plugins)
        assert store.rows("select example, prompt, reference from dev_prompts order by position") == [
            {"example": "v", "prompt": "dog<|eot|>fog<|eot|>sun<|eot|>", "reference": "fun"},
            {"example": "e", "prompt": "dog<|eot|>", "reference": "fog"},
        ]
        assert len(store.rows("select * from generations")) == 2


# Grading and choosing


def test_a_grader_chooses_and_the_runs_folder_is_the_epoch_it_chose(done, judges, dev):
    store, run, say = done
    say(["fail", "pass", "excellent"], ["excellent", "excellent", "pass"], ["pass", "fail", "excellent"])
    last = weights(run.folder)
    result = json.loads(
        run_lima("checkpoints", "choose", run.id, "--grader", "judge", "--json", "-d", store.path).stdout
    )
    counts = [
        {"mean_grade": m, "excellent": e, "pass": p, "fail": f, "n": 3}
        for m, e, p, f in ((1.0, 1, 1, 1), (5 / 3, 2, 1, 0), (1.0, 1, 1, 1))
    ]
    why = "mean grade 1.67 of 2 by judge over 3 dev prompts, the best of 3 epochs"
    assert {k: v for k, v in result.items() if k not in ("created", "perplexity")} == {
        "run": run.id,
        "epoch": 2,
        "step": 4,
        "folder": str(run.folder),
        "model": "chosen",
        "grades": {"judge": counts[1]},
        "grader": "judge",
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
    assert shown["chosen"] == {"epoch": 2, "grader": "judge", "reason": why}


def test_appendix_b_is_one_line_of_sql(done, judges):
    store, run, say = done
    say(["fail"] * 3, ["pass"] * 3, ["excellent", "excellent", "pass"])
    run_lima("checkpoints", "grade", run.id, "--grader", "judge", "-d", store.path)
    known = {r["epoch"]: r["perplexity"] for r in store.rows("select epoch, perplexity from checkpoints")}
    assert store.rows("select * from checkpoint_quality where grader = 'judge' order by epoch") == [
        {"run": run.id, "epoch": e, "step": 2 * e, "perplexity": known[e], "grader": "judge"}
        | {"mean_grade": m, "excellent": x, "pass": p, "fail": f, "n": 3}
        for e, m, x, p, f in ((1, 0.0, 0, 0, 3), (2, 1.0, 0, 3, 0), (3, 5 / 3, 2, 1, 0))
    ]
    assert store.rows("select * from choices") == []
    assert weights(run.folder) == weights(run.folder / "epoch-03")


def test_of_equal_epochs_the_earlier_is_taken_and_what_has_no_grade_everywhere_is_left_out(done, judges):
    store, run, say = done
    say(["pass", "none", "fail"], ["excellent", "fail", "fail"], ["pass", "excellent", "pass"])
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
    assert str(wrong) == (
        "The grader 'judge' failed on the reply of epoch 2 to 'd2': ZeroDivisionError: of my own. "
        "Its earlier grades are kept: the same command resumes from here."
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
    assert sorted(p.name for p in command.params) == ["as_json", "database", "epoch", "grader", "run", "why"]


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
            (torn, ["grade", torn, "--grader", "judge"], f"Resume with `lima train --resume {torn}`."),
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


# What a person sees


def test_replies_are_shown_side_by_side_and_cannot_write_to_the_terminal(done, dev):
    store, run, say = done
    say(["one\n\x1b[31mred\u202e", "b", "c"], ["two"], ["three"])
    with store.write() as db:
        db.execute("update generations set stop = 'eot'")
        db.execute("update generations set stop = 'length' where epoch = 2")
    assert run_lima("checkpoints", "show", run.id, "--example", "d1", "-d", store.path).stdout == (
        f"d1  {dev}\n"
        "prompt     What is 91?<|eot|>\n"
        "reference  It is 91.\n"
        "epoch 1    one\n"
        "           ⟨U+001B⟩[31mred⟨U+202E⟩\n"
        "epoch 2    two  [stop: length]\n"
        "epoch 3    three\n\n"
    )
    rows = json.loads(run_lima("checkpoints", "show", run.id, "--epoch", 1, "--json", "-d", store.path).stdout)
    assert [(r["epoch"], r["example"], r["reply"]) for r in rows] == [
        (1, "d1", "one\n\x1b[31mred\u202e"),
        (1, "d2", "b"),
        (1, "d3", "c"),
    ]
    for arguments, message in (
        (["--epoch", 4], "has no replies of epoch 4; it has those of 1, 2, 3."),
        (["--example", "d4"], "has no dev example 'd4'. Known: d1, d2, d3."),
    ):
        assert message in str(run_lima("checkpoints", "show", run.id, *arguments, "-d", store.path, code=1).exception)


def test_the_table_has_perplexity_beside_quality_in_eighty_columns(done):
    store, run, say = done
    say(["pass"] * 3, ["excellent", "pass", "pass"], ["fail"] * 3)
    with store.write() as db:
        db.execute("update checkpoints set perplexity = epoch + 0.5")
    out = run_lima("checkpoints", "grade", run.id, "--grader", "judge", "-d", store.path, env={"COLUMNS": "80"}).stdout
    assert [" ".join(line.split()) for line in out.splitlines() if line.strip() and "─" not in line] == [
        "epoch step perplexity judge model",
        "1 2 1.5 1.00 (0 %)",
        "2 4 2.5 1.33 (33 %)",
        "3 6 3.5 0.00 (0 %) last",
        "A grader's column is the mean of Fail 0, Pass 1, Excellent 2, and the share of Excellent.",
    ]
    everything = run_lima("checkpoints", "-d", store.path, env={"COLUMNS": "80"}).stdout
    assert f" {run.id} " in everything
    assert max(map(len, everything.splitlines()[:-1])) <= 80


def at_a_terminal(answers, *arguments):
    """(exit code, what was printed) of a real process whose questions are answered one by one"""
    pid, terminal = pty.fork()
    if pid == 0:
        os.environ |= {"LIMA_LOAD_PLUGINS": "", "NO_COLOR": "1", "COLUMNS": "100"}
        os.execv(sys.executable, [sys.executable, "-m", "lima", *map(str, arguments)])
    said, left = b"", list(answers)
    while True:
        try:
            piece = os.read(terminal, 65536)
        except OSError:  # Linux says so when the process has ended
            break
        if not piece:
            break
        said += piece
        if left and said.endswith(b": "):
            os.write(terminal, left.pop(0).encode() + b"\n")
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]), re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", said.decode())


def test_a_person_at_a_terminal_looks_and_chooses(done):
    store, run, say = done
    say(["ash", "elm", "oak"], ["bat", "cat", "dog"], ["red", "tan", "sky"])
    code, said = at_a_terminal(["", "8", "2"], "checkpoints", "choose", run.id, "-d", store.path)
    assert code == 0, said
    words = [w for w in ["perplexity", "ash", "bat", "red", "elm", "cat", "tan", "oak", "'8'", "sky"] if w in said]
    assert words == ["perplexity", "ash", "bat", "red", "elm", "cat", "tan", "'8'"]
    assert said.index("perplexity") < said.index("ash") < said.index("bat") < said.index("red") < said.index("elm")
    assert f"Epoch 2 is now the model of run {run.id}." in said
    assert weights(run.folder) == weights(run.folder / "epoch-02")
    assert store.rows("select epoch, grader, reason from choices") == [{"epoch": 2, "grader": "", "reason": ""}]


def test_train_says_how_to_choose(base, few, dev, tmp_path):
    keys = [f"--set={k}={json.dumps(v)}" for k, v in (KEYS | {"dev": str(dev), "epochs": 1}).items()]
    place = ["--out", tmp_path / "out", "-d", tmp_path / "l.db"]
    with only_plugins():
        out = run_lima("train", "--base", base, "--source", few, *keys, *place).stdout
    assert re.search(r"To choose another: lima checkpoints choose \d{8}-\d{6}-\w{6} -d ", out)


@pytest.mark.slow
@pytest.mark.parametrize("shard", ["false", "true"])
def test_of_two_processes_the_main_one_answers_and_the_other_waits(base, few, dev, tmp_path, shard):
    """Really two, over gloo on CPU"""
    keys = [f"--set={k}={json.dumps(v)}" for k, v in (KEYS | {"dev": str(dev), "epochs": 2}).items()]
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2", "-m", "lima"]
    place = ["--out", str(tmp_path / "out"), "-d", str(tmp_path / "l.db")]
    done = subprocess.run(
        [*start, "train", "--base", str(base), "--source", str(few), *keys, f"--set=shard={shard}", *place],
        env=os.environ | {"OMP_NUM_THREADS": "1", "LIMA_LOAD_PLUGINS": ""},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    with Store(tmp_path / "l.db") as store:
        assert store.rows("select epoch, count(*) n from generations group by epoch") == [
            {"epoch": 1, "n": 3},
            {"epoch": 2, "n": 3},
        ]
