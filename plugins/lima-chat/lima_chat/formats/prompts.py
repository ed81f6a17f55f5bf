"""Rows that only ask: a prompt, a question, a query or an instruction without an answer, such as a file of test prompts.

Nothing is learnt from them; an evaluation asks them. Knows nothing of files, nor of who answers.
"""

from typing import Any

from lima import LimaError, Row
from lima_chat.conversation import Turn
from lima_chat.formats.chats import to_ask
from lima_chat.formats.exchanges import joined
from lima_chat.formats.file_source import ROW_KEYS, FileSource, Noting
from lima_chat.formats.messages import spoken
from lima_chat.formats.scripts import unanswered
from lima_chat.formats.values import from_text, object_of, optional_text, text_of

ASKING = ("prompt", "question", "query", "instruction")
MORE = ("input", "context")
"What belongs to the question"
UNDERSTOOD = frozenset((*ASKING, *MORE, "reference"))


class Prompts(FileSource):
    """`{"prompt": "…"}`, a text or messages"""

    name = "prompts"
    description = (
        "prompt (or question, query, instruction) and no answer, to be asked; optional: input, context, reference"
    )
    shape = '{"prompt": "…"}'

    def recognises_last(self, row: Any) -> bool:
        """Whether a row only asks, for a file of which no other source recognises a row"""
        if not isinstance(row, dict) or not any(key in row for key in ASKING):
            return False
        try:
            self.settings.ignored.check(row, UNDERSTOOD | ROW_KEYS, "the row")
        except LimaError:
            return False
        return True

    def turns(self, row: Row, note: Noting) -> list[Turn]:
        raise LimaError(
            f"the row asks, and has no answer. {to_ask(row)} To train, add the answer: "
            '{"prompt": "…", "response": "…"}.'
        )

    def asked(self, row: Row, note: Noting) -> list[Turn]:
        value = object_of(row.value, self.shape)
        keys = [key for key in ASKING if key in value]
        if len(keys) != 1:
            found = " and ".join(map(repr, keys)) or "none of " + ", ".join(map(repr, ASKING))
            raise LimaError(f"the row has {found}; expected one of them, as in {self.shape}.")
        self.check(row, UNDERSTOOD)
        given = value.get("reference")
        reference = from_text(given, "reference") if row.texts and str(given).startswith("[") else given
        if isinstance(value[keys[0]], str):
            question = joined(text_of(value, keys[0], "the row"), optional_text(value, MORE, "the row"))
            return unanswered([question], reference, '{"prompt": "…", "reference": "…"}')
        return spoken(value, keys[0], "user", self.settings.ignored, 1)
