"""What a model thought before it answered, told from the answer by the marks that its template puts around both.

Knows nothing of models or tokens.
"""

from dataclasses import dataclass

from lima import LimaError
from lima_chat.hidden import BEGIN, END
from lima_chat.layout import Layout, Message
from lima_chat.tags import OPENED

USUAL = (("<think>", "</think>"), ("<thinking>", "</thinking>"))
"What most reasoning models write around their thoughts, where the template itself never does"


@dataclass(frozen=True)
class Marks:
    """What stands around thoughts and answer; white space at the edges aside"""

    before: str
    "Before thoughts"
    between: str
    "Between thoughts and answer"
    alone: str
    "Before an answer without thoughts"


def marks_of(layout: Layout) -> Marks:
    """The marks of a template, found by rendering an answer with thoughts and one without"""
    asked: list[Message] = [{"role": "user", "content": "?"}]
    answer: Message = {"role": "assistant", "content": f"{BEGIN}a{END}"}
    thought = f"{BEGIN}t{END}"
    thinking = answer | dict.fromkeys(("reasoning_content", "thinking"), thought)
    try:
        bare, full = (layout.answers([*asked, one], [], ())[0].text for one in (answer, thinking))
    except LimaError:
        return Marks(*USUAL[0], "")
    alone = bare.partition(answer["content"])[0].strip()
    before, found, rest = full.partition(thought)
    if not found:
        return Marks(*USUAL[0], alone)
    return Marks(before.strip(), rest.partition(answer["content"])[0].strip(), alone)


def split(text: str, prompt: str, marks: Marks) -> tuple[str, str]:
    """(thoughts, answer) of a reply; one that was cut off while it thought is all thoughts

    Thoughts are what stands at its beginning, in the marks of the template or in the usual tags: an answer may name a tag."""
    rest = text.strip()
    if opened := OPENED.search(prompt):
        return _divided(rest, f"</{opened[1]}>")
    rest = rest.removeprefix(marks.alone).strip() if not _begins(rest, marks.before) else rest
    for before, between in ((marks.before, marks.between), *USUAL):
        if between and _begins(rest, before) and (before != marks.alone or between in rest):
            return _divided(rest.removeprefix(before), between)
    return "", rest


def _begins(text: str, mark: str) -> bool:
    return bool(mark) and text.startswith(mark)


def _divided(text: str, between: str) -> tuple[str, str]:
    thoughts, _, answer = text.partition(between)
    return thoughts.strip(), answer.strip()
