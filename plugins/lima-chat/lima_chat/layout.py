"""Where a template puts each message: the text of a conversation together with the exact characters of every content.

A template is rendered once per sequence of roles with marks for contents, which splits its text into the pieces between them; a
conversation's text is these pieces with the real contents, and must equal what the template itself makes of them. So a template
that rewrites, drops or repeats what somebody said is detected and refused. Knows nothing of tokens.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from os.path import commonprefix
from typing import Any

from lima import LimaError
from lima_chat.sandbox import Template

Message = dict[str, str]
"role and content, as templates know them"
Text = tuple[str, list[tuple[int, int]]]
"A text and the (start, stop) characters of each content in it"

# Private-use characters mark a content; the em space around it shows which white space the template strips.
MARK, PAD = re.compile("\ue000(\\d+)\ue001"), "\u2003"

STRIPS: dict[tuple[bool, bool], Callable[[str], str]] = {
    (False, False): str,
    (True, False): str.lstrip,
    (False, True): str.rstrip,
    (True, True): str.strip,
}


@dataclass(frozen=True)
class Skeleton:
    """What a template writes around the contents of messages with these roles"""

    pieces: tuple[str, ...]
    "Before the first content, between two, after the last"
    strips: tuple[Callable[[str], str], ...]
    "What the template does to the white space around each content"


@dataclass(frozen=True)
class Edges:
    """White space that a template puts around an answer and that the model has to write: '[/INST] answer </s>' has both"""

    lead: int
    "Characters between what inference prompts with and the answer"
    tail: int
    "Characters between the answer and the end-of-turn token"


class Layout:
    """A template with the variables it is given"""

    def __init__(self, template: Template, variables: dict[str, Any]) -> None:
        self.template, self.variables = template, variables
        self._skeletons: dict[tuple[tuple[str, ...], bool], Skeleton] = {}
        self._edges: dict[tuple[tuple[str, ...], int, str], Edges] = {}

    def _given(self, messages: Sequence[Message], prompting: bool) -> dict[str, Any]:
        return {**self.variables, "messages": messages, "add_generation_prompt": prompting}

    def skeleton(self, roles: tuple[str, ...], prompting: bool) -> Skeleton:
        """The pieces for these roles; LimaError when a message is left out, moved or repeated"""
        key = (roles, prompting)
        if key not in self._skeletons:
            marked = [{"role": r, "content": f"{PAD}\ue000{i}\ue001{PAD}"} for i, r in enumerate(roles)]
            # With one group in the pattern, every second part is the number of a message.
            parts = MARK.split(self.template.render(self._given(marked, prompting)))
            found = [int(n) for n in parts[1::2]]
            if found != list(range(len(roles))):
                raise LimaError(self._misplaced(roles, found))
            pieces, strips = parts[0::2], []
            for i in range(len(roles)):
                left, right = pieces[i].endswith(PAD), pieces[i + 1].startswith(PAD)
                pieces[i], pieces[i + 1] = pieces[i].removesuffix(PAD), pieces[i + 1].removeprefix(PAD)
                strips.append(STRIPS[not left, not right])
            self._skeletons[key] = Skeleton(tuple(pieces), tuple(strips))
        return self._skeletons[key]

    def _misplaced(self, roles: tuple[str, ...], found: list[int]) -> str:
        name = self.template.name
        for i, role in enumerate(roles):
            if (times := found.count(i)) != 1:
                turn = f"turn {i + 1}, the {role}'s"
                what = f"leaves out {turn}" if times == 0 else f"writes {turn}, {times} times"
                hint = "Leave the system turn out, or use a template that has one." if role == "system" else ""
                return f"The template {name} {what}. {hint or 'Use one that only appends.'}"
        return f"The template {name} changes the order of the turns. Use one that only appends."

    def text(self, messages: Sequence[Message], prompting: bool) -> Text:
        """The rendered messages and the characters of each content

        LimaError if the template changes a content in any way other than stripping white space around it."""
        return self.texts([(messages, prompting)])[0]

    def texts(self, wanted: Sequence[tuple[Sequence[Message], bool]]) -> list[Text]:
        """What `text` makes of each of these"""
        expected = [self._assembled(*one) for one in wanted]
        real = self.template.render_all([self._given(*one) for one in wanted])
        for text, (assembled, spans) in zip(real, expected, strict=True):
            if text != assembled:
                raise LimaError(self._rewritten(text, assembled, spans))
        return expected

    def _assembled(self, messages: Sequence[Message], prompting: bool) -> Text:
        skeleton = self.skeleton(tuple(m["role"] for m in messages), prompting)
        parts: list[str] = []
        spans: list[tuple[int, int]] = []
        at = 0
        for piece, strip, message in zip(skeleton.pieces, skeleton.strips, messages, strict=False):
            content = strip(message["content"])
            start = at + len(piece)
            at = start + len(content)
            parts += (piece, content)
            spans.append((start, at))
        return "".join(parts) + skeleton.pieces[-1], spans

    def _rewritten(self, real: str, text: str, spans: list[tuple[int, int]]) -> str:
        agreed = len(commonprefix([real, text]))
        at_turn = next((i for i, (_, stop) in enumerate(spans) if agreed <= stop), len(spans) - 1)
        return (
            f"The template {self.template.name} rewrites what turn {at_turn + 1} says, or writes something else around it "
            f"because of what it says: {_around(real, agreed)} where {_around(text, agreed)} was expected. "
            "Change that turn, or use a template that only appends."
        )

    def edges(self, roles: tuple[str, ...], index: int, eot: str) -> Edges:
        """The white space around the answer at `index`; LimaError when there is more, or no end-of-turn token after it"""
        key = (roles, index, eot)
        if key not in self._edges:
            pieces = self.skeleton(roles, False).pieces
            prompt, before, after = self.skeleton(roles[:index], True).pieces[-1], pieces[index], pieces[index + 1]
            answer = f"The template {self.template.name}: answer {sum(r == 'assistant' for r in roles[: index + 1])}"
            if not before.startswith(prompt) or before[len(prompt) :].strip():
                raise LimaError(
                    f"{answer} comes after {_short(before)}, but inference would prompt with {_short(prompt)}. "
                    "Correct what it writes for add_generation_prompt, or use another template."
                )
            found = after.find(eot)
            if found < 0 or after[:found].strip():
                raise LimaError(
                    f"{answer} is followed by {_short(after)} and not by the end-of-turn token {eot!r}, so the model would "
                    "never learn to stop. Write {{ eot_token }} directly after the content, or use another template."
                )
            self._edges[key] = Edges(len(before) - len(prompt), found)
        return self._edges[key]


def _around(text: str, at: int) -> str:
    return repr(("…" if at > 20 else "") + text[max(0, at - 20) : at + 20] + ("…" if at + 20 < len(text) else ""))


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:45]} … {text[-10:]}") if text else "nothing"
