"""Renderers made of chat templates: what is trained is what the template adds to the prompt of inference.

`layout` says which text that is, `tokens` which ids; the core verifies the result. Knows nothing of where conversations or
templates come from.
"""

import copy
import json
import logging
import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from lima import Example, LimaError, Record, Rendered, bos_ids, reused_or_new_eot
from lima_chat.ahead import Ahead, Portion
from lima_chat.conversation import Conversation, Turn

if TYPE_CHECKING:
    from lima_chat.layout import Layout, Message
    from lima_chat.templates import TemplateFile
    from lima_chat.thoughts import Marks
    from lima_chat.tokens import Tokens


class ChatRenderer(ABC):
    """What the renderers of files and of tokenizers share; subclasses say what the template is and which token ends a turn"""

    name: str
    description: str
    renders: tuple[type, ...] = (Conversation, Example)
    own = False
    "Whether the template is the base model's"

    variables: Mapping[str, Any] = {}
    "What the template is given by the recipe's table [template]"
    date: str = ""
    "The date and time for templates that write it, ISO 8601; empty: now"

    def __init__(self) -> None:
        self._layouts: WeakKeyDictionary[Any, dict[Any, Layout]] = WeakKeyDictionary()
        self._marks: dict[Layout, Marks] = {}
        self._ahead = Ahead()
        self._last: tuple[Any, Layout, Tokens] | None = None
        "Of those that were not prepared the one that was asked for last"

    def with_variables(self, variables: Mapping[str, Any], date: str = "") -> "ChatRenderer":
        """The same renderer whose template is given these variables, and renders on this date"""
        for name, value in variables.items():
            if problem := _problem_of(name, value):
                raise LimaError(f"The recipe's table [template] has {name} = {value}: {problem}")
        made = copy.copy(self)
        ChatRenderer.__init__(made)
        made.variables, made.date = dict(variables), date
        return made

    @abstractmethod
    def end_of_turn(self, tokenizer: Any) -> str:
        """The token text that ends a turn"""

    def special_tokens(self, tokenizer: Any) -> list[str]:
        """Tokens that the format needs in the vocabulary besides the EOT"""
        return []

    @abstractmethod
    def chat_template(self, tokenizer: Any, eot: str) -> str:
        """The Jinja source to save with the tokenizer, so that plain transformers prompts with the same ids"""

    def tool_template(self, tokenizer: Any, eot: str) -> str:
        """The Jinja source for conversations with tools: usually the same"""
        return self.chat_template(tokenizer, eot)

    def _defaults(self) -> str:
        """Jinja that gives the recipe's variables to whoever renders the saved template without any"""
        return "".join(
            f"{{% set {k} = {k} if {k} is defined else {_literal(v)} %}}\n" for k, v in self.variables.items()
        )

    @abstractmethod
    def _source(self, tokenizer: Any, tools: bool) -> tuple[str, str, int]:
        """A name for error messages, the Jinja source (with or without tools), and how many lines of its file come before it"""

    @abstractmethod
    def _variables(self, tokenizer: Any, eot: str) -> dict[str, Any]:
        """What the template is given besides the messages"""

    def layout(self, tokenizer: Any, eot: str, tools: bool = False) -> "Layout":
        """The template with this tokenizer's variables, made once; a tokenizer may have another one for `tools`"""
        name, source, head = self._source(tokenizer, tools)
        known = self._layouts.setdefault(tokenizer, {})
        key = (source, eot, repr(tokenizer.special_tokens_map), len(tokenizer))
        try:
            return known[key]
        except KeyError:
            from lima_chat.layout import Layout
            from lima_chat.sandbox import compiled

            self._warn_of_unused(name, source)
            added = tokenizer.added_tokens_decoder.values()
            tokens = [t.content for t in added if t.content and (t.special or not eot)]
            variables = {**self._variables(tokenizer, eot), **self.variables}
            known[key] = Layout(compiled(name, source, head, self.date), variables, eot, tokens, self.own)
            return known[key]

    def _warn_of_unused(self, name: str, source: str) -> None:
        """Warn of a variable of the recipe that the template does not name: a mistyped one, perhaps"""
        words = set(re.findall(r"\w+", source))
        if unused := [variable for variable in self.variables if variable not in words]:
            logging.getLogger("lima").warning(
                "The template %s does not use %s of the recipe's table `template`. Is the name right?",
                name,
                ", ".join(unused),
            )

    def render(self, record: Conversation | Example, tokenizer: Any, eot: str) -> list[Rendered]:
        """Ids and weights: each answer that is trained, and its EOT, has the weight of its turn; the others are muted"""
        return self._tokens(record, tokenizer, eot).rows

    def prompts(self, record: Conversation | Example, tokenizer: Any, eot: str) -> list[list[int]]:
        """For each trained answer the ids that inference would prompt with: what came before, rendered by itself"""
        return self._tokens(record, tokenizer, eot).prompts

    def ahead(self, records: Sequence[Conversation | Example], tokenizer: Any, eot: str) -> None:
        """Render those without tools in one go, and begin to tokenize them; where anything is wrong with one, `render` makes
        each and says it"""
        from lima_chat.tokens import tokens_meanwhile

        if not records:
            self._ahead.clear()
        plain = list({id(record): record for record in records if not getattr(record, "tools", ())}.values())
        if not plain:
            return
        with suppress(Exception):  # whatever it is, it is the affair of one example, which is not known here
            layout = self.layout(tokenizer, eot)
            talks = [Conversation.of(record) for record in plain]
            asked = [layout.hidden.hide_in(_messages(talk.turns)) for talk in talks]
            answered = [
                (talk.turns, layout.answers(messages, talk.trained_turns, texts=texts))
                for talk, messages, texts in zip(talks, asked, layout.texts(asked), strict=True)
            ]
            self._ahead.add(Portion(plain, layout, tokens_meanwhile(answered, layout, tokenizer)))

    def _tokens(self, record: Conversation | Example, tokenizer: Any, eot: str) -> "Tokens":
        """Both from one pass: who calls for the one needs the other next"""
        layout = self.layout(tokenizer, eot, bool(getattr(record, "tools", ())))
        if known := self._ahead.of(record, layout):
            return known
        if self._last and self._last[0] is record and self._last[1] is layout:
            return self._last[2]
        from lima_chat.tokens import tokens_of

        with self._naming(record):
            talk = Conversation.of(record)
            messages, tools = layout.hidden.hide_in(_messages(talk.turns)), layout.hidden.hide(talk.tools)
            answers = layout.answers(messages, talk.trained_turns, tools)
            tokens = tokens_of(talk.turns, answers, layout, tokenizer)
        self._last = (record, layout, tokens)
        return tokens

    @contextmanager
    def _naming(self, record: Record) -> Iterator[None]:
        """Name the example in an error raised inside this block"""
        try:
            yield
        except LimaError as e:
            of = f" of source {record.source!r}" if record.source else ""
            raise LimaError(f"Example {record.id!r}{of}, rendered by {self.name!r}: {e}") from e.__cause__

    def prompt(self, text: str, tokenizer: Any, eot: str) -> list[int]:
        """The ids that ask for the answer to one user turn"""
        return self.chat_prompt([Turn("user", text)], tokenizer, eot)

    def chat_prompt(self, turns: Sequence[Turn], tokenizer: Any, eot: str) -> list[int]:
        """The ids that prompt the assistant's next turn; the last turn must be the user's, or a tool's answer"""
        from lima_chat.tokens import prompt_ids

        if not turns or turns[-1].role not in ("user", "tool"):
            last = f"the last turn is the {turns[-1].role}'s" if turns else "the conversation is empty"
            raise LimaError(f"Cannot prompt for a reply: {last}; expected the user's turn at the end.")
        layout = self.layout(tokenizer, eot)
        return prompt_ids(tokenizer, layout.hidden.show(layout.prompt(layout.hidden.hide_in(_messages(turns)))))

    def render_prompts(self, record: Conversation, tokenizer: Any, eot: str) -> None:
        """Render what inference would prompt with for each trained answer, and what the template then writes

        LimaError where the template itself raises, or is stopped."""
        talk = Conversation.of(record)
        layout = self.layout(tokenizer, eot, bool(talk.tools))
        messages, tools = _messages(talk.turns), talk.tools
        for place in talk.trained_turns:
            layout.prompt(messages[:place], tools)
            layout.written(messages[: place + 1], tools)

    def split_reply(self, text: str, prompt: str, tokenizer: Any, eot: str) -> tuple[str, str]:
        """(thoughts, answer) of what a model wrote, special tokens included, after this prompt"""
        from lima_chat.thoughts import marks_of, split

        layout = self.layout(tokenizer, eot)
        if layout not in self._marks:
            self._marks[layout] = marks_of(layout)
        return split(text, prompt, self._marks[layout])


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
        fixed = "".join(f"{{% set {k} = {json.dumps(v, ensure_ascii=False)} %}}\n" for k, v in own.items())
        return fixed + self._defaults() + self.file.source

    def _source(self, tokenizer: Any, tools: bool) -> tuple[str, str, int]:
        return repr(self.name), self.file.source, self.file.head

    def _variables(self, tokenizer: Any, eot: str) -> dict[str, Any]:
        # A BOS only where this tokenizer starts its texts with one, as in the core's plain renderer.
        bos = tokenizer.bos_token if bos_ids(tokenizer) else ""
        return {**_named(tokenizer), "bos_token": bos, "eot_token": eot}


