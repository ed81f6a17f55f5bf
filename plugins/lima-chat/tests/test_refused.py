"""Templates that cannot be trained on: each is refused in a sentence that says what it does."""

import pytest

from lima import LimaError
from lima.data.rendering import render
from lima_chat import Conversation, Turn
from lima_chat.renderer import TemplateRenderer
from lima_chat.templates import parse

TALK = Conversation(
    id="talk",
    source="s",
    turns=(
        Turn("user", "Why?"),
        Turn("assistant", "<think>Hm.</think>So."),
        Turn("user", "\nAnd?"),
        Turn("assistant", "No."),
    ),
)


def made(body, name="mine"):
    return TemplateRenderer(parse(name, body, f"{name}.jinja"))


def each(expression):
    return "{% for message in messages %}" + expression + "{% endfor %}"


GOOD = "{{ message.role ~ ': ' ~ message.content ~ eot_token }}"
PROMPT = "{% if add_generation_prompt %}assistant: {% endif %}"

REFUSED = {
    # It drops the thoughts of the answer itself, so that they could not be learnt.
    each("{{ message.role ~ ': ' ~ message.content.split('</think>')[-1] ~ eot_token }}") + PROMPT: (
        "The template 'mine' rewrites what turn 2 says, or leaves some of it out: it writes 'So.' for '<think>Hm.</think>So.'. "
        "Change that turn, or use another template."
    ),
    "{% for message in messages[-2:] %}" + GOOD + "{% endfor %}" + PROMPT: (
        "The template 'mine' leaves out turn 1, the user's. Use another template."
    ),
    "{% for message in messages if message.role == 'user' %}" + GOOD + "{% endfor %}" + PROMPT: (
        "The template 'mine' leaves out turn 2, the assistant's. Use another template."
    ),
    each("{{ message.role ~ ': ' ~ message.content.upper() ~ eot_token }}") + PROMPT: (
        "The template 'mine' rewrites what turn 2 says, or leaves some of it out: it writes '<THINK>HM.</THINK>SO.' for "
        "'<think>Hm.</think>So.'. Change that turn, or use another template."
    ),
    each("{{ message.role ~ ': ' ~ message.content ~ '\\n' }}") + PROMPT: (
        "The template 'mine' writes '\\n' after answer 1, and not the end-of-turn token '<|eot|>', so the model would never "
        "learn to stop. Write {{ eot_token }} after the content, or use another template."
    ),
    # The token comes, but before the answer.
    each("{{ message.role ~ ': ' ~ eot_token ~ message.content ~ '\\n' }}") + PROMPT: (
        "The template 'mine' rewrites what turn 2 says, or leaves some of it out: it writes nothing for "
        "'<think>Hm.</think>So.'. Change that turn, or use another template."
    ),
    "\n{% for message in messages %}\n{{ message.content }}{{ raise_exception('Roles must rhyme!') }}{% endfor %}": (
        "The template 'mine' failed in line 3: Roles must rhyme!"
    ),
    "{{ messages[7].content.x }}": "The template 'mine' failed in line 1: list object has no element 7.",
    "<s><s>" + each(GOOD) + PROMPT: (
        "it begins with two BOS tokens; expected one. Remove the one that the template writes."
    ),
}


@pytest.mark.parametrize(("body", "sentence"), REFUSED.items(), ids=range(len(REFUSED)))
def test_a_template_that_cannot_be_trained_on_is_refused_with_what_it_does(body, sentence, ready):
    renderer = made(body)
    tokenizer, eot = ready(renderer)
    with pytest.raises(LimaError) as e:
        render(TALK, renderer, tokenizer, eot)
    prefix = "Example 'talk' of source 's', rendered by 'mine': "
    assert str(e.value).removesuffix(" Look at it with `lima preview`.") == prefix + sentence


def test_a_template_that_is_not_jinja_is_refused_with_its_line(ready):
    renderer = made("{# eot: <|stop|> #}\n{# description: broken #}\n{{ eot_token }}\n{% for message of messages %}")
    tokenizer, eot = ready(renderer)
    with pytest.raises(
        LimaError, match=r"^The template 'mine', line 4: expected token 'in', got 'of'\. Correct it there\.$"
    ):
        render(TALK, renderer, tokenizer, eot)


