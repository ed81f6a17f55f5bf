"""The table of the study's arms: what they are trained on, what they are evaluated with, and how they are listed."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from lima import Store
from lima.errors import LimaError
from lima_studies import GridRun
from lima_studies import Study as Recorded
from lima_village.experiment import RECIPE
from lima_village_study.arms import ARMS, TEST, VALIDATION, chosen
from lima_village_study.commands import study
from lima_village_study.study import Study


def test_arms_have_names_of_their_own_and_sources_that_exist():
    from lima.plugins import load_plugins

    names = [arm.name for arm in ARMS]
    assert len(names) == len(set(names))
    registry = load_plugins().registry
    for arm in ARMS:
        assert bool(arm.sources) != bool(arm.model), arm.name
        for source in arm.sources:
            assert source.partition(":")[0] in registry("sources")
        assert not arm.model or arm.model in registry("models")


HASHES = {
    "village-singles": "d548305af445",
    "village-dialogues": "bf24d2d57d30",
    "village-dialogues:3": "53b08a88128d",
    "village-dialogues:10": "7ab419684d91",
    "village-dialogues:100": "34543e6599ba",
    "village-singles:1120": "4d1254b6254b",
    "village-unrelated": "3893e94c64f3",
    "village-forms:1000": "69f9c2d6cc9a",
    "village-forms:question:1000": "e2271c517786",
    "village-forms:spoiled:1000": "22e86ecfc0e1",
    "village-forms:16": "97aba622ed3e",
    "village-forms:256": "7d414c52848e",
    "village-forms:512": "f7fd90a7efc0",
    "village-forms:1024": "2b1baa584167",
    "village-forms:2048": "a16ede930c57",
    "village-forms:4096": "0237e3c763d3",
    "village-forms:list:6": "56d51cf58c4b",
    "village-forms:card:6": "b7d3a7b69b12",
    "village-forms:longest:1000": "d73f9c8d4fa7",
}
"The training sets with which the recorded figures were measured"
JOBS = "7f1487fcc6c3aa03e037b0b10213c8ae68f929731336445cd45dbc5c43b0c7ea"
"SHA-256 of the recipes and the evaluations, with their seeds and sampling, with which the recorded figures were measured"


@pytest.mark.slow
def test_the_training_sets_recipes_and_evaluations_are_those_of_the_recorded_figures():
    """Whatever runs them: a change here makes other figures, which must be measured again"""
    work = Study.new(Path("x.db"), ARMS, sets=TEST)
    assert {spec: digest[:12] for spec, digest in work.settings["sources"].items()} == HASHES
    told = {}
    for job in work.grid.jobs():
        recipe = {} if job.arm.model else {**work.grid.recipe, **job.arm.changes, "seed": job.seed}
        held = [
            [one.evaluation, [] if one.measure else one.seeds(job), dict(one.sampling), one.every_epoch, one.grader]
            for one in work.grid.held(job.arm)
        ]
        told[job.folder] = [recipe, held, job.arm.model]
        if recipe:
            assert vars(work.grid.recipe_for(job)).items() >= recipe.items()
    assert len(told) == 44
    text = json.dumps(told, sort_keys=True)
    assert hashlib.sha256(text.encode()).hexdigest() == JOBS


def test_the_longest_jobs_come_first_and_none_is_held_with_a_test_while_tuning(tmp_path):
    work = Study.new(tmp_path / "x.db", ARMS, sets=VALIDATION)
    with Store(work.database) as store:
        jobs = GridRun(Recorded(store, work.id), work.grid).left()
    seconds = [job.arm.seconds for job in jobs]
    assert len(jobs) == sum(arm.seeds for arm in ARMS)
    assert seconds == sorted(seconds, reverse=True)
    held = {one.evaluation for job in jobs for one in work.grid.held(job.arm) if not one.measure}
    assert held == {"village-validation", "village-prompts-validation"}


def test_the_sizes_take_the_same_number_of_steps():
    import tomllib

    recipe = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
    sizes = [arm for arm in ARMS if arm.name.startswith("forms-")]
    steps = {-(-int(arm.sources[0].rpartition(":")[2]) // recipe["batch_size"]) * arm.own["epochs"] for arm in sizes}
    assert len(sizes) >= 5
    assert len(steps) == 1


def test_an_unknown_arm_lists_the_known_ones():
    result = CliRunner().invoke(study, ["befor"])
    assert isinstance(result.exception, LimaError)
    message = str(result.exception)
    assert "'befor' is not an arm of the study. Did you mean 'before'? Known: " in message
    assert all(arm.name in message for arm in ARMS)
    assert [arm.name for arm in chosen(["after", "before"])] == ["before", "after"]


def test_the_arms_are_listed():
    from lima.plugins import load_plugins

    listed = json.loads(CliRunner().invoke(study, ["--list", "--json"]).output)
    assert [row["arm"] for row in listed] == [arm.name for arm in ARMS]
    held = {row["arm"]: row["held"] for row in listed}
    assert {arm: held[arm] for arm in ("before", "dialogues-3", "random", "epochs", "in-context")} == {
        "before": "village-more, village, village-prompts, history gain on village-more",
        "dialogues-3": "village-more",
        "random": "village-prompts",
        "epochs": "village-validation",
        "in-context": "village-more, village-prompts",
    }
    evaluations = load_plugins().registry("evaluations")
    named = {name.removeprefix("history gain on ") for names in held.values() for name in names.split(", ")}
    assert named <= set(evaluations)


def test_the_command_is_one_of_the_village_and_says_so_where_that_is_missing():
    import click

    import lima_village
    import lima_village_study
    from lima.testing import only_plugins

    cli = click.Group()
    with only_plugins(lima_village=lima_village, lima_village_study=lima_village_study) as plugins:
        plugins.add_commands(cli)
        assert plugins.broken == []
    assert cli.commands["village"].commands["study"] is study
    with only_plugins(lima_village_study=lima_village_study) as plugins:
        plugins.add_commands(click.Group())
        (broken,) = plugins.broken
    assert (
        "`lima village study` needs the command `lima village`, which is missing. Install lima-village" in broken.error
    )


@pytest.mark.slow
def test_settings_do_not_depend_on_prose():
    (arm,) = chosen(["one-kind"])
    work, other = (Study.new(Path("x.db"), [one]) for one in (arm, replace(arm, text="two", seconds=9)))
    assert work.settings == other.settings


def test_the_example_of_a_grid_has_the_study_s_arms():
    from lima import Sampling
    from lima_studies.grids.reading import read_grid

    example = read_grid(Path(__file__).parents[3] / "examples" / "grids" / "village-data.toml")
    study = Study.new(Path("x.db"), chosen(["random", "one-kind", "spoiled"])).grid

    def told(grid):
        """What decides the results of each job"""
        held = [
            [(one.evaluation, one.seeds(job), Sampling(**one.sampling)) for one in grid.held(job.arm)]
            for job in grid.jobs()
        ]
        return [grid.recipe_for(job) for job in grid.jobs()], held

    assert told(example) == told(study)


def test_without_a_plugin_whose_tables_it_needs_a_study_says_so(tmp_path):
    import lima_chat
    import lima_village
    import lima_village_study
    from lima.testing import only_plugins

    plugins = {"lima_chat": lima_chat, "lima_village": lima_village, "lima_village_study": lima_village_study}
    with only_plugins(**plugins):
        result = CliRunner().invoke(study, ["one-kind", "-d", str(tmp_path / "l.db")])
    assert "need lima-dialogue-eval, which is not loaded. Where LIMA_LOAD_PLUGINS is set, name" in str(result.exception)
