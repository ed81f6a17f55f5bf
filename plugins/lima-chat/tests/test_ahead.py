"""Conversations that are prepared together become what each becomes by itself, and one that is wrong is still the one named."""

from dataclasses import replace

import pytest

from lima import Example, LimaError
from lima.data.rendering import Rendering, render
from lima_chat import Conversation, Turn
from lima_chat.certificate import CALL, TOOL
from lima_chat.renderer import OwnTemplateRenderer
from lima_chat.sandbox import WORKER

ASKED = Turn("user", "Why <|im_end|> so\n?")
SAID = Turn("assistant", "Because it is so. <|eot|>")
TALKS = (
    Conversation(id="one", turns=(ASKED, SAID)),
    Example(id="pair", prompt="  Why?", response="So.\n", weight=0.5),
    Conversation(
        id="three", turns=(ASKED, SAID, Turn("user", ""), Turn("assistant", "Yes.", train=False), ASKED, SAID)
    ),
    Conversation(id="thoughts", turns=(ASKED, Turn("assistant", "<think>Hm.</think>So."), ASKED, SAID)),
    Conversation(id="long", turns=(ASKED, Turn("assistant", "日本 x " * 900)) * 5),
)
REFUSED = Conversation(id="thought", turns=(ASKED, Turn("assistant", "So.", thoughts="Hm.")))
SYSTEM = Conversation(id="told", turns=(Turn("system", "Be kind."), ASKED, SAID))
TOOLS = Conversation(
    id="tools", turns=(ASKED, Turn("assistant", "", tool_calls=(CALL,)), Turn("tool", "1"), SAID), tools=(TOOL,)
)
NAMES = ["alpaca", "chatml", "gemma", "lima", "llama3", "zephyr"]


def rows_or_why(records, renderer, tokenizer, eot):
    """The rows of each record; of one that cannot be rendered why not, and of those after it nothing"""
    found = []
    try:
        for record in records:
            found.append((render(record, renderer, tokenizer, eot), renderer.prompts(record, tokenizer, eot)))
    except LimaError as e:
        found.append(str(e))
    return found


@pytest.mark.parametrize(
    "records", [TALKS, (*TALKS, SYSTEM, REFUSED, *TALKS), (TALKS[0], TOOLS, TALKS[1]), TALKS[:1] * 3, ()]
)
@pytest.mark.parametrize("name", NAMES)
def test_together_as_one_by_one(name, records, renderers, ready):
    tokenizer, eot = ready(renderers[name])
    alone = rows_or_why(records, renderers[name].with_variables({}, "2020-02-02"), tokenizer, eot)
    together = renderers[name].with_variables({}, "2020-02-02")
    together.ahead(records, tokenizer, eot)
    assert rows_or_why(records, together, tokenizer, eot) == alone


def test_a_run_names_the_example_that_is_wrong(renderers, ready):
    tokenizer, eot = ready(renderers["gemma"])
    each = Rendering(renderers["gemma"], tokenizer, eot, 8192).each((*TALKS[:3], REFUSED, *TALKS))
    assert [next(each)[0].id for _ in range(3)] == ["one", "pair", "three"]
    with pytest.raises(LimaError, match="'thought'.*does not write the thoughts"):
        next(each)


def test_after_a_run_nothing_is_kept(renderers, ready):
    renderer = renderers["chatml"].with_variables({})
    assert len(list(Rendering(renderer, *ready(renderer), 8192).each(TALKS))) == len(TALKS)
    assert not vars(vars(renderer)["_ahead"])["_portions"]


def test_together_the_template_is_rendered_in_one_request(renderers, ready, monkeypatch):
    tokenizer, eot = ready(renderers["chatml"])
    renderer, records = renderers["chatml"].with_variables({}), [replace(one) for one in TALKS[:3] * 20]
    renderer.ahead(records, tokenizer, eot)  # the kinds of conversations are known now
    asked, ask = [], WORKER.ask
    monkeypatch.setattr(WORKER, "ask", lambda request, renders: asked.append(renders) or ask(request, renders))
    renderer.ahead(records, tokenizer, eot)
    _ = [renderer.render(record, tokenizer, eot) for record in records]
    assert asked == [2 * 20 * (1 + 1 + 3)]


