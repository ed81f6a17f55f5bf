"""A grid: arms that differ in what their recipes say, each fine-tuned with several seeds, and how they are evaluated.

Knows nothing of files, training or scores.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from lima import LimaError, Recipe, find_base, folder_hash, load_plugins, open_source

OWN = ("seed", "out")
"Keys of a recipe that the grid itself decides"
SEED = "{seed}"
"What stands for the seed of a fine-tune in the name of a source"


@dataclass(frozen=True)
class Arm:
    """One arm"""

    name: str
    text: str
    changes: Mapping[str, Any] = field(default_factory=dict)
    "Keys of the recipe that are its own"
    model: str = ""
    "What answers in place of a fine-tune, as `lima models` opens it"
    paper: str = ""
    "Which of the paper's arms stands beside it"
    size: int = 0
    "Examples, where the grid is one of sizes"


@dataclass(frozen=True)
class Job:
    """One fine-tune of an arm, or the model of one that is not trained"""

    arm: Arm
    seed: int

    @property
    def system(self) -> str:
        """Its name in the study"""
        return self.arm.name if self.arm.model else f"{self.arm.name}, seed {self.seed}"

    @property
    def folder(self) -> str:
        """The name of its model's folder"""
        return f"{self.arm.name}-seed{self.seed}"


@dataclass(frozen=True)
class Evaluated:
    """How every arm is evaluated: prompts whose replies judges grade from 1 to 6, or an evaluation with its grader, or both"""

    prompts: str = ""
    take: int | None = None
    judges: tuple[str, ...] = ()
    evaluation: str = ""
    grader: str = ""
    samples: int = 5
    "Replies to a prompt, or seeds of a conversation, of each fine-tune"
    temperature: float = 0.7
    top_p: float = 0.9
    repetition_penalty: float = 1.2
    max_new_tokens: int = 2048
    seed: int = 0

    @property
    def sampling(self) -> dict[str, Any]:
        """As `lima.Sampling` takes it"""
        keys = ("temperature", "top_p", "repetition_penalty", "max_new_tokens")
        return {key: getattr(self, key) for key in keys}


@dataclass(frozen=True)
class Grid:
    """One grid"""

    title: str
    recipe: Mapping[str, Any]
    "Of all arms"
    arms: tuple[Arm, ...]
    evaluated: Evaluated
    seeds: int = 2
    "Fine-tunes of each arm"
    against: str | None = None
    "The arm that all others are compared with; None for all pairs"

    def jobs(self) -> list[Job]:
        """Arm by arm, seed by seed; a model that is not trained is one job"""
        return [Job(arm, seed) for arm in self.arms for seed in range(1 if arm.model else self.seeds)]

    def recipe_of(self, arm: Arm) -> Recipe:
        """The recipe of an arm; LimaError for what is wrong with it"""
        return Recipe().with_values({**self.recipe, **arm.changes})

    def recipe_for(self, job: "Job") -> Recipe:
        """The recipe of one fine-tune; {seed} in the name of a source is its seed, so that it can draw its own examples"""
        recipe = self.recipe_of(job.arm)
        return recipe.with_values(
            {"seed": job.seed, "sources": [s.replace(SEED, str(job.seed)) for s in recipe.sources]}
        )

    def settings(self) -> dict[str, Any]:
        """All that decides the results, JSON-ready; LimaError for a base or a source that is not there

        Every source is read once, so that a file that changes between two arms is noticed."""
        plugins = load_plugins()
        recipes = [self.recipe_for(job) for job in self.jobs() if not job.arm.model]
        tables = {spec: recipe.plugins for recipe in recipes for spec in recipe.sources}
        bases = sorted({recipe.base for recipe in recipes})
        return {
            "title": self.title,
            "arms": [asdict(arm) for arm in self.arms],
            "recipe": dict(self.recipe),
            "seeds": self.seeds,
            "against": self.against,
            "evaluated": {key: value for key, value in asdict(self.evaluated).items() if key != "judges"},
            "bases": {base: folder_hash(find_base(base, plugins)) for base in bases},
            "sources": {spec: open_source(spec, plugins, tables[spec]).hash for spec in sorted(tables)},
        }

    def check(self) -> None:
        """LimaError for a grid that cannot be run, before anything is"""
        names = [arm.name for arm in self.arms]
        if twice := next((name for name in names if names.count(name) > 1), None):
            raise LimaError(f"Two arms of the grid are called {twice!r}. Give each a name of its own.")
        for arm in self.arms:
            if not arm.model and not self.recipe_of(arm).sources:
                raise LimaError(
                    f'The arm {arm.name!r} has no sources to train on. Add sources = [...], or model = "NAME".'
                )
            if not arm.model and not self.recipe_of(arm).base:
                raise LimaError(f'The arm {arm.name!r} has no base model. Add base = "NAME" to [recipe].')
        if not self.evaluated.evaluation and not self.evaluated.prompts:
            raise LimaError(
                'The grid says nothing of how its arms are evaluated. Add to [evaluate]: prompts = "own" with a --judge, or '
                'evaluation = "NAME".'
            )
