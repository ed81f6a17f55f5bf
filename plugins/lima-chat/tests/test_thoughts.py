"""Thoughts apart from answers: in what is trained, and in what a model wrote."""

from pathlib import Path

import pytest

from lima import CheckpointModel, LimaError, Sampling
from lima_chat import Conversation, Turn
from lima_chat.renderer import OwnTemplateRenderer
from lima_chat.stand_in import stand_in
from lima_chat.templates import parse

ZOO = Path(__file__).parent / "zoo"
THOUGHT, ANSWER = "First I think\nabout it.", "Then I say it.\n\nTwice."
INLINE = f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}"
WAYS = {
    "none": (Turn("assistant", ANSWER), ""),
    "apart": (Turn("assistant", ANSWER, thoughts=THOUGHT), THOUGHT),
    "inline": (Turn("assistant", INLINE), THOUGHT),
}


def opened(name, **variables):
    file = parse(name, (ZOO / f"{name}.jinja").read_text(encoding="utf-8"), name)
    tokenizer, renderer = stand_in(file), OwnTemplateRenderer().with_variables(variables)
    return renderer, tokenizer, renderer.end_of_turn(tokenizer)


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("name", sorted(f.stem for f in ZOO.glob("*.jinja")))
def test_what_a_model_was_trained_to_write_is_divided_again(name, way):
    turn, thoughts = WAYS[way]
    for variables in ({}, {"enable_thinking": True}, {"enable_thinking": False}):
        renderer, tokenizer, eot = opened(name, **variables)
        try:
            (row,) = renderer.render(Conversation(id="c", turns=(Turn("user", "Q?"), turn)), tokenizer, eot)
        except LimaError:
            assert way != "none"
            continue
        start, stop = row.spans[0].start, row.spans[0].stop - 1
        written, prompt = (
            tokenizer.decode(ids, skip_special_tokens=False) for ids in (row.ids[start:stop], row.ids[:start])
        )
        said, answer = renderer.split_reply(written, prompt[-60:], tokenizer, eot)
        assert (said, answer.removesuffix("<|END_RESPONSE|>")) == (thoughts, ANSWER)


def test_a_reply_that_was_cut_off_while_it_thought_has_no_answer():
    for name, written in (("qwen3", "<think>\nFirst"), ("gpt_oss", "<|channel|>analysis<|message|>First")):
        assert opened(name)[0].split_reply(written, "assistant\n", *opened(name)[1:]) == ("First", "")
    renderer, tokenizer, eot = opened("qwen3_thinking")
    assert renderer.split_reply("First", "<|im_start|>assistant\n<think>\n", tokenizer, eot) == ("First", "")


def test_an_answer_may_name_the_tags():
    renderer, tokenizer, eot = opened("smollm2")
    for said in ("The tag </think> ends a thought.", "Write <think>x</think> there.", "a < b"):
        assert renderer.split_reply(f" {said}\n", "<|im_start|>assistant\n", tokenizer, eot) == ("", said)
    written = "<think>\nWhich?\n</think>\n\nThe tag </think>."
    assert renderer.split_reply(written, "<|im_start|>assistant\n", tokenizer, eot) == ("Which?", "The tag </think>.")


@pytest.mark.parametrize("tag", ["think", "thinking"])
@pytest.mark.parametrize("name", ["smollm2", "qwen3"])
def test_the_usual_tags_are_known_whatever_the_template_writes(name, tag):
    renderer, tokenizer, eot = opened(name)
    written = f"<{tag}>\nWhich?\n</{tag}>\n\nThat one."
    assert renderer.split_reply(written, "<|im_start|>assistant\n", tokenizer, eot) == ("Which?", "That one.")
    assert renderer.split_reply(f"<{tag}>\nWhich", "<|im_start|>assistant\n", tokenizer, eot) == ("Which", "")
    said = f"Write <{tag}>x</{tag}> there."
    assert renderer.split_reply(said, "<|im_start|>assistant\n", tokenizer, eot) == ("", said)


