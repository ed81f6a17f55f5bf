"""Imported by tests: renderers that are wrong in one way each, by the check that must say so."""

import copy
import itertools
import time
from dataclasses import replace
from functools import cache

from lima import (
    ChatPrompts,
    Example,
    HasChatTemplate,
    HasNamedTemplates,
    Rendered,
    RendersAhead,
    Span,
    SplitsThoughts,
    SuitsBase,
    TakesVariables,
    TextPrompts,
    bos_ids,
    encode,
)
from lima.data.rendering import PlainRenderer
from lima.testing import RendererContract, starting, tiny_tokenizer

calls = itertools.count()


@cache
def tokenizers():
    return [starting(tiny_tokenizer(["</s>", "<s>"]))]


class Contract(RendererContract):
    name, seconds = "odd", 2.0

    def tokenizers(self):
        return tokenizers()


class Good(PlainRenderer):
    name, prompt, chat_template = "odd", None, None

    def asked(self, prompt, tokenizer, eot):
        return [*bos_ids(tokenizer), *self._ids(tokenizer, prompt), tokenizer.convert_tokens_to_ids(eot)]

    def prompts(self, record, tokenizer, eot):
        return [self.asked(record.prompt, tokenizer, eot)]


def rendering(change):
    """A renderer that changes the row that it made, given with the record"""

    class Changed(Good):
        def render(self, record, tokenizer, eot):
            return change(super().render(record, tokenizer, eot), record)

    return Changed()


def on_record(change):
    """A renderer that changes the record before it renders it"""

    class Changed(Good):
        def render(self, record, tokenizer, eot):
            return super().render(change(record), tokenizer, eot)

        def prompts(self, record, tokenizer, eot):
            return super().prompts(change(record), tokenizer, eot)

    return Changed()


def able(**members):
    """A renderer with more members"""
    return type("Able", (Good,), members)()


class WithoutPrompt(Good):
    def render(self, record, tokenizer, eot):
        head = self.asked("", tokenizer, eot)
        ids = [*head, *self._ids(tokenizer, record.response), tokenizer.convert_tokens_to_ids(eot)]
        weights = [0.0] * len(head) + [record.weight] * (len(ids) - len(head))
        return Rendered(ids, weights, [Span(len(head), len(ids), record.response)])

    def prompts(self, record, tokenizer, eot):
        return [self.asked("", tokenizer, eot)]


class Counting(Good):
    marks = ""

    def render(self, record, tokenizer, eot):
        self.marks = "!" * (next(calls) % 3)
        return super().render(replace(record, prompt=record.prompt + self.marks), tokenizer, eot)

    def prompts(self, record, tokenizer, eot):
        return super().prompts(replace(record, prompt=record.prompt + self.marks), tokenizer, eot)


class Keeping(Good):
    def __init__(self):
        self.rows = {}

    def render(self, record, tokenizer, eot):
        key = (record.prompt, record.response, record.weight, id(tokenizer))
        if key not in self.rows:
            self.rows[key] = super().render(record, tokenizer, eot)
        return self.rows[key]


class OwnTokens(Good):
    tokens = ("<|mine|>",)

    def __init__(self):
        self.tokens = ["<|mine|>"]

    def special_tokens(self, tokenizer):
        return self.tokens


class Marking(Good):
    def render(self, record, tokenizer, eot):
        tokenizer.chat_template = f"rendered {next(calls)} times"
        return super().render(record, tokenizer, eot)


class Controls(Good):
    def _ids(self, tokenizer, text):
        return encode(tokenizer, text)[0]


class Ahead(Good):
    """Gives what it prepared last, whoever asks"""

    made = None

    def ahead(self, records, tokenizer, eot):
        self.made = super().render(records[-1], tokenizer, eot) if records else None

    def render(self, record, tokenizer, eot):
        return copy.deepcopy(self.made) or super().render(record, tokenizer, eot)


class Variables(Good):
    mark = ""

    def with_variables(self, variables, date):
        self.mark = "!"
        return Good()

    def render(self, record, tokenizer, eot):
        return super().render(replace(record, prompt=record.prompt + self.mark), tokenizer, eot)

    def prompts(self, record, tokenizer, eot):
        return super().prompts(replace(record, prompt=record.prompt + self.mark), tokenizer, eot)


def slow(record):
    time.sleep(2.1 * (len(record.response) > 50_000))
    return record


def nothing_empty(record):
    return replace(record, prompt=record.prompt[0] + record.prompt[1:])


def with_abilities(check, ability, **members):
    return check, able(**members), {"abilities": (ability,)}