class OwnTemplateRenderer(ChatRenderer):
    """The chat template that the base model's tokenizer came with"""

    name = "template"
    description = "the base model's own chat template"
    own = True

    def suits(self, tokenizer: Any) -> bool:
        """Whether the tokenizer has a template: then it is the one to train with"""
        return bool(tokenizer.chat_template)

    def end_of_turn(self, tokenizer: Any) -> str:
        """The token that the template writes after an answer, found by rendering one"""
        if not (found := self.layout(tokenizer, "").end_of_turn()):
            raise LimaError(
                "The tokenizer's own chat template writes no special token after an answer, so nothing would stop generation. "
                "Use --renderer chatml, or another."
            )
        return found

    def chat_template(self, tokenizer: Any, eot: str) -> str:
        return self._defaults() + self._source(tokenizer, False)[1]

    def tool_template(self, tokenizer: Any, eot: str) -> str:
        return self._defaults() + self._source(tokenizer, True)[1]

    def named_templates(self, tokenizer: Any, eot: str) -> dict[str, str]:
        """Of a tokenizer's further templates the one for tools, with the recipe's variables"""
        several = isinstance(tokenizer.chat_template, dict) and tokenizer.chat_template.get(TOOL_USE)
        return {TOOL_USE: self.tool_template(tokenizer, eot)} if several else {}

    def _source(self, tokenizer: Any, tools: bool) -> tuple[str, str, int]:
        template = tokenizer.chat_template
        if isinstance(template, dict):
            if tools and template.get(TOOL_USE):  # as transformers chooses
                return f"{TOOL_USE!r} of the tokenizer", template[TOOL_USE], 0
            if template and "default" not in template:
                raise LimaError(
                    "The renderer 'template' uses the tokenizer's template 'default', and this tokenizer has none of that name, "
                    f"only {', '.join(map(repr, template))}. Name one of them 'default' in the tokenizer's files, or train with "
                    "--renderer lima, chatml, or another of `lima renderers`."
                )
            template = template.get("default")
        if not template:
            raise LimaError(
                "The renderer 'template' uses the tokenizer's own chat template, and this tokenizer has none. "
                "Train with --renderer lima, chatml, or another of `lima renderers`."
            )
        return "of the tokenizer", template, 0

    def _variables(self, tokenizer: Any, eot: str) -> dict[str, Any]:
        return _named(tokenizer)


