"""Template files: their heads, those in the user's folder, and the sentences about wrong ones."""

import re
from importlib import resources
from pathlib import Path

import pytest

from lima import LimaError
from lima.testing import only_plugins
from lima_chat import templates
from lima_chat.templates import TemplateFile, parse, template_files


def test_the_head_of_a_template():
    text = "{# description: Mine: all of it #}\n{#- eot: <|x|> -#}\n{# tokens: <|a|> <|b|> #}\n{# a remark #}\n{{ messages }}\n"
    assert parse("mine", text, "mine.jinja") == TemplateFile(
        name="mine",
        source="{# a remark #}\n{{ messages }}\n",
        description="Mine: all of it",
        eot="<|x|>",
        tokens=("<|a|>", "<|b|>"),
        head=3,
    )
    assert parse("bare", "{{ messages }}", "bare.jinja") == TemplateFile(name="bare", source="{{ messages }}")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{# eos: <|x|> #}\nx", "mine.jinja, line 1: 'eos' is not a key of a template's head. Did you mean 'eot'?"),
        ("{# eot: a #}\n{# eot: b #}\nx", "mine.jinja, line 2: 'eot' occurs twice. Keep one."),
        ("{# eot: a #}\n \n", "mine.jinja has no template in it. See templates/README.md for the variables."),
        ("{# eot: <|a|> <|b|> #}\nx", "mine.jinja, line 1: eot is '<|a|> <|b|>'; expected one token."),
    ],
)
def test_a_wrong_head_is_an_error_with_its_line(text, problem):
    with pytest.raises(LimaError) as e:
        parse("mine", text, "mine.jinja")
    assert str(e.value).startswith(problem)


def test_a_template_in_the_users_folder_is_a_renderer(tmp_path):
    import lima_chat

    own = tmp_path / "user" / "templates"
    own.mkdir(parents=True)
    (own / "mine.jinja").write_text("{# description: My own #}\n{{ messages[0].content ~ eot_token }}")
    with only_plugins(lima_chat=lima_chat) as plugins:
        found = plugins.registry("renderers")
        assert (found["mine"].name, found["mine"].description) == ("mine", "My own")
        assert [p.error for p in plugins.all] == ["", ""]


def test_a_wrong_template_of_the_users_is_skipped_and_the_rest_is_there(tmp_path, capsys):
    import lima_chat

    own = tmp_path / "user" / "templates"
    own.mkdir(parents=True)
    shipped = [f.name for f in template_files()]
    for name in ("chatml", "mine", "plain", "template"):
        (own / f"{name}.jinja").write_text("{# description: My own #}\n{{ messages }}")
    (own / "head.jinja").write_text("{# foo: x #}\n{{ messages }}")
    (own / "latin.jinja").write_bytes(b"\xff")
    with only_plugins(lima_chat=lima_chat) as plugins:
        found = plugins.registry("renderers")
        assert sorted(found) == sorted([*shipped, "mine", "plain", "template"])
        assert found.contested == {}
        assert [name for name in found if found[name].description == "My own"] == ["mine"]
        assert [p.error for p in plugins.all] == ["", ""]
    taken = "has the name of another renderer,"
    assert capsys.readouterr().err.splitlines() == [
        f"Skipped a template: {own}/chatml.jinja {taken} 'chatml'. Rename it.",
        f"Skipped a template: {own}/head.jinja, line 1: 'foo' is not a key of a template's head. Known: description, eot, "
        "tokens. Repair or remove it.",
        f"Skipped a template: cannot read {own}/latin.jinja: 'utf-8' codec can't decode byte 0xff in position 0: invalid start "
        "byte. Repair or remove it.",
        f"Skipped a template: {own}/plain.jinja {taken} 'plain'. Rename it.",
        f"Skipped a template: {own}/template.jinja {taken} 'template'. Rename it.",
    ]


def test_a_checkout_without_symbolic_links_is_told(tmp_path, monkeypatch):
    (tmp_path / "templates").write_text("../../../templates")  # what git writes there
    monkeypatch.setattr(resources, "files", lambda package: tmp_path)
    with pytest.raises(LimaError, match=r"was made without symbolic links\. Clone again with"):
        list(templates.template_files())


def test_the_example_in_the_readme_does_what_it_says(ready):
    from lima.data.rendering import render
    from lima_chat import Conversation, Turn
    from lima_chat.renderer import TemplateRenderer

    readme = (Path(__file__).parent.parent / "README.md").read_text(encoding="utf-8")
    source = re.search(r"```jinja\n(.*?)```", readme, re.DOTALL)[1]
    renderer = TemplateRenderer(parse("names", source, "names.jinja"))
    assert renderer.description == "names before colons"
    tokenizer, eot = ready(renderer)
    talk = Conversation(id="t", turns=(Turn("user", "Where? "), Turn("assistant", "Paris is the capital.")))
    (rendered,) = render(talk, renderer, tokenizer, eot)
    assert [tokenizer.decode([i]) for i, w in zip(rendered.ids, rendered.weights, strict=True) if w] == [
        " Paris", " is", " the", " capital", ".", "<|eot|>"
    ]  # fmt: skip
    spaced = TemplateRenderer(parse("names", source.replace('"Bob:"', '"Bob: "'), "names.jinja"))
    (rendered,) = render(talk, spaced, tokenizer, eot)
    trained = [tokenizer.decode([i]) for i, w in zip(rendered.ids, rendered.weights, strict=True) if w]
    assert trained[0] != " Paris"
    assert "".join(trained) == "Paris is the capital.<|eot|>"
    assert rendered.why == "the tokenizer joins text across the beginning of an answer"
