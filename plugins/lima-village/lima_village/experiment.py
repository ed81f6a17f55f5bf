"""Runs arms as worker processes and knows what is left: `lima demo` is the experiment of two arms.

An experiment is a row with its settings, a folder with a checkpoint for each arm and seed, and rows that lead to their runs.
Killed at any moment, it goes on with what is missing. Knows nothing of which arms there are or what the numbers will say.
"""

from __future__ import annotations

import json
import time
import tomllib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Self

from lima.errors import LimaError
from lima_village.arm import EPOCHS, GREEDY, Arm, Sets, as_settings
from lima_village.ledger import Ledger
from lima_village.worker import Holding, Job
from lima_village.workers import OnEvent, work_off

if TYPE_CHECKING:
    from lima.store import Store

RECIPE = Path(__file__).with_name("recipe.toml")
WORKERS = 2


@dataclass(frozen=True)
class Experiment:
    """One experiment: what it shall do, and where it writes."""

    id: str
    database: Path
    folder: Path
    arms: tuple[Arm, ...]
    sets: Sets
    recipe: Path = RECIPE
    workers: int = WORKERS
    distributions: ClassVar[tuple[str, ...]] = ("lima-tune", "lima-chat", "lima-dialogue-eval", "lima-village", "torch")
    """whose versions decide a result"""

    @property
    def go_on(self) -> str:
        """How to go on when it was stopped"""
        return "Begin again with `lima demo`."

    @classmethod
    def new(cls, database: Path, arms: Sequence[Arm], kind: str, **settings: Any) -> Self:
        """An experiment that has not begun; its folder will lie beside the database"""
        id = f"{kind}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        return cls(id, database, database.parent / id, tuple(arms), **settings)

    def settings(self) -> dict[str, Any]:
        """Everything that decides a result, JSON-ready"""
        from importlib.metadata import version

        from lima.plugins import load_plugins
        from lima_dialogue_eval.evaluate import script_hash
        from lima_village.base_model import record

        evaluations = load_plugins().registry("evaluations")
        names = sorted({held.evaluation for arm in self.arms for held in self._holdings(arm, 0) if not held.measure})
        settings = {
            "recipe": self._recipe(),
            "base": {"sha256": record()["sha256"]},
            "versions": {name: version(name) for name in self.distributions},
            "sets": vars(self.sets),
            "evaluations": {name: script_hash(evaluations.find(name).conversations()) for name in names},
            "arms": {arm.name: as_settings(arm) for arm in self.arms},
        }
        return json.loads(json.dumps(settings))  # as the database gives it back

    def jobs(self) -> list[Job]:
        """One for each arm and seed, the longest first"""
        recipe = self._recipe()
        return [
            Job(
                experiment=self.id,
                arm=arm.name,
                seed=seed,
                database=str(self.database),
                folder=str((self.folder / f"{arm.name}-seed{seed}").resolve()),  # as the rows of its run have it
                recipe={**recipe, **arm.changes, "sources": list(arm.sources)} if arm.sources else {},
                model=arm.model,
                holdings=self._holdings(arm, seed),
            )
            for arm in sorted(self.arms, key=lambda arm: -arm.seconds)
            for seed in range(arm.seeds)
        ]

    def left(self, store: Store) -> list[Job]:
        """The jobs that are not done, by the rows and the folders that are there"""
        noted: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for row in Ledger(store, self.id).results():
            noted.setdefault((row["arm"], row["seed"]), []).append(row)
        return [job for job in self.jobs() if not _is_done(job, noted.get((job.arm, job.seed), []))]

    def run(self, on_event: OnEvent) -> None:
        """Do what is left; on any error, Ctrl-C among them, no worker is left behind and the database is in order"""
        from lima.store import Store

        started, status = time.monotonic(), "failed"
        with Store(self.database) as store, _alone(self):
            ledger = Ledger(store, self.id)
            ledger.begin(self.folder, self.settings())
            jobs = self.left(store)
            on_event("", {"event": "begun", "jobs": len(self.jobs()), "left": [job.arm for job in jobs]})
            try:
                work_off(jobs, self.workers, self.folder / "workers.log", on_event)
                status = "done"
            except LimaError as e:
                raise LimaError(f"{e} {self.kept(store)} {self.go_on}") from None
            except KeyboardInterrupt:
                status = "interrupted"
                raise
            finally:
                ledger.mark(status, time.monotonic() - started)

    def kept(self, store: Store) -> str:
        """What an unfinished experiment leaves, as a sentence"""
        rows = Ledger(store, self.id).results()
        trained = sum(not row["evaluation"] for row in rows)
        jobs = self.jobs()
        return (
            f"{self.database} holds {trained} of {sum(bool(job.recipe) for job in jobs)} fine-tunes and "
            f"{sum(bool(row['dialogue_run']) for row in rows)} evaluations. See them with `lima runs -d {self.database}` and "
            f"`lima dialogues -d {self.database}`."
        )

    def dialogue_runs(self, store: Store, arm: str, evaluation: str) -> list[str]:
        """The dialogue runs of one arm, one a seed"""
        rows = Ledger(store, self.id).results()
        return [r["dialogue_run"] for r in rows if (r["arm"], r["evaluation"], r["epoch"]) == (arm, evaluation, 0)]

    def _recipe(self) -> dict[str, Any]:
        # Half a minute's work that was interrupted is done again sooner than a state is written after every epoch.
        return {**tomllib.loads(self.recipe.read_text(encoding="utf-8")), "save_every": -1}

    def held(self, role: str, seed: int) -> list[Holding]:
        """What a role of `Arm.held` means for a seed; a kind of experiment may say more"""
        name = getattr(self.sets, role)
        return [Holding(name, [seed], GREEDY, every_epoch=role == EPOCHS)] if name else []

    def _holdings(self, arm: Arm, seed: int) -> list[Holding]:
        return [holding for role in arm.held for holding in self.held(role, seed)]


def _is_done(job: Job, rows: Sequence[dict[str, Any]]) -> bool:
    """Whether rows and folder say that nothing of a job is left"""
    trained = not job.recipe or any(not row["evaluation"] for row in rows)
    whole = not job.recipe or (Path(job.folder) / "config.json").is_file()
    epochs = job.recipe.get("epochs", 1)
    return (
        trained
        and whole
        and all(
            sum(row["evaluation"] == holding.evaluation for row in rows) == (epochs if holding.every_epoch else 1)
            for holding in job.holdings
        )
    )


@contextmanager
def _alone(experiment: Experiment) -> Iterator[None]:
    """Only one process at a time may work on an experiment"""
    from lima.lock import alone

    try:
        experiment.folder.mkdir(parents=True, exist_ok=True)
        with alone(experiment.folder / ".lock", f"working on {experiment.id}"):
            yield
    except OSError as e:
        raise LimaError(
            f"Cannot make {experiment.folder}, where the models would go: {e.strerror}. Choose another --database."
        ) from None
