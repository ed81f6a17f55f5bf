"""A format of preference data: the chosen answer is read, the rejected one is not, and that is said.

Chosen are messages, an answer to a prompt, or a whole transcript ("Human: …", "Assistant: …"). Knows nothing of files.
"""

import re
from typing import Any

from lima import LimaError, Row, kind_of
from lima_chat.conversation import Turn
from lima_chat.formats.file_source import FileSource, Noting, unlearnt
from lima_chat.formats.messages import spoken
from lima_chat.formats.recognise import list_key
from lima_chat.formats.values import object_of

_SPEAKER = re.compile(r"(?:\A|\n\n)(Human|Assistant):[ \t]?")
_ROLES = {"Human": "user", "Assistant": "assistant"}
_ENDS = ("score", "rating", "model", "avg_rating")
_JUDGEMENTS = frozenset(
    ("rejected", "margin", "preference", "score_chosen", "score_rejected")
    + tuple(f"{which}{mark}{end}" for which in ("chosen", "rejected") for mark in "_-" for end in _ENDS)
)
"The rejected answer, and how both were judged: not learnt"


class Preference(FileSource):
    """`{"prompt", "chosen", "rejected"}`"""

    name = "preference"
    description = (
        "chosen (text, messages or a Human/Assistant transcript) and rejected, which is not read; optional: prompt"
    )
    shape = '{"prompt": "…", "chosen": "…", "rejected": "…"}'

    def turns(self, row: Row, note: Noting) -> list[Turn]:
        value = object_of(row.value, self.shape)
        if not value.get("chosen"):
            found = kind_of(value["chosen"]) if "chosen" in value else "not there"
            raise LimaError(f"'chosen' is {found}; expected what is to be learnt, as in {self.shape}.")
        before = list_key(value)
        self.check(row, _JUDGEMENTS | {"prompt", "chosen", "tools", "functions", before})
        if value.get("rejected"):
            note("a rejected answer was not read")
        if before and value[before] != value["chosen"]:
            earlier = unlearnt(spoken(value, before, "user", self.settings.ignored, 1))
            return earlier + spoken(value, "chosen", "assistant", self.settings.ignored, len(earlier) + 1)
        return self._chosen(value)

    def _chosen(self, value: dict[str, Any]) -> list[Turn]:
        prompt, chosen = value.get("prompt") or "", value["chosen"]
        if isinstance(chosen, str) and isinstance(prompt, str):
            if chosen.lstrip("\n").startswith("Human:"):
                if prompt and not chosen.startswith(prompt) and prompt.strip() not in chosen:
                    raise LimaError("the transcript in 'chosen' does not have the 'prompt'. Leave one of them.")
                return transcript(chosen)
            if prompt.lstrip("\n").startswith("Human:"):
                return transcript(
                    f"{prompt.rstrip()} {chosen.lstrip()}"
                    if prompt.rstrip().endswith("Assistant:")
                    else prompt + chosen
                )
        answer = spoken(value, "chosen", "assistant", self.settings.ignored, 1)
        first = next((turn for turn in answer if turn.role == "user"), None)
        if not prompt or (first and isinstance(prompt, str) and first.content.strip() == prompt.strip()):
            return answer
        if first:
            raise LimaError("the conversation in 'chosen' does not begin with the 'prompt'. Leave one of them.")
        asked = unlearnt(spoken(value, "prompt", "user", self.settings.ignored, 1))
        return asked + spoken(value, "chosen", "assistant", self.settings.ignored, len(asked) + 1)


def transcript(text: str) -> list[Turn]:
    """The turns of a text in which Human and Assistant speak in turn, a blank line between"""
    before, *rest = _SPEAKER.split(text)
    if before.strip():
        raise LimaError(f"the transcript begins with {before[:40]!r}; expected 'Human:'.")
    return [Turn(_ROLES[who], said.strip()) for who, said in zip(rest[::2], rest[1::2], strict=True)]
