"""What is registered is what its kind asks for: plugins that get it wrong, one way each, and everything that is installed."""

import json
import os
import subprocess
import sys
from types import SimpleNamespace
from typing import Protocol, runtime_checkable

import pytest

import lima
from lima.builtin import Pairs
from lima.contract.conformance import check, signatures
from lima.contract.examples import Example
from lima.contract.kinds import KINDS, Model, Recognises
from lima.data.rendering import PlainRenderer
from lima.plugins import _load_all
from lima.registry import singular
from lima.testing import only_plugins
from registering import Grader, Registers, Source


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
    "options": (
        "sources",
        SimpleNamespace(
            description="a",
            licence="",
            examples=lambda argument: [],
            with_options=lambda values: None,
            options=["times"],
        ),
        "has options = ['times']; expected a tuple of texts",
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
            "filters": [],
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
