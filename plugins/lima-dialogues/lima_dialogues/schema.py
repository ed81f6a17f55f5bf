"""The shape of one file, which keys it has and that the roles alternate; and its lengths.

Three shapes: a dialogue to train on (user and assistant in turn), a conversation to evaluate with (the user's lines, each with
what is required of a reply), and replies with known grades, whose shape lima-chat knows. Knows nothing of other files.
"""

from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from lima import did_you_mean
from lima_chat import NULL_REPLIES, known_problems
from lima_dialogues.files import EVAL, KNOWN, TRAIN, File

FEWEST, MOST = 3, 6
"Exchanges of a dialogue, and user turns of a conversation"
LONGEST_SYSTEM, LONGEST_USER, LONGEST_ANSWER, LONGEST_DIALOGUE = 150, 400, 750, 1600
"""Words. A user's turn may have a pasted letter in it; how many of the 2,048 tokens of the recipe a dialogue takes depends on the
tokenizer, and `lima preview` says it"""
ORIGINS = ("free", "thread")

_TRAIN = {"id": True, "topic": True, "origin": False, "author": True, "licence": True, "tags": False, "turns": True}
_EVAL = {"id": True, "topic": True, "author": True, "licence": True, "system": False, "turns": True}
_TURN = {"user": True, "kind": False, "requirements": True, "facts": False, "null": False}
_REQUIREMENT = ("text", "must", "check", "reader")
_NULL = tuple(name for name in NULL_REPLIES if name != "empty")
"An empty reply is never right"


@dataclass(frozen=True)
class Problem:
    """One problem: what is wrong, where, and what to do about it"""

    file: str
    turn: int | None
    "Counted from 1 over the file's turns; None when it concerns the whole file"
    what: str
    fix: str

    def __str__(self) -> str:
        where = self.file if self.turn is None else f"{self.file}, turn {self.turn}"
        return f"{where}: {self.what}. {self.fix}"

    def as_dict(self) -> dict[str, Any]:
        """As a row for --json"""
        return asdict(self)


def shape(file: File) -> Iterator[Problem]:
    """What is wrong with the shape of one file, in the order to fix it; lengths are checked elsewhere"""
    if file.error:
        yield Problem(file.name, None, file.error, "Fix it; the rest of the file was not checked.")
        return
    if not isinstance(file.data, dict):
        yield Problem(
            file.name, None, f"holds {_kind(file.data)}, not an object", 'Put {"id": …, "topic": …, "turns": […]}.'
        )
        return
    if file.is_known:
        if file.kind in (TRAIN, EVAL):
            yield Problem(file.name, None, "has replies with known grades", f"Move it to {_folder(KNOWN, file)}/.")
        yield from (Problem(file.name, *found) for found in known_problems(file.data))
        return
    evaluation = file.is_evaluation
    if file.kind in (TRAIN, EVAL) and evaluation != (file.kind == EVAL):
        kind = "a conversation to evaluate with" if evaluation else "a dialogue to train on"
        yield Problem(file.name, None, f"is {kind}", f"Move it to {EVAL if evaluation else TRAIN}/.")
    yield from _keys(file, _EVAL if evaluation else _TRAIN)
    turns = file.data.get("turns")
    if "turns" in file.data and not (isinstance(turns, list) and turns):
        yield Problem(file.name, None, f"'turns' is {_kind(turns)}", "Put a list with the turns in their order.")
    elif isinstance(turns, list):
        yield from _script(file, turns) if evaluation else _dialogue(file, turns)


def lengths(file: File) -> Iterator[Problem]:
    """What is too short or too long in one file; malformed turns are left to `shape`"""
    said = spoken(file)
    for number, role, text in said:
        limit = {"assistant": LONGEST_ANSWER, "system": LONGEST_SYSTEM}.get(role, LONGEST_USER)
        if words(text) > limit:
            yield Problem(file.name, number, f"has {words(text)} words", f"Cut it to {limit}.")
    if words(told := system_text(file)) > LONGEST_SYSTEM:
        yield Problem(file.name, None, f"'system' has {words(told)} words", f"Cut it to {LONGEST_SYSTEM}.")
    n = sum(role == "user" for _, role, _ in said)
    if said and not FEWEST <= n <= MOST:
        what = "user turn" if file.is_evaluation else "exchange"
        yield Problem(file.name, None, f"has {n} {what}{'s' * (n != 1)}", f"Make it {FEWEST} to {MOST}.")
    total = sum(words(text) for _, _, text in said) + words(told)
    if total > LONGEST_DIALOGUE:
        fix = f"Cut it to {LONGEST_DIALOGUE:,}; a longer one may not fit into the 2,048 tokens of the recipe."
        yield Problem(file.name, None, f"has {total:,} words", fix)


