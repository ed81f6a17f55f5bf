"""Grids: their files, and one on a tiny base from the first fine-tune to the page, killed on the way and continued."""

import json
import re
import signal
from contextlib import closing
from pathlib import Path
from sqlite3 import connect

import pytest
from grid_in_small import GRID, PROMPTS, start, written

from lima import LimaError, Recipe
from lima.testing import run_command, tiny_base
from lima_studies.grids.reading import read_grid

DIES = """
    import os, signal
    import lima as t
    import lima_studies.record.study as s
    where, at, calls = {where!r}, {at}, []
    def dies(real):
        def call(*given, **more):
            found = real(*given, **more)
            calls.append(1)
            if len(calls) == at:
                os.kill(os.getpid(), signal.SIGKILL)
            return found
        return call
    if where == "step":
        real = t.fine_tune
        t.fine_tune = lambda recipe, store, on_step: real(recipe, store, on_step=dies(on_step))
    if where == "trained":
        t.fine_tune = dies(t.fine_tune)
    if where == "reply":
        s.Study.keep_reply = dies(s.Study.keep_reply)
    if where == "verdict":
        s.Study.keep_verdict = dies(s.Study.keep_verdict)
"""


@pytest.fixture(scope="module")
def base(tmp_path_factory):
    return tiny_base(tmp_path_factory.mktemp("base") / "tiny")


def grades(code_in):
    """A judge that counts words: one more is a point more"""

    def say(prompt, model):
        reply = re.findall(r"^\| ?(.*)$", prompt.partition("THE REPLY")[2], re.M)
        return f"I count.\n{code_in(prompt)} VERDICT: {min(6, 1 + len(' '.join(reply)) // 4)}"

    return say


def rows(database, sql):
    with closing(connect(database)) as db:
        return db.execute(sql).fetchall()


AXES = '[axes]\nprompt_weight = [0.0, 0.1]\n[axes.data]\na = {{ sources = ["a"] }}\nb = {{ sources = ["b"] }}\n'


def test_arms_are_written_out_or_combined_from_axes(tmp_path):
    file = tmp_path / "g.toml"
    head, tail = GRID.partition("[arms.short]")[0], "[evaluate]" + GRID.partition("[evaluate]")[2]
    file.write_text((head + AXES + tail).format(base='"b"', prompts='"own"'), encoding="utf-8")
    grid = read_grid(file)
    assert {arm.name: dict(arm.changes) for arm in grid.arms} == {
        "prompt_weight-0.0+a": {"prompt_weight": 0.0, "sources": ["a"]},
        "prompt_weight-0.0+b": {"prompt_weight": 0.0, "sources": ["b"]},
        "prompt_weight-0.1+a": {"prompt_weight": 0.1, "sources": ["a"]},
        "prompt_weight-0.1+b": {"prompt_weight": 0.1, "sources": ["b"]},
    }
    assert (grid.seeds, grid.against, len(grid.jobs())) == (2, "prompt_weight-0.0+a", 8)
    assert grid.recipe_for(grid.jobs()[3]).seed == 1
    assert (grid.evaluated.samples, grid.evaluated.take) == (2, None)


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("seeds = 2", "seeds = 0", r"seeds is 0; expected the number of fine-tunes of each arm, 1 to 100"),
        ("seeds = 2", "seed = 2", r"'seed' is not a key of a grid. Did you mean 'seeds'"),
        ("seeds = 2", 'compare = "lang"', r"compare is 'lang'; expected 'first', 'all' or an arm. Did you mean 'long'"),
        ("epochs = 1", "seed = 1", r"recipe.seed: the grid decides it. .* write seeds = 3 at the top"),
        ("epochs = 1", "epoch = 1", r"'epoch' is not a recipe key. Did you mean 'epochs'"),
        ('paper = "wikiHow"', 'paper = "wikihow"', r"arm short: paper is 'wikihow'. Did you mean 'wikiHow'"),
        ('paper = "wikiHow"', 'model = "b"', r"arm short: nothing is trained, so leave out 'sources', or model"),
        ("[arms.short]", '[arms."a/b"]', r"'a/b' cannot be an arm's name"),
        ("sources = [{long}]", "", r"The arm 'long' has no sources to train on. Add sources"),
        ("samples = 2", "samples = 0", r"evaluate.samples is 0; expected a number from 1"),
        ("prompts = {prompts}", "", r"says nothing of how its arms are evaluated"),
        ("[arms.short]", "[axes]\nlearning_rate = [1e-4]\n[arms.short]", r"either \[arms.NAME\] tables or \[axes\]"),
    ],
)
def test_a_wrong_grid_is_refused_with_its_file_and_key(tmp_path, old, new, said):
    file = tmp_path / "g.toml"
    assert old in GRID
    text = GRID.replace(old, new).format(**dict.fromkeys(("base", "short", "long", "model", "prompts"), '"x"'))
    file.write_text(text, encoding="utf-8")
    with pytest.raises(LimaError, match=rf"g\.toml: .*{said}"):
        read_grid(file)


