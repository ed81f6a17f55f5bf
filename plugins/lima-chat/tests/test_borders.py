"""Where an answer begins: templates whose prompt is not how their history goes on, each judged by transformers."""

import pytest

from lima import LimaError
from lima_chat import Conversation, Turn
from lima_chat.certificate import CALL, TOOL, check
from lima_chat.judge import Judge
from lima_chat.renderer import OwnTemplateRenderer
from lima_chat.stand_in import stand_in
from lima_chat.templates import parse

OFFER = "{% if tools %}<|tools|>{{ tools | tojson }}<|end|>{% endif %}"
CALLS = "{% for c in m.tool_calls or [] %}<call>{{ c.function | tojson }}</call>{% endfor %}"
TALK = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}" + CALLS + "<|end|>{% endfor %}"
ASKED = "{% if add_generation_prompt %}<|assistant|>PROMPT{% endif %}"
TOKENS = "{% if false %}<|user|><|system|><|tool|>{% endif %}"
ENDED = TALK.replace("{{ m.content }}", "{% if m.role == 'assistant' %}</think>{% endif %}{{ m.content }}")
TEMPLATES = {
    "an empty thought": OFFER + TALK + ASKED.replace("PROMPT", "<c>\n\n</c>\n\n"),
    "its own end of a thought": OFFER + ENDED + ASKED.replace("PROMPT", "<think>"),
    "tools at the end": TALK + OFFER + ASKED.replace("PROMPT", ""),
    "white space before a thought": OFFER + TALK + ASKED.replace("PROMPT", "\n<think>\n"),
}
CALLED = '<call>{"name": "tide_at", "arguments": {"place": "Brest"}}</call><|end|>'
TRAINED = {
    "an empty thought": [CALLED, "At noon.<|end|>"],
    "its own end of a thought": [f"</think>{CALLED}", "</think>At noon.<|end|>"],
    "tools at the end": [CALLED, "At noon.<|end|>"],
    "white space before a thought": [f"\n</think>\n\n{CALLED}", "\n</think>\n\nAt noon.<|end|>"],
}
TURNS = (Turn("user", "When?"), Turn("assistant", "", tool_calls=(CALL,)), Turn("tool", "12:00", name="tide_at"))


def opened(body):
    tokenizer, renderer = stand_in(parse("t", body + TOKENS, "t")), OwnTemplateRenderer()
    eot = renderer.end_of_turn(tokenizer)
    return renderer, tokenizer, eot, Judge(tokenizer, renderer.chat_template(tokenizer, eot), eot)


def trained(row, tokenizer):
    return [tokenizer.decode(row.ids[span.start : span.stop]) for span in row.spans]


@pytest.mark.parametrize("name", TEMPLATES)
def test_an_answer_begins_where_the_template_stops_writing_by_itself(name):
    renderer, tokenizer, eot, judge = opened(TEMPLATES[name])
    talk = Conversation(id="c", turns=(*TURNS, Turn("assistant", "At noon.")), tools=(TOOL,))
    rows = renderer.render(talk, tokenizer, eot)
    assert [text for row in rows for text in trained(row, tokenizer)] == TRAINED[name]
    assert check("", talk, renderer, tokenizer, eot, judge).passed


@pytest.mark.parametrize("name", ["its own end of a thought", "white space before a thought"])
@pytest.mark.parametrize("turn", [Turn("assistant", "So.", thoughts="Hm."), Turn("assistant", "<think>Hm.</think>So.")])
def test_thoughts_are_ended_once(name, turn):
    renderer, tokenizer, eot, judge = opened(TEMPLATES[name])
    talk = Conversation(id="c", turns=(Turn("user", "Why?"), turn))
    (row,) = renderer.render(talk, tokenizer, eot)
    (text,) = trained(row, tokenizer)
    assert (text.count("</think>"), "".join(text.replace("</think>", "").split())) == (1, "Hm.So.<|end|>")
    assert check("", talk, renderer, tokenizer, eot, judge).passed


