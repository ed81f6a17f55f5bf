"""What plain transformers makes of a saved checkpoint's template: the same ids as ours."""

import pytest
from transformers import AutoTokenizer

from lima import LimaError
from lima.data.rendering import render
from lima_chat import Conversation, Turn

TURNS = (
    Turn("system", "Be kind."),
    Turn("user", "  Why?\n"),
    Turn("assistant", "So."),
    Turn("user", "Ünd {{ now }}?"),
    Turn("assistant", "No."),
)
FILES = ("alpaca", "chatml", "gemma", "lima", "llama3", "zephyr")


def messages(turns):
    return [{"role": t.role, "content": t.content} for t in turns]


def theirs(tokenizer, turns, **more):
    return tokenizer.apply_chat_template(messages(turns), return_dict=False, **more)


@pytest.mark.parametrize("starts", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_apply_chat_template_gives_the_same_ids(name, starts, renderers, ready, tmp_path):
    tokenizer, eot = ready(renderers[name], starts)
    (ours,) = render(Conversation(id="c", turns=TURNS), renderers[name], tokenizer, eot)
    tokenizer.chat_template = renderers[name].chat_template(tokenizer, eot)
    tokenizer.save_pretrained(tmp_path)
    saved = AutoTokenizer.from_pretrained(tmp_path)
    assert theirs(saved, TURNS) == ours.ids
    for stop in (2, 4):
        prompt = renderers[name].chat_prompt(TURNS[:stop], tokenizer, eot)
        assert theirs(saved, TURNS[:stop], add_generation_prompt=True) == prompt
    # A saved checkpoint read with its own template is the same format again.
    own = renderers["template"]
    assert own.end_of_turn(saved) == eot
    assert render(Conversation(id="c", turns=TURNS), own, saved, eot) == [ours]
    assert own.chat_template(saved, eot) == tokenizer.chat_template


def each(expression):
    return "{% for message in messages %}" + expression + "{% endfor %}"


OWN = {
    "bracketed, with white space that the model writes": (
        "{{ bos_token }}"
        + each(
            "{% if message.role == 'assistant' %}{{ ' ' ~ message.content|trim ~ ' ' ~ eos_token }}"
            "{% else %}{{ '[INST] ' ~ message.content ~ ' [/INST]' }}{% endif %}"
        ),
        "</s>",
        [" So. ", " No. "],
    ),
    "marked for transformers' mask": (
        each(
            "{% if message.role == 'assistant' %}A:{% generation %}{{ message.content }}<|end|>{% endgeneration %}"
            "{% else %}U:{{ message.content }}<|end|>{% endif %}"
        )
        + "{% if add_generation_prompt %}A:{% endif %}",
        "<|end|>",
        ["So.", "No."],
    ),
    "dated, with tools and namespaces": (
        "{% set ns = namespace(n=0) %}{{ strftime_now('%Y') if false else 'Today' }}{{ tools }}{{ documents is none }}"
        + each(
            "{% set ns.n = ns.n + 1 %}{{ ns.n ~ message.role|tojson ~ '%s' % message.content ~ '<|end|>' }}"
            "{% if ns.n > 50 %}{% break %}{% endif %}"
        )
        + "{% if add_generation_prompt %}{{ (ns.n + 1) ~ 'assistant'|tojson }}{% endif %}",
        "<|end|>",
        ["So.", "No."],
    ),
}


@pytest.mark.parametrize("template", OWN, ids=str)
def test_the_tokenizers_own_template(template, renderers):
    from lima.model.eot import extend_tokenizer
    from lima.testing import tiny_tokenizer

    source, end, answers = OWN[template]
    tokenizer = tiny_tokenizer(special=["</s>", "<s>"])
    tokenizer.bos_token = "<s>"
    tokenizer.chat_template = source
    extend_tokenizer(tokenizer, ["<|end|>"])
    own, turns = renderers["template"], TURNS[1:]
    assert own.end_of_turn(tokenizer) == end
    (rendered,) = render(Conversation(id="c", turns=turns), own, tokenizer, end)
    assert [s.text for s in rendered.spans] == answers
    assert rendered.ids == theirs(tokenizer, turns)
    assert own.chat_prompt(turns[:3], tokenizer, end) == theirs(tokenizer, turns[:3], add_generation_prompt=True)
    assert own.chat_template(tokenizer, end) == source


def test_a_tokenizer_without_a_usable_template_is_told_what_to_use(renderers, ready):
    tokenizer, _ = ready(renderers["lima"])
    with pytest.raises(LimaError, match=r"this tokenizer has none\. Train with --renderer lima, chatml, or another"):
        renderers["template"].end_of_turn(tokenizer)
    tokenizer.chat_template = each("{{ message.content ~ '\n--' }}")
    with pytest.raises(LimaError, match=r"writes no special token after an answer, so nothing would stop"):
        renderers["template"].end_of_turn(tokenizer)
    tokenizer.chat_template = {"default": each("{{ message.content }}</s>"), "tool_use": "x"}
    assert renderers["template"].end_of_turn(tokenizer) == "</s>"
