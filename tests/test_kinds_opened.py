"""Graders and models that are opened with an argument, and what a reply and a rendering may be."""

import re
from types import SimpleNamespace

import pytest

from lima.contract.answers import Reply
from lima.contract.examples import Example
from lima.contract.grades import Verdict
from lima.contract.kinds import GradesReplies, Streams
from lima.data.rendering import PlainRenderer, render
from lima.errors import LimaError
from lima.record.selection import replying
from lima.testing import only_plugins, tiny_tokenizer
from registering import Grader, Registers


class Judges:
    """Opens graders by the grade that they give"""

    description = "judges:GRADE"

    def open(self, argument, store):
        def grade_reply(example, reply, stop):
            return Verdict(argument, f"in {store}")

        return SimpleNamespace() if argument is None else SimpleNamespace(grade_reply=grade_reply)


def test_a_grader_is_named_with_an_argument_like_a_model():
    both = SimpleNamespace(**{"description": "both", "grade_reply": Grader().grade_reply, "open": Judges().open})
    graders = {"judges": Judges(), "plain": Grader(), "both": both}
    with only_plugins(lima_judges=Registers(graders=graders)) as plugins:
        found = plugins.registry("graders")
        assert found.open("judges:fail", "s").grade_reply(None, "", "") == Verdict("fail", "in s")
        assert found.open("plain", None) == graders["plain"]
        assert found.open("both", None) == both
        assert found.open("both:fail", None) != both
        assert [found.opens(n) for n in ("judges", "judges:a:b", "plain", "both", "both:x")] == [
            True,
            True,
            False,
            False,
            True,
        ]
        with pytest.raises(
            LimaError, match=r"^The grader 'plain' takes no argument\. Write plain instead of plain:x\.$"
        ):
            found.open("plain:x", None)
        with pytest.raises(LimaError, match=r"There is no grader 'judge'\. Did you mean 'judges'\?"):
            found.open("judge:x", None)
        with pytest.raises(
            LimaError,
            match=r"^Plugin 'lima-judges' returned namespace\(\) from open\(\) of the grader 'judges': "
            r"the grader 'judges' has none of grade\(turn\)",
        ):
            found.open("judges", None)
        assert found.able(GradesReplies) == ["both", "plain"]
        assert replying(plugins, "judges:pass", None).grade_reply(None, "", "") == Verdict("pass", "in None")


class Talks:
    """A model that opens itself and streams"""

    description, name = "talks", "talks"

    def open(self, argument, store):
        return self

    def reply(self, prompts, settings, seed, on_progress=None):
        return [Reply("yes", [], "eot", 0.0, [], thoughts="hm") for _ in prompts]

    def stream(self, prompt, settings, seed):
        yield "yes"
        return self.reply([prompt], settings, seed)[0]


def test_a_model_is_checked_when_it_is_opened():
    models = {
        "talks": Talks(),
        "mute": SimpleNamespace(description="a", open=lambda argument, store: SimpleNamespace(name="m")),
    }
    with only_plugins(lima_talks=Registers(models=models)) as plugins:
        found = plugins.registry("models")
        assert isinstance(found.open("talks", None), Streams)
        wrong = (
            "Plugin 'lima-talks' returned namespace(name='m') from open() of the model 'mute': the model 'mute:x' has no "
            "'reply'; expected name, reply(prompts, "
        )
        with pytest.raises(LimaError, match=f"^{re.escape(wrong)}"):
            found.open("mute:x", None)


def test_thoughts_are_kept_apart_and_empty_unless_a_model_tells():
    assert (Reply("a", [], "eot", 0.0, []).thoughts, Talks().reply([""], None, 0)[0].thoughts) == ("", "hm")


def test_a_renderer_gives_one_row_or_a_list_and_every_row_is_verified():
    class Rows(PlainRenderer):
        number = 1

        def render(self, record, tokenizer, eot):
            return [super().render(record, tokenizer, eot)] * self.number

        def prompts(self, record, tokenizer, eot):
            return super().prompts(record, tokenizer, eot) * 2

    tokenizer, rows, one = tiny_tokenizer(["<|eot|>"]), Rows(), Example(id="x", source="s", prompt="a", response="b")
    with pytest.raises(
        LimaError, match="^Example 'x' of source 's', rendered by 'plain': 1 trained answers but 2 prompts"
    ):
        render(one, rows, tokenizer, "<|eot|>")
    rows.number = 2
    assert render(one, rows, tokenizer, "<|eot|>") == render(one, PlainRenderer(), tokenizer, "<|eot|>") * 2