def test_thoughts_where_inference_is_prompted_without_them_are_refused_with_the_way():
    thinking = Conversation(id="c", turns=(Turn("user", "Q?"), WAYS["apart"][0]))
    inline = Conversation(id="c", turns=(Turn("user", "Q?"), WAYS["inline"][0]))
    for name in ("qwen3", "glm4_5", "nemotron3"):
        for talk in (thinking, inline):
            renderer, tokenizer, eot = opened(name, enable_thinking=False)
            with pytest.raises(
                LimaError, match=r"prompts for turn 2 without thoughts.*`enable_thinking = true` in the recipe"
            ):
                renderer.render(talk, tokenizer, eot)
            renderer, tokenizer, eot = opened(name, enable_thinking=True)
            assert len(renderer.render(talk, tokenizer, eot)) == 1
    renderer, tokenizer, eot = opened("llama3")
    with pytest.raises(
        LimaError, match=r"does not write the thoughts of turn 2, so they cannot be learnt\. Leave them out"
    ):
        renderer.render(thinking, tokenizer, eot)


def test_tags_of_thoughts_that_are_not_before_the_answer_are_refused():
    renderer, tokenizer, eot = opened("nemotron3")
    for said in ("So.<think>Hm.</think> Really.", "<think>Hm."):
        with pytest.raises(
            LimaError, match="The tags of thoughts in turn 2 are not as the template of the tokenizer expects"
        ):
            renderer.render(Conversation(id="c", turns=(Turn("user", "Q?"), Turn("assistant", said))), tokenizer, eot)


def test_a_tag_that_is_a_special_token_is_one_in_thoughts_and_text_in_a_question():
    from tokenizers import AddedToken

    renderer, tokenizer, eot = opened("qwen3")
    tokenizer.add_tokens(
        [AddedToken(t, special=True, normalized=False) for t in ("<think>", "</think>")], special_tokens=True
    )
    close = tokenizer.convert_tokens_to_ids("</think>")
    talk = Conversation(id="c", turns=(Turn("user", "What is </think>?"), WAYS["inline"][0]))
    (row,) = renderer.render(talk, tokenizer, eot)
    assert [i for i, token in enumerate(row.ids) if token == close and row.weights[i]] != []
    assert close not in row.ids[: row.spans[0].start]
    assert "What is </think>?" in tokenizer.decode(row.ids[: row.spans[0].start])
    assert tokenizer.decode(row.ids[row.spans[0].start :]).startswith(f"<think>\n{THOUGHT}\n</think>\n\n{ANSWER}")


@pytest.mark.slow
def test_a_checkpoint_keeps_thoughts_and_reply_apart(tmp_path, talks):
    """A model that has learnt one answer by heart, thoughts and all"""
    import lima_chat
    from lima import Recipe, Store, fine_tune
    from lima.testing import only_plugins, tiny_base

    _, tokenizer, _ = opened("qwen3")
    talk = Conversation(id="one", turns=(Turn("user", "Q?"), Turn("assistant", "Yes.", thoughts="Hm.")))
    recipe = Recipe(
        base=str(tiny_base(tmp_path / "base", tokenizer=tokenizer)),
        sources=("talks",),
        renderer="template",
        out=str(tmp_path / "out"),
        epochs=120,
        learning_rate=1e-2,
        final_learning_rate=1e-3,
        residual_dropout=0.0,
        device="cpu",
    )
    with only_plugins(lima_chat=lima_chat, talks=talks(talk)) as plugins, Store(tmp_path / "l.db", plugins) as store:
        run = fine_tune(recipe, store, plugins)
        model = CheckpointModel(run.folder, plugins.registry("renderers")["template"], device="cpu")
        settings = Sampling(temperature=0, repetition_penalty=1.0, max_new_tokens=24)
        (reply,) = model.reply([[Turn("user", "Q?")]], settings, seed=0)
    assert (reply.text, reply.thoughts, reply.stop) == ("Yes.", "Hm.", "eot")
