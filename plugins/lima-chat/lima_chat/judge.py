"""Whether a conversation's rows are right, judged by what transformers itself makes of the same messages.

For each trained answer: `apply_chat_template` of what came before gives the ids before it, and what is trained is what that
function writes after them, up to the end-of-turn token (EOT). With what makes the rows it shares only how a template is given
calls, and how tags around thoughts are spelt: any other mistake there is found here. Renders in this process: give it no template
that the sandbox has not rendered first.
"""

import re
from collections.abc import Sequence
from dataclasses import replace
from os.path import commonprefix
from typing import Any

from lima import Rendered
from lima_chat.calls import PROBE, given
from lima_chat.conversation import Conversation, Turn
from lima_chat.hidden import TAGS
from lima_chat.tags import CLOSED, OPENED

NOT_WRITTEN = "it is not what the template writes"
FIRST = re.compile(rf"\s*(<think(?:ing)?>)?((?!{TAGS.pattern}).)*</think(?:ing)?>((?!{TAGS.pattern}).)*", re.DOTALL)
"A content that has its thoughts first"
WITHIN = re.compile(r"([<\[])([\w:]*(?:think|thought|reason|reflect|scratch)[\w:]*[>\]])\s*$", re.IGNORECASE)
"A tag of thoughts, of any name, at the end of a prompt"
HALF = re.compile(r"</?[\w|｜:]*$")
"The beginning of a tag or a token, without its end"


