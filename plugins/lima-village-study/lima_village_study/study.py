"""The study: an experiment with all arms or the named ones, which can be found again, resumed, and reported again.

It does not know how arms are run or what the numbers will say.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from lima import LimaError, Store
from lima_studies import Arm, Grid
from lima_village.experiment import RECIPE, Experiment, recipe_of
from lima_village_study.arms import TEST, Sets, chosen, grid_of
from lima_village_study.recorded import KIND, find_study, noted


@dataclass(frozen=True)
class Study(Experiment):
    """One study: what it does and where it writes."""

    sets: Sets = TEST
    old: bool = False
    """whether an earlier version ran it"""
    distributions = (*Experiment.distributions, "lima-village-study")

    @property
    def go_on(self) -> str:
        """How to continue after it was stopped"""
        return f"Resume with `lima village study --resume {self.id} -d {self.database}`."

    @property
    def folder(self) -> Path:
        """The folder of its models, beside the database"""
        return self.database.parent / self.id if self.old else super().folder

    def results(self, store: Store) -> list[dict[str, Any]]:
        """A row for each fine-tune, evaluation and number that is done"""
        return noted(store, self.id)

    @classmethod
    def new(cls, database: Path, arms: Sequence[Arm], sets: Sets = TEST, recipe: Path = RECIPE) -> Self:
        """A study with these arms that has not begun"""
        return cls.of(database, grid_of(arms, sets, recipe_of(recipe)), KIND, sets=sets)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Everything that decides the results, JSON-ready; prose does not"""
        return {**super().settings, "sets": vars(self.sets)}

    @classmethod
    def recorded(cls, database: Path, name: str) -> Self:
        """A study as recorded, for its report only: arms, recipe and versions may have changed since"""
        with Store(database) as store:
            row = find_study(store, name)
        texts, settings = {arm.name: arm.text for arm in chosen([])}, row["settings"]
        arms = [_recorded(name, arm, texts.get(name, "")) for name, arm in settings["arms"].items()]
        grid = Grid(KIND, settings["recipe"], tuple(arms))
        return cls(row["id"], database, grid, sets=Sets(**settings["sets"]), old=row["old"])

    @classmethod
    def resumed(cls, database: Path, name: str, names: Sequence[str] = (), recipe: Path = RECIPE) -> Self:
        """A study that has begun, by its id or as 'newest', with further arms if some are named

        LimaError if anything that decides its results has changed since it began, and for one of an earlier version."""
        with Store(database) as store:
            row = find_study(store, name)
        if row["old"]:
            raise LimaError(
                f"Study {row['id']} was begun by an earlier version of lima, which recorded it in another way, so it cannot be "
                f"resumed. What it has is kept, and `lima village study --redraw {row['id']} -d {database}` reports it. "
                f"Start a new one: lima village study -d {database}"
            )
        begun = row["settings"]
        sets = Sets(**begun["sets"])
        study = cls(row["id"], database, grid_of(chosen([*begun["arms"], *names]), sets, recipe_of(recipe)), sets=sets)
        now = study.settings
        old = {key: begun.get(key, {}) for key in now}
        changed = [f"{key} {inner!r}" for key in old for inner in old[key] if old[key][inner] != now[key].get(inner)]
        if changed:
            raise LimaError(
                f"Study {study.id} was started with other settings: {changed[0]} has changed since. "
                "Start a new one: lima village study"
            )
        return study


def _recorded(name: str, arm: Mapping[str, Any], text: str) -> Arm:
    """An arm as a row has it; earlier versions had its sources beside its changes"""
    sources = {"sources": arm["sources"]} if arm.get("sources") else {}
    return Arm(name, text, {**arm["changes"], **sources}, arm["model"], seeds=arm["seeds"])
