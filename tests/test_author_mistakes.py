"""What authors get wrong without an exception: each is said when lima starts or reads, and the advice works."""

from types import ModuleType, SimpleNamespace

import pytest

from lima import Example, LimaError, Recipe, Refused, hookimpl
from lima.data.dataset import check_tables
from lima.testing import only_plugins
from registering import Registers


class Source:
    """A source that reads no rows, with one that cannot be used"""

    description, licence = "odd and even", "CC0-1.0"

    def examples(self, argument):
        yield Example(id="1", source="odd", prompt="Odd?", response="Odd.")
        yield Refused("line 2", "it is even. Make it odd.")


def hooked(register_sources=None, **hooks):
    """A module with these hooks, which may be none"""
    module = ModuleType("odd")
    hooks |= {"register_sources": register_sources} if register_sources else {}
    vars(module).update({name: hookimpl(hook) for name, hook in hooks.items()})
    return module


def alone(register):
    register(Source())


def returned(register):
    return {"odd": Source()}


def half(register):
    register("odd", type("Half", (Source,), {"options": ("level",)})())


MISTAKES = [
    (hooked(alone), "it calls register() with Source alone; expected register(NAME, OBJECT)"),
    (
        hooked(returned),
        "it registers nothing and returns dict; expected a call of register(NAME, OBJECT) for each object",
    ),
    (Registers(sources={"a::b": Source()}), "a source is registered under 'a::b'; expected a name without '::'"),
    (hooked(half), "the source 'odd' has no 'with_options'; expected options, with_options(values)"),
]


def test_what_registers_nothing_or_half_is_set_aside_with_the_reason():
    for plugin, why in MISTAKES:
        with only_plugins(lima_odd=plugin) as plugins:
            assert [*plugins.registry("sources")] == ["pairs"], why
            assert [p.error for p in plugins.broken] == [f"register_sources failed: {why}"]


def failing(register):
    raise KeyError("level")


def leaving(register):
    raise SystemExit(3)


def test_an_author_is_shown_where_a_hook_failed(monkeypatch, capsys):
    for hook in (failing, leaving):
        for debug, shown in (("", False), ("1", True)):
            monkeypatch.setenv("LIMA_DEBUG", debug)
            with only_plugins(lima_odd=hooked(hook)) as plugins:
                assert [*plugins.registry("sources")] == ["pairs"]
                assert len(plugins.broken) == 1
            assert (f"in {hook.__name__}" in capsys.readouterr().err) is shown


def test_a_plugin_without_a_hash_is_set_aside():
    with only_plugins(lima_odd=SimpleNamespace()) as plugins:
        assert [*plugins.registry("sources")] == ["pairs"]
        assert "an object of SimpleNamespace, which has no hash; name the module" in plugins.broken[0].error


def test_options_that_nobody_reads_are_errors():
    watching = hooked(lambda register: register("odd", Source()), before_train=lambda run: None)
    plugins = {"lima_odd": Registers(sources={"odd": Source()}), "lima_none": Registers(renderers={})}
    with only_plugins(**plugins, lima_watching=watching) as loaded:
        for table in ({"lima-odd": {"skip_bad": True}}, {"lima-watching": {"every": 2}}):
            check_tables(Recipe(plugins=table), loaded)
        for table, what in (("lima-odd", "skip_bad alone"), ("lima-none", "none")):
            with pytest.raises(
                LimaError, match=f"'every' is not an option of '{table}', which takes {what}. Leave it out."
            ):
                check_tables(Recipe(plugins={table: {"every": 2}}), loaded)


def test_bad_rows_of_any_source_can_be_left_out_as_the_error_says(lima_plugins, lima_command, lima_base, tmp_path):
    lima_plugins(lima_odd=Registers(sources={"odd": Source()}), lima_other=Registers(sources={"other": Source()}))
    assert "To leave out this row: --skip-bad" in lima_command("sources", "show", "odd", code=1).err
    assert lima_command("sources", "show", "odd", "--skip-bad", "--json").json["refused"] == 1
    asked = ("--base", lima_base, "--source", "odd", "--skip-bad", "--set", "epochs=1", "--out", tmp_path / "out")
    lima_command("train", *asked)
    (run,) = lima_command("runs", "--json").json
    recipe = lima_command("runs", "show", run["id"], "--json").json["recipe"]
    assert recipe["plugins"] == {"lima-odd": {"skip_bad": True}}


def test_what_has_no_rows_is_named_with_its_source(lima_command, lima_plugins, tmp_path):
    lima_plugins(lima_odd=Registers(sources={"odd": Source()}))
    (tmp_path / "notes.md").write_text("# Odd?\n")
    for path, what in ((tmp_path, "folders"), (tmp_path / "notes.md", "such files")):
        said = lima_command("sources", "show", path, code=1).err
        assert f"A source that reads {what} is named before it: NAME:{path}; see `lima sources`." in said
    (tmp_path / "rows.jsonl").write_text("no row\n")
    assert "NAME:" not in lima_command("sources", "show", tmp_path / "rows.jsonl", code=1).err


def test_of_a_plugin_lima_says_what_it_registered(lima_command, lima_plugins):
    broken = Registers(sources={"": Source()})
    lima_plugins(lima_odd=Registers(sources={"odd": Source()}), lima_broken=broken, lima_quiet=hooked())
    (row,) = lima_command("plugins", "why", "lima-odd", "--json").json
    assert (row["kind"], row["name"], row["plugin"]) == ("source", "odd", "lima-odd")
    assert "registered under ''" in lima_command("plugins", "why", "lima-broken", code=1).err
    assert "registers nothing: it has hooks alone" in lima_command("plugins", "why", "lima-quiet", code=1).err
    assert "Did you mean 'lima-odd'" in lima_command("plugins", "why", "lima-od", code=1).err
