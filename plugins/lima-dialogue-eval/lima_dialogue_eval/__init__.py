"""lima-dialogue-eval: hold the same conversations before and after a fine-tune, grade every reply, and say what changed.

The public names, imported on first use so that loading the plugin stays light, and what the plugin registers.
"""

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lima import hookimpl

if TYPE_CHECKING:
    import click

    from lima import Record, Run

_HOME = {
    "Comparison": "comparison",
    "Arm": "comparison",
    "compare": "arms",
    "run_evaluation": "evaluate",
    "resume_evaluation": "evaluate",
    "open_model": "models",
    "GradedTurn": "grade",
    "Verdict": "grade",
    "dialogue_runs": "log",
    "find_run": "log",
    "print_comparison": "terminal",
    "write_report": "report",
    "write_whole": "report",
    "check_place": "report",
    "GAIN_DEFINITION": "gain",
    "Later": "gain",
    "by_conversation": "gain",
    "exchanges": "gain",
    "gains": "gain",
    "Difference": "gain_figures",
    "Summary": "gain_figures",
    "differences": "gain_figures",
    "summary": "gain_figures",
    "gain_answers": "gain_log",
    "gain_rows": "gain_log",
    "write_gain": "gain_log",
    "signed": "figures",
    "p_text": "statistics",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lima_dialogue_eval' has no attribute {name!r}")
    return getattr(import_module(f"lima_dialogue_eval.{_HOME[name]}"), name)


@hookimpl
def register_commands(cli: "click.Group") -> None:
    from lima_dialogue_eval.cli import dialogues

    cli.add_command(dialogues)


@hookimpl
def register_graders(register: Callable[[str, Any], None]) -> None:
    from lima_dialogue_eval.grade import Requirements

    register("requirements", Requirements())


@hookimpl
def declare_protocols(declare: Callable[[str, type], None]) -> None:
    from lima_dialogue_eval.kinds import HoldsConversations, TurnGrader, Verifies

    declare("evaluations", HoldsConversations)
    declare("graders", TurnGrader)
    declare("graders", Verifies)


@hookimpl
def register_migrations(register: Callable[[str, Any], None]) -> None:
    from lima_dialogue_eval.tables import migrations

    register("lima-dialogue-eval", migrations)


@hookimpl
def before_train(run: "Run", examples: "Sequence[Record]") -> None:
    from lima_dialogue_eval.lifecycle import check

    check(run.recipe)


@hookimpl
def measure_epoch(model: Any, examples: "Sequence[Record]", record: Callable[[str, float], None]) -> None:
    from lima_dialogue_eval.gain import measured

    for name, value in measured(model, examples).items():
        record(name, value)


@hookimpl
def after_epoch(run: "Run", epoch: int, checkpoint: Path | None) -> None:
    from lima_dialogue_eval.lifecycle import evaluate

    evaluate(run, "after_epoch", checkpoint, f"epoch {epoch}")


@hookimpl
def after_train(run: "Run", checkpoint: Path) -> None:
    from lima_dialogue_eval.lifecycle import evaluate

    evaluate(run, "after_train", checkpoint, "")
