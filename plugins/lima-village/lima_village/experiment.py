"""Runs arms in worker processes and knows what is left to do: `lima demo` is an experiment with two arms.

An experiment is a row with its settings, a folder with a checkpoint for each arm and seed, and rows that point to their runs. If
it is killed, it resumes with what is missing. This module does not know which arms exist or what the numbers will say.
"""

from __future__ import annotations

import json
import time
import tomllib
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, ClassVar, Self

from lima import LimaError, Store, exclusive
from lima_village.arm import EPOCHS, GREEDY, ArmSpec, Sets
from lima_village.ledger import Ledger
from lima_village.worker import Holding, Job
from lima_village.workers import OnEvent, work_off

RECIPE = Path(__file__).with_name("recipe.toml")


@dataclass(frozen=True)
class Experiment:
    """One experiment: what it does and where it writes."""

    id: str
    database: Path
    folder: Path
    arms: tuple[ArmSpec, ...]
    sets: Sets
    recipe: Path = RECIPE
    workers: int = 2
    distributions: ClassVar[tuple[str, ...]] = ("lima-tune", "lima-chat", "lima-dialogue-eval", "lima-village", "torch")
    """whose versions decide the results"""
    kind: ClassVar[str] = "experiment"
    """the first part of its id"""

    @property
    def go_on(self) -> str:
        """How to continue after it was stopped"""
        return "Start again with `lima demo`."

    @classmethod
    def new(cls, database: Path, arms: Sequence[ArmSpec], kind: str = "", **settings: Any) -> Self:
        """An experiment that has not begun; its folder will be beside the database"""
        id = f"{kind or cls.kind}-{datetime.now(UTC):%Y%m%d-%H%M%S}"
        return cls(id, database, database.parent / id, tuple(arms), **settings)

    def settings(self) -> dict[str, Any]:
        """Everything that decides the results, JSON-ready"""
        from importlib.metadata import version

        from lima import load_plugins
        from lima_dialogue_eval.run.evaluate import script_hash
        from lima_village.base_model import record

        evaluations = load_plugins().registry("evaluations")
        names = sorted({held.evaluation for arm in self.arms for held in self._holdings(arm, 0) if not held.measure})
        settings = {
            "recipe": self._recipe(),
            "base": {"sha256": record()["sha256"]},
            "versions": {name: version(name) for name in self.distributions},
            "sets": vars(self.sets),
            "evaluations": {name: script_hash(evaluations.find(name).conversations()) for name in names},
            "arms": {arm.name: arm.settings() for arm in self.arms},
        }
        return json.loads(json.dumps(settings))  # as the database returns it

    def jobs(self) -> list[Job]:
        """A job for each arm and seed, the longest first"""
        by_length = sorted(self.arms, key=lambda arm: -arm.seconds)
        return [self._job(arm, seed) for arm in by_length for seed in range(arm.seeds)]

    def _job(self, arm: ArmSpec, seed: int) -> Job:
        return Job(
            experiment=self.id,
            arm=arm.name,
            seed=seed,
            database=str(self.database),
            folder=str((self.folder / f"{arm.name}-seed{seed}").resolve()),  # as in the row of its run
            recipe={**self._recipe(), **arm.changes, "sources": list(arm.sources)} if arm.sources else {},
            model=arm.model,
            holdings=self._holdings(arm, seed),
        )

    def left(self, store: Store) -> list[Job]:
        """The jobs that are not done, according to rows and folders"""
        noted: dict[tuple[str, int], list[dict[str, Any]]] = {}
        for row in Ledger(store, self.id).results():
            noted.setdefault((row["arm"], row["seed"]), []).append(row)
        return [job for job in self.jobs() if not _is_done(job, noted.get((job.arm, job.seed), []))]

    def run(self, on_event: OnEvent) -> None:
        """Do what is left; any error, Ctrl-C included, leaves no worker behind and the database in order"""
        started, status = time.monotonic(), "failed"
        with Store(self.database) as store, self._alone():
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

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Let only one process at a time work on this experiment"""
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            with exclusive(self.folder / ".lock", f"working on {self.id}"):
                yield
        except OSError as e:
            raise LimaError(f"Cannot create {self.folder}: {e.strerror}. Choose another --database.") from None

    def kept(self, store: Store) -> str:
        """What an unfinished experiment has saved, in a sentence"""
        rows = Ledger(store, self.id).results()
        trained, wanted = sum(not row["evaluation"] for row in rows), sum(bool(job.recipe) for job in self.jobs())
        evaluations = sum(bool(row["dialogue_run"]) for row in rows)
        return (
            f"{self.database} has {trained} of {wanted} fine-tunes and {evaluations} evaluations. See them with "
            f"`lima runs -d {self.database}` and `lima dialogues -d {self.database}`."
        )

    def dialogue_runs(self, store: Store, arm: str, evaluation: str) -> list[str]:
        """The dialogue runs of one arm, one per seed"""
        rows = Ledger(store, self.id).results()
        return [r["dialogue_run"] for r in rows if (r["arm"], r["evaluation"], r["epoch"]) == (arm, evaluation, 0)]

    def _recipe(self) -> dict[str, Any]:
        # Repeating half a minute of training costs less than writing a state after every epoch.
        return {**tomllib.loads(self.recipe.read_text(encoding="utf-8")), "save_every": -1}

    def held(self, role: str, seed: int) -> list[Holding]:
        """The evaluations that a role of `ArmSpec.held` stands for; a subclass may add to them"""
        name = getattr(self.sets, role)
        return [Holding(name, [seed], GREEDY, every_epoch=role == EPOCHS)] if name else []

    def _holdings(self, arm: ArmSpec, seed: int) -> list[Holding]:
        return [holding for role in arm.held for holding in self.held(role, seed)]


def _is_done(job: Job, rows: Sequence[dict[str, Any]]) -> bool:
    """Whether rows and folder show that nothing of a job is left"""
    noted = Counter(row["evaluation"] for row in rows)
    trained = not job.recipe or (noted[""] and (Path(job.folder) / "config.json").is_file())
    epochs = job.recipe.get("epochs", 1)
    return bool(trained) and all(noted[h.evaluation] == (epochs if h.every_epoch else 1) for h in job.holdings)
