"""An experiment on the village: a grid of arms that lima-studies trains and holds; `lima demo` is one with two arms.

It is a study in the database, found by its id, and resumes with what is missing. This module does not know which arms exist or
what the numbers will say.
"""

from __future__ import annotations

import json
import tomllib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from lima import LimaError, Store

if TYPE_CHECKING:
    from lima_studies import Event, Grid, GridRun

RECIPE = Path(__file__).with_name("recipe.toml")
GREEDY = {"temperature": 0.0, "top_p": 1.0, "repetition_penalty": 1.0, "max_new_tokens": 64}


def recipe_of(file: Path = RECIPE) -> dict[str, Any]:
    """The recipe of all arms, as a grid has it"""
    # Repeating half a minute of training costs less than writing a state after every epoch.
    return {**tomllib.loads(file.read_text(encoding="utf-8")), "save_every": -1, "device": "cpu"}


def check_loaded(store: Store) -> None:
    """LimaError where a plugin whose tables an experiment needs is installed and not loaded"""
    for plugin, table in (("lima-dialogue-eval", "dialogue_runs"), ("lima-studies", "study_jobs")):
        if not store.rows("select 1 from sqlite_master where name = ?", [table]):
            raise LimaError(
                f"The village's experiments need {plugin}, which is not loaded. Where LIMA_LOAD_PLUGINS is set, name {plugin} in "
                "it, too; `lima plugins` says more."
            )


@dataclass(frozen=True)
class Experiment:
    """One experiment: what it does and where it writes."""

    id: str
    """its kind and when it began"""
    database: Path
    grid: Grid
    workers: int = 2
    distributions: ClassVar[tuple[str, ...]] = (
        "lima-tune",
        "lima-chat",
        "lima-dialogue-eval",
        "lima-studies",
        "lima-village",
        "torch",
    )
    """whose versions decide the results"""

    @property
    def go_on(self) -> str:
        """How to continue after it was stopped"""
        return "Start again with `lima demo`."

    @property
    def folder(self) -> Path:
        """The folder of its models, beside the database"""
        return self.database.parent / f"{self.id}-models"

    @classmethod
    def of(cls, database: Path, grid: Grid, kind: str, **settings: Any) -> Self:
        """An experiment that has not begun"""
        return cls(f"{kind}-{datetime.now(UTC):%Y%m%d-%H%M%S}", database, grid, **settings)

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Everything that decides the results, JSON-ready; prose does not"""
        from importlib.metadata import version

        from lima import load_plugins
        from lima_dialogue_eval import find_evaluation, script_hash
        from lima_village.base_model import record

        grid = self.grid.settings()
        plugins, holdings = load_plugins(), {one.name: one for one in self.grid.holdings}
        names = sorted({one.evaluation for one in holdings.values() if not one.measure})
        settings = {
            "recipe": grid["recipe"],
            "base": {"sha256": record()["sha256"]},
            "bases": grid["bases"],
            "versions": {name: version(name) for name in self.distributions},
            "evaluations": {name: script_hash(find_evaluation(plugins, name).conversations()) for name in names},
            "holdings": {name: one.settings() for name, one in holdings.items()},
            "sources": grid["sources"],
            "arms": {arm.pop("name"): arm | {"text": ""} for arm in grid["arms"]},
        }
        return dict(json.loads(json.dumps(settings)))  # as the database returns it

    def begun(self, store: Store) -> GridRun:
        """Its study, recorded as begun or found again"""
        from lima_studies import GridRun, Study, System

        check_loaded(store)
        self.grid.check()
        systems = [System(job.system, f"job:{job.system}") for job in self.grid.jobs()]
        kind = self.id.partition("-")[0]
        return GridRun(Study.begin(store, kind, self.settings, (), systems, self.id, wider=True), self.grid)

    def run(self, on_event: Callable[[Event], None]) -> None:
        """Do what is left; any error, Ctrl-C included, leaves no worker behind and the database in order"""
        with Store(self.database) as store:
            study = self.begun(store)
            try:
                study.run(on_event, self.workers)
            except LimaError as e:
                raise LimaError(f"{e} {self.kept(store)} {self.go_on}") from None

    def kept(self, store: Store) -> str:
        """What an unfinished experiment has saved, in a sentence"""
        rows, wanted = self.results(store), sum(not job.arm.model for job in self.grid.jobs())
        trained, evaluations = (
            sum(not row["evaluation"] for row in rows),
            sum(bool(row["dialogue_run"]) for row in rows),
        )
        return (
            f"{self.database} has {trained} of {wanted} fine-tunes and {evaluations} evaluations. See them with "
            f"`lima runs -d {self.database}` and `lima dialogues -d {self.database}`."
        )

    def results(self, store: Store) -> list[dict[str, Any]]:
        """A row for each fine-tune, evaluation and number that is done"""
        from lima_studies import Ledger

        return Ledger(store, self.id).results()

    def dialogue_runs(self, store: Store, arm: str, evaluation: str) -> list[str]:
        """The dialogue runs of one arm, one per seed"""
        rows = self.results(store)
        return [r["dialogue_run"] for r in rows if (r["arm"], r["evaluation"], r["epoch"]) == (arm, evaluation, 0)]
