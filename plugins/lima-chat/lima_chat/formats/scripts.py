"""From a row's turns to a script for an evaluation, for every format: what the user says, with or without answers.

Answers are not learnt here, so their weights say nothing, and a last question may have none. Knows nothing of any one format.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from lima import LimaError, Row
from lima_chat.conversation import NO_TOOLS, EvalConversation, Turn, scripted
from lima_chat.formats.reading import Left, Reading, check, identity_of, merged
from lima_chat.formats.tools import described
from lima_chat.formats.values import whole_text

TOPICS = ("topic", "category", "task")
"Keys under which a row says what it is about"
_ANSWER = Turn("assistant", "…")
"Stands for an answer that the file lacks, while the order of the turns is checked"


def script(row: Row, turns: Sequence[Turn], reading: Reading, name: str = "") -> EvalConversation:
    """The script of a row's turns; answers before the first question are left off, with a note

    Left for a row with tools, LimaError for turns that are out of order or say nothing."""
    if described(row.value) or any(t.role == "tool" or t.tool_calls for t in turns):
        raise Left(NO_TOOLS)
    if all(t.role != "user" for t in turns):
        raise LimaError("no user says anything in it. Leave it out.")
    turns = merged(turns) if reading.options.merge_turns else list(turns)
    head = 1 if turns and turns[0].role == "system" else 0
    first = next(i for i, t in enumerate(turns) if t.role == "user")
    if first > head and all(t.role == "assistant" for t in turns[head:first]):
        reading.note(row, "a first answer without a question")
        turns = turns[:head] + turns[first:]
    check(_complete(turns), reading.options.merge_turns)
    identity = name or identity_of(row, ("question_id",)) or f"{row.label}:{row.number}"
    return EvalConversation(whole_text(identity, "its id"), topic_of(row.value), *scripted(turns))


def topic_of(row: Mapping[str, Any]) -> str:
    """What a row says that it is about, or ''"""
    said = (row.get(key) for key in TOPICS)
    return whole_text(next((one for one in said if isinstance(one, str)), ""), "its topic")


def unanswered(questions: Sequence[str], references: Any, shape: str) -> list[Turn]:
    """Turns of questions that a file has without answers, but with a reference for some of them, in their order"""
    given = [references] if isinstance(references, str) else references or []
    if not isinstance(given, list) or len(given) > len(questions) or not all(isinstance(r, str | None) for r in given):
        raise LimaError(f"'reference' is not a list of texts, one a question at most; expected a row such as {shape}.")
    if empty := next((number for number, question in enumerate(questions, 1) if not question.strip()), 0):
        raise LimaError(f"question {empty} is empty. Write it, or leave the row out.")
    given = [*given, *[None] * (len(questions) - len(given))]
    return [
        turn
        for question, reference in zip(questions, given, strict=True)
        for turn in (Turn("user", question), Turn("assistant", reference or ""))
    ]


def _complete(turns: Sequence[Turn]) -> tuple[Turn, ...]:
    """The turns with something for each answer that is missing at the end or empty"""
    found = [
        replace(t, content=_ANSWER.content) if t.role == "assistant" and not t.content.strip() else t for t in turns
    ]
    return tuple(found) if found and found[-1].role != "user" else (*found, _ANSWER)
