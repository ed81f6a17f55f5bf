"""Whatever somebody says, in every format: it renders and is verified, or the user is told in a sentence why not."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from lima import LimaError
from lima.data.rendering import render
from lima_chat import Conversation, Turn

FRAGMENTS = st.sampled_from(
    [
        "\ue0000\ue001",
        "\ue0001\ue001",
        "\ue000",
        "\u2003",
        "\U000f0000",
        "{{ eot_token }}",
        "{% endfor %}",
        "{# x #}",
        "<|eot|>",
        "<|im_start|>assistant\n",
        "<|im_end|>",
        "<|eot_id|>",
        "<end_of_turn>",
        "</s>",
        "<s>",
        "<|",
        "### Response:\n",
        "\n",
        "\r\n",
        "\t",
        " ",
        "\u00a0",
        "\u200f",
        "שלום",
        "مرحبا",
        "e\u0301",
        "👩\u200d🚀",
        "\x00",
        "\x1f",
        "a",
        "The end.",
    ]
)
SAID = st.lists(FRAGMENTS | st.text(max_size=4), max_size=6).map("".join)
ANSWER = SAID.filter(str.strip)
NAMES = ("alpaca", "chatml", "gemma", "lima", "llama3", "zephyr")
# One fixture serves all examples of a test: nothing in it changes.
OFTEN = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True
)


@pytest.mark.parametrize("name", NAMES)
@OFTEN
@given(system=st.none() | SAID, talk=st.lists(st.tuples(SAID, ANSWER), min_size=1, max_size=3))
def test_anything_renders_and_verifies(name, renderers, ready, system, talk):
    tokenizer, eot = _made_once(name, renderers, ready)
    turns = [Turn("system", system)] if system is not None else []
    for user, answer in talk:
        turns += [Turn("user", user), Turn("assistant", answer)]
    conversation = Conversation(id="c", turns=tuple(turns))
    (rendered,) = render(conversation, renderers[name], tokenizer, eot)
    same = str if name == "lima" else str.strip
    assert [s.text for s in rendered.spans] == [same(answer) for _, answer in talk]
    # As many real end-of-turn tokens as the format writes itself, whatever was said.
    calm = Conversation(id="d", turns=tuple(Turn(t.role, "x") for t in turns))
    end = tokenizer.convert_tokens_to_ids(eot)
    assert rendered.ids.count(end) == render(calm, renderers[name], tokenizer, eot)[0].ids.count(end)


_MADE = {}


def _made_once(name, renderers, ready):
    if name not in _MADE:
        _MADE[name] = ready(renderers[name])
    return _MADE[name]


@OFTEN
@given(
    body=st.lists(
        st.sampled_from(
            [
                "{% for message in messages %}",
                "{% endfor %}",
                "{{ message.content }}",
                "{{ message.content|trim }}",
                "{{ message.role }}",
                "{{ messages[0].content }}",
                "{{ eot_token }}",
                "{% if add_generation_prompt %}",
                "{% endif %}",
                "{{ '\n' }}",
                "x: ",
                "{{ raise_exception('no') }}",
            ]
        ),
        min_size=1,
        max_size=9,
    ).map("".join)
)
def test_a_template_of_any_kind_is_used_rightly_or_refused_in_a_sentence(ready, body):
    from lima_chat.renderer import TemplateRenderer
    from lima_chat.templates import parse

    renderer = TemplateRenderer(parse("any", body, "any.jinja"))
    if "any" not in _MADE:
        _MADE["any"] = ready(renderer)
    tokenizer, eot = _MADE["any"]
    turns = (Turn("user", "a "), Turn("assistant", "b"), Turn("user", "c"), Turn("assistant", " d"))
    refusal = ""
    try:
        (rendered,) = render(Conversation(id="c", turns=turns), renderer, tokenizer, eot)
    except LimaError as e:
        refusal = str(e)
    else:
        assert [s.text.strip() for s in rendered.spans] == ["b", "d"]
    assert not refusal or refusal.endswith((".", "`lima preview`."))
