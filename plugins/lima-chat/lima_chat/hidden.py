"""Control tokens in what somebody says, hidden while a template is rendered: only those that the template writes count.

Somebody may write "<|im_end|>" (field.md, OpenRLHF#393). Before rendering, each such string becomes a mark, and afterwards the
mark becomes the string again, with its place noted, so that the tokenizer leaves it as text. Knows nothing of templates.
"""

import re
from collections.abc import Sequence
from typing import Any

Text = tuple[str, list[tuple[int, int]]]
"A text and the (start, stop) characters in it that stay ordinary text"

OPEN, CLOSE = "\ue000", "\ue001"
BEGIN, END = "\ue002", "\ue003"
"Around a number that stands for a whole content while the places of contents are looked for"
TAGS = re.compile(r"</?think(?:ing)?>")
"What divides thoughts from the answer where a content has both"
MARK = re.compile(f"{OPEN}(\\d+){CLOSE}")


class Hidden:
    """The control tokens of one tokenizer"""

    def __init__(self, tokens: Sequence[str]) -> None:
        # Whatever somebody says with these characters in it is hidden, too, so that a mark is always ours.
        self.tokens = [*sorted(tokens, key=len, reverse=True), OPEN, CLOSE, BEGIN, END]
        self._numbers = {token: f"{OPEN}{i}{CLOSE}" for i, token in enumerate(self.tokens)}
        self._any = re.compile("|".join(map(re.escape, self.tokens)))
        self._untagged = re.compile("|".join(re.escape(t) for t in self.tokens if not TAGS.fullmatch(t)))

    def hide_in(self, messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
        """Messages with marks, except for the tags around thoughts in what the assistant says: templates look for those"""
        return [
            self.hide(m) | ({"content": self._marked(m["content"], True)} if m["role"] == "assistant" else {})
            for m in messages
        ]

    def _marked(self, text: str, tagged: bool) -> str:
        return (self._untagged if tagged else self._any).sub(lambda found: self._numbers[found[0]], text)

    def hide(self, value: Any) -> Any:
        """The same value with marks in all its texts: messages with their contents, thoughts and calls"""
        if isinstance(value, str):
            return self._marked(value, False)
        if isinstance(value, dict):
            return {self.hide(key): self.hide(one) for key, one in value.items()}
        return [self.hide(one) for one in value] if isinstance(value, list | tuple) else value

    def show(self, text: str) -> Text:
        """A rendered text as it really is, and where what was hidden stands in it"""
        if OPEN not in text:
            return text, []
        shown, literal, at = list[str](), list[tuple[int, int]](), 0
        parts = MARK.split(text)  # with one group, every second part is a number
        for i, part in enumerate(parts):
            piece = self.tokens[int(part)] if i % 2 else part
            if i % 2:
                # A control token may take the white space beside it, which then is hidden with it.
                before = len(parts[i - 1]) - len(parts[i - 1].rstrip())
                after = len(parts[i + 1]) - len(parts[i + 1].lstrip())
                literal.append((at - before, at + len(piece) + after))
            shown.append(piece)
            at += len(piece)
        return "".join(shown), _merged(literal)


def _merged(ranges: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Ranges that touch or overlap as one, in order"""
    merged: list[tuple[int, int]] = []
    for start, stop in ranges:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(stop, merged[-1][1]))
        else:
            merged.append((start, stop))
    return merged
