"""The contract between lima and its plugins, on one page.

A plugin is a module named by an entry point of the group `lima`; it implements any of these hooks, marked with
`@lima.hookimpl`. The `register` callbacks take a name and an object; a name that two plugins want is PLUGIN::NAME for each.
What an object of each kind must have is in `lima.contract.kinds`, and checked when it is registered. An implementation may leave
out arguments it does not need, and may not give one a default. Knows nothing of who calls.
"""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import pluggy

if TYPE_CHECKING:
    from lima.contract.examples import Record
    from lima.contract.runs import Run


hookspec = pluggy.HookspecMarker("lima")


@hookspec
def register_commands(cli: "click.Group") -> None:
    "Add commands to the `lima` command line"


@hookspec
def register_sources(register: Callable[[str, Any], None]) -> None:
    "Add sources of examples: `ExampleSource`, and `Recognises` where it reads files"


@hookspec
def register_renderers(register: Callable[[str, Any], None]) -> None:
    "Add renderers, which turn an example into token ids with a weight each: `Renderer`"


@hookspec
def register_base_models(register: Callable[[str, Any], None]) -> None:
    "Add base models, each a Hugging Face folder to fine-tune from: `BaseModel`"


@hookspec
def register_models(register: Callable[[str, Any], None]) -> None:
    "Add what answers: `ModelOpener`, which opens a `Model` by NAME:ARGUMENT"


@hookspec
def register_graders(register: Callable[[str, Any], None]) -> None:
    "Add graders: `GradesTurns`, `GradesReplies` or both; or `Opens`, which opens one by NAME:ARGUMENT"


@hookspec
def register_evaluations(register: Callable[[str, Any], None]) -> None:
    "Add evaluations: `Evaluation`, and what the plugin that runs it declares"


@hookspec
def register_filters(register: Callable[[str, Any], None]) -> None:
    "Add filters, which say what to leave out of a data set: `Filter`, and `FilterOptions` where it has any"


@hookspec
def register_migrations(register: Callable[[str, Any], None]) -> None:
    "Add a set of sqlite-utils migrations under its name; they may change only tables that the set made, and read all others"


@hookspec
def declare_protocols(declare: Callable[[str, type], None]) -> None:
    "Declare what this plugin consumes: `declare(kind, Protocol)`; an object with one of its methods must then have them all"


@hookspec
def before_train(run: "Run", examples: "Sequence[Record]") -> None:
    "Called once before the first step, with the examples that will be trained on"


@hookspec
def after_step(run: "Run", step: int, metrics: dict[str, Any]) -> None:
    "Called after every optimiser step; `metrics` has loss, accuracy, learning_rate, tokens, seconds, and steps (of the run)"


@hookspec
def after_epoch(run: "Run", epoch: int, checkpoint: Path | None) -> None:
    "Called after every epoch, again if the run stopped in here; `checkpoint` is its folder, None when only the last is kept"


@hookspec
def measure_epoch(model: Any, examples: "Sequence[Record]", record: Callable[[str, float], None]) -> None:
    "Called with each epoch's model, on every process that has a part of it: `record(name, value)`; the larger the better"


@hookspec
def after_train(run: "Run", checkpoint: Path) -> None:
    "Called once when training is done and its checkpoint folder is complete"
