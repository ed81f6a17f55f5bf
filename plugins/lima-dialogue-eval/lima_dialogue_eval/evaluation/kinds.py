"""What this plugin needs of evaluations and graders: declared to lima, which checks it when they are registered, and found.

Knows nothing of how a conversation is held.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from lima import Evaluation, LimaError, contained, did_you_mean, plugin_code
from lima_dialogue_eval.conversation.arrivals import takes
from lima_dialogue_eval.evaluation.file_evaluation import Tables, open_file

if TYPE_CHECKING:
    from lima import Plugins, Store, Verdict
    from lima_chat import EvalConversation
    from lima_dialogue_eval.conversation.grade import GradedTurn


@runtime_checkable
class HoldsConversations(Protocol):
    """An evaluation whose conversations can be held with a model"""

    def conversations(self) -> "Iterable[EvalConversation]":
        """The conversations, each with an id of its own; the same each time, because their hash says which runs can be compared

        By `lima dialogues run`, `lima evaluations show` and `check`, before anything is asked."""


class HeldEvaluation(Evaluation, HoldsConversations, Protocol):
    """What lima asks of an evaluation, and its conversations"""


@runtime_checkable
class TurnGrader(Protocol):
    """A grader of one reply within a conversation"""

    def grade(self, turn: "GradedTurn") -> "Verdict":
        """The verdict on a reply, of which `turn` has all that was said before

        For each reply of `lima dialogues run`, `regrade` and `lima graders audit`; what it raises is that turn's status."""


@runtime_checkable
class GradesMany(Protocol):
    """A grader that takes many turns at once, such as one that asks a server: calls on_verdict(place, verdict) as each is there

    A place is counted from 0; in place of a verdict may stand the exception that is this turn's failure. Verdicts that it has
    not told of it may return, one a turn."""

    def grade_all(
        self, turns: "Sequence[GradedTurn]", on_verdict: "Callable[[int, Verdict | Exception], None]"
    ) -> "Sequence[Verdict | Exception] | None":
        """Grade all of them

        In place of `grade`, with all replies that are waiting."""


@runtime_checkable
class Charges(Protocol):
    """A model or grader that keeps account of what it costs: for which dialogue run, and what for, the next calls are"""

    def charge_to(self, run: str, purpose: str) -> None: ...


def charge(thing: Any, run: str, purpose: str) -> None:
    """Tell a model or grader that keeps account for which run the next calls are; any other hears nothing"""
    if isinstance(thing, Charges):
        thing.charge_to(run, purpose)


@runtime_checkable
class Identifies(Protocol):
    """What says itself what decides its verdicts or replies, such as a prompt and a model: as text, which is hashed"""

    def identity(self) -> str:
        """What decides it, as text; without this method its source code is hashed

        Before anything is asked, and when a run is resumed."""


@runtime_checkable
class Verifies(Protocol):
    """A grader that checks what it is to grade by before anything is asked; LimaError for what it cannot read"""

    def verify(self, conversations: "Sequence[EvalConversation]") -> None:
        """Raise LimaError for a requirement that it cannot read

        Before anything is asked."""


def find_evaluation(plugins: "Plugins", name: str, tables: Tables | None = None) -> HeldEvaluation:
    """The evaluation that is registered under the name, or that a file, a folder or a source of the name is

    `tables` say how files are read, as in a recipe. LimaError for an unknown name, and for what has no conversations."""
    evaluations = plugins.registry("evaluations")
    found: Any = None
    if name not in evaluations and name not in evaluations.contested:
        found = open_file(name, plugins, tables)
        if found is None:
            raise LimaError(f"There is no evaluation {name!r}, and no such file.{did_you_mean(name, evaluations)}")
    found = found or evaluations.find(name)
    if not isinstance(found, HoldsConversations):
        raise LimaError(evaluations.lacking(name, HoldsConversations, "be held with a model"))
    return found


