"""Tools, their calls and what they answer: trained where the base's own template writes them, else refused with the way."""

import json
from pathlib import Path

import pytest

from lima import LimaError, verify
from lima_chat import Conversation, Turn
from lima_chat.certificate import CALL, TOOL, certify, check
from lima_chat.judge import Judge
from lima_chat.renderer import OwnTemplateRenderer
from lima_chat.stand_in import stand_in
from lima_chat.templates import parse

ZOO = Path(__file__).parent / "zoo"
TEXT = {"type": "function", "function": {"name": "tide_at", "arguments": json.dumps({"place": "Brest"})}}
"A call as OpenAI's format has it: its arguments are JSON in a text"


def talk(call=CALL, said="", tools=(TOOL,)):
    turns = (
        Turn("user", "When is high tide?"),
        Turn("assistant", said, tool_calls=(call,)),
        Turn("tool", "12:00", name="tide_at"),
        Turn("assistant", "At noon."),
    )
    return Conversation(id="c", turns=turns, tools=tools)


def trained(name, conversation):
    """The text of each trained answer, with the token that ends it"""
    file = parse(name, (ZOO / f"{name}.jinja").read_text(encoding="utf-8"), name)
    tokenizer, renderer = stand_in(file), OwnTemplateRenderer()
    eot = renderer.end_of_turn(tokenizer)
    rows = renderer.render(conversation, tokenizer, eot)
    verify(conversation, rows, renderer, tokenizer, eot)
    return [tokenizer.decode(row.ids[span.start : span.stop]) for row in rows for span in row.spans]


ANSWERS = {
    "qwen2_5": [
        '<tool_call>\n{"name": "tide_at", "arguments": {"place": "Brest"}}\n</tool_call><|im_end|>',
        "At noon.<|im_end|>",
    ],
    "gpt_oss": [
        ' to=functions.tide_at<|channel|>commentary json<|message|>{"place": "Brest"}<|call|>',
        "<|channel|>final<|message|>At noon.<|return|>",
    ],
    "glm4_5": [
        "\n<think></think>\n<tool_call>tide_at<arg_key>place</arg_key>\n<arg_value>Brest</arg_value></tool_call><|observation|>",
        "\n<think></think>\nAt noon.<|user|>",
    ],
    "deepseek_v3": [
        "<｜tool▁calls▁begin｜><｜tool▁call▁begin｜>function<｜tool▁sep｜>tide_at\n```json\n"
        '{"place": "Brest"}\n```<｜tool▁call▁end｜><｜tool▁calls▁end｜><｜end▁of▁sentence｜>',
        "At noon.<｜end▁of▁sentence｜>",
    ],
    "mistral_v0_3": ['[TOOL_CALLS] [{"name": "tide_at", "arguments": {"place": "Brest"}}]</s>', " At noon.</s>"],
    "nemotron3": [
        "\n</think>\n\n<tool_call>\n<function=tide_at>\n<parameter=place>\nBrest\n</parameter>\n</function>\n</tool_call>\n<|im_end|>",
        "\n</think>\n\nAt noon.<|im_end|>",
    ],
}


@pytest.mark.parametrize("call", [CALL, TEXT], ids=["values", "text"])
@pytest.mark.parametrize("name", ANSWERS)
def test_a_call_is_trained_as_the_template_writes_it_whichever_way_it_is_given(name, call):
    assert trained(name, talk(call)) == ANSWERS[name]


def test_what_is_said_beside_a_call_is_trained_too():
    said = trained("qwen2_5", talk(said="I look it up."))[0]
    assert said.startswith("I look it up.\n<tool_call>")


@pytest.mark.parametrize("name", ["chatml", "gemma", "lima", "llama3", "zephyr"])
def test_a_format_without_tools_says_which_way_there_is(name, renderers, ready):
    tokenizer, eot = ready(renderers[name])
    for conversation, what in ((talk(), "the tool 'tide_at'"), (talk(tools=()), "")):
        with pytest.raises(LimaError) as e:
            renderers[name].render(conversation, tokenizer, eot)
        assert what in str(e.value)
        assert (
            "Use --renderer template with a base model whose own template does, or leave the conversation out."
            in str(e.value)
        )


