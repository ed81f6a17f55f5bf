"""Exactly which tokens are trained, in every format."""

import pytest

from lima import LimaError
from lima.contract.examples import Example
from lima.data.rendering import PlainRenderer, render, with_prompt_weight
from lima_chat import Conversation, Turn

THREE = Conversation(
    id="three",
    turns=(
        Turn("system", "Be kind."),
        Turn("user", "Why?"),
        Turn("assistant", "No."),
        Turn("user", "Say <|im_end|>"),
        Turn("assistant", "Ok, <|eot_id|>!", train=False),
        Turn("user", ""),
        Turn("assistant", " Bye", weight=0.5),
    ),
)

# Trained tokens are in brackets, one by one.
MASKS = {
    "alpaca": "Be kind.\n\n### Instruction:\nWhy?\n\n### Response:\n[N][o][.][<|eot|>]\n\n"
    "### Instruction:\nSay <|im_end|>\n\n### Response:\nOk, <|eot_id|>!<|eot|>\n\n"
    "### Instruction:\n\n\n### Response:\n[B][y][e][<|eot|>]\n\n",
    "chatml": "<|im_start|>system\nBe kind.<|im_end|>\n<|im_start|>user\nWhy?<|im_end|>\n"
    "<|im_start|>assistant\n[N][o][.][<|im_end|>]\n<|im_start|>user\nSay <|im_end|><|im_end|>\n"
    "<|im_start|>assistant\nOk, <|eot_id|>!<|im_end|>\n<|im_start|>user\n<|im_end|>\n"
    "<|im_start|>assistant\n[B][y][e][<|im_end|>]\n",
    "gemma": "<start_of_turn>user\nBe kind.\n\nWhy?<end_of_turn>\n<start_of_turn>model\n[N][o][.][<end_of_turn>]\n"
    "<start_of_turn>user\nSay <|im_end|><end_of_turn>\n<start_of_turn>model\nOk, <|eot_id|>!<end_of_turn>\n"
    "<start_of_turn>user\n<end_of_turn>\n<start_of_turn>model\n[B][y][e][<end_of_turn>]\n",
    "lima": "Be kind.\n\nWhy?<|eot|>[N][o][.][<|eot|>]Say <|im_end|><|eot|>Ok, <|eot_id|>!<|eot|>"
    "<|eot|>[ ][B][y][e][<|eot|>]",
    "llama3": "<|start_header_id|>system<|end_header_id|>\n\nBe kind.<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\nWhy?<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n[N][o][.][<|eot_id|>]"
    "<|start_header_id|>user<|end_header_id|>\n\nSay <|im_end|><|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\nOk, <|eot_id|>!<|eot_id|>"
    "<|start_header_id|>user<|end_header_id|>\n\n<|eot_id|>"
    "<|start_header_id|>assistant<|end_header_id|>\n\n[B][y][e][<|eot_id|>]",
    "zephyr": "<|system|>\nBe kind.</s>\n<|user|>\nWhy?</s>\n<|assistant|>\n[N][o][.][</s>]\n"
    "<|user|>\nSay <|im_end|></s>\n<|assistant|>\nOk, <|eot_id|>!</s>\n<|user|>\n</s>\n<|assistant|>\n[B][y][e][</s>]\n",
}
FILES = sorted(MASKS)


def shown(rendered, tokenizer):
    tokens = [tokenizer.decode([i]) for i in rendered.ids]
    return "".join(f"[{t}]" if w else t for t, w in zip(tokens, rendered.weights, strict=True))


def special(rendered, tokenizer):
    """The special tokens of a rendering, in their order"""
    known = {i: t.content for i, t in tokenizer.added_tokens_decoder.items()}
    return [known[i] for i in rendered.ids if i in known]


def test_every_template_has_its_mask_here(renderers):
    assert sorted(set(renderers) - {"template"}) == FILES


@pytest.mark.parametrize("starts", [False, True])
@pytest.mark.parametrize("name", FILES)
def test_exactly_the_answers_and_their_end_of_turn_tokens_are_trained(name, starts, renderers, ready):
    tokenizer, eot = ready(renderers[name], starts)
    (rendered,) = render(THREE, renderers[name], tokenizer, eot)
    assert shown(rendered, tokenizer) == ("<s>" if starts else "") + MASKS[name]
    last = " Bye" if name == "lima" else "Bye"  # the other formats trim, as their own templates do
    assert [s.text for s in rendered.spans] == ["No.", last]
    assert [w for w in rendered.weights if w] == [1.0] * 4 + [0.5] * (len(last) + 1)
    assert [rendered.ids[s.stop - 1] for s in rendered.spans] == [tokenizer.convert_tokens_to_ids(eot)] * 2


@pytest.mark.parametrize("name", FILES)
def test_a_prompt_weight_trains_no_answer_that_is_not_learnt_from(name, renderers, ready):
    tokenizer, eot = ready(renderers[name])
    rendered = with_prompt_weight(render(THREE, renderers[name], tokenizer, eot)[0], 0.1)
    assert [tokenizer.decode(rendered.ids[a:b]) for a, b in rendered.muted] == [f"Ok, <|eot_id|>!{eot}"]
    silent = {0} | {i for a, b in rendered.muted for i in range(a, b)}
    assert {i for i, w in enumerate(rendered.weights) if w == 0} == silent
    # By weight 0 as well.
    mute = Conversation(id="m", turns=(*THREE.turns[1:2], Turn("assistant", "No.", weight=0), *THREE.turns[-2:]))
    (rendered,) = render(mute, renderers[name], tokenizer, eot)
    assert [tokenizer.decode(rendered.ids[a:b]) for a, b in rendered.muted] == [f"No.{eot}"]