def spoken(file: File) -> list[tuple[int, str, str]]:
    """(number, role, text) of the turns of either shape, those that are text"""
    turns = file.data.get("turns") if isinstance(file.data, dict) else None
    said = []
    for number, turn in enumerate(turns if isinstance(turns, list) else [], 1):
        if isinstance(turn, dict):
            role, text = ("user", turn["user"]) if "user" in turn else (turn.get("role"), turn.get("content"))
            if isinstance(role, str) and isinstance(text, str):
                said.append((number, role, text))
    return said


def system_text(file: File) -> str:
    """What the model is told beside the turns, in a conversation to evaluate with; '' in others"""
    told = file.data.get("system") if isinstance(file.data, dict) and file.is_evaluation else None
    return told if isinstance(told, str) else ""


def words(text: str) -> int:
    """Words, as white space divides them"""
    return len(text.split())


def _keys(file: File, known: dict[str, bool]) -> Iterator[Problem]:
    for key in known:
        value = file.data.get(key)
        if key not in file.data:
            if known[key]:
                yield Problem(file.name, None, f"has no {key!r}", f"Add it; a file has {', '.join(known)}.")
        elif key == "tags":
            if not isinstance(value, list) or not all(isinstance(tag, str) and tag for tag in value):
                yield Problem(
                    file.name, None, f"'tags' is {_shown(value)}", 'Put a list of words, such as ["ellipsis"].'
                )
        elif key != "turns" and not (isinstance(value, str) and value.strip()):
            yield Problem(file.name, None, f"{key!r} is {_shown(value)}", "Put a text.")
    for key in file.data:
        if key not in known:
            yield Problem(
                file.name, None, f"has an unknown key {key!r}", f"Remove or rename it.{did_you_mean(key, known)}"
            )
    if isinstance(file.data.get("id"), str) and file.data["id"] != file.stem:
        yield Problem(
            file.name, None, f"has the id {file.data['id']!r}", f"Make it {file.stem!r}, the name of the file."
        )
    if isinstance(file.data.get("origin"), str) and "origin" in known and file.data["origin"] not in ORIGINS:
        yield Problem(file.name, None, f"'origin' is {file.data['origin']!r}", f"Put one of: {', '.join(ORIGINS)}.")


def _dialogue(file: File, turns: list[Any]) -> Iterator[Problem]:
    told = isinstance(turns[0], dict) and turns[0].get("role") == "system"
    for number, turn in enumerate(turns, 1):
        wanted = "system" if told and number == 1 else "user" if (number - told) % 2 else "assistant"
        if not isinstance(turn, dict) or set(turn) != {"role", "content"}:
            yield Problem(file.name, number, _odd(turn), "A turn has 'role' and 'content', nothing else.")
            continue
        if turn["role"] != wanted:
            yield Problem(
                file.name,
                number,
                f"has the role {_shown(turn['role'])}, expected {wanted!r}",
                "User and assistant alternate, the user begins; only a system turn may come before.",
            )
        yield from _text(file, number, "content", turn["content"])
    if (len(turns) - told) % 2 or len(turns) == told:
        yield Problem(file.name, len(turns), "has no answer", "End with the assistant's turn.")