def test_a_base_without_tools_does_not_send_to_the_renderer_in_use():
    with pytest.raises(LimaError) as e:
        trained("zephyr", talk())
    assert str(e.value).endswith(
        "it knows no tools. Leave the conversation out, or use a base model whose template writes tools and their calls."
    )


def test_a_template_that_leaves_out_an_argument_is_refused():
    body = (
        "{% for m in messages %}{{ '<|' ~ m.role ~ '|>' ~ m.content }}{% for c in m.tool_calls or [] %}{{ c.function.name }}"
        "{% endfor %}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    )
    tokenizer, renderer = stand_in(parse("t", body, "t")), OwnTemplateRenderer()
    with pytest.raises(LimaError, match="leaves out the argument 'Brest' of the call of 'tide_at' in turn 2"):
        renderer.render(talk(tools=()), tokenizer, renderer.end_of_turn(tokenizer))


def test_a_control_token_in_an_argument_stays_text():
    call = {"type": "function", "function": {"name": "tide_at", "arguments": {"place": "<|im_end|>"}}}
    file = parse("q", (ZOO / "qwen2_5.jinja").read_text(encoding="utf-8"), "q")
    tokenizer, renderer = stand_in(file), OwnTemplateRenderer()
    (row,) = renderer.render(talk(call), tokenizer, "<|im_end|>")
    end = tokenizer.convert_tokens_to_ids("<|im_end|>")
    assert row.ids[row.spans[0].start : row.spans[0].stop].count(end) == 1
    assert '{"place": "<|im_end|>"}' in tokenizer.decode(row.ids[row.spans[0].start : row.spans[0].stop])


STRICT = (
    "{% set bad = 'An id of a call has 9 letters and digits.' %}{% if tools %}<|tools|>{{ tools | tojson }}<|end|>{% endif %}"
    "{% for m in messages %}{% if m.role == 'tool' and m.tool_call_id | default('') | length != 9 %}{{ raise_exception(bad) }}"
    "{% endif %}<|{{ m.role }}|>{{ m.tool_call_id | default('') }} {{ m.content }}{% for c in m.tool_calls or [] %}"
    "{% if c.id | default('') | length != 9 %}{{ raise_exception(bad) }}{% endif %}[{{ c.id }} {{ c.function | tojson }}]"
    "{% endfor %}<|end|>{% endfor %}{% if add_generation_prompt %}<|assistant|>{% endif %}"
    "{% if false %}<|user|><|tool|>{% endif %}"
)


def parallel(ids, answered):
    calls = [CALL | {"id": i} for i in ids]
    answers = [Turn("tool", f"for {i}", call_id=i) for i in answered]
    turns = (
        Turn("user", "Both?"), Turn("assistant", "", tool_calls=calls), *answers, Turn("assistant", "At noon.")
    )  # fmt: skip
    return Conversation(id="c", turns=turns, tools=(TOOL,))


def test_the_ids_of_calls_and_answers_reach_the_template_and_the_judge():
    tokenizer, renderer = stand_in(parse("t", STRICT, "t")), OwnTemplateRenderer()
    eot = renderer.end_of_turn(tokenizer)
    conversation = parallel(("aaaaaaaa1", "aaaaaaaa2"), ("aaaaaaaa2", "aaaaaaaa1"))
    judge = Judge(tokenizer, renderer.chat_template(tokenizer, eot), eot)
    found = check("", conversation, renderer, tokenizer, eot, judge)
    assert (found.passed, found.refused, found.answers) == (True, "", 2)
    (row,) = renderer.render(conversation, tokenizer, eot)
    answers = "<|tool|>aaaaaaaa2 for aaaaaaaa2<|end|><|tool|>aaaaaaaa1 for aaaaaaaa1<|end|>"
    assert answers in tokenizer.decode(row.ids)
    with pytest.raises(LimaError, match="An id of a call has 9 letters and digits"):
        renderer.render(parallel("ab", "ab"), tokenizer, eot)
    assert certify("t", renderer, tokenizer, {}).as_row()["tools"] == "yes"


def test_only_a_tool_answers_a_call():
    with pytest.raises(LimaError, match=r"turn 1 \(user\) answers a call, which only a tool does"):
        Conversation(id="c", turns=(Turn("user", "?", call_id="a"), Turn("assistant", "!")))
