"""What lima says of plugins that work: dead hooks, slow imports, who registered a name, each hook's time; and what they share."""

import json

import pytest

from lima import hookimpl
from lima.contract import hooks
from lima.data.rendering import PlainRenderer
from lima.errors import LimaError
from lima.hook_checks import KNOWN
from lima.testing import only_plugins
from registering import Grader, Registers, Source
from test_plugins import GOOD, distribution, run


@pytest.fixture
def site(tmp_path):
    folder = tmp_path / "site"
    folder.mkdir()
    return folder


USELESS = [
    ("def register_sources(register): pass", "its function register_sources() is never called: mark it with"),
    ("import lima\n@lima.hookimpl\ndef register_sources(register): yield", "its register_sources() is a generator"),
    ("import lima\n@lima.hookimpl\nasync def after_step(run): pass", "its after_step() is a coroutine"),
    (
        "import lima\n@lima.hookimpl\nasync def after_step(run): yield",
        "its after_step() is an asynchronous generator",
    ),
    (
        "import lima\nclass after_step: pass\nafter_step = lima.hookimpl(after_step)",
        "its after_step is 'type' and not a",
    ),
    ("import time; time.sleep(1.2)", "its import takes 1."),
]
"""Plugins of which lima calls nothing, or waits for, and what is said of each"""


def test_hooks_that_can_never_work_and_slow_imports_are_named(site):
    names = [f"lima-bad-{number}" for number in range(len(USELESS))]
    for name, (code, _) in zip(names, USELESS, strict=True):
        distribution(site, name, code)
    done = run(site, "sources", load=",".join(names))
    assert done.returncode == 0, done.stderr
    rows = {row["name"]: row for row in json.loads(run(site, "plugins", "--json", load=",".join(names)).stdout)}
    warnings = done.stderr.splitlines()
    for name, (_, said) in zip(names, USELESS, strict=True):
        assert [said in line for line in warnings if f"Warning: plugin {name!r}" in line] == [True], done.stderr
        assert said in " ".join([rows[name].get("error", ""), *rows[name].get("remarks", ())])


def test_a_class_that_is_an_entry_point_is_refused():
    with only_plugins(lima_bad=Registers) as plugins:
        assert "its entry point names the class Registers" in plugins.broken[0].error


@pytest.mark.parametrize("names", [("lima-a", "lima-b"), ("lima-b", "lima-a")])
def test_commands_are_added_to_the_groups_of_others_in_any_loading_order(site, names):
    makes, adds = names
    group = (
        "import click, lima\n@lima.hookimpl\ndef register_commands(cli):\n    cli.add_command(click.Group('ours'))\n"
    )
    command = "click.Command('inner', callback=lambda: click.echo('here'))"
    adding = f"import click, lima\n@lima.hookimpl\ndef register_commands(cli):\n    cli.commands['ours'].add_command({command})\n"
    distribution(site, makes, group)
    distribution(site, adds, adding)
    assert run(site, "ours", "inner", load="lima-a,lima-b").stdout == "here\n"
    alone = run(site, "plugins", load=adds)
    assert "register_commands failed: KeyError: 'ours'" in run(site, "sources", load=adds).stderr
    assert alone.returncode == 0


@pytest.mark.slow
def test_why_says_who_registered_a_name_and_the_trace_says_when(site):
    distribution(site, "lima-a", GOOD)
    distribution(site, "lima-b", GOOD.replace("hello", "hi"))
    load = "lima-a,lima-b"
    rows = json.loads(run(site, "plugins", "why", "three", "--json", load=load).stdout)
    assert [(r["kind"], r["name"], r["plugin"], r["version"]) for r in rows] == [
        ("source", "lima-a::three", "lima-a", "1.2"),
        ("source", "lima-b::three", "lima-b", "1.2"),
    ]
    assert json.loads(run(site, "plugins", "why", "hello", "--json", load=load).stdout)[0]["kind"] == "command"
    unknown = run(site, "plugins", "why", "threee", load=load)
    assert (unknown.returncode, "and no plugin has that name. Did you mean 'three'" in unknown.stderr) == (
        1,
        True,
    )


def test_each_hook_is_told_in_a_trace(monkeypatch, capsys):
    monkeypatch.setenv("LIMA_TRACE", "1")
    with only_plugins(lima_mine=Registers(sources={"mine": Source()})) as plugins:
        plugins.registry("sources")
    told = capsys.readouterr().err
    assert "lima: lima-mine, register_sources: " in told
    assert "lima: lima-tune, register_sources: " in told


class Other(PlainRenderer):
    description = "another plain"

    def special_tokens(self, tokenizer):
        return ["<other>"]


def test_a_name_of_the_core_stays_the_cores_and_the_others_have_theirs_before_it(tmp_path, caplog):
    mine, yours = Registers(renderers={"plain": Other(), "own": Other()}), Registers(renderers={"own": Other()})
    with only_plugins(lima_mine=mine, lima_yours=yours) as plugins:
        found = plugins.registry("renderers")
        assert sorted(found) == ["lima-mine::own", "lima-mine::plain", "lima-yours::own", "plain"]
        assert found.find("plain").special_tokens(None) == []
        assert found.find("lima-mine::plain").special_tokens(None) == ["<other>"]
        assert found.find("lima-tune::plain") is found.find("plain")
        assert (found.owners["lima-tune::plain"], found.owners["lima-yours::own"]) == ("lima-tune", "lima-yours")
        with pytest.raises(
            LimaError, match=r"^The renderer 'own' is registered by both 'lima-mine' and 'lima-yours'\. Write"
        ):
            found.find("own")
        assert ("own" in found, "lima-mine::own" in found, "lima-mine::gone" in found) == (False, True, False)


def test_a_qualified_name_takes_an_argument():
    with only_plugins(lima_mine=Registers(graders={"judge": Grader()})) as plugins:
        found = plugins.registry("graders")
        for spec, split in {
            "judge": ("judge", None),
            "judge:a::b": ("judge", "a::b"),
            "lima-mine::judge": ("lima-mine::judge", None),
            "lima-mine::judge:a:b": ("lima-mine::judge", "a:b"),
            "judge::a": ("judge", ":a"),
        }.items():
            assert found.split(spec) == split
        assert found.find("lima-mine::judge") is found.find("judge")


def test_every_hook_that_is_known_is_one_of_the_contract():
    assert set(KNOWN) > {"register_sources", "after_train", "declare_protocols"}


def test_hooks_and_arguments_that_will_go_are_named(monkeypatch, recwarn):
    spec = hooks.after_step.lima_spec
    monkeypatch.setitem(spec, "warn_on_impl", DeprecationWarning("implement after_epoch instead"))
    monkeypatch.setitem(spec, "warn_on_impl_args", {"metrics": DeprecationWarning("read the table steps")})

    class Old:
        @hookimpl
        def after_step(self, step, metrics):
            pass

    with only_plugins(lima_old=Old()) as plugins:
        (old,) = (p for p in plugins.loaded if p.name == "lima-old")
    assert old.remarks == [
        "its after_step() is a hook that will go: implement after_epoch instead",
        "its after_step() takes 'metrics', which will go: read the table steps",
    ]
    assert [str(w.message) for w in recwarn] == []
