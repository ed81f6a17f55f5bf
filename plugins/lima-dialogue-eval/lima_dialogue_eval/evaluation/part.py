"""Which part of an evaluation is held, how its file is read, and how both stand in a dialogue run's row.

Knows nothing of where conversations come from.
"""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lima import LimaError, did_you_mean

if TYPE_CHECKING:
    from lima_chat import EvalConversation


@dataclass(frozen=True)
class Part:
    """What is asked for of an evaluation; everything unless it says otherwise"""

    limit: int | None = None
    "Only the first so many conversations, in their order"
    conversations: tuple[str, ...] = ()
    "Only these, by their ids"
    tables: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    "How a file is read: tables of plugins, as in a recipe"

    def __post_init__(self) -> None:
        if self.limit is not None and (type(self.limit) is not int or self.limit < 1):
            raise LimaError(f"The limit is {self.limit!r}; expected a whole number of 1 or more.")
        if self.limit is not None and self.conversations:
            raise LimaError("Give a limit or conversations by their ids, not both.")

    def of(self, name: str, script: "Mapping[str, EvalConversation]") -> "dict[str, EvalConversation]":
        """The conversations that are held, in the evaluation's order; LimaError for one that the evaluation does not have"""
        if unknown := next((id for id in self.conversations if id not in script), None):
            raise LimaError(f"The evaluation {name!r} has no conversation {unknown!r}.{did_you_mean(unknown, script)}")
        ids = [id for id in script if not self.conversations or id in self.conversations]
        return {id: script[id] for id in ids[: self.limit]}

    def columns(self, path: str | None, whole: int, held: int) -> dict[str, str | None]:
        """Two columns of a run: where an evaluation that is not registered is, and as JSON which part of it was held

        The part is null where all is held, and no table says how a file is read."""
        said = {"limit": self.limit, "conversations": list(self.conversations), "tables": self.tables if path else {}}
        kept = {key: value for key, value in said.items() if value}
        part = json.dumps({**kept, "of": whole, "left_out": whole - held}) if kept else None
        return {"evaluation_path": path, "evaluation_part": part}

    @classmethod
    def recalled(cls, said: Any) -> "Part":
        """From a row, its JSON decoded; LimaError for what no run writes"""
        said = {} if said is None else said
        try:
            return cls(said.get("limit"), tuple(map(str, said.get("conversations", ()))), dict(said.get("tables", {})))
        except (ValueError, TypeError, AttributeError):
            raise LimaError(f"The row's evaluation_part is {said!r}, which no run writes.") from None


def shown_part(row: Mapping[str, Any]) -> str:
    """The evaluation of a run's row, its JSON decoded, and how much of it was held: 'dialogues (3 of 10, live)'"""
    part = row["evaluation_part"]
    whole, left = (part.get(key) for key in ("of", "left_out")) if isinstance(part, dict) else (None, None)
    held = f"{whole - left:,} of {whole:,}" if type(whole) is type(left) is int and left else ""
    mode = row.get("mode") if row.get("mode") != row["evaluation"] else ""
    said = ", ".join(one for one in (held, mode) if one)
    return f"{row['evaluation']} ({said})" if said else str(row["evaluation"])


def say(name: str, whole: int, held: "Sequence[EvalConversation]", grader: str) -> None:
    """Note what is left out, and that a grader of checks has nothing to check, before anything is asked"""
    log = logging.getLogger("lima")
    if len(held) < whole:
        log.info("%s: %s of %s conversations; %s are left out.", name, len(held), whole, f"{whole - len(held):,}")
    turns = [turn for conversation in held for turn in conversation.turns]
    if grader == "requirements" and not any(turn.requirements for turn in turns):
        log.warning(
            "%s: none of the %s turns has requirements, so the grader 'requirements' leaves the replies undecided. Judges and "
            "people grade them: `lima graders` lists what --grader takes.",
            name,
            f"{len(turns):,}",
        )
