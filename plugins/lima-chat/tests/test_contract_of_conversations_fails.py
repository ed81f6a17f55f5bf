"""Renderers of conversations that are wrong in one way each fail the check that is named for it, and no other."""

from lima import ChatPrompts, Example, LimaError, Rendered, Span, bos_ids, encode, hookimpl, reused_or_new_eot
from lima.testing import Exchange, starting, tiny_tokenizer
from lima_chat import Conversation
from lima_chat.testing import RendererContract


class Good:
    """A row for each answer; an earlier one that is not learnt is muted"""

    name, description, renders = "odd", "roles before colons", (Example, Conversation)

    def end_of_turn(self, tokenizer):
        return reused_or_new_eot(tokenizer)

    def special_tokens(self, tokenizer):
        return []

    def chat_prompt(self, turns, tokenizer, eot):
        found = bos_ids(tokenizer)
        for turn in turns:
            if turn.role not in ("user", "assistant"):
                raise LimaError(f"There are no {turn.role} turns. Leave them out.")
            found += self.said(turn, tokenizer, eot)
        return [*found, *encode(tokenizer, "assistant: ")[0]]

    def said(self, turn, tokenizer, eot):
        text = f"{turn.role}: {turn.content}"
        ids, _ = encode(tokenizer, text, [(len(turn.role), len(text))])
        return [*ids, tokenizer.convert_tokens_to_ids(eot)]

    def prompts(self, record, tokenizer, eot):
        turns = Conversation.of(record).turns
        return [self.chat_prompt(turns[:place], tokenizer, eot) for place, turn in enumerate(turns) if turn.trained]

    def check(self, talk):
        if talk.tools or any(turn.thoughts or turn.tool_calls for turn in talk.turns):
            raise LimaError("There are no thoughts and no tools. Leave them out.")

    def weight(self, turn):
        return turn.weight

    def render(self, record, tokenizer, eot):
        talk = Conversation.of(record)
        self.check(talk)
        answers = [turn for turn in talk.turns if turn.trained]
        return [
            self.row(prompt, turn, tokenizer, eot)
            for prompt, turn in zip(self.prompts(record, tokenizer, eot), answers, strict=True)
        ]

    def row(self, prompt, turn, tokenizer, eot):
        ids, _ = encode(tokenizer, turn.content, [(0, len(turn.content))])
        ids = [*ids, tokenizer.convert_tokens_to_ids(eot)]
        span = Span(len(prompt), len(prompt) + len(ids), turn.content)
        weights = [0.0] * len(prompt) + [self.weight(turn)] * len(ids)
        return Rendered([*prompt, *ids], weights, [span], muted=[(0, len(prompt))])


class Unmuted(Good):
    def row(self, *given):
        row = super().row(*given)
        return Rendered(row.ids, row.weights, row.spans)


class OneWeight(Good):
    def weight(self, turn):
        return min(turn.weight, 0.25)


class Losing(Good):
    def check(self, talk):
        """Writes what it can, and leaves out the rest"""


class Shortening(Good):
    """Trains on all turns, and asks with the last ones"""

    def prompts(self, record, tokenizer, eot):
        turns = Conversation.of(record).turns
        return [
            super(Shortening, self).chat_prompt(turns[:place], tokenizer, eot)
            for place, turn in enumerate(turns)
            if turn.trained
        ]

    def chat_prompt(self, turns, tokenizer, eot):
        return super().chat_prompt(turns[-3:], tokenizer, eot)


class Contract(RendererContract):
    name, abilities = "odd", (ChatPrompts,)

    def tokenizers(self):
        return [starting(tiny_tokenizer(["</s>", "<s>"]))]


class Plugin:
    def __init__(self, renderer):
        self.renderer = renderer

    @hookimpl
    def register_renderers(self, register):
        register("odd", self.renderer)


WRONG = [
    ("test_unlearnt_answers_are_muted", Unmuted()),
    ("test_each_answer_has_the_weight_of_its_turn", OneWeight()),
    ("test_nothing_is_lost", Losing()),
    ("test_later_answers_prompt_as_in_training", Shortening()),
]


def failures(renderer):
    return type("Odd", (Contract,), {"plugin": Plugin(renderer), "seconds": 30.0}).failures()


def test_a_wrong_renderer_of_conversations_fails_the_one_check(monkeypatch):
    monkeypatch.setattr("lima.testing.renderers.LONG", Exchange("Why?", "It is so. " * 500))
    found = {n: (check, [*failures(renderer)]) for n, (check, renderer) in enumerate(WRONG)}
    assert {n: one for n, one in found.items() if one[1] != [one[0]]} == {}
    assert failures(Good()) == {}
