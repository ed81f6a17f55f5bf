"""Formats with one exchange a row: Alpaca's instructions, Dolly's, question and answer, and TRL's prompt and completion.

Knows nothing of files, nor of how turns are rendered.
"""

from collections.abc import Mapping
from typing import Any

from lima import LimaError, Row
from lima_chat.conversation import Turn
from lima_chat.formats.file_source import FileSource, Noting, unlearnt
from lima_chat.formats.messages import spoken
from lima_chat.formats.recognise import QUESTIONS, pair_in
from lima_chat.formats.values import from_text, object_of, optional_text, text_of


class Alpaca(FileSource):
    """`{"instruction", "input", "output"}`, with `system` and `history` as LLaMA-Factory adds them"""

    name = "alpaca"
    description = "instruction, input (may be empty) and output; optional: system, history"
    shape = '{"instruction": "…", "input": "", "output": "…"}'

    def turns(self, row: Row, note: Noting) -> list[Turn]:
        value = object_of(row.value, self.shape)
        asked, answer = text_of(value, "instruction", "the row"), text_of(value, "output", "the row")
        # Alpaca's own file has the two rendered for a base model as well.
        again = frozenset(key for key in ("text", "prompt") if isinstance(value.get(key), str) and asked in value[key])
        self.check(row, frozenset(("instruction", "input", "output", "history")) | again)
        question = joined(asked, optional_text(value, ("input",), "the row"))
        return [*_history(value), Turn("user", question), Turn("assistant", answer)]


class Dolly(FileSource):
    """`{"instruction", "context", "response"}`"""

    name = "dolly"
    description = "instruction, context (may be empty) and response"
    shape = '{"instruction": "…", "context": "", "response": "…"}'

    def turns(self, row: Row, note: Noting) -> list[Turn]:
        value = object_of(row.value, self.shape)
        asked, answer = text_of(value, "instruction", "the row"), text_of(value, "response", "the row")
        self.check(row, frozenset(("instruction", "context", "input", "response")))
        question = joined(asked, optional_text(value, ("context", "input"), "the row"))
        return [Turn("user", question), Turn("assistant", answer)]


class Questions(FileSource):
    """`{"question", "answer"}`, `{"query", "response"}`, `{"input", "output"}`"""

    name = "qa"
    description = "question and answer, query and response, input and output; optional: context, system, history, tools"
    shape = '{"question": "…", "answer": "…"}'

    def turns(self, row: Row, note: Noting) -> list[Turn]:
        value = object_of(row.value, self.shape)
        keys = pair_in(value, QUESTIONS)
        if keys is None:
            names = ", ".join(map(repr, value)) or "none"
            raise LimaError(f"expected a question and an answer, as in {self.shape}; its keys are {names}.")
        asked, answer = (text_of(value, key, "the row") for key in keys)
        self.check(row, frozenset((*keys, "context", "history", "tools", "functions")))
        question = joined(asked, optional_text(value, ("context",), "the row"))
        return [*_history(value), Turn("user", question), Turn("assistant", answer)]


class Completion(FileSource):
    """`{"prompt", "completion"}` of TRL, each a text or messages; with `label` a row of preference data"""

    name = "completion"
    description = "prompt and completion, each a text or messages; optional: label (false is not learnt), tools"
    shape = '{"prompt": "…", "completion": "…"}'

    def turns(self, row: Row, note: Noting) -> list[Turn]:
        value = object_of(row.value, self.shape)
        self.check(row, frozenset(("prompt", "completion", "tools", "functions")))
        # Of preference data and of TRL's only what completes the prompt is learnt, not the answers within it.
        asked = unlearnt(spoken(value, "prompt", "user", self.settings.ignored, 1))
        return asked + spoken(value, "completion", "assistant", self.settings.ignored, len(asked) + 1)


def joined(question: str, more: str) -> str:
    """A question and what belongs to it, with a blank line between"""
    return "\n\n".join(text for text in (question, more) if text)


def _history(value: Mapping[str, Any]) -> list[Turn]:
    """Earlier exchanges, as pairs of texts"""
    history = from_text(value.get("history"), "history") or []
    turns = list[Turn]()
    for exchange in history if isinstance(history, list) else [history]:
        if not isinstance(exchange, list) or len(exchange) != 2 or not all(isinstance(t, str) for t in exchange):
            raise LimaError("'history' must be a list of pairs of text: [[question, answer], …].")
        turns += [Turn("user", exchange[0]), Turn("assistant", exchange[1])]
    return turns
