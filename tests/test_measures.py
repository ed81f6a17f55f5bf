"""What plugins measure of each epoch's model: recorded beside its perplexity, listed, and chosen by."""

import json

import pytest

from dev_runs import recipe, run_lima, weights
from lima import CheckpointModel, LimaError, hookimpl
from lima.record.selection import epochs
from lima.record.store import Store
from lima.testing import only_plugins
from lima.train.start import fine_tune, resume
from stopped_runs import Stop, stop_at

pytestmark = [pytest.mark.slow, pytest.mark.usefixtures("core_alone")]


class Measures:
    """A plugin that records the next of some values at each epoch"""

    def __init__(self, *values, name="size"):
        self.values, self.name, self.seen = list(values), name, []

    @hookimpl
    def measure_epoch(self, model, examples, record):
        self.seen.append((type(model), model.name, [e.id for e in examples]))
        if self.values:
            record(self.name, self.values.pop(0))


@pytest.fixture
def train(base, few, dev, tmp_path):
    def run(store, on_step=None):
        return fine_tune(recipe(base, few, dev, tmp_path / "out"), store, on_step=on_step)

    return run


@pytest.mark.slow
def test_measures_stand_beside_perplexity_and_choose(train, tmp_path):
    plugin = Measures(1, 3.5, 3.5)
    with only_plugins(sizes=plugin), Store(tmp_path / "l.db") as store:
        run = train(store)
        assert plugin.seen == [
            (CheckpointModel, str(run.folder / f"epoch-0{n}"), ["d1", "d2", "d3"]) for n in (1, 2, 3)
        ]
        listed = json.loads(run_lima("checkpoints", "--json", "-d", store.path).stdout)
        assert [row["measures"] for row in listed] == [{"size": 1.0}, {"size": 3.5}, {"size": 3.5}]
        quality = store.rows("select epoch, perplexity, measures ->> 'size' as size from checkpoint_quality")
        assert [(q["epoch"], q["size"]) for q in quality] == [(1, 1.0), (2, 3.5), (3, 3.5)]
        assert all(q["perplexity"] for q in quality)
        assert "size" in run_lima("checkpoints", "-d", store.path).stdout
        assert weights(run.folder) == weights(run.folder / "epoch-03")
        why = "size 3.500, the highest of 3 epochs"
        chosen = run_lima("checkpoints", "choose", run.id, "--by", "size", "-d", store.path).stdout
        assert f"Epoch 2 is now the model of run {run.id}: {why}." in chosen
        assert weights(run.folder) == weights(run.folder / "epoch-02")
        assert (run.folder / "README.md").read_text().endswith(f"\nEpoch 2 of 3, chosen by the measure size: {why}.\n")
        assert store.rows("select epoch, grader, measure from choices") == [
            {"epoch": 2, "grader": "", "measure": "size"}
        ]
        missing = run_lima("checkpoints", "choose", run.id, "--by", "sizes", "-d", store.path, code=1).exception
        assert str(missing) == f"Run {run.id} has no measure 'sizes'. Did you mean 'size'? Known: size."
        both = run_lima("checkpoints", "choose", run.id, "--by", "size", "--epoch", 1, "-d", store.path, code=2)
        assert "give only one of them" in both.output


@pytest.mark.slow
def test_an_epoch_without_the_measure_cannot_be_compared(train, tmp_path):
    with only_plugins(sizes=Measures(2, 1)), Store(tmp_path / "l.db") as store:
        run = train(store)
        lacking = run_lima("checkpoints", "choose", run.id, "--by", "size", "-d", store.path, code=1).exception
        assert str(lacking) == (
            f"Epoch 3 of run {run.id} has no 'size', so the epochs cannot be compared by it. "
            "Choose by hand, with --epoch N."
        )


@pytest.mark.parametrize(
    ("value", "name", "message"),
    [
        (float("nan"), "size", "The measure 'size' is nan; expected a finite number."),
        (float("inf"), "size", "The measure 'size' is inf; expected a finite number."),
        ("much", "size", "The measure 'size' is 'much'; expected a finite number."),
        (True, "size", "The measure 'size' is True; expected a finite number."),
        (1.0, " ", "A measure has the name ' '; expected text."),
        (1.0, 3, "A measure has the name 3; expected text."),
    ],
)
def test_what_is_no_measure_stops_the_run_by_the_plugins_name(train, tmp_path, value, name, message):
    with only_plugins(sizes=Measures(value, name=name)), Store(tmp_path / "l.db") as store:
        with pytest.raises(LimaError) as refused:
            train(store)
        assert "sizes" in str(refused.value)
        assert message in str(refused.value)
        assert store.rows("select * from epoch_measures") == []


def test_two_plugins_cannot_record_one_name(train, tmp_path):
    twice = pytest.raises(LimaError, match="The measure 'size' is recorded twice. Give each a name of its own.")
    with only_plugins(sizes=Measures(1), others=Measures(2)), Store(tmp_path / "l.db") as store, twice:
        train(store)


@pytest.mark.slow
def test_a_resumed_run_has_each_epochs_measures_once(train, tmp_path):
    with only_plugins(sizes=Measures(1, 2, 3)), Store(tmp_path / "l.db") as store:
        with pytest.raises(Stop):
            train(store, on_step=stop_at(5))
        run = store.runs()[-1]["id"]
        assert [row["measures"] for row in epochs(store, run)] == [{"size": 1.0}, {"size": 2.0}]
        resume(run, store)
        assert [row["measures"] for row in epochs(store, run)] == [{"size": 1.0}, {"size": 2.0}, {"size": 3.0}]
