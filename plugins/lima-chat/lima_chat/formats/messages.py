"""Lists of messages, each with a role and a text, under whichever names: OpenAI's role and content, ShareGPT's from and value.

Knows nothing of rows beside their messages.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from lima import Ignored, LimaError, did_you_mean, kind_of, shown
from lima_chat.conversation import Turn
from lima_chat.formats import learning, tools
from lima_chat.formats.values import MEDIA, optional_text, refuse_media, text_of

ROLES = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(("assistant", "gpt", "ai", "bot", "model", "chatgpt", "bing", "bard", "chatbot"), "assistant"),
    **dict.fromkeys(("system", "developer"), "system"),
    **dict.fromkeys(("tool", "function", "observation", "function_response", "tool_response", "ipython"), "tool"),
    **dict.fromkeys(("function_call", "tool_call"), "call"),
}
"A file's word for a role → ours; a call is an assistant's turn whose text spells calls of tools"
THOUGHTS = ("reasoning_content", "thinking", "reasoning", "thoughts")
PARTS = ("text", "input_text", "output_text")
"Kinds of parts that are text"
_PART_KEYS = frozenset(("type", "text", "thinking", "reasoning", "annotations", "cache_control", "signature"))
_KEYS = frozenset((*learning.KEYS, *THOUGHTS, *MEDIA, "name", "tool_calls", "tool_call_id", "function_call", "prefix"))


@dataclass(frozen=True)
class Names:
    """Under which keys a message has its role and its text"""

    role: str
    text: str

    def fit(self, message: Any) -> bool:
        """Whether it is such a message"""
        return isinstance(message, dict) and self.role in message and self.text in message


OPENAI, SHAREGPT = Names("role", "content"), Names("from", "value")


def turns_of(messages: Sequence[Any], names: Names, ignored: Ignored, first: int = 1, shape: str = "") -> list[Turn]:
    """The turns of a list of messages, which are counted from `first` in errors"""
    found = list[Turn]()
    keys = _KEYS | {names.role, names.text}
    for number, message in enumerate(messages, first):
        what = f"turn {number}"
        if not isinstance(message, dict):
            raise LimaError(f"{what} is {kind_of(message)}; expected an object{f', as in {shape}' if shape else ''}.")
        if len(message) > 2:  # more than a role and a text
            refuse_media(message, what)
            ignored.check(message, keys, what)
        found.append(_turn(message, names, what, ignored))
    tools.check_answers(found)
    return found


def spoken(row: Mapping[str, Any], key: str, role: str, ignored: Ignored, first: int) -> list[Turn]:
    """The turns under a key that has a text of that role, one message or a list of them"""
    value = row.get(key)
    if isinstance(value, dict | list) and value:
        messages = value if isinstance(value, list) else [value]
        names = SHAREGPT if SHAREGPT.fit(messages[0]) else OPENAI
        return turns_of(messages, names, ignored, first)
    return [Turn(role, text_of(row, key, "the row"))]


def _turn(message: dict[str, Any], names: Names, what: str, ignored: Ignored) -> Turn:
    word = text_of(message, names.role, what)
    role = ROLES.get(word.lower())
    if role is None:
        raise LimaError(f"{what} has {names.role} {shown(word)}.{did_you_mean(word, ROLES)}")
    if len(message) == 2 and role != "call" and isinstance(message.get(names.text), str):
        return Turn(role, message[names.text])
    calls = tools.calls(message, what)
    content, thoughts = _content(message, names.text, what, bool(calls), ignored)
    if role == "call":
        role, calls, content = "assistant", tools.spelt_calls(content, what), ""
    if more := optional_text(message, THOUGHTS, what):
        if thoughts:
            raise LimaError(f"{what} has thoughts among its parts and beside them. Leave one of them.")
        thoughts = more
    if message.get("prefix"):
        raise LimaError(
            f"{what} is a prefix that is to be continued, not an answer. Write the whole answer, or leave it out."
        )
    if role != "assistant" and (thoughts or calls):
        raise LimaError(
            f"{what} is the {role}'s, and has {'thoughts' if thoughts else 'calls'}, which only an answer may have."
        )
    train, weight = learning.learning(message, what)
    if role != "assistant" and (train or weight):
        raise LimaError(
            f"{what} is the {role}'s and is to be learnt; only answers are. Take its {_learning_key(message)!r} out, or make it "
            "false or 0; prompt_weight in the recipe trains everything besides answers, too."
        )
    name = optional_text(message, ("name",), what)
    call = tools.answered(message, role, what)
    return Turn(role, content, train is not False, 1.0 if weight is None else weight, thoughts, calls, name, call)


def _learning_key(message: dict[str, Any]) -> str:
    return next(
        key for key in (*learning.FLAGS, *learning.WEIGHTS, "mask", "train_detail") if message.get(key) is not None
    )


def _content(message: dict[str, Any], key: str, what: str, empty: bool, ignored: Ignored) -> tuple[str, str]:
    """(text, thoughts) of a message, which may be a list of parts; `empty` if it may have none"""
    parts = message.get(key)
    if parts is None and empty:
        return "", ""
    if not isinstance(parts, list):
        return text_of(message, key, what), ""
    texts, thoughts = list[str](), list[str]()
    for part in parts:
        if isinstance(part, dict):
            if decides := next((k for k in part if k in learning.KEYS and part[k] is not None), None):
                raise LimaError(
                    f"{what} has a part with {decides!r}; a turn is learnt completely or not at all. Write it beside the "
                    "role, or leave the row out."
                )
            refuse_media(part, what)
            ignored.check(part, _PART_KEYS, f"a part of {what}")
        kind = part.get("type") if isinstance(part, dict) else kind_of(part)
        place = next(
            (k for k in ("text", "thinking", "reasoning") if isinstance(part, dict) and isinstance(part.get(k), str)),
            "",
        )
        if kind in PARTS and place == "text":
            texts.append(part["text"])
        elif kind in ("thinking", "reasoning") and place:
            thoughts.append(part[place])
        else:
            raise LimaError(
                f"{what} has a part {shown(kind) if isinstance(part, dict) else f'that is {kind}'}; only text can be trained on. "
                "Leave the row out, or the part."
            )
    return "".join(texts), "".join(thoughts)
