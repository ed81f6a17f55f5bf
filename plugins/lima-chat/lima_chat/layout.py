"""What a template adds to the prompt of inference for each answer: that, up to its end-of-turn token (EOT), is what is trained.

For answer i the messages before it are rendered as inference renders them, and then once more with the answer. The second text
must begin with the first; the difference is what the model has to write: the answer, and whatever the template puts around it.
Whether the answers of a conversation can share one row is for the renderer to see. Knows nothing of tokens.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from os.path import commonprefix
from typing import Any

from lima import LimaError
from lima_chat import calls
from lima_chat.hidden import END, TAGS, Hidden
from lima_chat.sandbox import Template
from lima_chat.tags import CLOSED, OPENED, THOUGHT, closed, parted, unended
from lima_chat.writing import OTHERS, Message, Wanted, Writing, mark


@dataclass(frozen=True)
class Answer:
    """What the model writes at one place of a conversation, as text with marks for what is hidden"""

    index: int
    "Which message"
    prompt: str
    "What inference prompts with"
    text: str
    "What is to be written then, with its EOT at the end"
    end: str
    "That EOT; empty if the template writes none after an answer that is not trained"
    whole: str
    "The messages up to here as the template writes them"


class Layout:
    """A template with the variables it is given, the EOT, the control tokens that may be hidden; is it the base's `own`?"""

    def __init__(
        self, template: Template, variables: dict[str, Any], eot: str, tokens: Sequence[str], own: bool
    ) -> None:
        self.template, self.writing, self.eot, self.tokens = template, Writing(template, variables), eot, tokens
        self.hidden, self.own = Hidden(tokens), own
        self._sound: set[tuple[str, ...]] = set()
        self._ends = re.compile("|".join(map(re.escape, sorted(tokens, key=len, reverse=True))) or "(?!)")

    def prompt(self, messages: Sequence[Message], tools: Sequence[Message] = ()) -> str:
        """What inference prompts with after these messages"""
        return self.writing.texts([(messages, True)], tools)[0]

    def written(self, messages: Sequence[Message], tools: Sequence[Message] = ()) -> str:
        """What the template writes for these messages"""
        return self.writing.texts([(messages, False)], tools)[0]

    def texts(self, talks: Sequence[Sequence[Message]]) -> list[list[str]]:
        """Of each conversation without tools the `texts` that `answers` takes, written in one go"""
        wanted = [_wanted(messages) for messages in talks]
        written = iter(self.writing.texts([one for each in wanted for one in each]))
        return [list(islice(written, len(each))) for each in wanted]

    def answers(
        self,
        messages: Sequence[Message],
        trained: Sequence[int],
        tools: Sequence[Message] = (),
        texts: Sequence[str] = (),
    ) -> list[Answer]:
        """What the model is to write for each message of the assistant; LimaError unless all that are `trained` can be"""
        roles = tuple(m["role"] for m in messages)
        plain = not tools and not any(m.keys() - {"role", "content"} for m in messages)
        if plain and roles in self._sound:
            return self._answers(messages, trained, tools, texts)
        marked = _marked(messages)
        self._check_complete(marked, tools)
        found = self._answers(messages, trained, tools, texts)
        # A short answer may stand in what the template writes around it, too; a mark does not.
        self._answers(marked, trained, tools)
        self._sound |= {roles} if plain else set()
        return found

    def _answers(
        self, messages: Sequence[Message], trained: Sequence[int], tools: Sequence[Message], texts: Sequence[str] = ()
    ) -> list[Answer]:
        places, texts = _places(messages), texts or self.writing.texts(_wanted(messages), tools)
        found = []
        for number, (i, prompt, whole) in enumerate(zip(places, texts[::2], texts[1::2], strict=True), 1):
            try:
                found.append(self._answer(messages, i, number, prompt, whole, tools))
            except LimaError:
                if i in trained:
                    raise
                said = whole.removeprefix(prompt) if whole.startswith(prompt) else ""
                found.append(Answer(i, prompt, said.rstrip(), "", whole))
        return found

    def _answer(
        self, messages: Sequence[Message], i: int, number: int, prompt: str, whole: str, tools: Sequence[Message]
    ) -> Answer:
        name, message = f"The template {self.template.name}", messages[i]
        added = self._added(messages, i, prompt, whole, tools)
        end, text = self._end_of(messages, i, added, tools)
        if not end:
            rest = _short(self._shown(added.rpartition(message["content"].strip())[2]))
            raise LimaError(
                f"{name} writes {rest} after answer {number}, and not the end-of-turn token {self.eot!r}, so the model would "
                "never learn to stop. Write {{ eot_token }} after the content, or use another template."
            )
        if tag := unended(prompt, text):
            raise LimaError(
                f"{name} prompts for turn {i + 1} within {tag}, and what it writes then does not end that thought, so the "
                "answer would be learnt as a thought. Use another template."
            )
        parts = TAGS.split(message["content"])
        said = parts if any(part.strip() for part in parts) else [message["content"]]
        if any(part.strip() not in text for part in said):
            if (
                not whole.startswith(prompt)
                and parts[-1].strip() in text
                and all(part.strip() in whole for part in parts[:-1])
            ):
                raise LimaError(self._without(i))
            raise LimaError(
                f"{name} rewrites what turn {i + 1} says, or leaves some of it out: it writes {_short(self._shown(text))} for "
                f"{_short(self._shown(message['content']))}. Change that turn, or use another template."
            )
        self._check_thoughts_and_calls(message, text, whole, i)
        return Answer(i, prompt, text + end, end, whole)

    def _added(self, messages: Sequence[Message], i: int, prompt: str, whole: str, tools: Sequence[Message]) -> str:
        """What the template adds for an answer to the prompt of inference"""
        if whole.startswith(prompt):
            return whole[len(prompt) :]
        # It writes something else before an answer than what it prompts with: find where the answer itself begins.
        message, (inside, answer) = messages[i], parted(messages[i]["content"])
        marked = message | {"content": f"{inside}{mark(i)}"} if answer else message
        asked = [*messages[: i - 1], messages[i - 1] | {"content": mark(i - 1)}]
        texts = self.writing.texts([([*messages[:i], marked], False), (asked, True), ([*asked, marked], False)], tools)
        prompted, written = (text.rpartition(mark(i - 1))[2] for text in texts[1:])
        begin, tag = texts[0].find(mark(i)), OPENED.search(prompt)
        if tag and whole.startswith(prompt[: tag.start()].rstrip()):
            nothing = not message.get("tool_calls") and not TAGS.sub("", message["content"]).strip()
            other = begin >= 0 and not whole.startswith(texts[0][:begin])
            if nothing or other or not THOUGHT.fullmatch(inside):
                raise LimaError(
                    f"The tags of thoughts in turn {i + 1} are not as the template {self.template.name} expects them: "
                    f"<{tag[1]}>, thoughts, </{tag[1]}>, answer. Change that turn."
                )
            thoughts = message.get("reasoning_content", "") or TAGS.sub("", inside).strip()
            rest = whole[len(prompt[: tag.start()].rstrip()) :]
            return closed(thoughts, rest, whole[begin:] if begin >= 0 else "", tag[1], bool(message.get("tool_calls")))
        if message.get("tool_calls"):  # which may stand before the content, or without one
            said = self._called([*asked, message], prompted, written).replace(mark(i), answer.strip())
            return said if whole.endswith(said) else ""
        if begin < 0 or not whole.startswith(texts[0][:begin]):
            raise LimaError(
                f"The template {self.template.name} leaves out turn {i + 1}, the assistant's. Use another template."
            )
        between = texts[2].partition(mark(i))[0].rpartition(mark(i - 1))[2]
        if between.startswith(prompted):
            return whole[begin - len(between) + len(prompted) :]
        verbatim = between.endswith(inside.lstrip()) and not CLOSED.search(prompt)  # thoughts are text to this template
        return whole[begin - len(inside.lstrip()) * verbatim :]

    def _called(self, messages: Sequence[Message], prompted: str, written: str) -> str:
        """What is written for a turn with calls, the last one, after what the template writes before any answer

        Both texts begin after the question. Only a whole beginning that an answer without calls has, too, is taken for its
        header: what two texts merely share may end within a tag."""
        if written.startswith(prompted):
            return written[len(prompted) :]
        plain = [*messages[:-1], {"role": "assistant", "content": mark(len(messages))}]
        header = self.writing.texts([(plain, False)])[0].partition(mark(len(messages)))[0].rpartition(END)[2]
        if not written.startswith(header):
            raise LimaError(
                f"The template {self.template.name} begins turn {len(messages)}, which calls tools, neither as it prompts for it "
                "nor as it begins other answers. Leave the conversation out, or use another template."
            )
        return written[len(header) :]

    def _end_of(self, messages: Sequence[Message], i: int, added: str, tools: Sequence[Message]) -> tuple[str, str]:
        """(the token that ends an answer, what was added before it); ("", "") without one"""
        called = messages[i].get("tool_calls")
        if self.eot and (at := added.find(self.eot)) >= 0:
            return self.eot, added[:at]
        if called and (found := list(self._ends.finditer(added))):
            last = found[-1]
            if not added[last.end() :].strip():
                return last[0], added[: last.start()]
        space, opens = self._opens_next(messages, i, tools)
        return (opens, added + space) if opens and (opens == self.eot or called) else ("", "")

    def _opens_next(self, messages: Sequence[Message], i: int, tools: Sequence[Message]) -> tuple[str, str]:
        """(white space, token) right after what a template writes for an answer, where that opens the next turn; else empty

        Some write no token after an answer: what opens the next turn stops it. Once it follows, they may drop thoughts."""
        role = "tool" if messages[i].get("tool_calls") else "user"
        alone = [*messages[:i], messages[i] | {"content": mark(i)}]
        call = next((call["id"] for call in messages[i].get("tool_calls", []) if call.get("id")), "")
        longer = [*alone, {"role": role, "content": mark(i + 1)} | ({"tool_call_id": call} if call else {})]
        try:
            texts = self.writing.texts([(alone, False), (longer, False)], tools)
        except LimaError:
            return "", ""
        after, following = (text.rpartition(mark(i))[2] for text in texts)
        rest = following[len(after) :].lstrip() if following.startswith(after) else ""
        opens = self._ends.match(rest)
        return (following[len(after) : -len(rest)], opens[0]) if opens else ("", "")

    def _check_thoughts_and_calls(self, message: Message, text: str, whole: str, i: int) -> None:
        name = f"The template {self.template.name}"
        if (thoughts := message.get("reasoning_content", "").strip()) not in text:
            if thoughts in whole:
                raise LimaError(self._without(i))
            raise LimaError(
                f"{name} does not write the thoughts of turn {i + 1}, so they cannot be learnt. Leave them out, or use a "
                "template that writes reasoning_content."
            )
        if missing := [lost for call in message.get("tool_calls", []) if (lost := calls.left_out(call, text))]:
            raise LimaError(self._no_tools(f"{missing[0]} in turn {i + 1}"))

    def _shown(self, text: str) -> str:
        return self.hidden.show(text)[0]

    def _without(self, i: int) -> str:
        return (
            f"The template {self.template.name} prompts for turn {i + 1} without thoughts, so its thoughts cannot be learnt. Let "
            "it prompt for them (often `enable_thinking = true` in the recipe's table [template]), or leave them out."
        )

    def _check_complete(self, marked: Sequence[Message], tools: Sequence[Message]) -> None:
        """LimaError where inference would prompt without one of the messages or tools"""
        last = max(i for i, m in enumerate(marked) if m["role"] == "assistant")
        prompt = self.prompt(marked[:last], tools)
        for i, message in enumerate(marked[:last]):
            if message["content"].strip() not in prompt:
                raise LimaError(self._left_out(i, message["role"]))
        self._check_names(marked, tools)
        for tool in tools:
            if str(called := tool.get("function", tool).get("name")) not in prompt:
                raise LimaError(self._no_tools(f"the tool {called!r}"))

    def _check_names(self, marked: Sequence[Message], tools: Sequence[Message]) -> None:
        """LimaError where the template leaves out which assistant speaks"""
        marks = {
            i: mark(len(marked) + i) for i, m in enumerate(marked) if m["role"] == "assistant" and m.get("name", "")
        }
        named = [m | {"name": marks[i]} if i in marks else m for i, m in enumerate(marked)]
        written = self.written(named, tools) if marks else ""
        if lost := [i for i, name in marks.items() if name not in written]:
            raise LimaError(
                f"The template {self.template.name} does not write the name of turn {lost[0] + 1}, the assistant's. Leave the "
                "name out, or use a template that writes it."
            )

    def _left_out(self, i: int, role: str) -> str:
        name = f"The template {self.template.name}"
        if role == "tool":
            return self._no_tools(f"turn {i + 1}, a tool's answer")
        if role == "system":
            return f"{name} leaves out turn 1, the system's. {OTHERS}"
        return f"{name} leaves out turn {i + 1}, the {role}'s. Use another template."

    def _no_tools(self, what: str) -> str:
        others = (
            "Leave the conversation out, or use a base model whose template writes tools and their calls."
            if self.own
            else "Use --renderer template with a base model whose own template does, or leave the conversation out."
        )
        return f"The template {self.template.name} leaves out {what}: it knows no tools. {others}"

    def end_of_turn(self) -> str:
        """The token that ends an answer, found by rendering one; empty if there is none

        It is the last control token that follows an answer at the end of a conversation and before the next question; else the
        last that follows at the end; else the one that opens the next question."""
        talk = _marked([{"role": role, "content": "x"} for role in ("user", "assistant", "user")])
        final = self.writing.texts([(talk[:2], False)])[0].rpartition(mark(1))[2]
        try:
            longer = self.writing.texts([(talk, False)])[0]
        except LimaError:
            longer = ""
        history = longer.partition(mark(1))[2].partition(mark(2))[0]
        for text in (commonprefix([final, history]) if history else "", final):
            if found := self._ends.findall(text):
                return str(found[-1])
        opens = self._ends.match(history.lstrip())
        return opens[0] if opens and not final.strip() else ""


def _places(messages: Sequence[Message]) -> list[int]:
    """Which messages are the assistant's"""
    return [i for i, m in enumerate(messages) if m["role"] == "assistant"]


def _wanted(messages: Sequence[Message]) -> Wanted:
    """What is looked at for the answers: for each the prompt to it, and all up to it"""
    return [one for i in _places(messages) for one in ((messages[:i], True), (messages[: i + 1], False))]


def _marked(messages: Sequence[Message]) -> list[Message]:
    """The same messages with a mark for each content"""
    return [m | {"content": mark(i)} if m["content"].strip() else m for i, m in enumerate(messages)]


def _short(text: str) -> str:
    return repr(text if len(text) <= 60 else f"{text[:45]} … {text[-10:]}") if text else "nothing"
