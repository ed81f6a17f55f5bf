"""Every hook of the contract is really called: one plugin implements all of them and hears a real training."""

from typing import Protocol, runtime_checkable

import click
from sqlite_utils import Migrations

import lima
from lima.cli.group import Group
from lima.contract import hooks as hookspecs
from lima.contract.answers import Reply
from lima.data.rendering import PlainRenderer
from lima.recipe import Recipe
from lima.record.store import Store
from lima.testing import only_plugins
from lima.train.start import fine_tune

tables = Migrations("lima-everything")


@tables()
def m001(db):
    db.table("heard").create({"step": int})


class Source:
    description, licence = "one example", "CC0-1.0"

    def examples(self, argument):
        yield lima.Example(id="1", source="mine", prompt="What is it?", response="The dog.")


class Shouting(PlainRenderer):
    name = "shouting"


class Base:
    description = "a tiny random model"

    def __init__(self, path):
        self.path = path

    def folder(self):
        return self.path


class Parrot:
    description, name = "says it again", "parrot"

    def open(self, argument, store):
        return self

    def reply(self, prompts, settings, seed, on_progress=None):
        return [Reply(str(p), [], "eot", 0.0, []) for p in prompts]


class Lenient:
    description = "everything is excellent"

    def grade(self, turn):
        return lima.Verdict("excellent", "all is")


class Nothing:
    description, licence, grader = "asks nothing", "CC0-1.0", "lenient"


@runtime_checkable
class Asks(Protocol):
    def asked(self) -> int: ...


class Held:
    description, licence = "one example that is held out", "CC0-1.0"

    def examples(self, argument):
        yield lima.Example(id="1", source="held", prompt="Who is it?", response="The cat.")


class NoFilter:
    description = "leaves out nothing"

    def excludes(self, examples):
        return []


class Everything:
    """Implements all hooks"""

    def __init__(self, path):
        self.path, self.heard = path, []

    @lima.hookimpl
    def register_commands(self, cli):
        cli.add_command(click.Command("everything"))

    @lima.hookimpl
    def register_sources(self, register):
        register("mine", Source())
        register("held", Held())

    @lima.hookimpl
    def register_renderers(self, register):
        register("shouting", Shouting())

    @lima.hookimpl
    def register_base_models(self, register):
        register("mine", Base(self.path))

    @lima.hookimpl
    def register_models(self, register):
        register("parrot", Parrot())

    @lima.hookimpl
    def register_graders(self, register):
        register("lenient", Lenient())

    @lima.hookimpl
    def register_evaluations(self, register):
        register("nothing", Nothing())

    @lima.hookimpl
    def declare_protocols(self, declare):
        declare("evaluations", Asks)

    @lima.hookimpl
    def register_migrations(self, register):
        register("lima-everything", tables)

    @lima.hookimpl
    def before_train(self, run, examples):
        self.heard.append(("before_train", [e.content_hash for e in examples]))

    @lima.hookimpl
    def after_step(self, run, step, metrics):
        with Store(run.database) as store, store.write() as db:
            db.table("heard").insert({"step": step})

    @lima.hookimpl
    def register_filters(self, register):
        register("all", NoFilter())

    @lima.hookimpl
    def measure_epoch(self, model, examples, record):
        record("heard", len(examples))

    @lima.hookimpl
    def after_epoch(self, run, epoch, checkpoint):
        self.heard.append(("after_epoch", epoch))

    @lima.hookimpl
    def after_train(self, run, checkpoint):
        self.heard.append(("after_train", checkpoint))


def test_every_hook_takes_part_in_a_real_training(base, tmp_path):
    everything = Everything(base)
    hooks = {n for n, f in vars(hookspecs).items() if hasattr(f, "lima_spec")}
    with only_plugins(lima_everything=everything) as plugins, Store(tmp_path / "l.db", plugins) as store:
        assert set(plugins.loaded[-1].hooks) == hooks
        recipe = Recipe(
            base="mine",
            sources=("mine",),
            dev=("held",),
            renderer="shouting",
            out=str(tmp_path / "out"),
            epochs=2,
            keep_epochs=True,
        )
        run = fine_tune(recipe, store, plugins)
        assert run.base == base
        assert store.rows("select step from heard") == [{"step": 1}, {"step": 2}]
        assert store.rows("select epoch, name, value from epoch_measures") == [
            {"epoch": 1, "name": "heard", "value": 1.0},
            {"epoch": 2, "name": "heard", "value": 1.0},
        ]
        assert store.rows("select source, owner, licence from run_sources") == [
            {"source": "mine", "owner": "lima-everything", "licence": "CC0-1.0"}
        ]
        opened = plugins.registry("models").find("parrot").open(None, store)
        assert opened.reply(["a"], None, 0)[0].text == "a"
        assert plugins.declared("evaluations") == [Asks]
        assert plugins.registry("evaluations").able(Asks) == []
        evaluation = plugins.registry("evaluations").find("nothing")
        assert plugins.registry("graders").find(evaluation.grader).grade(None) == lima.Verdict("excellent", "all is")
        cli = Group("lima")
        plugins.add_commands(cli)
        assert sorted(cli.commands) == ["everything"]
    assert everything.heard == [
        ("before_train", [next(Source().examples(None)).content_hash]),
        ("after_epoch", 1),
        ("after_epoch", 2),
        ("after_train", tmp_path / "out"),
    ]
