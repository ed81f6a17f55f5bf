"""What is registered is what its kind asks for: plugins that get it wrong, one way each, and everything that is installed."""

import json
import os
import re
import subprocess
import sys
from types import SimpleNamespace
from typing import Protocol, runtime_checkable

import pytest

import lima
from lima.builtin import Pairs
from lima.contract.answers import Reply
from lima.contract.conformance import check, signatures
from lima.contract.examples import Example
from lima.contract.grades import Verdict
from lima.contract.kinds import KINDS, GradesReplies, Model, Recognises, Streams
from lima.data.rendering import PlainRenderer, render
from lima.errors import LimaError
from lima.plugins import _load_all
from lima.record.selection import replying
from lima.registry import singular
from lima.testing import only_plugins, tiny_tokenizer


class Registers:
    """A plugin that registers these objects, by kind and name"""

    def __init__(self, **kinds):
        self.kinds, self.protocols = kinds, ()

    def _register(self, kind, register):
        for name, thing in self.kinds.get(kind, {}).items():
            register(name, thing)

    @lima.hookimpl
    def register_sources(self, register):
        self._register("sources", register)

    @lima.hookimpl
    def register_renderers(self, register):
        self._register("renderers", register)

    @lima.hookimpl
    def register_base_models(self, register):
        self._register("base_models", register)

    @lima.hookimpl
    def register_models(self, register):
        self._register("models", register)

    @lima.hookimpl
    def register_graders(self, register):
        self._register("graders", register)

    @lima.hookimpl
    def register_evaluations(self, register):
        self._register("evaluations", register)

    @lima.hookimpl
    def register_migrations(self, register):
        self._register("migrations", register)

    @lima.hookimpl
    def declare_protocols(self, declare):
        for kind, protocol in self.protocols:
            declare(kind, protocol)


class Source:
    description, licence = "one example", "CC0-1.0"

    def examples(self, argument):
        yield Example(id="1", prompt="a", response="b")


class Grader:
    description = "everything passes"

    def grade_reply(self, example, reply, stop):
        return Verdict("pass", "why not")


class Raises(Source):
    @property
    def description(self):
        return 1 / 0


class Twice(Source):
    def examples(self, argument, number):
        return []


class Static(Source):
    def examples():
        return []


class ByName(Source):
    def examples(self, *, argument):
        return []


