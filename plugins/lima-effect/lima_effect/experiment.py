"""The experiment: what decides its results, which jobs it has, and that all arms are given the same.

A job is an arm in a fold with a seed. An experiment is named by a hash of what decides its results, so that the same command
finds it again, and more seeds add jobs to it. Knows nothing of how a job is done or what the numbers will say.
"""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from importlib.metadata import version
from math import ceil
from pathlib import Path
from typing import Any

from lima import LimaError, Recipe, find_base, folder_hash, load_plugins, load_tokenizer, open_source, prepare
from lima_dialogue_eval import exchanges
from lima_effect.arms import BASE, DIALOGUES, TRAINED
from lima_effect.folds import conversations_of, divide
from lima_effect.sources import TEST, spec

RECIPE = Path(__file__).with_name("recipe.toml")
DISTRIBUTIONS = ("lima-tune", "lima-chat", "lima-dialogue-eval", "lima-effect", "torch", "transformers")
"Those whose versions may change results"
OWN = ("base", "sources", "seed", "out", "dev", "keep_epochs", "save_every", "trust_remote_code")
"Keys of a recipe that the experiment itself decides"
WITHOUT_TEMPLATE = "lima"
"The renderer for a base that has no chat template"


@dataclass(frozen=True)
class Asked:
    """What the user asks for"""

    base: str
    "Folder or registered name"
    source: str
    folds: int = 3
    seeds: int = 3
    others: int = 2
    "Histories of other conversations that are swapped in for an answer; 0 is all of the fold's"
    settings: Mapping[str, Any] = field(default_factory=dict)
    "Recipe keys that differ from `recipe.toml`"
    trust_remote_code: bool = False


@dataclass(frozen=True)
class Job:
    """One arm in one fold (from 1) with one seed"""

    arm: str
    fold: int
    seed: int

    @property
    def name(self) -> str:
        return f"{self.arm}-fold{self.fold}-seed{self.seed}"


@dataclass(frozen=True)
class Fold:
    """What every trained arm of a fold is given"""

    steps: int
    "Optimizer steps"
    trained_tokens: int
    "In one epoch"
    batch_sizes: dict[str, int]
    "Examples in a step, by arm"
    exchanges: tuple[int, ...]
    "Of each conversation that it trains on"


@dataclass(frozen=True)
class Experiment:
    """One experiment, checked: nothing is trained yet"""

    asked: Asked
    base: Path
    recipe: Recipe
    "With the renderer and the rates that were chosen; sources, seed and batch size are each job's"
    source_hash: str
    folds: tuple[Fold, ...]

    @cached_property
    def settings(self) -> dict[str, Any]:
        """Everything that decides the results, JSON-ready"""
        fixed = {key: value for key, value in self.recipe.as_dict().items() if key not in OWN}
        found = {
            "base": {"name": self.base.name, "sha256": folder_hash(self.base)},
            "source": {"name": self.asked.source, "sha256": self.source_hash},
            "others": self.asked.others,
            "recipe": fixed,
            "folds": [asdict(fold) for fold in self.folds],
            "versions": {name: version(name) for name in DISTRIBUTIONS},
        }
        return dict(json.loads(json.dumps(found)))

    @cached_property
    def id(self) -> str:
        """Of the same experiment wherever its base lies"""
        decides = {**self.settings, "base": self.settings["base"]["sha256"]}
        return f"effect-{hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:10]}"

    def jobs(self) -> list[Job]:
        """Seed by seed and fold by fold; the base has no seed, and is measured once a fold"""
        return [
            Job(arm, fold, seed)
            for seed in range(self.asked.seeds)
            for fold in range(1, len(self.folds) + 1)
            for arm in (BASE, *TRAINED)
            if arm != BASE or not seed
        ]

    def recipe_of(self, job: Job, folder: Path) -> Recipe:
        """The recipe that trains a job's model into a folder"""
        # Training it again takes minutes; states would take more disk than the model.
        own = {"sources": [self.spec(job.arm, job.fold, job.seed)], "seed": job.seed, "out": str(folder)}
        size = self.folds[job.fold - 1].batch_sizes[job.arm]
        trust = {"trust_remote_code": self.asked.trust_remote_code}
        return self.recipe.with_values({**own, **trust, "batch_size": size, "save_every": -1})

    def spec(self, arm: str, fold: int, seed: int = 0) -> str:
        """The source of an arm's examples, or of the test conversations"""
        return spec(arm, fold, self.asked.folds, seed, self.asked.source)

    def test_spec(self, fold: int) -> str:
        """The source of what a fold is tested on"""
        return self.spec(TEST, fold)