TOOL_USE = "tool_use"
"The name of the template for conversations with tools, where a tokenizer has several"
RESERVED = ("messages", "add_generation_prompt", "tools", "documents")
"What every template is given besides the tokens"
WORDS = frozenset((
    "and", "else", "elif", "for", "if", "in", "is", "not", "or", "true", "True", "false", "False", "none", "None", "import",
    "loop", "self", "range", "dict", "namespace",
))  # fmt: skip
"Jinja's own"
GIVEN = ("strftime_now", "raise_exception")
"transformers' own"


def _problem_of(name: str, value: Any) -> str:
    """Why a variable of the recipe cannot be given to a template, now and when the saved one is used; empty if it can"""
    if name in RESERVED or name.endswith("_token"):
        return "lima gives that to the template itself, from the examples and the tokenizer. Leave it out."
    if name in WORDS or name in GIVEN:
        return "that is a word of the template language. Leave it out."
    try:
        json.dumps(value, allow_nan=False)
    except TypeError:
        return 'dates and times are written as text, in quotes: date = "2026-01-02".'
    except ValueError:
        return "expected text, true, false, a finite number, or lists and tables of these."
    return ""


def _literal(value: Any) -> str:
    """A value of TOML as Jinja writes it"""
    return json.dumps(value, ensure_ascii=False)


def _named(tokenizer: Any) -> dict[str, Any]:
    """What transformers gives to a template besides the messages"""
    return {**tokenizer.special_tokens_map, "tools": None, "documents": None}


def _messages(turns: Sequence[Turn]) -> "list[Message]":
    """Turns as templates know them; some call thoughts `reasoning_content`, some `thinking`"""
    messages: list[Message] = []
    for turn in turns:
        message: Message = {"role": turn.role, "content": turn.content}
        if thoughts := getattr(turn, "thoughts", ""):
            message |= {"reasoning_content": thoughts, "thinking": thoughts}
        if calls := getattr(turn, "tool_calls", ()):
            message["tool_calls"] = list(calls)
        if name := getattr(turn, "name", ""):
            message["name"] = name
        if call := getattr(turn, "call_id", ""):
            message["tool_call_id"] = call
        messages.append(message)
    return messages
