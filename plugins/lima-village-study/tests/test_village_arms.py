"""The table of the study's arms: what they are trained on, what they are evaluated with, and how they are listed."""

import json
from dataclasses import replace
from pathlib import Path

from click.testing import CliRunner

from lima.errors import LimaError
from lima_village.arm import CONVERSATIONS, ArmSpec
from lima_village.experiment import RECIPE
from lima_village_study.arms import ARMS, VALIDATION, chosen
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


def test_every_arm_is_a_recipe():
    from lima.recipe import Recipe

    for job in Study.new(Path("x.db"), ARMS, sets=VALIDATION).jobs():
        if job.recipe:
            assert Recipe().with_values({**job.recipe, "seed": job.seed, "out": job.folder}).sources


def test_the_longest_jobs_come_first_and_none_is_held_with_a_test_while_tuning():
    jobs = Study.new(Path("x.db"), ARMS, sets=VALIDATION).jobs()
    seconds = {arm.name: arm.seconds for arm in ARMS}
    assert len(jobs) == sum(arm.seeds for arm in ARMS)
    assert [seconds[job.arm] for job in jobs] == sorted((seconds[job.arm] for job in jobs), reverse=True)
    held = {holding.evaluation for job in jobs for holding in job.holdings if not holding.measure}
    assert held == {"village-validation", "village-prompts-validation"}


def test_the_sizes_take_the_same_number_of_steps():
    import tomllib

    recipe = tomllib.loads(RECIPE.read_text(encoding="utf-8"))
    sizes = [arm for arm in ARMS if arm.name.startswith("forms-")]
    steps = {
        -(-int(arm.sources[0].rpartition(":")[2]) // recipe["batch_size"]) * arm.changes["epochs"] for arm in sizes
    }
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


def test_settings_do_not_depend_on_prose():
    arm = ArmSpec(name="a", text="one", sources=("x",), held=(CONVERSATIONS,), seconds=1)
    work = Study.new(Path("x.db"), [arm], sets=VALIDATION)
    assert work.settings() == replace(work, arms=(replace(arm, text="two", seconds=9),)).settings()