def reopened_evaluation(
    plugins: "Plugins", row: "Mapping[str, Any]", name: str | None, tables: Tables | None, again: str
) -> HeldEvaluation:
    """The evaluation of a dialogue run's row: a registered one by the row, what is in a file only by a `name` that is given now

    A database may come from anywhere, and must not choose what is read. LimaError with `again`, the command to resume."""
    if name is None and row["evaluation_path"]:
        raise LimaError(
            f"Dialogue run {row['id']} was begun with the evaluation {row['evaluation']!r}, which is read only when you name it: "
            f"{again}"
        )
    if name is None:
        plugins.registry("evaluations").find(row["evaluation"])  # a row of no path must not lead to a file of that name
    return find_evaluation(plugins, name or row["evaluation"], tables)


def script_of(name: str, evaluation: HoldsConversations) -> "dict[str, EvalConversation]":
    """The conversations of an evaluation by their ids, in its order; LimaError where there are none, or an id twice"""
    with plugin_code(f"the evaluation {name!r}"):
        found = list(evaluation.conversations())
    for number, one in enumerate(found, 1):
        _check_conversation(f"The evaluation {name!r}: conversation {number}", one)
    script = {c.id: c for c in found}
    if not script:
        raise LimaError(f"The evaluation {name!r} has no conversations.")
    if len(script) < len(found):
        twice = sorted({c.id for c in found if sum(o.id == c.id for o in found) > 1})
        raise LimaError(f"The evaluation {name!r} has several conversations with the id {twice[0]!r}.")
    return script


def _check_conversation(what: str, one: object) -> None:
    """LimaError for what an evaluation gives as a conversation and is none, or has something else in place of a text"""
    from lima_chat import EvalConversation, EvalTurn

    if not isinstance(one, EvalConversation):
        raise LimaError(f"{what} is of the type {type(one).__name__}; expected lima_chat.EvalConversation.")
    texts: dict[str, object] = {"id": one.id, "topic": one.topic}
    for name, text in texts.items():
        if not isinstance(text, str):
            raise LimaError(f"{what} has {name} = {text!r}; expected text.")
    for number, turn in enumerate(one.turns, 1):
        if not isinstance(turn, EvalTurn):
            raise LimaError(f"{what}, turn {number} is of the type {type(turn).__name__}; expected lima_chat.EvalTurn.")


def check_gradable(plugins: "Plugins", spec: str, grader: Any, script: "Sequence[EvalConversation]") -> None:
    """LimaError for conversations that a grader, by its own word, cannot grade"""
    if isinstance(grader, Verifies):
        graders = plugins.registry("graders")
        with contained(f"the grader {spec!r}", graders.owners[graders.split(spec)[0]]):
            grader.verify(script)


def checks_decide(evaluation: Any, name: str) -> bool:
    """Whether an evaluation declares that its checks decide Pass and Excellent, too; LimaError unless it says true or false"""
    said = getattr(evaluation, "checks_decide", False)
    if not isinstance(said, bool):
        raise LimaError(f"The evaluation {name!r} has checks_decide = {said!r}; expected True or False.")
    return said


def turn_grader(plugins: "Plugins", spec: str, store: "Store", trust_remote_code: bool = False) -> TurnGrader:
    """The grader NAME or NAME:ARGUMENT; LimaError when it does not grade the turns of a conversation

    Code that comes with a model by which it grades runs only with `trust_remote_code`; LimaError where nothing takes that."""
    graders = plugins.registry("graders")
    opener = graders.find(graders.split(spec)[0])
    if trust_remote_code and not (graders.opens(spec) and takes(opener.open, "trust_remote_code")):
        raise LimaError(f"The grader {spec!r} runs no code of a folder. Leave out --trust-remote-code.")
    found = graders.open(spec, store, **({"trust_remote_code": True} if trust_remote_code else {}))
    if not isinstance(found, TurnGrader):
        raise LimaError(graders.lacking(spec, TurnGrader, "grade the replies of a conversation"))
    return found
