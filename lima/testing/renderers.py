"""The contract of a renderer: what is trained is what the answer says, and what comes before is what inference prompts with.

The proof is lima's own (`lima.data.rendering`). Knows nothing of templates.
"""

import copy
from collections.abc import Sequence
from typing import Any, ClassVar, NamedTuple

from lima.contract import kinds
from lima.contract.examples import Example, Record
from lima.contract.rendered import Rendered, as_rows
from lima.errors import LimaError, PluginFailed
from lima.testing.contract import Contract, check, kept, within
from lima.testing.texts import EMPTY, LONG, PLAIN, WORLD, Exchange
from lima.testing.tiny import starting, tiny_tokenizer


class Said(NamedTuple):
    """A message"""

    role: str
    content: str


TALK = [Said("user", PLAIN[0].prompt), Said("assistant", PLAIN[0].answer), Said("user", PLAIN[2].prompt)]
"Messages of which the last one is to be answered"


class Ready(NamedTuple):
    """A tokenizer that knows all that the renderer needs"""

    tokenizer: Any
    eot: str


class RendererContract(Contract):
    """A renderer; for records of a kind of its own say how one is made of an exchange"""

    kind = "renderers"
    records: ClassVar[Sequence[Record]] = ()
    "Further records, such as those with several answers, whose masks are proven, too"

    def record(self, prompt: str, answer: str) -> Record:
        """An exchange as a record that it renders"""
        return Example(id="1", source="contract", prompt=prompt, response=answer)

    def unlearnt(self, record: Any) -> Sequence[str]:
        """The answers in one of `records` that are not learnt, each a text that it has nowhere else"""
        return ()

    def tokenizers(self) -> Sequence[Any]:
        """The tokenizers that it is tried with: one that begins texts with a BOS, and one that does not"""
        return [tiny_tokenizer(["</s>"]), starting(tiny_tokenizer(["</s>", "<s>"]))]

    @kept
    def ready(self) -> list[Ready]:
        """The tokenizers with all that the renderer needs"""
        from lima.model.eot import extend_tokenizer

        found = []
        for tokenizer in self.tokenizers():
            eot = self.thing.end_of_turn(tokenizer)
            extend_tokenizer(tokenizer, [eot, *self.thing.special_tokens(tokenizer)])
            found.append(Ready(tokenizer, eot))
        return found

    def rows(self, exchange: Exchange, at: Ready, thing: Any = None) -> list[Rendered]:
        """What it makes of an exchange, not verified"""
        return as_rows((thing or self.thing).render(self.record(*exchange), *at))

    def verified(self, exchange: Exchange, at: Ready) -> list[Rendered]:
        """The same, proven"""
        from lima.data.rendering import render

        return render(self.record(*exchange), self.thing, *at)

    def before(self, exchange: Exchange, at: Ready, thing: Any = None) -> list[int]:
        """What inference prompts with for the answer"""
        prompts: list[list[int]] = (thing or self.thing).prompts(self.record(*exchange), *at)
        return prompts[-1]

    def use(self) -> None:
        for at in self.ready:
            self.own.end_of_turn(at.tokenizer)
            self.own.special_tokens(at.tokenizer)
            self.rows(PLAIN[0], at, self.own)
            self.before(PLAIN[0], at, self.own)

    @check("test_is_registered")
    def test_works(self) -> None:
        """It renders an exchange, and says what it would prompt with: values of the types that its kind asks for"""
        for at in self.ready:
            assert isinstance(self.record(*PLAIN[0]), self.thing.renders), "`renders` lacks the type of record()"
            assert self.rows(PLAIN[0], at), "it makes no row of an exchange"
            assert self.thing.prompts(self.record(*PLAIN[0]), *at), "it makes no prompt of an exchange"

    @check("test_is_registered")
    def test_name_is_the_registered_one(self) -> None:
        """It calls itself as it is registered, so that errors name it and a checkpoint finds it again"""
        assert self.thing.name == self.name, f"it calls itself {self.thing.name!r}"

    @check("test_works")
    def test_tokens_are_tokens(self) -> None:
        """Its end-of-turn token and its special tokens are one token each, the same when asked again, and none is named twice"""
        for tokenizer, eot in self.ready:
            again = self.thing.end_of_turn(tokenizer)
            assert again == eot, f"its end-of-turn token is {eot!r}, and {again!r} when the tokenizer has it"
            special = self.thing.special_tokens(tokenizer)
            for token in (eot, *special):
                ids = tokenizer.encode(token, add_special_tokens=False) if token.strip() else []
                assert len(ids) == 1, f"{token!r} is {len(ids)} tokens"
            assert len({*special}) == len(special), f"it names one of {special} twice"

    @check("test_works")
    def test_masks(self) -> None:
        """Trained tokens decode to the answer and its end of turn; the ids before are those that inference prompts with"""
        from lima.data.rendering import render

        for at in self.ready:
            for record in (*(self.record(*one) for one in PLAIN), *self.records):
                render(record, self.thing, *at)

    @check("test_masks")
    def test_answer_is_what_is_trained(self) -> None:
        """What is trained is the answer, and not something else"""
        for at in self.ready:
            for exchange in PLAIN:
                said = [span.text.strip() for row in self.verified(exchange, at) for span in row.spans]
                assert said[-1:] == [exchange.answer], f"{said} is trained; expected {exchange.answer!r}"

    @check("test_masks")
    def test_prompt_is_before_the_answer(self) -> None:
        """What is asked is in the prompt, whole, and the answer is not"""
        for at in self.ready:
            for exchange in PLAIN:
                text = at.tokenizer.decode(self.before(exchange, at))
                assert exchange.prompt in text, f"the prompt has no {exchange.prompt!r}: {text!r}"
                assert exchange.answer not in text, f"the prompt has the answer: {text!r}"

    @check("test_masks")
    def test_weight_of_an_example(self) -> None:
        """An `Example` of weight 0.25 trains its answer with that weight, and nothing else"""
        if not issubclass(Example, self.thing.renders):
            return
        record = Example(id="1", prompt=PLAIN[0].prompt, response=PLAIN[0].answer, weight=0.25)
        weights = {w for row in as_rows(self.thing.render(record, *self.ready[0])) for w in row.weights}
        assert weights <= {0.0, 0.25}, f"its tokens have the weights {sorted(weights)}; expected 0 and 0.25"

    @check("test_masks")
    def test_unlearnt_answers_are_muted(self) -> None:
        """Answers that are not learnt are within `muted`, so that a recipe's `prompt_weight` gives them no loss"""
        from lima.data.rendering import with_prompt_weight

        for at in self.ready:
            for record in self.records:
                for row in as_rows(self.thing.render(record, *at)):
                    weights = with_prompt_weight(row, 0.5).weights
                    learnt = at.tokenizer.decode([i for i, weight in zip(row.ids, weights, strict=True) if weight])
                    found = [text for text in self.unlearnt(record) if text in learnt]
                    assert not found, (
                        f"{found[0]!r} is learnt where prompt_weight is 0.5: name its tokens in Rendered.muted"
                    )

    @check("test_masks")
    def test_same_twice(self) -> None:
        """The same example becomes the same rows, whatever was rendered in between"""
        for at in self.ready:
            one = self.rows(PLAIN[0], at), self.before(PLAIN[0], at)
            self.rows(PLAIN[1], at)
            again = self.rows(PLAIN[0], at), self.before(PLAIN[0], at)
            assert one == again, "rendered again, an example has other ids, weights or prompts"

    @check("test_same_twice")
    def test_what_it_returns_is_not_its_own(self) -> None:
        """Changes to the lists that it returned are not seen by who asks next"""
        for at in self.ready:
            record = self.record(*PLAIN[0])
            rows, prompts = as_rows(self.own.render(record, *at)), self.own.prompts(record, *at)
            special = self.own.special_tokens(at.tokenizer)
            expected = copy.deepcopy((rows, prompts, special))
            for taken in (*(part for row in rows for part in (row.ids, row.weights, row.spans)), *prompts, special):
                taken.clear()
            other = self.record(*PLAIN[0])
            again = as_rows(self.own.render(other, *at)), self.own.prompts(other, *at)
            assert (*again, self.own.special_tokens(at.tokenizer)) == expected, (
                "it hands out lists of its own: give copies"
            )

    @check("test_works")
    def test_changes_neither_tokenizer_nor_record(self) -> None:
        """Rendering changes nothing of the tokenizer, and nothing of the example"""
        for at in self.ready:
            record = self.record(*PLAIN[0])
            before = _shape(at.tokenizer), copy.deepcopy(record)
            self.own.render(record, *at)
            self.own.prompts(record, *at)
            assert (_shape(at.tokenizer), record) == before, "it changes the tokenizer or the record: work on a copy"

    @check("test_masks")
    def test_any_script(self) -> None:
        """Texts of any script are rendered exactly, as any others"""
        self._exact(WORLD)

    @check("test_what_it_returns_is_not_its_own")
    def test_special_tokens_in_texts(self) -> None:
        """A control token that somebody writes stays text: it neither ends the turn nor begins another; or it is refused"""
        for at in self.ready:
            special = {i for i, token in at.tokenizer.added_tokens_decoder.items() if token.special}
            for token in (at.eot, *self.thing.special_tokens(at.tokenizer), "</s>"):
                said = Exchange(f"What does {token} mean?", f"{token} ends a turn {token} always.")
                counts = [
                    sum(i in special for i in row[0].ids) for e in (PLAIN[0], said) if (row := self._rendered(e, at))
                ]
                assert len({*counts}) < 2, (
                    f"{token!r} in a text becomes a control token: encode texts with `lima.encode`"
                )

    @check("test_masks")
    def test_empty_texts(self) -> None:
        """An exchange without a prompt or an answer is rendered exactly or refused with a LimaError"""
        for empty in EMPTY:
            for at in self.ready:
                self._rendered(Exchange(empty, "So."), at)
                self._rendered(Exchange("Why?", empty), at)

    @check("test_prompt_is_before_the_answer")
    def test_long_texts(self) -> None:
        """A prompt of 20,000 characters and an answer of 100,000 are rendered exactly, whole, and soon"""
        with within(self.seconds, "an answer of 100,000 characters"):
            self.rows(LONG, at := self.ready[0])
        self._exact([LONG])
        told = at.tokenizer.decode(self.before(LONG, at))
        assert LONG.prompt.strip() in told, f"of a prompt of {len(LONG.prompt):,} characters it tells {len(told):,}"

    def _exact(self, exchanges: Sequence[Exchange]) -> None:
        _ = [self.verified(exchange, at) for at in self.ready for exchange in exchanges]

    def _rendered(self, exchange: Exchange, at: Ready) -> list[Rendered]:
        """What it makes of an exchange, proven; nothing where it refuses it"""
        try:
            record = self.record(*exchange)
            as_rows(self.thing.render(record, *at))
            self.thing.prompts(record, *at)
        except PluginFailed:
            raise
        except LimaError:
            return []
        return self.verified(exchange, at)

    @check("test_masks", needs=(kinds.TextPrompts,))
    def test_text_prompts_as_in_training(self) -> None:
        """A text is asked with the ids with which it was trained"""
        for at in self.ready:
            for exchange in (*PLAIN, *WORLD):
                ids = self.thing.prompt(exchange.prompt, *at)
                assert ids == self.before(exchange, at), f"{exchange.prompt!r} is asked otherwise"

    @check("test_masks", needs=(kinds.ChatPrompts,))
    def test_messages_prompt_as_in_training(self) -> None:
        """Messages are asked with the ids with which they were trained"""
        for at in self.ready:
            for exchange in (*PLAIN, *WORLD):
                ids = self.thing.chat_prompt([Said("user", exchange.prompt)], *at)
                assert ids == self.before(exchange, at), f"{exchange.prompt!r} is asked otherwise"

    @check("test_messages_prompt_as_in_training", needs=(kinds.ChatPrompts,))
    def test_messages_before_are_told(self) -> None:
        """Of several messages, also of a system turn, each is in the prompt, in their order; or they are a LimaError"""
        for at in self.ready:
            for messages in (TALK, [Said("system", "Be short and kind."), TALK[0]]):
                text = at.tokenizer.decode(self._chat_prompt(messages, at) or [])
                places = [text.find(one.content) for one in messages]
                assert not text or (-1 not in places and places == sorted(places)), (
                    f"asked with {[one.role for one in messages]}, it leaves out a message, or changes their order: {text!r}"
                )

    def _chat_prompt(self, messages: Sequence[Said], at: Ready) -> list[int] | None:
        """The ids with which it asks; None where it refuses the messages"""
        try:
            ids: list[int] = self.thing.chat_prompt(messages, *at)
        except PluginFailed:
            raise
        except LimaError:
            return None
        return ids

    @check("test_masks", needs=(kinds.HasChatTemplate,))
    def test_template_prompts_as_in_training(self) -> None:
        """By its template, plain transformers asks with the ids with which it was trained"""
        for at in self.ready:
            tokenizer = copy.deepcopy(at.tokenizer)
            tokenizer.chat_template = self.thing.chat_template(*at)
            asked = [([Said("user", one.prompt)], self.before(one, at)) for one in PLAIN]
            if isinstance(self.thing, kinds.ChatPrompts):
                asked.append((TALK, self._chat_prompt(TALK, at) or []))
            for messages, expected in asked:
                told = [one._asdict() for one in messages]
                text = (
                    tokenizer.apply_chat_template(told, add_generation_prompt=True, tokenize=False) if expected else ""
                )
                ids = tokenizer(text, add_special_tokens=False).input_ids
                assert ids == expected, f"transformers asks {text!r}"

    @check("test_masks", needs=(kinds.HasNamedTemplates,))
    def test_named_templates_are_the_same_twice(self) -> None:
        """Its further templates are the same when they are asked for again"""
        assert all(self.thing.named_templates(*at) == self.thing.named_templates(*at) for at in self.ready)

    @check("test_same_twice", needs=(kinds.RendersAhead,))
    def test_ahead_changes_nothing(self) -> None:
        """Examples become the same rows and prompts whether they were prepared together, were not at all, or others were"""
        for at in self.ready:
            expected = [(self.rows(one, at), self.before(one, at)) for one in (*PLAIN, *WORLD)]
            records = [self.record(*one) for one in (*PLAIN, *WORLD)]
            for some in (records, records[1::2], records[::2], records, []):
                self.thing.ahead(some, *at)
                found = [(as_rows(self.thing.render(r, *at)), self.thing.prompts(r, *at)[-1]) for r in records]
                assert found == expected, "prepared by ahead(), an example has other ids, weights or prompts"

    @check("test_same_twice", needs=(kinds.TakesVariables,))
    def test_variables_make_another_renderer(self) -> None:
        """With a date it is another renderer, always the same for the same date, and stays itself what it was"""
        for at in self.ready:
            one = self.rows(PLAIN[0], at)
            dated = [self.rows(PLAIN[0], at, self.thing.with_variables({}, "2020-02-02T10:00:00")) for _ in range(2)]
            assert dated[0] == dated[1], "with the same date it renders otherwise"
            assert self.rows(PLAIN[0], at) == one, (
                "with_variables() changes the renderer that is registered: return another"
            )

    @check("test_works", needs=(kinds.SplitsThoughts,))
    def test_replies_without_thoughts_stay_whole(self) -> None:
        """A reply in which nothing is thought is the answer, whole"""
        for at in self.ready:
            prompt = at.tokenizer.decode(self.before(PLAIN[0], at)[-16:])
            thoughts, answer = self.thing.split_reply(f"{PLAIN[0].answer}{at.eot}", prompt, *at)
            found = thoughts, answer.replace(at.eot, "").strip()
            assert found == ("", PLAIN[0].answer), f"a reply without thoughts is divided into {found}"

    @check("test_is_registered", needs=(kinds.SuitsBase,))
    def test_suits_its_tokenizers(self) -> None:
        """It suits the tokenizers that it is tried with"""
        suited = all(self.thing.suits(tokenizer) is True for tokenizer in self.tokenizers())
        assert suited, "it says that it does not suit a tokenizer of `tokenizers()`"


def _shape(tokenizer: Any) -> Any:
    """What a renderer must not change of a tokenizer; settings that every call makes are not among it"""
    return len(tokenizer), tokenizer.special_tokens_map, tokenizer.chat_template, {**tokenizer.get_vocab()}
