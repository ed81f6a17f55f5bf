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
    "check_problems": "checks",
    "GradedTurn": "grade",
    "Verdict": "grade",
    "dialogue_runs": "log",
    "find_run": "log",
    "KnownReply": "known",
    "KnowsReplies": "known",
    "audit_grader": "audit",
    "last_audit": "audit_log",
    "audit_line": "audit_log",
    "floor_line": "audit_log",
    "conversations": "log",
    "replies": "log",
    "find_evaluation": "kinds",
    "model_hash": "identity",
    "sign_test": "statistics",
    "t_interval": "statistics",
    "wilson": "statistics",
    "share_text": "statistics",
    "interval_text": "statistics",
    "p_text": "statistics",
    "print_comparison": "terminal",
    "write_report": "report",
    "write_arms": "report",
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
    "Estimate": "estimates",
    "EstimatesVerdicts": "estimates",
    "TakesLimit": "estimates",
    "of_batch": "estimates",
    "of_replies": "estimates",
    "of_verdicts": "estimates",
    "tokens_about": "estimates",
    "would_ask": "evaluate",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lima_dialogue_eval' has no attribute {name!r}")
    return getattr(import_module(f"lima_dialogue_eval.{_HOME[name]}"), name)


@hookimpl
def register_commands(cli: "click.Group") -> None:
    import click

    from lima_dialogue_eval.audit_command import audit, audits, check
    from lima_dialogue_eval.cli import dialogues
    from lima_dialogue_eval.evaluation_command import show_evaluation

    cli.add_command(dialogues)
    # Commands of the core's listings: `lima graders audit`, `lima evaluations check` and `show`.
    for listing, commands in (("graders", (audit, audits)), ("evaluations", (check, show_evaluation))):
        if isinstance(group := cli.commands.get(listing), click.Group):
            for command in commands:
                group.add_command(command)


@hookimpl
def register_graders(register: Callable[[str, Any], None]) -> None:
    from lima_dialogue_eval.grade import Requirements

    register("requirements", Requirements())


@hookimpl
def declare_protocols(declare: Callable[[str, type], None]) -> None:
    from lima_dialogue_eval.file_evaluation import ReadsEvaluations, YieldsScripts
    from lima_dialogue_eval.kinds import GradesMany, HoldsConversations, Identifies, TurnGrader, Verifies
    from lima_dialogue_eval.known import KnowsReplies

    declare("sources", YieldsScripts)
    declare("evaluations", HoldsConversations)
    declare("evaluations", KnowsReplies)
    declare("evaluations", ReadsEvaluations)
    for protocol in (TurnGrader, GradesMany, Identifies, Verifies):
        declare("graders", protocol)


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
    from lima_dialogue_eval.lifecycle import check_errors, evaluate

    evaluate(run, "after_train", checkpoint, "")
    check_errors(run)
