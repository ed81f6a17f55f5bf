"""What a renderer makes of conversations of every shape, each judged by transformers: a certificate for a chat template.

Knows nothing of the command line.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lima import LimaError
from lima_chat.conversation import Conversation, Turn
from lima_chat.judge import Judge
from lima_chat.renderer import ChatRenderer

KEPT, DROPPED = "trained", "trained, later dropped"


@dataclass(frozen=True)
class Check:
    """One shape of conversation in one format"""

    shape: str
    "What the conversation has"
    rows: int
    "How many rows of tokens it became; 0: refused"
    answers: int
    "How many answers are trained"
    why: str = ""
    "Why it became several rows"
    refused: str = ""
    "What lima says against it"
    cannot: str = ""
    "Why inference could not be prompted for it either, or would not see all of it"
    faults: tuple[str, ...] = ()
    "What transformers finds wrong"

    @property
    def passed(self) -> bool:
        """Whether lima trains it rightly, or refuses it for a reason that inference has, too"""
        return not self.faults and (not self.refused or bool(self.cannot))


@dataclass(frozen=True)
class Certificate:
    """A format with a tokenizer, and what became of every shape"""

    name: str
    eot: str
    "The token that ends an answer; empty if none was found"
    bos: str
    "How the prompt of inference begins, if with the tokenizer's BOS"
    checks: tuple[Check, ...]
    problem: str = ""
    "Why nothing could be rendered at all"

    @property
    def passed(self) -> bool:
        """Whether no mask is wrong and nothing is refused that inference can prompt"""
        return not self.problem and all(check.passed for check in self.checks)

    def as_json(self) -> dict[str, Any]:
        """For programs"""
        about = {"name": self.name, "passed": self.passed, "eot": self.eot, "bos": self.bos, "problem": self.problem}
        return about | {"checks": [asdict(check) | {"passed": check.passed} for check in self.checks]}

    def as_row(self) -> dict[str, str]:
        """For people: one line"""
        taken = {check.shape: check for check in self.checks}
        if self.problem:
            return {"name": self.name, "": "refused", **dict.fromkeys(COLUMNS, "")}
        return {
            "name": self.name,
            "": "right" if self.passed else "WRONG",
            "EOT": self.eot,
            "BOS": "yes" if self.bos else "no",
            "system": _taken(taken["system, 3 exchanges"]),
            "rows": _rows(taken["3 exchanges"], taken["system, 3 exchanges"]),
            "thoughts": _thoughts(taken["thoughts, 3 exchanges"]),
            "<think> in the text": _thoughts(taken["<think> in the text, 3 exchanges"]),
            "tools": _taken(taken["tools"]),
        }


COLUMNS = ("EOT", "BOS", "system", "rows", "thoughts", "<think> in the text", "tools")


def _taken(check: Check) -> str:
    return "no" if check.refused else "yes"


def _rows(plain: Check, system: Check) -> str:
    if plain.rows == 1 and system.rows > 1:
        return "one; with a system turn one an answer"
    return "" if plain.refused else "one" if plain.rows == 1 else "one an answer"


def _thoughts(check: Check) -> str:
    return "no" if check.refused else KEPT if check.rows == 1 else DROPPED


TOOL = {
    "type": "function",
    "function": {
        "name": "tide_at",
        "description": "When the water is high",
        "parameters": {"type": "object", "properties": {"place": {"type": "string"}}, "required": ["place"]},
    },
}
CALL: dict[str, Any] = {
    "type": "function",
    "id": "tideBrest",
    "function": {"name": "tide_at", "arguments": {"place": "Brest"}},
}
"Its id has the nine letters and digits that Mistral's templates insist on"
QUESTIONS = ("When is high tide in Brest?", "And tomorrow?", "Thank you!")
ANSWERS = ("At noon.", "A little later:\n\n1. 12:50\n2. 13:05", "You are welcome.")
THOUGHTS = ("They ask about the sea.", "Each day it moves\nby fifty minutes.", "Be polite.")


def shapes() -> Iterator[tuple[str, Conversation]]:
    """Conversations of every shape, with their names"""
    for number in (1, 3):
        many = f"{number} exchange{'s' if number > 1 else ''}"
        for system in ("", "system, "):
            head = (Turn("system", "You know the sea."),) if system else ()
            yield f"{system}{many}", _talk(*head, *_exchanges(number))
        yield f"thoughts, {many}", _talk(*_exchanges(number, apart=True))
        yield f"<think> in the text, {many}", _talk(*_exchanges(number, inline=True))
    calls = (
        Turn("user", QUESTIONS[0]),
        Turn("assistant", "", tool_calls=(CALL,)),
        Turn("tool", "12:00", name="tide_at", call_id=CALL["id"]),
    )
    yield "tools", _talk(*calls, Turn("assistant", ANSWERS[0]), *_exchanges(3)[2:4], tools=(TOOL,))


def _talk(*turns: Turn, tools: tuple[dict[str, Any], ...] = ()) -> Conversation:
    return Conversation(id="check", turns=turns, tools=tools)


def _exchanges(number: int, apart: bool = False, inline: bool = False) -> list[Turn]:
    turns = []
    for question, answer, thought in list(zip(QUESTIONS, ANSWERS, THOUGHTS, strict=True))[:number]:
        said = f"<think>\n{thought}\n</think>\n\n{answer}" if inline else answer
        turns += [Turn("user", question), Turn("assistant", said, thoughts=thought if apart else "")]
    return turns


def certify(name: str, renderer: ChatRenderer, tokenizer: Any, variables: Mapping[str, Any]) -> Certificate:
    """Render every shape with a renderer and judge the rows; the tokenizer gets the tokens that it lacks"""
    renderer = renderer.with_variables(variables)
    try:
        eot = renderer.end_of_turn(tokenizer)
    except LimaError as e:
        return Certificate(name, "", "", (), str(e))
    missing = [t for t in (eot, *renderer.special_tokens(tokenizer)) if t not in tokenizer.all_special_tokens]
    tokenizer.add_special_tokens({"additional_special_tokens": missing}, replace_extra_special_tokens=False)
    templates = renderer.chat_template(tokenizer, eot), renderer.tool_template(tokenizer, eot)
    judge = Judge(tokenizer, templates[0], eot, templates[1])
    checks = tuple(check(shape, talk, renderer, tokenizer, eot, judge) for shape, talk in shapes())
    return Certificate(name, eot, _bos(renderer, tokenizer, eot), checks)


def check(shape: str, talk: Conversation, renderer: ChatRenderer, tokenizer: Any, eot: str, judge: Judge) -> Check:
    """Render one conversation, and have the rows or the refusal judged"""
    from lima import verify

    answers = len(talk.trained_turns)
    try:
        rows = renderer.render(talk, tokenizer, eot)
        verify(talk, rows, renderer, tokenizer, eot)
    except LimaError as e:
        reason = str(e).partition(": ")[2] or str(e)
        return Check(shape, 0, answers, refused=reason, cannot=_cannot(talk, renderer, tokenizer, eot, judge))
    return Check(shape, len(rows), answers, rows[0].why, faults=tuple(judge.faults(talk, rows)))


def _cannot(talk: Conversation, renderer: ChatRenderer, tokenizer: Any, eot: str, judge: Judge) -> str:
    """Why inference could not be prompted; what does not render in the sandbox is not rendered outside of it"""
    try:
        renderer.render_prompts(talk, tokenizer, eot)
    except LimaError as e:
        return str(e)
    return judge.cannot(talk)


def _bos(renderer: ChatRenderer, tokenizer: Any, eot: str) -> str:
    try:
        first = renderer.prompt(QUESTIONS[0], tokenizer, eot)[:1]
    except LimaError:
        return ""
    return str(tokenizer.bos_token) if first == [tokenizer.bos_token_id] else ""
