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
    # It drops the thinking of a past answer: what was trained on differs from what inference sees.
    each("{{ message.role ~ ': ' ~ message.content.split('</think>')[-1] ~ eot_token }}") + PROMPT: (
        "The template 'mine' rewrites what turn 2 says, or writes something else around it because of what it says: "
        "'…y?<|eot|>assistant: So.<|eot|>user: \\nAnd…' where '…y?<|eot|>assistant: <think>Hm.</think>So…' was expected. "
        "Change that turn, or use a template that only appends."
    ),
    # It marks the last answer, which is no longer the last one turn later.
    each("{{ message.role ~ ': ' ~ message.content ~ eot_token ~ ('!' if loop.last else '') }}") + PROMPT: (
        "The template 'mine': answer 1 comes after '<|eot|>assistant: ', but inference would prompt with '<|eot|>!assistant: '. "
        "Correct what it writes for add_generation_prompt, or use another template."
    ),
    # It counts turns at the top, which are fewer when a reply is asked for.
    "{{ messages|length }} turns\n" + each(GOOD) + PROMPT: (
        "the 24 ids before answer 1 are not the 24 that inference would prompt with: the template rewrites what came before. "
        "Use a template that only appends."
    ),
    "{% for message in messages[-2:] %}" + GOOD + "{% endfor %}" + PROMPT: (
        "The template 'mine' leaves out turn 1, the user's. Use one that only appends."
    ),
    each(GOOD + "{{ message.content }}") + PROMPT: (
        "The template 'mine' writes turn 1, the user's, 2 times. Use one that only appends."
    ),
    "{% for message in messages|reverse %}" + GOOD + "{% endfor %}" + PROMPT: (
        "The template 'mine' changes the order of the turns. Use one that only appends."
    ),
    each("{{ message.role ~ ': ' ~ message.content.upper() ~ eot_token }}") + PROMPT: (
        "The template 'mine' rewrites what turn 1 says, or writes something else around it because of what it says: "
        "'user: WHY?<|eot|>assistant:…' where 'user: Why?<|eot|>assistant:…' was expected. "
        "Change that turn, or use a template that only appends."
    ),
    each("{{ message.role ~ ': ' ~ message.content.lstrip('\\n') ~ eot_token }}") + PROMPT: (
        "The template 'mine' rewrites what turn 3 says, or writes something else around it because of what it says: "
        "'…ink>So.<|eot|>user: And?<|eot|>assistant…' where '…ink>So.<|eot|>user: \\nAnd?<|eot|>assistan…' was expected. "
        "Change that turn, or use a template that only appends."
    ),
    each("{{ message.role ~ ': ' ~ message.content ~ '\\n' }}") + PROMPT: (
        "The template 'mine': answer 1 is followed by '\\nuser: ' and not by the end-of-turn token '<|eot|>', so the model would "
        "never learn to stop. Write {{ eot_token }} directly after the content, or use another template."
    ),
    each("{{ message.role ~ ': ' ~ message.content ~ ' (end)' ~ eot_token }}") + PROMPT: (
        "The template 'mine': answer 1 is followed by ' (end)<|eot|>user: ' and not by the end-of-turn token '<|eot|>', so the "
        "model would never learn to stop. Write {{ eot_token }} directly after the content, or use another template."
    ),
    # What reasoning models do: inference is prompted into a thought that was never trained on.
    each(GOOD) + "{% if add_generation_prompt %}assistant: <think>\n{% endif %}": (
        "The template 'mine': answer 1 comes after '<|eot|>assistant: ', but inference would prompt with "
        "'<|eot|>assistant: <think>\\n'. Correct what it writes for add_generation_prompt, or use another template."
    ),
    each(GOOD): (
        "The template 'mine': answer 1 comes after '<|eot|>assistant: ', but inference would prompt with '<|eot|>'. Correct "
        "what it writes for add_generation_prompt, or use another template."
    ),
    "\n{% for message in messages %}\n{{ message.content }}{{ raise_exception('Roles must rhyme!') }}{% endfor %}": (
        "The template 'mine' failed in line 3: Roles must rhyme!"
    ),
    "{{ messages[7].content.x }}": "The template 'mine' failed in line 1: list object has no element 7.",
    each("{{ '<s>' ~ message.content ~ eot_token }}") + "{% if add_generation_prompt %}<s>{% endif %}": (
        "4 BOS tokens; expected at most one. Remove the one that the template writes."
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
    rendered = render(TALK, renderer, tokenizer, eot)
    assert tokenizer.decode(rendered.ids) == (
        "user: Why?<|stop|>assistant: <think>Hm.</think>So.<|stop|>user: \nAnd?<|stop|>assistant: No.<|stop|>"
    )


def test_an_answer_that_the_tokenizer_joins_to_the_template_is_refused(ready):
    from tokenizers import Tokenizer, decoders, models
    from transformers import PreTrainedTokenizerFast

    # A vocabulary with the pair ": " + "N" as one token, and no rule that keeps them apart.
    words = {c: i for i, c in enumerate(["<|eot|>", *map(chr, range(10, 127)), " N"])}
    model = Tokenizer(models.BPE(words, [(" ", "N")]))
    model.decoder = decoders.Fuse()
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=model)
    tokenizer.add_special_tokens({"eos_token": "<|eot|>"})
    renderer = made(each(GOOD) + PROMPT)
    with pytest.raises(LimaError) as e:
        render(TALK, renderer, tokenizer, "<|eot|>")
    assert str(e.value) == (
        "Example 'talk' of source 's', rendered by 'mine': the tokenizer joins the beginning of turn 4 to the template's text "
        "before it, in ' N', which inference would not. Let the template's prompt end, or the answer begin, without white space."
    )


def test_a_system_turn_that_a_format_does_not_have(ready):
    renderer = made("{% for message in messages if message.role != 'system' %}" + GOOD + "{% endfor %}" + PROMPT)
    tokenizer, eot = ready(renderer)
    talk = Conversation(id="t", turns=(Turn("system", "Be kind."), *TALK.turns))
    with pytest.raises(
        LimaError, match="leaves out turn 1, the system's. Leave the system turn out, or use a template that"
    ):
        render(talk, renderer, tokenizer, eot)
