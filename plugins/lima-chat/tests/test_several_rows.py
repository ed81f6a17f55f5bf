"""A training in which conversations become several rows: the same steps, said in words, and the same bits when it is resumed."""

import json
import logging
from datetime import datetime
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner
from safetensors.torch import load_file

import lima_chat
from lima import LimaError, Recipe, Store, fine_tune, prepare, resume
from lima.testing import only_plugins, tiny_base
from lima_chat import Conversation, Turn
from lima_chat.stand_in import stand_in
from lima_chat.templates import parse

pytestmark = pytest.mark.slow

ZOO = Path(__file__).parent / "zoo"
RECORDS = [
    Conversation(
        id=f"talk {n}",
        turns=tuple(
            turn
            for k in range(n % 3 + 1)
            for turn in (
                Turn("user", f"What is {n} and {k}?"),
                Turn("assistant", f"It is {n + k}.", thoughts="I add them."),
            )
        ),
    )
    for n in range(6)
]
KEYS = {
    "epochs": 4,
    "batch_size": 2,
    "learning_rate": 1e-2,
    "final_learning_rate": 1e-3,
    "save_every": 1,
    "device": "cpu",
}


class Stop(BaseException):
    """What a test stops a run with"""


def stop_at(number):
    def on_step(step, steps, metrics):
        if step == number:
            raise Stop

    return on_step


@pytest.fixture
def began(tmp_path, talks, monkeypatch):
    """began(template, date): a base with that template, and its recipe, on a day"""

    def make(name):
        file = parse(name, (ZOO / f"{name}.jinja").read_text(encoding="utf-8"), name)
        base = tiny_base(tmp_path / name, tokenizer=stand_in(file))
        return Recipe(base=str(base), sources=("talks",), renderer="template").with_values(KEYS)

    with (
        only_plugins(lima_chat=lima_chat, talks=talks(*RECORDS)) as plugins,
        Store(tmp_path / "l.db", plugins) as store,
    ):
        yield make, store, plugins


@pytest.fixture
def today(monkeypatch):
    """today("2026-01-02"): let it be that day"""

    def be(day):
        class Calendar(datetime):
            @classmethod
            def now(cls, tz=None):
                return datetime.fromisoformat(f"{day}T12:00:00")

        for module in ("lima.data.dataset", "lima.train.start"):
            monkeypatch.setattr(f"{module}.datetime", Calendar)

    return be


def test_steps_and_schedule_do_not_change(began):
    make, store, plugins = began
    recipe = make("qwen3")
    rates, steps = {}, {}
    for renderer in ("template", "chatml"):
        records = [
            Conversation(id=r.id, turns=tuple(Turn(t.role, t.content) for t in r.turns)) if renderer == "chatml" else r
            for r in RECORDS
        ]
        plugins.registry("sources")["talks"].records = records
        run = fine_tune(recipe.with_values({"renderer": renderer, "out": recipe.base + renderer}), store, plugins)
        rows = store.rows("select step, learning_rate from steps where run = ? order by step", [run.id])
        rates[renderer], steps[renderer] = [r["learning_rate"] for r in rows], len(rows)
    assert steps == {"template": 12, "chatml": 12}
    assert rates["template"] == rates["chatml"]


def test_it_is_said_and_shown(began, caplog):
    make, store, plugins = began
    recipe = make("qwen3")
    ready = prepare(recipe, plugins)
    assert [len(rows) for rows in ready.rendered] == [1, 2, 3, 1, 2, 3]
    reason = "the template drops earlier thinking"
    sentence = f"4 of 6 examples became 10 rows, one for each answer, trained in the same step: {reason}."
    assert ready.several_rows == sentence
    from lima.cli import cli

    arguments = ["preview", "--base", recipe.base, "--source", "talks", "--renderer", "template", "-n", "6"]
    shown = json.loads(CliRunner().invoke(cli, [*arguments, "--json"]).output)
    assert [(one["example"], one["row"], one["rows"]) for one in shown][:6] == [
        ("talk 0", 1, 1), ("talk 1", 1, 2), ("talk 1", 2, 2), ("talk 2", 1, 3), ("talk 2", 2, 3), ("talk 2", 3, 3)
    ]  # fmt: skip
    last = "".join(t["text"] for t in shown[5]["tokens"] if t["weight"])
    assert last == "<think>\nI add them.\n</think>\n\nIt is 4.<|im_end|>"
    assert "".join(t["text"] for t in shown[5]["tokens"]).count("<think>") == 1
    assert sentence in CliRunner().invoke(cli, arguments).output.splitlines()
    arguments = arguments[1:-2]
    assert sentence in CliRunner().invoke(cli, ["plan", *arguments]).output.splitlines()
    assert json.loads(CliRunner().invoke(cli, ["plan", *arguments, "--json"]).output)["several_rows"] == sentence
    assert sentence in CliRunner().invoke(cli, ["train", *arguments, "--dry-run"]).output.splitlines()
    caplog.set_level("INFO", "lima")
    with pytest.raises(Stop):
        fine_tune(recipe.with_values({"out": recipe.base + "-out"}), store, plugins, on_step=stop_at(1))
    assert sentence in caplog.messages


def finished(run):
    return load_file(run.folder / "model.safetensors")


def assert_same_bits(one, other):
    assert one.keys() == other.keys()
    assert [n for n in one if not torch.equal(one[n], other[n])] == []


@pytest.mark.parametrize("template", ["qwen3", "gpt_oss"])
def test_resumed_on_another_day_it_ends_in_the_same_bits(template, began, today, tmp_path):
    make, store, plugins = began
    recipe = make(template)
    today("2026-01-02")
    whole = fine_tune(recipe.with_values({"out": str(tmp_path / "whole")}), store, plugins)
    with pytest.raises(Stop):
        fine_tune(recipe.with_values({"out": str(tmp_path / "parts")}), store, plugins, on_step=stop_at(5))
    (row,) = store.rows("select id, date, rows_hash from runs where status = 'failed'")
    assert row["date"] == "2026-01-02T12:00:00"
    assert row["rows_hash"] == whole.rows_hash
    today("2027-11-30")
    if template == "gpt_oss":  # which writes the date
        assert prepare(recipe, plugins).rows_hash != whole.rows_hash
    run = resume(row["id"], store, plugins)
    assert run.date == "2026-01-02T12:00:00"
    assert_same_bits(finished(run), finished(whole))


def test_other_tokens_are_refused_on_resume_and_a_run_without_a_hash_warns(began, tmp_path, caplog):
    make, store, plugins = began
    recipe = make("gpt_oss").with_values({"out": str(tmp_path / "parts")})
    with pytest.raises(Stop):
        fine_tune(recipe, store, plugins, on_step=stop_at(5))
    (row,) = store.rows("select id, rows_hash from runs")
    with store.write() as db:
        db.table("runs").update(row["id"], {"date": "2001-01-01T00:00:00"})
    with pytest.raises(
        LimaError, match="they give other tokens than when it was started: the template, the tokenizer or a plugin"
    ):
        resume(row["id"], store, plugins)
    with store.write() as db:
        db.table("runs").update(row["id"], {"date": None, "rows_hash": None})
    with caplog.at_level(logging.WARNING, logger="lima"):
        assert resume(row["id"], store, plugins).rows_hash
    assert [m for m in caplog.messages if "did not note which tokens it trains, nor the date" in m]
