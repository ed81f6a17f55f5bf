"""The sources that make arms, and bases in context: the contracts, nested samples, responses alone, answers that end in time."""

import json
from typing import ClassVar

import pytest

import lima_chat
import lima_dialogue_eval
import lima_judges
import lima_studies
from lima import Example, LimaError, ReadsSources, Reply, Sampling, open_source
from lima.testing import ModelContract, SourceContract, tiny_base
from lima_chat import Conversation, Turn
from lima_studies.models.in_context import InContextModel, read_examples
from lima_studies.sources.sources import alone

REQUIRED = (lima_chat, lima_dialogue_eval, lima_judges)


class _OfPairs(SourceContract):
    plugin, requires = lima_studies, REQUIRED
    abilities = (ReadsSources,)

    def prepare(self):
        rows = [{"prompt": f"Say {n}.", "response": f"I say {n}."} for n in range(9)]
        (self.folder / "pairs.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))


@pytest.fixture
def pairs(tmp_path):
    file = tmp_path / "pairs.jsonl"
    file.write_text("".join(json.dumps({"prompt": f"Say {n}.", "response": f"I say {n}."}) + "\n" for n in range(9)))
    return file


def test_smaller_samples_are_the_first_of_larger_ones_and_seeds_draw_others(plugins, pairs):
    def ids(number, seed):
        return [record.id for record in open_source(f"sample:{number}/{seed}/{pairs}", plugins).records]

    assert ids(3, 0) == ids(9, 0)[:3]
    assert len(set(ids(9, 0))) == 9
    assert ids(9, 0) != ids(9, 1)
    with pytest.raises(LimaError, match=r"has 9 examples, fewer than the 10 of sample:10/0"):
        ids(10, 0)
    with pytest.raises(LimaError, match=r"sample:x/0/y is not of the form sample:N/SEED/SOURCE"):
        open_source("sample:x/0/y", plugins)


def test_responses_stand_alone_each_once(plugins, pairs):
    found = open_source(f"responses-only:{pairs}", plugins).records
    assert [(record.prompt, record.response) for record in found][:2] == [("", "I say 0."), ("", "I say 1.")]
    turns = (Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"), Turn("assistant", "d", train=False))
    assert [one.response for one in alone(Conversation(id="t", turns=turns))] == ["b"]
    assert [one.prompt for one in alone(Example(id="e", prompt="p", response="r"))] == [""]


def test_options_reach_the_source_that_is_read(plugins, pairs):
    pairs.write_text(pairs.read_text() + '{"prompt": "Say 9."}\n')
    for spec, number in (
        (f"sample:9/0/{pairs}", 9),
        (f"responses-only:{pairs}", 9),
        (f"sample:4/0/responses-only:{pairs}", 4),
    ):
        with pytest.raises(LimaError, match="line 10: expected text in 'response'"):
            open_source(spec, plugins)
        assert len(open_source(spec, plugins, {"lima-tune": {"skip_bad": True}}).records) == number
        with pytest.raises(LimaError, match="'nothing' is not an option of 'lima-tune'"):
            open_source(spec, plugins, {"lima-tune": {"nothing": 1}})


class TestInContext(ModelContract):
    plugin, requires, name = lima_studies, REQUIRED, "in-context"
    draws: ClassVar[bool] = True
    tells_prompts: ClassVar[bool] = True

    @property
    def argument(self):
        folder = self.folder / "base"
        return f"{folder if folder.exists() else tiny_base(folder)}?k=0"


class Writes:
    """A base that writes a text, token by token, as many as it may"""

    def __init__(self, model, text):
        self.model, self.tokenizer, self.text, self.asked = model.model, model.tokenizer, text, []

    def reply(self, prompts, settings, seeds):
        self.asked.append(settings.max_new_tokens)
        ids = self.tokenizer.encode(self.text, add_special_tokens=False)
        kept = ids[: settings.max_new_tokens]
        stop = "length" if len(kept) < len(ids) else "eot"
        return [Reply(self.tokenizer.decode(kept).strip(), kept, stop, 0.1, [1]) for _ in prompts]


def test_an_answer_ends_where_the_next_request_begins_and_costs_no_more_than_it_must(plugins, tmp_path):
    from lima import CheckpointModel

    real = CheckpointModel(tiny_base(tmp_path / "base"))
    answer = "Boil it.\nThen ## Request it.\n" * 6
    model = InContextModel("m", Writes(real, answer + "## Request\nAnother?\n\n## Answer\nNo."), [("a", "b")], {})
    heard = []
    (found,) = model.reply(["How?"], Sampling(), 0, on_reply=lambda place, reply: heard.append(reply.text))
    assert (found.text, found.stop, heard) == (answer.strip(), "eot", [answer.strip()])
    assert model.base.asked[:2] == [64, 256]
    assert max(model.base.asked) < Sampling().max_new_tokens
    assert len(model.tokenizer.decode(found.ids)) <= len(answer)
    (short,) = model.reply(["How?"], Sampling(max_new_tokens=5), 0)
    assert short.stop == "length"
    assert model.text([("q", "a")], "why?", "").endswith(
        "## Request\nq\n\n## Answer\na\n\n## Request\nwhy?\n\n## Answer\n"
    )
    inline = InContextModel("m", real, [], {"ask": "Question:", "answer": "Answer:", "preface": ""})
    assert inline.text([("q", "a"), ("r", "- b\n- c")], "why?") == (
        "Question: q\nAnswer: a\n\nQuestion: r\nAnswer:\n- b\n- c\n\nQuestion: why?\nAnswer:"
    )
    said = (Turn("system", "Be brief."), Turn("user", "a"), Turn("assistant", "b"), Turn("user", "c"))
    text = inline.tokenizer.decode(inline.prompt_ids(said))
    assert text == "Be brief.\n\nQuestion: a\nAnswer: b\n\nQuestion: c\nAnswer:"
    with pytest.raises(LimaError, match=r"has 3 worked examples .* fewer than k = 4"):
        read_examples(None, 4)


class TestSample(_OfPairs):
    name = "sample"

    @property
    def argument(self):
        self.prepare()
        return f"4/1/{self.folder / 'pairs.jsonl'}"


class TestResponsesOnly(_OfPairs):
    name = "responses-only"

    @property
    def argument(self):
        self.prepare()
        return str(self.folder / "pairs.jsonl")
