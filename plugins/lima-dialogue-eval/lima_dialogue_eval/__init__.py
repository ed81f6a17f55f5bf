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
    "Comparison": "comparison.result",
    "Arm": "comparison.result",
    "compare": "comparison.arms",
    "compare_each": "comparison.arms",
    "describe": "comparison.alone",
    "Alone": "comparison.alone",
    "Family": "comparison.family",
    "run_evaluation": "run.evaluate",
    "resume_evaluation": "run.evaluate",
    "check_problems": "checks",
    "GradedTurn": "conversation.grade",
    "Verdict": "conversation.grade",
    "begun_since": "record.log",
    "dialogue_runs": "record.log",
    "find_run": "record.log",
    "KnownReply": "evaluation.known",
    "KnowsReplies": "evaluation.known",
    "audit_grader": "audit.measure",
    "last_audit": "audit.log",
    "audit_line": "audit.log",
    "floor_line": "audit.log",
    "conversations": "record.log",
    "replies": "record.log",
    "GradesMany": "evaluation.kinds",
    "HoldsConversations": "evaluation.kinds",
    "find_evaluation": "evaluation.kinds",
    "script_of": "evaluation.kinds",
    "model_hash": "evaluation.identity",
    "reopenable": "evaluation.models",
    "script_hash": "evaluation.identity",
    "sign_flip": "statistics",
    "sign_test": "statistics",
    "t_interval": "statistics",
    "wilson": "statistics",
    "holm": "statistics",
    "tie_discounted_accuracy": "statistics",
    "alpha": "coefficients",
    "coincidences": "coefficients",
    "kappa": "coefficients",
    "value_of": "coefficients",
    "assign": "people.assignment",
    "rater_name": "record.people",
    "same_name": "record.people",
    "share_text": "statistics",
    "count_of": "report.wording",
    "interval_text": "statistics",
    "p_text": "statistics",
    "print_comparison": "report.terminal",
    "write_report": "report.page",
    "write_whole": "report.page",
    "check_place": "report.page",
    "new_file": "exchange.files",
    "GAIN_DEFINITION": "gain.measure",
    "Later": "gain.measure",
    "by_conversation": "gain.measure",
    "exchanges": "gain.measure",
    "gains": "gain.measure",
    "Difference": "gain.figures",
    "Summary": "gain.figures",
    "differences": "gain.figures",
    "summary": "gain.figures",
    "gain_answers": "gain.log",
    "gain_rows": "gain.log",
    "write_gain": "gain.log",
    "signed": "report.figures",
    "Estimate": "run.estimates",
    "EstimatesVerdicts": "run.estimates",
    "TakesLimit": "run.estimates",
    "of_batch": "run.estimates",
    "of_replies": "run.estimates",
    "of_verdicts": "run.estimates",
    "tokens_about": "run.estimates",
    "would_ask": "run.evaluate",
    "Asked": "pages.frame",
    "Keys": "people.keys",
    "Link": "pages.links",
    "LocalPages": "pages.frame",
    "Page": "pages.frame",
    "page_templates": "pages.templates",
    "personal_link": "pages.links",
    "rater_names": "people.studies",
    "serve_pages": "pages.serving",
}

__all__ = list(_HOME)


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'lima_dialogue_eval' has no attribute {name!r}")
    return getattr(import_module(f"lima_dialogue_eval.{_HOME[name]}"), name)


@hookimpl
def register_commands(cli: "click.Group") -> None:
    import click

    from lima_dialogue_eval.cli.audit_command import audit, audits, check
    from lima_dialogue_eval.cli.dialogues import dialogues
    from lima_dialogue_eval.cli.evaluation_command import show_evaluation

    cli.add_command(dialogues)
    # Commands of the core's listings: `lima graders audit`, `lima evaluations check` and `show`.
    for listing, commands in (("graders", (audit, audits)), ("evaluations", (check, show_evaluation))):
        if isinstance(group := cli.commands.get(listing), click.Group):
            for command in commands:
                group.add_command(command)


@hookimpl
def register_graders(register: Callable[[str, Any], None]) -> None:
    from lima_dialogue_eval.conversation.grade import Requirements

    register("requirements", Requirements())


@hookimpl
def declare_protocols(declare: Callable[[str, type], None]) -> None:
    from lima_dialogue_eval.evaluation.file_evaluation import ReadsEvaluations, YieldsScripts
    from lima_dialogue_eval.evaluation.kinds import GradesMany, HoldsConversations, Identifies, TurnGrader, Verifies
    from lima_dialogue_eval.evaluation.known import KnowsReplies

    declare("sources", YieldsScripts)
    declare("evaluations", HoldsConversations)
    declare("evaluations", KnowsReplies)
    declare("evaluations", ReadsEvaluations)
    for protocol in (TurnGrader, GradesMany, Identifies, Verifies):
        declare("graders", protocol)


@hookimpl
def register_migrations(register: Callable[[str, Any], None]) -> None:
    from lima_dialogue_eval.record.studies import migrations  # those of `tables`, and its own

    register("lima-dialogue-eval", migrations)


@hookimpl
def before_train(run: "Run", examples: "Sequence[Record]") -> None:
    from lima_dialogue_eval.run.lifecycle import check

    check(run.recipe)


@hookimpl
def measure_epoch(model: Any, examples: "Sequence[Record]", record: Callable[[str, float], None]) -> None:
    from lima_dialogue_eval.gain.measure import measured

    for name, value in measured(model, examples).items():
        record(name, value)


@hookimpl
def after_epoch(run: "Run", epoch: int, checkpoint: Path | None) -> None:
    from lima_dialogue_eval.run.lifecycle import evaluate

    evaluate(run, "after_epoch", checkpoint, f"epoch {epoch}")


@hookimpl
def after_train(run: "Run", checkpoint: Path) -> None:
    from lima_dialogue_eval.run.lifecycle import check_errors, evaluate

    evaluate(run, "after_train", checkpoint, "")
    check_errors(run)
