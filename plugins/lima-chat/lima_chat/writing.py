"""A template with the variables that it is given: what it writes for messages, in the shape in which it takes them.

Some take a content only as a list of parts, and a call's arguments only as text: each is found out by trying. Knows nothing of
what is trained.
"""

from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from lima import LimaError
from lima_chat import calls
from lima_chat.hidden import BEGIN, END
from lima_chat.sandbox import Template

Message = dict[str, Any]
"role, content and whatever else a template may know"
Wanted = Sequence[tuple[Sequence[Message], bool]]
"Of each text its messages, and whether it prompts for the next one"
OTHERS = "Leave the system turn out, or use a renderer that takes one: --renderer lima or chatml."


class Writing:
    """One template with its variables"""

    def __init__(self, template: Template, variables: dict[str, Any]) -> None:
        self.template, self.variables = template, variables
        self._parts: bool | None = None
        self._text: bool | None = None

    def texts(self, wanted: Wanted, tools: Sequence[Message] = ()) -> list[str]:
        """One text for each that is wanted, all from one request; LimaError where the template raises or is stopped"""
        if self._parts is None:
            self._parts = self._wants_parts()
        given = [self._given(messages, prompting, tools, self._parts) for messages, prompting in wanted]
        try:
            return self.template.render_all(given)
        except LimaError as e:
            messages = max((m for m, _ in wanted), key=len)
            if messages and messages[0]["role"] == "system" and self._renders_without_system(messages, tools):
                raise LimaError(f"{e} It takes no system turn. {OTHERS}") from None
            raise

    def _renders_without_system(self, messages: Sequence[Message], tools: Sequence[Message]) -> bool:
        try:
            self.template.render(self._given(messages[1:], False, tools, bool(self._parts)))
        except LimaError:
            return False
        return True

    def _given(
        self, messages: Sequence[Message], prompting: bool, tools: Sequence[Message], parts: bool
    ) -> dict[str, Any]:
        if parts:
            messages = [m | {"content": [{"type": "text", "text": m["content"]}]} for m in messages]
        if any(m.get("tool_calls") for m in messages):
            if self._text is None:
                self._text = self._wants_text()
            messages = calls.given(messages, self._text)
        given = {**self.variables, "messages": messages, "add_generation_prompt": prompting}
        return given | ({"tools": tools} if tools else {})

    def _wants_text(self) -> bool:
        """Whether the template takes a call's arguments only as JSON text"""
        for as_text in (False, True):
            with suppress(LimaError):
                self.template.render({**self.variables, "messages": calls.given(calls.PROBE, as_text), "tools": None})
                return as_text
        return False

    def _wants_parts(self) -> bool:
        """Whether the template takes a content only as a list of parts, as those of models that see do"""
        probe = mark(0)
        for parts in (False, True):
            try:
                text = self.template.render(self._given([{"role": "user", "content": probe}], True, (), parts))
            except LimaError:
                continue
            if probe in text:
                return parts
        return False


def mark(i: int) -> str:
    """What stands for a whole content while its place is looked for"""
    return f"{BEGIN}{i}{END}"