RENDERERS = [
    ("test_name_is_the_registered_one", able(name="other"), {}),
    ("test_abilities_are_those_that_are_named", able(), {"abilities": (TextPrompts,)}),
    ("test_abilities_are_those_that_are_named", able(prompt=PlainRenderer.prompt), {}),
    ("test_works", rendering(lambda row, record: row.ids), {}),
    ("test_works", rendering(lambda row, record: []), {}),
    ("test_works", rendering(lambda row, record: replace(row, weights=[-w for w in row.weights])), {}),
    ("test_works", able(renders=(str,)), {}),
    ("test_tokens_are_tokens", able(end_of_turn=lambda self, tokenizer: f"<|eot {next(calls)}|>"), {}),
    ("test_tokens_are_tokens", able(special_tokens=lambda self, tokenizer: ["<|a|>", "<|a|>"]), {}),
    ("test_masks", rendering(lambda row, record: replace(row, weights=[1.0] * len(row.ids))), {}),
    ("test_masks", rendering(lambda row, record: replace(row, weights=[0.0] * len(row.ids))), {}),
    ("test_masks", rendering(lambda row, record: replace(row, ids=row.ids[:-1] + row.ids[:1])), {}),
    ("test_masks", rendering(lambda row, record: replace(row, spans=[replace(row.spans[0], text="So.")])), {}),
    (
        "test_masks",
        able(prompts=lambda self, record, tokenizer, eot: [self.asked(f"{record.prompt} ", tokenizer, eot)]),
        {},
    ),
    ("test_answer_is_what_is_trained", on_record(lambda one: replace(one, response="Yes."))),
    ("test_prompt_is_before_the_answer", WithoutPrompt()),
    ("test_weight_of_an_example", rendering(lambda row, _: replace(row, weights=[float(w > 0) for w in row.weights]))),
    (
        "test_unlearnt_answers_are_muted",
        Good(),
        {
            "records": (Example(id="1", prompt="Why? Because. And?", response="So."),),
            "unlearnt": lambda self, record: ("Because.",),
        },
    ),
    ("test_same_twice", Counting()),
    ("test_what_it_returns_is_not_its_own", Keeping()),
    ("test_what_it_returns_is_not_its_own", OwnTokens()),
    ("test_changes_neither_tokenizer_nor_record", Marking()),
    (
        "test_any_script",
        rendering(
            lambda row, one: replace(row, weights=row.weights if "שלומך" not in one.prompt else [1.0] * len(row.ids))
        ),
    ),
    ("test_special_tokens_in_texts", Controls()),
    ("test_empty_texts", on_record(nothing_empty)),
    ("test_long_texts", on_record(slow)),
    ("test_long_texts", on_record(lambda one: replace(one, prompt=one.prompt[:300]))),
    ("test_prints_nothing", on_record(lambda one: (print("rendering"), one)[1])),
    with_abilities(
        "test_text_prompts_as_in_training", TextPrompts, prompt=lambda self, text, *at: self.asked(f"{text} ", *at)
    ),
    with_abilities(
        "test_messages_before_are_told",
        ChatPrompts,
        chat_prompt=lambda self, turns, *at: self.asked(turns[-1].content, *at),
    ),
    with_abilities(
        "test_messages_before_are_told",
        ChatPrompts,
        chat_prompt=lambda self, turns, *at: self.asked(" ".join(reversed([one.content for one in turns])), *at),
    ),
    with_abilities(
        "test_messages_before_are_told",
        ChatPrompts,
        chat_prompt=lambda self, turns, *at: self.asked(
            " ".join({"user": t.content, "assistant": t.content}[t.role] for t in turns), *at
        ),
    ),
    with_abilities(
        "test_messages_prompt_as_in_training",
        ChatPrompts,
        chat_prompt=lambda self, turns, *at: self.asked(f"{turns[0].role}: {turns[0].content}", *at),
    ),
    with_abilities(
        "test_template_prompts_as_in_training",
        HasChatTemplate,
        chat_template=lambda self, tokenizer, eot: "{% for m in messages %}{{ m['content'] }}{% endfor %}",
    ),
    with_abilities(
        "test_named_templates_are_the_same_twice",
        HasNamedTemplates,
        named_templates=lambda self, tokenizer, eot: {"tool_use": f"{next(calls)}"},
    ),
    ("test_ahead_changes_nothing", Ahead(), {"abilities": (RendersAhead,)}),
    ("test_variables_make_another_renderer", Variables(), {"abilities": (TakesVariables,)}),
    with_abilities(
        "test_replies_without_thoughts_stay_whole",
        SplitsThoughts,
        split_reply=lambda self, text, *at: tuple(text.split(" ", 1)),
    ),
    with_abilities("test_suits_its_tokenizers", SuitsBase, suits=lambda self, tokenizer: False),
]
"""(the check that must fail, and no other; the renderer; what its contract says besides)"""
