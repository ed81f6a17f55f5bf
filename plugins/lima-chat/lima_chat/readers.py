"""Sources that read the usual chat files: OpenAI messages, ShareGPT, Alpaca, and LIMA's own strings.

Each recognises its format by the first row, so `--source FILE` does not need a format's name. Knows nothing of JSON's lines
(`rows`) and nothing of how the turns are rendered.
"""

import sys
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any

from lima import LimaError, Record, did_you_mean
from lima_chat.conversation import Turn
from lima_chat.rows import Reading, Row, identity_of, kind_of, licence_of, objects_of, rows, text_of


class FileSource(ABC):
    """What readers of one row = one conversation share"""

    name: str
    description: str
    licence = "the file's own"

    @abstractmethod
    def recognises(self, row: Any) -> bool:
        """Whether a file with this first row is for this source"""

    @abstractmethod
    def turns(self, row: Row) -> list[Turn]:
        """The turns of one row; LimaError with its place if it has another shape"""

    def origin(self, row: Row) -> str:
        """Where the row says it comes from"""
        return ""

    def examples(self, argument: str | None) -> Iterator[Record]:
        """The records of a file, in its order"""
        if not argument:
            raise LimaError(f"The source {self.name!r} reads a file: write it as {self.name}:FILE.")
        reading = Reading(argument)
        for row in rows(argument):
            turns = self.turns(row)
            yield reading.record(row, turns, name=identity_of(row), licence=licence_of(row), origin=self.origin(row))
        reading.say()


class OpenAI(FileSource):
    """`{"messages": [{"role", "content"}, …]}`, with optional `train` or `weight` on a message"""

    name = "openai"
    description = "JSONL or JSON, OpenAI's messages of role and content; optional: train and weight on each"
    SHAPE = '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}'
    ROLES = {"system": "system", "developer": "system", "user": "user", "assistant": "assistant"}

    def recognises(self, row: Any) -> bool:
        return any(isinstance(m, dict) and "role" in m and "content" in m for m in _listed(row, self._key(row))[:1])

    def _key(self, row: Any) -> str:
        # Some publish messages of role and content under ShareGPT's key.
        return (
            "conversations"
            if isinstance(row, dict) and "messages" not in row and "conversations" in row
            else "messages"
        )

    def turns(self, row: Row) -> list[Turn]:
        found = objects_of(row, self._key(row.value), self.SHAPE)
        if row.value.get("tools") or row.value.get("functions"):
            raise row.wrong(
                "it offers tools, which would be lost: lima trains on text. Leave the row out, or remove them."
            )
        return [self._turn(row, number, message) for number, message in enumerate(found, 1)]

    def _turn(self, row: Row, number: int, message: dict[str, Any]) -> Turn:
        what = f"turn {number}"
        if message.get("tool_calls") or message.get("function_call") or message.get("role") in ("tool", "function"):
            raise row.wrong(
                f"{what} calls or answers a tool: lima trains on text. Leave the row out, or rewrite it as text."
            )
        role = text_of(row, message, "role", what)
        if role not in self.ROLES:
            raise row.wrong(f"{what} has role {role!r}.{did_you_mean(role, self.ROLES)}")
        parts = message.get("content")
        content = self._parts(row, what, parts) if isinstance(parts, list) else text_of(row, message, "content", what)
        return Turn(self.ROLES[role], content, *_learning(row, message, what))

    def _parts(self, row: Row, what: str, parts: list[Any]) -> str:
        for part in parts:
            if not (isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)):
                kind = part.get("type") if isinstance(part, dict) else part
                raise row.wrong(
                    f"{what} has a part {kind!r}; only text can be trained on. Leave the row out, or the part."
                )
        return "".join(part["text"] for part in parts)


class ShareGPT(FileSource):
    """`{"conversations": [{"from": "human", "value"}, {"from": "gpt", "value"}, …]}`"""

    name = "sharegpt"
    description = "JSON or JSONL, ShareGPT's conversations of from (human, gpt, system) and value"
    SHAPE = '{"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}]}'
    ROLES = {
        "human": "user",
        "user": "user",
        "gpt": "assistant",
        "assistant": "assistant",
        "chatgpt": "assistant",
        "bard": "assistant",
        "bing": "assistant",
        "model": "assistant",
        "system": "system",
    }

    def recognises(self, row: Any) -> bool:
        return any(isinstance(t, dict) and "from" in t and "value" in t for t in _listed(row, "conversations")[:1])

    def turns(self, row: Row) -> list[Turn]:
        turns = []
        for number, turn in enumerate(objects_of(row, "conversations", self.SHAPE), 1):
            role = text_of(row, turn, "from", f"turn {number}")
            if role not in self.ROLES:
                raise row.wrong(f"turn {number} is from {role!r}.{did_you_mean(role, self.ROLES)}")
            value = text_of(row, turn, "value", f"turn {number}")
            turns.append(Turn(self.ROLES[role], value, *_learning(row, turn, f"turn {number}")))
        return _system(row) + turns


