"""Formats with a list of turns: OpenAI's messages, ShareGPT's, LIMA's own strings, and exchanges of question and answer.

Knows nothing of files, nor of how turns are rendered.
"""

import shlex
from typing import Any

from lima import LimaError, Row, kind_of
from lima_chat.conversation import Turn
from lima_chat.formats import learning
from lima_chat.formats.file_source import FileSource, Noting
from lima_chat.formats.messages import OPENAI, SHAREGPT, Names, turns_of
from lima_chat.formats.recognise import EXCHANGES, LISTS, list_key, pair_in
from lima_chat.formats.scripts import unanswered
from lima_chat.formats.values import from_text, list_of, listed, object_of, text_of


class Messages(FileSource):
    """A list of messages, each with a role and a text"""

    names: Names
    shape: str

    def turns(self, row: Row, note: Noting) -> list[Turn]:
        value = object_of(row.value, self.shape)
        key = list_key(value) or next((k for k in LISTS if k in value), "messages")
        found = list_of(value, key, self.shape)
        self.check(row, frozenset((key, "tools", "functions", "prompt")))
        turns = turns_of(found, self.names, self.settings.ignored, shape=self.shape)
        _check_prompt(value, turns)
        return turns


def _check_prompt(value: dict[str, Any], turns: list[Turn]) -> None:
    """LimaError for a `prompt` beside the messages that is not what they begin with"""
    asked = next((t.content for t in turns if t.role == "user"), "")
    prompt = value.get("prompt")
    if prompt and not (isinstance(prompt, str) and prompt.strip() == asked.strip()):
        raise LimaError("the row has a 'prompt' that is not the first question of its messages. Leave one of them.")


class OpenAI(Messages):
    """`{"messages": [{"role", "content"}, …]}`"""

    name = "openai"
    description = "messages (or conversations, conversation, data, turns), each with role and content; optional: tools"
    shape = '{"messages": [{"role": "user", "content": "…"}, {"role": "assistant", "content": "…"}]}'
    names = OPENAI


class ShareGPT(Messages):
    """`{"conversations": [{"from": "human", "value"}, {"from": "gpt", "value"}, …]}`"""

    name = "sharegpt"
    description = "conversations (or messages, conversation, data), each with from and value; optional: system, tools"
    shape = '{"conversations": [{"from": "human", "value": "…"}, {"from": "gpt", "value": "…"}]}'
    names = SHAREGPT


class LimaStrings(FileSource):
    """`{"conversations": [str, str, …], "source": str}`: LIMA's release, user and assistant in turn without role names"""

    name = "lima"
    description = (
        "conversations (or conversation, data, messages) of plain strings, user and assistant in turn: LIMA's release"
    )
    licence = "the file's own (GAIR/lima: CC BY-NC-SA, or that of the row's source where it is stricter)"
    shape = '{"conversations": ["question", "answer"], "source": "stackexchange"}'

    def turns(self, row: Row, note: Noting) -> list[Turn]:
        turns = self.asked(row, note)
        if len(turns) == 1:
            raise LimaError(
                f"one question and no answer, as in LIMA's test prompts. {to_ask(row)} To train, add the answer."
            )
        return turns

    def asked(self, row: Row, note: Noting) -> list[Turn]:
        value = object_of(row.value, self.shape)
        key = next((k for k in LISTS if listed(value, k)), "")
        if not key:
            raise LimaError(f"expected a list of strings in 'conversations', as in {self.shape}.")
        self.check(row, frozenset((key,)))
        said = listed(value, key)
        for number, text in enumerate(said, 1):
            if not isinstance(text, str):
                raise LimaError(f"turn {number} is {kind_of(text)}; expected text, as in {self.shape}.")
        return [Turn(("user", "assistant")[i % 2], text) for i, text in enumerate(said)]

    def origin(self, row: Row) -> str:
        return f"from {row.value['source']}" if isinstance(row.value.get("source"), str) else ""


class Exchanges(FileSource):
    """`{"history": [{"user", "bot"}, …]}`: several exchanges, each an object of question and answer"""

    name = "exchanges"
    description = (
        "history (or conversation, conversations, data, messages) of exchanges: user and bot, input and output, question and "
        "answer, …"
    )
    shape = '{"history": [{"user": "…", "bot": "…"}]}'

    def turns(self, row: Row, note: Noting) -> list[Turn]:
        key, found = self._list(row)
        if all(isinstance(one, str) for one in found):
            raise LimaError(
                f"{key!r} has {len(found)} questions and no answers, as MT-Bench has. {to_ask(row)} To train, write the "
                f"answers, as in {self.shape}."
            )
        return self.asked(row, note)

    def asked(self, row: Row, note: Noting) -> list[Turn]:
        key, found = self._list(row)
        if all(isinstance(one, str) for one in found):
            self.check(row, frozenset((key, "reference")))
            given = row.value.get("reference")
            references = from_text(given, "reference") if row.texts else given
            return unanswered(found, references, '{"turns": ["…", "…"], "reference": ["…", "…"]}')
        self.check(row, frozenset((key,)))
        return [turn for number, one in enumerate(found, 1) for turn in self._exchange(one, f"exchange {number}")]

    def _list(self, row: Row) -> tuple[str, list[Any]]:
        """The row's list of exchanges, with its key"""
        value = object_of(row.value, self.shape)
        key = list_key(value) or next((k for k in LISTS if k in value), "history")
        return key, list_of(value, key, self.shape)

    def _exchange(self, one: Any, what: str) -> list[Turn]:
        keys = pair_in(one, EXCHANGES)
        if keys is None:
            found = (
                f"an object with {', '.join(map(repr, one)) or 'no keys'}" if isinstance(one, dict) else kind_of(one)
            )
            raise LimaError(f"{what} is {found}; expected question and answer, as in {self.shape}.")
        self.settings.ignored.check(one, frozenset((*keys, *learning.KEYS)), what)
        train, weight = learning.learning(one, what)
        answer = text_of(one, keys[1], what)
        learnt = Turn("assistant", answer, train is not False, 1.0 if weight is None else weight)
        return [Turn("user", text_of(one, keys[0], what)), learnt]


def to_ask(row: Row) -> str:
    """What a row that only asks is for"""
    return f"To ask a model: lima dialogues run {shlex.quote(row.file)} (plugin lima-dialogue-eval)."
