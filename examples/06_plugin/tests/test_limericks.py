"""The source keeps lima's contract of sources, and a run with both parts of the plugin writes its losses."""

import csv

import lima_limericks
import lima_limericks.losses

from lima import Store
from lima.testing import SourceContract


class TestLimericks(SourceContract):
    plugin, name = lima_limericks, "limericks"


def test_a_run_writes_the_loss_of_each_step(lima_plugins, lima_command, lima_base, tmp_path):
    lima_plugins(lima_limericks=lima_limericks, lima_limericks_losses=lima_limericks.losses)
    lima_command("train", "--base", lima_base, "--source", "limericks", "--out", tmp_path / "out", "--set", "epochs=2")
    with Store() as store:
        losses = store.rows("select step, loss from steps order by step")
    assert len(losses) == 2
    with open(tmp_path / "out-losses.csv") as file:
        assert list(csv.reader(file)) == [[str(row["step"]), str(row["loss"])] for row in losses]
