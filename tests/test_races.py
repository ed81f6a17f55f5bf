"""Nothing that was finished is lost to somebody who was quicker: what is checked is checked where nobody else can act."""

import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager

import pytest

from lima.errors import LimaError
from lima.recipe import Recipe
from lima.record.lock import exclusive, held
from lima.record.runs import lock_of
from lima.record.selection import choose
from lima.record.store import Store
from lima.train import place
from lima.train.start import fine_tune, resume

pytestmark = pytest.mark.usefixtures("core_alone")

FAST = {"epochs": 2, "batch_size": 8, "residual_dropout": 0}


class Stop(BaseException):
    """What a test stops a run with"""


def recipe(base, pairs, out, **changes):
    return Recipe(base=str(base), sources=(str(pairs),), out=str(out)).with_values(FAST | changes)


def stopped(base, pairs, out, store, **changes):
    """The id of a run that was stopped after its second step"""

    def on_step(step, steps, metrics):
        if step == 2:
            raise Stop

    with pytest.raises(Stop):
        fine_tune(recipe(base, pairs, out, **changes), store, on_step=on_step)
    return store.rows("select id from runs order by created desc")[0]["id"]


SLOW = """
import pathlib, sys, time
import lima.train.start as start
from lima.cli import main
prepare = start.prepare

def slow(*args, **changes):
    pathlib.Path("preparing").touch()
    deadline = time.monotonic() + 200
    while not pathlib.Path("go on").exists() and time.monotonic() < deadline:
        time.sleep(0.05)
    return prepare(*args, **changes)

start.prepare = slow
main(sys.argv[1:])
"""