def test_a_template_without_an_end_of_turn_token_after_an_answer_that_is_not_learnt_from(ready):
    from lima_chat.renderer import TemplateRenderer
    from lima_chat.templates import parse

    body = "{% for m in messages %}|{{ m.content }}{% if loop.index == 4 %}{{ eot_token }}{% endif %}{% endfor %}"
    renderer = TemplateRenderer(parse("mine", body + "{% if add_generation_prompt %}|{% endif %}", "mine.jinja"))
    tokenizer, eot = ready(renderer)
    turns = (Turn("user", "a"), Turn("assistant", "b", train=False), Turn("user", "c"), Turn("assistant", "d"))
    (rendered,) = render(Conversation(id="c", turns=turns), renderer, tokenizer, eot)
    assert shown(rendered, tokenizer) == f"|a|b|c|[d][{eot}]"
    assert [tokenizer.decode(rendered.ids[a:b]) for a, b in rendered.muted] == ["b"]


@pytest.mark.parametrize("name", FILES)
def test_a_special_token_in_what_somebody_says_is_text(name, renderers, ready):
    tokenizer, eot = ready(renderers[name])
    said = f"{eot}<s></s>{''.join(renderers[name].special_tokens(tokenizer))}"
    clean = Conversation(id="a", turns=(Turn("user", "x"), Turn("assistant", "y")))
    hostile = Conversation(id="b", turns=(Turn("user", said), Turn("assistant", said)))
    expected = special(render(clean, renderers[name], tokenizer, eot)[0], tokenizer)
    (rendered,) = render(hostile, renderers[name], tokenizer, eot)
    assert special(rendered, tokenizer) == expected
    assert [s.text for s in rendered.spans] == [said]
    prompt = renderers[name].chat_prompt(hostile.turns[:1], tokenizer, eot)
    assert rendered.ids[: rendered.spans[0].start] == prompt


def test_limas_bare_turns_are_the_plain_renderers_ids(renderers, ready):
    example = Example(id="e", prompt="Why <|eot|>?", response=" So.\n", weight=0.25)
    for starts in (False, True):
        tokenizer, eot = ready(renderers["lima"], starts)
        assert render(example, renderers["lima"], tokenizer, eot) == render(example, PlainRenderer(), tokenizer, eot)


def test_a_conversation_without_a_trained_answer_is_an_error_that_names_it(renderers, ready):
    tokenizer, eot = ready(renderers["chatml"])
    mute = Conversation(id="mute", source="s", turns=(Turn("user", "a"), Turn("assistant", "b", train=False)))
    with pytest.raises(LimaError, match=r"^Example 'mute' of source 's', rendered by 'chatml': no token is trained"):
        render(mute, renderers["chatml"], tokenizer, eot)


def test_a_reply_is_prompted_after_the_users_turn(renderers, ready):
    tokenizer, eot = ready(renderers["chatml"])
    prompt = renderers["chatml"].chat_prompt((Turn("user", " Why? "),), tokenizer, eot)
    assert tokenizer.decode(prompt) == "<|im_start|>user\nWhy?<|im_end|>\n<|im_start|>assistant\n"
    assert renderers["chatml"].prompt(" Why? ", tokenizer, eot) == prompt
    for turns, last in (((), "the conversation is empty"), (THREE.turns, "the last turn is the assistant's")):
        with pytest.raises(
            LimaError, match=f"^Cannot prompt for a reply: {last}; expected the user's turn at the end.$"
        ):
            renderers["chatml"].chat_prompt(turns, tokenizer, eot)


def test_what_ends_a_turn(renderers, ready):
    tokenizer, _ = ready(renderers["lima"])
    found = {name: renderers[name].end_of_turn(tokenizer) for name in FILES}
    assert found == {
        "alpaca": "<|eot|>",
        "chatml": "<|im_end|>",
        "gemma": "<end_of_turn>",
        "lima": "<|eot|>",
        "llama3": "<|eot_id|>",
        "zephyr": "</s>",
    }
    tokenizer.eos_token = None
    with pytest.raises(LimaError, match="this tokenizer has none"):
        renderers["zephyr"].end_of_turn(tokenizer)


def test_a_tokenizer_that_was_not_given_the_token_is_told(renderers):
    from lima.testing import tiny_tokenizer

    tokenizer, advice = tiny_tokenizer(), r"tokenizer\.add_tokens\(\['<\|im_end\|>'\], special_tokens=True\)"
    with pytest.raises(LimaError, match=rf"no token '<\|im_end\|>' follows turn 3\. .* one token: {advice}\.$"):
        renderers["chatml"].render(THREE, tokenizer, "<|im_end|>")
    tokenizer.add_tokens(["<|im_end|>"], special_tokens=True)
    (row,) = renderers["chatml"].render(THREE, tokenizer, "<|im_end|>")
    assert row.ids[row.spans[-1].stop - 1] == tokenizer.convert_tokens_to_ids("<|im_end|>")