class Alpaca(FileSource):
    """`{"instruction", "input", "output"}`, with `system` and `history` as LLaMA-Factory adds them"""

    name = "alpaca"
    description = "JSON or JSONL, Alpaca's instruction, input (may be empty) and output; optional: system and history"
    SHAPE = '{"instruction": "…", "input": "", "output": "…"}'

    def recognises(self, row: Any) -> bool:
        taken = {"messages", "conversations", "response"}
        return isinstance(row, dict) and "instruction" in row and "output" in row and not taken & row.keys()

    def turns(self, row: Row) -> list[Turn]:
        if not isinstance(row.value, dict):
            raise row.wrong(f"expected an object such as {self.SHAPE}, found {kind_of(row.value)}.")
        turns = _system(row)
        history = row.value.get("history") or []
        for exchange in history if isinstance(history, list) else [history]:
            if not isinstance(exchange, list) or len(exchange) != 2 or not all(isinstance(t, str) for t in exchange):
                raise row.wrong("'history' must be a list of pairs of text: [[question, answer], …].")
            turns += [Turn("user", exchange[0]), Turn("assistant", exchange[1])]
        prompt = text_of(row, row.value, "instruction", "the row")
        if row.value.get("input") is not None and (more := text_of(row, row.value, "input", "the row")):
            prompt = f"{prompt}\n\n{more}"
        answer = text_of(row, row.value, "output", "the row")
        return [*turns, Turn("user", prompt), Turn("assistant", answer, *_learning(row, row.value, "the row"))]


class LimaStrings(FileSource):
    """`{"conversations": [str, str, …], "source": str}`: LIMA's release, user and assistant in turn without role names"""

    name = "lima"
    description = "JSONL of LIMA's release (GAIR/lima, bring your own copy): conversations of plain strings, and source"
    licence = "CC BY-NC-SA, or that of the row's source where it is stricter"
    SHAPE = '{"conversations": ["question", "answer"], "source": "stackexchange"}'

    def recognises(self, row: Any) -> bool:
        said = _listed(row, "conversations")
        return bool(said) and all(isinstance(t, str) for t in said)

    def turns(self, row: Row) -> list[Turn]:
        said = _listed(row.value, "conversations")
        if not said:
            raise row.wrong(f"expected a list of strings in 'conversations', as in {self.SHAPE}.")
        for number, text in enumerate(said, 1):
            if not isinstance(text, str):
                raise row.wrong(f"turn {number} is {kind_of(text)}; expected text, as in {self.SHAPE}.")
        if len(said) == 1:
            raise row.wrong(
                "one question and no answer, as in LIMA's test prompts. Leave the row out, or add the answer."
            )
        return [Turn(("user", "assistant")[i % 2], text) for i, text in enumerate(said)]

    def origin(self, row: Row) -> str:
        return f"from {row.value['source']}" if isinstance(row.value.get("source"), str) else ""


def _listed(row: Any, key: str) -> list[Any]:
    """The list under a key, or an empty one"""
    return row[key] if isinstance(row, dict) and isinstance(row.get(key), list) else []


def _learning(row: Row, turn: dict[str, Any], what: str) -> tuple[bool, float]:
    """`train` and `weight` of a turn; OpenAI's weight of 0 or 1 and a train of 0 or 1 are understood"""
    train, weight = turn.get("train"), turn.get("weight")
    if train is not None and train not in (0, 1):
        raise row.wrong(f"{what} has train {train!r}; expected true or false.")
    if weight is not None and (isinstance(weight, bool) or not isinstance(weight, int | float)):
        raise row.wrong(f"{what} has weight {weight!r}; expected a number of 0 or more.")
    if isinstance(weight, int) and abs(weight) > sys.float_info.max:
        raise row.wrong(f"{what} has a weight of {len(str(abs(weight)))} digits; expected a number such as 1 or 0.5.")
    return train is None or bool(train), 1.0 if weight is None else float(weight)


def _system(row: Row) -> list[Turn]:
    """A system turn from the row's own `system`, where there is one"""
    return [Turn("system", text_of(row, row.value, "system", "the row"))] if row.value.get("system") else []