def _script(file: File, turns: list[Any]) -> Iterator[Problem]:
    needed = {key for key, always in _TURN.items() if always}
    for number, turn in enumerate(turns, 1):
        if not isinstance(turn, dict) or not needed <= set(turn) <= set(_TURN):
            fix = f"A turn has {_named(needed)}, and may have {_named(set(_TURN) - needed)}."
            yield Problem(file.name, number, _odd(turn), fix)
            continue
        yield from _text(file, number, "user", turn["user"])
        if not isinstance(turn.get("kind", ""), str):
            yield Problem(file.name, number, f"'kind' is {_shown(turn['kind'])}", 'Put a word, such as "ellipsis".')
        if "facts" in turn:
            yield from _text(file, number, "facts", turn["facts"])
        yield from _null(file, number, turn.get("null", {}))
        yield from _requirements(file, number, turn["requirements"])


def _requirements(file: File, number: int, requirements: Any) -> Iterator[Problem]:
    for requirement in requirements if isinstance(requirements, list) else [requirements]:
        yield from _requirement(file, number, requirement)
    rows = [r for r in requirements if isinstance(r, dict)] if isinstance(requirements, list) else []
    if not any(r.get("must", True) and (r.get("check") or r.get("reader")) for r in rows):
        yield Problem(
            file.name,
            number,
            "has no requirement that must hold and carries a check, or is for a reader",
            'Add {"text": …, "must": true, "check": {…}}, or "reader": true in place of the check: it decides about a fail.',
        )


def _null(file: File, number: int, reasons: Any) -> Iterator[Problem]:
    """Why a reply that needs no model may be right"""
    if not isinstance(reasons, dict):
        yield Problem(file.name, number, f"'null' is {_shown(reasons)}", 'Put {"echo": "why an echo is right here"}.')
        return
    for name, why in reasons.items():
        if name not in _NULL:
            fix = f"Remove or rename it.{did_you_mean(name, _NULL)}"
            yield Problem(file.name, number, f"'null' has an unknown key {name!r}", fix)
        elif not isinstance(why, str) or not why.strip():
            what = f"'null' has {_shown(why)} for {name!r}"
            yield Problem(file.name, number, what, "Say why such a reply is right here.")


def _requirement(file: File, number: int, requirement: Any) -> Iterator[Problem]:
    if not isinstance(requirement, dict) or not isinstance(requirement.get("text"), str):
        yield Problem(
            file.name,
            number,
            f"has {_shown(requirement)} for a requirement",
            'Put {"text": …, "must": …, "check": {…}}.',
        )
        return
    for key in ("must", "reader"):
        if not isinstance(requirement.get(key, True), bool):
            yield Problem(file.name, number, f"{key!r} is {_shown(requirement[key])}", "Put true or false.")
    for key in requirement:
        if key not in _REQUIREMENT:
            yield Problem(
                file.name,
                number,
                f"a requirement has an unknown key {key!r}",
                f"Remove or rename it.{did_you_mean(key, _REQUIREMENT)}",
            )
    from lima_dialogue_eval import check_problems  # not to train on dialogues

    check = requirement.get("check", {})
    if check and requirement.get("reader") is True:
        what = f"{_shown(requirement['text'])} is for a reader and has a check"
        yield Problem(file.name, number, what, "Leave out one: what a program can decide needs no reader.")
    for what, fix in check_problems(check, number - 1):
        yield Problem(file.name, number, what, fix)


def _text(file: File, number: int, key: str, value: Any) -> Iterator[Problem]:
    if not isinstance(value, str) or not value.strip():
        yield Problem(file.name, number, f"{key!r} is {_shown(value)}", "Write what is said.")
    elif value != value.strip():
        yield Problem(
            file.name, number, "begins or ends with white space", "Remove it; the template puts what is needed."
        )


def _folder(kind: str, file: File) -> str:
    """The folder of a kind that belongs to the set of a file"""
    return f"{kind}-{file.of_set}" if file.of_set else kind


def _odd(turn: Any) -> str:
    return f"has the keys {', '.join(map(repr, turn))}" if isinstance(turn, dict) and turn else f"is {_shown(turn)}"


def _named(keys: set[str]) -> str:
    """Keys of a turn in words, in their order"""
    *first, last = [repr(key) for key in _TURN if key in keys]
    return f"{', '.join(first)} and {last}"


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"


def _kind(value: Any) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "a text",
        bool: "true or false",
        int: "a number",
        float: "a number",
    }
    return "an empty list" if value == [] else names.get(type(value), "null")