def test_those_of_the_call_before_are_still_there_and_older_ones_are_not(renderers, ready, monkeypatch):
    tokenizer, eot = ready(renderers["chatml"])
    renderer = renderers["chatml"].with_variables({})
    calls = [[replace(one) for one in TALKS] for _ in range(3)]
    alone = [renderer.render(one, tokenizer, eot) for one in TALKS]
    for records in calls:
        renderer.ahead(records, tokenizer, eot)
    monkeypatch.setattr(WORKER, "ask", lambda request, renders: pytest.fail("rendered again"))
    for records in calls[1:]:
        assert [renderer.render(one, tokenizer, eot) for one in records] == alone
    with pytest.raises(pytest.fail.Exception):
        renderer.render(calls[0][0], tokenizer, eot)


@pytest.mark.parametrize("name", ["chatml", "llama3"])
def test_what_is_tokenized_meanwhile_and_by_itself_is_as_alone(name, renderers, ready):
    """Among many that are prepared are some that are tokenized while they are: with control tokens as text, and without any"""
    tokenizer, eot = ready(renderers[name])
    talks = [
        Conversation(
            id=f"{n}", turns=(Turn("user", f"Is {n} <|eot|>?"), Turn("assistant", f"{n} <|im_end|> " * (n % 40 + 1)))
        )
        for n in range(300)
    ]
    alone = renderers[name].with_variables({}, "2020-02-02")
    expected = [render(one, alone, tokenizer, eot) for one in talks]
    found = []
    for record, rows in Rendering(renderers[name].with_variables({}, "2020-02-02"), tokenizer, eot, 8192).each(talks):
        found.append(rows)
        copied = replace(record)  # it was not prepared
        assert render(copied, alone, tokenizer, eot) == rows
    assert found == expected


def test_a_conversation_with_tools_costs_the_others_nothing(renderers, ready, monkeypatch):
    tokenizer, eot = ready(renderers["chatml"])
    renderer = renderers["chatml"].with_variables({})
    records = (TALKS[0], TOOLS, *TALKS[1:3])
    renderer.ahead(records, tokenizer, eot)
    with pytest.raises(LimaError, match="knows no tools"):
        renderer.render(TOOLS, tokenizer, eot)
    monkeypatch.setattr(WORKER, "ask", lambda request, renders: pytest.fail("rendered again"))
    assert all(renderer.render(one, tokenizer, eot) for one in (TALKS[0], *TALKS[1:3]))


LONG = "{% for m in messages %}<s>{{ m.role }}: {{ m.content * (200 if m.role == 'system' else 1) }}{{ eos_token }}{% endfor %}"


def test_a_template_that_writes_too_much_is_stopped_whatever_else_is_asked_for(ready):
    tokenizer, _ = ready(
        OwnTemplateRenderer(), template=LONG + "{% if add_generation_prompt %}<s>assistant: {% endif %}"
    )
    renderer = OwnTemplateRenderer()
    eot = renderer.end_of_turn(tokenizer)
    much = Conversation(id="much", turns=(Turn("system", "x" * 10_000), Turn("user", "q"), Turn("assistant", "a")))
    others = [Conversation(id=f"{n}", turns=(Turn("user", "y" * 15_000), Turn("assistant", "a"))) for n in range(10)]
    alone = rows_or_why([much], renderer, tokenizer, eot)
    assert "was stopped: it writes more than" in alone[0]
    renderer.ahead([much, *others], tokenizer, eot)
    assert rows_or_why([much], renderer, tokenizer, eot) == alone


def test_what_is_wrong_with_one_keeps_nothing_from_the_others(renderers, ready):
    tokenizer, eot = ready(renderers["chatml"])
    deep: dict = {}
    for _ in range(5000):
        deep = {"deeper": deep}
    call = {**CALL, "function": {"name": "tide_at", "arguments": deep}}
    nested = Conversation(
        id="nested", turns=(ASKED, Turn("assistant", "", tool_calls=(call,)), Turn("tool", "1"), SAID)
    )
    renderer = renderers["chatml"].with_variables({})
    renderer.ahead([TALKS[0], nested], tokenizer, eot)
    assert rows_or_why(TALKS[:1], renderer, tokenizer, eot) == rows_or_why(
        TALKS[:1], renderers["chatml"], tokenizer, eot
    )
