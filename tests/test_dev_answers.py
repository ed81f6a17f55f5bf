"""Dev prompts answered after every epoch: the rows of a run, stopped or not, and what is refused. Real runs of a tiny model."""

import json
import math
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from dev_runs import ASKED, KEYS, file_of, recipe, weights
from lima import hookimpl
from lima.answer.checkpoint_model import CheckpointModel
from lima.contract.answers import Sampling
from lima.contract.examples import Example, Record
from lima.contract.rendered import Rendered, Span
from lima.data.encoding import encode
from lima.data.rendering import PlainRenderer
from lima.errors import LimaError
from lima.record.store import Store
from lima.testing import only_plugins
from lima.train.start import fine_tune, resume
from stopped_runs import Stop

pytestmark = pytest.mark.usefixtures("core_alone")


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


@pytest.mark.slow
def test_what_is_stored_does_not_depend_on_the_dev_prompts(base, few, dev, tmp_path):
    with Store(tmp_path / "l.db") as store:
        for name, asked in (("with", dev), ("without", None)):
            fine_tune(recipe(base, few, asked, tmp_path / name), store)
    assert weights(tmp_path / "with") == weights(tmp_path / "without")


@pytest.mark.parametrize("save_every", [-1, 0, 1])
@pytest.mark.parametrize("when", ["in a step", "while the second epoch answers"])
@pytest.mark.slow
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
@pytest.mark.slow
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