@pytest.mark.slow
def test_a_grid_is_trained_replied_judged_and_reported_and_the_same_command_repeats_nothing(
    plugins, serve, code_in, base, tmp_path
):
    server = serve(grades(code_in))
    command = ["study", "ablate", written(tmp_path, base), "--judge", f"J={server.spec()}", "-d", tmp_path / "l.db"]
    dry = {row["for"]: row for row in run_command(*command, "--dry-run", "--json").json}
    assert not (tmp_path / "l.db").exists()
    replies = 5 * PROMPTS * 2  # two fine-tunes of two arms, and the model that is not trained
    assert (dry["fine-tunes"]["runs"], dry["likert by J"]["calls"], dry["all"]["calls"]) == (4, replies, 2 * replies)

    told = run_command(*command, "--json").json
    assert len(server.asked) == replies
    means = {mean["arm"]: mean for mean in told["more"]["J"]["means"]}
    assert list(means) == ["short", "long", "untrained"]
    assert [means[arm]["tunes"] for arm in means] == [2, 2, 1]
    assert [(c["arm"], c["against"], c["units"]) for c in told["more"]["J"]["comparisons"]] == [
        ("long", "short", PROMPTS), ("untrained", "short", PROMPTS),
    ]  # fmt: skip
    assert all(number["definition"] and number["n"] for number in told["numbers"])
    assert told["sections"][1]["bars"][0]["groups"][0][1][1]["text"] == "3.49 of 6"  # the paper's, beside ours
    runs = rows(tmp_path / "l.db", "select id, seed from runs where status = 'done' order by id")
    noted = rows(tmp_path / "l.db", "select run from study_jobs where evaluation = '' order by run")
    assert [run for run, _ in runs] == [run for (run,) in noted]
    reasons = rows(tmp_path / "l.db", "select answer from study_verdicts")
    assert len(reasons) == replies
    assert all(answer.startswith("I count.") for (answer,) in reasons)

    page = (tmp_path / f"{told['study']}.html").read_text(encoding="utf-8")
    assert "short <b>" not in page
    assert "Long and short &lt;b&gt;⟨U+202E⟩" in page
    again = run_command(*command, "--json").json
    assert (again["study"], again["more"]) == (told["study"], told["more"])
    assert len(server.asked) == replies
    assert len(rows(tmp_path / "l.db", "select id from runs")) == 4
    assert run_command("study", "report", told["study"], "-d", tmp_path / "l.db", "--json").json["more"] == told["more"]


