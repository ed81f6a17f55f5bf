"""The recipe's table [template]: what it gives to a template in training the saved template has without being given it."""

from datetime import date
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from lima import Example, LimaError, Recipe
from lima_chat import Conversation, Turn
from lima_chat.judge import Judge
from lima_chat.renderer import OwnTemplateRenderer, TemplateRenderer
from lima_chat.stand_in import stand_in
from lima_chat.templates import parse

ZOO = Path(__file__).parent / "zoo"
BODY = (
    "{{ '[' ~ x ~ (x is string) ~ ']' if x is defined else '[]' }}{% for m in messages %}{{ '<|' ~ m.role ~ '|>' ~ m.content }}"
    "{{ eot_token if eot_token is defined else '<|end|>' }}{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
)
TALK = Conversation(id="c", turns=(Turn("user", "Why?"), Turn("assistant", "So.")))
VALUES = [
    "a",
    'it\'s "q" %} {{ y }} {# c',
    "\n\t\x00\u2028ü👩\\n\\u0041\\",
    True,
    False,
    3,
    -2.5,
    [1, "a", {"b": False}],
    {"k": "v"},
]


def renderers():
    return OwnTemplateRenderer(), TemplateRenderer(parse("mine", "{# eot: <|end|> #}\n" + BODY, "mine.jinja"))


@pytest.mark.parametrize("value", VALUES, ids=range(len(VALUES)))
def test_the_saved_template_has_the_values_without_being_given_them(value, tmp_path):
    for plain in renderers():
        tokenizer, renderer = stand_in(parse("t", BODY, "t")), plain.with_variables({"x": value})
        eot = renderer.end_of_turn(tokenizer)
        rows = renderer.render(TALK, tokenizer, eot)
        source = renderer.chat_template(tokenizer, eot)
        assert Judge(tokenizer, source, eot).faults(TALK, rows) == []
        tokenizer.chat_template = source
        tokenizer.save_pretrained(tmp_path)
        saved = AutoTokenizer.from_pretrained(tmp_path)
        messages = [{"role": "user", "content": "Why?"}]
        prompted = saved.apply_chat_template(messages, add_generation_prompt=True, return_dict=False)
        assert prompted == rows[0].ids[: rows[0].spans[0].start]
        # Whoever gives one of their own gets that.
        other = saved.apply_chat_template(messages, tokenize=False, x="other")
        assert other.startswith("[otherTrue]")
        # Without a table nothing is given to it, and it is saved as it is.
        fresh = stand_in(parse("t", BODY, "t"))
        assert fresh.decode(plain.render(TALK, fresh, eot)[0].ids).startswith("[]")
        assert "x = x if" not in plain.chat_template(fresh, eot)


WRONG = {
    "messages": ("a", "lima gives that to the template itself"),
    "bos_token": ("a", "lima gives that to the template itself"),
    "loop": ("a", "that is a word of the template language"),
    "strftime_now": ("a", "that is a word of the template language"),
    "day": (date(2026, 1, 2), 'dates and times are written as text, in quotes: date = "2026-01-02"'),
    "rate": (float("nan"), "expected text, true, false, a finite number"),
    "far": ([1, {"k": float("inf")}], "expected text, true, false, a finite number"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_cannot_be_a_variable_is_refused_with_the_reason(name):
    value, reason = WRONG[name]
    for renderer in renderers():
        with pytest.raises(LimaError, match=f"table \\[template\\] has {name} = ") as e:
            renderer.with_variables({name: value})
        assert reason in str(e.value)


def opened(name, **variables):
    file = parse(name, (ZOO / f"{name}.jinja").read_text(encoding="utf-8"), name)
    tokenizer, renderer = stand_in(file), OwnTemplateRenderer().with_variables(variables, "2026-01-02T00:00:00")
    return renderer, tokenizer, renderer.end_of_turn(tokenizer)


def text_of(name, **variables):
    renderer, tokenizer, eot = opened(name, **variables)
    return tokenizer.decode(renderer.render(TALK, tokenizer, eot)[0].ids)


def test_variables_of_published_shapes_reach_the_template():
    assert "Reasoning: high" in text_of("gpt_oss", reasoning_effort="high")
    assert "Reasoning: medium" in text_of("gpt_oss")
    assert "Why?/nothink<|assistant|>\n<think></think>\nSo." in text_of("glm4_5", enable_thinking=False)
    assert "at most 512 tokens" in text_of("seed_oss", thinking_budget=512)
    assert "Today Date: yesterday" in text_of("llama3_1", date_string="yesterday")


def test_the_date_is_the_runs():
    assert "Current date: 2026-01-02" in text_of("gpt_oss")
    assert "Today Date: 02 Jan 2026" in text_of("llama3_1")


def test_renderers_with_other_variables_do_not_share_what_they_made():
    file = parse("t", BODY, "t")
    tokenizer, plain = stand_in(file), OwnTemplateRenderer()
    made = [plain.with_variables({"x": value}) for value in ("a", "b")]
    texts = [tokenizer.decode(r.render(TALK, tokenizer, "<|end|>")[0].ids)[:8] for r in (*made, plain, *made)]
    assert texts == ["[aTrue]<", "[bTrue]<", "[]<|user", "[aTrue]<", "[bTrue]<"]


def test_set_and_toml_give_the_same(tmp_path):
    file = tmp_path / "r.toml"
    file.write_text('[template]\nenable_thinking = false\nreasoning_effort = "high"\n')
    read = Recipe.from_toml(file)
    assert read.template == {"enable_thinking": False, "reasoning_effort": "high"}
    assert Recipe().with_values({"template.enable_thinking": False, "template.reasoning_effort": "high"}) == read


def test_a_mistyped_variable_is_said(renderers, ready, caplog):
    template = "{% for m in messages %}{{ m.content ~ eos_token }}{% endfor %}{{ '!' if enable_thinking else '' }}"
    tokenizer, eot = ready(renderers["template"], template=template)
    record = Example(id="x", prompt="a", response="b")
    renderers["template"].with_variables({"enable_thinking": False}).render(record, tokenizer, eot)
    assert not caplog.messages
    renderers["template"].with_variables({"enable_thinkin": True}).render(record, tokenizer, eot)
    assert caplog.messages == [
        "The template of the tokenizer does not use enable_thinkin of the recipe's table `template`. Is the name right?"
    ]
