"""The judge of masks sees what is wrong, and `lima renderers check` says so."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from lima import LimaError, Span
from lima_chat import Conversation, Turn, certificate
from lima_chat.certificate import certify
from lima_chat.command import check
from lima_chat.judge import Judge
from lima_chat.renderer import OwnTemplateRenderer, TemplateRenderer
from lima_chat.stand_in import stand_in, tokens_of
from lima_chat.templates import parse

BODY = (
    "{% for m in messages %}{{ '<|' ~ m.role ~ '|>' ~ m.content ~ '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}{% if false %}<|user|><|system|>{% endif %}"
)
TALK = Conversation(
    id="t", turns=(Turn("user", "Why?"), Turn("assistant", "So it is."), Turn("user", "And?"), Turn("assistant", "No."))
)


def judged(body=BODY, talk=TALK):
    file = parse("mine", body, "mine.jinja")
    renderer, tokenizer = OwnTemplateRenderer(), stand_in(file)
    eot = renderer.end_of_turn(tokenizer)
    judge = Judge(tokenizer, renderer.chat_template(tokenizer, eot), eot)
    return judge, renderer.render(talk, tokenizer, eot), tokenizer


def moved(row, number, start=0, stop=0):
    """A row whose answer begins and ends elsewhere, with weights to match"""
    spans = list(row.spans)
    spans[number] = replace(spans[number], start=spans[number].start + start, stop=spans[number].stop + stop)
    inside = {i for s in spans for i in range(s.start, s.stop)}
    return replace(row, spans=spans, weights=[float(i in inside) for i in range(len(row.ids))])


def test_what_is_right_has_no_fault():
    judge, rows, _ = judged()
    assert judge.faults(TALK, rows) == []


def faults(change):
    judge, (row,), _ = judged()
    return " ".join(judge.faults(TALK, [change(row)]))


def test_each_mask_that_is_wrong_is_seen():
    assert "the ids before answer 2 are not those of apply_chat_template" in faults(lambda row: moved(row, 0, start=1))
    assert "the ids before answer 4 are not those of apply_chat_template" in faults(lambda row: moved(row, 1, start=-1))
    assert "it does not end with a special token" in faults(lambda row: moved(row, 0, stop=-1))
    assert "it does not end with a special token" in faults(lambda row: moved(row, 0, stop=2))
    stray = lambda row: replace(row, weights=[1.0, *row.weights[1:]])  # noqa: E731
    assert "token 0 is trained outside of an answer" in faults(stray)
    muted = lambda row: replace(row, weights=[0.0] * len(row.ids))  # noqa: E731
    assert "or not trained in one" in faults(muted)
    once = lambda row: replace(row, spans=row.spans[:1])  # noqa: E731
    assert faults(once) == "1 answers are trained, and the conversation has 2"


def test_other_text_and_another_end_are_seen():
    judge, (row,), tokenizer = judged()
    begin, stop = row.spans[0].start, row.spans[0].stop
    other = tokenizer("But", add_special_tokens=False).input_ids
    ids = [*row.ids[:begin], *other, *row.ids[stop - 1 :]]
    shift = len(ids) - len(row.ids)
    spans = [
        Span(begin, stop + shift, "But"),
        replace(row.spans[1], start=row.spans[1].start + shift, stop=row.spans[1].stop + shift),
    ]
    inside = {i for s in spans for i in range(s.start, s.stop)}
    changed = replace(row, ids=ids, spans=spans, weights=[float(i in inside) for i in range(len(ids))])
    assert "it lacks 'So it is.'" in " ".join(judge.faults(TALK, [changed]))
    end = tokenizer.convert_tokens_to_ids("</s>")
    changed = replace(row, ids=[*row.ids[: stop - 1], end, *row.ids[stop:]])
    assert "it ends with '</s>' and not with the EOT '<|end|>'" in " ".join(judge.faults(TALK, [changed]))


def test_a_refusal_is_right_only_where_inference_has_the_reason_too():
    judge, _, _ = judged()
    assert judge.cannot(TALK) == ""
    thinking = Conversation(id="t", turns=(Turn("user", "Why?"), Turn("assistant", "So.", thoughts="Hm!")))
    assert judge.cannot(thinking) == "the template does not write the thoughts of turn 2"
    deaf, _, _ = judged(BODY.replace("{% for m in messages %}", "{% for m in messages if m.role != 'system' %}"))
    told = Conversation(id="t", turns=(Turn("system", "Be kind."), *TALK.turns))
    assert deaf.cannot(told) == "the template leaves out what somebody says before"
    strict, _, _ = judged(BODY + "{% if messages[0].role == 'system' %}{{ raise_exception('No system!') }}{% endif %}")
    assert strict.cannot(told) == "apply_chat_template raises: No system!"


WITH_A_PROMPT = (
    "{% for m in messages %}{{ '<|' ~ m.role ~ '|>' ~ CONTENT ~ '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>PROMPT{% endif %}{% if false %}<|user|><|system|>{% endif %}"
)


@pytest.mark.parametrize("tag", ["think", "thinking"])
def test_both_tags_of_thoughts_in_a_content_are_known(tag):
    def judged_with(prompt, content, written="m.content.split('</TAG>')[-1].strip()"):
        talk = Conversation(id="t", turns=(Turn("user", "Why?"), Turn("assistant", content)))
        file = parse(
            "mine",
            WITH_A_PROMPT.replace("PROMPT", prompt).replace("CONTENT", written).replace("TAG", tag),
            "mine.jinja",
        )
        renderer, tokenizer = OwnTemplateRenderer(), stand_in(file)
        eot = renderer.end_of_turn(tokenizer)
        judge = Judge(tokenizer, renderer.chat_template(tokenizer, eot), eot)
        return judge.cannot(talk), lambda: judge.faults(talk, renderer.render(talk, tokenizer, eot))

    opened, closed = f"<{tag}>\n", f"<{tag}>\n\n</{tag}>\n\n"
    first, later = f"<{tag}>\nIt is.\n</{tag}>\n\nSo.", f"So.<{tag}>It is.</{tag}>"
    cannot, faults = judged_with(opened, first)
    assert (cannot, faults()) == ("", [])
    assert judged_with(closed, first, "m.content")[0] == "inference is prompted not to think"
    assert judged_with(opened, later)[0] == "the template leaves out turn 2, or some of it"


def test_the_tokens_that_a_template_writes():
    source = (
        "{# <|no|> #}{{ '<|im_start|>' ~ messages[0] ~ message[role] }}[INST]<start_of_turn><｜User｜>"
        "<tools></tools><|turn>x<turn|>[|user|]{% if a < b and b > c %}{% endif %}"
    )
    assert tokens_of(source) == [
        "<|im_start|>", "[INST]", "<start_of_turn>", "<｜User｜>", "<|turn>", "<turn|>", "[|user|]"
    ]  # fmt: skip


@pytest.fixture
def folder(tmp_path):
    made = tmp_path / "templates"
    made.mkdir()
    (made / "good.jinja").write_text(BODY)
    return made


def run(*arguments):
    return CliRunner().invoke(check, list(map(str, arguments)), env={"COLUMNS": "200"})


def test_the_command_passes_what_is_right(folder):
    done = run(folder)
    assert done.exit_code == 0
    assert "good" in done.output
    assert "right" in done.output
    refused = "good (thoughts, 1 exchange; thoughts, 3 exchanges): refused, as it must be: The template of the tokenizer does not"
    assert refused in done.output
    (one,) = json.loads(run(folder / "good.jinja", "--json").output)
    assert (one["name"], one["passed"], one["eot"], one["bos"], one["problem"]) == ("good", True, "<|end|>", "", "")
    assert {c["shape"]: c["rows"] for c in one["checks"]}["system, 3 exchanges"] == 1


def test_the_command_fails_where_a_mask_is_wrong(folder, monkeypatch):
    whole = OwnTemplateRenderer.render
    monkeypatch.setattr(OwnTemplateRenderer, "render", lambda *given: [moved(row, 0, stop=-1) for row in whole(*given)])
    monkeypatch.setattr("lima.verify", lambda *given: None)
    done = run(folder)
    assert done.exit_code == 1
    assert "WRONG: answer 2: 'At noon.' is trained: it does not end with a special token." in done.output
    assert " WRONG " in done.output


def test_the_command_fails_where_something_is_refused_that_inference_can_prompt(folder, monkeypatch):
    def refuse(self, record, tokenizer, eot):
        raise LimaError("Example 'check', rendered by 'template': I do not like it.")

    monkeypatch.setattr(OwnTemplateRenderer, "render", refuse)
    done = run(folder)
    assert done.exit_code == 1
    assert "WRONG, inference can be prompted with it: I do not like it." in done.output


def test_a_template_without_an_end_of_turn_token_is_refused_with_the_reason(folder):
    (folder / "endless.jinja").write_text(
        "{% for m in messages %}{{ m.role ~ ': ' ~ m.content ~ '\\n' }}{% endfor %}assistant: "
    )
    done = run(folder / "endless.jinja")
    assert done.exit_code == 1
    assert "endless: The tokenizer's own chat template writes no special token after an answer" in done.output


def test_a_file_that_cannot_be_read_does_not_end_the_check_of_the_others(folder):
    (folder / "a_folder.jinja").mkdir()
    (folder / "bytes.jinja").write_bytes(b"\xff\xfe\x00")
    (folder / "head.jinja").write_text("{# nonsense: 1 #}\n" + BODY)
    done = run(folder, "--json")
    assert done.exit_code == 1
    found = {one["name"]: (one["passed"], one["problem"]) for one in json.loads(done.output)}
    assert found.pop("good") == (True, "")
    assert {name: passed for name, (passed, _) in found.items()} == dict.fromkeys(("a_folder", "bytes", "head"), False)
    assert found["bytes"][1].startswith(f"cannot read {folder / 'bytes.jinja'}: 'utf-8' codec can't decode")
    assert "line 1: 'nonsense' is not a key of a template's head." in found["head"][1]


def test_two_bos_are_refused_as_they_must_be(folder):
    (folder / "twice.jinja").write_text("{{ bos_token }}{{ bos_token }}" + BODY)
    done = run(folder / "twice.jinja")
    assert done.exit_code == 0
    assert "refused, as it must be: it begins with two BOS tokens; expected one." in " ".join(done.output.split())


NAMED = (Turn("user", "Who?", name="ann"), Turn("assistant", "I.", name="bob"))


def test_the_name_of_an_assistant_is_written_or_refused():
    talk = Conversation(id="t", turns=NAMED)
    with pytest.raises(
        LimaError, match="does not write the name of turn 2, the assistant's. Leave the name out, or use"
    ):
        judged(talk=talk)
    judge, _, _ = judged()
    assert judge.cannot(talk) == "the template does not write the name of turn 2"
    judge, rows, tokenizer = judged(
        BODY.replace("{{ '<|' ~ m.role ~ '|>'", "{{ '<|' ~ m.role ~ '|>' ~ (m.name or '')"), talk
    )
    assert (judge.faults(talk, rows), judge.cannot(talk)) == ([], "")
    assert tokenizer.decode(rows[0].ids) == "<|user|>annWho?<|end|><|assistant|>bobI.<|end|>"


def test_the_templates_of_this_project_pass_also_with_a_tokenizer_that_joins_line_breaks(joining):
    from lima_chat.templates import template_files

    for file in template_files():
        tokenizer = stand_in(file)
        special = [t.content for t in tokenizer.added_tokens_decoder.values() if t.special]
        for one in (tokenizer, joining(special)):
            found = certify(file.name, TemplateRenderer(file), one, {})
            assert found.passed, found


def test_a_base_and_its_renderers_are_checked(tmp_path):
    import lima_chat
    from lima.testing import only_plugins, tiny_base

    tokenizer = stand_in(parse("mine", BODY, "mine.jinja"))
    base = tiny_base(tmp_path / "base", tokenizer=tokenizer)
    with only_plugins(lima_chat=lima_chat):
        done = run(base, "--renderer", "template", "--renderer", "chatml", "--json")
        assert [(one["name"], one["passed"], one["eot"]) for one in json.loads(done.output)] == [
            ("template", True, "<|end|>"),
            ("chatml", True, "<|im_end|>"),
        ]
        assert isinstance(run(base, "--renderer", "plain").exception, LimaError)
        assert "is not made of a chat template" in str(run(base, "--renderer", "plain").exception)
        folder = Path(lima_chat.__file__).parent / "templates"
        assert "is for a base model" in str(run(folder, "--renderer", "chatml").exception)
        assert "only template.NAME=VALUE" in str(run(base, "--set", "epochs=3").exception)


def test_the_command_line_ends_with_1_where_a_template_fails(folder, capsys):
    import lima_chat
    from lima.cli import main
    from lima.testing import only_plugins

    (folder / "endless.jinja").write_text("{% for m in messages %}{{ m.role ~ ': ' ~ m.content ~ '\\n' }}{% endfor %}")
    with only_plugins(lima_chat=lima_chat):
        for path, code in ((folder / "good.jinja", 0), (folder, 1)):
            with pytest.raises(SystemExit) as e:
                main(["renderers", "check", str(path)])
            assert e.value.code == code
    said = capsys.readouterr()
    assert "endless: The tokenizer's own chat template writes no special token" in said.out
    assert said.err == ""


def test_the_command_is_the_listings(monkeypatch):
    import lima_chat
    from lima.cli import cli
    from lima.testing import only_plugins

    with only_plugins(lima_chat=lima_chat) as plugins:
        plugins.add_commands(cli)
        listed = CliRunner().invoke(cli, ["renderers", "--json"])
        assert "template" in [row["name"] for row in json.loads(listed.output)]
        assert "apply_chat_template" in CliRunner().invoke(cli, ["renderers", "check", "--help"]).output


def test_variables_are_given_to_the_template(folder):
    spoken = "{% if lang is defined and lang == 'fr' %}{{ raise_exception('Non !') }}{% endif %}" + BODY
    (folder / "spoken.jinja").write_text(spoken)
    done = run(folder / "spoken.jinja", "--set", "template.lang=fr")
    assert "Non !" in done.output
    assert run(folder / "spoken.jinja", "--set", "template.lang=de").exit_code == 0


@pytest.mark.slow
def test_what_does_not_render_in_the_sandbox_is_not_rendered_outside(folder, monkeypatch):
    from lima_chat import sandbox

    monkeypatch.setattr(sandbox, "SECONDS", 0.5)
    asked = []
    monkeypatch.setattr(certificate.Judge, "cannot", lambda self, talk: asked.append(talk) or "")
    endless = "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}"
    loop = "{% if messages[0].content[:4] == 'When' %}" + endless + "{% endif %}"
    file = parse("slow", loop + BODY, "slow.jinja")
    one = certify("slow", OwnTemplateRenderer(), stand_in(file), {})
    assert asked == []
    assert "was stopped after" in one.checks[0].cannot
