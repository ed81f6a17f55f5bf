"""Runs that were killed or failed: the same command and the error name the one to resume, and resuming sees what is missing."""

import errno
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

import pytest

from lima.errors import LimaError
from lima.record.store import Store
from lima.testing import only_plugins
from lima.train.start import fine_tune, resume
from short_runs import assert_same, weights
from stopped_runs import Stop, recipe, stop_at

pytestmark = pytest.mark.usefixtures("core_alone")


def stopped(base, pairs, tmp_path, step=12, **changes):
    """A run that a test has stopped after a step, five of which are an epoch; its store and id"""
    store = Store(tmp_path / "l.db")
    with pytest.raises(Stop):
        fine_tune(recipe(base, pairs, tmp_path / "out", **changes), store, on_step=stop_at(step))
    return store, store.rows("select id from runs")[0]["id"]


@pytest.mark.slow
def test_after_a_kill_the_same_command_names_the_run_and_its_advice_works(base, pairs, tmp_path, lima):
    keys = {"epochs": 40, "batch_size": 20, "keep_epochs": "true", "residual_dropout": 0}
    settings = [word for key, value in keys.items() for word in ("--set", f"{key}={value}")]
    out, database = tmp_path / "a folder" / "out", str(tmp_path / "l.db")
    command = ["train", "--base", str(base), "--source", str(pairs), "--out", str(out), "-d", database, *settings]
    environment = os.environ | {"LIMA_LOAD_PLUGINS": ""}
    process = subprocess.Popen([sys.executable, "-m", "lima", *command], env=environment, stderr=subprocess.PIPE)
    while process.poll() is None and not (out / "epoch-02" / "config.json").is_file():
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    _, err = process.communicate()
    assert process.returncode == -signal.SIGKILL, err
    said = lima(*command, code=1).err
    advice = re.search(r"holds what run (\S+) made before it stopped\. Resume it: `lima (.*)`\. For a new run", said)
    assert advice, said
    assert "Model: " in lima(*shlex.split(advice[2])).out
    assert len(list(out.glob("epoch-*/config.json"))) == 40


@pytest.mark.slow
def test_a_folder_of_a_stopped_run_is_not_to_be_removed_and_another_database_is_said(base, pairs, tmp_path):
    store, run = stopped(base, pairs, tmp_path, keep_epochs=True)
    again = recipe(base, pairs, tmp_path / "out", keep_epochs=True)
    with pytest.raises(
        LimaError, match=rf"holds what run {run} made before it stopped\. Resume it: .*{run} -d .*l\.db"
    ):
        fine_tune(again, store)
    with (
        Store(tmp_path / "other.db") as other,
        pytest.raises(LimaError, match=f"--resume {run} -d FILE`, with its dat"),
    ):
        fine_tune(again, other)
    assert resume(run, store).folder == tmp_path / "out"
    with pytest.raises(LimaError, match=r"out exists and is not empty\. Choose another --out, or move it away"):
        fine_tune(again, store)


@pytest.mark.slow
def test_a_new_run_into_a_folder_in_which_nothing_is_kept_yet_says_which_could_be_resumed(
    base, pairs, tmp_path, caplog
):
    store, run = stopped(base, pairs, tmp_path)
    fine_tune(recipe(base, pairs, tmp_path / "out", epochs=1), store)
    assert (
        f"Run {run} into {tmp_path / 'out'} stopped before its end. This is a new run; to resume that one"
        in caplog.text
    )


@pytest.fixture(scope="module")
def whole(base, tmp_path_factory):
    """A file of pairs, and the weights of a run on it that nothing stopped"""
    folder = tmp_path_factory.mktemp("whole")
    rows = [{"prompt": f"What is {i}?", "response": f"It is {i}, the number."} for i in range(40)]
    (folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    with Store(folder / "l.db") as store:
        return folder / "pairs.jsonl", weights(
            fine_tune(recipe(base, folder / "pairs.jsonl", folder / "out"), store).folder
        )


@pytest.mark.parametrize(
    "where", [pytest.param("lima.train.resume_state._hash", marks=pytest.mark.slow), "lima.model.saving.to_disk"]
)
def test_a_run_that_a_full_disk_stopped_says_how_it_is_resumed_and_ends_as_if_nothing_had_been(
    where, base, whole, tmp_path, monkeypatch
):
    pairs, wanted = whole

    def full(*_, **__):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with Store(tmp_path / "l.db") as store:
        monkeypatch.setattr(where, full)
        with pytest.raises(LimaError, match="No space left") as error:
            fine_tune(recipe(base, pairs, tmp_path / "out"), store)
        monkeypatch.undo()
        advice = re.search(r"Then resume the run: `lima train --resume (\S+) -d (.*)`\.$", str(error.value))
        assert advice
        assert advice[2] == str(tmp_path / "l.db")
        assert store.run(advice[1])["status"] == "failed"
        assert_same(weights(resume(advice[1], store).folder), wanted)


def test_a_loss_that_is_not_finite_is_not_said_to_be_resumable(base, pairs, tmp_path):
    from test_train_stops import Poison

    with (
        only_plugins(poison=Poison(after=8)) as plugins,
        Store(tmp_path / "l.db", plugins) as store,
        pytest.raises(LimaError, match="is nan") as error,
    ):
        fine_tune(recipe(base, pairs, tmp_path / "out"), store, plugins)
    assert "resume" not in str(error.value)


@pytest.mark.slow
def test_a_resume_makes_the_epoch_of_its_state_again_and_names_the_others_that_are_gone(base, pairs, tmp_path, caplog):
    with Store(tmp_path / "whole.db") as store:
        whole = fine_tune(recipe(base, pairs, tmp_path / "whole", keep_epochs=True, save_every=5), store)
    store, run = stopped(base, pairs, tmp_path, step=16, keep_epochs=True, save_every=5)
    kept = sorted(folder.name for folder in (tmp_path / "out").iterdir())
    assert kept == ["epoch-01", "epoch-02", "epoch-03"]
    for name in ("epoch-01", "epoch-03"):
        shutil.rmtree(tmp_path / "out" / name)
    resume(run, store)
    assert f"Run {run} kept models of its epochs, and of 1 they are gone" in caplog.text
    for name in ("epoch-02", "epoch-03", "epoch-04"):
        assert_same(weights(tmp_path / "out" / name), weights(whole.folder / name))
    assert not (tmp_path / "out" / "epoch-01").exists()
