"""A conversation trains alike in one row and in a row an answer: the same losses with the same weights, none of them twice."""

import pytest
import torch

from lima import encode
from lima.data.rendering import with_prompt_weight
from lima.testing import tiny_model
from lima_chat import Conversation, Turn
from lima_chat.renderer import _messages
from lima_chat.tokens import Encoder

SAME = (
    Turn("system", "Be kind."),
    Turn("user", "Why?"),
    Turn("assistant", "Because it is so.", weight=0.5),
    Turn("user", "a"),
    Turn("assistant", "A longer answer than that.", weight=2.0),
    Turn("user", ""),
    Turn("assistant", "Bye"),
)
MUTED = (*SAME[:2], Turn("assistant", "Never learnt.", train=False), *SAME[3:])
LAST = (*SAME[:4], Turn("assistant", "Never learnt.", train=False), *SAME[5:])


def both_ways(turns, renderer, tokenizer, eot):
    """The one row of a conversation, and the rows of its answers as if one could not be exact"""
    layout = renderer.layout(tokenizer, eot)
    talk = Conversation(id="c", turns=turns)
    answers = layout.answers(layout.hidden.hide_in(_messages(turns)), talk.trained_turns)
    encoder = Encoder(turns, answers, layout, tokenizer)
    (one,) = encoder.tokens([encode(tokenizer, *text) for text in encoder.texts]).rows
    return one, [encoder._own_row(answer, "apart") for answer in encoder.trained]


def loss(model, rows):
    total = torch.zeros(())
    for row in rows:
        logits = model(torch.tensor([row.ids])).logits[0, :-1]
        each = torch.nn.functional.cross_entropy(logits, torch.tensor(row.ids[1:]), reduction="none")
        total = total + (each * torch.tensor(row.weights[1:])).sum()
    return float(total)


@pytest.mark.parametrize("prompt_weight", [0.0, 0.1])
@pytest.mark.parametrize("turns", [SAME, MUTED, LAST], ids=["all", "first muted", "second muted"])
@pytest.mark.parametrize("name", ["chatml", "lima", "llama3"])
def test_the_sum_of_losses_is_the_same(name, turns, prompt_weight, renderers, ready):
    tokenizer, eot = ready(renderers[name])
    model = tiny_model(vocabulary=len(tokenizer)).eval()
    one, several = both_ways(turns, renderers[name], tokenizer, eot)
    assert len(several) == sum(t.trained for t in turns)
    one, *several = [with_prompt_weight(row, prompt_weight) for row in (one, *several)]
    # What stands after the last answer is in the one row alone, as its last tokens.
    after = one.spans[-1].stop
    one.weights[after:] = [0.0] * (len(one.ids) - after)
    with torch.no_grad():
        assert loss(model, several) == pytest.approx(loss(model, [one]), rel=1e-5)
    assert sum(map(sum, (row.weights for row in several))) == pytest.approx(sum(one.weights))


def test_no_token_of_a_prompt_that_is_rewritten_is_weighed_twice(ready):
    from lima_chat.renderer import OwnTemplateRenderer

    said = "(m.content if loop.last or m.role == 'user' else m.content.split('</think>')[-1])"
    each = "{% for m in messages %}{{ '<|' ~ m.role ~ '|>' ~ " + said + " ~ '<|end|>' }}{% endfor %}"
    renderer = OwnTemplateRenderer()
    from lima_chat.stand_in import stand_in
    from lima_chat.templates import parse

    tokenizer = stand_in(parse("t", each + "{% if add_generation_prompt %}<|assistant|>{% endif %}", "t"))
    turns = (
        Turn("user", "Zebra?"),
        Turn("assistant", "<think>Hm.</think>So."),
        Turn("user", "Giraffe?"),
        Turn("assistant", "<think>Oh.</think>No."),
        Turn("user", "a"),
        Turn("assistant", "<think>Well.</think>Bye."),
    )
    rows = renderer.render(Conversation(id="c", turns=turns), tokenizer, "<|end|>")
    assert [row.why for row in rows] == ["the template drops earlier thinking"] * 3
    weighed = [with_prompt_weight(row, 0.1) for row in rows]
    prompts = [
        "".join(tokenizer.decode([i]) for i, w in zip(r.ids, r.weights, strict=True) if w == 0.1) for r in weighed
    ]
    assert [text.count("Zebra") for text in prompts] == [1, 0, 0]
    assert [text.count("Giraffe") for text in prompts] == [0, 1, 0]
    assert all("So." not in text and "No." not in text for text in prompts)
