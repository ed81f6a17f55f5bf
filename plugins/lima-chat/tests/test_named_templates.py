"""A tokenizer with several templates: with tools the one named tool_use is trained with, as transformers prompts with it."""

import json

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


def test_the_template_for_tools_is_saved_with_the_variables_that_it_was_trained_with(tmp_path):
    from lima import Recipe, load_plugins, prepare
    from lima.testing import tiny_base
    from lima.train.saved_tokenizer import to_save

    _, tokenizer = opened({"default": PLAIN, "rag": PLAIN, "tool_use": "{{ place }}" + WITH_TOOLS})
    file = tmp_path / "talks.jsonl"
    messages = [{"role": t.role, "content": t.content} for t in (TALK[0], TALK[3])]
    file.write_text(json.dumps({"messages": messages, "tools": [TOOL]}) + "\n")
    base = str(tiny_base(tmp_path / "base", tokenizer=tokenizer))
    recipe = Recipe(base=base, sources=(str(file),), template={"place": "Brest"})
    ready = prepare(recipe, load_plugins())
    saved, notes = to_save(ready)
    prompt = saved.apply_chat_template(messages[:1], tools=[TOOL], add_generation_prompt=True, tokenize=False)
    assert prompt.startswith("Brest<|tools|>")
    assert tokenizer.decode(ready.renderer.prompts(ready.records[0], ready.tokenizer, ready.eot)[0]) == prompt
    assert notes.strip().endswith("Its further templates, which were not trained with, are the base's: rag.")


def test_without_a_default_the_names_that_there_are_are_said():
    renderer, tokenizer = opened({"rag": PLAIN, "tool_use": WITH_TOOLS})
    with pytest.raises(
        LimaError, match="template 'default', and this tokenizer has none of that name, only 'rag', 'tool_use'"
    ):
        renderer.end_of_turn(tokenizer)
