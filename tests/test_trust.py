"""Code in a model's folder runs when this command line says so, never because a file does; no file says where lima writes."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from lima.errors import LimaError
from lima.recipe import Recipe
from lima.record.selection import choose
from lima.record.store import Store
from lima.train.start import fine_tune, resume

pytestmark = pytest.mark.usefixtures("core_alone")

MARK = "import os, pathlib\npathlib.Path(os.environ['MARKER']).touch()\n"
OWN = {
    "configuration_own.py": MARK
    + "from transformers import LlamaConfig\nclass OwnConfig(LlamaConfig):\n    model_type = 'own'\n",
    "modeling_own.py": MARK
    + "from transformers import LlamaForCausalLM\nfrom .configuration_own import OwnConfig\n"
    + "class OwnForCausalLM(LlamaForCausalLM):\n    config_class = OwnConfig\n",
}
MAP = {"AutoConfig": "configuration_own.OwnConfig", "AutoModelForCausalLM": "modeling_own.OwnForCausalLM"}
REFUSED = (
    "comes with Python code, which lima runs only if you allow it. Read it; if you trust it, add --trust-remote-code."
)


class Stop(BaseException):
    """What a test stops a run with"""


@pytest.fixture(scope="module")
def place(base, tmp_path_factory):
    """A base with code of its own, a run from it that is done and one that is not, in one database"""
    folder = tmp_path_factory.mktemp("trust")
    own = folder / "own"
    shutil.copytree(base, own)
    config = json.loads((own / "config.json").read_text())
    config |= {"model_type": "own", "architectures": ["OwnForCausalLM"], "auto_map": MAP}
    (own / "config.json").write_text(json.dumps(config))
    for name, code in OWN.items():
        (own / name).write_text(code)
    (folder / "pairs.jsonl").write_text('{"prompt": "a", "response": "b"}\n{"prompt": "c", "response": "d"}\n')
    (folder / "recipe.toml").write_text(f"base = '{own}'\nsources = ['pairs.jsonl']\ntrust_remote_code = true\n")
    os.environ["MARKER"] = str(folder / "marker")
    recipe = Recipe(base=str(own), sources=(str(folder / "pairs.jsonl"),), trust_remote_code=True, residual_dropout=0)
    recipe = recipe.with_values({"epochs": 2, "batch_size": 1, "save_every": 1})

    def on_step(step, steps, metrics):
        if step == 3:
            raise Stop

    with Store(folder / "l.db") as store:
        done = fine_tune(recipe.with_values({"out": str(folder / "done")}), store).id
        with pytest.raises(Stop):
            fine_tune(recipe.with_values({"out": str(folder / "torn")}), store, on_step=on_step)
        torn = store.rows("select id from runs where status = 'failed'")[0]["id"]
    return {"folder": folder, "own": str(own), "done": done, "torn": torn, "db": str(folder / "l.db")}


def commands(place, torn):
    asked = ["hi", "--max-new-tokens", "2", "-d", place["db"]]
    given = ["--base", place["own"], "--source", "pairs.jsonl", "--set", "residual_dropout=0"]
    return [
        ["ask", place["done"], *asked],
        ["ask", str(place["folder"] / "done"), *asked],
        ["plan", *given],
        ["preview", *given],
        ["train", *given, "--dry-run"],
        ["train", "--resume", torn, "-d", place["db"]],
    ]


def run(place, *lines):
    """(exit code, standard error, whether the folder's code ran) of each"""
    folder, found = place["folder"], []
    environment = os.environ | {"LIMA_LOAD_PLUGINS": "", "HF_MODULES_CACHE": str(folder / "modules")}
    script = str(Path(__file__).with_name("command_lines.py"))
    cases = [[{"MARKER": str(folder / f"marker-{i}")}, line] for i, line in enumerate(lines)]
    command = [sys.executable, script, json.dumps(cases)]
    shutil.rmtree(folder / "modules", ignore_errors=True)
    done = subprocess.run(
        command, env=environment, cwd=folder, capture_output=True, text=True, timeout=500, input="y\n" * 9
    )
    assert done.returncode == 0, done.stderr
    for i, (code, _, err) in enumerate(json.loads(done.stdout)):
        marker = folder / f"marker-{i}"
        found.append((code, err, marker.exists()))
        marker.unlink(missing_ok=True)
    return found


@pytest.mark.slow
def test_a_folder_s_own_code_runs_with_the_flag_and_not_without(place):
    lines = commands(place, place["torn"])
    for line, (code, err, ran) in zip(lines, run(place, *lines), strict=True):
        assert (line, code, ran) == (line, 1, False), err
        assert REFUSED in err
        assert "trust_remote_code=True" not in err
    lines = [[*line, "--trust-remote-code"] for line in lines]
    for line, (code, err, ran) in zip(lines, run(place, *lines), strict=True):
        assert (line, code, ran) == (line, 0, True), err


@pytest.mark.slow
def test_a_recipe_file_may_not_trust_and_the_command_line_may(place):
    named, set_, flag = run(
        place,
        ["train", "recipe.toml", "--dry-run", "--set", "residual_dropout=0"],
        [*commands(place, "")[3], "--set", "trust_remote_code=true"],
        [*commands(place, "")[3], "--trust-remote-code"],
    )
    assert [named[::2], set_[::2], flag[::2]] == [(1, False), (0, True), (0, True)]
    assert "A file cannot allow that: take the line out, and add --trust-remote-code" in named[1]


@pytest.fixture
def torn(base, pairs, tmp_path, store):
    """The id of a run that was stopped before its first state, and its recipe"""

    def on_step(step, steps, metrics):
        raise Stop

    values = {"epochs": 2, "batch_size": 8, "residual_dropout": 0, "keep_epochs": True}
    recipe = Recipe(base=str(base), sources=(str(pairs),), out=str(tmp_path / "out")).with_values(values)
    with pytest.raises(Stop):
        fine_tune(recipe, store, on_step=on_step)
    return store.rows("select id from runs")[0]["id"]


def test_a_database_does_not_say_where_a_run_writes(torn, base, tmp_path, store):
    """A folder of somebody's, one that is not there, one whose neighbour has the states' name; and another recipe"""
    mine, before = tmp_path / "mine", sorted(p.name for p in tmp_path.iterdir())
    shutil.copytree(base, mine)
    (tmp_path / f".mine-{torn}").mkdir()
    (tmp_path / f".mine-{torn}" / "precious").touch()
    (recipe,) = store.rows("select recipe, folder from runs")
    other = json.dumps(json.loads(recipe["recipe"]) | {"sources": ["/etc/passwd"]})
    changes = [{"folder": str(folder)} for folder in (mine, tmp_path / "new" / "er", "mine", "../../..", tmp_path)]
    for change in [*changes, {"recipe": other}]:
        with store.write() as db:
            db.table("runs").update(torn, recipe | change)
        with pytest.raises(
            LimaError, match=r"does not record that run .* was started here with this recipe.*--out FOLDER\."
        ):
            resume(torn, store)
    assert (mine / "model.safetensors").read_bytes() == (base / "model.safetensors").read_bytes()
    assert [p.name for p in (tmp_path / f".mine-{torn}").iterdir()] == ["precious"]
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted([*before, "mine", f".mine-{torn}"])
    with store.write() as db:
        db.table("runs").update(torn, recipe)
    with pytest.raises(LimaError, match="mine holds a model that run .* did not make"):
        resume(torn, store, changes={"out": str(mine)})
    assert resume(torn, store).folder == tmp_path / "out"


@pytest.mark.slow
def test_a_run_whose_folder_moved_goes_on_where_out_says(torn, tmp_path, store):
    moved = tmp_path / "elsewhere" / "tuned"
    moved.parent.mkdir()
    shutil.move(tmp_path / f".out-{torn}", moved.parent / f".tuned-{torn}")
    with pytest.raises(LimaError, match="--out FOLDER"):
        resume(torn, store)
    assert resume(torn, store, changes={"out": str(moved)}).folder == moved
    assert store.rows("select folder from runs") == [{"folder": str(moved)}]
    assert choose(store, torn, 1, "", "") == moved
    assert [p.name for p in tmp_path.iterdir() if p.name.startswith((".out", "out"))] == []


def test_a_database_does_not_say_what_an_epoch_is_copied_over(torn, base, tmp_path, store):
    resume(torn, store)
    mine = tmp_path / "mine"
    shutil.copytree(base, mine)
    (mine / "epoch-01").mkdir()
    (row,) = store.rows("select folder from runs")
    (kept,) = store.rows("select folder from checkpoints where epoch = 1")
    for folder, epoch in ((mine, kept["folder"]), (mine, mine / "epoch-01"), (row["folder"], base)):
        with store.write() as db:
            db.execute("update runs set folder = ?", [str(folder)])
            db.execute("update checkpoints set folder = ? where epoch = 1", [str(epoch)])
        with pytest.raises(LimaError, match="is not epoch|did not make|did not put"):
            choose(store, torn, 1, "", "")
    assert (mine / "model.safetensors").read_bytes() == (base / "model.safetensors").read_bytes()
    assert not list(tmp_path.glob(".*.lock"))


def test_nothing_of_a_users_is_overwritten_or_removed_by_choosing_an_epoch(torn, tmp_path, store):
    """A colleague's database and model lie in my folder, and name it as the run's"""
    resume(torn, store)
    work = tmp_path / "work"
    (work / "thesis" / "chapters").mkdir(parents=True)
    (work / "thesis" / "chapters" / "1.tex").write_text("mine")
    shutil.copytree(tmp_path / "out" / "epoch-01", work / "epoch-01")
    (work / "epoch-01" / "thesis").mkdir()
    with store.write() as db:
        db.execute("update runs set folder = ?", [str(work)])
        db.execute("update checkpoints set folder = ? where epoch = 1", [str(work / "epoch-01")])
    with pytest.raises(LimaError, match="holds 'thesis', which run .* did not put there"):
        choose(store, torn, 1, "", "")
    (work / "README.md").write_text((work / "epoch-01" / "README.md").read_text())  # with a card that lies, too
    with pytest.raises(LimaError, match="which is not part of a model"):
        choose(store, torn, 1, "", "")
    assert (work / "thesis" / "chapters" / "1.tex").read_text() == "mine"


def test_links_lead_no_run_anywhere(torn, tmp_path, store):
    """States that are a link to here, and an --out that is a link to somebody's project"""
    states, mine = tmp_path / f".out-{torn}", tmp_path / "mine"
    (mine / "thesis").mkdir(parents=True)
    for file in states.iterdir():
        shutil.move(file, mine / file.name)
    states.rmdir()
    states.symlink_to(mine)
    with pytest.raises(LimaError, match="does not record that run"):
        resume(torn, store)
    with pytest.raises(LimaError, match="is a link"):
        resume(torn, store, changes={"out": str(tmp_path / "out")})
    states.unlink()
    states.mkdir()
    shutil.move(mine / "run.json", states / "run.json")
    (tmp_path / "out").symlink_to(mine)
    with pytest.raises(LimaError, match="does not record that run"):
        resume(torn, store)
    with pytest.raises(LimaError, match="holds 'thesis', which run .* did not put there"):
        resume(torn, store, changes={"out": str(mine)})
    assert sorted(p.name for p in mine.iterdir()) == ["thesis"]


@pytest.mark.slow
def test_what_a_kill_left_of_an_epoch_that_was_being_saved_stops_no_resume(torn, tmp_path, store):
    left = tmp_path / "out" / ".epoch-02-saving-m0e8fqe_"
    left.mkdir(parents=True)
    (left / "model.safetensors").write_bytes(b"half")
    resume(torn, store)
    assert (tmp_path / "out" / "config.json").exists()
    assert not left.exists(), "saving the epoch again removes it"
