"""A tokenizer with several templates: with tools the one named tool_use is trained with, as transformers prompts with it."""

import pytest

from lima import LimaError
from lima_chat import Conversation, Turn
from lima_chat.certificate import CALL, TOOL, certify
from lima_chat.renderer import OwnTemplateRenderer
from lima_chat.stand_in import stand_in
from lima_chat.templates import parse

PLAIN = (
    "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}<|end|>{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
    "{% if false %}<|user|><|system|><|tool|><|tools|><|assistant|>{% endif %}"
)
WITH_TOOLS = "{% if tools %}<|tools|>{{ tools | tojson }}<|end|>{% endif %}" + PLAIN.replace(
    "{{ m.content }}", "{{ m.content }}{% for c in m.tool_calls or [] %}[{{ c.function | tojson }}]{% endfor %}"
)
TALK = (
    Turn("user", "When?"),
    Turn("assistant", "", tool_calls=(CALL,)),
    Turn("tool", "12:00"),
    Turn("assistant", "Noon."),
)


def opened(templates):
    tokenizer = stand_in(parse("t", PLAIN, "t"))
    tokenizer.chat_template = templates
    return OwnTemplateRenderer(), tokenizer


def test_with_tools_the_template_of_that_name_is_used_as_transformers_does():
    renderer, tokenizer = opened({"default": PLAIN, "tool_use": WITH_TOOLS})
    (row,) = renderer.render(Conversation(id="c", turns=TALK, tools=(TOOL,)), tokenizer, "<|end|>")
    asked = [{"role": "user", "content": "When?"}]
    prompt = tokenizer.apply_chat_template(asked, tools=[TOOL], add_generation_prompt=True, return_dict=False)
    assert row.ids[: row.spans[0].start] == prompt
    said = [tokenizer.decode(row.ids[span.start : span.stop]) for span in row.spans]
    assert said == ['[{"name": "tide_at", "arguments": {"place": "Brest"}}]<|end|>', "Noon.<|end|>"]
    found = certify("t", renderer, tokenizer, {})
    assert (found.passed, found.as_row()["tools"]) == (True, "yes")


def test_without_tools_the_default_is_used():
    renderer, tokenizer = opened({"default": PLAIN, "tool_use": "{{ raise_exception('no') }}"})
    (row,) = renderer.render(Conversation(id="c", turns=(TALK[0], TALK[3])), tokenizer, "<|end|>")
    assert tokenizer.decode(row.ids) == "<|user|>When?<|end|><|assistant|>Noon.<|end|>"


def test_without_a_default_the_names_that_there_are_are_said():
    renderer, tokenizer = opened({"rag": PLAIN, "tool_use": WITH_TOOLS})
    with pytest.raises(
        LimaError, match="template 'default', and this tokenizer has none of that name, only 'rag', 'tool_use'"
    ):
        renderer.end_of_turn(tokenizer)
