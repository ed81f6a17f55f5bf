"""A grid: arms that differ in what their recipes say, each fine-tuned with several seeds, and what they are held against.

Knows nothing of files, training or scores.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, TypeVar

from lima import LimaError, Recipe, did_you_mean

if TYPE_CHECKING:
    from lima import Store

Measure = Callable[[Any, str, "Store", str | None], float]
"Gives one number for (model, name of the number, store, run); a function at the top of a module, so that a process finds it"

T = TypeVar("T")
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
    seeds: int = 0
    "Fine-tunes, where there are not as many as the grid says"
    held: tuple[str, ...] | None = None
    "Names of the holdings that it is for, where it is not for all of the grid's"
    seconds: float = 0.0
    "Rough time of one job on one core: the longest start first"

    @property
    def sources(self) -> tuple[str, ...]:
        """What it is trained on, where that is its own"""
        return tuple(self.changes.get("sources", ()))

    @property
    def own(self) -> dict[str, Any]:
        """What else of the recipe is its own"""
        return {key: value for key, value in self.changes.items() if key != "sources"}

    def settings(self) -> dict[str, Any]:
        """What decides its results, and its text, JSON-ready; what is as in any grid is left out"""
        found = asdict(self)
        del found["seconds"]
        usual = {"seeds": 0, "held": None}
        return {key: value for key, value in found.items() if key not in usual or value != usual[key]}


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
class Holding:
    """One thing that models are held against: an evaluation with its grader, or a measure that gives one number"""

    name: str
    "By which arms name it"
    evaluation: str
    "Registered or a file; of a measure, what its number is called"
    samples: int = 1
    "Seeds of each conversation, other ones for each fine-tune"
    sampling: Mapping[str, Any] = field(default_factory=dict)
    "As `lima.Sampling` takes it"
    seed: int = 0
    grader: str = ""
    "In place of the evaluation's own"
    every_epoch: bool = False
    "With the checkpoint of every epoch that is kept, in place of the finished model"
    measure: Measure | None = None

    def seeds(self, job: Job) -> list[int]:
        """The seeds of the conversations of one job"""
        first = self.seed + self.samples * job.seed
        return list(range(first, first + self.samples))

    def settings(self) -> dict[str, Any]:
        """All that decides its results, JSON-ready"""
        measure = f"{self.measure.__module__}:{self.measure.__qualname__}" if self.measure else ""
        return {**{key: getattr(self, key) for key in self.__dataclass_fields__}, "measure": measure}


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

    @property
    def holdings(self) -> tuple[Holding, ...]:
        """The evaluation, where there is one"""
        one = Holding(self.evaluation, self.evaluation, self.samples, self.sampling, self.seed, self.grader)
        return (one,) if self.evaluation else ()


@dataclass(frozen=True)
class Grid:
    """One grid"""

    title: str
    recipe: Mapping[str, Any]
    "Of all arms"
    arms: tuple[Arm, ...]
    evaluated: Evaluated = Evaluated()
    seeds: int = 2
    "Fine-tunes of each arm"
    against: str | None = None
    "The arm that all others are compared with; None for all pairs"

    holdings: tuple[Holding, ...] = ()
    "What arms are held against beside the one evaluation of `evaluated`"

    def jobs(self) -> list[Job]:
        """Arm by arm, seed by seed; a model that is not trained is one job"""
        return [Job(arm, seed) for arm in self.arms for seed in range(self.seeds_of(arm))]

    def seeds_of(self, arm: Arm) -> int:
        """How many fine-tunes an arm has"""
        return 1 if arm.model else arm.seeds or self.seeds

    def held(self, arm: Arm) -> list[Holding]:
        """What an arm is held against"""
        known = {one.name: one for one in (*self.evaluated.holdings, *self.holdings)}
        return [known[name] for name in (known if arm.held is None else arm.held)]

    def recipe_of(self, arm: Arm) -> Recipe:
        """The recipe of an arm; LimaError for what is wrong with it"""
        return Recipe().with_values({**self.recipe, **arm.changes})

    def recipe_for(self, job: Job) -> Recipe:
        """The recipe of one fine-tune; {seed} in the name of a source is its seed, so that it can draw its own examples"""
        recipe = self.recipe_of(job.arm)
        return recipe.with_values(
            {"seed": job.seed, "sources": [s.replace(SEED, str(job.seed)) for s in recipe.sources]}
        )

    def settings(self) -> dict[str, Any]:
        """All that decides the results, JSON-ready; LimaError for a base or a source that is not there

        Every source is read once, so that a file that changes between two arms is noticed."""
        from lima import find_base, folder_hash, load_plugins, open_source

        plugins = load_plugins()
        recipes = [self.recipe_for(job) for job in self.jobs() if not job.arm.model]
        tables = {spec: recipe.plugins for recipe in recipes for spec in recipe.sources}
        bases = sorted({recipe.base for recipe in recipes})
        held = {"holdings": [one.settings() for one in self.holdings]} if self.holdings else {}
        return {
            "title": self.title,
            "arms": [arm.settings() for arm in self.arms],
            "recipe": dict(self.recipe),
            "seeds": self.seeds,
            "against": self.against,
            "evaluated": {key: value for key, value in asdict(self.evaluated).items() if key != "judges"},
            **held,
            "bases": {base: folder_hash(find_base(base, plugins)) for base in bases},
            "sources": {spec: open_source(spec, plugins, tables[spec]).hash for spec in sorted(tables)},
        }

    def check(self) -> None:
        """LimaError for a grid that cannot be run, before anything is"""
        if twice := _twice([arm.name for arm in self.arms]):
            raise LimaError(f"Two arms of the grid are called {twice!r}. Give each a name of its own.")
        for arm in self.arms:
            if not arm.model and not self.recipe_of(arm).sources:
                raise LimaError(
                    f'The arm {arm.name!r} has no sources to train on. Add sources = [...], or model = "NAME".'
                )
            if not arm.model and not self.recipe_of(arm).base:
                raise LimaError(f'The arm {arm.name!r} has no base model. Add base = "NAME" to [recipe].')
        self._check_holdings()

    def _check_holdings(self) -> None:
        known = [one.name for one in (*self.evaluated.holdings, *self.holdings)]
        if not known and not self.evaluated.prompts:
            raise LimaError(
                'The grid says nothing of how its arms are evaluated. Add to [evaluate]: prompts = "own" with a --judge, or '
                'evaluation = "NAME".'
            )
        if twice := _twice(known):
            raise LimaError(f"Two holdings of the grid are called {twice!r}. Give each a name of its own.")
        for arm in self.arms:
            if unknown := next((name for name in arm.held or () if name not in known), None):
                raise LimaError(f"The arm {arm.name!r} is held against {unknown!r}.{did_you_mean(unknown, known)}")
            held = self.held(arm)
            if same := _twice([(one.evaluation, one.every_epoch) for one in held]):
                raise LimaError(f"The arm {arm.name!r} is held against {same[0]!r} twice. Leave one of them out.")
            if any(one.every_epoch for one in held) and (arm.model or not self.recipe_of(arm).keep_epochs):
                raise LimaError(
                    f"The arm {arm.name!r} is held with the checkpoint of every epoch, and keeps none. Add keep_epochs = true."
                )


def _twice(found: Sequence[T]) -> T | None:
    """The first that is there more than once"""
    return next((one for one in found if found.count(one) > 1), None)
