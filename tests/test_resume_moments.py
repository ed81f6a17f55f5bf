"""Stopped at an awkward moment and resumed: after memory ran short, while rows are written, before the last row."""

import pytest

from lima.errors import LimaError
from lima.record.runs import RunLog
from lima.record.store import Store
from lima.train.gradients import Gradients
from lima.train.reporter import Reporter
from lima.train.start import fine_tune, resume
from stopped_runs import Stop, recipe, stop_at

pytestmark = pytest.mark.usefixtures("core_alone")


def short_of_memory(monkeypatch, when):
    """Let a backward pass fail where `when` says so, of its Gradients and the number of steps before it"""
    attempt, backward, at = Gradients.attempt, Gradients.backward, []

    def noted(self, examples, step, *rest):
        at[:] = [step]
        return attempt(self, examples, step, *rest)

    def failing(self, examples, groups=None):
        if when(self, at[0]):
            raise MemoryError
        return backward(self, examples, groups)

    monkeypatch.setattr(Gradients, "attempt", noted)
    monkeypatch.setattr(Gradients, "backward", failing)


@pytest.mark.slow
def test_a_budget_that_was_halved_stays_halved_after_resuming(base, pairs, tmp_path, monkeypatch):
    """Else the steps after it would be split, and drop, in another way than those of a run that never stopped"""
    failed = set()

    def once(gradients, step):
        new = step == 2 and id(gradients) not in failed
        failed.update([id(gradients)] if new else [])
        return new

    short_of_memory(monkeypatch, once)
    changes = {"save_every": 1, "residual_dropout": 0.3}
    with Store(tmp_path / "l.db") as store:
        fine_tune(recipe(base, pairs, tmp_path / "whole").with_values(changes), store)
        with pytest.raises(Stop):
            fine_tune(recipe(base, pairs, tmp_path / "out").with_values(changes), store, on_step=stop_at(4))
        resume(store.rows("select id from runs order by created")[-1]["id"], store)
        runs = store.rows("select id, message from runs order by created")
        losses = [store.rows("select loss from steps where run = ? order by step", [run["id"]]) for run in runs]
    assert runs[0]["message"].startswith("Out of memory with micro_batch_tokens = ")
    assert runs[1]["message"] == runs[0]["message"]
    assert losses[1] == losses[0]
    files = [(tmp_path / name / "model.safetensors").read_bytes() for name in ("whole", "out")]
    assert files[0] == files[1]


@pytest.mark.slow
def test_a_budget_that_was_halved_is_forgotten_with_another_one(base, pairs, tmp_path, monkeypatch):
    budgets = []

    def once(gradients, step):
        new = step == 2 and not any(seen == 2 for seen, _ in budgets)
        budgets.append((step, gradients.budget.tokens))
        return new

    short_of_memory(monkeypatch, once)
    with Store(tmp_path / "l.db") as store:
        with pytest.raises(Stop):
            fine_tune(recipe(base, pairs, tmp_path / "out", save_every=1), store, on_step=stop_at(4))
        run = store.rows("select id from runs")[0]["id"]
        assert budgets[-1][1] < budgets[0][1]
        resume(run, store, changes={"micro_batch_tokens": 4096})
    assert budgets[-1][1] == 4096


@pytest.mark.parametrize("at", ["begun", pytest.param("written", marks=pytest.mark.slow)])
def test_ctrl_c_while_steps_are_written_leaves_a_row_that_says_interrupted(base, pairs, tmp_path, monkeypatch, at):
    """Between a transaction's beginning and its first statement; and after it, before the loop knows that the steps are there"""
    steps = RunLog.steps

    def interrupted_once(self, rows):
        if rows and not seen:
            seen.append(rows)
            if at == "begun":
                self.store.db.execute("begin immediate")
            else:
                steps(self, rows)
            raise KeyboardInterrupt
        steps(self, rows)

    seen = []
    monkeypatch.setattr(RunLog, "steps", interrupted_once)
    with Store(tmp_path / "l.db") as store:
        with pytest.raises(KeyboardInterrupt):
            fine_tune(recipe(base, pairs, tmp_path / "out", save_every=1), store)
        (run,) = store.rows("select id, status, steps from runs")
        assert run["status"] == "interrupted"
        assert [r["step"] for r in store.rows("select step from steps")] == list(range(1, run["steps"] + 1))
        resume(run["id"], store)
        assert store.rows("select status from runs") == [{"status": "done"}]


@pytest.mark.parametrize("lora_rank", [0, pytest.param(2, marks=pytest.mark.slow)])
def test_stopped_between_the_last_model_and_its_last_row_a_run_is_resumed_to_its_end(
    lora_rank, base, pairs, tmp_path, monkeypatch
):
    end = Reporter.end

    def full_disk_at_the_end(self, status, message=""):
        if status == "done":
            raise LimaError("database or disk is full")
        end(self, status, message)

    asked = recipe(base, pairs, tmp_path / "out", epochs=2, keep_epochs=True, lora_rank=lora_rank)
    with Store(tmp_path / "l.db") as store:
        monkeypatch.setattr(Reporter, "end", full_disk_at_the_end)
        with pytest.raises(LimaError, match="disk is full"):
            fine_tune(asked, store)
        monkeypatch.setattr(Reporter, "end", end)
        run = store.rows("select id, status from runs")[0]
        assert run["status"] == "failed"
        resume(run["id"], store)
        kept = store.rows("select epoch, folder from checkpoints order by epoch, folder")
        assert store.run(run["id"])["status"] == "done"
    out = tmp_path / "out"
    assert [(k["epoch"], k["folder"]) for k in kept] == [(1, f"{out}/epoch-01"), (2, str(out)), (2, f"{out}/epoch-02")]