@pytest.mark.parametrize("tag", ["<thought>", "[THINK]"])
@pytest.mark.parametrize("written", ["{{ TAG }}", ""])
def test_an_answer_inside_a_thought_is_refused(tag, written):
    begins = "{% if m.role == 'assistant' %}" + written.replace("TAG", repr(tag)) + "{% endif %}{{ m.content }}"
    body = TALK.replace("{{ m.content }}", begins) + ASKED.replace("PROMPT", f" {tag}" if not written else tag)
    renderer, tokenizer, eot, judge = opened(body)
    talk = Conversation(id="c", turns=(*TURNS[:1], Turn("assistant", "So.")))
    if tag == "<thought>" and not written:  # left out of the conversation, as other templates do: lima ends it
        assert trained(renderer.render(talk, tokenizer, eot)[0], tokenizer) == ["\n</thought>\n\nSo.<|end|>"]
        return
    found = check("", talk, renderer, tokenizer, eot, judge)
    assert f"prompts for turn 2 within {tag}, and what it writes then does not end that thought" in found.refused
    assert (found.passed, found.cannot) == (
        True, f"the answer would stand within the thought that the prompt opens with {tag!r}"
    )  # fmt: skip


def test_calls_that_begin_like_nothing_else_are_refused():
    other = "{% if m.tool_calls %}{{ '<|caller|>' }}{% else %}<|{{ m.role }}|>{% endif %}"
    renderer, tokenizer, eot, _ = opened(OFFER + TALK.replace("<|{{ m.role }}|>", other) + ASKED.replace("PROMPT", ""))
    talk = Conversation(id="c", turns=(*TURNS, Turn("assistant", "At noon.")), tools=(TOOL,))
    with pytest.raises(LimaError, match="begins turn 2, which calls tools, neither as it prompts for it nor as"):
        renderer.render(talk, tokenizer, eot)


@pytest.mark.parametrize(
    ("name", "early", "fault"),
    [
        ("an empty thought", "all>", "it begins within a tag"),
        ("tools at the end", "<|assistant|>", "it repeats '<|assistant|>', with which the prompt ends"),
        ("its own end of a thought", "</think></think>", "it ends the thought twice, with </think>"),
    ],
)
def test_the_judge_sees_an_answer_that_begins_elsewhere(name, early, fault):
    renderer, tokenizer, eot, judge = opened(TEMPLATES[name])
    talk = Conversation(id="c", turns=(*TURNS, Turn("assistant", "At noon.", train=False)), tools=(TOOL,))
    whole, prompt = judge.text(talk, 2, False), judge.text(talk, 1, True)
    said = CALLED.removesuffix(eot)
    said = said[2:] if early == "all>" else f"{early}{said}"
    wrong = judge._wrong(talk, 1, prompt, f"{said}{eot}", tokenizer.convert_tokens_to_ids(eot))
    assert fault in wrong, (whole, prompt)


def test_the_judge_takes_what_opens_the_next_turn_for_the_end_of_an_answer_after_a_thought():
    body = "{% for m in messages %}<|{{ m.role }}|>{{ m.content }}{% endfor %}" + ASKED.replace("PROMPT", "\n<think>")
    renderer, tokenizer, eot, judge = opened(body)
    talk = Conversation(id="c", turns=(TURNS[0], Turn("assistant", "So.", thoughts="Hm.")))
    assert trained(renderer.render(talk, tokenizer, eot)[0], tokenizer) == ["Hm.\n</think>\n\nSo.<|user|>"]
    assert check("", talk, renderer, tokenizer, eot, judge).passed


def test_a_role_in_a_tag_is_no_thought():
    body = "{% for m in messages %}<role_{{ m.role }}>{{ m.content }}<|end|>{% endfor %}"
    renderer, tokenizer, eot, judge = opened(body + "{% if add_generation_prompt %}<role_assistant>{% endif %}")
    plain, thinking = (
        Conversation(id="c", turns=(TURNS[0], Turn("assistant", "So.", thoughts=t))) for t in ("", "Hm.")
    )
    assert trained(renderer.render(plain, tokenizer, eot)[0], tokenizer) == ["So.<|end|>"]
    found = check("", thinking, renderer, tokenizer, eot, judge)
    assert (found.passed, found.cannot) == (True, "the template does not write the thoughts of turn 2")


def test_white_space_may_stand_before_what_opens_the_next_turn():
    body = "<|first|>{% for m in messages %}{{ '\n<turn_1>' ~ m.role ~ '\n' ~ m.content | trim }}{% endfor %}"
    renderer, tokenizer, eot, judge = opened(
        body + "{% if add_generation_prompt %}{{ '\n<turn_1>assistant\n' }}{% endif %}"
    )
    turns = (*TURNS[:1], Turn("assistant", "So."), Turn("user", "And?"), Turn("assistant", "No."))
    talk = Conversation(id="c", turns=turns)
    (row,) = renderer.render(talk, tokenizer, eot)
    assert trained(row, tokenizer) == ["So.\n<turn_1>", "No.\n<turn_1>"]
    assert check("", talk, renderer, tokenizer, eot, judge).passed