class Judge:
    """transformers with a tokenizer and the template that is saved with it; a date that this writes is today's"""

    def __init__(self, tokenizer: Any, template: str, eot: str, with_tools: str = "") -> None:
        self.tokenizer, self.template, self.eot = tokenizer, template, eot
        self.with_tools = with_tools or template
        self.special = [t.content for t in tokenizer.added_tokens_decoder.values() if t.special and t.content]
        self._parts: bool | None = None
        self._values: dict[bool, bool] = {}

    def text(self, talk: Conversation, stop: int, prompting: bool) -> str:
        """What transformers writes for the first `stop` turns"""
        return str(self._apply(talk, stop, prompting, tokenize=False))

    def _apply(self, talk: Conversation, stop: int, prompting: bool, **more: Any) -> Any:
        if self._parts is None:
            self._parts = self._wants_parts()
        messages = [self._message(turn) for turn in talk.turns[:stop]]
        tools = {"tools": list(talk.tools)} if talk.tools else {}
        if any("tool_calls" in message for message in messages):
            if bool(tools) not in self._values:
                self._values[bool(tools)] = self._takes_values(tools)
            messages = given(messages, not self._values[bool(tools)])
        return self._rendered(messages, prompting, **more, **tools)

    def _rendered(self, messages: list[dict[str, Any]], prompting: bool, **more: Any) -> Any:
        template = self.with_tools if more.get("tools") else self.template
        return self.tokenizer.apply_chat_template(
            messages, chat_template=template, add_generation_prompt=prompting, **more
        )

    def _message(self, turn: Turn) -> dict[str, Any]:
        message: dict[str, Any] = {"role": turn.role, "content": turn.content}
        if self._parts:
            message["content"] = [{"type": "text", "text": turn.content}]
        if turn.thoughts:
            message |= {"reasoning_content": turn.thoughts, "thinking": turn.thoughts}
        message |= {"tool_calls": list(turn.tool_calls)} if turn.tool_calls else {}
        message |= {"tool_call_id": turn.call_id} if turn.call_id else {}
        return message | ({"name": turn.name} if turn.name else {})

    def _wants_parts(self) -> bool:
        asked = Conversation(id="", turns=(Turn("user", "zebra crossing"), Turn("assistant", "x")))
        for self._parts in (False, True):
            try:
                if "zebra crossing" in self.text(asked, 1, True):
                    return bool(self._parts)
            except Exception:  # a template is somebody else's program
                continue
        return False

    def _takes_values(self, tools: dict[str, Any]) -> bool:
        """Whether a call's arguments may be values and not only JSON text"""
        try:
            self._rendered(PROBE, False, tokenize=False, **tools)
        except Exception:  # a template is somebody else's program
            return False
        return True

    def cannot(self, talk: Conversation) -> str:
        """Why inference cannot be prompted for this conversation's answers, or would not see all of it; empty if it can"""
        for place in talk.trained_turns:
            turn, before = talk.turns[place], talk.turns[:place]
            try:
                prompt, whole = self.text(talk, place, True), self.text(talk, place + 1, False)
            except Exception as e:  # whatever a template raises
                return f"apply_chat_template raises: {e}"
            if unnamed := self._unnamed(talk, place + 1):
                return f"the template does not write the name of turn {unnamed}"
            if (bos := self.tokenizer.bos_token) and bos != self.eot and prompt.startswith(bos * 2):
                return "the prompt begins with two BOS tokens"
            if any(t.role != "assistant" and t.content.strip() not in prompt for t in before):
                return "the template leaves out what somebody says before"
            continues, opened = whole.startswith(prompt), bool(OPENED.search(prompt))
            within = WITHIN.search(prompt)
            if within and (continues or not opened) and f"{within[1]}/{within[2]}" not in whole[len(prompt) :]:
                return f"the answer would stand within the thought that the prompt opens with {within[0].strip()!r}"
            parts = [part.strip() for part in TAGS.split(turn.content)]
            text = whole[len(prompt) :] if continues else whole
            bare = TAGS.search(turn.content) and not any(parts)
            parts = parts if any(parts) else [turn.content.strip()]
            text, *parts = (self._calm(one) for one in (text, *parts))
            if parts[-1] not in text or ((continues or not opened) and any(part not in text for part in parts)):
                return f"the template leaves out turn {place + 1}, or some of it"
            if (
                TAGS.search(turn.content)
                and not continues
                and (bare or not parts[-1] or not FIRST.fullmatch(turn.content))
            ):
                return f"the template leaves out turn {place + 1}, or some of it"
            if turn.thoughts.strip() not in whole and (continues or not opened):
                return f"the template does not write the thoughts of turn {place + 1}"
            prevented = turn.thoughts or (len(parts) > 1 and CLOSED.search(prompt))
            if prevented and not continues and not opened:
                return "inference is prompted not to think"
            added = whole[len(commonprefix([prompt, whole])) :]
            names = [(c["function"]["name"], added) for c in turn.tool_calls]
            names += [(t.get("function", t).get("name"), prompt) for t in talk.tools]
            if lost := [name for name, text in names if name not in text]:
                return f"the template leaves out {lost[0]!r}"
        return ""

    def _unnamed(self, talk: Conversation, stop: int) -> int:
        """The number of the assistant's first turn whose name is not written; 0 without one"""
        for i, turn in enumerate(talk.turns[:stop]):
            if turn.role == "assistant" and turn.name:
                turns = (*talk.turns[:i], replace(turn, name="zebra crossing"), *talk.turns[i + 1 :])
                if "zebra crossing" not in self.text(replace(talk, turns=turns), stop, False):
                    return i + 1
        return 0

    def _calm(self, text: str) -> str:
        """Without the special tokens, in which letters stand that somebody may say"""
        for token in self.special:
            text = text.replace(token, "\0")
        return text

    def faults(self, talk: Conversation, rows: Sequence[Rendered]) -> list[str]:
        """What is wrong with these rows, in sentences; empty if they are what inference sees and has to produce"""
        wanted, found = list(talk.trained_turns), [(row, span) for row in rows for span in row.spans]
        if len(found) != len(wanted):
            return [f"{len(found)} answers are trained, and the conversation has {len(wanted)}"]
        faults = [fault for row in rows if (fault := _stray(row))]
        for place, (row, span) in zip(wanted, found, strict=True):
            prompt, ids = self.text(talk, place, True), row.ids[: span.start]
            if not self._has_special(talk) and ids != self._apply(talk, place, True, tokenize=True, return_dict=False):
                faults.append(f"the ids before answer {place + 1} are not those of apply_chat_template")
            if (shown := self._decoded(ids)) != _plain(prompt):
                faults.append(f"before answer {place + 1} stands {shown[-60:]!r}, and inference sees {prompt[-60:]!r}")
            trained = self._decoded(row.ids[: span.stop])[len(shown) :]
            if problem := self._wrong(talk, place, prompt, trained, row.ids[span.stop - 1]):
                faults.append(f"answer {place + 1}: {trained!r} is trained: {problem}")
        return faults

    def _wrong(self, talk: Conversation, place: int, prompt: str, trained: str, last: int) -> str:
        """What is wrong with the text that is trained for one answer"""
        turn, whole = talk.turns[place], self.text(talk, place + 1, False)
        end = next(
            (t for t in self.special if trained.endswith(t) and self.tokenizer.convert_tokens_to_ids(t) == last), ""
        )
        if not end:
            return "it does not end with a special token"
        if end != self.eot and not turn.tool_calls:
            return f"it ends with {end!r} and not with the EOT {self.eot!r}"
        if missing := [p for p in (turn.thoughts, *TAGS.split(turn.content)) if p.strip() not in trained]:
            return f"it lacks {missing[0]!r}"
        if missing := [c["function"]["name"] for c in turn.tool_calls if c["function"]["name"] not in trained]:
            return f"it lacks the call of {missing[0]!r}"
        said = trained.removesuffix(end)
        if whole.startswith(prompt):
            return self._wrong_continuation(talk, place, whole, whole[len(prompt) :], said, end)
        answer = turn.content.strip() if turn.content.strip() in trained else TAGS.split(turn.content)[-1].strip()
        if tag := OPENED.search(prompt):
            thoughts = turn.thoughts.strip() or _inline(turn.content)
            between, found, rest = said.lstrip()[len(thoughts) :].partition(f"</{tag[1]}>")
            if not found or between.strip() or not said.lstrip().startswith(thoughts):
                return "the thought that inference is prompted into does not end as it should"
            rest = rest.lstrip()
            if rest.startswith(f"</{tag[1]}>"):
                return f"it ends the thought twice, with </{tag[1]}>"
            written = f"{rest}{end}" in whole or whole.endswith(rest.rstrip())  # what opens the next turn may end it
            return "" if written and (turn.tool_calls or rest.startswith(answer)) else NOT_WRITTEN
        if said not in whole or (f"{said}{end}" not in whole and not whole.endswith(said)):
            return NOT_WRITTEN
        head, at = said[: said.rfind(answer)], whole.rfind(f"{said}{end}")
        at = whole.rfind(said) if at < 0 else at
        if problem := self._wrong_beginning(prompt, whole[:at], said):
            return problem
        follows = any(f"{prompt[-n:]}{said}" in whole for n in (1, 2, 4))
        return "" if not head or follows or prompt.startswith(whole[:at]) else f"it has {head!r} before the answer"

    def _wrong_beginning(self, prompt: str, before: str, said: str) -> str:
        """What is wrong with where an answer begins that does not simply follow the prompt in what the template writes"""
        if half := HALF.search(before):
            return f"it begins within a tag, after {half[0]!r}"
        for token in self.special:
            head = said[: said.find(token) + len(token)]
            _, found, rest = prompt.rpartition(head)
            if token in said and found and not rest.strip():
                return f"it repeats {head!r}, with which the prompt ends"
        return ""

    def _wrong_continuation(self, talk: Conversation, place: int, whole: str, added: str, said: str, end: str) -> str:
        """What is wrong where the template continues the prompt"""
        if added.startswith(said + end):
            rest = added[len(said + end) :]
            for token in self.special:
                rest = rest.replace(token, "")
            return f"the template writes {rest!r} after it" if rest.strip() else ""
        if not said.startswith(added) or said[len(added) :].strip():  # white space may stand before what opens the next
            return f"the template writes {added!r}"
        follows = talk.turns[place + 1] if place + 1 < len(talk.turns) else Turn("user", "Next?")
        longer = Conversation(
            id="", turns=(*talk.turns[: place + 1], follows, Turn("assistant", "x")), tools=talk.tools
        )
        text = self.text(longer, place + 2, False)
        answer = TAGS.split(talk.turns[place].content)[-1].strip() or (
            said[-9:] if talk.turns[place].tool_calls else said[len(said) :]
        )
        return (
            ""
            if f"{said[said.rfind(answer) :]}{end}" in text
            else f"nothing that the template writes has {end!r} there"
        )

    def _has_special(self, talk: Conversation) -> bool:
        said = str(talk.content())
        return any(token in said for token in self.special)

    def _decoded(self, ids: Sequence[int]) -> str:
        text = self.tokenizer.backend_tokenizer.decode(list(ids), skip_special_tokens=False)
        return _plain(str(text))


def _stray(row: Rendered) -> str:
    inside = {i for span in row.spans for i in range(span.start, span.stop)}
    wrong = [i for i, w in enumerate(row.weights) if bool(w) != (i in inside)]
    return f"token {wrong[0]} is trained outside of an answer, or not trained in one" if wrong else ""


def _plain(text: str) -> str:
    """Without the space that a tokenizer may take for the beginning of a text"""
    return text.removeprefix(" ")


def _inline(content: str) -> str:
    """The thoughts within a content"""
    return " ".join(TAGS.split(content)[:-1]).strip() if re.search("</think", content) else ""