@pytest.mark.slow
def test_a_second_training_into_a_folder_is_refused_while_the_first_still_prepares(base, pairs, tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "there")
    command = ["train", "--base", base, "-d", tmp_path / "l.db", "--set", "epochs=1", "--source", pairs]
    command += ["--set", "residual_dropout=0", "--out"]
    environment = os.environ | {"LIMA_LOAD_PLUGINS": ""}

    def start(how, out):
        arguments = [sys.executable, *how, *map(str, command), out]
        return subprocess.Popen(
            arguments, env=environment, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    first, deadline = start(["-c", SLOW], "there/tuned"), time.monotonic() + 100
    while not (tmp_path / "preparing").exists():
        assert first.poll() is None, first.communicate(timeout=20)
        assert time.monotonic() < deadline
        time.sleep(0.05)
    second = start(["-m", "lima"], "link/../there/tuned/")
    err = second.communicate(timeout=120)[1]
    assert second.returncode == 1
    assert f"Another process is training into {tmp_path / 'there' / 'tuned'} right now." in err
    with Store(tmp_path / "l.db") as store:
        for spelling in ("link/tuned", "there/../link/tuned"):
            with pytest.raises(LimaError, match="Another process is training into"):
                fine_tune(recipe(base, pairs, tmp_path / spelling), store)
    (tmp_path / "go on").touch()
    assert (first.communicate(timeout=120), first.returncode)[1] == 0
    with Store(tmp_path / "l.db") as store:
        (run,) = store.rows("select id, status from runs")
    assert run["status"] == "done"
    assert f"(run {run['id']})" in (tmp_path / "there" / "tuned" / "README.md").read_text()


def test_a_training_that_waited_does_not_write_over_what_came_meanwhile(base, pairs, tmp_path, store, monkeypatch):
    lock, out = place._lock, tmp_path / "out"

    @contextmanager
    def late(folder):
        out.mkdir()
        (out / "config.json").write_text("mine")
        with lock(folder):
            yield

    monkeypatch.setattr(place, "_lock", late)
    with pytest.raises(LimaError, match="out exists and is not empty"):
        fine_tune(recipe(base, pairs, out), store)
    assert [p.name for p in out.iterdir()] == ["config.json"]
    assert store.rows("select id from runs") == []


def test_what_is_put_into_the_folder_while_it_trains_is_not_written_over(base, pairs, tmp_path, store):
    out = tmp_path / "out"

    def on_step(step, steps, metrics):
        if step == 1:
            shutil.copytree(base, out)

    with pytest.raises(LimaError, match=r"out holds a model that run .* did not make\. Move it away, then try again\."):
        fine_tune(recipe(base, pairs, out), store, on_step=on_step)
    assert (out / "model.safetensors").read_bytes() == (base / "model.safetensors").read_bytes()
    shutil.rmtree(out)
    resume(store.rows("select id from runs")[0]["id"], store)
    assert (out / "config.json").is_file()


@pytest.mark.slow
def test_a_run_that_another_process_finished_meanwhile_is_not_trained_again(base, pairs, tmp_path, store, monkeypatch):
    run, lock = stopped(base, pairs, tmp_path / "out", store), place._lock

    def late(folder):
        monkeypatch.setattr(place, "_lock", lock)
        resume(run, store)
        return lock(folder)

    monkeypatch.setattr(place, "_lock", late)
    with pytest.raises(LimaError, match="is done: its model is in"):
        resume(run, store)


@pytest.mark.slow
def test_an_epoch_is_not_chosen_while_another_process_writes_to_the_folder(base, pairs, tmp_path, store):
    run = fine_tune(recipe(base, pairs, tmp_path / "out", keep_epochs=True), store).id
    with (
        exclusive(lock_of(tmp_path / "out"), "tested"),
        pytest.raises(LimaError, match="Another process is writing to"),
    ):
        choose(store, run, 1, "", "")
    assert choose(store, run, 1, "", "") == tmp_path / "out"


def test_a_run_that_never_began_leaves_no_folder(base, pairs, tmp_path, store):
    pairs.write_text("nonsense\n")
    with pytest.raises(LimaError, match="not JSON"):
        fine_tune(recipe(base, pairs, tmp_path / "a" / "b" / "out"), store)
    assert not (tmp_path / "a").exists()


RACE = """
import os, random, sys, time
from pathlib import Path
from lima.errors import LimaError
from lima.record.lock import exclusive, held
folder, until, times = Path(sys.argv[1]), time.monotonic() + 3, 0
while time.monotonic() < until:
    held(folder / ".lock")
    try:
        with exclusive(folder / ".lock", "testing"):
            inside = os.open(folder / "inside", os.O_CREAT | os.O_EXCL)
            time.sleep(random.random() / 2000)
            os.unlink(folder / "inside")
            os.close(inside)
            times += 1
    except LimaError:
        pass
print(times)
"""


@pytest.mark.slow
def test_never_two_processes_have_a_lock_though_its_file_comes_and_goes(tmp_path):
    racing = [
        subprocess.Popen(
            [sys.executable, "-c", RACE, tmp_path], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        for _ in range(5)
    ]
    found = [process.communicate(timeout=60) for process in racing]
    assert [(process.returncode, err) for process, (_, err) in zip(racing, found, strict=True)] == [(0, "")] * 5
    assert sum(int(out) for out, _ in found) > 50
    assert list(tmp_path.iterdir()) == []


def test_asking_whether_a_lock_is_held_writes_nothing(tmp_path):
    file = tmp_path / ".mine.lock"
    assert not held(file)
    assert not file.exists()
    file.write_text("not a lock of lima's")
    file.chmod(0o444)
    assert not held(file)
    assert file.read_text() == "not a lock of lima's"
    with exclusive(tmp_path / "other", "tested"):
        assert held(tmp_path / "other")


def test_nothing_trains_into_a_folder_inside_one_that_is_written_to(base, pairs, tmp_path):
    values = {"base": str(base), "sources": [str(pairs)], "epochs": 1}
    with Store(tmp_path / "l.db") as store:
        with (
            exclusive(lock_of(tmp_path / "out"), "training"),
            pytest.raises(LimaError, match=r"lies in .*out, to which another process writes a model"),
        ):
            fine_tune(Recipe().with_values(values | {"out": str(tmp_path / "out" / "adapter")}), store)
        assert not (tmp_path / "out").exists()


def test_a_run_is_resumed_by_one_process_wherever_it_is_to_go(base, pairs, tmp_path):
    values = {"base": str(base), "sources": [str(pairs)], "epochs": 2, "out": str(tmp_path / "out")}

    def stop(*_):
        raise RuntimeError("stop")

    with Store(tmp_path / "l.db") as store:
        with pytest.raises(RuntimeError, match="stop"):
            fine_tune(Recipe().with_values(values), store, on_step=stop)
        (run,) = store.rows("select id from runs")
        with (
            exclusive(tmp_path / f".{run['id']}.resuming.lock", "resuming"),
            pytest.raises(LimaError, match=r"Another process is resuming run"),
        ):
            resume(run["id"], store, changes={"out": str(tmp_path / "other")})
        assert resume(run["id"], store).folder == tmp_path / "out"
