"""Renderers made of chat templates: a conversation as text, its tokens, and which of them are trained.

The text is rendered once and tokenized once with offsets; the trained tokens are those within an answer's characters and the
end-of-turn token (EOT) after it. transformers' own mask leaks over later turns (transformers#47325) and is not used. The core
verifies the result. Knows nothing of where conversations or templates come from.
"""

import json
from abc import ABC, abstractmethod
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from operator import itemgetter
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from lima import Example, LimaError, Record, Rendered, Span, bos_ids, encode, reused_or_new_eot
from lima_chat.conversation import Conversation, Turn

if TYPE_CHECKING:
    from lima_chat.layout import Layout, Message, Text
    from lima_chat.templates import TemplateFile

START, STOP = itemgetter(0), itemgetter(1)
"The characters of a token"


class ChatRenderer(ABC):
    """What the renderers of files and of tokenizers share; subclasses say what the template is and which token ends a turn"""

    name: str
    description: str
    renders: tuple[type, ...] = (Conversation, Example)

    def __init__(self) -> None:
        self._layouts: WeakKeyDictionary[Any, dict[Any, Layout]] = WeakKeyDictionary()
        self._last: tuple[Any, Any, list[Text]] = (None, None, [])  # a record, and what `_texts` made of it

    @abstractmethod
    def end_of_turn(self, tokenizer: Any) -> str:
        """The token text that ends a turn"""

    def special_tokens(self, tokenizer: Any) -> list[str]:
        """Tokens that the format needs in the vocabulary besides the EOT"""
        return []

    @abstractmethod
    def chat_template(self, tokenizer: Any, eot: str) -> str:
        """The Jinja source to save with the tokenizer, so that plain transformers prompts with the same ids"""

    @abstractmethod
    def _source(self, tokenizer: Any) -> tuple[str, str, int]:
        """A name for error messages, the Jinja source, and how many lines of its file come before it"""

    @abstractmethod
    def _variables(self, tokenizer: Any, eot: str) -> dict[str, Any]:
        """What the template is given besides the messages"""

    def layout(self, tokenizer: Any, eot: str) -> "Layout":
        """The template with this tokenizer's variables, made once"""
        name, source, head = self._source(tokenizer)
        known = self._layouts.setdefault(tokenizer, {})
        key = (source, eot, repr(tokenizer.special_tokens_map))
        try:
            return known[key]
        except KeyError:
            from lima_chat.layout import Layout
            from lima_chat.sandbox import compiled

            known[key] = Layout(compiled(name, source, head), self._variables(tokenizer, eot))
            return known[key]

    def render(self, record: Conversation | Example, tokenizer: Any, eot: str) -> Rendered:
        """Ids and weights: each answer that is trained, and its EOT, has the weight of its turn; the others are muted"""
        layout = self.layout(tokenizer, eot)
        with self._naming(record):
            return self._render(record, layout, tokenizer, eot)

    @contextmanager
    def _naming(self, record: Record) -> Iterator[None]:
        """Name the example in an error raised inside this block"""
        try:
            yield
        except LimaError as e:
            of = f" of source {record.source!r}" if record.source else ""
            raise LimaError(f"Example {record.id!r}{of}, rendered by {self.name!r}: {e}") from e.__cause__

    def _texts(self, record: Conversation | Example, layout: "Layout") -> "list[Text]":
        """A conversation's text, and then the prompts to its trained answers, all from one request: the caller of the first
        needs the others next"""
        last_record, last_layout, texts = self._last
        if last_record is not record or last_layout is not layout:
            conversation = Conversation.of(record)
            messages = _messages(conversation.turns)
            prompts = [(messages[:i], True) for i in conversation.trained_turns]
            texts = layout.texts([(messages, False), *prompts])
            self._last = record, layout, texts
        return texts

    def _render(self, record: Conversation | Example, layout: "Layout", tokenizer: Any, eot: str) -> Rendered:
        conversation = Conversation.of(record)
        text, contents = self._texts(record, layout)[0]
        ids, offsets = encode(tokenizer, text, contents)
        first_from, first_after = partial(bisect_left, offsets, key=START), partial(bisect_right, offsets, key=STOP)
        weights, spans, muted = [0.0] * len(ids), [], []
        roles = tuple(t.role for t in conversation.turns)
        end = tokenizer.convert_tokens_to_ids(eot)
        for i, turn in enumerate(conversation.turns):
            if turn.role == "assistant" and not turn.trained:
                a, b = _with_eot(text, contents, i, eot)
                muted.append((first_after(a), first_from(b)))
            if not turn.trained:
                continue
            edges = layout.edges(roles, i, eot)
            a, b = contents[i][0] - edges.lead, contents[i][1] + edges.tail
            first, last = first_after(a), first_after(b)
            if last >= len(ids) or ids[last] != end:
                raise LimaError(
                    f"no token {eot!r} follows turn {i + 1}. The tokenizer must know it as one token; "
                    "lima adds it before it renders (lima.model.eot.extend_tokenizer)."
                )
            if offsets[first][0] < a:
                joined = text[slice(*offsets[first])]
                raise LimaError(
                    f"the tokenizer joins the beginning of turn {i + 1} to the template's text before it, in {joined!r}, which "
                    "inference would not. Let the template's prompt end, or the answer begin, without white space."
                )
            weights[first : last + 1] = [float(turn.weight)] * (last + 1 - first)
            spans.append(Span(first, last + 1, text[a:b]))
        return Rendered(ids, weights, spans, muted)

    def prompts(self, record: Conversation | Example, tokenizer: Any, eot: str) -> list[list[int]]:
        """For each trained answer the ids that inference would prompt with: what came before, rendered by itself"""
        layout = self.layout(tokenizer, eot)
        with self._naming(record):
            _, *texts = self._texts(record, layout)
        return [encode(tokenizer, *text)[0] for text in texts]

    def prompt(self, text: str, tokenizer: Any, eot: str) -> list[int]:
        """The ids that ask for the answer to one user turn"""
        return self.chat_prompt([Turn("user", text)], tokenizer, eot)

    def chat_prompt(self, turns: Sequence[Turn], tokenizer: Any, eot: str) -> list[int]:
        """The ids that prompt the assistant's next turn; the last turn must be the user's"""
        if not turns or turns[-1].role != "user":
            last = f"the last turn is the {turns[-1].role}'s" if turns else "the conversation is empty"
            raise LimaError(f"Cannot prompt for a reply: {last}; expected the user's turn at the end.")
        return encode(tokenizer, *self.layout(tokenizer, eot).text(_messages(turns), prompting=True))[0]


