"""What a model thought before it answered, told from the answer by the marks that its template puts around both.

Knows nothing of models or tokens.
"""

import re
from dataclasses import dataclass

from lima import LimaError
from lima_chat.layout import Layout, Message

TAG = "think"
"What most reasoning models write around their thoughts, where the template itself never does"
OPENED = re.compile(r"<([\w:]+)>\s*$")


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
    answer: Message = {"role": "assistant", "content": "\ue002a\ue003"}
    thinking = answer | dict.fromkeys(("reasoning_content", "thinking"), "\ue002t\ue003")
    try:
        bare, full = (layout.answers([*asked, one], [], ())[0].text for one in (answer, thinking))
    except LimaError:
        return Marks(f"<{TAG}>", f"</{TAG}>", "")
    alone = bare.partition(answer["content"])[0].strip()
    before, found, rest = full.partition("\ue002t\ue003")
    if not found:
        return Marks(f"<{TAG}>", f"</{TAG}>", alone)
    return Marks(before.strip(), rest.partition(answer["content"])[0].strip(), alone)


def split(text: str, prompt: str, marks: Marks) -> tuple[str, str]:
    """(thoughts, answer) of a reply; one that was cut off while it thought is all thoughts"""
    opened = OPENED.search(prompt)
    between = f"</{opened[1]}>" if opened else marks.between
    before = "" if opened else marks.before
    thoughts, found, answer = text.partition(between) if between else ("", "", text)
    if found:
        return thoughts.strip().removeprefix(before).strip(), answer.strip()
    if opened or (before and text.lstrip().startswith(before) and before != marks.alone):
        return text.strip().removeprefix(before).strip(), ""
    return "", text.strip().removeprefix(marks.alone).strip()