EXPECTED = "description, licence, examples(argument)"
LIES = {
    "missing member": ("sources", SimpleNamespace(description="a"), f"has no 'licence'; expected {EXPECTED}"),
    "class": ("sources", Source, "is a class; register an object of it, such as Source()"),
    "property that raises": (
        "sources",
        Raises(),
        "reading its 'description' raised ZeroDivisionError: division by zero",
    ),
    "None": (
        "sources",
        SimpleNamespace(description=None, licence="", examples=print),
        "has description = None; expected text",
    ),
    "empty": (
        "sources",
        SimpleNamespace(description=" ", licence="", examples=print),
        "has description = ' '; expected text",
    ),
    "bytes": (
        "sources",
        SimpleNamespace(description="a", licence=b"x", examples=print),
        "has licence = b'x'; expected text",
    ),
    "method that is text": (
        "sources",
        SimpleNamespace(description="a", licence="", examples="many"),
        "has examples = 'many'; expected a method, examples(argument)",
    ),
    "fetch that takes no file": (
        "base_models",
        SimpleNamespace(description="a", folder=lambda: "", fetch=lambda say: ""),
        "has a method fetch() that cannot be called as fetch(say, file): too many positional arguments",
    ),
    "too many arguments": (
        "sources",
        Twice(),
        "has a method examples() that cannot be called as examples(argument): missing a required argument: 'number'",
    ),
    "no self": (
        "sources",
        Static(),
        "has a method examples() that cannot be called as examples(argument): it does not take `self`",
    ),
    "by name only": (
        "sources",
        ByName(),
        "has a method examples() that cannot be called as examples(argument): too many positional arguments",
    ),
    "optional method": (
        "sources",
        SimpleNamespace(description="a", licence="", examples=lambda argument: [], recognises=True),
        "has recognises = True; expected a method, recognises(row)",
    ),
    "renders": (
        "renderers",
        type("Mine", (PlainRenderer,), {"renders": [Example]})(),
        "has renders = [<class 'lima.contract.examples.Example'>]; expected a tuple of types",
    ),
    "renders names": (
        "renderers",
        type("Mine", (PlainRenderer,), {"renders": ("Example",)})(),
        "has renders = ('Example',); expected a tuple of types",
    ),
    "grader of nothing": (
        "graders",
        SimpleNamespace(description="a"),
        "has none of grade(turn), grade_reply(example, reply, stop), open(argument, store); expected at least one",
    ),
    "grader of None": ("graders", SimpleNamespace(description="a", grade=None), "has none of grade(turn), "),
    "opener": (
        "models",
        SimpleNamespace(description="a", open=lambda argument: None),
        "has a method open() that cannot be called as open(argument, store): too many positional arguments",
    ),
    "grader's name": (
        "evaluations",
        SimpleNamespace(description="a", licence="", grader=Grader()),
        "expected text that is not empty",
    ),
    "migrations": (
        "migrations",
        SimpleNamespace(name="liar"),
        "has no 'apply'; expected name, apply(db), pending(db), ",
    ),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_lying_plugin_is_refused_by_name_and_everything_else_works(lie):
    kind, thing, reason = LIES[lie]
    liar = Registers(**{kind: {"liar": thing}})
    good = Registers(sources={"good": Source()}, graders={"good": Grader()})
    with only_plugins(lima_liar=liar, lima_good=good) as plugins:
        registries = {of: plugins.registry(of) for of in (kind, *KINDS)}
        ((name, error),) = [(p.name, p.error) for p in plugins.broken]
        assert name == "lima-liar"
        assert error.startswith(f"register_{kind} failed: the {singular(kind)} 'liar'")
        assert reason in error
        assert {of: sorted(found) for of, found in registries.items()} == {
            "sources": ["good", "pairs"],
            "renderers": ["plain"],
            "base_models": [],
            "models": ["checkpoint"],
            "graders": ["good"],
            "evaluations": [],
            "migrations": ["lima"],
        }


def test_methods_may_take_more_than_lima_passes():
    class Generous(Source):
        def examples(self, *arguments, **named):
            return []

        def recognises(self, row, more=True):
            return False

    with only_plugins(lima_generous=Registers(sources={"generous": Generous()})) as plugins:
        assert plugins.registry("sources").able(Recognises) == ["generous", "pairs"]
        assert plugins.broken == []


def test_a_property_is_read_once():
    read = []

    class Counts(Source):
        @property
        def description(self):
            read.append(1)
            return "counts"

    check(Counts(), "it", KINDS["sources"])
    assert read == [1]


@runtime_checkable
class Asks(Protocol):
    def asks(self, times: int) -> list[str]: ...

    def answers(self) -> list[str]: ...


def test_a_plugin_declares_what_it_consumes_and_only_what_has_a_part_of_it_is_held_to_it():
    about = {"description": "a", "licence": "", "grader": "good"}
    whole = SimpleNamespace(**about, asks=lambda times: [], answers=lambda: [])
    part, other = SimpleNamespace(**about, asks=lambda times: []), SimpleNamespace(**about)
    consumer = Registers(evaluations={"whole": whole})
    consumer.protocols = [("evaluations", Asks)]
    plugins = {
        "consumer": consumer,
        "a_part": Registers(evaluations={"part": part}),
        "other": Registers(evaluations={"o": other}),
    }
    with only_plugins(**plugins) as loaded:
        found = loaded.registry("evaluations")
        assert (sorted(found), found.able(Asks)) == (["o", "whole"], ["whole"])
        assert [(p.name, p.error) for p in loaded.broken] == [
            (
                "a-part",
                "register_evaluations failed: the evaluation 'part' has no 'answers'; expected asks(times), answers()",
            )
        ]
        assert found.lacking("o", Asks, "be asked") == (
            "The evaluation 'o' cannot be asked: it has no asks(times), answers(). Those that have: whole."
        )
        assert loaded.declared("graders") == []


@pytest.mark.parametrize(
    ("kind", "protocol", "why"),
    [
        ("evaluation", Asks, "'evaluation' is not a registered kind. Did you mean 'evaluations'?"),
        ("evaluations", Source, "is not a Protocol marked @runtime_checkable"),
        ("models", Model, "is not a Protocol marked @runtime_checkable"),
        (
            "models",
            runtime_checkable(type("Named", (Protocol,), {"__annotations__": {"name": str}})),
            "has name; expected methods",
        ),
    ],
)
def test_a_plugin_that_declares_nonsense_is_set_aside(kind, protocol, why):
    liar = Registers(sources={"mine": Source()})
    liar.protocols = [(kind, protocol)]
    with only_plugins(lima_liar=liar) as plugins:
        assert sorted(plugins.registry("sources")) == ["pairs"]
        assert plugins.broken[0].error.startswith("declare_protocols failed: ")
        assert why in plugins.broken[0].error


class Judges:
    """Opens graders by the grade that they give"""

    description = "judges:GRADE"

    def open(self, argument, store):
        def grade_reply(example, reply, stop):
            return Verdict(argument, f"in {store}")

        return SimpleNamespace() if argument is None else SimpleNamespace(grade_reply=grade_reply)


def test_a_grader_is_named_with_an_argument_like_a_model():
    both = SimpleNamespace(**{"description": "both", "grade_reply": Grader().grade_reply, "open": Judges().open})
    graders = {"judges": Judges(), "plain": Grader(), "both": both}
    with only_plugins(lima_judges=Registers(graders=graders)) as plugins:
        found = plugins.registry("graders")
        assert found.open("judges:fail", "s").grade_reply(None, "", "") == Verdict("fail", "in s")
        assert found.open("plain", None) is graders["plain"]
        assert found.open("both", None) is both
        assert found.open("both:fail", None) is not both
        assert [found.opens(n) for n in ("judges", "judges:a:b", "plain", "both", "both:x")] == [
            True,
            True,
            False,
            False,
            True,
        ]
        with pytest.raises(
            LimaError, match=r"^The grader 'plain' takes no argument\. Write plain instead of plain:x\.$"
        ):
            found.open("plain:x", None)
        with pytest.raises(LimaError, match=r"There is no grader 'judge'\. Did you mean 'judges'\?"):
            found.open("judge:x", None)
        with pytest.raises(
            LimaError, match=r"^Plugin 'lima-judges' opened the grader 'judges': the object has none of grade\(turn\)"
        ):
            found.open("judges", None)
        assert found.able(GradesReplies) == ["both", "plain"]
        assert replying(plugins, "judges:pass", None).grade_reply(None, "", "") == Verdict("pass", "in None")


class Talks:
    """A model that opens itself and streams"""

    description, name = "talks", "talks"

    def open(self, argument, store):
        return self

    def reply(self, prompts, settings, seed, on_progress=None):
        return [Reply("yes", [], "eot", 0.0, [], thoughts="hm") for _ in prompts]

    def stream(self, prompt, settings, seed):
        yield "yes"
        return self.reply([prompt], settings, seed)[0]


def test_a_model_is_checked_when_it_is_opened():
    models = {
        "talks": Talks(),
        "mute": SimpleNamespace(description="a", open=lambda argument, store: SimpleNamespace(name="m")),
    }
    with only_plugins(lima_talks=Registers(models=models)) as plugins:
        found = plugins.registry("models")
        assert isinstance(found.open("talks", None), Streams)
        wrong = (
            "Plugin 'lima-talks' opened the model 'mute:x': the object has no 'reply'; expected name, reply(prompts, "
        )
        with pytest.raises(LimaError, match=f"^{re.escape(wrong)}"):
            found.open("mute:x", None)


def test_thoughts_are_kept_apart_and_empty_unless_a_model_tells():
    assert (Reply("a", [], "eot", 0.0, []).thoughts, Talks().reply([""], None, 0)[0].thoughts) == ("", "hm")


def test_a_renderer_gives_one_row_or_a_list_and_every_row_is_verified():
    class Rows(PlainRenderer):
        number = 1

        def render(self, record, tokenizer, eot):
            return [super().render(record, tokenizer, eot)] * self.number

        def prompts(self, record, tokenizer, eot):
            return super().prompts(record, tokenizer, eot) * 2

    tokenizer, rows, one = tiny_tokenizer(["<|eot|>"]), Rows(), Example(id="x", source="s", prompt="a", response="b")
    with pytest.raises(
        LimaError, match="^Example 'x' of source 's', rendered by 'plain': 1 trained answers but 2 prompts"
    ):
        render(one, rows, tokenizer, "<|eot|>")
    rows.number = 2
    assert render(one, rows, tokenizer, "<|eot|>") == render(one, PlainRenderer(), tokenizer, "<|eot|>") * 2


def test_everything_that_is_installed_is_what_its_kind_asks_for(monkeypatch):
    monkeypatch.delenv("LIMA_LOAD_PLUGINS", raising=False)
    plugins = _load_all()
    seen = set()
    for kind, asked in KINDS.items():
        for name, thing in plugins.registry(kind).items():
            check(
                thing,
                f"the {singular(kind)} {name!r} of {plugins.registry(kind).owners[name]}",
                asked,
                plugins.declared(kind),
            )
            seen.add(kind)
    assert (plugins.broken, seen) == ([], set(KINDS))


def test_a_protocol_reads_as_it_is_written():
    assert signatures(KINDS["renderers"].needed) == (
        "description, name, renders, end_of_turn(tokenizer), special_tokens(tokenizer), render(record, tokenizer, eot), "
        "prompts(record, tokenizer, eot)"
    )


@pytest.mark.parametrize("name", ["", " ", None, 3])
def test_a_name_that_is_no_text_sets_its_plugin_aside(name):
    class Odd:
        @lima.hookimpl
        def register_sources(self, register):
            register(name, Pairs())

    with only_plugins(lima_odd=Odd()) as plugins:
        assert list(plugins.registry("sources")) == ["pairs"]
        (broken,) = plugins.broken
        assert f"a source is registered under {name!r}; expected a name that is not empty" in broken.error


def test_a_module_that_ends_lima_while_its_hooks_are_read_is_set_aside(tmp_path):
    (tmp_path / "lima_leaving.py").write_text("def __dir__():\n    raise SystemExit(0)\n")
    info = tmp_path / "lima_leaving-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: lima-leaving\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[lima]\nleaving = lima_leaving\n")
    path = os.pathsep.join(filter(None, [str(tmp_path), os.environ.get("PYTHONPATH")]))
    environment = os.environ | {"PYTHONPATH": path, "LIMA_LOAD_PLUGINS": "lima-leaving"}
    command = [sys.executable, "-m", "lima", "sources", "--json"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    assert done.returncode == 0
    assert [row["name"] for row in json.loads(done.stdout)] == ["pairs"]
    assert "plugin 'lima-leaving' is not loaded: its hooks cannot be read: SystemExit: 0" in done.stderr