class TemplateRenderer(ChatRenderer):
    """The renderer of one template file"""

    def __init__(self, file: "TemplateFile") -> None:
        super().__init__()
        self.file, self.name = file, file.name
        self.description = file.description or f"the template {file.name}.jinja"

    def end_of_turn(self, tokenizer: Any) -> str:
        if self.file.eot != "eos_token":
            return self.file.eot or reused_or_new_eot(tokenizer)
        if not tokenizer.eos_token:
            raise LimaError(
                f"The format {self.name!r} ends turns with the tokenizer's EOS, and this tokenizer has none. Use lima or chatml."
            )
        return str(tokenizer.eos_token)

    def special_tokens(self, tokenizer: Any) -> list[str]:
        return list(self.file.tokens)

    def chat_template(self, tokenizer: Any, eot: str) -> str:
        own = {k: v for k, v in self._variables(tokenizer, eot).items() if k in ("bos_token", "eot_token")}
        return (
            "".join(f"{{% set {k} = {json.dumps(v, ensure_ascii=False)} %}}\n" for k, v in own.items())
            + self.file.source
        )

    def _source(self, tokenizer: Any) -> tuple[str, str, int]:
        return repr(self.name), self.file.source, self.file.head

    def _variables(self, tokenizer: Any, eot: str) -> dict[str, Any]:
        # A BOS only where this tokenizer starts its texts with one, as in the core's plain renderer.
        bos = tokenizer.bos_token if bos_ids(tokenizer) else ""
        return {**_named(tokenizer), "bos_token": bos, "eot_token": eot}


class OwnTemplateRenderer(ChatRenderer):
    """The chat template that the base model's tokenizer came with"""

    name = "template"
    description = "the base model's own chat template"

    def suits(self, tokenizer: Any) -> bool:
        """Whether the tokenizer has a template: then it is the one to train with"""
        return bool(tokenizer.chat_template)

    def end_of_turn(self, tokenizer: Any) -> str:
        """The token that the template writes after an answer, found by rendering one"""
        after = self.layout(tokenizer, "").skeleton(("user", "assistant"), False).pieces[-1].lstrip()
        known = [
            t.content for t in tokenizer.added_tokens_decoder.values() if t.content and after.startswith(t.content)
        ]
        if not known:
            raise LimaError(
                f"The tokenizer's own chat template writes {repr(after[:40]) if after else 'nothing'} after an answer, and no "
                "special token, so nothing would stop generation. Use --renderer chatml, or another."
            )
        return max(known, key=len)

    def chat_template(self, tokenizer: Any, eot: str) -> str:
        return self._source(tokenizer)[1]

    def _source(self, tokenizer: Any) -> tuple[str, str, int]:
        template = tokenizer.chat_template
        if isinstance(template, dict):
            template = template.get("default")
        if not template:
            raise LimaError(
                "The renderer 'template' uses the tokenizer's own chat template, and this tokenizer has none. "
                "Train with --renderer lima, chatml, or another of `lima renderers`."
            )
        return "of the tokenizer", template, 0

    def _variables(self, tokenizer: Any, eot: str) -> dict[str, Any]:
        return _named(tokenizer)


def _named(tokenizer: Any) -> dict[str, Any]:
    """What transformers gives to a template besides the messages"""
    return {**tokenizer.special_tokens_map, "tools": None, "documents": None}


def _with_eot(text: str, contents: Sequence[tuple[int, int]], index: int, eot: str) -> tuple[int, int]:
    """The characters of an answer that is not learnt from, and of its EOT if the template writes one"""
    start, stop = contents[index]
    after = text[stop : contents[index + 1][0] if index + 1 < len(contents) else len(text)]
    found = after.find(eot)
    return start, stop if found < 0 or after[:found].strip() else stop + found + len(eot)


def _messages(turns: Sequence[Turn]) -> "list[Message]":
    return [{"role": t.role, "content": t.content} for t in turns]