def plan(asked: Asked) -> Experiment:
    """The experiment that is asked for, after every check that needs no training

    LimaError for anything wrong with base, source or recipe, or if the arms of a fold would not train on as many tokens in as
    many steps."""
    plugins = load_plugins()
    if own := [key for key in asked.settings if key in OWN]:
        raise LimaError(f"`lima effect` decides {own[0]!r} itself. Leave it out of --set.")
    base = find_base(asked.base, plugins)
    recipe = Recipe().with_values({**Recipe.read(RECIPE), **asked.settings, "base": str(base)})
    if recipe.renderer == "auto" and not load_tokenizer(base, asked.trust_remote_code).chat_template:
        recipe = recipe.with_values({"renderer": WITHOUT_TEMPLATE})
    recipe = recipe.with_values({"trust_remote_code": asked.trust_remote_code})
    source = open_source(asked.source, plugins)
    divide(conversations_of(source.records, asked.source), asked.folds)  # its error before anything is rendered
    folds = []
    for number in range(1, asked.folds + 1):
        fold, recipe = _fold(asked, recipe, number)
        folds.append(fold)
    return Experiment(asked, base, recipe, source.hash, tuple(folds))


def _fold(asked: Asked, recipe: Recipe, number: int) -> tuple[Fold, Recipe]:
    """(what the arms of a fold are given, the recipe with what was chosen in place of 'auto')"""
    counts, tokens, lengths = dict[str, int](), dict[str, int](), tuple[int, ...]()
    plugins = load_plugins()
    for arm in TRAINED:
        sources = [spec(arm, number, asked.folds, 0, asked.source)]
        ready = prepare(recipe.with_values({"sources": sources}), plugins)
        counts[arm], tokens[arm] = len(ready.records), sum(row["trained_tokens"] for row in ready.sources)
        if lost := sum(row["cut"] + row["dropped"] for row in ready.sources):
            raise LimaError(
                f"{lost} of {counts[arm]} examples of the arm {arm!r} are longer than max_tokens = {recipe.max_tokens} and would "
                "be cut or dropped, so the arms would not train on the same answers. Raise it: --set max_tokens=N."
            )
        settled = ready.recipe
        if arm == DIALOGUES:
            lengths = tuple(len(exchanges(conversation)[1]) for conversation in ready.records)
    if len(set(tokens.values())) > 1:
        told = ", ".join(f"{arm} {n:,}" for arm, n in tokens.items())
        raise LimaError(
            f"Fold {number}: the arms would not train on the same number of tokens ({told}): the format of the renderer "
            f"{settled.renderer!r} writes an answer in another way after a history. Choose one that does not, such as "
            "--set renderer=chatml."
        )
    sizes = batch_sizes(counts, recipe.batch_size)
    steps = recipe.epochs * ceil(counts[DIALOGUES] / sizes[DIALOGUES])
    return Fold(steps, tokens[DIALOGUES], sizes, lengths), settled


def batch_sizes(examples: Mapping[str, int], batch_size: int) -> dict[str, int]:
    """Batch sizes with which arms with these numbers of examples take the same number of steps

    With `batch_size` for the dialogues, or the next larger one with which that is possible."""
    for size in range(batch_size, max(batch_size, examples[DIALOGUES]) + 1):
        steps = ceil(examples[DIALOGUES] / size)
        sizes = {arm: size if arm == DIALOGUES else ceil(count / steps) for arm, count in examples.items()}
        if all(ceil(count / sizes[arm]) == steps for arm, count in examples.items()):
            break
    return sizes