def test_a_good_template_of_ones_own(ready):
    renderer = made(
        "{# description: Names before colons #}\n{# eot: <|stop|> #}\n{# tokens: <|a|> #}\n" + each(GOOD) + PROMPT
    )
    tokenizer, eot = ready(renderer)
    assert (renderer.description, eot, renderer.special_tokens(tokenizer)) == (
        "Names before colons",
        "<|stop|>",
        ["<|a|>"],
    )
    (rendered,) = render(TALK, renderer, tokenizer, eot)
    assert tokenizer.decode(rendered.ids) == (
        "user: Why?<|stop|>assistant: <think>Hm.</think>So.<|stop|>user: \nAnd?<|stop|>assistant: No.<|stop|>"
    )


def shown(rows, tokenizer):
    """Each row's text, with what is trained in brackets"""
    return [
        "".join(
            f"[{tokenizer.decode([i])}]" if w else tokenizer.decode([i]) for i, w in zip(r.ids, r.weights, strict=True)
        )
        .replace("][", "")
        .replace("\n", "/")
        for r in rows
    ]


FIRST, SECOND = "<think>Hm.</think>So.<|eot|>", "No.<|eot|>"
ACCEPTED = {
    # It marks the last question, which is no longer the last one turn later: a row for each answer, as inference prompts.
    each("{{ message.role ~ ': ' ~ message.content ~ eot_token ~ ('!' if loop.last else '') }}") + PROMPT: [
        f"user: Why?<|eot|>!assistant: [{FIRST}]",
        f"user: Why?<|eot|>assistant: {FIRST}user: /And?<|eot|>!assistant: [{SECOND}]",
    ],
    # It counts turns at the top, which are fewer when a reply is asked for.
    "{{ messages|length }} turns\n" + each(GOOD) + PROMPT: [
        f"1 turns/user: Why?<|eot|>assistant: [{FIRST}]",
        f"3 turns/user: Why?<|eot|>assistant: {FIRST}user: /And?<|eot|>assistant: [{SECOND}]",
    ],
    "{% for message in messages|reverse %}" + GOOD + "{% endfor %}" + PROMPT: [
        f"user: Why?<|eot|>assistant: [{FIRST}]",
        f"user: /And?<|eot|>assistant: {FIRST}user: Why?<|eot|>assistant: [{SECOND}]",
    ],
    # What reasoning models do: inference is prompted into a thought, which the model has to end.
    each(GOOD) + "{% if add_generation_prompt %}assistant: <think>\n{% endif %}": [
        "user: Why?<|eot|>assistant: <think>/[Hm./</think>//So.<|eot|>]",
        f"user: Why?<|eot|>assistant: {FIRST}user: /And?<|eot|>assistant: <think>/[/</think>//{SECOND}]",
    ],
    # Without a prompt for the answer the model writes its own beginning.
    each(GOOD): [f"user: Why?<|eot|>[assistant: {FIRST}]user: /And?<|eot|>[assistant: {SECOND}]"],
    each("{{ message.role ~ ': ' ~ message.content ~ ' (end)' ~ eot_token }}") + PROMPT: [
        "user: Why? (end)<|eot|>assistant: [<think>Hm.</think>So. (end)<|eot|>]"
        "user: /And? (end)<|eot|>assistant: [No. (end)<|eot|>]"
    ],
    # A BOS before every turn, as some write it.
    each("{{ '<s>' ~ message.content ~ eot_token }}") + "{% if add_generation_prompt %}<s>{% endif %}": [
        f"<s>Why?<|eot|><s>[{FIRST}]<s>/And?<|eot|><s>[{SECOND}]"
    ],
}