@pytest.mark.slow
def test_a_grid_killed_again_and_again_ends_in_the_same_numbers_and_does_nothing_twice(serve, code_in, base, tmp_path):
    server = serve(grades(code_in))

    def command(database):
        (tmp_path / database).mkdir(exist_ok=True)
        grid = written(tmp_path, base)
        return [
            "study",
            "ablate",
            grid,
            "--judge",
            f"J={server.spec()}",
            "-d",
            tmp_path / database / "l.db",
            "--json",
            "--name",
            "g",
        ]

    def ended(process):
        out, errors = process.communicate(timeout=240)
        return process.returncode, out, errors

    code, out, errors = ended(start(command("whole")))
    assert code == 0, errors
    whole = json.loads(out)["more"]
    server.asked.clear()
    for where, at in (("step", 2), ("trained", 1), ("reply", 3), ("verdict", 4)):
        code, _, errors = ended(start(command("killed"), DIES.format(where=where, at=at).strip()))
        assert code == -signal.SIGKILL, errors
    code, out, errors = ended(start(command("killed")))
    assert code == 0, errors
    assert json.loads(out)["more"] == whole
    assert len(rows(tmp_path / "killed" / "l.db", "select id from runs")) == 4  # the one that was killed was resumed
    assert len(rows(tmp_path / "killed" / "l.db", "select 1 from study_replies")) == 5 * PROMPTS * 2
    assert rows(
        tmp_path / "killed" / "l.db", "select count(*), count(distinct first||prompt||sample) from study_verdicts"
    ) == [(5 * PROMPTS * 2, 5 * PROMPTS * 2)]


def test_a_file_that_changed_is_another_study_and_says_so(plugins, base, tmp_path):
    grid = written(tmp_path, base)
    command = ["study", "ablate", grid, "-d", tmp_path / "l.db", "--name", "g"]
    from lima import Store
    from lima_studies.grids.kind import Ablation
    from lima_studies.grids.work import GridWork

    with Store(tmp_path / "l.db") as store:
        GridWork.of(store, read_grid(grid), Ablation(), name="g")
    (tmp_path / "long.jsonl").write_text('{"prompt": "Other?", "response": "Yes."}\n')
    said = run_command(*command, code=1).err
    assert "Study g was begun with other grid. Give this one another --name" in said


@pytest.mark.parametrize(
    ("changes", "judge"), [({}, "openay:gpt"), ({}, "no-such-run"), ({"model": "no-such-base"}, "")]
)
def test_a_judge_or_a_model_that_is_not_there_is_said_before_anything_is_begun(plugins, base, tmp_path, changes, judge):
    grid, judges = written(tmp_path, base, **changes), ["--judge", judge] if judge else []
    for more in ([], ["--dry-run"]):
        said = run_command("study", "ablate", grid, "-d", tmp_path / "l.db", *judges, *more, code=1).err
        assert (judge or "no-such-base") in said
    assert not rows(tmp_path / "l.db", "select name from sqlite_master where name = 'studies'") or not rows(
        tmp_path / "l.db", "select * from studies"
    )


def test_the_grids_of_the_examples_can_be_read():
    files = sorted((Path(__file__).parents[3] / "examples" / "grids").glob("*.toml"))
    grids = {file.stem: read_grid(file) for file in files if file.stem != "village-recipe"}
    assert {name: len(grid.arms) for name, grid in grids.items()} == {
        "village-data": 3, "village-prompt-weight": 3, "village-since-lima": 4,
    }  # fmt: skip
    recipe = Recipe.read(next(file for file in files if file.stem == "village-recipe"))
    assert all(grid.recipe.items() >= recipe.items() for grid in grids.values())


@pytest.mark.usefixtures("plugins")
def test_the_advice_to_leave_out_a_bad_row_can_be_followed_in_a_grid(base, tmp_path):
    grid = written(tmp_path, base)
    with (tmp_path / "long.jsonl").open("a") as file:
        file.write('{"prompt": "How?"}\n')
    with pytest.raises(LimaError, match="To leave out this row: --skip-bad, or in the recipe") as said:
        read_grid(grid).settings()
    line = str(said.value).rpartition("in the recipe ")[2]
    grid.write_text(grid.read_text().replace("[recipe]\n", f"[recipe]\n{line}\n"))
    assert read_grid(grid).settings()["recipe"]["plugins"] == {"lima-tune": {"skip_bad": True}}
