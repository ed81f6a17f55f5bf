"""A grid carried out: trained, evaluated and judged, each thing once; the same command continues one that was stopped.

Knows nothing of the command line or of what the scores say.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from lima import Store, load_plugins, open_model, open_source
from lima_dialogue_eval import find_evaluation
from lima_studies.asking.named import check_there
from lima_studies.asking.work import REPLY_TOKENS, OnThisMachine, Work
from lima_studies.grids.graded import grader_of
from lima_studies.grids.kind import Ablation
from lima_studies.jobs.grid import Grid, Job
from lima_studies.jobs.holding import is_done
from lima_studies.jobs.running import GridRun
from lima_studies.jobs.training import Event
from lima_studies.prompts.files import read_prompts, take
from lima_studies.record.study import Study
from lima_studies.record.systems import System, systems_of

OnProgress = Callable[[str, int, int], None]
Estimates = list[dict[str, Any]]
SPEC = "job:"
"How the spec of a system begins that is a job of the grid"


@dataclass
class GridWork:
    """A grid with its study"""

    grid: Grid
    study: Study
    work: Work
    trust_remote_code: bool

    @classmethod
    def of(
        cls,
        store: Store,
        grid: Grid,
        kind: Ablation,
        judges: Sequence[str] = (),
        name: str | None = None,
        dry: bool = False,
        trust_remote_code: bool = False,
    ) -> "GridWork":
        """The study of a grid, begun or found again; LimaError, before it is begun, for a grid that cannot be run"""
        grid.check()
        evaluated = grid.evaluated
        if evaluated.evaluation:
            grader_of(grid)
        prompts = take(read_prompts(evaluated.prompts), evaluated.take, evaluated.seed) if evaluated.prompts else []
        systems = [System(job.system, f"{SPEC}{job.system}") for job in grid.jobs()]
        settings = {
            "sampling": evaluated.sampling,
            "samples": evaluated.samples,
            "seed": evaluated.seed,
            "grid": grid.settings(),
        }
        raters = systems_of(judges or evaluated.judges, "judges")
        begin = partial(Study.begin, store, kind.name, settings, prompts, systems, name)
        opened = partial(open_model, store=store, trust_remote_code=trust_remote_code)
        planned = begin(dry=True)
        for spec in {arm.model for arm in grid.arms if arm.model}:
            check_there(spec, store, opened)
        if prompts:
            Work(planned, kind, settings, prompts, (), raters).check_there(opened)
        study = planned if dry else begin()
        return cls(grid, study, Work(study, kind, settings, prompts, systems, raters), trust_remote_code)

    @property
    def jobs(self) -> GridRun:
        """The grid without what judges are for"""
        return GridRun(self.study, self.grid, self.trust_remote_code)

    def run(self, on_progress: OnProgress, workers: int = 1) -> None:
        """Do what is left, jobs in this number of processes side by side, or one by one in this process with all its threads

        LimaError at the end for what failed."""

        def moved(event: Event) -> None:
            if event.total:
                on_progress(event.text, event.done, event.total)

        self.jobs.run(moved, workers if workers > 1 else 0)
        trainer = self.jobs.trainer(moved)
        jobs = {f"{SPEC}{job.system}": job for job in self.grid.jobs()}

        def opened(spec: str) -> Any:
            return trainer.opened(jobs[spec]) if spec in jobs else open_model(spec, self.study.store)

        if self.work.prompts:
            self.work.run(opened, on_progress)

    def estimates(self) -> Estimates:
        """What is left, a row for each part and one for all: runs, calls, tokens, hours, price; asks nothing"""
        rows = [self._training()]
        if self.grid.evaluated.evaluation:
            rows.append(self._holding())
        if self.work.prompts:
            store = self.study.store
            rows += self.work.estimates(lambda s: OnThisMachine(s) if s.startswith(SPEC) else open_model(s, store))[:-1]
        keys = [key for key in rows[0] if key != "for"]
        whole = {key: None if any(r[key] is None for r in rows) else sum(r[key] for r in rows) for key in keys}
        return [*rows, {"for": "all", **whole}]

    def _training(self) -> dict[str, Any]:
        """The fine-tunes that are left; how long an example takes is what it took in this database, with the same base"""
        trainer = self.jobs.trainer()
        left = [job for job in self.grid.jobs() if not trainer.is_trained(job)]
        hours = [self._hours(job) for job in left]
        known = sum(h for h in hours if h is not None) if None not in hours else None
        return {**_NOTHING, "for": "fine-tunes", "runs": len(left), "hours": known, "usd": 0.0}

    def _hours(self, job: Job) -> float | None:
        recipe, store = self.grid.recipe_for(job), self.study.store
        done = [
            r for r in store.runs(status="done") if r["seconds"] and store.run(r["id"])["recipe"]["base"] == recipe.base
        ]
        if not done:
            return None
        passes = sum(r["examples"] * store.run(r["id"])["recipe"]["epochs"] for r in done)
        examples = sum(len(open_source(spec, load_plugins(), recipe.plugins).records) for spec in recipe.sources)
        return float(sum(r["seconds"] for r in done)) / max(passes, 1) * examples * recipe.epochs / 3600

    def _holding(self) -> dict[str, Any]:
        evaluated = self.grid.evaluated
        found = find_evaluation(load_plugins(), evaluated.evaluation)
        turns = sum(len(conversation.turns) for conversation in found.conversations())
        trainer = self.jobs.trainer()
        left = sum(not is_done(trainer, job) for job in self.grid.jobs())
        calls, tokens = turns * evaluated.samples * left, min(REPLY_TOKENS, evaluated.max_new_tokens)
        what = {"for": f"replies to {evaluated.evaluation}", "calls": calls, "completion_tokens": calls * tokens}
        return {**_NOTHING, **what, "prompt_tokens": None, "hours": None, "usd": None}


_NOTHING = {"for": "", "runs": 0, "calls": 0, "prompt_tokens": 0, "completion_tokens": 0, "hours": 0.0, "usd": 0.0}