@pytest.mark.parametrize("body", ACCEPTED, ids=range(len(ACCEPTED)))
def test_what_inference_prompts_with_can_be_trained_whatever_else_the_template_writes(body, ready):
    renderer = made(body)
    tokenizer, eot = ready(renderer)
    rows = render(TALK, renderer, tokenizer, eot)
    assert shown(rows, tokenizer) == ACCEPTED[body]
    thinking, rewritten = (
        "the template drops earlier thinking",
        "the template writes earlier turns differently once others follow",
    )
    assert {row.why for row in rows} == {"" if len(rows) == 1 else thinking if "<think>" in body else rewritten}


def test_an_answer_that_the_tokenizer_joins_to_the_template_has_a_row_of_its_own(ready):
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    # A vocabulary with the pair ": " + "N" as one token, and no rule that keeps them apart.
    words = {c: i for i, c in enumerate(["<|eot|>", *map(chr, range(10, 127)), " N"])}
    model = Tokenizer(models.BPE(words, [(" ", "N")]))
    model.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=model)
    tokenizer.add_special_tokens({"eos_token": "<|eot|>"})
    rows = render(TALK, made(each(GOOD) + PROMPT), tokenizer, "<|eot|>")
    assert [row.why for row in rows] == ["the tokenizer joins text across the beginning of an answer"] * 2
    assert [tokenizer.convert_ids_to_tokens(row.ids[row.spans[0].start]) for row in rows] == ["<", "N"]
    assert shown(rows, tokenizer)[1].endswith(f"assistant: [{SECOND}]")


def test_a_system_turn_that_a_format_does_not_have(ready):
    renderer = made("{% for message in messages if message.role != 'system' %}" + GOOD + "{% endfor %}" + PROMPT)
    tokenizer, eot = ready(renderer)
    talk = Conversation(id="t", turns=(Turn("system", "Be kind."), *TALK.turns))
    with pytest.raises(
        LimaError,
        match="leaves out turn 1, the system's. Leave the system turn out, or use a renderer that takes one: --renderer",
    ):
        render(talk, renderer, tokenizer, eot)


def test_a_template_that_raises_for_a_system_turn_names_renderers_that_take_one(renderers):
    """Each of those takes it, as the certificate's row `system` says"""
    import re
    from pathlib import Path

    from lima_chat.renderer import OwnTemplateRenderer
    from lima_chat.stand_in import stand_in

    talk = Conversation(id="t", turns=(Turn("system", "Be kind."), Turn("user", "Why?"), Turn("assistant", "So.")))
    for name, said in (
        ("gemma2", "System role not supported"),
        ("mistral_v0_1", "Roles must alternate: user, assistant"),
    ):
        file = parse(name, (Path(__file__).parent / "zoo" / f"{name}.jinja").read_text(), name)
        tokenizer, own = stand_in(file), OwnTemplateRenderer()
        eot = own.end_of_turn(tokenizer)
        with pytest.raises(
            LimaError, match=f"{said}.* It takes no system turn. Leave the system turn out, or use"
        ) as e:
            render(talk, own, tokenizer, eot)
        named = re.search(r"--renderer (\w+) or (\w+)\.$", str(e.value)).groups()
        for other in named:
            tokenizer = stand_in(renderers[other].file)
            eot = renderers[other].end_of_turn(tokenizer)
            tokenizer.add_special_tokens({"additional_special_tokens": [eot]}, replace_extra_special_tokens=False)
            assert "Be kind." in tokenizer.decode(render(talk, renderers[other], tokenizer, eot)[0].ids)
        assert render(Conversation(id="t", turns=talk.turns[1:]), own, stand_in(file), own.end_of_turn(stand_in(file)))


def test_a_template_that_raises_for_something_else_is_not_said_to_take_no_system_turn(ready):
    renderer = made(each(GOOD) + PROMPT + "{{ raise_exception('Never!') }}")
    tokenizer, eot = ready(renderer)
    talk = Conversation(id="t", turns=(Turn("system", "Be kind."), *TALK.turns))
    with pytest.raises(LimaError) as e:
        render(talk, renderer, tokenizer, eot)
    assert str(e.value).endswith("failed in line 1: Never!")
